"""When has a curve settled, and which of several answers is a network nearest to?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from tutorlib.arguments import finite, instance, is_real, shown

__all__ = ["done", "nearest", "settled"]


def settled(
    steps: Sequence[float], values: Sequence[float], tolerance: float, scale: str = "linear"
) -> float:
    """The first step from which on a curve stays near its last value.

    Near means within ``tolerance`` times the whole range of the curve, from its lowest to its highest value.

    Args:
        steps: in rising order.
        values: the curve, one value a step.
        tolerance: between 0 and 1; 0.1 is a tenth of the range.
        scale: ``"linear"`` compares values, ``"log"`` their logarithms, so that factors count and not differences.

    Raises:
        ValueError: if the lengths differ or are below two, a number does not fit, or a logarithm does not exist.

    >>> settled([0, 10, 20, 30], [1.0, 0.5, 0.04, 0.0], 0.1), settled([0, 10, 20, 30], [1.0, 0.0, 0.5, 0.0], 0.1)
    (20, 30)
    """
    if len(steps) != len(values) or len(steps) < 2 or sorted(steps) != list(steps):
        raise ValueError(
            f"steps and values: expected as many of each, rising, at least two; got {len(steps)} and {len(values)}"
        )
    if not is_real(tolerance) or not 0 < tolerance < 1:
        raise ValueError(f"tolerance: expected a number between 0 and 1, got {shown(tolerance)}")
    if scale not in ("linear", "log"):
        raise ValueError(f"scale: expected 'linear' or 'log', got {shown(scale)}")
    finite(values=torch.as_tensor(values, dtype=torch.float64))
    curve = [float(value) for value in values]
    if scale == "log":
        if min(curve) <= 0:
            raise ValueError(f"values: expected numbers above 0 for a logarithm, got {min(curve)}")
        curve = [math.log(value) for value in curve]
    room = tolerance * (max(curve) - min(curve))
    far = [i for i, value in enumerate(curve) if abs(value - curve[-1]) > room]
    return steps[far[-1] + 1] if far else steps[0]


def done(steps: Sequence[float], excess: Sequence[float], tolerance: float) -> float | None:
    """The first step from which on a curve stays at or below a tolerance in its own unit; None if it never does.

    Args:
        steps: in rising order.
        excess: the curve, for example KL in bits beyond that of the finished network.
        tolerance: in the same unit.

    Raises:
        ValueError: if the lengths differ or a number does not fit.

    >>> done([0, 10, 20, 30], [1.0, 0.02, 0.2, 0.01], 0.1)
    30
    """
    if len(steps) != len(excess) or not len(steps) or sorted(steps) != list(steps):
        raise ValueError(
            f"steps and excess: expected as many of each, rising; got {len(steps)} and {len(excess)}"
        )
    if not is_real(tolerance):
        raise ValueError(f"tolerance: expected a number, got {shown(tolerance)}")
    finite(excess=torch.as_tensor(excess, dtype=torch.float64))
    above = [i for i, value in enumerate(excess) if value > tolerance]
    first = above[-1] + 1 if above else 0
    return steps[first] if first < len(steps) else None


def nearest(distances: Mapping[str, Sequence[float]]) -> list[str]:
    """At each moment the name of the smallest distance; the first of equal ones.

    Args:
        distances: name -> one number a moment.

    >>> nearest({"uniform": [0.0, 0.2], "bigram": [0.2, 0.1]})
    ['uniform', 'bigram']
    """
    if not instance("distances", distances, Mapping):
        raise ValueError("distances: expected at least one name")
    names = list(distances)
    if len({len(distances[name]) for name in names}) != 1:
        raise ValueError("distances: expected as many numbers for each name")
    return [
        min(names, key=lambda name: row[names.index(name)]) for row in zip(*distances.values(), strict=True)
    ]
