"""The weights of a run at many steps: kept as they go by, packed, loaded, and refused when damaged."""

import itertools
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import snapshots
from tutorlib.checkpoints import CheckpointError
from tutorlib.cli import main
from tutorlib.models import Transformer
from tutorlib.recipes import RECIPES
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection

TUNNEL = Bijection(4)


def fresh():
    return Transformer(8, 7, width=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Forty steps, kept at 0, 10, 20 and 40."""
    folder, model = tmp_path_factory.mktemp("run"), fresh()
    seen = {0: {k: v.clone() for k, v in model.state_dict().items()}}
    keep = snapshots.recorder(folder / "steps", (0, 10, 20, 40))

    def record(step, model):
        seen[step] = {k: v.clone() for k, v in model.state_dict().items()}
        keep(step, model)

    keep(0, model)
    train(model, TUNNEL, TrainingPlan(steps=40, warmup=5), log_every=10, on_log=record)
    snapshots.save(folder / "mine", folder / "steps", model, TUNNEL, {"note": "here"})
    return folder, seen


def test_each_step_has_the_weights_it_had(run):
    folder, seen = run
    found = snapshots.load(folder / "mine")
    assert found.steps == [0, 10, 20, 40] and found.card["note"] == "here"
    for step, model in found:
        assert all(torch.equal(v, seen[step][k]) for k, v in model.state_dict().items())
        assert not model.training
    assert 30 in seen and found.tunnel.config() == TUNNEL.config()
    with pytest.raises(ValueError, match="expected one of 0, 10, 20, 40, got 30"):
        found.at(30)


def test_a_resumed_run_keeps_what_it_had(run, tmp_path):
    """A recorder over the files of an earlier one leaves them and adds its own."""
    keep = snapshots.recorder(tmp_path, (0, 10))
    keep(0, fresh())
    before = (tmp_path / "00000000.safetensors").read_bytes()
    snapshots.recorder(tmp_path, (0, 10))(10, fresh())
    keep(30, fresh())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000000.safetensors", "00000010.safetensors"]
    assert (tmp_path / "00000000.safetensors").read_bytes() == before


@given(last=st.integers(1, 100_000), first=st.integers(1, 50), each=st.integers(1, 9))
def test_spread_is_even_on_a_logarithmic_scale(last, first, each):
    if first > last:
        with pytest.raises(ValueError, match="first"):
            snapshots.spread(last, first, each)
        return
    steps = snapshots.spread(last, first, each)
    assert steps[0] == 0 and steps[-1] == last and steps == sorted(set(steps))
    assert all(step % first == 0 for step in steps[:-1])
    ratios = [b / a for a, b in itertools.pairwise(steps[1:])]
    assert all(ratio <= max(2, 1.5 * 10 ** (1 / each)) for ratio in ratios)


def test_spread_of_a_usual_run():
    assert snapshots.spread(1000, each=3) == [0, 10, 20, 50, 100, 220, 460, 1000]


DAMAGE = {
    "no card": (lambda w, c: c.unlink(), "no file"),
    "no weights": (lambda w, c: w.unlink(), "no file"),
    "cut weights": (lambda w, c: w.write_bytes(w.read_bytes()[:-4]), "damaged"),
    "no card at all": (lambda w, c: c.write_text("[]"), "snapshots"),
    "half a card": (lambda w, c: c.write_text(c.read_text()[:40]), "snapshots"),
    "another model": (lambda w, c: edit(c, "model", {"name": "gru"}), "snapshots"),
    "another tunnel": (lambda w, c: edit(c, "tunnel", {"name": "nothing"}), "nothing"),
    "a step too many": (lambda w, c: edit(c, "steps", [0, 10, 20, 30, 40]), "snapshots"),
    "a step too few": (lambda w, c: edit(c, "steps", [0, 10]), "snapshots"),
}


def edit(card, key, value):
    card.write_text(json.dumps(json.loads(card.read_text()) | {key: value}))


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused_by_name(run, tmp_path, kind):
    for ending in (".snapshots.safetensors", ".snapshots.json"):
        (tmp_path / f"mine{ending}").write_bytes((run[0] / f"mine{ending}").read_bytes())
    act, message = DAMAGE[kind]
    act(tmp_path / "mine.snapshots.safetensors", tmp_path / "mine.snapshots.json")
    with pytest.raises(CheckpointError, match=message):
        snapshots.load(tmp_path / "mine")


def test_nothing_recorded_and_no_json_are_refused(run, tmp_path):
    with pytest.raises(CheckpointError, match="nothing was recorded"):
        snapshots.save(tmp_path / "mine", tmp_path, fresh(), TUNNEL, {})
    with pytest.raises(CheckpointError, match="JSON-ready"):
        snapshots.save(tmp_path / "mine", run[0] / "steps", fresh(), TUNNEL, {"x": object()})
    assert not list(tmp_path.iterdir())


def test_the_command_keeps_the_steps_of_its_recipe(tmp_path, monkeypatch, capsys):
    from dataclasses import replace

    small = replace(RECIPES["bijection-v8"], plan=TrainingPlan(steps=20), snapshots=(0, 10, 20))
    monkeypatch.setitem(RECIPES, "bijection-v8", small)
    assert main(["train", "bijection-v8", "--out", str(tmp_path)]) == 0
    assert "bijection-v8.snapshots.safetensors" in capsys.readouterr().out
    assert snapshots.load(tmp_path / "bijection-v8").steps == [0, 10, 20]


@pytest.mark.parametrize("name", snapshots.available())
def test_those_that_ship_are_of_their_recipe(name):
    found, recipe = snapshots.load(name), RECIPES[name]
    assert found.steps == list(recipe.snapshots)
    assert found.card["plan"] == json.loads(json.dumps(recipe.plan.facts()))
    model, tunnel = recipe.build()
    start = model.state_dict()
    assert all(torch.equal(v, start[k]) for k, v in found.weights[0].items())
    assert found.tunnel.config() == tunnel.config()
