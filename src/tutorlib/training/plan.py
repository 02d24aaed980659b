"""What a training run does, and what comes out of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from torch import Tensor

__all__ = ["DivergedError", "TrainingPlan", "TrainingRun", "learning_rate_scale"]

LATER = ("precision", "compile", "targets")  # options that plans written before them lack


class DivergedError(ValueError):
    """The loss is no longer a number.

    >>> issubclass(DivergedError, ValueError)
    True
    """


@dataclass(frozen=True)
class TrainingPlan:
    """What a run does; together with the model and the tunnel it fixes every weight.

    Attributes:
        steps: number of updates.
        batch: sequences a step. Several numbers share the steps equally: small batches first, then larger.
        matrix_rate: Muon's learning rate for hidden matrices; 0 trains everything with AdamW.
        embedding_rate: AdamW's learning rate for embeddings and heads. What multiplies or adds element by element
            (biases, convolution kernels, Mamba's ``A_log`` and ``D``) trains at a tenth of it.
        warmup: steps over which the rate rises from 0.
        decay: last share of the run over which the rate falls to 0 in a straight line.
        averaging: decay of the running average of the weights; 0 keeps none.
        weight_decay: decoupled weight decay.
        clip: largest norm of the gradient; 0 does not clip.
        seed: of the generator that draws the sequences.
        precision: ``"float32"``, or ``"bfloat16"`` to run the forward pass under autocast. Weights, loss, averages and
            the optimisers' state are float32 either way.
        compile: run the forward pass through ``torch.compile``. The first step of each size of batch then takes
            many seconds more.
        targets: what the loss compares with. ``"sampled"``: the drawn answers, as in language modelling. ``"one-step"``:
            an HMM's law of the state given the true state before it. ``"exact"``: the exact posterior itself, so that
            the network is told the answer and only has to find a way to compute it.

    >>> TrainingPlan(steps=100, batch=(8, 16)).batch_at(60)  # the second half has larger batches
    16
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
    precision: str = "float32"
    compile: bool = False
    targets: str = "sampled"

    def __post_init__(self) -> None:
        ramp = self.batch if isinstance(self.batch, tuple) and self.batch else (self.batch,)
        if not _whole(self.seed, -(2**63)):
            raise ValueError(f"seed: expected an integer, got {self.seed!r}")
        for key, value in [("steps", self.steps), *(("batch", size) for size in ramp)]:
            if not _whole(value, 1):
                raise ValueError(f"{key}: expected a positive integer, got {value!r}")
        for key in ("matrix_rate", "embedding_rate", "warmup", "weight_decay", "clip"):
            if not 0 <= _real(getattr(self, key)) < math.inf:
                raise ValueError(f"{key}: expected at least 0, got {getattr(self, key)!r}")
        for key in ("decay", "averaging"):
            if not 0 <= _real(getattr(self, key)) <= 1:
                raise ValueError(f"{key}: expected a share from 0 to 1, got {getattr(self, key)!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: expected 'float32' or 'bfloat16', got {self.precision!r}")
        if self.targets not in ("sampled", "one-step", "exact"):
            raise ValueError(f"targets: expected 'sampled', 'one-step' or 'exact', got {self.targets!r}")
        if not isinstance(self.compile, bool):
            raise ValueError(f"compile: expected True or False, got {self.compile!r}")

    def facts(self) -> dict[str, Any]:
        """The plan as a table, for a state or a card.

        An option that came later is left out at its default, so that files written before it still match.
        """
        default = {f.name: f.default for f in fields(self)}
        facts = asdict(self)
        return {key: v for key, v in facts.items() if key not in LATER or v != default[key]}

    def batch_at(self, step: int) -> int:
        """Sequences drawn at ``step``."""
        ramp = self.batch if isinstance(self.batch, tuple) else (self.batch,)
        return ramp[min(step * len(ramp) // self.steps, len(ramp) - 1)]


def _whole(value: object, least: int) -> bool:
    """Whether it is an integer from ``least`` on that PyTorch can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**63


def _real(value: object) -> float:
    """The number; not a number if it is something else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


@dataclass
class TrainingRun:
    """What came out of a run.

    Attributes:
        history: one entry a logged step: ``step``, ``loss_bits`` (mean since the last entry), ``seconds``.
        average: running average of the weights by name, if the plan asked for one.
        seconds: wall time spent in steps, over all resumptions.
        core_seconds: processor time of the same steps, summed over threads.

    >>> TrainingRun(TrainingPlan(steps=100)).history
    []
    """

    plan: TrainingPlan
    history: list[dict[str, float]] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    core_seconds: float = 0.0


def learning_rate_scale(plan: TrainingPlan, step: int) -> float:
    """Share of the full learning rate at ``step``: a ramp up, a plateau, a line down to 0 at the end.

    >>> [round(learning_rate_scale(TrainingPlan(steps=100, warmup=9), step), 2) for step in (0, 9, 50, 99)]
    [0.1, 1.0, 1.0, 0.02]
    """
    rising = (step + 1) / (plan.warmup + 1)
    left = plan.steps - step
    falling = left / (plan.decay * plan.steps) if plan.decay else 1.0
    return min(1.0, rising, falling)
