"""The table "Paper and us": what a paper reports, what was measured here, and a plain verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["VERDICTS", "PaperRow", "PaperTable"]

# The reason stands in a row of its own below the numbers. On a narrow screen each claim becomes a card.
STYLE = """
.paper-and-us { overflow-x: auto; }
.paper-and-us table { font-size: 0.9em; border-collapse: collapse; width: 100%; }
.paper-and-us th, .paper-and-us td { text-align: left; vertical-align: top; padding: 0.35em 0.6em;
  white-space: normal; background: transparent; }
.paper-and-us tbody tr:nth-child(odd) { border-top: 1px solid currentColor; }
.paper-and-us tbody th { width: 24%; }
.paper-and-us td[data-head="Verdict"] { font-weight: bold; }
.paper-and-us td[colspan]::before { content: "Why: "; font-weight: bold; }
@media (max-width: 600px) {
  .paper-and-us thead { display: none; }
  .paper-and-us table, .paper-and-us tbody, .paper-and-us tr { display: block; }
  .paper-and-us tbody th, .paper-and-us td { display: block; width: auto; }
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

    heads = ("Claim", "The paper", "Here", "Verdict")

    def __init__(self, rows: Sequence[PaperRow]) -> None:
        if not rows:
            raise ValueError("rows: expected at least one claim, got none")
        self.rows = tuple(rows)

    def _cells(self, row: PaperRow) -> tuple[str, ...]:
        return (row.claim, f"{row.paper} ({row.version})", row.here, row.verdict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        head = "".join(f'<th scope="col">{name}</th>' for name in self.heads)
        lines = []
        for row in self.rows:
            first, *rest = zip(self.heads, (escape(cell) for cell in self._cells(row)), strict=True)
            cells = "".join(f'<td data-head="{name}">{cell}</td>' for name, cell in rest)
            lines.append(f'<tr><th scope="row" rowspan="2">{first[1]}</th>{cells}</tr>')
            lines.append(f'<tr><td colspan="{len(rest)}" data-head="Why">{escape(row.reason)}</td></tr>')
        body = "\n".join(lines)
        html = (
            '<div class="paper-and-us" tabindex="0" role="region" aria-label="Paper and us">\n'
            f"<style>{STYLE}</style>\n<table>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}\n</tbody>\n</table>\n</div>"
        )
        return {"text/html": html, "text/plain": str(self)}

    def __str__(self) -> str:
        heads = (*self.heads, "Why")
        return "\n\n".join(
            "\n".join(
                f"{head}: {cell}" for head, cell in zip(heads, (*self._cells(row), row.reason), strict=True)
            )
            for row in self.rows
        )
