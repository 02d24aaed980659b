"""Checks of chapter 10."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tutorlib.checks import Check, Verdict, expect_number
from tutorlib.checks.c10_code import (
    DELTA_SLIPS,
    RECALL_SLIPS,
    delta_memory,
    right_recall,
    write_delta,
    write_recall,
)

# ---------------------------------------------------------------- 10-a: what a bag of tokens knows

BAG = math.log2(12)

bag_floor = expect_number(
    BAG,
    "Right: twelve values were shown, the bag says which, and nothing says which of them goes with this key.",
    {
        5.0: "This is log2 32, the floor of one who does not even know which values were shown. The bag knows.",
        0.0: "Zero would be someone who knows the pairs. A bag has lost them.",
        math.log2(32 / 12): "This is what knowing the values shown saves. Asked is what is still missing.",
        math.log2(20): "These are the 20 values that were not shown. The answer is one that was.",
        12.0: "This is a number of values. How many bits does it take to name one of them?",
        math.log2(11): "No value is ruled out: the values asked before are not shown again.",
        math.log(12): "This is in nats. Divide by ln 2.",
    },
    "How many values are still possible for the key that is asked, and are they equally likely?",
)

# ---------------------------------------------------------------- 10-b: the smallest matrix

MATRIX = 64**2

smallest_matrix = expect_number(
    MATRIX,
    "Right: 64 keys can be independent only if they have 64 coordinates. Attention keeps 2 x 64 x 64 numbers for "
    "these pairs, in vectors of this width: twice as many.",
    {
        64: "This is the width. A square matrix of this width has more numbers.",
        128: "This is 64 + 64. How many entries has a square matrix?",
        8192: "These are all keys and values, which attention keeps. The matrix is smaller.",
        63**2: "63 coordinates hold 63 independent vectors. One key would be a mixture of the others.",
        256: "This is a matrix of width 16, and 16 coordinates hold 16 independent keys.",
        64 * 256: "Values are vectors here, of the width of the keys. How many there could be plays no part.",
    },
    "How many coordinates must keys have so that 64 of them can be independent?",
    tolerance=0.5,
)

# ---------------------------------------------------------------- 10-c: too little room

ROOM = 2**20 / math.perm(16, 8)

little_room = expect_number(
    ROOM,
    "Right: a million states cannot stand for half a billion lists of values, so at most about two in a thousand come out "
    "whole.",
    {
        2**20 / 16**8: "This counts lists in which a value comes twice. In the tunnel values are unique.",
        2**20
        / math.factorial(
            16
        ): "This counts orders of all 16 values. Eight of them are shown: 16 x 15 x ... x 9 lists.",
        2**20
        / math.comb(
            16, 8
        ): "This counts sets, and is above 1, so it is no probability. Which key has which matters.",
        20 / math.perm(16, 8): "20 bits are not 20 states. How many states can be told apart with 20 bits?",
        1 / ROOM: "Turned upside down: a probability is at most 1.",
        100 * ROOM: "This is in percent. Give a share between 0 and 1.",
        20
        / math.log2(
            math.perm(16, 8)
        ): "This is the share of the bits that there is room for. Asked is a chance: "
        "each bit that is missing halves it.",
    },
    "States over lists: how many states have 20 bits, and how many lists of 8 different values out of 16 are there?",
)

# ---------------------------------------------------------------- 10-e: a draw of rates

LUCK = 6 / 16

lucky_rates = expect_number(
    LUCK,
    "Right: the transformer learns at one of its four rates, and Mamba is ahead in two of four rates against each of the "
    "other three. One untuned run each says little.",
    {
        0.0: "This compares the best with the best. Here each rate is drawn.",
        10 / 16: "This is the chance that the transformer is ahead.",
        0.5: "Mamba does well at two of four rates, but the transformer has a rate at which it does better than both.",
        0.25: "This is the chance that the transformer draws the rate at which it learns.",
        0.75: "This is the chance that the transformer misses its good rate. Then Mamba still has to be ahead.",
        6: "Six of the combinations. Of how many?",
        37.5: "This is in percent. Give a share between 0 and 1.",
        2
        / 16: "Count for each of the transformer's four rates how many of Mamba's four have the smaller KL.",
    },
    "List the 4 x 4 combinations. In how many has Mamba the smaller KL?",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("10-a", bag_floor, BAG,
        (5, "log2 32"), (0, "someone who knows the pairs"), (1.415, "saves"), (4.322, "not shown"),
        (12, "a number of values"), (3.459, "ruled out"), (2.485, "in nats")),
    _check("10-b", smallest_matrix, MATRIX,
        (64, "the width"), (128, "64 + 64"), (8192, "all keys and values"), (3969, "63 coordinates"), (256, "width 16")),
    _check("10-c", little_room, ROOM,
        (2.44e-4, "a value comes twice"), (5.01e-8, "orders of all 16"), (81.47, "counts sets"), (3.85e-8, "not 20 states"),
        (494.9, "upside down"), (0.202, "in percent"), (0.691, "share of the bits")),
    _check("10-d", write_delta, delta_memory,
        *DELTA_SLIPS, (lambda keys, values: keys, "one row for each feature"), (lambda keys, values: None, "end in return"),
        (lambda keys, values: 2 * delta_memory(keys, values), "For each pair in turn"), (7, "without brackets")),
    _check("10-e", lucky_rates, LUCK,
        (0, "best with the best"), (0.625, "transformer is ahead"), (0.5, "does better than both"), (0.25, "draws the rate"),
        (0.75, "misses"), (6, "Of how many"), (37.5, "in percent"), (0.125, "Count for each")),
    _check("10-f", write_recall, right_recall,
        *RECALL_SLIPS, (lambda tokens: tokens, "one row over all tokens"),
        (lambda tokens: 2 * right_recall(tokens), "no probabilities"),
        (lambda tokens: right_recall(tokens).flip(0), "of the answers are right")),
)
# fmt: on
