"""One forward pass, hooks that keep what the modules make on the way, and the laws of the next token. Not public."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.bits import entropy, log_probabilities
from tutorlib.llm.families import ModelError
from tutorlib.llm.model import LanguageModel

CHUNK = 64  # rows of logits in float64 at a time


@torch.no_grad()
def forward(model: LanguageModel, tokens: Sequence[Tensor]) -> Tensor:
    """Logits ``[prompts, time, vocabulary]`` for prompts of any lengths; past a prompt's end they mean nothing."""
    longest = max(map(len, tokens))
    table = torch.zeros(len(tokens), longest, dtype=torch.int64)
    mask = torch.zeros_like(table)
    for i, each in enumerate(tokens):  # padding stands behind, where no earlier position sees it
        table[i, : len(each)], mask[i, : len(each)] = each, 1
    found: Tensor = model.network(
        input_ids=table.to(model.device), attention_mask=mask.to(model.device), use_cache=False
    ).logits
    return found


@contextmanager
def captured(
    model: LanguageModel,
    what: tuple[str, ...],
    layers: tuple[int, ...],
    at: tuple[Tensor, Tensor],
    lengths: list[int],
) -> Iterator[dict[str, list[Any]]]:
    """Hooks that put what each layer makes into lists, by name, while the context lasts."""
    found: dict[str, list[Any]] = {name: [] for name in what}

    def rows(table: Tensor) -> Tensor:
        return table[at[0].to(table.device), at[1].to(table.device)]

    def projected(name: str, part: str) -> Callable[..., None]:
        columns = model.columns(part)

        def keep(module: nn.Module, given: Any, made: Tensor) -> None:
            found[name].append(rows(made)[:, columns.to(made.device)].float().cpu())

        return keep

    def after(module: nn.Module, given: Any, made: Any) -> None:
        found["residual"].append(rows(made if isinstance(made, Tensor) else made[0]).float().cpu())

    def attended(module: nn.Module, given: Any, made: Any) -> None:
        weights = made[1]  # [batch, heads, time, time]
        if weights is None:
            raise ModelError("attention: this model was not loaded with attn_implementation='eager'")
        if "attention" in found:
            found["attention"].append(
                [w[:, :n, :n].float().cpu() for w, n in zip(weights, lengths, strict=True)]
            )
        if "attention_entropy" in found:
            p = rows(weights.transpose(1, 2)).double().cpu()  # [rows, heads, time]
            found["attention_entropy"].append(entropy(p / p.sum(-1, keepdim=True)))

    plan = {
        "values": ("value", projected("values", "value")),
        "keys": ("key", projected("keys", "key")),
        "residual": ("block", after),
        "attention": ("attention", attended),
        "attention_entropy": ("attention", attended),
    }
    wanted = {plan[name] for name in what if name in plan}
    hooks = [
        model.module(layer, part).register_forward_hook(hook) for layer in layers for part, hook in wanted
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def laws(logits: Tensor, following: list[int], wanted: Tensor | None) -> dict[str, Tensor]:
    """Entropy, surprise and chosen log-probabilities from logits ``[rows, vocabulary]``, a few rows at a time."""
    follow = torch.tensor(following)  # [rows]; -1 where the prompt ends
    parts: dict[str, list[Tensor]] = {"entropy": [], "surprise": [], "chosen": []}
    for first in range(0, len(logits), CHUNK):
        log_p = log_laws(logits[first : first + CHUNK])  # [chunk, vocabulary]
        here = follow[first : first + CHUNK, None]
        parts["entropy"].append(-(log_p.exp2() * log_p).nan_to_num(0).sum(-1))
        surprise = -log_p.gather(1, here.clamp(min=0))
        parts["surprise"].append(torch.where(here < 0, torch.nan, surprise)[:, 0])
        if wanted is not None:
            parts["chosen"].append(log_p.gather(1, wanted[first : first + CHUNK]))
    return {name: torch.cat(found) for name, found in parts.items() if found}


def log_laws(logits: Tensor) -> Tensor:
    """``log2 softmax`` of logits ``[rows, vocabulary]``, float64, on the CPU."""
    # Apple's GPUs have no float64.
    return log_probabilities(logits.cpu() if logits.device.type == "mps" else logits).cpu()
