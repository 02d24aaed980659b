"""Measures by hand, the paper's average beside ours, intervals beside scipy's, the ladder."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits
from tutorlib.evaluation import (
    MEASURES,
    Evaluation,
    equivalent_window,
    evaluate,
    interval_over_seeds,
    ladder,
    model_predictor,
)
from tutorlib.models import Transformer
from tutorlib.tunnels import Batch, Bijection, Tunnel


class Two(Tunnel):
    """Two fixed sequences, two scored positions, four tokens; its exact answers are written down here."""

    name, vocab, length, max_window = "two", 4, 3, 1
    scored, answers = torch.tensor([0, 2]), torch.tensor([2, 3])
    posterior = torch.tensor(
        [[[0, 0, 0.5, 0.5], [0, 0, 1, 0]], [[0, 0, 0.5, 0.5], [0, 0, 0.25, 0.75]]]
    ).double()

    def sample(self, batch, generator):
        return Batch(torch.tensor([[0, 2, 1], [0, 3, 1]])[:batch], torch.tensor([[2, 2], [3, 3]])[:batch])

    def window(self, batch, steps):
        return self.posterior[: len(batch)]

    def config(self):
        return {}


def h(p):
    return sum(x * math.log2(1 / x) for x in (p, 1 - p) if x)


GUESS = torch.tensor(
    [[[0, 0, 0.25, 0.75], [0.125, 0, 0.5, 0.375]], [[0, 0, 0.5, 0.5], [0, 0, 0.75, 0.25]]],
    dtype=torch.float64,
)


def test_two_sequences_by_hand(seeded):
    found = evaluate(lambda batch: GUESS, Two(), sequences=2, generator=seeded())
    three = 0.125 * 3 + 0.5 + 0.375 * math.log2(1 / 0.375)  # entropy of (1/8, 1/2, 3/8)
    expected = {
        "entropy": [[h(0.25), three], [1, h(0.25)]],
        "exact_entropy": [[1, 0], [1, h(0.25)]],
        "entropy_error": [[1 - h(0.25), three], [0, 0]],
        "kl": [[0.5 * math.log2(2) + 0.5 * math.log2(2 / 3), 1], [0, 0.5 * math.log2(3)]],
        "total_variation": [[0.25, 0.5], [0, 0.5]],
        "impossible": [[0, 0.5], [0, 0]],
        "loss": [[2, 1], [1, 2]],
        "accuracy": [[0, 1], [0, 0]],
    }
    assert expected.keys() == found.values.keys() == MEASURES.keys()
    for name, table in expected.items():
        torch.testing.assert_close(
            found.values[name], torch.tensor(table, dtype=torch.float64), rtol=0, atol=1e-12, msg=name
        )
        assert found.mean(name) == pytest.approx(np.mean(table))
        assert found.per_position(name).tolist() == pytest.approx(np.mean(table, 0).tolist())
    first = (abs((h(0.25) + 1) / 2 - 1) + abs((three + h(0.25)) / 2 - h(0.25) / 2)) / 2
    assert found.entropy_mae_averaged_first() == pytest.approx(first)


@pytest.mark.parametrize("tunnel", [Bijection(5), Bijection(4, 6, replacement=True)], ids=["without", "with"])
def test_the_exact_answer_has_no_error(tunnel, seeded):
    found = evaluate(tunnel.exact, tunnel, sequences=40, batch=16, generator=seeded())
    for name in ("entropy_error", "kl", "total_variation", "impossible"):
        assert found.values[name].shape == (40, tunnel.pairs)
        assert float(found.values[name].abs().max()) < 1e-12, name
    assert found.entropy_mae_averaged_first() < 1e-12


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 4))
def test_averaging_first_never_raises_the_error(seed, sequences, scored):
    entropies = torch.rand(
        2, sequences, scored, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    found = Evaluation(
        {
            "entropy": entropies[0],
            "exact_entropy": entropies[1],
            "entropy_error": (entropies[0] - entropies[1]).abs(),
        }
    )
    assert found.entropy_mae_averaged_first() <= found.mean("entropy_error") + 1e-12
    if sequences == 1:
        assert found.entropy_mae_averaged_first() == pytest.approx(found.mean("entropy_error"))


def test_averaging_first_can_hide_everything(seeded):
    """The posteriors of the two sequences exchanged: wrong for each, right in the mean."""
    found = evaluate(lambda batch: Two.posterior.flip(0), Two(), sequences=2, generator=seeded())
    assert found.entropy_mae_averaged_first() == pytest.approx(0, abs=1e-12)
    assert found.mean("entropy_error") == pytest.approx(h(0.25) / 2)


def test_cross_entropy_is_the_floor_plus_kl_in_the_mean(seeded):
    """The loss at sampled answers scatters around entropy + KL; 4 standard errors."""
    tunnel = Bijection(6)
    found = evaluate(tunnel.uniform, tunnel, sequences=500, generator=seeded())
    one = evaluate(lambda batch: tunnel.window(batch, 2), tunnel, sequences=500, generator=seeded())
    for result in (found, one):
        gap = (result.values["loss"] - result.values["exact_entropy"] - result.values["kl"]).mean(1)
        assert abs(float(gap.mean())) <= 4 * float(gap.std()) / 500**0.5 + 1e-12


def test_intervals_are_scipys_percentile_bootstrap(seeded):
    values = torch.rand(300, 4, generator=seeded(), dtype=torch.float64) ** 3
    found = Evaluation({"kl": values}).interval("kl", seeded(1), resamples=4000)
    data = (values.mean(1).numpy(),)
    theirs = scipy.stats.bootstrap(
        data, np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.mean == pytest.approx(float(values.mean()))
    assert found.low == pytest.approx(theirs.low, abs=0.08 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.08 * width)
    again = Evaluation({"kl": values}).interval("kl", seeded(1), resamples=4000)
    assert again == found
    assert f"{found:.2f}" == f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def test_an_infinite_mean_has_an_infinite_interval(seeded):
    tunnel = Bijection(6)
    found = evaluate(tunnel.position_lookup, tunnel, sequences=50, generator=seeded())
    interval = found.interval("kl", seeded())
    assert (interval.mean, interval.low, interval.high) == (math.inf,) * 3


def test_same_seed_same_sequences_for_every_predictor_and_batch_size(seeded):
    tunnel = Bijection(5)
    seen = []

    def watch(batch):
        seen.append(batch.tokens)
        return tunnel.uniform(batch)

    for _ in range(2):
        evaluate(watch, tunnel, sequences=6, generator=seeded(4))
    assert torch.equal(seen[0], seen[1])
    generator = seeded(5)
    varied = Bijection(5, 8, replacement=True)  # its entropies differ from sequence to sequence
    rungs = ladder(varied, sequences=6, generator=generator)
    expected = rungs["exact"].values["exact_entropy"]
    assert all(torch.equal(rung.values["exact_entropy"], expected) for rung in rungs.values())
    first = evaluate(tunnel.exact, tunnel, sequences=7, batch=3, generator=seeded())
    assert first.values["kl"].shape[0] == 7


def test_logits_of_a_model_and_its_probabilities_measure_the_same(seeded):
    tunnel, model = Bijection(4), Transformer(8, 7, generator=seeded(2))
    logits = model_predictor(model, tunnel)
    by_model = evaluate(model, tunnel, sequences=20, generator=seeded())
    by_hand = evaluate(
        lambda batch: torch.softmax(logits(batch).double(), -1), tunnel, sequences=20, generator=seeded()
    )
    for name in MEASURES:
        torch.testing.assert_close(by_model.values[name], by_hand.values[name], rtol=0, atol=1e-6)
    batch = tunnel.sample(20, seeded())
    expected = bits.kl_from_logits(tunnel.exact(batch), logits(batch))
    torch.testing.assert_close(by_model.values["kl"], expected, rtol=0, atol=1e-10)


def runs(*columns):
    """Evaluations with one position whose measure "kl" has the given values."""
    return [Evaluation({"kl": torch.tensor(column, dtype=torch.float64)[:, None]}) for column in columns]


@pytest.mark.parametrize("values", [(0.1, 0.2, 0.6), (0.1, 0.2, 0.4, 0.8), (0.5, 0.1)])
def test_an_interval_over_seeds_without_spread_inside_is_every_resample_of_the_seeds(values, seeded):
    """All n^n resamples written down; the percentiles of a drawn sample must be those of the list."""
    found = interval_over_seeds(runs(*([value] * 5 for value in values)), "kl", seeded(), resamples=40_000)
    means = np.mean(list(itertools.product(values, repeat=len(values))), 1)
    low, high = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert found.mean == pytest.approx(np.mean(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    if len(values) < 4:  # 1 resample in n^n is the lowest run alone, more than 2.5 %
        assert (found.low, found.high) == (pytest.approx(min(values)), pytest.approx(max(values)))


def test_an_interval_over_seeds_resamples_the_sequences_of_each_seed(seeded):
    """Two runs of two sequences: all 2^2 choices of runs times 2^2 x 2^2 of sequences, by hand."""
    tables = [(0.0, 1.0), (10.0, 14.0)]
    found = interval_over_seeds(runs(*tables), "kl", seeded(), resamples=60_000)
    means = [
        (np.mean(first) + np.mean(second)) / 2
        for a, b in itertools.product(tables, repeat=2)
        for first in itertools.product(a, repeat=2)
        for second in itertools.product(b, repeat=2)
    ]
    low, high = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert (found.mean, found.low, found.high) == (6.25, low, high)


def test_the_two_levels_of_variance_add_up(seeded):
    """Variance of the resampled mean: that of the seeds' means over n, and the mean of those inside over n N."""
    tables = torch.rand(6, 40, generator=seeded(), dtype=torch.float64) + torch.arange(6)[:, None] / 5
    between = float(tables.mean(1).var(correction=0)) / 6
    inside = float(tables.var(1, correction=0).mean()) / (6 * 40)
    found = interval_over_seeds(runs(*tables.tolist()), "kl", seeded(1), resamples=20_000)
    assert found.mean == pytest.approx(float(tables.mean()))
    width = 2 * scipy.stats.norm.ppf(0.975) * (between + inside) ** 0.5
    assert found.high - found.low == pytest.approx(width, rel=0.03)
    assert width > 1.05 * 2 * scipy.stats.norm.ppf(0.975) * inside**0.5, "the seeds matter here"


