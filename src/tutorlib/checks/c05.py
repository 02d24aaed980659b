"""Checks of chapter 05."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong

_tensor = partial(torch.tensor, dtype=torch.float64)

# ---------------------------------------------------------------- 05-a: responsibility for a sentence at 150 Hz

HEIGHT = math.exp(-(30**2) / 800)
LOW_VOICE = 1 / (1 + math.exp(-2))  # the logs differ by (50^2 - 30^2) / (2 * 20^2) = 2 nats

one_responsibility = expect_number(
    LOW_VOICE,
    "Right. The densities stand as e^2 to 1, so voice 1 answers for 88 % of this sentence.",
    {
        1 - LOW_VOICE: "This is the responsibility of voice 2. Asked is voice 1.",
        1.0: "This gives the whole sentence to the nearer voice. Was the width squared? A responsibility is a share.",
        5 / 8: "These are shares of the distance. Responsibilities are shares of the densities.",
        1 / (1 + math.exp(-4)): "The 2 in the exponent is missing: the square is divided by 2 s^2.",
        1 / (1 + math.exp(-20 / 800)): "The distances are not squared.",
        1 / (1 + 2**-2): "The exponents differ by 2 nats. The base is e, and not 2.",
        math.exp(2): "These are the odds. For a share, divide by the sum of both.",
        HEIGHT: "This is the bell's height for voice 1 alone. Divide by the sum over both voices.",
        100 * LOW_VOICE: "This is in percent. Give a share between 0 and 1.",
    },
    "Find the height of both bells at 150 Hz, exp(-d^2 / (2 s^2)), and divide that of voice 1 by the sum.",
)

# ---------------------------------------------------------------- 05-b: where the centre moves

CENTRE = (0.9 * 120 + 0.6 * 150 + 0.3 * 200) / 1.8

one_centre = expect_number(
    CENTRE,
    "Right: 258 / 1.8. The sentence at 200 Hz pulls too, with a third of the weight of the first.",
    {
        258 / 3: "You divided by the number of sentences. Divide by the sum of the responsibilities, 1.8.",
        470 / 3: "This is the plain mean. Weigh each pitch with its responsibility.",
        135.0: "This counts only the sentences that are more likely voice 1's. Every sentence counts with its share.",
        258.0: "This is the weighted sum. Divide by the sum of the weights.",
        212 / 1.2: "This is where voice 2 moves. Asked is voice 1.",
        1.8: "This is the number of sentences that voice 1 answers for. Asked is its centre.",
    },
    "Multiply each pitch with the responsibility of voice 1, add up, and divide by the sum of the responsibilities.",
)

# ---------------------------------------------------------------- 05-d: how far below the bound lies

GAP = -0.5 * math.log2(4 * LOW_VOICE * (1 - LOW_VOICE))  # KL of (1/2, 1/2) to the responsibilities
BACKWARDS = 1 + LOW_VOICE * math.log2(LOW_VOICE) + (1 - LOW_VOICE) * math.log2(1 - LOW_VOICE)

one_gap = expect_number(
    GAP,
    "Right: the gap is the KL divergence from the shares that were used to the responsibilities.",
    {
        BACKWARDS: "This is the KL divergence the other way round. The mean is taken with the shares that were used.",
        GAP * math.log(2): "This is in nats. Use the logarithm to base 2.",
        1
        - BACKWARDS: "This is the entropy of the responsibilities. Asked is the gap between bound and log likelihood.",
        1.0: "This is the entropy of the shares one half and one half. The responsibilities matter too.",
        0.0: "The bound touches only if the shares are the responsibilities. One half is not 0.881.",
        -GAP: "A KL divergence is never negative. Give the gap, log likelihood minus bound.",
        math.log2(2 * LOW_VOICE): "This is one term alone. Average over both voices, with one half each.",
        2 * GAP: "Each term has the weight one half.",
    },
    "The gap is sum_k q_k log2(q_k / r_k), with q = one half for both voices and r from the first exercise.",
)

# ---------------------------------------------------------------- 05-e: an EM step from a gradient

STRIDE = -0.3 * 400 * math.log(2) / 2.5

one_stride = expect_number(
    STRIDE,
    "Right: 33 Hz down. With ten sentences to answer for, the same gradient would move it by 8 Hz.",
    {
        -STRIDE: "The sign is lost. A negative gradient says: lower the centre.",
        -48.0: "The factor ln 2 is missing. The gradient is in bits per Hz.",
        STRIDE * 2.5: "Divide by the number of sentences that the voice answers for.",
        STRIDE / 20: "The width enters squared.",
        STRIDE * 2.5 / 12: "You divided by all 12 sentences. Divide by the 2.5 that this voice answers for.",
        STRIDE * 2.5**2: "You multiplied by the 2.5 sentences. Divide by them.",
        190 + STRIDE: "This is where the centre ends. Asked is by how much it moves.",
        -0.3 * 400 / (2.5 * math.log(2)): "ln 2 stands in the numerator: one bit is ln 2 nats.",
        -0.3: "This is the gradient itself. The EM step multiplies it with s^2 ln 2 / N.",
    },
    "Multiply the gradient with s^2 ln 2 / N, where s is the width and N the number of sentences it answers for.",
)

# ---------------------------------------------------------------- functions: 05-c (E step) and 05-f (two coins)

Slips = Sequence[tuple[Callable[..., Any], str]]


def judge_function(
    name: str,
    cases: Sequence[tuple[Tensor, ...]],
    correct: Callable[..., Tensor],
    slips: Slips,
    praise: str,
    otherwise: str,
) -> Callable[[Any], Verdict]:
    """A judge for a function of tensors, which recognises the results of typical mistakes."""

    def judge(answer: Any) -> Verdict:
        for case in cases:
            got = returned_by(answer, case, name)
            if isinstance(got, Verdict):
                return got
            aim = correct(*case)
            if got.shape != aim.shape:
                return wrong(f"expected shape {list(aim.shape)}, got {list(got.shape)}.")
            if torch.isnan(got).any():
                return wrong(
                    "NaN: far from all centres every exp() is 0, and 0/0 has no value. Stay with logarithms and use softmax."
                )
            if not torch.allclose(got, aim, rtol=0, atol=1e-6):
                found = [hint for slip, hint in slips if torch.allclose(got, slip(*case), rtol=0, atol=1e-6)]
                return wrong(found[0] if found else otherwise)
        return right(praise)

    return judge


def e_step(pitches: Tensor, centres: Tensor, width: Tensor, prior: Tensor) -> Tensor:
    """A right answer to 05-c: responsibilities, ``[sentence, voice]``."""
    squared = (pitches[:, None] - centres) ** 2  # [sentence, voice]
    return torch.softmax(torch.log(prior) - squared / (2 * width**2), -1)


def _bells(pitches: Tensor, centres: Tensor, width: Tensor, prior: Tensor) -> Tensor:
    return prior * torch.exp(-((pitches[:, None] - centres) ** 2) / (2 * width**2))


def _flat(prior: Tensor) -> Tensor:
    return torch.full_like(prior, 1 / len(prior))


E_CASES = (
    (_tensor([110.0, 150, 160, 205]), _tensor([120.0, 200]), _tensor(20.0), _tensor([0.3, 0.7])),
    (_tensor([90.0, 130, 170, 171, 260]), _tensor([100.0, 160, 240]), _tensor(30.0), _tensor([0.5, 0.2, 0.3])),
    (_tensor([140.0, 1500]), _tensor([120.0, 200]), _tensor(20.0), _tensor([0.5, 0.5])),
)  # fmt: skip

# fmt: off
E_SLIPS: Slips = (
    (lambda x, c, s, p: e_step(x, c, s, _flat(p)), "the prior is missing: add its logarithm, or multiply with it."),
    (_bells, "the rows do not sum to 1. Divide by the sum over voices."),
    (lambda x, c, s, p: torch.softmax(torch.log(p) - (x[:, None] - c) ** 2 / (2 * s**2), 0),
        "it normalises over sentences. Each sentence is split between the voices: normalise along the last axis."),
    (lambda x, c, s, p: torch.softmax(p - (x[:, None] - c) ** 2 / (2 * s**2), -1),
        "the prior enters a softmax as its logarithm."),
    (lambda x, c, s, p: torch.softmax(torch.log(p) - (x[:, None] - c) ** 2 / s**2, -1),
        "the 2 is missing: the square is divided by 2 s^2."),
    (lambda x, c, s, p: torch.softmax(torch.log(p) - (x[:, None] - c) ** 2 / (2 * s), -1), "the width has to be squared."),
    (lambda x, c, s, p: torch.softmax(torch.log(p) - (x[:, None] - c).abs() / s, -1), "the distance has to be squared."),
    (lambda x, c, s, p: torch.softmax(_bells(x, c, s, p), -1),
        "softmax takes the exponential once more. Give it logarithms, or divide the weights by their sum."),
)
# fmt: on


def coin_round(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    """A right answer to 05-f: one round of EM for coins, ``[coin]``."""
    shares = _coin_shares(heads, tosses, chance)  # [game, coin]
    return (shares * heads[:, None]).sum(0) / (shares * tosses[:, None]).sum(0)


def _coin_shares(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    tails = tosses - heads  # [game]
    return torch.softmax(heads[:, None] * chance.log() + tails[:, None] * (1 - chance).log(), -1)


def _coin_hard(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    shares = (_coin_shares(heads, tosses, chance) > 0.5).double()
    return (shares * heads[:, None]).sum(0) / (shares * tosses[:, None]).sum(0)


def _coin_rates(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    shares = _coin_shares(heads, tosses, chance)
    return (shares * (heads / tosses)[:, None]).sum(0) / shares.sum(0)


def _coin_heads_only(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    shares = torch.softmax(heads[:, None] * chance.log(), -1)
    return (shares * heads[:, None]).sum(0) / (shares * tosses[:, None]).sum(0)


def _coin_per_game(heads: Tensor, tosses: Tensor, chance: Tensor) -> Tensor:
    shares = _coin_shares(heads, tosses, chance)
    return (shares * heads[:, None]).sum(0) / shares.sum(0)


COIN_CASES = (
    (_tensor([5.0, 9, 4, 14, 3]), _tensor([10.0, 10, 10, 20, 5]), _tensor([0.6, 0.5])),
    (_tensor([1.0, 7, 2, 11]), _tensor([6.0, 8, 9, 12]), _tensor([0.2, 0.7])),
)

# fmt: off
COIN_SLIPS: Slips = (
    (_coin_hard, "each game is given to one coin whole. EM splits it by the responsibilities."),
    (_coin_rates, "it averages the rates of the games, as if all were equally long. Sum heads, sum tosses, then divide."),
    (_coin_heads_only, "the tails are missing from the likelihood: (1 - chance) to the power of the tails."),
    (_coin_per_game, "divided by the number of games. Divide by the number of tosses that the coin answers for."),
    (lambda h, n, c: c, "the chances are unchanged: this is the start again."),
    (lambda h, n, c: (h.sum() / n.sum()).expand(2),
        "both coins get the overall rate. Weigh each game with its responsibilities."),
)
# fmt: on

write_e_step = judge_function(
    "e_step",
    E_CASES,
    e_step,
    E_SLIPS,
    "Right, and safe far away from all centres. This is em.responsibilities for numbers on a line.",
    "not the responsibilities. Log prior minus d^2 / (2 s^2), then softmax over the voices.",
)

write_coin_round = judge_function(
    "coin_round",
    COIN_CASES,
    coin_round,
    COIN_SLIPS,
    "Right. The two steps are the same, only the likelihood has changed: EM is a recipe for any mixture.",
    "not a round of EM. First the responsibilities of the coins for each game, then their share of heads and tosses.",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


def _divided_bells(pitches: Tensor, centres: Tensor, width: Tensor, prior: Tensor) -> Tensor:
    weights = _bells(pitches, centres, width, prior)
    return weights / weights.sum(-1, keepdim=True)


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("05-a", one_responsibility, LOW_VOICE,
        (0.119, "voice 2"), (1, "nearer voice"), (0.625, "shares of the distance"), (0.982, "The 2 in the exponent"),
        (0.506, "not squared"), (0.8, "base is e"), (7.39, "odds"), (0.325, "alone"),
        (88.1, "percent"), (0.5, "both bells")),
    _check("05-b", one_centre, CENTRE,
        (86, "number of sentences"), (156.7, "plain mean"), (135, "more likely voice 1's"), (258, "weighted sum"),
        (176.7, "where voice 2 moves"), (1.8, "answers for"), (120, "Multiply each pitch")),
    _check("05-c", write_e_step, e_step, *E_SLIPS,
        (_divided_bells, "0/0 has no value"), (lambda x, c, s, p: None, "end in return"),
        (lambda x, c, s, p: e_step(x, c, s, p).T, "expected shape [4, 2]"), (0.881, "without brackets"),
        (lambda x, c, s, p: 1 - e_step(x, c, s, p), "not the responsibilities")),
    _check("05-d", one_gap, GAP,
        (BACKWARDS, "other way round"), (0.434, "nats"), (0.527, "entropy of the responsibilities"),
        (1, "one half and one half"), (0, "touches only"), (-0.626, "never negative"), (0.817, "one term alone"),
        (1.252, "weight one half")),
    _check("05-e", one_stride, STRIDE,
        (33.3, "sign is lost"), (-48, "ln 2 is missing"), (-83.2, "Divide by the number"), (-1.66, "squared"),
        (-6.93, "all 12 sentences"), (156.7, "where the centre ends"), (-0.3, "gradient itself")),
    _check("05-f", write_coin_round, coin_round, *COIN_SLIPS,
        (lambda h, n, c: None, "end in return"), (_coin_shares, "expected shape [2]"), ([0.7, 0.5], "without brackets")),
)
# fmt: on
