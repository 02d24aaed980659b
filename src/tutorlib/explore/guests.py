"""The explorer of chapter 06: a room of guests, a query to move, and three ways to weigh.

The first state is drawn here with the numbers and marks that ``guests.js`` draws.
"""

from __future__ import annotations

import math
from typing import Any

from tutorlib.explore.base import Explorer, asset

__all__ = ["GuestRoom"]

# Redness of the shirt from 0 to 100, height in centimetres, and how often each drink is ordered, in hundredths.
GUESTS: list[dict[str, Any]] = [
    {"name": "Ada", "shirt": "#0072b2", "red": 10, "height": 168, "orders": [80, 10, 10]},
    {"name": "Ben", "shirt": "#c65d00", "red": 75, "height": 186, "orders": [10, 20, 70]},
    {"name": "Cleo", "shirt": "#b3261e", "red": 95, "height": 164, "orders": [10, 80, 10]},
    {"name": "Dan", "shirt": "#00785a", "red": 20, "height": 178, "orders": [50, 30, 20]},
    {"name": "Eve", "shirt": "#7a4f9a", "red": 55, "height": 172, "orders": [60, 30, 10]},
]
DRINKS = ["tea", "coffee", "juice"]
REGULAR, OFTEN = 4, 4  # Eve waves four times as often, if the reader says so
SEATINGS = [[0, 1, 2, 3, 4], [2, 4, 3, 0, 1], [4, 0, 1, 2, 3], [3, 2, 0, 4, 1]]
START = {"red": 90, "height": 170, "heat": 0}
# Key vectors count from the middle of the ranges, in units of what can be told apart at temperature 1.
MIDDLE, UNIT = {"red": 50, "height": 175}, {"red": 20, "height": 10}
LEFT, TOP, WIDE, HIGH = 44, 12, 280, 210  # the plane inside the picture, in its units

MODES = {
    "posterior": "Log prior + log likelihood",
    "dot": "Dot product",
    "seat": "Always seat 3",
}
SLIDERS = (
    ("red", "Redness of the shirt you saw", 0, 100),
    ("height", "Height you saw", 150, 200),
    ("heat", "Temperature (variance of the blur)", -20, 40),
)


def vector(red: float, height: float) -> tuple[float, float]:
    """The two coordinates of a key or query."""
    return (red - MIDDLE["red"]) / UNIT["red"], (height - MIDDLE["height"]) / UNIT["height"]


def scores(red: float, height: float, heat: int) -> list[float]:
    """Log prior plus log likelihood of each guest in nats, up to a common constant; all wave equally often.

    Args:
        red: redness seen, 0 to 100.
        height: height seen, in centimetres.
        heat: the temperature is ``10 ** (heat / 20)``.
    """
    query = vector(red, height)
    prior = math.log(1 / len(GUESTS))
    distances = [math.dist(query, vector(guest["red"], guest["height"])) ** 2 for guest in GUESTS]
    return [prior - distance / (2 * 10 ** (heat / 20)) for distance in distances]


def _softmax(values: list[float]) -> list[float]:
    top = max(values)
    powers = [math.exp(value - top) for value in values]
    return [power / sum(powers) for power in powers]


def _minus(words: str) -> str:
    return words.replace("-", "−")


def _temperature(heat: int) -> str:
    return f"{10 ** (heat / 20):.2f}"


def _value(key: str, value: int) -> str:
    return {"red": f"{value}", "height": f"{value} cm", "heat": _temperature(value)}[key]


def _x(red: float) -> str:
    return f"{LEFT + WIDE * red / 100:.1f}"


def _y(height: float) -> str:
    return f"{TOP + HIGH * (200 - height) / 50:.1f}"


def _axes() -> str:
    """The frame of the plane, which never changes."""
    ticks = "".join(
        f'<text x="{_x(red)}" y="{TOP + HIGH + 16}" text-anchor="middle">{red}</text>' for red in (0, 50, 100)
    ) + "".join(
        f'<text x="{LEFT - 6}" y="{_y(height)}" dy="4" text-anchor="end">{height}</text>'
        for height in (150, 175, 200)
    )
    return (
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}"></rect>{ticks}'
        f'<text x="{LEFT + WIDE / 2:.1f}" y="{TOP + HIGH + 34}" text-anchor="middle">redness of the shirt</text>'
        f'<text x="{LEFT + 6}" y="{TOP + 16}">height, cm</text>'
    )


def _edges(weights: list[float]) -> str:
    x, y = _x(START["red"]), _y(START["height"])
    return "".join(
        f'<line class="edge" x1="{x}" y1="{y}" x2="{_x(guest["red"])}" y2="{_y(guest["height"])}" '
        f'stroke-width="{0.5 + 14 * weight:.2f}"></line>'
        for guest, weight in zip(GUESTS, weights, strict=True)
    )


