"""Chapter 07: the reader's tunnel in the library, the chapter's theorems, its figures, its checks, its explorer."""

import itertools
import json
import math
from fractions import Fraction

import pytest
import torch

from tutorlib import bits, checkpoints, tunnels
from tutorlib.checks import c07, c07_tunnel
from tutorlib.evaluation import equivalent_window, evaluate, ladder
from tutorlib.explore import FoolTheMeasure
from tutorlib.explore import measures as explorer
from tutorlib.figures import measures as draw
from tutorlib.models import SumMLP, Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import TUNNELS, Bijection, Coin, Diversity, Tunnel, register

# The reader's own tunnel, as the chapter writes it ------------------------------------------------------------------


@pytest.fixture
def cells(root):
    found = json.loads((root / "chapters" / "07_wind_tunnels.ipynb").read_text("utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in found}


@pytest.fixture
def scope(cells):
    """The names that the chapter's cells have up to the tunnel, which is registered for this test only."""
    names: dict = {}
    for cell in ("c07-imports", "c07-class", "c07-brute"):
        exec(cells[cell], names)
    yield names
    TUNNELS.pop("jukebox", None)


def test_the_class_is_as_short_as_the_chapter_says(cells):
    assert len(cells["c07-class"].splitlines()) <= 40


def sets_that_fit(heard, songs, records):
    return [s for s in itertools.combinations(range(songs), records) if set(heard) <= set(s)]


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_every_window_is_the_list_of_all_jukeboxes(scope, seeded, steps):
    tunnel = scope["Jukebox"](6, 3, 5)
    batch = tunnel.sample(60, seeded(3))
    found = tunnel.window(batch, steps)
    for game, answer in zip(batch.targets.tolist(), found, strict=True):
        for k in range(5):
            heard = game[max(0, k - steps) : k]
            fit = sets_that_fit(heard, 6, 3)
            expected = [Fraction(sum(song in s for s in fit), 3 * len(fit)) for song in range(6)]
            assert answer[k, :6].tolist() == pytest.approx([float(x) for x in expected], abs=1e-12)
            assert answer[k, 6] == 0


def test_the_sampler_draws_what_the_formula_says(scope, seeded):
    """How often a game of three plays from two of three records comes up, beside its exact probability."""
    tunnel = scope["Jukebox"](3, 2, 3)
    games = tunnel.sample(30_000, seeded(4)).targets.tolist()
    for game in itertools.product(range(3), repeat=3):
        expected = sum(Fraction(1, 3) * Fraction(1, 8) for s in sets_that_fit(game, 3, 2))
        share = games.count(list(game)) / len(games)
        assert share == pytest.approx(float(expected), abs=0.008), game


def test_it_gets_everything_without_a_change_elsewhere(scope, seeded, tmp_path):
    """Ladder, loop, evaluation, resumption, another law, another length, checkpoint and snapshots."""
    tunnel = scope["Jukebox"](5, 2, 6)
    rungs = ladder(tunnel, sequences=200, generator=seeded(1))
    heights = [
        rungs[name].mean("kl") for name in ("uniform", *map(tunnel.window_name, tunnel.rungs), "exact")
    ]
    assert heights == sorted(heights, reverse=True) and heights[-1] < 1e-12
    assert equivalent_window(heights[2], tunnel, rungs) == pytest.approx(2)

    def net():
        return Transformer(6, 6, 8, generator=seeded(0))

    plan, whole, halves = TrainingPlan(steps=40, batch=8), net(), net()
    run = train(whole, tunnel, plan, log_every=20)
    assert run.history[-1]["loss_bits"] < math.log2(6)
    with pytest.raises(RuntimeError, match="stop"):
        train(
            halves,
            tunnel,
            plan,
            folder=tmp_path,
            log_every=20,
            save_every=20,
            on_log=lambda step, model: stop(),
        )
    halves = net()
    train(halves, tunnel, plan, folder=tmp_path, log_every=20, save_every=20)
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b)
    longer = tunnel.at_length(9)
    assert longer.config() == {"songs": 5, "records": 2, "plays": 9}
    wide = tunnel.changed(records=3)  # believes in three records, and hears two
    law = evaluate(wide.exact, wide, sequences=200, generator=seeded(2), law=tunnel)
    assert law.mean("law_kl") > 0.1 and law.mean("kl") < 1e-9
    checkpoints.save(tmp_path / "mine", whole, tunnel, {"note": "a test"})
    back = checkpoints.load(tmp_path / "mine")
    assert type(back.tunnel) is scope["Jukebox"] and back.tunnel.config() == tunnel.config()
    batch = tunnel.sample(4, seeded(5))
    assert torch.equal(back.model(batch.tokens), whole(batch.tokens))


def stop():
    raise RuntimeError("stop")


def test_a_checkpoint_whose_tunnel_is_not_known_says_what_to_do(scope, seeded, tmp_path):
    tunnel = scope["Jukebox"](5, 2, 6)
    checkpoints.save(tmp_path / "mine", SumMLP(6, 6, 4), tunnel, {})
    del TUNNELS["jukebox"]
    with pytest.raises(checkpoints.CheckpointError, match=r"got 'jukebox'; .* needs tunnels.register first"):
        checkpoints.load(tmp_path / "mine")
    register(scope["Jukebox"])
    assert checkpoints.load(tmp_path / "mine").tunnel.name == "jukebox"


def test_a_registered_tunnel_that_draws_tasks_can_be_limited(seeded):
    @register
    class Ours(Coin):
        name = "our-coin"

    try:
        assert type(Diversity("our-coin", {"tosses": 4}, tasks=3).base) is Ours

        @register
        class Again(Coin):
            name = "our-coin"

        assert TUNNELS["our-coin"] is Again, "a cell that is run twice registers its new class"
    finally:
        del TUNNELS["our-coin"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Coin(4), "expected a class of tunnels, got"),
        (dict, "expected a class of tunnels"),
        (type("Nameless", (Tunnel,), {}), "expected a class with a name, got Nameless"),
        (type("Coin", (Coin,), {}), "no tunnel of the library has, got 'coin'"),
    ],
)
def test_what_cannot_be_registered(kind, message):
    before = dict(TUNNELS)
    with pytest.raises(ValueError, match=message):
        register(kind)
    assert before == TUNNELS == tunnels.TUNNELS


