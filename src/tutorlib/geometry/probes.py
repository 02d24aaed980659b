"""Linear probes: can a quantity be read off a network's vectors by a straight line, and is that a finding?

A probe is fitted on some sequences and judged on others. Beside it belong the same probe on an untrained network, on
shuffled answers, and on as many random directions: whatever those reach needs no explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, integer, is_real, real_tensor, shown
from tutorlib.evaluation import Interval
from tutorlib.geometry.correlations import grouped_interval

__all__ = ["LinearProbe", "ProbeResult", "probe", "r_squared", "ridge", "shuffled"]

PENALTIES = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)


@dataclass(frozen=True)
class LinearProbe:
    """``y = (x - mean) @ weights + bias``.

    Attributes:
        mean: of the vectors it was fitted on, float64 ``[d]``.
        weights: float64 ``[d, targets]``.
        bias: mean of the targets, float64 ``[targets]``.

    >>> line = ridge(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]), penalty=0.0)
    >>> line(torch.tensor([[3.0]]))
    tensor([[7.]], dtype=torch.float64)
    """

    mean: Tensor
    weights: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Predictions ``[..., targets]`` for vectors ``[..., d]``."""
        x = real_tensor("x", x, "[..., d]").detach().double()
        finite(x=x)
        if x.shape[-1] != len(self.mean):
            raise ValueError(f"x: expected vectors of {len(self.mean)} dimensions, got {x.shape[-1]}")
        return (x - self.mean) @ self.weights + self.bias

    @property
    def axes(self) -> Tensor:
        """The direction that each target is read along, at length 1, float64 ``[targets, d]``."""
        return torch.nn.functional.normalize(self.weights.mT, dim=-1)


def ridge(x: Tensor, y: Tensor, penalty: float) -> LinearProbe:
    """The straight line with the smallest mean squared error plus ``penalty`` times a cost of long weights.

    The cost is the squared length of the weights times the mean variance of a coordinate, so the penalty has no unit.

    Args:
        x: vectors ``[n, d]``.
        y: what to read off them, ``[n, targets]``.
        penalty: at least 0.

    Raises:
        ValueError: if the shapes do not fit, a number is not finite, or the vectors do not vary.

    >>> ridge(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [2.0]]), penalty=1.0).weights
    tensor([[0.5000]], dtype=torch.float64)
    """
    x, y = _table(x, y)
    if not is_real(penalty) or penalty < 0:
        raise ValueError(f"penalty: expected a number of at least 0, got {shown(penalty)}")
    return _Fitted(x, y).at(penalty)


