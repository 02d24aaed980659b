"""Execute the chapters so that two runs give byte-identical files, or check that they still say the same.

python tools/execute_chapters.py chapters/01_counting.ipynb           # execute in place
python tools/execute_chapters.py --check chapters/01_counting.ipynb   # execute in memory, compare the texts
"""

from __future__ import annotations

import argparse
import base64
import configparser
import difflib
import json
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
SANITIZE = ROOT / "tests" / "notebooks" / "sanitize.cfg"
IGNORE_OUTPUT = "nbval-ignore-output"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_ID = re.compile(r"[a-z0-9-]{1,64}")
TIMEOUT_SECONDS = 600  # per cell


class ChapterError(ValueError):
    """A chapter cannot be executed as it stands; nothing was written."""


def kernel_environment(threads: int = 1) -> dict[str, str]:
    """The environment a chapter runs in.

    One thread by default: sums are then taken in one order whatever the number of cores, and small matrices are
    no slower for it. The tests run the chapters with two threads as well, so a printed number that depends on
    the thread count is found out.
    """
    ipython = ROOT / "build" / "ipython"  # not the user's, which may hold start-up files
    ipython.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # A thread that waits sleeps. Spinning, two threads on busy cores hold each other up a hundredfold.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "0",  # no dates in figures
        "IPYTHONDIR": str(ipython),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # the debugger's warning about frozen modules
    }


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook; give fixed ids to cells without one, refuse duplicated or malformed ids."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    # nbformat would invent random ids while reading, so the missing ones are filled in before.
    taken = [cell["id"] for cell in raw["cells"] if "id" in cell]
    prefix = "c" + (re.match(r"\d+", path.name) or ["00"])[0]
    for number, cell in enumerate(raw["cells"], start=1):
        if "id" not in cell:
            cell["id"] = f"{prefix}-cell-{number:03d}"
            taken.append(cell["id"])
    if bad := sorted(set(name for name in taken if not CELL_ID.fullmatch(name))):
        raise ChapterError(f"{path}: cell ids must match [a-z0-9-]{{1,64}}, got {bad}")
    if twice := sorted({name for name in taken if taken.count(name) > 1}):
        raise ChapterError(f"{path}: cell ids must be unique, these occur twice: {twice}")
    if (raw["nbformat"], raw["nbformat_minor"]) < (4, 5):
        raw["nbformat"], raw["nbformat_minor"] = 4, 5
    return nbformat.reads(json.dumps(raw), as_version=4)


def run(notebook: NotebookNode, folder: Path, *, kernel: str = "python3", threads: int = 1) -> NotebookNode:
    """Execute `notebook` in `folder` and return it with clean outputs."""
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        kernel_name=kernel,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=kernel_environment(threads))
    clean(notebook)
    return notebook


def clean(notebook: NotebookNode) -> None:
    """Drop what changes from run to run or machine to machine, in place."""
    notebook.metadata.get("language_info", {}).pop("version", None)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = list(clean_outputs(cell))
            copy_alt_text(cell)


def clean_outputs(cell: NotebookNode) -> Iterator[NotebookNode]:
    last: NotebookNode | None = None
    for output in cell.outputs:
        if output.output_type == "stream":
            if last is not None and last.output_type == "stream" and last.name == output.name:
                last.text += output.text
                continue
        elif "data" in output:
            # A view of a live widget is dead in a saved notebook, and its model id is random. Its text stays, since
            # nbval compares it, unless the cell is not compared.
            widget = output.data.pop(WIDGET_VIEW, None) is not None
            if widget and (not output.data or IGNORE_OUTPUT in cell.metadata.get("tags", [])):
                continue
            if "image/png" in output.data:
                output.data["image/png"] = strip_png_text(output.data["image/png"])
        yield output
        last = output


def strip_png_text(encoded: str) -> str:
    """Remove text and time chunks (matplotlib writes its version there) from a base64 PNG."""
    png = base64.b64decode(encoded)
    signature = b"\x89PNG\r\n\x1a\n"
    if not png.startswith(signature):
        raise ChapterError("an image/png output does not hold a PNG")
    kept, position = [signature], len(signature)
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        end = position + 12 + length  # length, kind, data, checksum
        if png[position + 4 : position + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept.append(png[position:end])
        position = end
    return base64.b64encode(b"".join(kept)).decode("ascii")


def copy_alt_text(cell: NotebookNode) -> None:
    """Put the alternative text of the cell's figure where the book looks for it."""
    for output in cell.outputs:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt:
            cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = alt


def write_notebook(notebook: NotebookNode, path: Path) -> bool:
    """Write all or nothing; return whether the file changed."""
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, path.stat().st_mode if path.exists() else 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


def sanitise(text: str) -> str:
    """Apply the replacements that nbval is given, so that both compare alike."""
    patterns = configparser.ConfigParser(interpolation=None)
    patterns.read(SANITIZE, encoding="utf-8")
    for name in patterns.sections():
        text = re.sub(patterns[name]["regex"], patterns[name]["replace"], text)
    return text


def compared_text(cell: NotebookNode) -> str:
    """Everything a reader can read in a cell's outputs, except pictures; empty for a cell that is not compared."""
    if cell.cell_type != "code" or IGNORE_OUTPUT in cell.metadata.get("tags", []):
        return ""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(f"[{output.name}]\n{output.text}")
        for kind, value in sorted(output.get("data", {}).items()):
            if not kind.startswith("image/") or kind == "image/svg+xml":
                parts.append(f"[{kind}]\n{value}")
    return sanitise("\n".join(parts))


def differences(stored: NotebookNode, fresh: NotebookNode) -> list[str]:
    """A line for each cell whose text is not the stored one."""
    found = []
    for old, new in zip(stored.cells, fresh.cells, strict=True):
        before, after = compared_text(old), compared_text(new)
        if before != after:
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), "stored", "fresh", lineterm="", n=1
            )
            found.append(f"cell {old.id}:\n" + "\n".join(f"    {line[:300]}" for line in lines))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with the stored texts; write nothing")
    parser.add_argument(
        "--kernel", default="python3", help="name of the kernel (default: this environment's)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of the numerical libraries (default 1)"
    )
    options = parser.parse_args(arguments)

    status = 0
    for path in options.notebooks:
        try:
            stored = read_notebook(path)
            fresh = run(
                read_notebook(path), path.resolve().parent, kernel=options.kernel, threads=options.threads
            )
            if not options.check:
                print(
                    f"{path}: {'executed' if write_notebook(fresh, path) else 'executed, unchanged'}",
                    flush=True,
                )
            elif found := differences(stored, fresh):
                status = 1
                print(f"{path}: {len(found)} cells say something else\n" + "\n".join(found), flush=True)
            else:
                print(f"{path}: same texts", flush=True)
        except (ChapterError, CellExecutionError, OSError, KeyError, json.JSONDecodeError) as error:
            status = 1
            print(f"{path}: not executed\n{error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