# Sentences of the chapter -------------------------------------------------------------------------------------------


def test_for_windows_the_entropy_error_is_the_kl_at_every_question(scope, seeded):
    tunnel = scope["Jukebox"]()
    for steps in (1, 5, 12):
        found = evaluate(lambda b, w=steps: tunnel.window(b, w), tunnel, sequences=100, generator=seeded(1))
        torch.testing.assert_close(found.values["entropy_error"], found.values["kl"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("outcomes", [2, 3, 7])
def test_who_bounds_whom(outcomes, seeded):
    """All four parts of the theorem, on pairs with and without zeros, and near the bounds."""
    raw = torch.rand(2, 20_000, outcomes, generator=seeded(outcomes)).double() ** 6
    raw[0] *= torch.rand(20_000, outcomes, generator=seeded(1)) < 0.6  # zeros in p
    raw[0, :, 0] += 1e-9
    p, q = raw / raw.sum(-1, keepdim=True)
    kl, tv = bits.kl_divergence(p, q), bits.total_variation(p, q)
    impossible = torch.where(p > 0, 0.0, q).sum(-1)
    binary = bits.entropy(torch.stack([tv, 1 - tv], -1).clamp(0, 1))
    assert (impossible <= tv + 1e-9).all() and (impossible <= 1 - 2**-kl + 1e-9).all()
    assert (tv <= (kl * math.log(2) / 2).sqrt() + 1e-9).all()
    gap = (bits.entropy(p) - bits.entropy(q)).abs()
    bound = tv * math.log2(outcomes - 1) + binary
    assert (gap <= bound + 1e-9).all() and float((bound - gap).min()) < 0.05
    # Part 2 is met with equality if the possible outcomes keep their proportions.
    sure = torch.cat([q, torch.zeros(len(q), 1)], 1)
    leaky = torch.cat([0.9 * q, torch.full((len(q), 1), 0.1)], 1)
    torch.testing.assert_close(2 ** -bits.kl_divergence(sure, leaky), torch.full((len(q),), 0.9).double())


def test_quiz_numbers():
    assert abs(1 - 2**-0.02 - 0.0138) < 5e-5
    assert float(bits.kl_divergence([0.5, 0.5, 0, 0], [0.45, 0.45, 0.1, 0])) == pytest.approx(
        float(bits.kl_divergence([0.5, 0.5, 0, 0], [0.45, 0.45, 0.05, 0.05]))
    )
    tunnel = Bijection(20)
    found = evaluate(
        tunnel.position_lookup, tunnel, sequences=2000, generator=torch.Generator().manual_seed(1)
    )
    assert found.mean("impossible") == pytest.approx(0.475, abs=0.005)


def test_the_tables_rows_are_what_was_shown(cells, seeded):
    scope: dict = {}
    exec(cells["c07-imports"], scope)
    exec(cells["c07-table"], scope)
    batch = Bijection(8).sample(400, seeded(6))
    lists, sets = scope["list_of_pairs"](batch), scope["set_of_values"](batch)
    keys, values = batch.tokens[:, ::2].tolist(), batch.targets.tolist()
    by_list, by_set = {}, {}
    for game in range(400):
        for k in range(8):
            pairs = tuple(zip(keys[game][:k], values[game][:k], strict=True))
            assert by_list.setdefault(int(lists[game, k]), pairs) == pairs
            used = frozenset(values[game][:k])
            assert by_set.setdefault(int(sets[game, k]), used) == used
    assert len(set(by_list.values())) == len(by_list) and len(set(by_set.values())) == len(by_set)


# Checks -------------------------------------------------------------------------------------------------------------


def test_numbers_of_the_exercises():
    assert math.comb(30, 5) == 142_506 and pytest.approx(64_000 / 142_506) == c07.MET
    fit = sets_that_fit([0, 1], 12, 5)
    assert sum(2 in s for s in fit) / len(fit) / 5 == pytest.approx(c07.NEXT)
    assert (c07.EACH, c07.FIRST) == (0.625, 0.125)
    assert abs(0.70 * (4 - c07.WINDOW) + 0.50 * (c07.WINDOW - 3) - 0.55) < 1e-9


@pytest.mark.parametrize("size", [2, 3, 4])
def test_never_twice_running_by_all_games(size):
    """The list in the check, beside the probability of whole games: Bayes from the law itself."""
    songs, records = 5, 3

    def law(game, inside):
        if not set(game) <= set(inside) or any(a == b for a, b in itertools.pairwise(game)):
            return Fraction(0)
        return Fraction(1, records) * Fraction(1, records - 1) ** (len(game) - 1)

    sets = list(itertools.combinations(range(songs), records))
    for game in itertools.product(range(songs), repeat=size):
        whole = sum(law(game, s) for s in sets)
        if not whole:
            continue
        found = c07_tunnel.listed(game, songs, records, repeats=False)
        for song in range(songs):
            assert found[song] == pytest.approx(float(sum(law((*game, song), s) for s in sets) / whole))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([0.5, 0.5, 0.5, -0.5], "sum 1"),
        ([math.nan] * 4, "sum 1"),
        ([0.02, 0.02, 0.02, 0.94], "more even"),
    ],
)
def test_odd_answers_of_the_fool(answer, words):
    verdict = c07.fools_the_entropy(answer)
    assert not verdict.ok and words in verdict.message


