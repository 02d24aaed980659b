"""Chapter 02: its figures refuse bad input, its checks agree with plain counting, its explorer starts with the story."""

import itertools
import json
import math

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits
from tutorlib.checks import c02
from tutorlib.explore import SurpriseAreas
from tutorlib.explore.surprise import PRESETS, _sums, letters, words
from tutorlib.figures import coding

WORDS = {"sun": "1", "cloud": "01", "rain": "001", "fog": "000"}
COUNTS = {"sun": 4, "cloud": 2, "rain": 1, "fog": 1}
P, Q = [0.5, 0.25, 0.125, 0.125], [0.125, 0.125, 0.25, 0.5]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def said(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


# Figures -----------------------------------------------------------------------------------------------------------


def test_the_tree_has_every_leaf_at_the_depth_of_its_word():
    figure = coding.question_tree(WORDS, COUNTS, {"": "sun?", "0": "cloud?", "00": "rain?"})
    depth = {text.get_text(): -text.get_position()[1] for text in figure.axes[0].texts}
    assert {name: depth[name] for name in WORDS} == {name: len(word) for name, word in WORDS.items()}
    assert said(figure).count("yes 1") == said(figure).count("no 0") == 3
    assert "4 of 8" in said(figure)


def test_pieces_of_the_line_lie_side_by_side():
    pieces = sorted((r.get_x(), r.get_width()) for r in coding.code_line(WORDS).axes[0].patches)
    assert pieces == [(0, 0.125), (0.125, 0.125), (0.25, 0.25), (0.5, 0.5)]


def area(figure, panel, kind):
    chosen = {
        "own": lambda r: r.get_facecolor()[:3] == plt.matplotlib.colors.to_rgb(coding.BLUE),
        "extra": lambda r: r.get_hatch() is not None,
        "saved": lambda r: r.get_linestyle() == "--",
    }[kind]
    return sum(r.get_width() * r.get_height() for r in figure.axes[panel].patches if chosen(r))


def test_areas_are_the_means():
    figure = coding.surprise_areas(list(WORDS), P, {"truth": P, "fog": Q})
    assert area(figure, 0, "own") == pytest.approx(float(bits.entropy(P)))
    assert area(figure, 0, "extra") == area(figure, 0, "saved") == 0
    paid = area(figure, 1, "own") + area(figure, 1, "extra")
    assert paid == pytest.approx(float(bits.cross_entropy(P, Q)))
    gap = area(figure, 1, "extra") - area(figure, 1, "saved")
    assert gap == pytest.approx(float(bits.kl_divergence(P, Q)))


def test_an_infinite_column_is_cut_and_marked():
    figure = coding.surprise_areas(list(WORDS), P, {"never": [0.5, 0.25, 0.25, 0.0]})
    assert "∞" in said(figure)
    assert max(r.get_y() + r.get_height() for r in figure.axes[0].patches) == coding.TALLEST


def test_each_loss_curve_is_lowest_at_its_mark():
    axes = coding.log_loss_curves({"a": 0.2, "b": 0.7}).axes[0]
    curves, marks = axes.lines[::2], axes.lines[1::2]
    for curve, mark in zip(curves, marks, strict=True):
        x, y = curve.get_data()
        assert abs(float(x[y.argmin()]) - mark.get_xdata()[0]) < 0.006
        assert float(y.min()) == pytest.approx(mark.get_ydata()[0], abs=1e-4)


def test_floors_and_losses_are_where_they_are():
    figure = coding.floor_and_kl({"net": [(5, 1.2), (10, 0.9)]}, {"floor": 0.8}, [(5, 1.3), (10, 0.85)])
    level, net, dots = (line.get_ydata() for line in figure.axes[0].lines)
    assert (list(level), list(net), list(dots)) == ([0.8, 0.8], [1.2, 0.9], [1.3, 0.85])
    assert "floor\n0.800" in said(figure)
    assert len(figure.axes[0].collections) == 1  # the gap


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: coding.code_line({"a": "0", "b": "01"}), "none that begins another, got '0'"),
        (lambda: coding.code_line({"a": "2"}), "words of 0 and 1"),
        (lambda: coding.question_tree({"a": "1", "b": "1"}, {"a": 1, "b": 1}, {}), "begins another"),
        (lambda: coding.surprise_areas(["a", "b"], [1.0, 0.0], {"x": [0.5, 0.5]}), "probabilities above 0"),
        (lambda: coding.surprise_areas(["a"], [0.5, 0.5], {"x": [0.5, 0.5]}), "expected 1 probabilities"),
        (lambda: coding.surprise_areas(["a", "b"], [0.5, 0.5], {"x": [1.0]}), r"x: expected shape \(2,\)"),
        (lambda: coding.surprise_areas(["a", "b"], [0.5, 0.5], {"x": [0.5, 0.4]}), "sum of 1"),
        (lambda: coding.log_loss_curves({"a": 1.0}), "between 0 and 1, got 1.0"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Checks: the right answers another way -------------------------------------------------------------------------------


def test_three_rainy_mornings_are_the_surprise_of_their_product():
    assert float(bits.surprise(0.3**3)) == pytest.approx(c02.THREE_RAINY, abs=1e-12)


def test_the_sunny_coast_is_two_questions_in_a_row():
    assert 1 + 0.5 * math.log2(3) == pytest.approx(c02.SUNNY_HALF, abs=1e-12)


def test_the_forecasters_waste_is_counted_over_mornings():
    paid = 30 * math.log2(1 / 0.9) + 70 * math.log2(1 / 0.1)
    needed = 30 * math.log2(1 / 0.3) + 70 * math.log2(1 / 0.7)
    assert (paid - needed) / 100 == pytest.approx(c02.WASTED, abs=1e-12)


def test_the_floor_of_two_boxes_by_enumeration():
    joint = {}
    for share, first, second in itertools.product((0.2, 0.8), (0, 1), (0, 1)):
        chance = [1 - share, share]
        joint[first, second] = joint.get((first, second), 0) + 0.5 * chance[first] * chance[second]
    both, one = bits.entropy(list(joint.values())), bits.entropy([0.5, 0.5])
    assert float(both - one) == pytest.approx(c02.FLOOR, abs=1e-12)  # chain rule


def test_another_prior_draw_by_draw():
    """Sum of the predictor's extra surprise over draws, by counts of red balls."""
    total = 0.0
    for drawn in range(8):
        for n in range(drawn + 1):
            weights = [(r / 5) ** n * (1 - r / 5) ** (drawn - n) for r in range(5)]
            stated = sum(w * r / 5 for r, w in enumerate(weights)) / sum(weights)
            comes = math.comb(drawn, n) * 0.8**n * 0.2 ** (drawn - n)
            total += comes * float(bits.kl_divergence([0.8, 0.2], [stated, 1 - stated]))
    assert total == pytest.approx(c02.OTHER_PRIOR, abs=1e-9)
    assert total < math.log2(5)


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        ("02-a", [5.21, 5.2]),
        ("02-b", [1.79, 1.792]),
        ("02-c", [1.49, 1.5]),
        ("02-e", [0.904, 0.9]),
        ("02-f", [1.4]),
    ],
)
def test_rounded_answers_pass(exercise, answers):
    judge = next(check.judge for check in c02.CHECKS if check.id == exercise)
    assert all(judge(answer).ok for answer in answers)


