"""The optimiser of the book: Muon for the matrices inside a network, AdamW for everything else.

Muon makes each update of a weight matrix orthogonal, so that no direction of the matrix is starved (Jordan and
others, 2024). PyTorch ships one from version 2.9 on; ours runs on older versions, works in the dtype of the
weights, and treats matrices of one shape in one batch, which is what makes it cheap on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.arguments import finite, instance, integer, is_real, real_tensor, shown

__all__ = ["Muon", "newton_schulz", "optimisers_for"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the quintic of the original: fast, singular values end near 1


def newton_schulz(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearest-orthogonal direction of ``matrix`` ``[..., rows, columns]``: singular values brought near 1.

    >>> torch.linalg.svdvals(newton_schulz(torch.diag(torch.tensor([1.0, 0.1])))).round(decimals=1)
    tensor([0.7000, 0.7000])
    """
    if not real_tensor("matrix", matrix, "[..., rows, columns]").numel():
        raise ValueError(f"matrix: expected numbers, got shape {tuple(matrix.shape)}")
    finite(matrix=matrix)
    return _newton_schulz(matrix, integer("steps", steps, 0))


def _newton_schulz(matrix: Tensor, steps: int = 5) -> Tensor:
    a, b, c = COEFFICIENTS
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def _rate(name: str, value: object) -> None:
    if not is_real(value) or value < 0:
        raise ValueError(f"{name}: expected a number of at least 0, got {shown(value)}")


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal. For matrices only; weight decay is decoupled.

    Args:
        params: parameters with two axes.
        lr: learning rate; the update of an ``[rows, columns]`` matrix has size
            ``lr * sqrt(max(1, rows / columns))``.
        momentum: Nesterov momentum.
        weight_decay: decoupled weight decay.

    Raises:
        ValueError: if a parameter has not two axes.

    >>> p = torch.nn.Parameter(torch.zeros(2, 2))
    >>> p.grad = torch.eye(2)
    >>> Muon([p], lr=0.1).step()
    >>> p.detach().round(decimals=1)
    tensor([[-0.1000,  0.0000],
            [ 0.0000, -0.1000]])
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            _rate(name, value)
        if momentum >= 1:
            raise ValueError(f"momentum: expected a share below 1, got {momentum}")
        try:
            params = list(params)
            super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        except (TypeError, ValueError) as error:
            raise ValueError(f"params: expected matrices to train, got {shown(params)} ({error})") from error
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"params of Muon: expected matrices, got a parameter of shape {tuple(p.shape)}"
                    )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                buffers = [self._momentum(p, p.grad, group["momentum"]) for p in params if p.grad is not None]
                update = _newton_schulz(torch.stack(buffers))  # [matrices, rows, columns]
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, direction in zip(params, update, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-scale)

    def _momentum(self, p: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(p)
        state["buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["buffer"], momentum)


def optimisers_for(
    model: nn.Module, matrix_rate: float, embedding_rate: float, weight_decay: float = 0.0
) -> list[torch.optim.Optimizer]:
    """Muon for hidden matrices at ``matrix_rate``; AdamW for embeddings and heads at ``embedding_rate``.

    A hidden matrix is what a linear layer, an LSTM or a GRU multiplies by; an LSTM's four gates, stacked in one
    matrix, are made orthogonal together. What multiplies element by element goes to AdamW at a tenth of
    ``embedding_rate``: biases, convolution kernels, and Mamba's ``A_log`` and ``D``. A rate of 0 for the matrices
    hands them to AdamW at ``embedding_rate`` too.

    >>> from tutorlib.models import Transformer
    >>> [type(o).__name__ for o in optimisers_for(Transformer(8, 7), 0.03, 0.05)]
    ['Muon', 'AdamW']
    """
    instance("model", model, nn.Module)
    rates = {"matrix_rate": matrix_rate, "embedding_rate": embedding_rate, "weight_decay": weight_decay}
    for name, value in rates.items():
        _rate(name, value)
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.RNNBase)]
    matrices = {id(p) for m in layers for p in m.parameters(recurse=False) if p.ndim == 2}
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    heads = {id(p) for name, p in model.named_parameters() if "head." in name}
    trained = [p for p in model.parameters() if p.requires_grad]
    inner = [p for p in trained if id(p) in matrices - heads and matrix_rate > 0]
    inner_ids = {id(p) for p in inner}
    rest = [p for p in trained if id(p) in (matrices | tables | heads) - inner_ids]
    elementwise = [p for p in trained if id(p) not in matrices | tables | heads]
    chosen: list[torch.optim.Optimizer] = []
    if inner:
        chosen.append(Muon(inner, lr=matrix_rate, weight_decay=weight_decay))
    groups = [(rest, embedding_rate), (elementwise, 0.1 * embedding_rate)]
    given = [{"params": params, "lr": rate} for params, rate in groups if params]
    if given:
        fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in rest + elementwise)
        chosen.append(torch.optim.AdamW(given, betas=(0.9, 0.95), weight_decay=weight_decay, fused=fused))
    return chosen
