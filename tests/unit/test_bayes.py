"""Bayes' rule against exact fractions, counts, and numerical integration."""

import math
from fractions import Fraction

import pytest
import scipy.integrate
import scipy.stats
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bayes

whole = st.integers(1, 12)
hypotheses = st.integers(1, 5)


def shares(weights):
    return [Fraction(w, sum(weights)) for w in weights]


@given(hypotheses.flatmap(lambda n: st.tuples(*[st.lists(whole, min_size=n, max_size=n)] * 2)))
def test_condition_agrees_with_exact_fractions(case):
    prior, likelihood = shares(case[0]), [Fraction(w, 12) for w in case[1]]
    p = [sympy.Rational(x.numerator, x.denominator) for x in prior]
    l = [sympy.Rational(x.numerator, x.denominator) for x in likelihood]  # noqa: E741
    total = sum(a * b for a, b in zip(p, l, strict=True))
    posterior = [float(a * b / total) for a, b in zip(p, l, strict=True)]
    floats = [float(x) for x in prior], [float(x) for x in likelihood]
    assert bayes.condition(*floats).tolist() == pytest.approx(posterior, abs=1e-12)
    assert float(bayes.evidence(*floats)) == pytest.approx(float(total), abs=1e-12)


def test_the_morning_by_counting():
    # 1,000 mornings, 300 wet. The forecast says rain on 240 of the wet and 105 of the dry ones.
    table = bayes.natural_frequencies(1000, [0.3, 0.7], [[0.8, 0.2], [0.15, 0.85]])
    torch.testing.assert_close(table, torch.tensor([[240.0, 60], [105, 595]], dtype=torch.float64))
    assert bayes.condition([0.3, 0.7], [0.8, 0.15]).tolist() == pytest.approx([240 / 345, 105 / 345])


