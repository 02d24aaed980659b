"""How orthogonal are some vectors, beside what random vectors of the same number and dimension show?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, instance, integer, real_tensor

__all__ = [
    "Orthogonality",
    "cosines",
    "expected_abs_cosine",
    "mean_abs_cosine",
    "orthogonality",
    "random_abs_cosines",
]


@dataclass(frozen=True)
class Orthogonality:
    """A mean absolute cosine beside its random reference.

    Attributes:
        observed: mean ``|cos|`` over all pairs of the vectors.
        expected: the mean of the same over draws of random vectors, as many and of as many dimensions.
        low: 2.5 % of those draws lie below.
        high: 2.5 % of them lie above.

    >>> Orthogonality(0.05, 0.14, 0.13, 0.15).verdict
    'more orthogonal than random'
    """

    observed: float
    expected: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``more orthogonal than random``, ``less orthogonal than random`` or ``as random``."""
        if self.low <= self.observed <= self.high:
            return "as random"
        return f"{'more' if self.observed < self.low else 'less'} orthogonal than random"


def cosines(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Cosine of the angle between each vector in ``x`` ``[..., n, d]`` and each in ``y`` ``[..., m, d]``.

    Returns:
        ``[..., n, m]``; ``y`` is ``x`` if left out.

    Raises:
        ValueError: if the shapes do not fit, or a vector is zero or not finite, for it has no direction.

    >>> cosines(torch.tensor([[1.0, 0.0], [3.0, 3.0]]))
    tensor([[1.0000, 0.7071],
            [0.7071, 1.0000]])
    """
    a = _directions("x", x)
    b = a if y is None else _directions("y", y)
    fits = a.shape[-1] == b.shape[-1]
    try:
        torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"x and y: expected shapes that fit, got {tuple(a.shape)} and {tuple(b.shape)}")
    dtype = torch.promote_types(a.dtype, b.dtype)
    return a.to(dtype) @ b.to(dtype).mT  # [..., n, m]


def mean_abs_cosine(x: Tensor) -> Tensor:
    """Mean ``|cos|`` over all pairs of different vectors in ``x`` ``[..., n, d]``; 0 if all are orthogonal.

    Raises:
        ValueError: if there are fewer than two vectors, or as for :func:`cosines`.

    >>> mean_abs_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    tensor(0.4714)
    """
    count = real_tensor("x", x, "[..., n, d]").shape[-2]
    if count < 2:
        raise ValueError(f"x: expected at least two vectors, got {count}")
    table = cosines(x).abs()  # [..., n, n]
    return (table.sum((-2, -1)) - table.diagonal(dim1=-2, dim2=-1).sum(-1)) / (count * (count - 1))


def expected_abs_cosine(dimension: int) -> float:
    """Expected ``|cos|`` of two independent random directions, ``Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2))``.

    All directions are equally likely. For large ``d`` it is near ``sqrt(2 / (pi d))``.

    >>> round(expected_abs_cosine(2), 4), round(expected_abs_cosine(32), 4)
    (0.6366, 0.1422)
    """
    d = integer("dimension", dimension, 1)
    return math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)) / math.sqrt(math.pi)


def random_abs_cosines(
    count: int, dimension: int, generator: torch.Generator, draws: int = 1000, centred: bool = False
) -> Tensor:
    """:func:`mean_abs_cosine` of ``count`` random directions, drawn again and again, float64 ``[draws]``.

    Args:
        count: how many vectors, at least 2.
        dimension: of how many dimensions.
        generator: draws them.
        draws: how many times.
        centred: subtract the mean of the vectors first, as was done with those to be compared.

    >>> reference = random_abs_cosines(20, 32, torch.Generator().manual_seed(0))
    >>> round(float(reference.mean()), 2), round(float(reference.std()), 3)
    (0.14, 0.008)
    """
    shape = (integer("draws", draws, 1), integer("count", count, 2), integer("dimension", dimension, 1))
    instance("centred", centred, bool)
    device = device_of(generator)
    chunks = []
    for first in range(0, draws, 100):  # so that many large sets need no more memory than 100 of them
        size = (min(100, draws - first), *shape[1:])
        x = torch.randn(size, generator=generator, dtype=torch.float64, device=device)  # [some, count, d]
        chunks.append(mean_abs_cosine(x - x.mean(-2, keepdim=True) if centred else x))
    return torch.cat(chunks)


def orthogonality(
    x: Tensor, generator: torch.Generator, draws: int = 1000, centred: bool = False
) -> Orthogonality:
    """The mean ``|cos|`` of vectors ``[n, d]`` beside random vectors of the same number and dimension.

    The reference is no law of trained networks. It says what to expect of vectors that have nothing to do with each other.

    Args:
        x: the vectors.
        generator: draws the reference.
        draws: how many sets of random vectors.
        centred: subtract the mean vector first, from both. A vector that all keys of a head have in common adds the same
            to all scores of a query, and the softmax does not see it.

    Raises:
        ValueError: as for :func:`mean_abs_cosine`.

    >>> orthogonality(torch.eye(20, 32), torch.Generator().manual_seed(0)).verdict
    'more orthogonal than random'
    """
    x = real_tensor("x", x, "[n, d]").detach().double()
    finite(x=x)
    instance("centred", centred, bool)
    observed = mean_abs_cosine(x - x.mean(-2, keepdim=True) if centred else x)
    reference = random_abs_cosines(len(x), x.shape[1], generator, draws, centred)  # [draws]
    low, high = reference.quantile(reference.new_tensor([0.025, 0.975])).tolist()
    return Orthogonality(float(observed), float(reference.mean()), low, high)


def _directions(name: str, x: Tensor) -> Tensor:
    """The vectors at length 1."""
    x = real_tensor(name, x, "[..., n, d]")
    finite(**{name: x})
    largest = x.abs().amax(-1, keepdim=True) if x.shape[-1] else x.new_zeros(*x.shape[:-1], 1)
    if not (largest > 0).all():
        raise ValueError(f"{name}: expected vectors with a direction, got a zero vector")
    x = x / largest  # so that neither a huge nor a tiny one overflows when it is squared
    return x / x.norm(dim=-1, keepdim=True)
