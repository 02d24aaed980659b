"""Checks of chapter 03."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib import bayes, bits
from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong

PERCENT = "This is in percent. Give a share between 0 and 1."
NATS = "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2."

# ---------------------------------------------------------------- 03-a: a pair and a failed try

LEFT = 96.0

still_there = expect_number(
    LEFT,
    "Right: 120 pairings have key 1 in D, and key 2 is at A in 24 of them. The try cost those 24 and no others.",
    {
        120.0: "This is what the first clue leaves. The failed try crosses out some of these.",
        100.0: "You took one sixth away. Once D is taken, key 2 has five lockers left, not six.",
        24.0: "These are the pairings in which key 2 does open A: the ones to cross out.",
        480.0: "You took 120 away twice. The two clues overlap: many pairings have neither.",
        600.0: "This is what the failed try alone leaves. The clue that key 1 opens D is missing.",
        576.0: "Here key 1 need not open D. Begin with the 120 pairings that have this pair.",
        0.8: "This is the share of the 120. Asked is the number of pairings.",
        LEFT / 720: "This is a share of 720. Asked is the number of pairings.",
    },
    "Begin with the 120 pairings in which key 1 opens D, and count those in which key 2 opens A.",
    tolerance=1e-3,
)

# ---------------------------------------------------------------- 03-b: Laplace's rule

NEXT_HEADS = 8 / 11

next_heads = expect_number(
    NEXT_HEADS,
    "Right: seven heads and one imagined one, of nine tosses and two imagined ones.",
    {
        7 / 9: "This is the share of heads so far. It forgets the prior: after one toss it would say 0 or 1.",
        8 / 10: "You added one toss. The rule imagines two: one head and one tail.",
        7 / 11: "You added two tosses, and no head among them. One of the two is a head.",
        3 / 11: "This is the chance of tails. Asked is heads.",
        0.5: "This is the chance before any toss.",
        8 / 3: "These are odds. Asked is a chance.",
        100 * NEXT_HEADS: PERCENT,
    },
    "Two tosses are imagined on top of those seen, one of each kind. What share of all of them is heads?",
)

# ---------------------------------------------------------------- 03-c: a batch update that does not underflow


def _belief(prior: Tensor, biases: Tensor, tosses: Tensor) -> Tensor:
    """The right answer: logarithms of prior and likelihood, then one softmax."""
    count = tosses.sum()  # heads
    logs = prior.log() + torch.xlogy(count, biases) + torch.xlogy(len(tosses) - count, 1 - biases)  # [coins]
    return logs.softmax(-1)


def _games() -> list[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, prior, biases, tosses; the last has more tosses than a product in float64 can bear."""
    eleven = torch.linspace(0, 1, 11, dtype=torch.float64)
    skew = bayes.normalise(torch.arange(1, 12, dtype=torch.float64))
    few = torch.tensor([1, 1, 0, 1])
    many = (torch.arange(5000) % 10 < 7).long()  # 3,500 heads
    some = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    crossed = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64)
    return [
        ("four tosses", skew, eleven, few),
        ("no toss yet", skew, eleven, few[:0]),
        ("three coins, one of them crossed out", crossed, some, few),
        ("5,000 tosses", skew, eleven, many),
    ]


SLIPS: tuple[tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str], ...] = (
    (
        lambda p, b, x: _belief(torch.ones_like(p), b, x),
        "this forgets the prior: every coin was given the same weight to begin with",
    ),
    (lambda p, b, x: _belief(p, b, 1 - x), "heads and tails are swapped: 1 is heads, with chance biases"),
    (
        lambda p, b, x: bayes.normalise(p * b ** x.sum()),
        "the tails are left out: each of them has the likelihood 1 - biases",
    ),
    (
        lambda p, b, x: p * b ** x.sum() * (1 - b) ** (len(x) - x.sum()),
        "the weights are not normalised: they do not sum to 1",
    ),
    (lambda p, b, x: p, "this is the prior again; the tosses were not used"),
)


