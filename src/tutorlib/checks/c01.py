"""Checks of chapter 01."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tutorlib import bayes
from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong

PERCENT = "This is in percent. Give a share between 0 and 1."
ROUNDED = "Near, but rounded too far. Give three decimals."

# ---------------------------------------------------------------- 01-a: the forecast says dry

RAIN_AFTER_DRY = 60 / 655

dry_forecast = expect_number(
    RAIN_AFTER_DRY,
    "Right. A dry forecast lowers the chance of rain, but 60 rainy mornings still hide among 655.",
    {
        0.2: "This is the share of dry forecasts among the rainy mornings, P(e | h). Asked is the share of "
        "rainy mornings among the dry forecasts, P(h | e).",
        0.06: "These 60 mornings are counted out of all 1,000. Divide by the mornings with a dry forecast only.",
        0.3: "This is the base rate, as if nothing had been announced.",
        595 / 655: "This is the chance of a dry morning. Asked is rain.",
        100 * RAIN_AFTER_DRY: PERCENT,
        9.0: PERCENT,
        0.09: ROUNDED,
        240 / 345: "This is the chance of rain after a forecast of rain. Here the forecast says dry.",
        60 / 595: "These are odds, 60 to 595. For a share, divide by all 655 dry forecasts.",
        0.2 / 1.05: "This leaves out the base rate, as if rain were as common as no rain.",
    },
    "Count again: how many of the 1,000 mornings have a dry forecast, and how many of those are rainy?",
)

# ---------------------------------------------------------------- 01-b: a positive test, in bits

BITS = math.log2(0.99 / 0.05)
RATIO = "This is the likelihood ratio itself. Take its logarithm to base 2."

test_in_bits = expect_number(
    BITS,
    "Right: 4.3 bits, against the 10 bits by which the disease starts behind. One test does not make up for it.",
    {
        math.log(19.8): "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        math.log10(19.8): "This is the logarithm to base 10. Bits need base 2.",
        19.8: RATIO,
        20.0: RATIO,
        -BITS: "The ratio is upside down: the sick belong above, the healthy below.",
        BITS - math.log2(999): "These are the log-odds after the test. Asked is only what the test adds.",
        math.log2(0.99 / 0.01): "You compared positive with negative among the sick. Compare a positive test "
        "among the sick with a positive test among the healthy.",
        math.log2(0.99 / 0.95): "Among the healthy, too, take a positive test: 0.05. Negative is 0.95.",
    },
    "Divide the chance of a positive test when sick by the chance when healthy; then take the logarithm to base 2.",
)

# ---------------------------------------------------------------- 01-c: write posterior(prior, likelihood)


def _cases() -> list[tuple[Tensor, Tensor]]:
    """Priors and likelihoods with the hypotheses along the last axis: one belief, a table, a table of tables."""
    tensor = partial(torch.tensor, dtype=torch.float64)
    steps = torch.arange(1, 25, dtype=torch.float64).reshape(2, 3, 4)
    return [
        (tensor([0.3, 0.7]), tensor([0.8, 0.15])),
        (tensor([0.2] * 5), tensor([0.0, 0.2, 0.4, 0.6, 0.8])),
        (
            tensor([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3], [0.1, 0.8, 0.1]]),
            tensor([[0.9, 0.5, 0.1], [0.2, 0.7, 0.4], [0.3, 0.3, 0.9]]),
        ),
        # Roots and sines: no sum comes out round, so that rounding shows.
        (bayes.normalise(steps.sqrt()), steps.sin().abs()),
    ]


def posterior_function(answer: Any) -> Verdict:
    """A judge for a function of prior and likelihood; what it returns may also be an array or a list."""
    for prior, likelihood in _cases():
        shape = list(prior.shape)

        def axes(error: Exception, several: bool = prior.ndim > 1) -> str:
            hint = " Sum along the last axis, -1, and keep it: keepdim=True fits any number of axes."
            return hint if several or isinstance(error, IndexError) else ""

        got = returned_by(answer, (prior, likelihood), "posterior", f" on shape {shape}", axes)
        if isinstance(got, Verdict):
            return got
        if got.shape != prior.shape:
            return wrong(f"expected shape {shape} like the prior, got {list(got.shape)}.")
        if not torch.allclose(got, bayes.condition(prior, likelihood), rtol=0, atol=1e-6):
            return wrong(_slip(got, prior, likelihood))
    return right(
        "Right, for one belief and for many at once. This is bayes.condition without its checks of the input."
    )


SLIPS: tuple[tuple[Callable[[Tensor, Tensor], Tensor], str], ...] = (
    (lambda p, q: p * q, "the weights are not normalised: they do not sum to 1. Divide by their sum."),
    (lambda p, q: bayes.normalise(q), "this forgets the prior: only the likelihood was normalised."),
    (
        lambda p, q: p * bayes.normalise(q),
        "likelihoods need not sum to 1, and making them do so helps nothing. Normalise the product.",
    ),
    (lambda p, q: p, "this is the prior again; the evidence was not used."),
    (
        lambda p, q: p * q / (p * q).sum(),
        "it divides by the sum over the whole batch. Sum along the last axis and keep it: sum(-1, keepdim=True).",
    ),
    (
        lambda p, q: p * q / (p * q).sum(0),
        "the sum runs along the wrong axis, 0: the hypotheses lie along the last one, -1.",
    ),
    (
        lambda p, q: p * q / (p * q).sum(1, keepdim=True),
        "the sum runs along the wrong axis, 1: the hypotheses lie along the last one, -1.",
    ),
    (
        lambda p, q: p * q / (p * q).sum(-1),
        "the sums meet the wrong rows: keep the summed axis with keepdim=True.",
    ),
    (
        lambda p, q: torch.softmax(p * q, -1),
        "softmax normalises exponentials. Here the weights themselves are divided by their sum.",
    ),
)


def _slip(got: Tensor, prior: Tensor, likelihood: Tensor) -> str:
    """What a wrong posterior looks like."""
    for slip, hint in SLIPS:
        try:
            value = slip(prior, likelihood)
        except (IndexError, RuntimeError):  # a slip that does not fit this shape
            continue
        if value.shape == got.shape and torch.allclose(got, value, rtol=0, atol=1e-6):
            return hint
    if torch.allclose(got, bayes.condition(prior, likelihood), rtol=0, atol=0.01):
        return "near, but rounded on the way. Return the quotient as it is."
    inputs = f"prior {prior.tolist()}" if prior.ndim == 1 else f"several beliefs, shape {list(prior.shape)}"
    return f"not the posterior for {inputs}. Multiply prior and likelihood, then divide by the sum along the last axis."


# ---------------------------------------------------------------- 01-d: the third ball after two white ones

NEXT_RED = 50 / 275

third_ball = expect_number(
    NEXT_RED,
    "Right: every box votes with its own share of red, and its vote weighs as much as you believe in it.",
    {
        0.0: "You asked the most likely box only. Box 0 leads, but the other boxes are still in play.",
        0.4: "This is the chance before any draw. Two white balls have changed the belief.",
        20 / 75: "This uses one white ball. Two were drawn.",
        1 - NEXT_RED: "This is the chance of a white ball. Asked is red.",
        10 / 40: "This is right if balls stay out. Here each ball is put back before the next draw.",
        50 / 625: "This joint chance of white, white, red is not normalised: divide by that of white, white.",
        100 * NEXT_RED: PERCENT,
        18.0: PERCENT,
        0.18: ROUNDED,
        2 / 3: "This is the answer after two red balls. Here both are white.",
    },
    "Weigh each box by its chance of two white balls, normalise, then average the share of red with these weights.",
)

# ---------------------------------------------------------------- 01-e: a station that copies half the time


def _two_stations(copies: float) -> float:
    """Chance of rain after two forecasts of rain when the second copies the first with this probability."""
    likelihood = [share * (copies + (1 - copies) * share) for share in (0.80, 0.15)]
    return float(bayes.condition([0.3, 0.7], likelihood)[0])


COPIED_HALF, FRESH, COPIED = _two_stations(0.5), _two_stations(0.0), _two_stations(1.0)
BOTH_RAINY, BOTH_DRY = 0.80 * 0.90, 0.15 * 0.575  # chance of two forecasts of rain

half_copied = expect_number(
    COPIED_HALF,
    "Right. Half a copy is worth 0.65 bits instead of 2.4: how the evidence came about is part of the evidence.",
    {
        FRESH: "This is double counting: both stations were weighed as if they had forecast independently.",
        COPIED: "This is the answer if the second station always copies. Half the time it has its own forecast.",
        (FRESH + COPIED) / 2: "This averages two posteriors equally, but two forecasts of rain make a copy "
        "likelier than before. Average the likelihoods instead, then use Bayes' rule.",
        100 * COPIED_HALF: PERCENT,
        BOTH_RAINY / (BOTH_RAINY + BOTH_DRY): "The base rate is missing: 3 to 7 is where the odds start.",
        0.27 / 0.6725: "This is the second station alone. The first, 0.80 and 0.15, belongs in too.",
        0.216: "This is the joint chance of rain and both forecasts. Divide by that of both forecasts.",
    },
    "Find the chance of both forecasts on a rainy morning, then on a dry one. Bayes' rule does the rest.",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


def _right_posterior(prior: Tensor, likelihood: Tensor) -> Tensor:
    weights = prior * likelihood
    return weights / weights.sum(-1, keepdim=True)


def _in_place(prior: Tensor, likelihood: Tensor) -> Tensor:
    prior *= likelihood
    return prior / prior.sum(-1, keepdim=True)


def _turned(p: Tensor, q: Tensor) -> Tensor:
    weights = p * q
    back = tuple(reversed(range(weights.ndim)))  # what .T does, without its warning
    return (weights.permute(back) / weights.sum(-1)).permute(back)


def _axis_one(p: Tensor, q: Tensor) -> Tensor:
    return p * q / (p * q).sum(1 if p.ndim > 1 else 0, keepdim=True)


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("01-a", dry_forecast, RAIN_AFTER_DRY,
        (0.2, "P(h | e)"), (0.3, "base rate, as if nothing"), (0.06, "out of all 1,000"), (9.16, "in percent"),
        (9.2, "in percent"), (9, "in percent"), (0.09, "three decimals"), (595 / 655, "dry morning"),
        (0.19, "leaves out the base rate"), (0.5, "Count again")),
    _check("01-b", test_in_bits, BITS,
        (2.986, "nats"), (2.99, "nats"), (1.297, "base 10"), (1.3, "base 10"), (19.8, "ratio itself"), (20, "ratio itself"),
        (-BITS, "upside down"), (-4.31, "upside down"), (BITS - math.log2(999), "log-odds after the test")),
    _check("01-c", posterior_function, _right_posterior,
        (_in_place, "in place"),
        *((slip, hint) for slip, hint in SLIPS if "axis, 1" not in hint),
        (_axis_one, "wrong axis, 1"),
        (lambda p, q: p * q / (p * q).sum(1, keepdim=True), "stopped on shape [2] with IndexError"),
        (_turned, "stopped on shape [2, 3, 4]"),
        (lambda p, q: p * q / (p * q).sum(-1, keepdim=True).round(decimals=3), "rounded on the way"),
        (lambda p, q: None, "end in return"),
        (lambda p, q: "0.696", "got str. Return a tensor"),
        (lambda p, q: 0.696, "expected shape [2]"),
        (0.696, "without brackets")),
    _check("01-d", third_ball, NEXT_RED,
        (0.0, "most likely box only"), (0.4, "before any draw"), (1 - NEXT_RED, "white ball"), (0.25, "stay out"),
        (0.08, "not normalised"), (20 / 75, "one white ball"), (18.2, "in percent"), (18, "in percent"),
        (2 / 3, "two red balls")),
    _check("01-e", half_copied, COPIED_HALF,
        (FRESH, "double counting"), (0.92, "double counting"), (COPIED, "always copies"),
        ((FRESH + COPIED) / 2, "averages two posteriors"), (0.893, "base rate is missing"), (78.2, "in percent"),
        (0.216, "joint chance of rain"), (0.4015, "second station alone")),
)
# fmt: on
