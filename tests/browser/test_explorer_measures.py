"""Fool the measure in a real browser: every number against ``tutorlib.bits``, the four tasks, keyboard, touch, copies."""

import math

import pytest
import torch
from book_site import mount_again, toc_files

from tutorlib import bits
from tutorlib.explore import FoolTheMeasure
from tutorlib.explore.measures import PRESETS, SONGS, TASKS

pytestmark = pytest.mark.browser

# What the theorem says after A, B, C and after A, A, A, with three of six records inside.
EXACT = torch.tensor([[1 / 3] * 3 + [0.0] * 3, [1 / 3] + [2 / 15] * 5], dtype=torch.float64)


@pytest.fixture
def show(show):
    """show(html, width, dark) as for every explorer; without html it shows this one."""
    return lambda html=None, *size, **options: show(html or FoolTheMeasure().html(), *size, **options)


def number(text):
    return math.inf if text == "∞" else float(text)


def choose(page, game):
    page.locator(f'[data-game="{game}"]').click()


def weights_of(page):
    return [int(page.locator(f'[data-song="{song}"]').input_value()) for song in range(6)]


def set_answer(page, game, weights):
    choose(page, game)
    for song, weight in enumerate(weights):
        page.locator(f'[data-song="{song}"]').fill(str(weight))
    assert weights_of(page) == list(weights)


def expected(answers):
    """Rows of the table for answers ``[2][6]``: game 1, game 2, mean; and the one averaged first."""
    q = torch.tensor(answers, dtype=torch.float64)
    q = q / q.sum(1, keepdim=True)
    gap = bits.entropy(q) - bits.entropy(EXACT)
    impossible = torch.where(EXACT > 0, 0.0, q).sum(1)
    columns = (gap.abs(), bits.kl_divergence(EXACT, q), bits.total_variation(EXACT, q), impossible)
    return [[*column.tolist(), float(column.mean())] for column in columns], abs(float(gap.mean()))


def assert_numbers_are_right(page, answers):
    rows, first = expected(answers)
    shown = [
        [number(x) for x in page.locator(f"tbody tr:nth-child({i}) td").all_inner_texts()]
        for i in (1, 3, 4, 5)
    ]
    for found, right in zip(shown, rows, strict=True):
        assert found == pytest.approx(right, abs=0.000501)
    assert number(page.locator("tbody tr:nth-child(2) td").last.inner_text()) == pytest.approx(
        first, abs=0.000501
    )
    q = torch.tensor(answers, dtype=torch.float64)
    q = q / q.sum(1, keepdim=True)
    for kind, believed in (("exact", EXACT), ("answer", q)):
        heights = page.locator(f"rect.{kind}").evaluate_all(
            "all => all.map(r => Number(r.getAttribute('height')))"
        )
        assert heights == pytest.approx((130 * believed).flatten().tolist(), abs=0.0501)


def done(page):
    return [text.endswith("Done.") for text in page.locator(".tasks li").all_inner_texts()]


def test_presets_and_first_state(show):
    page = show()
    assert_numbers_are_right(page, PRESETS["Uniform"])
    for name, answers in PRESETS.items():
        page.locator(f'[data-preset="{name}"]').click()
        assert_numbers_are_right(page, answers)
        assert not any(done(page)), "no preset solves a task"
        for game in (1, 0):
            choose(page, game)
            assert weights_of(page) == answers[game]


@pytest.mark.parametrize(
    "answers",
    [
        [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]],
        [[0, 0, 0, 1, 0, 0], [100, 100, 0, 0, 0, 0]],
        [[99, 1, 0, 0, 0, 0], [7, 77, 17, 0, 100, 3]],
    ],
)
def test_numbers_far_from_the_presets(show, answers):
    page = show()
    for game in (0, 1):
        set_answer(page, game, answers[game])
    assert_numbers_are_right(page, answers)
    words = page.locator('[data-song="0"]').get_attribute("aria-valuetext")
    assert words == f"{100 * answers[1][0] / sum(answers[1]):.1f} %"


# What the chapter says under "What you should find", for each task.
FOUND = (
    {0: [0, 0, 0, 60, 60, 60]},
    {1: [100, 0, 40, 40, 40, 40]},
    {0: [100, 40, 40, 40, 40, 40], 1: [100, 100, 100, 0, 0, 0]},
    {1: [40, 100, 40, 40, 40, 40]},
)


@pytest.mark.parametrize("task", range(len(TASKS)))
def test_each_task_is_solved_by_what_the_chapter_says(show, task):
    page = show()
    page.locator('[data-preset="Exact"]').click()
    assert not any(done(page))
    for game, weights in FOUND[task].items():
        set_answer(page, game, weights)
    assert done(page) == [i == task for i in range(len(TASKS))]


def test_all_weights_at_zero_are_equal_shares(show):
    page = show()
    set_answer(page, 0, [0] * 6)
    assert_numbers_are_right(page, [[1] * 6, [50] * 6])


def test_by_keyboard(show):
    page = show()
    page.locator('[data-game="1"]').focus()
    page.keyboard.press("Enter")
    assert page.locator('[data-game="1"]').get_attribute("aria-pressed") == "true"
    slider = page.locator('[data-song="2"]')
    slider.focus()
    for press, value in (("ArrowRight", 51), ("End", 100), ("ArrowLeft", 99), ("Home", 0)):
        page.keyboard.press(press)
        assert weights_of(page)[2] == value
        assert_numbers_are_right(page, [[50] * 6, [50, 50, value, 50, 50, 50]])
    assert page.evaluate("document.activeElement.dataset.song") == "2", "the slider keeps the focus"


def test_by_touch_on_a_telephone(show):
    page = show(width=390, has_touch=True, is_mobile=True)
    page.locator('[data-preset="Exact"]').tap()
    page.locator('[data-game="1"]').tap()
    box = page.locator('[data-song="1"]').bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    weights = weights_of(page)
    assert weights[1] > 90 and weights[0] == 100
    assert_numbers_are_right(page, [PRESETS["Exact"][0], weights])


def test_tasks_are_read_aloud_only_when_they_change(show):
    page = show()
    page.evaluate("document.querySelector('.tasks').firstElementChild.dataset.kept = 'yes'")
    page.locator('[data-song="0"]').fill("51")
    assert page.locator(".tasks [data-kept]").count() == 1
    set_answer(page, 0, FOUND[0][0])
    assert page.locator(".tasks [data-kept]").count() == 0 and done(page)[0]


def test_two_copies_on_a_page_are_two(show):
    page = show(FoolTheMeasure().html() * 2)
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-preset="Exact"]').click()
    mount_again(page)
    boxes.nth(0).locator('[data-song="0"]').fill("60")
    assert weights_of(boxes.nth(0)) == [60] + [50] * 5
    assert weights_of(boxes.nth(1)) == PRESETS["Exact"][0]


@pytest.mark.parametrize("path", [f"{name}.html" for name in toc_files() if name.startswith("chapters/07")])
def test_in_the_book(open_page, path):
    page = open_page(path, width=390)
    box = page.locator(".explorer-measures")
    assert box.count() == 1
    box.locator('[data-song="0"]').focus()
    page.keyboard.press("ArrowRight")
    assert weights_of(box) == [51] + [50] * 5 and len(SONGS) == 6
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth")
    assert_numbers_are_right(box, [[51] + [50] * 5, [50] * 6])
