"""A causal language model with what the rest of the room needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.arguments import instance, integer
from tutorlib.llm.families import Family

__all__ = ["LanguageModel", "wrap"]


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model, its tokenizer, and its shape.

    Attributes:
        name: as it was asked for.
        revision: which version of the weights: a commit, a hash, or ``unknown``.
        network: the PyTorch module, in evaluation mode.
        tokenizer: a Hugging Face tokenizer.
        family: where its value vectors are.
        layers: blocks.
        heads: query heads of a layer.
        kv_heads: key and value heads of a layer; fewer than ``heads`` where they are shared.
        head_dim: numbers in a value vector of one head.
        width: of the residual stream.
        vocabulary: entries of the logits.

    >>> from tutorlib.llm import tiny
    >>> model = tiny("llama")
    >>> model.layers, model.heads, model.kv_heads, model.head_dim
    (3, 4, 2, 8)
    """

    name: str
    revision: str
    network: nn.Module = field(repr=False)
    tokenizer: Any = field(repr=False)
    family: Family
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    width: int
    vocabulary: int

    @property
    def value_width(self) -> int:
        """Numbers in the value vectors of all heads of a layer, side by side: ``kv_heads * head_dim``."""
        return self.kv_heads * self.head_dim

    @property
    def device(self) -> torch.device:
        """Where the tokens go in. The blocks may be on other devices."""
        weight: Tensor = self.network.get_input_embeddings().weight  # type: ignore[operator]
        return weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return next(self.network.parameters()).dtype

    @property
    def parameters(self) -> int:
        """How many numbers were trained; shared ones count once."""
        return sum(p.numel() for p in self.network.parameters())

    def encode(self, text: str, special: bool = True) -> Tensor:
        """Token numbers of a text, int64 ``[time]``.

        Args:
            text: not empty.
            special: with the tokens that this tokenizer puts in front, if it does (Llama 3, Mistral and Gemma do).

        Raises:
            ValueError: if no token comes out.
        """
        instance("text", text, str)
        found = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        if not found:
            raise ValueError(f"text: expected some, got {text!r}")
        return torch.tensor(found, dtype=torch.int64)

    def pieces(self, tokens: Tensor | str) -> list[str]:
        """The text of each token, for tokens ``[time]`` or for the tokens of a text."""
        numbers = self.encode(tokens) if isinstance(tokens, str) else instance("tokens", tokens, Tensor)
        return [self.tokenizer.decode([number]) for number in numbers.tolist()]

    def module(self, layer: int, part: str) -> nn.Module:
        """A module of one layer: ``block``, ``attention``, ``key``, ``value`` or ``output``; layers from 0 or -1."""
        return self.family.module(self.network, self.layer(layer), part)

    def layer(self, number: int) -> int:
        """The number of a layer from 0; -1 is the last.

        Raises:
            ValueError: if there is no such layer.
        """
        return integer("layer", number, -self.layers, self.layers - 1) % self.layers

    def columns(self, part: str) -> Tensor:
        """Which outputs of the projection are keys or values, int64 ``[kv_heads * head_dim]``."""
        return self.family.columns(part, self.heads, self.kv_heads, self.head_dim)


def wrap(network: nn.Module, tokenizer: Any, family: Family, name: str, revision: str) -> LanguageModel:
    """A network that is in memory already, with its shape read off its configuration.

    Args:
        network: a Hugging Face causal language model. For attention weights it must have been made with
            ``attn_implementation="eager"``.
        tokenizer: one that fits it.
        family: where the value vectors are.
        name: for reports.
        revision: for reports.

    Raises:
        ModelError: if the family does not fit the network.

    >>> from tutorlib.llm import tiny
    >>> model = tiny("gpt2")
    >>> wrap(model.network, model.tokenizer, model.family, "mine", "today").width
    32
    """
    instance("family", family, Family)
    config: Any = instance("network", network, nn.Module).config
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    heads, width = text.num_attention_heads, text.hidden_size
    model = LanguageModel(
        name,
        revision,
        network.eval(),
        tokenizer,
        family,
        layers=len(family.block_list(network)),
        heads=heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_dim=getattr(text, "head_dim", None) or width // heads,
        width=width,
        vocabulary=text.vocab_size,
    )
    for part in ("attention", "key", "value", "output"):
        model.module(0, part)
    return model
