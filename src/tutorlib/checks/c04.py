"""Checks of chapter 04, tracking."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.bayes import normalise
from tutorlib.checks import UNANSWERED, Check, Verdict, expect_number, right, wrong
from tutorlib.checks.c04_filter import FILTER

__all__ = ["CHECKS"]

T = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7]], dtype=torch.float64)
E = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.1, 0.4, 0.4, 0.1], [0.2, 0.1, 0.1, 0.6]], dtype=torch.float64)
SILENCE, WATER, TV = 0, 2, 3
PERCENT = "This is in percent. Give a share between 0 and 1."

AFTER_WATER = normalise(E[:, WATER])  # [states], the start is uniform
AFTER_TV = normalise((AFTER_WATER @ T) * E[:, TV])  # [states]
PREDICTED = AFTER_TV @ T  # [states], ten minutes later

# ---------------------------------------------------------------- 04-a: silence after water and TV

ASLEEP = float(normalise(PREDICTED * E[:, SILENCE])[0])
NO_PREDICT = float(normalise(AFTER_TV * E[:, SILENCE])[0])
TURNED = float(normalise((AFTER_TV @ T.mT) * E[:, SILENCE])[0])

after_silence = expect_number(
    ASLEEP,
    "Right. Silence is evidence too: it moved sleep from 24 % to 55 %.",
    {
        float(
            PREDICTED[0]
        ): "This is predicted, before the silence is used. Now weigh by the chance of silence.",
        NO_PREDICT: "The ten minutes are missing: you weighed the old belief. Predict first, then weigh.",
        TURNED: "The table was read the wrong way round: he goes from the row to the column.",
        float(PREDICTED[0] * 0.7): "This is a weight. Divide it by the sum of the three weights.",
        0.7: "This is the silence alone, as if nothing had been heard before.",
        float(
            normalise(PREDICTED * E[:, SILENCE])[2]
        ): "This is the chance that he watches TV. Asked is sleep.",
        float(AFTER_TV[0]): "This is the belief before the silence. Predict and weigh once more.",
        100 * ASLEEP: PERCENT,
    },
    "Predict with the transition table, multiply by the chance of silence in each state, divide by the sum.",
)

# ---------------------------------------------------------------- 04-b: the next sound

NEXT_TV = float(PREDICTED @ E[:, TV])

next_sound = expect_number(
    NEXT_TV,
    "Right: the belief is carried ten minutes on, and every state votes for its sounds with its share.",
    {
        float(
            AFTER_TV @ E[:, TV]
        ): "This is the chance of a TV sound now. Ten minutes pass before the next one: "
        "predict the state first.",
        0.6: "This is the chance if he surely watches TV. Average over what he may be doing.",
        float(T[2] @ E[:, TV]): "This starts from the most likely state alone. Start from the whole belief.",
        float(PREDICTED[2]): "This is the chance that he watches. Asked is the chance of the sound.",
        float(AFTER_TV[2]): "This is the belief that he watches now. Asked is the next sound.",
        float(E[:, TV].mean()): "This is the chance with nothing heard. You have heard water and TV.",
        float((AFTER_TV @ T.mT) @ E[:, TV]): "The transition table was read from column to row.",
        100 * NEXT_TV: PERCENT,
    },
    "Predict the state, then average the chance of a TV sound with these shares as weights.",
)

# ---------------------------------------------------------------- 04-c: write one step


def right_step(belief: Tensor, transition: Tensor, likelihood: Tensor) -> Tensor:
    """A right answer to 04-c: predict, weigh, normalise, ``[..., states]``."""
    weights = (belief @ transition) * likelihood
    return weights / weights.sum(-1, keepdim=True)


SLIPS: tuple[tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str], ...] = (
    (lambda b, t, e: (b @ t) * e, "the weights are not normalised. Divide by their sum along the last axis."),
    (lambda b, t, e: normalise(b * e), "the transition is not used: the state may change between two sounds."),
    (lambda b, t, e: b @ t, "the sound is not used: weigh the prediction by the likelihood."),
    (lambda b, t, e: normalise(b * e) @ t, "you weighed before you predicted. The sound comes after the step."),
    (lambda b, t, e: normalise((b @ t.mT) * e), "the table is turned: row i holds where state i goes. Use belief @ T."),
    (lambda b, t, e: (b @ t) * e / ((b @ t) * e).sum(), "it divides by the sum of the batch: use sum(-1, keepdim=True)."),
    (lambda b, t, e: (b @ t) * e / ((b @ t) * e).sum(0), "the sum runs along the wrong axis: states lie along the last."),
    (lambda b, t, e: torch.softmax((b @ t) * e, -1), "softmax normalises exponentials. Divide the weights by their sum."),
)  # fmt: skip


def _step_function(answer: Any) -> Verdict:
    if not callable(answer):
        return wrong(
            f"expected your function, got {type(answer).__name__}: pass step, without brackets or arguments."
        )
    many = normalise(torch.arange(1, 13, dtype=torch.float64).reshape(4, 3).sqrt())  # [4, states]
    for belief, likelihood in ((AFTER_WATER, E[:, TV]), (many, E.mT)):
        given = belief.clone(), T.clone(), likelihood.clone()
        try:
            found = answer(*given)
        except Exception as error:  # the reader's code may raise anything
            return wrong(
                f"it stopped on a belief of shape {list(belief.shape)}: {type(error).__name__}: {error}"
            )
        if found is ...:
            return UNANSWERED
        if found is None:
            return wrong("your function returns None. Does it end in return?")
        if not all(torch.equal(a, b) for a, b in zip(given, (belief, T, likelihood), strict=True)):
            return wrong("it changes its inputs in place. Use a * b, not a *= b.")
        try:
            found = torch.as_tensor(found).detach().double()
        except Exception:  # as_tensor asks the object itself, which may raise anything
            return wrong(f"expected a tensor of numbers, got {type(found).__name__}.")
        if found.shape != belief.shape:
            return wrong(f"expected shape {list(belief.shape)} like the belief, got {list(found.shape)}.")
        if torch.allclose(found, right_step(belief, T, likelihood), rtol=0, atol=1e-6):
            continue
        for slip, hint in SLIPS:
            value = slip(belief, T, likelihood)
            if value.shape == found.shape and torch.allclose(found, value, rtol=0, atol=1e-6):
                return wrong(hint)
        return wrong("not the belief after the sound. Predict with belief @ T, weigh, divide by the sum.")
    return right("predict, weigh, normalise: one line each, for one belief and for many at once.")


# ---------------------------------------------------------------- 04-d: looking back

LATER = T @ E[:, TV]  # [states]: chance of a TV sound ten minutes later
COOKED = float(normalise(AFTER_WATER * LATER)[1])

looking_back = expect_number(
    COOKED,
    "Right: 300 of 480. What came later speaks about earlier, here against cooking: 62.5 % instead of 66.7 %.",
    {
        2
        / 3: "This is the filter: it uses the water only. The TV sound that came later is evidence as well.",
        300
        / 9000: "These 300 evenings are counted out of all 9,000. Divide by those on which both sounds were heard.",
        float(normalise(LATER)[1]): "This uses the TV sound only. The water counts too.",
        float(
            normalise(AFTER_WATER * E[:, TV])[1]
        ): "Both sounds are weighed in one state. Ten minutes lie between "
        "them: go through the transition table.",
        float(
            AFTER_TV[1]
        ): "This is the chance that he cooks now, at the TV sound. Asked is the time of the water.",
        float(LATER[1]): "This is the chance of a TV sound later, if he cooks. Weigh the three states by it.",
        100 * COOKED: PERCENT,
    },
    "For each state at the water: how many of the evenings left have a TV sound ten minutes later? Then take the share.",
)

# ---------------------------------------------------------------- 04-e: how long a start is remembered

STEPS = math.ceil(math.log(0.01) / math.log(0.9))

slow_forgetting = expect_number(
    STEPS,
    "Right: 0.9 to the power of 44 is just below 0.01.",
    {
        math.log(0.01)
        / math.log(0.9): "Steps are whole: after 43 the difference is still above 1 %. Round up.",
        43: "0.9 to the power of 43 is 0.0108, still above 0.01.",
        2: "A step multiplies the difference by 0.9, the part that stays. You multiplied by 0.1.",
        math.ceil(
            math.log(0.01) / math.log(0.92)
        ): "0.92 is how often he is found in the same state, the chance of "
        "staying by lot included. The lot treats both observers alike, so only the 0.9 keeps their difference.",
        46: "This takes 0.1 a step for the rate, which is a little off. Solve 0.9^n < 0.01.",
        10: "10 steps is how long a sticky phase lasts on average. The difference is then 0.35 of what it was.",
        22: "This is where it falls below one tenth. Asked is one hundredth.",
    },
    "The difference of the two beliefs is multiplied by the same number in every step. Which number? Then solve for n.",
    tolerance=0.25,
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("04-a", after_silence, ASLEEP,
        (0.236, "before the silence is used"), (NO_PREDICT, "ten minutes are missing"), (TURNED, "wrong way round"),
        (0.165, "Divide it by the sum"), (0.7, "silence alone"), (0.388, "watches TV"), (55.1, "in percent"),
        (0.0875, "belief before the silence"), (0.9, "divide by the sum")),
    _check("04-b", next_sound, NEXT_TV,
        (0.475, "TV sound now"), (0.6, "surely watches"), (0.45, "most likely state alone"), (0.5825, "chance of the sound"),
        (39.1, "in percent"), (0.267, "nothing heard"), (0.75, "watches now"), (0.1, "with these shares")),
    _check("04-c", _step_function, right_step,
        *SLIPS,
        (lambda b, t, e: None, "end in return"),
        (lambda b, t, e: "0.5", "got str"),
        (lambda b, t, e: b.mul_(2) @ t, "in place"),
        (lambda b, t, e: b * t, "expected shape"),
        (lambda b, t, e: b / 0 @ torch.ones(7, 7), "stopped on a belief of shape [3]"),
        (0.5, "without brackets")),
    _check("04-d", looking_back, COOKED,
        (0.667, "is the filter"), (0.0333, "out of all 9,000"), (float(normalise(LATER)[1]), "TV sound only"),
        (0.364, "Ten minutes lie between"), (0.1625, "cooks now"), (0.25, "later, if he cooks"), (62.5, "in percent"),
        (0.5, "take the share")),
    _check("04-e", slow_forgetting, STEPS,
        (43.7, "Round up"), (43, "still above"), (2, "multiplied by 0.1"), (56, "0.92"), (46, "a little off"),
        (10, "sticky phase"), (22, "one tenth"), (100, "solve for n")),
    FILTER,
)
# fmt: on
