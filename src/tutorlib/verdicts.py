"""The table "Paper and us": what a paper reports, what was measured here, and a plain verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["VERDICTS", "PaperRow", "PaperTable"]

CELL = "text-align:left;vertical-align:top;padding:0.35em 0.6em;min-width:6em"
VERDICTS = ("holds", "holds in part", "does not hold here", "not tested here")


@dataclass(frozen=True)
class PaperRow:
    """One claim of a paper beside our measurement.

    Attributes:
        claim: the claim in a few words.
        paper: what the paper reports, with its unit.
        version: which paper and version reports it.
        here: what this notebook measured, with its interval.
        verdict: one of ``VERDICTS``.
        reason: why, or why the numbers differ.
    """

    claim: str
    paper: str
    version: str
    here: str
    verdict: str
    reason: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict: expected one of {', '.join(VERDICTS)}, got {self.verdict!r}")


class PaperTable:
    """Rows as a table in a notebook, or as plain lines elsewhere."""

    heads = ("Claim", "The paper", "Version", "Here", "Verdict", "Why")

    def __init__(self, rows: Sequence[PaperRow]) -> None:
        if not rows:
            raise ValueError("rows: expected at least one claim, got none")
        self.rows = tuple(rows)

    def _cells(self, row: PaperRow) -> tuple[str, ...]:
        return (row.claim, row.paper, row.version, row.here, row.verdict, row.reason)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in self.heads)
        lines = []
        for row in self.rows:
            claim, *rest = (escape(cell) for cell in self._cells(row))
            cells = "".join(f'<td style="{CELL}">{cell}</td>' for cell in rest)
            lines.append(f'<tr><th scope="row" style="{CELL};min-width:9em">{claim}</th>{cells}</tr>')
        body = "\n".join(lines)
        html = (
            '<div class="paper-and-us" tabindex="0" role="region" aria-label="Paper and us"'
            ' style="overflow-x:auto">\n<table style="font-size:0.9em;border-collapse:collapse">\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )
        return {"text/html": html, "text/plain": str(self)}

    def __str__(self) -> str:
        return "\n\n".join(
            "\n".join(f"{head}: {cell}" for head, cell in zip(self.heads, self._cells(row), strict=True))
            for row in self.rows
        )
