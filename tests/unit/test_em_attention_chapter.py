"""Chapter 14: its figures, its explorer as Python makes it, its checks, and the arithmetic behind its sentences."""

import itertools
import json
import math
import re

import pytest
import torch

from tutorlib.checks import c14
from tutorlib.em_attention import SEEDS, filter_loss_nats, pools, stored_run
from tutorlib.em_attention.chain import draw_chain
from tutorlib.explore import PoolMorph
from tutorlib.explore.pools import HINTS, PITCHES, START, pool_state
from tutorlib.figures import em_attention as draw

# Figures -----------------------------------------------------------------------------------------------------------


def test_lines_are_drawn_as_given():
    figure = draw.lines([0.0, 1.0, 2.0], {"a": {"x": [1.0, 2.0, 3.0]}, "b": {}}, "pitch", "nats", mark=1.0)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1.0, 2.0, 3.0]
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"] and len(figure.axes[1].lines) == 1


def test_curves_are_the_mean_and_the_range_of_the_seeds():
    figure = draw.learning(
        {"t": ([0, 10], {"SGD": [[2.0, 1.0], [4.0, 2.0]]})}, floor=1.8, top=5.0, ylabel="nats"
    )
    (ax,) = figure.axes
    assert ax.lines[0].get_ydata().tolist() == [3.0, 1.5] and ax.lines[1].get_ydata()[0] == 1.8
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == 1.0 and heights.max() == 4.0


def test_a_seed_that_never_arrives_is_a_cross_and_there_is_no_mean():
    figure = draw.speed({"a": [10.0, 30.0], "b": [5.0, math.inf]}, "steps", marked=["b"])
    kinds = [(line.get_marker(), list(line.get_xdata())) for line in figure.axes[0].lines]
    assert ("|", [20.0]) in kinds and sum(kind == "|" for kind, _ in kinds) == 1
    assert [x for kind, x in kinds if kind == "x"] == [[], [37.5]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.lines([0.0], {}, "x", "y"), "panels: expected at least one, got none"),
        (lambda: draw.lines([0.0], {"a": {"up": [1.0, 2.0]}}, "x", "y"), "up: expected 1 heights"),
        (lambda: draw.learning({}, 1.0, 2.0, "nats"), "panels: expected at least one"),
        (lambda: draw.learning({"t": ([0, 1], {"SGD": [[1.0]]})}, 1.0, 2.0, "nats"), r"SGD: expected \[seed, 2\] losses"),
        (lambda: draw.speed({"a": [math.inf]}, "steps"), "rules: expected at least one finite number"),
    ],
)  # fmt: skip
def test_bad_figures_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Explorer ----------------------------------------------------------------------------------------------------------


def test_the_explorer_starts_with_the_story():
    html = PoolMorph().html()
    data = json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])
    assert data["pitches"] == PITCHES and data["hints"] == HINTS and tuple(data["start"]) == START
    loss = float(re.search(r'class="loss" value="([^"]+)"', html)[1])
    gates = torch.tensor([[0.75, 0.25], [0.25, 0.75]], dtype=torch.float64)[torch.tensor(HINTS)]
    heard = torch.tensor(PITCHES, dtype=torch.float64)
    bells = torch.exp(-((heard[:, None] - torch.tensor(START)) ** 2) / 800) / (20 * math.sqrt(2 * math.pi))
    assert loss == pytest.approx(float(-(gates * bells).sum(-1).log2().sum()), abs=1e-6)
    assert len(html) < 40_000 and "http" not in html and "position: fixed" not in html


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_move_is_an_em_step_or_the_divided_step(power):
    state = pool_state((140.0, 180.0), 0.8, power, True, 0)
    gates = torch.tensor([[0.8, 0.2], [0.2, 0.8]], dtype=torch.float64)[torch.tensor(HINTS)]
    heard, centres = (
        torch.tensor(PITCHES, dtype=torch.float64),
        torch.tensor([140.0, 180.0], dtype=torch.float64),
    )
    if power:
        weights = (gates.log() - (heard[:, None] - centres) ** 2 / 800).softmax(-1)
        moved = (weights * heard[:, None]).sum(0) / weights.sum(0)
    else:
        moved = centres - gates.T @ (gates @ centres - heard) / gates.sum(0)
    assert state["move"] == pytest.approx((moved - centres).tolist(), abs=1e-6)


@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("power", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("gate", [0.6, 0.75, 0.95])
def test_no_move_raises_the_loss_as_the_chapter_says(gate, power, divide):
    centres, losses = START, []
    for _ in range(60):
        state = pool_state(centres, gate, power, divide, 0)
        losses.append(state["loss"][0])
        centres = tuple(c + m for c, m in zip(state["centre"], state["move"], strict=True))
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(losses))


# Checks ------------------------------------------------------------------------------------------------------------


def test_answers_are_what_the_library_says():
    log_p = torch.tensor([[0.004, 0.996], [0.012, 0.988]], dtype=torch.float64).log()
    scores, came = torch.tensor([[0.6, 0.4]], dtype=torch.float64).log(), torch.tensor([0])
    slope = pools.score_gradient(scores, log_p, came, 1.0)
    assert float(slope[0, 0]) == pytest.approx(c14.PRIOR - c14.POSTERIOR, abs=1e-12)
    forecasters = torch.tensor([[0.9, 0.1], [0.5, 0.5]], dtype=torch.float64).log()
    guess = pools.log_prediction_nats(torch.zeros(1, 2, dtype=torch.float64), forecasters, 0.0).exp()
    assert float(guess[0, 0]) == pytest.approx(0.75)


def test_the_functions_of_the_exercises_are_the_librarys():
    for scores, likelihood in c14.CASES_E:
        for row in range(len(scores)):
            log_p = torch.stack([likelihood[row], 1 - likelihood[row]], -1).log()  # what came, and all else
            slope = pools.score_gradient(scores[row : row + 1], log_p, torch.tensor([0]), 1.0)
            assert torch.allclose(c14.score_gradients(scores, likelihood)[row], slope[0])
    for gate, p, power in c14.CASES_F:
        guess = pools.log_prediction_nats(gate.log()[None], p.log(), float(power)).exp()[0]
        assert torch.allclose(c14.pooled(gate, p, power), guess)


def test_functions_may_fail_in_any_way():
    for judge in (c14.write_gradients, c14.write_pool):
        assert "not answered yet" in judge(lambda *inputs: ...).message
        assert "stopped with NameError" in judge(lambda *inputs: undefined).message  # noqa: F821


# What the text says of the stored runs -------------------------------------------------------------------------------


def last(name, part):
    return [getattr(stored_run(name, seed), part)[-1] for seed in SEEDS]


def test_time_is_steps_times_rate_while_steps_are_short():
    for seed in SEEDS:
        slow, fast = stored_run("SGD 0.01", seed), stored_run("SGD 0.1", seed)
        for step in (300, 600, 1000):
            assert slow.train[step // 10] == pytest.approx(fast.train[step // 100], abs=2e-3)


def test_a_step_costs_the_same_under_every_rule_that_attends():
    names = ("SGD 0.01", "EM-like", "SGD 0.1")
    costs = [sum(stored_run(name, seed).core_seconds for seed in SEEDS) for name in names]
    assert max(costs) < 1.2 * min(costs)


def test_adam_learns_the_sequence_by_heart():
    own = [float(filter_loss_nats(draw_chain(seed))) for seed in SEEDS]
    assert all(loss < floor - 0.3 for loss, floor in zip(last("Adam 0.01", "train"), own, strict=True))
    assert all(loss > math.log(8) + 0.5 for loss in last("Adam 0.01", "held_out"))
