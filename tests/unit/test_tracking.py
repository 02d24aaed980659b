"""Chapter 04's checks agree with counting paths; its figures refuse bad input; its explorer starts with the story."""

import itertools
import json
import math
import re

import matplotlib.pyplot as plt
import pytest
import torch

from tutorlib import bayes
from tutorlib.checks import c04
from tutorlib.explore import BeliefTriangle
from tutorlib.explore.tracking import NEIGHBOUR, THIRD, _distance, _entropy, _fixed, _track
from tutorlib.figures import tracking
from tutorlib.tunnels.filtering import forward_filter

T, E = (torch.tensor(NEIGHBOUR[name], dtype=torch.float64) for name in "TE")
SILENCE, FOOTSTEPS, WATER, TV = range(4)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def by_paths(heard, at, states=3):
    """Law of the state at one time given all sounds, by counting every path."""
    votes = [0.0] * states
    for path in itertools.product(range(states), repeat=max(len(heard), at + 1)):
        weight = math.prod(float(T[i, j]) for i, j in itertools.pairwise(path))
        weight *= math.prod(float(E[state, sound]) for state, sound in zip(path, heard, strict=False))
        votes[path[at]] += weight
    return [vote / sum(votes) for vote in votes]


# Checks ------------------------------------------------------------------------------------------------------------


def test_the_checks_use_the_tables_of_the_story():
    assert torch.equal(c04.T, T) and torch.equal(c04.E, E)
    for table in (T, E):
        torch.testing.assert_close(table.sum(-1), torch.ones(3, dtype=torch.float64))


def test_silence_after_water_and_tv_by_counting_paths():
    assert by_paths([WATER, TV, SILENCE], 2)[0] == pytest.approx(c04.ASLEEP, abs=1e-12)


def test_the_next_sound_by_counting_paths():
    state = by_paths([WATER, TV], 2)
    chance = sum(p * float(E[i, TV]) for i, p in enumerate(state))
    assert chance == pytest.approx(c04.NEXT_TV, abs=1e-12)


def test_looking_back_by_counting_paths():
    assert by_paths([WATER, TV], 0)[1] == pytest.approx(c04.COOKED, abs=1e-12) == 0.625


def test_the_difference_of_two_beliefs_by_stepping():
    lazy = 0.9 * torch.eye(5, dtype=torch.float64) + 0.02
    p, q = torch.eye(5, dtype=torch.float64)[:2]
    first, steps = p - q, 0
    while (p - q).abs().max() >= 0.01 * first.abs().max():
        p, q, steps = p @ lazy, q @ lazy, steps + 1
    assert steps == c04.STEPS


# Figures -----------------------------------------------------------------------------------------------------------


def words(figure):
    return " ".join(text.get_text() for ax in figure.axes for text in ax.texts)


def test_the_flow_shows_every_sum_and_bands_as_wide_as_their_number():
    counts = torch.tensor([300.0, 1200.0, 300.0])[:, None] * T
    figure = tracking.flow(counts, NEIGHBOUR["states"], "1,800 evenings")
    for number in ("300", "1,200", "420", "780", "600"):
        assert number in words(figure).split()
    bands = [band.get_paths()[0].vertices for band in figure.axes[0].collections]
    widths = [float(v[v[:, 0] == 0, 1].max() - v[v[:, 0] == 0, 1].min()) for v in bands]
    assert widths == pytest.approx((counts / 1800).flatten().tolist(), abs=1e-9)
    ends = sorted(float(v[v[:, 0] == 1, 1].max()) for v in bands)
    assert ends[-1] == pytest.approx(1.0), "bands begin at the top of the right side"


def test_a_belief_stands_where_its_corners_balance():
    beliefs = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    figure = tracking.belief_trail(beliefs, ["a", "b", "c"], ["w", "x", "y", "z"])
    at = figure.axes[0].collections[0].get_offsets()
    corners = [[0.5, math.sqrt(3) / 2], [0, 0], [1, 0], [0.5, math.sqrt(3) / 6]]
    assert at.tolist() == [pytest.approx(corner) for corner in corners]
    assert "2  y" in words(figure)


def test_dots_of_the_cloud_carry_the_colour_of_their_symbol():
    beliefs, last = torch.eye(3, dtype=torch.float64)[[0, 1, 1]], torch.tensor([2, 0, 0])
    lines = tracking.belief_cloud(beliefs, last, list("ABC"), "t").axes[0].lines[1:]
    assert [len(line.get_xdata()) for line in lines] == [2, 0, 1]


