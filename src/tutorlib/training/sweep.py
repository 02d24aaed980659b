"""A sweep of learning rates: every combination, several seeds, one table."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tutorlib.evaluation import Evaluation, evaluate
from tutorlib.files import write_whole
from tutorlib.models import SequenceModel
from tutorlib.training.distributed import processes
from tutorlib.training.loop import train
from tutorlib.training.plan import DivergedError, TrainingPlan
from tutorlib.tunnels import Tunnel

__all__ = ["Setting", "Sweep", "sweep"]

RATES = ("matrix_rate", "embedding_rate")


@dataclass(frozen=True)
class Setting:
    """One combination of rates.

    Attributes:
        rates: value by name of the rate.
        kl: KL(exact || model) in bits on fresh sequences, one a seed; infinite where the run diverged.

    >>> Setting({"matrix_rate": 0.03}, kl=(0.1, 0.3)).mean
    0.2
    """

    rates: dict[str, float]
    kl: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over seeds, bits."""
        return math.fsum(self.kl) / len(self.kl)

    @property
    def spread(self) -> float:
        """Standard deviation over seeds (of a sample), bits; not a number if there is one seed or one diverged."""
        return statistics.stdev(self.kl) if len(self.kl) > 1 and math.isfinite(self.mean) else math.nan


@dataclass(frozen=True)
class Sweep:
    """What came out of a sweep.

    Attributes:
        grid: the values tried, by name of the rate.
        settings: every combination, the lowest mean KL first.

    >>> Sweep({"matrix_rate": (0.01, 0.03)}, [Setting({"matrix_rate": 0.03}, (0.1,))]).edges()
    ['matrix_rate: the best value, 0.03, is the largest tried; try larger ones too']
    """

    grid: dict[str, tuple[float, ...]]
    settings: list[Setting]

    @property
    def best(self) -> Setting:
        """The combination with the lowest mean KL.

        Raises:
            ValueError: if every combination diverged for some seed.
        """
        if not math.isfinite(self.settings[0].mean):
            raise ValueError("sweep: every combination diverged for some seed; try smaller rates")
        return self.settings[0]

    def edges(self) -> list[str]:
        """A sentence for each rate whose best value is the smallest or the largest tried: the grid is too narrow."""
        sentences = []
        for name, values in self.grid.items():
            value = self.best.rates[name]
            for end, word, other in (
                (min(values), "smallest", "smaller"),
                (max(values), "largest", "larger"),
            ):
                if value == end and len(values) > 1:
                    sentences.append(
                        f"{name}: the best value, {value:g}, is the {word} tried; try {other} ones too"
                    )
        return sentences

    def table(self) -> str:
        """The settings as lines of text, the best first and marked, with the mean and the spread over seeds."""
        seeds = len(self.settings[0].kl)
        head = "".join(f"{name:>16s}" for name in self.grid)
        lines = [f"  {head}{'KL, bits':>12s}{'spread':>12s}   ({seeds} seed{'s' * (seeds > 1)})"]
        for place, setting in enumerate(self.settings):
            mark = "*" if place == 0 and math.isfinite(setting.mean) else " "
            cells = "".join(f"{value:16g}" for value in setting.rates.values())
            spread = "-" if math.isnan(setting.spread) else f"{setting.spread:.6f}"
            lines.append(f"{mark} {cells}{setting.mean:12.6f}{spread:>12s}")
        return "\n".join(lines)


