"""Mamba: a linear recurrence whose step size, input and output weights depend on the token (S6).

Each of the ``inner`` channels keeps ``state`` numbers. With input ``x_t`` and step ``dt_t > 0`` (one a channel), and
weights ``B_t`` and ``C_t`` (shared by the channels), all computed from the token::

    h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t        forget a little, write
    y_t = C_t h_t + D x_t                           read

``A < 0`` does not depend on the token. Source: Gu and Dao 2023 (arXiv 2312.00752), algorithm 2 and figure 3; the
block equals that of ``transformers.MambaModel`` when weights are copied.

The recurrence is computed as written, one step of time after another, with sequences, channels and states side by
side. A prefix scan needs log2(time) passes over the whole ``[batch, time, inner, state]`` array: at 39 positions on
one CPU core it took eleven times as long. The attention-like dual form is cheap only where ``A`` is one number for a
whole head (Mamba-2); here it costs ``time`` times as much, so it is computed on request, for looking at.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.arguments import finite, real_tensor
from tutorlib.models.base import Record, check_sizes, rms_norm
from tutorlib.models.stack import ResidualStack

__all__ = ["CausalConvolution", "Mamba", "selective_scan", "transfer_matrix"]

SHORTEST, LONGEST = 0.001, 0.1  # range of the step sizes that a fresh network starts with


def selective_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """The recurrence ``h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t``, read as ``y_t = C_t h_t``.

    Args:
        x: input ``[batch, time, inner]``.
        dt: step sizes, positive, ``[batch, time, inner]``.
        A: rates, negative, ``[inner, state]``.
        B: write weights ``[batch, time, state]``.
        C: read weights ``[batch, time, state]``.

    Returns:
        ``y`` ``[batch, time, inner]`` and the states ``h`` ``[batch, time, inner, state]``.

    Raises:
        ValueError: if a shape does not fit, a number is not finite, or a step or a rate has the wrong sign.

    >>> one = torch.ones(1, 3, 1)
    >>> selective_scan(one, one, torch.tensor([[-0.5]]), one, one)[0].squeeze()  # each step keeps exp(-0.5)
    tensor([1.0000, 1.6065, 1.9744])
    """
    _check_scan(dt, A, B, C)
    if real_tensor("x", x, "[batch, time, inner]").shape != dt.shape or x.dtype != dt.dtype:
        raise ValueError(
            f"x: expected {list(dt.shape)} in {dt.dtype}, as dt, got {tuple(x.shape)}, {x.dtype}"
        )
    finite(x=x)
    return _selective_scan(x, dt, A, B, C)


def _selective_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    keep = torch.exp(dt[..., None] * A)  # [batch, time, inner, state]
    write = (dt * x)[..., None] * B[:, :, None]  # [batch, time, inner, state]
    h, states = torch.zeros_like(write[:, 0]), []  # h: [batch, inner, state]
    for keep_t, write_t in zip(keep.unbind(1), write.unbind(1), strict=True):
        h = keep_t * h + write_t  # [batch, inner, state]
        states.append(h)
    h = torch.stack(states, 1)  # [batch, time, inner, state]
    return (h @ C[..., None]).squeeze(-1), h


def transfer_matrix(dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The dual form: ``y_t = sum_s M[t, s] x_s``, a causal attention map for each channel.

    ``M[t, s] = sum_n C_t[n] exp(A[n] (dt_{s+1} + ... + dt_t)) dt_s B_s[n]`` for ``s <= t`` (Ali and others 2024, arXiv
    2403.01590). Its weights may be negative and need not sum to 1. Shapes as in :func:`selective_scan`.

    Returns:
        ``[batch, inner, time, time]``.

    >>> one = torch.ones(1, 3, 1)
    >>> transfer_matrix(one, torch.tensor([[-0.5]]), one, one).squeeze()
    tensor([[1.0000, 0.0000, 0.0000],
            [0.6065, 1.0000, 0.0000],
            [0.3679, 0.6065, 1.0000]])
    """
    _check_scan(dt, A, B, C)
    return _transfer_matrix(dt, A, B, C)


