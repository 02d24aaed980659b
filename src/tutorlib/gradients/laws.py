"""The two gradient laws in closed form, and what follows from them for queries, keys and matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tutorlib.arguments import finite, positive, real_tensor, shown

__all__ = [
    "advantages",
    "costs",
    "key_gradient",
    "matrix_gradient",
    "query_gradient",
    "score_gradient",
    "score_gradient_bound",
    "value_gradient",
]


def _pair(axes: dict[str, tuple[Tensor, str]], where: str, sizes: tuple[int, int]) -> None:
    """Check the tensors, and that one axis of the first is as long as one of the second."""
    (first, a), (second, b) = ((name, real_tensor(name, *given)) for name, given in axes.items())
    if a.shape[sizes[0]] != b.shape[sizes[1]]:
        raise ValueError(
            f"{first}, {second}: expected as many {where} in both, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if a.dtype != b.dtype:
        raise ValueError(f"{first}, {second}: expected one dtype, got {a.dtype} and {b.dtype}")
    finite(**{first: a, second: b})
    try:
        torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except RuntimeError:
        raise ValueError(
            f"{first}, {second}: expected batch and head axes that fit, got {tuple(a.shape)} and {tuple(b.shape)}"
        ) from None


def _weights(attention: object, of: str, tensor: object) -> Tensor:
    weights = real_tensor("attention", attention, "[..., queries, keys]")
    other = real_tensor(of, tensor, "[..., queries, keys]")
    if weights.shape != other.shape or weights.dtype != other.dtype:
        raise ValueError(
            f"attention, {of}: expected one shape and dtype, got {shown(weights)} and {shown(other)}"
        )
    # Rounding of float32 and of bfloat16 passes, anything else is no softmax.
    if not (weights >= 0).all() or not ((weights.sum(-1) - 1).abs() < 0.02).all():
        raise ValueError("attention: expected weights of at least 0 that sum to 1 in each row, got others")
    finite(**{of: other})
    return weights


def costs(output_gradient: Tensor, value: Tensor) -> Tensor:
    """What looking at each position costs, ``b_ij = u_i . v_j``: by how much the loss grows per unit of weight on it.

    Args:
        output_gradient: ``u``, the gradient of the loss at the outputs of the head, ``[..., queries, d]``.
        value: ``[..., keys, d]``.

    Returns:
        ``[..., queries, keys]``.

    Raises:
        ValueError: if the shapes do not fit.

    >>> costs(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 5.0], [-1.0, 0.0]]))
    tensor([[ 2., -1.]])
    """
    _pair(
        {"output_gradient": (output_gradient, "[..., queries, d]"), "value": (value, "[..., keys, d]")},
        "coordinates",
        (-1, -1),
    )
    return output_gradient @ value.mT


def advantages(attention: Tensor, costs: Tensor) -> Tensor:
    """By how much each position is cheaper than the row's mean: ``sum_k a_ik b_ik - b_ij``, ``[..., queries, keys]``.

    Descent raises a score with an advantage above 0 and lowers one below 0. Its mean under the weights is 0.

    Args:
        attention: weights that sum to 1 in each row, ``[..., queries, keys]``.
        costs: from :func:`costs`, of the same shape.

    Raises:
        ValueError: if the shapes differ or the rows are no weights.

    >>> advantages(torch.tensor([[0.5, 0.5]]), torch.tensor([[2.0, -1.0]]))
    tensor([[-1.5000,  1.5000]])
    """
    weights = _weights(attention, "costs", costs)
    return (weights * costs).sum(-1, keepdim=True) - costs


def score_gradient(attention: Tensor, costs: Tensor) -> Tensor:
    """The routing law: ``dL/ds_ij = a_ij (b_ij - sum_k a_ik b_ik)``, ``[..., queries, keys]``.

    Takes what :func:`advantages` takes. Rows sum to 0, and masked positions, with weight 0, get 0.

    Source: arXiv 2512.22473; it is the softmax's Jacobian applied to the costs.

    >>> score_gradient(torch.tensor([[0.5, 0.5]]), torch.tensor([[2.0, -1.0]]))
    tensor([[ 0.7500, -0.7500]])
    """
    gain = advantages(attention, costs)  # checks both
    return -attention * gain


def score_gradient_bound(attention: Tensor, costs: Tensor) -> Tensor:
    """The most that a score's gradient can be: ``a_ij (1 - a_ij)`` times the spread of the row's costs.

    The spread is the largest less the smallest cost among positions with weight. So routing stands still where weights
    are 0 or 1, and where costs are equal. Takes what :func:`advantages` takes, gives the same shape.

    >>> score_gradient_bound(torch.tensor([[0.5, 0.5]]), torch.tensor([[2.0, -1.0]]))
    tensor([[0.7500, 0.7500]])
    """
    weights = _weights(attention, "costs", costs)
    seen = weights > 0
    top = costs.masked_fill(~seen, -math.inf).amax(-1, keepdim=True)
    bottom = costs.masked_fill(~seen, math.inf).amin(-1, keepdim=True)
    return weights * (1 - weights) * (top - bottom)


def value_gradient(attention: Tensor, output_gradient: Tensor) -> Tensor:
    """The value law: ``dL/dv_j = sum_i a_ij u_i``, ``[..., keys, d]``.

    Args:
        attention: ``[..., queries, keys]``.
        output_gradient: ``u``, ``[..., queries, d]``.

    Raises:
        ValueError: if the shapes do not fit.

    Source: arXiv 2512.22473, where the update of a value is a step against this.

    >>> value_gradient(torch.tensor([[0.25, 0.75]]), torch.tensor([[4.0, 0.0]]))
    tensor([[1., 0.],
            [3., 0.]])
    """
    given = {
        "attention": (attention, "[..., queries, keys]"),
        "output_gradient": (output_gradient, "[..., queries, d]"),
    }
    _pair(given, "queries", (-2, -2))
    return attention.mT @ output_gradient


def query_gradient(score_gradient: Tensor, key: Tensor, scale: float | None = None) -> Tensor:
    """``dL/dq_i = scale sum_j dL/ds_ij k_j``, ``[..., queries, d]``, for scores ``scale * q_i . k_j`` plus anything fixed.

    Args:
        score_gradient: ``[..., queries, keys]``.
        key: ``[..., keys, d]``.
        scale: what dot products are multiplied by; ``1 / sqrt(d)`` if None.

    Raises:
        ValueError: if the shapes do not fit or the scale is not positive.

    >>> query_gradient(torch.tensor([[0.75, -0.75]]), torch.tensor([[1.0], [3.0]]))
    tensor([[-1.5000]])
    """
    given = {"score_gradient": (score_gradient, "[..., queries, keys]"), "key": (key, "[..., keys, d]")}
    _pair(given, "keys", (-1, -2))
    return score_gradient @ key * _scale(scale, key)


def key_gradient(score_gradient: Tensor, query: Tensor, scale: float | None = None) -> Tensor:
    """``dL/dk_j = scale sum_i dL/ds_ij q_i``, ``[..., keys, d]``; the sum over all keys is 0.

    Args:
        score_gradient: ``[..., queries, keys]``.
        query: ``[..., queries, d]``.
        scale: as in :func:`query_gradient`.

    Raises:
        ValueError: if the shapes do not fit or the scale is not positive.

    >>> key_gradient(torch.tensor([[0.75, -0.75]]), torch.tensor([[2.0]]))
    tensor([[ 1.5000],
            [-1.5000]])
    """
    given = {
        "score_gradient": (score_gradient, "[..., queries, keys]"),
        "query": (query, "[..., queries, d]"),
    }
    _pair(given, "queries", (-2, -2))
    return score_gradient.mT @ query * _scale(scale, query)


def _scale(scale: float | None, vectors: Tensor) -> float:
    return 1 / math.sqrt(vectors.shape[-1]) if scale is None else positive("scale", scale)


def matrix_gradient(inputs: Tensor, gradient: Tensor) -> Tensor:
    """``dL/dW`` for ``y = W x``, summed over everything that uses ``W``: ``sum dL/dy x^T``, ``[out, in]``.

    Args:
        inputs: ``x``, ``[..., positions, in]``.
        gradient: ``dL/dy``, ``[..., positions, out]``.

    Raises:
        ValueError: if the shapes do not fit.

    >>> matrix_gradient(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]))
    tensor([[3., 6.]])
    """
    given = {"inputs": (inputs, "[..., positions, in]"), "gradient": (gradient, "[..., positions, out]")}
    _pair(given, "positions", (-2, -2))
    if inputs.shape[:-2] != gradient.shape[:-2]:
        raise ValueError(
            f"inputs, gradient: expected the same batch, got {tuple(inputs.shape)}, {tuple(gradient.shape)}"
        )
    return gradient.flatten(0, -2).mT @ inputs.flatten(0, -2)
