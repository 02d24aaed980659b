"""The one place that says where the book is published, and what follows from it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Site:
    """`repository` is GitHub's owner/name; `tag` is the release that Colab installs."""

    repository: str
    tag: str

    @property
    def requirement(self) -> str:
        """What pip installs in Colab."""
        return f"tutorlib @ git+https://github.com/{self.repository}@{self.tag}"

    @property
    def install_cell(self) -> str:
        """The source of the first code cell of every chapter: it does nothing where tutorlib is installed."""
        return (
            "import importlib.util\n"
            'if importlib.util.find_spec("tutorlib") is None:\n'
            f'    %pip install -q "{self.requirement}"'
        )


def read_site(root: Path = ROOT) -> Site:
    """Read `[tool.tutorlib.site]` of pyproject.toml."""
    setting = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["tutorlib"]["site"]
    return Site(setting["repository"], setting["tag"])
