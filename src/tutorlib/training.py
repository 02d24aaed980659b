"""One training loop for every model and tunnel.

Each step draws fresh sequences, so nothing can be memorised, and lowers the cross-entropy of **sampled**
answers: the network is never shown the exact posterior. The learning rate warms up, stays, then decays to
zero, which is what takes a small network from "close" to "very close".

A run can be stopped at any moment and resumed to the same bits: the state on disk holds the weights, the
optimisers, the random generator and the averages, and is replaced in one step.
"""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.bits import NATS_PER_BIT
from tutorlib.models import SequenceModel
from tutorlib.optimisers import optimisers_for
from tutorlib.tunnels import Tunnel

__all__ = ["TrainingPlan", "TrainingRun", "best_device", "learning_rate_scale", "train", "usable_device"]


@dataclass(frozen=True)
class TrainingPlan:
    """What a run does; together with the model and the tunnel it fixes every weight.

    Attributes:
        steps: number of updates.
        batch: sequences a step. Several numbers share the steps equally: small batches first, then larger.
        matrix_rate: Muon's learning rate for hidden matrices; 0 trains everything with AdamW.
        embedding_rate: AdamW's learning rate for embeddings and heads.
        warmup: steps over which the rate rises from 0.
        decay: last share of the run over which the rate falls to 0 in a straight line.
        averaging: decay of the running average of the weights; 0 keeps none.
        weight_decay: decoupled weight decay.
        clip: largest norm of the gradient; 0 does not clip.
        seed: of the generator that draws the sequences.
    """

    steps: int = 2000
    batch: int | tuple[int, ...] = 64
    matrix_rate: float = 0.03
    embedding_rate: float = 0.05
    warmup: int = 50
    decay: float = 0.5
    averaging: float = 0.0
    weight_decay: float = 0.0
    clip: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        ramp = self.batch if isinstance(self.batch, tuple) and self.batch else (self.batch,)
        if not isinstance(self.seed, int):
            raise ValueError(f"seed: expected an integer, got {self.seed!r}")
        for key, value in [("steps", self.steps), *(("batch", size) for size in ramp)]:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{key}: expected a positive integer, got {value!r}")
        for key in ("matrix_rate", "embedding_rate", "warmup", "weight_decay", "clip"):
            if not getattr(self, key) >= 0:
                raise ValueError(f"{key}: expected at least 0, got {getattr(self, key)!r}")
        for key in ("decay", "averaging"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key}: expected a share from 0 to 1, got {getattr(self, key)!r}")

    def batch_at(self, step: int) -> int:
        """Sequences drawn at ``step``."""
        ramp = self.batch if isinstance(self.batch, tuple) else (self.batch,)
        return ramp[min(step * len(ramp) // self.steps, len(ramp) - 1)]


@dataclass
class TrainingRun:
    """What came out of a run.

    Attributes:
        history: one entry a logged step: ``step``, ``loss_bits`` (mean since the last entry), ``seconds``.
        average: running average of the weights by name, if the plan asked for one.
        seconds: wall time spent in steps, over all resumptions.
        core_seconds: processor time of the same steps, summed over threads.
    """

    plan: TrainingPlan
    history: list[dict[str, float]] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    core_seconds: float = 0.0


def best_device() -> torch.device:
    """A GPU if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def usable_device(device: torch.device | str) -> torch.device:
    """The device of that name.

    Raises:
        ValueError: if there is no such device here.
    """
    try:
        chosen = torch.device(device)
        torch.rand(1, generator=torch.Generator(chosen), device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device: expected one that PyTorch can use here, got {device} ({reason})"
        ) from error
    return chosen


def learning_rate_scale(plan: TrainingPlan, step: int) -> float:
    """Share of the full learning rate at ``step``: a ramp up, a plateau, a line down to 0 at the end."""
    rising = (step + 1) / (plan.warmup + 1)
    left = plan.steps - step
    falling = left / (plan.decay * plan.steps) if plan.decay else 1.0
    return min(1.0, rising, falling)


def train(
    model: SequenceModel,
    tunnel: Tunnel,
    plan: TrainingPlan,
    *,
    device: torch.device | str | None = None,
    folder: str | Path | None = None,
    save_every: int = 1000,
    log_every: int = 100,
    progress: bool = False,
    on_log: Callable[[int, SequenceModel], None] | None = None,
) -> TrainingRun:
    """Train ``model`` on ``tunnel`` in place.

    Args:
        model: any :class:`SequenceModel`; moved to ``device``.
        tunnel: any :class:`Tunnel` with the same vocabulary.
        plan: the run.
        device: where to train; the model's own device if None.
        folder: where to keep ``state.pt`` and ``log.jsonl``. If it holds the state of the same run, that
            run goes on from there.
        save_every: steps between two states on disk.
        log_every: steps between two entries of the history.
        progress: show a progress bar.
        on_log: called at each entry, for example to evaluate.

    Raises:
        ValueError: if the vocabularies differ, a sequence is longer than the model's context, there is no such
            device, the state in ``folder`` is damaged or belongs to another run, or the loss is no longer a
            number.
    """
    if save_every < 1 or log_every < 1:
        raise ValueError(f"save_every and log_every: expected at least 1, got {save_every} and {log_every}")
    if model.vocab != tunnel.vocab:
        raise ValueError(f"vocab: expected the tunnel's {tunnel.vocab}, got a model with {model.vocab}")
    if tunnel.header_shape is not None:
        raise ValueError(
            "tunnel: it gives part of the task in a header of numbers, which no model here reads yet"
        )
    if tunnel.length > model.context:
        raise ValueError(
            f"context: the tunnel needs {tunnel.length} positions, the model has {model.context}"
        )
    device = usable_device(next(model.parameters()).device if device is None else device)
    model.to(device).train()
    generator = torch.Generator(device).manual_seed(plan.seed)
    optimisers = optimisers_for(model, plan.matrix_rate, plan.embedding_rate, plan.weight_decay)
    full_rates = [[group["lr"] for group in o.param_groups] for o in optimisers]
    run = TrainingRun(plan)
    if plan.averaging:
        run.average = {name: p.detach().clone() for name, p in model.named_parameters()}
    store = _Store(Path(folder), model, tunnel, run, optimisers, generator) if folder is not None else None
    start = store.resume() if store else 0
    at = tunnel.scored.to(device)
    total, counted = torch.zeros((), device=device), 0
    for step in _steps(start, plan.steps, progress):
        clock, processor = time.perf_counter(), time.process_time()
        scale = learning_rate_scale(plan, step)
        for optimiser, rates in zip(optimisers, full_rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * scale
        batch = tunnel.sample(plan.batch_at(step), generator)
        logits = model(batch.tokens, at)  # [batch, scored, vocab]
        loss = functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
        loss.backward()
        if plan.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        total, counted = total + loss.detach(), counted + 1
        if run.average:
            with torch.no_grad():
                current: list[Tensor] = [p for name, p in model.named_parameters() if name in run.average]
                torch._foreach_lerp_(list(run.average.values()), current, 1 - plan.averaging)
        run.seconds += time.perf_counter() - clock
        run.core_seconds += time.process_time() - processor
        done = step + 1
        if done % log_every == 0 or done == plan.steps:
            mean = float(total) / counted / NATS_PER_BIT
            if not math.isfinite(mean):
                raise ValueError(f"loss: not a number at step {done}; a lower learning rate may help")
            run.history.append({"step": done, "loss_bits": mean, "seconds": run.seconds})
            total, counted = torch.zeros((), device=device), 0
            if on_log:
                on_log(done, model)
        # Saved at logged steps only, so that a resumed run logs the same means.
        if store and (done == plan.steps or (done % log_every == 0 and done % save_every < log_every)):
            store.save(done)
    model.eval()
    return run


def _steps(start: int, end: int, progress: bool) -> Iterator[int]:
    steps = range(start, end)
    if not progress:
        return iter(steps)
    from tqdm.auto import tqdm  # only when asked for: it is slow to import

    return iter(tqdm(steps, initial=start, total=end, unit="step"))


class _Store:
    """The state of a run on disk: one file, replaced in one step, and a log that a reader can follow."""

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
        self.about = json.dumps(about | {"plan": asdict(run.plan)}, sort_keys=True)

    def resume(self) -> int:
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
