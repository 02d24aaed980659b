"""Predict before you run, and the self-checks' machinery."""

import math

import numpy as np
import pytest
import torch

from tutorlib import course
from tutorlib.checks import Check, as_number, expect_number, right, wrong

JUDGE = expect_number(
    3.0, "Yes, 3 bits.", {8.0: "Take the logarithm.", 2.079: "That is in nats."}, "Count again."
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(course.CHECKS, "99-a", Check("99-a", JUDGE, lambda: 3, ((lambda: 8, "logarithm"),)))


def test_check_prints_the_verdict(toy, capsys):
    for answer in (3, 8, ...):
        course.check("99-a", answer)
    assert capsys.readouterr().out.splitlines() == [
        "99-a: ✓ Yes, 3 bits.",
        "99-a: ✗ Take the logarithm.",
        "99-a: not answered yet. Replace the ... above and run the cell again.",
    ]


def test_an_unknown_exercise_is_an_error(toy):
    with pytest.raises(ValueError, match=r"exercise: expected one of .*99-a, got '99-z'"):
        course.check("99-z", 3)


@pytest.mark.parametrize(
    "answer", [3, 3.0, 3.02, [3.0], np.ones(1) * 3, np.float32(3), np.array(3.0), torch.tensor(3.0), np.int64(3)]
)
def test_any_kind_of_number_will_do(answer):
    assert JUDGE(answer).ok


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (8.0, "Take the logarithm."),
        (2.0794, "That is in nats."),
        (4, "Count again."),
        (3.1, "Count again."),
        (np.True_, "expected one number, got bool"),
        ("3", "expected one number, got str: '3'"),
        (None, "expected one number, got NoneType: None"),
        (True, "expected one number, got bool: True"),
        ([3.0, 3.0], "expected one number, got list"),
        (torch.ones(2), "expected one number, got Tensor"),
        (math.nan, "expected one number, got float: nan"),
        (math.inf, "expected one number, got float: inf"),
        (3j, "expected one number, got complex"),
    ],
)
def test_hints_fit_the_mistake(answer, words):
    verdict = JUDGE(answer)
    assert not verdict.ok and words in verdict.message


def test_tolerance_is_the_callers():
    assert expect_number(100, "", {}, "", tolerance=1)(100.9).ok
    assert not expect_number(100, "", {}, "", tolerance=1)(101.1).ok
    assert right("a") == course.Verdict(True, "a") and wrong("b") == course.Verdict(False, "b")


def test_a_number_too_large_for_a_float_is_no_crash():
    assert as_number(10**400) is None and not JUDGE(10**400).ok


ODD = [
    None, "text", b"bytes", True, math.nan, -math.inf, 10**400, -1, 0, 1j, [], {}, (), object(), [[1, 2], [3]], ["a", "b"],
    {"a": 1}, np.zeros(0), np.zeros((3, 4, 5)), np.array(["x"]), torch.zeros(0), torch.tensor(math.nan), torch.zeros(3, 2),
    lambda: 1, lambda *a: None, lambda *a: torch.zeros(2), int, range(3),
]  # fmt: skip


@pytest.mark.parametrize("exercise", course.CHECKS)
def test_no_answer_however_odd_breaks_a_check(exercise):
    for answer in ODD:
        verdict = course.CHECKS[exercise].judge(answer)
        assert verdict.ok in (True, False) and len(verdict.message) > 10, answer


@pytest.mark.parametrize("exercise", course.CHECKS)
def test_checks_know_a_right_answer_and_three_wrong_ones(exercise):
    item = course.CHECKS[exercise]
    assert item.id == exercise
    assert item.judge(item.correct()).ok
    assert len(item.wrong) >= 3
    for answer, words in item.wrong:
        verdict = item.judge(answer())
        assert not verdict.ok and words in verdict.message, (words, verdict.message)


def test_prediction_beside_the_answer(capsys):
    course.predict("How many bits?", 2).compare(3.0, "bits", digits=1)
    course.predict("How many?", ...).compare(2.5)
    course.predict("What share?", np.float32(0.25)).compare(0.25)
    assert capsys.readouterr().out.splitlines() == [
        "How many bits? Your guess is 2.",
        "How many bits? You said 2.0 bits, the answer is 3.0 bits: 1.0 bits away.",
        "How many? No guess yet: write a number in place of the ... first.",
        "How many? The answer is 2.50; you made no guess.",
        "What share? Your guess is 0.25.",
        "What share? You said 0.25, the answer is 0.25: 0.00 away.",
    ]


@pytest.mark.parametrize("guess", ["many", None, [1, 2], math.nan])
def test_a_guess_is_one_number(guess):
    with pytest.raises(ValueError, match="guess: expected one number, got"):
        course.predict("How many?", guess)
