"""The table "Paper and us": what a paper reports, what was measured here, and a plain verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["VERDICTS", "CardRow", "PaperRow", "PaperTable", "card_table"]

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


@dataclass(frozen=True)
class CardRow:
    """A row of a table that becomes a card on a narrow screen.

    Attributes:
        cells: HTML, one a column; the first is the row's heading.
        notes: pairs of a heading and HTML, each in a line of its own below the cells.
        anchor: the id that a link can lead to; none if empty.

    >>> CardRow(["entropy MAE", "0.007"]).cells
    ['entropy MAE', '0.007']
    """

    cells: Sequence[str]
    notes: Sequence[tuple[str, str]] = ()
    anchor: str = ""


def card_table(heads: Sequence[str], rows: Sequence[CardRow], *, label: str, style: str = STYLE) -> str:
    """A table as HTML, without an empty line, so that it can stand in a Markdown page.

    Args:
        heads: the columns.
        rows: what stands in them.
        label: what a screen reader calls the table.
        style: style sheet that goes with it; none if empty, for the second table of a page.

    Raises:
        ValueError: if there is no row, or one has another number of cells than there are columns.

    >>> card_table(["Claim", "Here"], [CardRow(["exact", "0.1"])], label="Claims").count("<td")
    1
    """
    if not rows:
        raise ValueError("rows: expected at least one, got none")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    lines = []
    for row in rows:
        if len(row.cells) != len(heads):
            raise ValueError(f"cells: expected {len(heads)}, one a column, got {len(row.cells)}")
        first, *rest = zip(heads, row.cells, strict=True)
        cells = "".join(f'<td data-head="{name}">{cell}</td>' for name, cell in rest)
        start = f'<tr id="{row.anchor}">' if row.anchor else "<tr>"
        tall = f' rowspan="{1 + len(row.notes)}"' if row.notes else ""
        lines.append(f'{start}<th scope="row"{tall}>{first[1]}</th>{cells}</tr>')
        for name, text in row.notes:
            lines.append(f'<tr><td colspan="{len(rest)}" data-head="{name}">{text}</td></tr>')
    body = "\n".join(lines)
    return (
        f'<div class="paper-and-us" tabindex="0" role="region" aria-label="{escape(label)}">\n'
        + (f"<style>{style}</style>\n" if style else "")
        + f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


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

    >>> PaperRow("exact", "0.007 bit", "v1", "0.0001 bit", "holds", "We train longer.").verdict
    'holds'
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
    """Rows as a table in a notebook, or as plain lines elsewhere.

    >>> print(PaperTable([PaperRow("exact", "0.007 bit", "v1", "0.0001 bit", "holds", "We train longer.")]))
    Claim: exact
    The paper: 0.007 bit (v1)
    Here: 0.0001 bit
    Verdict: holds
    Why: We train longer.
    """

    heads = ("Claim", "The paper", "Here", "Verdict")

    def __init__(self, rows: Sequence[PaperRow]) -> None:
        if not rows:
            raise ValueError("rows: expected at least one claim, got none")
        self.rows = tuple(rows)

    def _cells(self, row: PaperRow) -> tuple[str, ...]:
        return (row.claim, f"{row.paper} ({row.version})", row.here, row.verdict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        rows = [
            CardRow([escape(cell) for cell in self._cells(row)], [("Why", escape(row.reason))])
            for row in self.rows
        ]
        return {"text/html": card_table(self.heads, rows, label="Paper and us"), "text/plain": str(self)}

    def __str__(self) -> str:
        heads = (*self.heads, "Why")
        return "\n\n".join(
            "\n".join(
                f"{head}: {cell}" for head, cell in zip(heads, (*self._cells(row), row.reason), strict=True)
            )
            for row in self.rows
        )
