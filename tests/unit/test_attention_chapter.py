"""Chapter 06: its figures, its explorer as Python makes it, its checks, and the arithmetic behind its sentences."""

import json
import math
from fractions import Fraction
from itertools import combinations, product

import matplotlib.pyplot as plt
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from tutorlib import bayes, bits
from tutorlib.checks import c06, c06_code
from tutorlib.explore import GuestRoom, guests
from tutorlib.figures import attention as draw
from tutorlib.handset import bijection_eliminator, coin_counter
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection

WEIGHTS = [0.04, 0.2, 0.64, 0.04, 0.08]
NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eve"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def words(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


# Figures -------------------------------------------------------------------------------------------------------------


def test_edges_are_as_thick_as_their_weights_and_follow_the_guests():
    figure = draw.guests([[0, 1, 2, 3, 4], [2, 4, 3, 0, 1]], WEIGHTS, NAMES, ["#333333"] * 5, ["a", "b"])
    widths = [[line.get_linewidth() for line in ax.lines[:5]] for ax in figure.axes]
    assert widths[0] == pytest.approx([0.5 + 14 * w for w in WEIGHTS])
    assert widths[1] == pytest.approx([widths[0][guest] for guest in (2, 4, 3, 0, 1)])
    assert words(figure)[0:3] == ["A", "4 %", "seat 1"]
    assert [line.get_xdata()[1] for line in figure.axes[1].lines[:5]] == [0, 1, 2, 3, 4]


def test_kernel_curves_are_drawn_as_given():
    grid = torch.linspace(0, 1, 5)
    figure = draw.kernel_curves([0.1, 0.9], [1.0, 2.0], grid, {"a": grid, "b": 1 - grid})
    assert figure.axes[0].lines[1].get_ydata() == pytest.approx(grid.numpy())
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["points", "a", "b"]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_arrows_lead_from_each_stream_to_later_ones_only(count):
    figure = draw.layer([f"token {i}" for i in range(count)])
    across = [
        (a.xyann[0], a.xy[0])
        for a in figure.axes[0].texts
        if hasattr(a, "xyann") and abs(a.xyann[1] - 1.0) < 1e-9
    ]
    assert len(across) == count * (count - 1) // 2
    assert all(start < end for start, end in across)


def test_the_error_of_a_drawn_curve_is_on_the_right():
    q = torch.linspace(-1, 1, 11)
    figure = draw.bent_curve(q, q, {"near": q + 0.1, "nearer": q + 0.01})
    errors = [line.get_ydata() for line in figure.axes[1].lines]
    assert errors[0] == pytest.approx([0.1] * 11, abs=1e-6) and errors[1] == pytest.approx(
        [0.01] * 11, abs=1e-6
    )
    assert len(figure.axes[0].lines) == 2


