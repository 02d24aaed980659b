"""Trains in several processes of this machine, as torchrun would start them: ``python ranks.py FOLDER NAME:SIZE ...``.

PyTorch is imported once and the processes are forked from here, so that a scenario takes about a second. Each process
leaves ``FOLDER/NAME-SIZE/RANK.pt``: what the scenario returned, or the error it raised, and what it printed.
"""

import contextlib
import errno
import hashlib
import io
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import torch
from test_training import StopError, fresh, stop_at

from tutorlib import cli, files
from tutorlib.models import build
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import HMM, Bijection

PATIENCE = 120  # seconds for one scenario; a process that still runs then hangs
TUNNEL = Bijection(4)
PLAN = TrainingPlan(steps=60, batch=(1, 5, 8), warmup=5, averaging=0.9, weight_decay=0.01, clip=1.0, seed=3)
HEADED = HMM(states=3, symbols=3, observations=6)
WHERE = {"log_every": 10, "save_every": 20}
COMMAND = ["train", "bijection-v8", "--device", "cpu", "--set", "tunnel.symbols=4", "--set", "model.width=8"]
COMMAND += ["--set", "plan.batch=7", "--set", "plan.steps=20"]


def rank():
    return int(os.environ.get("RANK", "0"))


def weights(model, run):
    return {name: p.detach() for name, p in model.named_parameters()}, run.average


def whole(folder):
    """A run from start to end, and what was drawn."""
    drawn, sample = [], Bijection.sample

    def watched(self, size, generator):
        batch = sample(self, size, generator)
        drawn.append(hashlib.sha256(batch.tokens.numpy().tobytes()).hexdigest())
        return batch

    Bijection.sample = watched
    try:
        model = fresh()
        run = train(model, TUNNEL, PLAN, folder=folder, **WHERE)
    finally:
        Bijection.sample = sample
    return {"weights": weights(model, run), "drawn": drawn, "history": run.history}


def stopped(folder):
    """The same run, stopped after a save."""
    with contextlib.suppress(StopError):
        train(fresh(), TUNNEL, PLAN, folder=folder / "state", on_log=stop_at(40), **WHERE)
    return {"stopped": True}


def resumed(folder):
    """The same run from a state that the test has put there; the own starting weights must not matter."""
    model = fresh(generator=torch.Generator().manual_seed(99))
    run = train(model, TUNNEL, PLAN, folder=folder / "state", **WHERE)
    return {"weights": weights(model, run), "first": run.history[0]["step"]}


def unseeded(folder):
    """Every process starts from other weights."""
    model = fresh(generator=torch.Generator().manual_seed(rank()))
    return {"weights": weights(model, train(model, TUNNEL, PLAN))}


def headed(folder, **options):
    """A tunnel with a header and exact targets, by a recurrent network."""
    model = build("gru", vocab=HEADED.vocab, context=HEADED.length, width=8, header=HEADED.header_shape)
    plan = TrainingPlan(steps=20, batch=5, targets="exact", **options)
    return {"weights": weights(model, train(model, HEADED, plan))}


def bfloat16(folder):
    """In mixed precision."""
    return headed(folder, precision="bfloat16")


def compiled(folder):
    """Through the compiler, short of writing machine code."""
    compiler = torch.compile
    torch.compile = lambda *a, **k: compiler(*a, backend="aot_eager", **k)
    try:
        model = fresh()
        run = train(model, TUNNEL, TrainingPlan(steps=12, batch=(3, 5), compile=True))
    finally:
        torch.compile = compiler
    return {"weights": weights(model, run)}


def diverged(folder):
    """One process meets a loss that is no number."""
    entropy, calls = torch.nn.functional.cross_entropy, []

    def spoilt(logits, answers):
        calls.append(0)
        return entropy(logits, answers) * (float("nan") if rank() == 1 and len(calls) == 17 else 1.0)

    torch.nn.functional.cross_entropy = spoilt
    train(fresh(), TUNNEL, TrainingPlan(steps=40, batch=4), folder=folder, log_every=10, save_every=10)


def dies(folder):
    """One process is killed in the middle of a step."""
    sample, calls = Bijection.sample, []

    def deadly(self, size, generator):
        calls.append(0)
        if rank() == 1 and len(calls) == 15:
            os.kill(os.getpid(), signal.SIGKILL)
        return sample(self, size, generator)

    Bijection.sample = deadly
    train(fresh(), TUNNEL, TrainingPlan(steps=40, batch=4), folder=folder, log_every=10, save_every=10)


def full(folder):
    """The main process cannot write."""

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files.os.fsync = refuse
    train(fresh(), TUNNEL, TrainingPlan(steps=40, batch=4), folder=folder, log_every=10, save_every=10)


def command(folder, *more):
    """The command line; how often each process evaluated."""
    measured, evaluate = [], cli.evaluate
    cli.evaluate = lambda *a, **k: measured.append(0) or evaluate(*a, **k)
    status = cli.main([*COMMAND, "--out", str(folder), *more])
    return {"status": status, "measured": len(measured)}


def refused(folder):
    """The command line with a state of another run in its folder."""
    (folder / "bijection-v8.state").mkdir(exist_ok=True)
    (folder / "bijection-v8.state" / "state.pt").write_bytes(b"not a state")
    return command(folder)


def sweep(folder):
    """A sweep, which is for one process."""
    start = ["sweep", *COMMAND[1:], "--out", str(folder), "--rate", "matrix_rate=0.01", "--seeds", "0"]
    return {"status": cli.main(start)}


def one_gpu_for_all(folder):
    """Every process is sent to one numbered GPU."""
    train(fresh(), TUNNEL, PLAN, device=f"cuda:{1 - rank()}")


def one_rank(name, folder, place):
    """What a forked process does; it ends here."""
    out, err, outcome = io.StringIO(), io.StringIO(), {}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            outcome |= globals()[name](folder) or {}
        except BaseException as error:
            outcome |= {"error": type(error).__name__, "words": str(error), "trace": traceback.format_exc()}
            outcome |= {"value": isinstance(error, ValueError)}
    torch.save(outcome | {"out": out.getvalue(), "err": err.getvalue()}, folder / f"{place}.pt")
    os._exit(0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(name, size, folder):
    """Fork the processes of one scenario and wait; those that hang are killed and leave nothing."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    children = []
    for place in range(size):
        if (child := os.fork()) == 0:
            os.environ |= {"RANK": str(place), "LOCAL_RANK": str(place), "WORLD_SIZE": str(size)}
            os.environ |= {
                "LOCAL_WORLD_SIZE": str(size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            one_rank(name, folder, place)
        children.append(child)
    deadline = time.monotonic() + PATIENCE
    while children and time.monotonic() < deadline:
        children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
        time.sleep(0.02)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    import accelerate  # noqa: F401  (once, before the forks)

    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    for wanted in sys.argv[2:]:
        scenario, _, processes = wanted.partition(":")
        run(scenario, int(processes), home / f"{scenario}-{processes}")
