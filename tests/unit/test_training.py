"""The training loop: it learns, goes on to the same bits after a stop, and says what is wrong."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tutorlib.evaluation import evaluate
from tutorlib.models import TokenMLP, Transformer
from tutorlib.training import TrainingPlan, best_device, learning_rate_scale, train, usable_device
from tutorlib.tunnels import Bijection

TUNNEL = Bijection(4)
PLAN = TrainingPlan(steps=60, batch=(4, 8), warmup=5, averaging=0.9, weight_decay=0.01, clip=1.0, seed=3)


def fresh(**changes):
    return Transformer(**{"vocab": 8, "context": 7, "width": 8, **changes})


def same_run(first, second):
    """Two pairs (model, run) agree to the last bit in everything but the clock."""
    (model, run), (other, other_run) = first, second
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    assert run.average.keys() == other_run.average.keys()
    assert all(torch.equal(p, other_run.average[name]) for name, p in run.average.items())
    losses = [[(e["step"], e["loss_bits"]) for e in r.history] for r in (run, other_run)]
    assert losses[0] == losses[1]


def test_it_learns_a_bijection_of_four():
    model = fresh(width=16)
    before = evaluate(model, TUNNEL, sequences=256, generator=torch.Generator().manual_seed(1)).mean("kl")
    run = train(model, TUNNEL, TrainingPlan(steps=400, batch=32))
    after = evaluate(model, TUNNEL, sequences=256, generator=torch.Generator().manual_seed(1)).mean("kl")
    assert before > 0.5 and after < 0.05
    assert not model.training
    assert [entry["step"] for entry in run.history] == [100, 200, 300, 400]
    # The floor of the loss is log2(4!) / 4 = 1.146 bits; a mean over sampled answers scatters a little.
    assert run.history[-1]["loss_bits"] == pytest.approx(1.146, abs=0.06)
    assert run.seconds > 0 and run.history[-1]["seconds"] <= run.seconds


def test_same_seed_same_weights_other_seed_other_weights():
    first, second = fresh(), fresh()
    runs = [train(model, TUNNEL, PLAN, log_every=20) for model in (first, second)]
    same_run((first, runs[0]), (second, runs[1]))
    third = fresh()
    train(third, TUNNEL, TrainingPlan(**{**PLAN.__dict__, "seed": 4}))
    assert not torch.equal(first.embedding.weight, third.embedding.weight)


def test_the_global_generator_plays_no_part():
    torch.manual_seed(0)
    model, before = fresh(), torch.get_rng_state()
    train(model, TUNNEL, TrainingPlan(steps=3, batch=2))
    assert torch.equal(before, torch.get_rng_state())


def test_targets_are_sampled_never_the_exact_posterior(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("training looked at the exact posterior")

    for method in ("exact", "window", "uniform", "references"):
        monkeypatch.setattr(Bijection, method, refuse)
    train(fresh(), TUNNEL, TrainingPlan(steps=3, batch=2))


def test_the_average_is_the_running_average_of_the_weights():
    seen = []
    model = fresh()
    plan = TrainingPlan(steps=12, batch=4, averaging=0.8)
    start = model.embedding.weight.detach().clone()
    run = train(
        model,
        TUNNEL,
        plan,
        log_every=1,
        on_log=lambda step, m: seen.append(m.embedding.weight.detach().clone()),
    )
    expected = start
    for weight in seen:
        expected = 0.8 * expected + 0.2 * weight
    torch.testing.assert_close(run.average["embedding.weight"], expected)
    assert train(fresh(), TUNNEL, TrainingPlan(steps=2)).average == {}


class StopError(Exception):
    pass


def stop_at(step):
    def on_log(done, model):
        if done == step:
            raise StopError

    return on_log


@pytest.mark.parametrize("step", [10, 20, 50, 60])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, step):
    whole = fresh()
    expected = train(whole, TUNNEL, PLAN, log_every=10)
    options = {"folder": tmp_path, "log_every": 10, "save_every": 20}
    with pytest.raises(StopError):
        train(fresh(), TUNNEL, PLAN, on_log=stop_at(step), **options)
    again = fresh(generator=torch.Generator().manual_seed(99))  # its own weights must not matter
    if step > 20:  # before the first save there is nothing to go on from
        resumed = train(again, TUNNEL, PLAN, **options)
        same_run((whole, expected), (again, resumed))
    else:
        assert not (tmp_path / "state.pt").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_finished_run_is_not_run_again(tmp_path):
    model, again = fresh(), fresh()
    first = train(model, TUNNEL, PLAN, folder=tmp_path)
    second = train(again, TUNNEL, PLAN, folder=tmp_path, on_log=stop_at(60))
    same_run((model, first), (again, second))
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == first.history


CHILD = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from test_training import KILLED, TUNNEL, fresh
from tutorlib.training import train
print("ready", flush=True)
train(fresh(), TUNNEL, KILLED, folder={folder!r}, log_every=1, save_every=1)
"""
KILLED = TrainingPlan(steps=600, batch=4, averaging=0.9)


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """SIGKILL at an arbitrary moment, most of the time in the middle of writing a state."""
    code = CHILD.format(here=os.path.dirname(__file__), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        patience = time.monotonic() + 60
        while not (tmp_path / "state.pt").exists() and time.monotonic() < patience:
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        child.send_signal(signal.SIGKILL)
        status = child.wait()
        child.stdout.close()
    assert status == -signal.SIGKILL, "the run ended before it was killed"
    step = torch.load(tmp_path / "state.pt", weights_only=True)["step"]
    assert 1 <= step < KILLED.steps
    (tmp_path / "state.pt.part").write_bytes(b"half a state")  # as a kill during a write leaves it
    whole, resumed = fresh(), fresh()
    expected = train(whole, TUNNEL, KILLED, log_every=1)
    found = train(resumed, TUNNEL, KILLED, folder=tmp_path, log_every=1)
    same_run((whole, expected), (resumed, found))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "state.pt"]