class Broken(c07_tunnel.NO_REPEAT):
    def window(self, batch, steps):
        return super().window(batch, steps)[..., :-1]


class Favourite(c07_tunnel.NO_REPEAT):
    def sample(self, batch, generator):
        drawn = super().sample(batch, generator)
        return type(drawn)(drawn.tokens.clamp(max=6), drawn.targets[:, :4])


@pytest.mark.parametrize(
    ("answer", "words"),
    [(Broken, "expected shape"), (Favourite, "expected tokens and targets"), (Coin, "it stopped")],
)
def test_odd_tunnels_are_judged_kindly(answer, words):
    verdict = c07_tunnel.no_repeat_tunnel(answer)
    assert not verdict.ok and words in verdict.message


# Figures ------------------------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_the_memory_needed():
    figure = draw.memory_needed({"a": (4, 20, "steps"), "b": (19, 19, "pairs")})
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([1, 0.2, 1, 1])
    assert [text.get_text() for text in figure.axes[0].texts] == ["4 of 20 steps", "19 of 19 pairs"]


def test_the_bounds_drawn_are_those_of_the_theorem():
    some = torch.tensor([0.1, 0.2])
    figure = draw.who_bounds_whom(some, some, some, {"x": (math.inf, 0.5, 0.0)}, 4)
    left, right = figure.axes
    x, y = left.lines[0].get_data()
    assert y.tolist() == pytest.approx([min(1, math.sqrt(a * math.log(2) / 2)) for a in x], abs=1e-6)
    x, y = right.lines[0].get_data()
    assert max(y) == pytest.approx(2, abs=1e-4) and max(x) == pytest.approx(0.75)
    assert left.texts[0].get_text() == "x (infinite)" and right.texts[0].get_text() == "x"


