"""Information in bits: surprise, entropy, cross-entropy, KL divergence, total variation, mutual information.

Every function takes probabilities along one axis (the last, unless ``dim`` says otherwise) and works on any
number of distributions at once. A list, a NumPy array or a tensor will do; the answer is a tensor. Two
functions start from logits instead, which is more precise when a probability is close to zero.

One bit is the surprise of one toss of a fair coin. To get nats, multiply by ln 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tutorlib.arguments import shown

__all__ = [
    "cross_entropy",
    "cross_entropy_from_logits",
    "entropy",
    "entropy_from_logits",
    "kl_divergence",
    "kl_from_logits",
    "log_probabilities",
    "mutual_information",
    "probabilities",
    "surprise",
    "total_variation",
]

ArrayLike = Tensor | np.ndarray | Sequence | float

NATS_PER_BIT = math.log(2.0)
SUM_TOLERANCE = 1e-4  # float32 sums over a few hundred symbols stay well inside this


def as_tensor(values: ArrayLike, name: str = "values") -> Tensor:
    """Return ``values`` as a floating tensor; Python numbers and lists become float64.

    Raises:
        ValueError: if the values are not real numbers, or hold NaN.
    """
    tensor = values if isinstance(values, Tensor) else _from_numbers(values, name)
    if tensor.is_complex():
        raise ValueError(f"{name}: expected real numbers, got dtype {tensor.dtype}")
    if tensor.is_meta:
        raise ValueError(f"{name}: expected a tensor with values, got one on the meta device")
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise ValueError(f"{name}: expected a dense tensor, got {tensor.layout}, {tensor.dtype}")
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    elif tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.to(torch.float32)  # two bytes are too few to add up probabilities
    if torch.isnan(tensor).any():
        raise ValueError(f"{name}: expected numbers, got NaN")
    return tensor


def _from_numbers(values: object, name: str) -> Tensor:
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USMmVc":  # text that looks like a number is none; neither is a date
            raise ValueError(f"dtype {array.dtype}")
        return torch.as_tensor(array.astype(np.float64))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(f"{name}: expected real numbers, got {shown(values)}") from error


def check_axis(tensor: Tensor, dim: int, name: str) -> None:
    """Raise a ValueError unless ``tensor`` has the axis ``dim``, with one outcome or more along it."""
    if tensor.ndim == 0:
        raise ValueError(f"{name}: expected at least one axis, got a single number {float(tensor)}")
    whole = isinstance(dim, int) and not isinstance(dim, bool)
    if not whole or not -tensor.ndim <= dim < tensor.ndim:
        ends = f"{-tensor.ndim} to {tensor.ndim - 1}"
        raise ValueError(f"dim of {name}: expected an axis {ends}, got axis {shown(dim)}")
    if not tensor.shape[dim]:
        raise ValueError(f"{name}: expected an outcome or more along axis {dim} (a sum of 1), got none")


def check_fit(p: Tensor, q: Tensor, dim: int, names: str) -> None:
    """Raise a ValueError unless the two lie on one device, agree along ``dim`` and fit each other elsewhere."""
    if p.device != q.device:
        raise ValueError(f"{names}: expected one device, got {p.device} and {q.device}")
    if p.shape[dim] != q.shape[dim]:
        raise ValueError(f"{names}: expected the same outcomes, got {p.shape[dim]} and {q.shape[dim]}")
    try:
        torch.broadcast_shapes(p.shape, q.shape)
        fits = dim < 0 or p.ndim == q.ndim  # an axis counted from the left is the same one only then
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{names}: expected shapes that fit, got {tuple(p.shape)} and {tuple(q.shape)}")


def probabilities(values: ArrayLike, dim: int = -1, name: str = "probabilities") -> Tensor:
    """Check that ``values`` are distributions along ``dim`` and return them as a tensor.

    Raises:
        ValueError: if there is no such axis, a value is negative, or a sum differs from 1 by more than 1e-4.

    >>> probabilities([0.25, 0.75])
    tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    p = as_tensor(values, name)
    check_axis(p, dim, name)
    if (p < 0).any():
        raise ValueError(f"{name}: expected values of at least 0, got {float(p.min()):.4g}")
    sums = p.sum(dim)
    off = (sums - 1).abs()
    if not bool((off <= SUM_TOLERANCE).all()):
        worst = sums.flatten()[off.flatten().argmax()]
        raise ValueError(f"{name}: expected a sum of 1 along axis {dim}, got {float(worst):.6g}")
    return p


def _pair(p: ArrayLike, q: ArrayLike, dim: int) -> tuple[Tensor, Tensor]:
    p, q = probabilities(p, dim, "p"), probabilities(q, dim, "q")
    check_fit(p, q, dim, "p and q")
    return p, q


def surprise(p: ArrayLike) -> Tensor:
    """Surprise of an event of probability ``p``: ``log2(1 / p)`` in bits; infinite at ``p = 0``.

    Raises:
        ValueError: if a value lies outside [0, 1].

    >>> surprise([1, 0.5, 0.25])
    tensor([0., 1., 2.], dtype=torch.float64)
    """
    p = as_tensor(p, "p")
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"p: expected probabilities in [0, 1], got {float(p.min())} to {float(p.max())}")
    return -torch.log2(p) + 0.0  # + 0.0 turns -0 into 0


