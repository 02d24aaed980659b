"""Checks of chapter 13."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, as_tensor, expect_number, returned_by, right, wrong
from tutorlib.gradients import score_gradient

# ---------------------------------------------------------------- 13-a: one score

WEIGHTS, COSTS = (0.5, 0.3, 0.2), (1.0, -1.0, 2.0)
MEAN = sum(a * b for a, b in zip(WEIGHTS, COSTS, strict=True))
SECOND = WEIGHTS[1] * (COSTS[1] - MEAN)

one_score = expect_number(
    SECOND,
    "Right. The position is cheaper than the mean, so its gradient is negative, and descent raises its score.",
    {
        -SECOND: "The sign is that of the step. The gradient is weight times (cost minus mean), and this cost is below it.",
        COSTS[1] - MEAN: "The weight in front is missing: a score with little weight moves little.",
        WEIGHTS[1] * COSTS[1]: "The mean is missing. Raising one score takes weight from all the others.",
        WEIGHTS[1]
        * (COSTS[1] - sum(COSTS) / 3): "This takes the plain mean of the costs. It is weighted by attention.",
        MEAN: "This is the mean cost. Take it from the cost of position 2, then multiply by the weight.",
        WEIGHTS[1] * (1 - WEIGHTS[1]) * COSTS[1]: "This treats the other costs as 0. They are 1 and 2.",
    },
    "Find the mean cost under the weights, take it from the cost of position 2, and multiply by the weight.",
)

# ---------------------------------------------------------------- 13-b: the missing one of a row

ROW = (0.2, -0.5)

missing = expect_number(
    -sum(ROW),
    "Right: the row sums to 0, because adding one number to all scores of a row changes nothing.",
    {
        sum(ROW): "This is the sum of the two. The three together must give 0.",
        0.0: "0 would be the sum of all three.",
        0.7: "Signs count: the first is positive and the second negative.",
        -0.7: "Signs count: the first is positive and the second negative.",
        1 - sum(ROW): "Weights sum to 1. Gradients of a row sum to something else.",
        -0.15: "This is the mean of the two. What must a whole row add up to?",
    },
    "What happens to the loss if the same number is added to all three scores?",
)

# ---------------------------------------------------------------- 13-c: a group of positions

GROUP_WEIGHTS, GROUP_COSTS = (0.4, 0.4, 0.2), (1.0, 2.5, 4.0)
GROUP_MEAN = sum(a * b for a, b in zip(GROUP_WEIGHTS, GROUP_COSTS, strict=True))
GROUP = sum(a * (b - GROUP_MEAN) for a, b in zip(GROUP_WEIGHTS[:2], GROUP_COSTS[:2], strict=True))

together = expect_number(
    GROUP,
    "Right: 0.8 times 0.2 times (1.75 - 4). A group counts as one position with its own mean cost.",
    {
        -GROUP: "Right size, wrong sign: the group is cheaper than the rest, so raising it lowers the loss.",
        GROUP / 2: "This is the mean of the two gradients. Both scores rise at once, so they add up.",
        GROUP_WEIGHTS[0] * (1 - GROUP_MEAN): "This is the first position alone.",
        GROUP_WEIGHTS[1] * (2.5 - GROUP_MEAN): "This is the second position alone.",
        1.75 - 4: "The two weights are missing: the group's, and that of the rest.",
        0.8 * (1.75 - 4): "The weight of the rest is missing: if it is small, there is little to take.",
        GROUP_MEAN: "This is the mean cost of the row.",
        (1 - GROUP_MEAN) + (2.5 - GROUP_MEAN): "The weights are missing.",
    },
    "Add the gradients of the two scores. Each is its weight times its cost above the mean of the whole row.",
)

# ---------------------------------------------------------------- 13-d: how long it stays frozen


def frozen_steps(weight: float = 0.999, gap: float = 10.0, rate: float = 1.0, both: bool = True) -> int:
    """Steps of descent until the cheaper of two positions has more than half of the weight."""
    scores = torch.tensor([math.log(weight), math.log(1 - weight)], dtype=torch.float64)
    costs = torch.tensor([[gap, 0.0]], dtype=torch.float64)
    move = torch.tensor([1.0, 1.0 if both else 0.0], dtype=torch.float64)
    for step in range(1, 10_000):
        scores = scores - rate * move * score_gradient(scores.softmax(-1)[None], costs)[0]
        if scores[1] > scores[0]:
            return step
    raise AssertionError("the weights never cross")


STEPS = frozen_steps()
ODDS = math.log(0.999 / 0.001)

thaw = expect_number(
    STEPS,
    "Right. The gradient begins 250 times below its peak, so most of the time goes before there is anything to see.",
    {
        frozen_steps(both=False): "Only one score moves here. Descent moves both, in opposite directions.",
        round(
            ODDS / (2 * 0.999 * 0.001 * 10)
        ): "This keeps the first gradient for the whole way. It grows as the weights do.",
        1: "With a rate of 1 the first step moves each score by 0.01. The gap between them is 6.9.",
        STEPS - 1: "One step short: after so many the wrong position still leads.",
        STEPS + 1: "One too many: it had crossed the step before.",
    },
    "Start from the logarithms of the weights, and take steps of score minus gradient until the second is larger.",
    tolerance=0.5,
)

# ---------------------------------------------------------------- 13-e: the law as a function

_DRAW = torch.Generator().manual_seed(13)


def _case(*shape: int) -> tuple[Tensor, Tensor]:
    scores, cost = (torch.randn(*shape, generator=_DRAW, dtype=torch.float64) for _ in range(2))
    return scores.softmax(-1), cost


CASES = (_case(4, 6), _case(2, 3, 5, 7))
LAW_SLIPS: tuple[tuple[Callable[[Tensor, Tensor], Tensor], str], ...] = (
    (lambda a, b: a * b, "the mean cost of the row is missing"),
    (lambda a, b: a * (b - b.mean(-1, keepdim=True)), "the mean is not weighted by attention"),
    (
        lambda a, b: a * ((a * b).sum(-1, keepdim=True) - b),
        "the sign is turned: this is the direction of descent",
    ),
    (lambda a, b: b - (a * b).sum(-1, keepdim=True), "the weight in front is missing"),
    (lambda a, b: a * (b - (a * b).sum(-2, keepdim=True)), "the mean runs down a column. A row is one query"),
    (
        lambda a, b: a * (b - (a * b).mean(-1, keepdim=True)),
        "the weighted costs are averaged once more. Sum them",
    ),
    (lambda a, b: a * (1 - a) * b, "the other positions are left out"),
)


def law_function(answer: Any) -> Verdict:
    """Judge ``law(attention, costs)``."""
    for attention, cost in CASES:
        shape = list(attention.shape)
        got = returned_by(answer, (attention, cost), "law", f" on shape {shape}")
        if isinstance(got, Verdict):
            return got
        expected = score_gradient(attention, cost)
        if got.shape != expected.shape:
            return wrong(
                f"expected shape {shape}, got {list(got.shape)}. Does keepdim=True keep the row's axis?"
            )
        if torch.allclose(got, expected, atol=1e-5):
            continue
        for slip, hint in LAW_SLIPS:
            if torch.allclose(got, slip(attention, cost), atol=1e-5):
                return wrong(f"{hint}.")
        return wrong(
            "not the gradient. In order: weigh the costs, sum along the last axis, subtract, weigh again."
        )
    return right("Right, for one head and for a batch of heads.")


# ---------------------------------------------------------------- 13-f: orthogonal keys without a change

QUERIES = torch.tensor([[2.0, 0.0, 1.0], [1.0, -1.0, 0.0]], dtype=torch.float64)
KEYS = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 2.0, 1.0]], dtype=torch.float64)


def orthogonal_pair() -> tuple[Tensor, Tensor]:
    """Queries and keys with the scores of ``QUERIES`` and ``KEYS``, in which the keys are the unit vectors."""
    return QUERIES @ KEYS.T, torch.eye(3, dtype=torch.float64)


def gauge_pair(answer: Any) -> Verdict:
    """Judge a pair of new queries and new keys."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong(f"expected a pair, new queries and new keys, got {type(answer).__name__}")
    queries, keys = (as_tensor(part) for part in answer)
    if queries is None or keys is None:
        return wrong("expected two tensors of numbers")
    if queries.shape != QUERIES.shape or keys.shape != KEYS.shape:
        return wrong(
            f"expected shapes [2, 3] and [3, 3], got {list(queries.shape)} and {list(keys.shape)}. Queries come first"
        )
    if not (queries.isfinite().all() and keys.isfinite().all()):
        return wrong("expected finite numbers")
    length = keys.norm(dim=-1)
    if (length < 1e-6).any():
        return wrong("a key of length 0 has no direction: its scores would all be 0")
    cosine = (keys @ keys.T) / (length[:, None] * length)
    turned = (cosine - torch.eye(3, dtype=torch.float64)).abs().max() > 1e-4
    if (queries @ keys.T - QUERIES @ KEYS.T).abs().max() > 1e-4:
        if turned:
            return wrong(
                "the scores have changed, and the keys are not orthogonal. Put M on the keys, and undo it on the queries"
            )
        return wrong(
            "the keys are orthogonal, but the scores have changed. What was done to the keys must be undone on the queries"
        )
    if turned:
        same = torch.allclose(cosine, _cosines(KEYS), atol=1e-4)
        hint = (
            "a rotation keeps all angles"
            if same
            else "they have moved, but some pair still has a cosine other than 0"
        )
        return wrong(f"the scores are the same, but the keys are not orthogonal: {hint}")
    return right(
        "Right. Same scores, same network, and now no two keys share a direction. The cosine was a matter of description."
    )


