"""The coin table of chapter 03 in a real browser: every number against tutorlib, by mouse, touch and keyboard."""

import math

import pytest
import torch
from book_site import toc_files

from tutorlib import bayes, bits
from tutorlib.explore import CoinTable
from tutorlib.explore.coin import BAGS, COINS, FIRST, MOST_TOSSES, PRIORS

pytestmark = pytest.mark.browser

BIAS = torch.arange(COINS, dtype=torch.float64) / (COINS - 1)


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows the coin table."""
    return lambda html=None, *size, **options: show(html or CoinTable().html(), *size, **options)


def number(text):
    return math.inf if text in ("∞", "no limit") else float(text.replace("−", "-"))


def tosses_of(page):
    return [int(x) for x in page.locator(".sequence").get_attribute("data-tosses")]


def state_of(page):
    """The bag's weights, the reader's, and the tosses."""
    bag, prior = (int(page.locator(f'[data-choose="{name}"]').input_value()) for name in ("bag", "prior"))
    out = page.locator(".coin").evaluate_all("all => all.map(b => b.getAttribute('aria-pressed') === 'true')")
    mine = [0 if gone else w for w, gone in zip(PRIORS[prior]["weights"], out, strict=True)]
    return BAGS[bag]["weights"], mine, tosses_of(page)


def exact(weights, tosses):
    """Belief and bits paid by all tosses at once, in logarithms; the page and Python's first state go toss by toss."""
    heads, tails = sum(tosses), len(tosses) - sum(tosses)
    prior = bayes.normalise(weights)
    logs = prior.log() + torch.xlogy(heads, BIAS) + torch.xlogy(tails, 1 - BIAS)  # nats
    return logs.softmax(-1), -float(logs.logsumexp(-1)) / math.log(2)


def assert_numbers_are_right(page):
    bag, mine, tosses = state_of(page)
    (right, paid_right), (belief, paid) = exact(bag, tosses), exact(mine, tosses)
    shown = {
        cell.get_attribute("data-number"): number(cell.inner_text())
        for cell in page.locator("[data-number]").all()
    }
    ratio = bits.surprise(bayes.normalise(mine)) - bits.surprise(bayes.normalise(bag))
    wanted = {
        "paid-mine": paid,
        "paid-right": paid_right,
        "cost": paid - paid_right,
        "limit": float(ratio.max()),
    }
    assert shown == pytest.approx(wanted, abs=0.00501)
    said = [number(x) for x in page.locator(".sentence b").all_inner_texts()]
    assert said[:2] == pytest.approx([float(belief @ BIAS), float(right @ BIAS)], abs=0.000501)
    assert said[2] == pytest.approx(paid - paid_right, abs=0.00501)
    for who, p in (("mine", belief), ("right", right)):
        percent = [float(x.split()[-1]) for x in page.locator(f".column > .{who}").all_inner_texts()]
        assert percent == pytest.approx((100 * p).tolist(), abs=0.501)
        top = float(page.locator(".top").inner_text())
        heights = page.locator(f".bar.{who}").evaluate_all("all => all.map(b => parseFloat(b.style.height))")
        assert heights == pytest.approx((100 * 100 * p / top).tolist(), abs=0.0501)


def test_the_first_state_is_pythons(show):
    page = show()
    assert tosses_of(page) == FIRST["tosses"]
    assert_numbers_are_right(page)


@pytest.mark.parametrize("prior", range(len(PRIORS)))
@pytest.mark.parametrize("bag", range(len(BAGS)))
def test_every_bag_with_every_prior(show, bag, prior):
    page = show()
    if bag != FIRST["bag"]:
        page.locator('[data-choose="bag"]').select_option(str(bag))
    page.locator('[data-choose="prior"]').select_option(str(prior))
    assert len(tosses_of(page)) == (0 if bag != FIRST["bag"] else len(FIRST["tosses"])), (
        "another bag, another coin"
    )
    for _ in range(3):
        page.locator('[data-toss="10"]').click()
    assert len(tosses_of(page)) >= 30
    assert_numbers_are_right(page)


def test_tosses_by_keyboard(show):
    page = show()
    page.locator('[data-toss="1"]').focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert len(tosses_of(page)) == len(FIRST["tosses"]) + 2
    page.keyboard.press("Tab")  # ten times
    page.keyboard.press("Enter")
    assert len(tosses_of(page)) == len(FIRST["tosses"]) + 12
    page.locator('[data-hand="0"]').focus()
    page.keyboard.press("Enter")
    assert tosses_of(page)[-1] == 0
    assert_numbers_are_right(page)
    page.locator('[data-choose="prior"]').focus()
    page.keyboard.press("ArrowDown")
    assert page.locator('[data-choose="prior"]').input_value() == str(FIRST["prior"] + 1)
    assert_numbers_are_right(page)


