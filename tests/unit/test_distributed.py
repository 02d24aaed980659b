"""Training in several processes: the same run as in one, one writer, and no process waits for ever."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
import torch
from test_training import StopError, fresh, stop_at

from tutorlib import checkpoints
from tutorlib.training import Team, TeamError, TrainingPlan, distributed, train, usable_device
from tutorlib.tunnels import Batch

SCENARIOS = [
    "whole:2", "whole:3", "stopped:2", "resumed:2", "resumed:3", "unseeded:2", "headed:2", "bfloat16:2", "compiled:2",
    "diverged:2", "dies:2", "full:2", "command:2", "refused:2", "sweep:2", "one_gpu_for_all:2",
]  # fmt: skip
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of all scenarios, run one after the other."""
    folder = tmp_path_factory.mktemp("ranks")
    for size in (2, 3):  # resumed there from the state of one process
        with contextlib.suppress(StopError):
            state = folder / f"resumed-{size}" / "state"
            train(fresh(), ranks.TUNNEL, ranks.PLAN, folder=state, on_log=stop_at(40), **ranks.WHERE)
    found = subprocess.run(
        [sys.executable, ranks.__file__, str(folder), *SCENARIOS],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr
    return folder


@pytest.fixture(scope="module")
def outcomes(home):
    """What the processes of a scenario left: ``outcomes("whole:2")``."""

    def read(scenario):
        name, size = scenario.split(":")
        folder = home / f"{name}-{size}"
        found = [folder / f"{place}.pt" for place in range(int(size))]
        return folder, [torch.load(path) if path.exists() else None for path in found]

    return read


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return ranks.whole(tmp_path_factory.mktemp("alone"))


def all_well(found):
    for outcome in found:
        assert outcome is not None, "a process hung or died"
        assert "error" not in outcome, outcome["trace"]
    return found


def same_weights(first, second, **close):
    for one, other in zip(first["weights"], second["weights"], strict=True):
        torch.testing.assert_close(one, other, **(close or CLOSE))


@pytest.mark.parametrize("scenario", ["whole:2", "whole:3"])
def test_the_weights_do_not_depend_on_the_number_of_processes(outcomes, alone, scenario):
    """With batches of 1, 5 and 8: some processes have more sequences than others, or none."""
    folder, found = outcomes(scenario)
    for outcome in all_well(found):
        same_weights(outcome, alone)
        same_weights(outcome, found[0], rtol=0, atol=0)  # the processes agree to the bit
        assert outcome["drawn"] == alone["drawn"], "every process draws every batch"
        for entry, expected in zip(outcome["history"], alone["history"], strict=True):
            assert entry["step"] == expected["step"]
            assert entry["loss_bits"] == pytest.approx(expected["loss_bits"], abs=1e-5)
    assert not all(torch.equal(found[0]["weights"][0][name], p) for name, p in alone["weights"][0].items()), (
        "the same bits: nothing was shared out"
    )
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == found[0]["history"]
    assert sorted(p.name for p in folder.iterdir() if p.suffix != ".pt") == ["log.jsonl"]


def test_the_state_of_two_goes_on_alone(outcomes, alone, tmp_path):
    folder, found = outcomes("stopped:2")
    all_well(found)
    shutil.copytree(folder / "state", tmp_path / "state")
    assert torch.load(tmp_path / "state" / "state.pt")["step"] == 20
    same_weights(ranks.resumed(tmp_path), alone)


@pytest.mark.parametrize("scenario", ["resumed:2", "resumed:3"])
def test_the_state_of_one_goes_on_in_several(outcomes, alone, scenario):
    for outcome in all_well(outcomes(scenario)[1]):
        same_weights(outcome, alone)
        assert outcome["first"] == 10, "the log goes on too"


def test_networks_that_start_apart_start_as_the_main_one(outcomes, tmp_path):
    expected = ranks.unseeded(tmp_path)
    for outcome in all_well(outcomes("unseeded:2")[1]):
        same_weights(outcome, expected)


@pytest.mark.parametrize(
    ("name", "close"), [("headed", CLOSE), ("compiled", CLOSE), ("bfloat16", {"rtol": 0.05, "atol": 0.01})]
)
def test_headers_precision_and_compiler(outcomes, tmp_path, name, close):
    expected = getattr(ranks, name)(tmp_path)
    for outcome in all_well(outcomes(f"{name}:2")[1]):
        same_weights(outcome, expected, **close)


def test_a_loss_that_is_no_number_in_one_process_stops_all(outcomes):
    folder, found = outcomes("diverged:2")
    for outcome in found:
        assert outcome["error"] == "DivergedError"
        assert "loss: not a number at step 17" in outcome["words"]
    assert f"the last good state is {folder / 'state.pt'}, after step 10" in found[0]["words"]
    state = torch.load(folder / "state.pt")
    assert state["step"] == 10 and all(p.isfinite().all() for p in state["model"].values())


def test_a_process_that_dies_does_not_leave_the_other_waiting(outcomes):
    folder, (survivor, killed) = outcomes("dies:2")
    assert killed is None
    assert survivor is not None, "it waited until it was killed"
    assert survivor["error"] == "TeamError" and survivor["value"]
    assert "process 0 of 2: another process has ended or cannot be reached" in survivor["words"]
    assert torch.load(folder / "state.pt")["step"] == 10


def test_a_full_disk_stops_all(outcomes):
    folder, found = outcomes("full:2")
    for outcome in found:
        assert outcome["error"] == "SaveError" and outcome["value"]
        assert "state.pt: cannot be written (No space left on device)" in outcome["words"]
        assert "no state had been saved yet" in outcome["words"]
    assert sorted(p.name for p in folder.iterdir()) == ["0.pt", "1.pt"]


def test_the_command_measures_writes_and_prints_once(outcomes):
    folder, (main, other) = outcomes("command:2")
    all_well((main, other))
    assert main["status"] == other["status"] == 0
    assert main["measured"] == 2 and other["measured"] == 0, "last and averaged weights, in one process"
    assert "wrote" in main["out"] and "step/s" in main["err"]
    assert other["out"] == "" and "step/s" not in other["err"]
    assert checkpoints.load(folder / "bijection-v8").card["plan"]["batch"] == 7


def test_what_the_main_process_refuses_is_said_once(outcomes):
    _, (main, other) = outcomes("refused:2")
    assert main["status"] == 2 and "not a readable training state" in main["err"]
    assert other["error"] == "SystemExit" and other["words"] == "2" and "tutorlib:" not in other["err"]


def test_a_sweep_is_for_one_process(outcomes):
    for outcome in outcomes("sweep:2")[1]:
        assert outcome["status"] == 2 and "sweep: expected one process, got 2" in outcome["err"]


def test_one_gpu_cannot_be_everyones(outcomes):
    for place, outcome in enumerate(outcomes("one_gpu_for_all:2")[1]):
        assert outcome["error"] == "TeamError"
        assert (
            f"expected cuda without a number, so that each process has its own, got cuda:{1 - place}"
            in (outcome["words"])
        )


# --- the parts

SIZES = [(1, 1), (1, 3), (2, 3), (5, 2), (5, 3), (8, 4), (7, 8)]


@pytest.mark.parametrize(("count", "size"), SIZES)
def test_shares_cover_a_batch_once_and_sum_to_one(count, size):
    numbers = torch.arange(count)
    batch = Batch(numbers[:, None], numbers[:, None], header=numbers[:, None, None].double(), tasks=numbers)
    seen, total = [], 0.0
    for place in range(size):
        own, share = Team(place, size).share(batch)
        assert len(own) >= 1, "an empty slice has no gradient"
        assert share == pytest.approx((len(own) if share else 0) / count)
        seen += own.tasks.tolist() if share else []
        for part in (own.tokens[:, 0], own.targets[:, 0], own.header[:, 0, 0].long()):
            assert torch.equal(part, own.tasks)
        total += share
    assert seen == list(range(count)) and total == pytest.approx(1)


def test_one_process_gets_the_batch_itself():
    batch = Batch(torch.zeros(3, 1), torch.zeros(3, 1))
    assert Team().share(batch)[0] is batch and Team().is_main
    assert Team().on_main(lambda: 7) == 7


def test_only_a_launcher_makes_several(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert distributed.processes() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")  # as some clusters set it everywhere
    assert distributed.processes() == 1
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.processes() == 4
    assert distributed.own_device(torch.device("cuda")) == torch.device("cuda:1")
    assert distributed.own_device(torch.device("cuda:1")) == torch.device("cuda:1")
    assert usable_device("cpu") == torch.device("cpu")


def test_without_accelerate_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    train(fresh(), ranks.TUNNEL, TrainingPlan(steps=1, batch=2))  # one process does not need it
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TeamError, match=r"2 processes were started, .*pip install 'tutorlib\[distributed\]'"):
        train(fresh(), ranks.TUNNEL, TrainingPlan(steps=1, batch=2))


LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    # Accelerate starts several processes on one machine only for GPUs, so this says GPUs and the command says cpu.
    "accelerate": [
        "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "PORT",
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_launchers_start_it(tmp_path, launcher):
    port = str(ranks.free_port())
    options = [port if word == "PORT" else word for word in LAUNCHERS[launcher]]
    start = [sys.executable, "-m", *options, "-m", "tutorlib", *ranks.COMMAND]
    found = subprocess.run(
        [*start, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "hf")},
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("training bijection-v8 on cpu") == 1
    assert found.stdout.count("and its card") == 1
    assert (tmp_path / "bijection-v8.state" / "log.jsonl").read_text().count("\n") == 1
    assert Path(tmp_path / "bijection-v8.safetensors").exists()
