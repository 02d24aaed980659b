"""Whatever is done to the bytes of a checkpoint, it loads as it was or is refused by name; nothing in it is ever run."""

import hashlib
import json
import pickle

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorlib import checkpoints, snapshots
from tutorlib.checkpoints import CheckpointError
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection

TUNNEL, MODEL = Bijection(4), Transformer(8, 7, width=8, generator=torch.Generator().manual_seed(5))
CARD = {"note": "π", "plan": {"steps": 3, "batch": [2, 4]}, "measured": {"kl": 0.01}}

edits = st.lists(
    st.tuples(st.sampled_from(["replace", "delete", "insert", "cut"]), st.floats(0, 1), st.integers(0, 255)),
    min_size=1,
    max_size=2,
)
json_values = st.recursive(
    st.sampled_from(
        [None, True, False, -1, 0, 1, 3, 10**12, 0.5, 1e300, "", "transformer", "bijection", "π"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "vocab", "x"]), inner)
    ),
    max_leaves=4,
)


def edited(blob, changes):
    """The bytes after each change at its place (a share of the length)."""
    for what, share, byte in changes:
        at = min(int(share * len(blob)), max(len(blob) - 1, 0))
        tail = {"replace": bytes([byte]) + blob[at + 1 :], "delete": blob[at + 1 :], "cut": b""}
        blob = blob[:at] + tail.get(what, bytes([byte]) + blob[at:])
    return blob


def paths(value, at=()):
    """The way to every value of a JSON document."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*at, key))


def placed(document, way, value):
    """The document with the value at the end of the way replaced, or taken out where it is ``...``."""
    if not way:
        return None if value is ... else value
    rest = dict(document)
    if len(way) == 1 and value is ...:
        del rest[way[0]]
    else:
        rest[way[0]] = placed(rest[way[0]], way[1:], value)
    return rest


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of one checkpoint and of one run of snapshots: path -> bytes, by kind."""
    folder = tmp_path_factory.mktemp("whole")
    checkpoints.save(folder / "mine", MODEL, TUNNEL, CARD)
    record = snapshots.recorder(folder / "steps", [0, 10])
    record(0, MODEL)
    record(10, MODEL)
    snapshots.save(folder / "run", folder / "steps", MODEL, TUNNEL, CARD)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def load(folder, kind):
    """Load; give back all weights by name."""
    if kind == "mine":
        return dict(checkpoints.load(folder / "mine").model.state_dict())
    run = snapshots.load(folder / "run")
    return {f"{step}/{name}": x for step, state in run.weights.items() for name, x in state.items()}


@pytest.fixture(scope="module")
def nothing_runs():
    """Every way in which Python runs what it reads is a failure."""
    with pytest.MonkeyPatch.context() as patch:

        def never(*args, **kwargs):
            raise AssertionError("a checkpoint was about to be executed")

        for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
            patch.setattr(module, name, never)
        yield


def refused_or_the_same(folder, kind, files, expected):
    for name, blob in files.items():
        (folder / name).write_bytes(blob)
    try:
        found = load(folder, kind)
    except CheckpointError as error:
        assert kind in str(error), error
        return False
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    return True


KINDS = {
    "mine": ("mine.safetensors", "mine.json"),
    "run": ("run.snapshots.safetensors", "run.snapshots.json"),
}
fresh = settings(max_examples=60)


def expected(kind):
    state = MODEL.state_dict()
    return state if kind == "mine" else {f"{step}/{name}": x for step in (0, 10) for name, x in state.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0, 1], ids=["weights", "card"])
@fresh
@given(changes=edits)
def test_bytes(whole, tmp_path_factory, nothing_runs, kind, part, changes):
    """Bytes replaced, left out, put in or cut off, in the weights or in the card."""
    files = {name: whole[name] for name in KINDS[kind]}
    name = KINDS[kind][part]
    files[name] = edited(files[name], changes)
    same = refused_or_the_same(tmp_path_factory.mktemp("damaged"), kind, files, expected(kind))
    assert not same or part == 1 or files[name] == whole[name], "other weights have another hash"


@pytest.mark.parametrize("kind", KINDS)
@fresh
@given(data=st.data())
def test_facts_of_the_card(whole, tmp_path_factory, nothing_runs, kind, data):
    """One fact of the card is another one, or is missing."""
    weights, card = KINDS[kind]
    document = json.loads(whole[card])
    way = data.draw(st.sampled_from(list(paths(document))))
    other = placed(document, way, data.draw(json_values | st.just(...)))
    files = {weights: whole[weights], card: json.dumps(other).encode()}
    refused_or_the_same(tmp_path_factory.mktemp("damaged"), kind, files, expected(kind))


@pytest.mark.parametrize("kind", KINDS)
@fresh
@given(changes=edits, data=st.data())
def test_bytes_with_a_hash_that_fits(whole, tmp_path_factory, nothing_runs, kind, changes, data):
    """The hash is right and the file still is not: what someone does who wants to be believed."""
    weights, card = KINDS[kind]
    blob = edited(whole[weights], changes) if data.draw(st.booleans()) else data.draw(st.binary(max_size=200))
    document = json.loads(whole[card]) | {"sha256": hashlib.sha256(blob).hexdigest()}
    folder = tmp_path_factory.mktemp("damaged")
    (folder / weights).write_bytes(blob)
    (folder / card).write_text(json.dumps(document))
    try:
        found = load(folder, kind)
    except CheckpointError as error:
        assert kind in str(error)
        return
    read = safetensors.torch.load(blob)  # a number was changed: then that is what is read
    assert all(torch.equal(found[name].nan_to_num(), read[name].nan_to_num()) for name in read)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the checkpoint was executed')",))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["pickle", "torch"])
def test_a_pickle_is_refused_and_not_run(whole, tmp_path, kind, way):
    weights, card = KINDS[kind]
    if way == "pickle":
        (tmp_path / weights).write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({"embedding.weight": Bomb()}, tmp_path / weights)
    blob = (tmp_path / weights).read_bytes()
    document = json.loads(whole[card]) | {"sha256": hashlib.sha256(blob).hexdigest()}
    (tmp_path / card).write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=kind):
        load(tmp_path, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"sha256": ' * 20_000,
        "1" * 5000,
        "NaN",
        "",
        "\0",
        '"text"',
        "null",
        '{"model": 1e999}',
    ],
    ids=["deep list", "deep table", "long number", "NaN", "empty", "zero", "text", "null", "infinity"],
)
def test_odd_cards(whole, tmp_path, kind, text):
    weights, card = KINDS[kind]
    (tmp_path / weights).write_bytes(whole[weights])
    (tmp_path / card).write_text(text)
    with pytest.raises(CheckpointError, match=kind):
        load(tmp_path, kind)
