"""What is measured of every checkpoint: its errors, longer sequences, other laws, coherence, the ladder beside it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from tutorlib.evaluation import (
    LAW_MEASURES,
    Evaluation,
    equivalent_window,
    evaluate,
    interval_over_seeds,
    ladder,
    martingale_gap,
    permutation_gap,
)
from tutorlib.scorecard.groups import SEED, Group
from tutorlib.tunnels import Tunnel

__all__ = ["SEQUENCES", "measure_rows", "number"]

SEQUENCES = 1024
BATCH = 128  # sequences at a time: more of them leave a processor's cache, and Mamba then takes twice as long
MEASURED = ("entropy_error", "kl", "total_variation", "impossible", "accuracy")
LADDER_SEQUENCES, GAP_SEQUENCES, GAP_POSITIONS = 1024, 512, 8
FLOOR = 1e-6  # below, a measure of a network in single precision is noise
LONGER = (1.5, 2.5)  # times the training length: 30 and 50 for an HMM of 20, as in the paper

# Other laws that a tunnel can be asked under, as changes of its arguments. One that is its own, or does not fit, is
# left out.
OTHER_LAWS: dict[str, list[dict[str, Any]]] = {
    "coin": [{"sampled_from": [5.0, 2.0]}, {"sampled_from": [0.5, 0.5]}, {"sampled_from": None}],
    "hmm": [{"law": "printed"}, {"law": "coded"}, {"law": "sticky"}],
    "markov": [{"a": 0.3}],
    "mess3": [{"x": 0.15}],
    "model_selection": [{"involution": 0.9}],
}

Facts = dict[str, Any]


def measure_rows(
    groups: Sequence[Group], *, sequences: int = SEQUENCES, say: Callable[[str], None] | None = None
) -> Facts:
    """Measure every group, and the ladder of each tunnel once.

    Args:
        groups: what :func:`grouped` returned.
        sequences: fresh ones for each checkpoint; the ladder and the gaps take fewer.
        say: is told what was done and how long it took.

    Returns:
        JSON-ready ``{"rows": [...], "ladders": [...]}``; see the rows' keys in ``book/scorecard.json``.

    >>> from tutorlib.scorecard import grouped
    >>> rows = measure_rows(grouped(["bijection-v8"]), sequences=8)["rows"]
    >>> rows[0]["name"], rows[0]["parameters"]
    ('bijection-v8', 12800)
    """
    ladders = Ladders(sequences)
    rows = []
    for group in groups:
        start = time.process_time()
        rows.append(measure_row(group, ladders, sequences))
        if say is not None:
            say(f"{group.name}: {time.process_time() - start:.1f} core-seconds")
    return {"rows": rows, "ladders": ladders.facts()}


class Ladders:
    """The ladder of each tunnel, climbed once however many networks stand on it."""

    def __init__(self, sequences: int) -> None:
        self.sequences = min(sequences, LADDER_SEQUENCES)
        self.found: dict[str, tuple[Tunnel, dict[str, Evaluation]]] = {}
        self.shown: set[str] = set()

    def of(self, tunnel: Tunnel, shown: bool = False) -> dict[str, Evaluation]:
        """The ladder of a tunnel; ``shown`` puts it on the scorecard."""
        key = json.dumps({"name": tunnel.name, **tunnel.config()})
        if key not in self.found:
            rungs = ladder(tunnel, sequences=self.sequences, generator=_generator(SEED))
            self.found[key] = (tunnel, rungs)
        if shown:
            self.shown.add(key)
        return self.found[key][1]

    def facts(self) -> list[Facts]:
        """JSON-ready: the tunnel, what a step is called, how many see everything, and the measures of each rung."""
        return [
            {
                "tunnel": {"name": tunnel.name, **tunnel.config()},
                "steps": tunnel.symbols_name,
                "most": tunnel.max_window,
                "rungs": {
                    name: {measure: number(rung.mean(measure)) for measure in MEASURED}
                    for name, rung in rungs.items()
                },
            }
            for key, (tunnel, rungs) in self.found.items()
            if key in self.shown
        ]


def measure_row(group: Group, ladders: Ladders, sequences: int) -> Facts:
    """Everything the scorecard says of one group, JSON-ready."""
    cards, tunnel = [point.card for point in group.points], group.tunnel
    found = _evaluations(group, tunnel, sequences)
    kl = math.fsum(one.mean("kl") for one in found) / len(found)
    rungs = ladders.of(tunnel, shown=True)
    plan = cards[0].get("plan", {})
    return {
        "name": group.name,
        "checkpoints": [
            {
                "name": name,
                "sha256": card["sha256"],
                "seed": card.get("plan", {}).get("seed"),
                "core_seconds": card.get("core_seconds"),
            }
            for name, card in zip(group.names, cards, strict=True)
        ],
        "model": cards[0]["model"],
        "tunnel": cards[0]["tunnel"],
        "parameters": cards[0]["parameters"],
        "core_seconds": _total([card.get("core_seconds") for card in cards]),
        "device": cards[0].get("device"),
        "targets": plan.get("targets", "sampled"),
        "training_steps": plan.get("steps"),
        "measures": {key: _spread(found, key) for key in MEASURED},
        "averaged_first": number(_mean([one.entropy_mae_averaged_first() for one in found])),
        "first_position": number(_mean([float(one.per_position("entropy_error")[0]) for one in found])),
        "exact_entropy": number(_mean([one.mean("exact_entropy") for one in found])),
        "window": number(equivalent_window(kl, tunnel, rungs)),
        "window_of": tunnel.max_window,
        "lengths": _longer(group, ladders, sequences),
        "laws": _other_laws(group, sequences),
        "gaps": _gaps(group, sequences),
    }


def _evaluations(group: Group, tunnel: Tunnel, count: int, law: Tunnel | None = None) -> list[Evaluation]:
    """One evaluation a checkpoint, each on sequences of its own, so that draws over seeds are independent."""
    return [
        evaluate(point.model, tunnel, sequences=count, batch=BATCH, generator=_generator(SEED + i), law=law)
        for i, point in enumerate(group.points)
    ]


def _longer(group: Group, ladders: Ladders, sequences: int) -> list[Facts]:
    """Sequences of ``LONGER`` times the training length, where both the tunnel and the model's context allow them."""
    tunnel = group.tunnel
    if tunnel.steps_argument is None:
        return []
    trained, rows = int(str(tunnel.config()[tunnel.steps_argument])), []
    for factor in LONGER:
        try:
            longer = tunnel.at_length(round(factor * trained))
        except ValueError:  # no more keys to ask, for example
            continue
        if longer.length > group.points[0].model.context:
            continue
        found = _evaluations(group, longer, sequences)
        errors = torch.stack([one.per_position("entropy_error") for one in found]).mean(0)  # [scored]
        old = len(tunnel.scored)
        kl = _mean([one.mean("kl") for one in found])
        rows.append(
            {
                "steps": round(factor * trained),
                **{key: _spread(found, key) for key in ("entropy_error", "kl")},
                "within": number(float(errors[:old].mean())),
                "beyond": number(float(errors[old:].mean())) if len(errors) > old else None,
                "window": number(equivalent_window(kl, longer, ladders.of(longer))),
                "window_of": longer.max_window,
            }
        )
    return rows