def test_one_seed_is_an_interval_over_sequences(seeded):
    one = Evaluation({"kl": torch.rand(300, 4, generator=seeded(), dtype=torch.float64) ** 3})
    over_seeds = interval_over_seeds([one], "kl", seeded(1), resamples=8000)
    plain = one.interval("kl", seeded(2), resamples=8000)
    width = plain.high - plain.low
    assert over_seeds.mean == pytest.approx(plain.mean)
    assert over_seeds.low == pytest.approx(plain.low, abs=0.05 * width)
    assert over_seeds.high == pytest.approx(plain.high, abs=0.05 * width)
    assert interval_over_seeds([one], "kl", seeded(1), resamples=8000) == over_seeds


def test_runs_may_differ_in_size_and_be_infinite(seeded):
    found = interval_over_seeds(runs([1.0] * 3, [3.0] * 7), "kl", seeded())
    assert (found.mean, found.low, found.high) == (2, 1, 3)
    found = interval_over_seeds(runs([1.0, 1.0], [math.inf, 1.0]), "kl", seeded())
    assert (found.mean, found.low, found.high) == (math.inf, 1, math.inf)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_leaves_the_mode_as_it_was(training, seeded):
    model = Transformer(8, 7).train(training)
    evaluate(model, Bijection(4), sequences=2, generator=seeded())
    assert model.training is training
    assert all(p.grad is None for p in model.parameters())
    with torch.no_grad():
        model.embedding.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="logits: expected numbers, got NaN"):
        evaluate(model, Bijection(4), sequences=2, generator=seeded())
    assert model.training is training


