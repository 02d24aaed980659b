"""The state of a run on disk, so that it can be stopped at any moment and resumed to the same bits."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutorlib.files import PART, SaveError, write_whole
from tutorlib.models import SequenceModel
from tutorlib.training.distributed import Team
from tutorlib.training.faults import all_finite
from tutorlib.training.plan import DivergedError, TrainingRun
from tutorlib.tunnels import Tunnel

__all__ = ["StateStore", "last_good"]


class StateStore:
    """The state of a run on disk: one file, replaced in one step, and a log that a reader can follow.

    Only the main process reads and writes; it passes on what it read. Whatever is on disk is finite: a state with a
    number that is none is never written.

    >>> import os
    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.training import TrainingPlan, train
    >>> from tutorlib.tunnels import Bijection
    >>> run = train(TokenMLP(6, 5), Bijection(3), TrainingPlan(steps=5), folder="runs/mine")  # it keeps a StateStore
    >>> sorted(os.listdir("runs/mine"))
    ['log.jsonl', 'state.pt']
    """

    def __init__(
        self,
        folder: Path,
        model: SequenceModel,
        tunnel: Tunnel,
        run: TrainingRun,
        optimisers: list[torch.optim.Optimizer],
        generator: torch.Generator,
        team: Team,
    ) -> None:
        self.path, self.model, self.run = folder / "state.pt", model, run
        self.log = folder / "log.jsonl"
        self.optimisers, self.generator, self.team = optimisers, generator, team
        self.saved: int | None = None  # steps done in the state on disk
        about = {"model": [model.name, model.config()], "tunnel": [tunnel.name, tunnel.config()]}
        self.about = json.dumps(about | {"plan": run.plan.facts()}, sort_keys=True)

    def resume(self) -> int:
        """Put the run back where it was saved; return the steps already done, 0 if nothing was saved.

        Raises:
            ValueError: if the state is damaged, or belongs to another run.
        """
        state = self.team.on_main(self._read)
        if state is None:
            return 0
        if not self.team.is_main:
            self._restore(state)
        self.saved = int(state["step"])
        return self.saved

    def save(self, step: int) -> None:
        """Replace the state on disk by that after ``step`` steps.

        Raises:
            DivergedError: if a number in it is not finite; the state on disk stays.
            SaveError: if the disk is full or the folder cannot be written; the state on disk stays.
        """
        self.team.on_main(lambda: self._write(step))
        self.saved = step

    def _read(self) -> dict[str, Any] | None:
        for path in (self.path, self.log):  # left by a run that was killed while it wrote
            path.with_name(path.name + PART).unlink(missing_ok=True)
        path = self.path
        if not path.exists():
            return None
        try:
            with zipfile.ZipFile(path) as archive:
                if part := archive.testzip():  # torch.load does not look at the checksums
                    raise ValueError(f"its part {part} is damaged")
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            about, _ = state["about"], int(state["step"])
        except Exception as error:
            reason = type(error).__name__
            raise ValueError(
                f"{path}: not a readable training state ({reason}); delete it to start again"
            ) from error
        if about != self.about:
            raise ValueError(f"{path}: belongs to another run; expected {self.about}, got {about}")
        try:
            if not all_finite(_tensors(state)):
                raise ValueError("a number in it is not finite")
            self._restore(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{path}: damaged, or saved on another kind of device ({error}); delete it to start again"
            ) from error
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for name, value in state["average"].items():
            self.run.average[name].copy_(value)
        self.run.history[:] = state["history"]
        self.run.seconds, self.run.core_seconds = state["seconds"], state["core_seconds"]

    def _write(self, step: int) -> None:
        state = {
            "about": self.about,
            "step": step,
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "generator": self.generator.get_state(),
            "average": self.run.average,
            "history": self.run.history,
            "seconds": self.run.seconds,
            "core_seconds": self.run.core_seconds,
        }
        if not all_finite(_tensors(state)):
            raise DivergedError(
                f"state: not a number after step {step}; a lower learning rate may help; {last_good(self)}"
            )
        blob = io.BytesIO()  # in memory first: torch.save reports a full disk in many ways
        torch.save(state, blob)
        lines = "".join(json.dumps(entry) + "\n" for entry in self.run.history)
        try:
            write_whole({self.path: blob.getvalue(), self.log: lines.encode()})
        except SaveError as error:
            error.args = (f"{error}; {last_good(self)}",)
            raise


def last_good(store: StateStore | None) -> str:
    """Where the last good state of a run is, as the end of an error.

    >>> last_good(None)
    'no state was kept, since the run has no folder'
    """
    if store is None:
        return "no state was kept, since the run has no folder"
    if store.saved is None:
        return f"no state had been saved yet in {store.path.parent}"
    return f"the last good state is {store.path}, after step {store.saved}"


def _tensors(state: Any) -> Iterator[Tensor]:
    """Every tensor in nested tables and lists."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _tensors(part)
