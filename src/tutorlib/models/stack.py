"""The frame of every network with a residual stream: embedding, blocks that add to the stream, a head.

The models differ in their blocks and in nothing else, so that a comparison changes one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from tutorlib.arguments import shown
from tutorlib.models.base import Record, SequenceModel, check_header_shape, check_sizes, rms_norm
from tutorlib.models.header import ColumnReader, RowReader

__all__ = ["ResidualStack"]


class ResidualStack(SequenceModel):
    """``logits = head(norm(block_n(... block_1(norm(embedding)))))``.

    A block is called as ``block(x, at, record, prefix)`` with ``x`` of shape ``[batch, time, width]``; it returns
    ``x`` plus what it adds, at the positions ``at`` only if they are given. ``record`` receives ``residual{i}``
    ``[batch, positions, width]`` and whatever the blocks put in under ``layer{i}``. The rows of a header, if there is
    one, are the first positions of the stream, so they come first in what is recorded too.

    Args:
        vocab: number of token ids.
        context: longest sequence, the header not counted.
        width: size of the residual stream.
        blocks: the blocks, in order.
        tied: whether the head is the embedding.
        positions: whether a learned vector is added to each position's token.
        header: rows and features of the header of probabilities that it reads, or None.
        columns: if given, a token ``i`` also reads column ``columns + i`` of the header; zeros if it has none.
        end_norms: whether the stream is normalised at the entrance and before the head. Without, sums of logarithms
            reach the head as they are, which suits Bayes' rule on a header.
        generator: draws the starting weights; seed 0 if None.

    Raises:
        ValueError: if an argument does not fit.

    >>> ResidualStack(vocab=8, context=7, width=4, blocks=[])(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int,
        blocks: Iterable[nn.Module],
        tied: bool = True,
        positions: bool = False,
        header: Sequence[int] | None = None,
        columns: int | None = None,
        end_norms: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(vocab=vocab, context=context, width=width)
        for key, value in (("tied", tied), ("end_norms", end_norms)):
            if not isinstance(value, bool):
                raise ValueError(f"{key}: expected True or False, got {shown(value)}")
        self.header, self.columns, self.end_norms = check_header_shape(header), columns, end_norms
        if columns is not None and self.header is None:
            raise ValueError("columns: expected None, because there is no header to read them in")
        self.vocab, self.context, self.width, self.tied = vocab, context, width, tied
        self.embedding = nn.Embedding(vocab, width)
        self.position = nn.Embedding(context, width) if positions else None
        rows, features = self.header or (0, 0)
        self.rows = RowReader(rows, features, width) if rows else None
        whole = isinstance(columns, int) and not isinstance(columns, bool)
        if columns is not None and not (whole and 0 <= columns < features):
            raise ValueError(f"columns: expected a column from 0 to {features - 1}, got {shown(columns)}")
        self.reader = ColumnReader(rows, columns, vocab, width) if columns is not None else None
        self.blocks = nn.ModuleList(blocks)
        self.layers = len(self.blocks)
        self.head = None if tied else nn.Linear(width, vocab, bias=False)
        self.initialise(generator)

    def forward(
        self,
        tokens: Tensor,
        at: Tensor | None = None,
        record: Record | None = None,
        header: Tensor | None = None,
    ) -> Tensor:
        """Logits after each position, or after those in ``at``; see :class:`SequenceModel`."""
        wanted = self.check_tokens(tokens, at, record)
        x = self._stream(tokens, self.check_header(tokens, header))  # [batch, rows + time, width]
        rows = x.shape[1] - tokens.shape[1]
        asked = None if at is None and not rows else rows + wanted
        for layer, block in enumerate(self.blocks):
            if record is not None:
                record[f"residual{layer}"] = x
            x = block(x, asked if layer == self.layers - 1 else None, record, f"layer{layer}")
        if record is not None:
            record[f"residual{self.layers}"] = x  # [batch, scored, width]
        head = self.embedding if self.head is None else self.head
        return (rms_norm(x) if self.end_norms else x) @ head.weight.T  # [batch, scored, vocab]

    def _stream(self, tokens: Tensor, header: Tensor | None) -> Tensor:
        x = self.embedding(tokens)  # [batch, time, width]
        if self.position is not None:
            x = x + self.position.weight[: tokens.shape[1]]
        if header is not None:
            if self.reader is not None:
                x = x + self.reader(header, tokens)
            if self.rows is not None:
                x = torch.cat((self.rows(header), x), 1)  # [batch, rows + time, width]
        return rms_norm(x) if self.end_norms else x

    def config(self) -> dict[str, object]:
        """The arguments that build this model again; of the frame's options those that differ from the default."""
        config: dict[str, object] = {
            key: getattr(self, key) for key in ("vocab", "context", "width", "layers")
        }
        config |= {} if self.tied else {"tied": False}
        config |= {} if self.end_norms else {"end_norms": False}
        return (
            config if self.header is None else config | {"header": list(self.header), "columns": self.columns}
        )
