"""The areas of chapter 02 in a real browser: every number against tutorlib.bits, by keyboard, mouse and touch."""

import itertools
import math

import pytest
from book_site import mount_again, toc_files

from tutorlib import bits
from tutorlib.explore import SurpriseAreas
from tutorlib.explore.surprise import PRESETS, WIDTH, letters, words

pytestmark = pytest.mark.browser

PICTURE = 356  # width of the picture in its own units
SHORT = {"p": 0, "q": 1}


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the areas."""
    return lambda html=None, *size, **options: show(html or SurpriseAreas().html(), *size, **options)


def number(text):
    return math.inf if text == "∞" else float(text.replace("−", "-"))


def lines(page, key):
    return [int(page.locator(f'[data-grip="{key}{n}"]').get_attribute("aria-valuenow")) for n in range(3)]


def state_of(page):
    """The mornings of the truth and of the belief, from the handles."""
    return [[b - a for a, b in itertools.pairwise([0, *lines(page, key), 64])] for key in "pq"]


def shown(page, name):
    return number(page.locator(f'[data-sum="{name}"]').inner_text())


def close(value):
    return pytest.approx(value, abs=5.1e-4)


def assert_numbers_are_right(page):
    """Every number shown is the exact one, rounded as shown."""
    p, q = state_of(page)
    truth, belief = ([n / 64 for n in counts] for counts in (p, q))
    paid = float(bits.cross_entropy(truth, belief))
    assert shown(page, "entropy") == close(float(bits.entropy(truth)))
    assert shown(page, "paid") == close(paid)
    assert shown(page, "gap") == close(float(bits.kl_divergence(truth, belief)))
    assert shown(page, "reverse") == close(float(bits.kl_divergence(belief, truth)))
    if math.isfinite(paid):
        assert shown(page, "extra") - shown(page, "saved") == pytest.approx(shown(page, "gap"), abs=0.0016)
    rows = [row.locator("td").all_inner_texts() for row in page.locator("tbody tr").all()]
    for i in range(4):
        each = math.log2(64 / q[i]) if q[i] else math.inf
        assert [int(x) for x in rows[i][:2]] == [p[i], q[i]]
        assert number(rows[i][2]) == close(each)
        assert number(rows[i][3]) == close(p[i] * each if p[i] else 0.0)
    assert number(rows[4][3]) == close(64 * paid)
    assert_areas_are_right(page, p, q)


def assert_areas_are_right(page, p, q):
    """Blue and amber areas together are the cross-entropy; blue and dashed ones are the entropy."""
    size = "all => all.reduce((s, r) => s + r.width.baseVal.value * r.height.baseVal.value, 0)"
    area = {
        kind: page.locator(f"rect.{kind}").evaluate_all(size) / (WIDTH * 36)
        for kind in ("own", "extra", "saved")
    }
    truth = [n / 64 for n in p]
    assert area["own"] + area["saved"] == pytest.approx(float(bits.entropy(truth)), abs=0.002)
    if all(q[i] for i in range(4) if p[i]):
        paid = float(bits.cross_entropy(truth, [n / 64 for n in q]))
        assert area["own"] + area["extra"] == pytest.approx(paid, abs=0.002)


def test_the_first_state_is_the_lighthouse(show):
    page = show()
    assert state_of(page) == [PRESETS[0]["p"], PRESETS[0]["q"]]
    assert page.locator('[data-sum="gap"]').inner_text() == "0.500"
    assert_numbers_are_right(page)


@pytest.mark.parametrize("which", range(len(PRESETS)))
def test_presets_by_keyboard(show, which):
    page = show()
    button = page.locator(f'[data-preset="{which}"]')
    button.focus()
    page.keyboard.press("Enter")
    assert state_of(page) == [PRESETS[which]["p"], PRESETS[which]["q"]]
    assert page.locator('[data-preset][aria-pressed="true"]').all_inner_texts() == [PRESETS[which]["name"]]
    assert_numbers_are_right(page)


@pytest.mark.parametrize("grip", [f"{key}{n}" for key in "pq" for n in range(3)])
def test_every_line_by_keyboard(show, grip):
    page = show()
    key, which = grip[0], int(grip[1])
    handle = page.locator(f'[data-grip="{grip}"]')
    start = lines(page, key)[which]
    handle.focus()
    for press, to in (
        ("ArrowRight", start + 1), ("ArrowUp", start + 2), ("ArrowLeft", start + 1), ("ArrowDown", start),
        ("PageDown", max(start - 8, 0)), ("PageUp", max(start - 8, 0) + 8), ("Home", 0), ("End", 64), ("ArrowRight", 64),
    ):  # fmt: skip
        page.keyboard.press(press)
        assert lines(page, key)[which] == to, press
        assert sum(state_of(page)[SHORT[key]]) == 64
        assert min(state_of(page)[SHORT[key]]) >= 0, "a line pushes those it meets"
        assert_numbers_are_right(page)
    counts = state_of(page)[SHORT[key]]
    said = handle.get_attribute("aria-valuetext")
    assert f" {counts[which]}, " in said and said.endswith(f" {counts[which + 1]} of 64")
    assert page.evaluate("document.activeElement.dataset.grip") == grip, "the handle keeps the focus"


def test_believe_the_truth_and_swap(show):
    page = show()
    page.locator('[data-preset="2"]').click()
    assert page.locator('[data-sum="gap"]').inner_text() == "∞"
    page.get_by_role("button", name="Swap p and q").click()
    assert state_of(page) == [PRESETS[2]["q"], PRESETS[2]["p"]]
    assert page.locator('[data-sum="reverse"]').inner_text() == "∞"
    assert_numbers_are_right(page)
    page.get_by_role("button", name="Believe the truth").click()
    p, q = state_of(page)
    assert p == q
    assert shown(page, "gap") == 0
    assert page.locator("rect.extra, rect.saved").count() == 0
    assert page.locator('[data-preset][aria-pressed="true"]').count() == 0


@pytest.mark.parametrize("belief", [[16, 16, 16, 16], [30, 20, 13, 1], [0, 0, 0, 64], [63, 0, 0, 1]])
def test_whole_seconds_are_a_code(show, belief):
    page = show()
    for n, at in reversed(list(enumerate(itertools.accumulate(belief[:3])))):
        page.locator(f'[data-grip="q{n}"]').focus()
        page.keyboard.press("Home")
        for _ in range(at):
            page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Whole seconds").click()
    p, q = state_of(page)
    assert q == belief
    lengths = [letters(n) for n in q]
    wanted = ["none" if w is None else w or "empty" for w in words(lengths)]
    assert page.locator("td.word").all_inner_texts() == wanted
    mean = (
        sum(n * (math.inf if length is None else length) for n, length in zip(p, lengths, strict=True) if n)
        / 64
    )
    assert shown(page, "paid") == close(mean)
    assert shown(page, "gap") == close(mean - float(bits.entropy([n / 64 for n in p])))
    page.get_by_role("button", name="Whole seconds").click()
    assert_numbers_are_right(page)


def grip_at(page, grip):
    """The middle of a handle, in pixels."""
    box = page.locator(f'[data-grip="{grip}"] .knob').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(("grip", "to"), [("p0", 20), ("p2", 30), ("q1", 50), ("q2", 8)])
def test_lines_are_dragged_by_mouse(show, grip, to):
    page = show()
    key, which = grip[0], int(grip[1])
    scale = page.locator("svg").bounding_box()["width"] / PICTURE
    other = lines(page, "q" if key == "p" else "p")
    x, y = grip_at(page, grip)
    right = (to - lines(page, key)[which]) * WIDTH / 64 * scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y)
    page.mouse.move(x + right, y + 5)
    assert lines(page, key)[which] == to
    assert_numbers_are_right(page)
    page.mouse.move(x + 3000, y)  # far outside: the line stops at the edge and has pushed the others
    page.mouse.up()
    assert lines(page, key)[which] == 64
    page.mouse.move(x, y)
    assert lines(page, key)[which] == 64, "the line is let go"
    assert lines(page, "q" if key == "p" else "p") == other
    page.mouse.move(*grip_at(page, grip))
    page.mouse.down()
    page.mouse.move(x - 3000, y)
    page.mouse.up()
    assert 0 in lines(page, key), "lines that lie on each other at the edge can be pulled back"


def test_lines_are_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = grip_at(page, "q1")
    scroll = page.evaluate("scrollY")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x + 5 * step, y - 3 * step)
    touch("touchEnd")
    assert lines(page, "q")[1] > 28
    assert page.evaluate("scrollY") == scroll
    assert_numbers_are_right(page)


def test_two_copies_on_a_page_are_two_boxes(show):
    page = show(SurpriseAreas().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-preset="1"]').click()
    assert boxes.locator('[data-sum="gap"]').all_inner_texts() == ["0.500", "1.285"]
    mount_again(page)
    boxes.nth(1).locator('[data-do="whole"]').click()
    assert boxes.nth(1).locator("td.word").count() == 4 and boxes.nth(0).locator("td.word").count() == 0


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/02")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-surprise").count() == 1
    page.locator('[data-grip="p0"]').focus()
    page.keyboard.press("ArrowRight")
    assert lines(page, "p") == [33, 48, 56]
    assert_numbers_are_right(page)
    page.locator('[data-preset="2"]').click()
    page.locator('[data-do="whole"]').click()  # the widest table
    box = page.locator(".explorer-surprise")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
