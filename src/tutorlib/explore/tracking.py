"""The explorer of chapter 04: a belief over three states as a point in a triangle, moved by what is heard.

The page computes with ``tracking.js``, whose numbers are those of ``tutorlib.tunnels.filtering``. The first state
is drawn here, mark for mark as the script draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tutorlib.explore.base import Explorer, asset
from tutorlib.tunnels import Mess3

__all__ = ["NEIGHBOUR", "BeliefTriangle"]

Belief = Sequence[float]

LEFT, RIGHT, MIDDLE, TOP, BOTTOM = (
    20,
    320,
    170,
    30,
    290,
)  # the triangle; the same numbers stand in tracking.js
PARTS = 300  # the start's first share is counted in these, so that one third is a whole number
THIRD = (1 / 3, 1 / 3, 1 / 3)

NEIGHBOUR: dict[str, Any] = {
    "states": ["sleeps", "cooks", "watches TV"],
    "sounds": ["silence", "footsteps", "water", "TV"],
    "T": [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7]],
    "E": [[0.7, 0.1, 0.1, 0.1], [0.1, 0.4, 0.4, 0.1], [0.2, 0.1, 0.1, 0.6]],
}


def _scenes() -> list[dict[str, Any]]:
    mess3 = Mess3()
    neighbour = {
        "name": "Neighbour",
        **NEIGHBOUR,
        "sliders": ["Your start: sleeps", "Your start: cooks, of the rest", "Stickiness"],
        "start": [
            270,
            50,
            0,
        ],  # share of the first state in 1/300, of the second in the rest in %, stickiness in %
        "heard": [2, 3],
        "depth": 5,
    }
    fractal = {
        "name": "Mess3",
        "states": ["A", "B", "C"],
        "sounds": ["A", "B", "C"],
        "T": mess3.transition.tolist(),
        "E": mess3.emission.tolist(),
        "sliders": ["Your start: A", "Your start: B, of the rest", "Stickiness"],
        "start": [100, 50, 0],
        "heard": [0, 0, 1, 2],
        "depth": 7,
    }
    return [neighbour, fractal]


def _fixed(x: float, digits: int) -> str:
    """Like JavaScript's toFixed, which rounds an exact tie up where Python rounds it to even."""
    return str(Decimal(x).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _percent(x: float) -> str:
    return f"{_fixed(100 * x, 1)}\u00a0%"


def _place(b: Belief) -> tuple[float, float]:
    return MIDDLE * b[0] + LEFT * b[1] + RIGHT * b[2], TOP * b[0] + BOTTOM * b[1] + BOTTOM * b[2]


def _at(b: Belief) -> str:
    return " ".join(_fixed(x, 2) for x in _place(b))


def _normalise(w: Belief) -> list[float]:
    total = w[0] + w[1] + w[2]
    return [x / total for x in w]


def _begin(state: Sequence[int]) -> list[float]:
    first, rest = state[0] / PARTS, 1 - state[0] / PARTS
    return [first, rest * state[1] / 100, rest * (100 - state[1]) / 100]


def _track(begin: Belief, scene: dict[str, Any], heard: Sequence[int]) -> list[dict[str, list[float]]]:
    """Prediction, weights and belief at every sound; in the order of operations of tracking.js."""
    T, E, before, steps = scene["T"], scene["E"], list(begin), []
    for t, sound in enumerate(heard):
        predicted = list(begin)
        if t:
            predicted = [before[0] * T[0][j] + before[1] * T[1][j] + before[2] * T[2][j] for j in range(3)]
        weights = [x * E[i][sound] for i, x in enumerate(predicted)]
        before = _normalise(weights)
        steps.append({"predicted": predicted, "weights": weights, "belief": before})
    return steps


def _distance(p: Belief, q: Belief) -> float:
    ratios = [x / y for x, y in zip(p, q, strict=True)]
    return math.log2(max(ratios) / min(ratios))


def _entropy(p: Belief) -> float:
    return -sum(x * math.log2(x) for x in p if x > 0)


def _circle(kind: str, b: Belief, r: str) -> str:
    x, y = _place(b)
    return f'<circle class="{kind}" cx="{_fixed(x, 2)}" cy="{_fixed(y, 2)}" r="{r}"></circle>'


def _frame(scene: dict[str, Any]) -> str:
    grid = ""
    for share in (0.25, 0.5, 0.75):
        for i in range(3):
            ends = []
            for k in (1, 2):
                b = [0.0, 0.0, 0.0]
                b[i], b[(i + k) % 3] = share, 1 - share
                ends.append(_at(b))
            grid += f"M{ends[0]}L{ends[1]}"
    corners = "L".join(_at(b) for b in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    places = ((MIDDLE, TOP - 10, "middle"), (LEFT, BOTTOM + 18, "start"), (RIGHT, BOTTOM + 18, "end"))
    names = "".join(
        f'<text class="head" x="{x}" y="{y}" text-anchor="{anchor}">{name}</text>'
        for (x, y, anchor), name in zip(places, scene["states"], strict=True)
    )
    return f'<path class="grid" d="{grid}"></path><path class="frame" d="M{corners}Z"></path>{names}'


def _trails(mine: list[dict[str, list[float]]], theirs: list[dict[str, list[float]]], begin: Belief) -> str:
    others = [list(THIRD), *(step["belief"] for step in theirs)]
    parts = [f'<path class="trail other" d="M{"L".join(map(_at, others))}"></path>']
    for t, b in enumerate(others):
        (x, y), half = _place(b), 5 if t == len(others) - 1 else 2.5
        size = _fixed(2 * half, 2)
        corner = f'x="{_fixed(x - half, 2)}" y="{_fixed(y - half, 2)}"'
        parts.append(f'<rect class="dot other" {corner} width="{size}" height="{size}"></rect>')
    past = [list(begin), *(step["belief"] for step in mine[:-1])]
    parts.append(f'<path class="trail you" d="M{"L".join(map(_at, past))}"></path>')
    parts += [_circle("dot you", step["belief"], "3") for step in mine[:-1]]
    predicted, belief = mine[-1]["predicted"], mine[-1]["belief"]
    parts.append(f'<path class="step predict" d="M{_at(past[-1])}L{_at(predicted)}"></path>')
    parts.append(f'<path class="step" d="M{_at(predicted)}L{_at(belief)}"></path>')
    return "".join([*parts, _circle("ring", predicted, "5"), _circle("dot you", belief, "6.5")])


def _table(
    scene: dict[str, Any], mine: dict[str, list[float]], theirs: dict[str, list[float]], sound: int
) -> str:
    heads = (
        "predicted",
        f"× chance of {scene['sounds'][sound]}",
        "= weight",
        "your belief",
        "other’s belief",
    )
    head = "".join(f'<th scope="col">{words}</th>' for words in heads)
    rows = [
        (name, predicted, E[sound], weight, belief, other)
        for name, predicted, E, weight, belief, other in zip(
            scene["states"],
            mine["predicted"],
            scene["E"],
            mine["weights"],
            mine["belief"],
            theirs["belief"],
            strict=True,
        )
    ]
    total = mine["weights"][0] + mine["weights"][1] + mine["weights"][2]
    body = ""
    for name, predicted, likelihood, weight, belief, other in (*rows, ("sum", 1.0, None, total, 1.0, 1.0)):
        chance = "" if likelihood is None else _fixed(likelihood, 4)
        body += (
            f'<tr><th scope="row">{name}</th><td>{_fixed(predicted, 4)}</td><td>{chance}</td>'
            f'<td>{_fixed(weight, 4)}</td><td class="you">{_fixed(belief, 4)}</td>'
            f'<td class="other">{_fixed(other, 4)}</td></tr>'
        )
    return f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody>"


def _sentence(scene: dict[str, Any], belief: Belief, other: Belief, begin: Belief) -> str:
    heard = ", ".join(scene["sounds"][sound] for sound in scene["heard"])
    shares = ", ".join(
        f"{name} <b>{_percent(x)}</b>" for name, x in zip(scene["states"], belief, strict=True)
    )
    return (
        f'<p class="heard">Heard: {heard}.</p><p>You believe: {shares}. Entropy <b>{_fixed(_entropy(belief), 3)}</b> '
        f"bits.</p><p>Distance to the other observer: <b>{_fixed(_distance(begin, THIRD), 3)}</b> bits at the start, "
        f"<b>{_fixed(_distance(belief, other), 3)}</b> bits now.</p>"
    )


def _slider(key: str, name: str, value: int, low: int, high: int, text: str) -> str:
    return (
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low}" max="{high}" '
        f'step="1" value="{value}" aria-valuetext="{text}">'
        f'<span class="value numbers" aria-hidden="true">{text}</span></label>'
    )


def _body(scenes: list[dict[str, Any]]) -> str:
    scene = scenes[0]
    begin = _begin(scene["start"])
    mine, theirs = _track(begin, scene, scene["heard"]), _track(THIRD, scene, scene["heard"])
    first, second, stick = scene["start"]
    choices = "".join(
        f'<button type="button" data-scene="{i}" aria-pressed="{"true" if i == 0 else "false"}">{item["name"]}</button>'
        for i, item in enumerate(scenes)
    )
    sounds = "".join(
        f'<button type="button" data-sound="{i}">{name}</button>' for i, name in enumerate(scene["sounds"])
    )
    sliders = (
        _slider("a", scene["sliders"][0], first, 3, PARTS - 6, _percent(first / PARTS))
        + _slider("b", scene["sliders"][1], second, 1, 99, f"{second}\u00a0%")
        + _slider("s", scene["sliders"][2], stick, 0, 95, f"{stick}\u00a0%")
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Scene">{choices}</div>'
        '<div role="group" aria-label="History"><button type="button" data-do="back">Take back</button>'
        '<button type="button" data-do="again">Start again</button>'
        '<button type="button" data-do="cloud" aria-pressed="false">All beliefs</button></div></div>'
        '<div class="bar"><div>You hear <span class="sounds" role="group" aria-label="You hear" '
        f'style="display: contents">{sounds}</span></div></div>'
        '<div class="split"><svg viewBox="0 0 340 316" role="img" aria-label="The triangle of beliefs. Its numbers are '
        'in the table.">'
        f'<g class="frames">{_frame(scene)}</g><g class="clouds"></g><g class="trails">{_trails(mine, theirs, begin)}</g>'
        f'<g class="grip">{_circle("reach", begin, "20")}{_circle("knob", begin, "9")}</g></svg>'
        f'<div class="side">{sliders}<p class="key"><b class="you">Dots</b>: your belief. <b class="other">Squares</b>: an '
        "observer who hears the same and knew nothing at the start. Dotted line: predict. Solid line: weigh.</p></div></div>"
        '<div class="wide" tabindex="0" role="region" aria-label="The latest update"><table>'
        f"{_table(scene, mine[-1], theirs[-1], scene['heard'][-1])}</table></div>"
        '<div class="result numbers" aria-live="polite">'
        f"{_sentence(scene, mine[-1]['belief'], theirs[-1]['belief'], begin)}</div>"
    )


class BeliefTriangle(Explorer):
    """A belief over three states as a point in a triangle, for the neighbour behind the wall and for Mess3.

    The reader clicks what is heard, drags the start, makes the states stickier, and compares with an observer who hears
    the same and knew nothing at the start.

    >>> BeliefTriangle().label
    'The triangle of beliefs'
    """

    def __init__(self) -> None:
        scenes = _scenes()
        super().__init__(
            name="tracking",
            label="The triangle of beliefs",
            data={"scenes": scenes},
            scripts=("tracking.js",),
            body=f"<style>{asset('tracking.css')}</style>\n{_body(scenes)}",
            text=(
                "The triangle of beliefs (needs a page with JavaScript). You were nearly sure that the neighbour sleeps, "
                "90 %; you hear water, then TV. Buttons add sounds, and the belief moves in a triangle."
            ),
        )
