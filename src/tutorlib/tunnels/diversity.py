"""A limit on diversity: only M tasks exist, and the exact answer knows which ones.

Source: Raventos et al. 2023 (arXiv 2306.15063), there for linear regression: a network trained on few tasks answers as
Bayes with the prior over those tasks, one trained on many as Bayes with the prior over all tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import device_of, integer, seed_number, shown
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import ids_between, recent

__all__ = ["Diversity"]

IMPOSSIBLE = -1e5  # log-likelihood of an answer that a task rules out; finite, so that 0 times it is 0
TABLE = 2**22  # numbers in one table [tasks, batch, scored, vocab]; more tasks come in several tables


class Diversity(TaskTunnel):
    """Another tunnel with ``tasks`` fixed tasks, drawn once from its prior, all equally likely.

    Where a sequence states its task (``shows_task``) the exact answer is the other tunnel's own: the prior over tasks
    plays no part. Elsewhere it is Bayes over the M tasks.

    Args:
        tunnel: name of the other tunnel in ``TUNNELS``.
        tunnel_config: its arguments.
        tasks: M, how many tasks there are, at least 1.
        seed: of the generator that draws them.

    Attributes:
        base: the other tunnel.
        fixed: the tasks, ``[M, ...]``.

    Raises:
        ValueError: if there is no such tunnel, or it draws no tasks.

    >>> tunnel = Diversity("coin", {"tosses": 30}, tasks=2)
    >>> tunnel.fixed  # the only two coins there are
    tensor([0.6705, 0.4875], dtype=torch.float64)
    >>> tunnel.exact(tunnel.sample(1, torch.Generator().manual_seed(0)))[0, -1, 1]
    tensor(0.6631, dtype=torch.float64)
    """

    name = "diversity"

    def __init__(
        self,
        tunnel: str = "coin",
        tunnel_config: dict[str, Any] | None = None,
        tasks: int = 16,
        seed: int = 0,
    ) -> None:
        from tutorlib.tunnels import TUNNELS  # the list that this class itself is in

        kinds = [name for name, kind in TUNNELS.items() if issubclass(kind, TaskTunnel)]
        if not isinstance(tunnel, str) or tunnel not in kinds:
            raise ValueError(
                f"tunnel: expected one that draws tasks ({', '.join(kinds)}), got {shown(tunnel)}"
            )
        try:
            base = TUNNELS[tunnel](**({} if tunnel_config is None else tunnel_config))
        except TypeError as error:
            raise ValueError(
                f"tunnel_config: expected arguments of {tunnel}, got others ({error})"
            ) from error
        assert isinstance(base, TaskTunnel)
        self.base, self.tasks, self.seed = base, integer("tasks", tasks, 1), seed_number("seed", seed)
        self.fixed = base.sample_tasks(tasks, torch.Generator().manual_seed(seed))  # [tasks, ...]
        self.vocab, self.length, self.scored, self.answers = (
            base.vocab,
            base.length,
            base.scored,
            base.answers,
        )
        self.max_window, self.coarse_ladder = base.max_window, base.coarse_ladder
        self.symbols_name, self.header_shape, self.shows_task = (
            base.symbols_name,
            base.header_shape,
            base.shows_task,
        )
        self.task_shape = base.task_shape

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` of the fixed tasks, with repetition, ``[count, ...]``."""
        count, device = integer("count", count, 1), device_of(generator)
        return self.fixed.to(device)[torch.randint(self.tasks, (count,), generator=generator, device=device)]

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Draw one sequence for each of the tasks."""
        return self.base.sample_given(tasks, generator)

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """Predictive of an observer who is told the task."""
        return self.base.known(tasks, batch)

    def posterior(self, batch: Batch, steps: int | None = None) -> Tensor:
        """Belief over the M tasks from the last ``steps`` answers before each position, ``[batch, scored, M]``.

        Raises:
            ValueError: if the answers are impossible under each of the M tasks.
        """
        self._check(batch)
        ids_between("targets", batch.targets, 0, self.vocab - 1)
        seen = recent(len(self.scored), self.max_window if steps is None else steps, batch.tokens.device)
        index = batch.targets[None, ..., None]  # [1, batch, scored, 1]
        parts = [p.gather(-1, index.expand(len(p), -1, -1, -1)) for p in self._tables(batch)]
        surprise = torch.cat(parts)[..., 0].log().clamp(min=IMPOSSIBLE)  # [tasks, batch, scored]
        evidence = torch.einsum("ks,mbs->bkm", seen, surprise)  # [batch, scored, tasks]: log-likelihoods
        if (evidence.amax(-1) <= IMPOSSIBLE).any():
            raise ValueError(f"batch: its answers are impossible under each of the {self.tasks} tasks")
        return torch.softmax(evidence, -1)

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Predictive of an observer who knows the M tasks and sees the last ``steps`` answers."""
        if self.shows_task:
            return self.base.window(batch, steps)
        beliefs = self.posterior(batch, steps).split(self._chunk(batch), -1)
        answer = torch.zeros(1, dtype=torch.float64, device=batch.tokens.device)
        for belief, p in zip(beliefs, self._tables(batch), strict=True):
            answer = answer + torch.einsum("bkm,mbkv->bkv", belief, p)
        return answer  # [batch, scored, vocab]

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """As the other tunnel: an order that says nothing about each task says nothing about which it is."""
        return self.base.shuffle_past(batch, generator)

    def suppose(self, batch: Batch, position: int, answer: int) -> Batch:
        """As the other tunnel."""
        return self.base.suppose(batch, position, answer)

    def landmarks(self) -> dict[str, Predictor]:
        """The exact answer of the unlimited prior: what an observer does who does not know the M tasks."""
        return {"all tasks": self.base.exact}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {
            "tunnel": self.base.name,
            "tunnel_config": self.base.config(),
            "tasks": self.tasks,
            "seed": self.seed,
        }

    def _check_task_values(self, tasks: Tensor) -> None:
        self.base._check_task_values(tasks)

    def _chunk(self, batch: Batch) -> int:
        return max(1, TABLE // max(1, len(batch) * len(self.scored) * self.vocab))

    def _tables(self, batch: Batch) -> Iterator[Tensor]:
        """Predictives of the tasks, ``[tasks, batch, scored, vocab]``, in parts along the first axis."""
        tasks = self.fixed.to(batch.tokens.device)[:, None]  # [tasks, 1, ...]
        return (self.base.known(part, batch) for part in tasks.split(self._chunk(batch)))
