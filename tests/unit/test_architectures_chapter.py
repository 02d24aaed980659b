"""Chapter 10: its figures, its explorer as Python makes it, its checks, and the arithmetic behind its sentences."""

import itertools
import math
import re

import pytest
import torch

from tutorlib import bits
from tutorlib.checks import c10, c10_code
from tutorlib.explore import RecallMachine, recall
from tutorlib.figures import architectures as draw
from tutorlib.models import MODELS, build
from tutorlib.models.linear_attention import delta_rule
from tutorlib.recipes import RECIPES
from tutorlib.recipes.architectures import sweep_results
from tutorlib.tunnels import HMM, Recall

from chapter import CHAPTERS, load_chapter

# What the chapter says in code -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def defined():
    """The functions that the chapter defines, from its committed text."""
    chapter = load_chapter(next(p for p in CHAPTERS if p.stem == "10_architectures"))
    names: dict = {"torch": torch, "math": math, "pad": torch.nn.functional.pad, "bits": bits}
    names |= {"delta_rule": delta_rule}
    cells = {cell["id"]: cell["source"] for cell in chapter.cells}
    for name in ("c10-bag", "c10-memory-by-hand"):
        exec(cells[name], names)
    exec(cells["c10-memory-vectorised-code"].split("\nkeys, values")[0], names)
    exec(cells["c10-room"].split("\nneed =")[0], names)
    return names


def test_the_bag_filter_adds_up_all_orders(defined):
    """Against every order of a bag, each filtered by itself and weighed by how likely it is."""
    tunnel = HMM(law="printed")
    batch = tunnel.sample(3, torch.Generator().manual_seed(1))
    for T, E, symbols in zip(*tunnel.parameters(batch), batch.tokens.tolist(), strict=True):
        found = defined["bag_filter"](T.numpy(), E.numpy(), symbols[:5])
        for n in range(1, 6):
            total = torch.zeros(5, dtype=torch.float64)
            for order in set(itertools.permutations(symbols[:n])):
                alpha = E[:, order[0]] / 5
                for symbol in order[1:]:
                    alpha = (alpha @ T) * E[:, symbol]
                total += alpha
            assert torch.allclose(found[n - 1], total / total.sum(), atol=1e-12)


def test_look_ups_by_hand_and_at_once(defined):
    keys, values = torch.randn(2, 1, 7, 5, generator=torch.Generator().manual_seed(2))
    keys = torch.nn.functional.normalize(keys, dim=-1)
    for memory in ("running sum", "delta rule"):
        S = defined["fill"](memory, keys[0], values[0])
        assert torch.allclose(defined["look_up"](memory, keys, values)[0], keys[0] @ S.mT, atol=1e-5)


@pytest.mark.parametrize("name", ["transformer", "lstm", "gru", "mamba", "linear-attention", "deltanet"])
def test_numbers_kept_are_those_that_a_network_records(defined, name):
    """What the activations of one position hold that later positions can read."""
    model = build(name, vocab=10, context=6, width=8, layers=2)
    record: dict = {}
    with torch.no_grad():
        model(torch.tensor([[1, 2, 3, 4, 5, 6]]), record=record)

    def at(*endings):
        return sum(
            t.numel() // 6
            for key, t in record.items()
            if key.startswith("layer") and key.split(".")[-1] in endings
        )

    width, lags = 8, getattr(model, "kernel", 0) - 1
    expected = {
        "transformer": 2 * 2 * width * 6,
        "lstm": at("hidden", "cell"),
        "gru": at("hidden"),
        "mamba": 2 * 2 * width * (getattr(model, "state", 0) + lags),
        "linear-attention": 2 * (width * width + width + 3 * width * max(lags, 0)),
        "deltanet": 2 * (width * width + 3 * width * max(lags, 0)),
    }[name]
    assert defined["numbers_kept"](model, 6) == expected


