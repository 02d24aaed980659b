"""One table of speeds, each beside its target.

    python tools/bench.py [--quick] [--only training,filter,share,evaluation,import] [--rounds 5] [--threads 1]

What is compared takes turns, so that whatever else the machine does falls on both, and the time is that of the
processor, so that waiting for it does not count. A ratio is taken in each round; the table has its median and its range.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from tutorlib.checkpoints import available
from tutorlib.models import Transformer
from tutorlib.recipes import RECIPES
from tutorlib.scorecard import measure_all
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import HMM, Bijection

from bench_plain import hmmlearn_forward, hmmlearn_models, plain_loop

SHAPES = (
    (32, 1, 1, 64),
    (64, 2, 4, 64),
    (192, 6, 6, 128),
)  # width, layers, heads, batch; the last is the paper's
STEPS = (30, 12, 2)  # of each loop in a round
LEARNT = ("bijection-v20", "hmm-coded")
ROOMS = "tunnels, models, handset, training, evaluation, checkpoints, course"
CHILD = """
import time, torch
start = time.process_time()
import tutorlib
alone = time.process_time()
from tutorlib import {rooms}
rooms = time.process_time()
from tutorlib import figures, explore
print(alone - start, rooms - start, time.process_time() - start)
"""


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        what: is measured.
        found: in each round.
        target: the bound.
        least: whether the bound is a smallest value (a ratio of speeds) or a largest one (seconds, a share).
        unit: of what is found.
    """

    what: str
    found: tuple[float, ...]
    target: float | None = None
    least: bool = False
    unit: str = ""

    @property
    def middle(self) -> float:
        """Median over rounds."""
        return statistics.median(self.found)

    @property
    def met(self) -> str:
        """Whether the median meets the target."""
        if self.target is None:
            return ""
        return (
            "met" if (self.middle >= self.target if self.least else self.middle <= self.target) else "MISSED"
        )

    def __str__(self) -> str:
        low, high = min(self.found), max(self.found)
        spread = f"{low:.3g} to {high:.3g}" if len(self.found) > 1 else ""
        bound = "" if self.target is None else f"{'>=' if self.least else '<='} {self.target:g}{self.unit}"
        return f"{self.what:84s} {self.middle:8.3g}{self.unit:3s} {spread:18s} {bound:9s} {self.met}".rstrip()


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each, round by round, after one round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            taken = seconds(work)
            if number:
                found[name].append(taken)
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    return tuple(a / b for a, b in zip(above, below, strict=True))


def our_loop(model: Transformer, tunnel: Bijection | HMM, plan: TrainingPlan) -> Callable[[], object]:
    return lambda: train(model, tunnel, plan, log_every=plan.steps)


def training(rounds: int, quick: bool) -> list[Line]:
    """Our loop, as the recipes run it, beside the plain one at three shapes."""
    tunnel, lines = Bijection(4 if quick else 20), []
    for (width, layers, heads, batch), steps in zip(SHAPES, STEPS, strict=True):
        if quick:
            width, layers, batch, steps = heads * 4, 1, 4, 1
        shape = (tunnel, width, layers, heads, batch)
        works: dict[str, Callable[[], object]] = {
            "drawing": partial(plain_loop(*shape, ready=False), steps),
            "ready": partial(plain_loop(*shape, ready=True), steps),
        }
        for name, rates in (("ours", {}), ("adamw", {"matrix_rate": 0.0})):
            model = Transformer(tunnel.vocab, tunnel.length, width, layers, heads)
            works[name] = our_loop(
                model, tunnel, TrainingPlan(steps=steps, batch=batch, averaging=0.998, **rates)
            )
        found = in_turn(works, rounds)
        what = (
            f"training step, width {width}, {layers} layers, {heads} heads, batch {batch}: times a plain loop"
        )
        lines += [
            Line(what, ratios(found["drawing"], found["ours"]), 1.5, True),
            Line("    if the plain loop's batches cost nothing", ratios(found["ready"], found["ours"])),
            Line("    and AdamW trains both (ours has Muon)", ratios(found["ready"], found["adamw"])),
            Line(
                "    most that is possible: plain step over its own matrix products",
                (_most(found["ready"], model, steps * batch),),
            ),
        ]
    return lines


def _most(plain: Sequence[float], model: Transformer, sequences: int) -> float:
    """How many times faster the plain step would be if its matrix products, at the best rate here, were all it did."""
    length, width = model.context, model.width
    weights = sum(p.numel() for p in model.blocks.parameters()) + model.embedding.weight.numel()
    # Forward and backward cost 6 operations a weight and token; scores and mixing cost 12 time width a token and layer.
    operations = sequences * length * (6 * weights + 12 * model.layers * length * width)
    return statistics.median(plain) / (operations / best_rate())


