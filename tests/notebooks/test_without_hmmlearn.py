"""A reader without hmmlearn, as on Colab, can run chapter 04: the comparison says what is missing, the rest goes on."""

import subprocess
import sys
from pathlib import Path

from chapter import load_chapter

FIRST, LAST = "c04-imports", "c04-smoother-code"
BLOCK = "import sys\nsys.modules['hmmlearn'] = sys.modules['hmmlearn.hmm'] = None\n"


def test_chapter_04_goes_on_without_hmmlearn(root: Path) -> None:
    (path,) = (root / "chapters").glob("04_*.ipynb")
    code = load_chapter(path).code
    names = [cell["id"] for cell in code]
    wanted = code[names.index(FIRST) : names.index(LAST) + 1]
    program = BLOCK + "\n".join(cell["source"] for cell in wanted)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "hmmlearn is missing" in done.stdout and "hmmlearn agrees" not in done.stdout
    assert "smoother" in done.stdout.splitlines()[-1], "the cells after it ran"
