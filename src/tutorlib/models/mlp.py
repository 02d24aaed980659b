"""Four honest multilayer perceptrons. They differ in one thing only: what each is allowed to see.

* ``TokenMLP`` sees the current token. Whatever it learns, it cannot know what came before.
* ``WindowMLP`` sees the last few tokens, each in a place of its own.
* ``PrefixMLP`` sees the whole prefix, flattened: a row of weights for each (position, token).
* ``SumMLP`` sees the whole prefix as a bag: a row of weights for each token, added up whatever its position.

"An MLP fails" is a statement about the first of them unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.models.base import (
    Record,
    SequenceModel,
    check_header_shape,
    check_sizes,
    rms_norm,
    squared_relu,
)
from tutorlib.models.header import FlatReader

__all__ = ["PrefixMLP", "SumMLP", "TokenMLP", "WindowMLP"]


class Trunk(nn.Module):
    """Residual blocks ``x + down(relu(up(norm(x)))^2)`` and a head. ``record`` receives ``residual{i}``."""

    def __init__(self, vocab: int, width: int, layers: int) -> None:
        super().__init__()
        self.up = nn.ModuleList(nn.Linear(width, 4 * width, bias=False) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(4 * width, width, bias=False) for _ in range(layers))
        self.head = nn.Linear(width, vocab, bias=False)

    def forward(self, x: Tensor, record: Record | None) -> Tensor:
        for layer, (up, down) in enumerate(zip(self.up, self.down, strict=True)):
            if record is not None:
                record[f"residual{layer}"] = x
            x = x + down(squared_relu(up(rms_norm(x))))
        if record is not None:
            record[f"residual{len(self.up)}"] = x
        return self.head(rms_norm(x))  # [batch, scored, vocab]


class Perceptron(SequenceModel):
    """What the four share: a header, if there is one, is one vector added to what is seen at every position."""

    width: int
    layers: int
    reader: FlatReader | None

    def _header_reader(self, header: Sequence[int] | None) -> FlatReader | None:
        self.header = check_header_shape(header)
        return FlatReader(*self.header, self.width) if self.header else None

    def with_header(self, x: Tensor, tokens: Tensor, header: Tensor | None) -> Tensor:
        """Add the header's vector to ``x`` ``[batch, scored, width]``."""
        numbers = self.check_header(tokens, header)
        return x if self.reader is None or numbers is None else x + self.reader(numbers)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        config: dict[str, object] = {
            key: getattr(self, key) for key in ("vocab", "context", "width", "layers")
        }
        return config if self.header is None else config | {"header": list(self.header)}


class WindowMLP(Perceptron):
    """Sees the last ``window`` tokens, the current one included.

    A linear layer on the concatenated one-hot window is a sum of looked-up rows, one table for each lag, and
    that is how it is computed.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        window: how many tokens it sees.
        width: size of the hidden stream.
        layers: number of residual blocks.
        header: rows and features of a header of probabilities, which is added to every position as one vector.
        generator: draws the starting weights; seed 0 if None.

    >>> WindowMLP(vocab=8, context=7, window=3)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "mlp-window"

    def __init__(
        self,
        vocab: int,
        context: int,
        window: int = 8,
        width: int = 64,
        layers: int = 2,
        header: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(vocab=vocab, context=context, window=window, width=width, layers=layers)
        self.vocab, self.context, self.window, self.width, self.layers = vocab, context, window, width, layers
        self.table = nn.Embedding(window * (vocab + 1), width)  # one more row: "before the start"
        self.reader = self._header_reader(header)
        self.trunk = Trunk(vocab, width, layers)
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
        padded = functional.pad(tokens, (self.window - 1, 0), value=self.vocab)  # [batch, window - 1 + time]
        seen = padded.unfold(1, self.window, 1)[:, wanted]  # [batch, scored, window]
        lag = torch.arange(self.window, device=tokens.device) * (self.vocab + 1)
        return self.trunk(self.with_header(self.table(seen + lag).sum(-2), tokens, header), record)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return super().config() | {"window": self.window}


class TokenMLP(WindowMLP):
    """Sees the current token and nothing else: a window of one.

    >>> model = TokenMLP(vocab=8, context=7)
    >>> torch.allclose(model(torch.tensor([[0, 5, 1]]))[0, 2], model(torch.tensor([[1]]))[0, 0])  # it sees one token
    True
    """

    name = "mlp-token"

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 64,
        layers: int = 2,
        header: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(vocab, context, 1, width, layers, header, generator)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return {key: value for key, value in super().config().items() if key != "window"}


class PrefixMLP(Perceptron):
    """Sees the whole prefix, flattened into one vector with an empty place for each position to come.

    The linear layer on that vector is a running sum of looked-up rows, one table for each position.

    >>> PrefixMLP(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "mlp-prefix"
    by_place = True

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 64,
        layers: int = 2,
        header: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(vocab=vocab, context=context, width=width, layers=layers)
        self.vocab, self.context, self.width, self.layers = vocab, context, width, layers
        self.table = nn.Embedding((context if self.by_place else 1) * vocab, width)
        self.reader = self._header_reader(header)
        self.trunk = Trunk(vocab, width, layers)
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
        place = torch.arange(tokens.shape[1], device=tokens.device) * (self.vocab if self.by_place else 0)
        rows = self.table(tokens + place)  # [batch, time, width]
        return self.trunk(self.with_header(rows.cumsum(1)[:, wanted], tokens, header), record)


class SumMLP(PrefixMLP):
    """Sees the whole prefix as a bag of tokens: the sum of their rows, with no trace of order.

    It shares weights over positions, as attention does, and has no attention. So it is the control for what
    attention adds.

    >>> model = SumMLP(vocab=8, context=7)
    >>> torch.allclose(model(torch.tensor([[0, 5, 1]]))[0, 2], model(torch.tensor([[5, 1, 0]]))[0, 2])  # a bag
    True
    """

    name = "mlp-sum"
    by_place = False