def _guests() -> str:
    return "".join(
        f'<circle cx="{_x(guest["red"])}" cy="{_y(guest["height"])}" r="12" fill="{guest["shirt"]}"></circle>'
        f'<text class="initial" x="{_x(guest["red"])}" y="{_y(guest["height"])}" dy="4.5" text-anchor="middle">'
        f"{guest['name'][0]}</text>"
        for guest in GUESTS
    )


def _query() -> str:
    x, y = _x(START["red"]), _y(START["height"])
    return (
        f'<circle class="reach" cx="{x}" cy="{y}" r="24"></circle><circle class="ring" cx="{x}" cy="{y}" r="9">'
        f'</circle><circle class="dot" cx="{x}" cy="{y}" r="3"></circle>'
    )


def _rows(values: list[float], weights: list[float]) -> str:
    """One row a seat."""
    return "".join(
        f'<tr><th scope="row">{seat + 1}</th><td class="who"><span class="shirt" style="background: '
        f'{GUESTS[guest]["shirt"]}"></span>{GUESTS[guest]["name"]}</td><td>{_minus(f"{values[guest]:.2f}")}</td>'
        f'<td class="weight"><span class="track" aria-hidden="true"><span style="width: {100 * weights[guest]:.1f}%">'
        f"</span></span><b>{100 * weights[guest]:.1f}</b> %</td></tr>"
        for seat, guest in enumerate(SEATINGS[0])
    )


def _mixed(weights: list[float]) -> list[float]:
    """Chance of each drink, in per cent."""
    return [
        sum(weight * guest["orders"][drink] for weight, guest in zip(weights, GUESTS, strict=True))
        for drink in range(len(DRINKS))
    ]


def _orders(mixed: list[float]) -> str:
    return "".join(
        f'<li><span>{drink}</span><span class="track" aria-hidden="true"><span style="width: {share:.1f}%"></span>'
        f"</span><span><b>{share:.1f}</b> %</span></li>"
        for drink, share in zip(DRINKS, mixed, strict=True)
    )


def _sentence(weights: list[float]) -> str:
    best = max(range(len(weights)), key=weights.__getitem__)
    return (
        f'<p>Largest weight: <b class="best">{GUESTS[best]["name"]}</b>, '
        f"<b>{100 * weights[best]:.1f}</b> %.</p>"
        "<p>The scores are log joint probabilities, up to a constant that all guests share. So the weights are the "
        "posterior.</p>"
    )


def _slider(key: str, name: str, low: int, high: int) -> str:
    words = _value(key, START[key])
    return (
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low}" max="{high}" '
        f'step="1" value="{START[key]}" aria-valuetext="{words}">'
        f'<span class="value numbers" aria-hidden="true">{words}</span></label>'
    )


def _body() -> str:
    values = scores(**START)
    weights = _softmax(values)
    modes = "".join(
        f'<button type="button" data-mode="{mode}" aria-pressed="{"true" if mode == "posterior" else "false"}">'
        f"{name}</button>"
        for mode, name in MODES.items()
    )
    parts = {
        "modes": modes,
        "sliders": "".join(_slider(*slider) for slider in SLIDERS),
        "size": f"0 0 {LEFT + WIDE + 16} {TOP + HIGH + 42}",
        "axes": _axes(),
        "edges": _edges(weights),
        "guests": _guests(),
        "query": _query(),
        "rows": _rows(values, weights),
        "orders": _orders(_mixed(weights)),
        "sentence": _sentence(weights),
    }
    return f"<style>{asset('guests.css')}</style>\n" + asset("guests.html").format(**parts)


class GuestRoom(Explorer):
    """Attention as a posterior over guests: a query in a plane of two features, scores, weights and a mixed value.

    The reader moves the query by dragging it or with sliders, sets the temperature, lets the guests change seats, and
    chooses what the scores are: log joint probabilities, dot products, or a fixed seat.

    >>> GuestRoom().label
    'A room of guests'
    """

    def __init__(self) -> None:
        weights = _softmax(scores(**START))
        tea, coffee, juice = _mixed(weights)
        super().__init__(
            name="guests",
            label="A room of guests",
            data={
                "guests": GUESTS,
                "drinks": DRINKS,
                "regular": REGULAR,
                "often": OFTEN,
                "seatings": SEATINGS,
                "start": START,
                "middle": MIDDLE,
                "unit": UNIT,
            },
            scripts=("guests.js",),
            body=_body(),
            text=(
                "A room of guests (needs a page with JavaScript): a guest in a red shirt was seen, redness 90 and "
                f"170 cm. Cleo has {100 * weights[2]:.1f} % of the weight, and the order is tea with {tea:.1f} %, "
                f"coffee with {coffee:.1f} %, juice with {juice:.1f} %. Sliders change what was seen and the temperature."
            ),
        )
