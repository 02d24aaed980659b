"""A decoder-only transformer, as small as the tasks allow.

Pre-norm blocks with RMSNorm (no gain), causal softmax attention, a squared-ReLU feed-forward layer, no biases
and a head tied to the token embedding. Positions are learned vectors, rotations of queries and keys, a learned bias
for each distance, or none at all: a causal mask already lets a network count.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.arguments import choice, integer
from tutorlib.models.base import Record, check_header_shape, check_sizes, rms_norm, squared_relu
from tutorlib.models.stack import ResidualStack

__all__ = ["Transformer"]


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


class DistanceBias(nn.Module):
    """What is added to the scores of a token's past: a learned number for each near distance, less a slope times it.

    Header rows have no distance; each head has one number for all of them. A slope is what ALiBi adds (Press and
    others 2022, arXiv 2108.12409), and its slopes are where ours start; the table is learned from 0.
    """

    near = 8

    def __init__(self, heads: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.table = nn.Parameter(torch.zeros(heads, self.near + 1))
        self.slope = nn.Parameter(torch.zeros(heads))
        self.header = nn.Parameter(torch.zeros(heads))

    def start(self, generator: torch.Generator) -> None:
        """Slopes ``2^(-8 h / heads)`` for h = 1, 2, ..., the rest at 0."""
        heads = len(self.slope)
        self.slope.copy_(2.0 ** (-8 * torch.arange(1, heads + 1) / heads))

    def forward(self, asking: Tensor, time: int) -> Tensor:
        """Bias ``[heads, asking, time]`` for queries at the positions ``asking``; the future is for others to mask."""
        distance = asking[:, None] - torch.arange(time, device=asking.device)  # [asking, time]
        past = distance.clamp(min=0)
        bias = self.table[:, past.clamp(max=self.near)] - self.slope[:, None, None] * past
        of_row = torch.arange(time, device=asking.device) < self.rows  # [time]
        return torch.where(of_row, self.header[:, None, None], bias)  # [heads, asking, time]


class Attention(nn.Module):
    """Causal multi-head attention; the queries may be a subset of the positions."""

    def __init__(self, width: int, heads: int, positions: str = "none", rows: int = 0) -> None:
        super().__init__()
        self.heads, self.rotary = heads, positions == "rotary"
        self.distance = DistanceBias(heads, rows) if positions == "distance" else None
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
        if record is None and at is None and self.distance is None:
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            rows = torch.arange(time, device=x.device) if at is None else at
            visible = torch.arange(time, device=x.device) <= rows[:, None]  # [scored, time]
            if record is None and self.distance is None:
                mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
            else:
                scores = q @ k.mT / math.sqrt(q.shape[-1])  # [batch, heads, scored, time]
                if self.distance is not None:
                    scores = scores + self.distance(rows, time)
                weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
                mixed = weights @ v  # [batch, heads, scored, d]
            if record is not None:
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

    def __init__(self, width: int, heads: int, hidden: int, positions: str = "none", rows: int = 0) -> None:
        super().__init__()
        self.attention = Attention(width, heads, positions, rows)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        kept = x if at is None else x[:, at]  # [batch, scored, width]
        x = kept + self.attention(rms_norm(x), at, record, prefix)
        return x + self.feed_forward(rms_norm(x))


POSITIONS = ("none", "learned", "rotary", "distance")


class Transformer(ResidualStack):
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
        positions: ``"none"``, ``"learned"``, ``"rotary"`` or ``"distance"``; the last carries over to longer sequences.
        attending: how many layers, from the bottom, have attention; all of them if None. In the others its last matrix
            is 0 and is not trained.
        frame: ``header``, ``columns``, ``end_norms``, ``tied`` and ``generator`` of
            :class:`~tutorlib.models.stack.ResidualStack`.

    Raises:
        ValueError: if a size is not positive, the heads do not divide the width, ``positions`` is unknown, rotary
            positions meet heads of odd size, or the frame does not fit.

    >>> record = {}
    >>> Transformer(vocab=8, context=7)(torch.tensor([[0, 5, 1]]), record=record).shape
    torch.Size([1, 3, 8])
    >>> record["layer0.attention"].shape
    torch.Size([1, 1, 3, 3])
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
        attending: int | None = None,
        **frame: Any,
    ) -> None:
        check_sizes(vocab=vocab, context=context, width=width, layers=layers, heads=heads)
        attending = layers if attending is None else integer("attending", attending, 0, layers)
        hidden = 4 * width if hidden is None else hidden
        check_sizes(hidden=hidden)
        if width % heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        choice("positions", positions, POSITIONS)
        if positions == "rotary" and width // heads % 2:
            raise ValueError(f"width: expected heads of even size for rotary positions, got {width // heads}")
        shape = check_header_shape(frame.get("header"))
        rows = shape[0] if shape else 0
        blocks = [Block(width, heads, hidden, positions, rows) for _ in range(layers)]
        super().__init__(vocab, context, width, blocks, positions=positions == "learned", **frame)
        self.heads, self.hidden, self.positions, self.attending = heads, hidden, positions, attending
        for block in self.blocks[attending:]:
            block.attention.requires_grad_(False)  # its last matrix starts at 0 and stays there

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        own = {key: getattr(self, key) for key in ("heads", "hidden", "positions")}
        own |= {} if self.attending == self.layers else {"attending": self.attending}
        return super().config() | own
