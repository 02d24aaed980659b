"""EM for mixtures of Gaussians: who made each point, and where that moves the centres.

A mixture has components. Each point was made by one of them, and which one is hidden. Expectation-maximisation
(EM; Dempster, Laird and Rubin 1977) repeats two steps:

* the E step, ``responsibilities``: Bayes' rule for each point, over components;
* the M step, ``maximise``: the parameters that are best if the responsibilities are taken as shares of points.

``log_likelihood`` never falls from one round to the next, because both steps raise ``lower_bound``. Arguments that do
not fit raise a ValueError everywhere; ``log_joint_nats`` and ``maximise`` say which.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.bits import NATS_PER_BIT, ArrayLike, as_tensor, probabilities

__all__ = [
    "PARAMETERS",
    "Fit",
    "GaussianMixture",
    "fit",
    "log_joint_nats",
    "log_likelihood",
    "lower_bound",
    "maximise",
    "responsibilities",
    "step",
]

PARAMETERS = ("centres", "widths", "prior")
LEAST_WIDTH = 1e-6


class GaussianMixture:
    """A mixture of round Gaussians.

    Args:
        centres: means, ``[components]`` for points that are single numbers, else ``[components, features]``.
        widths: standard deviations, one for each component or one for all; the same in every direction.
        prior: mixing proportions, the probability of each component, ``[components]``; equal if left out.

    Attributes:
        centres: as given.
        widths: ``[components]``.
        prior: ``[components]``.

    Raises:
        ValueError: if the shapes do not fit, a centre is not finite, a width is not positive and finite, or the
            prior is no distribution.

    >>> GaussianMixture([0.0, 4.0], 1.0)
    GaussianMixture(centres=[0.0, 4.0], widths=[1.0, 1.0], prior=[0.5, 0.5])
    """

    def __init__(self, centres: ArrayLike, widths: ArrayLike, prior: ArrayLike | None = None) -> None:
        centres, widths = as_tensor(centres, "centres"), as_tensor(widths, "widths")
        if centres.ndim not in (1, 2) or 0 in centres.shape:
            raise ValueError(
                f"centres: expected shape [components] or [components, features], got {tuple(centres.shape)}"
            )
        if torch.isinf(centres).any():
            raise ValueError("centres: expected finite numbers, got infinity")
        components = centres.shape[0]
        prior = centres.new_full((components,), 1 / components) if prior is None else prior
        prior = probabilities(prior, name="prior")
        for name, values in (("widths", widths), ("prior", prior)):
            if values.shape != (components,) and not (name == "widths" and values.ndim == 0):
                raise ValueError(
                    f"{name}: expected one for each of {components} components, got shape {tuple(values.shape)}"
                )
        if (widths <= 0).any() or torch.isinf(widths).any():
            raise ValueError(f"widths: expected positive finite numbers, got {widths.tolist()}")
        self.centres, self.prior = centres, prior
        self.widths = widths.expand(components)  # [components]

    def __repr__(self) -> str:
        parts = (f"{name}={getattr(self, name).tolist()}" for name in PARAMETERS)
        return f"GaussianMixture({', '.join(parts)})"


@dataclass(frozen=True, eq=False)
class Fit:
    """What ``fit`` gives back.

    Attributes:
        mixture: the mixture after the last round.
        trace: log likelihood in bits before the first round and after each, ``[rounds + 1]``.
        converged: whether the last round gained less than the tolerance.

    >>> Fit(GaussianMixture([0.0], 1.0), torch.tensor([-2.0, -1.0]), True).converged
    True
    """

    mixture: GaussianMixture
    trace: Tensor
    converged: bool


def _points(points: ArrayLike, mixture: GaussianMixture) -> Tensor:
    points = as_tensor(points, "points")
    wanted = "[points]" if mixture.centres.ndim == 1 else f"[points, {mixture.centres.shape[1]}]"
    if points.ndim != mixture.centres.ndim or points.shape[1:] != mixture.centres.shape[1:]:
        raise ValueError(f"points: expected shape {wanted} like the centres, got {tuple(points.shape)}")
    if points.shape[0] == 0 or torch.isinf(points).any():
        raise ValueError("points: expected at least one, and finite numbers")
    return points


def _squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    gaps = points[:, None] - centres[None]  # [points, components] or [points, components, features]
    return gaps.square() if gaps.ndim == 2 else gaps.square().sum(-1)


def log_joint_nats(points: ArrayLike, mixture: GaussianMixture) -> Tensor:
    """Log prior plus log likelihood of each component for each point, in nats: ``[points, components]``.

    Its softmax over components is the responsibilities, its log-sum-exp the log density of a point.

    Args:
        points: ``[points]``, or ``[points, features]``, as the centres are.
        mixture: the mixture.

    Raises:
        ValueError: if the points do not fit the centres, are none, or are not finite.

    >>> log_joint_nats([0.0], GaussianMixture([0.0, 4.0], 1.0))
    tensor([[-1.6121, -9.6121]], dtype=torch.float64)
    """
    points = _points(points, mixture)
    features = 1 if points.ndim == 1 else points.shape[1]
    squared = _squared_distances(points, mixture.centres)  # [points, components]
    log_norm = features * torch.log(mixture.widths * math.sqrt(2 * math.pi))  # [components]
    return torch.log(mixture.prior) - log_norm - squared / (2 * mixture.widths.square())


def responsibilities(points: ArrayLike, mixture: GaussianMixture) -> Tensor:
    """The E step: the posterior over components for each point, ``[points, components]``; rows sum to 1.

    >>> responsibilities([1.9], GaussianMixture([0.0, 4.0], 1.0))
    tensor([[0.5987, 0.4013]], dtype=torch.float64)
    """
    return torch.softmax(log_joint_nats(points, mixture), dim=-1)


def log_likelihood(points: ArrayLike, mixture: GaussianMixture) -> Tensor:
    """Log density of all points together, in bits: the sum over points of ``log2 sum_k prior_k density_k``.

    Its size depends on the unit in which the points are measured, since a density does. Differences do not.

    >>> log_likelihood([0.0, 4.0], GaussianMixture([0.0, 4.0], 1.0))
    tensor(-4.6505, dtype=torch.float64)
    """
    return torch.logsumexp(log_joint_nats(points, mixture), dim=-1).sum() / NATS_PER_BIT


def _shares(shares: ArrayLike, points: Tensor, mixture: GaussianMixture) -> Tensor:
    shares = probabilities(shares, name="shares")
    wanted = (points.shape[0], mixture.prior.shape[0])
    if shares.shape != wanted:
        raise ValueError(f"shares: expected shape [points, components] = {wanted}, got {tuple(shares.shape)}")
    return shares


def lower_bound(points: ArrayLike, mixture: GaussianMixture, shares: ArrayLike) -> Tensor:
    """The evidence lower bound in bits: ``sum_ik shares_ik log2(joint_ik / shares_ik)``.

    It is the log likelihood minus the KL divergence from ``shares`` to the responsibilities, summed over points:
    never above the log likelihood, and equal to it when the shares are the responsibilities.

    Args:
        points: ``[points]`` or ``[points, features]``.
        mixture: the mixture.
        shares: any distribution over components for each point, ``[points, components]``.

    Raises:
        ValueError: as ``log_joint_nats``, or if ``shares`` are no distributions or have another shape.

    >>> lower_bound([0.0, 4.0], GaussianMixture([0.0, 4.0], 1.0), [[0.5, 0.5], [0.5, 0.5]])
    tensor(-14.1931, dtype=torch.float64)
    """
    joint = log_joint_nats(points, mixture)  # [points, components]
    shares = _shares(shares, joint, mixture)
    # Where a share is 0 its term is 0, even if the joint is 0 as well.
    terms = torch.where(shares > 0, shares * (joint - torch.log(shares)), 0.0)  # [points, components]
    return terms.sum() / NATS_PER_BIT


def _learnt(learn: str | Collection[str]) -> set[str]:
    names = {learn} if isinstance(learn, str) else set(learn)
    if not names or not names <= set(PARAMETERS):
        raise ValueError(f"learn: expected some of {', '.join(PARAMETERS)}, got {learn!r}")
    return names


def maximise(
    points: ArrayLike,
    shares: ArrayLike,
    mixture: GaussianMixture,
    learn: str | Collection[str] = PARAMETERS,
    least_width: float = LEAST_WIDTH,
) -> GaussianMixture:
    """The M step: the mixture with the largest lower bound for these shares.

    A centre moves to the weighted mean of all points, with the component's column of ``shares`` as weights. A
    width becomes the root of the weighted mean squared distance. The prior becomes the mean share.

    Args:
        points: ``[points]`` or ``[points, features]``.
        shares: usually the responsibilities, ``[points, components]``.
        mixture: the mixture so far; what is not learnt is taken from it, and so are the centre and width of a
            component whose shares are all 0, since no value is better than another.
        learn: which of ``centres``, ``widths`` and ``prior`` to change.
        least_width: learnt widths are at least this. Without it the likelihood has no maximum: a component that
            sits on one point alone gains by every narrowing.

    Raises:
        ValueError: as ``lower_bound``, or if ``learn`` names something else or ``least_width`` is not positive.

    >>> maximise([0.0, 1.0, 4.0], [[1, 0], [1, 0], [0, 1]], GaussianMixture([0.0, 1.0], 1.0)).centres
    tensor([0.5000, 4.0000], dtype=torch.float64)
    """
    points, names = _points(points, mixture), _learnt(learn)
    shares = _shares(shares, points, mixture).to(points.dtype)
    if not 0 < least_width < math.inf:
        raise ValueError(f"least_width: expected a positive number, got {least_width}")
    counts = shares.sum(0)  # [components]: points that each component answers for
    used, safe = counts > 0, counts.clamp(min=torch.finfo(counts.dtype).tiny)
    centres, widths, prior = mixture.centres, mixture.widths, mixture.prior
    if "centres" in names:
        flat = points.reshape(len(points), -1)  # [points, features]
        means = ((shares.T @ flat) / safe[:, None]).reshape(centres.shape)
        centres = torch.where(used if centres.ndim == 1 else used[:, None], means, centres)
    if "widths" in names:
        features = 1 if points.ndim == 1 else points.shape[1]
        squared = _squared_distances(points, centres)  # [points, components]
        spread = (shares * squared).sum(0) / (features * safe)  # [components]
        widths = torch.where(used, spread.sqrt().clamp(min=least_width), widths)
    if "prior" in names:
        prior = counts / counts.sum()
    return GaussianMixture(centres, widths, prior)


def step(
    points: ArrayLike,
    mixture: GaussianMixture,
    learn: str | Collection[str] = PARAMETERS,
    least_width: float = LEAST_WIDTH,
) -> GaussianMixture:
    """One round of EM: an E step, then an M step.

    >>> step([0.0, 1.0, 4.0, 5.0], GaussianMixture([0.0, 1.0], 1.0), learn="centres").centres
    tensor([0.5284, 3.1930], dtype=torch.float64)
    """
    return maximise(points, responsibilities(points, mixture), mixture, learn, least_width)


def fit(
    points: ArrayLike,
    start: GaussianMixture,
    rounds: int = 1000,
    tolerance: float = 1e-6,
    learn: str | Collection[str] = PARAMETERS,
    least_width: float = LEAST_WIDTH,
) -> Fit:
    """Rounds of EM from a start, until a round gains less than ``tolerance`` bits.

    Where it ends depends on the start: the log likelihood never falls, but the top that is reached need not be
    the highest, and may be a saddle.

    Args:
        points: ``[points]`` or ``[points, features]``.
        start: where to begin.
        rounds: at most so many.
        tolerance: in bits of log likelihood.
        learn: which parameters to change.
        least_width: as in ``maximise``.

    Raises:
        ValueError: as ``maximise``, or if ``rounds`` is below 1 or ``tolerance`` is negative.

    >>> fit([0.0, 1.0, 4.0, 5.0], GaussianMixture([0.0, 1.0], 1.0), learn="centres").mixture.centres
    tensor([0.5039, 4.4961], dtype=torch.float64)
    """
    if rounds < 1 or not tolerance >= 0:
        raise ValueError(f"rounds, tolerance: expected at least 1 and 0, got {rounds} and {tolerance}")
    mixture, converged = start, False
    trace = [log_likelihood(points, mixture)]
    while len(trace) <= rounds and not converged:
        mixture = step(points, mixture, learn, least_width)
        trace.append(log_likelihood(points, mixture))
        converged = bool(trace[-1] - trace[-2] < tolerance)
    return Fit(mixture, torch.stack(trace), converged)
