"""The coin tunnel: tosses of a coin of unknown bias, the smallest problem of learning in context.

The exact answer is the rule of succession for a Beta prior, ``(heads + a) / (tosses + a + b)`` (Laplace 1774;
Bayes 1763). The tunnel can also toss coins from another law than the one the observer believes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import device_of, integer, positive, shown
from tutorlib.bayes import beta_bernoulli
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import dirichlet, ids_between, recent, reordered

__all__ = ["Coin"]

START = 2


class Coin(TaskTunnel):
    """Sequences ``START x1 x2 ... x(n-1)``; at each position the next toss is asked, heads 1 or tails 0.

    Args:
        tosses: n, how many tosses are asked.
        a: prior weight of heads, Beta(a, b).
        b: prior weight of tails.
        sampled_from: ``(a', b')`` if the biases come from Beta(a', b') although the observer believes in
            Beta(a, b). ``exact`` is then still the posterior under Beta(a, b), which is what a network trained
            on that prior should answer; ``under_sampling_law`` is the posterior under Beta(a', b').

    Raises:
        ValueError: if ``tosses < 1`` or a weight is not positive.

    >>> tunnel = Coin(4)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens[0], tunnel.exact(batch)[0, :, 1]
    (tensor([2, 1, 1, 1]), tensor([0.5000, 0.6667, 0.7500, 0.8000], dtype=torch.float64))
    """

    name = "coin"
    symbols_name = "tosses"
    steps_argument = "tosses"
    coarse_ladder = True

    def __init__(
        self, tosses: int = 50, a: float = 1.0, b: float = 1.0, sampled_from: Sequence[float] | None = None
    ) -> None:
        self.tosses = integer("tosses", tosses, 1)
        self.prior = (positive("a", a), positive("b", b))
        if sampled_from is not None and (
            not isinstance(sampled_from, tuple | list) or len(sampled_from) != 2
        ):
            raise ValueError(f"sampled_from: expected two positive numbers, got {shown(sampled_from)}")
        a_, b_ = self.prior if sampled_from is None else sampled_from
        self.sampling_law = (positive("sampled_from", a_), positive("sampled_from", b_))
        self.vocab, self.length, self.task_shape = 3, tosses, ()
        self.scored = torch.arange(tosses)  # [tosses]
        self.answers = torch.arange(2)
        self.max_window = max(tosses - 1, 1)

    @property
    def misspecified(self) -> bool:
        """Whether the coins come from another law than the observer's prior."""
        return self.sampling_law != self.prior

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw the chance of heads of ``count`` coins, float64 ``[count]``."""
        law = torch.tensor(self.sampling_law).expand(integer("count", count, 1), 2)  # [count, 2]
        return dirichlet(law, generator)[:, 0]

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Toss each of the coins."""
        self._check_tasks(tasks)
        shape, device = (len(tasks), self.tosses), device_of(generator)
        u = torch.rand(shape, generator=generator, device=device, dtype=tasks.dtype)
        tosses = (u < tasks[:, None]).long()  # [batch, tosses]
        return Batch(functional.pad(tosses[:, :-1], (1, 0), value=START), tosses, tasks=tasks)

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """The bias itself, whatever was seen."""
        self._shown(batch)
        self._check_tasks(tasks, batch)
        heads = tasks.expand(*tasks.shape[:-1], len(batch))  # [..., batch]
        return self._answer(heads[..., None].expand(*heads.shape, self.tosses))

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Posterior predictive under Beta(a, b) from the last ``steps`` tosses."""
        return self._answer(beta_bernoulli(*self._counts(batch, steps), *self.prior))

    def under_sampling_law(self, batch: Batch) -> Tensor:
        """Posterior predictive under the law the coins really come from, all tosses seen."""
        return self._answer(beta_bernoulli(*self._counts(batch, self.max_window), *self.sampling_law))

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The tosses seen, in another order."""
        tosses = torch.cat((self._shown(batch), batch.targets[:, -1:]), 1)  # [batch, tosses]
        (tosses,) = reordered((tosses,), generator)
        return replace(batch, tokens=functional.pad(tosses[:, :-1], (1, 0), value=START), targets=tosses)

    def suppose(self, batch: Batch, position: int, answer: int) -> Batch:
        """The same tosses, but for the one asked at ``position``: every position asks for the same coin."""
        self._shown(batch)
        position = integer("position", position, 0, self.tosses - 2)
        tokens, targets = batch.tokens.clone(), batch.targets.clone()
        tokens[:, position + 1] = targets[:, position] = integer("answer", answer, 0, 1)
        return replace(batch, tokens=tokens, targets=targets)

    def landmarks(self) -> dict[str, Predictor]:
        """The observer who is told the bias and, if the prior is wrong, the one who has the right prior."""
        right = {"right prior": self.under_sampling_law} if self.misspecified else {}
        return {"knows the bias": self.oracle, **right}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        (a, b), law = self.prior, list(self.sampling_law) if self.misspecified else None
        return {"tosses": self.tosses, "a": a, "b": b, "sampled_from": law}

    def _check_task_values(self, tasks: Tensor) -> None:
        if not tasks.is_floating_point() or not ((tasks >= 0) & (tasks <= 1)).all():
            raise ValueError("tasks: expected probabilities of heads, 0 to 1, got others")

    def _shown(self, batch: Batch) -> Tensor:
        self._check(batch)
        shown = batch.tokens[:, 1:]  # [batch, tosses - 1]
        if (batch.tokens[:, 0] != START).any():
            raise ValueError(f"tokens: expected {START} at position 0")
        ids_between("tokens: tosses", shown, 0, 1)
        return shown

    def _counts(self, batch: Batch, steps: int) -> tuple[Tensor, Tensor]:
        heads = self._shown(batch).double()  # [batch, tosses - 1]
        seen = recent(self.tosses, steps, heads.device)[
            :, :-1
        ]  # [tosses, tosses - 1]: the last toss is not shown
        return heads @ seen.mT, (1 - heads) @ seen.mT  # [batch, tosses] each

    def _answer(self, heads: Tensor) -> Tensor:
        return torch.stack((1 - heads, heads, torch.zeros_like(heads)), -1)  # [..., tosses, vocab]
