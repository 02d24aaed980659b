"""Information measures against slow loops, scipy, and their own laws."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits

TIGHT = {"rtol": 0, "atol": 1e-10}


@st.composite
def distributions(draw, outcomes=None, zeros=True):
    """A distribution as a list; some outcomes may be impossible."""
    size = outcomes or draw(st.integers(1, 8))
    low = 0.0 if zeros else 0.01
    weights = draw(
        st.lists(
            st.just(0.0) | st.floats(0.01, 1.0) if zeros else st.floats(low, 1.0),
            min_size=size,
            max_size=size,
        )
    )
    if sum(weights) == 0:
        weights[0] = 1.0
    return [w / sum(weights) for w in weights]


pairs = st.integers(1, 7).flatmap(lambda n: st.tuples(distributions(n), distributions(n, zeros=False)))


def slow_entropy(p):
    return sum(x * math.log2(1 / x) for x in p if x > 0)


def slow_cross_entropy(p, q):
    total = 0.0
    for x, y in zip(p, q, strict=True):
        if x > 0:
            total += math.inf if y == 0 else x * math.log2(1 / y)
    return total


def slow_kl(p, q):
    total = 0.0
    for x, y in zip(p, q, strict=True):
        if x > 0:
            total += math.inf if y == 0 else x * math.log2(x / y)
    return total


@given(distributions())
def test_entropy_is_its_definition_and_scipys(p):
    found = float(bits.entropy(p))
    assert found == pytest.approx(slow_entropy(p), abs=1e-12)
    assert found == pytest.approx(scipy.stats.entropy(p, base=2), abs=1e-10)


@given(distributions())
def test_entropy_lies_between_zero_and_log_of_the_outcomes(p):
    assert -1e-12 <= float(bits.entropy(p)) <= math.log2(len(p)) + 1e-12


@pytest.mark.parametrize("n", [1, 2, 8, 20])
def test_entropy_reaches_its_ends(n):
    assert float(bits.entropy([1 / n] * n)) == pytest.approx(math.log2(n))
    certain = bits.entropy([1.0] + [0.0] * (n - 1))
    assert str(float(certain)) == "0.0", "a certain outcome prints as 0.0, not -0.0"


@given(pairs)
def test_cross_entropy_kl_and_total_variation_are_their_definitions(pair):
    p, q = pair
    assert float(bits.cross_entropy(p, q)) == pytest.approx(slow_cross_entropy(p, q), abs=1e-12)
    assert float(bits.kl_divergence(p, q)) == pytest.approx(slow_kl(p, q), abs=1e-12)
    assert float(bits.kl_divergence(p, q)) == pytest.approx(scipy.stats.entropy(p, q, base=2), abs=1e-10)
    assert float(bits.total_variation(p, q)) == pytest.approx(
        sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2, abs=1e-12
    )


@given(pairs)
def test_cross_entropy_is_entropy_plus_kl(pair):
    p, q = pair
    assert float(bits.cross_entropy(p, q)) == pytest.approx(
        float(bits.entropy(p) + bits.kl_divergence(p, q)), abs=1e-10
    )


@given(pairs)
def test_kl_is_zero_for_equals_and_positive_otherwise(pair):
    p, q = pair
    assert float(bits.kl_divergence(p, p)) == 0
    distance = float(bits.total_variation(p, q))
    # Pinsker: KL >= 2 TV^2 / ln 2 bits, so it cannot vanish for two that differ.
    assert float(bits.kl_divergence(p, q)) >= 2 * distance**2 / math.log(2) - 1e-12


@given(distributions(4), distributions(4), distributions(4))
def test_total_variation_is_a_distance_and_the_largest_gap_of_any_event(p, q, r):
    tv = bits.total_variation
    assert float(tv(p, q)) == float(tv(q, p))
    assert float(tv(p, r)) <= float(tv(p, q) + tv(q, r)) + 1e-12
    events = [[i for i in range(4) if code >> i & 1] for code in range(16)]
    gaps = [abs(sum(p[i] for i in event) - sum(q[i] for i in event)) for event in events]
    assert float(tv(p, q)) == pytest.approx(max(gaps), abs=1e-12)


def test_ruled_out_outcome_costs_infinity():
    assert float(bits.kl_divergence([0.5, 0.5], [1, 0])) == math.inf
    assert float(bits.cross_entropy([0.5, 0.5], [1, 0])) == math.inf
    assert float(bits.kl_divergence([1, 0], [0.5, 0.5])) == 1
    assert float(bits.surprise(0.0)) == math.inf


def test_surprise_counts_coin_tosses():
    assert bits.surprise([1, 0.5, 0.25, 0.125]).tolist() == [0, 1, 2, 3]
    assert str(float(bits.surprise(1.0))) == "0.0"


@given(distributions(3), distributions(4))
def test_independence_shares_nothing(p, q):
    joint = np.outer(p, q)
    assert float(bits.mutual_information(joint)) == pytest.approx(0, abs=1e-12)


@given(distributions())
def test_a_copy_shares_its_entropy(p):
    assert float(bits.mutual_information(np.diag(p))) == pytest.approx(float(bits.entropy(p)), abs=1e-12)


@given(distributions(6))
def test_mutual_information_is_the_sum_of_entropies_minus_the_joint(flat):
    joint = np.reshape(flat, (2, 3))
    marginals = float(bits.entropy(joint.sum(1)) + bits.entropy(joint.sum(0)))
    found = float(bits.mutual_information(joint))
    assert found == pytest.approx(marginals - float(bits.entropy(flat)), abs=1e-10)
    assert -1e-12 <= found <= math.log2(2) + 1e-12


logit_lists = st.integers(1, 6).flatmap(
    lambda n: st.tuples(distributions(n), st.lists(st.floats(-30, 30), min_size=n, max_size=n))
)


@given(logit_lists)
def test_logits_and_probabilities_agree(case):
    p, logits = case[0], torch.tensor(case[1], dtype=torch.float64)
    q = torch.softmax(logits, -1)
    assert float(bits.entropy_from_logits(logits)) == pytest.approx(float(bits.entropy(q)), abs=1e-9)
    assert float(bits.cross_entropy_from_logits(p, logits)) == pytest.approx(
        float(bits.cross_entropy(p, q)), abs=1e-9
    )
    assert float(bits.kl_from_logits(p, logits)) == pytest.approx(float(bits.kl_divergence(p, q)), abs=1e-9)


def test_extreme_logits_stay_finite_and_right():
    logits = torch.tensor([0.0, -2000.0])
    assert float(bits.entropy_from_logits(logits)) == 0
    assert float(bits.kl_from_logits([0.5, 0.5], logits)) == pytest.approx(1000 / math.log(2) - 1)
    assert float(bits.kl_from_logits([1, 0], logits)) == 0
    masked = torch.tensor([0.0, 0.0, -math.inf])
    assert float(bits.entropy_from_logits(masked)) == pytest.approx(1)
    assert float(bits.kl_from_logits([0.5, 0.5, 0], masked)) == pytest.approx(0, abs=1e-12)
    assert float(bits.kl_from_logits([0, 0, 1], masked)) == math.inf


def test_lists_arrays_and_tensors_give_the_same():
    p, q = [0.25, 0.75], [0.5, 0.5]
    for make in (list, np.array, torch.tensor, lambda x: torch.tensor(x, dtype=torch.float64)):
        assert float(bits.kl_divergence(make(p), make(q))) == pytest.approx(slow_kl(p, q), abs=1e-6)
    assert float(bits.entropy([0, 1])) == 0, "whole numbers will do"
    assert bits.entropy([0.5, 0.5]).dtype == torch.float64
    assert bits.entropy(torch.tensor([0.5, 0.5])).dtype == torch.float32


def test_any_axis_and_many_at_once():
    table = torch.tensor([[0.5, 0.1], [0.5, 0.9]], dtype=torch.float64)  # distributions in columns
    expected = torch.tensor([1.0, slow_entropy([0.1, 0.9])], dtype=torch.float64)
    torch.testing.assert_close(bits.entropy(table, dim=0), expected, **TIGHT)
    torch.testing.assert_close(bits.entropy(table.mT), expected, **TIGHT)
    one, many = torch.tensor([0.5, 0.5]), torch.full((3, 4, 2), 0.5)
    assert bits.kl_divergence(one, many).shape == (3, 4)
    assert bits.mutual_information(torch.full((5, 2, 2), 0.25)).shape == (5,)


HALF = [0.5, 0.5]
BAD = [
    (lambda: bits.entropy([0.5, 0.4]), "sum of 1 along axis -1, got 0.9"),
    (lambda: bits.entropy([1.5, -0.5]), "at least 0, got -0.5"),
    (lambda: bits.entropy([0.5, math.nan]), "expected numbers, got NaN"),
    (lambda: bits.entropy([math.inf, 0.5]), "sum of 1 along axis -1, got inf"),
    (lambda: bits.entropy(1.0), "at least one axis, got a single number"),
    (lambda: bits.entropy([]), "sum of 1"),
    (lambda: bits.entropy(["a", "b"]), r"expected real numbers, got \['a', 'b'\]"),
    (lambda: bits.entropy(torch.tensor([0.5 + 0j, 0.5])), "expected real numbers, got dtype torch.complex64"),
    (lambda: bits.entropy(HALF, dim=2), "expected an axis -1 to 0, got axis 2"),
    (lambda: bits.entropy(torch.full((2,), 0.5, device="meta")), "with values, got one on the meta device"),
    (lambda: bits.kl_divergence(HALF, [0.2, 0.3, 0.5]), "the same outcomes, got 2 and 3"),
    (lambda: bits.kl_divergence([HALF] * 3, [HALF] * 2), r"shapes that fit, got \(3, 2\) and \(2, 2\)"),
    (lambda: bits.total_variation([HALF, HALF], HALF, dim=0), "shapes that fit"),
    (lambda: bits.cross_entropy(HALF, [0.5, 0.6]), "q: expected a sum of 1"),
    (lambda: bits.mutual_information(HALF), r"expected a table \[..., x, y\], got shape \(2,\)"),
    (lambda: bits.mutual_information([HALF, HALF]), "joint: expected a sum of 1 along axis -1, got 2"),
    (lambda: bits.surprise([0.5, 1.5]), r"in \[0, 1\], got 0.5 to 1.5"),
    (
        lambda: bits.kl_from_logits(HALF, torch.zeros(3)),
        "p and logits: expected the same outcomes, got 2 and 3",
    ),
    (lambda: bits.kl_from_logits([1.0], torch.zeros(3)), "the same outcomes, got 1 and 3"),
    (lambda: bits.entropy_from_logits(torch.tensor([math.nan, 0.0])), "logits: expected numbers, got NaN"),
    (
        lambda: bits.entropy_from_logits(torch.tensor([math.inf, 0.0])),
        "logits: expected values below infinity",
    ),
    (lambda: bits.entropy_from_logits(torch.full((2,), -math.inf)), "one of them finite"),
    (lambda: bits.entropy_from_logits(torch.tensor(1.0)), "at least one axis"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
