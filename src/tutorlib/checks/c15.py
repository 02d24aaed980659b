"""Checks of chapter 15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import Check, Verdict, expect_number, returned_by, right, wrong

Slips = tuple[tuple[Callable[..., Tensor], str], ...]

# ---------------------------------------------------------------- 15-a: when has it settled?

SETTLED = 40.0

settled_number = expect_number(
    SETTLED,
    "Right: step 40. At 20 the curve was near already, and left again at 30.",
    {
        20.0: "The curve is near its end there, and at step 30 it is not. It has to stay.",
        30.0: "At this step it is still 0.2 away. This is the last moment outside.",
        10.0: "At this step it is 0.3 away. A tenth of the range is 0.1.",
        50.0: "It is within 0.1 one moment earlier already.",
        60.0: "Settled does not ask for the last value itself; within a tenth of the range is enough.",
        4.0: "This is the number of the moment. Give the step.",
    },
    "Find the last moment at which the curve is more than 0.1 from its last value; the answer is the one after.",
    tolerance=0.5,
)

# ---------------------------------------------------------------- 15-b: what the bigram observer says

BIGRAM = 3 / 5

bigram = expect_number(
    BIGRAM,
    "Right: after 0 came a 1 both times, and (2 + 1) / (2 + 3) = 0.6. The unigram observer would say 0.375.",
    {
        3 / 8: "This is the unigram observer, who counts symbols: (2 + 1) / (5 + 3). What came after each 0?",
        1.0: "These are the counts alone, 2 of 2. Add one to the count of each of the three symbols.",
        2 / 5: "One is added below three times and not above.",
        3 / 4: "Three symbols are possible, so three is added below.",
        3 / 7: "Of the four steps in the sequence only those that start at 0 count.",
        1 / 3: "This is the uniform observer.",
        1 / 2: "The present 0 has not been followed yet, so only two steps start at 0.",
        60.0: "This is in percent. Give a probability.",
    },
    "Count what followed a 0 so far, add one for each of the three symbols, and normalise.",
)

# ---------------------------------------------------------------- 15-c: the posterior over two tasks

FEW = 0.68

few_tasks = expect_number(
    FEW,
    "Right: the posterior is 0.8 for the first coin, and 0.8 * 0.8 + 0.2 * 0.2 = 0.68.",
    {
        0.8: "This is the posterior of the first coin, or its chance of heads. The next toss may come from either coin.",
        0.6: "This is the observer to whom all coins are possible, (2 + 1) / (3 + 2). Here there are only two.",
        2 / 3: "This is the frequency so far. What can the two coins do?",
        0.5: "This is the mean of the coins before any toss. Weigh them by the posterior.",
        0.92: "The tail is missing in the likelihood, or 0.8 was used for it under both coins.",
        0.128: "This is the likelihood of the first coin. Normalise, then predict.",
        0.512 / 0.52 * 0.8
        + 0.008 / 0.52 * 0.2: "The third toss was tails: 0.8 * 0.8 * 0.2 for the first coin.",
        68.0: "This is in percent. Give a probability.",
    },
    "Posterior first: 0.8 * 0.8 * 0.2 against 0.2 * 0.2 * 0.8. Then the mean of the coins with these weights.",
    tolerance=0.004,
)

# ---------------------------------------------------------------- 15-d: done, in bits


def right_done(excess: Tensor, tolerance: Tensor) -> Tensor:
    """Index of the first moment from which on all are at most the tolerance."""
    above = (excess > tolerance).nonzero().flatten()
    return above.max() + 1 if len(above) else torch.tensor(0)


DONE_SLIPS: Slips = (
    (lambda e, t: (e <= t).nonzero().flatten().min(),
     "this is the first moment below. The curve comes up again later, and it has to stay."),
    (lambda e, t: right_done(e, t) - 1, "this is the last moment above. The answer is the one after it."),
    (lambda e, t: right_done(e, t) + 1, "one too late: the moment after the last one above is it already."),
    (lambda e, t: (e > t).sum(), "moments above are counted, wherever they stand. Which is the last of them?"),
    (lambda e, t: (e <= t).sum(), "moments below are counted. Which is the last one above?"),
    (lambda e, t: right_done(e - e.min(), t), "the smallest value was taken off. It is an excess already."),
)  # fmt: skip

# ---------------------------------------------------------------- 15-e: where an induction head looks


def right_places(tokens: Tensor) -> Tensor:
    """``[time, time]``: 1 where the token before that place equals the asking token, and not later than it."""
    tokens = tokens.long()
    same = torch.zeros(len(tokens), len(tokens), dtype=torch.float64)
    same[:, 1:] = (tokens[None, :-1] == tokens[:, None]).double()
    return same.tril()


def _same(tokens: Tensor) -> Tensor:
    return (tokens[None] == tokens[:, None]).double()


PLACES_SLIPS: Slips = (
    (lambda t: _same(t).tril(), "these are copies of the token itself. Asked is the place right after each copy."),
    (lambda t: _same(t).tril(-1), "these are earlier copies of the token. Asked is the place right after each copy."),
    (lambda t: right_places(t.flip(0)).flip(0, 1), "these are the places before a copy, in the future. Look back."),
    (lambda t: torch.nn.functional.pad(_same(t)[:, :-1], (1, 0)), "the future is in it: no later place, please."),
    (lambda t: right_places(t).T, "rows and columns have changed places: rows ask."),
    (lambda t: right_places(t).tril(-1), "where a token follows its own copy, its own place counts too."),
    (lambda t: torch.nn.functional.pad(_same(t)[:, 1:], (0, 1)).tril(), "these are the places before each copy."),
)  # fmt: skip

# ---------------------------------------------------------------- 15-f: the share


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log2()).sum(-1)


def right_share(net: Tensor, few: Tensor, every: Tensor) -> Tensor:
    """Mean KL from all tasks, as a share of both mean distances."""
    far, near = _kl(every, net).mean(), _kl(few, net).mean()
    return far / (far + near)


SHARE_SLIPS: Slips = (
    (lambda n, f, a: right_share(n, a, f), "the two observers have changed places: 1 is for one who knows the M tasks."),
    (lambda n, f, a: _kl(n, a).mean() / (_kl(n, a).mean() + _kl(n, f).mean()),
     "KL is turned round. The observer comes first, the network second."),
    (lambda n, f, a: (_kl(a, n) / (_kl(a, n) + _kl(f, n))).mean(),
     "a share at each place was averaged. Average the distances first, then divide once."),
    (lambda n, f, a: _kl(a, n).mean() / _kl(f, n).mean(), "this is a ratio of distances. Below stands their sum."),
    (lambda n, f, a: _kl(a, n).mean() - _kl(f, n).mean(), "this is a difference of distances. Asked is a share."),
    (lambda n, f, a: _kl(a, n).mean() / _kl(a, f).mean(), "below stands how far the observers are apart."),
    (lambda n, f, a: (a - n).abs().mean() / ((a - n).abs().mean() + (f - n).abs().mean()), "these are differences. Use KL."),
)  # fmt: skip


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _inputs(name: str) -> list[tuple[Tensor, ...]]:
    if name == "my_done":
        curves = (
            [1.0, 0.05, 0.3, 0.06, 0.105, 0.105, 0.08, 0.03, 0.02, 0.01, 0.02, 0.03],
            [0.9, 0.4, 0.02, 0.5, 0.06, 0.3, 0.11, 0.07, 0.09],
        )
        return [
            (torch.tensor(c, dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64)) for c in curves
        ]
    if name == "places":
        return [(torch.tensor(t),) for t in ([0, 1, 0, 0, 2, 1, 0], [2, 2, 1, 0, 1, 2])]
    return [tuple(_normal(s + k, 4, 6, 3).softmax(-1) for k in range(3)) for s in (0, 10)]


def _function(
    name: str, correct: Callable[..., Tensor], slips: Slips, praise: str
) -> Callable[[Any], Verdict]:
    def judge(answer: Any) -> Verdict:
        for case in _inputs(name):
            got = returned_by(answer, case, name)
            if isinstance(got, Verdict):
                return got
            expected = correct(*case).double()
            if got.numel() != expected.numel():
                return wrong(f"expected the shape {list(expected.shape)}, got {list(got.shape)}.")
            if not torch.allclose(got.reshape(expected.shape), expected, rtol=0, atol=1e-6):
                for slip, hint in slips:
                    if torch.allclose(got.reshape(expected.shape), slip(*case).double(), rtol=0, atol=1e-6):
                        return wrong(hint)
                return wrong("not what was asked for. Try it on an input small enough to do by hand.")
        return right(praise)

    return judge


def as_given(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, to be handed in as an answer."""
    return lambda *given: function(*given).double()