def _cosines(keys: Tensor) -> Tensor:
    unit = keys / keys.norm(dim=-1, keepdim=True)
    return unit @ unit.T


def _rotated() -> tuple[Tensor, Tensor]:
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return QUERIES @ turn, KEYS @ turn


def _stretched() -> tuple[Tensor, Tensor]:
    stretch = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    return QUERIES * stretch, KEYS / stretch


# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("13-a", one_score, SECOND,
        (0.48, "The sign is that of the step"), (-1.6, "weight in front"), (-0.3, "mean is missing"), (-0.5, "plain mean"),
        (0.6, "the mean cost"), (-0.21, "treats the other costs as 0")),
    _check("13-b", missing, 0.3,
        (-0.3, "sum of the two"), (0.0, "sum of all three"), (0.7, "Signs count"),
        (1.3, "Weights sum to 1"), (-0.15, "mean of the two")),
    _check("13-c", together, GROUP,
        (0.36, "wrong sign"), (-0.18, "mean of the two gradients"), (-0.48, "first position alone"),
        (0.12, "second position alone"), (-2.25, "two weights are missing"), (-1.8, "weight of the rest"),
        (2.2, "mean cost of the row"), (-0.9, "The weights are missing")),
    _check("13-d", thaw, STEPS,
        (frozen_steps(both=False), "Only one score moves"), (346, "keeps the first gradient"), (1, "gap between them"),
        (STEPS - 1, "One step short"), (STEPS + 1, "One too many")),
    _check("13-e", law_function, score_gradient,
        *LAW_SLIPS,
        (lambda a, b: (a * b).sum(-1), "keepdim"), (lambda a, b: None, "end in return"), (lambda a, b: a, "In order"),
        (7, "without brackets")),
    Check("13-f", gauge_pair, orthogonal_pair, (
        (lambda: (QUERIES, torch.eye(3)), "the scores have changed"),
        (_rotated, "keeps all angles"),
        (lambda: (QUERIES, KEYS), "keeps all angles"),
        (lambda: (QUERIES / 2, KEYS), "undo it on the queries"),
        (_stretched, "some pair still has"),
        (lambda: (KEYS, QUERIES), "Queries come first"),
        (lambda: 7, "expected a pair"))),
)
# fmt: on
