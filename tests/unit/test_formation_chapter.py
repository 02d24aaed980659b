"""Chapter 15: its figures and checks, and its explorer as Python makes it."""

import math

import pytest
import torch

from tutorlib import bits, formation
from tutorlib.checks import c15
from tutorlib.explore import FormationFilm
from tutorlib.explore.film import FIRST, KEPT, measure_film
from tutorlib.figures import formation as draw
from tutorlib.formation import induction_places


def test_the_numbers_of_the_exercises_are_right():
    steps, curve = [0, 10, 20, 30, 40, 50, 60], [1.0, 0.3, 0.05, 0.2, 0.08, 0.02, 0.0]
    assert formation.settled(steps, curve, 0.1) == c15.SETTLED
    heads = torch.tensor([0.8, 0.2], dtype=torch.float64)
    belief = heads**2 * (1 - heads)
    assert float((belief / belief.sum()) @ heads) == pytest.approx(c15.FEW)
    assert pytest.approx((2 + 1) / (2 + 3)) == c15.BIGRAM


def test_the_functions_are_the_librarys():
    for tokens, *_ in c15._inputs("places"):
        assert torch.equal(c15.right_places(tokens).bool(), induction_places(tokens[None])[0])
    for excess, tolerance in c15._inputs("my_done"):
        done = formation.done(list(range(len(excess))), excess.tolist(), float(tolerance))
        assert done == int(c15.right_done(excess, tolerance))
    p, q, _ = c15._inputs("my_share")[0]
    torch.testing.assert_close(c15._kl(p, q), bits.kl_divergence(p, q))


@pytest.mark.parametrize(
    ("name", "correct", "slips"),
    [
        ("my_done", c15.right_done, c15.DONE_SLIPS),
        ("places", c15.right_places, c15.PLACES_SLIPS),
        ("my_share", c15.right_share, c15.SHARE_SLIPS),
    ],
)
def test_each_slip_is_another_answer(name, correct, slips):
    every = [
        [function(*case).double().flatten() for case in c15._inputs(name)]
        for function in (correct, *(slip for slip, _ in slips))
    ]
    for i, a in enumerate(every):
        for b in every[:i]:
            assert max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True)) > 1e-3


@pytest.mark.parametrize("check", c15.CHECKS, ids=[check.id for check in c15.CHECKS])
def test_nonsense_is_refused(check):
    assert check.judge(check.correct()).ok
    assert not check.judge(lambda *tables: 1 / 0).ok and not check.judge("words").ok
    assert not check.judge(...).ok


# --- figures


def test_figures_show_what_they_are_given():
    curves = {"step": [0, 10, 100], "kl": [1.0, 0.5, 0.1], "with_late_maps": [1.0, 0.4, 0.1]}
    (ax,) = draw.swaps({"a": curves | {"with_these_maps": [0.9, 0.2, 0.1]}}).axes
    assert list(ax.lines[0].get_xdata()) == [5.0, 10, 100]
    assert list(ax.lines[2].get_ydata()) == [0.9, 0.2, 0.1]
    fig = draw.done_steps({"a": {"attention": {0.1: [100, 200]}, "the rest": {0.1: [300, 400]}}})
    assert [list(line.get_ydata()) for line in fig.axes[0].lines] == [[100, 200], [300, 400]]
    fig = draw.phases([0, 10], {"uniform": [1.0, 0.1], "unigram": [0.5, 0.2]}, {"a": [0.1, 0.2]}, 0.3)
    assert list(fig.axes[0].lines[1].get_ydata()) == [0.5, 0.2]
    fig = draw.few_or_all([2, 4], [10, 20], [[0.5, 0.9], [0.5, 0.7]], {"trained": [0.9, 0.7]})
    assert fig.axes[0].images[0].get_array().tolist() == [[0.5, 0.9], [0.5, 0.7]]


# --- explorer


def test_the_film_is_what_is_measured():
    film, kept = measure_film(), FormationFilm().data
    assert film["shade"] == kept["shade"] and film["values"] == kept["values"]
    for new, old in zip(film["frames"], kept["frames"], strict=True):
        assert new["step"] == old["step"]
        for key in KEPT:
            assert new[key] == pytest.approx(old[key], rel=0.01, abs=2e-4)
        for a, b in zip(new["map"], old["map"], strict=True):
            assert a == pytest.approx(b, abs=1)
        if new["step"]:  # before training the principal axes are close to a tie
            for a, b in zip(new["points"], old["points"], strict=True):
                assert a == pytest.approx(b, abs=3)


def test_rows_of_the_film_are_attention():
    for frame in FormationFilm().data["frames"]:
        assert [len(row) for row in frame["map"]] == list(range(1, 40, 2))
        assert all(abs(sum(row) - 100) < 12 for row in frame["map"])


def test_the_first_state_and_its_words():
    film = FormationFilm()
    frame = film.data["frames"][FIRST]
    assert frame["step"] == 630 and "0.0022" in film.text and "After <b>630</b>" in film.html()
    assert film.body.count("<rect") == sum(weight > 0 for row in frame["map"] for weight in row)
    assert math.isclose(frame["on_values"], 0.99, abs_tol=0.01)
