"""The networks on the scorecard's page: a section for each tunnel, with the ladder of references beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tutorlib.scorecard.tables import cell, measured
from tutorlib.scorecard.text import percent, short
from tutorlib.tunnels import TUNNELS
from tutorlib.verdicts import CardRow, card_table

__all__ = ["networks", "title"]

Facts = Mapping[str, Any]
PRINTED = (1, 2, 4, 8, 16, 32)  # windows of the ladder that the page shows; the JSON has all
NEAR = 0.98  # of the KL of a reference that infers nothing; from there on a network has learnt nothing more
CERTAIN = 1e-9  # bits; below, every answer is certain and accuracy says something of its own
HIDDEN = (
    "name",
    "vocab",
    "context",
    "header",
    "columns",
)  # of a network's arguments, those that its tunnel gives
TARGETS = {
    "sampled": "sampled answers",
    "one-step": "the law of the state given the true state before it",
    "exact": "the exact posterior",
}


def networks(card: Facts) -> list[str]:
    """Markdown of the sections, one a tunnel, in the order of the rows.

    >>> networks({"rows": []})
    ['## The networks']
    """
    tunnels: list[dict[str, Any]] = []
    for row in card["rows"]:
        if row["tunnel"] not in tunnels:
            tunnels.append(row["tunnel"])
    parts = ["## The networks"]
    for tunnel in tunnels:
        rows = [row for row in card["rows"] if row["tunnel"] == tunnel]
        ladder = next(ladder for ladder in card["ladders"] if ladder["tunnel"] == tunnel)
        name = title(tunnel, tunnels)
        parts += [f"### {name}", _about(tunnel, ladder), _errors(rows, name, ladder)]
        parts += _folded("The ladder of exact references on the same law", [_ladder(ladder, name)])
        parts += _folded("Longer sequences than in training", _lengths(rows, name, tunnel, ladder["steps"]))
        parts += _folded("Sequences from other laws than the prior", _laws(rows, name))
        parts += _folded("Coherence", _gaps(rows, name))
    return parts


def _folded(head: str, parts: Sequence[str]) -> list[str]:
    """What stands under a line that opens it: on a telephone all tables together are fifty screens long."""
    return [f"<details><summary>{head}</summary>", *parts, "</details>"] if parts else []


def title(tunnel: Facts, tunnels: Sequence[Facts]) -> str:
    """The tunnel's class and the arguments that tell it from the default or from another tunnel of that class.

    Args:
        tunnel: its configuration with its ``name``.
        tunnels: all of those on the scorecard.

    >>> title({"name": "bijection", "symbols": 8, "pairs": None, "replacement": False}, [])
    'Bijection, symbols 8, pairs None'
    """
    kind = TUNNELS[tunnel["name"]]
    others = [other for other in tunnels if other["name"] == tunnel["name"]] + [kind().config()]
    told = [key for key in tunnel if key != "name" and any(other.get(key) != tunnel[key] for other in others)]
    return ", ".join([kind.__name__, *(f"{key} {tunnel[key]}" for key in told)])


def _about(tunnel: Facts, ladder: Facts) -> str:
    arguments = ", ".join(f"{key} {value}" for key, value in tunnel.items() if key != "name")
    return (
        f"The tunnel: {arguments}. An observer who sees the last {ladder['most']} {ladder['steps']} sees all."
    )


def _blind(row: Facts, ladder: Facts) -> str:
    """The reference without inference that a network is no better than, by KL; empty if it is better than all."""
    kept = {
        rung: float(values["kl"])
        for rung, values in ladder["rungs"].items()
        if rung != "exact" and not re.fullmatch(rf"last \d+ {ladder['steps']}", rung)
    }
    best = min(kept, key=lambda rung: kept[rung])
    return best if float(row["measures"]["kl"]["mean"]) >= NEAR * kept[best] else ""


def _errors(rows: Sequence[Facts], name: str, ladder: Facts) -> str:
    heads = ("Network", "Entropy MAE", "Averaged first", "KL", "TV", "Impossible", "Window")
    lines = []
    for row in rows:
        measures, blind = row["measures"], _blind(row, ladder)
        seen = f"{float(row['window']):.2f} of {row['window_of']} {ladder['steps']}"
        failed = (
            [("Not learnt", f"It is no better, by KL, than the reference “{blind}” below.")] if blind else []
        )
        lines.append(
            CardRow(
                [
                    cell(_called(row)),
                    measured(measures["entropy_error"], runs=True),
                    short(row["averaged_first"]),
                    measured(measures["kl"], runs=True),
                    *(measured(measures[key]) for key in ("total_variation", "impossible")),
                    "–" if blind else seen,
                ],
                [*failed, ("Made", escape(_made(row)))],
                f"network-{row['name']}",
            )
        )
    return card_table(heads, lines, label=f"Networks on {name}", style="")


def _called(row: Facts) -> str:
    runs = len(row["checkpoints"])
    return row["name"] + (f" ({runs} seeds)" if runs > 1 else "")


def _made(row: Facts) -> str:
    """How a network was built and trained, and what else was measured, in words."""
    model, points = row["model"], row["checkpoints"]
    shape = ", ".join(f"{key} {value}" for key, value in model.items() if key not in HIDDEN)
    words = [f"{model['name']} ({shape}), {row['parameters']:,} parameters"]
    training = f"trained on {TARGETS.get(row['targets'], row['targets'])}"
    if row["training_steps"] is not None:
        training += f", {row['training_steps']:,} steps"
    seeds = [str(point["seed"]) for point in points if point["seed"] is not None]
    if seeds:
        training += f", seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    if row["core_seconds"] is not None:
        training += f", {row['core_seconds']:,} core-seconds{' in all' if len(points) > 1 else ''}"
    words += [training, f"entropy MAE at the first position {short(row['first_position'])}"]
    if float(row["exact_entropy"]) < CERTAIN:
        accuracy = row["measures"]["accuracy"]
        low, high = (percent(float(accuracy[end])) for end in ("low", "high"))
        words.append(f"right answers {percent(float(accuracy['mean']))} (from {low} to {high})")
    return "; ".join(words) + "."


def _ladder(ladder: Facts, name: str) -> str:
    rungs = []
    for rung, values in ladder["rungs"].items():
        window = re.fullmatch(rf"last (\d+) {ladder['steps']}", rung)
        if window and int(window[1]) not in PRINTED:
            continue
        keys = ("entropy_error", "kl", "total_variation", "impossible")
        rungs.append(CardRow([cell(rung), *(short(values[key]) for key in keys)]))
    heads = ("Reference", "Entropy MAE", "KL", "TV", "Impossible")
    return card_table(heads, rungs, label=f"References on {name}", style="")


def _lengths(rows: Sequence[Facts], name: str, tunnel: Facts, steps: str) -> list[str]:
    lines = []
    for row in (row for row in rows if row["lengths"]):
        first = {
            "steps": tunnel[str(TUNNELS[tunnel["name"]].steps_argument)],
            "window": row["window"],
            "window_of": row["window_of"],
            "within": row["measures"]["entropy_error"]["mean"],
            "beyond": None,
        }
        for found in (
            first | {key: row["measures"][key] for key in ("entropy_error", "kl")},
            *row["lengths"],
        ):
            beyond = found["beyond"]
            lines.append(
                CardRow(
                    [
                        cell(_called(row)),
                        str(found["steps"]),
                        measured(found["entropy_error"]),
                        measured(found["kl"]),
                        f"{float(found['window']):.2f} of {found['window_of']}",
                        f"{short(found['within'])} and {'–' if beyond is None else short(beyond)}",
                    ]
                )
            )
    if not lines:
        return []
    heads = ("Network", steps.capitalize(), "Entropy MAE", "KL", "Window", "MAE within and beyond")
    return [
        "The last column has the entropy MAE at positions that training had, and at those beyond.",
        card_table(heads, lines, label=f"Longer sequences on {name}", style=""),
    ]


def _laws(rows: Sequence[Facts], name: str) -> list[str]:
    lines = [
        CardRow(
            [
                cell(_called(row)),
                cell(_law(found["changes"])),
                *(measured(found[key]) for key in ("entropy_error", "kl", "law_kl", "prior_cost")),
            ]
        )
        for row in rows
        for found in row["laws"]
    ]
    if not lines:
        return []
    heads = ("Network", "Sequences from", "Entropy MAE", "KL", "KL under that law", "Price of the prior")
    return [
        "*KL* is from the exact answer of an observer who keeps "
        "the prior, *KL under that law* from that of an observer who knows the new law, and the last column is the distance "
        "between these two.",
        card_table(heads, lines, label=f"Other laws on {name}", style=""),
    ]


def _law(changes: Facts) -> str:
    if not changes:
        return "the law of training"
    return ", ".join(
        f"{key} {'the prior' if value is None else value}" for key, value in changes.items()
    ).replace("_", " ")


def _gaps(rows: Sequence[Facts], name: str) -> list[str]:
    kinds = [
        kind for kind in ("permutation", "martingale") if any(f"{kind}_kl" in row["gaps"] for row in rows)
    ]
    if not kinds:
        return []
    keys = [f"{kind}_{measure}" for kind in kinds for measure in ("kl", "tv")]
    lines = [
        CardRow([cell(_called(row)), *(measured(row["gaps"].get(key)) for key in keys)])
        for row in rows
        if row["gaps"]
    ]
    heads = (
        "Network",
        *(f"{key.split('_')[0].capitalize()} gap, {key.split('_')[1].upper()}" for key in keys),
    )
    meaning = {
        "permutation": "The permutation gap is how far the last answer moves when the evidence comes in another order.",
        "martingale": "The martingale gap is how far an answer is from the mean of the next one.",
    }
    return [
        " ".join(meaning[kind] for kind in kinds) + " An exact observer has 0.",
        card_table(heads, lines, label=f"Coherence on {name}", style=""),
    ]
