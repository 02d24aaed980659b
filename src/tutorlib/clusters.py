"""Clusters of points, and whether they are there: k-means, the silhouette, and agreement with given groups.

k-means returns k clusters for any points whatever, so a number of clusters is a finding only beside other numbers of
clusters, and beside points in which there are none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tutorlib.arguments import device_of, finite, integer, real_tensor

__all__ = ["k_means", "rand_index", "silhouette"]


def k_means(points: Tensor, k: int, generator: torch.Generator, starts: int = 5, rounds: int = 50) -> Tensor:
    """The cluster of each point, for the least sum of squared distances to the centres that was found.

    Lloyd's algorithm. The first centre is drawn at random, each further one with a probability proportional to its
    squared distance to the nearest centre so far (k-means++, Arthur and Vassilvitskii 2007).

    Args:
        points: real numbers ``[points, features]``, at least ``k`` of them different.
        k: how many clusters.
        generator: draws the starts.
        starts: how often to begin anew; the best result counts.
        rounds: the most steps from one start.

    Returns:
        Numbers 0 to ``k - 1``, int64 ``[points]``, in the order in which the clusters first occur.

    Raises:
        ValueError: if there are too few different points or an argument does not fit.

    >>> points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> k_means(points, 2, torch.Generator().manual_seed(0))
    tensor([0, 0, 1, 1])
    """
    points = _table(points)
    k, starts, rounds = integer("k", k, 1), integer("starts", starts, 1), integer("rounds", rounds, 1)
    device_of(generator)
    if (different := len(points.unique(dim=0))) < k:
        raise ValueError(f"points: expected at least {k} different ones, got {different}")
    best, least = torch.zeros(len(points), dtype=torch.int64), float("inf")
    for _ in range(starts):
        centres = _spread_out(points, k, generator)  # [k, features]
        for _ in range(rounds):
            labels = torch.cdist(points, centres).argmin(-1)  # [points]
            means = torch.stack(
                [points[labels == j].mean(0) if (labels == j).any() else centres[j] for j in range(k)]
            )
            if torch.equal(means, centres):
                break
            centres = means
        distance, labels = torch.cdist(points, centres).min(-1)  # [points] each
        if (cost := float((distance**2).sum())) < least:
            best, least = labels, cost
    # Numbered in the order in which they first occur, so that a grouping has one name.
    first = torch.stack([(best == j).int().argmax() for j in range(k)])  # [clusters]
    return first.argsort().argsort()[best]


def silhouette(points: Tensor, labels: Tensor) -> float:
    """Mean silhouette, from -1 to 1: near 1 if clusters lie far apart, near 0 if one runs into the next.

    For each point ``(b - a) / max(a, b)``, with ``a`` its mean distance to the others in its cluster and ``b`` that to
    the nearest other cluster; 0 for a point alone in its cluster (Rousseeuw 1987).

    Args:
        points: real numbers ``[points, features]``.
        labels: the cluster of each, int64 ``[points]``, in at least two clusters.

    Raises:
        ValueError: if the shapes do not fit or there is one cluster only.

    >>> points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> round(silhouette(points, torch.tensor([0, 0, 1, 1])), 2)
    0.98
    """
    points = _table(points)
    _, labels = _groups("labels", labels, len(points))
    sizes = torch.bincount(labels)  # [clusters]
    if len(sizes) < 2:
        raise ValueError("labels: expected at least two clusters, got one")
    apart = torch.cdist(points, points)  # [points, points]
    totals = torch.stack([apart[:, labels == j].sum(-1) for j in range(len(sizes))], -1)  # [points, clusters]
    own = totals.gather(-1, labels[:, None]).squeeze(-1) / (sizes[labels] - 1).clamp(min=1)  # [points]
    others = (totals / sizes).scatter(-1, labels[:, None], float("inf"))  # [points, clusters]
    nearest = others.amin(-1)  # [points]
    widest = torch.maximum(own, nearest).clamp(min=1e-300)
    return float(torch.where(sizes[labels] > 1, (nearest - own) / widest, 0.0).mean())


def rand_index(first: Tensor, second: Tensor) -> float:
    """How far two groupings of the same things agree: 1 if they are the same, about 0 if one says nothing of the other.

    The adjusted Rand index (Hubert and Arabie 1985): the share of pairs on which both agree, less what groups of these
    sizes would agree on by chance, over the most that could be had. The names of the groups play no part.

    Args:
        first: a group for each thing, int64 ``[things]``, at least two things.
        second: another, of the same length.

    Raises:
        ValueError: if the shapes do not fit.

    >>> rand_index(torch.tensor([0, 0, 1, 1]), torch.tensor([7, 7, 3, 3]))
    1.0
    """
    length = len(first) if isinstance(first, Tensor) and first.ndim == 1 else 0
    (_, a), (_, b) = _groups("first", first, length), _groups("second", second, length)
    joint = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.float64)
    joint.index_put_((a, b), torch.ones(length, dtype=torch.float64), accumulate=True)

    def pairs(counts: Tensor) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, rows, columns = pairs(joint), pairs(joint.sum(1)), pairs(joint.sum(0))
    chance = rows * columns / (length * (length - 1) / 2)
    most = (rows + columns) / 2
    return 1.0 if most == chance else (together - chance) / (most - chance)


def _table(points: Tensor) -> Tensor:
    """Points ``[points, features]`` in float64, or a ValueError."""
    if real_tensor("points", points, "[points, features]").ndim != 2 or not points.numel():
        raise ValueError(f"points: expected [points, features], not empty, got {list(points.shape)}")
    finite(points=points)
    return points.detach().double()


def _groups(name: str, labels: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The names that occur, and their numbers ``[things]``."""
    if (
        not isinstance(labels, Tensor)
        or labels.dtype != torch.int64
        or labels.shape != (length,)
        or length < 2
    ):
        got = f"{labels.dtype} {list(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"{name}: expected int64 [things], two or more and as many as there are, got {got}")
    names, numbers = labels.unique(return_inverse=True)
    return names, numbers


def _spread_out(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Centres to begin with ``[k, features]``, far from each other as a rule."""
    first = torch.randint(len(points), (1,), generator=generator)
    centres = points[first]
    while len(centres) < k:
        nearest = torch.cdist(points, centres).amin(-1) ** 2  # [points]
        centres = torch.cat((centres, points[torch.multinomial(nearest, 1, generator=generator)]))
    return centres
