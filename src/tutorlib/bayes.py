"""Bayes' rule for a finite list of hypotheses: condition, predict, normalise.

A belief is a vector of probabilities over hypotheses. Three verbs are enough for the whole book:

* ``condition(prior, likelihood)`` weighs each hypothesis by how well it foretold the evidence;
* ``predict(belief, transition)`` says what comes next;
* ``normalise(weights)`` turns weights into shares of one.

``natural_frequencies`` says the same in counts of cases, ``odds`` in ratios.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tutorlib.arguments import is_real, positive, shown
from tutorlib.bits import ArrayLike, as_tensor, check_axis, check_fit, probabilities

__all__ = [
    "beta_bernoulli",
    "condition",
    "evidence",
    "log_odds",
    "natural_frequencies",
    "normalise",
    "odds",
    "predict",
    "probability",
]


def normalise(weights: ArrayLike, dim: int = -1) -> Tensor:
    """Divide weights by their sum along ``dim``, so that they become probabilities.

    Args:
        weights: ``[..., hypotheses]``, at least 0; counts will do.

    Raises:
        ValueError: if a weight is negative or infinite, or if all weights along ``dim`` are 0 (the evidence
            is impossible under every hypothesis).

    >>> normalise([3, 1])
    tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    weights = as_tensor(weights, "weights")
    check_axis(weights, dim, "weights")
    if (weights < 0).any():
        raise ValueError(f"weights: expected values of at least 0, got {float(weights.min()):.4g}")
    if torch.isinf(weights).any():
        raise ValueError("weights: expected finite values, got infinity")
    total = weights.sum(dim, keepdim=True)
    if torch.isinf(total).any():  # finite weights whose sum is too large for the dtype
        weights = weights / weights.amax(dim, keepdim=True).clamp(min=1)
        total = weights.sum(dim, keepdim=True)
    if (total == 0).any():
        raise ValueError("weights: all are 0, so the evidence is impossible under every hypothesis")
    return weights / total


def _weigh(prior: ArrayLike, likelihood: ArrayLike) -> Tensor:
    prior = probabilities(prior, name="prior")  # [..., hypotheses]
    likelihood = as_tensor(likelihood, "likelihood")  # [..., hypotheses]
    if likelihood.ndim == 0 or prior.shape[-1] != likelihood.shape[-1]:
        got = "a single number" if likelihood.ndim == 0 else f"{likelihood.shape[-1]}"
        raise ValueError(
            f"likelihood: expected one value for each of {prior.shape[-1]} hypotheses, got {got}"
        )
    if (likelihood < 0).any():
        raise ValueError(f"likelihood: expected values of at least 0, got {float(likelihood.min()):.4g}")
    if torch.isinf(likelihood).any():
        raise ValueError("likelihood: expected finite values, got infinity")
    check_fit(prior, likelihood, -1, "prior and likelihood")
    return prior * likelihood


def condition(prior: ArrayLike, likelihood: ArrayLike) -> Tensor:
    """Bayes' rule: the belief after the evidence, ``prior * likelihood / sum(prior * likelihood)``.

    Args:
        prior: belief before the evidence, ``[..., hypotheses]``.
        likelihood: probability (or density) of the evidence under each hypothesis, ``[..., hypotheses]``.

    Returns:
        The posterior, ``[..., hypotheses]``.

    Raises:
        ValueError: if the prior is no distribution, a likelihood is negative, the lengths differ, or the
            evidence is impossible under every hypothesis.

    >>> condition([0.3, 0.7], [0.8, 0.15])  # rain, and the forecast says rain
    tensor([0.6957, 0.3043], dtype=torch.float64)
    """
    weights = _weigh(prior, likelihood)  # [..., hypotheses]
    if (weights.sum(-1) == 0).any():
        raise ValueError("prior and likelihood: the evidence is impossible under every hypothesis")
    return normalise(weights)


def evidence(prior: ArrayLike, likelihood: ArrayLike) -> Tensor:
    """Probability of the evidence before it was seen, ``sum(prior * likelihood)`` (marginal likelihood).

    >>> evidence([0.3, 0.7], [0.8, 0.15])
    tensor(0.3450, dtype=torch.float64)
    """
    return _weigh(prior, likelihood).sum(-1)


def predict(belief: ArrayLike, transition: ArrayLike) -> Tensor:
    """Belief about what comes next: ``sum_i belief_i * transition[i, j]``.

    Args:
        belief: ``[..., states]``.
        transition: ``[..., states, next]``, each row a distribution: the chance of ``next`` from each state.

    Returns:
        ``[..., next]``. With a table of emission probabilities it is the posterior predictive.

    >>> predict([0.5, 0.5], [[0.9, 0.1], [0.4, 0.6]])
    tensor([0.6500, 0.3500], dtype=torch.float64)
    """
    belief = probabilities(belief, name="belief")
    transition = probabilities(transition, name="transition")
    if transition.ndim < 2 or belief.shape[-1] != transition.shape[-2]:
        raise ValueError(
            f"transition: expected {belief.shape[-1]} rows, one a state, got shape {tuple(transition.shape)}"
        )
    check_fit(belief, transition[..., 0], -1, "belief and transition")
    dtype = torch.promote_types(belief.dtype, transition.dtype)
    return torch.einsum("...i,...ij->...j", belief.to(dtype), transition.to(dtype))