def test_every_kind_has_a_number(defined):
    sizes = {"vocab": 10, "context": 6, "width": 8, "layers": 1}
    for name in MODELS:
        assert defined["numbers_kept"](build(name, **sizes), 6) >= 0
    assert defined["numbers_kept"](build("mlp-token", **sizes), 6) == 0


# Theorems --------------------------------------------------------------------------------------------------------


def test_a_matrix_binds_independent_keys_and_no_others():
    generator = torch.Generator().manual_seed(3)
    keys, values = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    few = torch.linalg.lstsq(keys[:4], values[:4]).solution  # [key features, value features]
    assert torch.allclose(keys[:4] @ few, values[:4], atol=1e-9)
    best = torch.linalg.lstsq(keys, values).solution
    assert (keys @ best - values).norm() > 0.1


def test_a_bag_knows_the_values_and_not_the_partners():
    tunnel = Recall(pairs=2, queries=1, keys=2, values=2)
    batch = tunnel.sample(200, torch.Generator().manual_seed(4))
    bags = {}
    for tokens, target in zip(batch.tokens.tolist(), batch.targets[:, 0].tolist(), strict=True):
        bags.setdefault(tuple(sorted(tokens)), []).append(target)
    for targets in bags.values():
        assert set(targets) == {2, 3}, "both values are possible for every bag"


def test_room_for_answers_is_a_bound_and_is_reached():
    """All memories of two states for two keys with different values out of three, by enumeration."""
    lists = list(itertools.permutations(range(3), 2))
    best = max(
        sum(any(reply == given for reply in replies) for given in lists) / len(lists)
        for replies in itertools.combinations(lists, 2)
    )
    assert best == pytest.approx(2 / (math.factorial(3) / math.factorial(1)))


# Checks ----------------------------------------------------------------------------------------------------------


def test_answers_are_what_the_library_says():
    for keys, values in c10_code._pairs():
        assert torch.allclose(c10_code.library_delta(keys, values), c10_code.delta_memory(keys, values))
    tunnel = Recall(pairs=4, queries=4, keys=8, values=8)
    batch = tunnel.sample(50, torch.Generator().manual_seed(5))
    assert torch.equal(c10_code.right_recall(batch.tokens), tunnel.exact(batch))
    assert torch.equal(c10_code._shown(batch.tokens), tunnel.value_shown(batch))
    assert torch.equal(c10_code._uniform(batch.tokens), tunnel.uniform(batch))


def test_luck_is_counted_from_the_sweeps():
    kls = [[row["kl"] for row in sweep_results()[f"recall-{kind}"]] for kind in ("mamba", "transformer")]
    assert sum(m < t for m in kls[0] for t in kls[1]) / 16 == c10.LUCK


@pytest.mark.parametrize("judge", [c10_code.write_delta, c10_code.write_recall])
def test_functions_may_fail_in_any_way(judge):
    assert "not answered yet" in judge(lambda *inputs: ...).message
    assert "stopped" in judge(lambda *inputs: undefined).message  # noqa: F821
    assert "got str" in judge(lambda *inputs: "S").message
    assert not judge(lambda *inputs: torch.tensor(float("nan"))).ok


def test_right_functions_may_return_lists_and_single_precision():
    assert c10_code.write_delta(lambda k, v: c10_code.delta_memory(k, v).float().tolist()).ok
    assert c10_code.write_recall(lambda tokens: c10_code.right_recall(tokens).float()).ok


# The longer runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bijection-lstm", "recall-lstm"])
def test_the_longer_runs_differ_in_their_steps_only(name):
    short, long = RECIPES[f"{name}-seed0"], RECIPES[f"{name}-long"]
    before, after = short.plan.facts(), long.plan.facts()
    assert before.pop("steps") < after.pop("steps")
    assert before == after
    assert (short.tunnel, short.tunnel_config, short.model, short.model_config) == (
        long.tunnel,
        long.tunnel_config,
        long.model,
        long.model_config,
    )


# The explorer ----------------------------------------------------------------------------------------------------


