"""The Markov tunnel: a chain whose transition matrix is fresh in every sequence and has to be counted out.

Sources: Edelman et al. 2024 (arXiv 2402.11004), whose transformers pass from uniform through unigram to bigram
answers; MacKay and Peto 1995 for the exact answer, add-a counts of the bigrams.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import device_of, integer, positive
from tutorlib.bits import probabilities
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import categorical, dirichlet, ids_between, recent

__all__ = ["Markov"]


class Markov(TaskTunnel):
    """Sequences ``x0 x1 ... x(n-1)`` from a chain with Dirichlet(a) rows; each next symbol is asked.

    The first symbol is uniform, whatever the matrix, so it says nothing about it.

    Args:
        symbols: k, at least 2; tokens are ``0 .. k-1``.
        steps: n, how many symbols are shown, and how many are asked.
        a: concentration of every entry of a row.

    Raises:
        ValueError: if an argument does not fit.

    >>> tunnel = Markov(symbols=2, steps=5)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens[0], tunnel.exact(batch)[0, :, 1]
    (tensor([0, 0, 0, 1, 0]), tensor([0.5000, 0.3333, 0.2500, 0.5000, 0.4000], dtype=torch.float64))
    """

    name = "markov"
    symbols_name = "transitions"
    steps_argument = "steps"
    coarse_ladder = True

    def __init__(self, symbols: int = 3, steps: int = 100, a: float = 1.0) -> None:
        self.symbols, self.steps, self.a = (
            integer("symbols", symbols, 2),
            integer("steps", steps, 1),
            positive("a", a),
        )
        self.vocab, self.length, self.task_shape = symbols, steps, (symbols, symbols)
        self.scored = torch.arange(steps)  # [steps]
        self.answers = torch.arange(symbols)
        self.max_window = max(steps - 1, 1)

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw transition matrices, float64 ``[count, symbols, symbols]``."""
        count = integer("count", count, 1)
        return dirichlet(torch.full((count, self.symbols, self.symbols), self.a), generator)

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Walk through each of the chains from a uniform first symbol."""
        self._check_tasks(tasks)
        batch, device = len(tasks), device_of(generator)
        rows = torch.arange(batch, device=device)
        symbol = torch.randint(self.symbols, (batch,), generator=generator, device=device)
        walk = [symbol]
        for _ in range(self.steps):
            symbol = categorical(tasks[rows, symbol], generator)
            walk.append(symbol)
        symbols = torch.stack(walk, -1)  # [batch, steps + 1]
        return Batch(symbols[:, :-1], symbols[:, 1:], tasks=tasks)

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """The row of the current symbol."""
        symbols = self._one_hot(batch)  # [batch, steps, symbols]
        self._check_tasks(tasks, batch)
        return symbols @ tasks.double()  # [..., batch, steps, symbols]

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Posterior predictive ``(n_ij + a) / (n_i + k a)`` with counts of the last ``steps`` transitions."""
        now = self._one_hot(batch)  # [batch, steps, symbols]
        then = functional.pad(
            now[:, 1:], (0, 0, 0, 1)
        )  # [batch, steps, symbols]: what followed; the last is asked
        same = (
            now @ now.mT * recent(self.steps, steps, now.device)
        )  # [batch, steps, steps]: seen, same symbol
        return self._add_a(same @ then)

    def unigram(self, batch: Batch) -> Tensor:
        """The observer who counts symbols and forgets which came after which, ``(n_j + a) / (n + k a)``."""
        return self._add_a(self._one_hot(batch).cumsum(1))

    def landmarks(self) -> dict[str, Predictor]:
        """Add-a counts of symbols, and the observer who is told the matrix."""
        return {"unigram": self.unigram, "knows the matrix": self.oracle}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"symbols": self.symbols, "steps": self.steps, "a": self.a}

    def _check_task_values(self, tasks: Tensor) -> None:
        probabilities(tasks, name="tasks")

    def _one_hot(self, batch: Batch) -> Tensor:
        self._check(batch)
        ids_between("tokens", batch.tokens, 0, self.symbols - 1)
        return functional.one_hot(batch.tokens, self.symbols).double()  # [batch, steps, symbols]

    def _add_a(self, counts: Tensor) -> Tensor:
        return (counts + self.a) / (counts.sum(-1, keepdim=True) + self.symbols * self.a)
