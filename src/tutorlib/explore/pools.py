"""The explorer of chapter 14: two voices, a hint before each sentence, and a slider from attention to a mixture."""

from __future__ import annotations

import math

import torch

from tutorlib.em_attention.pools import (
    bells,
    log_prediction_nats,
    loss_nats,
    responsibilities,
    score_gradient,
)
from tutorlib.em_attention.pools import value_gradient as gradient_by_logits
from tutorlib.explore.base import Explorer, asset

__all__ = ["PoolMorph", "pool_state"]

PITCHES = [104, 112, 118, 127, 131, 139, 152, 168, 181, 190, 199, 214]
HINTS = [0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1]  # 0 left, 1 right
SIDES = ("left", "right")
START, WIDTH, GATE, POWER, SENTENCE = (150.0, 170.0), 20.0, 0.75, 1.0, 6
LOW, HIGH = -100, 400  # pitches, in whole hertz, that a guess gives a probability to
# The same numbers stand in pools.js: the picture shows fewer pitches than there are.
SEEN_LOW, SEEN_HIGH, LEFT, SPAN, BASE, PEAK, BAR_TOP, BAR_BOTTOM, EVERY = (
    40,
    260,
    15,
    310,
    122,
    5200,
    152,
    232,
    4,
)
DIGITS = 9  # of the numbers that a page carries; both languages write the same


def pool_state(
    centres: tuple[float, float], gate: float, power: float, divide: bool, sentence: int
) -> dict[str, list[float]]:
    """Every number that the explorer shows, by name.

    Args:
        centres: of the two voices, in hertz.
        gate: weight of the voice that the hint points to.
        power: 0 averages logarithms, 1 probabilities.
        divide: whether a centre's step is divided by the shares it has over all sentences, or by half of them all.
        sentence: which one is looked at, from 0.

    >>> state = pool_state((150.0, 170.0), gate=0.75, power=1.0, divide=True, sentence=6)
    >>> [round(x, 3) for x in state["share"]], [round(x, 2) for x in state["move"]]
    ([0.817, 0.183], [-18.37, 9.69])
    """
    pitches = torch.arange(LOW, HIGH + 1, dtype=torch.float64)
    table = torch.tensor([[gate, 1 - gate], [1 - gate, gate]], dtype=torch.float64).log()  # [hint, voice]
    scores, heard = table[torch.tensor(HINTS)], torch.tensor(PITCHES) - LOW
    log_p = bells(torch.tensor(centres, dtype=torch.float64), WIDTH, pitches)  # [voice, pitch]
    shares = responsibilities(scores, log_p, power)  # [sentence, voice, pitch]
    after = shares.gather(2, heard[:, None, None].expand(-1, 2, 1))[:, :, 0]  # [sentence, voice]
    slope = gradient_by_logits(scores, log_p, heard, power) @ pitches / WIDTH**2  # [voice], nats per hertz
    counts = after.sum(0)
    stride = WIDTH**2 / (counts if divide else torch.full_like(counts, len(PITCHES) / 2))
    guess = log_prediction_nats(scores[sentence : sentence + 1], log_p, power)[0].exp()  # [pitch]
    return {
        "centre": list(centres),
        "gate": scores[sentence].exp().tolist(),
        "share": after[sentence].tolist(),
        "pull": (-score_gradient(scores, log_p, heard, power)[sentence]).tolist(),
        "count": counts.tolist(),
        "move": (-stride * slope).tolist(),
        "loss": [float(loss_nats(scores, log_p, heard, power).sum()) / math.log(2)],
        "guess": guess[SEEN_LOW - LOW : SEEN_HIGH - LOW + 1 : EVERY].tolist(),
        "shares": after[:, 0].tolist(),
    }


def _minus(x: float, digits: int) -> str:
    return f"{x:.{digits}f}".replace("-", "−")


def _signed(x: float, digits: int) -> str:
    return ("−" if x < 0 else "+") + f"{abs(x):.{digits}f}"


def _place(pitch: float) -> float:
    return LEFT + SPAN * (pitch - SEEN_LOW) / (SEEN_HIGH - SEEN_LOW)


def _frame() -> str:
    ticks = "".join(
        f'<line class="axis" x1="{_place(at):.2f}" y1="{BAR_BOTTOM}" x2="{_place(at):.2f}" y2="{BAR_BOTTOM + 5}"></line>'
        f'<text x="{_place(at):.2f}" y="{BAR_BOTTOM + 19}" text-anchor="middle">{at}</text>'
        for at in range(50, SEEN_HIGH, 50)
    )
    return (
        f'<line class="axis" x1="{LEFT}" y1="{BASE}" x2="{LEFT + SPAN}" y2="{BASE}"></line>'
        f'<line class="axis" x1="{LEFT}" y1="{BAR_BOTTOM}" x2="{LEFT + SPAN}" y2="{BAR_BOTTOM}"></line>{ticks}'
        f'<text x="{LEFT + SPAN}" y="{BAR_BOTTOM + 36}" text-anchor="end">pitch, hertz</text>'
        f'<text x="{LEFT}" y="14">guess before the sentence</text>'
        f'<text x="{LEFT}" y="{BAR_TOP - 8}">weights of the value step</text>'
    )


