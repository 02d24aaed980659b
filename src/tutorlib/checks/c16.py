"""Checks of chapter 16."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong

Slips = tuple[tuple[Callable[..., Tensor], str], ...]

# ---------------------------------------------------------------- 16-a: a mixture of two tellers

MIXED = -(0.7375 * math.log2(0.7375) + 0.2625 * math.log2(0.2625))
_PLAIN = -(0.975 * math.log2(0.975) + 0.025 * math.log2(0.025))

mixture = expect_number(
    MIXED,
    "Right: the law is 0.7375 and 0.2625, and its entropy 0.830 bits: more than the mean of both entropies.",
    {
        (_PLAIN + 1)
        / 2: "This is the mean of the two entropies. Mix the laws first, and take the entropy of the mixture.",
        1.0: "This is the wild teller's entropy.",
        _PLAIN: "This is the plain teller's entropy.",
        MIXED * math.log(2): "This is in nats. Use logarithms to base 2.",
        0.7375: "This is the probability of the first verb. Asked is the entropy of the law.",
        0.2625: "This is the probability of the second verb. Asked is the entropy of the law.",
        (1 + _PLAIN): "These are both entropies added up. Mix the laws first.",
    },
    "The first verb has probability (0.975 + 0.5) / 2. Take the entropy of that law.",
    tolerance=0.004,
)

# ---------------------------------------------------------------- 16-b: the right random reference

REFERENCE = math.sqrt(2 / (math.pi * 576))

reference = expect_number(
    REFERENCE,
    "Right: 0.033. The columns live in 576 dimensions, as wide as the stream that they read.",
    {
        math.sqrt(2 / (math.pi * 64)): "This is for vectors of 64 numbers. There are 64 columns, and each has 576 numbers.",
        math.sqrt(2 / (math.pi * 192)): "192 is the number of columns of all heads. Each column has 576 numbers.",
        1 / 24: "This is 1 / sqrt(576), the typical root mean square. The mean size has 2 / pi under the root.",
        2 / (math.pi * 576): "The square root is missing.",
        math.sqrt(2 / 576): "Pi is missing under the root.",
        0.4: "This is the reference that the paper calls initialisation. Independent random columns do not have it.",
        0.0: "This is the mean with signs. Asked is the mean size.",
    },
    "Each column of the key matrix has as many numbers as the residual stream.",
    tolerance=0.0006,
)  # fmt: skip

# ---------------------------------------------------------------- 16-c: how many axes can there be?

AXES = 74

count = expect_number(
    AXES,
    "Right: 75 points, less their mean, span at most 74 dimensions. Shares of variance must be read beside that.",
    {
        75.0: "Nearly. The mean of the points is taken out first, and that costs one.",
        1024.0: "So many coordinates there are. 75 points cannot spread along all of them.",
        1023.0: "The mean takes one from the number of points, and not from the number of coordinates.",
        73.0: "One too many was taken off. Two points make a line: one axis.",
        1.0: "There can be more: two points make a line, three points a plane.",
        949.0: "This is the number of axes without variance.",
    },
    "Two points make one axis, three points two.",
    tolerance=0.1,
)

# ---------------------------------------------------------------- 16-d: PC1 by choice

FACTOR = 9.0

factor = expect_number(
    FACTOR,
    "Right: the variance becomes 81, and 81 / (81 + 9) is 0.9. The next matrix divides by 9, and nobody notices.",
    {
        81.0: "This is the variance that is needed. A factor on the coordinate counts squared.",
        3.0: "Then both variances are 9, and the share is one half.",
        math.sqrt(90): "Then the share is 90 / 99. The new variance also stands in the sum below.",
        math.sqrt(
            8.1
        ): "This compares 0.9 with the other coordinate's variance alone. The share is of the sum of both.",
        8.1: "This is 0.9 times 9. The share is the new variance by the sum of both variances.",
        27.0: "Nine times too much variance. With factor c the variance is c squared times 1.",
        1 / 9: "Turned round: this makes the coordinate smaller.",
    },
    "With factor c the share is c^2 / (c^2 + 9).",
)

# ---------------------------------------------------------------- functions


def right_token(token: Tensor, y: Tensor, train: Tensor) -> Tensor:
    """Mean of each token over the training rows; their overall mean where a token has none."""
    found = []
    for t in token:
        same = train & (token == t)
        found.append(y[same].mean() if same.any() else y[train].mean())
    return torch.stack(found)


def _token(
    token: Tensor, y: Tensor, used: Tensor, otherwise: Callable[[Tensor, Tensor], Tensor], train: Tensor
) -> Tensor:
    found = []
    for t in token:
        same = used & (token == t)
        found.append(y[same].mean() if same.any() else otherwise(y, train))
    return torch.stack(found)


TOKEN_SLIPS: Slips = (
    (lambda t, y, train: _token(t, y, torch.ones_like(train), lambda y, r: y[r].mean(), train),
     "the held-out rows are in the means, so that a row helps to guess itself. Use the training rows only."),
    (lambda t, y, train: _token(t, y, train, lambda y, r: y.new_zeros(()), train),
     "a token without a training row gets 0. Give it the mean of all training rows."),
    (lambda t, y, train: _token(t, y, train, lambda y, r: y.new_tensor(math.nan), train),
     "a token without a training row gets nan. Give it the mean of all training rows."),
    (lambda t, y, train: _token(t, y, train, lambda y, r: y.mean(), train),
     "a token without a training row gets the mean of all rows, the held-out ones too."),
    (lambda t, y, train: _token(t, y, ~train, lambda y, r: y[r].mean(), train),
     "the means are of the held-out rows. They may only be guessed, never used."),
    (lambda t, y, train: y[train].mean().expand(len(y)), "every row gets the same mean. Take one for each token."),
)  # fmt: skip


def _bits(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1) / math.log(2)


def right_mixture(belief: Tensor, laws: Tensor) -> Tensor:
    """Entropy of the mixed law."""
    return _bits(belief @ laws)


MIXTURE_SLIPS: Slips = (
    (lambda b, p: b @ _bits(p), "this is the mean of the tellers' entropies. Mix the laws first: belief @ laws."),
    (lambda b, p: _bits(b @ p) * math.log(2), "this is in nats. Use log2."),
    (lambda b, p: -((b @ p) * (b @ p).log2()).sum(-1),
     "a word of probability 0 gives nan, because 0 times minus infinity is none. Let such a word add 0."),
    (lambda b, p: -_bits(b @ p), "the sign is the other way round: entropies are not negative."),
    (lambda b, p: _bits(b), "this is the entropy of the belief about the teller. Asked is that of the next word."),
    (lambda b, p: _bits(p.mean(0)).expand(len(b)), "both tellers count the same. Weigh them by the belief."),
)  # fmt: skip


def _cases(name: str) -> tuple[Tensor, ...]:
    """A case on which no slip gives the right answer."""
    g = torch.Generator().manual_seed(16)
    if name == "by_token":
        token = torch.tensor([0, 1, 0, 2, 1, 0, 1, 3, 0, 1])
        train = torch.tensor([1, 1, 1, 0, 0, 0, 1, 1, 1, 0], dtype=torch.bool)
        return token, 1 + torch.rand(10, generator=g, dtype=torch.float64), train
    laws = torch.tensor([[0.9, 0.1, 0.0], [0.3, 0.7, 0.0]], dtype=torch.float64)
    return torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], dtype=torch.float64), laws


def _function(name: str, correct: Callable[..., Tensor], slips: Slips, praise: str) -> Any:
    def judge(answer: Any) -> Verdict:
        case = _cases(name)
        got = returned_by(answer, case, name, f" on {len(case[0])} rows")
        if isinstance(got, Verdict):
            return got
        want = correct(*case)
        if got.shape != want.shape:
            return wrong(f"expected {len(want)} numbers, one a row, got a tensor of shape {list(got.shape)}.")
        if torch.allclose(got, want, rtol=0, atol=1e-5):
            return right(praise)
        for slip, hint in slips:
            if torch.allclose(got, slip(*case), rtol=0, atol=1e-5, equal_nan=True):
                return wrong(hint)
        return wrong("not the numbers asked for. Try it on three rows that you can do by hand.")

    return judge


token_function = _function(
    "by_token",
    right_token,
    TOKEN_SLIPS,
    "Right. A probe that does not beat this reads no more than the token.",
)
mixture_function = _function(
    "mixture_entropy", right_mixture, MIXTURE_SLIPS, "Right: first the mixture, then its entropy."
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("16-a", mixture, MIXED,
        (0.584, "mean of the two"), (1.0, "wild teller"), (0.169, "plain teller"), (0.5756, "in nats"),
        (0.7375, "first verb"), (0.2625, "second verb"), (1.169, "added up"), (3, "Take the entropy")),
    _check("16-b", reference, REFERENCE,
        (0.0997, "64 columns"), (0.0576, "all heads"), (0.0417, "root mean square"), (0.0011, "root is missing"),
        (0.0589, "Pi is missing"), (0.4, "initialisation"), (0.9, "as many numbers as")),
    _check("16-c", count, AXES,
        (75, "costs one"), (1024, "So many coordinates"), (1023, "number of points"), (73, "One too many"),
        (1, "a plane"), (949, "without variance"), (12, "Two points make one axis")),
    _check("16-d", factor, FACTOR,
        (81, "counts squared"), (3, "one half"), (9.487, "stands in the sum below"), (2.846, "sum of both"),
        (8.1, "0.9 times 9"), (27, "Nine times"), (0.111, "Turned round"), (55, "the share is c^2")),
    _check("16-e", token_function, right_token,
        *TOKEN_SLIPS, (lambda t, y, r: y.mean(), "one a row"), (lambda t, y, r: None, "end in return"),
        (lambda t, y, r: y, "by hand"), (0.3, "without brackets")),
    _check("16-f", mixture_function, right_mixture,
        *MIXTURE_SLIPS, (lambda b, p: b @ p, "one a row"), (lambda b, p: None, "end in return"),
        (lambda b, p: b[:, 0], "by hand"), (0.3, "without brackets")),
)
# fmt: on
