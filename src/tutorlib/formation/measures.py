"""What is measured at each moment of a run of chapter 15."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutorlib import bits, geometry
from tutorlib.evaluation.scoring import divergence, log_predictor
from tutorlib.formation.runs import CHAIN, LENGTH, markov
from tutorlib.formation.swap import answers_with, attention_maps, value_cosines
from tutorlib.models import SequenceModel, Transformer
from tutorlib.tunnels import Batch, Bijection, Diversity, Markov, Tunnel

__all__ = ["induction_places", "measure_bijection", "measure_markov"]

Row = dict[str, float]
Story = dict[str, list[float]]


def measure_bijection(kept: dict[int, SequenceModel], tunnel: Bijection, batch: Batch) -> Story:
    """Numbers at each moment of a bijection run.

    Returns:
        ``step``; ``on_values``, the attention weight that questions give to values shown; ``map_gap``, total variation
        between the maps of this moment and of the last; ``value_cosine``, mean ``|cos|`` between what is written for
        different values; ``rho``, ``|rank correlation|`` of PC1 and exact entropy; ``mae`` and ``kl`` in bits;
        ``with_late_maps``, KL of this network with the last one's maps; ``with_these_maps``, KL of the last network
        with this one's maps.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> tunnel = Bijection(3)
    >>> kept = {0: Transformer(6, 5, width=4), 10: Transformer(6, 5, width=4)}
    >>> story = measure_bijection(kept, tunnel, tunnel.sample(4, torch.Generator().manual_seed(0)))
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
        shown = tunnel.answers
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
                **_swaps(model, last, batch, maps, late, tunnel, exact),
            }
        )
    return _columns(rows)


def _swaps(
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

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Markov
    >>> batch = Markov(3, 32).sample(4, torch.Generator().manual_seed(0))
    >>> model = Transformer(3, 32, width=4, layers=2)
    >>> sorted(measure_markov({0: model}, batch))[:4]
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
                **_swaps(model, last, batch, maps, late, base, observers["few" if tasks else "bigram"]),
            }
        )
    return _columns(rows)


def induction_places(tokens: Tensor) -> Tensor:
    """For tokens ``[sequences, time]``, at each asking position the places right after an earlier copy of its token.

    >>> induction_places(torch.tensor([[0, 1, 0]]))[0, 2]
    tensor([False,  True, False])
    """
    time = tokens.shape[1]
    before = torch.nn.functional.pad(tokens[:, :-1], (1, 0), value=-1)  # [sequences, time]: the token before
    same = before[:, None, :] == tokens[:, :, None]  # [sequences, asking, time]
    return same & torch.ones(time, time, dtype=torch.bool).tril()


def _columns(rows: Sequence[Row]) -> Story:
    """One list for each name, rounded to five digits."""
    return {name: [float(f"{row[name]:.5g}") for row in rows] for name in rows[0]}
