"""The explorer of chapter 13: three values in a plane, a treasure, and steps of descent in scores and values."""

from __future__ import annotations

from typing import Any

import torch

from tutorlib import gradients
from tutorlib.explore.base import Explorer, asset

__all__ = ["TwoLaws"]

# The same numbers stand in routing.js.
REACH, MIDDLE, UNIT = 3, 170, 50
BAR = {"zero": 96, "height": 80, "middle": 160, "tall": 34}
TRACE = {"left": 34, "right": 320, "top": 226, "bottom": 316}
ETA = {"scores": 0.5, "values": 0.2}

PRESETS: list[dict[str, Any]] = [
    {
        "name": "Three friends",
        "values": [[-2.0, 1.0], [1.0, 2.0], [0.5, -2.0]],
        "scores": [0.0, 0.0, 0.0],
        "target": [2.0, 1.0],
    },
    {
        "name": "Wrong and sure",
        "values": [[-2.0, 1.0], [1.0, 2.0], [0.5, -2.0]],
        "scores": [6.0, 0.0, 0.0],
        "target": [2.0, 1.0],
    },
    {
        "name": "Equal costs",
        "values": [[-1.0, 2.0], [-1.0, 0.0], [-1.0, -2.0]],
        "scores": [0.0, 0.0, 0.0],
        "target": [2.0, 0.0],
    },
    {
        "name": "Twins",
        "values": [[-1.0, 1.0], [-1.0, -1.0], [-2.5, 0.0]],
        "scores": [0.3, 0.0, 0.0],
        "target": [2.0, 0.0],
    },
]
THINGS, AXES = ["Value 1", "Value 2", "Value 3", "Treasure"], ["left to right", "down to up"]


