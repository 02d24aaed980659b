"""The explorer of chapter 16: a text whose tokens are coloured by entropy and by an axis, with the scatter linked to it.

The numbers were measured once on SmolLM2 and are kept in ``uncertain.json`` (``tools/write_entropy_axis.py`` writes it).
"""

from __future__ import annotations

import json
import math
from html import escape
from typing import Any

import torch

from tutorlib.explore.base import Explorer, asset
from tutorlib.geometry import principal_axes, probe, rank_correlation
from tutorlib.llm import LanguageModel, Recording, paragraphs

__all__ = ["TextAxis", "measure_tokens"]

SHOWN = (2, 10, 18, 24, 31, 37)  # paragraphs in the page
# Key in the data, words on the button, and what it is.
AXES: dict[str, tuple[str, str]] = {
    "probe": ("probe, values", "a probe on the values of layer 29, fitted on other paragraphs"),
    "stream": ("probe, stream", "a probe on the residual stream of layer 26, fitted on other paragraphs"),
    "first": ("PC1, values", "the first principal axis of the values of layer 29"),
}
SHADES, MOST = 5, 12
SIDE, LEFT, TOP, SPAN = 320, 34, 10, 276  # of the scatter; the same numbers stand in uncertain.js


def measure_tokens(
    model: LanguageModel, found: Recording, layers: tuple[int, int] = (29, 26)
) -> list[dict[str, Any]]:
    """What ``uncertain.json`` holds, from a recording of all paragraphs without their first positions.

    ``layers`` are those of the values and of the residual stream.

    Readings of a probe are held out by paragraph. PC1 has its arbitrary sign turned so that it goes with the entropy, and
    is brought to bits by its mean and spread.

    >>> from tutorlib.llm import paragraphs, record, tiny
    >>> model = tiny(seed=1)
    >>> found = record(model, [p.text for p in paragraphs()], what=("values", "residual"), layers=(1, 2))
    >>> len(measure_tokens(model, found, layers=(1, 2)))
    6
    """
    y = found.entropy
    seeded = torch.Generator().manual_seed
    values = found.vectors("values", layers[0]).double()
    first = principal_axes(values, standardise=True).scores(values)[:, 0]
    if rank_correlation(first, y) < 0:
        first = -first
    table = {
        "entropy": y,
        "probe": probe(values, y[:, None], found.prompt, seeded(0)).predicted[:, 0],
        "stream": probe(found.vectors("residual", layers[1]).double(), y[:, None], found.prompt, seeded(0)).predicted[:, 0],
        "first": (first - first.mean()) / first.std() * y.std() + y.mean(),
    }  # fmt: skip
    rows = []
    for number in SHOWN:
        here = found.prompt == number
        whole = model.encode(paragraphs()[number].text)
        at = found.position[here]
        row: dict[str, Any] = {
            "domain": paragraphs()[number].domain,
            "front": "".join(model.pieces(whole[: int(at[0])])),
            "pieces": model.pieces(found.token[here]),
        }
        rows.append(row | {key: [round(float(v), 2) for v in of[here]] for key, of in table.items()})
    return rows


def shade(bits: float) -> int:
    """0 to 4, in steps of two bits; uncertain.js does the same.

    >>> shade(5.1)
    2
    """
    return max(0, min(SHADES - 1, math.floor(bits / 2)))


def _place(bits: float) -> float:
    """Along a side of the scatter, which ends at ``MOST`` bits."""
    return SPAN * max(0.0, min(float(MOST), bits)) / MOST


def _tokens(text: dict[str, Any], axis: str) -> str:
    return "".join(
        f'<span role="option" class="up{shade(h)} down{shade(a)}" tabindex="{0 if i == 0 else -1}" '
        f'aria-selected="{"true" if i == 0 else "false"}" data-i="{i}">{escape(piece)}</span>'
        for i, (piece, h, a) in enumerate(zip(text["pieces"], text["entropy"], text[axis], strict=True))
    )


