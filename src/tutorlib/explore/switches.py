"""The explorer of chapter 12: switch heads and layers of a trained network off, and watch its distance from Bayes.

The network is computed in the page by ``transformer.js``. The first state, with everything on, is drawn here with the
numbers and marks that ``switches.js`` draws.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import torch

from tutorlib.checkpoints import Checkpoint
from tutorlib.explore.base import Explorer, asset, pack_weights
from tutorlib.interventions import all_sites, answers_under, mean_states, specimen
from tutorlib.models import Transformer
from tutorlib.tunnels import Batch, Bijection

__all__ = ["SwitchBoard"]

SPECIMENS = ("two-layers-seed0", "two-layers-seed1", "two-layers-seed2")
LOW, HIGH = -4, 2  # powers of ten of the axis, bits
LEFT, TOP, WIDE, TALL = 46, 14, 300, 180  # the plot inside the picture, in its units


class SwitchBoard(Explorer):
    """Switches for the heads and feed-forward layers of small networks, beside KL(exact || network) at each question.

    Args:
        checkpoints: transformers of one shape, trained on the same bijection tunnel; those of chapter 12 if None.
        generator: draws the sequences; seed 0 if None.
        sequences: over how many the page takes the mean.

    Raises:
        ValueError: if a checkpoint is none of a transformer on a bijection tunnel, or two differ in shape.

    >>> SwitchBoard().label
    'The switchboard'
    """

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint] | None = None,
        generator: torch.Generator | None = None,
        sequences: int = 24,
    ) -> None:
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        points = [specimen(name) for name in SPECIMENS] if checkpoints is None else list(checkpoints)
        tunnel = _check(points)
        batch, others = tunnel.sample(sequences, generator), tunnel.sample(256, generator)
        sites = [s for s in all_sites(_model(points[0])) if ".head" in s or s.endswith("feed_forward")]
        networks = [
            {"network": pack_weights(point.model), "means": _means(_model(point), others, sites)}
            for point in points
        ]
        values = _intact(_model(points[0]), tunnel, batch)
        data = {
            "symbols": tunnel.symbols,
            "tokens": batch.tokens.tolist(),
            "sites": sites,
            "networks": networks,
        }
        super().__init__(
            name="switches",
            label="The switchboard",
            data=data,
            scripts=("transformer.js", "switches.js"),
            body=f"<style>{asset('switches.css')}</style>\n" + _body(sites, values, len(points), sequences),
            text=(
                f"The switchboard (needs a page with JavaScript). All parts are on. {_sentence(values, tunnel.symbols)} "
                "Switches turn heads and feed-forward layers off, and the numbers follow."
            ),
        )


def _check(points: Sequence[Checkpoint]) -> Bijection:
    if not points:
        raise ValueError("checkpoints: expected at least one, got none")
    for point in points:
        tunnel = point.tunnel
        if (
            not isinstance(point.model, Transformer)
            or not isinstance(tunnel, Bijection)
            or tunnel.replacement
        ):
            raise ValueError(
                f"checkpoints: expected transformers on a bijection tunnel without replacement, got "
                f"{point.model.name} on {tunnel.name} {tunnel.config()}"
            )
        if point.model.config() != points[0].model.config() or tunnel.config() != points[0].tunnel.config():
            raise ValueError("checkpoints: expected networks of one shape, got several")
    first = points[0].tunnel
    assert isinstance(first, Bijection)
    return first


def _model(point: Checkpoint) -> Transformer:
    """A copy in double precision, so that no CPU changes a digit."""
    model = copy.deepcopy(point.model).double()
    assert isinstance(model, Transformer)
    return model


def _means(model: Transformer, batch: Batch, sites: list[str]) -> dict[str, list[list[float]]]:
    """For each site its mean at each position; five digits are plenty."""
    found = mean_states(model, batch, sites)
    return {
        site: [[round(value, 5) for value in row] for row in mean[0].tolist()] for site, mean in found.items()
    }


def _intact(model: Transformer, tunnel: Bijection, batch: Batch) -> list[float]:
    """Mean KL at each question with everything on, bits."""
    log_q = answers_under(model, tunnel, batch, {})  # [batch, scored, vocab]
    exact = tunnel.exact(batch)
    return torch.where(exact > 0, exact * (exact.log2() - log_q), 0.0).sum(-1).mean(0).tolist()


def _fixed(x: float, digits: int) -> str:
    """Like JavaScript's toFixed, which rounds an exact tie up where Python rounds it to even."""
    return str(Decimal(x).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _bits(x: float) -> str:
    """Four digits behind the point below one tenth, otherwise two."""
    return "&lt;0.0001" if x < 0.00005 else _fixed(x, 4 if x < 0.1 else 2)


def _uniform(symbols: int) -> list[float]:
    """KL of whoever always answers uniformly, at each question."""
    return [math.log2(symbols / (symbols - k)) for k in range(symbols)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _sentence(values: list[float], symbols: int) -> str:
    return (
        f"Everything is on: mean KL {_bits(_mean(values))} bits. An observer who always answers uniformly has "
        f"{_bits(_mean(_uniform(symbols)))}."
    )


def _x(k: int, symbols: int) -> str:
    return _fixed(LEFT + WIDE * (k + 0.5) / symbols, 1)


def _y(value: float) -> str:
    power = min(max(math.log10(max(value, 1e-9)), LOW), HIGH)
    return _fixed(TOP + TALL * (HIGH - power) / (HIGH - LOW), 1)


def _axes(symbols: int) -> str:
    """The frame, which never changes, and the observer who always answers uniformly (at the first question: exact)."""
    labels = {-4: "0.0001", -3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100"}
    lines = "".join(
        f'<path class="grid" d="M{LEFT} {_y(10.0**p)}H{LEFT + WIDE}"></path>'
        f'<text x="{LEFT - 5}" y="{_y(10.0**p)}" dy="4" text-anchor="end">{label}</text>'
        for p, label in labels.items()
    )
    ticks = "".join(
        f'<text x="{_x(k, symbols)}" y="{TOP + TALL + 22}" text-anchor="middle">{k + 1}</text>'
        for k in range(symbols)
    )
    blind = " ".join(f"{_x(k, symbols)} {_y(v)}" for k, v in enumerate(_uniform(symbols)) if k)
    return (
        f'{lines}{ticks}<text x="{LEFT + WIDE / 2:.1f}" y="{TOP + TALL + 40}" text-anchor="middle">question</text>'
        f'<path class="blind" d="M{blind}"></path>'
    )


def _marks(intact: list[float], now: list[float]) -> str:
    """Rings: everything on. Dots: as switched. Both are cut off at the ends of the axis."""
    size = len(intact)
    rings = "".join(
        f'<circle class="ring" cx="{_x(k, size)}" cy="{_y(v)}" r="7"></circle>' for k, v in enumerate(intact)
    )
    line = " ".join(f"{_x(k, size)} {_y(v)}" for k, v in enumerate(now))
    dots = "".join(
        f'<circle class="dot" cx="{_x(k, size)}" cy="{_y(v)}" r="4"></circle>' for k, v in enumerate(now)
    )
    return f'{rings}<path class="line" d="M{line}"></path>{dots}'


def _row(name: str, values: Sequence[float]) -> str:
    cells = "".join(f"<td>{_bits(value)}</td>" for value in values)
    return f'<tr><th scope="row">{name}</th>{cells}<td><b>{_bits(_mean(values))}</b></td></tr>'


def _rows(intact: list[float], now: list[float]) -> str:
    blind = _uniform(len(intact))
    return _row("all on", intact) + _row("as switched", now) + _row("always uniform", blind)


def part_name(site: str) -> str:
    """What a site is called on its switch: ``"head 1"`` or ``"feed-forward"``."""
    part = site.split(".")[1]
    return "feed-forward" if part == "feed_forward" else part.replace("head", "head ")


def _switches(sites: list[str]) -> str:
    layers: dict[str, list[str]] = {}
    for site in sites:
        layers.setdefault(site.split(".")[0], []).append(site)
    return "".join(
        f'<div role="group" aria-label="Layer {layer[5:]}"><span class="name">Layer {layer[5:]}</span>'
        + "".join(
            f'<button type="button" data-site="{site}" aria-pressed="true"><span class="lamp" aria-hidden="true">'
            f'</span>{part_name(site)} <span class="state">on</span></button>'
            for site in group
        )
        + "</div>"
        for layer, group in reversed(layers.items())  # the upper layer above, as in a drawing of a network
    )


def _body(sites: list[str], values: list[float], networks: int, sequences: int) -> str:
    size = len(values)
    parts = {
        "sequences": str(sequences),
        "networks": "".join(f'<option value="{n}">seed {n}</option>' for n in range(networks)),
        "switches": _switches(sites),
        "size": f"0 0 {LEFT + WIDE + 8} {TOP + TALL + 46}",
        "axes": _axes(size),
        "marks": _marks(values, values),
        "heads": "".join(f'<th scope="col">{k + 1}</th>' for k in range(size)),
        "rows": _rows(values, values),
        "sentence": _sentence(values, size),
    }
    return asset("switches.html").format(**parts)
