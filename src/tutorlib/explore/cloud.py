"""The explorer of chapter 11: the residual streams of three networks as clouds that can be turned.

The points are the first three principal coordinates of streams, measured once and kept in ``cloud.json``
(``tools/write_clouds.py`` writes it), so that the page is the same whatever machine makes it.
"""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits, checkpoints, geometry
from tutorlib.explore.base import Explorer, asset
from tutorlib.explore.tracking import _fixed

__all__ = ["BeliefCloud", "measure_clouds"]

MIDDLE, RADIUS = 160, 135  # of the picture; the same numbers stand in cloud.js
SHADES = 5  # of the entropy, from low to high
POINTS = 400
AXIS = 850  # the points reach 1000


def _cloud(
    name: str, about: str, kinds: list[str], x: Tensor, entropy: Tensor, kind: Tensor
) -> dict[str, Any]:
    """One cloud from vectors ``[n, d]``, entropies in bits ``[n]`` and the number of each point's kind ``[n]``."""
    axes = geometry.principal_axes(x)
    scores = axes.scores(x)[:, :3]  # [n, 3]
    points = (1000 * scores / scores.abs().max()).round().int().tolist()
    return {
        "name": name,
        "about": about,
        "kinds": kinds,
        "share": [round(100 * float(share)) for share in axes.shares[:3]],
        "points": points,
        "entropy": (1000 * entropy).round().int().tolist(),
        "kind": kind.int().tolist(),
        "best": best_view(points, entropy),
    }


def best_view(points: list[list[int]], entropy: Tensor, step: int = 10) -> list[int]:
    """Turn and tilt, in steps of some degrees, whose left-right direction goes with entropy most closely."""
    views = [[yaw, pitch] for yaw in range(0, 181, step) for pitch in range(-90, 91, step)]
    rights = [torch.tensor([p[0] for p in turn(points, *view)], dtype=torch.float64) for view in views]
    found = [round(abs(geometry.rank_correlation(right, entropy)), 4) for right in rights]
    return views[found.index(max(found))]


