"""The explorer of chapter 10: three memories are filled with pairs, and every key is asked again.

Keys and values are short vectors. A running sum and a delta rule keep one square matrix; softmax attention keeps every
pair. What comes back is taken for the letter whose vector fits best. ``recall.js`` computes the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tutorlib.explore.base import Explorer, asset

__all__ = ["RecallMachine"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWX"
WIDEST, DRAWS = 8, 6
MEMORIES = {"sum": "running sum", "delta": "delta rule", "softmax": "softmax attention"}
KEYS = {"random": "Random keys", "right": "Keys at right angles"}
START: dict[str, int] = {"width": 6, "pairs": 8, "asked": 1, "sharp": 20}
SLIDERS = (
    ("pairs", "Pairs stored", 1, len(LETTERS)),
    ("width", "Width of keys and values", 2, WIDEST),
    ("sharp", "Sharpness of the softmax", 0, 40),
    ("asked", "Pair to ask for", 1, START["pairs"]),
)
LEFT, CELL, ROW = 6, 13.6, 34  # the shelf: one cell a pair, one row a memory
PLOT = {"left": 40, "right": 332, "top": 12, "bottom": 150}


def drawn() -> list[dict[str, list[list[float]]]]:
    """Keys and values of each draw, ``[24, 8]`` each, in thousandths."""
    generator = torch.Generator().manual_seed(10)
    shape = (DRAWS, 2, len(LETTERS), WIDEST)
    numbers = (1000 * torch.randn(shape, generator=generator, dtype=torch.float64)).round().long()
    return [{"keys": draw[0].tolist(), "values": draw[1].tolist()} for draw in numbers]


def vectors(draw: dict[str, list[list[float]]], width: int, kind: str) -> tuple[Tensor, Tensor]:
    """Keys and values of length 1, float64 ``[24, width]`` each: the first coordinates of what was drawn.

    Args:
        draw: one of :func:`drawn`.
        width: how many coordinates.
        kind: ``"random"``, or ``"right"`` for first keys that are the axes; those beyond ``width`` stay random.
    """
    keys, values = (
        torch.nn.functional.normalize(torch.tensor(draw[part], dtype=torch.float64)[:, :width], dim=-1)
        for part in ("keys", "values")
    )
    if kind == "right":
        keys[:width] = torch.eye(width, dtype=torch.float64)
    return keys, values


def answers(memory: str, keys: Tensor, values: Tensor, pairs: int, sharp: float) -> list[int]:
    """The letter that each of the first ``pairs`` keys brings back, as a number.

    Args:
        memory: a key of ``MEMORIES``.
        keys: ``[letters, width]``.
        values: ``[letters, width]``, of every letter.
        pairs: how many are stored, in order.
        sharp: what the softmax multiplies its scores by.
    """
    k, v = keys[:pairs], values[:pairs]  # [pairs, width] each
    if memory == "softmax":
        found = (sharp * k @ k.mT).softmax(-1) @ v  # [pairs, width]
    else:
        S = torch.zeros(k.shape[1], k.shape[1], dtype=k.dtype)  # [width, width], from key to value
        for key, value in zip(k, v, strict=True):
            written = value - S @ key if memory == "delta" else value
            S = S + torch.outer(written, key)
        found = k @ S.mT  # [pairs, width]
    best: list[int] = (found @ values.mT).argmax(-1).tolist()
    return best


def right_shares(memory: str, width: int, kind: str, sharp: float) -> list[float]:
    """Share of right answers after 1, 2, ... 24 pairs, over all draws."""
    sets = [vectors(draw, width, kind) for draw in drawn()]
    counts = range(1, len(LETTERS) + 1)
    hits = [sum(_right(answers(memory, *kv, pairs, sharp)) for kv in sets) for pairs in counts]
    return [hit / (pairs * DRAWS) for hit, pairs in zip(hits, counts, strict=True)]


def _right(found: Sequence[int]) -> int:
    return sum(letter == pair for pair, letter in enumerate(found))


def _numbers(memory: str, width: int, pairs: int) -> int:
    return 2 * pairs * width if memory == "softmax" else width * width


def _shelf(found: dict[str, list[int]], asked: int) -> str:
    """A row of cells for each memory; a wrong one is crossed."""
    parts = []
    for row, (memory, name) in enumerate(MEMORIES.items()):
        y = 16 + ROW * row
        parts.append(f'<text x="{LEFT}" y="{y - 4}">{name}</text>')
        for pair in range(len(LETTERS)):
            x = LEFT + CELL * pair
            if pair >= len(found[memory]):
                kind, cross = "empty", ""
            elif found[memory][pair] == pair:
                kind, cross = "right", ""
            else:
                kind = "wrong"
                cross = f'<path d="M{x + 2.6:.1f},{y + 3} l6,6 m0,-6 l-6,6"></path>'
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="11.2" height="12"></rect>{cross}')
    x = LEFT + CELL * (asked - 1) - 1.2
    parts.append(f'<rect class="asked" x="{x:.1f}" y="14" width="13.6" height="{2 * ROW + 16}"></rect>')
    return "".join(parts)


def _place(pairs: float, share: float) -> str:
    left, right, top, bottom = (PLOT[key] for key in ("left", "right", "top", "bottom"))
    # Python and JavaScript round a half differently, so there is none.
    return f"{left + (right - left) * (pairs - 1) / 23:.2f},{bottom - (bottom - top) * share + 1e-9:.2f}"


def _frame() -> str:
    """What never changes in the plot."""
    left, right, top, bottom = (PLOT[key] for key in ("left", "right", "top", "bottom"))
    ticks = "".join(
        f'<text x="{_place(pairs, 0).split(",")[0]}" y="{bottom + 16}" text-anchor="middle">{pairs}</text>'
        for pairs in (1, 8, 16, 24)
    ) + "".join(
        f'<text x="{left - 4}" y="{float(_place(1, share).split(",")[1]) + 4:.2f}" text-anchor="end">{share:.0%}</text>'
        for share in (0, 0.5, 1)
    )
    legend = "".join(
        f'<line class="{memory}" x1="{x}" y1="{bottom + 50}" x2="{x + 20}" y2="{bottom + 50}"></line>'
        f'<text x="{x + 24}" y="{bottom + 54}">{name}</text>'
        for x, (memory, name) in zip((left - 38, left + 72, left + 160), MEMORIES.items(), strict=True)
    )
    return (
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}"></line>'
        f'<line class="axis" x1="{left}" y1="{top}" x2="{left}" y2="{bottom}"></line>{ticks}{legend}'
        f'<text x="{right}" y="{bottom + 32}" text-anchor="end">pairs stored</text>'
    )


def _curves(shares: dict[str, list[float]], pairs: int) -> str:
    lines = "".join(
        f'<polyline class="{memory}" points="{" ".join(_place(n, s) for n, s in enumerate(part, 1))}"></polyline>'
        for memory, part in shares.items()
    )
    x, top = _place(pairs, 1).split(",")
    _, bottom = _place(pairs, 0).split(",")
    return f'{lines}<line class="now" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"></line>'


def _rows(found: dict[str, list[int]], shares: dict[str, list[float]], state: dict[str, int]) -> str:
    pairs, asked = state["pairs"], state["asked"]
    rows = []
    for memory, name in MEMORIES.items():
        letter, share = LETTERS[found[memory][asked - 1]], 100 * shares[memory][pairs - 1]
        word = "right" if found[memory][asked - 1] == asked - 1 else "wrong"
        rows.append(
            f'<tr data-memory="{memory}"><th scope="row">{name}</th>'
            f'<td><data class="kept" value="{_numbers(memory, state["width"], pairs)}">'
            f"{_numbers(memory, state['width'], pairs)}</data></td>"
            f'<td><data class="hits" value="{_right(found[memory])}">{_right(found[memory])}</data> of {pairs}</td>'
            f'<td><data class="share" value="{share:.6f}">{share:.0f}</data> %</td>'
            f'<td><b class="letter">{letter}</b>, {word}</td></tr>'
        )
    return "".join(rows)


def _sentence(found: dict[str, list[int]], state: dict[str, int]) -> str:
    pairs, asked = state["pairs"], state["asked"]
    said = ", ".join(f"{name} {_right(found[memory])}" for memory, name in MEMORIES.items())
    return (
        f"{pairs} {'pair' if pairs == 1 else 'pairs'} stored, vectors of {state['width']} numbers. "
        f"Right when all are asked: {said}. Pair {asked} has the letter {LETTERS[asked - 1]}."
    )


def _slider(key: str, name: str, low: int, high: int) -> str:
    return (
        f'<label><span class="name">{name}</span><input type="range" data-key="{key}" min="{low}" max="{high}" '
        f'step="1" value="{START[key]}"><span class="value numbers" aria-hidden="true">{START[key]}</span></label>'
    )


def _body() -> str:
    keys, values = vectors(drawn()[0], START["width"], "random")
    found = {memory: answers(memory, keys, values, START["pairs"], START["sharp"]) for memory in MEMORIES}
    shares = {memory: right_shares(memory, START["width"], "random", START["sharp"]) for memory in MEMORIES}
    kinds = "".join(
        f'<button type="button" data-kind="{kind}" aria-pressed="{"true" if kind == "random" else "false"}">{name}</button>'
        for kind, name in KEYS.items()
    )
    parts = {
        "kinds": kinds,
        "shelf": _shelf(found, START["asked"]),
        "frame": _frame(),
        "curves": _curves(shares, START["pairs"]),
        "sliders": "".join(_slider(*slider) for slider in SLIDERS),
        "rows": _rows(found, shares, START),
        "sentence": _sentence(found, START),
        "draws": DRAWS,
    }
    return f"<style>{asset('recall.css')}</style>\n" + asset("recall.html").format(**parts)


class RecallMachine(Explorer):
    """Two memories of fixed size and one that grows, filled with pairs until look-ups fail.

    The reader sets how many pairs are stored, how wide the vectors are, how sharp the softmax is, and whether keys are
    random or stand at right angles.

    >>> RecallMachine().label
    'Three memories'
    """

    def __init__(self) -> None:
        keys, values = vectors(drawn()[0], START["width"], "random")
        found = {memory: answers(memory, keys, values, START["pairs"], START["sharp"]) for memory in MEMORIES}
        data: dict[str, Any] = {
            "draws": drawn(),
            "start": START,
            "letters": LETTERS,
            "memories": list(MEMORIES.items()),  # JSON would sort a table
        }
        super().__init__(
            name="recall",
            label="Three memories",
            data=data,
            scripts=("recall.js",),
            body=_body(),
            text=f"Three memories (needs a page with JavaScript). {_sentence(found, START)}",
        )
