"""Losses that are no numbers, steps that do not fit: the error says where and what to do, the last good state stays."""

import math

import pytest
import torch
from test_training import PLAN, TUNNEL, fresh, same_run

from tutorlib import cli
from tutorlib.recipes import RECIPES, changed
from tutorlib.training import DivergedError, TooLargeError, TrainingPlan, faults, train
from tutorlib.tunnels import Bijection

WHERE = {"log_every": 10, "save_every": 10}


def spoil_loss(monkeypatch, step, value):
    """The loss of that step, counted from 1 in this process, becomes the value."""
    entropy, calls = torch.nn.functional.cross_entropy, []

    def spoilt(logits, answers):
        calls.append(0)
        return entropy(logits, answers) * (value if len(calls) == step else 1.0)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", spoilt)


def finite_state(folder, step):
    state = torch.load(folder / "state.pt", weights_only=True)
    assert state["step"] == step and faults.all_finite([*state["model"].values(), *state["average"].values()])
    assert sorted(p.name for p in folder.iterdir()) == ["log.jsonl", "state.pt"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step", [31, 37, 40, 60])
def test_the_error_names_the_step_and_the_last_good_state(tmp_path, monkeypatch, value, step):
    spoil_loss(monkeypatch, step, value)
    with pytest.raises(DivergedError) as caught:
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, **WHERE)
    last = (step - 1) // 10 * 10
    assert str(caught.value) == (
        f"loss: not a number at step {step}; a lower learning rate may help; "
        f"the last good state is {tmp_path / 'state.pt'}, after step {last}"
    )
    finite_state(tmp_path, last)


def test_what_was_good_is_what_the_run_goes_on_from(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(DivergedError):
        spoil_loss(patch, 37, math.nan)
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, **WHERE)
    whole, again = fresh(), fresh()
    expected = train(whole, TUNNEL, PLAN, log_every=10)
    same_run((whole, expected), (again, train(again, TUNNEL, PLAN, folder=tmp_path, **WHERE)))


