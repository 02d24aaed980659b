"""Networks under one interface: tokens ``[batch, time]`` in, logits ``[batch, time, vocab]`` out.

Every model is a :class:`~tutorlib.models.base.SequenceModel`. ``build`` makes one from its name and
configuration, which is what a checkpoint stores.
"""

from typing import Any

from tutorlib.arguments import choice
from tutorlib.models.base import SequenceModel, count_parameters
from tutorlib.models.linear_attention import DeltaNet, LinearAttention
from tutorlib.models.mamba import Mamba
from tutorlib.models.mlp import PrefixMLP, SumMLP, TokenMLP, WindowMLP
from tutorlib.models.recurrent import GRU, LSTM
from tutorlib.models.transformer import Transformer

MODELS: dict[str, type[SequenceModel]] = {
    "transformer": Transformer,
    "mlp-token": TokenMLP,
    "mlp-window": WindowMLP,
    "mlp-prefix": PrefixMLP,
    "mlp-sum": SumMLP,
    "lstm": LSTM,
    "gru": GRU,
    "mamba": Mamba,
    "linear-attention": LinearAttention,
    "deltanet": DeltaNet,
}


def build(name: str, **config: Any) -> SequenceModel:
    """Build the model called ``name`` (a key of ``MODELS``) with its own keyword arguments.

    Raises:
        ValueError: if there is no such model or an argument does not fit it.

    >>> build("gru", vocab=8, context=7).name
    'gru'
    """
    kind = MODELS[choice("model", name, tuple(MODELS))]
    try:
        return kind(**config)
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from error


__all__ = [
    "GRU",
    "LSTM",
    "MODELS",
    "DeltaNet",
    "LinearAttention",
    "Mamba",
    "PrefixMLP",
    "SequenceModel",
    "SumMLP",
    "TokenMLP",
    "Transformer",
    "WindowMLP",
    "build",
    "count_parameters",
]