def test_weights_are_bars():
    figure = draw.weights_by_position(
        {"a": torch.tensor([0.5, 0.5]), "b": torch.tensor([0.2, 0.3, 0.5])}, [["x", "y"], ["x", "y", "z"]]
    )
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    assert heights[0] == pytest.approx([0.5, 0.5]) and heights[1] == pytest.approx([0.2, 0.3, 0.5])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.guests([[0, 1]], [0.5, 0.6], ["a", "b"], ["k", "k"], ["t"]), "weights: "),
        (
            lambda: draw.guests([[0, 0]], [0.5, 0.5], ["a", "b"], ["k", "k"], ["t"]),
            "orders of as many guests",
        ),
        (lambda: draw.guests([[0, 1]], [1.0], ["a", "b"], ["k", "k"], ["t"]), "expected 2 weights"),
        (lambda: draw.kernel_curves([1.0], [1.0, 2.0], [1.0], {}), "points in pairs"),
        (lambda: draw.kernel_curves([1.0], [1.0], [1.0], {"a": torch.ones(2)}), "curves of 1 places"),
        (
            lambda: draw.kernel_curves([1.0], [1.0], [1.0], {c: torch.ones(1) for c in "abcd"}),
            "at most 3, got 4",
        ),
        (lambda: draw.layer([]), "at least one"),
        (lambda: draw.bent_curve([1.0], [1.0], {}), "one to 3 curves"),
        (lambda: draw.bent_curve([1.0], [1.0], {"a": torch.ones(2)}), r"shape \(1,\)"),
        (lambda: draw.weights_by_position({"a": torch.tensor([0.5, 0.6])}, [["x", "y"]]), "weights: "),
    ],
)
def test_figures_refuse_what_they_cannot_draw(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Checks: right answers found in another way --------------------------------------------------------------------------


def test_eve_by_counting_waves():
    seen = {name: Fraction(waves * per_hundred, 100) for name, waves, per_hundred in zip(
        NAMES, (100, 100, 100, 100, 400), (5, 25, 80, 5, 10), strict=True)}  # fmt: skip
    assert float(seen["Eve"] / sum(seen.values())) == pytest.approx(c06.EVE, abs=1e-12)


def test_the_score_raises_eve_as_the_prior_does():
    likelihood = torch.tensor(c06.LIKELIHOOD, dtype=torch.float64)
    scores = likelihood.log()
    scores[4] += c06.SCORE
    assert float(scores.softmax(-1)[4]) == pytest.approx(c06.EVE, abs=1e-12)


@pytest.mark.parametrize("query", [-2.0, 0.0, 1.3, 5.0])
def test_the_implied_prior_makes_dot_products_a_posterior(query):
    keys = torch.tensor([1.0, 2.0], dtype=torch.float64)
    likelihood = torch.exp(-(query - keys).square() / 2)
    exact = bayes.condition([1 - c06.IMPLIED, c06.IMPLIED], likelihood)
    torch.testing.assert_close((query * keys).softmax(-1), exact)


def test_the_first_weight_is_the_networks():
    record = {}
    with torch.no_grad():
        coin_counter(49, 3, 2)(torch.tensor([[1, 0, 0, 0]]), record=record)
    assert float(record["layer0.attention"][0, 0, 3, 0]) == pytest.approx(c06.FIRST, abs=1e-6)


def test_causal_attention_in_plain_loops():
    for q, k, v in c06_code._cases():
        right = c06_code.right_attention(q, k, v)
        torch.testing.assert_close(right, scaled_dot_product_attention(q, k, v, is_causal=True))
    q, k, v = c06_code._cases()[0]
    for i in range(len(q)):
        powers = [math.exp(float(q[i] @ k[j]) / 3) for j in range(i + 1)]
        mixed = sum(power * v[j] for j, power in enumerate(powers)) / sum(powers)
        torch.testing.assert_close(right_row := c06_code.right_attention(q, k, v)[i], mixed)
        assert right_row.shape == (2,)


@pytest.mark.parametrize(
    "answer",
    [
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True).float(),
        lambda q, k, v: c06_code.right_attention(q, k, v).tolist(),
    ],
)
def test_any_right_attention_passes(answer):
    assert c06_code.attention_function(answer).ok


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda q, k, v: ..., "not answered yet"),
        (lambda q, k, v: undefined, "NameError"),  # noqa: F821
        (lambda q, k, v: "text", "expected a tensor, got str"),
        (lambda q, k, v: torch.full(v.shape, math.nan), "In order: scores"),
        (lambda q, k, v: v[..., :1], "expected shape [4, 2]"),
    ],
)
def test_what_a_function_returns_never_breaks_the_check(answer, message):
    verdict = c06_code.attention_function(answer)
    assert not verdict.ok and message in verdict.message


def test_no_two_slips_of_attention_look_alike():
    """Each slip gets its own hint: on the first case no two of them agree, and none agrees with the right answer."""
    q, k, v = c06_code._cases()[0]
    results = [slip(q, k, v).nan_to_num() for slip, _ in c06_code.ATTENTION_SLIPS]
    for a, b in combinations([*results, c06_code.right_attention(q, k, v)], 2):
        assert a.shape == b.shape and not torch.allclose(a, b, atol=1e-3)


def test_the_network_that_remembers_at_every_question():
    """All games of five symbols with a fixed order of keys: equal shares for what was shown, and nothing else."""
    model = c06_code.with_output([2.0] * 5 + [-2.0])
    for values in list(product(range(5), repeat=3)):
        if len(set(values)) < 3:
            continue
        tokens = torch.tensor([[0, 5 + values[0], 1, 5 + values[1], 2, 5 + values[2], 3]])
        with torch.no_grad():
            p = model(tokens)[0, 2::2].double().softmax(-1)  # [questions, vocab]
        for question in range(3):
            expected = torch.zeros(10, dtype=torch.float64)
            expected[[5 + value for value in values[: question + 1]]] = 1 / (question + 1)
            torch.testing.assert_close(p[question], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: Transformer(10, 9, 6), "answers with keys"),
        (lambda: Transformer(10, 9, 6, header=(1, 2)), "another size"),
        (lambda: bijection_eliminator(5).to("meta"), "it stopped with"),
        (lambda: c06_code.with_output([math.inf] * 6), "not finite"),
    ],
)
def test_odd_networks_are_judged_kindly(answer, message):
    verdict = c06_code.memory_model(answer())
    assert not verdict.ok and message in verdict.message


def test_a_network_in_any_precision_passes():
    for dtype in (torch.float32, torch.float64):
        assert c06_code.memory_model(c06_code.with_output([2.0] * 5 + [-2.0]).to(dtype)).ok


