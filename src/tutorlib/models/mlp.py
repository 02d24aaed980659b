"""Four honest multilayer perceptrons. They differ in one thing only: what each is allowed to see.

* ``TokenMLP`` sees the current token. Whatever it learns, it cannot know what came before.
* ``WindowMLP`` sees the last few tokens, each in a place of its own.
* ``PrefixMLP`` sees the whole prefix, flattened: a row of weights for each (position, token).
* ``SumMLP`` sees the whole prefix as a bag: a row of weights for each token, added up whatever its position.

"An MLP fails" is a statement about the first of them unless it says otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.models.base import Record, SequenceModel, check_sizes, squared_relu

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
            x = x + down(squared_relu(up(functional.rms_norm(x, x.shape[-1:], eps=1e-6))))
        if record is not None:
            record[f"residual{len(self.up)}"] = x
        return self.head(functional.rms_norm(x, x.shape[-1:], eps=1e-6))  # [batch, scored, vocab]


class WindowMLP(SequenceModel):
    """Sees the last ``window`` tokens, the current one included.

    A linear layer on the concatenated one-hot window is a sum of looked-up rows, one table for each lag, and
    that is how it is computed.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        window: how many tokens it sees.
        width: size of the hidden stream.
        layers: number of residual blocks.
        generator: draws the starting weights; seed 0 if None.
    """

    name = "mlp-window"

    def __init__(
        self,
        vocab: int,
        context: int,
        window: int = 8,
        width: int = 64,
        layers: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(vocab=vocab, context=context, window=window, width=width, layers=layers)
        self.vocab, self.context, self.window, self.width, self.layers = vocab, context, window, width, layers
        self.table = nn.Embedding(window * (vocab + 1), width)  # one more row: "before the start"
        self.trunk = Trunk(vocab, width, layers)
        self.initialise(generator)

    def forward(self, tokens: Tensor, at: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Logits after each position, or after those in ``at``; see :class:`SequenceModel`."""
        wanted = self.check_tokens(tokens, at)
        padded = functional.pad(tokens, (self.window - 1, 0), value=self.vocab)  # [batch, window - 1 + time]
        seen = padded.unfold(1, self.window, 1)[:, wanted]  # [batch, scored, window]
        lag = torch.arange(self.window, device=tokens.device) * (self.vocab + 1)
        return self.trunk(self.table(seen + lag).sum(-2), record)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        keys = ("vocab", "context", "window", "width", "layers")
        return {key: getattr(self, key) for key in keys}


class TokenMLP(WindowMLP):
    """Sees the current token and nothing else: a window of one."""

    name = "mlp-token"

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 64,
        layers: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(vocab, context, window=1, width=width, layers=layers, generator=generator)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return {key: getattr(self, key) for key in ("vocab", "context", "width", "layers")}


class PrefixMLP(SequenceModel):
    """Sees the whole prefix, flattened into one vector with an empty place for each position to come.

    The linear layer on that vector is a running sum of looked-up rows, one table for each position.
    """

    name = "mlp-prefix"
    by_place = True

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 64,
        layers: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(vocab=vocab, context=context, width=width, layers=layers)
        self.vocab, self.context, self.width, self.layers = vocab, context, width, layers
        self.table = nn.Embedding((context if self.by_place else 1) * vocab, width)
        self.trunk = Trunk(vocab, width, layers)
        self.initialise(generator)

    def forward(self, tokens: Tensor, at: Tensor | None = None, record: Record | None = None) -> Tensor:
        """Logits after each position, or after those in ``at``; see :class:`SequenceModel`."""
        wanted = self.check_tokens(tokens, at)
        place = torch.arange(tokens.shape[1], device=tokens.device) * (self.vocab if self.by_place else 0)
        rows = self.table(tokens + place)  # [batch, time, width]
        return self.trunk(rows.cumsum(1)[:, wanted], record)

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return {key: getattr(self, key) for key in ("vocab", "context", "width", "layers")}


class SumMLP(PrefixMLP):
    """Sees the whole prefix as a bag of tokens: the sum of their rows, with no trace of order.

    It shares weights over positions, as attention does, and has no attention. So it is the control for what
    attention adds.
    """

    name = "mlp-sum"
    by_place = False