def measure_clouds() -> list[dict[str, Any]]:
    """What ``cloud.json`` holds, measured anew on the networks that ship.

    >>> [cloud["name"] for cloud in measure_clouds()]
    ['Mess3', 'Bijection', 'Bijection as read', 'HMM']
    """
    point = checkpoints.load("mess3")
    batch = point.tunnel.sample(27, torch.Generator().manual_seed(1))
    believed = point.tunnel.changed(target="belief").exact(
        batch
    )  # [sequences, time, tokens]; states are 4 to 6
    belief = believed[:, 1:, 4:].flatten(0, 1)[:POINTS]  # [n, 3], without the start token
    stream = geometry.residual_streams(point.model, batch)[3, :, 1:].flatten(0, 1)[:POINTS]
    states = ["state A most likely", "state B", "state C"]
    about = "Mess3 after three of four blocks. Trained on next symbols only."
    clouds = [_cloud("Mess3", about, states, stream, bits.entropy(belief), belief.argmax(-1))]

    point = checkpoints.load("bijection-v20")
    batch = point.tunnel.sample(20, torch.Generator().manual_seed(1))
    entropy = bits.entropy(point.tunnel.exact(batch)).flatten()  # [n]
    stream = geometry.residual_streams(point.model, batch)[1, :, ::2].flatten(0, 1).double()
    pairs = torch.arange(20).expand(20, 20).flatten()
    kinds = ["0 to 3 pairs shown", "4 to 7", "8 to 11", "12 to 15", "16 to 19"]
    about = "The last stream of bijection-v20: nearly a line, which is the stream’s length."
    clouds.append(_cloud("Bijection", about, kinds, stream, entropy, pairs // 4))
    about = "The same points divided by their length, as the head reads them."
    read = stream / stream.norm(dim=-1, keepdim=True)
    clouds.append(_cloud("Bijection as read", about, kinds, read, entropy, pairs // 4))

    point = checkpoints.load("hmm-sticky")
    batch = point.tunnel.sample(22, torch.Generator().manual_seed(1))
    belief = point.tunnel.exact(batch)[:, 1:, 5:].flatten(0, 1)[:POINTS]  # [n, 5], without the first symbol
    stream = geometry.residual_streams(point.model, batch)[3, :, 1:].flatten(0, 1)[:POINTS]
    states = ["state 1 most likely", "state 2", "state 3", "state 4", "state 5"]
    about = "hmm-sticky after three of five blocks, the first symbol left out. Every sequence has its own matrices."
    clouds.append(_cloud("HMM", about, states, stream, bits.entropy(belief), belief.argmax(-1)))
    return clouds


def turn(points: list[list[int]], yaw: int, pitch: int) -> list[tuple[float, float, float]]:
    """Right, up and towards the reader of each point, in degrees; in the order of operations of cloud.js."""
    a, p = math.pi * yaw / 180, math.pi * pitch / 180
    turned = []
    for x, y, z in points:
        up, deep = math.cos(p) * y - math.sin(p) * z, math.sin(p) * y + math.cos(p) * z
        turned.append((math.cos(a) * x + math.sin(a) * deep, up, math.cos(a) * deep - math.sin(a) * x))
    return turned


def shade(entropy: list[int]) -> list[int]:
    """In which fifth of the range each entropy lies, from 0."""
    low, high = min(entropy), max(entropy)
    return [min(SHADES - 1, SHADES * (h - low) // (high - low)) for h in entropy]


def _dots(points: list[list[int]], colours: list[int], count: int) -> str:
    """Two paths for each colour, the far half first, with a dot for each point."""
    strokes = {(near, colour): "" for near in (0, 1) for colour in range(count)}
    for (right, up, deep), colour in zip(turn(points, 0, 0), colours, strict=True):
        at = f"M{_fixed(MIDDLE + RADIUS * right / 1000, 1)} {_fixed(MIDDLE - RADIUS * up / 1000, 1)}h0"
        strokes[int(deep >= 0), colour] += at
    return "".join(
        f'<path class="dots {"near" if near else "far"} c{colour}" d="{d}"></path>'
        for (near, colour), d in strokes.items()
    )


def _axes() -> str:
    tips = ((AXIS, 0, 0), (0, AXIS, 0), (0, 0, AXIS))
    parts = []
    for number, (right, up, _) in enumerate(turn([list(tip) for tip in tips], 0, 0), 1):
        x, y = MIDDLE + RADIUS * right / 1000, MIDDLE - RADIUS * up / 1000
        parts.append(
            f'<path class="axis" d="M{MIDDLE} {MIDDLE}L{_fixed(x, 1)} {_fixed(y, 1)}"></path>'
            f'<text x="{_fixed(x + 4, 1)}" y="{_fixed(y - 4, 1)}">PC{number}</text>'
        )
    return "".join(parts)


def _legend(cloud: dict[str, Any], by: str) -> str:
    low, high = (_fixed(f(cloud["entropy"]) / 1000, 2) for f in (min, max))
    names = [f"{low} bits", "", "", "", f"{high} bits"] if by == "entropy" else cloud["kinds"]
    return "".join(f'<span><i class="c{i}"></i>{name}</span>' for i, name in enumerate(names))


def _sentence(cloud: dict[str, Any]) -> str:
    x = torch.tensor([point[0] for point in cloud["points"]], dtype=torch.float64)
    h = torch.tensor(cloud["entropy"], dtype=torch.float64)
    rho = geometry.rank_correlation(x, h)
    shares = " + ".join(f"{share}" for share in cloud["share"])
    return (
        f"<p>{cloud['about']} The three axes hold {shares} % of the variance.</p>"
        f"<p>Left to right goes with entropy at ρ = <b>{_fixed(rho, 2)}</b>.</p>"
    )


def _slider(key: str, name: str, low: int, high: int) -> str:
    return (
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low}" max="{high}" step="1" '
        f'value="0" aria-valuetext="0 degrees"><span class="value numbers" aria-hidden="true">0°</span></label>'
    )


def _body(clouds: list[dict[str, Any]]) -> str:
    cloud = clouds[0]
    choices = "".join(
        f'<button type="button" data-cloud="{i}" aria-pressed="{"true" if i == 0 else "false"}">{item["name"]}</button>'
        for i, item in enumerate(clouds)
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Cloud">{choices}</div>'
        '<div role="group" aria-label="Colour by"><button type="button" data-by="entropy" aria-pressed="true">'
        'Colour: entropy</button><button type="button" data-by="kind" aria-pressed="false">Colour: state</button></div>'
        "</div>"
        '<div class="split"><svg viewBox="0 0 320 320" role="img" tabindex="0" aria-label="A cloud of points along three '
        'axes. Arrow keys turn it. What is seen is said below.">'
        f'<g class="axes">{_axes()}</g><g class="cloud">{_dots(cloud["points"], shade(cloud["entropy"]), SHADES)}</g></svg>'
        f'<div class="side">{_slider("yaw", "Turn", -180, 180)}{_slider("pitch", "Tilt", -180, 180)}'
        '<div class="bar"><div role="group" aria-label="Views"><button type="button" data-view="first">PC1 to the right'
        '</button><button type="button" data-view="best">Best view of entropy</button></div></div>'
        f'<p class="legend">{_legend(cloud, "entropy")}</p>'
        f'<div class="result numbers" aria-live="polite">{_sentence(cloud)}</div></div></div>'
    )


class BeliefCloud(Explorer):
    """Residual streams as clouds in their first three principal axes, which the reader turns and colours.

    >>> BeliefCloud().label
    'Clouds inside networks'
    """

    def __init__(self) -> None:
        clouds = json.loads(asset("cloud.json"))
        super().__init__(
            name="cloud",
            label="Clouds inside networks",
            data={"clouds": clouds},
            scripts=("cloud.js",),
            body=f"<style>{asset('cloud.css')}</style>\n{_body(clouds)}",
            text=(
                "Clouds inside networks (needs a page with JavaScript). The residual streams of a Mess3, a bijection and "
                "an HMM network in their first three principal axes; drag to turn them, colour them by entropy."
            ),
        )
