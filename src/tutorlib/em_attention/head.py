"""One attention head on the sticky chain, and the update rules that are compared on it.

Every rule takes the same gradients at every step. What the released code of arXiv 2512.22473 calls EM-like is stochastic
gradient descent with a rate ten times as large on the value matrix; ``RULES`` adds the controls that it lacks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import choice, instance, integer, seed_number, shown
from tutorlib.em_attention.chain import FEATURES, SYMBOLS, ChainData, draw_chain

__all__ = ["HELD_OUT", "RULES", "SEEDS", "Rule", "Run", "first_weights", "head_loss_nats", "train_head"]

SEEDS = (42, 2024, 1337, 7777, 9999)  # those of the released code
HELD_OUT = (
    10_000  # added to a seed for sequences that no run trains on; the released deep variant does the same
)
KEYS, VALUES = 10, 15  # d_k and d_v
PAD = 16  # queries, keys and values are padded to one size: faster, and zeros change nothing
SHAPES = ((FEATURES, KEYS), (FEATURES, KEYS), (FEATURES, VALUES), (VALUES, SYMBOLS))
EVERY = 10  # steps between recorded losses

Rates = tuple[float, float, float, float]


@dataclass(frozen=True)
class Rule:
    """How the four matrices move.

    Attributes:
        kind: ``"sgd"``: minus rate times gradient. ``"adam"``: Adam with PyTorch's other settings. ``"divided"``: as sgd,
            but the gradient of each value vector is divided by the attention it receives, as an M step would.
            ``"self"``: as sgd, with every position looking at itself only.
        rates: of the query, key, value and output matrix.

    >>> RULES["EM-like"]
    Rule(kind='sgd', rates=(0.01, 0.01, 0.1, 0.01))
    """

    kind: str
    rates: Rates

    def __post_init__(self) -> None:
        choice("kind", self.kind, ("sgd", "adam", "divided", "self"))
        rates = instance("rates", self.rates, tuple)
        if len(rates) != 4 or not all(isinstance(rate, int | float) and rate >= 0 for rate in rates):
            raise ValueError(f"rates: expected four numbers of at least 0, got {rates}")


def _even(rate: float) -> Rates:
    return (rate, rate, rate, rate)


RULES = {
    "EM-like": Rule("sgd", (0.01, 0.01, 0.1, 0.01)),  # the paper's, and the next is what it is compared with
    **{f"SGD {rate:g}": Rule("sgd", _even(rate)) for rate in (0.01, 0.03, 0.1, 0.3)},
    # ten times the rate, but on other matrices
    "10x query and key": Rule("sgd", (0.1, 0.1, 0.01, 0.01)),
    "10x output": Rule("sgd", (0.01, 0.01, 0.01, 0.1)),
    "10x value and output": Rule("sgd", (0.01, 0.01, 0.1, 0.1)),
    # another rate on the value matrix, at better rates for the others
    "SGD 0.1, 10x value": Rule("sgd", (0.1, 0.1, 1.0, 0.1)),
    "SGD 0.1, 1/10 value": Rule("sgd", (0.1, 0.1, 0.01, 0.1)),
    **{f"Adam {rate:g}": Rule("adam", _even(rate)) for rate in (0.001, 0.003, 0.01)},
    # the division that an M step has
    "EM-like, divided": Rule("divided", (0.01, 0.01, 0.1, 0.01)),
    "SGD 0.1, divided": Rule("divided", _even(0.1)),
    # no attention to others
    **{f"self only, SGD {rate:g}": Rule("self", _even(rate)) for rate in (0.1, 1.0)},
}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        steps: when losses were recorded.
        train: nats per symbol on the sequence that is trained on.
        held_out: nats per symbol on a sequence that is not.
        core_seconds: processor time of the steps alone.

    >>> run = train_head(RULES["SGD 0.3"], seed=42, steps=1, length=50)
    >>> run.steps, [round(loss, 4) for loss in run.train]
    ([0, 1], [2.0701, 2.0586])
    """

    steps: list[int]
    train: list[float]
    held_out: list[float]
    core_seconds: float


def first_weights(seed: int) -> list[Tensor]:
    """The query, key, value and output matrix at the start, float32, as the released code draws them for a seed.

    >>> [tuple(matrix.shape) for matrix in first_weights(42)]
    [(20, 10), (20, 10), (20, 15), (15, 8)]
    """
    dice = torch.Generator().manual_seed(seed_number("seed", seed))
    return [torch.randn(shape, generator=dice, dtype=torch.float32) * 0.1 for shape in SHAPES]


