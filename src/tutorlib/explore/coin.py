"""The explorer of chapter 03: a table of eleven coins, re-weighted by every toss, and what a prior costs in bits.

Two readers see the same tosses. One knows from which bag the coin was drawn and has that bag as prior. The other
has the prior that the user of the page chooses, coin by coin. ``coin.js`` does the arithmetic of this module again;
the first state is drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tutorlib import bayes, bits
from tutorlib.explore.base import Explorer, asset

__all__ = ["CoinTable"]

COINS = 11  # with a chance of heads of 0, 0.1, ..., 1
BAGS: list[dict[str, Any]] = [
    {"name": "every coin equally often", "weights": [1] * COINS},
    {"name": "mostly nearly fair coins", "weights": [math.comb(10, i) for i in range(COINS)]},
    {"name": "mostly trick coins", "weights": [20, 8, 4, 2, 1, 1, 1, 2, 4, 8, 20]},
]
ONLY_FAIR = {"name": "nothing but the fair coin", "weights": [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]}
PRIORS = [*BAGS, ONLY_FAIR]
FIRST: dict[str, Any] = {"bag": 0, "prior": 1, "coin": 9, "tosses": [1, 1, 0, 1, 1, 1, 1, 1]}
MOST_TOSSES = 1000
SCALES = (20, 40, 60, 80, 100)  # tops of the bars, in per cent


def beliefs(weights: Sequence[float], tosses: Sequence[int]) -> tuple[Tensor, list[float]]:
    """The belief after the tosses, float64 ``[coins]``, and what has been paid after each of them, in bits.

    Args:
        weights: prior weights of the coins, at least 0, not all 0.
        tosses: 1 for heads, 0 for tails.

    Raises:
        ValueError: if no coin with weight can have given these tosses.
    """
    bias = torch.arange(COINS, dtype=torch.float64) / (COINS - 1)  # [coins]
    belief, paid = bayes.normalise(list(weights)), [0.0]
    for toss in tosses:
        likelihood = bias if toss else 1 - bias  # [coins]
        paid.append(paid[-1] + float(bits.surprise(bayes.evidence(belief, likelihood))))
        belief = bayes.condition(belief, likelihood)
    return belief, paid


def limit(bag: Sequence[float], prior: Sequence[float]) -> float:
    """The most that ``prior`` can ever cost, in bits, against the reader who knows the bag: log2 of a ratio."""
    ratios = zip(bayes.normalise(list(bag)).tolist(), bayes.normalise(list(prior)).tolist(), strict=True)
    return max(math.log2(right / mine) if mine > 0 else math.inf for right, mine in ratios if right > 0)


def _options(items: Sequence[dict[str, Any]], chosen: int) -> str:
    return "".join(
        f'<option value="{i}"{" selected" if i == chosen else ""}>{item["name"]}</option>'
        for i, item in enumerate(items)
    )


def _columns(right: Tensor, mine: Tensor) -> str:
    """Scale and columns, one for each coin; ``columns`` in coin.js changes the same parts."""
    top = next(scale for scale in SCALES if 100 * max(float(right.max()), float(mine.max())) <= scale)
    parts = []
    for i, (p, q) in enumerate(zip(right.tolist(), mine.tolist(), strict=True)):
        parts.append(
            '<li class="column"><span class="pair" aria-hidden="true">'
            f'<span class="bar mine" style="height: {100 * 100 * q / top:.1f}%"></span>'
            f'<span class="bar right" style="height: {100 * 100 * p / top:.1f}%"></span></span>'
            f'<button type="button" class="coin" data-coin="{i}" aria-pressed="false" '
            f'aria-label="Cross out the coin {i / 10:.1f}">{i / 10:.1f}</button>'
            f'<span class="mine"><span class="hush">you, per cent </span>{100 * q:.0f}</span>'
            f'<span class="right"><span class="hush">knows the bag, per cent </span>{100 * p:.0f}</span></li>'
        )
    return (
        f'<p class="scale">Belief in each coin, in %. The dotted line is <span class="top">{top}</span> %.</p>'
        f'<ul class="columns">{"".join(parts)}</ul>'
    )


def _sentence(tosses: Sequence[int], next_mine: float, next_right: float, cost: float) -> str:
    """What is read aloud; the same as ``sentence`` in coin.js in a state where neither belief is empty."""
    heads = sum(tosses)
    count = len(tosses)
    return (
        f"{count} {'toss' if count == 1 else 'tosses'}, {heads} heads. Heads next: you say "
        f"<b>{next_mine:.3f}</b>, the reader who knows the bag says <b>{next_right:.3f}</b>. "
        f"Your prior has cost <b>{cost:.2f}</b> bits so far.".replace("-", "−")
    )


def _table(paid_mine: float, paid_right: float, most: float) -> str:
    rows = (
        ("You have paid", "paid-mine", f"{paid_mine:.2f}"),
        ("Who knows the bag has paid", "paid-right", f"{paid_right:.2f}"),
        ("Your prior has cost", "cost", f"{paid_mine - paid_right:.2f}".replace("-", "−")),
        ("It can never cost more than", "limit", f"{most:.2f}"),
    )
    return "".join(
        f'<tr><th scope="row">{name}</th><td data-number="{key}">{value}</td></tr>'
        for name, key, value in rows
    )


def _chart(costs: Sequence[float], most: float) -> str:
    """The cost after each toss, the limit dotted; the same as ``chart`` in coin.js."""
    across = max(20, math.ceil((len(costs) - 1) / 20) * 20)
    high = max(1, math.ceil(max(*costs, most)))
    low = min(0, math.floor(min(costs)))

    def x(n: float) -> str:
        return f"{40 + 266 * n / across:.1f}"

    def y(cost: float) -> str:
        return f"{18 + 108 * (high - cost) / (high - low):.1f}"

    line = " ".join(f"{x(n)} {y(cost)}" for n, cost in enumerate(costs))

    def label(cost: int) -> str:
        if cost < 0 and 108 * -cost < 14 * (high - low):
            return ""  # it would touch the 0
        return f'<text x="32" y="{y(cost)}" dy="4" text-anchor="end">{str(cost).replace("-", "−")}</text>'

    marks = "".join(
        f'<path class="grid" d="M40 {y(cost)}H306"></path>{label(cost)}' for cost in sorted({low, 0, high})
    )
    return (
        f"{marks}"
        f'<path class="limit" d="M40 {y(most)}H306"></path>'
        f'<text x="40" y="146" text-anchor="middle">0</text><text x="306" y="146" text-anchor="middle">{across}</text>'
        '<text x="173" y="160" text-anchor="middle">tosses</text>'
        '<text x="306" y="11" text-anchor="end">cost of your prior, bits</text>'
        f'<path class="cost" d="M{line}"></path>'
        f'<circle class="now" cx="{x(len(costs) - 1)}" cy="{y(costs[-1])}" r="3.5"></circle>'
    )


def _first() -> tuple[str, str]:
    """The body of the first state, and the same in words."""
    tosses = FIRST["tosses"]
    bag, prior = BAGS[FIRST["bag"]], PRIORS[FIRST["prior"]]
    (right, paid_right), (mine, paid_mine) = (beliefs(item["weights"], tosses) for item in (bag, prior))
    bias = torch.arange(COINS, dtype=torch.float64) / (COINS - 1)  # [coins]
    most = limit(bag["weights"], prior["weights"])
    costs = [a - b for a, b in zip(paid_mine, paid_right, strict=True)]
    sentence = _sentence(tosses, float(mine @ bias), float(right @ bias), costs[-1])
    body = asset("coin.html").format(
        bags=_options(BAGS, FIRST["bag"]),
        priors=_options(PRIORS, FIRST["prior"]),
        tosses=" ".join("TH"[toss] for toss in tosses),
        sentence=sentence,
        columns=_columns(right, mine),
        table=_table(paid_mine[-1], paid_right[-1], most),
        chart=_chart(costs, most),
    )
    words = f"A table of eleven coins (needs a page with JavaScript). {sentence}"
    return body, words.replace("<b>", "").replace("</b>", "")


class CoinTable(Explorer):
    """Eleven coins with a chance of heads of 0, 0.1, ..., 1; the reader tosses one of them and pays for a prior.

    The reader chooses the bag that the coin comes from and a prior, crosses coins out of that prior, tosses the hidden
    coin or enters tosses by hand, and reads both beliefs, both predictions, and the running cost in bits.

    >>> CoinTable().label
    'The coin table'
    """

    def __init__(self) -> None:
        body, words = _first()
        super().__init__(
            name="coin",
            label="The coin table",
            data={"bags": BAGS, "priors": PRIORS, "first": FIRST, "most": MOST_TOSSES, "scales": SCALES},
            scripts=("coin.js",),
            body=f"<style>{asset('coin.css')}</style>\n{body}",
            text=words,
        )