class _Fitted:
    """One eigendecomposition that serves every penalty."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.mean, self.bias = x.mean(0), y.mean(0)
        centred = x - self.mean
        covariance = centred.mT @ centred / len(x)  # [d, d]
        finite(x=covariance)
        if not covariance.diagonal().sum() > 0:
            raise ValueError("x: expected vectors that vary, got equal ones")
        self.variances, self.directions = torch.linalg.eigh(covariance)  # [d], [d, d]
        self.variances = self.variances.clamp(min=0)
        self.cross = self.directions.mT @ (centred.mT @ (y - self.bias) / len(x))  # [d, targets]

    def at(self, penalty: float) -> LinearProbe:
        cost = self.variances + penalty * self.variances.mean()  # [d]
        # A direction without variance has no say; without a penalty it would divide 0 by 0.
        share = torch.where(cost > 1e-14 * self.variances.max(), 1 / cost, 0.0)
        return LinearProbe(self.mean, self.directions @ (share[:, None] * self.cross), self.bias)


def r_squared(y: Tensor, predicted: Tensor) -> float:
    """Share of the variance of ``y`` ``[n, targets]`` that ``predicted`` explains; all targets together.

    1 is perfect, 0 no better than the mean of ``y``, below 0 worse than it.

    Raises:
        ValueError: if the shapes differ or ``y`` does not vary.

    >>> r_squared(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [1.0]]))
    0.5
    """
    y, predicted = (
        real_tensor(name, table, "[n, targets]").detach().double()
        for name, table in (("y", y), ("predicted", predicted))
    )
    finite(y=y, predicted=predicted)
    if y.shape != predicted.shape or not y.numel():
        raise ValueError(
            f"predicted: expected numbers of the shape {tuple(y.shape)}, got {tuple(predicted.shape)}"
        )
    total = (y - y.mean(0)).square().sum()
    if not total > 0:
        raise ValueError("y: expected numbers that vary, got equal ones")
    return float(1 - (y - predicted).square().sum() / total)


@dataclass(frozen=True)
class ProbeResult:
    """Predictions for every row by a probe that never saw the row's group.

    Attributes:
        y: what was to be read, float64 ``[n, targets]``.
        predicted: held-out predictions, float64 ``[n, targets]``.
        groups: int64 ``[n]``.
        penalties: the penalty chosen in each fold.

    >>> groups = torch.arange(40)
    >>> x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    >>> round(probe(x, x @ torch.ones(3, 1), groups, torch.Generator().manual_seed(0)).r_squared, 3)
    1.0
    """

    y: Tensor
    predicted: Tensor
    groups: Tensor
    penalties: tuple[float, ...]

    @cached_property
    def r_squared(self) -> float:
        """Held-out share of the variance that is read; see :func:`r_squared`."""
        return r_squared(self.y, self.predicted)

    def interval(self, generator: torch.Generator, resamples: int = 200) -> Interval:
        """:func:`r_squared` with its interval over groups. The probes are not fitted again, so it leaves that out."""
        return grouped_interval(
            lambda rows: r_squared(self.y[rows], self.predicted[rows]), self.groups, generator, resamples
        )


def probe(
    x: Tensor,
    y: Tensor,
    groups: Tensor,
    generator: torch.Generator,
    folds: int = 5,
    penalties: Sequence[float] = PENALTIES,
) -> ProbeResult:
    """Read ``y`` off ``x`` by ridge, every row by a probe that was fitted without the row's group.

    Groups (sequences, paragraphs) are dealt into folds. For each fold, a probe is fitted on the others; its penalty is
    the one that does best on one of those when fitted on the rest.

    Args:
        x: vectors ``[n, d]``.
        y: ``[n, targets]``.
        groups: int64 ``[n]``; rows of one group never stand on both sides.
        generator: deals the groups.
        folds: at least 3.
        penalties: those to choose from; see :func:`ridge`.

    Raises:
        ValueError: if shapes do not fit, or there are fewer groups than folds.

    >>> x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    >>> noise = torch.randn(60, 1, generator=torch.Generator().manual_seed(1))
    >>> probe(x, noise, torch.arange(60) // 2, torch.Generator().manual_seed(0)).r_squared < 0.1
    True
    """
    x, y = _table(x, y)
    if not isinstance(groups, Tensor) or groups.dtype != torch.int64 or groups.shape != x.shape[:1]:
        raise ValueError(f"groups: expected int64 [{len(x)}], got {shown(groups)}")
    if not isinstance(penalties, tuple | list) or not penalties:
        raise ValueError(f"penalties: expected at least one number, got {shown(penalties)}")
    if any(not is_real(penalty) or penalty < 0 for penalty in penalties):
        raise ValueError(f"penalties: expected numbers of at least 0, got {shown(penalties)}")
    names, which = groups.unique(return_inverse=True)  # [groups], [n]
    folds = integer("folds", folds, 3)
    if len(names) < folds:
        raise ValueError(f"groups: expected at least {folds}, one a fold, got {len(names)}")
    deal = torch.randperm(len(names), generator=generator, device=device_of(generator)).to(groups.device)
    fold = (deal % folds)[which]  # [n]
    predicted, chosen = torch.empty_like(y), []
    for out in range(folds):
        inner, rest = fold == (out + 1) % folds, fold != out
        trial = _Fitted(x[rest & ~inner], y[rest & ~inner])
        errors = [float((trial.at(p)(x[inner]) - y[inner]).square().sum()) for p in penalties]
        chosen.append(float(penalties[min(range(len(errors)), key=errors.__getitem__)]))
        predicted[fold == out] = _Fitted(x[rest], y[rest]).at(chosen[-1])(x[fold == out])
    return ProbeResult(y, predicted, groups, tuple(chosen))


def shuffled(y: Tensor, generator: torch.Generator, within: Tensor | None = None) -> Tensor:
    """The rows of ``y`` ``[n, ...]`` dealt out anew: answers that belong to other vectors.

    Args:
        y: one row a vector.
        generator: deals them.
        within: int64 ``[n]``; if given, a row stays in its group. Within positions, what the position alone tells stays
            true, so a probe that beats this control reads more than the position.

    >>> shuffled(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.Generator().manual_seed(0), torch.tensor([0, 0, 1, 1]))
    tensor([0., 1., 3., 2.])
    """
    y = real_tensor("y", y, "[n, ...]")
    finite(y=y)
    if within is not None and (
        not isinstance(within, Tensor) or within.dtype != torch.int64 or within.shape != y.shape[:1]
    ):
        raise ValueError(f"within: expected int64 [{len(y)}], got {shown(within)}")
    order = torch.randperm(len(y), generator=generator, device=device_of(generator)).to(y.device)
    if within is None:
        return y[order]
    target = within.argsort(stable=True)  # rows by group
    source = order[within[order].argsort(stable=True)]  # rows by group, in random order inside each
    mixed = torch.empty_like(y)
    mixed[target] = y[source]
    return mixed


def _table(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x = real_tensor("x", x, "[n, d]").detach().double()
    y = real_tensor("y", y, "[n, targets]").detach().double()
    finite(x=x, y=y)
    if len(x) != len(y) or not x.numel() or not y.numel():
        raise ValueError(f"x and y: expected as many rows, got {tuple(x.shape)} and {tuple(y.shape)}")
    return x, y
