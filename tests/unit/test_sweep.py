"""A sweep trains every combination once, goes on after a stop, and says when its grid is too narrow."""

import json
import math
import statistics

import pytest
import torch

from tutorlib.evaluation import evaluate
from tutorlib.models import Transformer
from tutorlib.training import Setting, Sweep, TrainingPlan, sweep, train
from tutorlib.tunnels import Bijection

TUNNEL = Bijection(4)
PLAN = TrainingPlan(steps=30, batch=8, averaging=0.9)
GRID = {"matrix_rate": (0.001, 0.03), "embedding_rate": (0.001, 0.05)}


def build(plan):
    return Transformer(8, 7, width=8, generator=torch.Generator().manual_seed(plan.seed)), TUNNEL


def run(folder, rates=GRID, seeds=(0, 1), plan=PLAN, **options):
    generator = torch.Generator().manual_seed(7)
    return sweep(build, plan, rates, seeds, folder=folder, generator=generator, sequences=64, **options)


def lines(folder):
    return [json.loads(line) for line in (folder / "sweep.jsonl").read_text().splitlines()]


def test_every_combination_is_trained_and_measured_alike(tmp_path):
    found = run(tmp_path)
    rows = lines(tmp_path)
    tried = [(r["matrix_rate"], r["embedding_rate"], r["seed"]) for r in rows]
    assert tried == [(m, e, s) for m in (0.001, 0.03) for e in (0.001, 0.05) for s in (0, 1)]
    for setting in found.settings:
        own = [r["kl"] for r in rows if setting.rates.items() <= r.items()]
        assert setting.kl == tuple(own)
        assert setting.mean == pytest.approx(statistics.mean(own))
        assert setting.spread == pytest.approx(statistics.stdev(own))
    assert [s.mean for s in found.settings] == sorted(s.mean for s in found.settings)
    assert found.best is found.settings[0]
    assert found.best.rates == {"matrix_rate": 0.03, "embedding_rate": 0.05}, "the others are far too slow"

    # One run, by hand.
    plan = TrainingPlan(steps=30, batch=8, averaging=0.9, matrix_rate=0.03, embedding_rate=0.05, seed=1)
    model, _ = build(plan)
    result = train(model, TUNNEL, plan)
    by_hand = {}
    for weights, values in (("last", {}), ("averaged", result.average)):
        model.load_state_dict(model.state_dict() | values)
        by_hand[weights] = evaluate(model, TUNNEL, sequences=64, generator=torch.Generator().manual_seed(7))
    kept = min(by_hand, key=lambda weights: by_hand[weights].mean("kl"))
    assert rows[-1]["weights"] == kept
    assert found.best.kl[1] == by_hand[kept].mean("kl")
    assert rows[-1]["entropy_error"] == by_hand[kept].mean("entropy_error")
    assert rows[-1]["loss_bits"] == result.history[-1]["loss_bits"]


@pytest.mark.parametrize(("averaging", "weights"), [(0.0, "last"), (0.999, "last"), (0.9, "averaged")])
def test_the_better_weights_count(tmp_path, averaging, weights):
    plan = TrainingPlan(steps=300, batch=8, averaging=averaging, decay=0.0)  # no decay: the last ones shake
    run(tmp_path, {"matrix_rate": [0.1]}, [1], plan=plan)
    assert lines(tmp_path)[0]["weights"] == weights


def test_a_stopped_sweep_goes_on(tmp_path):
    class StopError(Exception):
        pass

    def stop(row):
        if row["seed"] == 1:
            raise StopError

    whole = run(tmp_path / "whole")
    with pytest.raises(StopError):
        run(tmp_path / "cut", on_run=stop)
    assert len(lines(tmp_path / "cut")) == 2
    done = tmp_path / "cut" / "matrix_rate=0.001,embedding_rate=0.001,seed=1" / "state.pt"
    before = done.stat().st_mtime_ns
    assert run(tmp_path / "cut") == whole
    assert done.stat().st_mtime_ns == before, "a finished run is not trained again"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_wider_grid_keeps_what_is_done(tmp_path, monkeypatch):
    narrow = run(tmp_path, {"matrix_rate": [0.01]}, [0])
    trained = []
    sample = Bijection.sample
    monkeypatch.setattr(Bijection, "sample", lambda self, n, g: trained.append(n) or sample(self, n, g))
    wide = run(tmp_path, {"matrix_rate": [0.01, 0.03]}, [0])
    assert trained.count(8) == PLAN.steps, "only the new value is trained"
    assert narrow.settings[0] in wide.settings