def test_a_coin_is_crossed_out_and_put_back_by_touch(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    coin = page.locator('[data-coin="9"]')
    assert number(page.locator('[data-number="limit"]').inner_text()) < 7
    before = page.locator(".columns").inner_text(), page.locator("table").inner_text()
    coin.tap()
    assert coin.get_attribute("aria-pressed") == "true"
    assert page.locator('[data-number="limit"]').inner_text() == "no limit"
    assert page.locator(".column:nth-child(10) > .mine").inner_text().endswith("0")
    page.locator('[data-toss="10"]').tap()
    assert_numbers_are_right(page)
    coin.tap()
    assert coin.get_attribute("aria-pressed") == "false"
    assert_numbers_are_right(page)
    assert before[0] != page.locator(".columns").inner_text()


def test_a_missing_coin_costs_for_ever_and_drops_when_put_back(show):
    page = show()
    page.locator('[data-coin="9"]').click()
    for _ in range(40):
        page.locator('[data-toss="10"]').click()
    rising = number(page.locator('[data-number="cost"]').inner_text())
    assert rising > 7
    page.locator('[data-coin="9"]').click()
    dropped = number(page.locator('[data-number="cost"]').inner_text())
    assert dropped == pytest.approx(math.log2((1 / 11) / (10 / 1024)), abs=0.05), (
        "the ratio of the two priors"
    )


def test_a_list_that_is_ruled_out(show):
    page = show()
    for coin in range(1, COINS):
        page.locator(f'[data-coin="{coin}"]').click()  # only the coin that never shows heads is left
    assert "No coin on your list can do this" in page.locator(".sentence").inner_text()
    assert page.locator('[data-number="cost"]').inner_text() == "∞"
    assert page.locator(".bar.mine").evaluate_all("all => all.every(b => b.style.height === '0%')")
    page.locator('[data-coin="0"]').click()  # nothing left at all
    assert "No coin on your list can do this" in page.locator(".sentence").inner_text()
    page.locator('[data-choose="prior"]').select_option("0")
    assert_numbers_are_right(page)


def test_a_wrong_prior_may_earn(show):
    page = show()
    page.locator('[data-do="new"]').click()
    assert tosses_of(page) == []
    for k in range(10):
        page.locator(f'[data-hand="{k % 2}"]').click()
    assert number(page.locator('[data-number="cost"]').inner_text()) < -0.5
    assert_numbers_are_right(page)


def test_the_coin_is_shown_and_is_the_one_that_is_tossed(show):
    page = show()
    page.locator('[data-do="show"]').click()
    assert "shows heads with 0.9" in page.locator(".secret").inner_text()
    page.locator('[data-do="new"]').click()
    assert page.locator(".secret").inner_text() == "", "a new coin is hidden"
    for _ in range(40):
        page.locator('[data-toss="10"]').click()
    page.locator('[data-do="show"]').click()
    bias = float(page.locator(".secret").inner_text().split()[-1].rstrip("."))
    share = sum(tosses_of(page)) / 400
    assert abs(share - bias) < 4 * math.sqrt(0.25 / 400)


def test_a_thousand_tosses_are_the_end(show):
    page = show()
    for _ in range(MOST_TOSSES // 10):
        if page.locator('[data-toss="10"]').is_enabled():
            page.locator('[data-toss="10"]').click()
    assert len(tosses_of(page)) == MOST_TOSSES
    assert page.locator("[data-toss]:enabled, [data-hand]:enabled").count() == 0
    assert_numbers_are_right(page)


def test_the_curve_is_the_cost_after_each_toss(show):
    page = show()
    page.locator('[data-toss="10"]').click()
    bag, mine, tosses = state_of(page)
    costs = [exact(mine, tosses[:n])[1] - exact(bag, tosses[:n])[1] for n in range(len(tosses) + 1)]
    path = page.locator("path.cost").get_attribute("d")[1:].split()
    heights = [float(y) for y in path[1::2]]
    high, low = (
        float(page.locator(f"path.grid >> nth={i}").get_attribute("d").split()[1].split("H")[0])
        for i in (-1, 0)
    )
    labels = sorted({math.floor(min(costs)), 0, math.ceil(max(*costs, 6.54))})
    written = page.locator('svg text[text-anchor="end"]').all_text_contents()[:-1]
    assert [number(x) for x in written] == [
        x for x in labels if x >= 0 or -108 * x >= 14 * (labels[-1] - labels[0])
    ]
    drawn = [labels[0] + (low - y) / (low - high) * (labels[-1] - labels[0]) for y in heights]
    assert drawn == pytest.approx(costs, abs=0.01)


def test_two_copies_on_a_page_are_two_tables(show):
    page = show(CoinTable().html() * 2)
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-toss="1"]').click()
    counts = boxes.locator(".sequence").evaluate_all("all => all.map(e => e.dataset.tosses.length)")
    assert counts == [len(FIRST["tosses"]), len(FIRST["tosses"]) + 1]


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/03")]


@pytest.mark.parametrize("path", CHAPTER)
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    box = page.locator(".explorer-coin")
    assert box.count() == 1
    box.locator('[data-toss="1"]').focus()
    page.keyboard.press("Enter")
    assert len(tosses_of(page)) == len(FIRST["tosses"]) + 1
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    inner = box.locator(".explorer-body").bounding_box()
    assert box.locator(".sequence").bounding_box()["x"] >= inner["x"], (
        "the page's own classes do not reach in"
    )
