"""The explorer of chapter 15: a training run as a film that can be paused and stepped.

Its frames are measured once on the snapshots that ship and kept in ``film.json`` (``tools/write_film.py`` writes it).
"""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import torch

from tutorlib import geometry, snapshots
from tutorlib.explore.base import Explorer, asset
from tutorlib.explore.tracking import _fixed
from tutorlib.formation import measure_bijection

__all__ = ["FormationFilm", "measure_film"]

RUN = "bijection-v20-watched"
FIRST = 10  # the frame that is shown first, step 630
GAMES = 12  # in the cloud
CELL = 8  # of the map; the same numbers stand in film.js
CLOUD, RADIUS = 260, 115
CURVE_LEFT, CURVE_RIGHT, CURVE_TOP, CURVE_BOTTOM = 44, 348, 14, 168
LOW, HIGH = -3, 1  # powers of ten of the curve, bits
SHADES = 5
CURVES = ("kl", "with_these_maps", "with_late_maps")
KEPT = (*CURVES, "on_values", "rho")


def measure_film() -> dict[str, Any]:
    """What ``film.json`` holds, measured anew on the run that ships.

    >>> film = measure_film()
    >>> len(film["frames"]), film["frames"][0]["step"]
    (16, 0)
    """
    run = snapshots.load(RUN)
    assert run.tunnel.name == "bijection"
    kept = {step: copy.deepcopy(model) for step, model in run}
    batch = run.tunnel.sample(128, torch.Generator().manual_seed(4))
    story = measure_bijection(kept, run.tunnel, batch)  # type: ignore[arg-type]
    few = run.tunnel.sample(GAMES, torch.Generator().manual_seed(1))
    pairs = (
        torch.arange(20).expand(GAMES, 20)[:, 1:].flatten()
    )  # [points]; nothing is shown at the first question
    frames: list[dict[str, Any]] = []
    before: torch.Tensor | None = None
    for i in reversed(
        range(len(story["step"]))
    ):  # backwards, so that each picture is turned like the one after it
        model = kept[int(story["step"][i])]
        heads = geometry.head_vectors(model, few)
        mixed = heads.mixed[0, :, 2::2].flatten(0, 1)  # [points, width]
        scores = geometry.principal_axes(mixed).scores(mixed)[:, :2]  # [points, 2]
        like = pairs.double() - pairs.double().mean() if before is None else before
        signs = [(scores[:, k] * (like if like.ndim == 1 else like[:, k])).sum().sign() for k in (0, 1)]
        scores = scores * torch.tensor([float(s) or 1.0 for s in signs], dtype=torch.float64)
        before = scores
        rows = heads.attention[0, 0, 0, ::2]  # [question, time] of the first game
        frame: dict[str, Any] = {name: float(f"{story[name][i]:.4g}") for name in KEPT}
        frame["step"] = int(story["step"][i])
        frame["map"] = [(100 * row[: 2 * q + 1]).round().int().tolist() for q, row in enumerate(rows)]
        frame["points"] = (1000 * scores / scores.abs().max()).round().int().tolist()
        frames.append(frame)
    return {
        "frames": frames[::-1],
        "shade": (pairs * SHADES // 20).tolist(),
        "values": few.tokens[0, 1::2].sub(20).tolist(),
    }


def _map(frame: dict[str, Any]) -> str:
    """A square for each place that a question looks at, its ink the weight in percent."""
    marks = []
    for question, row in enumerate(frame["map"]):
        for place, weight in enumerate(row):
            if weight:
                kind = "value" if place % 2 else "key"
                x, y, ink = CELL * place, CELL * question, _fixed(math.sqrt(weight / 100), 2)
                marks.append(
                    f'<rect class="{kind}" x="{x}" y="{y}" width="7" height="7" opacity="{ink}"></rect>'
                )
    return "".join(marks)


def _cloud(frame: dict[str, Any], shade: list[int]) -> str:
    paths = [""] * SHADES
    for (x, y), which in zip(frame["points"], shade, strict=True):
        right, down = CLOUD / 2 + RADIUS * x / 1000, CLOUD / 2 - RADIUS * y / 1000
        paths[which] += f"M{_fixed(right, 1)} {_fixed(down, 1)}h0"
    return "".join(f'<path class="dots c{which}" d="{d}"></path>' for which, d in enumerate(paths))


def _height(bits: float) -> float:
    share = (min(HIGH, max(LOW, math.log10(bits))) - LOW) / (HIGH - LOW)
    return CURVE_BOTTOM - (CURVE_BOTTOM - CURVE_TOP) * share


def _across(which: int, count: int) -> float:
    return CURVE_LEFT + (CURVE_RIGHT - CURVE_LEFT) * which / (count - 1)


def _curves(frames: list[dict[str, Any]]) -> str:
    """The three curves, drawn by Python alone; JavaScript moves the marks."""
    parts = []
    for power in range(LOW, HIGH + 1):
        y = _fixed(_height(10.0**power), 1)
        label = {-3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10"}[power]
        parts.append(f'<path class="grid" d="M{CURVE_LEFT} {y}H{CURVE_RIGHT}"></path>')
        below = _fixed(_height(10.0**power) + 4, 1)
        parts.append(f'<text x="{CURVE_LEFT - 5}" y="{below}" text-anchor="end">{label}</text>')
    for which in (0, 5, 10, 15):
        x = _fixed(_across(which, len(frames)), 1)
        anchor = "end" if which == len(frames) - 1 else "middle"
        parts.append(f'<text x="{x}" y="186" text-anchor="{anchor}">{frames[which]["step"]}</text>')
    for name in CURVES:
        places = " ".join(
            f"{_fixed(_across(i, len(frames)), 1)},{_fixed(_height(frame[name]), 1)}"
            for i, frame in enumerate(frames)
        )
        parts.append(f'<polyline class="curve {name}" points="{places}"></polyline>')
    return "".join(parts)


def _marks(frames: list[dict[str, Any]], which: int) -> str:
    x = _fixed(_across(which, len(frames)), 1)
    dots = ""
    for name in CURVES:
        y, radius = _fixed(_height(frames[which][name]), 1), 6 if name == "kl" else 4
        dots += f'<circle class="mark {name}" cx="{x}" cy="{y}" r="{radius}"></circle>'
    return f'<path class="now" d="M{x} {CURVE_TOP}V{CURVE_BOTTOM}"></path>{dots}'


def _said(frame: dict[str, Any]) -> str:
    def number(name: str, digits: int) -> str:
        return f'<data class="{name}" value="{frame[name]}">{_fixed(frame[name], digits)}</data>'

    return (
        f"<p>After <b>{frame['step']}</b> steps. KL to exact: {number('kl', 4)} bits. "
        f"This moment’s attention in the finished network: {number('with_these_maps', 4)} bits. "
        f"The finished attention in this moment’s network: {number('with_late_maps', 4)} bits.</p>"
        f"<p>Attention on values: {number('on_values', 2)}. PC1 and entropy: |ρ| = {number('rho', 2)}.</p>"
    )


def _body(film: dict[str, Any]) -> str:
    frames = film["frames"]
    frame, last = frames[FIRST], len(frames) - 1
    buttons = (
        '<button type="button" data-do="play">Play</button><button type="button" data-do="back">Step back</button>'
        '<button type="button" data-do="on">Step on</button><button type="button" data-do="start">To the start</button>'
    )
    words = f"step {frame['step']}"
    slider = (
        f'<label><span class="name">Moment</span><input type="range" min="0" max="{last}" step="1" value="{FIRST}" '
        f'aria-valuetext="{words}"><span class="value numbers" aria-hidden="true">{words}</span></label>'
    )
    map_label = (
        "Attention of one game: each row is a question, each column a token, keys and values in turn. "
        "Ink is weight. What is seen is said below."
    )
    cloud_label = "What the head hands over at each question, along the first two principal axes. Said below."
    curve_label = (
        "Three curves of KL in bits over the moments, on a logarithmic scale, with a mark at the present one."
    )
    legend = (
        '<span><i class="key"></i>weight on a key</span><span><i class="value"></i>weight on a value</span>'
    )
    shades = "".join(
        f'<span><i class="c{i}"></i>{words}</span>'
        for i, words in enumerate(("1 to 3 shown", "4 to 7", "8 to 11", "12 to 15", "16 to 19"))
    )
    names = (
        "the network as it is",
        "its attention in the finished network",
        "finished attention in it",
    )
    lines = "".join(
        f'<span><i class="{key}"></i>{words}</span>' for key, words in zip(CURVES, names, strict=True)
    )

    def figure(title: str, box: str, label: str, inside: str, key: str) -> str:
        return (
            f'<figure><figcaption>{title}</figcaption><svg {box} role="img" aria-label="{label}">{inside}</svg>'
            f'<p class="legend">{key}</p></figure>'
        )

    dots = f'<g class="cloud">{_cloud(frame, film["shade"])}</g>'
    chart = f'<g class="curves">{_curves(frames)}</g><g class="marks">{_marks(frames, FIRST)}</g>'
    cloud_box = f'class="small" viewBox="0 0 {CLOUD} {CLOUD}"'
    return (
        f'<div class="bar"><div role="group" aria-label="Film">{buttons}</div>{slider}</div><div class="split">'
        + figure(
            "Attention, one game",
            'viewBox="0 0 312 160"',
            map_label,
            f'<g class="map">{_map(frame)}</g>',
            legend,
        )
        + figure("Head output, PC1 and PC2", cloud_box, cloud_label, dots, shades)
        + figure("KL to exact, bits", 'viewBox="0 0 360 192"', curve_label, chart, lines)
        + f'</div><div class="said numbers" aria-live="polite">{_said(frame)}</div>'
    )


class FormationFilm(Explorer):
    """A training run as a film: the attention map, what the head hands over, and KL, moment by moment.

    >>> FormationFilm().label
    'A network while it forms'
    """

    def __init__(self) -> None:
        film = json.loads(asset("film.json"))
        frame = film["frames"][FIRST]
        super().__init__(
            name="film",
            label="A network while it forms",
            data=film,
            scripts=("film.js",),
            body=f"<style>{asset('film.css')}</style>\n{_body(film)}",
            text=(
                f"A network while it forms (needs a page with JavaScript). After {frame['step']} of 6000 steps: KL to exact "
                f"{frame['kl']:.3f} bits; "
                f"with this attention the finished network would be at {frame['with_these_maps']:.4f}."
            ),
        )
