"""The table "Paper and us": what a paper reports, what was measured here, and a plain verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["VERDICTS", "PaperRow", "PaperTable"]

# On a narrow screen each row becomes a card, with the heads in front of the cells.
STYLE = """
.paper-and-us { overflow-x: auto; }
.paper-and-us table { font-size: 0.9em; border-collapse: collapse; }
.paper-and-us th, .paper-and-us td { text-align: left; vertical-align: top; padding: 0.35em 0.6em; white-space: normal;
  min-width: 6em; }
@media (max-width: 600px) {
  .paper-and-us thead { display: none; }
  .paper-and-us table, .paper-and-us tbody, .paper-and-us tr, .paper-and-us th, .paper-and-us td { display: block; }
  .paper-and-us tr { border-top: 2px solid currentColor; padding: 0.5em 0; }
  .paper-and-us td::before { content: attr(data-head) ": "; font-weight: bold; }
}
"""
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
        head = "".join(f'<th scope="col">{name}</th>' for name in self.heads)
        lines = []
        for row in self.rows:
            first, *rest = zip(self.heads, (escape(cell) for cell in self._cells(row)), strict=True)
            cells = "".join(f'<td data-head="{head}">{cell}</td>' for head, cell in rest)
            lines.append(f'<tr><th scope="row">{first[1]}</th>{cells}</tr>')
        body = "\n".join(lines)
        html = (
            '<div class="paper-and-us" tabindex="0" role="region" aria-label="Paper and us">\n'
            f"<style>{STYLE}</style>\n<table>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )
        return {"text/html": html, "text/plain": str(self)}

    def __str__(self) -> str:
        return "\n\n".join(
            "\n".join(f"{head}: {cell}" for head, cell in zip(self.heads, self._cells(row), strict=True))
            for row in self.rows
        )