def test_curves_are_drawn_as_given():
    curve = torch.tensor([0.1, 0.9])
    drawn = tracking.over_time({"filter": curve, "smoother": 1 - curve}, [0, 1], ["x", "y"], "sleeps").axes[0]
    assert [line.get_ydata().tolist() for line in drawn.lines] == [
        pytest.approx([0.1, 0.9]),
        pytest.approx([0.9, 0.1]),
    ]
    assert len(drawn.patches) == 1, "one shaded time"
    gaps = tracking.forgetting({"a": [4.0, 2.0]}).axes[0]
    assert gaps.lines[0].get_ydata().tolist() == [4.0, 2.0] and gaps.get_yscale() == "log"
    cost = tracking.window_cost({"0": {1: 0.1, 2: 0.02}}, 0.01).axes[0]
    assert cost.lines[0].get_xdata().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: tracking.flow([[1.0, 2.0]], ["a", "b"], "x"), r"expected \[2, 2\] of at least 0"),
        (lambda: tracking.flow([[1.0, -2.0], [1, 1]], ["a", "b"], "x"), "at least 0"),
        (lambda: tracking.belief_trail([[0.5, 0.5]], list("abc"), ["x"]), r"expected \[beliefs, 3\]"),
        (lambda: tracking.belief_trail([[0.5, 0.3, 0.2]], list("abc"), []), "labels: expected 1"),
        (lambda: tracking.belief_trail([[0.5, 0.3, 0.3]], list("abc"), ["x"]), "sum of 1"),
        (
            lambda: tracking.belief_cloud([[0.5, 0.3, 0.2]], torch.zeros(2), list("abc"), "t"),
            r"last: expected \[1\]",
        ),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# The explorer ------------------------------------------------------------------------------------------------------


def scenes():
    html = BeliefTriangle().html()
    return json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])["scenes"]


def test_the_explorer_is_the_same_twice_and_asks_nobody():
    html = BeliefTriangle().html()
    assert html == BeliefTriangle().html() and len(html.encode()) < 60_000
    assert not re.search(r"https?:|src=|@import|url\(|position: *fixed", html)
    assert "water, then TV" in BeliefTriangle()._repr_mimebundle_()["text/plain"]


def test_every_scene_has_tables_of_probabilities():
    for scene in scenes():
        for name in "TE":
            table = torch.tensor(scene[name])
            torch.testing.assert_close(table.sum(-1), torch.ones(len(table)))
            assert len(table) == 3
        assert len(scene["sounds"]) == len(scene["E"][0])
        a, b, s = scene["start"]
        assert 3 <= a <= 294 and 1 <= b <= 99 and 0 <= s <= 95


def test_the_steps_are_those_of_the_filter():
    heard = [WATER, TV, SILENCE, SILENCE]
    steps = _track(THIRD, scenes()[0], heard)
    exact = forward_filter(torch.full((3,), 1 / 3, dtype=torch.float64), T, E.mT[heard])
    for step, belief, before in zip(steps[1:], exact[1:], exact, strict=False):
        assert step["belief"] == pytest.approx(belief.tolist(), abs=1e-14)
        assert step["predicted"] == pytest.approx(bayes.predict(before, T).tolist(), abs=1e-14)


def test_distance_and_entropy():
    assert _distance([0.98, 0.01, 0.01], [0.01, 0.98, 0.01]) == pytest.approx(2 * math.log2(98))
    assert _distance([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]) == 0
    assert _entropy([0.5, 0.25, 0.25]) == pytest.approx(1.5) and _entropy([1.0, 0.0, 0.0]) == 0


def test_rounding_is_that_of_javascript():
    assert [_fixed(x, 2) for x in (0.125, 2.675, 1.0)] == ["0.13", "2.67", "1.00"]


def test_the_first_state_shows_the_story():
    html = BeliefTriangle().html()
    belief = forward_filter(torch.tensor([0.9, 0.05, 0.05], dtype=torch.float64), T, E.mT[[WATER, TV]])[-1]
    shown = re.findall(r'<td class="you">([\d.]+)</td>', html)
    assert [float(x) for x in shown[:3]] == pytest.approx(belief.tolist(), abs=5.1e-5)
    assert "Heard: water, TV." in html