@pytest.mark.parametrize(
    ("model", "tunnel", "plan"),
    [
        (fresh(), TUNNEL, TrainingPlan(**{**PLAN.__dict__, "seed": 4})),
        (fresh(), TUNNEL, TrainingPlan(**{**PLAN.__dict__, "steps": 61})),
        (fresh(hidden=8), TUNNEL, PLAN),
        (TokenMLP(8, 7), TUNNEL, PLAN),
        (fresh(), Bijection(4, 3), PLAN),
    ],
    ids=["seed", "steps", "size", "model", "tunnel"],
)
def test_the_state_of_another_run_is_refused_and_left_alone(tmp_path, model, tunnel, plan):
    train(fresh(), TUNNEL, PLAN, folder=tmp_path)
    before = (tmp_path / "state.pt").read_bytes()
    weights = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=r"belongs to another run; expected .*, got"):
        train(model, tunnel, plan, folder=tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))


def test_a_damaged_state_is_refused(tmp_path):
    train(fresh(), TUNNEL, PLAN, folder=tmp_path)
    path = tmp_path / "state.pt"
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)

    def refused(words):
        with pytest.raises(ValueError, match=words) as caught:
            train(fresh(), TUNNEL, PLAN, folder=tmp_path)
        assert "state.pt" in str(caught.value) and "delete it to start again" in str(caught.value)

    for damaged in (whole[: len(whole) // 2], b"", b"not a state", whole[:100] + bytes(64) + whole[164:]):
        path.write_bytes(damaged)
        refused("not a readable training state")
    for key in ("model", "optimisers", "generator", "average", "history"):
        torch.save({name: part for name, part in state.items() if name != key}, path)
        refused("damaged")
    torch.save({**state, "model": fresh(width=16).state_dict()}, path)
    refused("damaged")


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_flipped_bit_in_the_weights_of_a_state_is_noticed(tmp_path, place):
    train(fresh(width=32), TUNNEL, TrainingPlan(steps=2), folder=tmp_path)
    path = tmp_path / "state.pt"
    blob = bytearray(path.read_bytes())
    blob[int(len(blob) * place)] ^= 0x10
    path.write_bytes(blob)
    with pytest.raises(ValueError, match=r"state\.pt"):
        train(fresh(width=32), TUNNEL, TrainingPlan(steps=2), folder=tmp_path)


def test_the_rate_rises_stays_and_falls():
    plan = TrainingPlan(steps=100, warmup=9, decay=0.5)
    scale = [learning_rate_scale(plan, step) for step in range(100)]
    assert scale[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert set(scale[9:51]) == {1.0}
    assert scale[50:] == pytest.approx([(100 - step) / 50 for step in range(50, 100)])
    assert all(learning_rate_scale(TrainingPlan(steps=9, warmup=0, decay=0), step) == 1 for step in range(9))


def test_small_batches_come_first(monkeypatch):
    drawn = []
    sample = Bijection.sample
    monkeypatch.setattr(Bijection, "sample", lambda self, n, g: drawn.append(n) or sample(self, n, g))
    train(fresh(), TUNNEL, TrainingPlan(steps=7, batch=(2, 4, 8)))
    assert drawn == [2, 2, 2, 4, 4, 8, 8]
    assert [TrainingPlan(steps=2, batch=(1, 2, 3)).batch_at(step) for step in range(2)] == [1, 2]


BAD_PLANS = [
    ({"steps": 0}, "steps: expected a positive integer, got 0"),
    ({"steps": 10.5}, "steps: expected a positive integer, got 10.5"),
    ({"batch": -4}, "batch: expected a positive integer, got -4"),
    ({"batch": (8, 0)}, "batch: expected a positive integer, got 0"),
    ({"batch": True}, "batch: expected a positive integer, got True"),
    ({"batch": 2**63}, "batch: expected a positive integer, got 9223372036854775808"),
    ({"clip": math.inf}, "clip: expected at least 0, got inf"),
    ({"matrix_rate": "fast"}, "matrix_rate: expected at least 0, got 'fast'"),
    ({"decay": None}, "decay: expected a share from 0 to 1, got None"),
    ({"batch": ()}, r"batch: expected a positive integer, got \(\)"),
    ({"matrix_rate": -0.1}, "matrix_rate: expected at least 0, got -0.1"),
    ({"embedding_rate": math.nan}, "embedding_rate: expected at least 0, got nan"),
    ({"warmup": -1}, "warmup: expected at least 0, got -1"),
    ({"decay": 1.5}, "decay: expected a share from 0 to 1, got 1.5"),
    ({"averaging": -0.5}, "averaging: expected a share from 0 to 1, got -0.5"),
    ({"clip": -1}, "clip: expected at least 0, got -1"),
    ({"seed": "zero"}, "seed: expected an integer, got 'zero'"),
]


@pytest.mark.parametrize(("change", "words"), BAD_PLANS, ids=[str(change) for change, _ in BAD_PLANS])
def test_bad_plans_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        TrainingPlan(**change)


def test_models_that_do_not_fit_the_tunnel(tmp_path):
    with pytest.raises(ValueError, match="vocab: expected the tunnel's 8, got a model with 10"):
        train(fresh(vocab=10), TUNNEL, PLAN, folder=tmp_path)
    with pytest.raises(ValueError, match="context: the tunnel needs 7 positions, the model has 6"):
        train(fresh(context=6), TUNNEL, PLAN, folder=tmp_path)
    with pytest.raises(ValueError, match="save_every and log_every: expected at least 1, got 1000 and 0"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, log_every=0)
    with pytest.raises(ValueError, match="device: expected one that PyTorch can use here, got teapot"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, device="teapot")
    assert not list(tmp_path.iterdir())


def test_devices_are_checked():
    assert usable_device("cpu") == torch.device("cpu")
    assert usable_device(best_device()) == best_device()
    for name in ("meta", "cuda:99"):
        with pytest.raises(ValueError, match=f"expected one that PyTorch can use here, got {name}"):
            usable_device(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_run_on_a_gpu_goes_on_after_a_stop(tmp_path):
    plan = TrainingPlan(steps=40, batch=8, averaging=0.9)
    options = {"folder": tmp_path, "log_every": 10, "save_every": 10, "device": "cuda"}
    with pytest.raises(StopError):
        train(fresh(), TUNNEL, plan, on_log=stop_at(30), **options)
    model = fresh()
    run = train(model, TUNNEL, plan, **options)
    assert [entry["step"] for entry in run.history] == [10, 20, 30, 40]
    assert evaluate(model, TUNNEL, sequences=64, generator=torch.Generator().manual_seed(0)).mean("kl") < 1
    with pytest.raises(ValueError, match="another kind of device"):
        train(fresh(), TUNNEL, plan, **{**options, "device": "cpu"})
