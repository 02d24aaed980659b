"""Checks of chapter 02."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.checks import UNANSWERED, Check, Verdict, expect_number, right, wrong

LN2 = math.log(2)


def _entropy(share: float) -> float:
    return float(bits.entropy([share, 1 - share]))


# ---------------------------------------------------------------- 02-a: three rainy mornings

THREE_RAINY = 3 * math.log2(1 / 0.3)

three_rainy = expect_number(
    THREE_RAINY,
    "Right: 1.737 bits a morning. The mornings are independent, so probabilities multiply and surprises add.",
    {
        THREE_RAINY / 3: "This is one rainy morning. Three surprises add up.",
        THREE_RAINY
        * LN2: "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        THREE_RAINY * math.log10(2): "This is the logarithm to base 10. Bits need base 2.",
        0.027: "This is the probability of three rainy mornings. Take log2(1/p) of it.",
        -THREE_RAINY: "A surprise is never negative: it is log2(1/p), with 1/p above 1.",
        3
        * _entropy(
            0.3
        ): "This is the entropy of three mornings, the mean before you look. Asked is the surprise "
        "of what did happen.",
    },
    "What is the probability of three rainy mornings in a row? Its surprise is log2(1/p).",
)

# ---------------------------------------------------------------- 02-b: an entropy

SUNNY_HALF = float(bits.entropy([1 / 2, 1 / 6, 1 / 6, 1 / 6]))

sunny_half = expect_number(
    SUNNY_HALF,
    "Right. It is 1 bit for 'sun or not', and half of the time log2 3 bits more for which of the other three.",
    {
        2.0: "This is the entropy of four equally likely kinds. Here sun is more likely than the others.",
        SUNNY_HALF
        * LN2: "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        (1 + 3 * math.log2(6)) / 4: "You averaged the four surprises equally. Weigh each by its probability.",
        1.75: "This is the entropy of the lighthouse in the text, with shares 1/2, 1/4, 1/8, 1/8.",
        math.log2(6): "This is the surprise of one of the rare kinds, not the mean over all four.",
        0.5 + math.log2(6) / 6: "You counted one of the three rare kinds. All three belong in the sum.",
    },
    "For each kind: probability times log2(1/probability). Then add the four.",
)

# ---------------------------------------------------------------- 02-c: what a wrong belief costs

TRUTH, BELIEF = [0.3, 0.7], [0.9, 0.1]
WASTED = float(bits.kl_divergence(TRUTH, BELIEF))

wasted = expect_number(
    WASTED,
    "Right: more than the whole entropy of 0.881 bits. Saying 'half and half' every evening would cost 0.119.",
    {
        float(
            bits.cross_entropy(TRUTH, BELIEF)
        ): "This is the cross-entropy, all that he pays. Subtract what the "
        "truth itself costs, the entropy of (0.3, 0.7).",
        float(
            bits.kl_divergence(BELIEF, TRUTH)
        ): "This is the other direction, KL(q || p): it weighs the mornings "
        "by what he says. Weigh them by how often they come.",
        WASTED * LN2: "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        float(
            bits.cross_entropy(BELIEF, TRUTH)
        ): "You weighed the mornings by what he says, and scored the truth. It is the other way round.",
        _entropy(
            0.3
        ): "This is the entropy of the town, what one who knows it pays. Asked is what comes on top.",
        _entropy(0.9): "This is the entropy of what he says. It tells how sure he is, not what it costs him.",
        _entropy(0.3)
        - _entropy(0.9): "This is a difference of two entropies. What he pays is the cross-entropy: "
        "the truth's weights with his surprises.",
    },
    "His mean surprise, with the true weights 0.3 and 0.7, minus the entropy of (0.3, 0.7).",
)

# ---------------------------------------------------------------- 02-d: write kl(p, q)


def _pairs() -> list[tuple[Tensor, Tensor]]:
    """Truths and beliefs: one pair, a zero in p, a zero in q, and a table of several."""
    make = lambda values: torch.tensor(values, dtype=torch.float64)  # noqa: E731
    return [
        (make([0.5, 0.25, 0.25]), make([0.25, 0.25, 0.5])),
        (make([0.5, 0.5, 0.0]), make([0.25, 0.5, 0.25])),
        (make([0.5, 0.25, 0.25]), make([0.5, 0.5, 0.0])),
        (make([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]]), make([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])),
    ]


def kl_function(answer: Any) -> Verdict:
    """A judge for a function of p and q; what it returns may also be a number, an array or a list."""
    if not callable(answer):
        return wrong(f"expected your function, got {type(answer).__name__}: pass kl, without brackets")
    for p, q in _pairs():
        try:
            returned = answer(p.clone(), q.clone())
        except Exception as error:
            return wrong(f"it stopped on shape {list(p.shape)} with {type(error).__name__} ({error}).")
        if returned is ...:
            return UNANSWERED
        if returned is None:
            return wrong("your function gave nothing back (None). Does it end in return?")
        got = _numbers(returned)
        if got is None:
            return wrong(f"expected a tensor of numbers, got {type(returned).__name__}. Return a tensor.")
        true = bits.kl_divergence(p, q)
        if got.shape != true.shape:
            what = (
                "sum along the last axis, sum(-1)" if got.ndim >= p.ndim else "sum along the last axis only"
            )
            return wrong(
                f"for shape {list(p.shape)} expected shape {list(true.shape)}, got {list(got.shape)}: {what}."
            )
        if not torch.allclose(got, true, rtol=0, atol=1e-6):
            return wrong(_slip(got, p, q, true))
    return right("Right, with zeros on either side and for many pairs at once, as bits.kl_divergence.")


def _numbers(returned: Any) -> Tensor | None:
    """What the function returned as float64, or None if it is not made of real numbers."""
    try:
        got = torch.as_tensor(returned).detach().cpu()
        return None if got.is_complex() or got.dtype == torch.bool else got.to_dense().double()
    except Exception:  # as_tensor asks the object itself, which may raise anything
        return None


def _slip(got: Tensor, p: Tensor, q: Tensor, true: Tensor) -> str:
    """What a wrong divergence looks like."""
    near = lambda value: torch.allclose(got, value, rtol=0, atol=1e-6)  # noqa: E731
    if torch.isnan(got).any():
        return "it gives NaN where p is 0: 0 times log 0. Such a term is 0; torch.xlogy(p, p) knows that."
    if near(true * LN2):
        return "this is in nats. Use log2, or divide by ln 2."
    if near(bits.kl_divergence(q, p)):
        return "this is KL(q || p). The weights are the truth p, in front of the logarithm."
    if near(bits.cross_entropy(p, q)):
        return "this is the cross-entropy. Subtract the entropy of p."
    if near(-true):
        return "the sign is turned: the fraction is p over q."
    if near(torch.log2(p / q).sum(-1)):
        return "the terms are not weighted: p_i stands in front of each logarithm."
    if torch.isinf(true).any() and not torch.isinf(got).any():
        return "where q is 0 and p is not, the divergence is infinite. Your function hides that."
    if torch.isinf(got).any():
        return "it is infinite where only p is 0. Such a term is 0: what never happens costs nothing."
    return f"not the divergence for p {p.tolist()} and q {q.tolist()}. Each term is p log2(p/q); then add up."


# ---------------------------------------------------------------- 02-e: a floor

FLOOR = _entropy(0.68)

two_box_floor = expect_number(
    FLOOR,
    "Right: below the 1 bit of one who saw nothing, above the 0.722 of one who knows the box.",
    {
        1.0: "This is the floor of one who saw nothing. The first draw has changed the belief.",
        _entropy(
            0.2
        ): "This is the entropy once the box is known. One draw does not tell the box: average the boxes "
        "first, then take the entropy.",
        float(
            bits.cross_entropy([0.68, 0.32], [0.8, 0.2])
        ): "This is what one pays who is sure of the likelier box. It lies above the floor.",
        FLOOR * LN2: "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
        0.68: "This is the predictive itself, the chance that the colour comes again. Take the entropy of (0.68, 0.32).",
        _entropy(0.64): "Square 0.8 and add the square of 0.2: both boxes can show the colour again.",
    },
    "After a red ball, how much do you believe in each box? What is then the chance of red? Its entropy is asked.",
)

# ---------------------------------------------------------------- 02-f: another prior than in training


def _sequences(prior: list[float], draws: int = 8) -> Tensor:
    """Probability of each of the ``2 ** draws`` sequences when box i, with a share i/5 of red, has this prior."""
    seen = torch.tensor(
        list(itertools.product((0.0, 1.0), repeat=draws)), dtype=torch.float64
    )  # [sequence, draw]
    red = torch.arange(5, dtype=torch.float64)[:, None, None] / 5
    chance = torch.where(seen == 1, red, 1 - red).prod(-1)  # [box, sequence]
    return torch.tensor(prior, dtype=torch.float64) @ chance


_BOX_4, _EQUAL = _sequences([0, 0, 0, 0, 1]), _sequences([0.2] * 5)
OTHER_PRIOR = float(bits.kl_divergence(_BOX_4, _EQUAL))

other_prior = expect_number(
    OTHER_PRIOR,
    "Right. It stays below log2 5 = 2.32 bits however long one draws: so much it costs to name one box of five.",
    {
        OTHER_PRIOR / 8: "This is per draw. Asked is the sum over the eight draws.",
        math.log2(
            5
        ): "This is the limit for very many draws. After eight the boxes are not told apart for sure.",
        float(
            bits.cross_entropy(_BOX_4, _EQUAL)
        ): "This is all the surprise of eight draws. Subtract what one pays who knows that it is box 4.",
        8
        * _entropy(
            0.2
        ): "This is what one pays who knows that it is box 4. Asked is what the trained predictor "
        "pays on top.",
        float(bits.entropy(_EQUAL))
        - 8 * _entropy(0.2): "You let the sequences come from all five boxes, as in "
        "training. Now they all come from box 4.",
        8
        * float(bits.kl_divergence([0.8, 0.2], [0.4, 0.6])): "You kept the prediction 0.4 for all draws. The "
        "predictor learns from the draws it sees.",
        float(bits.kl_divergence([0.8, 0.2], [0.4, 0.6])): "This is the first draw alone. Seven more follow.",
        OTHER_PRIOR
        * LN2: "This is in nats: you used the natural logarithm. Bits need the logarithm to base 2.",
    },
    "Two probabilities for each of the 256 sequences: from box 4, and from five equally likely boxes. The total "
    "excess is the KL between them.",
)

# ---------------------------------------------------------------- right answers, and wrong ones with their hints


def _check(exercise: str, judge: Callable[[Any], Verdict], correct: Any, *mistakes: tuple[Any, str]) -> Check:
    """``mistakes`` are pairs of a wrong answer and words of its hint."""

    def give(value: Any) -> Callable[[], Any]:
        return lambda: value

    return Check(exercise, judge, give(correct), tuple((give(value), words) for value, words in mistakes))


def _ratio(p: Tensor, q: Tensor) -> Tensor:
    return p * torch.log2(p / q)


def _with_floor(p: Tensor, q: Tensor) -> Tensor:
    """Hides zeros behind a small number."""
    p, q = p.clamp(min=1e-9), q.clamp(min=1e-9)
    return _ratio(p, q).sum(-1)


def _all_axes(p: Tensor, q: Tensor) -> Tensor:
    return bits.kl_divergence(p, q).sum()


# fmt: off
CHECKS: tuple[Check, ...] = (
    _check("02-a", three_rainy, THREE_RAINY,
        (1.737, "one rainy morning"), (3.612, "nats"), (1.569, "base 10"), (0.027, "probability of three"),
        (-5.21, "negative"), (2.644, "entropy of three"), (8, "mornings in a row")),
    _check("02-b", sunny_half, SUNNY_HALF,
        (2, "four equally likely"), (1.242, "nats"), (2.189, "averaged the four"),
        (1.75, "in the text"), (2.585, "rare kinds, not"), (0.931, "one of the three"), (3, "probability times")),
    _check("02-c", wasted, WASTED,
        (2.371, "cross-entropy, all"), (1.146, "other direction"), (1.0326, "nats"), (1.6147, "other way round"),
        (0.881, "of the town"), (0.469, "how sure he is"), (0.4123, "two entropies"),
        (7, "true weights")),
    _check("02-d", kl_function, bits.kl_divergence,
        (lambda p, q: _ratio(p, q).sum(-1), "NaN where p is 0"),
        (lambda p, q: (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1), "in nats"),
        (lambda p, q: bits.kl_divergence(q, p), "weights are the truth"),
        (bits.cross_entropy, "this is the cross-entropy"),
        (lambda p, q: -bits.kl_divergence(p, q), "sign is turned"),
        (lambda p, q: torch.log2(p / q).sum(-1), "not weighted"),
        (_with_floor, "hides that"),
        (lambda p, q: torch.xlogy(p, p) - torch.xlogy(p, q), "sum along the last axis, sum(-1)"),
        (_all_axes, "last axis only"),
        (lambda p, q: bits.kl_divergence(p, q) * 3, "Each term is"),
        (lambda p, q: None, "end in return"),
        (lambda p, q: "0.25", "got str. Return a tensor"),
        (lambda p: p, "stopped on shape [3] with TypeError"),
        (0.25, "without brackets")),
    _check("02-e", two_box_floor, FLOOR,
        (1, "saw nothing"), (0.722, "once the box is known"), (0.962, "likelier box"), (0.627, "nats"),
        (0.68, "predictive itself"), (0.943, "both boxes"), (2, "do you believe")),
    _check("02-f", other_prior, OTHER_PRIOR,
        (OTHER_PRIOR / 8, "per draw"), (2.32, "very many draws"), (7.174, "all the surprise"), (3.864, "kept the pred"),
        (5.775, "knows that it is box 4"), (0.483, "first draw alone"), (OTHER_PRIOR * LN2, "nats"), (20, "256 sequences")),
)
# fmt: on
