"""Vectors out of the book's own networks: residual streams, queries, keys and values, and an untrained twin."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tutorlib.arguments import device_of, instance
from tutorlib.models import SequenceModel, build
from tutorlib.tunnels import Batch

__all__ = ["HeadVectors", "head_vectors", "residual_streams", "untrained"]


@dataclass(frozen=True)
class HeadVectors:
    """What the attention heads of a transformer work with. The rows of a header, if any, are the first positions.

    Attributes:
        query: ``[layers, sequences, heads, time, d]``, of the tokens only.
        key: ``[layers, sequences, heads, rows + time, d]``.
        value: of the same shape.
        attention: weights ``[layers, sequences, heads, time, rows + time]``.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> games = Coin(5).sample(2, torch.Generator().manual_seed(0))
    >>> head_vectors(Transformer(3, 5, width=4), games).mixed.shape
    torch.Size([1, 2, 5, 4])
    """

    query: Tensor
    key: Tensor
    value: Tensor
    attention: Tensor

    @property
    def mixed(self) -> Tensor:
        """Attention outputs before the output matrix, heads side by side: ``[layers, sequences, time, heads * d]``."""
        return (self.attention @ self.value).transpose(2, 3).flatten(3)


def residual_streams(model: SequenceModel, batch: Batch) -> Tensor:
    """The residual stream at each token, before the first block and after every block.

    Returns:
        ``[layers + 1, sequences, time, width]``; the rows of a header are left out.

    Raises:
        ValueError: if the model records no residual stream, or the batch does not fit it.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> games = Coin(5).sample(2, torch.Generator().manual_seed(0))
    >>> residual_streams(Transformer(3, 5, width=4), games).shape
    torch.Size([2, 2, 5, 4])
    """
    record, time = _record(model, batch), batch.tokens.shape[1]
    streams: list[Tensor] = []
    while (stream := record.get(f"residual{len(streams)}")) is not None:
        streams.append(stream[:, -time:])  # [sequences, time, width]
    if not streams:
        raise ValueError(f"model: expected one that records its residual stream, got {model.name}")
    return torch.stack(streams)


def head_vectors(model: SequenceModel, batch: Batch) -> HeadVectors:
    """Queries, keys, values and attention weights of a transformer on a batch.

    Raises:
        ValueError: if the model has no softmax attention, or the batch does not fit it.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> games = Coin(5).sample(2, torch.Generator().manual_seed(0))
    >>> head_vectors(Transformer(3, 5, width=4), games).key.shape
    torch.Size([1, 2, 1, 5, 4])
    """
    record, time = _record(model, batch), batch.tokens.shape[1]
    layers = sum(name.endswith(".attention") for name in record)
    if not layers:
        raise ValueError(f"model: expected one with softmax attention, got {model.name}")
    found = {
        name: torch.stack([record[f"layer{i}.{name}"][..., -most:, :] for i in range(layers)])
        for name, most in (("query", time), ("key", 0), ("value", 0), ("attention", time))
    }
    return HeadVectors(**found)


def untrained(model: SequenceModel, generator: torch.Generator, open_blocks: bool = True) -> SequenceModel:
    """A network of the same shape with random weights: what a number is worth without training.

    The book's networks start with every block's last matrix at zero, so that a fresh one passes nothing on from
    earlier positions. As a control for probes that is too weak.

    Args:
        model: gives the shape; it stays as it is.
        generator: draws the weights, on the CPU.
        open_blocks: draw also the matrices that start at zero, each row of length about 1.

    >>> from tutorlib.models import Transformer
    >>> twin = untrained(Transformer(8, 7, width=4), torch.Generator().manual_seed(0))
    >>> bool(twin.blocks[0].attention.output.weight.any())
    True
    """
    config = instance("model", model, SequenceModel).config()
    device_of(generator)
    instance("open_blocks", open_blocks, bool)
    twin = build(model.name, **config, generator=generator)
    if open_blocks:
        with torch.no_grad():
            for module in twin.modules():
                if isinstance(module, nn.Linear) and not module.weight.any():
                    draw = torch.randn(module.weight.shape, generator=generator)
                    module.weight.copy_(draw / module.weight.shape[1] ** 0.5)
    return twin.eval()


@torch.no_grad()
def _record(model: SequenceModel, batch: Batch) -> dict[str, Tensor]:
    """Everything that the model records on the whole batch, all positions asking."""
    weights = next(instance("model", model, SequenceModel).parameters())
    instance("batch", batch, Batch)
    record: dict[str, Tensor] = {}
    # What is no tensor goes to the model as it is, which says what it expected.
    tokens, header = (
        part.to(weights.device) if isinstance(part, Tensor) else part for part in (batch.tokens, batch.header)
    )
    was_training = model.training
    model.eval()
    try:
        model(tokens, record=record, header=header)
    finally:
        model.train(was_training)
    return record
