"""Recipes: matched sizes, rates that come from the sweeps, and what ships beside what the recipes promise."""

import itertools

import pytest

from tutorlib.checkpoints import available, read_card
from tutorlib.models import MODELS, count_parameters
from tutorlib.recipes import RECIPES, architectures
from tutorlib.recipes.architectures import RATES, SEEDS, SETTINGS, sweep_results

PAIRS = [(name, model) for name, setting in SETTINGS.items() for model in setting.models]


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_sizes_are_matched_and_only_the_seed_differs(name, model):
    built = RECIPES[f"{name}-{model}-seed0"].build()[0]
    assert count_parameters(built) == pytest.approx(SETTINGS[name].parameters, rel=0.1)
    plans = [RECIPES[f"{name}-{model}-seed{seed}"].plan.facts() for seed in SEEDS]
    assert [plan.pop("seed") for plan in plans] == list(SEEDS)
    assert plans[0] == plans[1] == plans[2]


def test_every_architecture_is_compared_on_every_tunnel():
    for setting in SETTINGS.values():
        assert set(setting.models) | {"mlp-window"} == set(MODELS)  # a window is a yardstick of its own


@pytest.mark.parametrize(("name", "model"), [pair for pair in PAIRS if "-".join(pair) in sweep_results()])
def test_the_rate_is_the_best_of_the_sweep(name, model):
    rows = sweep_results()[f"{name}-{model}"]
    assert sorted(tuple(row[rate] for rate in RATES) for row in rows) == sorted(
        itertools.product(*RATES.values())
    )
    assert all(row["seed"] == 0 for row in rows)
    plan = RECIPES[f"{name}-{model}-seed0"].plan
    (best,) = [row for row in rows if all(row[rate] == getattr(plan, rate) for rate in RATES)]
    assert best["kl"] == min(row["kl"] for row in rows if row["kl"] is not None)
    if f"{name}-{model}-seed0" in available():  # the sweep's run and the shipped one are the same run
        assert read_card(f"{name}-{model}-seed0")["measured"]["kl"] == pytest.approx(best["kl"], rel=1e-3)


def test_a_sweep_moves_the_recipe(monkeypatch):
    grid = list(itertools.product(*RATES.values()))
    rows = [
        {**dict(zip(RATES, rates, strict=True)), "kl": kl}
        for rates, kl in zip(grid, (0.3, None, 0.4, 0.2), strict=True)
    ]
    monkeypatch.setattr(architectures, "sweep_results", lambda: {"hmm-gru": rows})
    recipes = architectures._recipes()
    for name, expected in (("hmm-gru-seed2", grid[3]), ("hmm-lstm-seed2", grid[0])):
        assert tuple(getattr(recipes[name].plan, rate) for rate in RATES) == expected


def test_sets_ship_whole():
    """Three seeds or none, and a sweep with them."""
    shipped = set(available())
    for name, model in PAIRS:
        seeds = {f"{name}-{model}-seed{seed}" for seed in SEEDS}
        assert not seeds & shipped or (seeds <= shipped and f"{name}-{model}" in sweep_results())
