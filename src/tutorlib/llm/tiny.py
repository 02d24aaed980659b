"""Small random language models of every family, with a tokenizer of whole words: for tests, examples and as a control."""

from __future__ import annotations

from typing import Any

import torch

from tutorlib.arguments import choice, seed_number
from tutorlib.llm.families import FAMILIES, ModelError
from tutorlib.llm.model import LanguageModel, wrap

__all__ = ["TINY", "tiny"]

TINY = tuple(sorted(set(FAMILIES) - {"gemma3"}))
_LAYERS, _WIDTH, _HEADS = 3, 32, 4
_SIZES: dict[str, Any] = {
    "hidden_size": _WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": 2,
    "head_dim": _WIDTH // _HEADS,
    "max_position_embeddings": 1024,
}
_OTHER_SIZES: dict[str, dict[str, Any]] = {
    "gpt_neox": {"num_key_value_heads": None, "head_dim": None},
    "phi": {"num_key_value_heads": _HEADS, "head_dim": None},
    "gpt2": {"n_embd": _WIDTH, "n_layer": _LAYERS, "n_head": _HEADS, "n_positions": 1024},
    "phi3": {"head_dim": None},
    "mistral": {"sliding_window": 16},
    "mixtral": {"num_local_experts": 2},
}


def tiny(family: str = "llama", seed: int = 0) -> LanguageModel:
    """A model of three layers, 32 wide, with 4 heads and random weights; where the family shares them, 2 value heads.

    Its tokenizer knows the words of this package's texts; all other words are one and the same token.

    Args:
        family: one of :data:`TINY`.
        seed: of the weights.

    Raises:
        ModelError: if transformers is not installed.

    >>> tiny("phi").encode("The cat sat on the mat.").shape
    torch.Size([7])
    """
    choice("family", family, TINY)
    seed_number("seed", seed)
    try:
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError as error:
        raise ModelError(
            f"transformers is needed for language models: pip install transformers ({error})"
        ) from error
    tokenizer = _tokenizer()
    sizes = _OTHER_SIZES["gpt2"] if family == "gpt2" else {**_SIZES, **_OTHER_SIZES.get(family, {})}
    config = AutoConfig.for_model(
        family,
        **{key: value for key, value in sizes.items() if value is not None},
        vocab_size=len(tokenizer),
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the library's own initialisation takes no generator
        network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        for parameter in network.parameters():  # larger than usual, so that a token makes a difference
            if parameter.ndim > 1:
                parameter.data.normal_(0, 2 / parameter.shape[-1] ** 0.5)
    return wrap(network, tokenizer, FAMILIES[family], f"random-{family}", f"seed {seed}")


def _tokenizer() -> Any:
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    from tutorlib.llm.texts import vocabulary

    words = {word: number for number, word in enumerate(["[end]", "[other]", *vocabulary()])}
    inner = Tokenizer(WordLevel(words, unk_token="[other]"))
    inner.pre_tokenizer = Split(Regex(r" ?\w+| ?[^\w\s]|\s"), "isolated")
    inner.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="[end]", pad_token="[end]", unk_token="[other]"
    )
