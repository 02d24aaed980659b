"""Self-checks that name the likely mistake. One module for each chapter; ``tutorlib.course`` runs them.

A check knows a right answer, how to judge any answer, and at least three typical wrong answers with words that
their hint must contain. The tests hold every check to all of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutorlib.arguments import instance, shown

__all__ = [
    "UNANSWERED",
    "Check",
    "Verdict",
    "as_tensor",
    "expect_number",
    "returned_by",
    "right",
    "wrong",
]


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


def as_tensor(answer: Any) -> Tensor | None:
    """The answer as a float64 tensor on the CPU, or None if it is not made of real numbers.

    >>> as_tensor([1, 2])
    tensor([1., 2.], dtype=torch.float64)
    """
    try:
        got = torch.as_tensor(answer).detach().cpu()
        return None if got.is_complex() or got.dtype == torch.bool else got.to_dense().double()
    except Exception:  # as_tensor asks the object itself, which may raise anything
        return None


def returned_by(
    answer: Any,
    inputs: Sequence[Tensor],
    name: str,
    where: str = "",
    hint: Callable[[Exception], str] | None = None,
) -> Tensor | Verdict:
    """What the reader's function gives for ``inputs`` as a float64 tensor, or the verdict if it gives none.

    Args:
        answer: what the reader handed in.
        inputs: tensors; the function gets copies, and changing them in place is a mistake that is named.
        name: what the exercise calls the function.
        where: said of the inputs when it stops, for example ``" on shape [3]"``.
        hint: from the error to one more sentence, or to nothing.

    >>> returned_by(lambda p: p / p.sum(), [torch.ones(2)], "normalise")
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    if not callable(answer):
        return wrong(f"expected your function, got {type(answer).__name__}: pass {name}, without brackets")
    given = [part.clone() for part in inputs]
    try:
        returned = answer(*given)
    except Exception as error:  # the reader's code may raise anything
        more = hint(error) if hint else ""
        return wrong(f"it stopped{where} with {type(error).__name__} ({error}).{more}")
    if returned is ...:
        return UNANSWERED
    if returned is None:
        return wrong("your function gave nothing back (None). Does it end in return?")
    if not all(torch.equal(part, before) for part, before in zip(given, inputs, strict=True)):
        return wrong(
            "it changes its input in place: what the caller handed over is gone. Use a * b, not a *= b."
        )
    got = as_tensor(returned)
    if got is None:
        return wrong(f"expected a tensor of numbers, got {type(returned).__name__}. Return a tensor.")
    return got


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
