"""Checks of chapter 01."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib import bayes
from tutorlib.checks import UNANSWERED, Check, Verdict, expect_number, right, wrong

# ---------------------------------------------------------------- 01-a: the forecast says dry

RAIN_AFTER_DRY = 60 / 655

dry_forecast = expect_number(
    RAIN_AFTER_DRY,
    "Right. A dry forecast lowers the chance of rain, but 60 rainy mornings still hide among 655.",
    {
        60
        / 300: "This is the share of dry forecasts among the rainy mornings, P(e | h). Asked is the share of rainy "
        "mornings among the dry forecasts, P(h | e).",
        60
        / 1000: "These 60 mornings are counted out of all 1,000. Divide by the mornings with a dry forecast only.",
        0.3: "This is the base rate, as if nothing had been announced.",
        595 / 655: "This is the chance of a dry morning. Asked is rain.",
        100 * RAIN_AFTER_DRY: "This is in percent. Give a share between 0 and 1.",
        240 / 345: "This is the chance of rain after a forecast of rain. Here the forecast says dry.",
        60 / 595: "These are odds, 60 to 595. For a share, divide by all 655 dry forecasts.",
        0.2 / 1.05: "This leaves out the base rate, as if rain were as common as no rain.",
    },
    "Count again: how many of the 1,000 mornings have a dry forecast, and how many of those are rainy?",
)

# ---------------------------------------------------------------- 01-b: a positive test, in bits

BITS = math.log2(0.99 / 0.05)

test_in_bits = expect_number(
    BITS,
    "Right: 4.3 bits, against the 10 bits by which the disease starts behind. One test does not make up for it.",
    {
        math.log(
            0.99 / 0.05
        ): "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        math.log10(0.99 / 0.05): "This is the logarithm to base 10. Bits need base 2.",
        0.99 / 0.05: "This is the likelihood ratio itself. Take its logarithm to base 2.",
        -BITS: "The ratio is upside down: the sick belong above, the healthy below.",
        math.log2(
            0.99 / 0.05 / 999
        ): "These are the log-odds after the test. Asked is only what the test adds.",
        math.log2(0.99 / 0.01): "You compared positive with negative among the sick. Compare a positive test "
        "among the sick with a positive test among the healthy.",
        math.log2(
            0.99 / 0.95
        ): "The lower likelihood is of a positive test, 0.05, and not of a negative one.",
    },
    "Divide the chance of a positive test when sick by the chance when healthy; then take the logarithm to base 2.",
)

# ---------------------------------------------------------------- 01-c: write posterior(prior, likelihood)


def _cases() -> list[tuple[Tensor, Tensor]]:
    """Priors and likelihoods, one belief or several, all with the hypotheses along the last axis."""

    def tensor(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    batch = (
        tensor([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3], [0.1, 0.8, 0.1]]),
        tensor([[0.9, 0.5, 0.1], [0.2, 0.7, 0.4], [0.3, 0.3, 0.9]]),
    )
    return [
        (tensor([0.3, 0.7]), tensor([0.8, 0.15])),
        (tensor([0.2] * 5), tensor([0.0, 0.2, 0.4, 0.6, 0.8])),
        batch,
    ]


def posterior_function(answer: Any) -> Verdict:
    """A judge for a function of prior and likelihood."""
    if not callable(answer):
        return wrong(f"expected your function, got {type(answer).__name__}: pass posterior, without brackets")
    for number, (prior, likelihood) in enumerate(_cases()):
        exact = bayes.condition(prior, likelihood)
        first, second = prior.clone(), likelihood.clone()
        try:
            got = answer(first, second)
        except Exception as error:
            return wrong(f"it stopped on shape {list(prior.shape)} with {type(error).__name__}: {error}")
        if not (torch.equal(first, prior) and torch.equal(second, likelihood)):
            return wrong(
                "it changes its input in place: the caller's prior is gone. Use prior * likelihood, not *=."
            )
        if got is ...:
            return UNANSWERED
        if not isinstance(got, Tensor):
            return wrong(
                f"expected a tensor back, got {type(got).__name__}. Does the function end in return?"
            )
        if got.shape != exact.shape:
            return wrong(f"expected shape {list(exact.shape)} like the prior, got {list(got.shape)}.")
        if torch.allclose(got.double(), exact, atol=1e-6):
            continue
        return wrong(_slip(got.double(), prior, likelihood, number))
    return right(
        "Right, for one belief and for many at once. This is bayes.condition without its checks of the input."
    )


def _slip(got: Tensor, prior: Tensor, likelihood: Tensor, number: int) -> str:
    """What a wrong posterior looks like."""
    weights = prior * likelihood
    known: list[tuple[Tensor, str]] = [
        (weights, "the weights are not normalised: they do not sum to 1. Divide by their sum."),
        (bayes.normalise(likelihood), "this forgets the prior: only the likelihood was normalised."),
        (
            prior * bayes.normalise(likelihood),
            "likelihoods need not sum to 1, and making them do so helps nothing. Normalise the product.",
        ),
        (prior, "this is the prior again; the evidence was not used."),
        (
            weights / weights.sum(),
            "it divides by the sum over the whole batch. Sum along the last axis and keep it: sum(-1, keepdim=True).",
        ),
        (
            weights / weights.sum(0),
            "the sum runs along the wrong axis: the hypotheses lie along the last one, -1.",
        ),
        (weights / weights.sum(-1), "the sums meet the wrong rows: keep the summed axis with keepdim=True."),
        (
            torch.softmax(weights, -1),
            "softmax normalises exponentials. Here the weights themselves are divided by their sum.",
        ),
    ]
    for value, hint in known:
        if torch.allclose(got, value, atol=1e-6):
            return hint
    inputs = "several beliefs at once" if number == 2 else f"prior {prior.tolist()}"
    return f"not the posterior for {inputs}. Multiply prior and likelihood, then divide by the sum along the last axis."


def _right_posterior(prior: Tensor, likelihood: Tensor) -> Tensor:
    weights = prior * likelihood
    return weights / weights.sum(-1, keepdim=True)


def _in_place(prior: Tensor, likelihood: Tensor) -> Tensor:
    prior *= likelihood
    return prior / prior.sum(-1, keepdim=True)


def _function(body: Callable[[Tensor, Tensor], Any]) -> Callable[[], Any]:
    return lambda: body


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
        100 * NEXT_RED: "This is in percent. Give a share between 0 and 1.",
        2 / 3: "This is the answer after two red balls. Here both are white.",
    },
    "Weigh each box by its chance of two white balls, normalise, then average the share of red with these weights.",
)

# ---------------------------------------------------------------- 01-e: a bulletin that copies half the time


def _two_bulletins(copies: float) -> float:
    """Chance of rain after two forecasts of rain when the second copies the first with this probability."""
    likelihood = [share * (copies + (1 - copies) * share) for share in (0.80, 0.15)]
    return float(bayes.condition([0.3, 0.7], likelihood)[0])


COPIED_HALF, FRESH, COPIED = _two_bulletins(0.5), _two_bulletins(0.0), _two_bulletins(1.0)
BOTH_RAINY, BOTH_DRY = 0.80 * 0.90, 0.15 * 0.575  # chance of two forecasts of rain

copied_bulletin = expect_number(
    COPIED_HALF,
    "Right. Half a copy is worth 0.65 bits instead of 2.4: how the evidence came about is part of the evidence.",
    {
        FRESH: "This is double counting: both bulletins were weighed as if they were made independently.",
        COPIED: "This is the answer if the late bulletin always copies. It is made afresh half the time.",
        (FRESH + COPIED) / 2: "This averages two posteriors equally, but two forecasts of rain make a copy "
        "likelier than before. Average the likelihoods instead, then use Bayes' rule.",
        100 * COPIED_HALF: "This is in percent. Give a share between 0 and 1.",
        BOTH_RAINY / (BOTH_RAINY + BOTH_DRY): "The base rate is missing: 3 to 7 is where the odds start.",
        0.27
        / (0.27 + 0.4025): "This is the late bulletin alone. The early one, 0.80 and 0.15, belongs in too.",
        0.3
        * BOTH_RAINY: "This is the joint chance of rain and both forecasts. Divide by the chance of both forecasts.",
    },
    "Find the chance of both forecasts on a rainy morning, then on a dry one. Bayes' rule does the rest.",
)


def _value(number: float) -> Callable[[], float]:
    return lambda: number


CHECKS: tuple[Check, ...] = (
    Check(
        "01-a",
        dry_forecast,
        correct=_value(60 / 655),
        wrong=(
            (_value(60 / 300), "P(h | e)"),
            (_value(0.3), "base rate, as if nothing"),
            (_value(0.06), "out of all 1,000"),
            (_value(100 * 60 / 655), "in percent"),
            (_value(595 / 655), "dry morning"),
            (_value(0.2 / 1.05), "leaves out the base rate"),
            (_value(0.5), "Count again"),
        ),
    ),
    Check(
        "01-b",
        test_in_bits,
        correct=_value(BITS),
        wrong=(
            (_value(math.log(19.8)), "nats"),
            (_value(math.log10(19.8)), "base 10"),
            (_value(19.8), "likelihood ratio itself"),
            (_value(-BITS), "upside down"),
            (_value(BITS - math.log2(999)), "log-odds after the test"),
        ),
    ),
    Check(
        "01-c",
        posterior_function,
        correct=_function(_right_posterior),
        wrong=(
            (_function(_in_place), "in place"),
            (_function(lambda prior, likelihood: prior * likelihood), "not normalised"),
            (_function(lambda prior, likelihood: bayes.normalise(likelihood)), "forgets the prior"),
            (_function(lambda prior, likelihood: prior * bayes.normalise(likelihood)), "need not sum to 1"),
            (
                _function(lambda prior, likelihood: prior * likelihood / (prior * likelihood).sum()),
                "whole batch",
            ),
            (
                _function(lambda prior, likelihood: prior * likelihood / (prior * likelihood).sum(0)),
                "wrong axis",
            ),
            (
                _function(lambda prior, likelihood: prior * likelihood / (prior * likelihood).sum(-1)),
                "keepdim=True",
            ),
            (_function(lambda prior, likelihood: None), "end in return"),
            (_function(lambda prior, likelihood: prior @ likelihood[:1]), "it stopped on shape"),
            (_value(0.696), "without brackets"),
        ),
    ),
    Check(
        "01-d",
        third_ball,
        correct=_value(NEXT_RED),
        wrong=(
            (_value(0.0), "most likely box only"),
            (_value(0.4), "before any draw"),
            (_value(1 - NEXT_RED), "white ball"),
            (_value(0.25), "stay out"),
            (_value(0.08), "not normalised"),
            (_value(20 / 75), "one white ball"),
        ),
    ),
    Check(
        "01-e",
        copied_bulletin,
        correct=_value(COPIED_HALF),
        wrong=(
            (_value(FRESH), "double counting"),
            (_value(COPIED), "always copies"),
            (_value((FRESH + COPIED) / 2), "averages two posteriors"),
            (_value(BOTH_RAINY / (BOTH_RAINY + BOTH_DRY)), "base rate is missing"),
            (_value(0.216), "the joint chance of rain"),
        ),
    ),
)
