"""Train the checkpoints that ship, by their recipes: python tools/train_weights.py [NAME ...]

Without names, all that are missing. What is trained in ``runs/`` is copied to the library when it is done. Stop it at any
time; the same command goes on. A set of architectures is named by its pair: ``hmm-gru`` sweeps the rates on seed 0,
writes what it found to ``rates.json``, then trains the three seeds at the best.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "tutorlib" / "weights"
RUNS = ROOT / "runs"


def tutorlib(*arguments: str) -> None:
    """Run the command line of the library in a process of its own, which reads the sweeps afresh."""
    subprocess.run([sys.executable, "-m", "tutorlib", *arguments, "--out", str(RUNS)], check=True)


def ship(name: str, home: Path = WEIGHTS) -> None:
    """Copy a finished run into the library, the card last, so that a half-copied one is not seen."""
    for folder, ending in ((WEIGHTS / "snapshots", ".snapshots"), (home, "")):
        folder.mkdir(parents=True, exist_ok=True)
        for end in (".safetensors", ".json"):
            if (RUNS / f"{name}{ending}{end}").exists():
                shutil.copy(RUNS / f"{name}{ending}{end}", folder / f"{name}{ending}{end}")


def train(name: str, extra: list[str], home: Path = WEIGHTS) -> None:
    """Train one recipe, unless it ships already."""
    if not (home / f"{name}.json").exists():
        tutorlib("train", name, *extra)
        ship(name, home)


def sweep(pair: str, extra: list[str]) -> None:
    """Sweep the rates for seed 0 of a pair, unless that was done, and add it to ``rates.json``."""
    from tutorlib.recipes.architectures import RATES, sweep_results

    if pair in sweep_results():
        return
    rates = [
        part for key, values in RATES.items() for part in ("--rate", f"{key}={','.join(map(str, values))}")
    ]
    tutorlib("sweep", f"{pair}-seed0", *rates, "--seeds", "0", *extra)
    lines = (RUNS / f"{pair}-seed0.sweep" / "sweep.jsonl").read_text("utf-8").splitlines()
    keys = (*RATES, "seed", "kl", "entropy_error", "core_seconds")
    rows = [{key: row.get(key) for key in keys} for row in map(json.loads, lines)]
    results = sweep_results() | {pair: rows}  # read again: another process may have added its own
    partial = WEIGHTS / "sweeps" / f"rates.{os.getpid()}.part"
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", "utf-8")
    os.replace(partial, WEIGHTS / "sweeps" / "rates.json")


def main() -> int:
    """Train what was asked for."""
    from tutorlib.recipes.architectures import SEEDS, SETTINGS
    from tutorlib.recipes.dissection import DISSECTION
    from tutorlib.recipes.flagships import FLAGSHIPS

    pairs = [f"{name}-{model}" for name, setting in SETTINGS.items() for model in setting.models]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a flagship or a pair; all if none is given")
    parser.add_argument("--threads", default="1", help="CPU threads (default: %(default)s)")
    options = parser.parse_args()
    known = [*FLAGSHIPS, *DISSECTION, *pairs]
    if unknown := set(options.names) - {*known}:
        parser.error(f"expected names among {', '.join(known)}; got {', '.join(unknown)}")
    extra = ["--threads", options.threads]
    for name in options.names or known:
        if name in FLAGSHIPS or name in DISSECTION:
            train(name, extra, WEIGHTS / "dissection" if name in DISSECTION else WEIGHTS)
            continue
        sweep(name, extra)
        for seed in SEEDS:
            train(f"{name}-seed{seed}", extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
