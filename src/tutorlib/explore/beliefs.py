"""The explorer of chapter 09: symbols that the reader edits, the exact belief after each, and a network's beside it.

The page computes both: ``beliefs.js`` filters as ``tutorlib.tunnels.filtering`` does, ``header.js`` runs the network with
weights of 16 bits. The first state is drawn here, mark for mark as the script draws it.
"""

from __future__ import annotations

import base64
import copy
import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import torch

from tutorlib.arguments import instance
from tutorlib.bits import entropy, kl_divergence
from tutorlib.checkpoints import Checkpoint, load
from tutorlib.explore.base import Explorer, asset
from tutorlib.models import SequenceModel, Transformer
from tutorlib.tunnels import HMM, Batch

__all__ = ["BeliefStrip", "pack_filter"]

LETTERS, WINDOWS = "abcde", (1, 2, 4, 8)
SIZE, SHOWN = 5, 12  # states and symbols; symbols at the start
# The same numbers stand in beliefs.js.
LEFT, CELL, TALL, EXACT_TOP, NETWORK_TOP, KL_TOP, KL_TALL, LOW = 58, 14, 11, 20, 90, 160, 50, 1e-5


def pack_filter(model: SequenceModel) -> dict[str, Any]:
    """A model that reads a header, for ``header.js``: its configuration, and its weights as 16-bit floats in base64.

    Returns:
        ``{"config": ..., "tensors": [[name, [rows, columns]], ...], "weights": base64}``, tensors in this order.

    Raises:
        ValueError: if it is a model that ``header.js`` does not compute.

    >>> from tutorlib.checkpoints import load
    >>> pack_filter(load("hmm-watched").model)["tensors"][0]
    ['embedding.weight', [10, 32]]
    """
    if not isinstance(model, Transformer):
        got = instance("model", model, SequenceModel).name
        raise ValueError(f"model: expected a transformer, got {got}")
    if model.header is None or model.columns is None or model.positions != "distance":
        raise ValueError("model: expected one with a header, columns and positions 'distance', got another")
    if model.end_norms or not model.tied:
        raise ValueError("model: expected one without end norms and with a tied head, got another")
    state = {name: tensor.detach().cpu().half() for name, tensor in model.state_dict().items()}
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    if not flat.isfinite().all():
        raise ValueError("model: expected weights below 65504 in size, got larger ones")
    shapes = {name: [1, *tensor.shape][-2:] for name, tensor in state.items()}
    return {
        "config": model.config(),
        "tensors": [[name, shape] for name, shape in shapes.items()],
        "weights": base64.b64encode(flat.numpy().astype("<f2").tobytes()).decode(),
    }


