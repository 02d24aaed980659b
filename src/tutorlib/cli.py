"""The ``tutorlib`` command: train, sweep, evaluate, scorecard, checkpoints, llm-report, doctor."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import torch

from tutorlib import __version__, checkpoints, snapshots
from tutorlib.doctor import doctor
from tutorlib.evaluation import Evaluation, evaluate
from tutorlib.llm_report import add_command as add_llm_report
from tutorlib.recipes import RECIPES, changed
from tutorlib.report import arguments, report
from tutorlib.scorecard import SEQUENCES, measure_all, write
from tutorlib.training import TrainingRun, best_device, session, sweep, train, usable_device

Number = TypeVar("Number", int, float)
TARGETS = {
    "sampled": "sampled answers",
    "one-step": "the law of each answer given the true state before it",
    "exact": "the exact posterior",
}
EVALUATION_SEED = 20_251_227  # not a training seed, so the sequences are fresh


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status. Bad input prints one line and returns 2."""
    parser = argparse.ArgumentParser(prog="tutorlib", description=__doc__)
    parser.add_argument("--version", action="version", version=f"tutorlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    sub = commands.add_parser("train", help="train a network by its recipe and write a checkpoint")
    _takes_a_recipe(sub)
    sub.set_defaults(run=_train)

    sub = commands.add_parser("sweep", help="train a recipe at several learning rates and say which is best")
    _takes_a_recipe(sub)
    sub.add_argument(
        "--rate",
        action="append",
        required=True,
        metavar="NAME=VALUE,VALUE,...",
        dest="rates",
        help="values of matrix_rate or embedding_rate; give it twice to try every combination",
    )
    sub.add_argument("--seeds", default="0,1,2", help="seeds of each combination (default: %(default)s)")
    sub.set_defaults(run=_sweep)

    sub = commands.add_parser("evaluate", help="compare a checkpoint with the exact posterior and the ladder")
    sub.add_argument("checkpoint", help="name of one that ships, or a path without an ending")
    sub.add_argument("--sequences", type=int, default=4096)
    sub.add_argument("--seed", type=int, default=EVALUATION_SEED)
    sub.add_argument("--length", type=int, help="steps of a sequence: pairs, observations, tosses")
    sub.add_argument(
        "--law",
        metavar="KEY=VALUE,...",
        help="draw the sequences from another law of the same tunnel, e.g. law=sticky or sampled_from=(5,2)",
    )
    sub.add_argument("--gaps", action="store_true", help="add the permutation gap and the martingale gap")
    sub.set_defaults(run=_evaluate)

    sub = commands.add_parser(
        "scorecard", help="evaluate every checkpoint that ships, beside the paper's claims"
    )
    sub.add_argument(
        "--sequences", type=int, default=SEQUENCES, help="fresh sequences (default: %(default)s)"
    )
    sub.add_argument("--out", default="runs", help="folder of scorecard.md and .json (default: %(default)s)")
    sub.set_defaults(run=_scorecard)

    sub = commands.add_parser("checkpoints", help="list the checkpoints that ship")
    sub.set_defaults(run=_checkpoints)

    add_llm_report(commands)

    sub = commands.add_parser("doctor", help="print versions and the device, and test the installation")
    sub.set_defaults(run=_doctor)

    options = parser.parse_args(argv)
    try:
        return int(options.run(options))
    except ValueError as error:
        print(f"tutorlib: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _takes_a_recipe(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "recipe", type=_recipe, help="bijection-v20, hmm-coded, ...; `tutorlib checkpoints` lists all names"
    )
    sub.add_argument("--out", default="runs", help="folder for what is written (default: %(default)s)")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="WHAT.KEY=VALUE",
        dest="changes",
        help="change the recipe, e.g. plan.steps=500, model.width=64, tunnel.symbols=8",
    )
    sub.add_argument("--device", default=None, help="cpu, cuda, ... (default: a GPU if there is one)")
    sub.add_argument("--threads", type=int, default=None, help="CPU threads")


def _recipe(name: str) -> str:
    if name in RECIPES:
        return name
    near = ", ".join(get_close_matches(name, RECIPES)) or "`tutorlib checkpoints` lists them"
    raise argparse.ArgumentTypeError(f"no recipe {name!r}; did you mean: {near}?")


