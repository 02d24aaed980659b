"""Checks of chapter 14."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, expect_number, wrong
from tutorlib.checks.c05 import judge_function

_tensor = partial(torch.tensor, dtype=torch.float64)

# ---------------------------------------------------------------- 14-a: prior minus posterior

PRIOR, POSTERIOR = 0.6, 0.6 * 0.004 / (0.6 * 0.004 + 0.4 * 0.012)  # one third

score_slope = expect_number(
    PRIOR - POSTERIOR,
    "Right: 0.6 minus one third. It is positive, so descent lowers the score: the pitch spoke against voice 1.",
    {
        POSTERIOR - PRIOR: "The sign is turned. The gradient of the loss is prior minus posterior.",
        POSTERIOR: "This is the responsibility after the pitch. Subtract it from the gate.",
        0.6: "This is the gate. Subtract the responsibility after the pitch.",
        0.6 - 0.25: "The responsibility needs the gate: weigh each density with it before you normalise.",
        -0.6
        * (
            0.004 - 0.0072
        ): "Divide by the density of the mixture, 0.0072: it is the logarithm that is differentiated.",
    },
    "Find the responsibility of voice 1, gate times density over the sum for both voices, and subtract it from the gate.",
)

# ---------------------------------------------------------------- 14-b: averaging logarithms

log_average = expect_number(
    0.75,
    "Right: the odds are the root of 9 times 1, three to one. Averaging probabilities would give 0.7.",
    {
        0.7: "This is the average of the probabilities, which a mixture makes. Asked is the average of the logarithms.",
        0.45
        ** 0.5: "This is the geometric mean of the two chances of rain, not yet normalised. Divide by the sum with dry.",
        3.0: "These are the odds. A probability is odds over odds plus 1.",
        0.9: "Multiplying whole opinions gives this. Each has the weight one half, so take the root of the odds.",
    },
    "Take the geometric mean of 0.9 and 0.5, and of 0.1 and 0.5; then divide by their sum.",
)

# ---------------------------------------------------------------- 14-c: gradient flow

flow_steps = expect_number(
    200.0,
    "Right. Steps times rate is what counts as long as the steps are short: 1,000 times 0.01 is 200 times 0.05.",
    {
        5000.0: "Longer strides need fewer steps.",
        1000.0: "The same number of strides, each five times as long, would go five times as far.",
        50.0: "This is one over 20. The rate is five times as large, from 0.01 to 0.05.",
        20000.0: "Divide by the ratio of the rates, which is 5.",
    },
    "As long as steps are short, the way covered is steps times rate.",
)

# ---------------------------------------------------------------- 14-d: dividing attention's value step

divided_step = expect_number(
    1.3 / 1.1,
    "Right: the gradient is -1.3, and the value gets 1.1 of the attention in all.",
    {
        -1.3 / 1.1: "The step goes against the gradient.",
        1.3: "This is the step without division. Divide by the sum of the weights.",
        1.3 / 2: "You divided by the number of queries. Divide by the sum of their weights, 1.1.",
        1.5: "These are the errors without their weights. Each query counts with its weight.",
        -1.3: "This is the gradient. The step goes against it, and is divided by the sum of the weights.",
        1.3 * 1.1: "Divide by the sum of the weights, do not multiply.",
    },
    "The gradient is the sum of weight times error. Divide by the sum of the weights, and turn the sign.",
)

# ---------------------------------------------------------------- 14-e and 14-f: functions

CASES_E = (
    (_tensor([[0.2, -0.4, 1.0], [0.0, 0.0, 0.0]]), _tensor([[0.5, 0.2, 0.1], [0.01, 0.9, 0.3]])),
    (_tensor([[2.0, -1.0]]), _tensor([[0.003, 0.02]])),
)


def score_gradients(scores: Tensor, likelihood: Tensor) -> Tensor:
    """A right answer to 14-e: gradient of the loss of a mixture by its scores, ``[query, position]``."""
    gate = scores.softmax(-1)
    joint = gate * likelihood
    return gate - joint / joint.sum(-1, keepdim=True)


def _advantage(scores: Tensor, likelihood: Tensor) -> Tensor:
    gate, pull = scores.softmax(-1), -likelihood.log()
    return gate * (pull - (gate * pull).sum(-1, keepdim=True))


def _no_prior(scores: Tensor, likelihood: Tensor) -> Tensor:
    return scores.softmax(-1) - likelihood / likelihood.sum(-1, keepdim=True)


def _not_normalised(scores: Tensor, likelihood: Tensor) -> Tensor:
    gate = scores.softmax(-1)
    return gate - gate * likelihood


def _over_queries(scores: Tensor, likelihood: Tensor) -> Tensor:
    joint = scores.softmax(-1) * likelihood
    return scores.softmax(-1) - joint / joint.sum(0, keepdim=True)


# fmt: off
SLIPS_E = (
    (lambda s, p: -score_gradients(s, p), "the sign is turned: the loss falls where the posterior is above the gate."),
    (_no_prior, "the gate is missing from the posterior. Weigh the likelihood with it, then normalise."),
    (_not_normalised, "the posterior does not sum to 1. Divide by the sum over positions."),
    (_advantage, "this is attention's law, with logarithms averaged. Here probabilities are averaged."),
    (_over_queries, "it normalises over queries. Each query has a posterior of its own: the last axis."),
    (lambda s, p: score_gradients(s.exp(), p), "softmax takes the exponential itself. Give it the scores."),
)
# fmt: on

CASES_F = (
    (_tensor([0.7, 0.3]), _tensor([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]]), _tensor(0.5)),
    (_tensor([0.2, 0.5, 0.3]), _tensor([[0.6, 0.4], [0.1, 0.9], [0.5, 0.5]]), _tensor(1.0)),
    (_tensor([0.7, 0.3]), _tensor([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]]), _tensor(0.0)),
)


def pooled(gate: Tensor, p: Tensor, power: Tensor) -> Tensor:
    """A right answer to 14-f: the guess for one query, ``[outcome]``."""
    if power == 0:
        return (gate @ p.log()).softmax(-1)
    mixed = (gate @ p**power) ** (1 / power)
    return mixed / mixed.sum()


def _no_limit(gate: Tensor, p: Tensor, power: Tensor) -> Tensor:
    mixed = (gate @ p**power) ** (1 / power)
    return mixed / mixed.sum()


def _no_root(gate: Tensor, p: Tensor, power: Tensor) -> Tensor:
    mixed = gate @ p**power
    return mixed / mixed.sum() if power > 0 else pooled(gate, p, power)


def _no_sum(gate: Tensor, p: Tensor, power: Tensor) -> Tensor:
    return (gate @ p**power) ** (1 / power) if power > 0 else (gate @ p.log()).exp()


# fmt: off
SLIPS_F = (
    (lambda g, p, k: g @ p, "this averages probabilities whatever the power."),
    (lambda g, p, k: (g @ p.log()).softmax(-1), "this averages logarithms whatever the power."),
    (_no_root, "the root is missing: raise the average to the power 1 / power before you normalise."),
    (_no_sum, "the guess does not sum to 1. Divide by the sum over outcomes."),
    (lambda g, p, k: pooled(g.softmax(-1), p, k), "the gate is a distribution already. Take it as it is."),
)
# fmt: on


def _limit_first(judge: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """Says what is missing if a function is right except at power 0."""

    def judged(answer: Any) -> Verdict:
        verdict = judge(answer)
        if verdict.ok or not callable(answer):
            return verdict
        if all(_same(answer, case) for case in CASES_F[:2]):
            return wrong(
                "right for powers above 0. At power 0 the formula divides by 0; its limit averages logarithms."
            )
        return verdict

    return judged


def _same(answer: Callable[..., Any], case: tuple[Tensor, ...]) -> bool:
    try:
        got = torch.as_tensor(answer(*(part.clone() for part in case)))
        return torch.allclose(got.double(), pooled(*case), rtol=0, atol=1e-6)
    except Exception:  # the reader's code may raise anything
        return False


write_gradients = judge_function(
    "score_gradients",
    CASES_E,
    score_gradients,
    SLIPS_E,
    "Right: gate minus posterior. No derivative was taken.",
    "not the gradient. Gate minus posterior, where the posterior is gate times likelihood, normalised.",
)
write_pool = _limit_first(
    judge_function(
        "pooled",
        CASES_F,
        pooled,
        SLIPS_F,
        "Right, from attention to a mixture. This is log_prediction_nats for one query.",
        "not the guess. Average p ** power with the gate, take the root, normalise; at power 0 average logarithms.",
    )
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("14-a", score_slope, PRIOR - POSTERIOR,
        (-0.2667, "sign is turned"), (0.3333, "Subtract it from the gate"), (0.6, "This is the gate"),
        (0.35, "needs the gate"), (0.00192, "Divide by the density"), (1, "Find the responsibility")),
    _check("14-b", log_average, 0.75,
        (0.7, "which a mixture makes"), (0.671, "not yet normalised"), (3, "odds over odds"), (0.9, "root of the odds"),
        (0.5, "geometric mean")),
    _check("14-c", flow_steps, 200,
        (5000, "fewer steps"), (1000, "five times as far"), (50, "five times as large"), (20000, "ratio of the rates"),
        (5, "steps times rate")),
    _check("14-d", divided_step, 1.3 / 1.1,
        (-1.18, "against the gradient"), (1.3, "without division"), (0.65, "number of queries"),
        (1.5, "without their weights"),
        (-1.3, "This is the gradient"), (1.43, "do not multiply"), (0, "sum of weight times error")),
    _check("14-e", write_gradients, score_gradients, *SLIPS_E,
        (lambda s, p: None, "end in return"), (0.3, "without brackets"), (lambda s, p: s * 0 + 7, "not the gradient")),
    _check("14-f", write_pool, pooled, *SLIPS_F[:4], (_no_limit, "right for powers above 0"),
        (SLIPS_F[4][0], "a distribution already"), (lambda g, p, k: p * 0, "expected shape")),
)
# fmt: on
