"""Chapter 01's figures refuse bad input; its checks agree with counting; its explorer starts with the story."""

import itertools
import json
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bayes
from tutorlib.checks import c01
from tutorlib.explore import UnitSquare
from tutorlib.explore.counting import PRESETS, _counts
from tutorlib.figures import counting

MORNINGS = bayes.natural_frequencies(1000, [0.3, 0.7], [[0.8, 0.2], [0.15, 0.85]])


def words(figure):
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


# Figures -----------------------------------------------------------------------------------------------------------


def test_the_tree_shows_every_count():
    figure = counting.frequency_tree(MORNINGS, "mornings", ["rainy", "dry"], ["rain", "dry"])
    for count in ("1,000", "300", "700", "240", "60", "105", "595"):
        assert count in words(figure).split()


def test_the_square_shows_every_area():
    figure = counting.unit_square(0.3, [0.8, 0.15], ["rainy", "dry"], "rain")
    for area in ("0.240", "0.060", "0.105", "0.595"):
        assert area in words(figure)
    patches = figure.axes[0].patches
    assert sum(p.get_width() * p.get_height() for p in patches[1::2]) == pytest.approx(0.345)


def test_bars_are_the_beliefs():
    steps = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    figure = counting.beliefs(steps, ["before", "after"])
    assert [[bar.get_height() for bar in ax.patches] for ax in figure.axes] == steps.tolist()


def test_evidence_is_drawn_in_bits():
    figure = counting.evidence_steps(-1.0, [2.0, 0.5], ["before", "one", "two"])
    assert "+2.000 bits" in words(figure)
    assert "two: +0.500 bits" in words(figure)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: counting.frequency_tree([[1.0, 2.0]], "x", ["a", "b"], ["c", "d"]), r"got shape \(1, 2\)"),
        (
            lambda: counting.frequency_tree([[1.0, 2.0], [-1.0, 2.0]], "x", ["a", "b"], ["c", "d"]),
            "at least 0",
        ),
        (lambda: counting.unit_square(1.2, [0.5, 0.5], ["a", "b"], "e"), "got 1.2"),
        (lambda: counting.unit_square(0.2, [0.5], ["a", "b"], "e"), "two probabilities"),
        (lambda: counting.unit_square(0.2, [0.5, 1.5], ["a", "b"], "e"), "1.5"),
        (lambda: counting.base_rate_curve([0.0, 0.1], [0.1, 0.2], 0), "rates above 0"),
        (lambda: counting.base_rate_curve([0.1], [0.1, 0.2], 0), "equally long"),
        (lambda: counting.boxes([6], 5), "from 0 to 5"),
        (lambda: counting.beliefs([[0.5, 0.4]], ["before"]), "sum of 1"),
        (lambda: counting.beliefs([[0.5, 0.5]], []), "a title a step"),
        (lambda: counting.evidence_steps(0.0, [1.0], ["before"]), "expected 2"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Checks: the right answers by counting whole cases -------------------------------------------------------------------


def test_dry_forecast_by_counting():
    rainy, dry = 300 * Fraction(20, 100), 700 * Fraction(85, 100)
    assert float(rainy / (rainy + dry)) == pytest.approx(c01.RAIN_AFTER_DRY, abs=1e-12)


def test_bits_are_the_step_from_prior_to_posterior():
    for prior in (0.001, 0.2):
        after = bayes.condition([prior, 1 - prior], [0.99, 0.05])[0]
        assert float(bayes.log_odds(after) - bayes.log_odds(prior)) == pytest.approx(c01.BITS, abs=1e-9)


def test_third_ball_by_enumeration():
    paths = [p for p in itertools.product(range(5), repeat=4) if p[1] >= p[0] and p[2] >= p[0]]
    red = [p for p in paths if p[3] < p[0]]
    assert len(red) / len(paths) == pytest.approx(c01.NEXT_RED, abs=1e-12)


def test_the_station_that_copies_by_enumeration():
    joint = {True: 0.0, False: 0.0}  # rain, and both stations say rain
    for rain, copies, own in itertools.product((True, False), repeat=3):
        says = 0.80 if rain else 0.15
        weight = (0.3 if rain else 0.7) * says * 0.5 * (says if own else 1 - says)
        joint[rain] += weight * (copies or own)
    assert joint[True] / sum(joint.values()) == pytest.approx(c01.COPIED_HALF, abs=1e-12)


@pytest.mark.parametrize(
    "answer", [None, "0.09", float("nan"), float("inf"), [0.1, 0.2], True, torch.ones(2)]
)
def test_answers_that_are_no_number_are_refused_kindly(answer):
    for check in c01.CHECKS:
        verdict = check.judge(answer)
        assert not verdict.ok
        assert "expected" in verdict.message


def test_a_tensor_or_an_array_is_an_answer():
    assert c01.dry_forecast(torch.tensor(60 / 655)).ok
    assert c01.dry_forecast(torch.tensor([60 / 655]).numpy()[0]).ok


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        ("01-a", [0.092, 0.0916, [60 / 655]]),
        ("01-b", [4.3, 4.31, 4.307]),
        ("01-d", [0.182, 0.1818, 2 / 11]),
        ("01-e", [0.78, 0.782, 0.7817]),
    ],
)
def test_rounded_answers_pass(exercise, answers):
    judge = next(check.judge for check in c01.CHECKS if check.id == exercise)
    assert all(judge(answer).ok for answer in answers)