def _read(weights: Sequence[Tensor], inputs: Tensor, self_only: bool) -> tuple[Tensor, Tensor]:
    """Values with a column of ones beside them, ``[time, 16]``, and what each position reads of them."""
    values = functional.pad(inputs @ weights[2], (0, PAD - VALUES), value=1.0)
    if self_only:
        return values, values
    query, key = (functional.pad(inputs @ w, (0, PAD - KEYS)) for w in weights[:2])  # [time, 16]
    read = functional.scaled_dot_product_attention(
        query[None, None], key[None, None], values[None, None], is_causal=True, scale=KEYS**-0.5
    )[0, 0]  # [time, 16]
    return values, read


def head_loss_nats(weights: Sequence[Tensor], data: ChainData, self_only: bool = False) -> Tensor:
    """Cross-entropy of the head's next-symbol guesses, nats per symbol.

    Args:
        weights: query, key, value and output matrix, as ``first_weights`` gives them.
        data: the sequence; attention is causal, the first position sees itself only.
        self_only: every position looks at itself, and the query and key matrix do nothing.

    Raises:
        ValueError: if there are not four matrices of these shapes, or ``data`` is no ``ChainData``.

    >>> from tutorlib.em_attention import draw_chain
    >>> head_loss_nats(first_weights(42), draw_chain(42))
    tensor(2.0779)
    """
    data = instance("data", data, ChainData)
    if not isinstance(weights, list | tuple) or len(weights) != 4:
        raise ValueError(f"weights: expected four matrices, got {shown(weights)}")
    for place, (matrix, shape) in enumerate(zip(weights, SHAPES, strict=True)):
        if not isinstance(matrix, Tensor) or matrix.shape != shape or matrix.dtype != data.inputs.dtype:
            raise ValueError(f"weights[{place}]: expected {data.inputs.dtype} {shape}, got {shown(matrix)}")
    self_only = instance("self_only", self_only, bool)
    _, read = _read(weights, data.inputs, self_only)
    return functional.cross_entropy(read[:, :VALUES] @ weights[3], data.targets)


def _divided(weights: Sequence[Tensor], data: ChainData) -> list[Tensor]:
    """Gradients, but with that of each value vector divided by the attention which it receives from all queries."""
    values, read = _read(weights, data.inputs, self_only=False)
    loss = functional.cross_entropy(read[:, :VALUES] @ weights[3], data.targets)
    # The column of ones reads the sum of a row's weights. Its gradient is the sum of a column: what an M step divides by.
    *others, at_values = torch.autograd.grad(
        loss + read[:, VALUES].sum(), [weights[0], weights[1], weights[3], values]
    )
    per_value = at_values[:, :VALUES] / at_values[:, VALUES:]  # [time, values]
    return [others[0], others[1], data.inputs.T @ per_value, others[2]]


def _stepper(rule: Rule, weights: list[Tensor], data: ChainData) -> Callable[[], None]:
    """One step of the rule, in place."""
    groups = [{"params": [w], "lr": rate} for w, rate in zip(weights, rule.rates, strict=True)]
    kind = torch.optim.Adam if rule.kind == "adam" else torch.optim.SGD
    optimiser = kind(groups, lr=1.0)
    moved = weights if rule.kind != "self" else weights[2:]

    def step() -> None:
        if rule.kind == "divided":
            gradients = _divided(weights, data)
        else:
            gradients = list(torch.autograd.grad(head_loss_nats(weights, data, rule.kind == "self"), moved))
        for matrix, gradient in zip(moved, gradients, strict=True):
            matrix.grad = gradient
        optimiser.step()

    return step


def train_head(rule: Rule, seed: int, steps: int = 1000, length: int = 2000) -> Run:
    """Train the head on one sequence, all of it at every step, as the paper does.

    Args:
        rule: how the matrices move.
        seed: of the sequence and of the first weights; the held-out sequence has ``seed + 10000``.
        steps: how many.
        length: symbols of either sequence.

    Raises:
        ValueError: if an argument does not fit.

    >>> run = train_head(RULES["SGD 0.1"], seed=42, steps=20, length=50)
    >>> run.train[-1] < run.train[0]
    True
    """
    rule, steps = instance("rule", rule, Rule), integer("steps", steps, 1)
    seed, length = seed_number("seed", seed), integer("length", length, 2)
    data, fresh = draw_chain(seed, length), draw_chain(seed + HELD_OUT, length)
    weights = [matrix.requires_grad_() for matrix in first_weights(seed)]
    step, self_only = _stepper(rule, weights, data), rule.kind == "self"
    run, spent = Run([], [], [], 0.0), 0.0
    for number in range(steps + 1):
        if number % EVERY == 0 or number == steps:
            with torch.no_grad():
                run.steps.append(number)
                run.train.append(_number(head_loss_nats(weights, data, self_only)))
                run.held_out.append(_number(head_loss_nats(weights, fresh, self_only)))
        if number < steps:
            started = time.process_time()
            step()
            spent += time.process_time() - started
    return Run(run.steps, run.train, run.held_out, spent)


def _number(loss: Tensor) -> float:
    return float(loss) if loss.isfinite() else math.inf
