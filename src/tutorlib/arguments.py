"""Checks of arguments, shared by all rooms: each gives the value back, or a ValueError that names the argument."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import torch
from torch import Tensor

__all__ = [
    "choice",
    "device_of",
    "finite",
    "instance",
    "integer",
    "is_real",
    "positive",
    "real_tensor",
    "seed_number",
]

LARGEST = 2**24  # of a size; more is a slip, and the tables made for it would fill the memory


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """``value`` if it is an integer from ``low`` to ``high``, or to 2^24 if no end is named.

    >>> integer("symbols", 20, low=2)
    20
    """
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < low
        or (high is not None and value > high)
    ):
        limit = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name}: expected an integer {limit}, got {shown(value)}")
    if high is None and value > LARGEST:
        raise ValueError(f"{name}: expected an integer of at most {LARGEST}, got {shown(value)}")
    return value


def seed_number(name: str, value: object) -> int:
    """``value`` if it can seed a generator: an integer from 0 to 2^63 - 1.

    >>> seed_number("seed", 7)
    7
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{name}: expected an integer of at least 0, below 2^63, got {shown(value)}")
    return value


def is_real(value: object) -> TypeGuard[float]:
    """Whether a value is a Python number that is finite and no complex number or truth value.

    >>> is_real(0.5), is_real("0.5"), is_real(True)
    (True, False, False)
    """
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def positive(name: str, value: object) -> float:
    """``value`` if it is a finite number above 0.

    >>> positive("a", 2)
    2.0
    """
    if not is_real(value) or value <= 0:
        raise ValueError(f"{name}: expected a positive number, got {shown(value)}")
    return float(value)


def choice(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """``value`` if it is one of the names allowed.

    >>> choice("law", "coded", ("printed", "coded"))
    'coded'
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {shown(value)}")
    return value


def instance(name: str, value: object, kind: type) -> Any:
    """``value`` if it is of the class ``kind``, which may be abstract.

    >>> instance("question", "How many?", str)
    'How many?'
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name}: expected a {kind.__name__}, got {shown(value)}")
    return value


def device_of(generator: object) -> torch.device:
    """The device of a ``torch.Generator``.

    >>> device_of(torch.Generator())
    device(type='cpu')
    """
    device: torch.device = instance("generator", generator, torch.Generator).device
    return device


def real_tensor(name: str, value: object, axes: str) -> Tensor:
    """``value`` if it is a floating tensor with the axes named, such as ``[..., time, d]``.

    >>> real_tensor("p", torch.ones(2), "[..., outcomes]")
    tensor([1., 1.])
    """
    least = axes.count(",") + 1 - axes.count("...")
    exact = "..." not in axes
    if (
        not isinstance(value, Tensor)
        or not value.is_floating_point()
        or value.ndim < least
        or (exact and value.ndim > least)
    ):
        raise ValueError(f"{name}: expected a tensor of real numbers {axes}, got {shown(value)}")
    return value


def finite(**tensors: Tensor) -> None:
    """Raise a ValueError that names the first tensor with a NaN or an infinity.

    >>> finite(x=torch.tensor([1.0, torch.nan]))
    Traceback (most recent call last):
    ValueError: x: expected finite numbers, got NaN or infinity
    """
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")


def shown(value: Any) -> str:
    """A value in a few words: of a tensor the dtype and the shape, of others at most 80 characters."""
    if isinstance(value, Tensor):
        return f"a tensor {value.dtype} {tuple(value.shape)}"
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4300 digits
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
