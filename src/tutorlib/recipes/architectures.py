"""Every architecture on three tunnels: about the same number of parameters, the same steps, a sweep, three seeds.

The two rates of learning are the best of ``RATES`` for seed 0 of each pair, read from ``weights/sweeps/rates.json``, which
``tools/train_weights.py`` writes before it trains the three seeds. The runs are short, so what they tell is who learns
easily, and a failure here is not a proof that a network cannot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from tutorlib.recipes.base import Recipe
from tutorlib.training import TrainingPlan

__all__ = ["ARCHITECTURES", "RATES", "SEEDS", "SETTINGS", "Setting", "sweep_results"]

RATES = {"matrix_rate": (0.01, 0.04), "embedding_rate": (0.003, 0.03)}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Setting:
    """A tunnel on which architectures are compared.

    Attributes:
        tunnel: name in ``TUNNELS``; ``tunnel_config`` are its arguments.
        parameters: what every network has, to within a tenth.
        plan: the run, but for the rates and the seed.
        models: by name in ``MODELS``, the arguments that give it this size.

    >>> SETTINGS["recall"].tunnel, len(SETTINGS["recall"].models)
    ('recall', 9)
    """

    tunnel: str
    tunnel_config: dict[str, Any]
    parameters: int
    plan: TrainingPlan
    models: dict[str, dict[str, Any]]


COLUMNS = {"columns": 5}
SETTINGS = {
    "bijection": Setting(
        "bijection",
        {"symbols": 20},
        20_000,
        TrainingPlan(steps=2_000, decay=0.6, averaging=0.99),
        {
            "transformer": {"width": 40},
            "lstm": {"width": 44},
            "gru": {"width": 52},
            "mamba": {"width": 48, "state": 8},
            "linear-attention": {"width": 40},
            "deltanet": {"width": 40},
            "mlp-token": {"width": 44, "layers": 1},
            "mlp-sum": {"width": 44, "layers": 1},
            "mlp-prefix": {"width": 12, "layers": 1},
        },
    ),
    "hmm": Setting(
        "hmm",
        {"law": "coded"},
        40_000,
        TrainingPlan(steps=1_000, decay=0.6, averaging=0.99, targets="exact"),
        {
            "transformer": {"width": 28, "layers": 4, "heads": 4, "positions": "distance", **COLUMNS},
            "lstm": {"width": 46, "layers": 2, **COLUMNS},
            "gru": {"width": 52, "layers": 2, **COLUMNS},
            "mamba": {"width": 40, "layers": 3, "state": 8, **COLUMNS},
            "linear-attention": {"width": 28, "layers": 4, "heads": 4, **COLUMNS},
            "deltanet": {"width": 28, "layers": 4, "heads": 4, **COLUMNS},
            "mlp-token": {"width": 46, "layers": 2},
            "mlp-sum": {"width": 46, "layers": 2},
            "mlp-prefix": {"width": 42, "layers": 2},
        },
    ),
    "recall": Setting(
        "recall",
        {"pairs": 8, "queries": 8, "keys": 16, "values": 16},
        32_000,
        TrainingPlan(steps=2_000, decay=0.6, averaging=0.99),
        {
            "transformer": {"width": 36, "layers": 2, "heads": 2, "positions": "rotary"},
            "lstm": {"width": 58},
            "gru": {"width": 64},
            "mamba": {"width": 44, "layers": 2, "state": 8},
            "linear-attention": {"width": 36, "layers": 2, "heads": 2, "kernel": 4},
            "deltanet": {"width": 36, "layers": 2, "heads": 2},
            "mlp-token": {"width": 42, "layers": 2},
            "mlp-sum": {"width": 42, "layers": 2},
            "mlp-prefix": {"width": 22, "layers": 2},
        },
    ),
}


def sweep_results() -> dict[str, list[dict[str, float]]]:
    """The sweeps that ship: for each pair such as ``hmm-gru``, one entry a combination of
    rates with its ``kl`` in bits, None where the run diverged.

    >>> len(sweep_results()["hmm-gru"])
    4
    """
    path = resources.files("tutorlib") / "weights" / "sweeps" / "rates.json"
    results: dict[str, list[dict[str, float]]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return results


def _recipes() -> dict[str, Recipe]:
    results, recipes = sweep_results(), {}
    for setting_name, setting in SETTINGS.items():
        for model, config in setting.models.items():
            tried = [row for row in results.get(f"{setting_name}-{model}", []) if row["kl"] is not None]
            best = (
                min(tried, key=lambda row: row["kl"]) if tried else {name: RATES[name][0] for name in RATES}
            )
            rates: dict[str, Any] = {rate: best[rate] for rate in RATES}
            for seed in SEEDS:
                plan = replace(setting.plan, **rates, seed=seed)
                name = f"{setting_name}-{model}-seed{seed}"
                recipes[name] = Recipe(setting.tunnel, setting.tunnel_config, model, config, plan)
    return recipes


ARCHITECTURES = _recipes()
