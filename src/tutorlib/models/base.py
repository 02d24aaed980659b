"""The interface that every network in the book has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from tutorlib.arguments import LARGEST, instance, real_tensor, shown
from tutorlib.bits import SUM_TOLERANCE

__all__ = ["SequenceModel", "count_parameters", "rms_norm", "squared_relu"]

Record = dict[str, Tensor]


class SequenceModel(nn.Module, ABC):
    """Maps tokens to logits over the next token, position by position, never looking ahead.

    Attributes:
        name: its key in ``tutorlib.models.MODELS``.
        vocab: number of token ids, and the width of the logits.
        context: the longest sequence it can read.
        header: rows and features of the header that it reads before the tokens; None if it reads none.

    >>> from tutorlib.models import GRU
    >>> isinstance(GRU(vocab=8, context=7), SequenceModel)
    True
    """

    name: str
    vocab: int
    context: int
    header: tuple[int, int] | None = None

    @abstractmethod
    def forward(
        self,
        tokens: Tensor,
        at: Tensor | None = None,
        record: Record | None = None,
        header: Tensor | None = None,
    ) -> Tensor:
        """Logits for the token that follows each position.

        Args:
            tokens: int64 ``[batch, time]``.
            at: int64 ``[scored]``, the positions wanted; all of them if None. Asking for few is cheaper.
            record: an empty dict to be filled with the activations named in the class's description.
            header: probabilities ``[batch, rows, features]`` of the shape the model was built for, or None.

        Returns:
            Logits ``[batch, time, vocab]``, or ``[batch, scored, vocab]`` with ``at``.

        Raises:
            ValueError: if the tokens or the header have another shape, dtype, device or range, or are too many.
        """

    def initialise(self, generator: torch.Generator | None) -> None:
        """Draw the starting weights: rows and matrices of unit scale, and each block's last matrix at zero.

        So a fresh network is the identity along its residual stream and its logits have size about 1. A module with a
        method ``start(generator)`` draws what is left: biases, kernels, rates of decay.

        Args:
            generator: on the CPU; one with seed 0 if None. The global generator plays no part.
        """
        if generator is None:
            generator = torch.Generator().manual_seed(0)
        if instance("generator", generator, torch.Generator).device.type != "cpu":
            raise ValueError(f"generator: expected one on the CPU, got one on {generator.device}")
        with torch.no_grad():
            for name, module in self.named_modules():
                if isinstance(module, nn.Embedding | nn.Linear):
                    fan_in = module.weight.shape[-1]
                    starts_at_zero = {"output", "down"} & set(name.split("."))
                    scale = 0.0 if starts_at_zero else fan_in**-0.5
                    module.weight.copy_(scale * torch.randn(module.weight.shape, generator=generator))
                elif hasattr(module, "start"):
                    module.start(generator)

    @abstractmethod
    def config(self) -> dict[str, object]:
        """The arguments that build this model again, JSON-ready."""

    def check_header(self, tokens: Tensor, header: Tensor | None) -> Tensor | None:
        """Check the header of ``forward``; return it in the dtype of the weights."""
        weights = next(self.parameters())
        if self.header is None:
            if header is not None:
                raise ValueError("header: expected none, because the model was built without one")
            return None
        expected = (len(tokens), *self.header)
        if not isinstance(header, Tensor) or tuple(header.shape) != expected:
            got = tuple(header.shape) if isinstance(header, Tensor) else type(header).__name__
            raise ValueError(f"header: expected a tensor {expected}, got {got}")
        if header.device != weights.device or not header.is_floating_point():
            raise ValueError(
                f"header: expected real numbers on {weights.device} (the model's device), "
                f"got {header.dtype} on {header.device}"
            )
        if self._readable(header.device) and not ((header >= 0) & (header <= 1 + SUM_TOLERANCE)).all():
            raise ValueError("header: expected probabilities from 0 to 1, got others")
        return header.to(weights.dtype)

    def _readable(self, device: torch.device) -> bool:
        # Reading a value waits for a GPU, so while training on one the ranges are taken on trust. It also cuts a
        # compiled network in pieces; compiled code looks at the ranges itself where it reads a table.
        return (not self.training or device.type == "cpu") and not torch.compiler.is_compiling()

    def check_tokens(self, tokens: Tensor, at: Tensor | None, record: Record | None = None) -> Tensor:
        """Check the arguments of ``forward``; return the positions wanted, int64 ``[scored]``."""
        if record is not None:
            instance("record", record, dict)
        device = next(self.parameters()).device
        if not isinstance(tokens, Tensor) or tokens.ndim != 2:
            got = tuple(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
            raise ValueError(f"tokens: expected a tensor [batch, time], got {got}")
        if tokens.dtype != torch.int64:
            raise ValueError(f"tokens: expected dtype int64, got {tokens.dtype}")
        if tokens.device != device:
            raise ValueError(f"tokens: expected device {device} (the model's), got {tokens.device}")
        batch, time = tokens.shape
        if not batch:
            raise ValueError("tokens: expected at least one sequence, got none")
        if not 1 <= time <= self.context:
            raise ValueError(f"tokens: expected 1 to {self.context} positions (the context), got {time}")
        readable = self._readable(device)
        if readable and (int(tokens.min()) < 0 or int(tokens.max()) >= self.vocab):
            raise ValueError(
                f"tokens: expected ids 0 to {self.vocab - 1}, got {int(tokens.min())} to {int(tokens.max())}"
            )
        if at is None:
            return torch.arange(time, device=device)
        if not isinstance(at, Tensor) or at.ndim != 1 or at.dtype != torch.int64 or not len(at):
            kind = f"{at.dtype} {tuple(at.shape)}" if isinstance(at, Tensor) else type(at).__name__
            raise ValueError(f"at: expected int64 [scored], got {kind}")
        at = at.to(device)
        if readable and (int(at.min()) < 0 or int(at.max()) >= time):
            raise ValueError(
                f"at: expected positions 0 to {time - 1}, got {int(at.min())} to {int(at.max())}"
            )
        return at


class _SquaredReLU(torch.autograd.Function):
    """Keeps relu(x) for the way back, where autograd alone would also mask: a tenth of a step's time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rectified = x.relu()
        ctx.save_for_backward(rectified)
        return rectified * rectified

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (rectified,) = ctx.saved_tensors
        return (gradient * rectified).mul_(2)  # 0 where x < 0, because rectified is


