"""Attention of one moment with everything else of another: what was each part worth, in bits?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutorlib.arguments import instance, shown
from tutorlib.geometry import cosines
from tutorlib.models import Transformer
from tutorlib.models.base import rms_norm
from tutorlib.models.transformer import Block
from tutorlib.tunnels import Batch

__all__ = ["answers_with", "attention_maps", "value_cosines"]


@torch.no_grad()
def attention_maps(model: Transformer, batch: Batch) -> list[Tensor]:
    """The attention weights of every layer, ``[sequences, heads, asking, rows + time]``, rows of a header included.

    Where there is a header, only the tokens ask in the last layer.

    Raises:
        ValueError: if it is no transformer, or the batch does not fit it.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> games = Coin(5).sample(2, torch.Generator().manual_seed(0))
    >>> [layer.shape for layer in attention_maps(Transformer(3, 5, width=4), games)]
    [torch.Size([2, 1, 5, 5])]
    """
    instance("model", model, Transformer)
    instance("batch", batch, Batch)
    record: dict[str, Tensor] = {}
    model(batch.tokens, record=record, header=batch.header)
    return [record[f"layer{layer}.attention"] for layer in range(model.layers)]


@torch.no_grad()
def answers_with(model: Transformer, batch: Batch, maps: Sequence[Tensor]) -> Tensor:
    """What the network answers if its attention weights are replaced by others.

    Queries and keys play no part then. With the network's own maps it is the network's own answer.

    Args:
        model: a transformer.
        batch: sequences that fit it.
        maps: for each layer, of the shapes that :func:`attention_maps` gives.

    Returns:
        Logits after every token, ``[sequences, time, vocab]``.

    Raises:
        ValueError: if the maps do not fit the network and the batch.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> model, games = Transformer(3, 5, width=4), Coin(5).sample(2, torch.Generator().manual_seed(0))
    >>> torch.allclose(answers_with(model, games, attention_maps(model, games)), model(games.tokens), atol=1e-6)
    True
    """
    own = attention_maps(model, batch)
    expected = [tuple(layer.shape) for layer in own]
    if not isinstance(maps, list | tuple) or not all(isinstance(layer, Tensor) for layer in maps):
        raise ValueError(f"maps: expected a list of tensors, got {shown(maps)}")
    if [tuple(layer.shape) for layer in maps] != expected:
        raise ValueError(f"maps: expected the shapes {expected}, got {[tuple(m.shape) for m in maps]}")
    x = model._stream(batch.tokens, model.check_header(batch.tokens, batch.header))
    for block, weights in zip(model.blocks, maps, strict=True):
        assert isinstance(block, Block)
        attention = block.attention
        v = attention.value(rms_norm(x)).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)  # [sequences, asking, width]
        x = x[:, -mixed.shape[1] :] + attention.output(mixed)
        x = x + block.feed_forward(rms_norm(x))
    head = model.embedding if model.head is None else model.head
    logits: Tensor = (rms_norm(x) if model.end_norms else x) @ head.weight.T
    return logits


@torch.no_grad()
def value_cosines(model: Transformer, tokens: Tensor) -> Tensor:
    """Cosines between what the first layer writes for each of some tokens, read alone: ``[heads, n, n]``.

    A value times its part of the output matrix. Unlike the value itself it does not depend on how the head counts its
    own coordinates.

    >>> from tutorlib.models import Transformer
    >>> value_cosines(Transformer(8, 7, width=4), torch.arange(4, 8)).shape
    torch.Size([1, 4, 4])
    """
    attention = instance("model", model, Transformer).blocks[0].attention
    x = model._stream(tokens[:, None], None)[:, 0]  # [n, width]
    v = attention.value(rms_norm(x)).unflatten(-1, (attention.heads, -1)).transpose(0, 1)  # [heads, n, d]
    parts = attention.output.weight.unflatten(1, (attention.heads, -1)).permute(1, 2, 0)  # [heads, d, width]
    written = v @ parts  # [heads, n, width]
    # A fresh network writes nothing: its output matrix is zero. Its values alone then stand for what it would write.
    return cosines((written if written.any() else v).double())
