"""Every chapter, run from top to bottom again, says what is stored in it; and nbval would notice if it did not."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from chapter import load_chapter
from nbval_run import run_nbval
from notebook_lint import lint


@pytest.mark.slow
def test_chapter_says_what_is_stored(notebook: Path) -> None:
    code_cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    run = run_nbval(notebook)
    assert run.cells == ["passed"] * len(code_cells), (
        f"cells {run.failed} did not pass:\n{run.output[-8000:]}"
    )


def test_nbval_compares_every_chapter(notebook: Path) -> None:
    """nbval passes over cells without a count or an output in silence, so none may be without."""
    complaints = lint(load_chapter(notebook), ["counts", "outputs", "ignored"])
    assert not complaints, "\n".join(complaints)


# ---------------------------------------------------------------- what nbval sees, shown on a small notebook

KINDS = {
    "stream": "print('one', 1)",
    "expression": "1 + 1",
    "html": "from IPython.display import HTML, display\ndisplay(HTML('<b>3</b>'))",
    "last": "print(2 ** 10)",
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One cell of each kind of output, executed by the tool that executes the chapters."""
    from execute_chapters import main

    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for name, source in KINDS.items():
        notebook.cells.append(nbformat.v4.new_code_cell(source, id=name))
    path = tmp_path / "01_small.ipynb"
    nbformat.write(notebook, path)
    assert main([str(path)]) == 0
    return path


def edit(path: Path, change: Any) -> None:
    raw = json.loads(path.read_text())
    change({cell["id"]: cell for cell in raw["cells"]})
    path.write_text(json.dumps(raw))


def test_a_changed_number_fails_in_its_cell_only(small: Path) -> None:
    assert run_nbval(small).failed == []

    def change(cells: dict[str, Any]) -> None:
        cells["stream"]["outputs"][0]["text"] = ["one 2\n"]
        cells["html"]["outputs"][0]["data"]["text/html"] = ["<b>4</b>"]
        cells["last"]["outputs"][0]["text"] = ["1025\n"]

    edit(small, change)
    assert run_nbval(small).failed == [0, 2, 3]
    edit(small, lambda cells: cells["expression"]["outputs"][0]["data"].update({"text/plain": ["3"]}))
    assert run_nbval(small).failed == [0, 1, 2, 3]


def test_a_tag_exempts_and_a_missing_count_hides(small: Path) -> None:
    """Why the lint counts tags and demands counts: both make a wrong number pass."""

    def change(cells: dict[str, Any]) -> None:
        cells["stream"]["outputs"][0]["text"] = ["one 2\n"]
        cells["stream"]["metadata"]["tags"] = ["nbval-ignore-output"]
        cells["last"].update(outputs=[], execution_count=None)

    edit(small, change)
    assert run_nbval(small).failed == []
    complaints = lint(load_chapter(small), ["counts", "outputs"])
    assert len(complaints) == 2, complaints
