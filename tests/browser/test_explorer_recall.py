"""The three memories of chapter 10 in a real browser: every answer against Python, by mouse, touch and keyboard."""

import pytest
from book_site import toc_files

from tutorlib.explore import RecallMachine, recall

pytestmark = pytest.mark.browser


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or RecallMachine().html(), *size, **options)


def put(page, **values):
    """Set sliders as a reader's hand would, through their input event."""
    for key, value in values.items():
        page.locator(f'[data-key="{key}"]').evaluate(
            "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})); }", value
        )


def agree(page, pairs, width, sharp, asked, kind="random", draw=0):
    """What the page says of each memory is what Python computes."""
    keys, values = recall.vectors(recall.drawn()[draw], width, kind)
    for memory in recall.MEMORIES:
        found = recall.answers(memory, keys, values, pairs, sharp)
        row = page.locator(f'tr[data-memory="{memory}"]')
        hits = sum(letter == pair for pair, letter in enumerate(found))
        assert row.locator("data.hits").inner_text() == str(hits), memory
        assert row.locator(".letter").inner_text() == recall.LETTERS[found[asked - 1]], memory
        share = recall.right_shares(memory, width, kind, sharp)[pairs - 1]
        assert float(row.locator("data.share").get_attribute("value")) == pytest.approx(100 * share, abs=1e-5)
        kept = 2 * pairs * width if memory == "softmax" else width**2
        assert row.locator("data.kept").inner_text() == str(kept)
    wrong = page.locator(".shelf rect.wrong").count()
    right = page.locator(".shelf rect.right").count()
    assert wrong + right == 3 * pairs and page.locator(".shelf path").count() == wrong


@pytest.mark.parametrize(
    ("pairs", "width", "sharp"), [(8, 6, 20), (1, 2, 0), (24, 8, 40), (24, 2, 7), (12, 4, 3), (17, 7, 11)]
)
@pytest.mark.parametrize("kind", recall.KEYS)
def test_every_answer_is_that_of_python(show, pairs, width, sharp, kind):
    page = show()
    page.locator(f'[data-kind="{kind}"]').click()
    put(page, pairs=pairs, width=width, sharp=sharp, asked=pairs)
    agree(page, pairs, width, sharp, pairs, kind)


def test_other_draws_come_round(show):
    page = show()
    for draw in [*range(1, recall.DRAWS), 0]:
        page.locator('[data-do="draw"]').click()
        agree(page, 8, 6, 20, 1, draw=draw)


@pytest.mark.parametrize("key", ["pairs", "width", "sharp", "asked"])
def test_sliders_by_keyboard(show, key):
    page, state = show(), dict(recall.START)
    slider = page.locator(f'[data-key="{key}"]')
    slider.focus()
    low, high = {name: ends for name, _, *ends in recall.SLIDERS}[key]
    for press, change in (("ArrowRight", 1), ("ArrowLeft", -1), ("ArrowRight", 1)):
        page.keyboard.press(press)
        state[key] += change
        agree(page, state["pairs"], state["width"], state["sharp"], state["asked"])
    for press, end in (("Home", low), ("End", high)):
        page.keyboard.press(press)
        state[key] = end
        state["asked"] = min(state["asked"], state["pairs"])
        agree(page, state["pairs"], state["width"], state["sharp"], state["asked"])
    assert page.evaluate("document.activeElement.dataset.key") == key, "the slider keeps the focus"


def test_the_pair_asked_is_never_beyond_those_stored(show):
    page = show()
    put(page, asked=8)
    put(page, pairs=3)
    slider = page.locator('[data-key="asked"]')
    assert slider.input_value() == "3" and slider.get_attribute("max") == "3"
    assert "Pair 3 has the letter C" in page.locator(".said").inner_text()
    put(page, pairs=1)
    assert page.locator(".said").inner_text().startswith("1 pair stored")


def test_buttons_by_keyboard(show):
    page = show()
    page.locator('[data-kind="right"]').focus()
    page.keyboard.press("Enter")
    agree(page, 8, 6, 20, 1, "right")
    assert page.locator('[data-kind="right"]').get_attribute("aria-pressed") == "true"
    page.locator('[data-do="draw"]').focus()
    page.keyboard.press(" ")
    agree(page, 8, 6, 20, 1, "right", draw=1)


def test_a_slider_answers_to_a_finger(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    box = page.locator('[data-key="pairs"]').bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 9, box["y"] + box["height"] / 2)
    assert page.locator('[data-key="pairs"]').input_value() == "24"
    agree(page, 24, 6, 20, 1)


def test_curves_are_the_shares(show):
    page = show()
    put(page, width=4)
    for memory in recall.MEMORIES:
        points = page.locator(f"polyline.{memory}").get_attribute("points").split()
        expected = [
            recall._place(n, s) for n, s in enumerate(recall.right_shares(memory, 4, "random", 20), 1)
        ]
        assert points == expected


def test_two_copies_on_a_page_are_two_machines(show):
    page = show(RecallMachine().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-kind="right"]').click()
    pressed = '[data-kind="random"][aria-pressed="true"]'
    assert boxes.nth(0).locator(pressed).count() == 1 and boxes.nth(1).locator(pressed).count() == 0


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/10")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-recall").count() == 1
    page.locator('[data-kind="right"]').click()
    agree(page, 8, 6, 20, 1, "right")
    assert page.locator(".explorer-recall").evaluate("b => b.scrollWidth <= b.clientWidth")
