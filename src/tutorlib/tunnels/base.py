"""What every wind tunnel offers, so that the loop, the evaluation and the figures take any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

__all__ = ["Batch", "Predictor", "Tunnel"]


@dataclass(frozen=True)
class Batch:
    """Sequences from a tunnel.

    Attributes:
        tokens: what a model reads, int64 ``[batch, time]``.
        targets: the sampled answer at each scored position, int64 ``[batch, scored]``.
    """

    tokens: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.tokens.shape[0]


Predictor = Callable[[Batch], Tensor]  # Batch -> probabilities [batch, scored, vocab]


class Tunnel(ABC):
    """A law over token sequences with a known exact predictive.

    Attributes:
        vocab: number of token ids; a model's logits have this width.
        length: tokens in a sequence.
        scored: int64 ``[scored]``, the positions at which the next token is scored, in order.
        answers: int64 ``[answers]``, the token ids that can be an answer at all.
        symbols_name: what one step of a window counts, for printing ("pairs", "symbols").
        max_window: a window of this many steps sees everything, so it is exact.
    """

    name: str
    vocab: int
    length: int
    scored: Tensor
    answers: Tensor
    symbols_name: str = "symbols"
    max_window: int

    @abstractmethod
    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw ``batch`` sequences, on the generator's device."""

    @abstractmethod
    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact predictive of an observer who sees only the last ``steps`` steps of the past.

        Returns ``[batch, scored, vocab]`` in float64. ``steps = max_window`` is the exact posterior.
        """

    def exact(self, batch: Batch) -> Tensor:
        """Exact posterior predictive at each scored position, float64 ``[batch, scored, vocab]``."""
        return self.window(batch, self.max_window)

    def uniform(self, batch: Batch) -> Tensor:
        """The observer who knows the alphabet and nothing else, float64 ``[batch, scored, vocab]``."""
        p = torch.zeros(self.vocab, dtype=torch.float64, device=batch.tokens.device)  # [vocab]
        p[self.answers.to(p.device)] = 1.0 / len(self.answers)
        return p.expand(len(batch), len(self.scored), self.vocab)

    def references(self) -> dict[str, Predictor]:
        """The ladder of exact references by name, worst first; a tunnel may add its own blind spots."""
        rungs: dict[str, Predictor] = {"uniform": self.uniform}
        for steps in range(1, self.max_window):
            rungs[f"last {steps} {self.symbols_name}"] = partial(self.window, steps=steps)
        rungs["exact"] = self.exact
        return rungs

    @abstractmethod
    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again, JSON-ready."""
