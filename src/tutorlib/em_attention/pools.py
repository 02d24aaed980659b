"""Positions that guess, a gate that weighs them, and two ways to average: probabilities, or their logarithms.

Position ``j`` gives each outcome ``y`` the probability ``p_j(y)``, query ``i`` gives the position the weight
``a_ij = softmax_j(s_ij)``. With a number ``power`` from 0 to 1 the guess is

    P_i(y)  proportional to  (sum_j a_ij p_j(y)^power)^(1 / power).

``power=1`` is a mixture, the linear opinion pool: EM is literal. ``power=0``, the limit, is ``softmax_y(sum_j a_ij ln
p_j(y))``, the logarithmic pool: attention whose values are log probabilities, with a softmax behind it. The responsibility
of position ``j``, if the outcome is ``y``, is ``a_ij p_j(y)^power`` divided by the sum over positions.

Everything is in nats, since gradients are then free of ln 2. Shapes: ``scores [queries, positions]``, ``log_p [positions,
outcomes]``, ``outcomes [queries]``, whole numbers. Sources: Neal and Hinton 1998 and Xu and Jordan 1996 for the mixture;
arXiv 2512.22473 for attention's gradients. The law in between is derived in chapter 14.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tutorlib.arguments import finite, is_real, positive, real_tensor, shown

__all__ = [
    "bells",
    "em_step",
    "log_prediction_nats",
    "loss_nats",
    "responsibilities",
    "score_gradient",
    "value_gradient",
]

SUM_TOLERANCE = 1e-4


def bells(centres: Tensor, width: float, outcomes: Tensor) -> Tensor:
    """Log probabilities of bells on a grid of outcomes, ``[positions, outcomes]``, nats; each sums to 1 on the grid.

    Args:
        centres: ``[positions]``, in the unit of the grid.
        width: standard deviation of each.
        outcomes: the grid, ``[outcomes]``.

    Raises:
        ValueError: if a shape does not fit or the width is not positive.

    >>> bells(torch.tensor([0.0]), 1.0, torch.tensor([-1.0, 0.0, 1.0])).exp()
    tensor([[0.2741, 0.4519, 0.2741]])
    """
    centres, outcomes = (
        real_tensor("centres", centres, "[positions]"),
        real_tensor("outcomes", outcomes, "[outcomes]"),
    )
    finite(centres=centres, outcomes=outcomes)
    return torch.log_softmax(
        -(outcomes - centres[:, None]).square() / (2 * positive("width", width) ** 2), -1
    )


def _inputs(scores: Tensor, log_p: Tensor, power: float) -> float:
    scores = real_tensor("scores", scores, "[queries, positions]")
    log_p = real_tensor("log_p", log_p, "[positions, outcomes]")
    finite(scores=scores, log_p=log_p)
    if scores.shape[1] != log_p.shape[0]:
        raise ValueError(
            f"scores: expected a column for each of {log_p.shape[0]} positions, got {tuple(scores.shape)}"
        )
    if 0 in scores.shape or 0 in log_p.shape:
        raise ValueError(
            f"scores, log_p: expected no empty axis, got {tuple(scores.shape)}, {tuple(log_p.shape)}"
        )
    if (log_p.detach().exp().sum(-1) - 1).abs().max() > SUM_TOLERANCE:
        raise ValueError(
            "log_p: expected logarithms of probabilities that sum to 1 over outcomes, got others"
        )
    if not is_real(power) or not 0 <= power <= 1:
        raise ValueError(f"power: expected a number from 0 to 1, got {shown(power)}")
    return float(power)


def _answers(outcomes: Tensor, scores: Tensor, log_p: Tensor) -> Tensor:
    if not isinstance(outcomes, Tensor) or outcomes.dtype != torch.long or outcomes.shape != scores.shape[:1]:
        raise ValueError(f"outcomes: expected a long tensor {tuple(scores.shape[:1])}, got {shown(outcomes)}")
    if outcomes.min() < 0 or outcomes.max() >= log_p.shape[1]:
        raise ValueError(f"outcomes: expected numbers from 0 to {log_p.shape[1] - 1}, got others")
    return outcomes


def _log_weighted(scores: Tensor, log_p: Tensor, power: float) -> Tensor:
    """``ln a_ij + power ln p_j(y)``, ``[queries, positions, outcomes]``."""
    return torch.log_softmax(scores, -1)[:, :, None] + power * log_p


def log_prediction_nats(scores: Tensor, log_p: Tensor, power: float) -> Tensor:
    """Log of the pooled guess, ``[queries, outcomes]``.

    Raises:
        ValueError: if shapes do not fit, ``log_p`` is not normalised, or ``power`` is not from 0 to 1.

    >>> half = torch.zeros(1, 2)
    >>> log_p = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
    >>> [round(float(log_prediction_nats(half, log_p, power)[0, 0].exp()), 3) for power in (0.0, 1.0)]
    [0.75, 0.7]
    """
    power = _inputs(scores, log_p, power)
    if power == 0:
        return torch.log_softmax(torch.softmax(scores, -1) @ log_p, -1)
    return torch.log_softmax(torch.logsumexp(_log_weighted(scores, log_p, power), 1) / power, -1)


def loss_nats(scores: Tensor, log_p: Tensor, outcomes: Tensor, power: float) -> Tensor:
    """Log loss of the pooled guess at what came, one for each query, ``[queries]``.

    Raises:
        ValueError: as ``log_prediction_nats``, or if an outcome is none of ``log_p``'s.

    >>> loss_nats(torch.zeros(1, 2), torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log(), torch.tensor([0]), 1.0)
    tensor([0.3567])
    """
    guess = log_prediction_nats(scores, log_p, power)
    return -guess.gather(1, _answers(outcomes, scores, log_p)[:, None])[:, 0]


def responsibilities(scores: Tensor, log_p: Tensor, power: float) -> Tensor:
    """Who would answer for each outcome, ``[queries, positions, outcomes]``; they sum to 1 over positions.

    For ``power=1`` this is the posterior over positions. For ``power=0`` it is the gate, whatever the outcome.

    Raises:
        ValueError: as ``log_prediction_nats``.

    >>> responsibilities(torch.zeros(1, 2), torch.tensor([[0.9, 0.1], [0.3, 0.7]]).log(), 1.0)[0]
    tensor([[0.7500, 0.1250],
            [0.2500, 0.8750]])
    """
    power = _inputs(scores, log_p, power)
    return torch.softmax(_log_weighted(scores, log_p, power), 1)


def score_gradient(scores: Tensor, log_p: Tensor, outcomes: Tensor, power: float) -> Tensor:
    """Gradient of each query's loss in nats by its scores, ``[queries, positions]``.

    It is (responsibility expected under the guess, minus responsibility after the outcome) over ``power``. For
    ``power=1`` the first is the gate, so it is prior minus posterior. For ``power=0`` the limit is attention's law.

    Raises:
        ValueError: as ``loss_nats``.

    >>> log_p = torch.tensor([[0.9, 0.1], [0.3, 0.7]]).log()
    >>> score_gradient(torch.zeros(1, 2), log_p, torch.tensor([0]), 1.0)
    tensor([[-0.2500,  0.2500]])
    """
    power = _inputs(scores, log_p, power)
    at = _answers(outcomes, scores, log_p)
    guess = log_prediction_nats(scores, log_p, power).exp()  # [queries, outcomes]
    if power == 0:
        gate = torch.softmax(scores, -1)  # [queries, positions]
        pull = guess @ log_p.T - log_p.T[at]  # [queries, positions]: u . v
        return gate * (pull - (gate * pull).sum(1, keepdim=True))
    shares = responsibilities(scores, log_p, power)  # [queries, positions, outcomes]
    expected = (shares * guess[:, None]).sum(-1)  # [queries, positions]
    return (expected - _after(shares, at)) / power


def _after(shares: Tensor, at: Tensor) -> Tensor:
    """The responsibilities for the outcomes that came, ``[queries, positions]``."""
    return shares.gather(2, at[:, None, None].expand(-1, shares.shape[1], 1))[:, :, 0]


def value_gradient(scores: Tensor, log_p: Tensor, outcomes: Tensor, power: float) -> Tensor:
    """Gradient of the summed loss in nats by the logits of each position's guess, ``[positions, outcomes]``.

    Mixture: responsibility after the outcome times the position's own error, ``p_j(y)`` minus 1 at what came. Attention:
    gate times the error of the pooled guess, the same for all positions.

    Raises:
        ValueError: as ``loss_nats``.

    >>> log_p = torch.tensor([[0.9, 0.1], [0.3, 0.7]]).log()
    >>> value_gradient(torch.zeros(1, 2), log_p, torch.tensor([0]), 1.0)
    tensor([[-0.0750,  0.0750],
            [-0.1750,  0.1750]])
    """
    power = _inputs(scores, log_p, power)
    at = _answers(outcomes, scores, log_p)
    shares = responsibilities(scores, log_p, power)  # [queries, positions, outcomes]
    guess = log_prediction_nats(scores, log_p, power).exp()  # [queries, outcomes]
    came = torch.nn.functional.one_hot(at, log_p.shape[1]).to(guess)  # [queries, outcomes]
    by_log_p = (shares * (guess - came)[:, None]).sum(0)  # [positions, outcomes]
    return by_log_p - log_p.exp() * by_log_p.sum(-1, keepdim=True)  # through the softmax of the logits


def em_step(scores: Tensor, log_p: Tensor, outcomes: Tensor) -> tuple[Tensor, Tensor]:
    """One round of EM for the mixture whose guesses are free tables and whose gate is one for all queries.

    Args:
        scores: ``[queries, positions]``, all rows alike.
        log_p: ``[positions, outcomes]``.
        outcomes: ``[queries]``.

    Returns:
        The log of the new gate, ``[positions]``, and the new tables as probabilities, ``[positions, outcomes]``. An
        outcome for which a position answers nothing gets 0.

    Raises:
        ValueError: as ``loss_nats``, or if the rows of ``scores`` differ.

    >>> gate, tables = em_step(torch.zeros(2, 2), torch.tensor([[0.9, 0.1], [0.3, 0.7]]).log(), torch.tensor([0, 1]))
    >>> gate.exp(), tables
    (tensor([0.4375, 0.5625]), tensor([[0.8571, 0.1429],
            [0.2222, 0.7778]]))
    """
    _inputs(scores, log_p, 1.0)
    gates = torch.softmax(scores, -1)
    if not torch.allclose(gates, gates[:1].expand_as(gates)):
        raise ValueError("scores: expected one gate for all queries, got rows that differ")
    at = _answers(outcomes, scores, log_p)
    after = _after(responsibilities(scores, log_p, 1.0), at)  # [queries, positions]
    came = torch.nn.functional.one_hot(at, log_p.shape[1]).to(after)  # [queries, outcomes]
    counts = after.sum(0)  # [positions]
    return torch.log(counts / counts.sum()), after.T @ came / counts[:, None]
