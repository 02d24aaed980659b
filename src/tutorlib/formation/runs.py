"""The runs of chapter 15: what is trained, what is measured along the way, and where the numbers are kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits, geometry
from tutorlib.evaluation.scoring import divergence, log_predictor
from tutorlib.formation.swap import answers_with, attention_maps, value_cosines
from tutorlib.models import SequenceModel, Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Batch, Bijection, Diversity, Markov, Tunnel

__all__ = [
    "BIJECTION_PLAN",
    "MARKOV_PLAN",
    "SEEDS",
    "TASKS",
    "measure_bijection",
    "measure_markov",
    "moments",
    "study",
]

SEEDS = (0, 1, 2, 3, 4)
TASKS = (2, 4, 8, 16, 32, 64)  # numbers of tasks in the study of diversity
SYMBOLS, CHAIN, LENGTH = 10, 3, 32
FROZEN_AT = 160
BIJECTION_PLAN = TrainingPlan(steps=1500, batch=(32, 64))
MARKOV_PLAN = TrainingPlan(steps=1000, batch=32, matrix_rate=0.015, embedding_rate=0.01)
BIJECTION_STEPS = (
    0,
    10,
    20,
    30,
    40,
    60,
    80,
    100,
    130,
    160,
    200,
    250,
    320,
    400,
    500,
    630,
    800,
    1000,
    1250,
    1500,
)
MARKOV_STEPS = (
    0,
    10,
    20,
    30,
    40,
    50,
    60,
    80,
    100,
    130,
    160,
    200,
    250,
    300,
    350,
    400,
    450,
    500,
    600,
    700,
    850,
    1000,
)
PARTS = {"routing": ("query", "key"), "values": ("value", "output")}

Row = dict[str, float]
Story = dict[str, list[float]]


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def study() -> dict[str, Any]:
    """The kept numbers: ``bijection``, ``routing`` and ``values`` (frozen) and ``markov`` by seed, ``diversity`` by M.

    >>> sorted(study())
    ['bijection', 'diversity', 'markov', 'routing', 'values']
    """
    text = resources.files("tutorlib.formation").joinpath("study.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def moments(
    model: SequenceModel,
    tunnel: Tunnel,
    plan: TrainingPlan,
    steps: Sequence[int],
    watch: Callable[[int, SequenceModel], None] | None = None,
) -> dict[int, SequenceModel]:
    """Train a network and keep a copy of it at some steps, multiples of 10.

    Args:
        model: trained in place.
        tunnel: what on.
        plan: how.
        steps: when it is copied; 0 is before training.
        watch: called with every tenth step and the network; it may freeze parts of it.

    >>> from tutorlib.models import TokenMLP
    >>> list(moments(TokenMLP(6, 5), Bijection(3), TrainingPlan(steps=20), [0, 20]))
    [0, 20]
    """
    kept: dict[int, SequenceModel] = {}

    def look(step: int, now: SequenceModel) -> None:
        if watch:
            watch(step, now)
        if step in steps:
            kept[step] = copy.deepcopy(now).eval()

    look(0, model)
    train(model, tunnel, plan, log_every=10, on_log=look)
    return kept


def run_bijection(
    seed: int, freeze: str | None = None, steps: Sequence[int] = BIJECTION_STEPS
) -> dict[int, SequenceModel]:
    """One small bijection run; ``freeze`` names a part whose matrices stay as they are from step 160 on."""
    tunnel = Bijection(SYMBOLS)
    model = Transformer(tunnel.vocab, tunnel.length, width=32, generator=seeded(seed))
    plan = TrainingPlan(**{**BIJECTION_PLAN.facts(), "seed": seed})

    def watch(step: int, now: SequenceModel) -> None:
        if freeze and step == FROZEN_AT:
            assert isinstance(now, Transformer)
            for block in now.blocks:
                for name in PARTS[freeze]:
                    getattr(block.attention, name).weight.requires_grad_(False)

    return moments(model, tunnel, plan, steps, watch)


def run_markov(
    seed: int, tasks: int | None = None, steps: Sequence[int] = MARKOV_STEPS
) -> dict[int, SequenceModel]:
    """One small Markov run, on all chains or on ``tasks`` of them."""
    tunnel = markov(tasks)
    model = Transformer(
        CHAIN, LENGTH, width=32, layers=2, heads=2, positions="distance", generator=seeded(seed)
    )
    return moments(model, tunnel, TrainingPlan(**{**MARKOV_PLAN.facts(), "seed": seed}), steps)


def markov(tasks: int | None = None) -> Markov | Diversity:
    """The tunnel of all chains, or of ``tasks`` fixed ones."""
    if tasks is None:
        return Markov(CHAIN, LENGTH)
    return Diversity("markov", {"symbols": CHAIN, "steps": LENGTH}, tasks=tasks)


def measure_bijection(kept: dict[int, SequenceModel], tunnel: Bijection, batch: Batch) -> Story:
    """Numbers at each moment of a bijection run.

    Returns:
        ``step``; ``on_values``, the attention weight that questions give to values shown; ``map_gap``, total variation
        between the maps of this moment and of the last; ``value_cosine``, mean ``|cos|`` between what is written for
        different values; ``rho``, ``|rank correlation|`` of PC1 and exact entropy; ``mae`` and ``kl`` in bits;
        ``with_late_maps``, KL of this network with the last one's maps; ``with_these_maps``, KL of the last network
        with this one's maps.

    >>> tunnel = Bijection(3)
    >>> kept = {0: Transformer(6, 5, width=4), 10: Transformer(6, 5, width=4)}
    >>> story = measure_bijection(kept, tunnel, tunnel.sample(4, seeded(0)))
    >>> story["step"], story["map_gap"]
    ([0.0, 10.0], [0.0, 0.0])
    """
    exact = tunnel.exact(batch)
    entropy = bits.entropy(exact)  # [sequences, pairs]
    last = kept[max(kept)]
    assert isinstance(last, Transformer)
    late = attention_maps(last, batch)
    rows = []
    for step, model in kept.items():
        assert isinstance(model, Transformer)
        maps = attention_maps(model, batch)
        stream = geometry.residual_streams(model, batch)[-1, :, ::2].double()
        pc1 = geometry.principal_axes(stream).scores(stream)[..., 0].flatten()
        asking = maps[0][:, :, 2::2]  # [sequences, heads, asking, time]; the first has nothing to read
        shown = tunnel_values(tunnel)
        log_q = log_predictor(model, tunnel)(batch)
        table = value_cosines(model, shown)
        off = ~torch.eye(len(shown), dtype=torch.bool)
        rows.append(
            {
                "step": float(step),
                "on_values": float(asking[..., 1::2].sum(-1).mean()),
                "map_gap": float(
                    torch.stack(
                        [(a - b).abs().sum(-1).mean() / 2 for a, b in zip(maps, late, strict=True)]
                    ).mean()
                ),
                "value_cosine": float(table[:, off].abs().mean()),
                "rho": abs(geometry.rank_correlation(pc1, entropy.flatten())),
                "mae": float((bits.entropy(log_q.exp2()) - entropy).abs().mean()),
                "kl": float(divergence(exact, log_q).mean()),
                **swaps(model, last, batch, maps, late, tunnel, exact),
            }
        )
    return columns(rows)


def tunnel_values(tunnel: Bijection) -> Tensor:
    """The tokens that stand for values."""
    return tunnel.answers


def swaps(
    model: Transformer,
    last: Transformer,
    batch: Batch,
    maps: Sequence[Tensor],
    late: Sequence[Tensor],
    tunnel: Tunnel,
    exact: Tensor,
) -> Row:
    """KL in bits of two mixtures of a network and the last one: late maps in it, and its maps in the last."""

    def kl(network: Transformer, given: Sequence[Tensor]) -> float:
        logits = answers_with(network, batch, given)[:, tunnel.scored]
        return float(divergence(exact, bits.log_probabilities(logits)).mean())

    return {"with_late_maps": kl(model, late), "with_these_maps": kl(last, maps)}


def measure_markov(kept: dict[int, SequenceModel], batch: Batch, tasks: int | None = None) -> Story:
    """Numbers at each moment of a run on Markov chains; distances are KL in bits from an exact answer to the network.

    Returns:
        ``step``; ``uniform``, ``unigram`` and ``bigram``, the distances from the three observers; ``few``, that from
        Bayes over the M tasks, if there are M; ``previous``, the largest weight that a head of the first layer gives
        to the token before; ``induction``, the largest weight that a head of the second layer gives to tokens which
        followed an earlier copy of the present one; ``with_late_maps`` and ``with_these_maps`` as for the bijection.

    >>> model = Transformer(3, 32, width=4, layers=2)
    >>> sorted(measure_markov({0: model}, markov().sample(4, seeded(0))))[:4]
    ['bigram', 'induction', 'previous', 'step']
    """
    base = Markov(CHAIN, LENGTH)
    observers = {"uniform": base.uniform(batch), "unigram": base.unigram(batch), "bigram": base.exact(batch)}
    limited = markov(tasks)
    if isinstance(limited, Diversity):
        observers["few"] = limited.exact(batch)
    followers = induction_places(batch.tokens)
    last = kept[max(kept)]
    assert isinstance(last, Transformer)
    late = attention_maps(last, batch)
    rows = []
    for step, model in kept.items():
        assert isinstance(model, Transformer)
        maps, log_q = attention_maps(model, batch), log_predictor(model, base)(batch)
        before = maps[0].diagonal(-1, dim1=2, dim2=3)  # [sequences, heads, time - 1]
        found = (maps[1] * followers[:, None]).sum(-1)[..., 8:]  # [sequences, heads, time - 8]
        rows.append(
            {
                "step": float(step),
                **{name: float(divergence(p, log_q).mean()) for name, p in observers.items()},
                "previous": float(before.mean((0, 2)).max()),
                "induction": float(found.mean((0, 2)).max()),
                **swaps(model, last, batch, maps, late, base, observers["few" if tasks else "bigram"]),
            }
        )
    return columns(rows)


def induction_places(tokens: Tensor) -> Tensor:
    """For tokens ``[sequences, time]``, at each asking position the places right after an earlier copy of its token.

    >>> induction_places(torch.tensor([[0, 1, 0]]))[0, 2]
    tensor([False,  True, False])
    """
    time = tokens.shape[1]
    before = torch.nn.functional.pad(tokens[:, :-1], (1, 0), value=-1)  # [sequences, time]: the token before
    same = before[:, None, :] == tokens[:, :, None]  # [sequences, asking, time]
    return same & torch.ones(time, time, dtype=torch.bool).tril()


def columns(rows: Sequence[Row]) -> Story:
    """One list for each name, rounded to five digits."""
    return {name: [float(f"{row[name]:.5g}") for row in rows] for name in rows[0]}
