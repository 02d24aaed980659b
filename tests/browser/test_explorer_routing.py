"""Routing and values of chapter 13 in a real browser: each number against tutorlib.gradients, by mouse, touch, keyboard."""

import pytest
from book_site import toc_files

from tutorlib.explore import TwoLaws
from tutorlib.explore.routing import ETA, PRESETS, REACH, UNIT, laws

pytestmark = pytest.mark.browser


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or TwoLaws().html(), *size, **options)


class Twin:
    """The same state and steps in Python."""

    def __init__(self, preset=0):
        self.state = {key: PRESETS[preset][key] for key in ("values", "scores", "target")}

    def take(self, what):
        law, state = laws(self.state), dict(self.state)
        if what != "values":
            state["scores"] = [
                s - ETA["scores"] * d for s, d in zip(state["scores"], law["gradient"].tolist(), strict=True)
            ]
        if what != "scores":
            state["values"] = [
                [x - ETA["values"] * d for x, d in zip(v, slope, strict=True)]
                for v, slope in zip(state["values"], law["value_gradient"].tolist(), strict=True)
            ]
        self.state = state

    def agree(self, page):
        """The page's numbers are these, to 1e-9; what is written is rounded from them."""
        law = laws(self.state)
        expected = {key: law[key].tolist() for key in ("weight", "cost", "advantage", "gradient")}
        expected |= {"score": self.state["scores"], "loss": [float(law["loss"])]}
        for kind, values in expected.items():
            found = page.locator(f"data.{kind}").evaluate_all("all => all.map(e => [e.value, e.textContent])")
            assert [float(value) for value, _ in found] == pytest.approx(values, abs=1e-9), kind
            for value, written in found:
                decimals = len(written.partition(".")[2])
                assert float(written.replace("−", "-")) == pytest.approx(
                    float(value), abs=0.5 * 10**-decimals + 1e-9
                )
        for number, value in enumerate([*self.state["values"], self.state["target"]]):
            moved = page.locator(f'[data-grip="{number}"]').get_attribute("transform")
            x, y = (float(part) for part in moved.removeprefix("translate(").removesuffix(")").split(","))
            assert [(x - 170) / UNIT, (170 - y) / UNIT] == pytest.approx(value, abs=1e-3)


def press(page, what, times=1, key=None):
    button = page.locator(f'[data-take="{what}"][data-times="{times}"]')
    if key is None:
        button.click()
    else:
        button.focus()
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.take") == what, "the button keeps the focus"


@pytest.mark.parametrize("preset", range(len(PRESETS)))
@pytest.mark.parametrize("key", [None, "Enter", " "], ids=["mouse", "enter", "space"])
def test_steps_are_those_of_the_library(show, preset, key):
    page, twin = show(), Twin(preset)
    page.locator(f'[data-preset="{preset}"]').click()
    twin.agree(page)
    for what in ("scores", "values", "both", "scores", "values", "values", "both"):
        press(page, what, key=key)
        twin.take(what)
        twin.agree(page)


def test_ten_steps_and_back(show):
    page, twin = show(), Twin()
    press(page, "both", times=10)
    for _ in range(10):
        twin.take("both")
    twin.agree(page)
    fall, promise = (
        float(page.locator(f"data.{kind}").get_attribute("value")) for kind in ("fall", "promise")
    )
    start, end = (float(laws(state)["loss"]) for state in (PRESETS[0], twin.state))
    assert fall == pytest.approx(start - end, abs=1e-9) and 0 < fall < promise
    assert page.locator(".curve polyline").first.get_attribute("points").count(",") == 11
    page.locator('[data-action="back"]').click()
    Twin().agree(page)


def test_what_is_said_of_frozen_routing(show):
    page = show()
    assert "Position 2 is the cheapest" in page.locator(".said").inner_text()
    page.locator('[data-preset="2"]').click()
    assert "routing is frozen" in page.locator(".said").inner_text()
    press(page, "scores")
    Twin(2).agree(page)
    press(page, "values")
    assert float(page.locator("data.fall").get_attribute("value")) > 0.5


