"""Rules about the file, its metadata, its code cells, and what nbval compares."""

from __future__ import annotations

import ast
import json
import re
import statistics
from collections.abc import Iterator

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from chapter import IGNORE_OUTPUT, Cell, Chapter, data, label, rule, tags

KNOWN_TAGS = {IGNORE_OUTPUT, "solution", "hide-cell", "hide-input", "hide-output", "remove-output"}
IGNORE_BUDGET = 3  # cells whose output is not compared, the versions cell included
MAX_NOTEBOOK_BYTES = 400_000
MAX_HTML_BYTES = 200_000
MAX_CELL_LINES = 40
MAX_MEDIAN_LINES = 8
SHOWS = {
    "print",
    "show",
    "display",
    "check",
}  # functions whose call outside a def means that there is an output


def parse(cell: Cell) -> ast.Module:
    return ast.parse(TransformerManager().transform_cell(cell["source"]))


def body_lines(cell: Cell) -> int:
    return sum(1 for line in cell["source"].splitlines() if line.strip())


# ---------------------------------------------------------------- the file


@rule
def valid(chapter: Chapter) -> Iterator[str]:
    """The notebook is valid nbformat 4.5."""
    if (chapter.raw.get("nbformat"), chapter.raw.get("nbformat_minor")) != (4, 5):
        yield f"nbformat must be 4.5, is {chapter.raw.get('nbformat')}.{chapter.raw.get('nbformat_minor')}"
    try:
        nbformat.validate(json.loads(json.dumps(chapter.raw)))
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {str(error).splitlines()[0]}"


@rule
def ids(chapter: Chapter) -> Iterator[str]:
    """Every cell has a fixed, unique id such as c01-intro-01."""
    seen = set()
    for position, cell in enumerate(chapter.cells):
        name = cell.get("id", "")
        if not re.fullmatch(rf"c{chapter.number}-[a-z0-9-]{{1,60}}", name):
            yield f"cell {position} needs an id like c{chapter.number}-intro-01, has {name!r}"
        if name in seen:
            yield f"cell id {name!r} occurs twice"
        seen.add(name)


@rule
def metadata(chapter: Chapter) -> Iterator[str]:
    """Metadata hold nothing that changes from run to run."""
    top = chapter.raw.get("metadata", {})
    if top.get("kernelspec", {}).get("name") != "python3":
        yield f"kernelspec must be python3, is {top.get('kernelspec')}"
    if "version" in top.get("language_info", {}):
        yield "language_info.version must be dropped (make chapters does)"
    for key in sorted(set(top) - {"kernelspec", "language_info"}):
        yield f"notebook metadata {key!r} must go (saved widgets, timings and colab's marks change from run to run)"
    for cell in chapter.cells:
        for key in sorted(
            set(cell.get("metadata", {})) & {"execution", "papermill", "collapsed", "id", "outputId"}
        ):
            yield f"{label(cell)}: metadata {key!r} must go"
        if data(cell, "application/vnd.jupyter.widget-view+json"):
            yield f"{label(cell)}: a saved widget view is dead on a page (make chapters drops it)"


@rule
def size(chapter: Chapter) -> Iterator[str]:
    """A notebook has at most 400 kB, an HTML output at most 200 kB."""
    if chapter.size > MAX_NOTEBOOK_BYTES:
        yield f"the notebook has {chapter.size:,} bytes, at most {MAX_NOTEBOOK_BYTES:,}"
    for cell in chapter.code:
        for html in data(cell, "text/html"):
            if len(html.encode()) > MAX_HTML_BYTES:
                yield f"{label(cell)}: an HTML output has {len(html.encode()):,} bytes, at most {MAX_HTML_BYTES:,}"


# ---------------------------------------------------------------- what nbval compares


