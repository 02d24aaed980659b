"""The state of a run on disk, so that it can be stopped at any moment and resumed to the same bits."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from tutorlib.models import SequenceModel
from tutorlib.training.plan import TrainingRun
from tutorlib.tunnels import Tunnel

__all__ = ["StateStore"]


class StateStore:
    """The state of a run on disk: one file, replaced in one step, and a log that a reader can follow.

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
    ) -> None:
        self.folder, self.model, self.run = folder, model, run
        self.optimisers, self.generator = optimisers, generator
        about = {"model": [model.name, model.config()], "tunnel": [tunnel.name, tunnel.config()]}
        self.about = json.dumps(about | {"plan": run.plan.facts()}, sort_keys=True)

    def resume(self) -> int:
        """Put the run back where it was saved; return the steps already done, 0 if nothing was saved.

        Raises:
            ValueError: if the state is damaged, or belongs to another run.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return 0
        try:
            with zipfile.ZipFile(path) as archive:
                if part := archive.testzip():  # torch.load does not look at the checksums
                    raise ValueError(f"its part {part} is damaged")
            state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
            about, step = state["about"], int(state["step"])
        except Exception as error:
            reason = type(error).__name__
            raise ValueError(
                f"{path}: not a readable training state ({reason}); delete it to start again"
            ) from error
        if about != self.about:
            raise ValueError(f"{path}: belongs to another run; expected {self.about}, got {about}")
        try:
            self.generator.set_state(state["generator"])
            self.model.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
            for name, value in state["average"].items():
                self.run.average[name].copy_(value)
            self.run.history[:] = state["history"]
            self.run.seconds, self.run.core_seconds = state["seconds"], state["core_seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{path}: damaged, or saved on another kind of device; delete it to start again"
            ) from error
        return step

    def save(self, step: int) -> None:
        """Replace the state on disk by that after ``step`` steps."""
        self.folder.mkdir(parents=True, exist_ok=True)
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
        torch.save(state, self.folder / "state.tmp")
        os.replace(self.folder / "state.tmp", self.folder / "state.pt")
        lines = "".join(json.dumps(entry) + "\n" for entry in self.run.history)
        (self.folder / "log.tmp").write_text(lines, encoding="utf-8")
        os.replace(self.folder / "log.tmp", self.folder / "log.jsonl")