def posterior_function(answer: Any) -> Verdict:
    """A judge for a function of prior, biases and tosses."""
    for name, prior, biases, tosses in _games():
        got = returned_by(answer, (prior, biases, tosses), "coin_posterior", f" on {name}")
        if isinstance(got, Verdict):
            return got
        if got.shape != prior.shape:
            return wrong(
                f"expected one probability for each of {len(prior)} coins, a tensor {list(prior.shape)}, "
                f"got shape {list(got.shape)}."
            )
        if verdict := _fault(name, got, prior, biases, tosses):
            return verdict
    return right("Right, also after 5,000 tosses, and for coins that never or always show heads.")


def _fault(name: str, got: Tensor, prior: Tensor, biases: Tensor, tosses: Tensor) -> Verdict | None:
    aim = _belief(prior, biases, tosses)
    if torch.allclose(got, aim, rtol=0, atol=1e-6):
        return None
    if torch.isnan(got).any():
        if name == "5,000 tosses":
            return wrong(
                "on 5,000 tosses it gives nan: the product of so many likelihoods is too small for a float, 0/0 is "
                "what is left. Add logarithms, and subtract the largest before you return to probabilities."
            )
        return wrong(
            f"on {name} it gives nan: 0 times the logarithm of 0 is nan. torch.xlogy(count, chance) gives 0 there."
        )
    for slip, hint in SLIPS:
        if torch.allclose(got, slip(prior, biases, tosses), rtol=0, atol=1e-6):
            return wrong(f"on {name}: {hint}.")
    return wrong(
        f"on {name} it is not the posterior. Weigh the prior by biases for a head, 1 - biases for a tail."
    )


# ---------------------------------------------------------------- 03-d: the price of a prior

PRICE = math.log2(100)

price = expect_number(
    PRICE,
    "Right: log2(1/0.01). Nothing that the coin does can make it more, and it does not grow with the tosses.",
    {
        math.log2(11): "This is the price with equal shares. Here the true coin was given 0.01, not 1/11.",
        math.log2(10): "0.1 is the share of all ten trick coins together. How much has each?",
        math.log2(1 / 0.9): "This is the price if the coin is the fair one. Here it is another.",
        math.log(100): NATS,
        2.0: "This is the logarithm to base 10. Bits need base 2.",
        100.0: "This is the ratio itself. Take its logarithm to base 2.",
        -PRICE: "The sign: the price is log2 of 1 over the share.",
        math.log2(
            90
        ): "This compares with the share of the fair coin. Compare with one who knows the coin: share 1.",
    },
    "Which share of your prior did the true coin get? The price is log2 of 1 over that share.",
)

# ---------------------------------------------------------------- 03-e: the truth is not on the list


def _kl(p: float, q: float) -> float:
    return float(bits.kl_divergence([p, 1 - p], [q, 1 - q]))


RENT = _kl(0.35, 0.5)

rent = expect_number(
    RENT,
    "Right: KL(0.35 || 0.5). The coins 0.2 and 0.5 are equally far in chance, and not in bits. The rent never ends.",
    {
        _kl(
            0.35, 0.2
        ): "This is the cost of the coin 0.2. Another coin on the list costs less, so the belief goes there.",
        _kl(
            0.5, 0.35
        ): "The divergence is the other way round: the tosses follow 0.35, and 0.5 is what is believed.",
        _kl(0.35, 0.8): "This is the cost of the coin 0.8, the worst of the three.",
        (RENT + _kl(0.35, 0.2))
        / 2: "You averaged two coins. After many tosses one coin has nearly all the belief.",
        RENT * math.log(2): NATS,
        0.0: "It does not wash out: none of the three coins is the true one, so some bits are lost at every toss.",
        0.15: "This is the difference of the two chances. The cost in bits is a divergence.",
        1.0: "This is all that is paid per toss. Subtract what one who knows the coin pays too, the entropy of 0.35.",
        float(
            bits.entropy([0.35, 0.65])
        ): "This is what one who knows the coin pays. Asked is how much more you pay.",
    },
    "Work out the KL divergence from the true coin to each of the three. The belief settles on the nearest.",
)