def test_a_small_step_keeps_its_promise(show):
    """Near the treasure the slopes foretell the fall; far from it they foretell too much."""
    page = show()
    for _ in range(6):
        press(page, "both", times=10)
    press(page, "both")
    fall, promise = (
        float(page.locator(f"data.{kind}").get_attribute("value")) for kind in ("fall", "promise")
    )
    assert 0 < fall <= promise


def test_steps_come_to_an_end(show):
    page = show()
    for _ in range(14):
        press(page, "both", times=10)
    assert page.locator(".curve polyline").first.get_attribute("points").count(",") == 121


@pytest.mark.parametrize("thing", range(4))
def test_sliders_by_keyboard(show, thing):
    page, twin = show(), Twin()
    page.locator(f'[data-thing="{thing}"]').click()
    at = list([*twin.state["values"], twin.state["target"]][thing])
    for axis in (0, 1):
        slider = page.locator(f'[data-axis="{axis}"]')
        slider.focus()
        for key, change in (("ArrowRight", 0.05), ("ArrowLeft", -0.05), ("ArrowLeft", -0.05)):
            page.keyboard.press(key)
            at[axis] += change
        if thing < 3:
            twin.state["values"] = [at if j == thing else v for j, v in enumerate(twin.state["values"])]
        else:
            twin.state["target"] = at
        twin.agree(page)
        assert page.evaluate("document.activeElement.dataset.axis") == str(axis), "the slider keeps the focus"


@pytest.mark.parametrize("position", range(3))
def test_scores_by_keyboard(show, position):
    page, twin = show(), Twin()
    page.locator(f'[data-score="{position}"]').focus()
    page.keyboard.press("End")
    twin.state["scores"] = [8.0 if j == position else 0.0 for j in range(3)]
    twin.agree(page)


def middle(page, number):
    box = page.locator(f'[data-grip="{number}"] .reach').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("number", range(4))
def test_things_are_dragged_by_mouse(show, number):
    page, twin = show(), Twin()
    scale = page.locator("svg.plane").bounding_box()["width"] / 340 * UNIT  # pixels a unit
    x, y = middle(page, number)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 0.5 * scale, y - 0.5 * scale, steps=3)
    at = [
        v + d for v, d in zip([*twin.state["values"], twin.state["target"]][number], (-0.5, 0.5), strict=True)
    ]
    if number < 3:
        twin.state["values"] = [at if j == number else v for j, v in enumerate(twin.state["values"])]
    else:
        twin.state["target"] = at
    twin.agree(page)
    assert page.locator(f'[data-thing="{number}"]').get_attribute("aria-pressed") == "true"
    page.mouse.move(x + 4000, y)
    page.mouse.up()
    page.mouse.move(x, y)
    moved = page.locator(f'[data-grip="{number}"]').get_attribute("transform")
    assert moved.startswith(f"translate({170 + UNIT * REACH:.2f},")


def test_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = middle(page, 0)
    scroll = page.evaluate("scrollY")
    before = page.locator('[data-grip="0"]').get_attribute("transform")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x, y)
    for step in range(1, 11):
        touch("touchMove", x + 3 * step, y + 4 * step)
    touch("touchEnd")
    assert page.locator('[data-grip="0"]').get_attribute("transform") != before
    assert page.evaluate("scrollY") == scroll


def test_two_copies_on_a_page_are_two_planes(show):
    page = show(TwoLaws().html() * 2)
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-take="both"][data-times="10"]').click()
    assert boxes.nth(0).locator("data.fall").count() == 0
    assert boxes.nth(1).locator("data.fall").count() == 1


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/13")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-routing").count() == 1
    press(page, "both")
    twin = Twin()
    twin.take("both")
    twin.agree(page)
    box = page.locator(".explorer-routing")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
