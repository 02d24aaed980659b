"""Entropy axes: is there a direction among the vectors inside a model along which its uncertainty is laid out?

Two answers are easily mixed up. The first principal axis is where the vectors vary most; the paper says that this is
where the entropy is. A ridge probe finds the axis along which the entropy is best read, wherever it is. Folds and
intervals are by prompt: positions of one paragraph are no independent witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, instance, integer, real_tensor, shown
from tutorlib.evaluation import Interval
from tutorlib.geometry import (
    grouped_interval,
    principal_axes,
    probe,
    rank_correlation,
    ridge,
    shuffled,
)

__all__ = [
    "EntropyAxes",
    "covariance_direction",
    "entropy_axes",
    "first_direction",
    "probe_direction",
]


BLOCKS = 40  # of groups that are left out in turn for an interval of a shape


@dataclass(frozen=True)
class EntropyAxes:
    """How a quantity such as the entropy lies among vectors.

    Attributes:
        rows: vectors.
        dimension: numbers in each.
        first_share: share of the variance along the first principal axis.
        two_share: along the first two.
        participation_ratio: how many dimensions the vectors fill.
        first_rank: rank correlation of the first axis with the quantity; its sign is arbitrary.
        probe_r2: held-out share of the quantity's variance that a ridge probe reads; None if it was not asked for.
        probe_rank: held-out rank correlation of the probe.
        shuffled_r2: the same probe on quantities dealt out anew: what it reaches by chance.

    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> entropy_axes(x, x[:, 0], torch.arange(60) // 2, torch.Generator().manual_seed(0)).probe_r2.mean > 0.9
    True
    """

    rows: int
    dimension: int
    first_share: Interval
    two_share: Interval
    participation_ratio: Interval
    first_rank: Interval
    probe_r2: Interval | None = None
    probe_rank: Interval | None = None
    shuffled_r2: float | None = None


def entropy_axes(
    vectors: Tensor,
    quantity: Tensor,
    groups: Tensor,
    generator: torch.Generator,
    *,
    standardise: bool = True,
    with_probe: bool = True,
    resamples: int = 200,
) -> EntropyAxes:
    """Principal axes of vectors, and a ridge probe, beside a quantity known for each vector.

    Args:
        vectors: ``[n, d]``, such as ``recording.vectors("values", -1)``.
        quantity: ``[n]``, such as ``recording.entropy``.
        groups: int64 ``[n]``, such as ``recording.prompt``: folds and resamples take whole groups.
        generator: deals folds and draws resamples.
        standardise: divide each coordinate by its standard deviation first, as the paper does. The deviations are those
            of all vectors, in the resamples too.
        with_probe: fit the probe, which needs at least five groups.
        resamples: for the intervals of correlations and of the probe (95 %, percentile bootstrap). The shares of variance
            and the participation ratio have jackknife intervals.

    Raises:
        ValueError: if shapes do not fit, or vectors or quantity do not vary.

    >>> from tutorlib.llm import record, tiny
    >>> found = record(tiny(), ["The old dog lifted his head."] * 2 + ["She put the letter back."], positions=1)
    >>> g = torch.Generator().manual_seed(0)
    >>> entropy_axes(found.vectors("values", -1), found.entropy, found.prompt, g, with_probe=False).dimension
    16
    """
    x = real_tensor("vectors", vectors, "[n, d]").detach().double()
    y = real_tensor("quantity", quantity, "[n]").detach().double()
    finite(vectors=x, quantity=y)
    if len(x) != len(y) or len(x) < 3:
        raise ValueError(f"vectors and quantity: expected as many, 3 or more, got {len(x)} and {len(y)}")
    if not isinstance(groups, Tensor) or groups.dtype != torch.int64 or groups.shape != y.shape:
        raise ValueError(f"groups: expected int64 [{len(y)}], got {shown(groups)}")
    integer("resamples", resamples, 1)
    device_of(generator)
    axes = principal_axes(x, instance("standardise", standardise, bool))
    first = axes.scores(x)[:, 0]  # [n]
    turned = rotated((x - axes.mean) / axes.scale)  # [n, min(n, d)]

    share, two, ratio = _shapes(turned, groups)
    rank = grouped_interval(lambda rows: _rank(first[rows], y[rows]), groups, generator, resamples)
    n, d = x.shape
    if not with_probe:
        return EntropyAxes(n, d, share, two, ratio, rank)
    read = probe(turned, y[:, None], groups, generator)
    chance = probe(turned, shuffled(y, generator)[:, None], groups, generator)
    predicted = read.predicted[:, 0]
    read_rank = grouped_interval(lambda rows: _rank(predicted[rows], y[rows]), groups, generator, resamples)
    return EntropyAxes(
        n, d, share, two, ratio, rank, read.interval(generator, resamples), read_rank, chance.r_squared
    )


def first_direction(vectors: Tensor, standardise: bool = True) -> Tensor:
    """Where the first principal axis reads, as a direction of length 1 among the vectors themselves, float64 ``[d]``.

    With ``standardise`` the axis belongs to the standardised coordinates; this is the direction that has the same scores.

    >>> first_direction(torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 2.0]]), standardise=False)
    tensor([0.8944, 0.4472], dtype=torch.float64)
    """
    axes = principal_axes(
        real_tensor("vectors", vectors, "[n, d]"), instance("standardise", standardise, bool)
    )
    return torch.nn.functional.normalize(axes.directions[0] / axes.scale, dim=0)


def probe_direction(vectors: Tensor, quantity: Tensor, penalty: float = 1e-2) -> Tensor:
    """The direction along which a ridge probe reads a quantity, at length 1, float64 ``[d]``.

    Fit it on other prompts than those on which it is judged.

    Args:
        vectors: ``[n, d]``.
        quantity: ``[n]``.
        penalty: of :func:`tutorlib.geometry.ridge`.

    >>> probe_direction(torch.eye(3), torch.tensor([1.0, 0.0, 0.0]), penalty=0.0).round(decimals=2)
    tensor([ 0.8200, -0.4100, -0.4100], dtype=torch.float64)
    """
    y = real_tensor("quantity", quantity, "[n]")
    return ridge(vectors, y[:, None], penalty).axes[0]


def covariance_direction(vectors: Tensor, quantity: Tensor) -> Tensor:
    """The direction along which vectors vary with a quantity, at length 1, float64 ``[d]``.

    Of all single directions this is the one whose cut leaves no linear trace of the quantity in the vectors that it was
    fitted on: what remains does not co-vary with it. After a cut along :func:`probe_direction` another probe may read it
    elsewhere.

    Args:
        vectors: ``[n, d]``.
        quantity: ``[n]``, which varies with them.

    >>> covariance_direction(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]]), torch.tensor([1.0, -1.0, 0.0]))
    tensor([1., 0.], dtype=torch.float64)
    """
    x = real_tensor("vectors", vectors, "[n, d]").detach().double()
    y = real_tensor("quantity", quantity, "[n]").detach().double()
    finite(vectors=x, quantity=y)
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"vectors and quantity: expected as many, 2 or more, got {len(x)} and {len(y)}")
    cross = (x - x.mean(0)).mT @ (y - y.mean())  # [d]
    if not cross.any():
        raise ValueError("vectors and quantity: expected some that vary together, got none")
    return torch.nn.functional.normalize(cross, dim=0)


def rotated(x: Tensor) -> Tensor:
    """Vectors ``[n, d]`` in ``min(n, d)`` coordinates, with the same distances: much quicker where ``d`` is above ``n``."""
    if x.shape[1] <= len(x):
        return x
    u, s, _ = torch.linalg.svd(x, full_matrices=False)
    return u * s


def _shapes(x: Tensor, groups: Tensor) -> list[Interval]:
    """Share of the first axis, of the first two, and the participation ratio, with intervals by leaving groups out.

    A bootstrap would be biased: vectors drawn twice make the cloud look flatter than it is. The jackknife leaves out one
    block of groups at a time (Efron and Tibshirani 1993, chapter 11).
    """
    every = _shape(x)
    block = groups.unique(return_inverse=True)[1] % BLOCKS  # [n]
    blocks = int(block.max()) + 1
    if blocks < 2:
        return [Interval(float(v), float("nan"), float("nan")) for v in every]
    without = torch.stack([_shape(x[block != left]) for left in range(blocks)])  # [blocks, 3]
    error = ((blocks - 1) / blocks * (without - without.mean(0)).square().sum(0)).sqrt()  # [3]
    low, high = (every - 1.96 * error).clamp(min=0), every + 1.96 * error
    high = torch.minimum(high, high.new_tensor([1.0, 1.0, float(x.shape[1])]))
    return [Interval(*(float(v) for v in row)) for row in zip(every, low, high, strict=True)]


def _shape(x: Tensor) -> Tensor:
    """As ``principal_axes`` has them, float64 ``[3]``; NaN if the vectors do not vary."""
    centred = x - x.mean(0)
    variances = (
        torch.linalg.eigvalsh(centred.mT @ centred).flip(0).clamp(min=0)
    )  # falling; eigenvalues alone are quick
    total = variances.sum()
    return torch.stack(
        (variances[0] / total, variances[:2].sum() / total, total**2 / variances.square().sum())
    )


def _rank(x: Tensor, y: Tensor) -> float:
    varies = bool(x.ne(x[0]).any() and y.ne(y[0]).any())
    return rank_correlation(x, y) if varies else float("nan")