def _device(options: argparse.Namespace) -> torch.device:
    if options.threads is not None:
        if options.threads < 1:
            raise ValueError(f"--threads: expected at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    return usable_device(options.device) if options.device else best_device()


def _train(options: argparse.Namespace) -> int:
    recipe = changed(RECIPES[options.recipe], options.changes)
    device = _device(options)
    model, tunnel = recipe.build()
    folder = Path(options.out)
    home, steps = folder / options.recipe, folder / f"{options.recipe}.steps"
    keep = snapshots.recorder(steps, recipe.snapshots)

    def finish(run: TrainingRun) -> None:
        raw = measure(evaluate(model, tunnel, sequences=4096, generator=_generator(EVALUATION_SEED)))
        kept, measured = "last", raw
        if run.average:
            last = {name: p.detach().clone() for name, p in model.state_dict().items()}
            model.load_state_dict(last | run.average)
            averaged = measure(evaluate(model, tunnel, sequences=4096, generator=_generator(EVALUATION_SEED)))
            if averaged["kl"] < raw["kl"]:
                kept, measured = "averaged", averaged
            else:
                model.load_state_dict(last)
        card = {
            "recipe": options.recipe,
            "command": " ".join(["tutorlib train", options.recipe, *(f"--set {c}" for c in options.changes)]),
            "targets": f"{TARGETS[recipe.plan.targets]}, fresh sequences at every step",
            "plan": recipe.plan.facts(),
            "weights": kept,
            "core_seconds": round(run.core_seconds),
            "device": device.type,
            "torch": torch.__version__.split("+")[0],
            "git": _revision(),
            "measured": {
                "sequences": 4096,
                "seed": EVALUATION_SEED,
                **{key: float(f"{value:.4g}") for key, value in measured.items()},
            },
        }
        print(f"wrote {checkpoints.save(home, model, tunnel, card)} and its card")
        if recipe.snapshots:
            print(f"wrote {snapshots.save(home, steps, model, tunnel, card)} and its card")
        for key, value in measured.items():
            print(f"  {key:28s} {value:.6f}")

    with session(device) as team:  # of one process, unless a launcher started more
        if team.is_main:
            print(f"training {options.recipe} on {device}; stop it at any time, the same command goes on")
            keep(0, model)
        run = train(
            model,
            tunnel,
            recipe.plan,
            device=device,
            folder=folder / f"{options.recipe}.state",
            progress=True,
            log_every=10 if recipe.snapshots else 100,
            on_log=keep,
        )
        team.on_main(lambda: finish(run))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    recipe, rates = changed(RECIPES[options.recipe], options.changes), {}
    for given in options.rates:
        name, _, values = given.partition("=")
        if name in rates:
            raise ValueError(f"--rate: expected each name once, got {name} twice")
        rates[name] = _numbers("--rate", values, float)
    device, folder = _device(options), Path(options.out) / f"{options.recipe}.sweep"
    print(f"sweeping {options.recipe} on {device}; stop it at any time, the same command goes on")
    found = sweep(
        lambda plan: replace(recipe, plan=plan).build(),
        recipe.plan,
        rates,
        _numbers("--seeds", options.seeds, int),
        folder=folder,
        generator=_generator(EVALUATION_SEED),
        device=device,
        progress=True,
        on_run=lambda row: print(json.dumps(row)),
    )
    print(f"wrote {folder / 'sweep.jsonl'}\n\n{found.table()}")
    for sentence in found.edges():
        print(sentence)
    return 0


def _numbers(option: str, text: str, kind: type[Number]) -> list[Number]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{option}: expected numbers with commas between, got {text!r}") from error


def measure(result: Evaluation) -> dict[str, float]:
    """The measured errors that a card and a report show, by name."""
    values = {
        key: result.mean(key) for key in ("entropy_error", "kl", "total_variation", "impossible", "loss")
    }
    return {**values, "entropy_mae_averaged_first": result.entropy_mae_averaged_first()}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _revision() -> str:
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return "unknown"
    return found.stdout.strip() or "unknown"


def _evaluate(options: argparse.Namespace) -> int:
    try:
        law = None if options.law is None else arguments(options.law)
    except ValueError as error:
        raise ValueError(f"--law: {error}") from error
    report(
        options.checkpoint,
        sequences=options.sequences,
        seed=options.seed,
        length=options.length,
        law=law,
        gaps=options.gaps,
    )
    return 0


def _checkpoints(options: argparse.Namespace) -> int:
    for name in checkpoints.available():
        card = checkpoints.read_card(name)
        errors = card["measured"]
        print(
            f"{name:28s} {card['model']['name']:12s} {card['parameters']:8,d} parameters   "
            f"entropy MAE {errors['entropy_error']:.5f} bits   KL {errors['kl']:.5f} bits"
        )
    return 0


def _scorecard(options: argparse.Namespace) -> int:
    card = measure_all(checkpoints.available(), sequences=options.sequences, say=_say)
    for path in write(card, Path(options.out)):
        print(f"wrote {path}")
    _say(f"core-seconds: {time.process_time():.0f}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _doctor(options: argparse.Namespace) -> int:
    return doctor()
