"""A chapter as the lint sees it, and the register of rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from site_setting import ROOT, Site, read_site

Cell = dict[str, Any]
IGNORE_OUTPUT = "nbval-ignore-output"
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))


@dataclass
class Chapter:
    """A notebook as plain dictionaries, every source and output joined to one string."""

    name: str
    raw: dict[str, Any]
    size: int
    site: Site

    @property
    def number(self) -> str:
        """Two digits, as in the file name."""
        return self.name[:2]

    @property
    def cells(self) -> list[Cell]:
        return self.raw["cells"]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "code"]

    @property
    def markdown(self) -> list[Cell]:
        return [cell for cell in self.cells if cell["cell_type"] == "markdown"]


Rule = Callable[[Chapter], Iterator[str]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name."""
    RULES[function.__name__] = function
    return function


def joined(value: Any) -> Any:
    return (
        "".join(value) if isinstance(value, list) and all(isinstance(line, str) for line in value) else value
    )


def load_chapter(path: Path, site: Site | None = None) -> Chapter:
    """Read a notebook without nbformat's silent repairs."""
    text = path.read_text(encoding="utf-8")
    raw = json.loads(text)
    for cell in raw["cells"]:
        cell["source"] = joined(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = joined(output["text"])
            output["data"] = {kind: joined(value) for kind, value in output.get("data", {}).items()}
            if output["output_type"] not in ("display_data", "execute_result"):
                del output["data"]
    return Chapter(path.stem, raw, len(text.encode()), site or read_site())


def tags(cell: Cell) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def label(cell: Cell) -> str:
    return f"cell {cell.get('id', '(no id)')}"


def data(cell: Cell, kind: str) -> list[str]:
    """All outputs of a cell of one MIME type."""
    return [output["data"][kind] for output in cell.get("outputs", []) if kind in output.get("data", {})]


def output_texts(cell: Cell) -> list[str]:
    """Everything readable in the outputs of a cell."""
    streams = [output["text"] for output in cell.get("outputs", []) if "text" in output]
    return [*streams, *data(cell, "text/plain"), *data(cell, "text/html"), *data(cell, "image/svg+xml")]
