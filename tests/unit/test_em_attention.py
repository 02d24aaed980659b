"""From a mixture to attention: laws against autograd and brute force, EM, the sticky chain, rules, and the stored runs."""

import itertools
import json
import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tutorlib import bayes, em
from tutorlib.em_attention import (
    RULES,
    SEEDS,
    Rule,
    chain,
    draw_chain,
    entropy_rate_nats,
    filter_loss_nats,
    first_weights,
    head,
    head_loss_nats,
    known_symbol_loss_nats,
    paired,
    pools,
    rule_names,
    steps_to,
    stored_run,
    train_head,
    transition_matrix,
)

POWERS = (0.0, 0.05, 0.5, 1.0)


def problem(seed, queries=4, positions=3, outcomes=5):
    dice = torch.Generator().manual_seed(seed)
    scores = torch.randn(queries, positions, generator=dice, dtype=torch.float64)
    logits = 2 * torch.randn(positions, outcomes, generator=dice, dtype=torch.float64)
    return scores, logits, torch.randint(outcomes, (queries,), generator=dice)


# Pools -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", POWERS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    queries=st.integers(1, 5),
    positions=st.integers(1, 5),
    outcomes=st.integers(2, 6),
)
def test_laws_are_the_gradients(power, seed, queries, positions, outcomes):
    scores, logits, came = problem(seed, queries, positions, outcomes)
    scores.requires_grad_(), logits.requires_grad_()
    log_p = logits.log_softmax(-1)
    loss = pools.loss_nats(scores, log_p, came, power)
    by_scores, by_logits = torch.autograd.grad(loss.sum(), (scores, logits))
    assert torch.allclose(pools.score_gradient(scores, log_p, came, power), by_scores, atol=1e-10)
    assert torch.allclose(pools.value_gradient(scores, log_p, came, power), by_logits, atol=1e-10)


@pytest.mark.parametrize("power", POWERS)
def test_the_guess_by_loops(power):
    scores, logits, _ = problem(1)
    p = logits.softmax(-1)
    for i, row in enumerate(pools.log_prediction_nats(scores, p.log(), power).exp()):
        gate = [math.exp(float(s)) for s in scores[i]]
        gate = [weight / sum(gate) for weight in gate]
        weights = []
        for column in p.T.tolist():
            pairs = list(zip(gate, column, strict=True))
            powered = sum(g * q**power for g, q in pairs)
            weights.append(powered ** (1 / power) if power else math.prod(q**g for g, q in pairs))
        assert row.tolist() == pytest.approx([weight / sum(weights) for weight in weights], abs=1e-12)


def test_a_small_power_is_nearly_the_limit():
    scores, logits, came = problem(2)
    log_p = logits.log_softmax(-1)
    for law in (pools.loss_nats, pools.score_gradient, pools.value_gradient):
        assert torch.allclose(law(scores, log_p, came, 1e-5), law(scores, log_p, came, 0.0), atol=1e-3)


def test_power_1_is_a_mixture_and_its_responsibilities_are_bayes():
    scores, logits, came = problem(3)
    gate, p = scores.softmax(-1), logits.softmax(-1)
    assert torch.allclose(pools.log_prediction_nats(scores, p.log(), 1.0).exp(), gate @ p)
    shares = pools.responsibilities(scores, p.log(), 1.0)
    for i, y in enumerate(came.tolist()):
        posterior = bayes.condition(gate[i], p[:, y])
        assert torch.allclose(shares[i, :, y], posterior)
        gradient = pools.score_gradient(scores, p.log(), came, 1.0)[i]
        assert torch.allclose(gradient, gate[i] - posterior), "prior minus posterior"


