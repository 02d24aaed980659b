"""Chapter 13's figures refuse bad input; its checks agree with counting by hand; its explorer starts with the story."""

import json
import math
from fractions import Fraction
from itertools import combinations

import pytest
import torch
from matplotlib.contour import ContourSet

from tutorlib.checks import c13
from tutorlib.explore import TwoLaws
from tutorlib.explore.routing import PRESETS, laws
from tutorlib.figures import gradients as draw
from tutorlib.gradients import score_gradient

PLANE = ([[-2.0, 1.0], [1.0, 2.0], [0.5, -2.0]], [1 / 3] * 3, [2.0, 1.0])

# Figures -------------------------------------------------------------------------------------------------------------


def test_the_plane_is_parted_where_costs_equal_the_mean():
    ax = draw.routing_plane({"start": PLANE}).axes[0]
    (parting,) = [
        shape for shape in ax.collections if isinstance(shape, ContourSet) and list(shape.levels) == [0]
    ]
    points = torch.tensor(parting.get_paths()[0].vertices)  # [points, 2]
    mixed = torch.tensor([-0.5 / 3, 1 / 3], dtype=torch.float64)
    slope = mixed - torch.tensor([2.0, 1.0], dtype=torch.float64)
    assert len(points) > 10 and ((points - mixed) @ slope).abs().max() < 1e-9
    along = (torch.tensor(PLANE[0], dtype=torch.float64) - mixed) @ slope
    assert along[1] < 0 < along[2] < along[0], "friend 3 stands a little on the dear side"


def test_arrows_of_a_value_step():
    before = len(draw.routing_plane({"start": PLANE}).axes[0].texts)
    after = len(draw.routing_plane({"start": PLANE}, steps={"start": 1.0}).axes[0].texts)
    assert after == before + 3


def test_lines_and_bars_show_what_they_are_given():
    curve = torch.tensor([0.1, 0.4, 0.2])
    for figure in (
        draw.freezing([0.0, 1, 2], {"a": curve}),
        draw.over_training([1, 10, 100], {"a": curve}, "slope"),
    ):
        assert figure.axes[0].lines[0].get_ydata().tolist() == pytest.approx(curve.tolist())
        assert figure.axes[0].get_yscale() == "log"
    panels = {"step 1": {"weight": torch.tensor([0.2, 0.8])}, "step 2": {"weight": torch.tensor([0.4, 0.6])}}
    figure = draw.row_of_network(panels, ["k1", "v1"])
    heights = [sorted(bar.get_height() for bar in ax.patches) for ax in figure.axes]
    assert [pytest.approx(h) for h in heights] == [[0.2, 0.8], [0.4, 0.6]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.routing_plane({}), "panels: expected at least one"),
        (lambda: draw.routing_plane({"a": (PLANE[0], [0.5, 0.5], PLANE[2])}), r"values \[positions, 2\]"),
        (lambda: draw.routing_plane({"a": (PLANE[0], [1.0, 1, 1], PLANE[2])}), "weights: "),
        (
            lambda: draw.routing_plane({"a": PLANE}, steps={"b": 1.0}),
            r"steps: expected titles of panels, got \['b'\]",
        ),
        (lambda: draw.freezing([0.0], {"a": torch.zeros(1)}), "above 0 for a logarithmic scale"),
        (lambda: draw.freezing([0.0], {}), "expected one to 3"),
        (lambda: draw.over_training([1], {"a": torch.ones(2)}, "x"), r"of shape \(1,\)"),
        (lambda: draw.row_of_network({}, []), "the same quantities"),
        (lambda: draw.row_of_network({"a": {"w": torch.ones(2)}}, ["k1"]), r"of shape \(1,\)"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Checks: right answers found in another way --------------------------------------------------------------------------


def test_slopes_in_fractions():
    a, b = (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)), (1, -1, 2)
    mean = sum(x * y for x, y in zip(a, b, strict=True))
    assert pytest.approx(float(a[1] * (b[1] - mean))) == c13.SECOND
    assert pytest.approx(float(Fraction(4, 5) * Fraction(1, 5) * (Fraction(7, 4) - 4))) == c13.GROUP


