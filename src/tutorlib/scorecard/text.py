"""Numbers in words of a page: three digits, powers of ten where zeros would hide them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["about", "ends", "mean", "percent", "short", "spread"]

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALL = 1e-3  # below, numbers are written with a power of ten


def short(value: float | str) -> str:
    """``0.0123``, ``6.02·10⁻⁵``, ``18.9``, ``0``, ``infinite``.

    >>> short(0.01234), short(6.02e-5), short("inf")
    ('0.0123', '6.02·10⁻⁵', 'infinite')
    """
    x = float(value)
    if math.isinf(x):
        return "infinite"
    power = _power(x)
    return _digits(x / 10**power, power) + _times(power)


def percent(share: float) -> str:
    """``99.9 %``.

    >>> percent(0.999)
    '99.9 %'
    """
    return f"{100 * share:.4g} %"


def mean(spread: Mapping[str, Any]) -> str:
    """The mean of a measured spread.

    >>> mean({"mean": 0.0123})
    '0.0123'
    """
    return short(spread["mean"])


def ends(spread: Mapping[str, Any]) -> str:
    """Its interval, ``[0.0120, 0.0126]`` or ``[5.89, 6.13]·10⁻⁵``, in the unit of its mean.

    >>> ends({"mean": 0.0123, "low": 0.012, "high": 0.0126})
    '[0.0120, 0.0126]'
    """
    low, middle, high = (float(spread[key]) for key in ("low", "mean", "high"))
    if math.isinf(middle):
        return "[" + ", ".join(short(x) for x in (low, high)) + "]"
    power = _power(middle or high)
    return f"[{_digits(low / 10**power, power)}, {_digits(high / 10**power, power)}]" + _times(power)


def spread(found: Mapping[str, Any]) -> str:
    """Mean, interval and, for several runs, the lowest and the highest.

    >>> spread({"mean": 0.0123, "low": 0.012, "high": 0.0126})
    '0.0123 [0.0120, 0.0126]'
    """
    text = f"{mean(found)} {ends(found)}"
    if "runs" in found:
        runs = [float(x) for x in found["runs"]]
        text += f", {len(runs)} seeds from {short(min(runs))} to {short(max(runs))}"
    return text


def about(row: Mapping[str, Any], measure: str = "entropy_error") -> str:
    """A measure of a row with its interval, and whose it is.

    >>> row = {"core_seconds": 600, "checkpoints": ["a"], "name": "gru", "parameters": 40000}
    >>> row["measures"] = {"kl": {"mean": 0.0123, "low": 0.012, "high": 0.0126}}
    >>> about(row, "kl")
    '0.0123 [0.0120, 0.0126] (gru, 40,000 parameters, 600 core-seconds)'
    """
    seconds = row["core_seconds"]
    runs = len(row["checkpoints"])
    budget = (
        "" if seconds is None else f", {seconds / runs:,.0f} core-seconds" + (" a run" if runs > 1 else "")
    )
    if row.get("training_steps"):
        budget = f", {row['training_steps']:,} steps" + budget
    return f"{spread(row['measures'][measure])} ({row['name']}, {row['parameters']:,} parameters{budget})"


def _power(x: float) -> int:
    return 0 if x == 0 or abs(x) >= SMALL else math.floor(math.log10(abs(float(f"{x:.3g}"))))


def _digits(x: float, power: int) -> str:
    if x == 0:
        return "0"
    return f"{x:.2f}" if power else f"{x:#.3g}".rstrip(".")


def _times(power: int) -> str:
    return f"·10{str(power).translate(SUPERSCRIPT)}" if power else ""
