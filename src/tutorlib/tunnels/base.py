"""What every wind tunnel offers, so that the loop, the evaluation and the figures take any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, shown

__all__ = ["COARSE", "Batch", "Predictor", "TaskTunnel", "Tunnel"]

COARSE = (*range(1, 9), 12, 16, 24, 32, 48, 64)  # the rungs of a long ladder


@dataclass(frozen=True)
class Batch:
    """Sequences from a tunnel.

    Attributes:
        tokens: what a model reads, int64 ``[batch, time]``.
        targets: the sampled answer at each scored position, int64 ``[batch, scored]``.
        header: numbers that a model reads before the tokens, float64 ``[batch, rows, features]`` of the tunnel's
            ``header_shape``; None where the tokens say everything.
        tasks: what was drawn for each sequence and then hidden, ``[batch, ...]``. Only references that are
            named after it read it ("knows the task"); no model and no exact posterior does.

    >>> len(Batch(tokens=torch.tensor([[0, 5, 1]]), targets=torch.tensor([[5, 6]])))
    1
    """

    tokens: Tensor
    targets: Tensor
    header: Tensor | None = None
    tasks: Tensor | None = None

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
        coarse_ladder: whether the ladder has the windows in ``COARSE`` only, not every one.
        header_shape: rows and features of ``Batch.header``, or None. The rows come on top of ``length``.
        steps_argument: the argument that says how many steps a sequence has; None if there is no such one.

    >>> from tutorlib.tunnels import Mess3
    >>> isinstance(Mess3(), Tunnel)
    True
    """

    name: str
    vocab: int
    length: int
    scored: Tensor
    answers: Tensor
    symbols_name: str = "symbols"
    max_window: int
    coarse_ladder: bool = False
    header_shape: tuple[int, int] | None = None
    steps_argument: str | None = None

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

    def under_sampling_law(self, batch: Batch) -> Tensor:
        """Exact predictive under the law the sequences really come from: ``exact``, unless the prior is wrong."""
        return self.exact(batch)

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The same evidence before the last scored position, in another random order.

        Raises:
            ValueError: if the exact predictive of this tunnel depends on the order.
        """
        raise ValueError(f"{self.name}: the order of its evidence matters, so the past cannot be shuffled")

    def suppose(self, batch: Batch, position: int, answer: int) -> Batch:
        """The same sequences up to a scored position, and then ``answer`` there.

        Args:
            batch: the sequences.
            position: index into ``scored``, at least one before the last.
            answer: a token id from ``answers``.

        Raises:
            ValueError: if successive positions ask different questions in this tunnel.
        """
        raise ValueError(
            f"{self.name}: successive positions ask different questions, so none has a supposed answer"
        )

    def uniform(self, batch: Batch) -> Tensor:
        """The observer who knows the alphabet and nothing else, float64 ``[batch, scored, vocab]``."""
        self._check(batch)
        p = torch.zeros(self.vocab, dtype=torch.float64, device=batch.tokens.device)  # [vocab]
        p[self.answers.to(p.device)] = 1.0 / len(self.answers)
        return p.expand(len(batch), len(self.scored), self.vocab)

    @property
    def rungs(self) -> Sequence[int]:
        """The windows on the ladder between the uniform and the exact answer, in rising order."""
        every = range(1, self.max_window)
        return [steps for steps in COARSE if steps in every] if self.coarse_ladder else every

    def window_name(self, steps: int) -> str:
        """What the ladder calls a window, for example ``last 3 pairs``."""
        return f"last {steps} {self.symbols_name}"

    def landmarks(self) -> dict[str, Predictor]:
        """Instructive wrong answers of this tunnel by name; they stand on the ladder below the windows."""
        return {}

    def references(self) -> dict[str, Predictor]:
        """The ladder by name: uniform, the tunnel's landmarks, windows from short to long, exact."""
        rungs: dict[str, Predictor] = {"uniform": self.uniform, **self.landmarks()}
        for steps in self.rungs:
            rungs[self.window_name(steps)] = partial(self.window, steps=steps)
        rungs["exact"] = self.exact
        return rungs

    @abstractmethod
    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again, JSON-ready."""

    def changed(self, **arguments: object) -> Tunnel:
        """The same tunnel with some arguments changed: another law, another length.

        Raises:
            ValueError: if an argument is unknown or does not fit.
        """
        try:
            return type(self)(**{**self.config(), **arguments})
        except TypeError as error:
            raise ValueError(f"tunnel {self.name}: {error}") from error

    def at_length(self, steps: int) -> Tunnel:
        """The same law over sequences of another number of steps (pairs, observations, tosses).

        Raises:
            ValueError: if this tunnel has no such argument or the number does not fit it.
        """
        if self.steps_argument is None:
            raise ValueError(f"tunnel {self.name}: no argument says how many steps a sequence has")
        return self.changed(**{self.steps_argument: steps})

    def _check(self, batch: Batch) -> None:
        """Raise a ValueError unless tokens and targets have this tunnel's shapes and dtype."""
        tokens, targets = instance("batch", batch, Batch).tokens, batch.targets
        for name, ids in (("tokens", tokens), ("targets", targets)):
            if not isinstance(ids, Tensor):
                raise ValueError(f"{name}: expected a tensor of ids, got {shown(ids)}")
        if tokens.ndim != 2 or tokens.shape[1] != self.length:
            raise ValueError(f"tokens: expected [batch, {self.length}], got {tuple(tokens.shape)}")
        if tuple(targets.shape) != (len(batch), len(self.scored)):
            raise ValueError(
                f"targets: expected [{len(batch)}, {len(self.scored)}], got {tuple(targets.shape)}"
            )
        for name, ids in (("tokens", tokens), ("targets", targets)):
            if ids.dtype != torch.int64:
                raise ValueError(f"{name}: expected dtype int64, got {ids.dtype}")


