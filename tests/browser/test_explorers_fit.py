"""What every explorer owes its reader: no fault that axe finds, room on a telephone, a first state without JavaScript.

The elimination game is brought into its looks by more than clicks; its own file asks the same of it.
"""

import pytest
from book_site import assert_axe_finds_nothing, assert_fits_a_telephone, mount_again

from tutorlib import explore
from tutorlib.explore import (
    BeliefCloud,
    BeliefStrip,
    BeliefTriangle,
    CoinTable,
    EMSteps,
    FoolTheMeasure,
    FormationFilm,
    GuestRoom,
    PoolMorph,
    RecallMachine,
    SurpriseAreas,
    SwitchBoard,
    TextAxis,
    TwoLaws,
    UnitSquare,
)
from tutorlib.explore.coin import COINS

pytestmark = pytest.mark.browser

DISEASE, DOTS = '[data-preset="1"]', '[data-view="dots"]'
FOG, WHOLE = '[data-preset="2"]', '[data-do="whole"]'
TEN_ROUNDS = ['[data-action="run"]', '[data-action="E"]']
CLOUD = '[data-do="cloud"]'

# For each explorer what a finger must hit, and for each of its looks what is clicked to get there.
TARGETS = {CoinTable: "button, select", SwitchBoard: "button, select", SurpriseAreas: "button, .reach"}
LOOKS = {
    UnitSquare: {"first": [], "disease": [DISEASE], "dots": [DOTS], "disease dots": [DOTS, DISEASE]},
    SurpriseAreas: {"first": [], "fog": [FOG], "fog, whole seconds": [FOG, WHOLE]},
    CoinTable: {
        "first": [],
        "many tosses": ['[data-toss="10"]'] * 6 + ['[data-do="show"]'],
        "ruled out": [f'[data-coin="{coin}"]' for coin in range(1, COINS)],
    },
    BeliefStrip: {
        "first": [],
        "long": ['[data-do="longer"]'] * 12,
        "tables": ['[data-scene="1"]', "summary"],
    },
    BeliefTriangle: {
        "first": [],
        "empty": ['[data-do="again"]'],
        "cloud": [CLOUD],
        "mess3 cloud": ['[data-scene="1"]', CLOUD],
    },
    BeliefCloud: {
        "first": [],
        "read, by pairs": ['[data-cloud="2"]', '[data-by="kind"]', '[data-view="best"]'],
    },
    EMSteps: {"first": [], "ten rounds": TEN_ROUNDS, "three voices": ['[data-preset="2"]', *TEN_ROUNDS]},
    FoolTheMeasure: {
        "first": [],
        "clock": ['[data-preset="Clock"]', '[data-game="1"]'],
        "one song": ['[data-preset="One song"]'],
    },
    FormationFilm: {"first": [], "untrained": ['[data-do="start"]'], "on": ['[data-do="on"]'] * 2},
    TwoLaws: {
        "first": [],
        "wrong and sure": ['[data-preset="1"]', '[data-take="values"]'],
        "frozen, treasure": ['[data-preset="2"]', '[data-thing="3"]'],
        "after steps": ['[data-take="both"][data-times="10"]'],
    },
    GuestRoom: {mode: [f'[data-mode="{mode}"]'] for mode in ("posterior", "dot", "seat")},
    RecallMachine: {
        "first": [],
        "right angles": ['[data-kind="right"]'],
        "other vectors": ['[data-do="draw"]'],
    },
    SwitchBoard: {
        "first": [],
        "attention off": ['[data-do="attention"]'],
        "updates off": ['[data-do="updates"]'],
    },
    TextAxis: {"first": [], "another text, PC1": ['[data-text="3"]', '[data-axis="first"]']},
    PoolMorph: {"first": [], "plain, ten moves": ['[data-key="divide"]', '[data-do="ten"]']},
}
# What Python draws and JavaScript draws again, how many such parts there are, and which controls wait for JavaScript.
DRAWN = {
    UnitSquare: (
        ".picture, .grips, table, .result, label .name, label .value, [role=group]",
        12,
        ("[data-key]",),
    ),
    SurpriseAreas: (
        ".columns, .strip, .grips, table, .result, [role=group]:not(svg)",
        7,
        ("button",),
    ),
    GuestRoom: (
        ".axes, .edges, .guests, .query, tbody, .orders, .result, label .name, label .value, [role=group]",
        14,
        ("[data-key]", "[data-mode]", "[data-part]"),
    ),
    RecallMachine: (
        ".shelf, .frame, .curves, tbody, .said, label .name, label .value, [role=group]",
        14,
        ("[data-key]", "[data-kind]", "[data-do]"),
    ),
    FoolTheMeasure: (
        ".axis, .bars, tbody, .tasks, label .name, label .value, [role=group]",
        20,
        ("[data-song]", "[data-preset]", "[data-game]"),
    ),
    FormationFilm: (
        ".map, .cloud, .curves, .marks, .said, label .name, label .value, [role=group]",
        8,
        ("[data-do]", "input"),
    ),
    CoinTable: (
        ".sequence, .sentence, .columns, .scale, table, svg, select",
        8,
        ("[data-toss]",),
    ),
    TwoLaws: (
        ".field, .grips, .frame, .bars, .curve, .said, table, label .name, [role=group]",
        15,
        ("[data-preset]", "[data-take]", "[data-thing]", "[data-axis]", "[data-score]"),
    ),
    BeliefCloud: (
        ".axes, .cloud, .legend, .result, label .name, label .value, [role=group]",
        11,
        ("[data-key]", "[data-cloud]", "[data-view]"),
    ),
    PoolMorph: (
        ".frame, .curves, .bars, .tables, .said, label .name, label .value, [role=group]",
        12,
        ("[data-key]", "[data-do]"),
    ),
    BeliefStrip: (
        ".strip, .detail, .result, .matrices, .cells",
        5,
        ("[data-cell]", "[data-symbol]", "input"),
    ),
    BeliefTriangle: (
        ".frames, .trails, .grip, table, .result, label .name, label .value, .sounds, [role=group]",
        14,
        ("[data-key]", "[data-sound]"),
    ),
    TextAxis: (
        ".front, [role=listbox], .dots, .what, .result, [role=group]",
        7,
        ("[data-text]", "[data-axis]"),
    ),
    SwitchBoard: (
        ".axes, .marks, table, .result, [role=group], select",
        9,
        ("[data-site]", "[data-do]", "[data-part]"),
    ),
}
EACH = [
    pytest.param(kind, clicks, id=f"{kind.__name__}-{look}")
    for kind, looks in LOOKS.items()
    for look, clicks in looks.items()
]


