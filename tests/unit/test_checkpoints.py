"""Checkpoints: there and back, every kind of damage, and the ones that ship."""

import json
from pathlib import Path

import pytest
import torch

import tutorlib
from tutorlib import checkpoints
from tutorlib.checkpoints import CheckpointError, available, load, read_card, save
from tutorlib.cli import TARGETS
from tutorlib.evaluation import evaluate
from tutorlib.models import MODELS, Transformer, build, count_parameters
from tutorlib.recipes import RECIPES
from tutorlib.training import TrainingPlan
from tutorlib.tunnels import Bijection

TUNNEL = Bijection(4)
TOKENS = torch.tensor([[0, 5, 1, 4, 2, 7, 3]])
WEIGHTS = Path(tutorlib.__file__).parent / "weights"


def saved(tmp_path, **card):
    model = Transformer(8, 7, width=8, generator=torch.Generator().manual_seed(5))
    return model, save(tmp_path / "mine", model, TUNNEL, card)


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(tmp_path, name):
    model = build(name, vocab=8, context=7, width=8, generator=torch.Generator().manual_seed(5)).eval()
    path = save(tmp_path / "deep" / "mine", model, TUNNEL, {"note": "π", "plan": {"steps": 3}})
    assert path == tmp_path / "deep" / "mine.safetensors"
    point = load(tmp_path / "deep" / "mine")
    with torch.no_grad():
        assert torch.equal(point.model(TOKENS), model(TOKENS))
    assert not point.model.training
    assert point.tunnel.config() == TUNNEL.config()
    assert point.card["note"] == "π" and point.card["parameters"] == count_parameters(model)
    assert point.card["model"] == {"name": name, **model.config()}
    assert sorted(p.name for p in path.parent.iterdir()) == ["mine.json", "mine.safetensors"]


def test_saving_again_replaces_and_the_files_are_the_same_bytes(tmp_path):
    _, path = saved(tmp_path)
    first = path.read_bytes(), path.with_suffix(".json").read_bytes()
    saved(tmp_path)
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == first
    other = Transformer(8, 7, width=8, generator=torch.Generator().manual_seed(6))
    save(tmp_path / "mine", other, TUNNEL, {})
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "mine").model(TOKENS), other.eval()(TOKENS))


def test_a_card_loaded_and_saved_with_other_weights_is_right_about_them(tmp_path):
    saved(tmp_path)
    card = load(tmp_path / "mine").card
    save(tmp_path / "new", Transformer(8, 7, width=16), TUNNEL, card)
    assert load(tmp_path / "new").model.config()["width"] == 16


def test_a_card_says_its_format_and_the_first_ones_said_none(tmp_path):
    model, path = saved(tmp_path, format=7)  # what the card says of itself stands above what it is given
    card = json.loads(path.with_suffix(".json").read_text())
    assert card.pop("format") == 1
    path.with_suffix(".json").write_text(json.dumps(card))
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "mine").model(TOKENS), model.eval()(TOKENS))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_and_the_old_ones_stay(tmp_path, value):
    _, path = saved(tmp_path)
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    spoilt = Transformer(8, 7, width=8)
    with torch.no_grad():
        spoilt.embedding.weight[3, 2] = value
    with pytest.raises(CheckpointError, match=r"expected finite numbers, got others in embedding\.weight"):
        save(tmp_path / "mine", spoilt, TUNNEL, {})
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before


@pytest.mark.parametrize("fact", [object(), float("nan"), torch.ones(2)])
def test_a_card_that_is_not_json_writes_nothing(tmp_path, fact):
    with pytest.raises(CheckpointError, match="card: expected JSON-ready facts"):
        saved(tmp_path / "folder", fact=fact)
    assert not (tmp_path / "folder").exists()
    _, path = saved(tmp_path)
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    with pytest.raises(CheckpointError):
        save(tmp_path / "mine", Transformer(8, 7), TUNNEL, {"fact": fact})
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before


def flip(path, place):
    blob = bytearray(path.read_bytes())
    blob[place] ^= 1
    path.write_bytes(blob)


def edit(path, **changes):
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, **changes}))


def model_card(**changes):
    return {"name": "transformer", **Transformer(8, 7, width=8).config(), **changes}


