"""What the recurrent and linear models share: an embedding, a stack of residual blocks, a head.

It is the transformer's frame with another block in it, so that a comparison changes the block and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tutorlib.models.base import Record, SequenceModel
from tutorlib.models.transformer import rms_norm

__all__ = ["ResidualStack", "check_tied"]


class ResidualStack(SequenceModel):
    """``logits = head(norm(block_n(... block_1(norm(embedding)))))``.

    A block is called as ``block(x, at, record, prefix)`` with ``x`` of shape ``[batch, time, width]``; it returns
    ``x`` plus what it adds, at the positions ``at`` only if they are given. ``record`` receives ``residual{i}``
    ``[batch, positions, width]`` and whatever the blocks put in under ``layer{i}``.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        width: size of the residual stream.
        blocks: the blocks, in order.
        tied: whether the head is the embedding.
        generator: draws the starting weights; seed 0 if None.
    """

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int,
        blocks: Iterable[nn.Module],
        tied: bool,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.vocab, self.context, self.width, self.layers = vocab, context, width, len(self.blocks)
        self.tied = tied
        self.embedding = nn.Embedding(vocab, width)
        self.head = None if tied else nn.Linear(width, vocab, bias=False)
        self.initialise(generator)

    def forward(self, tokens: Tensor, at: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Logits after each position, or after those in ``at``; see :class:`SequenceModel`."""
        wanted = self.check_tokens(tokens, at)
        x = rms_norm(self.embedding(tokens))  # [batch, time, width]
        for layer, block in enumerate(self.blocks):
            if record is not None:
                record[f"residual{layer}"] = x
            last = layer == self.layers - 1
            x = block(x, wanted if last and at is not None else None, record, f"layer{layer}")
        if record is not None:
            record[f"residual{self.layers}"] = x  # [batch, scored, width]
        head = self.embedding if self.head is None else self.head
        return rms_norm(x) @ head.weight.T  # [batch, scored, vocab]


def check_tied(tied: bool) -> None:
    """Raise a ValueError if ``tied`` is neither True nor False."""
    if not isinstance(tied, bool):
        raise ValueError(f"tied: expected True or False, got {tied!r}")
