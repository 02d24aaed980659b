"""Mixed precision and compiled training: same names, same resumption, and clear words where they cannot be had."""

import functools
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from test_training import TUNNEL, StopError, fresh, same_run, stop_at

from tutorlib.evaluation import evaluate
from tutorlib.models import MODELS, TokenMLP, build
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection

OPTIONS = [{"precision": "bfloat16"}, {"compile": True}, {"precision": "bfloat16", "compile": True}]
IDS = ["bfloat16", "compile", "both"]


@pytest.fixture
def quick_compiler(monkeypatch):
    """All of torch.compile but the writing of machine code, which takes half a minute."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))


def plan(**changes):
    return TrainingPlan(**{"steps": 40, "batch": (4, 8), "warmup": 5, "averaging": 0.9, "seed": 3, **changes})


def test_defaults_leave_the_facts_of_a_plan_as_they_were():
    old = {
        "steps", "batch", "matrix_rate", "embedding_rate", "warmup", "decay", "averaging", "weight_decay", "clip", "seed",
    }  # fmt: skip
    assert plan().facts().keys() == old
    assert plan(precision="bfloat16").facts().keys() == old | {"precision"}
    assert plan(compile=True).facts() == plan().facts() | {"compile": True}
    for one in (plan(), plan(compile=True, precision="bfloat16")):
        assert TrainingPlan(**one.facts()) == one


def test_the_state_of_a_plain_run_says_what_it_said_before_the_options(tmp_path):
    train(fresh(), TUNNEL, plan(), folder=tmp_path)
    about = json.loads(torch.load(tmp_path / "state.pt", weights_only=True)["about"])
    assert about["plan"] == {
        "averaging": 0.9, "batch": [4, 8], "clip": 0.0, "decay": 0.5, "embedding_rate": 0.05, "matrix_rate": 0.03,
        "seed": 3, "steps": 40, "warmup": 5, "weight_decay": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, quick_compiler, options):
    # Stopped in each of the two sizes of batch: the last resumption never sees the first size.
    where = {"folder": tmp_path, "log_every": 10, "save_every": 10}
    whole = fresh()
    expected = train(whole, TUNNEL, plan(**options), log_every=10)
    for step in (20, 40):
        with pytest.raises(StopError):
            train(fresh(), TUNNEL, plan(**options), on_log=stop_at(step), **where)
    again = fresh(generator=torch.Generator().manual_seed(99))
    same_run((whole, expected), (again, train(again, TUNNEL, plan(**options), **where)))


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_weights_and_optimisers_stay_plain_float32(tmp_path, quick_compiler, options):
    model = fresh()
    run = train(model, TUNNEL, plan(**options), folder=tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert list(state["model"]) == list(fresh().state_dict()) == list(model.state_dict())
    assert list(run.average) == [name for name, _ in fresh().named_parameters()]
    tensors = [*state["model"].values(), *run.average.values()]
    tensors += [v for o in state["optimisers"] for s in o["state"].values() for v in s.values()]
    assert {t.dtype for t in tensors} == {torch.float32}
    with pytest.raises(ValueError, match="belongs to another run"):
        train(fresh(), TUNNEL, plan(), folder=tmp_path)


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_it_learns(quick_compiler, options):
    model = fresh(width=16)
    train(model, TUNNEL, TrainingPlan(steps=200, batch=32, **options))
    assert evaluate(model, TUNNEL, sequences=256, generator=torch.Generator().manual_seed(1)).mean("kl") < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_every_model_trains_in_bfloat16_near_its_float32_run(name):
    losses = []
    for precision in ("float32", "bfloat16"):
        model = build(name, vocab=8, context=7, width=8)
        run = train(model, TUNNEL, TrainingPlan(steps=20, batch=16, precision=precision), log_every=10)
        losses.append([entry["loss_bits"] for entry in run.history])
    assert losses[0] != losses[1], "autocast was off"
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_compiled_training_is_close_to_plain(quick_compiler):
    plain, compiled = fresh(), fresh()
    train(plain, TUNNEL, plan(steps=5))
    train(compiled, TUNNEL, plan(steps=5, compile=True))
    torch.testing.assert_close(dict(plain.named_parameters()), dict(compiled.named_parameters()))


def test_many_compiled_runs_in_one_process_are_all_compiled(monkeypatch):
    counted = []

    def backend(graph, inputs):
        counted.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    for _ in range(5):  # PyTorch goes back to plain calls after 8 shapes of one function
        train(fresh(), TUNNEL, TrainingPlan(steps=2, batch=(2, 3), compile=True))
    assert len(counted) == 10, "one whole graph for each run and size of batch"
    with pytest.raises(ValueError, match="compile: expected at most 8 sizes of batch, got 9"):
        train(fresh(), TUNNEL, TrainingPlan(steps=9, batch=tuple(range(1, 10)), compile=True))


@pytest.mark.parametrize("way", ["unknown", "warns"])
def test_a_device_without_autocast_is_refused(tmp_path, monkeypatch, way):
    if way == "unknown":

        def refuse(*args):
            raise RuntimeError("User specified an unsupported autocast device_type 'cpu'")

        monkeypatch.setattr(torch, "autocast", refuse)
    else:
        monkeypatch.setattr(torch, "autocast", functools.partial(torch.autocast, enabled=False))
    with pytest.raises(
        ValueError, match="precision: expected float32 on cpu, which has no autocast to bfloat16"
    ):
        train(fresh(), TUNNEL, plan(precision="bfloat16"), folder=tmp_path)
    assert not list(tmp_path.iterdir())
    train(fresh(), TUNNEL, plan())


CHILD = """
import sys
sys.path.insert(0, {here!r})
from test_training_options import TUNNEL, fresh, plan, train
try:
    train(fresh(), TUNNEL, plan(compile=True), folder={folder!r})