def _frame() -> str:
    """The scatter's axes, with a mark every four bits and the line on which a reading is the entropy."""
    parts = [f'<path class="same" d="M{LEFT} {TOP + SPAN}L{LEFT + SPAN} {TOP}"></path>']
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{TOP + SPAN}H{LEFT + SPAN}"></path>')
    for bits in range(0, MOST + 1, 4):
        x, y = LEFT + _place(bits), TOP + SPAN - _place(bits)
        parts.append(f'<text x="{x:.1f}" y="{TOP + SPAN + 15}" text-anchor="middle">{bits}</text>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{bits}</text>')
    parts.append(f'<text x="{LEFT + 6}" y="{TOP + 12}">reading of the axis, bits</text>')
    parts.append(f'<text x="{LEFT + SPAN}" y="{TOP + SPAN - 7}" text-anchor="end">entropy, bits</text>')
    return "".join(parts)


def _dots(text: dict[str, Any], axis: str) -> str:
    return "".join(
        f'<circle class="dot{" now" if i == 0 else ""}" data-i="{i}" cx="{LEFT + _place(h):.2f}" '
        f'cy="{TOP + SPAN - _place(a):.2f}" r="{6.5 if i == 0 else 3.6}"></circle>'
        for i, (h, a) in enumerate(zip(text["entropy"], text[axis], strict=True))
    )


def _result(text: dict[str, Any], axis: str, at: int = 0) -> str:
    h, a = (torch.tensor(text[key], dtype=torch.float64) for key in ("entropy", axis))
    off = float((h - a).abs().mean())
    return (
        f"<p>After “<b>{escape(text['pieces'][at].strip())}</b>” the next token has "
        f'<b data-is="entropy">{float(h[at]):.2f}</b> bits; the axis reads <b data-is="reading">{float(a[at]):.2f}</b>.</p>'
        f'<p>Over this text: ρ = <b data-is="rho">{rank_correlation(h, a):.2f}</b>, off by '
        f'<b data-is="off">{off:.2f}</b> bits in the mean.</p>'
    )


def _buttons(kind: str, names: dict[str, str]) -> str:
    return "".join(
        f'<button type="button" data-{kind}="{key}" aria-pressed="{"true" if i == 0 else "false"}">{name}</button>'
        for i, (key, name) in enumerate(names.items())
    )


def _body(texts: list[dict[str, Any]]) -> str:
    text, axis = texts[0], next(iter(AXES))
    choices = _buttons("text", {str(i): str(row["domain"]) for i, row in enumerate(texts)})
    axes = _buttons("axis", {key: words for key, (words, _) in AXES.items()})
    scale = "".join(
        f'<span><i class="up{i} down{i}"></i>{2 * i}{"+" if i == SHADES - 1 else f" to {2 * i + 2}"}</span>'
        for i in range(SHADES)
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Text">{choices}</div>'
        f'<div role="group" aria-label="Axis">{axes}</div></div>'
        f'<p class="about">Upper half of each token: entropy of what comes next. Lower half: <span class="what">'
        f"{AXES[axis][1]}</span>.</p>"
        '<div class="split"><div class="side">'
        f'<p class="text"><span class="front">{escape(text["front"])}</span>'
        f'<span role="listbox" aria-label="Tokens" aria-orientation="horizontal">{_tokens(text, axis)}</span></p>'
        f'<p class="legend">bits: {scale}</p>'
        f'<div class="result numbers" aria-live="polite">{_result(text, axis)}</div></div>'
        f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="Each token as a dot: its entropy to the right, the '
        'reading of the axis upwards. The chosen token is the large dot; its numbers stand in words.">'
        f'<g class="frame">{_frame()}</g><g class="dots">{_dots(text, axis)}</g></svg></div>'
    )


class TextAxis(Explorer):
    """A text with each token coloured by the entropy of what follows and by the reading of an axis.

    The reader chooses the text, the axis and a token, by mouse, touch or arrow keys; token and dot are linked.

    >>> TextAxis().label
    'A text and its uncertainty'
    """

    def __init__(self) -> None:
        texts = json.loads(asset("uncertain.json"))
        super().__init__(
            name="uncertain",
            label="A text and its uncertainty",
            data={"texts": texts, "axes": [[key, about] for key, (_, about) in AXES.items()]},
            scripts=("uncertain.js",),
            body=f"<style>{asset('uncertain.css')}</style>\n{_body(texts)}",
            text=(
                "A text and its uncertainty (needs a page with JavaScript). Six paragraphs read by SmolLM2, each token "
                "coloured by the entropy of the next one and by the reading of one of three axes, beside a scatter."
            ),
        )
