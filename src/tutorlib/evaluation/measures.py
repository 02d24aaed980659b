"""What is measured, and means with their intervals, over sequences and over training runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import device_of, instance, integer, real_tensor, shown

__all__ = ["LAW_MEASURES", "MEASURES", "Evaluation", "Interval", "interval_over_seeds"]

MEASURES = {
    "entropy_error": "entropy MAE: mean |H(model) - H(exact)|, bits",
    "kl": "KL(exact || model), bits",
    "total_variation": "total variation distance, 0 to 1",
    "impossible": "probability given to answers that the exact posterior rules out, 0 to 1",
    "entropy": "entropy of the prediction, bits",
    "exact_entropy": "entropy of the exact posterior, bits",
    "loss": "surprise at the sampled answer, bits",
    "accuracy": "share of sampled answers that were the most probable one, 0 to 1",
}

LAW_MEASURES = {
    "law_kl": "KL(exact under the sampling law || model), bits",
    "law_entropy": "entropy of the exact posterior under the sampling law, bits",
    "prior_cost": "KL(exact under the sampling law || exact under the tunnel's prior), bits",
}


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % bootstrap interval, over sequences unless said otherwise.

    >>> f"{Interval(0.5, 0.45, 0.55):.2f}"
    '0.50 [0.45, 0.55]'
    """

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

    >>> Evaluation({"kl": torch.tensor([[0.0, 1.0], [0.0, 3.0]])}).per_position("kl")
    tensor([0., 2.])
    """

    values: dict[str, Tensor]

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise ValueError(f"values: expected a table of tensors by measure, got {shown(self.values)}")
        for table in self.values.values():
            if real_tensor("values", table, "[sequences, scored]").isnan().any() or not table.numel():
                raise ValueError(
                    f"values: expected numbers [sequences, scored], got NaN or none in {shown(table)}"
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
        return _percentiles(by_sequence.mean(), by_sequence[draws.to(by_sequence.device)].mean(1))

    def _get(self, measure: str) -> Tensor:
        if not isinstance(measure, str) or measure not in self.values:
            raise ValueError(f"measure: expected one of {', '.join(self.values)}, got {shown(measure)}")
        return self.values[measure]


def interval_over_seeds(
    evaluations: Sequence[Evaluation], measure: str, generator: torch.Generator, resamples: int = 1000
) -> Interval:
    """Mean over training runs, with a 95 % percentile bootstrap interval over runs and their sequences.

    Two levels: draw as many runs as there are, with replacement, and for each run drawn its sequences, with
    replacement (Davison and Hinkley 1997, section 3.8). The runs should differ in nothing but the seed, and each should
    be evaluated on sequences of its own, because every draw is taken as independent.

    With few runs this says little. A bootstrap cannot leave the runs that it has: for three of them, whose differences
    outweigh the sequences, the interval goes from the lowest run to the highest. The range of ``n`` runs holds the
    median of all possible runs with probability ``1 - 2^(1 - n)``, so 3 in 4 for three, and not 95 %.

    Args:
        evaluations: one a training run; with a single one this is :meth:`Evaluation.interval`.
        measure: which measure of theirs.
        generator: draws the resamples.
        resamples: how many.

    Raises:
        ValueError: if there is no evaluation, or one lacks the measure.

    >>> runs = [Evaluation({"kl": torch.full((4, 1), kl)}) for kl in (0.1, 0.2, 0.3)]
    >>> f"{interval_over_seeds(runs, 'kl', torch.Generator().manual_seed(0)):.2f}"
    '0.20 [0.10, 0.30]'
    """
    if not isinstance(evaluations, list | tuple) or not evaluations:
        got = "none" if isinstance(evaluations, list | tuple) else shown(evaluations)
        raise ValueError(f"evaluations: expected at least one, got {got}")
    for evaluation in evaluations:
        instance("evaluations", evaluation, Evaluation)
    resamples = integer("resamples", resamples, 1)
    runs = [evaluation._get(measure).mean(1) for evaluation in evaluations]  # [sequences] each
    where, values = device_of(generator), runs[0].device
    means = torch.zeros(resamples, dtype=runs[0].dtype, device=values)
    chosen = torch.randint(len(runs), (resamples, len(runs)), generator=generator, device=where)
    for column in chosen.mT:  # one place in each resample
        for number, run in enumerate(runs):
            here = (column == number).nonzero().squeeze(-1)  # the resamples that have this run there
            draws = torch.randint(len(run), (len(here), len(run)), generator=generator, device=where)
            means[here.to(values)] += run.to(values)[draws.to(values)].mean(1) / len(runs)
    return _percentiles(torch.stack([run.mean().to(values) for run in runs]).mean(), means)


def _percentiles(mean: Tensor, means: Tensor) -> Interval:
    """The central 95 % of the means of resamples, ``[resamples]``."""
    ends = torch.tensor([0.025, 0.975], dtype=means.dtype, device=means.device)
    between = "linear" if means.isfinite().all() else "nearest"  # no line leads to infinity
    low, high = means.quantile(ends, interpolation=between).tolist()
    return Interval(float(mean), low, high)
