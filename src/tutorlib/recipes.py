"""How each checkpoint that ships was trained: ``tutorlib train NAME`` repeats it.

Trained on sampled answers unless the plan says otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tutorlib.models import SequenceModel, build
from tutorlib.training import TrainingPlan
from tutorlib.tunnels import TUNNELS, Tunnel

__all__ = ["RECIPES", "Recipe", "changed"]


@dataclass(frozen=True)
class Recipe:
    """A tunnel, a model and a plan.

    Attributes:
        tunnel: name in ``TUNNELS``; ``tunnel_config`` are its arguments.
        model: name in ``MODELS``; ``model_config`` are its arguments besides ``vocab`` and ``context``.
        plan: the training run; its seed also draws the starting weights.
        snapshots: steps at which the weights are kept as they go by, multiples of 10; see :mod:`tutorlib.snapshots`.
    """

    tunnel: str
    tunnel_config: dict[str, Any]
    model: str
    model_config: dict[str, Any]
    plan: TrainingPlan
    snapshots: tuple[int, ...] = ()

    def build(self) -> tuple[SequenceModel, Tunnel]:
        """The untrained model and its tunnel."""
        if self.tunnel not in TUNNELS:
            raise ValueError(f"tunnel: expected one of {', '.join(TUNNELS)}, got {self.tunnel!r}")
        try:
            tunnel = TUNNELS[self.tunnel](**self.tunnel_config)
        except TypeError as error:
            raise ValueError(f"tunnel {self.tunnel}: {error}") from error
        weights = torch.Generator().manual_seed(self.plan.seed)
        config = {"vocab": tunnel.vocab, "context": tunnel.length, "generator": weights, **self.model_config}
        if tunnel.header_shape is not None:
            config["header"] = tunnel.header_shape
        return build(self.model, **config), tunnel


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe after changes such as ``"plan.steps=500"``, ``"model.width=64"`` or ``"tunnel.symbols=8"``.

    Raises:
        ValueError: if a change has another form or names nothing that a plan has.
    """
    parts: dict[str, dict[str, Any]] = {"tunnel": {}, "model": {}, "plan": {}}
    for change in changes:
        where, dot, rest = change.partition(".")
        key, equals, text = rest.partition("=")
        if where not in parts or not dot or not equals:
            raise ValueError(
                f"--set: expected tunnel.KEY=VALUE, model.KEY=VALUE or plan.KEY=VALUE, got {change!r}"
            )
        try:
            parts[where][key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            parts[where][key] = text
    try:
        plan = replace(recipe.plan, **parts["plan"])
    except TypeError as error:
        raise ValueError(f"--set: {error}") from error
    return replace(
        recipe,
        plan=plan,
        tunnel_config=recipe.tunnel_config | parts["tunnel"],
        model_config=recipe.model_config | parts["model"],
    )


LONG = TrainingPlan(steps=80_000, batch=(64, 128, 256, 512), decay=0.6, averaging=0.998)
MEDIUM = TrainingPlan(steps=12_000, batch=(64, 128, 256), decay=0.6, averaging=0.998)
SHORT = TrainingPlan(steps=6_000, batch=(32, 64, 128), decay=0.6, averaging=0.998)

# Bayes' rule on a header: the stream keeps its size, so that logarithms can be added, and positions are distances, so
# that what is learned on 20 symbols can be tried on 50.
FILTER = {
    "width": 48,
    "layers": 5,
    "heads": 4,
    "positions": "distance",
    "columns": 5,
    "end_norms": False,
    "context": 100,
}


def filtering(steps: int, batch: int | tuple[int, ...] = 64, targets: str = "exact") -> TrainingPlan:
    """A plan for an HMM; with exact targets, as the papers' code trains, unless said otherwise."""
    return TrainingPlan(
        steps=steps,
        batch=batch,
        matrix_rate=0.012,
        embedding_rate=0.06,
        decay=0.8,
        averaging=0.998,
        targets=targets,
    )


V20, V8 = {"symbols": 20}, {"symbols": 8}
RECIPES = {
    "bijection-v20": Recipe("bijection", V20, "transformer", {"width": 32}, LONG),
    "bijection-v8": Recipe("bijection", V8, "transformer", {"width": 32}, MEDIUM),
    "bijection-v20-deep": Recipe(
        "bijection",
        V20,
        "transformer",
        {"width": 64, "layers": 2, "heads": 2},
        TrainingPlan(steps=12_000, batch=(32, 64, 128), decay=0.6, averaging=0.998),
    ),
    "bijection-v20-mlp-token": Recipe("bijection", V20, "mlp-token", {"width": 32, "layers": 1}, SHORT),
    "bijection-v20-mlp-window": Recipe(
        "bijection", V20, "mlp-window", {"width": 32, "layers": 1, "window": 9}, SHORT
    ),
    "bijection-v20-mlp-prefix": Recipe("bijection", V20, "mlp-prefix", {"width": 32, "layers": 1}, MEDIUM),
    "bijection-v20-mlp-sum": Recipe("bijection", V20, "mlp-sum", {"width": 32, "layers": 1}, MEDIUM),
    "hmm-coded": Recipe("hmm", {"law": "coded"}, "transformer", FILTER, filtering(40_000, (32, 64, 128))),
    "hmm-printed": Recipe("hmm", {"law": "printed"}, "transformer", FILTER, filtering(12_000)),
    "hmm-sticky": Recipe("hmm", {"law": "sticky"}, "transformer", FILTER, filtering(12_000)),
    "hmm-coded-sampled": Recipe(
        "hmm", {"law": "coded"}, "transformer", FILTER, filtering(9_000, (64, 128), targets="sampled")
    ),
}