def _curves(state: dict[str, list[float]]) -> str:
    path = " ".join(
        f"{_place(SEEN_LOW + EVERY * n):.2f},{BASE - PEAK * p:.2f}" for n, p in enumerate(state["guess"])
    )
    pitch = PITCHES[SENTENCE]
    lines = "".join(
        f'<line class="centre-line voice-{voice}" x1="{_place(centre):.2f}" y1="24.00" '
        f'x2="{_place(centre):.2f}" y2="{BASE:.2f}"></line>'
        f'<line class="arrow voice-{voice}" x1="{_place(centre):.2f}" y1="{30 + 10 * voice:.2f}" '
        f'x2="{_place(centre + move):.2f}" y2="{30 + 10 * voice:.2f}"></line>'
        f'<circle class="voice-{voice}" cx="{_place(centre + move):.2f}" cy="{30 + 10 * voice:.2f}" r="3.5"></circle>'
        for voice, (centre, move) in enumerate(zip(state["centre"], state["move"], strict=True))
    )
    return (
        f'{lines}<polyline class="guess" points="{path}"></polyline>'
        f'<line class="heard" x1="{_place(pitch):.2f}" y1="60.00" x2="{_place(pitch):.2f}" y2="{BAR_BOTTOM:.2f}"></line>'
    )


def _bars(state: dict[str, list[float]]) -> str:
    parts = []
    for number, (pitch, share) in enumerate(zip(PITCHES, state["shares"], strict=True)):
        x, cut = _place(pitch) - 3, BAR_BOTTOM - share * (BAR_BOTTOM - BAR_TOP)
        parts.append(
            f'<rect class="voice-0" x="{x:.2f}" y="{cut:.2f}" width="6.00" height="{BAR_BOTTOM - cut:.2f}"></rect>'
            f'<rect class="voice-1" x="{x:.2f}" y="{BAR_TOP:.2f}" width="6.00" height="{cut - BAR_TOP:.2f}"></rect>'
        )
        if number == SENTENCE:
            parts.append(f'<circle class="chosen" cx="{x + 3:.2f}" cy="{BAR_TOP - 5:.2f}" r="3"></circle>')
    return "".join(parts)


def _cell(kind: str, value: float, written: str) -> str:
    return f'<td><data class="{kind}" value="{value:.{DIGITS}f}">{written}</data></td>'


def _tables(state: dict[str, list[float]]) -> str:
    def rows(*columns: tuple[str, int, bool]) -> str:
        return "".join(
            f'<tr><th scope="row">{voice + 1}</th>'
            + "".join(
                _cell(kind, state[kind][voice], (_signed if sign else _minus)(state[kind][voice], digits))
                for kind, digits, sign in columns
            )
            + "</tr>"
            for voice in (0, 1)
        )

    def table(label: str, heads: tuple[str, ...], body: str) -> str:
        cells = "".join(f'<th scope="col">{head}</th>' for head in ("voice", *heads))
        return f'<table aria-label="{label}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'

    one = rows(("gate", 2, False), ("share", 2, False), ("pull", 3, True))
    every = rows(("centre", 1, False), ("count", 2, False), ("move", 2, True))
    return table("This sentence", ("gate", "share after", "pull on its score"), one) + table(
        "All sentences", ("centre, Hz", "sum of shares", "next move, Hz"), every
    )


def _body(state: dict[str, list[float]]) -> str:
    sliders = (
        ("power", "averaged", 0, 1, 0.05, POWER, "1.00, probabilities"),
        ("gate", "gate", 0.6, 0.95, 0.05, GATE, f"{GATE:.2f}"),
        ("sentence", "sentence", 1, len(PITCHES), 1, SENTENCE + 1, _told(SENTENCE)),
    )
    controls = "".join(
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low:g}" max="{high:g}" '
        f'step="{step:g}" value="{value:g}" aria-valuetext="{told}"><span class="value numbers">{told}</span></label>'
        for key, name, low, high, step, value, told in sliders
    )
    buttons = "".join(
        f'<button type="button" data-do="{key}">{words}</button>'
        for key, words in (("step", "Move the centres"), ("ten", "Ten times"), ("again", "Back to start"))
    )
    return (
        f'<div class="controls">{controls}<label class="tick"><input type="checkbox" data-key="divide" checked>'
        "<span>divide by the sum of shares</span></label></div>"
        f'<div class="bar" role="group" aria-label="Steps">{buttons}</div>'
        '<div class="split"><svg viewBox="0 0 340 276" role="img" aria-label="The guess for the chosen sentence, the voices '
        'with their next moves, and the shares of all sentences. The numbers are in the tables.">'
        f'<g class="frame">{_frame()}</g><g class="curves">{_curves(state)}</g><g class="bars">{_bars(state)}</g></svg>'
        f'<div class="side"><div class="tables">{_tables(state)}</div>'
        f'<p class="said numbers" aria-live="polite">{_said(state["loss"][0])}</p></div></div>'
    )


def _told(sentence: int) -> str:
    return f"{sentence + 1}: {PITCHES[sentence]} Hz, from the {SIDES[HINTS[sentence]]}"


def _said(loss: float) -> str:
    return (
        f'A mixture, and its step is EM. Loss of the twelve sentences <data class="loss" value="{loss:.{DIGITS}f}">'
        f"{_minus(loss, 3)}</data> bits after 0 moves."
    )


class PoolMorph(Explorer):
    """Two voices and a hint: average logarithms as attention does, average probabilities as a mixture does, or between.

    >>> PoolMorph().label
    'From attention to a mixture'
    """

    def __init__(self) -> None:
        state = pool_state(START, GATE, POWER, True, SENTENCE)
        super().__init__(
            name="pools",
            label="From attention to a mixture",
            data={
                "pitches": PITCHES,
                "hints": HINTS,
                "start": START,
                "width": WIDTH,
                "low": LOW,
                "high": HIGH,
            },
            scripts=("pools.js",),
            body=f"<style>{asset('pools.css')}</style>\n{_body(state)}",
            text=(
                "From attention to a mixture (needs a page with JavaScript): twelve sentences, each with a hint of the "
                "side it comes from, and two voices. A slider leads from averaging logarithms, as attention does, to "
                "averaging probabilities, as a mixture does; a button moves the centres, with or without a division."
            ),
        )
