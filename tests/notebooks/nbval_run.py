"""Run nbval on one notebook in a process of its own and say how each cell fared."""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from execute_chapters import SANITIZE, kernel_environment

CELL_TIMEOUT_SECONDS = 400  # of a cell that takes ten seconds on an idle machine: others may use it too


@dataclass(frozen=True)
class NbvalRun:
    """`cells[k]` is "passed", "failed" or "skipped" for the k-th code cell."""

    cells: list[str]
    output: str

    @property
    def failed(self) -> list[int]:
        return [k for k, outcome in enumerate(self.cells) if outcome != "passed"]


def run_nbval(notebook: Path, threads: int = 2) -> NbvalRun:
    """nbval, strict, with the interpreter that runs the tests.

    The chapters were executed with one thread; here they run with two, so a printed number that depends on the
    number of threads fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={notebook.parent}"]
        command += ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT_SECONDS}"]
        command += [f"--nbval-sanitize-with={SANITIZE}", "-p", "no:cacheprovider", "--color=no", "-q"]
        command += [f"--junitxml={report}", str(notebook)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=kernel_environment(threads),
            cwd=notebook.parent,
            timeout=900,
        )
        output = done.stdout + done.stderr
        if not report.exists():
            raise RuntimeError(f"nbval did not run:\n{output}")
        cells: dict[int, str] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            place = int((re.search(r"Cell (\d+)$", case.get("name", "")) or ["", "-1"])[1])
            bad = [child.tag for child in case if child.tag in ("failure", "error")]
            outcome = "failed" if bad else "skipped" if case.find("skipped") is not None else "passed"
            # An error while the kernel is taken down adds a second entry for the same cell: the worse one counts.
            if cells.get(place) != "failed":
                cells[place] = outcome
    return NbvalRun([cells[place] for place in sorted(cells)], output)