def test_memories_of_the_explorer_are_those_of_the_library():
    keys, values = recall.vectors(recall.drawn()[0], 5, "random")
    n = 9
    ones = torch.ones(n, dtype=torch.float64)
    twice = torch.cat((keys[:n], keys[:n]))
    given = torch.cat((values[:n], 0 * values[:n]))
    back = delta_rule(twice, twice, given, torch.cat((ones, 0 * ones)))[0][n:]
    assert recall.answers("delta", keys, values, n, 0) == (back @ values.mT).argmax(-1).tolist()
    total = keys[:n] @ keys[:n].mT @ values[:n]
    assert recall.answers("sum", keys, values, n, 0) == (total @ values.mT).argmax(-1).tolist()


@pytest.mark.parametrize("width", range(2, 9))
def test_keys_at_right_angles_are_all_recalled_up_to_the_width(width):
    keys, values = recall.vectors(recall.drawn()[0], width, "right")
    for memory in recall.MEMORIES:
        assert recall.answers(memory, keys, values, width, 40) == list(range(width)), memory


def test_the_newest_pair_of_the_delta_rule_is_whole():
    for draw_ in recall.drawn():
        keys, values = recall.vectors(draw_, 6, "random")
        for pairs in range(1, 25):
            assert recall.answers("delta", keys, values, pairs, 0)[-1] == pairs - 1


def test_a_flat_softmax_gives_every_key_one_answer():
    keys, values = recall.vectors(recall.drawn()[0], 6, "random")
    assert len(set(recall.answers("softmax", keys, values, 8, 0))) == 1
    assert recall.answers("softmax", keys, values, 8, 40) == list(range(8))


def test_the_words_of_the_explorer_are_its_numbers():
    text = RecallMachine().text
    keys, values = recall.vectors(recall.drawn()[0], recall.START["width"], "random")
    for memory, name in recall.MEMORIES.items():
        found = recall.answers(memory, keys, values, recall.START["pairs"], recall.START["sharp"])
        right = sum(a == b for a, b in enumerate(found))
        assert re.search(rf"{name} {right}\b", text)


# Figures ---------------------------------------------------------------------------------------------------------


def test_dots_and_circles_are_where_they_are_given():
    seeds = {"a": {"x": [0.1, 0.2], "y": [1.0]}, "b": {"x": [0.0], "y": [2.0]}}
    rates = {"a": {"x": [0.5], "y": [3.0]}, "b": {"x": [4.0], "y": [0.3]}}
    figure = draw.seeds_and_rates(seeds, rates, {"a": {"blind": 1.3}, "b": {}})
    first = [line.get_xdata() for line in figure.axes[0].lines[:4]]
    assert [list(x) for x in first] == [[0.5], [0.1, 0.2], [3.0], [1.0]]
    assert list(figure.axes[1].lines[1].get_xdata()) == [draw.LEAST], "what is nothing is drawn at the edge"
    assert figure.axes[0].texts[0].get_text() == "blind"


def test_curves_are_drawn_as_given():
    figure = draw.recall_by_pairs({"a": [1.0, 0.5], "b": [1.0, 1.0]}, 2)
    assert list(figure.axes[0].lines[0].get_ydata()) == [1.0, 0.5]
    figure = draw.silhouettes({"a": [0.2, 0.3]}, [2, 3])
    assert list(figure.axes[0].lines[0].get_xdata()) == [2, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.seeds_and_rates({}, {}, {}), "seeds, rates: expected the networks"),
        (lambda: draw.seeds_and_rates({"a": {"x": [1]}}, {"a": {"y": [1]}}, {"a": {}}), "networks x in every task"),
        (lambda: draw.recall_by_pairs({}, 2), "curves: expected 1 to 5 memories, got 0"),
        (lambda: draw.silhouettes({}, [2]), "curves: expected 1 to 5 sets of points, got 0"),
    ],
)  # fmt: skip
def test_figures_refuse_what_they_cannot_draw(make, message):
    with pytest.raises(ValueError, match=message):
        make()
