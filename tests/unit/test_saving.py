"""A full disk or a kill in the middle of a save: the old file or the new one is there, whole, and nothing piles up."""

import builtins
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import killed
import pytest
import torch
from test_training import PLAN, TUNNEL, StopError, fresh, same_run, stop_at

from tutorlib import checkpoints, files, snapshots
from tutorlib.files import SaveError, write_whole
from tutorlib.models import Transformer
from tutorlib.training import train


class Limited:
    """An open file on a disk with little room: a write that does not fit writes what fits and raises."""

    def __init__(self, file, disk):
        self.file, self.disk = file, disk

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        fits = data[: self.disk.room]
        self.disk.room -= len(fits)
        self.file.write(fits)
        if len(fits) < len(data):
            raise OSError(self.disk.code, os.strerror(self.disk.code))


class Disk:
    """Room for so many more bytes, in all that the library writes."""

    def __init__(self, monkeypatch):
        self.room, self.code = sys.maxsize, errno.ENOSPC
        monkeypatch.setattr(files, "open", self.open, raising=False)

    def open(self, *where):
        return Limited(builtins.open(*where), self)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("before", [{}, {"a": b"old a", "b": b"old b"}], ids=["new", "old"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_at_any_byte_changes_nothing(tmp_path, disk, before, code):
    disk.code, new = code, {"a": b"first, new", "b": b"second"}
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    for room in range(sum(map(len, new.values()))):
        disk.room = room
        words = "the old file is whole" if before else "there was none before"
        with pytest.raises(
            SaveError, match=rf"[ab]: cannot be written \({os.strerror(code)}\); {words}"
        ) as caught:
            write_whole({tmp_path / name: data for name, data in new.items()})
        assert isinstance(caught.value, ValueError) and caught.value.errno == code
        assert contents(tmp_path) == before
    disk.room = sum(map(len, new.values()))
    write_whole({tmp_path / name: data for name, data in new.items()})
    assert contents(tmp_path) == new


def test_a_disk_that_is_full_when_the_bytes_are_flushed_changes_nothing(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(SaveError, match="No space left on device"):
        write_whole({tmp_path / "a": b"new"})
    assert contents(tmp_path) == {"a": b"old"}


def test_an_interrupt_leaves_no_part(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole({tmp_path / "a": b"new"})
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SaveError, match=r"file/a: cannot be written \((Not a directory|File exists)\)"):
        write_whole({tmp_path / "file" / "a": b"new"})


# --- checkpoints

TOKENS = torch.tensor([[0, 5, 1, 4, 2, 7, 3]])


def network(seed, width=8):
    return Transformer(8, 7, width=width, generator=torch.Generator().manual_seed(seed)).eval()


def is_whole(path, model, note):
    point = checkpoints.load(path)
    assert point.card["note"] == note == checkpoints.read_card(path)["note"]
    with torch.no_grad():
        assert torch.equal(point.model(TOKENS), model(TOKENS))


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, disk):
    old, new = network(1), network(2, width=16)
    checkpoints.save(tmp_path / "mine", old, TUNNEL, {"note": "old"})
    before = contents(tmp_path)
    checkpoints.save(tmp_path / "other" / "mine", new, TUNNEL, {"note": "new"})
    total = sum(map(len, contents(tmp_path / "other").values()))
    weights = len((tmp_path / "other" / "mine.safetensors").read_bytes())
    for room in [*range(0, total, 61), weights - 1, weights, weights + 1, total - 1]:
        disk.room = room
        with pytest.raises(
            SaveError, match=r"mine\.(safetensors|json): cannot be written .*; the old file is"
        ):
            checkpoints.save(tmp_path / "mine", new, TUNNEL, {"note": "new"})
        assert contents_of_files(tmp_path) == before
    disk.room = total
    checkpoints.save(tmp_path / "mine", new, TUNNEL, {"note": "new"})
    is_whole(tmp_path / "mine", new, "new")


def contents_of_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class KilledError(BaseException):
    """Stands for a kill: nothing of ours cleans up after it."""


def killed_before_rename(monkeypatch, number):
    """The process ends before its rename of that number, counted from 1."""
    real, calls = os.replace, []

    def replace(*where):
        calls.append(where)
        if len(calls) == number:
            raise KilledError
        real(*where)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("fate", ["saved again", "full disk", "killed again"])
def test_a_kill_between_the_two_renames_leaves_the_new_checkpoint(tmp_path, monkeypatch, fate):
    old, new, newest = (network(seed) for seed in (1, 2, 3))
    path = tmp_path / "mine"
    checkpoints.save(path, old, TUNNEL, {"note": "old"})
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        killed_before_rename(patch, 2)
        checkpoints.save(path, new, TUNNEL, {"note": "new"})
    assert json.loads((tmp_path / "mine.json").read_text())["note"] == "old", "the pair does not match"
    is_whole(path, new, "new")
    if fate == "saved again":
        checkpoints.save(path, newest, TUNNEL, {"note": "newest"})
        is_whole(path, newest, "newest")
        assert sorted(contents(tmp_path)) == ["mine.json", "mine.safetensors"]
    elif fate == "full disk":
        with monkeypatch.context() as patch, pytest.raises(SaveError):
            Disk(patch).room = 100
            checkpoints.save(path, newest, TUNNEL, {"note": "newest"})
        is_whole(path, new, "new")
        assert sorted(contents(tmp_path)) == ["mine.json", "mine.safetensors"]
    else:
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            killed_before_rename(patch, 3)  # the first of them ends the save that was cut
            checkpoints.save(path, newest, TUNNEL, {"note": "newest"})
        is_whole(path, newest, "newest")


def test_a_kill_before_the_first_rename_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    old = network(1)
    checkpoints.save(tmp_path / "mine", old, TUNNEL, {"note": "old"})
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        killed_before_rename(patch, 1)
        checkpoints.save(tmp_path / "mine", network(2), TUNNEL, {"note": "new"})
    is_whole(tmp_path / "mine", old, "old")


def test_a_card_beside_other_weights_is_refused(tmp_path):
    """Two files of two saves, as a copy that was cut short leaves them, are noticed by the hash."""
    checkpoints.save(tmp_path / "mine", network(1), TUNNEL, {})
    checkpoints.save(tmp_path / "other", network(2), TUNNEL, {})
    os.replace(tmp_path / "other.safetensors", tmp_path / "mine.safetensors")
    (tmp_path / "mine.json.part").write_text("{")  # and half a card is no help
    with pytest.raises(checkpoints.CheckpointError, match="the weights are damaged; expected sha256"):
        checkpoints.load(tmp_path / "mine")


def test_snapshots_on_a_full_disk(tmp_path, disk):
    record = snapshots.recorder(tmp_path / "steps", (0, 10))
    record(0, network(1))
    disk.room = 500
    with pytest.raises(SaveError, match=r"00000010\.safetensors: cannot be written"):
        record(10, network(2))
    assert sorted(contents(tmp_path / "steps")) == ["00000000.safetensors"]
    disk.room = 500
    with pytest.raises(SaveError, match=r"mine\.snapshots\.safetensors: cannot be written"):
        snapshots.save(tmp_path / "mine", tmp_path / "steps", network(1), TUNNEL, {})
    assert contents_of_files(tmp_path) == {}


# --- the state of a run

WHERE = {"log_every": 10, "save_every": 20}


@pytest.fixture(scope="module")
def whole():
    model = fresh()
    return model, train(model, TUNNEL, PLAN, log_every=10)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.6, 0.95, 0.99, 0.9999])
