"""Checks of chapter 07."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tutorlib import bits
from tutorlib.checks import Check, Verdict, as_tensor, expect_number, right, wrong
from tutorlib.checks.c07_tunnel import TUNNEL

__all__ = ["CHECKS"]

# ---------------------------------------------------------------- 07-a: how often each task is met

GAMES, SONGS, RECORDS = 64_000, 30, 5
JUKEBOXES = math.comb(SONGS, RECORDS)
MET = GAMES / JUKEBOXES

how_often = expect_number(
    MET,
    "Right: 142,506 jukeboxes for 64,000 games. Most of those in a test were never met.",
    {
        1
        / MET: "This is how many jukeboxes there are for each game. Asked is how many games for each jukebox.",
        float(JUKEBOXES): "This is the number of jukeboxes. How many of the 64,000 games fall to each?",
        GAMES
        / math.perm(SONGS, RECORDS): "This counts the same records in another order as another jukebox.",
        GAMES / SONGS**RECORDS: "This lets one record be in the jukebox twice.",
        GAMES / 2**SONGS: "These are all sets of records, of any size. There are 5 in this jukebox.",
        100 * MET: "This is in percent. Give the number of games for each jukebox.",
        GAMES / SONGS: "These are games for each song. A jukebox is a set of 5 songs.",
    },
    "How many sets of 5 are there among 30? Divide the number of games by it.",
)

# ---------------------------------------------------------------- 07-b: a song that was not heard

NEXT = (5 - 2) / 5 / (12 - 2)

not_heard = expect_number(
    NEXT,
    "Right: three fifths of the mass is shared by ten songs.",
    {
        0.3: "This is the chance that the song is in the jukebox. It must also be the one that is played.",
        0.2: "This is the chance of a song that was heard.",
        0.6: "This is the chance of all songs not heard together. Ten of them share it.",
        1 / 12: "This is the answer before anything was heard.",
        0.1: "The ten songs not heard do not share everything: two fifths go to the songs that were heard.",
        (5 - 3) / 5 / (12 - 3): "Three songs were heard, but only two different ones.",
        1 / 15: "This is Laplace's rule of chapter 3. It belongs to another prior.",
        0.0: "A song that was not heard yet may still be inside.",
    },
    "Two of the 5 records are known. What share of the plays goes to the other three, and how many songs may they be?",
    tolerance=5e-4,
)

# ---------------------------------------------------------------- 07-c: averaged first

EXACT_ENTROPIES, ANSWER_ENTROPIES = (0.0, 1.0, 1.0, 2.0), (1.0, 1.0, 0.0, 1.5)
GAPS = [b - a for a, b in zip(EXACT_ENTROPIES, ANSWER_ENTROPIES, strict=True)]
EACH = sum(map(abs, GAPS)) / 4
FIRST = abs(sum(GAPS)) / 4

ratio = expect_number(
    EACH / FIRST,
    "Right: 0.625 bit game by game, 0.125 bit averaged first. Four fifths of the error have cancelled.",
    {
        EACH: "This is the error game by game. Asked is how many times larger it is than the other.",
        FIRST: "This is the error averaged first. Asked is how many times larger the one game by game is.",
        FIRST / EACH: "This is the ratio the other way round.",
        EACH - FIRST: "This is the difference of the two. Asked is their ratio.",
        1.0: "They are not equal: errors of opposite sign cancel if entropies are averaged first.",
        math.sqrt(sum(gap**2 for gap in GAPS) / 4)
        / FIRST: "You squared the errors. Take their absolute values.",
    },
    "Game by game: the mean of the four absolute differences. Averaged first: the absolute difference of the two means.",
)

# ---------------------------------------------------------------- 07-d: between two rungs

WINDOW = 3 + (0.70 - 0.55) / (0.70 - 0.50)

between = expect_number(
    WINDOW,
    "Right: four steps in three sequences of four, and three in the fourth.",
    {
        3.25: "The observer of 4 steps has the smaller KL. From 0.70 the way to 0.55 is three quarters of that to 0.50.",
        0.75: "This is the share of sequences in which 4 steps are seen. In the others 3 are seen.",
        0.25: "This is the share of sequences in which 3 steps are seen. Asked is the mean number of steps.",
        4.0: "The observer of 4 steps is better than that: KL 0.50.",
        3.0: "The observer of 3 steps is worse than that: KL 0.70.",
        3.5: "0.55 is not half-way between 0.70 and 0.50.",
        3
        + math.log(0.70 / 0.55)
        / math.log(0.70 / 0.50): "The mean KL is linear in the mixture. Take no logarithms.",
    },
    "The observer sees 4 steps in a share x of the sequences: 0.70 (1 - x) + 0.50 x = 0.55.",
    tolerance=0.012,
)

# ---------------------------------------------------------------- 07-e: an answer that the entropy likes

TRUTH = (0.5, 0.25, 0.25, 0.0)
FOOL = [0.03, 0.17, 0.20, 0.60]


def fools_the_entropy(answer: Any) -> Verdict:
    """Entropy within 0.01 bit of 1.5, TV at least 0.5, KL finite."""
    q = as_tensor(answer)
    if q is None or tuple(q.shape) != (4,):
        return wrong("expected four numbers, the probabilities of the four outcomes.")
    if not bool(q.isfinite().all()) or bool((q < 0).any()) or abs(float(q.sum()) - 1) > 1e-6:
        return wrong("expected a distribution: four numbers of at least 0 with the sum 1.")
    q = q / q.sum()
    gap, tv = float(bits.entropy(q)) - 1.5, float(bits.total_variation(TRUTH, q))
    kl = float(bits.kl_divergence(TRUTH, q))
    found = f"entropy {1.5 + gap:.3f} bits, TV {tv:.3f}, KL {kl:.2f}."
    if tv < 0.5 - 1e-9:
        return wrong(f"{found} The TV is too small: move mass from the first outcomes to the fourth.")
    if math.isinf(kl):
        return wrong(f"{found} The KL is infinite: the three possible outcomes each need a little.")
    if abs(gap) > 0.01:
        word = "Make it more even" if gap < 0 else "Make it less even"
        return wrong(f"{found} The entropy is off by {abs(gap):.3f} bit. {word}.")
    return right(f"{found} As uncertain as it should be, and wrong on an event by more than one half.")


# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("07-a", how_often, MET,
        (1 / MET, "for each game"), (142_506, "the number of jukeboxes"), (0.00374, "another order"),
        (0.00263, "twice"), (44.9, "in percent"), (5.96e-5, "of any size"), (2133, "for each song")),
    _check("07-b", not_heard, NEXT,
        (0.3, "must also be"), (0.2, "that was heard"), (0.6, "share it"), (0.0833, "before anything"),
        (0.1, "do not share everything"), (0.0444, "only two different"), (0.0667, "another prior"), (0, "may still be")),
    _check("07-c", ratio, EACH / FIRST,
        (0.625, "game by game"), (0.125, "averaged first"), (0.2, "other way round"), (0.5, "the difference"),
        (1, "not equal"), (6, "squared")),
    _check("07-d", between, WINDOW,
        (3.25, "smaller KL"), (0.75, "In the others 3"), (0.25, "mean number"), (4, "is better"), (3.5, "half-way"),
        (3.717, "no logarithms")),
    _check("07-e", fools_the_entropy, FOOL,
        (list(TRUTH), "TV is too small"), ([0, 0.25, 0.25, 0.5], "KL is infinite"), ([0.25] * 4, "TV is too small"),
        ([0.01, 0.01, 0.01, 0.97], "more even"), ([0.1, 0.15, 0.15, 0.6], "less even"), ([1, 2, 3, 4], "the sum 1"),
        ([0.5, 0.5], "four numbers")),
    TUNNEL,
)
# fmt: on
