"""Chapter 03's figures refuse bad input; its checks agree with counting; its explorer starts from the library's numbers."""

import itertools
import math
import re
from fractions import Fraction

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bayes, bits
from tutorlib.checks import c03
from tutorlib.explore import CoinTable
from tutorlib.explore.coin import BAGS, COINS, FIRST, PRIORS, beliefs, limit
from tutorlib.figures import crossing

BIAS = [i / 10 for i in range(COINS)]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def words(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


# Figures -----------------------------------------------------------------------------------------------------------


def test_every_hypothesis_is_a_dot():
    alive = torch.zeros(2, 720, dtype=torch.bool)
    alive[0] = True
    alive[1, 100:106] = True
    figure = crossing.list_of_dots(alive, ["before", "after"])
    dots = [[len(group.get_offsets()) for group in ax.collections] for ax in figure.axes]
    assert dots == [[0, 720], [714, 6]]  # pale, dark
    dark = figure.axes[1].collections[1].get_offsets()
    assert dark[0].tolist() == [100 % 24, 100 // 24]


def test_tables_show_their_numbers():
    figure = crossing.pair_tables([[[0.0, 1.0], [0.25, 0.75]]], ["one"], "12", "AB")
    assert words(figure) == ["0", "1", ".25", ".75"]


def test_bars_are_the_beliefs():
    steps = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]])
    figure = crossing.bias_beliefs([0, 0.5, 1], steps, ["before", "H"])
    assert [[bar.get_height() for bar in ax.patches] for ax in figure.axes] == steps.tolist()


def test_the_grid_shows_predictions_and_limit():
    figure = crossing.shrinking_grid([2, 3], [1.0, 5 / 6], 2 / 3)
    assert words(figure) == ["1.000", "0.833"]
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([2 / 3, 2 / 3])


def test_the_line_has_one_gap_more_than_marks():
    figure = crossing.marks_on_a_line(heads=3, tails=1)
    said = words(figure)
    assert (said.count("heads"), said.count("tails"), said.count("marker")) == (3, 1, 1)
    assert [text for text in said if text.startswith("gap")] == [f"gap {i}" for i in range(1, 7)]


def test_costs_and_their_limits_are_drawn():
    figure = crossing.costs([1, 10], {"a": [0.0, 1.0], "b": [0.0, 2.0]}, {"b": 3.0})
    lines = [line.get_ydata().tolist() for line in figure.axes[0].lines[:2]]
    assert lines == [[0.0, 1.0], [0.0, 2.0]]
    assert list(figure.axes[0].lines[2].get_ydata()) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: crossing.list_of_dots(torch.ones(2, 4), ["a", "b"]), "expected bool"),
        (lambda: crossing.list_of_dots(torch.ones(2, 4) > 0, ["a"]), "1 titles"),
        (lambda: crossing.pair_tables([[[0.5, 0.4]]], ["a"], "1", "AB"), "sum of 1"),
        (lambda: crossing.bias_beliefs([0, 1], [[0.5, 0.5]], []), "0 titles"),
        (lambda: crossing.bias_beliefs([0, 0.5, 1], [[0.5, 0.5]], ["a"]), r"got \(3,\)"),
        (lambda: crossing.shrinking_grid([2], [0.5, 0.5], 1), "got 1 and 2"),
        (lambda: crossing.marks_on_a_line(-1, 2), "got -1 and 2"),
        (lambda: crossing.costs([0, 1], {}), "at least 1"),
        (lambda: crossing.costs([1], {name: [0.0] for name in "abcde"}), "got 5 curves"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Checks: the right answers by counting -------------------------------------------------------------------------------


def test_two_clues_by_listing():
    left = [p for p in itertools.permutations("ABCDEF") if p[0] == "D" and p[1] != "A"]
    assert len(left) == c03.LEFT


def test_laplace_by_orders_on_a_line():
    """The rule for three tosses, by crossing out orders of a marker and four balls."""
    for seen in itertools.product((True, False), repeat=3):
        fits = [
            order
            for order in itertools.permutations(range(5))  # places of the marker and four balls
            if tuple(place < order[0] for place in order[1:4]) == seen
        ]
        share = Fraction(sum(order[4] < order[0] for order in fits), len(fits))
        assert share == Fraction(sum(seen) + 1, 5)
        assert float(share) == pytest.approx(float(bayes.beta_bernoulli(sum(seen), 3 - sum(seen))))
    assert pytest.approx(float(bayes.beta_bernoulli(7, 2))) == c03.NEXT_HEADS


def test_the_price_is_the_largest_lag():
    """A million tosses of the coin 0.9, most of them heads, cost no more than the price, and nearly that."""
    prior = torch.full((11,), 0.01, dtype=torch.float64)
    prior[5] = 0.9
    bias = torch.tensor(BIAS, dtype=torch.float64)
    for heads in (900_000, 1):
        logs = torch.xlogy(heads, bias) + torch.xlogy(1_000_000 - heads, 1 - bias)  # nats
        best = int(logs.argmax())
        lag = float(logs[best] - (prior.log() + logs).logsumexp(-1)) / math.log(2)
        assert lag <= c03.PRICE + 1e-6
        assert lag == pytest.approx(c03.PRICE, abs=1e-3)


def test_the_belief_settles_where_the_rent_is_least():
    bias = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    n = 100_000
    logs = torch.xlogy(0.35 * n, bias) + torch.xlogy(0.65 * n, 1 - bias)  # nats
    assert logs.softmax(-1)[1] > 1 - 1e-9
    paid = -float(logs.logsumexp(-1)) / math.log(2) / n
    assert paid - float(bits.entropy([0.35, 0.65])) == pytest.approx(c03.RENT, abs=1e-3)


def test_the_helper_by_enumeration():
    joint = {locker: Fraction(0) for locker in "ABCDEF"}  # this locker is right, and he says F
    for locker in "ABCDEF":
        may_say = [other for other in "BCDEF" if other != locker]
        if "F" in may_say:
            joint[locker] = Fraction(1, 6) / len(may_say)
    assert float(joint["B"] / sum(joint.values())) == pytest.approx(c03.OPENS_B)
    assert joint["A"] / sum(joint.values()) == Fraction(1, 6)


@pytest.mark.parametrize(
    ("exercise", "answers"),
    [
        ("03-a", [96, 96.0, torch.tensor(96)]),
        ("03-b", [0.727, 8 / 11, 0.73]),
        ("03-d", [6.64, 6.6, 6.644]),
        ("03-e", [0.0659, 0.066]),
        ("03-f", [0.208, 5 / 24, 0.2083]),
    ],
)
def test_rounded_answers_pass(exercise, answers):
    judge = next(check.judge for check in c03.CHECKS if check.id == exercise)
    assert all(judge(answer).ok for answer in answers)


def test_no_slip_hides_behind_the_right_answer_or_another_slip():
    for check in c03.CHECKS:
        slips = [(make(), hint) for make, hint in check.wrong if not callable(make())]
        right = [] if callable(check.correct()) else [(check.correct(), "right")]
        for (a, hint), (b, other) in itertools.combinations(slips + right, 2):
            assert hint == other or abs(a - b) > 0.01 * max(abs(a), abs(b)), (check.id, a, b)


def by_steps(prior, biases, tosses):
    for toss in tosses.tolist():
        prior = bayes.condition(prior, biases if toss else 1 - biases)
    return prior


@pytest.mark.parametrize(
    "answer",
    [by_steps, lambda *given: by_steps(*given).numpy(), lambda *given: by_steps(*given).tolist()],
)
def test_any_right_function_passes(answer):
    assert c03.posterior_function(answer).ok


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (..., "not answered yet"),
        (None, "got NoneType"),
        ("0.5", "got str"),
        (0.5, "got shape []"),
        (torch.ones(11, dtype=torch.complex64), "got Tensor"),
        (torch.full((11,), 1 / 11), "it is not the posterior"),
    ],
)
def test_what_a_function_returns_never_breaks_the_check(returned, message):
    verdict = c03.posterior_function(lambda prior, biases, tosses: returned)
    assert not verdict.ok
    assert message in verdict.message