def _transfer_matrix(dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    clock = dt.cumsum(1).mT  # [batch, inner, time]
    elapsed = (clock[..., :, None] - clock[..., None, :]).clamp(min=0)  # [batch, inner, time, time]
    total = torch.zeros_like(elapsed)  # [batch, inner, time, time]
    for A_n, B_n, C_n in zip(A.unbind(-1), B.unbind(-1), C.unbind(-1), strict=True):
        weight = C_n[:, None, :, None] * B_n[:, None, None, :]  # [batch, 1, time, time]
        total = total + weight * torch.exp(A_n[:, None, None] * elapsed)
    return (total * dt.mT[:, :, None, :]).tril()


def _check_scan(dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> None:
    """Check the shapes, and that the past is forgotten. The layers skip this: there it holds by construction."""
    batch, time, inner = real_tensor("dt", dt, "[batch, time, inner]").shape
    state = real_tensor("A", A, "[inner, state]").shape[1]
    if not dt.numel() or not state:
        raise ValueError(f"dt and A: expected numbers, got shapes {tuple(dt.shape)} and {tuple(A.shape)}")
    shapes = {"A": (A, (inner, state)), "B": (B, (batch, time, state)), "C": (C, (batch, time, state))}
    for name, (x, shape) in shapes.items():
        if tuple(real_tensor(name, x, "[..., state]").shape) != shape or x.dtype != dt.dtype:
            raise ValueError(f"{name}: expected {shape} in {dt.dtype}, got {tuple(x.shape)}, {x.dtype}")
    finite(dt=dt, A=A, B=B, C=C)
    if not (dt > 0).all():
        raise ValueError("dt: expected positive steps, got others")
    if not (A < 0).all():
        raise ValueError("A: expected negative rates, got others")


class CausalConvolution(nn.Conv1d):
    """Each channel is mixed with its own last ``kernel - 1`` values: ``[batch, time, channels]`` to the same.

    >>> CausalConvolution(channels=4, kernel=2)(torch.zeros(1, 3, 4)).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, channels: int, kernel: int) -> None:
        check_sizes(channels=channels, kernel=kernel)
        super().__init__(channels, channels, kernel, groups=channels)

    def start(self, generator: torch.Generator) -> None:
        """Weights uniform between plus and minus ``kernel ** -0.5``, biases at 0."""
        kernel = self.kernel_size[0]
        self.weight.copy_((2 * torch.rand(self.weight.shape, generator=generator) - 1) * kernel**-0.5)
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Before the first position there are zeros."""
        if x.shape[-1] != self.in_channels or x.ndim != 3:
            raise ValueError(f"x: expected [batch, time, {self.in_channels}], got {tuple(x.shape)}")
        past = functional.pad(x.mT, (self.kernel_size[0] - 1, 0))  # [batch, channels, kernel - 1 + time]
        return super().forward(past).mT  # [batch, time, channels]


class MambaBlock(nn.Module):
    """``x + output(y * silu(gate))``, where ``y`` is the scan of the convolved stream."""

    def __init__(self, width: int, inner: int, state: int, kernel: int, rank: int) -> None:
        super().__init__()
        self.rank, self.state = rank, state
        self.input = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = CausalConvolution(inner, kernel)
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)  # the token chooses dt, B and C
        self.step = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.empty(inner, state))
        self.D = nn.Parameter(torch.empty(inner))
        self.output = nn.Linear(inner, width, bias=False)

    def start(self, generator: torch.Generator) -> None:
        """``A = -1, ..., -state`` in every channel, ``D = 1``, steps log-uniform from 0.001 to 0.1."""
        inner, state = self.A_log.shape
        self.A_log.copy_(torch.arange(1, state + 1).log().expand(inner, state))
        self.D.fill_(1.0)
        share = torch.rand(inner, generator=generator)  # [inner]
        dt = torch.exp(math.log(SHORTEST) + share * math.log(LONGEST / SHORTEST))  # [inner]
        self.step.bias.copy_(torch.log(torch.expm1(dt)))  # softplus brings it back to dt

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        u, gate = self.input(rms_norm(x)).chunk(2, -1)  # [batch, time, inner] each
        u = functional.silu(self.convolution(u))  # [batch, time, inner]
        step, B, C = self.select(u).split([self.rank, self.state, self.state], -1)  # [batch, time, ...]
        dt = functional.softplus(self.step(step))  # [batch, time, inner]
        A = -torch.exp(self.A_log)  # [inner, state]
        y, states = _selective_scan(u, dt, A, B, C)  # [batch, time, inner], [batch, time, inner, state]
        if record is not None:
            record |= {f"{prefix}.input": u, f"{prefix}.dt": dt, f"{prefix}.B": B, f"{prefix}.C": C}
            record |= {f"{prefix}.state": states, f"{prefix}.transfer": _transfer_matrix(dt, A, B, C)}
        y = (y + self.D * u) * functional.silu(gate)  # [batch, time, inner]
        if at is not None:
            x, y = x[:, at], y[:, at]  # [batch, scored, width] and [batch, scored, inner]
        return x + self.output(y)


class Mamba(ResidualStack):
    """A stack of Mamba blocks.

    ``record`` receives, for each layer ``i``: ``layer{i}.input`` and ``.dt`` ``[batch, time, inner]``, ``.B`` and
    ``.C`` ``[batch, time, state]``, ``.state`` ``[batch, time, inner, state]``, ``.transfer``
    ``[batch, inner, time, time]`` (see :func:`transfer_matrix`), and ``residual{i}`` ``[batch, positions, width]``.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        width: size of the residual stream.
        layers: number of blocks.
        state: numbers kept by each channel.
        expand: ``inner = expand * width`` channels.
        kernel: positions that the convolution sees, the current one included.
        frame: ``header``, ``columns``, ``end_norms``, ``tied`` and ``generator`` of
            :class:`~tutorlib.models.stack.ResidualStack`.

    The rank of the step sizes is the width over 16, rounded up, as in the paper.

    Raises:
        ValueError: if a size is not a positive integer or the frame does not fit.

    >>> Mamba(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "mamba"

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 32,
        layers: int = 1,
        state: int = 16,
        expand: int = 2,
        kernel: int = 4,
        **frame: Any,
    ) -> None:
        check_sizes(
            vocab=vocab,
            context=context,
            width=width,
            layers=layers,
            state=state,
            expand=expand,
            kernel=kernel,
        )
        rank = math.ceil(width / 16)
        blocks = [MambaBlock(width, expand * width, state, kernel, rank) for _ in range(layers)]
        super().__init__(vocab, context, width, blocks, **frame)
        self.state, self.expand, self.kernel = state, expand, kernel

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return super().config() | {key: getattr(self, key) for key in ("state", "expand", "kernel")}
