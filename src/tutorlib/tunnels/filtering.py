"""Exact filters of hidden Markov models with known parameters: predict, weigh, normalise.

All take an initial law ``[..., states]``, transitions ``[..., states, states]`` (rows sum to 1) and for every time
the likelihood of what was observed under each state, ``[..., time, states]``. Source: Rabiner (1989).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tutorlib.arguments import integer, real_tensor
from tutorlib.bayes import normalise
from tutorlib.bits import probabilities

__all__ = ["forward_filter", "marginal_law", "stationary_law", "window_filter"]


def forward_filter(initial: Tensor, transition: Tensor, likelihood: Tensor) -> Tensor:
    """Belief about the state at each time given all observations up to it, ``[..., time, states]``.

    Inside, the states come first and the sequences last: sums over five states are then sums of five long rows, which
    is more than twice as fast as many small matrix products.

    Raises:
        ValueError: if an argument is no law or likelihood, the shapes do not fit, or the evidence is impossible.

    >>> sticky = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    >>> forward_filter(torch.tensor([0.5, 0.5]), sticky, torch.tensor([[0.8, 0.2], [0.2, 0.8]]))
    tensor([[0.8000, 0.2000],
            [0.4157, 0.5843]])
    """
    initial, transition, likelihood = _checked(initial, transition, likelihood)
    lead = torch.broadcast_shapes(initial.shape[:-1], transition.shape[:-2], likelihood.shape[:-2])
    T = transition.expand(*lead, -1, -1).movedim((-2, -1), (0, 1)).contiguous()  # [states, states, ...]
    observed = likelihood.expand(*lead, -1, -1).movedim((-2, -1), (0, 1)).contiguous()  # [time, states, ...]
    prior = initial.expand(*lead, -1).movedim(-1, 0)  # [states, ...]
    beliefs, totals = [], []
    for weights in observed:
        weighed = prior * weights  # [states, ...]
        total = weighed.sum(0)  # [...]
        belief = weighed / total
        beliefs.append(belief)
        totals.append(total)
        prior = (belief[:, None] * T).sum(0)  # [states, ...]
    _possible(torch.stack(totals))
    return torch.stack(beliefs).movedim((0, 1), (-2, -1))


def marginal_law(initial: Tensor, transition: Tensor, times: int) -> Tensor:
    """Law of the state at each time without any observation, ``initial @ transition^t``, ``[..., time, states]``.

    >>> marginal_law(torch.tensor([1.0, 0.0]), torch.tensor([[0.9, 0.1], [0.1, 0.9]]), times=3)[:, 0]
    tensor([1.0000, 0.9000, 0.8200])
    """
    law, transition, _ = _checked(initial, transition)
    laws = []
    for _ in range(integer("times", times, 1)):
        laws.append(law)
        law = _after(law, transition)
    return torch.stack(torch.broadcast_tensors(*laws), -2)


def window_filter(initial: Tensor, transition: Tensor, likelihood: Tensor, steps: int) -> Tensor:
    """Belief from the last ``steps`` observations only, ``[..., time, states]``.

    The observer knows the time: it starts from the marginal law at the beginning of its window. With
    ``steps = 0`` that law is all it has; ``steps`` at or above the time is the forward filter.

    Raises:
        ValueError: if ``steps`` is negative, or as for :func:`forward_filter`.

    >>> sticky = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    >>> window_filter(torch.tensor([0.5, 0.5]), sticky, torch.tensor([[0.8, 0.2], [0.2, 0.8]]), steps=1)
    tensor([[0.8000, 0.2000],
            [0.2000, 0.8000]])
    """
    steps = integer("steps", steps, 0)
    initial, transition, likelihood = _checked(initial, transition, likelihood)
    times = likelihood.shape[-2]
    if steps >= times:
        return forward_filter(initial, transition, likelihood)
    belief = marginal_law(initial, transition, times)
    for _ in range(steps):  # one more observation for every time at once
        first = initial[..., None, :].expand(*belief.shape[:-2], 1, -1)  # [..., 1, states]
        weighed = torch.cat((first, belief[..., :-1, :] @ transition), -2) * likelihood  # [..., time, states]
        total = weighed.sum(-1, keepdim=True)
        _possible(total)
        belief = weighed / total
    return belief


def stationary_law(transition: Tensor) -> Tensor:
    """Where the chain ends up from a uniform start, ``[..., states]``: the mean row of a high power.

    >>> stationary_law(torch.tensor([[0.9, 0.1], [0.3, 0.7]]))
    tensor([0.7500, 0.2500])
    """
    return normalise(torch.linalg.matrix_power(_square(transition), 2**16).mean(-2))


def _after(belief: Tensor, transition: Tensor) -> Tensor:
    return (belief[..., None, :] @ transition)[..., 0, :]  # [..., states]


def _square(transition: Tensor) -> Tensor:
    transition = probabilities(transition, name="transition")
    if transition.ndim < 2 or transition.shape[-1] != transition.shape[-2]:
        raise ValueError(f"transition: expected [..., states, states], got {tuple(transition.shape)}")
    return transition


def _checked(
    initial: Tensor, transition: Tensor, likelihood: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments once they are laws and likelihoods of one size, in one dtype."""
    initial, transition = probabilities(initial, name="initial"), _square(transition)
    weights = torch.ones_like(initial)[..., None, :]  # [..., time, states]
    if likelihood is not None:
        weights = real_tensor("likelihood", likelihood, "[..., time, states]")
    if not weights.shape[-2] or not weights.shape[-1]:
        raise ValueError(f"likelihood: expected [..., time, states], got {tuple(weights.shape)}")
    if weights.numel():
        low, high = weights.detach().aminmax()  # one pass; a NaN anywhere becomes both
        if not (low >= 0 and high < torch.inf):
            raise ValueError(f"likelihood: expected finite values of at least 0, got {low:.4g} to {high:.4g}")
    shapes = (initial.shape[:-1], transition.shape[:-2], weights.shape[:-2])
    try:
        torch.broadcast_shapes(*shapes)
        fits = initial.shape[-1] == transition.shape[-1] == weights.shape[-1]
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            "initial, transition and likelihood: expected shapes that fit, got "
            f"{tuple(initial.shape)}, {tuple(transition.shape)} and {tuple(weights.shape)}"
        )
    dtype = torch.promote_types(torch.promote_types(initial.dtype, transition.dtype), weights.dtype)
    return initial.to(dtype), transition.to(dtype), weights.to(dtype)


def _possible(totals: Tensor) -> None:
    if not (totals > 0).all():
        raise ValueError("likelihood: all are 0, so the evidence is impossible under every hypothesis")