@rule
def counts(chapter: Chapter) -> Iterator[str]:
    """Execution counts are 1..n in order: nbval compares no cell without one."""
    found = [cell.get("execution_count") for cell in chapter.code]
    for cell, count, expected in zip(chapter.code, found, range(1, len(found) + 1), strict=True):
        if count != expected:
            yield f"{label(cell)}: execution count is {count}, must be {expected} (make chapters)"
            return


@rule
def outputs(chapter: Chapter) -> Iterator[str]:
    """A cell that shows something has its output stored.

    A cell may be without output only if its last statement is no bare expression and no print, show, display or
    check is called outside a function definition.
    """
    for cell in chapter.code:
        if cell.get("outputs"):
            continue
        try:
            statements = parse(cell).body
        except SyntaxError as error:
            yield f"{label(cell)}: cannot be parsed: {error}"
            continue
        shown = [name for statement in statements for name in called(statement) if name in SHOWS]
        if shown or (statements and isinstance(statements[-1], ast.Expr)):
            yield f"{label(cell)}: has no stored output, but {'calls ' + shown[0] if shown else 'ends in an expression'}"


def called(node: ast.AST) -> Iterator[str]:
    """Names of the functions that running `node` calls."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    for child in ast.iter_child_nodes(node):
        yield from called(child)


@rule
def errors(chapter: Chapter) -> Iterator[str]:
    """No cell failed or warned."""
    for cell in chapter.code:
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                yield f"{label(cell)}: ended in {output.get('ename')}"
            elif output.get("name") == "stderr":
                yield f"{label(cell)}: wrote to stderr: {output['text'].strip()[:80]!r}"


@rule
def ignored(chapter: Chapter) -> Iterator[str]:
    """Few cells are exempt from comparison, and only by a tag; the last code cell prints the versions."""
    exempt = [cell for cell in chapter.code if IGNORE_OUTPUT in tags(cell)]
    if len(exempt) > IGNORE_BUDGET:
        yield f"{len(exempt)} cells are tagged {IGNORE_OUTPUT}, at most {IGNORE_BUDGET} with the versions cell"
    for cell in chapter.cells:
        for tag in sorted(set(tags(cell)) - KNOWN_TAGS):
            yield f"{label(cell)}: tag {tag!r} is not one of {sorted(KNOWN_TAGS)}"
        if cell["cell_type"] == "code" and re.search(r"#\s*(NBVAL_|PYTEST_VALIDATE)", cell["source"]):
            yield f"{label(cell)}: use a tag, not an nbval comment"
    last = chapter.code[-1] if chapter.code else {"source": ""}
    if not {IGNORE_OUTPUT, "hide-input"} <= set(tags(last)) or "version" not in last["source"]:
        yield f"the last code cell must print the versions, tagged {IGNORE_OUTPUT} and hide-input"


# ---------------------------------------------------------------- code


@rule
def code_length(chapter: Chapter) -> Iterator[str]:
    """No cell has more than 40 lines, the median is at most 8, and none ends in a semicolon."""
    for cell in chapter.code:
        if body_lines(cell) > MAX_CELL_LINES:
            yield f"{label(cell)}: {body_lines(cell)} lines, at most {MAX_CELL_LINES}"
        if cell["source"].rstrip().endswith(";"):
            yield f"{label(cell)}: nbval does not honour a trailing semicolon; assign the value or show the figure"
    median = statistics.median([body_lines(cell) for cell in chapter.code] or [0])
    if median > MAX_MEDIAN_LINES:
        yield f"the median code cell has {median} lines, at most {MAX_MEDIAN_LINES}"


@rule
def install(chapter: Chapter) -> Iterator[str]:
    """The first code cell installs tutorlib where it is missing, from the place that pyproject names."""
    first = chapter.code[0] if chapter.code else {"source": "", "id": ""}
    if first.get("id") != f"c{chapter.number}-install":
        yield f"the first code cell must have the id c{chapter.number}-install, has {first.get('id')!r}"
    if first["source"].strip() != chapter.site.install_cell:
        yield f"the first code cell must be exactly:\n{chapter.site.install_cell}"
