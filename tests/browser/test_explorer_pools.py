"""From attention to a mixture, chapter 14, in a real browser: every number against tutorlib.em_attention."""

import pytest
from book_site import toc_files

from tutorlib.explore import PoolMorph
from tutorlib.explore.pools import BAR_BOTTOM, BAR_TOP, GATE, PITCHES, POWER, SENTENCE, START, pool_state

pytestmark = pytest.mark.browser

NUMBERS = ("gate", "share", "pull", "centre", "count", "move", "loss")


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or PoolMorph().html(), *size, **options)


class Twin:
    """The same settings in Python."""

    def __init__(self):
        self.centres, self.gate, self.power, self.divide, self.sentence = START, GATE, POWER, True, SENTENCE

    def state(self):
        return pool_state(self.centres, self.gate, self.power, self.divide, self.sentence)

    def move(self, times=1):
        for _ in range(times):
            state = self.state()
            self.centres = tuple(c + m for c, m in zip(state["centre"], state["move"], strict=True))

    def agree(self, page):
        """The page's numbers are these, to 1e-8; what is written is rounded from them."""
        state = self.state()
        for kind in NUMBERS:
            found = page.locator(f"data.{kind}").evaluate_all("all => all.map(e => [e.value, e.textContent])")
            assert [float(value) for value, _ in found] == pytest.approx(state[kind], abs=1e-8), kind
            for value, written in found:
                decimals = len(written.partition(".")[2])
                assert float(written.replace("−", "-")) == pytest.approx(
                    float(value), abs=0.5 * 10**-decimals + 1e-8
                )
        heights = page.locator(".bars rect.voice-0").evaluate_all(
            "all => all.map(e => Number(e.getAttribute('height')))"
        )
        assert [h / (BAR_BOTTOM - BAR_TOP) for h in heights] == pytest.approx(state["shares"], abs=1e-3)


def put(page, key, value):
    """Move a slider by keys to a value."""
    slider = page.locator(f'[data-key="{key}"]')
    slider.focus()
    step, now = float(slider.get_attribute("step")), float(slider.input_value())
    for _ in range(round(abs(value - now) / step)):
        page.keyboard.press("ArrowRight" if value > now else "ArrowLeft")
    assert float(slider.input_value()) == pytest.approx(value)
    assert page.evaluate("document.activeElement.dataset.key") == key, "the slider keeps the focus"


def test_the_first_state_is_the_mixture(show):
    page = show()
    Twin().agree(page)
    assert "its step is EM" in page.locator(".said").inner_text()


@pytest.mark.parametrize("power", [0, 0.05, 0.5, 1])
@pytest.mark.parametrize("gate", [0.6, 0.95])
@pytest.mark.parametrize("divide", [True, False])
def test_numbers_are_those_of_the_library(show, power, gate, divide):
    page, twin = show(), Twin()
    put(page, "power", power)
    put(page, "gate", gate)
    page.locator('[data-key="divide"]').set_checked(divide)
    twin.power, twin.gate, twin.divide = power, gate, divide
    twin.agree(page)
    page.locator('[data-do="step"]').click()
    twin.move()
    twin.agree(page)
    page.locator('[data-do="ten"]').focus()
    page.keyboard.press("Enter")
    twin.move(10)
    twin.agree(page)
    assert "after 11 moves" in page.locator(".said").inner_text()
    page.locator('[data-do="again"]').click()
    twin.centres = START
    twin.agree(page)


def test_every_sentence(show):
    page, twin = show(), Twin()
    put(page, "power", 0.5)
    twin.power = 0.5
    for twin.sentence in range(len(PITCHES)):
        put(page, "sentence", twin.sentence + 1)
        twin.agree(page)
        assert (
            page.locator('[data-key="sentence"]')
            .get_attribute("aria-valuetext")
            .startswith(f"{twin.sentence + 1}: {PITCHES[twin.sentence]} Hz, from the ")
        )


def test_what_it_is_called(show):
    page = show()
    words = {
        (1, True): "its step is EM",
        (1, False): "mixture, and a plain",
        (0, True): "does not have",
        (0, False): "Attention, and a plain",
        (0.5, True): "Between",
    }
    for (power, divide), said in words.items():
        put(page, "power", power)
        page.locator('[data-key="divide"]').set_checked(divide)
        assert said in page.locator(".said").inner_text()


def centres(page):
    """In whole hertz."""
    return page.locator("data.centre").evaluate_all("all => all.map(e => Math.round(e.value))")


def test_what_the_chapter_says_one_finds(show):
    page = show()
    page.locator('[data-do="ten"]').click()
    assert centres(page) == [126, 188]
    put(page, "gate", 0.6)
    put(page, "power", 0)
    page.locator('[data-do="again"]').click()
    for _ in range(20):
        page.locator('[data-do="ten"]').click()
    assert centres(page) == [61, 245]


def test_two_copies_on_a_page_are_two_rooms(show):
    page = show(PoolMorph().html() * 2)
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-do="ten"]').click()
    assert float(boxes.nth(0).locator("data.centre").first.get_attribute("value")) == START[0]
    assert float(boxes.nth(1).locator("data.centre").first.get_attribute("value")) < 130


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/14")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    assert page.locator(".explorer-pools").count() == 1
    page.locator('[data-do="step"]').click()
    twin = Twin()
    twin.move()
    twin.agree(page)
    assert page.locator(".explorer-pools").evaluate("b => b.scrollWidth <= b.clientWidth")