def odds(p: ArrayLike) -> Tensor:
    """Odds ``p / (1 - p)`` of an event of probability ``p``; infinite at 1.

    >>> odds(0.75)
    tensor(3., dtype=torch.float64)
    """
    p = as_tensor(p, "p")
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"p: expected probabilities in [0, 1], got {float(p.min())} to {float(p.max())}")
    return p / (1 - p)


def log_odds(p: ArrayLike) -> Tensor:
    """Log-odds ``log2(p / (1 - p))`` in bits. Independent evidence adds up on this scale.

    >>> log_odds([0.5, 0.8])
    tensor([0.0000, 2.0000], dtype=torch.float64)
    """
    return torch.log2(odds(p))


def probability(odds: ArrayLike) -> Tensor:
    """Probability of an event with these odds, ``odds / (1 + odds)``; the inverse of :func:`odds`.

    >>> probability(3)
    tensor(0.7500, dtype=torch.float64)
    """
    ratio = as_tensor(odds, "odds")
    if (ratio < 0).any():
        raise ValueError(f"odds: expected values of at least 0, got {float(ratio.min()):.4g}")
    return torch.where(torch.isinf(ratio), 1.0, ratio / (1 + ratio))


def natural_frequencies(cases: float, prior: ArrayLike, likelihood: ArrayLike) -> Tensor:
    """Expected counts among ``cases`` cases: which hypothesis holds, and what is then seen.

    Args:
        cases: how many cases to imagine, for example 1,000 mornings.
        prior: ``[hypotheses]``.
        likelihood: ``[hypotheses, outcomes]``, each row a distribution over what may be seen.

    Returns:
        Table ``[hypotheses, outcomes]`` of counts that sum to ``cases``. A column, normalised, is a posterior.

    Raises:
        ValueError: if ``cases`` is not positive or a shape does not fit.

    >>> natural_frequencies(1000, [0.3, 0.7], [[0.8, 0.2], [0.15, 0.85]])
    tensor([[240.,  60.],
            [105., 595.]], dtype=torch.float64)
    """
    cases = positive("cases", cases)
    prior = probabilities(prior, name="prior")
    likelihood = probabilities(likelihood, name="likelihood")
    if likelihood.ndim != 2 or prior.ndim != 1 or likelihood.shape[0] != prior.shape[0]:
        raise ValueError(
            "likelihood: expected a table [hypotheses, outcomes] with one row for each of the "
            f"{prior.shape[-1]} hypotheses, got shape {tuple(likelihood.shape)}"
        )
    return cases * prior[:, None] * likelihood


def beta_bernoulli(heads: ArrayLike, tails: ArrayLike, a: float = 1.0, b: float = 1.0) -> Tensor:
    """Chance that the next toss shows heads, after ``heads`` and ``tails``, for a Beta(a, b) prior.

    ``(heads + a) / (heads + tails + a + b)``; with ``a = b = 1`` it is Laplace's rule of succession.

    Raises:
        ValueError: if a count is negative, the shapes do not fit, or ``a`` or ``b`` is not positive.

    >>> beta_bernoulli(heads=2, tails=0)
    tensor(0.7500, dtype=torch.float64)
    """
    heads, tails = as_tensor(heads, "heads"), as_tensor(tails, "tails")
    for name, counts in (("heads", heads), ("tails", tails)):
        if (counts < 0).any():
            raise ValueError(f"{name}: expected counts of at least 0, got {float(counts.min()):g}")
        if torch.isinf(counts).any():
            raise ValueError(f"{name}: expected finite counts, got infinity")
    if not (is_real(a) and is_real(b) and 0 < a <= 1e30 and 0 < b <= 1e30):  # so that float32 holds the sums
        raise ValueError(f"a and b: expected positive numbers, at most 1e30, got {shown(a)} and {shown(b)}")
    dtype = torch.promote_types(heads.dtype, tails.dtype)  # two single numbers would take the smaller one's
    heads, tails = heads.to(dtype), tails.to(dtype)
    try:
        tosses = heads + tails
    except RuntimeError as error:
        raise ValueError(
            f"heads and tails: expected shapes that fit, got {tuple(heads.shape)} and {tuple(tails.shape)}"
        ) from error
    return (heads + a) / (tosses + a + b)
