"""Taking a quantity out of vectors so that no line reads it (LEACE), and random directions that are a fair control."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, integer, real_tensor

__all__ = ["Eraser", "leace", "matched_directions", "variance_along"]


@dataclass(frozen=True, eq=False)
class Eraser:
    """``x`` becomes ``mean + (x - mean) @ matrix``.

    Attributes:
        mean: float64 ``[d]``.
        matrix: float64 ``[d, d]``, of rank ``d`` less the number of quantities erased.

    >>> Eraser(torch.zeros(2), torch.zeros(2, 2))(torch.ones(1, 2))
    tensor([[0., 0.]])
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The vectors ``[..., d]`` without the quantity."""
        x = real_tensor("x", x, "[..., d]")
        if x.shape[-1] != len(self.mean):
            raise ValueError(f"x: expected vectors of {len(self.mean)} numbers, got {x.shape[-1]}")
        return ((x.to(self.mean.dtype) - self.mean) @ self.matrix + self.mean).to(x.dtype)


def leace(x: Tensor, y: Tensor) -> Eraser:
    """The smallest change of vectors after which no linear probe reads ``y`` from them better than a constant.

    With ``W`` the whitening map and ``P`` the projection onto the columns of ``W`` times the cross-covariance, the change
    takes ``W^+ P W`` out of what varies. Source: Belrose and others 2023, "LEACE: Perfect linear concept erasure in closed
    form", theorem 4.3 (arXiv 2306.03819). On other vectors than those it was fitted on it holds as far as their
    covariances agree.

    Args:
        x: vectors ``[n, d]``.
        y: what to erase, ``[n]`` or ``[n, quantities]``.

    >>> x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> y = x @ torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    >>> bool(((leace(x, y)(x) - x.mean(0)).mT @ (y - y.mean())).abs().max() < 1e-9)
    True
    """
    rows = real_tensor("x", x, "[n, d]").detach().double()
    known = y[:, None] if isinstance(y, Tensor) and y.ndim == 1 else y
    known = real_tensor("y", known, "[n, quantities]").detach().double()
    finite(x=rows, y=known)
    if len(rows) != len(known) or len(rows) < 2:
        raise ValueError(f"x and y: expected as many rows, at least 2, got {len(rows)} and {len(known)}")
    mean = rows.mean(0)
    centred, known = rows - mean, known - known.mean(0)
    variances, directions = torch.linalg.eigh(centred.mT @ centred / len(rows))  # [d], [d, d]
    there = variances > 1e-10 * variances.max()
    if not there.any():
        raise ValueError("x: expected vectors that vary, got equal ones")
    sizes, directions = variances[there].sqrt(), directions[:, there]  # [rank], [d, rank]
    cross = (directions / sizes).mT @ (centred.mT @ known / len(rows))  # [rank, quantities], whitened
    onto, strength, _ = torch.linalg.svd(cross, full_matrices=False)
    onto = onto[:, strength > 1e-12 * known.std(0).max().clamp(min=1e-300)]  # [rank, erased]
    taken = (directions / sizes) @ onto @ onto.mT @ (directions * sizes).mT  # [d, d], for rows
    return Eraser(mean, torch.eye(len(mean), dtype=torch.float64) - taken)


def variance_along(x: Tensor, directions: Tensor) -> Tensor:
    """Variance of vectors ``[n, d]`` along directions ``[..., d]``, each brought to length 1; float64 ``[...]``.

    >>> variance_along(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([2., 0.], dtype=torch.float64)
    """
    rows = real_tensor("x", x, "[n, d]").detach().double()
    lines = real_tensor("directions", directions, "[..., d]").detach().double()
    finite(x=rows, directions=lines)
    if len(rows) < 2 or rows.shape[1] != lines.shape[-1]:
        raise ValueError(
            f"x and directions: expected vectors that fit, got {tuple(rows.shape)} and {tuple(lines.shape)}"
        )
    return (torch.nn.functional.normalize(lines, dim=-1) @ (rows - rows.mean(0)).mT).square().sum(-1) / (
        len(rows) - 1
    )


def matched_directions(x: Tensor, directions: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Random directions along which vectors vary as much as along given ones, and orthogonal to those: the fair control.

    A random direction carries about the mean variance, an entropy axis may carry much more or less; removing more
    variance does more damage whatever it means. Each direction is drawn at random and then tilted towards the principal
    axes, or away from them, until the variance agrees. Where no orthogonal direction carries as much, the result carries
    the most there is: compare :func:`variance_along`.

    Args:
        x: vectors ``[n, d]``.
        directions: those to match, ``[count, d]``, with at most ``d / 2`` of them.
        draws: how many sets.
        generator: draws them.

    Returns:
        float64 ``[draws, count, d]``, the directions of a set orthonormal.

    >>> x = torch.randn(99, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7)
    >>> found = matched_directions(x, torch.eye(6)[3:4], 2, torch.Generator().manual_seed(1))
    >>> torch.allclose(variance_along(x, found), variance_along(x, torch.eye(6)[3]), rtol=1e-3)
    True
    """
    rows = real_tensor("x", x, "[n, d]").detach().double().cpu()
    given = real_tensor("directions", directions, "[count, d]").detach().double().cpu()
    targets = variance_along(rows, given)  # [count]; checks both
    count, d = given.shape
    if not 1 <= count <= d // 2 or not given.any(1).all():
        raise ValueError(
            f"directions: expected 1 to {d // 2} of them and none zero, got {tuple(given.shape)}"
        )
    size, device = integer("draws", draws, 1), device_of(generator)
    centred = rows - rows.mean(0)
    covariance = centred.mT @ centred / (len(rows) - 1)  # [d, d]
    sets = []
    for _ in range(size):
        taken = given
        for target in targets:
            taken = torch.cat((taken, _tilted(covariance, taken, float(target), generator, device)[None]))
        sets.append(taken[count:])
    return torch.stack(sets)


def _tilted(
    covariance: Tensor, avoid: Tensor, target: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    """One direction ``[d]``, orthogonal to ``avoid`` ``[k, d]``, with the target variance or the nearest there is."""
    _, sizes, right = torch.linalg.svd(avoid, full_matrices=True)
    free = right[int((sizes > 1e-9 * sizes.max()).sum()) :]  # [d - rank, d], orthonormal
    variances, axes = torch.linalg.eigh(free @ covariance @ free.mT)
    variances = variances.clamp(min=1e-12 * variances.max().clamp(min=1e-300))
    draw = torch.randn(len(variances), generator=generator, dtype=torch.float64, device=device).cpu()
    logs = variances.log()

    def tilted(by: float) -> Tensor:
        return torch.nn.functional.normalize(
            draw * torch.exp(by * (logs - logs.mean()).clamp(-300, 300)).clamp(max=1e150), dim=0
        )

    low, high = -40.0, 40.0  # the variance along rises with the tilt
    for _ in range(80):
        middle = (low + high) / 2
        if float(tilted(middle).square() @ variances) < target:
            low = middle
        else:
            high = middle
    return (tilted((low + high) / 2) @ axes.mT) @ free
