"""Chapter 11: its figures and checks, and its explorer as Python makes it."""

import math

import pytest
import torch

from tutorlib import geometry
from tutorlib.checks import c11
from tutorlib.explore import BeliefCloud
from tutorlib.explore.cloud import best_view, measure_clouds, shade, turn
from tutorlib.figures import geometry as draw


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- checks


def test_the_numbers_of_the_exercises_are_right():
    angles = torch.linspace(0, math.pi / 2, 100_001, dtype=torch.float64)
    assert float(angles.cos().mean()) == pytest.approx(c11.PLANE, abs=1e-4)
    cloud = normal(200_000, 3) * torch.tensor([2.0, 1.0, 1.0])
    assert geometry.participation_ratio(cloud) == pytest.approx(c11.RATIO, abs=0.03)
    keys, query = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([2.0, 1.0])
    assert (keys @ query).tolist() == list(c11.NEW_QUERY)
    A = torch.linalg.inv(keys.T)
    wrong = [query, A @ query, torch.linalg.inv(A) @ query, A.T @ query, torch.tensor(c11.NEW_QUERY).flip(0)]
    assert [tuple(w.tolist()) for w in wrong] == [slip for slip, _ in c11.QUERY_SLIPS]


def test_the_functions_are_the_librarys():
    (x,), _ = c11._tables(1)
    torch.testing.assert_close(c11.right_cosine(x), geometry.mean_abs_cosine(x))
    x, y = c11._tables(2)[0]
    position = torch.arange(4).repeat(9)
    means = torch.nn.functional.one_hot(position).double()[:, :3]
    partial = geometry.partial_correlation(x.flatten(), y.flatten(), means)
    assert float(c11.right_position(x, y)) == pytest.approx(partial)


@pytest.mark.parametrize(("count", "slips"), [(1, c11.COSINE_SLIPS), (2, c11.POSITION_SLIPS)])
def test_each_slip_is_another_number(count, slips):
    correct = c11.right_cosine if count == 1 else c11.right_position
    numbers = [float(f(*c11._tables(count)[0])) for f in (correct, *(slip for slip, _ in slips))]
    assert min(abs(a - b) for i, a in enumerate(numbers) for b in numbers[:i]) > 1e-3


@pytest.mark.parametrize("check", c11.CHECKS, ids=[check.id for check in c11.CHECKS])
def test_other_forms_of_the_right_answer_pass(check):
    answer = check.correct()
    if callable(answer):
        assert check.judge(lambda *tables: float(answer(*tables))).ok
        assert check.judge(lambda *tables: answer(*tables)[None]).ok
    else:
        assert check.judge(torch.tensor(answer)).ok
    assert not check.judge(lambda *tables: 1 / 0).ok and not check.judge("words").ok


# --- the explorer


def test_the_points_are_those_of_the_networks():
    """cloud.json is measured and not typed; another CPU may move a point by its last digit."""
    for kept, measured in zip(BeliefCloud().data["clouds"], measure_clouds(), strict=True):
        for key in ("name", "about", "kinds", "share", "kind"):
            assert kept[key] == measured[key]
        gap = torch.tensor(kept["points"]) - torch.tensor(measured["points"])
        assert len(gap) == 400 and gap.abs().max() <= 2
        assert (torch.tensor(kept["entropy"]) - torch.tensor(measured["entropy"])).abs().max() <= 1


def test_turning_keeps_distances_and_can_bring_any_axis_to_the_right():
    points = (100 * normal(20, 3)).round().int().tolist()
    lengths = torch.tensor(points, dtype=torch.float64).norm(dim=-1)
    for view in ((0, 0), (33, -71), (180, 90)):
        turned = torch.tensor(turn(points, *view), dtype=torch.float64)
        torch.testing.assert_close(turned.norm(dim=-1), lengths)
    axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert turn(axes, 0, 0) == [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    assert turn(axes, 90, 90)[1][0] == pytest.approx(1)
    assert turn(axes, 90, 0)[2][0] == pytest.approx(1)


def test_the_best_view_is_the_best():
    points = (100 * normal(60, 3)).round().int()
    hidden = torch.tensor(turn(points.tolist(), 60, -40), dtype=torch.float64)[:, 0]
    assert best_view(points.tolist(), hidden) == [60, -40]


def test_shades_are_fifths_of_the_range():
    assert shade([0, 1, 2, 4, 5, 9, 10]) == [0, 0, 1, 2, 2, 4, 4]


# --- figures


def test_figures_draw_what_they_are_given():
    rows = [{"name": "a", "keys": 0.9, "values": 0.1, "untrained": (0.2, 0.3), "random": (0.1, 0.2)}] * 2
    ax = draw.angles_by_network(rows).axes[0]
    assert sorted(float(line.get_xdata()[0]) for line in ax.lines) == [0.1, 0.1, 0.9, 0.9]
    assert len(ax.patches) == 4
    fig = draw.over_training([0, 10, 100], {"keys": [0.2, 0.5, 0.9]}, 0.14, {"error": [1.0, 0.5, 0.1]})
    assert list(fig.axes[0].lines[0].get_xdata()) == [5, 10, 100]
    fig = draw.probe_by_layer({"belief": {"net": [0.1, 0.9], "net, untrained": [0.1, 0.2]}})
    assert [line.get_linestyle() for line in fig.axes[0].lines] == ["-", "--"]
    beliefs = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    ax = draw.simplexes({"exact": beliefs}, torch.tensor([0, 1, 2]), "ABC").axes[0]
    dots = [float(v[0]) for line in ax.lines if len(line.get_xdata()) == 1 for v in line.get_data()]
    assert dots == pytest.approx([0.5, 3**0.5 / 2, 0.0, 0.0, 1.0, 0.0])
    matrix = draw.cosine_maps({"keys": torch.eye(3)}, "token").axes[0].images[0]
    assert matrix.get_clim() == (-1, 1) and float(matrix.get_array()[0, 0]) == 1
