"""Two tests of coherence that need no exact answer: does the order of evidence matter, and is a belief its own forecast?

A Bayesian observer of exchangeable data passes both whatever its prior, so a failure shows that a model is not one.
To pass is not to be right: an answer that never moves passes too. The error beside the exact answer is what
:func:`~tutorlib.evaluation.evaluate` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, shown
from tutorlib.bayes import normalise
from tutorlib.evaluation.measures import Evaluation
from tutorlib.evaluation.scoring import divergence, draws, log_predictor
from tutorlib.models import SequenceModel
from tutorlib.tunnels import Batch, Tunnel

__all__ = ["GAP_MEASURES", "martingale_gap", "permutation_gap"]

GAP_MEASURES = {
    "permutation_kl": "KL(prediction || prediction after the same evidence in another order), bits",
    "permutation_tv": "total variation distance between these two, 0 to 1",
    "martingale_kl": "KL(prediction || mean of the next prediction), bits",
    "martingale_tv": "total variation distance between these two, 0 to 1",
}


def permutation_gap(
    predictor: SequenceModel | Callable[[Batch], Tensor],
    tunnel: Tunnel,
    *,
    sequences: int = 1024,
    batch: int = 512,
    generator: torch.Generator,
) -> Evaluation:
    """How much a prediction depends on the order of evidence whose order says nothing.

    For each sequence ``x`` and one random reordering ``x'`` of its past: ``KL(q(. | x) || q(. | x'))`` in bits and
    ``TV = 0.5 sum_y |q(y | x) - q(y | x')|``, both at the last scored position, where all evidence has been seen. The
    exact answer has 0. With few pieces of evidence the drawn order is sometimes the old one and adds a 0.

    Positional encodings are what breaks the symmetry in a transformer (Chlon and others 2025, arXiv 2507.11768); a
    causal mask breaks it too, from the second layer on. In the coin tunnel the toss read last is also the token that
    asks, so there even one layer without positions can treat it apart, and has to learn not to.

    Args:
        predictor: a model, or a function ``Batch -> probabilities [batch, scored, vocab]``.
        tunnel: one that has ``shuffle_past``.
        sequences: how many fresh ones.
        batch: how many at a time.
        generator: draws the sequences and the orders.

    Returns:
        ``permutation_kl`` and ``permutation_tv``, each ``[sequences, 1]``.

    Raises:
        ValueError: if the order of evidence matters in this tunnel, or the predictor does not fit it.

    >>> from tutorlib.tunnels import Coin
    >>> gap = permutation_gap(Coin(5).exact, Coin(5), sequences=8, generator=torch.Generator().manual_seed(0))
    >>> round(gap.mean("permutation_kl"), 6)  # the exact answer counts, so order says nothing
    0.0
    """
    log_predictions = log_predictor(predictor, tunnel)
    kl, tv = [], []
    for drawn in draws(tunnel, sequences, batch, generator):
        shuffled = tunnel.shuffle_past(drawn, generator)
        log_q, log_other = (log_predictions(x)[:, -1:] for x in (drawn, shuffled))  # [batch, 1, vocab] each
        kl.append(divergence(log_q.exp2(), log_other))
        tv.append(0.5 * (log_q.exp2() - log_other.exp2()).abs().sum(-1))
    return Evaluation({"permutation_kl": torch.cat(kl), "permutation_tv": torch.cat(tv)})


def martingale_gap(
    predictor: SequenceModel | Callable[[Batch], Tensor],
    tunnel: Tunnel,
    *,
    positions: Sequence[int] | None = None,
    sequences: int = 256,
    batch: int = 256,
    generator: torch.Generator,
) -> Evaluation:
    """How far a prediction is from the mean of the next one, the mean taken over the prediction itself.

    After ``x_1 .. x_n`` a Bayesian observer of exchangeable tosses has, for every answer ``y``,
    ``q(x_(n+1) = y | x_1 .. x_n) = sum_z q(x_(n+1) = z | x_1 .. x_n) q(x_(n+2) = y | x_1 .. x_n, z)``:
    it cannot expect to change its mind in a direction that it already knows. That is the martingale property of Falck,
    Wang and Holmes 2024 (arXiv 2406.00793). They estimate it from sampled continuations; here the sum over ``z`` is
    exact. The gap is KL in bits, and total variation, from the left side to the right side. One step is enough: if it
    holds after every past, then by repetition it holds for any number of steps.

    It is defined where successive positions ask the same question: the coin. In a Markov chain or an HMM the next
    position asks about another state, so the two sides differ for the exact answer too. Mass on tokens that are no
    answer is taken out first.

    Args:
        predictor: a model, or a function ``Batch -> probabilities [batch, scored, vocab]``.
        tunnel: one that has ``suppose``.
        positions: indices n into the scored positions, all but the last one if None; each costs one pass an answer.
        sequences: how many fresh pasts.
        batch: how many at a time.
        generator: draws the pasts.

    Returns:
        ``martingale_kl`` and ``martingale_tv``, each ``[sequences, positions]``.

    Raises:
        ValueError: if successive positions ask different questions in this tunnel, or an argument does not fit.

    >>> from tutorlib.tunnels import Coin
    >>> gap = martingale_gap(Coin(5).uniform, Coin(5), sequences=8, generator=torch.Generator().manual_seed(0))
    >>> gap.mean("martingale_kl")  # an answer that never moves passes
    0.0
    """
    last = len(instance("tunnel", tunnel, Tunnel).scored) - 2
    places = range(last + 1) if positions is None else positions
    if not isinstance(places, Sequence) or isinstance(places, str):
        raise ValueError(f"positions: expected a list of indices, got {shown(places)}")
    if not len(places):
        raise ValueError("positions: expected at least one, with a scored position after it, got none")
    for place in places:
        integer("positions", place, 0, last)
    log_predictions = log_predictor(predictor, tunnel)

    def answers(batch: Batch) -> Tensor:
        return normalise(log_predictions(batch)[..., tunnel.answers.to(batch.tokens.device)].exp2())

    kl, tv = [], []
    for drawn in draws(tunnel, sequences, batch, generator):
        now = answers(drawn)[:, list(places)]  # [batch, positions, answers]
        mean = torch.zeros_like(now)
        for i, place in enumerate(places):
            for j, token in enumerate(tunnel.answers.tolist()):
                then = answers(tunnel.suppose(drawn, place, token))[:, place + 1]  # [batch, answers]
                mean[:, i] += now[:, i, j, None] * then
        kl.append(divergence(now, mean.log2()))
        tv.append(0.5 * (now - mean).abs().sum(-1))
    return Evaluation({"martingale_kl": torch.cat(kl), "martingale_tv": torch.cat(tv)})