def test_slips_are_more_than_the_tolerance_apart():
    for check in c06.CHECKS:
        numbers = [(make(), words) for make, words in check.wrong if isinstance(make(), int | float)]
        right = [(check.correct(), "right")] if isinstance(check.correct(), float) else []
        for (a, hint), (b, other) in combinations(numbers + right, 2):
            assert hint == other or abs(a - b) > 0.01 * max(abs(a), abs(b)), (check.id, a, b)


# Sentences of the chapter --------------------------------------------------------------------------------------------


def test_the_urn_is_the_rule_of_succession():
    """Copying a random ball of an urn with one head and one tail gives every sequence the chance that Bayes gives."""
    for tosses in product((0, 1), repeat=6):
        urn, chance = [0, 1], Fraction(1)
        for toss in tosses:
            chance *= Fraction(urn.count(toss), len(urn))
            urn.append(toss)
        heads = sum(tosses)
        assert chance == Fraction(math.factorial(heads) * math.factorial(6 - heads), math.factorial(7))


def test_the_eliminator_crosses_out_a_value_that_is_known(seeded):
    """What the chapter says of keys that come back, and that new keys are still answered exactly."""
    tunnel = Bijection(8, replacement=True)
    batch = tunnel.sample(500, seeded(3))
    asked = batch.tokens[:, 0::2]
    again = (asked[:, :, None] == asked[:, None, :]).tril(-1).any(-1)
    with torch.no_grad():
        logits = bijection_eliminator(8)(batch.tokens, tunnel.scored).double()
    known = logits.softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    assert again.sum() > 500 and float(known[again].max()) < 1e-9
    assert float(bits.kl_from_logits(tunnel.exact(batch), logits)[~again].max()) < 1e-6


# The explorer as Python makes it -------------------------------------------------------------------------------------


def test_the_explorer_is_small_and_the_same_twice():
    html = GuestRoom().html()
    assert html == GuestRoom().html()
    assert len(html.encode()) < 40_000
    assert "http" not in html and " id=" not in html


@pytest.mark.parametrize("state", [(90, 170, 0), (0, 150, -20), (55, 172, 40), (100, 200, 13)])
def test_its_scores_are_log_joint_probabilities(state):
    red, height, heat = state
    query = torch.tensor([(red - 50) / 20, (height - 175) / 10], dtype=torch.float64)
    features = [[(g["red"] - 50) / 20, (g["height"] - 175) / 10] for g in guests.GUESTS]
    keys = torch.tensor(features, dtype=torch.float64)  # [guest, feature]
    density = torch.distributions.Normal(keys, 10 ** (heat / 40)).log_prob(query).sum(-1)  # [guest]
    gap = torch.tensor(guests.scores(*state), dtype=torch.float64) - density + math.log(5)
    assert float(gap.max() - gap.min()) < 1e-6
    exact = bayes.condition([0.2] * 5, (density - density.max()).exp())
    assert guests._softmax(guests.scores(*state)) == pytest.approx(exact.tolist(), abs=1e-6)


def test_its_first_state_is_in_the_page_and_in_the_words():
    weights = guests._softmax(guests.scores(**guests.START))
    html, text = GuestRoom().html(), GuestRoom().text
    assert f"<b>{100 * weights[2]:.1f}</b> %" in html and f"{100 * weights[2]:.1f} %" in text
    assert all(sum(guest["orders"]) == 100 for guest in guests.GUESTS)
    assert all(sorted(seats) == list(range(5)) for seats in guests.SEATINGS)
    assert json.loads(json.dumps(guests.GUESTS)) == guests.GUESTS


def test_its_guests_are_those_of_the_chapter(root):
    """Keys, orders and names in the chapter's cells are the explorer's."""
    cells = json.loads((root / "chapters" / "06_attention.ipynb").read_text("utf-8"))["cells"]
    source = {cell["id"]: "".join(cell["source"]) for cell in cells}
    scope = {"torch": torch}
    exec(source["c06-value-code"].split("posterior =")[0], scope)
    exec(source["c06-vectors"].split("distance =")[0], scope)
    keys = [list(guests.vector(g["red"], g["height"])) for g in guests.GUESTS]
    torch.testing.assert_close(scope["keys"], torch.tensor(keys), rtol=0, atol=1e-6)
    torch.testing.assert_close(scope["orders"], torch.tensor([g["orders"] for g in guests.GUESTS]) / 100)
    start = guests.START["red"], guests.START["height"]
    assert scope["query"][0].tolist() == pytest.approx(list(guests.vector(*start)))
    assert scope["drinks"] == guests.DRINKS and [g["name"] for g in guests.GUESTS] == NAMES
