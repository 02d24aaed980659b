"""Networks to take apart: a tiny one with two layers, five times over, and filters without attention in the upper layers.

They ship in ``weights/dissection``; :func:`tutorlib.interventions.specimen` loads them.
"""

from __future__ import annotations

from dataclasses import replace

from tutorlib.recipes.architectures import ARCHITECTURES
from tutorlib.recipes.base import Recipe
from tutorlib.training import TrainingPlan

__all__ = ["DISSECTION"]

TWO_LAYERS = {"width": 16, "layers": 2, "heads": 2}
PLAN = TrainingPlan(steps=3_000, batch=(32, 64, 128), decay=0.6, averaging=0.998)


def _without_attention_above(seed: int) -> Recipe:
    """The filter of that seed in the comparison of architectures, with attention in the lower two layers of four only."""
    whole = ARCHITECTURES[f"hmm-transformer-seed{seed}"]
    return replace(whole, model_config={**whole.model_config, "attending": 2, "context": 50})


DISSECTION = {
    f"two-layers-seed{seed}": Recipe(
        "bijection", {"symbols": 8}, "transformer", TWO_LAYERS, replace(PLAN, seed=seed)
    )
    for seed in range(5)
} | {f"hmm-two-attending-seed{seed}": _without_attention_above(seed) for seed in range(3)}
