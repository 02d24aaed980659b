"""Checks of chapter 9, the HMM wind tunnel."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong
from tutorlib.tunnels import HMM

__all__ = ["CHECKS"]

# 09-a: S = 4 states, V = 6 symbols, K = 10 observations in the authors' layout.
TOKENS = 3 + 4 * 4 + 4 * 6 + 2 * 10
# 09-b: the paper's numbers of v1, bits.
AT_50, WITHIN = 0.0288, 7.5e-5
BEYOND = (50 * AT_50 - 20 * WITHIN) / 30
# 09-d: a belief.
BELIEF = (0.5, 0.3, 0.2)
VARIANCE = 1 - sum(b * b for b in BELIEF)
# 09-e: two rungs and a network, KL in bits.
ONE, TWO, NETWORK = 0.0312, 0.0039, 0.0112
WINDOW = 1 + (ONE - NETWORK) / (ONE - TWO)

_tokens = expect_number(
    TOKENS,
    "three marks, 16 transitions, 24 emissions, and two tokens for each of 10 observations: 63.",
    {
        TOKENS - 3: "Three marks stand in the header as well: [TRANS], [EMIT] and [SEP].",
        TOKENS - 10: "Each observation takes two tokens: the mark [OBS] and the symbol.",
        TOKENS - 20: "That is the header. The question asks for the whole sequence with its 10 observations.",
        93: "93 is the length for 5 states, 5 symbols and 20 observations. Here they are 4, 6 and 10.",
        3 + 2 * 24 + 20: "T has a row and a column for each state: 4 times 4 entries. Only E has 6 columns.",
    },
    "Count: the three marks, all entries of T (states by states), all of E (states by symbols), two tokens an observation.",
    tolerance=0.4,
)

_beyond = expect_number(
    BEYOND,
    "0.048 bit on average at positions 21 to 50, about 640 times the error within.",
    {
        AT_50: "That is the mean over all 50 positions. The first 20 of them pull it down.",
        AT_50
        * 50
        / 20: "You divided by 20, the number of positions within. The 30 positions beyond carry the error.",
        AT_50
        - WITHIN: "A mean over 50 positions is no sum of two means: weigh each part by its share of the positions.",
        AT_50 * 20 / 30: "The total of the errors is 50 times the mean, since there are 50 positions.",
    },
    "The sum over 50 positions is 50 times the mean. Take away 20 times the mean within, and divide by 30.",
    tolerance=1.5e-4,
)

_variance = expect_number(
    VARIANCE,
    "b(1 - b) for each state, 0.25 + 0.21 + 0.16: one sampled state is a noisy stand-in for the belief.",
    {
        1 - VARIANCE: "That is the sum of the squares. The variance is 1 minus that.",
        VARIANCE / 3: "That is the mean over the three states. The question asks for the sum.",
        math.sqrt(VARIANCE): "That is the square root of it. The question asks for the variance itself.",
        0.25: "That is the variance of the first entry only. Add those of the other two.",
        float(
            bits.entropy(torch.tensor(BELIEF))
        ): "That is the entropy in bits. The question is about a variance.",
    },
    "Entry i of a one-hot state is 1 with probability b_i, else 0. Its variance is b_i (1 - b_i). Add the three.",
)

_window = expect_number(
    WINDOW,
    "an observer who sees two symbols in 73 % of the sequences and one in the others has the same mean KL.",
    {
        1 + (NETWORK - TWO) / (ONE - TWO): "You counted from the wrong end: a KL near that of window 2 must "
        "give a number near 2.",
        1 + math.log(ONE / NETWORK) / math.log(ONE / TWO): "You interpolated the logarithms. Mean KL is "
        "linear in the share of sequences.",
        ONE / NETWORK: "That is the ratio of the two KL. The equivalent window lies between 1 and 2.",
        (ONE - NETWORK) / (ONE - TWO): "That is the share of sequences with two symbols. Those with one "
        "count too: add 1.",
    },
    "Which share x of sequences with two symbols gives (1 - x) 0.0312 + x 0.0039 = 0.0112? The window is 1 + x.",
    tolerance=0.006,
)


def one_step(before: Tensor, T: Tensor, likelihood: Tensor) -> Tensor:
    """A right answer to 09-c: law of the state given the true state before it and the symbol now, ``[n, states]``."""
    weights = T[before] * likelihood  # [n, states]
    return weights / weights.sum(-1, keepdim=True)


def _judge_one_step(answer: Any) -> Verdict:
    tables = HMM(4, 4).sample_tasks(1, torch.Generator().manual_seed(9))[0]  # [4, 8]
    T, E = tables.split(4, -1)
    before, seen = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([2, 0, 1, 3, 3])
    likelihood = E.T[seen]  # [5, states]
    found = returned_by(answer, [before, T, likelihood], "one_step")
    if isinstance(found, Verdict):
        return found
    expected = one_step(before, T, likelihood)
    if found.shape != expected.shape:
        return wrong(f"expected [n, states] = {tuple(expected.shape)}, got {tuple(found.shape)}.")
    if torch.allclose(found, expected, atol=1e-5):
        return right(
            "one Bayes step from a state that is known: the belief with its prior replaced by a row of T."
        )
    if torch.allclose(found, T[before] * likelihood, atol=1e-5):
        return wrong("the weights are right, but the rows do not sum to 1. Normalise.")
    if torch.allclose(found, T[before], atol=1e-5):
        return wrong("that is the prediction. The symbol now is known too: weigh by its likelihood.")
    weights = T.T[before] * likelihood
    if torch.allclose(found, weights / weights.sum(-1, keepdim=True), atol=1e-5):
        return wrong("you took a column of T. Row i holds where state i goes.")
    if torch.allclose(found, likelihood / likelihood.sum(-1, keepdim=True), atol=1e-5):
        return wrong("that forgets the state before. Its row of T is the prior.")
    return wrong("expected row T[before] times the likelihood, divided by its sum, for each of the n cases.")


def last_two(tokens: Tensor, header: Tensor) -> Tensor:
    """A right answer to 09-f: the exact belief from the last two symbols, ``[batch, time, states]``."""
    T, E = header.split(5, -1)
    likelihood = E.mT[torch.arange(len(tokens))[:, None], tokens]  # [batch, time, states]
    law = torch.full((len(tokens), 1, 5), 0.2, dtype=T.dtype)  # of the state at each time, nothing seen
    for _ in range(tokens.shape[1] - 1):
        law = torch.cat((law, law[:, -1:] @ T), 1)  # [batch, times so far, states]
    before = law * likelihood
    before = before / before.sum(-1, keepdim=True)
    prior = torch.cat((law[:, :1], before[:, :-1] @ T), 1)  # [batch, time, states]
    weights = prior * likelihood
    return weights / weights.sum(-1, keepdim=True)


def _judge_last_two(answer: Any) -> Verdict:
    tunnel = HMM(law="sticky", observations=12)
    batch = tunnel.sample(64, torch.Generator().manual_seed(909))
    header = batch.header
    if header is None:
        raise ValueError("header: expected tables, got none")
    found = returned_by(answer, [batch.tokens, header], "last_two")
    if isinstance(found, Verdict):
        return found
    expected = tunnel.window(batch, 2)[..., 5:]  # [batch, time, states]
    if found.shape != expected.shape:
        return wrong(f"expected [batch, time, states] = {tuple(expected.shape)}, got {tuple(found.shape)}.")
    if not bool(torch.isfinite(found).all()):
        return wrong("some numbers are NaN or infinite.")
    if torch.allclose(found, expected, atol=1e-4):
        return right("the marginal law, weighed by the symbol before, predicted, weighed by the symbol now.")
    if float((found.sum(-1) - 1).abs().max()) > 1e-4:
        return wrong("the beliefs do not sum to 1. Normalise after weighing.")
    for steps, hint in (
        (1, "that is the observer of one symbol: weigh by the symbol before too, then predict."),
        (12, "that is the exact filter: it remembers everything. This observer forgets all but two symbols."),
        (3, "that observer sees three symbols. Two are the one now and the one before."),
    ):
        if torch.allclose(found, tunnel.window(batch, steps)[..., 5:], atol=1e-4):
            return wrong(hint)
    if torch.allclose(found[:, :2], expected[:, :2], atol=1e-4):
        return wrong(
            "right at the first two symbols, wrong later. Before its window the observer knows the time: its prior is the "
            "marginal law, the uniform start moved on by T, once for each step."
        )
    return wrong(
        "at each time: marginal law one step ago, weigh by the symbol before, predict, weigh by the symbol now."
    )


def _uniform_start(tokens: Tensor, header: Tensor) -> Tensor:
    """The mistake in 09-f of starting each window from the uniform law."""
    T, E = header.split(5, -1)
    rows = torch.arange(len(tokens))[:, None]
    likelihood = E.mT[rows, tokens]  # [batch, time, states]
    before = likelihood / likelihood.sum(-1, keepdim=True)
    prior = torch.cat((torch.full_like(before[:, :1], 0.2), before[:, :-1] @ T), 1)
    weights = prior * likelihood
    return weights / weights.sum(-1, keepdim=True)


def _library(steps: int) -> Any:
    """The exact observer of so many symbols, as an answer to 09-f."""

    def answer(tokens: Tensor, header: Tensor) -> Tensor:
        tunnel = HMM(observations=tokens.shape[1])
        batch = tunnel.sample_given(header, torch.Generator())
        return tunnel.window(type(batch)(tokens, batch.targets, header=header), steps)[..., 5:]

    return answer


CHECKS = [
    Check(
        "09-a",
        _tokens,
        lambda: 63,
        (
            (lambda: 60, "marks"),
            (lambda: 53, "two tokens"),
            (lambda: 43, "the header"),
            (lambda: 93, "5 states"),
        ),
    ),
    Check(
        "09-b",
        _beyond,
        lambda: BEYOND,
        (
            (lambda: 0.0288, "all 50 positions"),
            (lambda: 0.072, "You divided by 20"),
            (lambda: 0.0192, "50 times the mean"),
        ),
    ),
    Check(
        "09-c",
        _judge_one_step,
        lambda: one_step,
        (
            (lambda: lambda z, T, like: T[z] * like, "Normalise"),
            (lambda: lambda z, T, like: T[z], "weigh by its likelihood"),
            (lambda: lambda z, T, like: one_step(z, T.T, like), "a column of T"),
            (lambda: lambda z, T, like: like / like.sum(-1, keepdim=True), "forgets the state before"),
        ),
    ),
    Check(
        "09-d",
        _variance,
        lambda: 0.62,
        ((lambda: 0.38, "the squares"), (lambda: 0.62 / 3, "mean over"), (lambda: 1.485, "the entropy")),
    ),
    Check(
        "09-e",
        _window,
        lambda: 1.733,
        ((lambda: 1.267, "wrong end"), (lambda: 1.493, "logarithms"), (lambda: 0.733, "add 1")),
    ),
    Check(
        "09-f",
        _judge_last_two,
        lambda: last_two,
        (
            (lambda: _library(1), "one symbol"),
            (lambda: _library(12), "exact filter"),
            (lambda: _uniform_start, "marginal law"),
            (lambda: lambda tokens, header: last_two(tokens, header) * 2, "sum to 1"),
        ),
    ),
]
