"""The explorer of chapter 05: two or three voices in a dark room, an E step, an M step, and the log likelihood."""

from __future__ import annotations

import math
from typing import Any

from tutorlib import em
from tutorlib.explore.base import Explorer, asset

__all__ = ["EMSteps"]

# The same numbers stand in em.js. Pitches run along the picture; bells stand above, a bar for each sentence below.
LOW, HIGH, LEFT, WIDTH = 80, 260, 20, 300
BELL, PEAK, BAR_TOP, BAR_BOTTOM = 120, 84, 150, 250
STAGGER = 24  # knobs stand at different heights, so that voices with one centre can be told apart and taken
TRACE = {"left": 58, "right": 330, "top": 24, "bottom": 214}

PRESETS: list[dict[str, Any]] = [
    {
        "name": "Two voices",
        "pitches": [104, 112, 118, 127, 131, 139, 152, 168, 181, 190, 199, 214],
        "start": [150, 170],
    },
    {
        "name": "Same start",
        "pitches": [104, 112, 118, 127, 131, 139, 152, 168, 181, 190, 199, 214],
        "start": [160, 160],
    },
    {
        "name": "Three voices",
        "pitches": [88, 95, 100, 104, 109, 116, 137, 143, 148, 152, 157, 163, 219, 226, 231, 235, 240, 247],
        "start": [125, 225, 240],
    },
]
SPREAD = 20  # width of every voice, in hertz


def _minus(x: float, digits: int) -> str:
    return f"{x:.{digits}f}".replace("-", "−")


def _place(pitch: float) -> float:
    return LEFT + WIDTH * (pitch - LOW) / (HIGH - LOW)


def _bells(start: list[float]) -> str:
    """What ``bells`` in em.js draws: one curve for each voice."""
    parts = []
    for voice, centre in enumerate(start):
        path = " ".join(
            f"{_place(at):.2f},{BELL - PEAK * math.exp(-((at - centre) ** 2) / (2 * SPREAD**2)):.2f}"
            for at in range(LOW, HIGH + 1, 4)
        )
        parts.append(f'<polyline class="bell voice-{voice}" points="{path}"></polyline>')
    return "".join(parts)


def _bars(pitches: list[float]) -> str:
    """What ``bars`` draws before the first E step: a pale bar for each sentence."""
    return "".join(
        f'<rect class="open" x="{_place(pitch) - 2.5:.2f}" y="{BAR_TOP:.2f}" width="5.00" '
        f'height="{BAR_BOTTOM - BAR_TOP:.2f}"></rect>'
        for pitch in pitches
    )


def _axis() -> str:
    ticks = "".join(
        f'<line class="axis" x1="{_place(at):.2f}" y1="{BAR_BOTTOM}" x2="{_place(at):.2f}" y2="{BAR_BOTTOM + 5}"></line>'
        f'<text x="{_place(at):.2f}" y="{BAR_BOTTOM + 19}" text-anchor="middle">{at}</text>'
        for at in range(100, HIGH, 50)
    )
    return (
        f'<line class="axis" x1="{LEFT}" y1="{BAR_BOTTOM}" x2="{LEFT + WIDTH}" y2="{BAR_BOTTOM}"></line>{ticks}'
        f'<text x="{LEFT + WIDTH}" y="{BAR_BOTTOM + 36}" text-anchor="end">pitch, hertz</text>'
        f'<text x="{LEFT}" y="{BAR_TOP - 8}">who said it</text><text x="{LEFT}" y="14">voices</text>'
    )


def _grips(start: list[float]) -> str:
    """One line and knob for each voice, as ``grips`` draws them."""
    parts = []
    for voice, centre in enumerate(start):
        x, y = _place(centre), BELL - PEAK + STAGGER * voice
        parts.append(
            f'<g class="grip voice-{voice}" data-grip="{voice}">'
            f'<line x1="{x:.2f}" y1="{BELL - PEAK:.2f}" x2="{x:.2f}" y2="{BAR_BOTTOM:.2f}"></line>'
            f'<circle class="reach" cx="{x:.2f}" cy="{y:.2f}" r="16"></circle>'
            f'<circle class="knob" cx="{x:.2f}" cy="{y:.2f}" r="9"></circle>'
            f'<text x="{x:.2f}" y="{y + 4.5:.2f}" text-anchor="middle">{voice + 1}</text></g>'
        )
    return "".join(parts)