def test_without_a_state_it_says_so(tmp_path, monkeypatch):
    spoil_loss(monkeypatch, 3, math.nan)
    with pytest.raises(DivergedError, match=r"at step 3; .*no state was kept, since the run has no folder"):
        train(fresh(), TUNNEL, PLAN)
    monkeypatch.undo()
    spoil_loss(monkeypatch, 3, math.nan)
    with pytest.raises(DivergedError, match=r"at step 3; .*no state had been saved yet in .*run"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def spoil_update(monkeypatch, step, spoil):
    """After that update of AdamW, ``spoil(optimiser)``."""
    update, calls = torch.optim.AdamW.step, []

    def spoilt(self, *args):
        update(self, *args)
        calls.append(0)
        if len(calls) == step:
            spoil(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", spoilt)


def weights_spoilt(optimiser):
    with torch.no_grad():
        optimiser.param_groups[0]["params"][0].view(-1)[0] = math.nan


def moments_spoilt(optimiser):
    next(iter(optimiser.state.values()))["exp_avg_sq"].view(-1)[0] = math.inf


def test_an_update_that_spoils_the_weights_is_not_saved_though_its_loss_was_a_number(tmp_path, monkeypatch):
    seen = []
    spoil_update(monkeypatch, 40, weights_spoilt)
    with pytest.raises(DivergedError, match=r"weights: not a number after step 40; .*, after step 30"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, on_log=lambda done, model: seen.append(done), **WHERE)
    finite_state(tmp_path, 30)
    assert seen == [10, 20, 30], "a spoilt network is shown to nobody"


def test_a_last_update_that_spoils_the_weights_is_no_result(monkeypatch):
    spoil_update(monkeypatch, 60, weights_spoilt)
    with pytest.raises(DivergedError, match=r"weights: not a number after step 60; .*no state was kept"):
        train(fresh(), TUNNEL, PLAN)


def test_a_state_is_looked_at_as_a_whole_before_it_is_saved(tmp_path, monkeypatch):
    spoil_update(monkeypatch, 40, moments_spoilt)
    with pytest.raises(DivergedError, match=r"state: not a number after step 40; .*, after step 30"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, **WHERE)
    finite_state(tmp_path, 30)


def test_a_state_with_a_number_that_is_none_is_refused(tmp_path):
    train(fresh(), TUNNEL, PLAN, folder=tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["average"]["embedding.weight"][0, 0] = math.nan
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"state\.pt: damaged, .*a number in it is not finite"):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path)


# --- too large for the memory

NOW = "plan.batch=8, model.width=8, model.layers=1, model.hidden=32, model.heads=1"


def raise_in_step(monkeypatch, step, error):
    sample, calls = Bijection.sample, []

    def full(self, size, generator):
        calls.append(0)
        if len(calls) == step:
            raise error
        return sample(self, size, generator)

    monkeypatch.setattr(Bijection, "sample", full)


WORDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    MemoryError(),
    MemoryError("bad allocation"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", WORDS, ids=lambda error: (str(error) or "no words")[:30])
def test_it_says_what_to_lower_and_the_state_stays(tmp_path, monkeypatch, error):
    with monkeypatch.context() as patch, pytest.raises(TooLargeError) as caught:
        raise_in_step(patch, 37, error)
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, **WHERE)
    said = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert said.startswith(
        f"memory: step 37 does not fit; lower {NOW}, or the length of a sequence, now 7 tokens"
    )
    assert "precision=bfloat16 needs less (the device is cpu, the precision float32)" in said
    assert f"the last good state is {tmp_path / 'state.pt'}, after step 30" in said and str(error) in said
    finite_state(tmp_path, 30)
    whole, again = fresh(), fresh()
    expected = train(whole, TUNNEL, PLAN, log_every=10)
    same_run((whole, expected), (again, train(again, TUNNEL, PLAN, folder=tmp_path, **WHERE)))


def test_other_errors_pass_through(monkeypatch):
    raise_in_step(monkeypatch, 2, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(fresh(), TUNNEL, PLAN)


def test_bfloat16_is_not_advised_to_those_who_have_it(monkeypatch):
    raise_in_step(monkeypatch, 1, MemoryError())
    with pytest.raises(TooLargeError, match=r"7 tokens .*the precision bfloat16") as caught:
        train(fresh(), TUNNEL, TrainingPlan(steps=2, precision="bfloat16"))
    assert "needs less" not in str(caught.value)


@pytest.mark.parametrize(
    "change", ["plan.batch=10000000000000", "model.width=100000000", "model.hidden=2**60"]
)
def test_a_size_beyond_reason_is_refused_before_anything_is_made(tmp_path, capsys, change):
    """Nothing is patched here, and nothing is asked of the memory."""
    where = ["--out", str(tmp_path), "--device", "cpu", "--set", "plan.steps=2", "--set", change]
    assert cli.main(["train", "bijection-v8", *where]) == 2
    err = capsys.readouterr().err
    name = change.partition("=")[0].partition(".")[2]
    assert f"tutorlib: {name}: expected" in err and "Traceback" not in err
    assert list(tmp_path.rglob("*.pt*")) == []


def test_a_network_that_no_machine_holds():
    """Each size within reason, all of them together not: 2^24 x 2^24 numbers in a matrix are 1.1 PB."""
    recipe = changed(RECIPES["bijection-v8"], ["model.width=16777216", "model.hidden=1"])
    with pytest.raises(
        TooLargeError, match=r"memory: a transformer does not fit; lower the sizes in .*16777216"
    ):
        recipe.build()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_batch_that_no_gpu_holds():
    with pytest.raises(TooLargeError, match=r"step 1 does not fit; lower plan\.batch=.*device is cuda"):
        train(fresh(), TUNNEL, TrainingPlan(steps=1, batch=10**10), device="cuda")
    train(fresh(), TUNNEL, TrainingPlan(steps=1, batch=8), device="cuda")
