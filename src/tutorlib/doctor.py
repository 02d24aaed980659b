"""``tutorlib doctor``: the versions, the device, and a self-test of a few seconds."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from dataclasses import replace

import torch

from tutorlib import __version__, checkpoints
from tutorlib.evaluation import evaluate
from tutorlib.recipes import RECIPES
from tutorlib.training import TrainingPlan, best_device, train

__all__ = ["doctor"]


def doctor() -> int:
    """Print versions and the device, test the installation; return the exit status, 1 if a test failed.

    >>> doctor()  # doctest: +ELLIPSIS
    tutorlib ...
    self-test   0 failed, ...
    0
    """
    print(f"tutorlib    {__version__}")
    print(f"python      {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("torch", "numpy", "matplotlib", "ipywidgets", "safetensors", "tqdm"):
        print(f"{package:11s} {version(package)}")
    device = best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"device      {device} ({name})")
    print(f"checkpoints {', '.join(checkpoints.available()) or 'none'}")
    start, failures = time.perf_counter(), 0
    for title, passed in self_tests(device):
        failures += not passed
        print(f"{'ok' if passed else 'FAILED':11s} {title}")
    print(f"self-test   {failures} failed, {time.perf_counter() - start:.1f} s")
    return 1 if failures else 0


def version(package: str) -> str:
    """Version of an installed package, or ``missing``."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def self_tests(device: torch.device) -> list[tuple[str, bool]]:
    """What was tested, and whether it passed: the exact answer, a short training run, every checkpoint that ships."""
    recipe = replace(
        RECIPES["bijection-v8"],
        tunnel_config={"symbols": 5},
        model_config={"width": 16},
        plan=TrainingPlan(steps=150, batch=64),
    )
    model, tunnel = recipe.build()
    law = evaluate(tunnel.exact, tunnel, sequences=64, generator=_generator(0))
    tests = [("the exact posterior has no divergence from itself", law.mean("kl") < 1e-9)]
    train(model, tunnel, recipe.plan, device=device)
    learnt = evaluate(model.cpu(), tunnel, sequences=512, generator=_generator(1)).mean("kl")
    tests.append(
        (f"a network learns a bijection of 5 in 150 steps (KL {learnt:.3f} bits < 0.1)", learnt < 0.1)
    )
    for name in checkpoints.available():
        try:
            point = checkpoints.load(name)
        except checkpoints.CheckpointError as error:
            tests.append((str(error), False))
            continue
        found = evaluate(point.model, point.tunnel, sequences=256, generator=_generator(2)).mean("kl")
        said = float(point.card["measured"]["kl"])
        tests.append((f"{name}: KL {found:.5f} bits, its card says {said:.5f}", found < 2 * said + 1e-3))
    return tests


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
