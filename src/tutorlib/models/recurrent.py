"""Recurrent networks: all that is remembered of the past is one vector of fixed size.

Each block reads the stream through PyTorch's own LSTM (Hochreiter and Schmidhuber 1997; forget gate of Gers and
others 2000) or GRU (Cho and others 2014) and adds a linear map of the hidden state back to the stream.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.models.base import Record, check_sizes, rms_norm
from tutorlib.models.stack import ResidualStack

__all__ = ["GRU", "LSTM"]


class RecurrentBlock(nn.Module):
    """``x + output(h)``, where ``h`` is the hidden state after each position of the normalised stream."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], width: int, hidden: int) -> None:
        super().__init__()
        self.recurrence = kind(width, hidden, batch_first=True)
        self.output = nn.Linear(hidden, width, bias=False)

    def start(self, generator: torch.Generator) -> None:
        """Matrices of unit scale, biases at 0. An LSTM's forget gates start open, with a bias of 1."""
        hidden = self.recurrence.hidden_size
        for name, p in self.recurrence.named_parameters():
            if p.ndim == 2:
                p.copy_(p.shape[1] ** -0.5 * torch.randn(p.shape, generator=generator))
            else:
                p.zero_()
                if isinstance(self.recurrence, nn.LSTM) and name == "bias_ih_l0":
                    p[hidden : 2 * hidden] = 1.0  # PyTorch's order: input, forget, cell, output

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        states = self._read(rms_norm(x), record, prefix)  # [batch, time, hidden]
        if at is not None:
            x, states = x[:, at], states[:, at]  # [batch, scored, width] and [batch, scored, hidden]
        return x + self.output(states)

    def _read(self, x: Tensor, record: Record | None, prefix: str) -> Tensor:
        if record is None:
            return self.recurrence(x)[0]
        # PyTorch keeps only the last cell state, so to record all of them we take one step at a time.
        state, hidden, cell = None, [], []
        for x_t in x.split(1, dim=1):  # [batch, 1, width]
            out, state = self.recurrence(x_t, state)  # [batch, 1, hidden]
            hidden.append(out)
            if isinstance(state, tuple):
                cell.append(state[1][0])  # [batch, hidden]
        record[f"{prefix}.hidden"] = torch.cat(hidden, 1)  # [batch, time, hidden]
        if cell:
            record[f"{prefix}.cell"] = torch.stack(cell, 1)  # [batch, time, hidden]
        return record[f"{prefix}.hidden"]


class LSTM(ResidualStack):
    """A stack of LSTM layers.

    ``record`` receives, for each layer ``i``, ``layer{i}.hidden`` and ``layer{i}.cell`` ``[batch, time, hidden]``
    (a GRU has no cell), and ``residual{i}`` ``[batch, positions, width]``.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        width: size of the residual stream.
        layers: number of blocks.
        hidden: size of the hidden state; the width if None.
        frame: ``header``, ``columns``, ``end_norms``, ``tied`` and ``generator`` of
            :class:`~tutorlib.models.stack.ResidualStack`.

    Raises:
        ValueError: if a size is not a positive integer or the frame does not fit.

    >>> LSTM(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "lstm"
    kind: type[nn.LSTM] | type[nn.GRU] = nn.LSTM

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 64,
        layers: int = 1,
        hidden: int | None = None,
        **frame: Any,
    ) -> None:
        hidden = width if hidden is None else hidden
        check_sizes(vocab=vocab, context=context, width=width, layers=layers, hidden=hidden)
        blocks = [RecurrentBlock(self.kind, width, hidden) for _ in range(layers)]
        super().__init__(vocab, context, width, blocks, **frame)
        self.hidden = hidden

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return super().config() | {"hidden": self.hidden}


class GRU(LSTM):
    """A stack of GRU layers; arguments and errors as for :class:`LSTM`.

    >>> GRU(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "gru"
    kind = nn.GRU
