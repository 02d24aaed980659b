"""The triangle of chapter 04 in a real browser: every number against tutorlib, by keyboard, mouse and touch."""

import itertools
import math
import re

import pytest
import torch
from book_site import toc_files

from tutorlib import bits
from tutorlib.explore import BeliefTriangle
from tutorlib.explore.tracking import _scenes
from tutorlib.tunnels.filtering import forward_filter

pytestmark = pytest.mark.browser

SCENES = _scenes()
CORNERS = torch.tensor([[170.0, 30], [20, 290], [320, 290]], dtype=torch.float64)


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the triangle."""
    return lambda html=None, *size, **options: show(html or BeliefTriangle().html(), *size, **options)


def state_of(page):
    return [int(page.locator(f'[data-key="{key}"]').first.input_value()) for key in "abs"]


def tables(scene, stick):
    T, E = (torch.tensor(scene[name], dtype=torch.float64) for name in "TE")
    return stick / 100 * torch.eye(3, dtype=torch.float64) + (1 - stick / 100) * T, E


def begin_of(state):
    first = state[0] / 300
    return torch.tensor(
        [first, (1 - first) * state[1] / 100, (1 - first) * (100 - state[1]) / 100], dtype=torch.float64
    )


def numbers(texts):
    return [float(text.removesuffix("%").strip()) for text in texts]


def distance(p, q):
    return float(torch.log2((p / q).max() / (p / q).min()))


def assert_numbers_are_right(page, heard, which=0):
    """Every number shown is the exact one, rounded as shown."""
    scene, state = SCENES[which], state_of(page)
    T, E = tables(scene, state[2])
    begin, third = begin_of(state), torch.full((3,), 1 / 3, dtype=torch.float64)
    mine = other = torch.empty(0, 3, dtype=torch.float64)
    if heard:
        mine, other = (forward_filter(start, T, E.mT[heard]) for start in (begin, third))
    belief = mine[-1] if heard else begin
    theirs = other[-1] if heard else third
    rows = [row.locator("td").all_inner_texts() for row in page.locator("tbody tr").all()]
    predicted = begin if len(heard) < 2 else mine[-2] @ T
    for i in range(3):
        wanted = [float(predicted[i])]
        if heard:
            chance = float(E[i, heard[-1]])
            wanted += [chance, float(predicted[i]) * chance]
        wanted += [float(belief[i]), float(theirs[i])]
        assert numbers(text for text in rows[i] if text) == pytest.approx(wanted, abs=5.1e-5)
    said = page.locator('.result[aria-live="polite"]')
    *shares, entropy, before, now = numbers(said.locator("b").all_inner_texts())
    assert shares == pytest.approx((100 * belief).tolist(), abs=0.0501)
    assert entropy == pytest.approx(float(bits.entropy(belief)), abs=5.1e-4)
    assert [before, now] == pytest.approx([distance(begin, third), distance(belief, theirs)], abs=5.1e-4)
    if heard:
        assert scene["sounds"][heard[-1]] in said.locator(".heard").inner_text()
    # The dots stand where the corners balance.
    end = page.locator(".trails circle.dot.you").last if heard else page.locator(".grip .knob")
    at = [float(end.get_attribute(name)) for name in ("cx", "cy")]
    assert at == pytest.approx((belief @ CORNERS).tolist(), abs=0.0051)
    square = page.locator(".trails rect").last
    at = [float(square.get_attribute(name)) + 5 for name in "xy"]
    if not heard:
        assert page.locator(".trails rect").count() == 1
    assert at == pytest.approx((theirs @ CORNERS).tolist(), abs=0.0051)


def click_sounds(page, heard):
    for sound in heard:
        page.locator(f'[data-sound="{sound}"]').click()


def test_the_first_state_is_the_story(show):
    page = show()
    assert state_of(page) == [270, 50, 0]
    assert page.locator(".heard").inner_text() == "Heard: water, TV."
    assert_numbers_are_right(page, [2, 3])


def test_every_sound_by_mouse_and_keyboard(show):
    page = show()
    heard = [2, 3]
    for sound in (0, 1, 2, 3, 3):
        button = page.locator(f'[data-sound="{sound}"]')
        if sound % 2:
            button.focus()
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.dataset.sound") == str(sound), "focus stays"
        else:
            button.click()
        heard.append(sound)
        assert_numbers_are_right(page, heard)
    page.locator('[data-do="back"]').click()
    assert_numbers_are_right(page, heard[:-1])
    page.locator('[data-do="again"]').focus()
    page.keyboard.press("Enter")
    assert_numbers_are_right(page, [])
    assert page.locator('[data-do="back"]').is_disabled()
    assert page.evaluate("document.activeElement.dataset.sound") == "0", "the focus is not lost"


def test_forty_sounds_are_the_most(show):
    page = show()
    click_sounds(page, [0] * 38)
    assert page.locator("[data-sound]").first.is_disabled()
    assert "(40 in all)" in page.locator(".heard").inner_text()
    assert_numbers_are_right(page, [2, 3, *[0] * 38])
    page.locator('[data-do="back"]').click()
    assert page.locator("[data-sound]").first.is_enabled()


@pytest.mark.parametrize("key", "abs")
def test_sliders_by_keyboard(show, key):
    page = show()
    slider = page.locator(f'[data-key="{key}"]')
    start = state_of(page)["abs".index(key)]
    slider.focus()
    for press, value in (("ArrowRight", start + 1), ("ArrowRight", start + 2), ("ArrowLeft", start + 1)):
        page.keyboard.press(press)
        assert state_of(page)["abs".index(key)] == value
        assert_numbers_are_right(page, [2, 3])
    for press in ("Home", "End"):
        page.keyboard.press(press)
        assert_numbers_are_right(page, [2, 3])
    text = slider.get_attribute("aria-valuetext")
    assert float(text.split("\u00a0")[0]) == pytest.approx(
        state_of(page)["abs".index(key)] / (3 if key == "a" else 1), abs=0.051
    )
    assert page.evaluate("document.activeElement.dataset.key") == key, "the slider keeps the focus"


@pytest.mark.parametrize("state", [(3, 1, 0), (294, 99, 95), (100, 50, 60), (150, 7, 33)])
def test_numbers_far_from_the_story(show, state):
    page = show()
    for key, value in zip("abs", state, strict=True):
        page.locator(f'[data-key="{key}"]').fill(str(value))
    assert tuple(state_of(page)) == state
    click_sounds(page, [1, 0, 2])
    assert_numbers_are_right(page, [2, 3, 1, 0, 2])


def test_the_first_sound_leaves_the_distance_and_the_next_does_not(show):
    """Only predicting forgets, as the chapter says."""
    page = show()
    page.locator('[data-do="again"]').click()
    click_sounds(page, [3])
    start, now = numbers(page.locator(".result b").all_inner_texts())[-2:]
    assert start == now > 4
    click_sounds(page, [3, 3, 3])
    restless = numbers(page.locator(".result b").all_inner_texts())[-1]
    page.locator('[data-key="s"]').fill("95")
    assert restless < 0.5 < 2 < numbers(page.locator(".result b").all_inner_texts())[-1]


def test_what_six_silences_lead_to(show):
    """The number in the chapter's fold."""
    page = show()
    page.locator('[data-do="again"]').click()
    click_sounds(page, [0] * 6)
    assert "sleeps 93.4" in page.locator(".result").inner_text()


