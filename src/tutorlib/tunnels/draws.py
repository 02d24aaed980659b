"""What the tunnels share: random draws from a generator, masks over the past, checks of arguments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "categorical",
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
    """Uniform permutations of ``0 .. symbols - 1``, int64 ``[count, symbols]``."""
    return torch.rand((count, symbols), generator=generator, device=generator.device).argsort(-1)


def categorical(p: Tensor, generator: torch.Generator) -> Tensor:
    """One draw from each distribution ``[..., outcomes]``, int64 ``[...]``: where a uniform number falls."""
    u = torch.rand((*p.shape[:-1], 1), generator=generator, device=generator.device, dtype=p.dtype)
    return (u >= p.cumsum(-1)).sum(-1).clamp(max=p.shape[-1] - 1)


def dirichlet(concentration: Tensor, generator: torch.Generator) -> Tensor:
    """One draw from each Dirichlet with parameters ``[..., outcomes]``, float64 of the same shape.

    Shares of independent gamma variables. They are drawn as logarithms, ``log G(a) = log G(a + 1) + log(U) / a``,
    because a gamma variable with a small parameter is too small for a float64 (Marsaglia and Tsang 2000).
    """
    a = concentration.to(generator.device, torch.float64)
    gamma = torch._standard_gamma(a + 1, generator=generator)
    u = 1 - torch.rand(a.shape, generator=generator, device=a.device, dtype=a.dtype)  # (0, 1]
    return torch.softmax(gamma.log() + u.log() / a, -1)


def recent(positions: int, steps: int, device: torch.device) -> Tensor:
    """1 where column s lies among the ``steps`` positions before row t, else 0; float64 ``[positions, positions]``.

    Raises:
        ValueError: if ``steps`` is negative.
    """
    if steps < 0:
        raise ValueError(f"steps: expected at least 0, got {steps}")
    at = torch.arange(positions, device=device)
    past = at[:, None] - at  # [positions, positions]: how many positions ago
    return ((past >= 1) & (past <= steps)).double()


def reordered(steps: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Tensors ``[batch, steps]`` with all columns but the last in one random order a row, the same in all of them."""
    batch, count = steps[0].shape
    order = permutations(batch, count - 1, generator).to(steps[0].device)  # [batch, steps - 1]
    order = torch.cat((order, torch.full_like(steps[0][:, :1], count - 1)), 1)  # [batch, steps]
    return [step.gather(1, order) for step in steps]


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """``value`` if it is an integer from ``low`` to ``high``, else a ValueError that names it."""
    if not isinstance(value, int) or value < low or (high is not None and value > high):
        limit = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: expected an integer {limit}, got {value!r}")
    return value


def positive(name: str, value: object) -> float:
    """``value`` if it is a finite number above 0, else a ValueError that names it."""
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{name}: expected a positive number, got {value!r}")
    return float(value)


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """``value`` if it is one of the names allowed, else a ValueError that lists them."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return value


def ids_between(name: str, ids: Tensor, low: int, high: int) -> None:
    """Raise a ValueError unless all token ids lie from ``low`` to ``high``."""
    if ids.numel() and (ids.min() < low or ids.max() > high):
        raise ValueError(f"{name}: expected ids {low} to {high}, got {int(ids.min())} to {int(ids.max())}")
