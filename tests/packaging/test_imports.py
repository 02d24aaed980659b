"""Rooms of the library import downwards only, and opening the package costs nothing."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

# A room may import rooms of its own rank or lower. A new room goes in here.
RANKS = {
    **dict.fromkeys(["arguments", "bits", "bayes", "clusters", "files"], 0),
    **dict.fromkeys(["tunnels", "models", "handset"], 1),
    **dict.fromkeys(
        [
            "training",
            "recipes",
            "optimisers",
            "evaluation",
            "checkpoints",
            "snapshots",
            "geometry",
            "gradients",
            "interventions",
            "em",
            "em_attention",
            "formation",
        ],
        2,
    ),
    **dict.fromkeys(["llm"], 3),
    **dict.fromkeys(["figures", "explore", "course", "checks", "verdicts", "scorecard"], 4),
    **dict.fromkeys(["cli", "doctor", "llm_report", "report", "__main__"], 5),
}
PACKAGE = Path(__file__).resolve().parents[2] / "src" / "tutorlib"
# Never imported by `import tutorlib`.
LATE = ["accelerate", "transformers", "matplotlib", "IPython", "ipywidgets"]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(source: str, path: Path) -> set[str]:
    """Rooms that a module of tutorlib imports, absolutely or relatively, anywhere in its text."""
    package = ["tutorlib", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tutorlib" and len(parts) > 1 and not parts[1].startswith("__version"):
                found.add(parts[1])
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_imports_go_downwards(path: Path) -> None:
    own = room(path)
    rooms = imported_rooms(path.read_text(encoding="utf-8"), path)
    if own == "__init__":
        assert not rooms, f"tutorlib/__init__.py opens no room, but imports {sorted(rooms)}"
        return
    assert own in RANKS, f"give {own} a rank in {Path(__file__).name}"
    unknown = rooms - set(RANKS)
    assert not unknown, f"give {sorted(unknown)} a rank in {Path(__file__).name}"
    upward = {name for name in rooms if RANKS[name] > RANKS[own]}
    assert not upward, f"{own} imports the higher rooms {sorted(upward)}"


@pytest.mark.parametrize(
    ("place", "source", "rooms"),
    [
        ("bits.py", "from tutorlib import cli", {"cli"}),
        ("bits.py", "from tutorlib.training import train", {"training"}),
        ("bits.py", "import tutorlib.course as c", {"course"}),
        ("bits.py", "from . import figures", {"figures"}),
        ("tunnels/bijection.py", "from ..figures import show", {"figures"}),
        ("tunnels/bijection.py", "from .base import Tunnel", {"tunnels"}),
        ("bits.py", "def f():\n    from tutorlib.cli import main", {"cli"}),
        ("bits.py", "import torch\nfrom tutorlib import __version__", set()),
    ],
)
def test_every_way_of_importing_is_seen(place: str, source: str, rooms: set[str]) -> None:
    assert imported_rooms(source, PACKAGE / place) == rooms


def loaded_by(code: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after running `code`."""
    program = (
        f"{code}\nimport sys, json\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_opening_the_package_loads_no_room() -> None:
    assert not loaded_by("import tutorlib") & {*LATE, "torch", "numpy"}


def test_lower_rooms_draw_nothing() -> None:
    """Training on a machine without a display needs no matplotlib and no notebook."""
    names = sorted({room(path) for path in MODULES if RANKS.get(room(path), 9) <= 2})
    allowed = loaded_by("import torch, tqdm.auto, safetensors.torch")
    # One process for all, since each would import torch anew; it says which room brings what.
    program = f"""
import importlib, sys
late = set({LATE!r}) - set({sorted(allowed)!r})
for name in {names!r}:
    importlib.import_module("tutorlib." + name)
    if brought := late & set(sys.modules):
        sys.exit(f"tutorlib.{{name}} imports {{sorted(brought)}}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_room_but_llm_loads_transformers() -> None:
    names = sorted({room(path) for path in MODULES} - {"llm", "__main__", "__init__"})
    code = "import importlib\n" + "\n".join(f"importlib.import_module('tutorlib.{name}')" for name in names)
    assert "handset" in names and "transformers" not in loaded_by(code)