def test_a_run_that_diverges_is_infinitely_far_off(tmp_path):
    found = run(tmp_path, {"embedding_rate": [0.05, 1e38]}, [0, 1])
    assert found.best.rates == {"embedding_rate": 0.05}
    assert found.settings[1].mean == math.inf and math.isnan(found.settings[1].spread)
    row = lines(tmp_path)[-1]
    assert row["kl"] is None and row["diverged"].startswith("loss: not a number at step")
    assert "inf" in found.table()
    lost = run(tmp_path / "lost", {"embedding_rate": [1e38]}, [0])
    assert "*" not in lost.table()
    with pytest.raises(ValueError, match="every combination diverged for some seed; try smaller rates"):
        lost.edges()


def test_a_last_update_that_diverges_is_noticed(tmp_path):
    plan = TrainingPlan(steps=1, batch=8, warmup=0)  # the only loss is that of the starting weights
    found = run(tmp_path, {"embedding_rate": [1e38]}, [0], plan=plan)
    assert found.settings[0].kl == (math.inf,)
    assert lines(tmp_path)[0]["diverged"] == "weights: not a number after step 1"


def test_the_table_is_sorted_and_marks_the_best():
    grid = {"matrix_rate": (0.01, 0.03)}
    settings = [Setting({"matrix_rate": 0.03}, (0.1, 0.3)), Setting({"matrix_rate": 0.01}, (0.5, 0.5))]
    assert Sweep(grid, settings).table().splitlines() == [
        "       matrix_rate    KL, bits      spread   (2 seeds)",
        "*             0.03    0.200000    0.141421",
        "              0.01    0.500000    0.000000",
    ]
    single = Sweep(grid, [Setting({"matrix_rate": 0.03}, (0.1,))]).table()
    assert single.splitlines()[1].endswith("-") and "(1 seed)" in single


@pytest.mark.parametrize(
    ("values", "best", "sentences"),
    [
        ((0.01, 0.02, 0.03), 0.02, []),
        (
            (0.01, 0.02, 0.03),
            0.01,
            ["matrix_rate: the best value, 0.01, is the smallest tried; try smaller ones too"],
        ),
        (
            (0.03, 0.02, 0.01),
            0.03,
            ["matrix_rate: the best value, 0.03, is the largest tried; try larger ones too"],
        ),
        ((0.01,), 0.01, []),
    ],
)
def test_the_edge_of_the_grid_is_named(values, best, sentences):
    assert Sweep({"matrix_rate": values}, [Setting({"matrix_rate": best}, (0.1,))]).edges() == sentences


@pytest.mark.parametrize(
    ("rates", "seeds", "words"),
    [
        ({}, [0], "rates: expected matrix_rate or embedding_rate, got none"),
        ({"steps": [1]}, [0], "rates: expected matrix_rate or embedding_rate, got steps"),
        ({"matrix_rate": []}, [0], r"matrix_rate: expected values that differ, at least one, got \[\]"),
        ({"matrix_rate": [0.1, 0.1]}, [0], r"matrix_rate: expected values that differ, at least one"),
        ({"matrix_rate": [0.1, -0.1]}, [0], "matrix_rate: expected at least 0, got -0.1"),
        ({"matrix_rate": [0.1]}, [], r"seeds: expected values that differ, at least one, got \[\]"),
        ({"matrix_rate": [0.1]}, [1, 1], "seeds: expected values that differ"),
        ({"matrix_rate": [0.1]}, [0, "a"], "seed: expected an integer, got 'a'"),
    ],
)
def test_bad_sweeps_are_named_before_any_run(tmp_path, rates, seeds, words):
    with pytest.raises(ValueError, match=words):
        run(tmp_path, rates, seeds)
    assert not list(tmp_path.iterdir())


def test_no_sequences_to_measure_with(tmp_path):
    with pytest.raises(ValueError, match="sequences: expected at least 1, got 0"):
        sweep(build, PLAN, GRID, [0], folder=tmp_path, generator=torch.Generator(), sequences=0)
    assert not list(tmp_path.iterdir())
