"""Attention without the softmax: the past is a matrix that is written once a token.

* Linear attention adds ``v_t k_t^T`` and forgets nothing (Katharopoulos and others 2020, arXiv 2006.16236).
* DeltaNet first takes back what the key recalled, then writes: the delta rule (Schlag and others 2021, arXiv
  2102.11174; parallel form of Yang and others 2024, arXiv 2406.06484).

Each has a form that walks through time with the matrix in hand, and one that treats all positions at once and is
used for training. They give the same numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.arguments import finite, integer, real_tensor
from tutorlib.models.base import Record, check_sizes, rms_norm
from tutorlib.models.mamba import CausalConvolution
from tutorlib.models.stack import ResidualStack
from tutorlib.models.transformer import FeedForward

__all__ = [
    "DeltaNet",
    "LinearAttention",
    "delta_rule",
    "delta_rule_steps",
    "linear_attention",
    "linear_attention_steps",
]


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """All positions at once: ``weights[t, s] = q_t.k_s / sum_{s' <= t} q_t.k_s'`` for ``s <= t``.

    Args:
        q: queries of at least 0, ``[..., time, d]``, each with ``q_t.k_s > 0`` for an ``s <= t``.
        k: keys of at least 0, ``[..., time, d]``.
        v: values ``[..., time, e]``.

    Returns:
        The mixed values ``[..., time, e]`` and the weights ``[..., time, time]``, whose rows sum to 1.

    Raises:
        ValueError: if a shape does not fit, a number is not finite, or the weights cannot be shares.

    >>> q = k = torch.ones(3, 1)
    >>> linear_attention(q, k, torch.tensor([[0.0], [1.0], [5.0]]))[0].mT  # all keys alike: the mean so far
    tensor([[0.0000, 0.5000, 2.0000]])
    """
    _check_past(q, k, v)
    _check_positive(q, k)
    return _linear_attention(q, k, v)


def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    scores = (q @ k.mT).tril()  # [..., time, time]
    weights = scores / scores.sum(-1, keepdim=True)  # [..., time, time]
    return weights @ v, weights


def linear_attention_steps(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same, one position after another: ``S_t = S_{t-1} + v_t k_t^T``, ``n_t = n_{t-1} + k_t``.

    >>> q = k = torch.ones(3, 1)
    >>> linear_attention_steps(q, k, torch.tensor([[0.0], [1.0], [5.0]])).mT
    tensor([[0.0000, 0.5000, 2.0000]])
    """
    _check_past(q, k, v)
    _check_positive(q, k)
    S = torch.zeros_like(v[..., 0, :, None] * k[..., 0, None, :])  # [..., e, d]
    n = torch.zeros_like(k[..., 0, :])  # [..., d]
    mixed = []
    for q_t, k_t, v_t in zip(q.unbind(-2), k.unbind(-2), v.unbind(-2), strict=True):
        S = S + v_t[..., :, None] * k_t[..., None, :]  # [..., e, d]
        n = n + k_t  # [..., d]
        mixed.append((S @ q_t[..., None]).squeeze(-1) / (n * q_t).sum(-1, keepdim=True))  # [..., e]
    return torch.stack(mixed, -2)  # [..., time, e]


def delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """All positions at once. What is written at ``t`` is ``u_t = beta_t (v_t - S_{t-1} k_t)``.

    ``S_{t-1}`` is the sum of the earlier ``u_s k_s^T``, so the ``u`` solve a triangular system,
    ``u_t + beta_t sum_{s < t} (k_t.k_s) u_s = beta_t v_t``, and ``o_t = sum_{s <= t} (q_t.k_s) u_s``.

    Args:
        q: queries ``[..., time, d]``.
        k: keys of length 1 ``[..., time, d]``.
        v: values ``[..., time, e]``.
        beta: how much is written, from 0 to 1, ``[..., time]``.

    Returns:
        The outputs ``o`` ``[..., time, e]`` and what was written, ``u`` ``[..., time, e]``.

    Raises:
        ValueError: if a shape does not fit, or a number is not finite.

    >>> q = k = torch.ones(3, 1)
    >>> delta_rule(q, k, torch.tensor([[0.0], [1.0], [5.0]]), torch.ones(3))[0].mT  # the last value written
    tensor([[0., 1., 5.]])
    """
    _check_past(q, k, v)
    _check_beta(beta, k)
    return _delta_rule(q, k, v, beta)


def _delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    earlier = (beta[..., None] * (k @ k.mT)).tril(-1)  # [..., time, time]
    system = torch.eye(k.shape[-2], dtype=k.dtype, device=k.device) + earlier  # [..., time, time]
    wide = torch.promote_types(v.dtype, torch.float32)  # under autocast: bfloat16 has no solver
    written = (beta[..., None] * v).to(wide)  # [..., time, e]
    u = torch.linalg.solve_triangular(system.to(wide), written, upper=False, unitriangular=True)
    return (q @ k.mT).tril() @ u, u  # [..., time, e] each


def delta_rule_steps(q: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
    """The same, one position after another: ``S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T``.

    >>> q = k = torch.ones(3, 1)
    >>> delta_rule_steps(q, k, torch.tensor([[0.0], [1.0], [5.0]]), torch.ones(3)).mT
    tensor([[0., 1., 5.]])
    """
    _check_past(q, k, v)
    _check_beta(beta, k)
    S = torch.zeros_like(v[..., 0, :, None] * k[..., 0, None, :])  # [..., e, d]
    out = []
    for q_t, k_t, v_t, b_t in zip(q.unbind(-2), k.unbind(-2), v.unbind(-2), beta.unbind(-1), strict=True):
        recalled = (S @ k_t[..., None]).squeeze(-1)  # [..., e]
        u_t = b_t[..., None] * (v_t - recalled)  # [..., e]
        S = S + u_t[..., :, None] * k_t[..., None, :]  # [..., e, d]
        out.append((S @ q_t[..., None]).squeeze(-1))  # [..., e]
    return torch.stack(out, -2)  # [..., time, e]


def _check_past(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Check the shapes of queries, keys and values. The layers skip this: there the shapes fit by construction."""
    for name, x in (("q", q), ("k", k), ("v", v)):
        real_tensor(name, x, "[..., time, features]")
    if q.shape != k.shape or not k.numel():
        raise ValueError(f"q and k: expected one shape, not empty, got {tuple(q.shape)} and {tuple(k.shape)}")
    if v.shape[:-1] != k.shape[:-1] or v.dtype != k.dtype or q.dtype != k.dtype:
        raise ValueError(
            f"v: expected {list(k.shape[:-1])} and its features, as k, in one dtype with q and k, "
            f"got {tuple(v.shape)}; dtypes {q.dtype}, {k.dtype}, {v.dtype}"
        )
    finite(q=q, k=k, v=v)


def _check_beta(beta: Tensor, k: Tensor) -> None:
    if real_tensor("beta", beta, "[..., time]").shape != k.shape[:-1] or beta.dtype != k.dtype:
        raise ValueError(
            f"beta: expected {list(k.shape[:-1])} in {k.dtype}, got {tuple(beta.shape)}, {beta.dtype}"
        )
    if not ((beta >= 0) & (beta <= 1)).all():
        raise ValueError("beta: expected numbers from 0 to 1, got others")


def _check_positive(q: Tensor, k: Tensor) -> None:
    for name, x in (("q", q), ("k", k)):
        if (x < 0).any():
            raise ValueError(f"{name}: expected numbers of at least 0, got {float(x.min()):.4g} among them")
    if not ((q * k.cumsum(-2)).sum(-1) > 0).all():  # what the weights are divided by
        raise ValueError("q and k: expected each query to meet a key, got one orthogonal to all keys so far")


class LinearMixer(nn.Module):
    """Queries, keys and values by head, each convolved over the last ``kernel`` positions unless that is 0."""

    def __init__(self, width: int, heads: int, kernel: int, delta: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.convolution = CausalConvolution(3 * width, kernel) if kernel else None
        self.beta = nn.Linear(width, heads, bias=False) if delta else None

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        qkv = torch.cat((self.query(x), self.key(x), self.value(x)), -1)  # [batch, time, 3 * width]
        if self.convolution is not None:
            qkv = functional.silu(self.convolution(qkv))  # [batch, time, 3 * width]
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1)
        )  # [batch, heads, time, d] each
        if self.beta is None:
            q, k = functional.elu(q) + 1, functional.elu(k) + 1  # positive: [batch, heads, time, d]
            mixed, weights = _linear_attention(q, k, v)
            seen = {"attention": weights}
        else:
            q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)  # of length 1
            beta = torch.sigmoid(self.beta(x)).mT  # [batch, heads, time]
            mixed, written = _delta_rule(q, k, v, beta)
            seen = {"beta": beta, "written": written}
        if record is not None:
            seen |= {"query": q, "key": k, "value": v}
            record |= {f"{prefix}.{name}": tensor for name, tensor in seen.items()}
        mixed = mixed.transpose(1, 2).flatten(2)  # [batch, time, width]
        return self.output(mixed if at is None else mixed[:, at])  # [batch, scored, width]


class LinearBlock(nn.Module):
    """The mixer, then the transformer's feed-forward layer, each added to the residual stream."""

    def __init__(self, width: int, heads: int, hidden: int, kernel: int, delta: bool) -> None:
        super().__init__()
        self.mixer = LinearMixer(width, heads, kernel, delta)
        self.feed_forward = FeedForward(width, hidden)

    def forward(self, x: Tensor, at: Tensor | None, record: Record | None, prefix: str) -> Tensor:
        kept = x if at is None else x[:, at]  # [batch, scored, width]
        x = kept + self.mixer(rms_norm(x), at, record, prefix)
        return x + self.feed_forward(rms_norm(x))


class LinearAttention(ResidualStack):
    """A transformer whose softmax attention is replaced by linear attention with features ``elu(.) + 1``.

    ``record`` receives, for each layer ``i``: ``layer{i}.query``, ``.key``, ``.value`` ``[batch, heads, time, d]``,
    ``layer{i}.attention`` ``[batch, heads, time, time]``, and ``residual{i}`` ``[batch, positions, width]``.

    Args:
        vocab: number of token ids.
        context: longest sequence.
        width: size of the residual stream.
        layers: number of blocks.
        heads: attention heads; must divide ``width``.
        hidden: size of the feed-forward layer; 4 times the width if None.
        kernel: positions that a short convolution of queries, keys and values sees; 0 for none, as published.
        frame: ``header``, ``columns``, ``end_norms``, ``tied`` and ``generator`` of
            :class:`~tutorlib.models.stack.ResidualStack`.

    Raises:
        ValueError: if a size is not positive (``kernel``: negative), the heads do not divide the width, or the frame
            does not fit.

    >>> LinearAttention(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "linear-attention"
    delta = False

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 32,
        layers: int = 1,
        heads: int = 1,
        hidden: int | None = None,
        kernel: int = 0,
        **frame: Any,
    ) -> None:
        check_sizes(vocab=vocab, context=context, width=width, layers=layers, heads=heads)
        hidden = 4 * width if hidden is None else hidden
        check_sizes(hidden=hidden)
        if width % heads:
            raise ValueError(f"heads: expected a divisor of the width {width}, got {heads}")
        integer("kernel", kernel, 0)
        blocks = [LinearBlock(width, heads, hidden, kernel, self.delta) for _ in range(layers)]
        super().__init__(vocab, context, width, blocks, **frame)
        self.heads, self.hidden, self.kernel = heads, hidden, kernel

    def config(self) -> dict[str, object]:
        """The arguments that build this model again."""
        return super().config() | {key: getattr(self, key) for key in ("heads", "hidden", "kernel")}


class DeltaNet(LinearAttention):
    """The same frame with the delta rule; keys and queries have length 1, and ``beta`` is a sigmoid of the token.

    Arguments and errors as for :class:`LinearAttention`, but the short convolution is there from the start, with a
    kernel of 4, as published. We leave out the published norm of the output. ``record`` receives ``layer{i}.beta``
    ``[batch, heads, time]`` and ``layer{i}.written`` ``[batch, heads, time, d]`` in place of the attention.

    >>> DeltaNet(vocab=8, context=7)(torch.tensor([[0, 5, 1]])).shape
    torch.Size([1, 3, 8])
    """

    name = "deltanet"
    delta = True

    def __init__(
        self,
        vocab: int,
        context: int,
        width: int = 32,
        layers: int = 1,
        heads: int = 1,
        hidden: int | None = None,
        kernel: int = 4,
        **frame: Any,
    ) -> None:
        super().__init__(vocab, context, width, layers, heads, hidden, kernel, **frame)
