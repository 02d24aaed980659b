"""Measure everything, and write the page and the JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tutorlib.files import write_whole
from tutorlib.scorecard.claims import CLAIMS
from tutorlib.scorecard.groups import SEED, grouped
from tutorlib.scorecard.judge import judge
from tutorlib.scorecard.page import page
from tutorlib.scorecard.rows import SEQUENCES, measure_rows

__all__ = ["measure_all", "write"]

FORMAT = 1


def measure_all(
    names: Sequence[str | Path], *, sequences: int = SEQUENCES, say: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Evaluate checkpoints on fresh sequences and judge the paper's claims by what was measured.

    Args:
        names: of checkpoints that ship, or paths without an ending.
        sequences: fresh ones for each checkpoint.
        say: is told what was done and how long it took.

    Returns:
        JSON-ready: ``format``, ``sequences``, ``seed``, ``rows``, ``ladders``, ``claims``. Numbers have four digits,
        errors are in bits, and infinity is the text ``inf``.

    Raises:
        CheckpointError: if a checkpoint is missing or damaged.
        ValueError: if an argument does not fit; see :func:`~tutorlib.scorecard.groups.grouped`.

    >>> [row["name"] for row in measure_all(["bijection-v8"], sequences=8)["rows"]]
    ['bijection-v8']
    """
    if sequences < 1:
        raise ValueError(f"sequences: expected a positive integer, got {sequences}")
    card = {"format": FORMAT, "sequences": sequences, "seed": SEED}
    card |= measure_rows(grouped(names), sequences=sequences, say=say)
    return {**card, "claims": [judge(claim, card) for claim in CLAIMS]}


def write(card: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``scorecard.json`` and ``scorecard.md`` into a folder; each appears whole or not at all.

    >>> from pathlib import Path
    >>> claim = dict.fromkeys(("key", "claim", "paper", "version", "here", "reason", "rule"), "x")
    >>> card = {"sequences": 8, "rows": [], "claims": [claim | {"verdict": "holds"}]}
    >>> [path.name for path in write(card, Path("book"))]
    ['scorecard.json', 'scorecard.md']
    """
    text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files = {folder / "scorecard.json": text.encode(), folder / "scorecard.md": page(card).encode()}
    write_whole(files)
    return list(files)
