"""Unit tests: the same examples on every run, one thread, no memory of the global random generator."""

import sys

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile(
    "unit",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unit")


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def seeded():
    """Makes CPU generators: ``seeded(3)``."""
    return lambda seed=0: torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def _close_figures():
    """No test leaves a figure open; those that draw none pay nothing."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
