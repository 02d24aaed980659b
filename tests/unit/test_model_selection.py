"""The model-selection tunnel against a list of all rules on six symbols, and counts on twelve."""

import itertools
import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits
from tutorlib.evaluation import evaluate
from tutorlib.tunnels import Batch, ModelSelection
from tutorlib.tunnels.model_selection import log_involutions, log_three_cycles

RULES = list(itertools.permutations(range(6)))
MOVING = [f for f in RULES if all(f[i] != i for i in range(6))]
INVOLUTIONS = [f for f in MOVING if all(f[f[i]] == i for i in range(6))]
THREE_CYCLES = [f for f in MOVING if all(f[f[f[i]]] == i for i in range(6))]


def test_the_classes():
    assert (len(INVOLUTIONS), len(THREE_CYCLES)) == (15, 40)
    for n, twos, threes in ((6, 15, 40), (12, 10395, 246400)):  # (n - 1)!!, n! / (3^(n/3) (n/3)!)
        nothing = torch.zeros(n, n, dtype=torch.float64)
        assert float(log_involutions(nothing).exp()) == pytest.approx(twos)
        assert float(log_three_cycles(nothing).exp()) == pytest.approx(threes)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6))
def test_counts_of_any_partial_map(edges):
    facts = torch.zeros(6, 6, dtype=torch.float64)
    for a, b in edges:
        facts[a, b] = 1
    for rules, count in ((INVOLUTIONS, log_involutions), (THREE_CYCLES, log_three_cycles)):
        agreeing = sum(all(f[a] == b for a, b in edges) for f in rules)
        assert float(count(facts).exp()) == pytest.approx(agreeing, abs=1e-9), edges


@given(st.integers(1, 6), st.sampled_from([0.1, 0.5, 0.8]), st.integers(0, 2**31))
def test_every_window_and_class_posterior_agree_with_enumeration(pairs, prior, seed):
    tunnel = ModelSelection(6, pairs, prior)
    batch = tunnel.sample(2, torch.Generator().manual_seed(seed))
    for row in range(2):
        keys, values = batch.tokens[row, 0::2].tolist(), batch.targets[row].tolist()
        for steps in range(pairs):
            for k in range(pairs):
                seen = list(zip(keys, values, strict=True))[max(0, k - steps) : k]
                votes, classes = [0.0] * 6, [0.0, 0.0]
                for c, (rules, weight) in enumerate(((INVOLUTIONS, prior), (THREE_CYCLES, 1 - prior))):
                    for f in rules:
                        if all(f[a] == b for a, b in seen):
                            votes[f[keys[k]]] += weight / len(rules)
                            classes[c] += weight / len(rules)
                for found, expected in (
                    (tunnel.window(batch, steps), votes),
                    (tunnel.class_posterior(batch, steps), classes),
                ):
                    share = [vote / sum(expected) for vote in expected]
                    assert found[row, k].tolist() == pytest.approx(share, abs=1e-12)


def test_sampling_follows_the_prior(seeded):
    n = 20000
    tasks = ModelSelection(6, involution=0.3).sample_tasks(n, seeded()).tolist()
    counts = {f: 0 for f in (*INVOLUTIONS, *THREE_CYCLES)}
    for f in tasks:
        counts[tuple(f)] += 1  # a KeyError is a rule outside the classes
    expected = [0.3 * n / 15] * 15 + [0.7 * n / 40] * 40
    assert scipy.stats.chisquare(list(counts.values()), expected).pvalue > 1e-3


def test_the_class_is_learnt_and_calibrated(seeded):
    tunnel, n = ModelSelection(12), 1500
    batch = tunnel.sample(n, seeded())
    twice = batch.tasks.gather(-1, batch.tasks)
    is_involution = (twice == torch.arange(12)).all(-1).double()  # [n]
    belief = tunnel.class_posterior(batch)[..., 0]  # [n, pairs]
    torch.testing.assert_close(
        belief[:, :2], torch.full((n, 2), 0.5, dtype=torch.float64)
    )  # one pair says nothing
    assert torch.equal(belief[:, -1].round(), is_involution)
    for k in range(2, 12):
        gap = is_involution - belief[:, k]
        assert float(gap.mean().abs()) <= 4.5 * float(gap.std()) / n**0.5 + 1e-9, k
    certainty = bits.entropy(tunnel.class_posterior(batch)).mean(0)
    assert (certainty.diff() < 1e-9).all() and certainty[-1] < 0.01


def test_thinking_of_classes_beats_crossing_out(seeded):
    """Crossing out has the loss of a bijection, log2(n!) / n; the exact observer's whole code length is the evidence."""
    tunnel = ModelSelection(6)
    crossing = evaluate(tunnel.crossing_out, tunnel, sequences=300, generator=seeded())
    assert crossing.values["loss"].mean(1).tolist() == pytest.approx([math.log2(math.factorial(6)) / 6] * 300)
    exact = evaluate(tunnel.exact, tunnel, sequences=300, generator=seeded())
    batch = tunnel.sample(300, seeded())
    is_involution = (batch.tasks.gather(-1, batch.tasks) == torch.arange(6)).all(-1)
    code = torch.where(
        is_involution, math.log2(2 * 15), math.log2(2 * 40)
    )  # -log2 of prior / size of the class
    by_sequence = (
        evaluate(tunnel.exact, tunnel, sequences=300, batch=300, generator=seeded()).values["loss"].sum(1)
    )
    torch.testing.assert_close(by_sequence, code.double())
    assert exact.mean("loss") < crossing.mean("loss") - 0.5


BAD = [
    (lambda: ModelSelection(5), "symbols: expected an integer of at least 6, got 5"),
    (lambda: ModelSelection(8), "symbols: expected a multiple of 6, got 8"),
    (lambda: ModelSelection(6, 7), "pairs: expected an integer from 1 to 6, got 7"),
    (lambda: ModelSelection(involution=1.0), "involution: expected a probability between 0 and 1, got 1.0"),
    (
        lambda: ModelSelection(involution="half"),
        "involution: expected a probability between 0 and 1, got 'half'",
    ),
]
TUNNEL = ModelSelection(6, 2)


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([[0, 6, 1]], "tokens: expected ids 0 to 5"),
        ([[0, 1, 0]], "keys without repetition"),
        ([[0, 0, 1]], "all are 0"),
    ],
)
def test_bad_sequences_are_named(tokens, words):
    with pytest.raises(ValueError, match=words):
        TUNNEL.exact(Batch(torch.tensor(tokens), torch.tensor([[1, 2]])))