def entropy(p: ArrayLike, dim: int = -1) -> Tensor:
    """Shannon entropy ``H(p) = sum_i p_i log2(1 / p_i)`` in bits.

    Args:
        p: probabilities ``[..., outcomes, ...]`` with the outcomes along ``dim``.

    Returns:
        The shape of ``p`` without ``dim``; between 0 and ``log2(outcomes)``.

    >>> entropy([0.5, 0.25, 0.25])
    tensor(1.5000, dtype=torch.float64)
    """
    p = probabilities(p, dim, "p")
    return torch.special.entr(p).sum(dim) / NATS_PER_BIT + 0.0  # entr has 0 log 0 = 0; + 0.0 turns -0 into 0


def cross_entropy(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Tensor:
    """Cross-entropy ``sum_i p_i log2(1 / q_i)`` in bits: the mean surprise of someone who believes ``q``.

    It is infinite where ``p`` gives weight to an outcome that ``q`` calls impossible.

    >>> cross_entropy([0.5, 0.5], [0.25, 0.75])
    tensor(1.2075, dtype=torch.float64)
    """
    p, q = _pair(p, q, dim)
    return -torch.xlogy(p, q).sum(dim) / NATS_PER_BIT + 0.0


def kl_divergence(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Tensor:
    """Kullback-Leibler divergence ``KL(p || q) = sum_i p_i log2(p_i / q_i)`` in bits.

    The extra surprise paid for believing ``q`` when outcomes follow ``p``; 0 if and only if they are equal.

    >>> kl_divergence([0.5, 0.5], [0.25, 0.75])
    tensor(0.2075, dtype=torch.float64)
    """
    p, q = _pair(p, q, dim)
    divergence = (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim) / NATS_PER_BIT
    return divergence.clamp(min=0)  # below 0 only by rounding


def total_variation(p: ArrayLike, q: ArrayLike, dim: int = -1) -> Tensor:
    """Total variation distance ``0.5 sum_i |p_i - q_i|``: the most two beliefs can differ on any event.

    >>> total_variation([0.5, 0.5], [0.25, 0.75])
    tensor(0.2500, dtype=torch.float64)
    """
    p, q = _pair(p, q, dim)
    return 0.5 * (p - q).abs().sum(dim)


def mutual_information(joint: ArrayLike) -> Tensor:
    """Mutual information in bits of a joint table ``[..., x, y]`` whose last two axes sum to 1.

    >>> mutual_information([[0.5, 0], [0, 0.5]])
    tensor(1., dtype=torch.float64)
    """
    joint = as_tensor(joint, "joint")
    if joint.ndim < 2:
        raise ValueError(f"joint: expected a table [..., x, y], got shape {tuple(joint.shape)}")
    flat = probabilities(joint.flatten(-2), -1, "joint")  # [..., x * y]; checks the entries
    independent = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)  # [..., x, y]
    independent = independent / joint.sum((-2, -1), keepdim=True)  # where the sum is 1 by rounding only
    return kl_divergence(flat, independent.flatten(-2))


def log_probabilities(logits: Tensor, dim: int = -1) -> Tensor:
    """``log2 softmax(logits)`` in float64, so that small divergences are not rounding error.

    Raises:
        ValueError: if there is no such axis, a logit is NaN or infinity, or all of them are minus infinity.

    >>> log_probabilities(torch.tensor([0.0, 0.0]))
    tensor([-1., -1.], dtype=torch.float64)
    """
    values = as_tensor(logits, "logits").double()
    check_axis(values, dim, "logits")
    log_q = torch.log_softmax(values, dim) / NATS_PER_BIT
    if torch.isnan(log_q).any():
        raise ValueError("logits: expected values below infinity, one of them finite, got others")
    return log_q


def entropy_from_logits(logits: Tensor, dim: int = -1) -> Tensor:
    """Entropy in bits of ``softmax(logits)``, stable for extreme logits.

    >>> entropy_from_logits(torch.tensor([0.0, -1000.0]))
    tensor(0., dtype=torch.float64)
    """
    log_q = log_probabilities(logits, dim)
    weights = torch.exp2(log_q)
    return -torch.where(weights > 0, weights * log_q, 0.0).sum(dim) + 0.0


def cross_entropy_from_logits(p: ArrayLike, logits: Tensor, dim: int = -1) -> Tensor:
    """Cross-entropy in bits of ``softmax(logits)`` when outcomes follow ``p``.

    >>> cross_entropy_from_logits([0.5, 0.5], torch.tensor([0.0, 0.0]))
    tensor(1., dtype=torch.float64)
    """
    p = probabilities(p, dim, "p").double()
    log_q = log_probabilities(logits, dim)
    check_fit(p, log_q, dim, "p and logits")
    return -torch.where(p > 0, p * log_q, 0.0).sum(dim) + 0.0


def kl_from_logits(p: ArrayLike, logits: Tensor, dim: int = -1) -> Tensor:
    """``KL(p || softmax(logits))`` in bits, stable for extreme logits.

    >>> kl_from_logits([1, 0], torch.tensor([0.0, 0.0]))
    tensor(1., dtype=torch.float64)
    """
    p = probabilities(p, dim, "p").double()
    return cross_entropy_from_logits(p, logits, dim) - entropy(p, dim)