def test_power_0_is_attention_with_a_softmax_and_its_weights_have_not_seen_the_answer():
    scores, logits, _ = problem(4)
    log_p = logits.log_softmax(-1)
    attended = functional.scaled_dot_product_attention(  # queries and keys that give these scores
        scores[None], torch.eye(3, dtype=torch.float64)[None], log_p[None], scale=1.0
    )[0]
    assert torch.allclose(pools.log_prediction_nats(scores, log_p, 0.0), attended.log_softmax(-1))
    shares = pools.responsibilities(scores, log_p, 0.0)
    assert torch.allclose(shares, scores.softmax(-1)[:, :, None].expand_as(shares))


def test_averaging_logarithms_of_bells_is_a_bell_at_the_mean_value():
    pitches = torch.arange(-100.0, 401.0, dtype=torch.float64)
    centres, gate = (
        torch.tensor([120.0, 200.0, 150.0], dtype=torch.float64),
        torch.tensor([[0.2, 0.5, 0.3]]).double(),
    )
    guess = pools.log_prediction_nats(gate.log(), pools.bells(centres, 20.0, pitches), 0.0).exp()
    assert torch.allclose(guess, pools.bells((gate @ centres), 20.0, pitches).exp(), atol=1e-12)


def test_the_two_laws_agree_to_first_order():
    scores, logits, came = problem(5)
    ratio = []
    for size in (1e-2, 1e-3):
        log_p = (size * logits).log_softmax(-1)
        mixture, attention = (pools.score_gradient(scores, log_p, came, power) for power in (1.0, 0.0))
        ratio.append(float((mixture - attention).abs().max() / attention.abs().max()))
    assert ratio[0] < 0.05 and ratio[1] < 0.12 * ratio[0], "the difference is of second order"


def test_the_m_step_is_the_gradient_with_a_division():
    """A round of EM for bells, from ``tutorlib.em``, is the library's value gradient divided by the responsibilities."""
    heard = torch.tensor([104.0, 112, 118, 152, 181, 199], dtype=torch.float64)
    centres = torch.tensor([140.0, 170.0], dtype=torch.float64)
    pitches = torch.arange(-300.0, 601.0, dtype=torch.float64)
    scores = torch.tensor([0.3, 0.7], dtype=torch.float64).log().expand(6, 2)
    came, log_p = (heard + 300).long(), pools.bells(centres, 20.0, pitches)
    slope = pools.value_gradient(scores, log_p, came, 1.0) @ pitches / 400
    mixture = em.GaussianMixture(centres, 20.0, [0.3, 0.7])
    counts = em.responsibilities(heard, mixture).sum(0)
    moved = em.step(heard, mixture, learn="centres").centres
    assert torch.allclose(centres - 400 * slope / counts, moved, atol=1e-9)


def test_em_for_tables_never_raises_the_loss_and_rests_where_the_gradient_is_zero():
    dice = torch.Generator().manual_seed(0)
    came = torch.randint(4, (40,), generator=dice)
    gate, p = torch.tensor([0.5, 0.5]).double(), torch.rand(2, 4, generator=dice, dtype=torch.float64)
    p, losses = p / p.sum(-1, keepdim=True), []
    for _ in range(50):
        scores = gate.log().expand(40, 2)
        losses.append(float(pools.loss_nats(scores, p.log(), came, 1.0).sum()))
        log_gate, p = pools.em_step(scores, p.log(), came)
        gate = log_gate.exp()
    assert losses[1] < losses[0] - 1e-3 and all(b <= a + 1e-9 for a, b in itertools.pairwise(losses))
    after = gate.log().expand(40, 2)
    assert pools.score_gradient(after, p.log(), came, 1.0).sum(0).abs().max() < 1e-9