@pytest.fixture(scope="module")
def rungs():
    return ladder(Bijection(6), sequences=64, generator=torch.Generator().manual_seed(0))


def test_a_window_is_equivalent_to_itself(rungs):
    tunnel = Bijection(6)
    for steps in range(1, tunnel.max_window):
        kl = rungs[f"last {steps} pairs"].mean("kl")
        assert equivalent_window(kl, tunnel, rungs) == pytest.approx(steps)
    assert equivalent_window(rungs["uniform"].mean("kl"), tunnel, rungs) == 0
    assert equivalent_window(math.inf, tunnel, rungs) == 0
    assert equivalent_window(0.0, tunnel, rungs) == tunnel.max_window
    assert equivalent_window(rungs["exact"].mean("kl"), tunnel, rungs) == pytest.approx(tunnel.max_window)


@pytest.mark.parametrize("v", [2, 12, 20])
def test_no_divergence_is_all_steps_whatever_the_rounding(v, seeded):
    tunnel = Bijection(v)  # for V > 10 the exact rung measures some 1e-17 bits, not 0
    assert (
        equivalent_window(0.0, tunnel, ladder(tunnel, sequences=4, generator=seeded())) == tunnel.max_window
    )


def test_equivalent_window_falls_with_kl(rungs):
    kl = np.geomspace(1e-18, 2, 200)
    found = [equivalent_window(float(x), Bijection(6), rungs) for x in kl]
    assert found == sorted(found, reverse=True)


