"""Self-checks that name the likely mistake. One module for each chapter; ``tutorlib.course`` runs them.

A check knows a right answer, how to judge any answer, and at least three typical wrong answers with words that
their hint must contain. The tests hold every check to all of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tutorlib.arguments import instance, shown

__all__ = ["UNANSWERED", "Check", "Verdict", "expect_number", "right", "wrong"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of an answer: is it right, and what to say.

    >>> Verdict(True, "Right.").ok
    True
    """

    ok: bool
    message: str


UNANSWERED = Verdict(False, "not answered yet. Replace the ... above and run the cell again.")


def right(message: str) -> Verdict:
    """A verdict of right, with a sentence on why it matters.

    >>> right("Counted well.")
    Verdict(ok=True, message='Counted well.')
    """
    return Verdict(True, message)


def wrong(message: str) -> Verdict:
    """A verdict of wrong, with a hint that fits the mistake.

    >>> wrong("Count again.")
    Verdict(ok=False, message='Count again.')
    """
    return Verdict(False, message)


@dataclass(frozen=True)
class Check:
    """One exercise's check.

    Attributes:
        id: ``"01-a"``: chapter and letter.
        judge: gives a verdict on any answer; never raises on a wrong one.
        correct: computes a right answer.
        wrong: typical wrong answers, each computed by a function, with words its hint must contain.

    >>> half = expect_number(0.5, "Right.", {}, "Count again.")
    >>> Check("01-z", half, lambda: 0.5, ()).judge(0.5).ok
    True
    """

    id: str
    judge: Callable[[Any], Verdict]
    correct: Callable[[], Any]
    wrong: tuple[tuple[Callable[[], Any], str], ...]


def as_number(answer: Any) -> float | None:
    """The answer as a float, or None if it is not one real number."""
    if isinstance(answer, bool | str | bytes):
        return None
    try:
        values = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer)
        if values.size != 1 or values.dtype == bool:
            return None
        value = float(values.reshape(()).item())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def expect_number(
    value: float, praise: str, slips: Mapping[float, str], otherwise: str, tolerance: float | None = None
) -> Callable[[Any], Verdict]:
    """A judge for one number, which recognises the results of typical mistakes.

    Args:
        value: the right answer.
        praise: said when it is right.
        slips: for each number that a typical mistake leads to, the hint.
        otherwise: the hint for any other number.
        tolerance: largest distance that counts as equal; by default 1 % of the number aimed at, so that an
            answer rounded to three digits passes.

    Raises:
        ValueError: if a number or a text is none.

    >>> judge = expect_number(2.0, "Right.", {4.0: "Halve it."}, "Count again.")
    >>> judge(2.01).message, judge(4).message, judge("two").message
    ('Right.', 'Halve it.', "expected one number, got str: 'two'")
    """
    instance("slips", slips, Mapping)
    texts = [("praise", praise), ("otherwise", otherwise), *(("slips", hint) for hint in slips.values())]
    numbers = [("value", value), *(("slips", slip) for slip in slips)]
    for name, text in texts:
        instance(name, text, str)
    for name, number in numbers if tolerance is None else [*numbers, ("tolerance", tolerance)]:
        if as_number(number) is None:
            raise ValueError(f"{name}: expected a number, got {shown(number)}")
    if tolerance is not None and tolerance < 0:
        raise ValueError(f"tolerance: expected at least 0, got {tolerance}")

    def close(number: float, aim: float) -> bool:
        return abs(number - aim) <= (0.01 * abs(aim) if tolerance is None else tolerance)

    def judge(answer: Any) -> Verdict:
        number = as_number(answer)
        if number is None:
            return wrong(f"expected one number, got {type(answer).__name__}: {shown(answer):.60}")
        if close(number, value):
            return right(praise)
        # The nearest slip, since two may lie within 1 % of the answer.
        near = [slip for slip in slips if close(number, slip)]
        if near:
            return wrong(slips[min(near, key=lambda slip: abs(number - slip))])
        return wrong(otherwise)

    return judge