def test_the_numbers_in_the_hints_are_those_of_the_story():
    """Slips written as decimals in c01 are what the mistakes lead to."""
    joint = 0.3 * c01.BOTH_RAINY
    assert joint == pytest.approx(0.216)
    assert joint / (joint + 0.7 * c01.BOTH_DRY) == pytest.approx(c01.COPIED_HALF)
    second = [0.3 * 0.9, 0.7 * 0.575]  # the second station alone, copying half the time
    assert second[0] / sum(second) == pytest.approx(0.27 / 0.6725)


def test_an_unfinished_function_is_not_answered():
    assert "not answered yet" in c01.posterior_function(lambda prior, likelihood: ...).message


class Odd:
    def __array__(self, *args, **kwargs):
        raise KeyError("odd")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "Does it end in return?"),
        ("0.5", "got str. Return a tensor"),
        ({"rain": 0.5}, "got dict. Return a tensor"),
        (Odd(), "got Odd. Return a tensor"),
        (torch.ones(2, dtype=torch.complex64), "got Tensor. Return a tensor"),
        (torch.ones(2, device="meta"), "got Tensor"),
        ([0.5, [0.5]], "got list. Return a tensor"),
        (0.696, "expected shape [2] like the prior, got []"),
        (torch.full((2,), math.nan), "not the posterior for prior [0.3, 0.7]"),
        (torch.tensor([0.7, 0.3]), "rounded on the way"),
    ],
)
def test_what_a_function_returns_never_breaks_the_check(returned, message):
    verdict = c01.posterior_function(lambda prior, likelihood: returned)
    assert not verdict.ok
    assert message in verdict.message


def test_a_function_that_stops_says_where():
    verdict = c01.posterior_function(lambda prior, likelihood: undefined)  # noqa: F821
    assert "stopped on shape [2] with NameError (name 'undefined' is not defined)." in verdict.message
    assert "keepdim" not in verdict.message


def test_sums_of_the_last_case_are_not_round():
    prior, likelihood = c01._cases()[-1]
    sums = 1000 * (prior * likelihood).sum(-1)
    assert prior.shape == (2, 3, 4)
    assert (sums - sums.round()).abs().min() > 0.01


@pytest.mark.parametrize(
    "answer",
    [
        lambda prior, likelihood: bayes.condition(prior, likelihood),
        lambda prior, likelihood: bayes.condition(prior, likelihood).float(),
        lambda prior, likelihood: torch.softmax(prior.log() + likelihood.log(), -1),
        lambda prior, likelihood: bayes.condition(prior, likelihood).numpy(),
        lambda prior, likelihood: bayes.condition(prior, likelihood).tolist(),
    ],
)
def test_any_right_function_passes(answer):
    assert c01.posterior_function(answer).ok


def test_no_slip_hides_behind_the_right_answer_or_another_slip():
    """Numbers with different hints are more than the tolerance of 1 % apart."""
    for check in c01.CHECKS:
        slips = [(make(), words) for make, words in check.wrong if not callable(make())]
        right = [] if callable(check.correct()) else [(check.correct(), "right")]
        for (a, hint), (b, other) in itertools.combinations(slips + right, 2):
            assert hint == other or abs(a - b) > 0.01 * max(abs(a), abs(b)), (check.id, a, b)


# The explorer as Python makes it -------------------------------------------------------------------------------------


def test_the_explorer_is_small_and_the_same_twice():
    html = UnitSquare().html()
    assert html == UnitSquare().html()
    assert len(html.encode()) < 40_000
    assert "http" not in html
    assert " id=" not in html


def test_its_first_state_is_the_story():
    html = UnitSquare().html()
    posterior = bayes.condition([0.3, 0.7], [0.8, 0.15])[0]
    assert f"{100 * posterior:.1f} %" in html
    assert f"{bayes.log_odds(posterior):.3f}" in html
    assert "69.6 %" in UnitSquare()._repr_mimebundle_()["text/plain"]


def test_its_presets_are_named_and_whole():
    assert [preset["name"] for preset in PRESETS] == ["Forecast", "Rare disease", "Useless test"]
    for preset in PRESETS:
        assert all(isinstance(t, int) and 0 <= t <= 1000 for t in preset["state"])
    assert json.loads(json.dumps(PRESETS)) == PRESETS
    useless = PRESETS[2]["state"]
    assert useless[1] == useless[2]


@given(st.integers(1, 999), st.integers(0, 1000), st.integers(0, 1000))
def test_its_counts_are_natural_frequencies(prior, hit, alarm):
    likelihood = [[hit / 1000, 1 - hit / 1000], [alarm / 1000, 1 - alarm / 1000]]
    exact = bayes.natural_frequencies(1000, [prior / 1000, 1 - prior / 1000], likelihood)
    assert torch.allclose(torch.tensor(_counts([prior, hit, alarm]), dtype=torch.float64), exact, atol=1e-9)
    assert math.isclose(sum(map(sum, _counts([prior, hit, alarm]))), 1000)
