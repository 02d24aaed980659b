"""Where the value vectors are, family by family: which module makes them, in which columns, and which module takes them on.

A head mixes value vectors: its output is ``attention @ values``, and the output projection takes that of all heads side
by side. Families differ in names and in how queries, keys and values share a projection. The table below says it for
each, and :func:`tutorlib.llm.check_values` proves it for a model at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.arguments import choice, instance, integer

__all__ = ["FAMILIES", "Family", "ModelError", "family_of"]

LAYOUTS = ("separate", "by head", "thirds", "stacked")


class ModelError(ValueError):
    """A language model is missing, does not fit on the machine, or is of a family that the table does not know.

    >>> issubclass(ModelError, ValueError)
    True
    """


@dataclass(frozen=True)
class Family:
    """Names of modules in one family of language models.

    Attributes:
        name: the ``model_type`` in the configuration.
        blocks: path from the network to the list of its blocks.
        attention: name of the attention module in a block.
        key: projection in it that makes keys.
        value: projection in it that makes values; in a fused layout the same module.
        output: projection in it that takes what the heads made, side by side.
        layout: how a projection's columns are shared. ``separate``: one projection each. ``by head``: query, key and
            value of head 1, then of head 2, and so on (GPT-NeoX). ``thirds``: all queries, all keys, all values
            (GPT-2). ``stacked``: the same with fewer key and value heads (Phi-3).

    >>> FAMILIES["gpt_neox"].columns("value", heads=2, kv_heads=2, head_dim=2)
    tensor([ 4,  5, 10, 11])
    """

    name: str
    blocks: str = "model.layers"
    attention: str = "self_attn"
    key: str = "k_proj"
    value: str = "v_proj"
    output: str = "o_proj"
    layout: str = "separate"

    def __post_init__(self) -> None:
        for field in ("name", "blocks", "attention", "key", "value", "output"):
            instance(field, getattr(self, field), str)
        choice("layout", self.layout, LAYOUTS)

    def columns(self, part: str, heads: int, kv_heads: int, head_dim: int) -> Tensor:
        """Which outputs of the projection are keys or values, head by head.

        Args:
            part: ``key`` or ``value``.
            heads: query heads.
            kv_heads: key and value heads, fewer where they are shared (grouped-query attention).
            head_dim: numbers in a value vector of one head.

        Returns:
            int64 ``[kv_heads * head_dim]``.
        """
        third = {"key": 1, "value": 2}[choice("part", part, ("key", "value"))]
        heads, kv_heads = integer("heads", heads, 1), integer("kv_heads", kv_heads, 1)
        within = torch.arange(integer("head_dim", head_dim, 1))  # [head_dim]
        each = torch.arange(kv_heads)[:, None] * head_dim + within  # [kv_heads, head_dim]
        if self.layout == "by head":
            each = torch.arange(heads)[:, None] * 3 * head_dim + third * head_dim + within
        elif self.layout in ("thirds", "stacked"):
            each = each + heads * head_dim + (third - 1) * kv_heads * head_dim
        return each.flatten()

    def block_list(self, network: nn.Module) -> Sequence[nn.Module]:
        """The blocks of a network, in order.

        Raises:
            ModelError: if there is no such module.
        """
        blocks: Sequence[nn.Module] = _inside(network, self.blocks, self.name)
        return blocks

    def module(self, network: nn.Module, layer: int, part: str) -> nn.Module:
        """A module of one layer: ``block``, ``attention``, ``key``, ``value`` or ``output``.

        Raises:
            ModelError: if there is no such module.
        """
        choice("part", part, ("block", "attention", "key", "value", "output"))
        block = self.block_list(network)[layer]
        if part == "block":
            return block
        path = self.attention if part == "attention" else f"{self.attention}.{getattr(self, part)}"
        found: nn.Module = _inside(block, path, self.name)
        return found


def _inside(module: nn.Module, path: str, family: str) -> Any:
    try:
        return attrgetter(path)(module)
    except AttributeError as error:
        raise ModelError(
            f"family {family}: no module {path!r} in {type(module).__name__}; describe yours with Family(...)"
        ) from error


_LIKE_LLAMA = (
    "llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "olmo2", "smollm3",
)  # fmt: skip

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("gpt_neox", "gpt_neox.layers", "attention", "query_key_value", "query_key_value", "dense", "by head"),
        Family("gpt2", "transformer.h", "attn", "c_attn", "c_attn", "c_proj", "thirds"),
        Family("phi", output="dense"),
        Family("phi3", key="qkv_proj", value="qkv_proj", layout="stacked"),
        Family("gemma3", "model.language_model.layers"),  # with eyes; the text-only sizes are gemma3_text
        *(Family(name) for name in _LIKE_LLAMA),
    )
}  # fmt: skip


def family_of(model_type: str) -> Family:
    """The row of the table for a ``model_type`` as the configuration of a Hugging Face model names it.

    Raises:
        ModelError: if the table has none; it names those that it has.

    >>> family_of("phi").output
    'dense'
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ModelError(
            f"model_type: {model_type!r} is of an unknown family; expected one of {', '.join(sorted(FAMILIES))}. "
            "For another, hand load() a Family(...) that says where its value vectors are"
        )
    return FAMILIES[model_type]
