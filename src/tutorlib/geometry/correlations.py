"""Correlations between a coordinate and a quantity, with a third held fixed, and intervals over whole sequences."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, integer, real_tensor, shown
from tutorlib.evaluation import Interval

__all__ = [
    "correlation",
    "grouped_interval",
    "partial_correlation",
    "rank_correlation",
    "ranks",
    "within_groups",
]


def correlation(x: Tensor, y: Tensor) -> float:
    """Pearson's correlation of ``x`` and ``y``, both ``[n]``, from -1 to 1.

    Raises:
        ValueError: if the lengths differ, there are fewer than two numbers, or one of them does not vary.

    >>> round(correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 7.0])), 3)
    0.993
    """
    a, b = _pair(x, y)
    a, b = _varying("x", a), _varying("y", b)
    return float(((a @ b) / (a.norm() * b.norm())).clamp(-1, 1))


def ranks(x: Tensor) -> Tensor:
    """Ranks of ``x`` ``[n]`` from 0, equal numbers sharing the mean of their ranks; float64 ``[n]``.

    >>> ranks(torch.tensor([0.3, 0.1, 0.3]))
    tensor([1.5000, 0.0000, 1.5000], dtype=torch.float64)
    """
    x = real_tensor("x", x, "[n]").detach()
    finite(x=x)
    _, which, counts = x.unique(return_inverse=True, return_counts=True)  # in rising order
    last = counts.cumsum(0)  # [different numbers]
    return (last - (counts + 1) / 2).double()[which]


def rank_correlation(x: Tensor, y: Tensor) -> float:
    """Spearman's correlation of ``x`` and ``y``, both ``[n]``: :func:`correlation` of their :func:`ranks`.

    >>> round(rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0, 100.0])), 6)
    1.0
    """
    a, b = _pair(x, y)
    return correlation(ranks(a), ranks(b))


def partial_correlation(x: Tensor, y: Tensor, given: Tensor) -> float:
    """Correlation of what is left of ``x`` and ``y`` once a straight line in ``given`` is taken out of both.

    For ranks, hand over :func:`ranks` of all three. A dependence on ``given`` that is no straight line stays in; where
    that matters, hold it fixed with :func:`within_groups`.

    Args:
        x: ``[n]``.
        y: ``[n]``.
        given: ``[n]``, or ``[n, k]`` for several at once.

    Raises:
        ValueError: if shapes do not fit, or ``given`` explains all of ``x`` or ``y``, so that nothing is left to correlate.

    >>> position = torch.tensor([0.0, 1.0, 2.0, 3.0])
    >>> round(partial_correlation(position.square(), torch.tensor([0.0, 1.0, 0.0, 1.0]), position), 3)
    0.0
    """
    a, b = _pair(x, y)
    if not isinstance(given, Tensor) or not given.is_floating_point() or given.ndim not in (1, 2):
        raise ValueError(f"given: expected real numbers [n] or [n, k], got {shown(given)}")
    finite(given=given)
    held = given.detach().double().reshape(len(given), -1)  # [n, k]
    if len(held) != len(a):
        raise ValueError(f"given: expected {len(a)} rows as x and y, got {len(held)}")
    columns = torch.cat((torch.ones_like(held[:, :1]), held), 1)  # [n, 1 + k]
    basis, singular, _ = torch.linalg.svd(columns, full_matrices=False)
    basis = basis[:, singular > 1e-12 * singular.max()]  # [n, rank]
    left = []
    for name, values in (("x", a), ("y", b)):
        rest = values - basis @ (basis.mT @ values)  # [n]
        if rest.norm() <= 1e-9 * values.norm():
            raise ValueError(f"{name}: nothing is left of it once given is taken out: given determines it")
        left.append(rest)
    return correlation(*left)


def within_groups(x: Tensor, y: Tensor, groups: Tensor) -> float:
    """Mean rank correlation inside groups that hold something fixed, such as the position in the sequence.

    Each group counts with its size; groups in which ``x`` or ``y`` does not vary, but for rounding, say nothing and are
    left out.

    Args:
        x: ``[n]``.
        y: ``[n]``.
        groups: int64 ``[n]``, the group of each.

    Raises:
        ValueError: if lengths differ, or ``x`` or ``y`` is constant in every group.

    >>> groups = torch.tensor([0, 0, 0, 1, 1, 1])
    >>> within_groups(torch.tensor([1.0, 2.0, 3.0, 3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0, 7.0, 8.0, 9.0]), groups)
    0.0
    """
    a, b = _pair(x, y)
    total, weight, sizes = 0.0, 0, (a.abs().max(), b.abs().max())
    for rows in _members(groups, len(a)):
        if len(rows) > 1 and _varies(a[rows], sizes[0]) and _varies(b[rows], sizes[1]):
            total += len(rows) * rank_correlation(a[rows], b[rows])
            weight += len(rows)
    if not weight:
        raise ValueError("groups: x or y is constant in every group, so there is nothing to correlate")
    return total / weight


def grouped_interval(
    statistic: Callable[[Tensor], float], groups: Tensor, generator: torch.Generator, resamples: int = 200
) -> Interval:
    """A statistic with its 95 % percentile bootstrap interval over whole groups, such as sequences or paragraphs.

    Numbers from one sequence are not independent, so sequences are drawn with replacement and bring all their rows.

    Args:
        statistic: from the numbers of rows, int64 ``[m]``, to the statistic of those rows.
        groups: int64 ``[n]``, the group of each row.
        generator: draws the resamples.
        resamples: how many.

    >>> x = torch.tensor([1.0, 1.0, 3.0, 3.0])
    >>> f"{grouped_interval(lambda rows: x[rows].mean(), torch.tensor([0, 0, 1, 1]), torch.Generator().manual_seed(0)):.0f}"
    '2 [1, 3]'
    """
    if not callable(statistic):
        raise ValueError(f"statistic: expected a function of rows, got {shown(statistic)}")
    resamples, device = integer("resamples", resamples, 1), device_of(generator)
    if not isinstance(groups, Tensor) or groups.ndim != 1 or not len(groups):
        raise ValueError(f"groups: expected int64 [n], got {shown(groups)}")
    members = _members(groups, len(groups))
    values = []
    for _ in range(resamples):
        drawn = torch.randint(len(members), (len(members),), generator=generator, device=device)
        values.append(float(statistic(torch.cat([members[i] for i in drawn.tolist()]))))
    ends = torch.tensor(values, dtype=torch.float64).quantile(
        torch.tensor([0.025, 0.975], dtype=torch.float64)
    )
    every = torch.arange(len(groups), device=groups.device)
    return Interval(float(statistic(every)), *ends.tolist())


def _pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    a, b = (
        real_tensor(name, values, "[n]").detach().double() for name, values in (("x", x), ("y", y))
    )  # [n]
    finite(x=a, y=b)
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"x and y: expected as many numbers, at least two, got {len(a)} and {len(b)}")
    return a, b


def _varies(x: Tensor, size: Tensor) -> bool:
    """Whether numbers differ by more than float64 arithmetic on numbers of that size leaves behind."""
    return bool(x.max() - x.min() > 1e-12 * size)


def _varying(name: str, x: Tensor) -> Tensor:
    """Less its mean, and of size about 1."""
    if not _varies(x, x.abs().max()):
        raise ValueError(f"{name}: expected numbers that vary, got equal ones")
    x = x / x.abs().amax()
    return x - x.mean()


def _members(groups: Tensor, count: int) -> list[Tensor]:
    """The rows of each group."""
    if not isinstance(groups, Tensor) or groups.ndim != 1 or groups.dtype != torch.int64:
        raise ValueError(f"groups: expected int64 [n], got {shown(groups)}")
    if len(groups) != count:
        raise ValueError(f"groups: expected {count} numbers, one a row, got {len(groups)}")
    sizes = groups.unique(return_counts=True)[1].tolist()
    return list(groups.argsort(stable=True).split(sizes))
