"""A decoder-only transformer, as small as the tasks allow.

Pre-norm blocks with RMSNorm (no gain), causal softmax attention, a squared-ReLU feed-forward layer, no biases
and a head tied to the token embedding. Positions are learned vectors, rotations of queries and keys, or none at
all: a causal mask already lets a network count.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.models.base import Record, SequenceModel, check_sizes, squared_relu

__all__ = ["Transformer"]


def rms_norm(x: Tensor) -> Tensor:
    """Scale the last axis to a root mean square of 1."""
    return functional.rms_norm(x, (x.shape[-1],), eps=1e-6)


def rotate(x: Tensor, places: Tensor) -> Tensor:
    """Turn pair ``i`` of the last axis by ``place * 10000^(-2i/d)``; the pair is ``x_i`` and ``x_{i + d/2}``.

    A turned query times a turned key depends on the distance of their places only (rotary embedding; Su and others
    2021, arXiv 2104.09864).

    Args:
        x: ``[..., positions, d]`` with an even ``d``.
        places: int64 ``[positions]``.
    """
    half = x.shape[-1] // 2
    speed = 10_000.0 ** (-torch.arange(half, dtype=x.dtype, device=x.device) / half)  # [d / 2]
    angle = places[:, None].to(x.dtype) * speed  # [positions, d / 2]
    cos, sin = angle.cos(), angle.sin()  # [positions, d / 2]
    a, b = x[..., :half], x[..., half:]  # [..., positions, d / 2]
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)  # [..., positions, d]


class Attention(nn.Module):
    """Causal multi-head attention; the queries may be a subset of the positions."""

    def __init__(self, width: int, heads: int, rotary: bool = False) -> None:
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        batch, time, width = x.shape
        asking = x if at is None else x[:, at]  # [batch, scored, width]
        scored = asking.shape[1]
        q = (
            self.query(asking).view(batch, scored, self.heads, -1).transpose(1, 2)
        )  # [batch, heads, scored, d]
        k = self.key(x).view(batch, time, self.heads, -1).transpose(1, 2)  # [batch, heads, time, d]
        v = self.value(x).view(batch, time, self.heads, -1).transpose(1, 2)  # [batch, heads, time, d]
        if self.rotary:
            places = torch.arange(time, device=x.device)  # [time]
            q = rotate(q, places if at is None else at)  # [batch, heads, scored, d]
            k = rotate(k, places)  # [batch, heads, time, d]
        if record is None and at is None:
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            rows = torch.arange(time, device=x.device) if at is None else at
            visible = torch.arange(time, device=x.device) <= rows[:, None]  # [scored, time]
            if record is None:
                mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
            else:
                scores = q @ k.mT / math.sqrt(q.shape[-1])  # [batch, heads, scored, time]
                weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
                mixed = weights @ v  # [batch, heads, scored, d]
                record |= {f"{prefix}.query": q, f"{prefix}.key": k, f"{prefix}.value": v}
                record |= {f"{prefix}.scores": scores, f"{prefix}.attention": weights}
        return self.output(mixed.transpose(1, 2).reshape(batch, scored, width))


class FeedForward(nn.Module):
    """Two matrices with a squared ReLU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(squared_relu(self.up(x)))


class Block(nn.Module):
    """Attention, then the feed-forward layer, each added to the residual stream."""

    def __init__(self, width: int, heads: int, hidden: int, rotary: bool = False) -> None:
        super().__init__()
        self.attention = Attention(width, heads, rotary)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        kept = x if at is None else x[:, at]  # [batch, scored, width]
        x = kept + self.attention(rms_norm(x), at, record, prefix)
        return x + self.feed_forward(rms_norm(x))


class Transformer(SequenceModel):
    """A small decoder-only transformer.

    ``record`` receives, for each layer ``i``: ``layer{i}.query``, ``.key``, ``.value``
    ``[batch, heads, positions, d]``, ``layer{i}.scores`` and ``.attention`` ``[batch, heads, scored, time]``,
    and ``residual{i}`` ``[batch, positions, width]`` (``residual0`` is the normalised embedding). In the last layer only
    the wanted positions ask. With rotary positions the queries and keys are the turned ones.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        width: size of the residual stream (d_model).
        layers: number of blocks.
        heads: attention heads; must divide ``width``.
        hidden: size of the feed-forward layer; 4 times the width if None.
        positions: ``"none"``, ``"learned"`` or ``"rotary"``.
        generator: draws the starting weights; seed 0 if None.

    Raises:
        ValueError: if a size is not positive, the heads do not divide the width, ``positions`` is unknown, or rotary
            positions meet heads of odd size.
    """

    name = "transformer"

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 32,
        layers: int = 1,
        heads: int = 1,
        hidden: int | None = None,
        positions: str = "none",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        hidden = 4 * width if hidden is None else hidden
        check_sizes(vocab=vocab, context=context, width=width, layers=layers, heads=heads, hidden=hidden)
        if width % heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        if positions not in ("none", "learned", "rotary"):
            raise ValueError(f"positions: expected 'none', 'learned' or 'rotary', got {positions!r}")
        rotary = positions == "rotary"
        if rotary and width // heads % 2:
            raise ValueError(f"width: expected heads of even size for rotary positions, got {width // heads}")
        self.vocab, self.context, self.width, self.layers = vocab, context, width, layers
        self.heads, self.hidden, self.positions = heads, hidden, positions
        self.embedding = nn.Embedding(vocab, width)
        self.position = nn.Embedding(context, width) if positions == "learned" else None
        self.blocks = nn.ModuleList(Block(width, heads, hidden, rotary) for _ in range(layers))
        self.initialise(generator)

    def forward(self, tokens: Tensor, at: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Logits after each position, or after those in ``at``; see :class:`SequenceModel`."""
        wanted = self.check_tokens(tokens, at)
        x = self.embedding(tokens)  # [batch, time, width]
        if self.position is not None:
            x = x + self.position.weight[: tokens.shape[1]]
        x = rms_norm(x)
        for layer, block in enumerate(self.blocks):
            if record is not None:
                record[f"residual{layer}"] = x
            last = layer == self.layers - 1
            x = block(x, wanted if last and at is not None else None, record, f"layer{layer}")
        if record is not None:
            record[f"residual{self.layers}"] = x
        return rms_norm(x) @ self.embedding.weight.T  # [batch, scored, vocab]: the head is the embedding

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        keys = ("vocab", "context", "width", "layers", "heads", "hidden", "positions")
        return {key: getattr(self, key) for key in keys}
