"""In each chapter one stored number is changed, and nbval must fail in exactly that cell.

The copy lies in a folder of its own and ends after the changed cell: a chapter must not need the files beside it (a
Colab session has none), and the cells after it would only cost time. That late cells are compared just as well is
shown on a small notebook in test_nbval.py.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chapter import IGNORE_OUTPUT, load_chapter, tags
from nbval_run import run_nbval

DIGIT = re.compile(r"\d")


def change_digit(text: str) -> str:
    """The last digit of the first number, plus one."""
    match = re.search(r"\d+", text)
    assert match is not None
    last = match.end() - 1
    return text[:last] + str((int(text[last]) + 1) % 10) + text[last + 1 :]


def mutate(raw: dict[str, Any]) -> int:
    """Change one number in the first compared cell that prints one; return the place of that cell among code cells."""
    code = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    for place, cell in enumerate(code):
        if IGNORE_OUTPUT in tags(cell):
            continue
        for output in cell["outputs"]:
            if DIGIT.search(output.get("text", "")):
                output["text"] = change_digit(output["text"])
            elif DIGIT.search(output.get("data", {}).get("text/plain", "")):
                output["data"]["text/plain"] = change_digit(output["data"]["text/plain"])
            else:
                continue
            raw["cells"] = raw["cells"][: raw["cells"].index(cell) + 1]
            return place
    raise AssertionError("no compared cell prints a number")


@pytest.mark.slow
def test_nbval_notices_one_changed_digit(notebook: Path, tmp_path: Path) -> None:
    raw = load_chapter(notebook).raw
    place = mutate(raw)
    copy = tmp_path / notebook.name
    copy.write_text(json.dumps(raw), encoding="utf-8")
    run = run_nbval(copy)
    assert run.failed == [place], run.output[-4000:]
    assert len(run.cells) == place + 1


def test_change_digit() -> None:
    assert change_digit("0.319 bit") == "1.319 bit"
    assert change_digit("k = 29, then 7") == "k = 20, then 7"