def _other_laws(group: Group, sequences: int) -> list[Facts]:
    tunnel, rows = group.tunnel, []
    wrong: list[Facts] = (
        [{}] if getattr(tunnel, "misspecified", False) else []
    )  # its own law is not its prior
    for changes in wrong + OTHER_LAWS.get(tunnel.name, []):
        try:
            law = tunnel.changed(**changes)
        except ValueError:  # the authors' header can write one law only
            continue
        if changes and law.config() == tunnel.config():
            continue
        found = _evaluations(group, tunnel, sequences, law)
        measures = {key: _spread(found, key) for key in ("entropy_error", "kl", *LAW_MEASURES)}
        rows.append({"changes": changes, **measures})
    return rows


def _gaps(group: Group, sequences: int) -> Facts:
    """Permutation and martingale gaps, where the tunnel has the operation that they need."""
    tunnel, count = group.tunnel, min(sequences, GAP_SEQUENCES)
    probe = tunnel.sample(1, _generator(SEED))
    kinds: dict[str, Callable[..., Evaluation]] = {}
    if _can(lambda: tunnel.shuffle_past(probe, _generator(SEED))):
        kinds["permutation"] = permutation_gap
    if len(tunnel.scored) > 1 and _can(lambda: tunnel.suppose(probe, 0, int(tunnel.answers[0]))):
        last = len(tunnel.scored) - 2
        places = sorted({round(last * i / (GAP_POSITIONS - 1)) for i in range(GAP_POSITIONS)})
        kinds["martingale"] = partial(martingale_gap, positions=places)
    gaps: Facts = {}
    for name, gap in kinds.items():
        found = [
            gap(point.model, tunnel, sequences=count, generator=_generator(SEED + i))
            for i, point in enumerate(group.points)
        ]
        gaps |= {key: _spread(found, key) for key in (f"{name}_kl", f"{name}_tv")}
    return gaps


def _can(operation: Callable[[], object]) -> bool:
    try:
        operation()
    except ValueError:
        return False
    return True


def _spread(found: Sequence[Evaluation], measure: str) -> Facts:
    """Mean, interval, and the mean of each run if there are several."""
    interval = interval_over_seeds(found, measure, _generator(SEED))
    runs = {"runs": [number(one.mean(measure)) for one in found]} if len(found) > 1 else {}
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{key: number(value) for key, value in ends.items()}, **runs}


def number(value: float) -> float | str:
    """Four digits, and 0 below ``FLOOR``, so that another processor writes the same; infinity is ``"inf"``.

    >>> number(0.123456), number(1e-9), number(float("inf"))
    (0.1235, 0.0, 'inf')
    """
    if math.isinf(value):
        return "inf"  # JSON has no infinity
    return float(f"{value:.4g}") if abs(value) >= FLOOR else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(math.fsum(known)) if len(known) == len(values) else None


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