def squared_relu(x: Tensor) -> Tensor:
    """``max(x, 0)^2``, the bend in every feed-forward layer here. It can be differentiated once.

    >>> squared_relu(torch.tensor([-2.0, 3.0]))
    tensor([0., 9.])
    """
    real_tensor("x", x, "[...]")
    out: Tensor = _SquaredReLU.apply(x)
    return out


def rms_norm(x: Tensor) -> Tensor:
    """Scale the last axis to a root mean square of 1.

    >>> rms_norm(torch.tensor([3.0, 4.0]))
    tensor([0.8485, 1.1314])
    """
    real_tensor("x", x, "[..., features]")
    return functional.rms_norm(x, (x.shape[-1],), eps=1e-6)


def count_parameters(model: nn.Module) -> int:
    """Number of trained parameters; a tied matrix counts once.

    >>> count_parameters(torch.nn.Linear(3, 2))
    8
    """
    instance("model", model, nn.Module)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def check_header_shape(header: Sequence[int] | None) -> tuple[int, int] | None:
    """The shape of a header as a pair, or None; a ValueError if it is neither."""
    if header is None:
        return None
    if not isinstance(header, tuple | list) or len(header) != 2:
        raise ValueError(f"header: expected rows and features, got {shown(header)}")
    rows, features = header
    check_sizes(rows=rows, features=features)
    return rows, features


def check_sizes(**sizes: int) -> None:
    """Raise a ValueError naming the first size that is not a positive integer."""
    for key, value in sizes.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{key}: expected a positive integer, got {shown(value)}")
        if value > LARGEST:
            raise ValueError(f"{key}: expected a positive integer of at most {LARGEST}, got {shown(value)}")