def _trace(bits: float) -> str:
    """What ``trace`` draws for a single point, the log likelihood at the start."""
    x, y = TRACE["left"], (TRACE["top"] + TRACE["bottom"]) / 2
    return (
        f'<polyline class="likelihood" points="{x:.2f},{y:.2f}"></polyline><polyline class="bound" points=""></polyline>'
        f'<circle class="likelihood" cx="{x:.2f}" cy="{y:.2f}" r="4"></circle>'
        f'<text x="{x - 6}" y="{y + 4.5:.2f}" text-anchor="end">{_minus(bits, 1)}</text>'
        f'<text x="{TRACE["left"]}" y="{TRACE["bottom"] + 18}" text-anchor="middle">start</text>'
    )


def _trace_frame() -> str:
    left, right, top, bottom = (TRACE[key] for key in ("left", "right", "top", "bottom"))
    return (
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"></line>'
        f'<line class="axis" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"></line>'
        f'<text x="4" y="13">bits</text>'
        f'<text x="{right}" y="{bottom + 36}" text-anchor="end">steps</text>'
        f'<line class="likelihood" x1="60" y1="{bottom + 54}" x2="84" y2="{bottom + 54}"></line>'
        f'<text x="90" y="{bottom + 58}">log likelihood</text>'
        f'<line class="bound" x1="200" y1="{bottom + 54}" x2="224" y2="{bottom + 54}"></line>'
        f'<text x="230" y="{bottom + 58}">bound</text>'
    )


def _table(start: list[float]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{voice + 1}</th><td><data class="centre" value="{centre}">{_minus(centre, 1)}</data></td>'
        f'<td><data class="count" value="">–</data></td></tr>'
        for voice, centre in enumerate(start)
    )
    return (
        '<thead><tr><th scope="col">voice</th><th scope="col">centre, Hz</th>'
        f'<th scope="col">sentences it answers for</th></tr></thead><tbody>{rows}</tbody>'
    )


def _sliders(start: list[float]) -> str:
    return "".join(
        f'<label><span class="name">Centre of voice {voice + 1}</span><input type="range" data-voice="{voice}" '
        f'min="{LOW}" max="{HIGH}" step="1" value="{centre}" aria-valuetext="{_minus(centre, 1)} hertz"></label>'
        for voice, centre in enumerate(start)
    )


def _body(preset: dict[str, Any]) -> str:
    start, pitches = preset["start"], preset["pitches"]
    bits = float(em.log_likelihood(pitches, em.GaussianMixture(start, SPREAD)))
    presets = "".join(
        f'<button type="button" data-preset="{i}" aria-pressed="{"true" if i == 0 else "false"}">{item["name"]}</button>'
        for i, item in enumerate(PRESETS)
    )
    actions = (("E", "E step"), ("M", "M step"), ("run", "Ten rounds"), ("back", "Back to start"))
    buttons = "".join(f'<button type="button" data-action="{key}">{words}</button>' for key, words in actions)
    return (
        f'<div class="bar"><div role="group" aria-label="Examples">{presets}</div>'
        f'<div role="group" aria-label="Steps">{buttons}</div></div>'
        '<div class="split"><svg class="room" viewBox="0 0 340 290" role="img" aria-label="Sentences by pitch, and '
        'the voices. The numbers are in the table.">'
        f'<g class="frame">{_axis()}</g><g class="bells">{_bells(start)}</g><g class="bars">{_bars(pitches)}</g>'
        f'<g class="grips">{_grips(start)}</g></svg>'
        '<svg class="trace" viewBox="0 0 340 290" role="img" aria-label="Log likelihood and bound after each step. '
        'The latest numbers are in the text.">'
        f'<g class="frame">{_trace_frame()}</g><g class="curve">{_trace(bits)}</g></svg></div>'
        '<p class="said numbers" aria-live="polite">Start: log likelihood '
        f'<data class="log-likelihood" value="{bits}">{_minus(bits, 3)}</data> bits. No E step yet, so no bound.</p>'
        f'<div class="split"><div class="side">{_sliders(start)}</div>'
        f'<table aria-label="The voices">{_table(start)}</table></div>'
    )


class EMSteps(Explorer):
    """EM by hand: responsibilities in an E step, centres in an M step, on a dozen sentences.

    Every voice has a width of 20 Hz and the same prior; only the centres are learnt. The reader drags a start, takes
    the two steps one at a time, and watches the log likelihood and the bound, in bits.

    >>> EMSteps().label
    'E step and M step'
    """

    def __init__(self) -> None:
        super().__init__(
            name="em",
            label="E step and M step",
            data={"presets": PRESETS, "spread": SPREAD},
            scripts=("em.js",),
            body=f"<style>{asset('em.css')}</style>\n{_body(PRESETS[0])}",
            text=(
                "E step and M step (needs a page with JavaScript): twelve sentences by pitch and two voices that start "
                "at 150 and 170 Hz. Buttons take an E step or an M step, sliders move a start, and a curve shows the log "
                "likelihood and the bound in bits."
            ),
        )
