"""The diversity wrapper against Bayes' rule over its tasks, written out in loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib.evaluation import evaluate
from tutorlib.tunnels import HMM, Batch, Coin, Diversity
from tutorlib.tunnels import diversity as room

BASES = {
    "coin": {"tosses": 5},
    "markov": {"symbols": 3, "steps": 5},
    "bijection": {"symbols": 4},
    "model_selection": {"symbols": 6, "pairs": 4},
}


def chance(name, task, batch, row, k):
    """The distribution over tokens at scored position k, given the task, spelled out."""
    tunnel = Diversity(name, BASES[name]).base
    if name == "coin":
        return [1 - float(task), float(task), 0.0]
    now = int(batch.tokens[row, int(tunnel.scored[k])])
    if name == "markov":
        return task[now].tolist()
    answer = int(task[now]) + (tunnel.symbols if name == "bijection" else 0)
    return [float(token == answer) for token in range(tunnel.vocab)]


@given(st.sampled_from(list(BASES)), st.integers(1, 5), st.integers(0, 2**31))
def test_every_window_agrees_with_bayes_over_the_tasks(name, tasks, seed):
    tunnel = Diversity(name, BASES[name], tasks, seed % 7)
    assert len(tunnel.fixed) == tasks
    batch = tunnel.sample(2, torch.Generator().manual_seed(seed))
    for row in range(2):
        for steps in range(tunnel.max_window + 1):
            for k in range(len(tunnel.scored)):
                weights = []
                for task in tunnel.fixed:
                    weight = 1.0
                    for s in range(max(0, k - steps), k):
                        weight *= chance(name, task, batch, row, s)[int(batch.targets[row, s])]
                    weights.append(weight / 1.0)
                posterior = [weight / sum(weights) for weight in weights]
                assert tunnel.posterior(batch, steps)[row, k].tolist() == pytest.approx(posterior, abs=1e-12)
                rows = [chance(name, task, batch, row, k) for task in tunnel.fixed]
                expected = [
                    sum(p * q[token] for p, q in zip(posterior, rows, strict=True))
                    for token in range(tunnel.vocab)
                ]
                assert tunnel.window(batch, steps)[row, k].tolist() == pytest.approx(expected, abs=1e-12)


def test_many_tasks_come_in_several_tables(monkeypatch, seeded):
    tunnel = Diversity("coin", {"tosses": 8}, tasks=50)
    batch = tunnel.sample(6, seeded())
    whole = tunnel.exact(batch)
    monkeypatch.setattr(room, "TABLE", 6 * 8 * 3 * 7)  # seven tasks a table
    assert len(list(tunnel._tables(batch))) == 8
    torch.testing.assert_close(tunnel.exact(batch), whole, rtol=0, atol=1e-13)


def test_only_the_fixed_tasks_come_and_all_of_them(seeded):
    tunnel = Diversity("coin", tasks=4, seed=3)
    tasks = tunnel.sample(400, seeded()).tasks
    assert torch.isin(tasks, tunnel.fixed).all()
    assert torch.equal(tasks.unique(), tunnel.fixed.unique())
    assert torch.equal(Diversity("coin", tasks=4, seed=3).fixed, tunnel.fixed)
    assert not torch.equal(Diversity("coin", tasks=4, seed=4).fixed, tunnel.fixed)


def test_one_task_leaves_nothing_to_learn_and_many_are_the_whole_prior(seeded):
    one = Diversity("coin", {"tosses": 10}, tasks=1)
    batch = one.sample(3, seeded())
    torch.testing.assert_close(one.exact(batch), one.oracle(batch))
    gaps = []
    for tasks in (1, 4, 64, 2000):
        tunnel = Diversity("coin", {"tosses": 10}, tasks)
        gaps.append(
            evaluate(tunnel.landmarks()["all tasks"], tunnel, sequences=500, generator=seeded()).mean("kl")
        )
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.05 and gaps[-1] < 1e-3
    # On fresh coins the specialist pays, and less the more tasks it knows.
    fresh, prices = Coin(10), []
    for tasks in (2, 16, 2000):
        specialist = Diversity("coin", {"tosses": 10}, tasks).exact
        prices.append(evaluate(specialist, fresh, sequences=500, generator=seeded()).mean("kl"))
    assert prices == sorted(prices, reverse=True) and prices[0] > 0.05 and prices[-1] < 1e-3


def test_a_header_makes_the_prior_over_tasks_idle(seeded):
    tunnel = Diversity("hmm", {"observations": 6, "law": "sticky"}, tasks=2)
    batch = tunnel.sample(5, seeded())
    assert tunnel.header_shape == (5, 10) and len(batch.header.unique(dim=0)) == 2
    torch.testing.assert_close(tunnel.exact(batch), HMM(observations=6, law="sticky").exact(batch))


def impossible():
    tunnel = Diversity("bijection", {"symbols": 3}, tasks=1)
    batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    wrong = (batch.targets - 3 + 1) % 3 + 3  # each value is another one
    tokens = batch.tokens.clone()
    tokens[:, 1::2] = wrong[:, :-1]
    return tunnel.exact(Batch(tokens, wrong))


BAD = [
    (
        lambda: Diversity("coins"),
        r"tunnel: expected one that draws tasks \(bijection, hmm, .*\), got 'coins'",
    ),
    (lambda: Diversity("mess3"), "expected one that draws tasks"),
    (lambda: Diversity("recall"), "expected one that draws tasks"),
    (lambda: Diversity(tasks=0), "tasks: expected an integer of at least 1, got 0"),
    (lambda: Diversity(seed=-1), "seed: expected an integer of at least 0, below 2\\^63, got -1"),
    (lambda: Diversity(tunnel_config={"tosses": 0}), "tosses: expected an integer of at least 1, got 0"),
    (impossible, "batch: its answers are impossible under each of the 1 tasks"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:50] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
