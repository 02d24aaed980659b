"""E step and M step of chapter 05 in a real browser: every number against tutorlib.em, by mouse, touch and keyboard."""

import pytest
import torch
from book_site import AXE, OVERFLOW, RUN_AXE, toc_files

from tutorlib import em
from tutorlib.explore import EMSteps
from tutorlib.explore.em import HIGH, LOW, PRESETS, SPREAD, WIDTH

pytestmark = pytest.mark.browser


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or EMSteps().html(), *size, **options)


class Twin:
    """The same steps in Python."""

    def __init__(self, preset=0, start=None):
        self.pitches = PRESETS[preset]["pitches"]
        self.model = em.GaussianMixture([float(c) for c in start or PRESETS[preset]["start"]], SPREAD)
        self.shares = None

    def E(self):  # noqa: N802
        self.shares = em.responsibilities(self.pitches, self.model)

    def M(self):  # noqa: N802
        self.model = em.maximise(self.pitches, self.shares, self.model, "centres")

    def agree(self, page):
        """The page's numbers are these, to 1e-9; what is written is rounded from them."""
        expected = {
            "centre": self.model.centres.tolist(),
            "log-likelihood": [float(em.log_likelihood(self.pitches, self.model))],
        }
        if self.shares is not None:
            expected["count"] = self.shares.sum(0).tolist()
            expected["bound"] = [float(em.lower_bound(self.pitches, self.model, self.shares))]
        for kind, values in expected.items():
            found = page.locator(f"data.{kind}").evaluate_all("all => all.map(e => [e.value, e.textContent])")
            assert [float(value) for value, _ in found] == pytest.approx(values, abs=1e-9), kind
            for value, written in found:
                decimals = len(written.partition(".")[2])
                assert float(written.replace("−", "-")) == pytest.approx(
                    float(value), abs=0.5 * 10**-decimals + 1e-9
                )
        if self.shares is None:
            assert page.locator("data.bound").count() == 0
            assert page.locator("data.count").all_inner_texts() == ["–"] * len(self.model.centres)


def press(page, action, key=None):
    button = page.locator(f'[data-action="{action}"]')
    if key is None:
        button.click()
    else:
        button.focus()
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.action") == action, "the button keeps the focus"


def bar_heights(page):
    """Share of each voice in each bar, ``[sentence, voice]``."""
    rects = page.locator(".bars rect").evaluate_all(
        "all => all.map(e => [e.getAttribute('class'), Number(e.getAttribute('height')) / 100])"
    )
    voices = len({kind for kind, _ in rects})
    return torch.tensor([height for _, height in rects], dtype=torch.float64).reshape(-1, voices)


def test_the_first_state_is_the_story(show):
    page = show()
    Twin().agree(page)
    assert "−91.967 bits" in page.locator(".said").inner_text()
    assert page.locator(".bars rect.open").count() == 12


def test_python_and_javascript_draw_the_same_first_state(show):
    drawn = "all => all.map(e => e.innerHTML)"
    parts = ".frame, .bells, .bars, .grips, .curve, .side, .bar"
    static = show(java_script_enabled=False)
    assert static.locator("button").first.is_hidden() and static.locator("input").first.is_hidden()
    before = static.locator(parts).evaluate_all(drawn), static.locator(".said, table").all_inner_texts()
    page = show()
    assert before == (page.locator(parts).evaluate_all(drawn), page.locator(".said, table").all_inner_texts())
    assert len(before[0]) == 8


@pytest.mark.parametrize("preset", range(len(PRESETS)))
@pytest.mark.parametrize("key", [None, "Enter", " "], ids=["mouse", "enter", "space"])
def test_steps_are_those_of_the_library(show, preset, key):
    page, twin = show(), Twin(preset)
    page.locator(f'[data-preset="{preset}"]').click()
    twin.agree(page)
    for action in "EMEMMEEM":
        press(page, action, key)
        getattr(twin, action)()
        twin.agree(page)
        assert torch.allclose(bar_heights(page), twin.shares, atol=1e-4)


def test_ten_rounds(show):
    page, twin = show(), Twin(2)
    page.locator('[data-preset="2"]').click()
    press(page, "run")
    for _ in range(10):
        twin.E()
        twin.M()
    twin.agree(page)
    assert "up by" in page.locator(".said").inner_text()


def test_what_is_said_of_the_steps(show):
    page = show()
    said = page.locator(".said")
    press(page, "M")
    assert "Take an E step first" in said.inner_text()
    assert page.locator("polyline.likelihood").get_attribute("points").count(",") == 1, "no step was taken"
    press(page, "E")
    bound, likelihood = page.locator(".said data").evaluate_all("all => all.map(e => Number(e.value))")
    assert bound == pytest.approx(likelihood, abs=1e-9)
    press(page, "M")
    assert "move by −17.09, +8.80 Hz" in said.inner_text() and "up by 6.803 bits" in said.inner_text()
    press(page, "M")
    assert "move by +0.00, +0.00 Hz" in said.inner_text() and "up by 0.000 bits" in said.inner_text()
    press(page, "E")
    assert "The bound rises by" in said.inner_text()
    press(page, "E")
    assert "No change" in said.inner_text()