def test_an_unfinished_function_is_not_answered():
    assert "not answered yet" in c02.kl_function(lambda p, q: ...).message


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, q: bits.kl_divergence(p, q),
        lambda p, q: bits.kl_divergence(p, q).float(),
        lambda p, q: bits.kl_divergence(p, q).numpy(),
        lambda p, q: (torch.special.entr(p) * -1 - torch.xlogy(p, q)).sum(-1) / math.log(2),
    ],
)
def test_other_ways_to_write_the_divergence(answer):
    assert c02.kl_function(answer).ok


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (torch.ones((), dtype=torch.complex64), "got Tensor. Return a tensor"),
        (torch.ones(2, device="meta"), "got Tensor"),
        ({"kl": 0.25}, "got dict. Return a tensor"),
        (torch.tensor(math.nan), "NaN where p is 0"),
        (torch.tensor(math.inf), "only p is 0"),
    ],
)
def test_what_a_function_returns_never_breaks_the_check(returned, message):
    verdict = c02.kl_function(lambda p, q: returned)
    assert not verdict.ok
    assert message in verdict.message


# Explorer ------------------------------------------------------------------------------------------------------------

counts = st.lists(st.integers(0, 64), min_size=3, max_size=3).map(sorted)


def pieces(lines):
    """Four counts that sum to 64, from three dividing lines."""
    return [b - a for a, b in itertools.pairwise([0, *lines, 64])]


@given(counts, counts)
def test_sums_are_those_of_bits(first, second):
    p, q = pieces(first), pieces(second)
    shares = [[n / 64 for n in p], [n / 64 for n in q]]
    sums = _sums(p, q)
    assert sums["entropy"] == pytest.approx(float(bits.entropy(shares[0])), abs=1e-9)
    assert sums["paid"] == pytest.approx(float(bits.cross_entropy(*shares)), abs=1e-9)
    assert sums["reverse"] == pytest.approx(float(bits.kl_divergence(shares[1], shares[0])), abs=1e-9)
    if math.isfinite(sums["paid"]):
        gap = sums["extra"] - sums["saved"]
        assert gap == pytest.approx(float(bits.kl_divergence(*shares)), abs=1e-9)
        whole = _sums(p, p, whole=True)
        assert whole["entropy"] - 1e-9 <= whole["paid"] < whole["entropy"] + 1


@given(counts)
def test_words_are_a_prefix_code_of_the_wanted_lengths(lines):
    lengths = [letters(n) for n in pieces(lines)]
    given_words = words(lengths)
    assert [None if w is None else len(w) for w in given_words] == lengths
    used = [w for w in given_words if w is not None]
    assert not any(b.startswith(a) for a, b in itertools.permutations(used, 2))
    assert [n for n in lengths if n is not None] == [math.ceil(math.log2(64 / n)) for n in pieces(lines) if n]


def test_the_explorer_starts_with_the_lighthouse():
    html = SurpriseAreas().html()
    assert SurpriseAreas().html() == html
    data = json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])
    assert data["presets"] == PRESETS
    assert 'data-sum="entropy">1.750<' in html and 'data-sum="gap">0.500<' in html
    assert all(sum(preset[key]) == 64 for preset in PRESETS for key in "pq")
    assert "http://" not in html and "https://" not in html
    assert len(html.encode()) < 60_000
