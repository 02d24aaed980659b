"""The clouds of chapter 11 in a real browser: every number against Python, by keyboard, mouse and touch."""

import math
import re

import pytest
import torch
from book_site import toc_files

from tutorlib import geometry
from tutorlib.explore import BeliefCloud

pytestmark = pytest.mark.browser

CLOUDS = BeliefCloud().data["clouds"]


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the clouds."""
    return lambda html=None, *size, **options: show(html or BeliefCloud().html(), *size, **options)


def turned(points, yaw, pitch):
    """Right, up and towards the reader, as matrices."""
    a, p = math.radians(yaw), math.radians(pitch)
    tilt = torch.tensor([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    turn = torch.tensor([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    return torch.tensor(points, dtype=torch.float64) @ (turn.double() @ tilt.double()).T


def state_of(page):
    return tuple(int(page.locator(f'[data-key="{key}"]').first.input_value()) for key in ("yaw", "pitch"))


def which_of(page):
    return int(page.locator('[data-cloud][aria-pressed="true"]').first.get_attribute("data-cloud"))


def assert_numbers_are_right(page):
    """The correlation, and the place, half and colour of every point."""
    cloud, view = CLOUDS[which_of(page)], state_of(page)
    at = turned(cloud["points"], *view)
    entropy = torch.tensor(cloud["entropy"], dtype=torch.float64)
    rho = geometry.rank_correlation(at[:, 0].clone(), entropy)
    assert float(page.locator(".result b").inner_text()) == pytest.approx(rho, abs=0.0051)
    by = page.locator('[data-by][aria-pressed="true"]').get_attribute("data-by")
    share = (entropy - entropy.min()) / (entropy.max() - entropy.min())
    colours = (5 * share).floor().clamp(max=4).long() if by == "entropy" else torch.tensor(cloud["kind"])
    drawn = page.locator(".cloud path").evaluate_all(
        "all => all.map(p => [p.className.baseVal, p.getAttribute('d')])"
    )
    found = 0
    for name, d in drawn:
        half, colour = re.fullmatch(r"dots (near|far) c(\d)", name).groups()
        wanted = at[(colours == int(colour)) & ((at[:, 2] >= 0) == (half == "near"))]
        # A point in the plane of the picture may be rounded to either half; none is, at the angles tested.
        got = [[float(x) for x in pair] for pair in re.findall(r"M(-?[\d.]+) (-?[\d.]+)h0", d)]
        assert len(got) == len(wanted)
        if got:
            place = torch.stack((160 + 0.135 * wanted[:, 0], 160 - 0.135 * wanted[:, 1]), -1)
            torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), place, rtol=0, atol=0.0501)
        found += len(got)
    assert found == len(cloud["points"])


def test_the_first_state(show):
    page = show()
    assert state_of(page) == (0, 0) and which_of(page) == 0
    assert_numbers_are_right(page)


@pytest.mark.parametrize("which", range(len(CLOUDS)), ids=[cloud["name"] for cloud in CLOUDS])
def test_every_cloud_from_every_side(show, which):
    page = show()
    page.locator(f'[data-cloud="{which}"]').click()
    assert CLOUDS[which]["about"] in page.locator(".result").inner_text()
    for yaw, pitch in ((37, -61), (-180, 180), (90, 13)):
        page.locator('[data-key="yaw"]').fill(str(yaw))
        page.locator('[data-key="pitch"]').fill(str(pitch))
        assert state_of(page) == (yaw, pitch)
        assert_numbers_are_right(page)
    page.locator('[data-by="kind"]').click()
    assert_numbers_are_right(page)
    assert page.locator(".legend span").all_inner_texts() == CLOUDS[which]["kinds"]
    page.locator('[data-view="best"]').click()
    assert list(state_of(page)) == CLOUDS[which]["best"]
    assert_numbers_are_right(page)
    best = abs(float(page.locator(".result b").inner_text()))
    page.locator('[data-view="first"]').click()
    assert state_of(page) == (0, 0)
    assert best >= abs(float(page.locator(".result b").inner_text()))


def test_arrow_keys_turn_the_picture_and_the_sliders(show):
    page = show()
    page.locator("svg").focus()
    for key, wanted in (
        ("ArrowRight", (5, 0)),
        ("ArrowRight", (10, 0)),
        ("ArrowDown", (10, 5)),
        ("ArrowUp", (10, 0)),
        ("ArrowLeft", (5, 0)),
    ):
        page.keyboard.press(key)
        assert state_of(page) == wanted
    assert_numbers_are_right(page)
    slider = page.locator('[data-key="pitch"]')
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert state_of(page) == (5, 1) and slider.get_attribute("aria-valuetext") == "1 degrees"
    assert_numbers_are_right(page)


def middle(page):
    box = page.locator("svg").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_mouse_turns_it_and_lets_go(show):
    page = show()
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y - 20)
    assert state_of(page) == (20, -10)
    page.mouse.move(x + 1000, y)  # far outside: it goes round
    assert -180 <= state_of(page)[0] <= 180
    assert_numbers_are_right(page)
    page.mouse.up()
    after = state_of(page)
    page.mouse.move(x, y)
    assert state_of(page) == after


def test_a_finger_turns_it(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    page.locator("svg").scroll_into_view_if_needed()
    session = page.context.new_cdp_session(page)
    x, y = middle(page)

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x + 8 * step, y)
    touch("touchEnd")
    assert state_of(page)[0] > 20
    assert_numbers_are_right(page)


def test_two_copies_on_a_page_are_two_clouds(show):
    page = show(BeliefCloud().html() * 2)
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-cloud="1"]').click()
    assert [CLOUDS[i]["about"] in boxes.nth(i).locator(".result").inner_text() for i in (0, 1)] == [
        True,
        True,
    ]


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/11")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    box = page.locator(".explorer-cloud")
    assert box.count() == 1
    page.locator('[data-cloud="3"]').focus()
    page.keyboard.press("Enter")
    page.locator('[data-key="yaw"]').fill("33")
    assert_numbers_are_right(page)
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
