"""Kills processes that save, at random moments: ``python killed.py train|save FOLDER``; prints what it met as JSON.

PyTorch is imported once and every victim is forked from here, so that a kill takes milliseconds.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from test_training import TUNNEL, fresh

from tutorlib import checkpoints
from tutorlib.training import TrainingPlan, train

PLAN = TrainingPlan(steps=400, batch=4, averaging=0.9)


def victim(work, seconds):
    """Fork, work, and kill after so long; whether it was killed before it was done."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the victim failed by itself"
    return os.WIFSIGNALED(status)


def trained(folder, chance):
    """Train and save at every step, until a process lives to the end."""

    def work():
        train(fresh(), TUNNEL, PLAN, folder=folder, log_every=1, save_every=1)

    train(fresh(), TUNNEL, TrainingPlan(steps=1))  # imports what PyTorch imports late, or each victim would
    kills = inside = 0
    while victim(work, chance.uniform(0.02, 0.2) * 1.02**kills):  # longer on a busy machine, until it gets on
        kills += 1
        inside += (folder / "state.pt.part").exists()
        assert kills < 300, "it makes no headway"
    return kills, inside


def filled(number):
    model = fresh()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(number)
    return model


def saved(folder, chance):
    """Save other weights again and again, slowly between the renames, and look after each kill."""
    replace = os.replace

    def slow(*where):
        replace(*where)
        time.sleep(0.002)

    def work():
        os.replace = slow
        for number in itertools.cycle((1.0, 2.0)):
            checkpoints.save(folder / "mine", filled(number), TUNNEL, {"number": number})

    checkpoints.save(folder / "mine", filled(1.0), TUNNEL, {"number": 1.0})
    kills = parts = between = 0
    for _ in range(600):  # 60 on an idle machine
        kills += victim(work, chance.uniform(0.001, 0.06))
        point = checkpoints.load(folder / "mine")
        assert all((p == point.card["number"]).all() for p in point.model.parameters())
        parts += any(folder.glob("*.part"))
        between += json.loads((folder / "mine.json").read_text())["sha256"] != point.card["sha256"]
        if kills >= 60 and parts >= 5 and between >= 1:
            break
    return kills, parts, between


if __name__ == "__main__":
    torch.set_num_threads(1)
    seed = random.randrange(10**6)
    print(f"seed {seed}", file=sys.stderr)
    kind = {"train": trained, "save": saved}[sys.argv[1]]
    print(json.dumps(kind(Path(sys.argv[2]), random.Random(seed))))