def test_thawing_by_the_gap_alone():
    """Two scores move in opposite directions, so the lead x obeys x -> x - 2 * 10 * p (1 - p) with p = sigmoid(x)."""
    lead, steps = math.log(999), 0
    while lead >= 0:
        p = 1 / (1 + math.exp(-lead))
        lead, steps = lead - 20 * p * (1 - p), steps + 1
    assert steps == c13.STEPS


def test_no_two_slips_of_the_law_look_alike():
    a, b = c13.CASES[0]
    results = [slip(a, b) for slip, _ in c13.LAW_SLIPS]
    for one, other in combinations([*results, score_gradient(a, b)], 2):
        assert one.shape == other.shape and not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda a, b: ..., "not answered yet"),
        (lambda a, b: undefined, "NameError"),  # noqa: F821
        (lambda a, b: "text", "expected a tensor of numbers"),
        (lambda a, b: a.mul_(b), "in place"),
        (lambda a, b: torch.full_like(a, math.nan), "In order"),
        (lambda a, b: a * (b - (a * b).sum(-1)), "stopped on shape [4, 6]"),
    ],
)
def test_what_a_function_returns_never_breaks_the_check(answer, message):
    verdict = c13.law_function(answer)
    assert not verdict.ok and message in verdict.message


@pytest.mark.parametrize("seed", range(5))
def test_any_orthogonal_description_passes(seed):
    """The identity, turned and stretched along its axes in any way."""
    rng = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=rng, dtype=torch.float64))
    lengths = torch.rand(3, generator=rng, dtype=torch.float64) + 0.5
    keys = lengths[:, None] * turn
    queries = c13.QUERIES @ c13.KEYS.T @ torch.linalg.inv(keys).T
    assert c13.gauge_pair((queries, keys)).ok
    assert c13.gauge_pair([queries.tolist(), keys.tolist()]).ok
    assert not c13.gauge_pair((queries, keys + 0.01)).ok


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: ("a", c13.KEYS), "two tensors of numbers"),
        (lambda: (c13.QUERIES * math.nan, c13.KEYS), "finite"),
        (lambda: (c13.QUERIES, torch.zeros(3, 3)), "length 0"),
    ],
)
def test_odd_pairs_are_judged_kindly(answer, message):
    verdict = c13.gauge_pair(answer())
    assert not verdict.ok and message in verdict.message


def test_slips_are_more_than_the_tolerance_apart():
    for check in c13.CHECKS:
        numbers = [(make(), words) for make, words in check.wrong if isinstance(make(), int | float)]
        right = [(check.correct(), "right")] if isinstance(check.correct(), int | float) else []
        for (a, hint), (b, other) in combinations(numbers + right, 2):
            assert hint == other or abs(a - b) > 0.01 * max(abs(a), abs(b)), (check.id, a, b)


# The explorer as Python makes it -------------------------------------------------------------------------------------


def test_the_explorer_is_small_and_the_same_twice():
    html = TwoLaws().html()
    assert html == TwoLaws().html()
    assert len(html.encode()) < 40_000
    assert "http" not in html and " id=" not in html


def test_its_presets_are_what_their_names_say():
    friends, sure, equal, twins = (laws(preset) for preset in PRESETS)
    assert friends["gradient"].abs().max() > 1
    assert sure["gradient"].abs().max() < 0.06 < sure["weight"].max() and sure["advantage"].max() > 10
    assert equal["gradient"].abs().max() < 1e-12 < equal["loss"]
    assert twins["cost"][0] > twins["cost"][1], "the one that leads is no cheaper at the start"
    assert float(twins["weight"][0] / twins["weight"][1]) == pytest.approx(1.35, abs=0.005)


def test_its_first_state_is_the_chapters(root):
    cells = json.loads((root / "chapters" / "13_gradient_laws.ipynb").read_text("utf-8"))["cells"]
    source = {cell["id"]: "".join(cell["source"]) for cell in cells}
    scope = {"torch": torch, "row": list}
    exec(source["c13-story-code"], scope)
    torch.testing.assert_close(scope["places"], torch.tensor(PRESETS[0]["values"]))
    assert (
        scope["treasure"].tolist() == PRESETS[0]["target"]
        and scope["scores"].tolist() == PRESETS[0]["scores"]
    )
    assert float(scope["loss"](scope["scores"])) == pytest.approx(float(laws(PRESETS[0])["loss"]), abs=1e-6)
    assert f'Loss <data class="loss" value="{float(laws(PRESETS[0])["loss"])}">2.5694' in TwoLaws().html()
