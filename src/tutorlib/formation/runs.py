"""The runs of chapter 15: what is trained, what is measured along the way, and where the numbers are kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import torch

from tutorlib.models import SequenceModel, Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection, Diversity, Markov, Tunnel

__all__ = [
    "BIJECTION_PLAN",
    "MARKOV_PLAN",
    "SEEDS",
    "TASKS",
    "markov",
    "moments",
    "run_bijection",
    "run_markov",
    "seeded",
    "study",
]

SEEDS = (0, 1, 2, 3, 4)
TASKS = (2, 4, 8, 16, 32, 64)  # numbers of tasks in the study of diversity
SYMBOLS, CHAIN, LENGTH = 10, 3, 32
FROZEN_AT = 160
BIJECTION_PLAN = TrainingPlan(steps=1500, batch=(32, 64))
MARKOV_PLAN = TrainingPlan(steps=1000, batch=32, matrix_rate=0.015, embedding_rate=0.01)
BIJECTION_STEPS = (
    0,
    10,
    20,
    30,
    40,
    60,
    80,
    100,
    130,
    160,
    200,
    250,
    320,
    400,
    500,
    630,
    800,
    1000,
    1250,
    1500,
)
MARKOV_STEPS = (
    0,
    10,
    20,
    30,
    40,
    50,
    60,
    80,
    100,
    130,
    160,
    200,
    250,
    300,
    350,
    400,
    450,
    500,
    600,
    700,
    850,
    1000,
)
PARTS = {"routing": ("query", "key"), "values": ("value", "output")}


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU.

    >>> seeded(3).initial_seed()
    3
    """
    return torch.Generator().manual_seed(seed)


def study() -> dict[str, Any]:
    """The kept numbers: ``bijection``, ``routing`` and ``values`` (frozen) and ``markov`` by seed, ``diversity`` by M.

    >>> sorted(study())
    ['bijection', 'diversity', 'markov', 'routing', 'values']
    """
    text = resources.files("tutorlib.formation").joinpath("study.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def moments(
    model: SequenceModel,
    tunnel: Tunnel,
    plan: TrainingPlan,
    steps: Sequence[int],
    watch: Callable[[int, SequenceModel], None] | None = None,
) -> dict[int, SequenceModel]:
    """Train a network and keep a copy of it at some steps, multiples of 10.

    Args:
        model: trained in place.
        tunnel: what on.
        plan: how.
        steps: when it is copied; 0 is before training.
        watch: called with every tenth step and the network; it may freeze parts of it.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.training import TrainingPlan
    >>> from tutorlib.tunnels import Bijection
    >>> list(moments(TokenMLP(6, 5), Bijection(3), TrainingPlan(steps=20), [0, 20]))
    [0, 20]
    """
    kept: dict[int, SequenceModel] = {}

    def look(step: int, now: SequenceModel) -> None:
        if watch:
            watch(step, now)
        if step in steps:
            kept[step] = copy.deepcopy(now).eval()

    look(0, model)
    train(model, tunnel, plan, log_every=10, on_log=look)
    return kept


def run_bijection(
    seed: int,
    freeze: str | None = None,
    steps: Sequence[int] = BIJECTION_STEPS,
    plan: TrainingPlan = BIJECTION_PLAN,
) -> dict[int, SequenceModel]:
    """One small bijection run; ``freeze`` names a part whose matrices stay as they are from step 160 on.

    >>> from tutorlib.training import TrainingPlan
    >>> list(run_bijection(0, None, (0, 10), TrainingPlan(steps=10, batch=4)))
    [0, 10]
    """
    tunnel = Bijection(SYMBOLS)
    model = Transformer(tunnel.vocab, tunnel.length, width=32, generator=seeded(seed))

    def watch(step: int, now: SequenceModel) -> None:
        if freeze and step == FROZEN_AT:
            assert isinstance(now, Transformer)
            for block in now.blocks:
                for name in PARTS[freeze]:
                    getattr(block.attention, name).weight.requires_grad_(False)

    return moments(model, tunnel, replace(plan, seed=seed), steps, watch)


def run_markov(
    seed: int,
    tasks: int | None = None,
    steps: Sequence[int] = MARKOV_STEPS,
    plan: TrainingPlan = MARKOV_PLAN,
) -> dict[int, SequenceModel]:
    """One small Markov run, on all chains or on ``tasks`` of them.

    >>> from tutorlib.training import TrainingPlan
    >>> list(run_markov(0, 2, (0, 10), TrainingPlan(steps=10, batch=4)))
    [0, 10]
    """
    tunnel = markov(tasks)
    model = Transformer(
        CHAIN, LENGTH, width=32, layers=2, heads=2, positions="distance", generator=seeded(seed)
    )
    return moments(model, tunnel, replace(plan, seed=seed), steps)


def markov(tasks: int | None = None) -> Markov | Diversity:
    """The tunnel of all chains, or of ``tasks`` fixed ones.

    >>> markov().name, markov(4).name
    ('markov', 'diversity')
    """
    if tasks is None:
        return Markov(CHAIN, LENGTH)
    return Diversity("markov", {"symbols": CHAIN, "steps": LENGTH}, tasks=tasks)
