"""How orthogonal the keys of each head are, and how focused its attention is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import instance
from tutorlib.geometry import mean_abs_cosine, random_abs_cosines
from tutorlib.llm.model import LanguageModel
from tutorlib.llm.record import Recording

__all__ = ["KeyOrthogonality", "attention_focus", "key_orthogonality"]


@dataclass(frozen=True, eq=False)
class KeyOrthogonality:
    """Mean ``|cos|`` between the columns of each head's key matrix, beside random columns.

    Attributes:
        heads: float64 ``[layers, kv_heads]``.
        expected: of as many random columns of the same length: the right reference.
        low: 2.5 % of random sets lie below.
        high: 2.5 % lie above.
        short: what random vectors of ``head_dim`` numbers would have, a reference that does not fit: the columns are as
            long as the residual stream is wide.

    >>> from tutorlib.llm import tiny
    >>> key_orthogonality(tiny(), torch.Generator().manual_seed(0)).heads.shape
    torch.Size([3, 2])
    """

    heads: Tensor
    expected: float
    low: float
    high: float
    short: float

    @property
    def layers(self) -> Tensor:
        """Mean over the heads of each layer, float64 ``[layers]``."""
        return self.heads.mean(1)


def key_orthogonality(model: LanguageModel, generator: torch.Generator, draws: int = 100) -> KeyOrthogonality:
    """How orthogonal the columns of the key matrices are (arXiv 2512.23752, section 4): ``head_dim`` vectors a head.

    Args:
        model: its weights are read, on the CPU.
        generator: draws the random reference.
        draws: how many random sets.

    >>> from tutorlib.llm import tiny
    >>> found = key_orthogonality(tiny(), torch.Generator().manual_seed(0))
    >>> bool((found.heads.mean() - found.expected).abs() < 0.02)  # a random model is as random
    True
    """
    instance("model", model, LanguageModel)
    table = []
    for layer in range(model.layers):
        weight = dict(model.module(layer, "key").named_parameters())["weight"].detach()
        rows = (
            weight.mT if type(model.module(layer, "key")).__name__ == "Conv1D" else weight
        )  # [outputs, width]
        keys = rows[model.columns("key").to(rows.device)].double().cpu()  # [kv_heads * head_dim, width]
        table.append(mean_abs_cosine(keys.view(model.kv_heads, model.head_dim, model.width)))
    random = random_abs_cosines(model.head_dim, model.width, generator, draws)  # [draws]
    low, high = random.quantile(random.new_tensor([0.025, 0.975])).tolist()
    short = random_abs_cosines(model.head_dim, model.head_dim, generator, draws).mean()
    return KeyOrthogonality(torch.stack(table), float(random.mean()), low, high, float(short))


def attention_focus(recording: Recording) -> Tensor:
    """Attention entropy by layer in bits, float64 ``[layers]``: of each head and position first, then the mean.

    The mean of the entropies, and not the entropy of the mean, which is higher (Jensen).

    >>> from tutorlib.llm import record, tiny
    >>> attention_focus(record(tiny(), ["The cat sat."], positions=0, what=("attention_entropy",))).shape
    torch.Size([3])
    """
    found = instance("recording", recording, Recording).attention_entropy
    if found is None:
        raise ValueError('recording: expected one with what=("attention_entropy",), got one without')
    return found.mean((1, 2))
