"""A small language model on the toy language, where the exact entropy of the next word is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.arguments import finite, instance, integer, real_tensor, seed_number
from tutorlib.entropy_axis.grammar import Grammar
from tutorlib.geometry import (
    head_vectors,
    principal_axes,
    probe,
    r_squared,
    rank_correlation,
    residual_streams,
    shuffled,
    within_groups,
)
from tutorlib.models import Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Batch

__all__ = ["FIRST", "axis_scores", "set_first_axis", "toy_model", "toy_rows", "toy_vectors", "train_toy"]

FIRST = 4  # positions left out at the start of a text
LAYERS, WIDTH, HEADS = 2, 48, 4


def toy_model(tunnel: Grammar, seed: int = 0) -> Transformer:
    """A fresh transformer for the toy language: two layers, 48 wide, four heads, rotary positions.

    >>> from tutorlib.entropy_axis import Grammar
    >>> toy_model(Grammar(12)).layers
    2
    """
    instance("tunnel", tunnel, Grammar)
    generator = torch.Generator().manual_seed(seed_number("seed", seed))
    return Transformer(
        tunnel.vocab, tunnel.length, WIDTH, LAYERS, HEADS, positions="rotary", generator=generator
    )


def train_toy(tunnel: Grammar, steps: int = 600, seed: int = 0) -> Transformer:
    """Train :func:`toy_model` on sampled next words; 600 steps take about 15 core-seconds.

    >>> from tutorlib.entropy_axis import Grammar
    >>> train_toy(Grammar(12), steps=1).training
    False
    """
    model = toy_model(tunnel, seed)
    train(model, tunnel, TrainingPlan(steps=integer("steps", steps, 1), batch=32, seed=seed))
    model.eval()
    return model


def toy_vectors(model: Transformer, batch: Batch, what: str, layer: int) -> Tensor:
    """Vectors at each word of each text but the first few, float64 ``[texts * words, width]``.

    Args:
        model: of the toy language.
        batch: texts.
        what: ``values`` of all heads side by side, or the ``residual`` stream after the block.
        layer: from 0, or -1 for the last.

    >>> from tutorlib.entropy_axis import Grammar
    >>> tunnel = Grammar(12)
    >>> batch = tunnel.sample(3, torch.Generator().manual_seed(0))
    >>> toy_vectors(toy_model(tunnel), batch, "values", -1).shape
    torch.Size([24, 48])
    """
    if what == "values":
        table = head_vectors(model, batch).value[layer].transpose(1, 2).flatten(2)  # [texts, time, width]
    elif what == "residual":
        table = residual_streams(model, batch)[1:][layer]  # [texts, time, width]
    else:
        raise ValueError(f"what: expected 'values' or 'residual', got {what!r}")
    return table[:, FIRST:].flatten(0, 1).double()


def axis_scores(x: Tensor, y: Tensor, groups: Tensor, generator: torch.Generator) -> dict[str, float]:
    """How a quantity lies among vectors: along the first principal axis, and by a held-out probe.

    Args:
        x: ``[n, d]``.
        y: ``[n]``.
        groups: int64 ``[n]``; folds take whole groups.
        generator: deals folds and the shuffled control.

    Returns:
        ``share`` and ``ratio`` (of PC1, and the participation ratio), ``first`` (size of PC1's rank correlation),
        ``r2`` and ``rank`` of the probe, ``shuffled`` (its R2 on quantities dealt out anew).

    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> axis_scores(x, x[:, 0], torch.arange(60) // 2, torch.Generator().manual_seed(0))["r2"] > 0.9
    True
    """
    x, y = real_tensor("x", x, "[n, d]").double(), real_tensor("y", y, "[n]").double()
    finite(x=x, y=y)
    axes = principal_axes(x, standardise=True)
    turned = (x - axes.mean) / axes.scale  # [n, d]
    read = probe(turned, y[:, None], groups, generator)
    chance = probe(turned, shuffled(y, generator)[:, None], groups, generator)
    return {
        "share": float(axes.shares[0]),
        "ratio": axes.participation_ratio,
        "first": abs(rank_correlation(axes.scores(x)[:, 0], y)),
        "r2": read.r_squared,
        "rank": rank_correlation(read.predicted[:, 0], y),
        "shuffled": chance.r_squared,
    }


@torch.no_grad()
def toy_rows(model: Transformer, tunnel: Grammar, batch: Batch, seed: int = 0) -> list[dict[str, Any]]:
    """Both axes in every layer against the exact entropy, and the probe that is fitted on the model's own entropy.

    Returns:
        One row for each layer and kind of vector: :func:`axis_scores` of the exact entropy, ``within`` (mean rank
        correlation of the probe inside groups of one and the same last word), ``own`` (R2 against the *exact* entropy of
        a probe that was fitted on the model's own), with ``layer``, ``what`` and ``kl`` (exact to model, bits).

    >>> from tutorlib.entropy_axis import Grammar
    >>> tunnel = Grammar(12)
    >>> batch = tunnel.sample(20, torch.Generator().manual_seed(0))
    >>> [row["what"] for row in toy_rows(toy_model(tunnel), tunnel, batch)]
    ['values', 'residual', 'values', 'residual']
    """
    law, logits = tunnel.exact(batch), model(batch.tokens)
    exact, own = (
        h[:, FIRST:].flatten() for h in (bits.entropy(law), bits.entropy_from_logits(logits).double())
    )  # [n]
    groups = torch.arange(len(batch))[:, None].expand(-1, tunnel.length)[:, FIRST:].flatten()  # [n]
    word = batch.tokens[:, FIRST:].flatten()  # [n]
    found = []
    for layer in range(model.layers):
        for what in ("values", "residual"):
            x = toy_vectors(model, batch, what, layer)
            row = axis_scores(x, exact, groups, torch.Generator().manual_seed(seed))
            read = probe(x, exact[:, None], groups, torch.Generator().manual_seed(seed)).predicted[:, 0]
            second = probe(x, own[:, None], groups, torch.Generator().manual_seed(seed)).predicted
            row |= {"within": within_groups(read, exact, word), "own": r_squared(exact[:, None], second)}
            kl = float(bits.kl_from_logits(law, logits).mean())
            found.append({"layer": layer, "what": what, "kl": kl, **row})
    return found


@torch.no_grad()
def set_first_axis(model: Transformer, layer: int, head: int, direction: Tensor, size: float = 30.0) -> None:
    """Change a network's weights so that PC1 of its values is a direction of our choice, and no output changes.

    Every value ``v`` of the head becomes ``v + size * (direction . v) * (1, ..., 1)``, an invertible map whose inverse goes
    into the output matrix behind it. Each coordinate is then led by ``direction . v``, so PC1 is too, with
    standardised coordinates and without.

    Args:
        model: changed in place.
        layer: from 0.
        head: from 0.
        direction: ``[head_dim]``, scaled to length 1 here.
        size: how much.

    Raises:
        ValueError: if the map cannot be undone.

    >>> from tutorlib.entropy_axis import Grammar
    >>> tunnel = Grammar(12)
    >>> model, tokens = toy_model(tunnel), tunnel.sample(2, torch.Generator().manual_seed(0)).tokens
    >>> before = model(tokens)
    >>> set_first_axis(model, 1, 0, torch.tensor([1.0] + 11 * [0.0]))
    >>> bool((model(tokens) - before).abs().max() < 1e-4)
    True
    """
    attention = (
        instance("model", model, Transformer).blocks[integer("layer", layer, 0, model.layers - 1)].attention
    )
    size_of_head = attention.value.weight.shape[0] // attention.heads
    u = real_tensor("direction", direction, "[head_dim]").double()
    if len(u) != size_of_head or not u.any():
        raise ValueError(f"direction: expected {size_of_head} numbers, not all zero, got {tuple(u.shape)}")
    u = u / u.norm()
    change = torch.eye(len(u), dtype=torch.float64) + size * torch.outer(torch.ones_like(u), u)
    if abs(float(1 + size * u.sum())) < 0.1:
        raise ValueError(
            "direction: its entries nearly cancel, so the map cannot be undone; take another size"
        )
    rows = slice(integer("head", head, 0, attention.heads - 1) * len(u), (head + 1) * len(u))
    value, output = attention.value.weight, attention.output.weight
    value[rows] = (change @ value[rows].double()).float()
    output[:, rows] = (output[:, rows].double() @ torch.linalg.inv(change)).float()
