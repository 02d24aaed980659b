"""Shared by all tests: where things are, and one test per chapter."""

import os
from pathlib import Path

import pytest

from chapter import CHAPTERS

ROOT = Path(__file__).resolve().parents[1]

# Two threads of the numerical libraries at most, whatever the machine, before anything imports them.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # on busy cores spinning threads hold each other up


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `notebook` runs once for each chapter."""
    if "notebook" in metafunc.fixturenames:
        metafunc.parametrize("notebook", CHAPTERS, ids=[path.stem for path in CHAPTERS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests last, so that a broken unit is seen early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