def open_look(show, kind, clicks, **options):
    page = show(kind().html(), **options)
    for selector in clicks:
        page.locator(selector).click()
    return page


def test_every_explorer_is_asked():
    assert {kind.__name__ for kind in LOOKS} == set(explore.__all__) - {"Explorer", "EliminationGame"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("kind", "clicks"), EACH)
def test_axe_finds_nothing(show, kind, clicks, dark):
    assert_axe_finds_nothing(open_look(show, kind, clicks, dark=dark))


@pytest.mark.parametrize(("kind", "clicks"), EACH)
def test_it_fits_a_telephone(show, kind, clicks):
    page = open_look(show, kind, clicks, width=390, has_touch=True, is_mobile=True)
    assert_fits_a_telephone(page, TARGETS.get(kind, "button, input"))


@pytest.mark.parametrize("kind", LOOKS)
def test_running_the_script_again_mounts_nothing_twice(show, kind):
    """A page may run a stored output's script more than once, as Colab and JupyterLab do."""
    page = show(kind().html() * 2)
    page.evaluate(
        "for (const box of document.querySelectorAll('[data-explorer]')) box.dataset.mounted = 'here';"
    )
    mount_again(page)
    marks = page.locator("[data-explorer]").evaluate_all("all => all.map(b => b.dataset.mounted)")
    assert marks == ["here", "here"]


@pytest.mark.parametrize("kind", DRAWN)
def test_python_and_javascript_draw_the_same_first_state(show, kind):
    parts, count, controls = DRAWN[kind]
    drawn = "all => all.map(e => e.innerHTML)"
    static = show(kind().html(), java_script_enabled=False)
    for control in controls:
        assert static.locator(control).first.is_hidden(), "a control that does nothing is not shown"
    before = static.locator(parts).evaluate_all(drawn)
    assert before == show(kind().html()).locator(parts).evaluate_all(drawn)
    assert len(before) == count
