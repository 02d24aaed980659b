"""The wheel works in an environment that holds what Colab holds and nothing else of ours."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from chapter import CHAPTERS
from execute_chapters import differences, read_notebook, run
from publish_as import files
from site_setting import read_site

pytestmark = pytest.mark.slow
KERNEL = "colab-floors"


def command(*words: str | Path, cwd: Path | None = None) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    done = subprocess.run([str(w) for w in words], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, root)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare_python(root: Path) -> Path:
    """The interpreter of an environment with Colab's floors and without tutorlib.

    It is kept in .venv between runs, since torch takes half a minute to unpack.
    """
    floors = root / "requirements" / "colab-floors.txt"
    folder = root / ".venv" / KERNEL
    python = folder / "bin" / "python"
    stamp = folder / "floors.sha256"
    digest = hashlib.sha256(floors.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        command(sys.executable, "-m", "venv", folder)
        command(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", floors)
        command(
            python, "-c", "import matplotlib.font_manager"
        )  # otherwise announced on stderr in the notebook
        stamp.write_text(digest)
    return python


@pytest.fixture
def bare_kernel(bare_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel named `colab-floors` that runs the bare interpreter."""
    command(bare_python, "-m", "pip", "uninstall", "-y", "-qq", "tutorlib")
    spec = {
        "argv": [str(bare_python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": KERNEL,
        "language": "python",
    }
    folder = tmp_path / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    # As when the environment is activated; otherwise !pip and git hooks would find the outer one.
    monkeypatch.setenv("PATH", f"{bare_python.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return KERNEL


def installed(python: Path) -> set[str]:
    lines = command(python, "-m", "pip", "--disable-pip-version-check", "freeze").splitlines()
    return {line for line in lines if not line.startswith(("tutorlib", "#"))}


def test_the_wheel_holds_every_file_of_the_library(root: Path, wheel: Path) -> None:
    """Weights included: a Colab session has nothing but the wheel."""
    source = root / "src"
    wanted = {str(path.relative_to(source)) for path in files(root) if path.is_relative_to(source)}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_a_chapter_runs_from_the_wheel(
    bare_python: Path, bare_kernel: str, wheel: Path, tmp_path: Path
) -> None:
    """The whole first chapter, its first cell included, says what is stored in it."""
    before = installed(bare_python)
    command(bare_python, "-m", "pip", "install", "-qq", "--no-deps", "--force-reinstall", wheel)
    command(bare_python, "-m", "pip", "check")
    assert installed(bare_python) == before
    chapter = CHAPTERS[0]
    fresh = read_notebook(chapter)
    where = nbformat.v4.new_code_cell(
        "import sys, tutorlib\nprint(sys.prefix, tutorlib.__file__)", id="where"
    )
    fresh.cells.append(where)
    run(fresh, tmp_path, kernel=bare_kernel)
    for path in fresh.cells.pop().outputs[0].text.split():
        assert Path(path).is_relative_to(bare_python.parents[1]), f"the chapter used {path}"
    found = differences(read_notebook(chapter), fresh)
    assert not found, "\n".join(found)


def test_the_first_cell_installs_the_tagged_release(
    root: Path, bare_python: Path, bare_kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an environment without tutorlib the first cell fetches it; git is led to a local copy of the repository."""
    site = read_site()
    copy = tmp_path / "hosted" / site.repository
    for path in files(root):
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    git = [
        "git",
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@example.invalid",
        "-c",
        "init.defaultBranch=main",
    ]
    command(*git, "init", "-q", cwd=copy)
    command(*git, "add", "--all", cwd=copy)
    command(*git, "commit", "-q", "-m", "copy", cwd=copy)
    command(*git, "tag", site.tag, cwd=copy)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/hosted/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")

    before = installed(bare_python)
    first = next(cell for cell in read_notebook(CHAPTERS[0]).cells if cell.cell_type == "code")
    session = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell("import importlib.util\nprint(importlib.util.find_spec('tutorlib'))", id="before"),
        nbformat.v4.new_code_cell(first.source, id="install"),
        nbformat.v4.new_code_cell("import tutorlib\nprint(tutorlib.__version__, tutorlib.__file__)", id="after"),
    ])  # fmt: skip
    run(session, tmp_path, kernel=bare_kernel)
    assert session.cells[0].outputs[0].text == "None\n"
    version, place = session.cells[2].outputs[-1].text.split()
    assert f"v{version}" == site.tag
    assert Path(place).is_relative_to(bare_python.parents[1])
    assert installed(bare_python) == before, "the install must change nothing else in the session"
    command(bare_python, "-m", "pip", "check")
