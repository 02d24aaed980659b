"""What the tunnels share: random draws from a generator, masks over the past, a check of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutorlib.arguments import choice, device_of, instance, integer, positive, real_tensor
from tutorlib.bits import as_tensor, check_axis

__all__ = [
    "categorical",
    "check_permutations",
    "choice",
    "dirichlet",
    "ids_between",
    "integer",
    "permutations",
    "positive",
    "recent",
    "reordered",
]


def permutations(count: int, symbols: int, generator: torch.Generator) -> Tensor:
    """Uniform permutations of ``0 .. symbols - 1``, int64 ``[count, symbols]``.

    >>> permutations(2, 4, torch.Generator().manual_seed(0))
    tensor([[2, 3, 0, 1],
            [0, 2, 1, 3]])
    """
    count, symbols = integer("count", count, 0), integer("symbols", symbols, 0)
    return torch.rand((count, symbols), generator=generator, device=device_of(generator)).argsort(-1)


def categorical(p: Tensor, generator: torch.Generator) -> Tensor:
    """One draw from each distribution ``[..., outcomes]``, int64 ``[...]``: where a uniform number falls.

    That they are distributions is taken on trust, because this is called for every position of a sequence.

    >>> categorical(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.Generator().manual_seed(0))
    tensor([1, 0])
    """
    real_tensor("p", p, "[..., outcomes]")
    u = torch.rand((*p.shape[:-1], 1), generator=generator, device=device_of(generator), dtype=p.dtype)
    return (u >= p.cumsum(-1)).sum(-1).clamp(max=p.shape[-1] - 1)


def dirichlet(concentration: Tensor, generator: torch.Generator) -> Tensor:
    """One draw from each Dirichlet with parameters ``[..., outcomes]``, float64 of the same shape.

    Shares of independent gamma variables. They are drawn as logarithms, ``log G(a) = log G(a + 1) + log(U) / a``,
    because a gamma variable with a small parameter is too small for a float64 (Marsaglia and Tsang 2000).

    >>> dirichlet(torch.ones(2, 3), torch.Generator().manual_seed(0)).sum(-1)
    tensor([1.0000, 1.0000], dtype=torch.float64)
    """
    a = as_tensor(concentration, "concentration").to(device_of(generator), torch.float64)
    if not ((a > 0) & a.isfinite()).all():
        raise ValueError("concentration: expected positive numbers, got others")
    check_axis(a, -1, "concentration")
    gamma = torch._standard_gamma(a + 1, generator=generator)
    u = 1 - torch.rand(a.shape, generator=generator, device=a.device, dtype=a.dtype)  # (0, 1]
    return torch.softmax(gamma.log() + u.log() / a, -1)


def recent(positions: int, steps: int, device: torch.device) -> Tensor:
    """1 where column s lies among the ``steps`` positions before row t, else 0; float64 ``[positions, positions]``.

    Raises:
        ValueError: if ``positions`` or ``steps`` is no integer of at least 0.

    >>> recent(4, 2, torch.device("cpu"))
    tensor([[0., 0., 0., 0.],
            [1., 0., 0., 0.],
            [1., 1., 0., 0.],
            [0., 1., 1., 0.]], dtype=torch.float64)
    """
    positions, steps = integer("positions", positions, 0), integer("steps", steps, 0)
    at = torch.arange(positions, device=device)
    past = at[:, None] - at  # [positions, positions]: how many positions ago
    return ((past >= 1) & (past <= steps)).double()


def reordered(steps: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Tensors ``[batch, steps]`` with all columns but the last in one random order a row, the same in all of them.

    >>> reordered([torch.tensor([[1, 2, 3, 9]])], torch.Generator().manual_seed(0))
    [tensor([[3, 1, 2, 9]])]
    """
    batch, count = steps[0].shape
    order = permutations(batch, count - 1, generator).to(steps[0].device)  # [batch, steps - 1]
    order = torch.cat((order, torch.full_like(steps[0][:, :1], count - 1)), 1)  # [batch, steps]
    return [step.gather(1, order) for step in steps]


def check_permutations(name: str, ids: Tensor, symbols: int) -> None:
    """Raise a ValueError unless each row ``[..., symbols]`` holds each of ``0 .. symbols - 1`` once.

    >>> check_permutations("tasks", torch.tensor([[1, 0, 1]]), 3)
    Traceback (most recent call last):
    ValueError: tasks: expected permutations of 0 to 2, int64, got others
    """
    whole = ids.dtype == torch.int64
    if not whole or (ids.sort(-1).values != torch.arange(symbols, device=ids.device)).any():
        raise ValueError(f"{name}: expected permutations of 0 to {symbols - 1}, int64, got others")


def ids_between(name: str, ids: Tensor, low: int, high: int) -> None:
    """Raise a ValueError unless all token ids lie from ``low`` to ``high``.

    >>> ids_between("tokens", torch.tensor([0, 4]), 0, 3)
    Traceback (most recent call last):
    ValueError: tokens: expected ids 0 to 3, got 0 to 4
    """
    instance(name, ids, Tensor)
    if ids.numel() and (ids.min() < low or ids.max() > high):
        raise ValueError(f"{name}: expected ids {low} to {high}, got {int(ids.min())} to {int(ids.max())}")
