"""The explorer of chapter 01: a unit square whose dividing lines can be dragged, and 1,000 dots."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from tutorlib.explore.base import Explorer, asset

__all__ = ["UnitSquare"]

SIDE, LEFT, TOP = 300, 20, 26  # the square, in units of the picture; the same numbers stand in counting.js
CASES = 1000

# Probabilities are whole thousandths: prior, then the likelihood of the evidence under each hypothesis.
PRESETS: list[dict[str, Any]] = [
    {
        "name": "Forecast",
        "state": [300, 800, 150],
        "cases": "mornings",
        "hypotheses": ["rainy", "dry"],
        "thing": "rain",
        "outcomes": ["“rain”", "“dry”"],
        "sliders": ["Rainy mornings", "“Rain” announced when rainy", "“Rain” announced when dry"],
        "seen": "The radio says “rain” on",
    },
    {
        "name": "Rare disease",
        "state": [1, 990, 50],
        "cases": "people",
        "hypotheses": ["sick", "healthy"],
        "thing": "sickness",
        "outcomes": ["positive", "negative"],
        "sliders": ["Sick people", "Positive when sick", "Positive when healthy"],
        "seen": "The test is positive for",
    },
    {
        "name": "Useless test",
        "state": [100, 600, 600],
        "cases": "people",
        "hypotheses": ["sick", "healthy"],
        "thing": "sickness",
        "outcomes": ["positive", "negative"],
        "sliders": ["Sick people", "Positive when sick", "Positive when healthy"],
        "seen": "The test is positive for",
    },
]


def _percent(thousandths: int) -> str:
    return f"{thousandths // 10} %" if thousandths % 10 == 0 else f"{thousandths / 10:.1f} %"


def _count(x: float) -> str:
    return f"{x:,.3f}".rstrip("0").rstrip(".")


def _signed(bits: float) -> str:
    return f"{bits:.3f}".replace("-", "−")


def _counts(state: list[int]) -> list[list[float]]:
    """Expected counts among 1,000 cases, ``[hypothesis][evidence seen or not]``."""
    prior, *likelihood = state
    return [
        [share * seen / CASES, share * (CASES - seen) / CASES]
        for share, seen in zip((prior, CASES - prior), likelihood, strict=True)
    ]


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"></rect>'


def _text(kind: str, x: float, y: float, anchor: str, words: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{words}</text>'


def _areas(preset: dict[str, Any], state: list[int]) -> str:
    """What ``areas`` in counting.js draws."""
    prior = state[0]
    counts = _counts(state)
    parts, labels = [], []
    left = float(LEFT)
    for row, width in enumerate((SIDE * prior / CASES, SIDE * (CASES - prior) / CASES)):
        height = SIDE * state[1 + row] / CASES
        boxes = ((TOP + SIDE - height, height), (float(TOP), SIDE - height))
        for column, (y, tall) in enumerate(boxes):
            kind = ("hit", "miss", "alarm", "rest")[2 * row + column]
            parts.append(_rect(kind, left, y, width, tall))
            words = _count(counts[row][column])
            if tall >= 24 and width >= 9 * len(words) + 8:
                labels.append(_text(f"on-{kind}", left + width / 2, y + tall / 2 + 4.5, "middle", words))
        left += width
    names = preset["hypotheses"]
    labels.append(_text("head", LEFT, TOP - 9, "start", f"{names[0]} {_percent(prior)}"))
    labels.append(_text("head", LEFT + SIDE, TOP - 9, "end", f"{names[1]} {_percent(CASES - prior)}"))
    return "".join(parts + labels)


def _grips(state: list[int]) -> str:
    """The three lines and their grips; counting.js only moves them."""
    width = SIDE * state[0] / CASES
    lines = (
        ("p", LEFT + width, TOP, LEFT + width, TOP + SIDE),
        ("a", LEFT, TOP + SIDE - SIDE * state[1] / CASES, LEFT + width, TOP + SIDE - SIDE * state[1] / CASES),
        (
            "b",
            LEFT + width,
            TOP + SIDE - SIDE * state[2] / CASES,
            LEFT + SIDE,
            TOP + SIDE - SIDE * state[2] / CASES,
        ),
    )
    return "".join(
        f'<g class="grip" data-grip="{key}">'
        f'<line class="edge" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"></line>'
        f'<circle class="reach" cx="{(x1 + x2) / 2:.2f}" cy="{(y1 + y2) / 2:.2f}" r="20"></circle>'
        f'<circle class="knob" cx="{(x1 + x2) / 2:.2f}" cy="{(y1 + y2) / 2:.2f}" r="7"></circle></g>'
        for key, x1, y1, x2, y2 in lines
    )


def _sentence(preset: dict[str, Any], state: list[int]) -> str:
    """What ``sentence`` in counting.js says; only for states in which the evidence can occur both ways."""
    (hits, _), (alarms, _) = _counts(state)
    seen = hits + alarms
    before, ratio = state[0] / (CASES - state[0]), state[1] / state[2]
    bits = math.log2(before), math.log2(ratio), math.log2(before * ratio)
    name = preset["hypotheses"][0]
    return (
        f"<p>{preset['seen']} <b>{_count(seen)}</b> of 1,000 {preset['cases']}. Of these, <b>{_count(hits)}</b> "
        f"{'is' if hits == 1 else 'are'} {name}: "
        f'<span class="whole">{_count(hits)} / '
        f'{_count(seen)} = <strong class="posterior">{100 * hits / seen:.1f} %</strong></span></p>'
        f'<p class="odds">Odds of {preset["thing"]}: <b>{before:.4g}</b> before × <b>{ratio:.4g}</b> = '
        f"<b>{before * ratio:.4g}</b> after</p>"
        f'<p class="bits">In bits: <b>{_signed(bits[0])}</b> + <b>{_signed(bits[1])}</b> = '
        f"<b>{_signed(bits[2])}</b></p>"
    )


def _table(preset: dict[str, Any], state: list[int]) -> str:
    rows = _counts(state)
    rows.append([sum(column) for column in zip(*rows, strict=True)])
    head = "".join(f'<th scope="col">{words}</th>' for words in (*preset["outcomes"], "all"))
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{_count(value)}</td>" for value in (*row, sum(row)))
        + "</tr>"
        for name, row in zip((*preset["hypotheses"], "all"), rows, strict=True)
    )
    return f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody>"


def _slider(key: str, name: str, value: int, low: int) -> str:
    return (
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low}" '
        f'max="{CASES - low}" step="1" value="{value}" aria-valuetext="{_percent(value)}">'
        f'<span class="value numbers" aria-hidden="true">{_percent(value)}</span></label>'
    )


def _body(preset: dict[str, Any]) -> str:
    state = preset["state"]
    presets = "".join(
        f'<button type="button" data-preset="{i}" aria-pressed="{"true" if i == 0 else "false"}">'
        f"{escape(item['name'])}</button>"
        for i, item in enumerate(PRESETS)
    )
    keys = zip("pab", preset["sliders"], state, (1, 0, 0), strict=True)
    sliders = "".join(_slider(*values) for values in keys)
    return (
        f'<div class="bar"><div role="group" aria-label="Examples">{presets}</div>'
        '<div role="group" aria-label="Picture"><button type="button" data-view="areas" aria-pressed="true">Areas'
        '</button><button type="button" data-view="dots" aria-pressed="false">1,000 dots</button></div></div>'
        f'<div class="split"><svg viewBox="0 0 340 340" role="img" aria-label="The square of all cases. Its numbers '
        f'are in the table.">'
        f'<g class="picture">{_areas(preset, state)}</g><g class="grips">{_grips(state)}</g></svg>'
        f'<div class="side">{sliders}'
        f'<table aria-label="Expected counts">{_table(preset, state)}</table></div></div>'
        f'<div class="result numbers" aria-live="polite">{_sentence(preset, state)}</div>'
    )


class UnitSquare(Explorer):
    """Bayes' rule as a square of area 1, beginning with the forecast of rain.

    The reader moves the prior and two likelihoods, by dragging lines in the picture or with three sliders, and reads
    counts, posterior, odds and log-odds in bits.

    >>> UnitSquare().label
    'The square of all cases'
    """

    def __init__(self) -> None:
        super().__init__(
            name="counting",
            label="The square of all cases",
            data={"presets": PRESETS},
            scripts=("counting.js",),
            body=f"<style>{asset('counting.css')}</style>\n{_body(PRESETS[0])}",
            text=(
                "The square of all cases (needs a page with JavaScript): of 1,000 mornings the radio says rain on 345, "
                "and 240 of these are rainy, 69.6 %. Three sliders change the base rate and the two likelihoods."
            ),
        )