def _fixed(x: float, digits: int) -> str:
    """Like JavaScript's toFixed, which rounds an exact tie up where Python rounds it to even."""
    return str(Decimal(max(x, 0.0)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


class _Moment:
    """Every number of the first state.

    Attributes:
        exact: exact beliefs ``[time][states]``.
        network: the network's, as the page computes them: 16-bit weights, sums in double precision.
        kl: KL(exact || network) in bits, ``[time]``.
    """

    def __init__(self, model: Transformer, scene: dict[str, Any]) -> None:
        symbols = scene["symbols"]
        self.symbols, self.T, self.E = symbols, scene["T"], scene["E"]
        self.tunnel = HMM(SIZE, SIZE, len(symbols))
        T, E = (torch.tensor(scene[name], dtype=torch.float64) for name in "TE")
        tokens = torch.tensor([symbols])  # [1, time]
        self.batch = Batch(tokens, torch.full_like(tokens, SIZE), header=torch.cat((T, E), -1)[None])
        exact = self.tunnel.exact(self.batch)[0, :, SIZE:]  # [time, states]
        rounded = copy.deepcopy(model).half().double()
        with torch.no_grad():
            logits = rounded(tokens, header=self.batch.header)[0]  # [time, vocab]
        network = logits.softmax(-1)[:, -SIZE:]
        share = network / network.sum(-1, keepdim=True)
        self.kl = [float(x) for x in kl_divergence(exact, share) - network.sum(-1).log2()]
        self.entropies = float(entropy(exact)[-1]), float(-(network * network.log2()).sum(-1)[-1])
        self.exact: list[list[float]] = exact.tolist()
        self.network: list[list[float]] = network.tolist()

    def window_kl(self, steps: int) -> float:
        """KL from the exact belief to that of the last ``steps`` symbols, at the last position, in bits."""
        exact, short = (self.tunnel.window(self.batch, w)[0, -1, SIZE:] for w in (len(self.symbols), steps))
        return float(kl_divergence(exact, short))


def _heat(kind: str, top: int, table: list[list[float]]) -> str:
    return "".join(
        f'<rect class="{kind}" x="{LEFT + t * CELL}" y="{top + i * TALL}" width="{CELL - 1}" height="{TALL - 1}" '
        f'fill-opacity="{_fixed(p, 3)}"></rect>'
        for t, belief in enumerate(table)
        for i, p in enumerate(belief)
    )


def _height(bits: float) -> float:
    return KL_TALL * min(1.0, max(0.0, math.log10(max(bits, 1e-300) / LOW) / 5))


def _strip(now: _Moment, selected: int) -> str:
    right = LEFT + len(now.symbols) * CELL

    def names(top: int) -> str:
        return "".join(
            f'<text class="small" x="{LEFT - 5}" y="{top + i * TALL + 9}" text-anchor="end">{i + 1}</text>'
            for i in range(SIZE)
        )

    lines = ""
    for value, text in ((1, "1"), (1e-2, "0.01"), (1e-4, "0.0001")):
        y = _fixed(KL_TOP + KL_TALL - _height(value), 1)
        lines += (
            f'<path class="grid" d="M{LEFT} {y}H{right}"></path>'
            f'<text class="small" x="{LEFT - 5}" y="{y}" dy="4" text-anchor="end">{text}</text>'
        )
    bars = "".join(
        f'<rect class="cost" x="{LEFT + t * CELL + 2}" y="{_fixed(KL_TOP + KL_TALL - _height(bits), 1)}" '
        f'width="{CELL - 5}" height="{_fixed(_height(bits), 1)}"></rect>'
        for t, bits in enumerate(now.kl)
    )
    return (
        f'<text class="exact" x="{LEFT}" y="14">exact belief, states 1 to 5</text>{names(EXACT_TOP)}'
        f'{_heat("exact", EXACT_TOP, now.exact)}<text class="network" x="{LEFT}" y="{NETWORK_TOP - 5}">network</text>'
        f"{names(NETWORK_TOP)}{_heat('network', NETWORK_TOP, now.network)}"
        f'<text x="{LEFT}" y="{KL_TOP - 5}">KL(exact ‖ network), bits</text>{lines}{bars}'
        f'<rect class="here" x="{LEFT + selected * CELL - 1}" y="{EXACT_TOP - 2}" width="{CELL + 1}" '
        f'height="{KL_TOP + KL_TALL - EXACT_TOP + 4}"></rect>'
    )


def _detail(now: _Moment) -> str:
    rows = "".join(
        f'<tr><th scope="row">{i}</th><td class="exact">{_fixed(p, 4)}</td><td class="network">{_fixed(q, 4)}</td></tr>'
        for i, (p, q) in enumerate(zip(now.exact[-1], now.network[-1], strict=True), 1)
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("state", "exact", "network"))
    return f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"


def _sentence(now: _Moment) -> str:
    count, (exact, network) = len(now.symbols), now.entropies
    shorter = ", ".join(f"last {w}: <b>{_fixed(now.window_kl(w), 4)}</b>" for w in WINDOWS if w < count)
    return (
        f"<p>After symbol {count} ({LETTERS[now.symbols[-1]]}): entropy <b>{_fixed(exact, 3)}</b> bits exact, "
        f"<b>{_fixed(network, 3)}</b> network; KL(exact ‖ network) <b>{_fixed(now.kl[-1], 4)}</b> bits.</p>"
        f"<p>KL of an exact observer who sees only the {shorter} bits.</p>"
        f"<p>Mean KL of the network over all {count}: <b>{_fixed(sum(now.kl) / count, 4)}</b> bits.</p>"
    )


def _matrix(title: str, heads: Sequence[str], rows: list[list[float]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{i}</th>{"".join(f"<td>{_fixed(x, 3)}</td>" for x in row)}</tr>'
        for i, row in enumerate(rows, 1)
    )
    return (
        f'<table class="matrix"><caption>{title}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _buttons(name: str, texts: Sequence[str], pressed: int, label: str = "") -> str:
    return "".join(
        f'<button type="button" data-{name}="{i}"'
        + (f' aria-label="{label.format(i + 1, text)}"' if label else "")
        + f' aria-pressed="{"true" if i == pressed else "false"}">{text}</button>'
        for i, text in enumerate(texts)
    )


def _body(now: _Moment, scenes: int) -> str:
    last = len(now.symbols) - 1
    cells = _buttons("cell", [LETTERS[s] for s in now.symbols], last, "symbol {}: {}")
    tables = _buttons("scene", [str(i + 1) for i in range(scenes)], 0)
    matrices = _matrix("T: from state to state", "12345", now.T) + _matrix(
        "E: from state to symbol", LETTERS, now.E
    )
    return (
        f'<div class="bar"><div role="group" aria-label="Tables">Tables {tables}</div>'
        '<label><span class="name">Stickiness of the states</span><input type="range" min="0" max="95" step="1" value="0" '
        'aria-valuetext="0\u00a0%"><span class="value numbers" aria-hidden="true">0\u00a0%</span></label>'
        '<div role="group" aria-label="Length"><button type="button" data-do="longer">One more</button>'
        '<button type="button" data-do="shorter">One less</button></div></div>'
        f'<div class="cells" role="group" aria-label="Choose a symbol of the sequence">{cells}</div>'
        '<div class="bar"><div role="group" aria-label="Change the chosen symbol to">Change it to '
        f"{_buttons('symbol', LETTERS, now.symbols[-1])}</div></div>"
        f'<div class="split"><svg class="strip" viewBox="0 0 {LEFT + (last + 1) * CELL + 6} 216" '
        'role="img" aria-label="Beliefs over time, '
        'the darker the more probable. The numbers of the chosen symbol are in the table.">'
        f'{_strip(now, last)}</svg><table class="detail">{_detail(now)}</table></div>'
        f'<div class="result numbers" aria-live="polite">{_sentence(now)}</div>'
        f'<details><summary>The two tables</summary><div class="matrices">{matrices}</div></details>'
    )


class BeliefStrip(Explorer):
    """A sequence to edit; below it the exact belief after each symbol, and a network's, both computed in the page.

    Args:
        checkpoint: a transformer trained on an HMM of 5 states and 5 symbols for the belief; "hmm-watched" if None.
        generator: draws three pairs of tables and symbols; seed 0 if None.

    Raises:
        ValueError: if the checkpoint is not such a network.

    >>> BeliefStrip().label
    'Exact belief and network'
    """

    def __init__(
        self, checkpoint: Checkpoint | None = None, generator: torch.Generator | None = None
    ) -> None:
        checkpoint = (
            load("hmm-watched") if checkpoint is None else instance("checkpoint", checkpoint, Checkpoint)
        )
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        model, tunnel = checkpoint.model, checkpoint.tunnel
        if not isinstance(tunnel, HMM) or (tunnel.states, tunnel.symbols) != (SIZE, SIZE):
            raise ValueError(
                f"checkpoint: expected one for an HMM with 5 states and 5 symbols, got {tunnel.name}"
            )
        if tunnel.target != "belief" or model.context < 30:
            raise ValueError("checkpoint: expected one that gives beliefs and reads 30 symbols, got another")
        network = pack_filter(model)
        coded = HMM(SIZE, SIZE, SHOWN, law="coded")
        tasks = coded.sample_tasks(3, generator)  # [3, states, states + symbols]
        T, E = tasks.split(SIZE, -1)
        drawn = coded.sample_given(tasks, generator)
        scenes = [
            {"T": t, "E": e, "symbols": symbols}
            for t, e, symbols in zip(T.tolist(), E.tolist(), drawn.tokens.tolist(), strict=True)
        ]
        now = _Moment(model, scenes[0])  # type: ignore[arg-type]
        first = {"scene": 0, "stick": 0, "at": SHOWN - 1}
        super().__init__(
            name="beliefs",
            label="Exact belief and network",
            data={"scenes": scenes, "network": network, "first": first},
            scripts=("transformer.js", "header.js", "beliefs.js"),
            body=f"<style>{asset('beliefs.css')}</style>\n{_body(now, len(scenes))}",
            text=(
                "A sequence of symbols to edit (needs a page with JavaScript), with the exact belief after each symbol "
                f"and a network's beside it. After the {SHOWN} symbols at the start KL(exact || network) is "
                f"{_fixed(now.kl[-1], 4)} bits."
            ),
        )
