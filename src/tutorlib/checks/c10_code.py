"""Judges of what readers write in chapter 10: a memory with the delta rule, and recall from tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.checks import UNANSWERED, Verdict, returned_by, right, wrong
from tutorlib.models.linear_attention import delta_rule
from tutorlib.tunnels import Batch, Recall

# ---------------------------------------------------------------- 10-d: write the delta rule


def _pairs() -> list[tuple[Tensor, Tensor]]:
    """Keys of length 1 and values: more keys than coordinates, then one key twice."""
    generator = torch.Generator().manual_seed(10)
    keys = functional.normalize(torch.randn(6, 4, generator=generator, dtype=torch.float64), dim=-1)
    values = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    twice = keys[[0, 1, 0]]
    return [(keys, values), (twice, values[:3])]


def delta_memory(keys: Tensor, values: Tensor) -> Tensor:
    """The matrix after all pairs, ``[value features, key features]``."""
    S = torch.zeros(values.shape[1], keys.shape[1], dtype=values.dtype)
    for key, value in zip(keys, values, strict=True):
        S = S + torch.outer(value - S @ key, key)
    return S


def _backwards(keys: Tensor, values: Tensor) -> Tensor:
    return delta_memory(keys.flip(0), values.flip(0))


def _halves(keys: Tensor, values: Tensor) -> Tensor:
    S = torch.zeros(values.shape[1], keys.shape[1], dtype=values.dtype)
    for key, value in zip(keys, values, strict=True):
        S = S + 0.5 * torch.outer(value - S @ key, key)
    return S


def _overwritten(keys: Tensor, values: Tensor) -> Tensor:
    """Only what the last pair wrote."""
    S = torch.zeros(values.shape[1], keys.shape[1], dtype=values.dtype)
    for key, value in zip(keys, values, strict=True):
        S = torch.outer(value - S @ key, key)
    return S


DELTA_SLIPS: tuple[tuple[Callable[[Tensor, Tensor], Tensor], str], ...] = (
    (lambda k, v: v.mT @ k, "this is the running sum: nothing is taken back before writing. Subtract S @ key."),
    (lambda k, v: delta_memory(k, v).mT, "the matrix is turned round. outer(correction, key) has one row a value feature."),
    (_backwards, "the pairs are stored from the last to the first, so the oldest wins."),
    (_halves, "half of the correction is written. Here all of it is: beta is 1."),
    (_overwritten, "only the last correction is left. Add it to S."),
)  # fmt: skip


def write_delta(answer: Any) -> Verdict:
    """A judge for a function of keys and values that gives the matrix of the delta rule."""
    for keys, values in _pairs():
        got = returned_by(answer, (keys, values), "store", f" on keys of shape {list(keys.shape)}")
        if isinstance(got, Verdict):
            return got
        expected = delta_memory(keys, values)  # [value features, key features]
        if got.shape != expected.shape and got.shape != expected.mT.shape:
            return wrong(
                f"expected a matrix {list(expected.shape)}, one row for each feature of a value, got {list(got.shape)}."
            )
        if got.shape != expected.shape or not torch.allclose(got, expected, rtol=0, atol=1e-6):
            for slip, hint in DELTA_SLIPS:
                other = slip(keys, values)
                if other.shape == got.shape and torch.allclose(got, other, rtol=0, atol=1e-6):
                    return wrong(hint)
            return wrong(
                "not the matrix of the delta rule. For each pair in turn: S = S + outer(value - S @ key, key)."
            )
    return right("Right: the same as the library's delta rule, also where a key comes back with a new value.")


def library_delta(keys: Tensor, values: Tensor) -> Tensor:
    """The same matrix from the library: what the axes bring back after all pairs were written."""
    axes = torch.eye(keys.shape[1], dtype=keys.dtype)
    written = torch.cat((torch.ones(len(keys)), torch.zeros(len(axes)))).to(keys.dtype)
    asked = torch.cat((keys, axes))
    given = torch.cat((values, torch.zeros(len(axes), values.shape[1], dtype=values.dtype)))
    return delta_rule(asked, asked, given, written)[0][len(keys) :].mT


# ---------------------------------------------------------------- 10-f: recall from the tokens

PAIRS, SIZE = 4, 8


def _recall() -> tuple[Recall, Batch]:
    tunnel = Recall(pairs=PAIRS, queries=PAIRS, keys=SIZE, values=SIZE)
    return tunnel, tunnel.sample(64, torch.Generator().manual_seed(10))


def right_recall(tokens: Tensor) -> Tensor:
    """Probabilities ``[batch, queries, vocab]`` from the tokens of that tunnel."""
    keys, values = tokens[:, 0 : 2 * PAIRS : 2], tokens[:, 1 : 2 * PAIRS : 2]  # [batch, pairs]
    asked = tokens[:, 2 * PAIRS + 1 :: 2]  # [batch, queries]
    same = (asked[:, :, None] == keys[:, None, :]).double()  # [batch, queries, pairs]
    return same @ functional.one_hot(values, 2 * SIZE + 2).double()


def _shown(tokens: Tensor) -> Tensor:
    values = functional.one_hot(tokens[:, 1 : 2 * PAIRS : 2], 2 * SIZE + 2).double()  # [batch, pairs, vocab]
    return values.mean(1, keepdim=True).expand(-1, PAIRS, -1)


def _uniform(tokens: Tensor) -> Tensor:
    p = torch.zeros(len(tokens), PAIRS, 2 * SIZE + 2, dtype=torch.float64)
    p[..., SIZE : 2 * SIZE] = 1 / SIZE
    return p


def _in_order(tokens: Tensor) -> Tensor:
    return functional.one_hot(tokens[:, 1 : 2 * PAIRS : 2], 2 * SIZE + 2).double()


def _keys_back(tokens: Tensor) -> Tensor:
    return functional.one_hot(tokens[:, 2 * PAIRS + 1 :: 2], 2 * SIZE + 2).double()


def _one_early(tokens: Tensor) -> Tensor:
    keys, values = tokens[:, 0 : 2 * PAIRS : 2], tokens[:, 1 : 2 * PAIRS : 2]
    asked = tokens[:, 2 * PAIRS + 1 :: 2]
    same = (asked[:, :, None] == keys[:, None, :]).double()
    return same @ functional.one_hot(values.roll(1, -1), 2 * SIZE + 2).double()


RECALL_SLIPS: tuple[tuple[Callable[[Tensor], Tensor], str], ...] = (
    (_uniform, "this knows nothing of the pairs: all values alike, 3 bits. Use what was shown."),
    (_shown, "this knows the values that were shown and not with which key: 2 bits. That is a bag."),
    (_in_order, "this gives the values in the order shown. The keys are asked in another order."),
    (_keys_back, "this names the key that is asked. Its value is wanted."),
    (_one_early, "this takes the value before the key. A value stands right after its key."),
)


def write_recall(answer: Any) -> Verdict:
    """A judge for a function from tokens to probabilities."""
    if answer is ...:
        return UNANSWERED
    tunnel, batch = _recall()
    got = returned_by(answer, (batch.tokens,), "my_recall", f" on tokens of shape {list(batch.tokens.shape)}")
    if isinstance(got, Verdict):
        return got
    expected = tunnel.exact(batch)  # [batch, queries, vocab]
    if got.shape != expected.shape:
        return wrong(
            f"expected probabilities {list(expected.shape)}, one row over all tokens for each query, got {list(got.shape)}."
        )
    if not torch.isfinite(got).all() or (got < -1e-6).any() or ((got.sum(-1) - 1).abs() > 1e-3).any():
        return wrong("the rows are no probabilities: each must be at least 0 everywhere and sum to 1.")
    if torch.allclose(got, expected, rtol=0, atol=1e-3):
        return right(
            "Right: the exact answer, by comparing keys. That is a softmax attention without the softness."
        )
    for slip, hint in RECALL_SLIPS:
        if torch.allclose(got, slip(batch.tokens), rtol=0, atol=1e-3):
            return wrong(hint)
    share = float((got.argmax(-1) == batch.targets).double().mean())
    return wrong(
        f"{100 * share:.0f} % of the answers are right. Compare each query with every key; the value stands after its key."
    )
