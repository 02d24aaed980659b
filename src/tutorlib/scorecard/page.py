"""The scorecard as a page of the book. It reads the JSON and nothing else, so the two cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tutorlib.scorecard.networks import networks
from tutorlib.scorecard.tables import STYLE, cell
from tutorlib.verdicts import VERDICTS, CardRow, card_table

__all__ = ["page"]

Facts = Mapping[str, Any]


def page(card: Facts) -> str:
    """Markdown of the page.

    Args:
        card: what :func:`~tutorlib.scorecard.writing.measure_all` returned, or the JSON that was written of it.

    >>> claim = dict.fromkeys(("key", "claim", "paper", "version", "here", "reason", "rule"), "x")
    >>> card = {"sequences": 8, "rows": [], "claims": [claim | {"verdict": "holds"}]}
    >>> page(card).splitlines()[2]
    '# Scorecard'
    """
    parts = [*_head(card), *_reading(card["rows"]), *_claims(card["claims"], card["rows"]), *networks(card)]
    return "\n\n".join(parts) + "\n"


def _head(card: Facts) -> list[str]:
    return [
        "<!-- Written by `make scorecard`. Change what writes it (src/tutorlib/scorecard), not this file. -->",
        "# Scorecard",
        f"Every network that ships with this book, asked about {card['sequences']:,} freshly drawn sequences, and the "
        "claims of {cite:t}`agarwal2025geometry` beside what was measured. `make scorecard` measures everything anew and "
        "writes this page. No measured number and no verdict on it is typed: each claim is judged by a rule that "
        "reads the numbers, and the rule stands under the claim.",
        "[The same numbers as JSON](scorecard.json), with the SHA-256 of every network.",
    ]


def _reading(rows: Sequence[Facts]) -> list[str]:
    sets = [row for row in rows if len(row["checkpoints"]) > 1]
    single = len(rows) - len(sets)
    text = [
        "## How to read the numbers",
        "In brackets stand the ends of a 95 % [bootstrap interval](glossary.md#bootstrap-interval). Three digits are "
        "printed, and 0 below a millionth, where the networks' arithmetic in single precision ends.",
    ]
    if single:
        which = f"{single} of the {len(rows)} rows are" if sets else f"Each of the {len(rows)} rows is"
        text.append(
            f"{which} one training run. There the interval is over sequences only: it says how well this network was "
            "measured, and nothing about another run with another [seed](glossary.md#seed)."
        )
    if sets:
        fewest = min(len(row["checkpoints"]) for row in sets)
        text.append(
            f"{len(sets)} rows are sets of runs that differ in the seed alone (of each run the better of the last and the "
            "averaged weights is kept). Their intervals are over seeds and "
            "sequences: draw seeds, then sequences for each seed drawn. Each run has sequences of its own. The smallest "
            f"set has {fewest} seeds. So few tell little. A bootstrap cannot leave the runs that it has, so the "
            "interval ends about at the lowest and the highest run, and the range of these holds the median of all "
            f"possible runs with probability {1 - 2.0 ** (1 - fewest):.2f}, not 0.95. Both are printed."
        )
    text += [
        "- **Entropy MAE**: [mean distance in bits](glossary.md#entropy-mae) between the entropy of the answer and that of "
        "the exact one, taken for every sequence and position.\n"
        "- **Averaged first**: the same with entropies averaged over sequences before the difference, as the paper's "
        "released code does. Errors of opposite sign cancel in it.\n"
        "- **KL**: [divergence](glossary.md#kl-divergence) of the answer from the exact one, in bits. **TV**: their "
        "[total variation distance](glossary.md#total-variation).\n"
        "- **Impossible**: [mass on answers](glossary.md#impossible-mass) that the exact posterior rules out.\n"
        "- **Window**: the exact observer who sees only so many of the last steps has the same KL. Beside it stands the "
        "number of steps that there are to see."
    ]
    return text


def _budget(rows: Sequence[Facts]) -> list[str]:
    steps = sorted(row["training_steps"] for row in rows if row["training_steps"])
    if not steps:
        return []
    most = max(row["parameters"] for row in rows)
    return [
        f"Our networks are small and were trained for {steps[0]:,} to {steps[-1]:,} steps, with at most {most:,} "
        "parameters; the paper's has 2.67 million. So a failure here is a failure at this budget."
    ]


def _claims(claims: Sequence[Facts], networks: Sequence[Facts]) -> list[str]:
    counts = [f"{verdict} {sum(claim['verdict'] == verdict for claim in claims)}" for verdict in VERDICTS]
    rows = [
        CardRow(
            [
                cell(claim["claim"]),
                cell(f"{claim['paper']} ({claim['version']})"),
                cell(claim["here"]),
                cell(claim["verdict"]),
            ],
            [("Why", escape(claim["reason"])), ("Rule", escape(claim["rule"]))],
            f"claim-{claim['key']}",
        )
        for claim in claims
    ]
    table = card_table(
        ("Claim", "The paper", "Here", "Verdict"), rows, label="Claims and verdicts", style=STYLE
    )
    return [
        "## The claims of the paper",
        f"{len(claims)} claims: {', '.join(counts)}. The paper's numbers differ between its versions, so each has its own. "
        "A claim that needs a network of a kind that does not ship is not tested; it will be when one does.",
        *_budget(networks),
        table,
    ]
