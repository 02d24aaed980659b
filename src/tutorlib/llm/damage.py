"""What an edit does to a language model's answers: every edit on the same prompts, beside the model as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorlib.arguments import instance, integer, shown
from tutorlib.evaluation import Interval
from tutorlib.geometry import grouped_interval
from tutorlib.llm.capture import CHUNK, forward, log_laws
from tutorlib.llm.interventions import Edit, edited
from tutorlib.llm.model import LanguageModel
from tutorlib.llm.record import as_tokens

__all__ = ["Damage", "damage"]


@dataclass(frozen=True, eq=False)
class Damage:
    """At each position, how far the law of the next token has moved, in bits.

    Attributes:
        kl: from the law of the model as it is to that of the edited one, float64 ``[rows]``.
        entropy_change: entropy edited less entropy as it is, float64 ``[rows]``.
        surprise_change: the same for the surprise at the token that did come, float64 ``[rows]``; NaN at a prompt's end.
        prompt: which prompt a row is from, int64 ``[rows]``.

    >>> Damage(torch.tensor([1.0, 3.0]), torch.zeros(2), torch.zeros(2), torch.tensor([0, 1])).mean()
    2.0
    """

    kl: Tensor
    entropy_change: Tensor
    surprise_change: Tensor
    prompt: Tensor

    def mean(self) -> float:
        """Mean KL in bits."""
        return float(self.kl.mean())

    def interval(self, generator: torch.Generator, measure: str = "kl", resamples: int = 1000) -> Interval:
        """Mean of a measure with its 95 % bootstrap interval over whole prompts."""
        values = instance(measure, getattr(self, measure, None), Tensor)
        return grouped_interval(lambda rows: float(values[rows].nanmean()), self.prompt, generator, resamples)


@torch.no_grad()
def damage(
    model: LanguageModel,
    prompts: Sequence[str | Tensor],
    edits: Mapping[str, Sequence[Edit]],
    *,
    skip: int = 8,
    batch: int = 8,
    progress: bool = False,
) -> dict[str, Damage]:
    """Read the prompts with the model as it is and once under each set of edits, and compare position by position.

    Args:
        model: any language model.
        prompts: texts, or token numbers int64 ``[time]``.
        edits: sets of edits by name.
        skip: positions at the start of each prompt to leave out.
        batch: prompts read at once; the memory for their logits bounds it.
        progress: show a bar.

    Returns:
        One :class:`Damage` for each name.

    >>> from tutorlib.llm import cut, tiny
    >>> found = damage(tiny(), ["The cat sat."], {"none": [], "axis": [cut(-1, torch.eye(16)[:4])]}, skip=1)
    >>> found["none"].mean(), found["axis"].mean() > 0
    (0.0, True)
    """
    tokens = as_tokens(model, prompts)
    if not isinstance(edits, Mapping) or not edits:
        raise ValueError(f"edits: expected sets of edits by name, got {shown(edits)}")
    first, size, shortest = integer("skip", skip, 0), integer("batch", batch, 1), min(map(len, tokens))
    if shortest <= first:
        raise ValueError(
            f"skip: expected fewer than the {shortest} tokens of the shortest prompt, got {first}"
        )
    parts: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in edits}
    for start in tqdm(range(0, len(tokens), size), disable=not progress, desc="edits", unit="batch"):
        some = tokens[start : start + size]
        rows = [(i, t) for i, each in enumerate(some) for t in range(first, len(each))]
        follow = torch.tensor([int(some[i][t + 1]) if t + 1 < len(some[i]) else -1 for i, t in rows])
        which = torch.tensor([start + i for i, _ in rows])
        clean = _at(forward(model, some), rows)  # [rows, vocabulary]
        for name, changes in edits.items():
            with edited(model, changes):
                changed = _at(forward(model, some), rows)
            parts[name].append((*_compared(clean, changed, follow), which))
    return {
        name: Damage(*(torch.cat(column) for column in zip(*found, strict=True)))
        for name, found in parts.items()
    }


def _at(logits: Tensor, rows: list[tuple[int, int]]) -> Tensor:
    at = torch.tensor(rows, device=logits.device)
    return logits[at[:, 0], at[:, 1]]


def _compared(clean: Tensor, changed: Tensor, follow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL, change of entropy and change of surprise, float64 ``[rows]`` each, a few rows at a time."""
    found: list[tuple[Tensor, ...]] = []
    for first in range(0, len(clean), CHUNK):
        log_p, log_q = log_laws(clean[first : first + CHUNK]), log_laws(changed[first : first + CHUNK])
        here = follow[first : first + CHUNK, None]
        p, q = log_p.exp2(), log_q.exp2()
        kl = torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1)
        change = torch.where(p > 0, p * log_p, 0.0).sum(-1) - torch.where(q > 0, q * log_q, 0.0).sum(-1)
        surprise = (log_p - log_q).gather(1, here.clamp(min=0))[:, 0]
        found.append((kl, change, torch.where(here[:, 0] < 0, torch.nan, surprise)))
    kl, change, surprise = (torch.cat(column) for column in zip(*found, strict=True))
    return kl, change, surprise