def test_a_disk_that_fills_up_keeps_the_last_state_and_the_run_goes_on_from_it(tmp_path, disk, whole, share):
    with pytest.raises(StopError):
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, on_log=stop_at(30), **WHERE)
    before = contents(tmp_path)
    disk.room = int(share * sum(map(len, before.values())))  # the next state and log are a little longer
    with pytest.raises(SaveError, match=r"cannot be written .*No space left") as caught:
        train(fresh(), TUNNEL, PLAN, folder=tmp_path, **WHERE)
    assert f"the last good state is {tmp_path / 'state.pt'}, after step 20" in str(caught.value)
    assert contents(tmp_path) == before
    disk.room = sys.maxsize
    model = fresh()
    same_run(whole, (model, train(model, TUNNEL, PLAN, folder=tmp_path, **WHERE)))


def test_parts_that_a_killed_run_left_are_removed(tmp_path):
    train(fresh(), TUNNEL, PLAN, folder=tmp_path)
    for name in ("state.pt.part", "log.jsonl.part"):
        (tmp_path / name).write_bytes(b"half")
    train(fresh(), TUNNEL, PLAN, folder=tmp_path)
    assert sorted(contents(tmp_path)) == ["log.jsonl", "state.pt"]


# --- real kills

KILLED = [sys.executable, killed.__file__]


def test_a_run_killed_again_and_again_ends_in_the_same_bits(tmp_path):
    found = subprocess.run([*KILLED, "train", str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    kills, inside = json.loads(found.stdout)
    assert kills >= 5 and inside >= 1, "too few kills, or none in the middle of a save"
    whole, again = fresh(), fresh()
    expected = train(whole, TUNNEL, killed.PLAN, log_every=1)
    same_run((whole, expected), (again, train(again, TUNNEL, killed.PLAN, folder=tmp_path, log_every=1)))
    assert sorted(contents(tmp_path)) == ["log.jsonl", "state.pt"]


def test_a_checkpoint_saved_and_killed_again_and_again_is_always_whole(tmp_path):
    found = subprocess.run([*KILLED, "save", str(tmp_path)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    kills, parts, between = json.loads(found.stdout)
    assert kills >= 40 and parts >= 5 and between >= 1, "the kills did not meet the saves"
    assert {path.name for path in Path(tmp_path).iterdir()} <= {
        "mine.safetensors", "mine.json", "mine.safetensors.part", "mine.json.part",
    }  # fmt: skip
