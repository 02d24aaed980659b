"""Exact filters of hidden Markov models with known parameters: predict, weigh, normalise.

All take an initial law ``[..., states]``, transitions ``[..., states, states]`` (rows sum to 1) and for every time
the likelihood of what was observed under each state, ``[..., time, states]``. Source: Rabiner (1989).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tutorlib.bayes import normalise

__all__ = ["forward_filter", "marginal_law", "stationary_law", "window_filter"]


def forward_filter(initial: Tensor, transition: Tensor, likelihood: Tensor) -> Tensor:
    """Belief about the state at each time given all observations up to it, ``[..., time, states]``."""
    prior, beliefs = initial, []
    for weights in likelihood.unbind(-2):
        belief = normalise(prior * weights)  # [..., states]
        beliefs.append(belief)
        prior = (belief[..., None, :] @ transition)[..., 0, :]
    return torch.stack(beliefs, -2)


def marginal_law(initial: Tensor, transition: Tensor, times: int) -> Tensor:
    """Law of the state at each time without any observation, ``initial @ transition^t``, ``[..., time, states]``."""
    law, laws = initial, []
    for _ in range(times):
        laws.append(law)
        law = (law[..., None, :] @ transition)[..., 0, :]
    return torch.stack(laws, -2)


def window_filter(initial: Tensor, transition: Tensor, likelihood: Tensor, steps: int) -> Tensor:
    """Belief from the last ``steps`` observations only, ``[..., time, states]``.

    The observer knows the time: it starts from the marginal law at the beginning of its window. With
    ``steps = 0`` that law is all it has; ``steps`` at or above the time is the forward filter.

    Raises:
        ValueError: if ``steps`` is negative.
    """
    if steps < 0:
        raise ValueError(f"steps: expected at least 0, got {steps}")
    times = likelihood.shape[-2]
    if steps >= times:
        return forward_filter(initial, transition, likelihood)
    belief = marginal_law(initial, transition, times)
    for _ in range(steps):  # one more observation for every time at once
        prior = torch.cat(
            (initial[..., None, :], belief[..., :-1, :] @ transition), -2
        )  # [..., time, states]
        belief = normalise(prior * likelihood)
    return belief


def stationary_law(transition: Tensor) -> Tensor:
    """Where the chain ends up from a uniform start, ``[..., states]``: the mean row of a high power."""
    return normalise(torch.linalg.matrix_power(transition, 2**16).mean(-2))
