"""Checks of chapter 11."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, as_tensor, expect_number, returned_by, right, wrong

Slips = tuple[tuple[Callable[..., Tensor], str], ...]

# ---------------------------------------------------------------- 11-a: two sticks

PLANE = 2 / math.pi

sticks = expect_number(
    PLANE,
    "Right: 0.637. On a floor, two sticks are more nearly parallel than not.",
    {
        0.0: "This is the mean of the cosine with its sign. Asked is its size.",
        0.5: "This is the value for three dimensions, or the cosine of 60 degrees. In the plane the angle is uniform, and "
        "its cosine is not.",
        math.sqrt(
            1 / math.pi
        ): "This is the square root of 2 / (pi d), which is close for large d only. Use the exact formula.",
        math.sqrt(0.5): "This is the cosine of the mean angle, 45 degrees. Asked is the mean of the cosine.",
        1
        / math.pi: "Half of it is missing: from 0 to 90 degrees the mean is the integral divided by pi / 2.",
        1.0: "This is the integral of the cosine from 0 to 90 degrees. Divide it by the width of the range, pi / 2.",
        math.pi / 2: "Turned round: it is one over this.",
        100 * PLANE: "This is in percent. Give a number between 0 and 1.",
    },
    "Average the cosine over angles from 0 to 90 degrees, all equally likely.",
)

# ---------------------------------------------------------------- 11-b: participation ratio

RATIO = 36 / 18

axes = expect_number(
    RATIO,
    "Right: (4 + 1 + 1)^2 / (16 + 1 + 1) = 2. Three axes vary, and they count like two equal ones.",
    {
        3.0: "This counts the axes that vary. Large ones count for more.",
        4 / 6: "This is the share of PC1. The ratio is at least 1.",
        0.5: "Turned round: the square of the sum stands above.",
        1.5: "This is one over the share of PC1. Use all three variances.",
        6 / 18: "The sum has to be squared.",
        36 / 6: "The variances below have to be squared, one by one.",
        36 / 36: "Below stands the sum of the squares, 16 + 1 + 1, and not the square of the sum.",
        16 / 6: "4 is a variance already. Do not take a root.",
    },
    "The square of the sum of the variances, divided by the sum of their squares.",
)

# ---------------------------------------------------------------- 11-c: right angles by choice

NEW_QUERY = (2.0, 3.0)
QUERY_SLIPS = (
    ((2.0, 1.0), "this is the old query. With the new keys it gives the scores 2 and 1; the second used to be 3."),
    ((1.0, 1.0), "this is A times the query. Queries need the inverse of A, transposed, if keys get A."),
    ((3.0, 1.0), "this is A inverse times the query. It has to be transposed."),
    ((2.0, -1.0), "this is A transposed times the query. It has to be inverted too."),
    ((3.0, 2.0), "these are the two scores in the wrong order."),
)  # fmt: skip


def new_query(answer: Any) -> Verdict:
    """A judge for the two numbers of a query."""
    got = as_tensor(answer)
    if got is None or got.numel() != 2:
        kind = type(answer).__name__ if got is None else f"{got.numel()} of them"
        return wrong(f"expected two numbers, such as [1.0, 0.0], got {kind}.")
    found = got.flatten()
    if torch.allclose(found, found.new_tensor(NEW_QUERY), rtol=0, atol=0.02):
        return right(
            "Right: (2, 3). With keys along the axes the numbers of a query are its scores, and those are kept."
        )
    for slip, hint in QUERY_SLIPS:
        if torch.allclose(found, found.new_tensor(slip), rtol=0, atol=0.02):
            return wrong(hint)
    return wrong("its dot products with (1, 0) and (0, 1) must be the old scores, q k1 and q k2.")


# ---------------------------------------------------------------- 11-d: what training adds

ADDED = 0.5

added = expect_number(
    ADDED,
    "Right: of 0.28 that were left, training explains 0.14. Both numbers say more than 0.86 alone.",
    {
        0.14: "This is the difference. Asked is its share of what was left, 0.28.",
        0.86: "This is the score itself. What does the untrained network have already?",
        0.14 / 0.72: "This compares with what the untrained network explains. Compare with what it does not.",
        0.14
        / 0.86: "This compares with the trained network's score. Compare with what the untrained one leaves.",
        0.72
        / 0.86: "This is how much of the score the untrained network has. Asked is what training adds to the rest.",
        0.28: "This is what the untrained network leaves. How much of it does the trained one explain?",
        50.0: "This is in percent. Give a share between 0 and 1.",
        2.0: "Turned round: the smaller number stands above.",
    },
    "The gain, 0.86 - 0.72, divided by what the untrained network leaves, 1 - 0.72.",
)

# ---------------------------------------------------------------- 11-e: the statistic


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def right_cosine(x: Tensor) -> Tensor:
    """Mean size of the cosine over all pairs."""
    table, n = (_unit(x) @ _unit(x).T).abs(), len(x)
    return (table.sum() - n) / (n * (n - 1))


COSINE_SLIPS: Slips = (
    (lambda x: (_unit(x) @ _unit(x).T).abs().mean(), "the diagonal is in it: each vector has cosine 1 with itself."),
    (lambda x: ((_unit(x) @ _unit(x).T).abs().sum() - len(x)) / len(x) ** 2,
     "the diagonal is taken out of the sum, and still counted below: there are n (n - 1) pairs."),
    (lambda x: ((_unit(x) @ _unit(x).T).sum() - len(x)) / (len(x) * (len(x) - 1)),
     "the sizes are missing: positive and negative cosines cancel. Take abs first."),
    (lambda x: ((_unit(x) @ _unit(x).T).sum() - len(x)).abs() / (len(x) * (len(x) - 1)),
     "abs stands outside the sum, where the cosines have cancelled already."),
    (lambda x: ((x @ x.T).abs().sum() - (x @ x.T).diagonal().sum()) / (len(x) * (len(x) - 1)),
     "these are dot products. Divide each vector by its length first."),
    (lambda x: right_cosine(x.T), "the columns are compared. The vectors are the rows."),
    (lambda x: ((_unit(x) @ _unit(x).T).abs().sum() - len(x)) / (len(x) * (len(x) - 1) / 2),
     "each pair stands twice in the table, so there are n (n - 1) entries beside the diagonal, and not half of it."),
)  # fmt: skip

# ---------------------------------------------------------------- 11-f: hold the position fixed


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum() / (x.square().sum() * y.square().sum()).sqrt()


def right_position(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation within positions."""
    return _pearson(x - x.mean(0), y - y.mean(0))


