"""The explorer of chapter 02: surprise as areas, with a truth and a belief whose dividing lines can be dragged."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from tutorlib.explore.base import Explorer, asset

__all__ = ["SurpriseAreas"]

# The picture in its own units; the same numbers stand in surprise.js.
LEFT, WIDTH, BASE, BIT, TALLEST = 26, 320, 252, 36, 6
TRUTH_Y, BELIEF_Y, BELIEF_TALL, BELIEF_KNOB = 290, 324, 26, 370
MORNINGS = 64
NAMES = ["sun", "cloud", "rain", "fog"]

# Mornings of 64: how many there are of each kind, and how many are believed.
PRESETS: list[dict[str, Any]] = [
    {"name": "Foggy island", "p": [32, 16, 8, 8], "q": [16, 8, 8, 32]},
    {"name": "Sure of sun", "p": [32, 16, 8, 8], "q": [61, 1, 1, 1]},
    {"name": "Never fog", "p": [32, 16, 8, 8], "q": [32, 16, 16, 0]},
]


def letters(count: int) -> int | None:
    """Letters of the word for something believed on ``count`` of 64 mornings; None if it is never believed."""
    return None if count == 0 else next(n for n in range(7) if count << n >= MORNINGS)


def words(lengths: list[int | None]) -> list[str | None]:
    """A word of each length, none of which begins another: the shortest first, each the next one free."""
    given: list[str | None] = [None] * len(lengths)
    order = sorted((n, i) for i, n in enumerate(lengths) if n is not None)
    at, before = 0, 0
    for n, i in order:
        at <<= n - before
        given[i] = format(at, f"0{n}b") if n else ""
        at, before = at + 1, n
    return given


def _height(count: int, whole: bool = False) -> float:
    if count == 0:
        return math.inf
    return float(letters(count) or 0) if whole else math.log2(MORNINGS / count)


def _fixed(x: float) -> str:
    return "∞" if math.isinf(x) else f"{x:.3f}"


def _rect(kind: str, x: float, low: float, high: float, width: float) -> str:
    """A rectangle from ``low`` to ``high`` bits."""
    return (
        f'<rect class="{kind}" x="{x:.2f}" y="{BASE - BIT * high:.2f}" width="{width:.2f}" '
        f'height="{BIT * (high - low):.2f}"></rect>'
    )


def _text(kind: str, x: float, y: float, anchor: str, content: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{content}</text>'


def _columns(p: list[int], q: list[int], whole: bool = False) -> str:
    """What ``columns`` in surprise.js draws."""
    parts, labels = [], []
    for bits in range(TALLEST + 1):
        y = BASE - BIT * bits
        parts.append(f'<line class="level" x1="{LEFT}" y1="{y}" x2="{LEFT + WIDTH}" y2="{y}"></line>')
        labels.append(_text("tick", LEFT - 6, y + 4.5, "end", str(bits)))
    left = float(LEFT)
    for i, name in enumerate(NAMES):
        width, own, paid = WIDTH * p[i] / MORNINGS, _height(p[i]), _height(q[i], whole)
        if p[i]:
            cut = min(paid, TALLEST)
            parts.append(_rect("own", left, 0, min(own, cut), width))
            if cut > own:
                parts.append(_rect("extra", left, own, cut, width))
            if own > cut:
                parts.append(_rect("saved", left, cut, own, width))
            if width >= 8 * len(name):
                labels.append(_text("name", left + width / 2, BASE + 16, "middle", name))
                label = "∞" if math.isinf(paid) else f"{paid:.2f}"
                labels.append(
                    _text("paid", left + width / 2, BASE - BIT * max(own, cut) - 5, "middle", label)
                )
        left += width
    return "".join(parts + labels)


def _strip(q: list[int]) -> str:
    """What ``strip`` in surprise.js draws: the belief as pieces of a line."""
    parts, labels = [], []
    left = float(LEFT)
    for i, name in enumerate(NAMES):
        width = WIDTH * q[i] / MORNINGS
        parts.append(
            f'<rect class="piece piece{i % 2}" x="{left:.2f}" y="{BELIEF_Y}" width="{width:.2f}" '
            f'height="{BELIEF_TALL}"></rect>'
        )
        if width >= 8 * len(name):
            labels.append(_text("name", left + width / 2, BELIEF_Y + 17.5, "middle", name))
        left += width
    return "".join(parts + labels)


def _says(counts: list[int], which: int) -> str:
    return f"{NAMES[which]} {counts[which]}, {NAMES[which + 1]} {counts[which + 1]} of {MORNINGS}"


def _grips(key: str, counts: list[int]) -> str:
    """The three handles of a line; surprise.js only moves them."""
    y, top = (TRUTH_Y, BASE) if key == "p" else (BELIEF_KNOB, BELIEF_Y)
    who, at, parts = {"p": "Truth", "q": "Belief"}[key], 0, []
    for which in range(3):
        at += counts[which]
        x = LEFT + WIDTH * at / MORNINGS
        parts.append(
            f'<g class="grip" data-grip="{key}{which}" role="slider" tabindex="0" aria-label="{who}: line between '
            f'{NAMES[which]} and {NAMES[which + 1]}" aria-valuemin="0" aria-valuemax="{MORNINGS}" '
            f'aria-valuenow="{at}" aria-valuetext="{_says(counts, which)}" transform="translate({x:.2f} 0)">'
            f'<line class="edge" x1="0" y1="{top}" x2="0" y2="{y}"></line>'
            f'<circle class="reach" cx="0" cy="{y}" r="19"></circle><circle class="knob" cx="0" cy="{y}" r="7">'
            "</circle></g>"
        )
    return "".join(parts)


def _sums(p: list[int], q: list[int], whole: bool = False) -> dict[str, float]:
    """Means over 64 mornings, in bits: entropy, what is paid, what is extra and saved, and KL the other way."""
    kinds = [i for i in range(4) if p[i]]
    own = {i: _height(p[i]) for i in kinds}
    paid = {i: _height(q[i], whole) for i in kinds}
    reverse = sum(q[i] / MORNINGS * (math.log2(q[i] / p[i]) if p[i] else math.inf) for i in range(4) if q[i])
    return {
        "entropy": sum(p[i] * own[i] for i in kinds) / MORNINGS,
        "paid": sum(p[i] * paid[i] for i in kinds) / MORNINGS,
        "extra": sum(p[i] * max(paid[i] - own[i], 0) for i in kinds) / MORNINGS,
        "saved": sum(p[i] * max(own[i] - paid[i], 0) for i in kinds) / MORNINGS,
        "reverse": max(reverse, 0.0),
    }


def _result(p: list[int], q: list[int]) -> str:
    """What ``result`` in surprise.js says while seconds need not be whole."""
    sums = {key: _fixed(value) for key, value in _sums(p, q).items()}
    gap = _sums(p, q)["extra"] - _sums(p, q)["saved"]
    return (
        f'<p>Entropy H(p) = <b data-sum="entropy">{sums["entropy"]}</b> bits a morning. '
        f'Cross-entropy H(p, q) = <b data-sum="paid">{sums["paid"]}</b> bits.</p>'
        f'<p>KL(p ‖ q) = extra <b data-sum="extra">{sums["extra"]}</b> − saved '
        f'<b data-sum="saved">{sums["saved"]}</b> = <strong data-sum="gap">{_fixed(gap)}</strong> bits. '
        f'<span class="whole">The other way, KL(q ‖ p) = <b data-sum="reverse">{sums["reverse"]}</b> bits.</span></p>'
    )


def _table(p: list[int], q: list[int]) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("truth<br>p", "belief<br>q", "bits<br>each", "bits<br>in all")
    )
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{p[i]}</td><td>{q[i]}</td><td>{_fixed(_height(q[i]))}</td>'
        f"<td>{_fixed(p[i] * _height(q[i]) if p[i] else 0.0)}</td></tr>"
        for i, name in enumerate(NAMES)
    )
    total = _fixed(MORNINGS * _sums(p, q)["paid"])
    return (
        f"<thead><tr><td>of 64</td>{head}</tr></thead><tbody>{rows}"
        f'<tr><th scope="row">all</th><td>64</td><td>64</td><td></td><td>{total}</td></tr></tbody>'
    )


def _body(preset: dict[str, Any]) -> str:
    p, q = preset["p"], preset["q"]
    presets = "".join(
        f'<button type="button" data-preset="{i}" aria-pressed="{"true" if i == 0 else "false"}">'
        f"{escape(item['name'])}</button>"
        for i, item in enumerate(PRESETS)
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Beliefs">{presets}</div>'
        '<div role="group" aria-label="Changes"><button type="button" data-do="believe">Believe the truth</button>'
        '<button type="button" data-do="swap">Swap p and q</button>'
        '<button type="button" data-do="whole" aria-pressed="false">Whole seconds</button></div></div>'
        '<div class="split"><svg viewBox="0 0 356 392" role="group" aria-label="Columns as wide as a weather is '
        'frequent and as high as its surprise, above the belief as pieces of a line. The numbers are in the table.">'
        f'<g class="columns">{_columns(p, q)}</g><g class="strip">{_strip(q)}</g>'
        f'<g class="grips">{_grips("p", p)}{_grips("q", q)}</g>'
        f"{_text('note', LEFT, 14, 'start', 'surprise in bits')}{_text('note', LEFT, BELIEF_Y - 6, 'start', 'belief q')}"
        '</svg><div class="side"><p class="key"><span><i class="own"></i>cost of the truth</span>'
        '<span><i class="extra"></i>extra</span><span><i class="saved"></i>saved</span></p>'
        f'<table aria-label="64 mornings">{_table(p, q)}</table>'
        f'<div class="result numbers" aria-live="polite">{_result(p, q)}</div></div></div>'
    )


class SurpriseAreas(Explorer):
    """Entropy, cross-entropy and KL as areas, for the four weathers of the lighthouse.

    The reader drags the dividing lines of the truth p and of the belief q, or moves them by keys, and sees what the
    belief adds to the cost of the truth and what it saves. With whole seconds the heights are the lengths of a code.

    >>> SurpriseAreas().label
    'Surprise as an area'
    """

    def __init__(self) -> None:
        super().__init__(
            name="surprise",
            label="Surprise as an area",
            data={"presets": PRESETS, "names": NAMES},
            scripts=("surprise.js",),
            body=f"<style>{asset('surprise.css')}</style>\n{_body(PRESETS[0])}",
            text=(
                "Surprise as an area (needs a page with JavaScript): of 64 mornings 32 are sunny, 16 cloudy, 8 rainy and "
                "8 foggy; the belief is 16, 8, 8 and 32. Entropy 1.750 bits, cross-entropy 2.250 bits, KL 0.500 "
                "bits. Six handles move the truth and the belief."
            ),
        )