DAMAGE = {
    "weights missing": (lambda p: p.unlink(), "no file mine.safetensors beside its card"),
    "card missing": (lambda p: p.with_suffix(".json").unlink(), "no file mine.json; those that ship are"),
    "truncated": (
        lambda p: p.write_bytes(p.read_bytes()[:-100]),
        "weights are damaged; expected sha256 .*, got",
    ),
    "empty": (lambda p: p.write_bytes(b""), "weights are damaged"),
    "bit in the header": (lambda p: flip(p, 20), "weights are damaged"),
    "bit in the data": (lambda p: flip(p, -9), "weights are damaged"),
    "not JSON": (lambda p: p.with_suffix(".json").write_text("{'model'"), "the card is damaged"),
    "not text": (lambda p: p.with_suffix(".json").write_bytes(b"\xff\xfe\x00"), "the card is damaged"),
    "a list": (lambda p: p.with_suffix(".json").write_text("[]"), "lacks model, tunnel or sha256"),
    "no keys": (lambda p: p.with_suffix(".json").write_text("{}"), "lacks model, tunnel or sha256"),
    "a later format": (
        lambda p: edit(p, format=2),
        "format: expected 1, got 2; a newer tutorlib may know it",
    ),
    "format no number": (lambda p: edit(p, format=[1]), r"format: expected 1, got \[1\]"),
    "deep": (lambda p: p.with_suffix(".json").write_text("[" * 100_000), "the card is damaged"),
    "hash no text": (lambda p: edit(p, sha256=7), "sha256: expected text, got 7"),
    "unknown model": (lambda p: edit(p, model=model_card(name="rnn")), "does not fit the weights .*'rnn'"),
    "no model name": (lambda p: edit(p, model={"vocab": 8}), "does not fit the weights"),
    "model no table": (lambda p: edit(p, model=3), "does not fit the weights"),
    "other width": (lambda p: edit(p, model=model_card(width=16)), "does not fit the weights"),
    "other layers": (lambda p: edit(p, model=model_card(layers=2)), "does not fit the weights"),
    "unknown argument": (lambda p: edit(p, model=model_card(depth=2)), "does not fit the weights"),
    "unknown tunnel": (lambda p: edit(p, tunnel={"name": "maze"}), "does not fit the weights .*'maze'"),
    "tunnel argument": (
        lambda p: edit(p, tunnel={"name": "bijection", "size": 4}),
        "does not fit the weights",
    ),
    "tunnel value": (
        lambda p: edit(p, tunnel={"name": "bijection", "symbols": 1}),
        "does not fit the weights",
    ),
    "larger tunnel": (
        lambda p: edit(p, tunnel={"name": "bijection", "symbols": 5}),
        "expected a model for 10 tokens and 9 positions, as its tunnel has, got one for 8 and 7",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named(tmp_path, what):
    harm, words = DAMAGE[what]
    _, path = saved(tmp_path)
    harm(path)
    with pytest.raises(CheckpointError, match=rf"checkpoint .*mine: .*{words}") as caught:
        load(tmp_path / "mine")
    assert isinstance(caught.value, ValueError)


def test_a_name_that_does_not_ship():
    with pytest.raises(
        CheckpointError, match=r"checkpoint no-such: no file no-such\.json; those that ship are"
    ):
        read_card("no-such")


# --- the ones that ship

REQUIRED = {
    "model", "tunnel", "parameters", "sha256", "recipe", "command", "targets", "plan", "weights", "device", "torch",
    "git", "measured",
}  # fmt: skip
MEASURED = {
    "sequences", "seed", "entropy_error", "kl", "total_variation", "impossible", "loss", "entropy_mae_averaged_first",
}  # fmt: skip


def test_what_ships_is_whole_small_and_has_a_recipe():
    assert {"bijection-v20", "bijection-v8"} <= set(available()) <= RECIPES.keys()
    files = sorted(path.name for path in WEIGHTS.iterdir() if path.is_file())
    assert files == sorted(f"{name}.{end}" for name in available() for end in ("json", "safetensors"))
    assert sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir()) == [
        "dissection",
        "snapshots",
        "sweeps",
    ]
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) <= 20_000_000


@pytest.mark.parametrize("name", available())
def test_a_card_says_where_the_weights_come_from(name):
    card, recipe = read_card(name), RECIPES[name]
    assert card.keys() >= REQUIRED and card["measured"].keys() >= MEASURED
    assert card["recipe"] == name and card["command"] == f"tutorlib train {name}", "the recipe as it stands"
    assert card["weights"] in ("last", "averaged")
    assert card["targets"].startswith(TARGETS[recipe.plan.targets])
    model, tunnel = recipe.build()
    assert card["model"] == {"name": model.name, **model.config()}
    assert card["tunnel"] == {"name": tunnel.name, **tunnel.config()}
    assert card["plan"] == json.loads(json.dumps(recipe.plan.facts()))
    again = {key: tuple(value) if isinstance(value, list) else value for key, value in card["plan"].items()}
    assert TrainingPlan(**again) == recipe.plan, "what the card leaves out has kept its default"


@pytest.mark.parametrize("name", available())
def test_measured_errors_hold_on_fresh_sequences(name):
    point = load(name)
    measured = point.card["measured"]
    assert point.card["parameters"] == count_parameters(point.model)
    generator = torch.Generator().manual_seed(20_260_101)  # neither a training seed nor the card's
    found = evaluate(point.model, point.tunnel, sequences=512, generator=generator)
    for key in ("entropy_error", "kl", "total_variation", "impossible", "loss"):
        assert measured[key] / 1.5 - 1e-4 <= found.mean(key) <= 1.5 * measured[key] + 1e-4, key


def test_a_shipped_name_and_its_path_are_the_same_checkpoint():
    by_name, by_path = load("bijection-v8"), load(checkpoints._shipped() / "bijection-v8")
    assert by_name.card == by_path.card
