"""Cells of the scorecard's tables, and their style on wide and narrow screens."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tutorlib.scorecard import text
from tutorlib.verdicts import STYLE as CARDS

__all__ = ["STYLE", "cell", "measured"]

STYLE = (
    CARDS
    + """.paper-and-us tbody tr:nth-child(n) { border-top: 0; }
.paper-and-us tbody tr:nth-child(n):has(> th) { border-top: 1px solid currentColor; }
.paper-and-us { margin-bottom: 1.4rem; }
.paper-and-us tbody th { overflow-wrap: break-word; hyphens: auto; }
.paper-and-us td[colspan]::before { content: attr(data-head) ": "; font-weight: bold; }
.paper-and-us .interval { display: block; font-size: 0.86em; }
@media (min-width: 601px) {
  .paper-and-us tbody th { width: 19%; min-width: 8em; }
  .paper-and-us td:has(.interval) { min-width: 6em; }
  .paper-and-us td[data-head="Verdict"] { min-width: 6.5em; }
}
@media (max-width: 600px) {
  .paper-and-us tbody tr:nth-child(n):has(> th) { margin-top: 0.8em; }
  .paper-and-us tbody th { font-size: 1.05em; }
  .paper-and-us th, .paper-and-us td { padding-block: 0.15em; }
  .paper-and-us .interval { display: inline; }
}
"""
)


def cell(words: object) -> str:
    """Text as HTML.

    >>> cell("KL < 0.1")
    'KL &lt; 0.1'
    """
    return escape(str(words))


def measured(spread: Mapping[str, Any] | None, runs: bool = False) -> str:
    """A mean over its interval and, if ``runs``, the lowest and the highest of several; a dash if there is none.

    >>> measured({"mean": 0.0123, "low": 0.012, "high": 0.0126})
    '0.0123 <span class="interval">[0.0120, 0.0126]</span>'
    """
    if spread is None:
        return "–"
    lines = [text.ends(spread)]
    if runs and "runs" in spread:
        each = [float(run) for run in spread["runs"]]
        lines.append(f"seeds {text.short(min(each))} to {text.short(max(each))}")
    below = " ".join(f'<span class="interval">{escape(line)}</span>' for line in lines)
    return f"{escape(text.mean(spread))} {below}"
