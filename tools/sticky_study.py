"""Run every rule of the sticky-chain experiment from every seed: python tools/sticky_study.py [RULE ...]

Without names, all rules that are missing. Each run is written to ``sticky.json`` in the library when it is done. Stop it
at any time; the same command goes on. The whole takes about a quarter of an hour of one core.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from tutorlib.em_attention import RULES, SEEDS, train_head
from tutorlib.files import write_whole

RESULTS = Path(__file__).resolve().parents[1] / "src" / "tutorlib" / "em_attention" / "sticky.json"
DECIMALS = 5


def stored(path: Path) -> list[dict]:
    """The rows so far."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def as_row(name: str, seed: int) -> dict:
    """A run as JSON; a loss that is infinite becomes null."""
    run = asdict(train_head(RULES[name], seed))
    for key in ("train", "held_out"):
        run[key] = [round(loss, DECIMALS) if math.isfinite(loss) else None for loss in run[key]]
    run["core_seconds"] = round(run["core_seconds"], 1)
    return {"rule": name, "seed": seed, **run}


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rules", nargs="*", metavar="RULE", help="names in RULES; all if none is given")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file (default: the library's)")
    options = parser.parse_args(arguments)
    if unknown := set(options.rules) - set(RULES):
        parser.error(f"expected names among {', '.join(RULES)}; got {', '.join(unknown)}")
    torch.set_num_threads(1)
    torch.set_flush_denormal(
        True
    )  # sharp attention is full of numbers near 1e-40, each as slow as a hundred others
    for name in options.rules or RULES:
        for seed in SEEDS:
            if any((row["rule"], row["seed"]) == (name, seed) for row in stored(options.out)):
                continue
            row = as_row(name, seed)
            rows = [*stored(options.out), row]
            rows.sort(key=lambda row: (list(RULES).index(row["rule"]), SEEDS.index(row["seed"])))
            lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
            write_whole({options.out: f"[\n{lines}\n]\n".encode()})
            print(f"{name}, seed {seed}: {row['train'][-1]} nats, held out {row['held_out'][-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
