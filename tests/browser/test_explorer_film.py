"""The film of chapter 15 in a real browser: every frame against its data, by mouse and keyboard, playing and paused."""

import math
import re

import pytest

from tutorlib.explore import FormationFilm

pytestmark = pytest.mark.browser

FRAMES = FormationFilm().data["frames"]
CURVES = ("kl", "with_these_maps", "with_late_maps")


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the film."""
    return lambda html=None, *size, **options: show(html or FormationFilm().html(), *size, **options)


def moment(page):
    return int(page.locator("input").input_value())


def assert_frame_is_right(page, which):
    frame = FRAMES[which]
    assert moment(page) == which
    assert page.locator("label .value").inner_text() == f"step {frame['step']}"
    assert page.locator(".said b").inner_text() == str(frame["step"])
    for name, digits in (*((c, 4) for c in CURVES), ("on_values", 2), ("rho", 2)):
        shown = page.locator(f".said data.{name}").inner_text()
        assert float(shown) == pytest.approx(frame[name], abs=0.51 * 10**-digits)
    ink = page.locator(".map rect").evaluate_all(
        "all => all.map(r => [r.getAttribute('class'), ...['x', 'y', 'opacity'].map(k => Number(r.getAttribute(k)))])"
    )
    wanted = [
        ("value" if at % 2 else "key", 8 * at, 8 * q, math.sqrt(w / 100))
        for q, row in enumerate(frame["map"])
        for at, w in enumerate(row)
        if w
    ]
    assert len(ink) == len(wanted)
    for got, expected in zip(ink, wanted, strict=True):
        assert tuple(got[:3]) == expected[:3] and got[3] == pytest.approx(expected[3], abs=0.0051)
    marks = page.locator(".marks circle").evaluate_all(
        "all => all.map(c => [c.getAttribute('cx'), c.getAttribute('cy')].map(Number))"
    )
    for (x, y), name in zip(marks, CURVES, strict=True):
        power = min(1, max(-3, math.log10(frame[name])))
        assert x == pytest.approx(44 + 304 * which / 15, abs=0.051)
        assert y == pytest.approx(168 - 154 * (power + 3) / 4, abs=0.051)
    drawn = page.locator(".cloud path").evaluate_all("all => all.map(p => p.getAttribute('d'))")
    got = sorted((float(x), float(y)) for d in drawn for x, y in re.findall(r"M(\S+) (\S+)h0", d))
    expected = sorted((130 + 0.115 * x, 130 - 0.115 * y) for x, y in frame["points"])
    assert len(got) == len(expected)
    for a, b in zip(sorted(x for x, _ in got), sorted(x for x, _ in expected), strict=True):
        assert a == pytest.approx(b, abs=0.051)
    for a, b in zip(sorted(y for _, y in got), sorted(y for _, y in expected), strict=True):
        assert a == pytest.approx(b, abs=0.051)


def test_every_moment_by_the_slider(show):
    page = show()
    assert_frame_is_right(page, 10)
    for which in range(len(FRAMES)):
        page.locator("input").fill(str(which))
        assert_frame_is_right(page, which)


def test_steps_stop_at_both_ends(show):
    page = show()
    page.locator('[data-do="start"]').click()
    assert moment(page) == 0 and page.locator('[data-do="back"]').is_disabled()
    page.locator('[data-do="on"]').click()
    assert moment(page) == 1
    page.locator('[data-do="back"]').click()
    assert_frame_is_right(page, 0)
    page.locator("input").fill("15")
    assert page.locator('[data-do="on"]').is_disabled()


def test_it_plays_pauses_and_ends(show):
    page = show()
    play = page.locator('[data-do="play"]')
    play.click()
    assert play.inner_text() == "Pause" and page.locator(".said").get_attribute("aria-live") == "off"
    page.wait_for_function("document.querySelector('input').value >= 12")
    play.click()
    held = moment(page)
    assert play.inner_text() == "Play" and page.locator(".said").get_attribute("aria-live") == "polite"
    page.wait_for_timeout(1200)
    assert_frame_is_right(page, held)
    page.locator("input").fill("14")
    play.click()
    page.wait_for_function("document.querySelector('input').value == 15")
    page.wait_for_function("document.querySelector('[data-do=play]').textContent == 'Play'")
    play.click()  # at the end it begins again
    page.wait_for_function("document.querySelector('input').value == 1")


def test_stepping_or_dragging_pauses(show):
    page = show()
    play = page.locator('[data-do="play"]')
    for act in (lambda: page.locator('[data-do="on"]').click(), lambda: page.locator("input").fill("3")):
        play.click()
        assert play.inner_text() == "Pause"
        act()
        assert play.inner_text() == "Play"


def test_by_keyboard(show):
    page = show()
    page.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert_frame_is_right(page, 11)
    page.keyboard.press("Home")
    assert_frame_is_right(page, 0)
    page.locator('[data-do="on"]').focus()
    page.keyboard.press("Enter")
    assert_frame_is_right(page, 1)
