"""Checks of chapter 06."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tutorlib.checks import Check, Verdict, expect_number
from tutorlib.checks.c06_code import (
    ATTENTION_SLIPS,
    SYMBOLS,
    attention_function,
    masked,
    memory_model,
    right_attention,
    scaled_scores,
    with_output,
)
from tutorlib.handset import bijection_eliminator

# ---------------------------------------------------------------- 06-a: a regular in a purple shirt

LIKELIHOOD = (0.05, 0.25, 0.80, 0.05, 0.10)  # of "red", for Ada, Ben, Cleo, Dan and Eve
WAVES = (1, 1, 1, 1, 4)
JOINT = [waves * p for waves, p in zip(WAVES, LIKELIHOOD, strict=True)]
EVE = JOINT[4] / sum(JOINT)

regular = expect_number(
    EVE,
    "Right. The habit lifts Eve from 8 % to 26 %, and Cleo still leads.",
    {
        0.08: "This leaves the prior out: Eve waves four times as often as each of the others.",
        0.32: "These are four times the old 8 %, but then the weights no longer sum to 1. Normalise again.",
        0.5: "This is the prior, before you saw a shirt.",
        JOINT[2] / sum(JOINT): "This is Cleo's weight. Asked is Eve's.",
        0.05: "This joint weight, 4/8 times 0.10, is not normalised. Divide by the sum over all guests.",
        100 * EVE: "This is in percent. Give a share between 0 and 1.",
        0.1: "This is the likelihood of “red” for a purple shirt, P(seen | guest). Asked is P(guest | seen).",
        0.4: "This is Eve's weight before it is divided by the sum of all five.",
    },
    "Multiply each guest's prior and likelihood, then divide Eve's product by the sum of all five.",
)

# ---------------------------------------------------------------- 06-b: the same in a score

SCORE = math.log(4)

added_score = expect_number(
    SCORE,
    "Right: a factor in front of the exponential is a summand inside it. The coin's network gives its first toss a weight "
    "in the same way.",
    {
        2.0: "This is in bits. A softmax takes powers of e, so its scores are in nats.",
        4.0: "This is the factor. A softmax takes e to the power of the score, so the factor comes out as a summand.",
        math.log(
            0.5
        ): "The absolute prior is not needed: what all guests share cancels. Compare Eve with one other.",
        -SCORE: "The sign is wrong: Eve gets more likely.",
        math.log10(4): "This is the logarithm to base 10. A softmax takes powers of e.",
        math.exp(4): "This is e to the power of 4. Which power of e is 4?",
        0.75: "Not a share: which x has e^x = 4?",
    },
    "Her weight before normalising is e^score. Which summand multiplies it by 4?",
)

# ---------------------------------------------------------------- 06-d: the prior behind a dot product

IMPLIED = 1 / (1 + math.exp(-1.5))

implied_prior = expect_number(
    IMPLIED,
    "Right: the odds are e^(4/2 - 1/2) = e^1.5. Twice as long a key is a strong opinion before any look.",
    {
        1
        / (
            1 + math.exp(-1.0)
        ): "These are the weights that the dot products give. Asked is the prior that makes "
        "them a posterior.",
        1
        / (
            1 + math.exp(0.5)
        ): "This is the posterior if both were equally likely before. Asked is another prior.",
        1 / (1 + math.exp(-3.0)): "The half is missing: the prior goes as e to half the squared length.",
        1 - IMPLIED: "This is the prior of the short key.",
        1 / (1 + math.exp(-0.5)): "Lengths belong squared: 4 and 1.",
        math.exp(1.5): "These are the odds. Turn them into a probability.",
        0.5: "With equal priors the posterior would not be what dot products give: the second key is longer.",
        100 * IMPLIED: "This is in percent. Give a share between 0 and 1.",
    },
    "What has to be added to -(q - k)^2 / 2 to leave q k, up to what both share? Its exponential is the prior's weight.",
)

# ---------------------------------------------------------------- 06-e: the weight of the first toss

FIRST = 6 / 9

first_weight = expect_number(
    FIRST,
    "Right: the first position stands for 1 + 3 + 2 tosses of 9. Its score is ln 6 = 1.79 above the others.",
    {
        0.25: "This is an even average over the four tosses. The first also carries the prior.",
        5 / 9: "This is the prior's share alone. The first toss itself counts as well.",
        1 / 9: "This is the weight of every other position.",
        4 / 9: "This is the chance of heads that comes out. Asked is the attention weight.",
        3 / 7: "This is 3 / (4 + 3): the prior's heads alone. All of its 5 tosses count.",
        1 - FIRST: "This is what the other three positions have together.",
        6 / 10: "The first toss was counted twice: 4 + 3 + 2 tosses are 9 in all.",
        4 / 7: "Add both counts of the prior, 3 and 2.",
        math.log(6): "This is its score. Asked is its weight.",
    },
    "How many tosses does the first position stand for, and how many are there in all, the prior's included?",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("06-a", regular, EVE,
        (0.08, "leaves the prior out"), (0.32, "Normalise again"), (0.5, "before you saw"), (0.05, "not normalised"),
        (25.8, "in percent"), (0.516, "Cleo's weight"), (0.1, "P(guest | seen)"), (0.4, "divided by the sum")),
    _check("06-b", added_score, SCORE,
        (2, "in bits"), (4, "the factor"), (-0.693, "absolute prior"), (-SCORE, "sign is wrong"), (0.602, "base 10")),
    _check("06-c", attention_function, right_attention,
        *ATTENTION_SLIPS,
        (lambda q, k, v: masked(q @ k.transpose(0, 1) / 3).softmax(-1) @ v, "stopped on queries of shape [3, 5, 4]"),
        (lambda q, k, v: masked(scaled_scores(q, k)).softmax(-1), "that of the values"),
        (lambda q, k, v: None, "end in return"),
        (lambda q, k, v: v, "In order: scores"),
        (7, "without brackets")),
    _check("06-d", implied_prior, IMPLIED,
        (0.731, "dot products give"), (0.378, "Asked is another prior"), (0.953, "half is missing"),
        (0.182, "short key"), (0.622, "squared"), (4.48, "the odds"), (0.5, "equal priors"), (81.8, "in percent")),
    _check("06-e", first_weight, FIRST,
        (0.25, "even average"), (5 / 9, "prior's share alone"), (1 / 9, "every other position"), (4 / 9, "chance of heads"),
        (1 / 3, "together"), (0.6, "counted twice")),
    Check("06-f", memory_model, lambda: with_output([2.0] * SYMBOLS + [-2.0]), (
        (lambda: bijection_eliminator(SYMBOLS), "still crosses out"),
        (lambda: with_output([2.0] * (SYMBOLS + 1)), "answers with keys"),
        (lambda: with_output([0.0] * SYMBOLS + [-2.0]), "values seen do not stand out enough"),
        (lambda: with_output([3.0, 2.0, 2.0, 2.0, 2.0, -2.0]), "do not share it equally"),
        (lambda: bijection_eliminator(4), "another size"),
        (lambda: None, "expected the network itself"))),
)
# fmt: on
