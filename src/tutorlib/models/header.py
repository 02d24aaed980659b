"""Reading a header: rows of probabilities that a tunnel hands over in front of the tokens.

A probability enters as itself and as its logarithm, because sums of the one and products of the other are what Bayes'
rule is made of.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.arguments import integer, real_tensor
from tutorlib.models.base import check_sizes

__all__ = ["ColumnReader", "FlatReader", "RowReader", "log_features"]

SMALLEST = 2.0**-14  # below it a probability counts as this much, so that its logarithm stays a number


def log_features(p: Tensor) -> Tensor:
    """Probabilities ``[..., n]`` beside their logarithms: ``[..., 2 n]``, the latter in nats.

    >>> log_features(torch.tensor([0.5, 1.0]))
    tensor([ 0.5000,  1.0000, -0.6931,  0.0000])
    """
    real_tensor("p", p, "[..., n]")
    return torch.cat((p, p.clamp(min=SMALLEST).log()), -1)


class RowReader(nn.Module):
    """One vector of the stream for each row: a linear map of its numbers, plus a learned vector for its place.

    >>> RowReader(rows=5, features=10, width=4)(torch.full((1, 5, 10), 0.2)).shape
    torch.Size([1, 5, 4])
    """

    def __init__(self, rows: int, features: int, width: int) -> None:
        super().__init__()
        check_sizes(rows=rows, features=features, width=width)
        self.read = nn.Linear(2 * features, width, bias=False)
        self.place = nn.Embedding(rows, width)

    def forward(self, header: Tensor) -> Tensor:
        """``[batch, rows, features]`` to ``[batch, rows, width]``."""
        return self.read(log_features(header)) + self.place.weight  # [batch, rows, width]


class ColumnReader(nn.Module):
    """What a token finds in the header: the column that belongs to it.

    In an HMM that is ``E[:, o]``, how likely each state makes the symbol ``o``. It saves a network the look-up. A token
    that has no column, such as an HMM's states, which are answers and never read, finds zeros.

    >>> ColumnReader(rows=5, first=5, vocab=10, width=4)(torch.full((1, 5, 10), 0.2), torch.tensor([[3, 1]])).shape
    torch.Size([1, 2, 4])
    """

    def __init__(self, rows: int, first: int, vocab: int, width: int) -> None:
        super().__init__()
        check_sizes(rows=rows, vocab=vocab, width=width)
        self.first, self.vocab = integer("first", first, 0), vocab
        self.read = nn.Linear(2 * rows, width, bias=False)

    def forward(self, header: Tensor, tokens: Tensor) -> Tensor:
        """Column ``first + token`` for each token ``[batch, time]``, as ``[batch, time, width]``."""
        columns = header.mT[:, self.first : self.first + self.vocab]  # [batch, tokens that have one, rows]
        columns = functional.pad(columns, (0, 0, 0, self.vocab - columns.shape[1]))  # [batch, vocab, rows]
        index = tokens[..., None].expand(-1, -1, header.shape[1])  # [batch, time, rows]
        return self.read(log_features(columns.gather(1, index)))  # [batch, time, width]


class FlatReader(nn.Module):
    """The whole header as one vector, for networks that have no place to put rows.

    >>> FlatReader(rows=5, features=10, width=4)(torch.full((1, 5, 10), 0.2)).shape
    torch.Size([1, 1, 4])
    """

    def __init__(self, rows: int, features: int, width: int) -> None:
        super().__init__()
        check_sizes(rows=rows, features=features, width=width)
        self.read = nn.Linear(2 * rows * features, width, bias=False)

    def forward(self, header: Tensor) -> Tensor:
        """``[batch, rows, features]`` to ``[batch, 1, width]``."""
        return self.read(log_features(header).flatten(1))[:, None]  # [batch, 1, width]