@given(
    st.lists(whole, min_size=3, max_size=3),
    st.lists(st.lists(whole, min_size=3, max_size=3), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_evidence_in_any_order_or_all_at_once(weights, steps, random):
    prior = bayes.normalise(weights)
    likelihoods = torch.tensor(steps, dtype=torch.float64) / 12  # [steps, 3]
    at_once = bayes.condition(prior, likelihoods.prod(0))
    order = list(range(len(steps)))
    random.shuffle(order)
    belief, chance = prior, 1.0
    for step in order:
        chance *= float(bayes.evidence(belief, likelihoods[step]))
        belief = bayes.condition(belief, likelihoods[step])
    torch.testing.assert_close(belief, at_once, rtol=0, atol=1e-12)
    assert chance == pytest.approx(float(bayes.evidence(prior, likelihoods.prod(0))))


def test_predict_is_the_matrix_product(seeded):
    belief = torch.rand(4, 3, generator=seeded(), dtype=torch.float64)
    belief = belief / belief.sum(-1, keepdim=True)
    transition = torch.rand(3, 5, generator=seeded(1), dtype=torch.float64)
    transition = transition / transition.sum(-1, keepdim=True)
    found = bayes.predict(belief, transition)
    torch.testing.assert_close(found, belief @ transition)
    torch.testing.assert_close(found.sum(-1), torch.ones(4, dtype=torch.float64))
    by_hand = sum(belief[0, i] * transition[i, 2] for i in range(3))
    assert float(found[0, 2]) == pytest.approx(float(by_hand))
    many = transition.expand(4, 3, 5)  # one table a sequence
    torch.testing.assert_close(bayes.predict(belief, many), found)


@given(st.floats(0.001, 0.999))
def test_odds_go_there_and_back(p):
    assert float(bayes.probability(bayes.odds(p))) == pytest.approx(p, rel=1e-9)
    assert float(bayes.log_odds(p)) == pytest.approx(math.log2(p / (1 - p)), rel=1e-9, abs=1e-9)
    assert float(bayes.log_odds(1 - p)) == pytest.approx(-float(bayes.log_odds(p)), rel=1e-6, abs=1e-9)


def test_odds_at_the_ends():
    assert bayes.odds([0, 0.5, 1]).tolist() == [0, 1, math.inf]
    assert bayes.probability([0, 1, 3, math.inf]).tolist() == [0, 0.5, 0.75, 1]
    assert bayes.log_odds([0, 0.5, 1]).tolist() == [-math.inf, 0, math.inf]


@given(st.floats(0.01, 0.99), st.floats(0.01, 1), st.floats(0.01, 1))
def test_independent_evidence_adds_up_in_log_odds(prior, if_true, if_false):
    posterior = bayes.condition([prior, 1 - prior], [if_true, if_false])[0]
    added = float(bayes.log_odds(prior)) + math.log2(if_true / if_false)
    assert float(bayes.log_odds(posterior)) == pytest.approx(added, abs=1e-9)


@given(
    st.lists(whole, min_size=3, max_size=3),
    st.lists(st.lists(whole, min_size=2, max_size=2), min_size=3, max_size=3),
)
def test_a_column_of_counts_normalised_is_the_posterior(weights, rows):
    prior, likelihood = bayes.normalise(weights), bayes.normalise(rows)
    table = bayes.natural_frequencies(1000, prior, likelihood)
    assert float(table.sum()) == pytest.approx(1000)
    for outcome in range(2):
        torch.testing.assert_close(
            bayes.normalise(table[:, outcome]),
            bayes.condition(prior, likelihood[:, outcome]),
            rtol=0,
            atol=1e-12,
        )


@pytest.mark.parametrize(
    ("heads", "tails", "a", "b"), [(0, 0, 1, 1), (3, 1, 1, 1), (7, 12, 0.5, 2.5), (40, 2, 3, 1)]
)
def test_beta_bernoulli_is_the_posterior_mean(heads, tails, a, b):
    def weight(rate):
        return scipy.stats.beta.pdf(rate, a, b) * rate**heads * (1 - rate) ** tails

    seen = scipy.integrate.quad(weight, 0, 1)[0]
    mean = scipy.integrate.quad(lambda rate: rate * weight(rate), 0, 1)[0] / seen
    assert float(bayes.beta_bernoulli(heads, tails, a, b)) == pytest.approx(mean, rel=1e-6)


def test_laplaces_rule_and_whole_arrays():
    assert bayes.beta_bernoulli([0, 1, 9], [0, 0, 0]).tolist() == pytest.approx([1 / 2, 2 / 3, 10 / 11])


def test_normalise_along_an_axis():
    table = torch.tensor([[1, 3], [1, 1]])
    assert bayes.normalise(table, 0).tolist() == [[0.5, 0.75], [0.5, 0.25]]
    assert bayes.normalise(table).tolist() == [[0.25, 0.75], [0.5, 0.5]]


HALF = [0.5, 0.5]
BAD = [
    (lambda: bayes.normalise([1, -2]), "weights: expected values of at least 0, got -2"),
    (lambda: bayes.normalise([0, 0]), "the evidence is impossible under every hypothesis"),
    (lambda: bayes.normalise([[1, 1], [0, 0]]), "impossible"),
    (lambda: bayes.normalise([1, math.inf]), "expected finite values, got infinity"),
    (lambda: bayes.normalise(3), "at least one axis, got a single number"),
    (lambda: bayes.normalise([1, 1], dim=1), "expected an axis -1 to 0, got axis 1"),
    (lambda: bayes.condition([0.5, 0.6], [1, 1]), "prior: expected a sum of 1 along axis -1, got 1.1"),
    (lambda: bayes.condition(HALF, [1, 1, 1]), "one value for each of 2 hypotheses, got 3"),
    (lambda: bayes.condition(HALF, 0.5), "one value for each of 2 hypotheses, got a single number"),
    (lambda: bayes.condition(HALF, [1, -0.1]), "likelihood: expected values of at least 0, got -0.1"),
    (lambda: bayes.condition([1, 0], [0, 1]), "impossible under every hypothesis"),
    (lambda: bayes.condition([HALF] * 2, [HALF] * 3), r"shapes that fit, got \(2, 2\) and \(3, 2\)"),
    (lambda: bayes.evidence(HALF, [1, math.inf]), "likelihood: expected finite values"),
    (lambda: bayes.predict(HALF, [[0.5, 0.4], HALF]), "transition: expected a sum of 1"),
    (lambda: bayes.predict(HALF, [HALF] * 3), r"expected 2 rows, one a state, got shape \(3, 2\)"),
    (lambda: bayes.predict(HALF, HALF), "expected 2 rows"),
    (lambda: bayes.predict([HALF] * 3, torch.full((2, 2, 2), 0.5)), "shapes that fit"),
    (lambda: bayes.odds(1.2), r"in \[0, 1\], got 1.2"),
    (lambda: bayes.probability(-1), "odds: expected values of at least 0, got -1"),
    (lambda: bayes.natural_frequencies(0, HALF, [HALF, HALF]), "cases: expected a positive number, got 0"),
    (lambda: bayes.natural_frequencies(-5, HALF, [HALF, HALF]), "got -5"),
    (
        lambda: bayes.natural_frequencies(10, HALF, [HALF] * 3),
        r"one row for each of the 2 hypotheses, got shape \(3, 2\)",
    ),
    (lambda: bayes.natural_frequencies(10, HALF, [[0.5, 0.6], HALF]), "likelihood: expected a sum of 1"),
    (lambda: bayes.beta_bernoulli(-1, 2), "heads: expected counts of at least 0, got -1"),
    (lambda: bayes.beta_bernoulli(1, [2, -3]), "tails: expected counts of at least 0, got -3"),
    (lambda: bayes.beta_bernoulli(1, 2, a=0), "a and b: expected positive numbers, at most 1e30, got 0"),
    (lambda: bayes.beta_bernoulli([1, 2], [1, 2, 3]), r"shapes that fit, got \(2,\) and \(3,\)"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