# ---------------------------------------------------------------- 03-f: a helper who knows

WEIGHTS = torch.tensor(
    [1 / 5, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 0.0], dtype=torch.float64
)  # of "not F", locker A to F
OPENS_B = float(bayes.normalise(WEIGHTS)[1])

helper = expect_number(
    OPENS_B,
    "Right: 5/24. The helper could not have named A, so his words leave A at 1/6 and lift B.",
    {
        0.2: "This crosses F out and leaves five equal lockers. But the helper is less likely to say F if A is "
        "the right one: then he has five lockers to choose from, and else four.",
        1 / 6: "This is the chance before he spoke. It stays so for A, and B changes.",
        0.25: "This shares everything among B to E. A is still possible.",
        1 / 24: "This is the weight of B, prior times likelihood. Divide by the sum of all weights.",
        WEIGHTS[1].item()
        / 6
        / (5 / 6): "You divided by 5/6. Divide by the sum of the weights, which is 1/5.",
        1 - OPENS_B: "This is the chance that key 1 does not open B.",
        100 * OPENS_B: PERCENT,
    },
    "For each locker that may be the right one: how likely is it then that the helper says F?",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


def _by_products(prior: Tensor, biases: Tensor, tosses: Tensor) -> Tensor:
    weights = prior * torch.where(tosses[:, None] == 1, biases, 1 - biases).prod(0)
    return weights / weights.sum()


def _with_log(prior: Tensor, biases: Tensor, tosses: Tensor) -> Tensor:
    count = tosses.sum()
    logs = prior.log() + count * biases.log() + (len(tosses) - count) * (1 - biases).log()
    return logs.softmax(-1)


def _in_place(prior: Tensor, biases: Tensor, tosses: Tensor) -> Tensor:
    prior *= 2
    return prior / prior.sum()


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("03-a", still_there, LEFT,
        (120, "what the first clue leaves"), (100, "five lockers left"), (24, "does open A"), (480, "twice"),
        (600, "failed try alone"), (0.8, "share of the 120"), (96 / 720, "share of 720"), (95, "Begin with the 120")),
    _check("03-b", next_heads, NEXT_HEADS,
        (7 / 9, "share of heads so far"), (0.8, "imagines two"), (7 / 11, "One of the two"), (3 / 11, "chance of tails"),
        (0.5, "before any toss"), (72.7, "in percent"), (8 / 3, "odds")),
    _check("03-c", posterior_function, _belief,
        *SLIPS, (_by_products, "5,000 tosses it gives nan"), (_with_log, "torch.xlogy"), (_in_place, "in place"),
        (lambda p, b, x: p.sum(), "one probability for each of 11 coins"), (lambda p, b, x: None, "Does it end in return"),
        (lambda p, b, x: p / 0, "not the posterior"), (lambda p: p, "stopped on four tosses with TypeError"),
        (0.5, "without brackets")),
    _check("03-d", price, PRICE,
        (3.459, "equal shares"), (3.32, "all ten trick coins"), (0.152, "fair one"), (4.605, "nats"),
        (2, "base 10"), (100, "ratio itself"), (-6.64, "sign"), (6.49, "share 1")),
    _check("03-e", rent, RENT,
        (0.0879, "coin 0.2"), (0.0680, "other way round"), (0.688, "worst of the three"), (0.0457, "nats"),
        (0.0769, "averaged"), (0, "does not wash out"), (0.15, "difference of the two chances"), (1, "all that is paid"),
        (0.934, "Asked is how much more")),
    _check("03-f", helper, OPENS_B,
        (0.2, "less likely to say F"), (1 / 6, "stays so for A"), (0.25, "A is still possible"),
        (1 / 24, "Divide by the sum"), (0.05, "divided by 5/6"), (19 / 24, "does not open B"), (20.8, "in percent")),
)
# fmt: on