except ValueError as error:
    print(error)
"""


def test_a_machine_without_a_compiler_is_told_what_is_missing(tmp_path):
    code = CHILD.format(here=os.path.dirname(__file__), folder=str(tmp_path / "run"))
    bare = {"PATH": "", "CXX": "/no/such/compiler"}
    bare |= {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}  # or code from an earlier run is found
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | bare
    )
    assert found.returncode == 0, found.stderr
    said = found.stdout.rstrip()
    assert said.startswith(
        "compile: torch.compile cannot work here; on cpu it needs a C++ compiler such as g++"
    )
    assert "No working C++ compiler" in said and "\n" not in said
    assert not (tmp_path / "run").exists()


def test_a_python_that_torch_cannot_compile_is_told(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("torch.compile is not supported on this Python")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(ValueError, match=r"compile: .* PyTorch says: torch.compile is not supported"):
        train(fresh(), TUNNEL, plan(compile=True))


def test_an_error_of_the_model_itself_passes_through(monkeypatch):
    def broken(model, **kwargs):
        def call(tokens, at, header):
            raise RuntimeError("out of something")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(RuntimeError, match="out of something"):
        train(fresh(), TUNNEL, plan(compile=True))


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
def test_real_compiled_code_goes_on_to_the_same_bits(tmp_path):
    options = plan(steps=30, batch=4, compile=True, precision="bfloat16")
    where = {"folder": tmp_path, "log_every": 10, "save_every": 10}
    whole, again = TokenMLP(8, 7, width=8), TokenMLP(8, 7, width=8)  # few kernels: g++ is what takes the time
    expected = train(whole, TUNNEL, options, log_every=10)
    with pytest.raises(StopError):
        train(TokenMLP(8, 7, width=8), TUNNEL, options, on_log=stop_at(20), **where)
    same_run((whole, expected), (again, train(again, TUNNEL, options, **where)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
def test_options_on_a_gpu(options):
    model = fresh(width=16)
    tunnel = Bijection(4)
    train(model, tunnel, TrainingPlan(steps=300, batch=32, **options), device="cuda")
    assert evaluate(model, tunnel, sequences=256, generator=torch.Generator().manual_seed(1)).mean("kl") < 0.1
