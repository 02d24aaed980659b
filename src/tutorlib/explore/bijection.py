"""The elimination game: the reader opens boxes, beside the exact posterior and a trained network's answer.

The network is computed in the page by ``transformer.js``. The first state is drawn here, with the same numbers
and the same marks that ``bijection.js`` draws, so that a reader without JavaScript sees the first question.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import torch

from tutorlib.checkpoints import Checkpoint, load
from tutorlib.explore.base import Explorer, asset, pack_weights
from tutorlib.models import Transformer, count_parameters
from tutorlib.tunnels import Bijection

__all__ = ["EliminationGame"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SCALES = (10, 20, 30, 40, 60, 100)  # tops of the bars, in per cent


class EliminationGame(Explorer):
    """One game for each checkpoint, chosen by its number of boxes.

    Args:
        checkpoints: transformers trained on the bijection tunnel, each with another number of symbols (at most
            26); the first is shown first.
        generator: draws the secret bijections; seed 0 if None. The same generator gives the same HTML.
        games: how many secrets to draw for each; after them the page draws its own.

    Raises:
        ValueError: if a checkpoint is not such a transformer, or two have the same number of symbols.

    >>> from tutorlib.checkpoints import load
    >>> EliminationGame([load("bijection-v8")]).name
    'bijection'
    """

    def __init__(
        self, checkpoints: Sequence[Checkpoint], generator: torch.Generator | None = None, games: int = 3
    ) -> None:
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        if not checkpoints:
            raise ValueError("checkpoints: expected at least one, got none")
        for checkpoint in checkpoints:
            _check(checkpoint)
        sizes = [checkpoint.model.vocab // 2 for checkpoint in checkpoints]
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"checkpoints: expected different numbers of symbols, got {sizes}")
        data = [
            {
                "symbols": size,
                "parameters": count_parameters(checkpoint.model),
                "secrets": _secrets(size, games, generator),
                "network": pack_weights(checkpoint.model),
            }
            for size, checkpoint in zip(sizes, checkpoints, strict=True)
        ]
        first = _first_question(checkpoints[0])
        super().__init__(
            name="bijection",
            label="The elimination game",
            data=data,
            scripts=("transformer.js", "bijection.js", "bijection_game.js"),
            body=f"<style>{asset('bijection.css')}</style>\n"
            + _body(first, sizes, count_parameters(checkpoints[0].model)),
            text=_text(first),
        )

    @classmethod
    def from_checkpoints(
        cls,
        names: Sequence[str | Path] = ("bijection-v8", "bijection-v20"),
        generator: torch.Generator | None = None,
        games: int = 3,
    ) -> EliminationGame:
        """The game with the checkpoints of these names or paths."""
        return cls([load(name) for name in names], generator, games)


@dataclass(frozen=True)
class FirstQuestion:
    """What is known before any box is open: every value is as likely as any other.

    Attributes:
        symbols: V.
        predicted: the network's probability of each value, V of them.
        impossible: what the network gave to keys, which are never an answer.
        entropy: of the network's whole prediction, bits.
        kl: KL(exact || network), bits.
    """

    symbols: int
    predicted: list[float]
    impossible: float
    entropy: float
    kl: float

    @property
    def exact_entropy(self) -> float:
        """Entropy of the exact posterior before any pair is shown, in bits."""
        return math.log2(self.symbols)


def _check(checkpoint: Checkpoint) -> None:
    model, tunnel = checkpoint.model, checkpoint.tunnel
    if not isinstance(model, Transformer):
        raise ValueError(f"checkpoints: expected a transformer, got {model.name}")
    if not isinstance(tunnel, Bijection) or tunnel.replacement or tunnel.pairs != tunnel.symbols:
        raise ValueError(
            f"checkpoints: expected a bijection tunnel that asks every key once, got {tunnel.name} {tunnel.config()}"
        )
    if tunnel.symbols > len(LETTERS):
        raise ValueError(f"checkpoints: expected at most {len(LETTERS)} symbols, got {tunnel.symbols}")


def _secrets(symbols: int, games: int, generator: torch.Generator) -> list[list[int]]:
    """The value behind each key, for ``games`` games, drawn by the tunnel itself."""
    batch = Bijection(symbols).sample(games, generator)
    keys, values = batch.tokens[:, 0::2], batch.targets - symbols  # [games, symbols] each
    return values.gather(1, keys.argsort(1)).tolist()


def _first_question(checkpoint: Checkpoint) -> FirstQuestion:
    """The network's answer to "what is behind key 0?", in double precision so that no CPU changes a digit."""
    model = copy.deepcopy(checkpoint.model).double()
    symbols = model.vocab // 2
    with torch.no_grad():
        q = model(torch.zeros(1, 1, dtype=torch.int64))[0, -1].softmax(-1)  # [vocab]
    values = q[symbols:]  # [symbols]
    return FirstQuestion(
        symbols,
        values.tolist(),
        impossible=float(q[:symbols].sum()),
        entropy=float(-(q * q.log2()).sum()),
        kl=float((1 / symbols * (1 / symbols / values).log2()).sum()),
    )


