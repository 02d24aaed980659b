"""What the runs of ``RULES`` gave: the stored results, and numbers taken from them.

``tools/sticky_study.py`` makes ``sticky.json``: every rule from every seed, 1,000 steps.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from functools import cache
from importlib import resources

from tutorlib.arguments import is_real, shown
from tutorlib.em_attention.head import RULES, SEEDS, Run

__all__ = ["paired", "rule_names", "steps_to", "stored_run"]

FILE = "sticky.json"
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


@cache
def _rows() -> dict[tuple[str, int], Run]:
    text = resources.files("tutorlib.em_attention").joinpath(FILE).read_text(encoding="utf-8")
    return {
        (row["rule"], row["seed"]): Run(
            row["steps"],
            _numbers(row["train"]),
            _numbers(row["held_out"]),
            row["core_seconds"],
        )
        for row in json.loads(text)
    }


def _numbers(values: list[float | None]) -> list[float]:
    return [math.inf if value is None else value for value in values]


def _series(name: str, values: object) -> Sequence[float]:
    """A list or tuple of Python numbers, infinity allowed."""
    if not isinstance(values, list | tuple) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) and value == value for value in values
    ):
        raise ValueError(f"{name}: expected a list of numbers, got {shown(values)}")
    return values


def rule_names() -> list[str]:
    """The rules whose runs are stored, in the order of ``RULES``.

    >>> rule_names()[:2]
    ['EM-like', 'SGD 0.01']
    """
    known = {name for name, _ in _rows()}
    return [name for name in RULES if name in known]


def stored_run(name: str, seed: int) -> Run:
    """The stored run of a rule from a seed.

    Raises:
        ValueError: if there is none.

    >>> stored_run("SGD 0.01", 42).steps[-1]
    1000
    """
    rows = _rows()
    if not isinstance(name, str) or not isinstance(seed, int) or (name, seed) not in rows:
        raise ValueError(
            f"name, seed: expected one of {', '.join(rule_names())} and one of {SEEDS}, got {shown(name)}, {shown(seed)}"
        )
    return rows[name, seed]


def steps_to(level: float, steps: Sequence[int], losses: Sequence[float]) -> float:
    """When a curve first falls to a level, on a straight line between recorded steps; infinite if it never does.

    Args:
        level: a loss, in the unit of ``losses``.
        steps: when the losses were recorded, rising.
        losses: one for each of them.

    Raises:
        ValueError: if there are no losses, or not as many as steps.

    >>> steps_to(1.5, [0, 10, 20], [3.0, 2.0, 1.0])
    15.0
    """
    times, losses = _series("steps", steps), _series("losses", losses)
    if not is_real(level):
        raise ValueError(f"level: expected a number, got {shown(level)}")
    if not len(times) == len(losses) > 0:
        raise ValueError(f"steps, losses: expected equally many, got {len(times)} and {len(losses)}")
    if losses[0] <= level:
        return float(times[0])
    for number in range(1, len(losses)):
        if losses[number] <= level:
            fall = losses[number - 1] - losses[number]
            share = (losses[number - 1] - level) / fall
            return times[number - 1] + share * (times[number] - times[number - 1])
    return math.inf


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Mean of ``first - second`` over seeds, and the ends of its 95 % t interval.

    The interval takes differences over seeds as draws of a bell curve, as the paper's paired t-test does. With five seeds
    it says how far the seeds scatter, and little more.

    Args:
        first: one number a seed, 2 to 10 seeds.
        second: the same seeds in the same order.

    Raises:
        ValueError: if they are not equally many, or too few or too many.

    >>> [round(x, 3) for x in paired([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])]
    [2.0, -0.484, 4.484]
    """
    first, second = _series("first", first), _series("second", second)
    if len(first) != len(second) or len(first) not in T_95:
        raise ValueError(f"first, second: expected equally many, 2 to 10, got {len(first)} and {len(second)}")
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    if not all(map(is_real, gaps)):
        raise ValueError("first, second: expected finite numbers, got others")
    mean = statistics.fmean(gaps)
    reach = T_95[len(gaps)] * statistics.stdev(gaps) / math.sqrt(len(gaps))
    return mean, mean - reach, mean + reach
