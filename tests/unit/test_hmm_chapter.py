"""Chapter 09: its checks agree with counting paths and the library, its figures and explorer show what they are given."""

import itertools
import math
import re

import matplotlib.pyplot as plt
import pytest
import torch

from tutorlib import bits
from tutorlib.checkpoints import Checkpoint, load
from tutorlib.checks import c09
from tutorlib.explore import BeliefStrip
from tutorlib.explore.beliefs import _fixed, pack_filter
from tutorlib.figures import hmm as draw
from tutorlib.models import LSTM, Transformer
from tutorlib.recipes import RECIPES
from tutorlib.tunnels import HMM, Bijection


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


# Checks ------------------------------------------------------------------------------------------------------------


def test_the_layout_is_the_tunnels():
    assert HMM(4, 6, 10, law="coded", header="tokens").length == c09.TOKENS


def test_the_average_undone():
    per_position = [c09.WITHIN] * 20 + [c09.BEYOND] * 30
    assert sum(per_position) / 50 == pytest.approx(c09.AT_50)


def test_the_variance_of_a_draw_by_listing_them():
    one_hot = torch.eye(3, dtype=torch.float64)
    belief = torch.tensor(c09.BELIEF, dtype=torch.float64)
    assert float(belief @ ((one_hot - belief) ** 2).sum(-1)) == pytest.approx(c09.VARIANCE)


def test_the_window_is_the_mixture():
    share = c09.WINDOW - 1
    assert (1 - share) * c09.ONE + share * c09.TWO == pytest.approx(c09.NETWORK)


def test_one_step_is_the_tunnels_target():
    tunnel = HMM()
    batch = tunnel.sample(4, torch.Generator().manual_seed(1))
    T, E = batch.header.split(5, -1)
    states = batch.targets - 5
    for row in range(4):
        found = c09.one_step(states[row, :-1], T[row], E[row].T[batch.tokens[row, 1:]])
        torch.testing.assert_close(found, tunnel.one_step_targets(batch)[row, 1:, 5:])


def test_two_symbols_by_counting_paths():
    """The belief at the third symbol from the last two: every path of three states votes, the first symbol unseen."""
    tunnel = HMM(observations=3)
    batch = tunnel.sample(1, torch.Generator().manual_seed(2))
    T, E = (table[0] for table in batch.header.split(5, -1))
    _, second, third = batch.tokens[0].tolist()
    votes = torch.zeros(5, dtype=torch.float64)
    for i, j, k in itertools.product(range(5), repeat=3):
        votes[k] += 0.2 * T[i, j] * E[j, second] * T[j, k] * E[k, third]
    torch.testing.assert_close(c09.last_two(batch.tokens, batch.header)[0, 2], votes / votes.sum())


# Networks ----------------------------------------------------------------------------------------------------------

ONE_CHANGE = {
    "hmm-learned": {"positions"},
    "hmm-sampled-cooled": {"targets"},
    "hmm-sampled-hot": {"batch", "matrix_rate", "decay", "averaging", "targets"},
}


@pytest.mark.parametrize("name", ONE_CHANGE)
def test_networks_that_are_compared_differ_in_what_the_chapter_says(name):
    watched, other = RECIPES["hmm-watched"], RECIPES[name]
    pairs = [
        (watched.model_config, other.model_config),
        (vars(watched.plan), vars(other.plan)),
        (watched.tunnel_config, other.tunnel_config),
    ]
    assert {key for a, b in pairs for key in a if a[key] != b[key]} == ONE_CHANGE[name]


def test_the_two_networks_of_the_next_symbol_differ_in_the_law():
    coded, sticky = RECIPES["hmm-next"], RECIPES["hmm-sticky-next"]
    assert coded.plan == sticky.plan and coded.model_config == sticky.model_config
    assert {**coded.tunnel_config, "law": "sticky"} == sticky.tunnel_config


# Figures -----------------------------------------------------------------------------------------------------------


def test_tables_show_every_number():
    T, E = torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.tensor([[0.1, 0.9], [0.6, 0.4]])
    left, right = draw.tables(T, E, "ab").axes
    assert [text.get_text() for text in left.texts] == ["0.25", "0.75", "0.50", "0.50"]
    assert [text.get_text() for text in right.texts] == ["0.10", "0.90", "0.60", "0.40"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["a", "b"]


def test_curves_are_those_given():
    (axis,) = draw.learning_runs({"hot": {64: 0.1, 128: 0.2}}, {"last symbol": 0.03}, 0.001).axes
    assert axis.lines[0].get_xydata().tolist() == [[0, 0.001], [64, 0.1], [128, 0.2]]
    (axis,) = draw.errors_by_position({"net": torch.tensor([0.5, 0.25])}, 1, "KL, bits").axes
    assert axis.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.25]]
    assert axis.lines[1].get_xdata()[0] == 1.5, "the line stands between the trained positions and the others"
    (axis,) = draw.nearest_window({"law": {1: 0.5, 2: 0.25}}, {"law": 0.125}).axes
    assert axis.lines[0].get_ydata().tolist() == [0.5, 0.25]
    assert set(axis.lines[1].get_ydata()) == {0.125}
    left, right = draw.old_symbols({"a": {"exact": [0.5, 0.1, 0.0]}, "b": {"exact": [0.5]}}).axes
    assert left.lines[0].get_xydata().tolist() == [[0, 0.5], [1, 0.1]], "no zero on a logarithmic scale"
    assert right.get_legend() and not left.get_legend()


