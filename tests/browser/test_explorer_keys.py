"""The explorers keep the keys they need where the page around them has shortcuts, as JupyterLab has."""

import pytest

from tutorlib.explore import CoinTable, EliminationGame, SurpriseAreas, UnitSquare

pytestmark = pytest.mark.browser

# What JupyterLab does: it listens at the document and takes the arrow keys and Enter for its notebook.
GREEDY = """document.addEventListener("keydown", (event) => event.preventDefault());"""
PAGE = "<!doctype html><html lang='en'><head><title>Keys</title></head><body><main>{box}</main></body></html>"


@pytest.fixture
def greedy_page(browser):
    page = browser.new_page()

    def open_box(explorer):
        page.set_content(PAGE.format(box=explorer.html()))
        page.wait_for_selector("[data-mounted]")
        page.evaluate(GREEDY)
        return page

    yield open_box
    page.close()


def test_a_slider_moves_with_the_arrow_keys(greedy_page):
    slider = greedy_page(UnitSquare()).locator("input[type=range]").first
    before = int(slider.input_value())
    slider.focus()
    slider.press("ArrowRight")
    assert int(slider.input_value()) == before + 1


def test_a_dividing_line_moves_with_the_arrow_keys(greedy_page):
    line = greedy_page(SurpriseAreas()).locator('[data-grip="q1"]')
    before = int(line.get_attribute("aria-valuenow"))
    line.focus()
    line.press("ArrowRight")
    assert int(line.get_attribute("aria-valuenow")) == before + 1


def test_a_coin_is_crossed_out_by_keys(greedy_page):
    coin = greedy_page(CoinTable()).locator('[data-coin="4"]')
    coin.focus()
    coin.press("Enter")
    assert coin.get_attribute("aria-pressed") == "true"


def test_boxes_are_chosen_and_opened_by_keys(greedy_page):
    page = greedy_page(EliminationGame.from_checkpoints())
    button = page.get_by_role("button", name="Open box")
    page.locator("input[type=radio]").first.focus()
    page.keyboard.press("ArrowRight")
    assert button.inner_text() == "Open box 2"
    page.keyboard.press("Enter")
    assert button.inner_text() != "Open box 2"


def test_shortcuts_with_control_still_reach_the_page(greedy_page):
    page = greedy_page(UnitSquare())
    page.evaluate("""document.addEventListener("keydown", (event) => { window.heard = event.key; });""")
    page.locator("input[type=range]").first.press("Control+k")
    assert page.evaluate("window.heard") == "k"