class TaskTunnel(Tunnel):
    """A tunnel that first draws a task (a bijection, a coin, two matrices) and then a sequence given the task.

    Attributes:
        shows_task: whether the sequence states its task outright, so that no belief about it is needed.
        task_shape: the shape of one task.

    >>> from tutorlib.tunnels import Coin
    >>> isinstance(Coin(4), TaskTunnel), Coin(4).sample_tasks(3, torch.Generator().manual_seed(0)).shape
    (True, torch.Size([3]))
    """

    shows_task: bool = False
    task_shape: tuple[int, ...]

    @abstractmethod
    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` tasks from the prior, ``[count, ...]``."""

    @abstractmethod
    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Draw one sequence for each of the tasks ``[batch, ...]``."""

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """Predictive of an observer who is told the task.

        Args:
            tasks: ``[..., batch, *task]``; the batch axis may have length 1, then all sequences share the task.
            batch: the sequences.

        Returns:
            float64 ``[..., batch, scored, vocab]``.
        """
        raise ValueError(f"{self.name}: the sequence states its task, so exact(batch) is the answer")

    def oracle(self, batch: Batch) -> Tensor:
        """Predictive of an observer who was told what was drawn, float64 ``[batch, scored, vocab]``."""
        tasks = instance("batch", batch, Batch).tasks
        if tasks is None:
            raise ValueError(f"tasks: expected a batch as {self.name}.sample draws it, got one without tasks")
        return self.known(tasks, batch)

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw ``batch`` tasks and a sequence for each, on the generator's device."""
        count = integer("batch", batch, 1)
        return self.sample_given(self.sample_tasks(count, generator), generator)

    def _check_tasks(self, tasks: Tensor, batch: Batch | None = None) -> None:
        """Raise a ValueError unless the tasks are ``[count, *task_shape]``; beside a batch, one each or one for all."""
        axes = 1 + len(self.task_shape)
        expected = (
            f"a tensor [{'count' if batch is None else '..., batch'}, {', '.join(map(str, self.task_shape))}]"
        )
        fits = isinstance(tasks, Tensor) and tasks.ndim >= axes and (batch is not None or tasks.ndim == axes)
        if not fits or tuple(tasks.shape[tasks.ndim - axes + 1 :]) != self.task_shape:
            raise ValueError(f"tasks: expected {expected}, got {shown(tasks)}")
        if batch is not None and tasks.shape[-axes] not in (1, len(batch)):
            raise ValueError(
                f"tasks: expected one for each of {len(batch)} sequences, got {tasks.shape[-axes]}"
            )
        self._check_task_values(tasks)

    def _check_task_values(self, tasks: Tensor) -> None:
        """Raise a ValueError that names the tasks unless the prior can draw their numbers."""
