"""tutorlib.formation: exchanged attention, settling, phases, and the stored study against runs made again."""

import copy

import pytest
import torch

from tutorlib import formation, snapshots
from tutorlib.formation import runs
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection, Markov

STUDY = formation.study()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["bijection-v20-watched", "hmm-watched"])
def test_with_its_own_maps_a_network_is_itself(name):
    run = snapshots.load(name)
    batch = run.tunnel.sample(8, seeded(0))
    early, late = run.steps[3], run.steps[-1]
    model = run.at(late)
    maps = formation.attention_maps(model, batch)
    with torch.no_grad():
        own = model(batch.tokens, header=batch.header)
    torch.testing.assert_close(formation.answers_with(model, batch, maps), own, rtol=0, atol=1e-4)
    assert all(torch.allclose(layer.sum(-1), torch.ones(())) for layer in maps)
    before = formation.attention_maps(run.at(early), batch)
    exchanged = formation.answers_with(run.at(late), batch, before)
    assert (exchanged - own).abs().max() > 0.1


def test_maps_that_do_not_fit_are_refused():
    tunnel = Bijection(4)
    model, batch = Transformer(tunnel.vocab, tunnel.length, width=4), tunnel.sample(2, seeded(0))
    maps = formation.attention_maps(model, batch)
    for wrong in (maps * 2, [maps[0][:, :, :3]], "maps", [1.0]):
        with pytest.raises(ValueError, match="maps: expected"):
            formation.answers_with(model, batch, wrong)
    with pytest.raises(ValueError, match="model: expected"):
        formation.attention_maps("model", batch)


def test_what_is_written_does_not_depend_on_how_a_head_counts():
    model = snapshots.load("bijection-v20-watched").at(6000)
    turned = copy.deepcopy(model)
    attention = turned.blocks[0].attention
    a = torch.linalg.qr(torch.randn(32, 32, generator=seeded(1)))[0] * 1.5
    with torch.no_grad():
        attention.value.weight.copy_(a @ attention.value.weight)
        attention.output.weight.copy_(attention.output.weight @ torch.linalg.inv(a))
    tokens = torch.arange(20, 40)
    before, after = (formation.value_cosines(m, tokens) for m in (model, turned))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-4)


def test_settled_and_done():
    steps, curve = [0, 10, 20, 30, 40], [1.0, 0.05, 0.3, 0.08, 0.0]
    assert formation.settled(steps, curve, 0.1) == 30 and formation.settled(steps, curve, 0.4) == 10
    assert formation.settled(steps, [1, 0.1, 0.01, 0.001, 0.0001], 0.3, "log") == 30
    assert formation.settled(steps, [2.0] * 5, 0.1) == 0
    assert formation.done(steps, curve, 0.1) == 30 and formation.done(steps, curve, 2) == 0
    assert formation.done(steps, [1.0] * 5, 0.5) is None
    for bad in (
        lambda: formation.settled(steps, curve[:2], 0.1),
        lambda: formation.settled(steps, curve, 1.5),
        lambda: formation.settled(steps, curve, 0.1, "log"),
        lambda: formation.settled(steps, curve, 0.1, "square"),
        lambda: formation.settled(steps[::-1], curve, 0.1),
        lambda: formation.done(steps, curve, "much"),
        lambda: formation.done(steps, [float("nan")] * 5, 0.1),
        lambda: formation.nearest({}),
        lambda: formation.nearest({"a": [1.0], "b": [1.0, 2.0]}),
    ):
        with pytest.raises(ValueError, match="expected"):
            bad()


def test_induction_places_by_hand():
    (table,) = formation.induction_places(torch.tensor([[0, 1, 0, 0]])).int()
    assert table.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1]]


# --- the stored study


def test_the_study_is_whole():
    assert set(STUDY["bijection"]) == set(STUDY["markov"]) == {str(s) for s in formation.SEEDS}
    assert set(STUDY["diversity"]) == {str(m) for m in formation.TASKS}
    for story in (*STUDY["bijection"].values(), *STUDY["routing"].values(), *STUDY["values"].values()):
        assert tuple(story["step"]) == runs.BIJECTION_STEPS
        assert story["with_these_maps"][-1] == pytest.approx(story["kl"][-1], rel=1e-3)
        assert story["with_late_maps"][-1] == pytest.approx(story["kl"][-1], rel=1e-3)
    for story in STUDY["markov"].values():
        assert tuple(story["step"]) == runs.MARKOV_STEPS


@pytest.mark.slow
@pytest.mark.parametrize("freeze", [None, "values"])
def test_a_bijection_run_made_again_agrees(freeze):
    tunnel = Bijection(runs.SYMBOLS)
    kept = runs.run_bijection(3, freeze)
    again = formation.measure_bijection(kept, tunnel, tunnel.sample(128, seeded(2026)))
    stored = STUDY[freeze or "bijection"]["3"]
    early = range(6)  # later, rounding on another machine has grown
    for key in ("on_values", "kl", "mae", "value_cosine"):
        for i in early:
            assert again[key][i] == pytest.approx(stored[key][i], rel=0.02, abs=1e-3), (key, i)
    assert again["kl"][-1] == pytest.approx(stored["kl"][-1], rel=0.5)
    attention = kept[1500].blocks[0].attention
    before = kept[runs.FROZEN_AT].blocks[0].attention
    for part, names in runs.PARTS.items():
        for name in names:
            same = torch.equal(getattr(attention, name).weight, getattr(before, name).weight)
            assert same == (freeze == part)


@pytest.mark.slow
def test_a_run_on_few_tasks_made_again_agrees():
    batch = runs.markov().sample(128, seeded(2026))
    again = formation.measure_markov(runs.run_markov(0, 2), batch, 2)
    stored = STUDY["diversity"]["2"]["0"]["new"]
    for key in ("uniform", "unigram", "bigram", "few"):
        for i in range(4):
            assert again[key][i] == pytest.approx(stored[key][i], rel=0.02, abs=1e-3), (key, i)
    assert again["few"][-1] < 0.15 < 0.4 < again["bigram"][-1]


def test_distances_are_those_of_the_observers():
    """A network whose answer is nearly uniform is at no distance from the uniform observer."""
    model = Transformer(3, 32, width=8, layers=2, heads=2, positions="distance", generator=seeded(0))
    with torch.no_grad():
        model.embedding.weight.mul_(0)
    batch = Markov(3, 32).sample(16, seeded(1))
    found = formation.measure_markov({0: model}, batch, 4)
    assert found["uniform"][0] < 1e-6 < found["unigram"][0] < found["bigram"][0]
    assert found["with_these_maps"] == found["with_late_maps"]