GOOD = {
    "scores": torch.zeros(2, 2),
    "log_p": torch.full((2, 4), 0.25).log(),
    "outcomes": torch.tensor([0, 3]),
    "power": 1.0,
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scores", torch.zeros(2), r"scores: expected a tensor of real numbers \[queries, positions\]"),
        ("scores", torch.zeros(2, 3), "scores: expected a column for each of 2 positions"),
        ("scores", torch.full((2, 2), torch.nan), "scores: expected finite numbers"),
        ("log_p", torch.zeros(2, 4), "log_p: expected logarithms of probabilities"),
        ("outcomes", torch.tensor([0, 4]), "outcomes: expected numbers from 0 to 3"),
        ("outcomes", torch.tensor([0.0, 1.0]), "outcomes: expected a long tensor"),
        ("outcomes", torch.tensor([0]), r"outcomes: expected a long tensor \(2,\)"),
        ("power", 1.5, "power: expected a number from 0 to 1, got 1.5"),
        ("power", True, "power: expected a number from 0 to 1, got True"),
    ],
)
def test_bad_pools_are_refused(key, value, message):
    for law in (pools.loss_nats, pools.score_gradient, pools.value_gradient):
        with pytest.raises(ValueError, match=message):
            law(**{**GOOD, key: value})


def test_em_step_wants_one_gate():
    with pytest.raises(ValueError, match="scores: expected one gate for all queries"):
        pools.em_step(torch.eye(2), GOOD["log_p"], GOOD["outcomes"])


# The chain ---------------------------------------------------------------------------------------------------------


def test_the_matrix_and_the_floor_are_those_of_the_paper():
    matrix = transition_matrix()
    weights = [0.3, 1, 1 / 2, 1 / 3, 1 / 4, 1 / 3, 1 / 2, 1]
    row = [0.7 * weight / sum(weights) + (0.3 if place == 0 else 0) for place, weight in enumerate(weights)]
    assert matrix[0].tolist() == pytest.approx(row, abs=1e-6)
    assert round(float(matrix[0, 0]), 4) == 0.3498 and torch.allclose(matrix.sum(0), torch.ones(8))
    for shift in range(8):
        assert torch.allclose(matrix[shift].roll(-shift), matrix[0])
    floor = -sum(p * math.log(p) for p in row)
    assert float(entropy_rate_nats(matrix)) == pytest.approx(floor, abs=1e-6) and round(floor, 4) == 1.8292


def test_draws_do_not_depend_on_the_readers_settings():
    before = draw_chain(7, 60)
    torch.set_default_dtype(torch.float64)
    try:
        after = draw_chain(7, 60)
        assert first_weights(7)[0].dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(before.inputs, after.inputs) and torch.equal(before.targets, after.targets)


def test_the_chain_is_drawn_from_its_matrix_and_shown_through_noise():
    data = draw_chain(3, 20_000)
    counts = torch.zeros(8, 8).index_put_((data.previous, data.targets), torch.ones(()), accumulate=True)
    assert (counts / counts.sum(1, keepdim=True) - transition_matrix()).abs().max() < 0.04
    noise = data.inputs - chain.symbol_means()[data.previous]
    assert abs(float(noise.mean())) < 0.01 and abs(float(noise.std()) - 1) < 0.01
    assert torch.equal(data.previous[1:], data.targets[:-1])


def test_the_filter_by_summing_over_all_paths():
    data, matrix = draw_chain(5, 5), transition_matrix().double()
    means = chain.symbol_means().double()
    evidence = torch.exp(
        -(data.inputs[:, None].double() - means).square().sum(-1) / 2 + 10
    )  # [time, symbols]
    total = 0.0
    for last in range(1, 5):
        joint = torch.zeros(8, dtype=torch.float64)  # of what is asked, over all paths of hidden symbols
        paths = torch.cartesian_prod(*[torch.arange(8)] * last).reshape(-1, last)
        weight = torch.ones(len(paths), dtype=torch.float64)
        for t in range(last):
            weight = weight * evidence[t, paths[:, t]]
            if t:
                weight = weight * matrix[paths[:, t - 1], paths[:, t]]
        for symbol in range(8):
            joint[symbol] = (weight * matrix[paths[:, -1], symbol]).sum()
        total -= math.log(joint[data.targets[last - 1]] / joint.sum())
    assert float(filter_loss_nats(data)) == pytest.approx(total / 4, abs=1e-6)