done_function = _function("my_done", right_done, DONE_SLIPS, "Right: the moment after the last one above.")
places_function = _function(
    "places",
    right_places,
    PLACES_SLIPS,
    "Right. A head that puts its weight there reads off what came next last time.",
)
share_function = _function(
    "my_share",
    right_share,
    SHARE_SLIPS,
    "Right. Below a half the network is nearer to the observer of all tasks.",
)


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""
    return Check(exercise, judge, _give(correct), tuple((_give(value), words) for value, words in mistakes))


CHECKS: tuple[Check, ...] = (
    _check("15-a", settled_number, SETTLED,
        (20, "It has to stay"), (30, "last moment outside"), (10, "A tenth of the range"), (50, "one moment earlier"),
        (60, "does not ask"), (4, "Give the step"), (5, "the one after")),
    _check("15-b", bigram, BIGRAM,
        (0.375, "unigram observer"), (1, "counts alone"), (0.4, "not above"), (0.75, "Three symbols"),
        (0.4286, "start at 0"), (0.333, "uniform"), (0.5, "not been followed"), (60, "in percent"), (7, "normalise")),
    _check("15-c", few_tasks, FEW,
        (0.8, "either coin"), (0.6, "all coins"), (0.667, "frequency"), (0.5, "before any toss"), (0.128, "likelihood"),
        (0.791, "third toss was tails"), (0.92, "tail is missing"), (68, "in percent"), (7, "Posterior first")),
    _check("15-d", done_function, as_given(right_done),
        *((as_given(slip), words) for slip, words in DONE_SLIPS), (lambda e, t: None, "end in return"),
        (lambda e, t: e, "expected the shape"), (3, "without brackets")),
    _check("15-e", places_function, as_given(right_places),
        *((as_given(slip), words) for slip, words in PLACES_SLIPS), (lambda t: None, "end in return"),
        (lambda t: t, "expected the shape"), (3, "without brackets")),
    _check("15-f", share_function, as_given(right_share),
        *((as_given(slip), words) for slip, words in SHARE_SLIPS), (lambda n, f, a: None, "end in return"),
        (lambda n, f, a: n, "expected the shape"), (3, "without brackets")),
)  # fmt: skip
