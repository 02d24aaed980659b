"""What a reader does in a chapter: predict before running, and check an answer.

Nothing is sent anywhere; there is no server and no account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tutorlib.arguments import instance, integer, shown
from tutorlib.checks import (
    UNANSWERED,
    Check,
    Verdict,
    as_number,
    c01,
    c02,
    c03,
    c04,
    c05,
    c06,
    c07,
    c08,
    c09,
    c10,
    c11,
    c12,
    c13,
    c14,
    c15,
)

__all__ = ["CHECKS", "Check", "Prediction", "Verdict", "check", "predict"]

CHECKS: dict[str, Check] = {
    item.id: item
    for chapter in (c01, c02, c03, c04, c05, c06, c07, c08, c09, c10, c11, c12, c13, c14, c15)
    for item in chapter.CHECKS
}


def check(exercise: str, answer: Any) -> None:
    """Judge an answer and print the verdict, with a hint that fits the mistake.

    Args:
        exercise: such as ``"01-a"``.
        answer: yours; ``...`` means not answered yet.

    Raises:
        ValueError: if there is no such exercise.

    >>> check("01-a", 0.092)
    01-a: ✓ Right. A dry forecast lowers the chance of rain, but 60 rainy mornings still hide among 655.
    """
    if not isinstance(exercise, str) or exercise not in CHECKS:
        raise ValueError(f"exercise: expected one of {', '.join(CHECKS)}, got {shown(exercise)}")
    verdict = UNANSWERED if answer is ... else CHECKS[exercise].judge(answer)
    mark = "" if verdict is UNANSWERED else "✓ " if verdict.ok else "✗ "
    print(f"{exercise}: {mark}{verdict.message}")


@dataclass(frozen=True)
class Prediction:
    """A guess that was made before the answer was seen.

    >>> Prediction("How many bits?", 3.0).compare(4.32, unit="bits")
    How many bits? You said 3.00 bits, the answer is 4.32 bits: 1.32 bits away.
    """

    question: str
    guess: float | None

    def compare(self, answer: float, unit: str = "", digits: int = 2) -> None:
        """Print the guess beside the answer."""
        number = as_number(answer)
        if number is None:
            raise ValueError(f"answer: expected one number, got {shown(answer)}")
        answer = number
        instance("unit", unit, str)
        digits = integer("digits", digits, 0, 17)
        unit = f" {unit}" if unit else ""
        if self.guess is None:
            print(f"{self.question} The answer is {answer:.{digits}f}{unit}; you made no guess.")
            return
        gap = abs(self.guess - answer)
        print(
            f"{self.question} You said {self.guess:.{digits}f}{unit}, the answer is {answer:.{digits}f}{unit}: "
            f"{gap:.{digits}f}{unit} away."
        )


def predict(question: str, guess: Any = ...) -> Prediction:
    """Note a guess before the answer is computed; ``...`` means no guess yet.

    Raises:
        ValueError: if the guess is not one number.

    >>> predict("How many bits has one of 20 values?", 4)
    How many bits has one of 20 values? Your guess is 4.
    Prediction(question='How many bits has one of 20 values?', guess=4.0)
    """
    instance("question", question, str)
    if guess is ...:
        print(f"{question} No guess yet: write a number in place of the ... first.")
        return Prediction(question, None)
    number = as_number(guess)
    if number is None:
        raise ValueError(f"guess: expected one number, got {shown(guess)}")
    print(f"{question} Your guess is {number:g}.")
    return Prediction(question, number)
