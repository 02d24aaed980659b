"""A predictor beside the exact answer, and the yardsticks that give its error a meaning.

All measures are in bits except where named. Each is first computed for every sequence and scored position,
then averaged, so that errors of opposite sign cannot cancel. The paper's own average, which takes the mean
entropy over sequences *before* the difference, is reported under its own name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.models import SequenceModel
from tutorlib.tunnels import Batch, Tunnel

__all__ = ["MEASURES", "Evaluation", "Interval", "equivalent_window", "evaluate", "ladder", "model_predictor"]

MEASURES = {
    "entropy_error": "entropy MAE: mean |H(model) - H(exact)|, bits",
    "kl": "KL(exact || model), bits",
    "total_variation": "total variation distance, 0 to 1",
    "impossible": "probability given to answers that the exact posterior rules out, 0 to 1",
    "entropy": "entropy of the prediction, bits",
    "exact_entropy": "entropy of the exact posterior, bits",
    "loss": "surprise at the sampled answer, bits",
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
        values: for each name in ``MEASURES`` a float64 tensor ``[sequences, scored]``.
    """

    values: dict[str, Tensor]

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
        draws = torch.randint(
            len(by_sequence), (resamples, len(by_sequence)), generator=generator, device=generator.device
        )
        means = by_sequence[draws.to(by_sequence.device)].mean(1)  # [resamples]
        ends = torch.tensor([0.025, 0.975], dtype=means.dtype, device=means.device)
        between = "linear" if means.isfinite().all() else "nearest"  # no line leads to infinity
        low, high = means.quantile(ends, interpolation=between).tolist()
        return Interval(float(by_sequence.mean()), low, high)

    def _get(self, measure: str) -> Tensor:
        if measure not in self.values:
            raise ValueError(f"measure: expected one of {', '.join(self.values)}, got {measure!r}")
        return self.values[measure]


def model_predictor(model: SequenceModel, tunnel: Tunnel) -> Callable[[Batch], Tensor]:
    """The model as a predictor: logits at the scored positions, ``[batch, scored, vocab]``."""
    if tunnel.header_shape is not None:
        raise ValueError(
            "tunnel: it gives part of the task in a header of numbers, which no model here reads yet"
        )
    device = next(model.parameters()).device
    if model.vocab != tunnel.vocab or model.context < tunnel.length:
        raise ValueError(
            f"model: expected vocab {tunnel.vocab} and a context of at least {tunnel.length}, "
            f"got {model.vocab} and {model.context}"
        )

    @torch.no_grad()
    def logits(batch: Batch) -> Tensor:
        was_training = model.training
        model.eval()
        try:
            out = model(batch.tokens.to(device), tunnel.scored.to(device))
        finally:
            model.train(was_training)
        return out.to(batch.tokens.device)

    return logits


def evaluate(
    predictor: SequenceModel | Callable[[Batch], Tensor],
    tunnel: Tunnel,
    *,
    sequences: int = 4096,
    batch: int = 512,
    generator: torch.Generator,
) -> Evaluation:
    """Compare a model, or a function from a batch to probabilities, with the exact posterior.

    Args:
        predictor: a model, or a function ``Batch -> probabilities [batch, scored, vocab]``.
        tunnel: where the sequences come from.
        sequences: how many fresh ones.
        batch: how many at a time.
        generator: draws them; the same seed gives every predictor the same sequences.

    Raises:
        ValueError: if the model does not fit the tunnel, or the function returns no distributions.
    """
    if sequences < 1 or batch < 1:
        raise ValueError(f"sequences and batch: expected positive numbers, got {sequences} and {batch}")
    is_model = isinstance(predictor, SequenceModel)
    predict = model_predictor(predictor, tunnel) if isinstance(predictor, SequenceModel) else predictor
    parts: list[dict[str, Tensor]] = []
    for first in range(0, sequences, batch):
        drawn = tunnel.sample(min(batch, sequences - first), generator)
        answer = predict(drawn)
        expected = (len(drawn), len(tunnel.scored), tunnel.vocab)
        if not isinstance(answer, Tensor):
            raise ValueError(f"predictor: expected a tensor, got {type(answer).__name__}")
        if tuple(answer.shape) != expected:
            raise ValueError(f"predictor: expected shape {expected}, got {tuple(answer.shape)}")
        if is_model:
            log_q = bits.log_probabilities(answer)  # [batch, scored, vocab]
        else:
            log_q = torch.log2(bits.probabilities(answer.to(drawn.tokens.device), name="predictor").double())
        parts.append(_compare(tunnel.exact(drawn), log_q, drawn.targets))
    return Evaluation({name: torch.cat([part[name] for part in parts]) for name in MEASURES})


def _compare(exact: Tensor, log_q: Tensor, targets: Tensor) -> dict[str, Tensor]:
    q = torch.exp2(log_q)  # [batch, scored, vocab]
    exact_entropy = bits.entropy(exact)  # [batch, scored]
    entropy = -torch.where(q > 0, q * log_q, 0.0).sum(-1)
    cross = -torch.where(exact > 0, exact * log_q, 0.0).sum(-1)
    return {
        "entropy_error": (entropy - exact_entropy).abs(),
        "kl": (cross - exact_entropy).clamp(min=0),  # below 0 only by rounding
        "total_variation": 0.5 * (exact - q).abs().sum(-1),
        "impossible": torch.where(exact > 0, 0.0, q).sum(-1),
        "entropy": entropy,
        "exact_entropy": exact_entropy,
        "loss": -log_q.gather(-1, targets[..., None]).squeeze(-1),
    }


def ladder(
    tunnel: Tunnel, *, sequences: int = 1024, generator: torch.Generator, batch: int = 512
) -> dict[str, Evaluation]:
    """Evaluate every exact reference of the tunnel on the same fresh sequences, worst first."""
    state = generator.get_state()
    rungs = {}
    for name, predictor in tunnel.references().items():
        generator.set_state(state)
        rungs[name] = evaluate(predictor, tunnel, sequences=sequences, batch=batch, generator=generator)
    return rungs


def equivalent_window(kl: float, tunnel: Tunnel, rungs: dict[str, Evaluation]) -> float:
    """How many steps an exact observer must see to be as close to the posterior as ``kl`` bits.

    A value of 3.2 is the observer who sees 4 steps in a fifth of all sequences and 3 in the others: mean KL is
    linear in such a mixture, so that is how it is interpolated between neighbouring rungs of the ladder. 0 is the
    uniform answer or worse, and ``tunnel.max_window`` is the exact posterior.

    Args:
        kl: mean KL(exact || predictor) in bits, at least 0.
        tunnel: the tunnel of the ladder.
        rungs: what :func:`ladder` returned for it.
    """
    if not kl >= 0:
        raise ValueError(f"kl: expected at least 0 bits, got {kl}")
    windows = (0, *tunnel.rungs, tunnel.max_window)
    heights = [rungs[name].mean("kl") for name in ("uniform", *map(tunnel.window_name, tunnel.rungs))]
    heights.append(0.0)  # the exact posterior; measured, it is 1e-17 from rounding
    if kl >= heights[0]:
        return 0.0
    i = next(i for i, height in enumerate(heights) if kl >= height)
    share = (kl - heights[i]) / (heights[i - 1] - heights[i])  # of sequences with the shorter window
    return windows[i] - share * (windows[i] - windows[i - 1])