def laws(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What the laws of :mod:`tutorlib.gradients` say of a state with one query, float64; the page computes the same.

    Returns:
        ``weight``, ``cost``, ``advantage``, ``gradient`` ``[3]``, ``mixed``, ``slope`` ``[2]``, ``value_gradient``
        ``[3, 2]`` and the ``loss``, half the squared distance.

    >>> laws(PRESETS[2])["gradient"].abs().max() < 1e-12
    tensor(True)
    """
    value, target = (torch.tensor(state[key], dtype=torch.float64) for key in ("values", "target"))
    weight = torch.tensor([state["scores"]], dtype=torch.float64).softmax(-1)  # [1, 3]
    mixed = weight @ value  # [1, 2]
    slope = mixed - target  # [1, 2]
    cost = gradients.costs(slope, value)  # [1, 3]
    return {
        "weight": weight[0],
        "cost": cost[0],
        "advantage": gradients.advantages(weight, cost)[0],
        "gradient": gradients.score_gradient(weight, cost)[0],
        "value_gradient": gradients.value_gradient(weight, slope),
        "mixed": mixed[0],
        "slope": slope[0],
        "loss": slope.square().sum() / 2,
    }


def _minus(x: float, digits: int) -> str:
    text = f"{x:.{digits}f}"
    return (text.replace("-", "") if float(text) == 0 else text).replace("-", "−")


def _js(x: float) -> str:
    """A number as JavaScript writes it."""
    return repr(int(x)) if x == int(x) else repr(x)


def _data(kind: str, x: float, digits: int = 3) -> str:
    return f'<data class="{kind}" value="{_js(x)}">{_minus(x, digits)}</data>'


def _px(x: float) -> str:
    return f"{MIDDLE + UNIT * x:.2f}"


def _py(y: float) -> str:
    return f"{MIDDLE - UNIT * y:.2f}"


def _cheap_side(mixed: list[float], slope: list[float]) -> list[list[float]]:
    corners = [[-REACH, -REACH], [REACH, -REACH], [REACH, REACH], [-REACH, REACH]]
    side = [slope[0] * (p[0] - mixed[0]) + slope[1] * (p[1] - mixed[1]) for p in corners]
    out: list[list[float]] = []
    for i, p in enumerate(corners):
        q, a, b = corners[(i + 1) % 4], side[i], side[(i + 1) % 4]
        if a <= 0:
            out.append([float(x) for x in p])
        if a * b < 0:
            out.append([p[axis] + (q[axis] - p[axis]) * a / (a - b) for axis in (0, 1)])
    return out


def _line(kind: str, start: list[float], end: list[float]) -> str:
    return f'<line class="{kind}" x1="{_px(start[0])}" y1="{_py(start[1])}" x2="{_px(end[0])}" y2="{_py(end[1])}"></line>'


def _field(state: dict[str, Any], law: dict[str, list[Any]]) -> str:
    mixed, slope = law["mixed"], law["slope"]
    points = " ".join(f"{_px(p[0])},{_py(p[1])}" for p in _cheap_side(mixed, slope))
    pulls = "".join(
        _line(f"pull at-{j}", v, [x - d for x, d in zip(v, law["value_gradient"][j], strict=True)])
        for j, v in enumerate(state["values"])
    )
    tip = [g + s / 2 for g, s in zip(mixed, slope, strict=True)]
    return (
        f'<polygon class="cheap" points="{points}"></polygon>{pulls}{_line("slope", mixed, tip)}'
        f'<circle class="mixed" cx="{_px(mixed[0])}" cy="{_py(mixed[1])}" r="6"></circle>'
        f'<text x="{_px(mixed[0] + 0.16)}" y="{_py(mixed[1] + 0.16)}">g</text>'
    )


def _bars(law: dict[str, list[Any]]) -> str:
    top, parts = max(abs(x) for x in law["advantage"]), []
    for j, (a, gain) in enumerate(zip(law["weight"], law["advantage"], strict=True)):
        x, size = 60 + 90 * j, abs(gain) / max(1, top) * BAR["tall"]
        y = BAR["middle"] - size if gain >= 0 else BAR["middle"]
        parts.append(
            f'<g class="at-{j}"><rect class="weight" x="{x}" y="{BAR["zero"] - a * BAR["height"]:.2f}" width="36" '
            f'height="{a * BAR["height"]:.2f}"></rect><rect class="advantage" x="{x}" y="{y:.2f}" width="36" '
            f'height="{size:.2f}"></rect><text x="{x + 18}" y="{BAR["zero"] + 16}" text-anchor="middle">{j + 1}</text></g>'
        )
    return "".join(parts)


def _trace(weights: list[float]) -> str:
    spread = TRACE["bottom"] - TRACE["top"]
    lines = "".join(
        f'<polyline class="at-{j}" points="{TRACE["left"]:.2f},{TRACE["bottom"] - spread * a:.2f}"></polyline>'
        for j, a in enumerate(weights)
    )
    return f'{lines}<text x="{TRACE["right"]}" y="{TRACE["bottom"] + 16}" text-anchor="end">10 steps</text>'


def _frame() -> str:
    left, right, top, bottom = (TRACE[key] for key in ("left", "right", "top", "bottom"))
    return (
        f'<line class="axis" x1="40" y1="{BAR["zero"]}" x2="{right}" y2="{BAR["zero"]}"></line>'
        f'<line class="axis" x1="40" y1="{BAR["middle"]}" x2="{right}" y2="{BAR["middle"]}"></line>'
        f'<text x="0" y="12">weights</text><text x="0" y="{BAR["middle"] - 24}">advantages</text>'
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"></line>'
        f'<line class="axis" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"></line>'
        f'<text x="{left - 6}" y="{top + 5}" text-anchor="end">1</text>'
        f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>'
        f'<text x="0" y="{top - 10}">weights over the steps</text>'
    )


def _grips(state: dict[str, Any]) -> str:
    values = "".join(
        f'<g class="grip at-{j}" data-grip="{j}" transform="translate({_px(v[0])},{_py(v[1])})">'
        f'<circle class="reach" r="18"></circle><circle class="knob" r="11"></circle>'
        f'<text y="4.5" text-anchor="middle">{j + 1}</text></g>'
        for j, v in enumerate(state["values"])
    )
    x, y = state["target"]
    return (
        f'{values}<g class="grip aim" data-grip="3" transform="translate({_px(x)},{_py(y)})"><circle class="reach" '
        'r="18"></circle><path d="M-8,-8L8,8M-8,8L8,-8"></path><text y="24" text-anchor="middle">treasure</text></g>'
    )


def _table(state: dict[str, Any], law: dict[str, list[Any]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{j + 1}</th><td>{_data("score", state["scores"][j], 2)}</td>'
        f"<td>{_data('weight', law['weight'][j])}</td><td>{_data('cost', law['cost'][j], 2)}</td>"
        f"<td>{_data('advantage', law['advantage'][j], 2)}</td><td>{_data('gradient', law['gradient'][j])}</td></tr>"
        for j in range(3)
    )
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("score", "weight", "cost", "advan­tage", "gradient")
    )
    return f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody>"


def _said(law: dict[str, list[Any]]) -> str:
    best = max(range(3), key=lambda j: law["advantage"][j])
    return (
        f"Loss {_data('loss', float(law['loss']), 4)}. Position {best + 1} is the cheapest, "  # type: ignore[arg-type]
        f"{_minus(law['advantage'][best], 2)} below the mean cost."
    )


def _sliders(state: dict[str, Any]) -> str:
    axes = "".join(
        f'<label><span class="name">{THINGS[0]}, {AXES[axis]}</span><input type="range" data-axis="{axis}" min="-{REACH}" '
        f'max="{REACH}" step="0.05" value="{state["values"][0][axis]}" '
        f'aria-valuetext="{_minus(state["values"][0][axis], 2)}"></label>'
        for axis in (0, 1)
    )
    scores = "".join(
        f'<label><span class="name">Score of position {j + 1}</span><input type="range" data-score="{j}" min="-8" max="8" '
        f'step="0.1" value="{score}" aria-valuetext="{_minus(score, 2)}"></label>'
        for j, score in enumerate(state["scores"])
    )
    return f"{axes}{scores}"


def _buttons(kind: str, names: list[str]) -> str:
    return "".join(
        f'<button type="button" data-{kind}="{i}" aria-pressed="{"true" if i == 0 else "false"}">{name}</button>'
        for i, name in enumerate(names)
    )


def _body(state: dict[str, Any]) -> str:
    law = {key: found.tolist() for key, found in laws(state).items()}
    steps = "".join(
        f'<button type="button" data-take="{what}" data-times="{times}">{words}</button>'
        for what, times, words in (
            ("scores", 1, "Step scores"),
            ("values", 1, "Step values"),
            ("both", 1, "Step both"),
            ("both", 10, "Ten of both"),
        )
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Examples">{_buttons("preset", [p["name"] for p in PRESETS])}</div>'
        f'<div role="group" aria-label="Steps">{steps}<button type="button" data-action="back">Back to start</button></div>'
        '</div><div class="split"><svg class="plane" viewBox="0 0 340 340" role="img" aria-label="Three values, their '
        'weighted mean g and the treasure. The numbers are in the table.">'
        f'<g class="field">{_field(state, law)}</g><g class="grips">{_grips(state)}</g></svg>'
        '<svg class="rows" viewBox="0 0 340 340" role="img" aria-label="Weights and advantages of the three positions, '
        f'and the weights over the steps. The numbers are in the table."><g class="frame">{_frame()}</g>'
        f'<g class="bars">{_bars(law)}</g><g class="curve">{_trace(law["weight"])}</g></svg></div>'
        f'<p class="said numbers" aria-live="polite">{_said(law)}</p>'
        '<div class="split"><div class="side"><div class="bar"><div role="group" aria-label="What the sliders move">'
        f"{_buttons('thing', THINGS)}</div></div>{_sliders(state)}</div>"
        f'<table aria-label="The three positions">{_table(state, law)}</table></div>'
    )


class TwoLaws(Explorer):
    """Scores and values of three positions, stepped down the slope of a squared distance, one law at a time or both.

    The rates are 0.5 for scores and 0.2 for values. The cheap side of the plane is shaded; short lines show the
    negative gradient of each value.

    >>> TwoLaws().label
    'Routing and values'
    """

    def __init__(self) -> None:
        super().__init__(
            name="routing",
            label="Routing and values",
            data={"presets": PRESETS},
            scripts=("routing.js",),
            body=f"<style>{asset('routing.css')}</style>\n{_body(PRESETS[0])}",
            text=(
                "Routing and values (needs a page with JavaScript): three values in a plane, their weighted mean g and a "
                "treasure. Values and treasure can be dragged. Buttons take a step of descent in the scores, the values or "
                "in both; a table shows weights, costs, advantages and gradients, and a curve the weights over the steps."
            ),
        )