def test_the_fraud_is_drawn_beside_every_game():
    exact = torch.tensor([[2.0, 1.0], [2.0, 0.5]])
    lines = draw.entropies_of_games(exact, [2.0, 0.75], "clock").axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[2.0, 1.0], [2.0, 0.5], [2.0, 0.75]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.memory_needed({}), "at least one task"),
        (lambda: draw.memory_needed({"a": (3, 2, "steps")}), "expected 0 to 2 steps for a, got 3"),
        (lambda: draw.who_bounds_whom(torch.ones(2), torch.ones(3), torch.ones(2), {}, 4), "one length"),
        (lambda: draw.entropies_of_games(torch.ones(2, 3), [1.0], "x"), "expected 3 positions, got 1"),
        (lambda: draw.entropies_of_games(torch.ones(3), [1.0], "x"), "exact: "),
    ],
)
def test_figures_refuse_what_they_cannot_draw(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The explorer as Python makes it ------------------------------------------------------------------------------------


def test_its_games_follow_the_theorem(scope):
    tunnel = scope["Jukebox"](6, 3, 4)
    for heard in explorer.GAMES:
        tokens = torch.tensor([[6, *(explorer.SONGS.index(song) for song in heard)]])
        exact = tunnel.exact(tunnels.Batch(tokens, torch.zeros(1, 4, dtype=torch.int64)))[0, 3, :6]
        assert explorer.exact(heard) == pytest.approx(exact.tolist())
    for weights, heard in zip(explorer.EXACT, explorer.GAMES, strict=True):
        assert explorer.shares(weights) == pytest.approx(explorer.exact(heard))


def test_its_measures_are_the_librarys():
    for answers in explorer.PRESETS.values():
        for heard, weights in zip(explorer.GAMES, answers, strict=True):
            p, q = explorer.exact(heard), explorer.shares(weights)
            gap = abs(float(bits.entropy(q)) - float(bits.entropy(p)))
            expected = [gap, float(bits.kl_divergence(p, q)), float(bits.total_variation(p, q))]
            assert explorer.measures(p, q)[:3] == pytest.approx(expected, abs=1e-6)
    assert explorer.averaged_first(explorer.PRESETS["Clock"]) < 0.005
    assert not any(any(explorer.solved(answers)) for answers in explorer.PRESETS.values())


def test_the_explorer_is_small_and_the_same_twice():
    html = FoolTheMeasure().html()
    assert html == FoolTheMeasure().html()
    assert len(html.encode()) < 30_000
    assert "http" not in html and " id=" not in html