def test_the_traces_rise_and_the_bound_stays_below(show):
    page = show()
    for action in "EMEMEM":
        press(page, action)

    def heights(kind):
        points = page.locator(f"polyline.{kind}").get_attribute("points").split()
        return [-float(point.split(",")[1]) for point in points]

    likelihood, bound = heights("likelihood"), heights("bound")
    assert len(likelihood) == 7 and len(bound) == 6
    assert likelihood == sorted(likelihood) and bound == sorted(bound)
    assert all(b <= top + 1e-9 for b, top in zip(bound, likelihood[1:], strict=True))
    assert bound[0] == likelihood[1] and bound[1] < likelihood[2]


def test_back_to_start(show):
    page = show()
    press(page, "run")
    press(page, "back")
    Twin().agree(page)
    slider = page.locator('[data-voice="0"]')
    slider.focus()
    page.keyboard.press("ArrowLeft")
    press(page, "run")
    press(page, "back")
    Twin(start=[149, 170]).agree(page)


@pytest.mark.parametrize("voice", [0, 1])
def test_sliders_by_keyboard(show, voice):
    page, start = show(), [150, 170]
    press(page, "E")
    slider = page.locator(f'[data-voice="{voice}"]')
    slider.focus()
    for key, change in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1)):
        page.keyboard.press(key)
        start[voice] += change
        Twin(start=start).agree(page)
        assert slider.get_attribute("aria-valuetext") == f"{start[voice]}.0 hertz"
    for key, end in (("Home", LOW), ("End", HIGH)):
        page.keyboard.press(key)
        start[voice] = end
        Twin(start=start).agree(page)
    assert page.evaluate("document.activeElement.dataset.voice") == str(voice), "the slider keeps the focus"


def knob(page, voice):
    box = page.locator(f'[data-grip="{voice}"] .knob').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("voice", [0, 1])
def test_a_start_is_dragged_by_mouse(show, voice):
    page, start = show(), [150, 170]
    press(page, "E")
    scale = page.locator("svg.room").bounding_box()["width"] / 340 * WIDTH / (HIGH - LOW)  # pixels a hertz
    x, y = knob(page, voice)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5, y + 30)
    page.mouse.move(x + (40 if voice else -40) * scale, y + 60)
    start[voice] += 40 if voice else -40
    Twin(start=start).agree(page)
    page.mouse.move(x + 4000, y)
    start[voice] = HIGH
    Twin(start=start).agree(page)
    page.mouse.up()
    page.mouse.move(x, y)
    Twin(start=start).agree(page)


def test_voices_with_one_centre_can_both_be_taken(show):
    for voice, pitch in ((0, 120), (1, 200)):
        page = show()
        page.locator('[data-preset="1"]').click()
        scale = page.locator("svg.room").bounding_box()["width"] / 340 * WIDTH / (HIGH - LOW)
        x, y = knob(page, voice)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + (pitch - 160) * scale, y)
        page.mouse.up()
        Twin(start=[pitch, 160] if voice == 0 else [160, pitch]).agree(page)


def test_a_start_is_dragged_by_touch_and_the_page_stays(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    session = page.context.new_cdp_session(page)
    x, y = knob(page, 1)
    scroll = page.evaluate("scrollY")

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x + 4, y)
    for step in range(1, 11):
        touch("touchMove", x + 4 + 4 * step, y - 6 * step)
    touch("touchEnd")
    moved = float(page.locator("data.centre").nth(1).get_attribute("value"))
    assert moved > 185 and page.evaluate("scrollY") == scroll
    Twin(start=[150, moved]).agree(page)


def test_two_copies_on_a_page_are_two_rooms(show):
    page = show(EMSteps().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-action="run"]').click()
    boxes.nth(1).locator('[data-action="E"]').click()
    assert boxes.nth(0).locator("data.bound").count() == 0
    assert boxes.nth(1).locator("data.bound").count() == 1


def in_state(page, name):
    if name == "three voices":
        page.locator('[data-preset="2"]').click()
    if name != "first":
        press(page, "run")
        press(page, "E")


STATES = ("first", "ten rounds", "three voices")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(show, state, dark):
    page = show(dark=dark)
    in_state(page, state)
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, None) == []


@pytest.mark.parametrize("state", STATES)
def test_it_fits_a_telephone(show, state):
    page = show(width=390, has_touch=True, is_mobile=True)
    in_state(page, state)
    assert page.evaluate(OVERFLOW) == []
    box = page.locator("[data-explorer]")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth"), "the box itself need not scroll sideways"
    small = page.locator("button, input").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).filter(r => r.height < 32).map(r => `${r.width} x ${r.height}`)"
    )
    assert small == []


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/05")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-em").count() == 1
    press(page, "E")
    press(page, "M")
    twin = Twin()
    twin.E()
    twin.M()
    twin.agree(page)
    box = page.locator(".explorer-em")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
