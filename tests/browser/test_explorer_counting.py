"""The square of chapter 01 in a real browser: every number against tutorlib.bayes, by keyboard, mouse and touch."""

import pytest
from book_site import mount_again, toc_files

from tutorlib import bayes
from tutorlib.explore import UnitSquare
from tutorlib.explore.counting import PRESETS

pytestmark = pytest.mark.browser

PICTURE = {"left": 20, "top": 26, "side": 300, "width": 340}  # the square inside the picture


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the square."""
    return lambda html=None, *size, **options: show(html or UnitSquare().html(), *size, **options)


def number(text):
    return float(text.replace("−", "-").replace(",", "").replace("\u00a0", " ").removesuffix(" %"))


def state_of(page):
    return [int(page.locator(f'[data-key="{key}"]').first.input_value()) for key in "pab"]


def assert_numbers_are_right(page):
    """Every number shown is the exact one, rounded as shown."""
    prior, hit, alarm = (value / 1000 for value in state_of(page))
    table = bayes.natural_frequencies(1000, [prior, 1 - prior], [[hit, 1 - hit], [alarm, 1 - alarm]])
    exact = [*table[0], table[0].sum(), *table[1], table[1].sum(), *table.sum(0), table.sum()]
    cells = page.locator("tbody td").all_inner_texts()
    assert [number(cell) for cell in cells] == pytest.approx([float(x) for x in exact], abs=1e-9)
    posterior = float(bayes.condition([prior, 1 - prior], [hit, alarm])[0])
    shown = page.locator(".posterior").inner_text()
    decimals = len(shown.split(" ")[0].partition(".")[2])
    assert number(shown) == pytest.approx(100 * posterior, abs=0.5 * 10**-decimals + 1e-9)
    odds = [float(bayes.odds(prior)), hit / alarm, float(bayes.odds(posterior))]
    shown_odds = [number(text) for text in page.locator(".odds b").all_inner_texts()]
    assert shown_odds == pytest.approx(odds, rel=5e-4 + 1e-9)
    bits = [
        float(bayes.log_odds(prior)),
        float(bayes.log_odds(posterior) - bayes.log_odds(prior)),
        float(bayes.log_odds(posterior)),
    ]
    shown_bits = [number(text) for text in page.locator(".bits b").all_inner_texts()]
    assert shown_bits == pytest.approx(bits, abs=5e-4 + 1e-9)
    said = page.locator('[aria-live="polite"]').inner_text()
    assert shown in said


def test_the_first_state_is_the_forecast(show):
    page = show()
    assert state_of(page) == [300, 800, 150]
    assert page.locator(".posterior").inner_text() == "69.6 %"
    assert_numbers_are_right(page)


@pytest.mark.parametrize("key", "pab")
def test_sliders_by_keyboard(show, key):
    page = show()
    start = state_of(page)["pab".index(key)]
    slider = page.locator(f'[data-key="{key}"]')
    slider.focus()
    for press, value in (("ArrowRight", start + 1), ("ArrowRight", start + 2), ("ArrowLeft", start + 1)):
        page.keyboard.press(press)
        assert state_of(page)["pab".index(key)] == value
        assert_numbers_are_right(page)
    page.keyboard.press("PageUp")
    assert state_of(page)["pab".index(key)] > start + 10
    assert_numbers_are_right(page)
    text = slider.get_attribute("aria-valuetext")
    assert number(text) == pytest.approx(state_of(page)["pab".index(key)] / 10)
    assert page.evaluate("document.activeElement.dataset.key") == key, "the slider keeps the focus"


@pytest.mark.parametrize("key", "pab")
def test_large_steps_by_keyboard(show, key):
    page = show()
    for press in ("PageDown", "End", "Home"):
        before = state_of(page)["pab".index(key)]
        page.locator(f'[data-key="{key}"]').focus()
        page.keyboard.press(press)
        after = state_of(page)["pab".index(key)]
        low = 1 if key == "p" else 0
        assert after == {"End": 1000 - low, "Home": low}.get(press, after)
        assert abs(after - before) > 10


@pytest.mark.parametrize("key", "pab")
def test_the_focus_frame_stays_clear_of_the_words(show, key):
    page = show()
    page.keyboard.press("Tab")  # so that the focus counts as one by keyboard
    slider = page.locator(f'[data-key="{key}"]')
    slider.focus()
    frame = slider.evaluate(
        "e => [getComputedStyle(e)].map(s => parseFloat(s.outlineWidth) + parseFloat(s.outlineOffset))[0]"
    )
    assert frame > 0
    box = slider.bounding_box()
    for words in page.locator("label .name").all():
        name = words.bounding_box()
        assert name["y"] + name["height"] <= box["y"] - frame or name["y"] >= box["y"] + box["height"] + frame


@pytest.mark.parametrize(
    "state", [(1, 999, 1), (999, 1, 999), (501, 333, 667), (37, 5, 1000), (640, 1000, 512)]
)
def test_numbers_far_from_the_story(show, state):
    page = show()
    for key, value in zip("pab", state, strict=True):
        page.locator(f'[data-key="{key}"]').fill(str(value))
    assert tuple(state_of(page)) == state
    assert_numbers_are_right(page)


def test_what_never_happens_teaches_nothing(show):
    page = show()
    for key in "ab":
        page.locator(f'[data-key="{key}"]').focus()
        page.keyboard.press("Home")
    assert page.locator(".posterior").inner_text() == "no posterior"
    page.locator('[data-key="a"]').focus()
    page.keyboard.press("End")
    assert page.locator(".posterior").inner_text() == "100 %"
    assert "∞" in page.locator(".bits").inner_text()


@pytest.mark.parametrize("which", range(len(PRESETS)))
def test_presets_by_keyboard(show, which):
    page = show()
    button = page.locator(f'[data-preset="{which}"]')
    button.focus()
    page.keyboard.press("Enter")
    assert state_of(page) == PRESETS[which]["state"]
    assert page.locator('[data-preset][aria-pressed="true"]').all_inner_texts() == [PRESETS[which]["name"]]
    assert page.locator("label .name").all_inner_texts() == PRESETS[which]["sliders"]
    assert_numbers_are_right(page)
    if PRESETS[which]["name"] == "Useless test":
        assert page.locator(".posterior").inner_text() == "10.0 %"


def grip(page, key):
    """The middle of a grip, in pixels."""
    box = page.locator(f'[data-grip="{key}"] .knob').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(
    ("key", "right", "down", "wanted"), [("p", 60, 0, 500), ("a", 0, 90, 500), ("b", 0, -105, 500)]
)
def test_lines_are_dragged_by_mouse(show, key, right, down, wanted):
    page = show()
    before = state_of(page)
    scale = page.locator("svg").bounding_box()["width"] / PICTURE["width"]
    x, y = grip(page, key)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right * scale / 2, y + down * scale / 2)
    page.mouse.move(x + right * scale, y + down * scale)
    assert state_of(page)["pab".index(key)] == wanted
    assert_numbers_are_right(page)
    page.mouse.move(x + 2000, y + 2000)  # far outside: the line stops at the edge
    page.mouse.up()
    ends = {"p": 999, "a": 0, "b": 0}
    after = state_of(page)
    assert after["pab".index(key)] == ends[key]
    assert [v for k, v in zip("pab", after, strict=True) if k != key] == [
        v for k, v in zip("pab", before, strict=True) if k != key
    ]
    page.mouse.move(x, y)
    assert state_of(page) == after, "the line is let go"


def test_lines_are_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = grip(page, "b")
    scroll = page.evaluate("scrollY")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x, y - 6 * step)
    touch("touchEnd")
    assert state_of(page)[2] > 250
    assert page.evaluate("scrollY") == scroll
    assert_numbers_are_right(page)


def dots(page):
    """How many dots there are of each kind, without those of the key."""
    return {
        kind: page.locator(f"path.{kind}").evaluate("e => (e.getAttribute('d').match(/M/g) || []).length - 1")
        for kind in ("hit", "alarm", "miss", "rest")
    }


def test_a_thousand_dots(show):
    page = show()
    page.locator('[data-view="dots"]').focus()
    page.keyboard.press("Enter")
    assert dots(page) == {"hit": 240, "alarm": 105, "miss": 60, "rest": 595}
    assert page.locator("svg text.key").all_text_contents() == [
        "240 rainy, “rain”", "105 dry, “rain”", "60 rainy, “dry”", "595 dry, “dry”",
    ]  # fmt: skip
    assert page.locator(".grips").is_hidden()
    page.locator('[data-preset="1"]').click()
    assert dots(page) == {"hit": 1, "alarm": 50, "miss": 0, "rest": 949}
    for value in ("333", "1", "998"):
        page.locator('[data-key="a"]').fill(value)
        assert sum(dots(page).values()) == 1000
    page.locator('[data-view="areas"]').click()
    assert page.locator("rect").count() == 4
    assert page.locator(".grips").is_visible()


def test_two_copies_on_a_page_are_two_squares(show):
    page = show(UnitSquare().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-preset="1"]').click()
    assert boxes.locator(".posterior").all_inner_texts() == ["69.6 %", "1.9 %"]
    mount_again(page)
    boxes.nth(1).locator('[data-view="dots"]').click()
    assert boxes.locator(".posterior").all_inner_texts() == ["69.6 %", "1.9 %"]


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/01")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-counting").count() == 1
    page.locator('[data-key="p"]').focus()
    page.keyboard.press("ArrowRight")
    assert state_of(page) == [301, 800, 150]
    box = page.locator(".explorer-counting")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    assert number(box.locator(".posterior").inner_text()) == pytest.approx(
        100 * float(bayes.condition([0.301, 0.699], [0.8, 0.15])[0]), abs=0.0501
    )
