"""A layer of attention in a network, watched while the loss flows back through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, shown
from tutorlib.gradients.laws import (
    costs,
    key_gradient,
    matrix_gradient,
    query_gradient,
    score_gradient,
    value_gradient,
)
from tutorlib.models import Transformer

__all__ = ["Observed", "observe"]


@dataclass(frozen=True)
class Observed:
    """One layer of attention while the loss flows back through it.

    Attributes:
        loss: what was differentiated.
        inputs: what queries, keys and values are made from, ``[batch, time, width]``.
        asking: those of ``inputs`` that ask, ``[batch, queries, width]``.
        query, key, value: ``[batch, heads, queries or time, d]``; with rotary positions the turned ones.
        attention: ``[batch, heads, queries, time]``.
        output_gradient: ``u``, the gradient at the heads' outputs, ``[batch, heads, queries, d]``.
        found: gradients as autograd finds them: ``"scores"``, ``"query"``, ``"key"``, ``"value"`` in the shapes above,
            ``"query_matrix"``, ``"key_matrix"`` and ``"value_matrix"`` ``[width, width]``.

    >>> from tutorlib.models import Transformer
    >>> seen = observe(Transformer(8, 7, width=4), torch.tensor([[0, 5, 1]]), lambda logits: logits.sum())
    >>> seen.costs().shape, sorted(seen.found)[:3]
    (torch.Size([1, 1, 3, 3]), ['key', 'key_matrix', 'query'])
    """

    loss: Tensor
    inputs: Tensor
    asking: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    attention: Tensor
    output_gradient: Tensor
    found: dict[str, Tensor]

    def costs(self) -> Tensor:
        """``b``, ``[batch, heads, queries, time]``."""
        return costs(self.output_gradient, self.value)

    def by_law(self) -> dict[str, Tensor]:
        """The gradients of ``found``, from the two laws and the chain rule; no matrix for turned queries and keys."""
        scores = score_gradient(self.attention, self.costs())
        law = {
            "scores": scores,
            "query": query_gradient(scores, self.key),
            "key": key_gradient(scores, self.query),
            "value": value_gradient(self.attention, self.output_gradient),
        }
        for name, inputs in (("query", self.asking), ("key", self.inputs), ("value", self.inputs)):
            if f"{name}_matrix" in self.found:
                law[f"{name}_matrix"] = matrix_gradient(inputs, law[name].transpose(1, 2).flatten(2))
        return law


def observe(
    model: Transformer,
    tokens: Tensor,
    loss: Callable[[Tensor], Tensor],
    at: Tensor | None = None,
    layer: int = 0,
    header: Tensor | None = None,
) -> Observed:
    """Run a transformer, send a loss back, and keep what one layer of attention saw both ways.

    Args:
        model: left as it is; ask for float64 with ``model.double()`` where digits count.
        tokens: ``[batch, time]``.
        loss: from logits ``[batch, scored, vocab]`` to one number, in nats.
        at: the positions whose logits are wanted; all if None.
        layer: which layer, from 0.
        header: for a model that reads one.

    Raises:
        ValueError: if the model is no transformer, it has no such layer, or the loss is not one finite number that depends
            on the logits.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> model, batch = Transformer(8, 7, width=4), Bijection(4).sample(2, torch.Generator())
    >>> seen = observe(model, batch.tokens, lambda logits: -logits.log_softmax(-1)[..., 0].mean())
    >>> seen.attention.shape, torch.allclose(seen.by_law()["value"], seen.found["value"], atol=1e-6)
    (torch.Size([2, 1, 7, 7]), True)
    """
    instance("model", model, Transformer)
    instance("loss", loss, Callable)  # type: ignore[arg-type]
    attention: Any = model.blocks[integer("layer", layer, 0, model.layers - 1)].attention
    seen: dict[str, Tensor] = {}

    def on_the_way_in(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        x, wanted = given[0], given[1]
        seen["inputs"], seen["asking"] = x, x if wanted is None else x[:, wanted]

    def on_the_way_out(module: torch.nn.Module, given: tuple[Any, ...]) -> None:
        seen["output"] = given[0]

    hooks = [
        attention.register_forward_pre_hook(on_the_way_in),
        attention.output.register_forward_pre_hook(on_the_way_out),
    ]
    record: dict[str, Tensor] = {}
    try:
        with torch.enable_grad():
            logits = model(tokens, at, record, header)  # [batch, scored, vocab]
    finally:
        for hook in hooks:
            hook.remove()
    value = loss(logits)
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.isfinite().all():
        raise ValueError(f"loss: expected a function from logits to one finite number, got {shown(value)}")
    parts = {name: record[f"layer{layer}.{name}"] for name in ("scores", "query", "key", "value")}
    if not attention.rotary:  # a turned query is no longer the matrix times the input
        parts |= {f"{name}_matrix": getattr(attention, name).weight for name in ("query", "key", "value")}
    wanted = [seen["output"], *parts.values()]
    try:
        with_output, *rest = torch.autograd.grad(value.reshape(()), wanted)
    except RuntimeError as error:
        raise ValueError(f"loss: expected a function that depends on the logits ({error})") from None
    heads = parts["query"].shape[1]
    batch, queries, _ = with_output.shape
    return Observed(
        loss=value.detach().reshape(()),
        inputs=seen["inputs"].detach(),
        asking=seen["asking"].detach(),
        query=parts["query"].detach(),
        key=parts["key"].detach(),
        value=parts["value"].detach(),
        attention=record[f"layer{layer}.attention"].detach(),
        output_gradient=with_output.view(batch, queries, heads, -1).transpose(1, 2),
        found=dict(zip(parts, rest, strict=True)),
    )