def test_the_number_line_is_in_order():
    rows = {"small": 0.01, "large": 1.0, "middle": 0.1}
    (axis,) = draw.number_line(rows, dict.fromkeys(rows, "model"), "bits").axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["large", "middle", "small"]
    assert [line.get_xdata()[0] for line in axis.lines] == [1.0, 0.1, 0.01]


# Explorer ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strip():
    return BeliefStrip()


def test_the_explorer_fits_and_is_the_same_twice(strip):
    assert len(strip.html().encode()) <= 160_000 and BeliefStrip().html() == strip.html()
    outside = re.sub(r'"weights":"[^"]*"', "", strip.html())
    assert not re.search(r"https?:|src=|@import|url\(|position: *fixed", outside)


def test_the_first_state_is_the_librarys(strip):
    scene = strip.data["scenes"][0]
    T, E = (torch.tensor(scene[name], dtype=torch.float64) for name in "TE")
    prior = torch.full((5,), 0.2, dtype=torch.float64)
    for symbol in scene["symbols"]:
        belief = prior * E[:, symbol]
        belief = belief / belief.sum()
        prior = belief @ T
    shown = [float(x) for x in re.findall(r'<td class="exact">([\d.]+)', strip.html())]
    assert shown == pytest.approx(belief.tolist(), abs=5.1e-5)
    model = load("hmm-watched").model
    with torch.no_grad():
        tokens = torch.tensor([scene["symbols"]])
        logits = model(tokens, header=torch.cat((T, E), -1)[None])[0, -1]
    network = [float(x) for x in re.findall(r'<td class="network">([\d.]+)', strip.html())]
    assert network == pytest.approx(logits.softmax(-1)[5:].tolist(), abs=2e-3), "but for weights of 16 bits"
    kl = float(bits.kl_from_logits(torch.cat((torch.zeros(5), belief)), logits))
    said = float(re.search(r"KL\(exact ‖ network\) <b>([\d.]+)", strip.html())[1])
    assert said == pytest.approx(kl, abs=3e-4)


def test_another_generator_draws_other_tables(strip):
    other = BeliefStrip(generator=torch.Generator().manual_seed(1))
    assert other.data["scenes"] != strip.data["scenes"]
    assert other.data["network"] == strip.data["network"]


def test_making_it_leaves_the_network_alone():
    point = load("hmm-watched")
    before = {name: tensor.clone() for name, tensor in point.model.state_dict().items()}
    BeliefStrip(point)
    assert all(torch.equal(before[name], tensor) for name, tensor in point.model.state_dict().items())


def small(**config):
    return Transformer(
        10, 40, 8, **{"header": (5, 10), "columns": 5, "end_norms": False, "positions": "distance", **config}
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (LSTM(10, 40, width=8), "expected a transformer, got lstm"),
        (small(positions="none"), "positions 'distance'"),
        (small(columns=None), "expected one with a header, columns"),
        (small(end_norms=True), "without end norms"),
        (small(tied=False), "tied head"),
        (Transformer(10, 40, 8), "expected one with a header"),
    ],
)
def test_networks_that_the_page_cannot_compute_are_refused(model, words):
    with pytest.raises(ValueError, match=words):
        pack_filter(model)


def test_a_weight_too_large_for_sixteen_bits_is_refused():
    model = small()
    with torch.no_grad():
        model.embedding.weight[0, 0] = 1e6
    with pytest.raises(ValueError, match="below 65504"):
        pack_filter(model)


@pytest.mark.parametrize(
    ("tunnel", "context", "words"),
    [
        (Bijection(5), 40, "HMM with 5 states and 5 symbols, got bijection"),
        (HMM(3, 5), 40, "HMM with 5 states"),
        (HMM(target="next"), 40, "gives beliefs"),
        (HMM(), 20, "reads 30 symbols"),
    ],
)
def test_other_checkpoints_are_refused(tunnel, context, words):
    model = small()
    model.context = context
    with pytest.raises(ValueError, match=words):
        BeliefStrip(Checkpoint(model, tunnel, {}))


@pytest.mark.parametrize(("x", "text"), [(0.00005, "0.0001"), (-1e-9, "0.0000"), (0.125, "0.1250")])
def test_numbers_are_written_as_javascript_writes_them(x, text):
    assert _fixed(x, 4) == text and math.isfinite(float(text))
