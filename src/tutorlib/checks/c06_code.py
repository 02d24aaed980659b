"""Judges of what readers write in chapter 06: a function for attention, and a network with altered weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tutorlib.checks import UNANSWERED, Verdict, right, wrong
from tutorlib.handset import bijection_eliminator
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection

# ---------------------------------------------------------------- 06-c: causal attention by hand


def _cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values: four positions, then a batch, each with another size of values."""
    generator = torch.Generator().manual_seed(6)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return [
        (draw(4, 9), draw(4, 9), draw(4, 2)),
        (draw(3, 5, 4), draw(3, 5, 4), draw(3, 5, 7)),
    ]


def right_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of ``[..., time, d]``, written out."""
    scores = scaled_scores(q, k)  # [..., time, time]
    past = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()  # [time, time]
    return scores.masked_fill(~past, -math.inf).softmax(-1) @ v  # [..., time, values]


def scaled_scores(q: Tensor, k: Tensor) -> Tensor:
    """``q k / sqrt(d)``, ``[..., time, time]``."""
    return q @ k.mT / math.sqrt(q.shape[-1])


def _lower(scores: Tensor, offset: int = 0) -> Tensor:
    return torch.ones(scores.shape[-2:], dtype=torch.bool).tril(offset)


def masked(scores: Tensor, offset: int = 0) -> Tensor:
    """Scores with minus infinity above the diagonal, which may be moved."""
    return scores.masked_fill(~_lower(scores, offset), -math.inf)


ATTENTION_SLIPS: tuple[tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str], ...] = (
    (
        lambda q, k, v: scaled_scores(q, k).softmax(-1) @ v,
        "every position sees the future: the causal mask is missing.",
    ),
    (
        lambda q, k, v: masked(q @ k.mT).softmax(-1) @ v,
        "the scores are not divided by the square root of d.",
    ),
    (
        lambda q, k, v: masked(q @ k.mT / q.shape[-1]).softmax(-1) @ v,
        "the scores are divided by d. Divide by its square root.",
    ),
    (
        lambda q, k, v: (scaled_scores(q, k) * _lower(q @ k.mT)).softmax(-1) @ v,
        "a masked score of 0 still gets weight, since e^0 = 1. Put minus infinity there.",
    ),
    (
        lambda q, k, v: (scaled_scores(q, k).softmax(-1) * _lower(q @ k.mT)) @ v,
        "the future is struck out after the softmax, so the weights no longer sum to 1. Mask the scores before it.",
    ),
    (
        lambda q, k, v: masked(scaled_scores(q, k)).softmax(-2).nan_to_num() @ v,
        "the softmax runs along the wrong axis: a row, one asking position, must sum to 1. That is axis -1.",
    ),
    (
        lambda q, k, v: masked(scaled_scores(q, k), -1).softmax(-1).nan_to_num() @ v,
        "a position does not see itself. The mask keeps the diagonal.",
    ),
    (
        lambda q, k, v: scaled_scores(q, k).masked_fill(~_lower(q @ k.mT).mT, -math.inf).softmax(-1) @ v,
        "the mask is turned round: position i sees j up to i, the lower triangle.",
    ),
    (lambda q, k, v: masked(scaled_scores(k, q)).softmax(-1) @ v, "queries and keys have changed places."),
    (
        lambda q, k, v: masked(scaled_scores(q, k)) @ v,
        "the scores themselves are no weights. Take their softmax.",
    ),
)


def attention_function(answer: Any) -> Verdict:
    """A judge for a function of queries, keys and values."""
    if not callable(answer):
        return wrong(
            f"expected your function, got {type(answer).__name__}: pass my_attention, without brackets"
        )
    for q, k, v in _cases():
        expected = scaled_dot_product_attention(q, k, v, is_causal=True)  # [..., time, values]
        shape = list(q.shape)
        try:
            returned = answer(q.clone(), k.clone(), v.clone())
        except Exception as error:
            return wrong(
                f"it stopped on queries of shape {shape} with {type(error).__name__} ({error}). k.mT swaps the last two "
                "axes and leaves the others."
            )
        if returned is ...:
            return UNANSWERED
        if returned is None:
            return wrong("your function gave nothing back (None). Does it end in return?")
        try:
            got = torch.as_tensor(returned).detach().double()
        except Exception:
            return wrong(f"expected a tensor, got {type(returned).__name__}.")
        if got.shape != expected.shape:
            return wrong(f"expected shape {list(expected.shape)}, that of the values, got {list(got.shape)}.")
        if not torch.allclose(got, expected, rtol=0, atol=1e-6):
            for slip, hint in ATTENTION_SLIPS:
                if torch.allclose(got.nan_to_num(), slip(q, k, v).nan_to_num(), rtol=0, atol=1e-6):
                    return wrong(hint)
            return wrong(
                "not the attention of these queries, keys and values. In order: scores, divide, mask, softmax, mix."
            )
    return right("Right: the same as scaled_dot_product_attention, for one sequence and for a batch.")


# ---------------------------------------------------------------- 06-f: remember instead of crossing out

SYMBOLS = 5


def _remembers(batch_size: int = 64) -> tuple[Bijection, Any, Tensor]:
    tunnel = Bijection(SYMBOLS)
    batch = tunnel.sample(batch_size, torch.Generator().manual_seed(6))
    seen = nn.functional.one_hot(batch.targets, 2 * SYMBOLS).double()  # [batch, pairs, vocab]
    before = seen.cumsum(1) - seen  # [batch, pairs, vocab]
    return tunnel, batch, before[:, 1:] / before[:, 1:].sum(-1, keepdim=True)


def memory_model(answer: Any) -> Verdict:
    """A judge for a transformer with altered weights."""
    if not isinstance(answer, Transformer):
        return wrong(f"expected the network itself, a Transformer, got {type(answer).__name__}")
    if answer.vocab != 2 * SYMBOLS or answer.context < 2 * SYMBOLS - 1 or answer.header is not None:
        return wrong(f"expected the network of bijection_eliminator({SYMBOLS}), got one of another size")
    tunnel, batch, wanted = _remembers()
    network: nn.Module = answer
    try:
        with torch.no_grad():
            logits = network(batch.tokens, tunnel.scored).double()  # [batch, pairs, vocab]
    except Exception as error:
        return wrong(f"it stopped with {type(error).__name__} ({error}).")
    if not logits.isfinite().all():
        return wrong("its logits are not finite numbers. Which weight became infinite?")
    got = logits.softmax(-1)[:, 1:]  # [batch, pairs - 1, vocab]
    gap = 0.5 * (got - wanted).abs().sum(-1).max()
    if gap < 1e-3:
        return right(
            "Right. From the second question on it gives the values seen equal shares, and nothing else any."
        )
    keys = float(got[..., :SYMBOLS].sum(-1).mean())
    seen = float((got * (wanted > 0)).sum(-1).mean())
    if seen > 0.99:
        return wrong("the mass is on the values seen, and they do not share it equally.")
    if keys > 0.5:
        return wrong(
            "it answers with keys: the direction u has become positive. Turn the sign for the values' directions only."
        )
    original: nn.Module = bijection_eliminator(SYMBOLS)
    with torch.no_grad():
        crossed_out = original(batch.tokens, tunnel.scored).double()  # [batch, pairs, vocab]
    if torch.allclose(logits, crossed_out, rtol=0, atol=1e-3):
        return wrong("it still crosses out. Change attention.output.weight, inside torch.no_grad().")
    if seen < 0.01:
        return wrong(
            "it still gives its mass to values that were not seen. They get the logit 0; the seen need more."
        )
    return wrong(
        "the values seen do not stand out enough. In the stream they need a positive entry, and u a negative one."
    )


def with_output(diagonal: list[float]) -> Transformer:
    """The eliminator with another diagonal in the output matrix of its attention."""
    model = bijection_eliminator(SYMBOLS)
    model.state_dict()["blocks.0.attention.output.weight"].copy_(torch.diag(torch.tensor(diagonal)))
    return model
