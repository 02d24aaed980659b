"""Chapter 05's figures refuse bad input; its checks agree with the library; its explorer starts with the story."""

import json
import math
import re

import matplotlib.pyplot as plt
import pytest
import torch

from tutorlib import em
from tutorlib.checks import c05
from tutorlib.explore import EMSteps
from tutorlib.explore.em import PRESETS, SPREAD
from tutorlib.figures import em as draw

PITCHES = [104.0, 112, 118, 127, 131, 139, 152, 168, 181, 190, 199, 214]
START = em.GaussianMixture([150.0, 170.0], 20.0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# Figures -----------------------------------------------------------------------------------------------------------


def test_bars_are_split_by_the_responsibilities():
    shares = em.responsibilities(PITCHES, START)
    figure = draw.room(PITCHES, [("start", [150, 170], None), ("E step", [150, 170], shares)], 20.0)
    assert [bar.get_height() for bar in figure.axes[0].patches] == [1.0] * 12
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert torch.allclose(torch.tensor(heights, dtype=torch.float64).reshape(2, 12).T, shares)
    assert [ax.get_title() for ax in figure.axes] == ["start", "E step"]


def test_the_bound_and_the_landscape_show_what_they_are_given():
    grid = torch.linspace(0, 4, 5)
    figure = draw.bound(grid, grid, {"first": grid - 1}, [(2.0, 2.0)], [(3.0, 2.0)], floor=-3)
    lines = figure.axes[0].lines
    assert lines[0].get_ydata().tolist() == grid.tolist()
    assert lines[1].get_ydata().tolist() == (grid - 1).tolist()
    assert [line.get_xdata()[0] for line in lines[2:]] == [2.0, 3.0]
    path = torch.tensor([[0.0, 1.0], [1.0, 3.0]])
    table = grid[:, None] - grid  # [centre 1, centre 2]
    figure = draw.landscape(grid, table, {"EM": path}, [-2.0, 0.0, 2.0])
    drawn = figure.axes[0].lines[-1]
    assert torch.equal(torch.as_tensor(drawn.get_xydata()), path.double())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.room(PITCHES, [], 20.0), "pitches, panels: expected a list and at least one panel"),
        (lambda: draw.room(PITCHES, [("a", [1, 2], [[0.5, 0.5]])], 20.0), r"shares: expected \(12, 2\), .* got \(1, 2\)"),
        (lambda: draw.bound([0.0], [0.0], {}, [(0, 0)], [], 0), "bounds, touches, tops: expected equally many, got 0, 1, 0"),
        (lambda: draw.landscape([0.0, 1.0], [[0.0]], {}, [0.0]), r"bits: expected a square table for 2 values, got"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Checks ------------------------------------------------------------------------------------------------------------


def test_answers_are_what_the_library_says():
    mixture = em.GaussianMixture([120.0, 200.0], 20.0)
    r = em.responsibilities([150.0], mixture)
    assert float(r[0, 0]) == pytest.approx(c05.LOW_VOICE, abs=1e-12)
    shares = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]
    moved = em.maximise([120.0, 150.0, 200.0], shares, mixture, "centres").centres
    assert moved.tolist() == pytest.approx([c05.CENTRE, 212 / 1.2])
    gap = em.log_likelihood([150.0], mixture) - em.lower_bound([150.0], mixture, [[0.5, 0.5]])
    assert float(gap) == pytest.approx(c05.GAP, abs=1e-12)


def test_the_stride_of_the_exercise_is_an_em_step():
    """A voice that answers for N sentences and has that gradient is moved by that much."""
    centres = torch.tensor([150.0, 190.0], dtype=torch.float64, requires_grad=True)
    mixture = em.GaussianMixture(centres, 20.0)
    (slope,) = torch.autograd.grad(em.log_likelihood(PITCHES, mixture), centres)
    count = em.responsibilities(PITCHES, mixture).sum(0)[1]
    moved = (em.step(PITCHES, mixture, "centres").centres - centres).detach()
    count = count.detach()
    assert float(moved[1]) == pytest.approx(float(c05.STRIDE / -0.3 * 2.5 / count * slope[1]), abs=1e-9)


def test_the_e_step_of_the_exercise_is_the_librarys():
    for pitches, centres, width, prior in c05.E_CASES:
        r = em.responsibilities(pitches, em.GaussianMixture(centres, width, prior))
        assert torch.allclose(c05.e_step(pitches, centres, width, prior), r, atol=1e-12)


def test_a_round_with_coins_raises_the_likelihood_to_a_top_of_the_bound():
    for heads, tosses, chance in c05.COIN_CASES:

        def bits(chance, heads=heads, tosses=tosses):
            logs = heads[:, None] * chance.log() + (tosses - heads)[:, None] * (1 - chance).log()
            return (torch.logsumexp(logs, -1).sum()) / math.log(2)

        trace = [chance]
        for _ in range(200):
            trace.append(c05.coin_round(heads, tosses, trace[-1]))
        gains = torch.stack([bits(chance) for chance in trace]).diff()
        assert gains.min() > -1e-9 and gains[0] > 1e-3
        end = trace[-1].requires_grad_()
        (slope,) = torch.autograd.grad(bits(end), end)
        assert slope.abs().max() < 1e-3, "EM rests where the likelihood is level"


@pytest.mark.parametrize("judge", [c05.write_e_step, c05.write_coin_round])
def test_functions_may_fail_in_any_way(judge):
    assert "not answered yet" in judge(lambda *inputs: ...).message
    assert "stopped with NameError" in judge(lambda *inputs: undefined).message  # noqa: F821
    assert "changes its input" in judge(lambda first, *rest: first.zero_()).message
    assert "got str. Return a tensor" in judge(lambda *inputs: "0.5").message


def test_right_functions_may_return_lists():
    assert c05.write_e_step(lambda *inputs: c05.e_step(*inputs).tolist()).ok
    assert c05.write_coin_round(lambda *inputs: c05.coin_round(*inputs).float()).ok


# Explorer ----------------------------------------------------------------------------------------------------------


def test_the_explorer_starts_with_the_story():
    html = EMSteps().html()
    data = json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])
    assert data["presets"][0]["pitches"] == PITCHES and data["presets"][0]["start"] == [150, 170]
    shown = re.search(r'class="log-likelihood" value="([^"]+)"', html)
    assert float(shown[1]) == pytest.approx(float(em.log_likelihood(PITCHES, START)), abs=1e-12)
    assert "−91.967" in html and len(html) < 40_000
    assert "http" not in html and "position: fixed" not in html


def test_presets_hold_what_the_page_says_of_them():
    ends = {}
    for preset in PRESETS:
        gaps = torch.tensor(preset["pitches"]).diff()
        assert (gaps >= 4).all(), "bars do not overlap"
        found = em.fit(
            preset["pitches"], em.GaussianMixture(preset["start"], SPREAD), learn="centres", tolerance=1e-9
        )
        ends[preset["name"]] = float(found.trace[-1])
    assert ends == pytest.approx(
        {"Two voices": -83.975, "Same start": -94.604, "Three voices": -139.203}, abs=1e-3
    )
    three = PRESETS[2]["pitches"]
    better = em.fit(three, em.GaussianMixture([100.0, 150.0, 235.0], SPREAD), learn="centres")
    assert float(better.trace[-1]) == pytest.approx(-131.07, abs=0.005)
