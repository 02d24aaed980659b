"""What a recipe is, and how to change one."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from tutorlib.models import SequenceModel, build
from tutorlib.training import TrainingPlan
from tutorlib.training.faults import within_memory
from tutorlib.tunnels import TUNNELS, Tunnel

__all__ = ["Recipe", "changed"]


@dataclass(frozen=True)
class Recipe:
    """A tunnel, a model and a plan.

    Attributes:
        tunnel: name in ``TUNNELS``; ``tunnel_config`` are its arguments.
        model: name in ``MODELS``; ``model_config`` are its arguments besides ``vocab`` and ``context``.
        plan: the training run; its seed also draws the starting weights.
        snapshots: steps at which the weights are kept as they go by, multiples of 10; see :mod:`tutorlib.snapshots`.

    >>> from tutorlib.recipes import RECIPES
    >>> model, tunnel = RECIPES["bijection-v8"].build()
    >>> model.name, tunnel.symbols
    ('transformer', 8)
    """

    tunnel: str
    tunnel_config: dict[str, Any]
    model: str
    model_config: dict[str, Any]
    plan: TrainingPlan
    snapshots: tuple[int, ...] = ()

    def build(self) -> tuple[SequenceModel, Tunnel]:
        """The untrained model and its tunnel.

        Raises:
            ValueError: if there is no such tunnel or model, an argument is not as expected, or the weights do not fit
                into memory.
        """
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
        with within_memory(f"a {self.model}", lambda: f"lower the sizes in {self.model_config}"):
            return build(self.model, **config), tunnel


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe after changes such as ``"plan.steps=500"``, ``"model.width=64"`` or ``"tunnel.symbols=8"``.

    Raises:
        ValueError: if a change has another form or names nothing that a plan has.

    >>> from tutorlib.recipes import RECIPES
    >>> changed(RECIPES["bijection-v8"], ["plan.steps=500"]).plan.steps
    500
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
