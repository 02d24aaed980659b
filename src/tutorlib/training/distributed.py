"""One run on several GPUs or machines.

Every process holds the whole network, draws the whole batch from the same generator, and trains on its own slice of
it; the gradients are then summed. Drawing costs a few hundredths of a step, and in return the sequence of batches,
the state on disk and (up to rounding) the weights are those of a run in one process, so a run may go on with another
number of processes. Only the first process, the main one, writes and prints.

The processes are started by ``torchrun`` or ``accelerate launch``; Accelerate sets up the devices and how the processes
talk (``pip install 'tutorlib[distributed]'``). In a run of one process it is not even imported.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tutorlib.tunnels import Batch

__all__ = ["Team", "TeamError", "assemble", "own_device", "processes", "session"]

T = TypeVar("T")
SAID = (
    "raised in the main process"  # a note on an error that all processes raise, so that one of them prints it
)
PATIENCE = timedelta(minutes=30)  # how long a process waits for one that is alive and says nothing


class TeamError(ValueError):
    """The processes of a run cannot work together, or one of them has ended.

    >>> issubclass(TeamError, ValueError)
    True
    """


def processes() -> int:
    """How many processes a launcher started for this run; 1 if there was none.

    >>> processes()
    1
    """
    launched = "RANK" in os.environ and "LOCAL_RANK" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def own_device(device: torch.device) -> torch.device:
    """The device of this process: where several share a machine, ``cuda`` means one GPU each.

    Raises:
        TeamError: if every process is sent to the same GPU.

    >>> own_device(torch.device("cpu"))
    device(type='cpu')
    """
    if processes() == 1 or device.type == "cpu":
        return device
    place = int(os.environ["LOCAL_RANK"])
    if device.index not in (None, place):
        raise TeamError(
            f"device: expected {device.type} without a number, so that each process has its own, got {device}"
        )
    return torch.device(device.type, place)


@dataclass
class Team:
    """The processes that train one network together; most runs have only one.

    Attributes:
        index: this process, from 0.
        size: number of processes.

    >>> from tutorlib.tunnels import Coin
    >>> batch, share = Team(index=1, size=2).share(Coin(3).sample(10, torch.Generator()))
    >>> len(batch), share
    (5, 0.5)
    """

    index: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.index == 0

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """This process's slice of a batch, and the slice's share of the sequences.

        The shares sum to 1, so that gradients of slice means, times the shares, sum to the gradient of the batch mean
        whatever the size of the batch. A process for which no sequence is left takes one with share 0.
        """
        if self.size == 1:
            return batch, 1.0
        count = len(batch)
        first, end = count * self.index // self.size, count * (self.index + 1) // self.size
        rows = slice(first, end) if end > first else slice(0, 1)
        parts: dict[str, Any] = {f.name: getattr(batch, f.name) for f in fields(batch)}
        own: dict[str, Any] = {name: part if part is None else part[rows] for name, part in parts.items()}
        return Batch(**own), (end - first) / count

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over the processes, all in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = summed.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(pieces, gradients, strict=True)])

    def sum(self, values: Tensor) -> Tensor:
        """Elementwise sum over the processes, the same in each; any shape.

        Raises:
            TeamError: if another process has ended.
        """
        if self.size == 1:
            return values
        from accelerate.utils import reduce

        with self._talking():
            total: Tensor = reduce(values, "sum")
        return total

    def copy_from_main(self, model: nn.Module) -> None:
        """Give every process the main one's weights, in case they were drawn from a generator without a seed."""
        if self.size > 1:
            weights = self.on_main(lambda: {name: v.cpu() for name, v in model.state_dict().items()})
            model.load_state_dict(weights)

    def on_main(self, work: Callable[[], T]) -> T:
        """What ``work`` returns in the main process, in every process; the others wait for it.

        An error that it raises is raised in every process alike.

        Raises:
            TeamError: if another process has ended.
        """
        if self.size == 1:
            return work()
        from accelerate.utils import broadcast_object_list

        outcome: list[Any] = [None, None]
        if self.is_main:
            try:
                outcome[0] = work()
            except Exception as error:
                with self._talking():
                    broadcast_object_list([None, _sendable(error)])
                raise
        with self._talking():
            broadcast_object_list(outcome)
        result, failure = outcome
        if failure is not None:
            failure.add_note(SAID)
            raise failure
        return result

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise TeamError(
                f"process {self.index} of {self.size}: another process has ended or cannot be reached ({reason}); "
                "the same command goes on from the last state"
            ) from error


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # some errors of other libraries cannot be rebuilt
        return TeamError(f"{type(error).__name__}: {error}")
    return error


def assemble(device: torch.device) -> Team:
    """The processes that were started together with this one, all on devices of this type.

    Raises:
        TeamError: if Accelerate is not installed, or has no way for such devices to talk.

    >>> assemble(torch.device("cpu"))
    Team(index=0, size=1)
    """
    if (size := processes()) == 1:
        return Team()
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise TeamError(
            f"{size} processes were started, which needs Accelerate: pip install 'tutorlib[distributed]'"
        ) from error
    state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    if state.num_processes != size or state.device.type != device.type:
        raise TeamError(
            f"device: expected one on which {size} processes can work together, such as cuda or cpu, got {device} "
            f"(Accelerate has set up {state.num_processes} on {state.device.type})"
        )
    return Team(state.process_index, size)


@contextlib.contextmanager
def session(device: torch.device) -> Iterator[Team]:
    """The team for a whole program: at its end the processes part, and what the main one reports is said once.

    Raises:
        TeamError: as for :func:`assemble`.

    >>> with session(torch.device("cpu")) as team:
    ...     print(team.is_main)
    True
    """
    team = assemble(device)
    try:
        yield team
    except ValueError as error:
        if SAID in getattr(error, "__notes__", ()):
            raise SystemExit(2) from error
        raise
    if team.size > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
        PartialState().destroy_process_group()