def test_mess3_and_all_its_beliefs(show):
    page = show()
    page.locator('[data-scene="1"]').focus()
    page.keyboard.press("Enter")
    assert state_of(page) == [100, 50, 0]
    assert page.locator("[data-sound]").all_inner_texts() == ["A", "B", "C"]
    assert_numbers_are_right(page, [0, 0, 1, 2], which=1)
    assert page.locator(".cloud").count() == 0
    page.locator('[data-do="cloud"]').click()
    for stick in (0, 80):
        page.locator('[data-key="s"]').fill(str(stick))
        drawn = page.locator(".cloud").get_attribute("d")
        found = [[float(x) for x in pair] for pair in re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)]
        T, E = tables(SCENES[1], stick)
        words = torch.tensor(list(itertools.product(range(3), repeat=7)))
        third = torch.full((len(words), 3), 1 / 3, dtype=torch.float64)
        exact = forward_filter(third, T.expand(len(words), 3, 3), E.mT[words])[:, -1] @ CORNERS
        assert torch.tensor(found).shape == exact.shape
        torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), exact, rtol=0, atol=0.0051)
    page.locator('[data-do="cloud"]').click()
    assert page.locator(".cloud").count() == 0
    page.locator('[data-scene="0"]').click()
    assert_numbers_are_right(page, [2, 3])


def knob(page):
    box = page.locator(".grip .knob").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_start_is_dragged_by_mouse(show):
    page = show()
    scale = page.locator("svg").bounding_box()["width"] / 340
    wanted = torch.tensor([0.2, 0.6, 0.2], dtype=torch.float64)
    x, y = knob(page)
    shift = (wanted - begin_of(state_of(page))) @ CORNERS * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + float(shift[0]) / 2, y + float(shift[1]) / 2)
    page.mouse.move(x + float(shift[0]), y + float(shift[1]))
    assert begin_of(state_of(page)).tolist() == pytest.approx(wanted.tolist(), abs=0.01)
    assert_numbers_are_right(page, [2, 3])
    for far in ((-3000, 0), (3000, 3000), (0, -3000)):  # outside: the start stops inside the triangle
        page.mouse.move(x + far[0], y + far[1])
        assert begin_of(state_of(page)).min() > 0
        assert_numbers_are_right(page, [2, 3])
    page.mouse.up()
    after = state_of(page)
    page.mouse.move(x, y)
    assert state_of(page) == after, "the start is let go"


def test_the_start_is_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = knob(page)
    scroll = page.evaluate("scrollY")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x, y + 12 * step)
    touch("touchEnd")
    assert state_of(page)[0] < 200
    assert page.evaluate("scrollY") == scroll
    assert_numbers_are_right(page, [2, 3])


def test_two_copies_on_a_page_are_two_triangles(show):
    page = show(BeliefTriangle().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-scene="1"]').click()
    assert boxes.locator(".heard").all_inner_texts() == ["Heard: water, TV.", "Heard: A, A, B, C."]


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/04")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-tracking").count() == 1
    page.locator('[data-sound="0"]').focus()
    page.keyboard.press("Enter")
    assert_numbers_are_right(page, [2, 3, 0])
    box = page.locator(".explorer-tracking")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    assert math.isclose(begin_of(state_of(page)).sum(), 1)