def _fixed(x: float, digits: int) -> str:
    """Like JavaScript's toFixed, which rounds an exact tie up where Python rounds it to even."""
    return str(Decimal(abs(x)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _percent(p: float) -> str:
    return _fixed(100 * p, 1).replace("100.0", "100")


def _small(x: float) -> str:
    """Four digits; a number too small for them is not called zero."""
    return "&lt;0.0001" if 0 < x < 0.00005 else _fixed(max(x, 0.0), 4)


def _question_text(first: FirstQuestion) -> str:
    """The sentence that is read aloud; the same as ``sentence`` in bijection.js."""
    size, bits = first.symbols, _fixed(first.exact_entropy, 3)
    return (
        f"Question 1 of {size}: which ball is in box 1? {size} balls are possible, each with probability 1/{size}. "
        f"Exact entropy: log₂({size}\u00a0−\u00a01\u00a0+\u00a01) = log₂\u00a0{size} = {bits} bits. "
        f"Network: {_fixed(first.entropy, 3)} bits."
    )


def _text(first: FirstQuestion) -> str:
    words = (
        f"The elimination game with {first.symbols} boxes. {_question_text(first)} "
        f"KL(exact || network): {_small(first.kl)} bits."
    )
    return words.replace("\u00a0", " ").replace("&lt;", "below ")


def _boxes(symbols: int) -> str:
    return "".join(
        f'<label class="box"><input type="radio" name="box" value="{key}"{" checked" if key == 0 else ""}>'
        f'<span class="number"><span class="hush">box </span>{key + 1}</span><span class="inside"></span></label>'
        for key in range(symbols)
    )


def _bars(first: FirstQuestion) -> str:
    """One column for each value: two bars, the ball, two numbers in per cent."""
    exact, largest = 100 / first.symbols, 100 * max(*first.predicted, 1 / first.symbols)
    top = next(scale for scale in SCALES if largest <= scale)
    columns = []
    for value, p in enumerate(first.predicted):
        columns.append(
            '<li class="column"><span class="pair" aria-hidden="true">'
            f'<span class="bar exact" style="height: {_fixed(100 * exact / top, 1)}%"></span>'
            f'<span class="bar network" style="height: {_fixed(100 * 100 * p / top, 1)}%"></span></span>'
            f'<span class="ball" style="--hue: {_hue(value)}"><span class="hush">ball </span>{LETTERS[value]}</span>'
            f'<span class="exact"><span class="hush">exact </span>{_percent(exact / 100)}</span>'
            f'<span class="network"><span class="hush">network </span>{_percent(p)}</span></li>'
        )
    return (
        f'<p class="scale">Probability in %. The dotted line is {top} %.</p><ul class="columns">'
        + "".join(columns)
        + "</ul>"
    )


def _hue(value: int) -> int:
    """Near the golden angle, so that neighbours differ in colour."""
    return value * 137 % 360


def _numbers(first: FirstQuestion) -> str:
    rows = (
        ("Entropy, bits", "entropy", _fixed(first.exact_entropy, 3), _fixed(first.entropy, 3)),
        ("KL(exact ‖ network), bits", "kl", "", _small(first.kl)),
        ("Mass on impossible answers", "impossible", "0", _small(first.impossible)),
    )
    return "".join(
        f'<tr><th scope="row">{label}</th><td class="exact" data-number="exact-{name}">{exact}</td>'
        f'<td class="network" data-number="network-{name}">{network}</td></tr>'
        for label, name, exact, network in rows
    )


def _chart(first: FirstQuestion) -> str:
    """Entropy before each question: the law as dots on a line, the network's answers so far as diamonds."""
    size, high = first.symbols, math.ceil(first.exact_entropy)

    def x(k: int) -> str:
        return _fixed(34 + 272 * (k - 1) / max(size - 1, 1), 1)

    def y(bits: float) -> str:
        return _fixed(126 - 104 * min(bits, high) / high, 1)

    law = [math.log2(size - k + 1) for k in range(1, size + 1)]
    ticks = [k for k in range(1, size + 1) if size <= 10 or k == 1 or k % 5 == 0]
    return (
        f'<svg viewBox="0 0 320 172" role="img" aria-label="Entropy before each question. Exact: from '
        f"{_fixed(law[0], 3)} bits at the first to 0 at the last. Network so far: {_fixed(first.entropy, 3)}."
        '">'
        + "".join(
            f'<path class="grid" d="M34 {y(b)}H306"/><text x="26" y="{y(b)}" dy="4" text-anchor="end">{b}</text>'
            for b in range(high + 1)
        )
        + "".join(f'<text x="{x(k)}" y="146" text-anchor="middle">{k}</text>' for k in ticks)
        + '<text x="170" y="166" text-anchor="middle">question k</text>'
        + '<text x="306" y="11" text-anchor="end">entropy, bits</text>'
        + f'<path class="law" d="M{" ".join(f"{x(k)} {y(b)}" for k, b in enumerate(law, 1))}"/>'
        + "".join(f'<circle class="dot" cx="{x(k)}" cy="{y(b)}" r="2.6"/>' for k, b in enumerate(law, 1))
        + f'<path class="diamond" d="M{x(1)} {y(first.entropy)}m0 -5l5 5l-5 5l-5 -5z"/></svg>'
    )


def _body(first: FirstQuestion, sizes: list[int], parameters: int) -> str:
    """The whole first state; ``{name}`` in bijection.html marks the parts that change."""
    parts = {
        "sizes": "".join(f'<option value="{at}">{size}</option>' for at, size in enumerate(sizes)),
        "choose": ' class="off"' if len(sizes) == 1 else "",
        "parameters": f"{parameters:,}",
        "boxes": _boxes(first.symbols),
        "sentence": _question_text(first),
        "bars": _bars(first),
        "numbers": _numbers(first),
        "chart": _chart(first),
    }
    return asset("bijection.html").format(**parts)