def best_rate(size: int = 768, repeats: int = 8) -> float:
    """Operations a second of a large float32 matrix product, the best of some."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(repeats))


def filtering(rounds: int, quick: bool) -> list[Line]:
    """The exact filter of 10,000 sequences beside hmmlearn. Each has matrices of its own, so hmmlearn needs a model each."""
    sequences = 40 if quick else 10_000
    tunnel = HMM()
    batch = tunnel.sample(sequences, torch.Generator().manual_seed(0))
    T, E = tunnel.parameters(batch)
    arrays = (batch.tokens.numpy(), T.numpy(), E.numpy())
    ours = tunnel.exact(batch)[..., tunnel.answers].numpy()  # [batch, time, states]
    assert abs(hmmlearn_forward(arrays) - ours).max() < 1e-9, "the filters disagree"
    assert abs(hmmlearn_models(arrays)[:, -1] - ours[:, -1]).max() < 1e-9, (
        "at the end smoother and filter agree"
    )
    found = in_turn(
        {
            "models": lambda: hmmlearn_models(arrays),
            "forward": lambda: hmmlearn_forward(arrays),
            "ours": lambda: tunnel.exact(batch),
        },
        rounds,
    )
    name = f"exact filter, {sequences:,} HMMs of their own: times hmmlearn"
    return [
        Line(f"{name}, a model a sequence", ratios(found["models"], found["ours"]), 50, True),
        Line("    its unpublished compiled forward pass, in a loop", ratios(found["forward"], found["ours"])),
    ]


def shares(rounds: int, quick: bool) -> list[Line]:
    """What drawing a batch, and its exact posterior, are of a training step by the recipe that ships."""
    lines = []
    for name in LEARNT:
        model, tunnel = RECIPES[name].build()
        count, batch = (1, 4) if quick else (15, 64)
        draw = torch.Generator().manual_seed(0)
        drawn = tunnel.sample(batch, draw)
        plan = TrainingPlan(steps=count, batch=batch, averaging=0.998)

        def many(work: Callable[[], object], count: int = count) -> Callable[[], None]:
            return lambda: [work() for _ in range(count)] and None

        def sample(tunnel=tunnel, batch=batch, draw=draw) -> object:
            return tunnel.sample(batch, draw)

        def exact(tunnel=tunnel, drawn=drawn) -> object:
            return tunnel.exact(drawn)

        found = in_turn(
            {"sample": many(sample), "exact": many(exact), "step": our_loop(model, tunnel, plan)}, rounds
        )
        short = f"{name}, B={batch}: share of a step on sampled answers"
        lines.append(
            Line(
                f"{short} that draws",
                tuple(100 * x for x in ratios(found["sample"], found["step"])),
                3,
                unit=" %",
            )
        )
        whole = [a + b for a, b in zip(found["exact"], found["step"], strict=True)]
        lines.append(
            Line(
                "    share of a step on exact targets that computes them",
                tuple(100 * x for x in ratios(found["exact"], whole)),
                3,
                unit=" %",
            )
        )
    return lines


def evaluation(rounds: int, quick: bool) -> list[Line]:
    """The scorecard: errors, lengths, laws, gaps and ladders of every network that ships. One round."""
    names = ["bijection-v8"] if quick else available()
    taken = seconds(lambda: measure_all(names, **({"sequences": 8} if quick else {})))
    return [
        Line(f"evaluation of all {len(names)} networks that ship (the scorecard)", (taken,), 180, unit=" s")
    ]


def importing(rounds: int, quick: bool) -> list[Line]:
    """What ``import tutorlib`` adds to ``import torch``, in fresh interpreters."""
    found = []
    for _ in range(1 if quick else rounds):
        command = [sys.executable, "-c", CHILD.format(rooms=ROOMS)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found.append([float(x) for x in said.split()])
    names = (
        "import tutorlib, beyond torch",
        "    with all rooms that draw nothing",
        "    with figures and explore (Matplotlib)",
    )
    return [
        Line(name, tuple(column), 1 if i < 2 else None, unit=" s")
        for i, (name, column) in enumerate(zip(names, zip(*found, strict=True), strict=True))
    ]


PARTS = {
    "training": training,
    "filter": filtering,
    "share": shares,
    "evaluation": evaluation,
    "import": importing,
}


def main(arguments: Sequence[str] | None = None) -> list[Line]:
    plainly = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plainly)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that the table is made")
    parser.add_argument("--only", default=",".join(PARTS), help="parts with commas between (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    parts = options.only.split(",")
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"--only: expected some of {', '.join(PARTS)}, got {', '.join(unknown)}")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads: expected at least 1")
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    print(
        f"torch {torch.__version__}, {options.threads} threads, medians of {options.rounds} rounds (one for seconds)"
    )
    print(f"{'what':84s} {'median':11s} {'range':18s} {'target':9s}")
    lines = []
    try:
        for part in parts:
            for line in PARTS[part](options.rounds, options.quick):
                print(line, flush=True)
                lines.append(line)
    finally:
        torch.set_num_threads(threads)
    return lines


if __name__ == "__main__":
    main()