def sweep(
    build: Callable[[TrainingPlan], tuple[SequenceModel, Tunnel]],
    plan: TrainingPlan,
    rates: Mapping[str, Sequence[float]],
    seeds: Sequence[int],
    *,
    folder: str | Path,
    generator: torch.Generator,
    sequences: int = 4096,
    device: torch.device | str | None = None,
    progress: bool = False,
    on_run: Callable[[dict[str, object]], None] | None = None,
) -> Sweep:
    """Train every combination of ``rates`` with every seed, and compare their errors on fresh sequences.

    Where the plan keeps an average of the weights, the better of last and averaged counts, as in
    ``tutorlib train``. A run that diverges counts as infinitely far off. A sweep that was stopped goes on from
    the states in ``folder``.

    Args:
        build: from a plan to an untrained model and its tunnel; the plan's seed may draw the starting weights.
        plan: the run; its rates and its seed are replaced.
        rates: the values to try, by name: ``matrix_rate``, ``embedding_rate`` or both.
        seeds: the seeds to train each combination with.
        folder: where to keep one folder a run, and ``sweep.jsonl`` with one line a finished run.
        generator: draws the sequences that measure; every run gets the same ones.
        sequences: how many sequences measure a run.
        device: where to train; the model's own device if None.
        progress: show a progress bar for each run.
        on_run: called with the line of each finished run.

    Raises:
        ValueError: if a name, a value or a seed is not as expected, or as for :func:`train`.

    >>> from tutorlib.recipes import RECIPES, changed
    >>> from dataclasses import replace
    >>> recipe = changed(RECIPES["bijection-v8"], ["plan.steps=5", "plan.batch=4"])
    >>> found = sweep(lambda plan: replace(recipe, plan=plan).build(), recipe.plan, {"matrix_rate": [0.01, 0.03]}, [0],
    ...               folder="runs/sweep", sequences=8, generator=torch.Generator().manual_seed(0))
    >>> len(found.settings)
    2
    """
    grid = {name: tuple(values) for name, values in rates.items()}
    if not grid or not grid.keys() <= set(RATES):
        raise ValueError(f"rates: expected {' or '.join(RATES)}, got {', '.join(grid) or 'none'}")
    for what, given in [*grid.items(), ("seeds", tuple(seeds))]:
        if not given or len(set(given)) < len(given):
            raise ValueError(f"{what}: expected values that differ, at least one, got {list(given)}")
    if processes() > 1:
        raise ValueError(
            f"sweep: expected one process, got {processes()}; start one sweep on each device, with rates of its own"
        )
    if sequences < 1:
        raise ValueError(f"sequences: expected at least 1, got {sequences}")
    combinations: list[dict[str, Any]] = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    # All plans first, so that a bad value stops the sweep before any run.
    runs = [(c, [replace(plan, **c, seed=seed) for seed in seeds]) for c in combinations]
    folder, state = Path(folder), generator.get_state()
    settings: list[Setting] = []
    lines: list[str] = []
    for combination, plans in runs:
        errors: list[float] = []
        for one in plans:
            named = {**combination, "seed": one.seed}
            home = folder / ",".join(f"{key}={value}" for key, value in named.items())
            row: dict[str, object] = dict(named)
            model, tunnel = build(one)
            generator.set_state(state)
            try:
                run = train(model, tunnel, one, device=device, folder=home, progress=progress)
                found, kept = _measured(model, tunnel, sequences, generator), "last"
                if run.average:
                    generator.set_state(state)
                    model.load_state_dict(model.state_dict() | run.average)
                    averaged = _measured(model, tunnel, sequences, generator)
                    if averaged.mean("kl") < found.mean("kl"):
                        found, kept = averaged, "averaged"
            except DivergedError as error:
                errors.append(math.inf)
                # JSON knows no infinity. The rest of the error says where the state is, which no other reader has.
                row |= {"kl": None, "diverged": str(error).partition(";")[0]}
            else:
                errors.append(found.mean("kl"))
                row |= {"kl": errors[-1], "entropy_error": found.mean("entropy_error"), "weights": kept}
                row |= {"loss_bits": run.history[-1]["loss_bits"], "core_seconds": run.core_seconds}
            lines.append(json.dumps(row) + "\n")
            write_whole({folder / "sweep.jsonl": "".join(lines).encode()})
            if on_run:
                on_run(row)
        settings.append(Setting(combination, tuple(errors)))
    return Sweep(grid, sorted(settings, key=lambda setting: setting.mean))


def _measured(model: SequenceModel, tunnel: Tunnel, sequences: int, generator: torch.Generator) -> Evaluation:
    try:
        return evaluate(model, tunnel, sequences=sequences, generator=generator)
    except ValueError as error:  # it fitted the tunnel in training, so its last update was one too many
        raise DivergedError(str(error)) from error