# The explorer as Python makes it -------------------------------------------------------------------------------------


def test_the_explorer_is_small_and_the_same_twice():
    html = CoinTable().html()
    assert html == CoinTable().html()
    assert len(html.encode()) < 40_000
    assert not re.search(r"https?:|src=|@import|url\(|position: *fixed| id=", html)


def test_its_first_state_is_the_librarys():
    tosses = FIRST["tosses"]
    bias = torch.tensor(BIAS, dtype=torch.float64)
    answers = []
    for weights in (BAGS[FIRST["bag"]]["weights"], PRIORS[FIRST["prior"]]["weights"]):
        prior = bayes.normalise(weights)
        likelihood = bias ** sum(tosses) * (1 - bias) ** (len(tosses) - sum(tosses))  # all at once
        paid = float(bits.surprise(bayes.evidence(prior, likelihood)))
        answers.append((float(bayes.condition(prior, likelihood) @ bias), paid))
    (right, paid_right), (mine, paid_mine) = answers
    text = CoinTable()._repr_mimebundle_()["text/plain"]
    assert f"you say {mine:.3f}, the reader who knows the bag says {right:.3f}" in text
    assert f"has cost {paid_mine - paid_right:.2f} bits" in text
    assert f'data-number="paid-mine">{paid_mine:.2f}<' in CoinTable().html()


def test_priors_are_positive_unless_they_say_so():
    for bag in BAGS:
        assert len(bag["weights"]) == COINS and min(bag["weights"]) > 0
    assert [w > 0 for w in PRIORS[-1]["weights"]].count(True) == 1


weights = st.lists(st.integers(1, 50), min_size=COINS, max_size=COINS)


@given(weights, weights, st.lists(st.integers(0, 1), max_size=30))
def test_no_prior_costs_more_than_its_limit(bag, prior, tosses):
    try:
        right, mine = beliefs(bag, tosses), beliefs(prior, tosses)
    except ValueError:
        pytest.fail("every coin has weight, so no sequence is impossible")
    assert all(a - b <= limit(bag, prior) + 1e-9 for a, b in zip(mine[1], right[1], strict=True))
    assert float(mine[0].sum()) == pytest.approx(1)


def test_a_list_without_the_coin_has_no_limit():
    assert limit(BAGS[0]["weights"], PRIORS[-1]["weights"]) == math.inf
    with pytest.raises(ValueError, match="impossible under every hypothesis"):
        beliefs([1] + [0] * 10, [1])