def test_noise_costs_little():
    gaps = [float(filter_loss_nats(d) - known_symbol_loss_nats(d)) for d in map(draw_chain, SEEDS)]
    assert all(0 < gap < 0.01 for gap in gaps), "what is shown is nearly the symbol itself"


# The head and the rules --------------------------------------------------------------------------------------------


def test_the_head_by_plain_matrices():
    data, weights = draw_chain(42, 40), first_weights(42)
    query, key, value = (data.inputs @ w for w in weights[:3])
    scores = (query @ key.T / math.sqrt(10)).masked_fill(torch.ones(39, 39).triu(1) > 0, -torch.inf)
    loss = functional.cross_entropy(scores.softmax(-1) @ value @ weights[3], data.targets)
    assert float(head_loss_nats(weights, data)) == pytest.approx(float(loss), abs=1e-6)
    alone = functional.cross_entropy(value @ weights[3], data.targets)
    assert float(head_loss_nats(weights, data, self_only=True)) == pytest.approx(float(alone), abs=1e-6)


def one_step(rule, seed=42, length=40):
    """The change of each matrix in one step of a rule."""
    data, weights = draw_chain(seed, length), [w.requires_grad_() for w in first_weights(seed)]
    before = [w.detach().clone() for w in weights]
    head._stepper(rule, weights, data)()
    return data, before, [w.detach() - b for w, b in zip(weights, before, strict=True)]


def test_em_like_is_the_same_gradient_with_another_rate_on_one_matrix():
    moves = {name: one_step(RULES[name])[2] for name in ("SGD 0.01", "EM-like", "SGD 0.1")}
    for place in (0, 1, 3):
        assert torch.allclose(moves["EM-like"][place], moves["SGD 0.01"][place], atol=1e-9)
    assert torch.allclose(moves["EM-like"][2], moves["SGD 0.1"][2], atol=1e-9)
    assert torch.allclose(moves["SGD 0.1"][2], 10 * moves["SGD 0.01"][2], atol=2e-6)


def test_the_divided_rule_divides_by_the_attention_received():
    data, before, moved = one_step(RULES["SGD 0.1, divided"])
    query, key, value = (data.inputs @ w for w in before[:3])
    weights = (
        (query @ key.T / math.sqrt(10)).masked_fill(torch.ones(39, 39).triu(1) > 0, -torch.inf).softmax(-1)
    )
    value.requires_grad_()
    loss = functional.cross_entropy(weights @ value @ before[3], data.targets)
    (gradient,) = torch.autograd.grad(loss, value)  # [time, values]: sum_i a_ij u_i
    expected = -0.1 * data.inputs.T @ (gradient / weights.sum(0)[:, None])
    assert torch.allclose(moved[2], expected, atol=1e-7)
    plain = one_step(RULES["SGD 0.1"])[2]
    for place in (0, 1, 3):
        assert torch.allclose(moved[place], plain[place], atol=1e-7)
    assert not torch.allclose(moved[2], plain[2], atol=1e-4)


def test_self_only_leaves_queries_and_keys_alone():
    _, _, moved = one_step(RULES["self only, SGD 1"])
    assert moved[0].abs().max() == 0 and moved[1].abs().max() == 0 and moved[2].abs().max() > 0