def test_half_a_step_is_the_larger_window_in_half_of_the_sequences(rungs, seeded):
    tunnel = Bijection(6)

    def mixture(batch):
        half = len(batch) // 2
        return torch.cat((tunnel.window(batch, 2)[:half], tunnel.window(batch, 3)[half:]))

    kl = evaluate(mixture, tunnel, sequences=64, generator=seeded()).mean("kl")
    assert equivalent_window(kl, tunnel, rungs) == pytest.approx(2.5)


def test_equivalent_window_where_a_rung_shows_no_divergence():
    """With one sequence the last windows may have seen all that mattered: KL 0."""
    tunnel = Bijection(2, 6, replacement=True)
    rungs = ladder(tunnel, sequences=1, generator=torch.Generator().manual_seed(0))
    assert any(rungs[f"last {s} pairs"].mean("kl") == 0 for s in range(1, 5))
    for kl in (0.0, 1e-9, 0.01, 5.0):
        assert 0 <= equivalent_window(kl, tunnel, rungs) <= tunnel.max_window


TUNNEL = Bijection(4)


def run(predictor, **options):
    return evaluate(predictor, TUNNEL, generator=torch.Generator(), **{"sequences": 3, **options})


BAD = [
    (lambda: run(lambda b: torch.ones(3, 4)), r"predictor: expected shape \(3, 4, 8\), got \(3, 4\)"),
    (lambda: run(lambda b: TUNNEL.exact(b)[:, :, 4:]), r"expected shape \(3, 4, 8\), got \(3, 4, 4\)"),
    (lambda: run(lambda b: TUNNEL.exact(b) * 0.9), "predictor: expected a sum of 1 along axis -1, got 0.9"),
    (lambda: run(lambda b: TUNNEL.exact(b) - 0.125), "predictor: expected values of at least 0, got -0.125"),
    (lambda: run(lambda b: TUNNEL.exact(b) * math.nan), "predictor: expected numbers, got NaN"),
    (lambda: run(lambda b: [[0.5, 0.5]]), "predictor: expected a tensor, got list"),
    (lambda: run(TUNNEL.exact, sequences=0), "sequences and batch: expected positive numbers, got 0 and 512"),
    (lambda: run(TUNNEL.exact, batch=-1), "got 3 and -1"),
    (lambda: run(Transformer(10, 7)), "model: expected vocab 8 and a context of at least 7, got 10 and 7"),
    (lambda: run(Transformer(8, 6)), "model: expected vocab 8 and a context of at least 7, got 8 and 6"),
    (
        lambda: run(TUNNEL.exact).mean("perplexity"),
        "measure: expected one of entropy_error, .*, got 'perplexity'",
    ),
    (
        lambda: interval_over_seeds([], "kl", torch.Generator()),
        "evaluations: expected at least one, got none",
    ),
    (
        lambda: interval_over_seeds(runs([1]), "tv", torch.Generator()),
        "measure: expected one of kl, got 'tv'",
    ),
    (lambda: equivalent_window(-0.1, TUNNEL, {}), "kl: expected at least 0 bits, got -0.1"),
    (lambda: equivalent_window(math.nan, TUNNEL, {}), "kl: expected at least 0 bits, got nan"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:50] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
