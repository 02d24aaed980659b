"""The room of chapter 06 in a real browser: every number against torch and tutorlib.bayes, by keyboard, mouse and touch."""

import pytest
import torch
from book_site import mount_again, toc_files

from tutorlib import bayes, bits
from tutorlib.explore import GuestRoom
from tutorlib.explore.guests import GUESTS, SEATINGS

pytestmark = pytest.mark.browser

PICTURE = {"left": 44, "top": 12, "wide": 280, "high": 210, "width": 340}  # the plane inside the picture
KEYS = torch.tensor([[(g["red"] - 50) / 20, (g["height"] - 175) / 10] for g in GUESTS], dtype=torch.float64)
ORDERS = torch.tensor([g["orders"] for g in GUESTS], dtype=torch.float64) / 100
NAMES = [g["name"] for g in GUESTS]
INPUTS = ("red", "height", "heat")


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the room."""
    return lambda html=None, *size, **options: show(html or GuestRoom().html(), *size, **options)


def number(text):
    return float(text.replace("−", "-").replace("\u00a0", " ").removesuffix(" %"))


def state_of(page):
    return [int(page.locator(f'[data-key="{key}"]').first.input_value()) for key in INPUTS]


def mode_of(page):
    return page.locator('[data-mode][aria-pressed="true"]').get_attribute("data-mode")


def expected(page):
    """Scores (None for a fixed seat), weights and posterior of each guest, and who sits where."""
    red, height, heat = state_of(page)
    query = torch.tensor([(red - 50) / 20, (height - 175) / 10], dtype=torch.float64)
    variance = 10 ** (heat / 20)
    often = torch.tensor([1.0, 1, 1, 1, 4 if page.locator("[data-part=regular]").is_checked() else 1])
    prior = (often / often.sum()).double()
    log_likelihood = -(query - KEYS).square().sum(-1) / (2 * variance)
    posterior = bayes.condition(prior, (log_likelihood - log_likelihood.max()).exp())
    seats = [NAMES.index(name) for name in page.locator("tbody td.who").all_inner_texts()]
    mode = mode_of(page)
    if mode == "posterior":
        return prior.log() + log_likelihood, posterior, posterior, seats
    if mode == "dot":
        scores = KEYS @ query / variance
        return scores, scores.softmax(-1), posterior, seats
    return None, torch.eye(5, dtype=torch.float64)[seats[2]], posterior, seats


def assert_numbers_are_right(page):
    """Every number shown is the exact one, rounded as shown."""
    scores, weights, posterior, seats = expected(page)
    assert seats in SEATINGS
    shown = page.locator("tbody td:nth-child(3)").all_inner_texts()
    if scores is None:
        assert shown == ["none"] * 5
    else:
        assert [number(text) for text in shown] == pytest.approx(scores[seats].tolist(), abs=0.00501)
    shown = [number(text) for text in page.locator("tbody td.weight b").all_inner_texts()]
    assert shown == pytest.approx((100 * weights[seats]).tolist(), abs=0.0501)
    mixed = 100 * bayes.predict(weights, ORDERS)
    shown = [number(text) for text in page.locator(".orders b").all_inner_texts()]
    assert shown == pytest.approx(mixed.tolist(), abs=0.0501)
    assert page.locator(".best").inner_text() == NAMES[int(weights.argmax())]
    widths = page.locator(".edge").evaluate_all("all => all.map(e => Number(e.getAttribute('stroke-width')))")
    assert widths == pytest.approx((0.5 + 14 * weights).tolist(), abs=0.0051)
    if mode_of(page) == "posterior":
        assert page.locator(".gap").count() == 0
        return
    gap = number(page.locator(".gap").inner_text())
    assert gap == pytest.approx(float(bits.total_variation(weights, posterior)), abs=0.000501)
    if mode_of(page) == "dot":
        variance = 10 ** (state_of(page)[2] / 20)
        before = (KEYS.square().sum(-1) / (2 * variance)).softmax(-1)
        shown = number(page.locator(".implied").inner_text())
        assert shown == pytest.approx(float(100 * before.max()), abs=0.0501)


def test_the_first_state_is_the_story(show):
    page = show()
    assert state_of(page) == [90, 170, 0] and mode_of(page) == "posterior"
    assert page.locator(".best").inner_text() == "Cleo"
    assert_numbers_are_right(page)


@pytest.mark.parametrize("mode", ["posterior", "dot", "seat"])
@pytest.mark.parametrize(
    "state", [(0, 150, -20), (100, 200, 40), (55, 172, 0), (33, 181, 13), (90, 170, -20), (50, 175, 7)]
)
def test_numbers_far_from_the_story(show, state, mode):
    page = show()
    page.locator(f'[data-mode="{mode}"]').click()
    for key, value in zip(INPUTS, state, strict=True):
        page.locator(f'[data-key="{key}"]').fill(str(value))
    assert tuple(state_of(page)) == state
    assert_numbers_are_right(page)
    page.locator("[data-part=regular]").check()
    assert_numbers_are_right(page)
    page.locator("[data-part=move]").click()
    assert_numbers_are_right(page)


@pytest.mark.parametrize("key", INPUTS)
def test_sliders_by_keyboard(show, key):
    page, at = show(), INPUTS.index(key)
    start = state_of(page)[at]
    slider = page.locator(f'[data-key="{key}"]')
    slider.focus()
    for press, value in (("ArrowRight", start + 1), ("ArrowRight", start + 2), ("ArrowLeft", start + 1)):
        page.keyboard.press(press)
        assert state_of(page)[at] == value
        assert_numbers_are_right(page)
    page.keyboard.press("End")
    assert state_of(page)[at] == {"red": 100, "height": 200, "heat": 40}[key]
    words = {"red": "100", "height": "200 cm", "heat": "100.00"}[key]
    assert slider.get_attribute("aria-valuetext") == words
    page.keyboard.press("Home")
    assert state_of(page)[at] == {"red": 0, "height": 150, "heat": -20}[key]
    assert_numbers_are_right(page)
    assert page.evaluate("document.activeElement.dataset.key") == key, "the slider keeps the focus"


def test_buttons_and_tick_by_keyboard(show):
    page = show()
    for mode in ("dot", "seat", "posterior"):
        page.locator(f'[data-mode="{mode}"]').focus()
        page.keyboard.press("Enter")
        assert mode_of(page) == mode
        assert_numbers_are_right(page)
    page.locator("[data-part=regular]").focus()
    page.keyboard.press("Space")
    assert page.locator("[data-part=regular]").is_checked()
    assert_numbers_are_right(page)
    page.locator("[data-part=move]").focus()
    page.keyboard.press("Enter")
    assert_numbers_are_right(page)


def orders(page):
    return page.locator(".orders b").all_inner_texts()


def test_by_content_the_order_stays_when_guests_move_and_by_seat_it_changes(show):
    page = show()
    before, seats = orders(page), page.locator("tbody td.who").all_inner_texts()
    for _ in SEATINGS[1:]:
        page.locator("[data-part=move]").click()
        assert page.locator("tbody td.who").all_inner_texts() != seats
        assert orders(page) == before
    page.locator("[data-part=move]").click()
    assert page.locator("tbody td.who").all_inner_texts() == seats, "a full round"
    page.locator('[data-mode="seat"]').click()
    first = orders(page)
    page.locator("[data-part=move]").click()
    assert orders(page) != first


def ring(page):
    """The middle of the query, in pixels."""
    box = page.locator(".ring").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_query_is_dragged_by_mouse(show):
    page = show()
    scale = page.locator("svg").bounding_box()["width"] / PICTURE["width"]
    x, y = ring(page)
    right, down = PICTURE["wide"] * -35 / 100 * scale, PICTURE["high"] * -2 / 50 * scale  # onto Eve
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    assert state_of(page)[:2] == pytest.approx([55, 172], abs=1)
    assert page.locator(".best").inner_text() == "Eve"
    assert_numbers_are_right(page)
    page.mouse.move(x + 2000, y + 2000)  # far outside: it stops at the corner
    assert state_of(page)[:2] == [100, 150]
    page.mouse.up()
    page.mouse.move(x, y)
    assert state_of(page)[:2] == [100, 150], "it is let go"
    assert_numbers_are_right(page)


def test_the_query_is_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = ring(page)
    scroll = page.evaluate("scrollY")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x - 8 * step, y - 6 * step)
    touch("touchEnd")
    assert state_of(page)[0] < 75 and state_of(page)[1] > 175
    assert page.evaluate("scrollY") == scroll
    assert_numbers_are_right(page)


def test_two_copies_on_a_page_are_two_rooms(show):
    page = show(GuestRoom().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-key="red"]').fill("10")
    assert boxes.locator(".best").all_inner_texts() == ["Cleo", "Ada"]
    mount_again(page)
    boxes.nth(1).locator("[data-part=move]").click()
    assert boxes.nth(1).locator("tbody td.who").first.inner_text() == "Cleo"
    assert boxes.nth(0).locator("tbody td.who").first.inner_text() == "Ada"


@pytest.mark.parametrize("path", [f"{name}.html" for name in toc_files() if name.startswith("chapters/06")])
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    box = page.locator(".explorer-guests")
    assert box.count() == 1
    box.locator('[data-key="red"]').focus()
    page.keyboard.press("ArrowRight")
    assert state_of(box) == [91, 170, 0]
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    assert_numbers_are_right(box)  # the page has other tables
