"""The text and its axis of chapter 16 in a real browser: every number against Python, by keyboard, mouse and touch."""

import pytest
import torch
from book_site import toc_files

from tutorlib import geometry
from tutorlib.explore import TextAxis

pytestmark = pytest.mark.browser

TEXTS = TextAxis().data["texts"]
AXES = [key for key, _ in TextAxis().data["axes"]]


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or TextAxis().html(), *size, **options)


def state_of(page):
    pressed = {
        key: page.locator(f'[data-{key}][aria-pressed="true"]').get_attribute(f"data-{key}")
        for key in ("text", "axis")
    }
    return (
        int(pressed["text"]),
        pressed["axis"],
        int(page.locator('[aria-selected="true"]').get_attribute("data-i")),
    )


def number(page, name):
    return float(page.locator(f'[data-is="{name}"]').inner_text())


def assert_numbers_are_right(page):
    """Words, colours, dots and sentences."""
    which, axis, at = state_of(page)
    text = TEXTS[which]
    h, a = (torch.tensor(text[key], dtype=torch.float64) for key in ("entropy", axis))
    assert number(page, "entropy") == pytest.approx(h[at]) and number(page, "reading") == pytest.approx(a[at])
    assert number(page, "rho") == pytest.approx(geometry.rank_correlation(h, a), abs=0.0051)
    assert number(page, "off") == pytest.approx(float((h - a).abs().mean()), abs=0.0051)
    tokens = page.locator("[role=option]").evaluate_all("all => all.map(e => [e.textContent, e.className])")
    shades = [(v / 2).floor().clamp(0, 4).int().tolist() for v in (h, a)]
    assert tokens == [[p, f"up{up} down{down}"] for p, up, down in zip(text["pieces"], *shades, strict=True)]
    dots = page.locator(".dot").evaluate_all("all => all.map(e => [e.cx.baseVal.value, e.cy.baseVal.value])")
    place = torch.stack((34 + 23 * h.clamp(0, 12), 286 - 23 * a.clamp(0, 12)), -1)
    torch.testing.assert_close(torch.tensor(dots, dtype=torch.float64), place, rtol=0, atol=0.0501)
    now = page.locator(".dot.now")
    assert now.count() == 1 and int(now.get_attribute("data-i")) == at
    assert page.locator('[role=option][tabindex="0"]').count() == 1


@pytest.mark.parametrize("which", range(len(TEXTS)), ids=[text["domain"] for text in TEXTS])
def test_every_text_and_axis(show, which):
    page = show()
    assert state_of(page) == (0, AXES[0], 0)
    page.locator(f'[data-text="{which}"]').click()
    for axis in AXES:
        page.locator(f'[data-axis="{axis}"]').click()
        assert_numbers_are_right(page)
    assert page.locator(".front").inner_text() == TEXTS[which]["front"]


def test_arrow_keys_walk_through_the_text(show):
    page = show()
    page.locator("[role=option]").first.focus()
    last = len(TEXTS[0]["pieces"]) - 1
    for key, wanted in (
        ("ArrowRight", 1),
        ("ArrowDown", 2),
        ("ArrowLeft", 1),
        ("End", last),
        ("ArrowRight", last),
        ("Home", 0),
        ("ArrowUp", 0),
    ):
        page.keyboard.press(key)
        assert state_of(page)[2] == wanted
        assert int(page.evaluate("document.activeElement.dataset.i")) == wanted
    assert_numbers_are_right(page)


def test_a_token_and_its_dot_are_linked(show):
    page = show()
    page.locator('[role=option][data-i="7"]').click()
    assert state_of(page)[2] == 7
    assert_numbers_are_right(page)
    dots = page.locator(".dot").evaluate_all("all => all.map(e => [e.cx.baseVal.value, e.cy.baseVal.value])")
    table = torch.tensor(dots)
    far = torch.cdist(table, table).fill_diagonal_(1e9).min(1).values
    lonely = int(far.argmax())  # no other dot is as near to a click upon it
    page.locator(f'.dot[data-i="{lonely}"]').click()
    assert state_of(page)[2] == lonely
    assert_numbers_are_right(page)


def test_a_finger_chooses_a_token(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    page.locator('[role=option][data-i="5"]').tap()
    assert state_of(page)[2] == 5
    assert_numbers_are_right(page)


def test_two_copies_on_a_page_are_two_texts(show):
    page = show(TextAxis().html() * 2)
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-text="2"]').click()
    fronts = [boxes.nth(i).locator(".front").inner_text() for i in (0, 1)]
    assert fronts == [TEXTS[0]["front"], TEXTS[2]["front"]]


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/16")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    box = page.locator(".explorer-uncertain")
    assert box.count() == 1
    page.locator('[data-text="3"]').focus()
    page.keyboard.press("Enter")
    assert_numbers_are_right(page)
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