def test_a_run_records_start_and_end():
    run = train_head(RULES["SGD 0.3"], 42, steps=53, length=40)
    assert run.steps == [0, 10, 20, 30, 40, 50, 53]
    assert run.train[0] == pytest.approx(
        float(head_loss_nats(first_weights(42), draw_chain(42, 40))), abs=1e-6
    )
    assert run.train[-1] < run.train[0] and len(run.train) == 7 == len(run.held_out)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rule("lbfgs", (1, 1, 1, 1)), "kind: expected one of sgd, adam, divided, self"),
        (lambda: Rule("sgd", (1, 1, 1)), "rates: expected four numbers"),
        (lambda: Rule("sgd", (1, 1, 1, -1)), "rates: expected four numbers of at least 0"),
        (lambda: train_head("SGD", 42), "rule: expected a Rule"),
        (lambda: train_head(RULES["SGD 0.3"], 42, steps=0), "steps: expected an integer of at least 1"),
        (lambda: head_loss_nats(first_weights(0)[:3], draw_chain(0, 9)), "weights: expected four matrices, got "),
        (lambda: draw_chain(0, 1), "time: expected an integer of at least 2"),
        (lambda: transition_matrix(stay=1.0), "stay: expected a probability below 1"),
        (lambda: entropy_rate_nats(torch.tensor([[0.9, 0.1], [0.5, 0.5]])), "matrix: expected columns that sum to 1"),
        (lambda: stored_run("SGD 7", 42), "name, seed: expected one of .*, got 'SGD 7', 42"),
        (lambda: steps_to(1.0, [0], []), "steps, losses: expected equally many, got 1 and 0"),
        (lambda: paired([1.0], [1.0]), "first, second: expected equally many, 2 to 10"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# What is stored ----------------------------------------------------------------------------------------------------


def test_every_rule_was_run_from_every_seed():
    assert rule_names() == list(RULES)
    for name in RULES:
        for seed in SEEDS:
            run = stored_run(name, seed)
            assert run.steps == list(range(0, 1001, 10))
            assert len(run.train) == len(run.held_out) == 101 and run.core_seconds > 0


@pytest.mark.parametrize(
    ("name", "seed", "steps"),
    [
        ("SGD 0.01", 42, 20), ("EM-like", 9999, 50), ("SGD 0.3", 1337, 50), ("Adam 0.01", 7777, 50),
        ("EM-like, divided", 2024, 30), ("self only, SGD 1", 42, 100),
    ],
)  # fmt: skip
def test_the_stored_runs_are_what_the_rules_give(name, seed, steps):
    run, kept = train_head(RULES[name], seed, steps=steps), stored_run(name, seed)
    assert run.train == pytest.approx(kept.train[: len(run.train)], abs=1e-3)
    assert run.held_out == pytest.approx(kept.held_out[: len(run.held_out)], abs=1e-3)


def test_the_study_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    study = pytest.importorskip("sticky_study")
    seen = []

    def short(rule, seed):
        seen.append(seed)
        return train_head(rule, seed, steps=1, length=20)

    monkeypatch.setattr(study, "train_head", short)
    file = tmp_path / "sticky.json"
    assert study.main(["SGD 0.3", "--out", str(file)]) == 0 and seen == list(SEEDS)
    rows = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(rows[1:]), "utf-8")
    assert study.main(["SGD 0.3", "--out", str(file)]) == 0 and seen == [*SEEDS, SEEDS[0]]
    assert json.loads(file.read_text("utf-8")) == rows or [r["seed"] for r in rows] == list(SEEDS)
    assert "seed 42" in capsys.readouterr().out


def test_steps_to_a_level():
    assert steps_to(2.0, [0, 10], [2.0, 1.0]) == 0.0
    assert steps_to(0.5, [0, 10], [2.0, 1.0]) == math.inf
    assert steps_to(1.75, [0, 10, 30], [2.0, 2.5, 1.5]) == pytest.approx(25.0)


def test_the_paired_interval_is_the_t_interval():
    stats = pytest.importorskip("scipy.stats")
    first, second = [1.0, 2.5, 3.0, 4.2, 4.9], [0.8, 2.0, 3.3, 3.1, 4.0]
    mean, low, high = paired(first, second)
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    expected = stats.t.interval(0.95, 4, loc=statistics.fmean(gaps), scale=stats.sem(gaps))
    assert (low, high) == pytest.approx(expected, abs=1e-3) and mean == pytest.approx(statistics.fmean(gaps))
