"""The networks that were trained to be taken apart. They ship apart from the others, with their recipes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from tutorlib.arguments import choice
from tutorlib.checkpoints import Checkpoint, load
from tutorlib.recipes.dissection import DISSECTION

__all__ = ["specimen"]

FOLDER = Path(str(resources.files("tutorlib"))) / "weights" / "dissection"


def specimen(name: str) -> Checkpoint:
    """A network of :mod:`tutorlib.recipes.dissection`.

    Args:
        name: its recipe, such as ``"two-layers-seed0"``.

    >>> specimen("two-layers-seed0").model.layers
    2
    """
    return load(FOLDER / choice("name", name, tuple(DISSECTION)))