POSITION_SLIPS: Slips = (
    (lambda x, y: _pearson(x - x.mean(), y - y.mean()),
     "the position is still in it: one mean was taken out of the whole table. Take out one for each position, mean(0)."),
    (lambda x, y: _pearson(x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)),
     "the mean of each sequence was taken out. Asked is the mean over sequences, one for each position: mean(0)."),
    (lambda x, y: _pearson(x, y), "no mean was taken out at all."),
    (lambda x, y: _pearson(x - x.mean(0), y - y.mean()),
     "the position was taken out of one table by position, and not of the other."),
    (lambda x, y: ((x - x.mean(0)) * (y - y.mean(0))).mean(),
     "this is the covariance. Divide by the root of the product of both sums of squares."),
    (lambda x, y: ((x - x.mean(0)) * (y - y.mean(0))).sum()
     / ((x - x.mean(0)).square().sum() * (y - y.mean(0)).square().sum()), "the square root below is missing."),
    (lambda x, y: torch.stack([_pearson(a - a.mean(), b - b.mean()) for a, b in zip(x.T, y.T, strict=True)]).mean(),
     "this is the mean of one correlation a position, which is a good answer to a similar question. Asked is one number "
     "over all entries."),
)  # fmt: skip


def _tables(count: int) -> list[tuple[Tensor, ...]]:
    """Cases on which no slip gives the right answer."""
    g = torch.Generator().manual_seed(11)
    noise = [torch.randn(9, 4, generator=g, dtype=torch.float64) for _ in range(4)]
    place = 3 * torch.arange(4.0, dtype=torch.float64)
    spread = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    first = (noise[0] + 0.7 * noise[1]) * spread + place, noise[1] + noise[2] - place + 1
    second = noise[3] + 2, noise[2] * spread + noise[3] + place**2
    if count == 1:  # cosines of both signs, or taking sizes would change nothing
        return [((noise[0] - noise[0].mean(0)) * spread,), (noise[1] + 0.3 * noise[2].abs(),)]
    return [first, second]


def _function(name: str, count: int, correct: Callable[..., Tensor], slips: Slips, praise: str) -> Any:
    def judge(answer: Any) -> Verdict:
        for case in _tables(count):
            shape = f" on a table of shape {list(case[0].shape)}"
            got = returned_by(answer, case, name, shape)
            if isinstance(got, Verdict):
                return got
            if got.numel() != 1:
                return wrong(f"expected one number, got a tensor of shape {list(got.shape)}.")
            if not torch.allclose(got.reshape(()), correct(*case), rtol=0, atol=1e-5):
                for slip, hint in slips:
                    if torch.allclose(got.reshape(()), slip(*case), rtol=0, atol=1e-5):
                        return wrong(hint)
                return wrong("not the number asked for. Try it on a table small enough to do by hand.")
        return right(praise)

    return judge


cosine_function = _function(
    "my_cosine", 1, right_cosine, COSINE_SLIPS, "Right: the same as tutorlib.geometry.mean_abs_cosine."
)
position_function = _function(
    "same_position",
    2,
    right_position,
    POSITION_SLIPS,
    "Right. What goes with the position alone is out of both tables, and only the rest is compared.",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("11-a", sticks, PLANE,
        (0.0, "with its sign"), (0.5, "three dimensions"), (0.564, "large d only"), (0.707, "mean angle"),
        (0.318, "Half of it"), (1, "width of the range"), (1.571, "Turned round"), (63.7, "in percent"),
        (7, "all equally likely")),
    _check("11-b", axes, RATIO,
        (3, "counts the axes"), (0.667, "share of PC1"), (0.5, "Turned round"), (1.5, "one over"),
        (0.333, "has to be squared"), (6, "one by one"), (1, "sum of the squares"), (2.667, "a variance already")),
    _check("11-c", new_query, list(NEW_QUERY),
        *QUERY_SLIPS, (5.0, "expected two numbers"), ("two", "expected two numbers"), ([9.0, 9.0], "the old scores")),
    _check("11-d", added, ADDED,
        (0.14, "the difference"), (0.86, "the score itself"), (0.194, "what it does not"), (0.163, "untrained one leaves"),
        (0.837, "adds to the rest"), (0.28, "How much of it"), (50, "in percent"), (2, "Turned round")),
    _check("11-e", cosine_function, right_cosine,
        *COSINE_SLIPS, (lambda x: _unit(x) @ _unit(x).T, "expected one number"), (lambda x: None, "end in return"),
        (lambda x: x.sum(), "small enough"), (0.3, "without brackets")),
    _check("11-f", position_function, right_position,
        *POSITION_SLIPS, (lambda x, y: x - x.mean(0), "expected one number"), (lambda x, y: None, "end in return"),
        (lambda x: x, "it stopped on a table"), (0.3, "without brackets")),
)
# fmt: on
