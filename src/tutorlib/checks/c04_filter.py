"""The check of exercise 04-f: a filter written by the reader, from symbols and matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.bayes import normalise
from tutorlib.checks import UNANSWERED, Check, Verdict, right, wrong
from tutorlib.tunnels import HMM, Batch

__all__ = ["FILTER"]


def right_filter(batch: Batch) -> Tensor:
    """A right answer to 04-f: beliefs ``[batch, observations, states]``."""
    assert batch.header is not None
    transition, emission = batch.header.split(5, -1)
    belief = torch.full_like(transition[:, 0], 0.2)  # [batch, states]
    beliefs = []
    for t in range(batch.tokens.shape[1]):
        prior = belief if t == 0 else (belief[:, None] @ transition)[:, 0]
        weights = prior * emission.mT[torch.arange(len(batch)), batch.tokens[:, t]]
        belief = weights / weights.sum(-1, keepdim=True)
        beliefs.append(belief)
    return torch.stack(beliefs, 1)


def _changed(batch: Batch, **parts: Tensor) -> Batch:
    """The batch with some parts replaced; the rest is copied, so that an answer cannot spoil it."""
    return replace(batch, **{"tokens": batch.tokens.clone(), "targets": batch.targets.clone(), **parts})


def _filter_function(answer: Any) -> Verdict:
    if not callable(answer):
        return wrong(f"expected a function of a batch, got {type(answer).__name__}.")
    tunnel = HMM(law="sticky")
    batch = tunnel.sample(64, torch.Generator().manual_seed(404))
    hidden = torch.full_like(batch.targets, 5)
    later = batch.tokens.clone()
    later[:, 10:] = (later[:, 10:] + 1) % 5
    try:
        raw = answer(_changed(batch, targets=hidden))
        if raw is ...:
            return UNANSWERED
        if raw is None:
            return wrong("your function returns None. Does it end in return?")
        found, other, ahead = (
            torch.as_tensor(out).detach().double()
            for out in (
                raw,
                answer(_changed(batch, targets=hidden + 1)),
                answer(_changed(batch, targets=hidden, tokens=later)),
            )
        )
        expected = (len(batch), 20, 5)
        if tuple(found.shape) != expected:
            return wrong(f"expected shape {expected}, a belief at every symbol, got {tuple(found.shape)}.")
        if not torch.equal(found, other):
            return wrong(
                "your answer changes with batch.targets, which are the true states. Use tokens and header."
            )
        if found.isnan().any() or (found < 0).any() or ((found.sum(-1) - 1).abs() > 1e-4).any():
            return wrong("some beliefs are not distributions: each must be at least 0 and sum to 1.")
        return _judge_beliefs(found, ahead, tunnel, batch)
    except Exception as error:  # the reader's code may raise anything
        return wrong(f"it stopped with {type(error).__name__}: {error}")


def _judge_beliefs(found: Tensor, ahead: Tensor, tunnel: HMM, batch: Batch) -> Verdict:
    if not torch.allclose(found[:, :10], ahead[:, :10], atol=1e-6):
        return wrong(
            "your belief at symbol 10 changes when symbols 11 to 20 change: it looks ahead. That is a smoother; "
            "asked is the filter."
        )
    exact = tunnel.exact(batch)[..., 5:]  # [batch, observations, states]
    cost = bits.kl_divergence(exact, found)  # [batch, observations]
    transition, _ = tunnel.parameters(batch)
    mistakes = {
        "this weighs each symbol by itself. Carry the belief along: the prior is the last belief, one step on.": (
            tunnel.emission_only(batch)[..., 5:]
        ),
        "this keeps the last symbol only. Carry the belief through all of them.": tunnel.window(batch, 1)[
            ..., 5:
        ],
        "this is the belief about the next state: the step was taken after weighing, and the symbol before it.": (
            exact @ transition
        ),
    }
    for hint, slip in mistakes.items():
        if torch.allclose(found, slip, atol=1e-4):
            return wrong(hint)
    mean = float(cost.mean())
    if not mean < 0.01:
        first = float(cost[:, 0].mean())
        if first > 1e-3:
            return wrong(
                f"KL is {mean:.3f} bits, and {first:.3f} at the first symbol already. There the prior is uniform, "
                "with no step before it, and the weights are E[:, symbol]."
            )
        return wrong(
            f"the first symbol is right, but the mean KL is {mean:.3f} bits. Look at the step: belief @ T, row to column, "
            "for each sequence with its own T."
        )
    return right(f"KL to the exact belief is {mean:.4f} bits on sequences you have not seen.")


def _turned_filter(batch: Batch) -> Tensor:
    assert batch.header is not None
    transition, emission = batch.header.split(5, -1)
    return right_filter(_changed(batch, header=torch.cat((normalise(transition.mT), emission), -1)))


def _step_first(batch: Batch) -> Tensor:
    assert batch.header is not None
    transition, _ = batch.header.split(5, -1)
    return right_filter(batch) @ transition


def _skewed_start(batch: Batch) -> Tensor:
    found = right_filter(batch)
    return normalise(found * torch.tensor([5.0, 1, 1, 1, 1]))


def _ahead(batch: Batch) -> Tensor:
    found = right_filter(batch)
    return normalise(found * (1 + found.flip(1)))


def _tunnel_answer(name: str, *arguments: Any) -> Callable[[], Callable[[Batch], Tensor]]:
    return lambda: lambda batch: getattr(HMM(law="sticky"), name)(batch, *arguments)[..., 5:]


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


# fmt: off
FILTER = Check("04-f", _filter_function, _give(right_filter), (
    (_tunnel_answer("emission_only"), "by itself"),
    (_tunnel_answer("window", 1), "last symbol only"),
    (_tunnel_answer("window", 2), "Look at the step"),
    (_give(_turned_filter), "Look at the step"),
    (_give(_step_first), "after weighing"),
    (_give(_skewed_start), "at the first symbol already"),
    (_give(_ahead), "That is a smoother"),
    (_give(lambda batch: torch.nn.functional.one_hot(batch.targets - 5, 5).double()), "changes with batch.targets"),
    (_give(lambda batch: torch.ones(len(batch), 20, 5)), "not distributions"),
    (_give(lambda batch: torch.ones(len(batch), 20, 10)), "expected shape"),
    (_give(lambda batch: None), "end in return"),
    (_give([0.2] * 5), "expected a function"),
))
# fmt: on
