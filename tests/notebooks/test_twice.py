"""Chapters executed again give the same texts, and the execution itself is deterministic to the byte."""

import base64
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from execute_chapters import ChapterError, main, read_notebook, strip_png_text


@pytest.mark.slow
def test_chapter_executed_again_gives_the_same_texts(
    notebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second, independent run: one thread and nbclient here, two threads and nbval in test_nbval.py."""
    status = main(["--check", str(notebook)])
    said = capsys.readouterr()
    assert status == 0, said.out + said.err


def new_notebook(path: Path, *sources: str, tags: list[str] | None = None) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, source in enumerate(sources):
        notebook.cells.append(
            nbformat.v4.new_code_cell(source, id=f"c01-{number}", metadata={"tags": tags or []})
        )
    nbformat.write(notebook, path)
    return path


FIGURE = """
import io, matplotlib.pyplot as plt
from IPython.display import display
figure, axes = plt.subplots()
axes.plot([1, 3, 2])
file = io.BytesIO()
figure.savefig(file, format="png")
plt.close(figure)
alt = "A line that rises and falls again"
display({"image/png": file.getvalue(), "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt}})
"""


def test_two_executions_are_byte_identical(tmp_path: Path) -> None:
    path = new_notebook(
        tmp_path / "01_a.ipynb",
        "import sys\nprint('a'); sys.stdout.flush(); print('b')",
        FIGURE,
        "from ipywidgets import IntSlider\nIntSlider(3)",
        "import random\nset('abcdefgh')",
    )
    assert main([str(path)]) == 0
    first = path.read_bytes()
    assert main([str(path)]) == 0
    assert path.read_bytes() == first
    notebook = json.loads(first)
    text, figure, widget, _ = notebook["cells"]
    assert [cell["execution_count"] for cell in notebook["cells"]] == [1, 2, 3, 4]
    assert text["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["a\n", "b\n"]}]
    assert figure["metadata"]["mystnb"]["image"]["alt"] == "A line that rises and falls again"
    assert b"tEXt" not in base64.b64decode(figure["outputs"][0]["data"]["image/png"])
    assert widget["outputs"][0]["data"] == {"text/plain": ["IntSlider(value=3)"]}
    assert "widgets" not in notebook["metadata"]
    assert "version" not in notebook["metadata"]["language_info"]
    assert all("execution" not in cell["metadata"] for cell in notebook["cells"])


def test_check_names_the_cell_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = new_notebook(tmp_path / "01_a.ipynb", "print('steady')", "import time\nprint(time.time())")
    assert main([str(path)]) == 0
    before = path.read_bytes()
    assert main(["--check", str(path)]) == 1
    said = capsys.readouterr().out
    assert "c01-1" in said
    assert "c01-0" not in said
    assert path.read_bytes() == before


def test_check_passes_over_exempt_cells(tmp_path: Path) -> None:
    path = new_notebook(
        tmp_path / "01_a.ipynb", "import time\nprint(time.time())", tags=["nbval-ignore-output"]
    )
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0


def test_a_failing_cell_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = new_notebook(tmp_path / "01_a.ipynb", "print(1)", "raise RuntimeError('broken on purpose')")
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert "broken on purpose" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["01_a.ipynb"]


def write_cells(path: Path, *cells: dict[str, Any]) -> Path:
    blank = {"cell_type": "markdown", "metadata": {}, "source": "x"}
    raw = {"cells": [{**blank, **cell} for cell in cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(raw))
    return path


def test_missing_ids_are_filled_in_and_bad_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "07_a.ipynb"
    assert [c.id for c in read_notebook(write_cells(path, {}, {"id": "c07-x"})).cells] == [
        "c07-cell-001",
        "c07-x",
    ]
    with pytest.raises(ChapterError, match=r"unique.*c07-x"):
        read_notebook(write_cells(path, {"id": "c07-x"}, {"id": "c07-x"}))
    with pytest.raises(ChapterError, match=r"must match.*C07 x"):
        read_notebook(write_cells(path, {"id": "C07 x"}))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_png_text_is_dropped_and_the_picture_kept() -> None:
    signature = b"\x89PNG\r\n\x1a\n"
    header, pixels, end = chunk(b"IHDR", bytes(13)), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")
    png = (
        signature + header + chunk(b"tEXt", b"Software\0Matplotlib") + pixels + chunk(b"tIME", bytes(7)) + end
    )
    stripped = base64.b64decode(strip_png_text(base64.b64encode(png).decode()))
    assert stripped == signature + header + pixels + end
    with pytest.raises(ChapterError, match="PNG"):
        strip_png_text(base64.b64encode(b"GIF89a").decode())
