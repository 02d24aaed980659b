"""Principal axes of a cloud of vectors, how many of them count, and clouds with some directions taken out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, instance, integer, real_tensor

__all__ = [
    "PrincipalAxes",
    "participation_ratio",
    "principal_axes",
    "random_directions",
    "remove_directions",
]


@dataclass(frozen=True)
class PrincipalAxes:
    """The directions in which a cloud of vectors varies most, in falling order.

    Attributes:
        mean: the centre of the cloud, float64 ``[d]``.
        scale: what each coordinate was divided by, float64 ``[d]``; ones unless standardised.
        directions: orthonormal rows, float64 ``[axes, d]``. Each is turned so that its largest entry is positive.
        variances: along each axis, float64 ``[axes]``.

    >>> principal_axes(torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])).scores(torch.tensor([[4.0, 4.0]]))
    tensor([[2.8284, 0.0000]], dtype=torch.float64)
    """

    mean: Tensor
    scale: Tensor
    directions: Tensor
    variances: Tensor

    @property
    def shares(self) -> Tensor:
        """Share of the variance along each axis, float64 ``[axes]``."""
        return self.variances / self.variances.sum()

    @property
    def participation_ratio(self) -> float:
        """``(sum of variances)^2 / sum of their squares``: 1 for a line, d for a ball in d dimensions."""
        return float(self.variances.sum() ** 2 / self.variances.square().sum())

    def scores(self, x: Tensor) -> Tensor:
        """Coordinates of vectors ``[..., d]`` along the axes, float64 ``[..., axes]``."""
        x = real_tensor("x", x, "[..., d]").detach().double()
        finite(x=x)
        if x.shape[-1] != len(self.mean):
            raise ValueError(f"x: expected vectors of {len(self.mean)} dimensions, got {x.shape[-1]}")
        return ((x - self.mean) / self.scale) @ self.directions.mT


def principal_axes(x: Tensor, standardise: bool = False) -> PrincipalAxes:
    """Principal axes of the vectors in ``x`` ``[..., d]``; all leading axes are taken together.

    Args:
        x: at least two vectors.
        standardise: divide each coordinate by its standard deviation first (a coordinate that does not vary stays).

    Raises:
        ValueError: if there are fewer than two vectors, or they do not vary.

    >>> principal_axes(torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])).shares
    tensor([1., 0.], dtype=torch.float64)
    """
    rows = _rows("x", x)  # [n, d]
    instance("standardise", standardise, bool)
    if len(rows) < 2:
        raise ValueError(f"x: expected at least two vectors, got {len(rows)}")
    mean, size = rows.mean(0), rows.abs().amax()
    centred = rows - mean
    scale = torch.ones_like(mean)
    if standardise:
        deviation = centred.square().mean(0).sqrt()  # [d]
        scale = torch.where(deviation > 1e-12 * size, deviation, 1.0)
        centred = centred / scale
    covariance = centred.mT @ centred / (len(rows) - 1)  # [d, d]
    finite(x=covariance)
    variances, directions = torch.linalg.eigh(covariance)  # rising
    variances, directions = variances.flip(0).clamp(min=0), directions.mT.flip(0)  # [axes], [axes, d]
    if not variances.sum() > 0 or not centred.abs().amax() > 1e-14 * size:
        raise ValueError("x: expected vectors that vary, got equal ones")
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))  # [axes, 1]
    return PrincipalAxes(mean, scale, directions * largest.sign(), variances)


def participation_ratio(x: Tensor) -> float:
    """How many dimensions the vectors in ``x`` ``[..., d]`` fill, from 1 to d; see :class:`PrincipalAxes`.

    >>> round(participation_ratio(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 3)
    2.0
    """
    return principal_axes(x).participation_ratio


def random_directions(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Orthonormal directions drawn uniformly, float64 ``[count, dimension]``.

    >>> random_directions(2, 5, torch.Generator().manual_seed(0)).square().sum(-1)
    tensor([1.0000, 1.0000], dtype=torch.float64)
    """
    dimension = integer("dimension", dimension, 1)
    count = integer("count", count, 1, dimension)
    draw = torch.randn(
        dimension, count, generator=generator, dtype=torch.float64, device=device_of(generator)
    )
    basis, triangle = torch.linalg.qr(draw)  # [dimension, count], [count, count]
    # The decomposition prefers one sign; turned so that the diagonal is positive, every direction is equally likely.
    return (basis * triangle.diagonal().sign()).mT.contiguous()  # [count, dimension]


def remove_directions(x: Tensor, directions: Tensor) -> Tensor:
    """The vectors ``[..., d]`` less their parts along ``directions`` ``[count, d]``, which need not be orthonormal.

    Correlating what is left with a coordinate along a removed direction is empty: nothing is left there but rounding.
    Fit a new probe instead.

    >>> remove_directions(torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0, 0.0]]))
    tensor([[0., 4.]])
    """
    x, directions = real_tensor("x", x, "[..., d]"), real_tensor("directions", directions, "[count, d]")
    finite(x=x, directions=directions)
    if x.shape[-1] != directions.shape[1]:
        raise ValueError(f"directions: expected {x.shape[-1]} dimensions as x, got {directions.shape[1]}")
    if len(directions) > directions.shape[1] or not directions.any(-1).all():
        raise ValueError("directions: expected at most d of them and none zero")
    basis = torch.linalg.qr(directions.to(x).double().mT)[0].to(x.dtype)  # [d, count]
    return x - (x @ basis) @ basis.mT


def _rows(name: str, x: Tensor) -> Tensor:
    """All vectors in one float64 table ``[n, d]``."""
    x = real_tensor(name, x, "[..., d]").detach()
    finite(**{name: x})
    if x.ndim < 2 or not x.shape[-1]:
        raise ValueError(f"{name}: expected vectors [..., d], got {tuple(x.shape)}")
    return x.double().flatten(0, -2)
