"""Recipes: matched sizes, rates that come from the sweeps, and what ships beside what the recipes promise."""

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
    assert sorted(row["matrix_rate"] for row in rows) == sorted(RATES)
    assert all(row["seed"] == 0 for row in rows)
    chosen = RECIPES[f"{name}-{model}-seed0"].plan.matrix_rate
    (best,) = [row for row in rows if row["matrix_rate"] == chosen]
    assert best["kl"] == min(row["kl"] for row in rows if row["kl"] is not None)
    if f"{name}-{model}-seed0" in available():  # the sweep's run and the shipped one are the same run
        assert read_card(f"{name}-{model}-seed0")["measured"]["kl"] == pytest.approx(best["kl"], rel=1e-3)


def test_a_sweep_moves_the_recipe(tmp_path, monkeypatch):
    rows = [
        {"matrix_rate": rate, "seed": 0, "kl": kl} for rate, kl in zip(RATES, (0.3, None, 0.2), strict=True)
    ]
    monkeypatch.setattr(architectures, "sweep_results", lambda: {"hmm-gru": rows})
    recipes = architectures._recipes()
    assert recipes["hmm-gru-seed2"].plan.matrix_rate == RATES[2]
    assert recipes["hmm-lstm-seed2"].plan.matrix_rate == RATES[1]


def test_sets_ship_whole():
    """Three seeds or none, and a sweep with them."""
    shipped = set(available())
    for name, model in PAIRS:
        seeds = {f"{name}-{model}-seed{seed}" for seed in SEEDS}
        assert not seeds & shipped or (seeds <= shipped and f"{name}-{model}" in sweep_results())
