"""What is measured, and means with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, integer, shown

__all__ = ["LAW_MEASURES", "MEASURES", "Evaluation", "Interval"]

MEASURES = {
    "entropy_error": "entropy MAE: mean |H(model) - H(exact)|, bits",
    "kl": "KL(exact || model), bits",
    "total_variation": "total variation distance, 0 to 1",
    "impossible": "probability given to answers that the exact posterior rules out, 0 to 1",
    "entropy": "entropy of the prediction, bits",
    "exact_entropy": "entropy of the exact posterior, bits",
    "loss": "surprise at the sampled answer, bits",
}

LAW_MEASURES = {
    "law_kl": "KL(exact under the sampling law || model), bits",
    "law_entropy": "entropy of the exact posterior under the sampling law, bits",
    "prior_cost": "KL(exact under the sampling law || exact under the tunnel's prior), bits",
}


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % bootstrap interval over sequences."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".4f"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


@dataclass(frozen=True)
class Evaluation:
    """Measures for every sequence and scored position.

    Attributes:
        values: for each measure a float64 tensor ``[sequences, scored]``.
    """

    values: dict[str, Tensor]

    def __post_init__(self) -> None:
        tables = self.values.values() if isinstance(self.values, dict) else [self.values]
        for table in tables:
            if (
                not isinstance(table, Tensor)
                or not table.is_floating_point()
                or table.ndim != 2
                or not table.numel()
            ):
                raise ValueError(
                    f"values: expected tensors [sequences, scored] by measure, got {shown(table)}"
                )

    def per_position(self, measure: str) -> Tensor:
        """Mean over sequences, float64 ``[scored]``."""
        return self._get(measure).mean(0)

    def mean(self, measure: str) -> float:
        """Mean over sequences and positions; infinite if any entry is."""
        return float(self._get(measure).mean())

    def entropy_mae_averaged_first(self) -> float:
        """The papers' released variant: ``mean_k |mean_n H(model) - mean_n H(exact)|`` in bits.

        Errors of different sequences can cancel here, so it is never above ``mean("entropy_error")``.
        """
        gap = self.per_position("entropy") - self.per_position("exact_entropy")  # [scored]
        return float(gap.abs().mean())

    def interval(self, measure: str, generator: torch.Generator, resamples: int = 1000) -> Interval:
        """Mean with a 95 % percentile bootstrap interval over sequences."""
        by_sequence = self._get(measure).mean(1)  # [sequences]
        shape = (integer("resamples", resamples, 1), len(by_sequence))
        draws = torch.randint(len(by_sequence), shape, generator=generator, device=device_of(generator))
        means = by_sequence[draws.to(by_sequence.device)].mean(1)  # [resamples]
        ends = torch.tensor([0.025, 0.975], dtype=means.dtype, device=means.device)
        between = "linear" if means.isfinite().all() else "nearest"  # no line leads to infinity
        low, high = means.quantile(ends, interpolation=between).tolist()
        return Interval(float(by_sequence.mean()), low, high)

    def _get(self, measure: str) -> Tensor:
        if not isinstance(measure, str) or measure not in self.values:
            raise ValueError(f"measure: expected one of {', '.join(self.values)}, got {shown(measure)}")
        return self.values[measure]
