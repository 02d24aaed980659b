"""What a language model holds inside while it reads: values, residual stream, attention, and the entropy of what comes next.

One forward pass gives all that is asked for, on a CPU, a GPU or several, by the same call. What is kept is moved to the
CPU at once and only for the positions and layers asked for, so memory grows with those and with nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorlib.arguments import choice, instance, integer, shown
from tutorlib.llm.capture import captured, forward, laws
from tutorlib.llm.model import LanguageModel

__all__ = ["WHAT", "Recording", "as_tokens", "check_values", "record", "stream"]

WHAT = ("values", "keys", "residual", "attention_entropy", "attention", "logits")


@dataclass(frozen=True, eq=False)
class Recording:
    """Numbers at the positions asked for, prompt after prompt; a position is a row. All on the CPU; entropies in bits.

    What was not asked for is None.

    Attributes:
        layers: numbers of the layers kept, from 0.
        prompt: which prompt a row is from, int64 ``[rows]``: the group for folds and intervals.
        position: where in the prompt, from 0, int64 ``[rows]``.
        token: the token read there, int64 ``[rows]``.
        entropy: of the law of the next token, float64 ``[rows]``.
        surprise: of the token that did come next, float64 ``[rows]``; NaN at the end of a prompt.
        chosen: log2-probabilities of the tokens in ``of_tokens`` coming next, float64 ``[rows, chosen]``.
        values: float32 ``[layers, kv_heads, rows, head_dim]``, each shared head once.
        keys: of the same shape, before a rotation by the position.
        residual: the residual stream after each layer's block, float32 ``[layers, rows, width]``.
        attention_entropy: of each head's weights, float64 ``[layers, heads, rows]``.
        attention: a table per prompt, float32 ``[layers, heads, time, time]``, whatever the positions.
        logits: float32 ``[rows, vocabulary]``.

    >>> from tutorlib.llm import tiny
    >>> found = record(tiny("llama"), ["The cat sat on the mat."], positions=2, what=("values",))
    >>> found.values.shape, found.vectors("values", -1).shape
    (torch.Size([3, 2, 5, 8]), torch.Size([5, 16]))
    """

    layers: tuple[int, ...]
    prompt: Tensor
    position: Tensor
    token: Tensor
    entropy: Tensor
    surprise: Tensor
    chosen: Tensor | None = None
    values: Tensor | None = None
    keys: Tensor | None = None
    residual: Tensor | None = None
    attention_entropy: Tensor | None = None
    attention: tuple[Tensor, ...] | None = None
    logits: Tensor | None = None

    def vectors(self, what: str, layer: int) -> Tensor:
        """One vector a row: the ``values`` or ``keys`` of all heads side by side, or the ``residual`` stream.

        Args:
            what: one of these three.
            layer: its number in the model, or -1 for the last one kept.

        Returns:
            float32 ``[rows, d]``.
        """
        table = getattr(self, choice("what", what, ("values", "keys", "residual")))
        if table is None:
            raise ValueError(f"what: {what} was not recorded")
        place = len(self.layers) - 1 if layer == -1 else self._place(layer)
        return table[place] if what == "residual" else table[place].transpose(0, 1).flatten(1)

    def _place(self, layer: int) -> int:
        if layer not in self.layers:
            raise ValueError(f"layer: expected one of {self.layers}, got {layer!r}")
        return self.layers.index(layer)


def as_tokens(model: LanguageModel, prompts: Sequence[str | Tensor]) -> list[Tensor]:
    """Prompts as token numbers, int64 ``[time]`` each; a prompt that is a tensor already stays.

    Raises:
        ValueError: if there is none, one is empty, or one is longer than the model reads.

    >>> from tutorlib.llm import tiny
    >>> [len(tokens) for tokens in as_tokens(tiny("llama"), ["The cat sat.", torch.tensor([1, 2])])]
    [4, 2]
    """
    instance("model", model, LanguageModel)
    if not isinstance(prompts, list | tuple) or not prompts:
        raise ValueError(f"prompts: expected a list of texts, not empty, got {shown(prompts)}")
    config: Any = model.network.config
    most = getattr(config, "max_position_embeddings", None) or 2**24
    found = []
    for prompt in prompts:
        tokens = model.encode(prompt) if isinstance(prompt, str) else prompt
        if not isinstance(tokens, Tensor) or tokens.dtype != torch.int64 or tokens.ndim != 1:
            raise ValueError(f"prompts: expected texts or int64 [time], got {shown(prompt)}")
        if not 1 <= len(tokens) <= most:
            raise ValueError(f"prompts: expected 1 to {most} tokens in each, got {len(tokens)}")
        if tokens.min() < 0 or tokens.max() >= model.vocabulary:
            raise ValueError(f"prompts: expected token numbers below {model.vocabulary}, got {shown(prompt)}")
        found.append(tokens)
    return found


def record(
    model: LanguageModel,
    prompts: Sequence[str | Tensor],
    *,
    positions: int | str = 8,
    what: Sequence[str] = ("values",),
    layers: Sequence[int] | None = None,
    of_tokens: Tensor | None = None,
    batch: int = 8,
    progress: bool = False,
) -> Recording:
    """Read prompts and keep what the model holds inside; entropies of the next token are always kept.

    Args:
        model: any language model.
        prompts: texts, or token numbers int64 ``[time]``.
        positions: ``"last"`` for the last position of each prompt, or a number of positions at the start to leave out.
            The first few are special in all models: attention rests there.
        what: names out of :data:`WHAT`.
        layers: which to keep, -1 for the last; all if left out.
        of_tokens: tokens whose log-probabilities to keep, int64 ``[chosen]`` for all prompts or ``[prompts, chosen]``.
        batch: prompts read at once.
        progress: show a bar.

    Raises:
        ValueError: if a prompt has no position that is asked for, or an argument does not fit.

    >>> from tutorlib.llm import tiny
    >>> found = record(tiny("gpt2"), ["The cat sat.", "A dog."], positions="last", what=("residual",))
    >>> found.residual.shape, found.prompt.tolist(), found.position.tolist()
    (torch.Size([3, 2, 32]), [0, 1], [3, 2])
    """
    parts = list(
        stream(
            model,
            prompts,
            positions=positions,
            what=what,
            layers=layers,
            of_tokens=of_tokens,
            batch=batch,
            progress=progress,
        )
    )
    joined: dict[str, Any] = {"layers": parts[0].layers}
    for name in (field.name for field in fields(Recording)):
        pieces = [getattr(part, name) for part in parts]
        if pieces[0] is None or name == "layers":
            continue
        along = {"values": 2, "keys": 2, "attention_entropy": 2, "residual": 1}.get(name, 0)
        joined[name] = sum(pieces, ()) if name == "attention" else torch.cat(pieces, along)
    return Recording(**joined)


def stream(
    model: LanguageModel,
    prompts: Sequence[str | Tensor],
    *,
    positions: int | str = 8,
    what: Sequence[str] = ("values",),
    layers: Sequence[int] | None = None,
    of_tokens: Tensor | None = None,
    batch: int = 8,
    progress: bool = False,
) -> Iterator[Recording]:
    """As :func:`record`, a batch of prompts at a time: for a corpus of which not everything fits in memory.

    >>> from tutorlib.llm import tiny
    >>> [len(part.entropy) for part in stream(tiny(), ["The cat sat.", "A dog.", "A dog."], positions=1, batch=2)]
    [5, 2]
    """
    tokens = as_tokens(model, prompts)
    for name in what if isinstance(what, list | tuple) else [what]:
        choice("what", name, WHAT)
    first = -1 if positions == "last" else _skipped(positions, tokens)
    kept = tuple(range(model.layers)) if layers is None else tuple(model.layer(number) for number in layers)
    chosen = None if of_tokens is None else _chosen(of_tokens, len(tokens), model.vocabulary)
    size = integer("batch", batch, 1)
    return _batches(model, tokens, first, tuple(what), kept, chosen, size, bool(progress))


def _batches(
    model: LanguageModel,
    tokens: list[Tensor],
    first: int,
    what: tuple[str, ...],
    layers: tuple[int, ...],
    chosen: Tensor | None,
    size: int,
    progress: bool,
) -> Iterator[Recording]:
    for start in tqdm(range(0, len(tokens), size), disable=not progress, desc="prompts", unit="batch"):
        some = tokens[start : start + size]
        rows = [(i, t) for i, each in enumerate(some) for t in range(len(each))[first:]]
        at = (torch.tensor([i for i, _ in rows]), torch.tensor([t for _, t in rows]))
        with captured(model, what, layers, at, [len(each) for each in some]) as found:
            logits = forward(model, some)  # [batch, time, vocabulary]
        following = [int(some[i][t + 1]) if t + 1 < len(some[i]) else -1 for i, t in rows]
        wanted = None if chosen is None else chosen[at[0] + start]
        found_laws = laws(logits[at[0].to(logits.device), at[1].to(logits.device)], following, wanted)
        extra = {name: torch.stack(found[name]) for name in what if name not in ("logits", "attention")}
        for name in {"values", "keys"} & set(extra):
            shape = (len(layers), len(rows), model.kv_heads, model.head_dim)
            extra[name] = extra[name].view(shape).transpose(1, 2)
        if "attention_entropy" in extra:
            extra["attention_entropy"] = extra["attention_entropy"].transpose(1, 2)
        attention = None
        if "attention" in what:
            attention = tuple(
                torch.stack([layer[i] for layer in found["attention"]]) for i in range(len(some))
            )
        if "logits" in what:
            extra["logits"] = logits[at[0].to(logits.device), at[1].to(logits.device)].float().cpu()
        read = torch.stack([some[i][t] for i, t in rows])
        yield Recording(layers, at[0] + start, at[1], read, **found_laws, **extra, attention=attention)


def check_values(
    model: LanguageModel, prompt: str = "The cat sat on the mat, and the dog lay by the door."
) -> float:
    """The proof that the value vectors are the right ones: the largest error of ``attention @ values``.

    In every layer the weights times the values, shared heads repeated, must be what the output projection takes in.

    Returns:
        The largest difference, relative to the largest input: about 1e-7 in float32, 1e-2 in bfloat16.

    >>> from tutorlib.llm import tiny
    >>> check_values(tiny("gpt_neox")) < 1e-5
    True
    """
    taken: list[Tensor] = []
    hooks = [
        model.module(layer, "output").register_forward_pre_hook(
            lambda _, given: taken.append(given[0][0].float().cpu())
        )
        for layer in range(model.layers)
    ]
    try:
        found = record(model, [prompt], positions=0, what=("values", "attention"))
    finally:
        for hook in hooks:
            hook.remove()
    assert found.values is not None and found.attention is not None
    values = found.values.repeat_interleave(
        model.heads // model.kv_heads, 1
    )  # [layers, heads, time, head_dim]
    mixed = (found.attention[0] @ values).transpose(1, 2).flatten(2)  # [layers, time, heads * head_dim]
    inputs = torch.stack(taken)
    return float((mixed - inputs).abs().max() / inputs.abs().max())


def _skipped(positions: object, tokens: list[Tensor]) -> int:
    if isinstance(positions, str):
        raise ValueError(
            f"positions: expected 'last' or a number of positions to leave out, got {positions!r}"
        )
    first, shortest = integer("positions", positions, 0), min(map(len, tokens))
    if shortest <= first:
        raise ValueError(
            f"positions: expected fewer than the {shortest} tokens of the shortest prompt to be left out, got {first}"
        )
    return first


def _chosen(of_tokens: object, prompts: int, vocabulary: int) -> Tensor:
    """One row of token numbers for each prompt."""
    if not isinstance(of_tokens, Tensor) or of_tokens.dtype != torch.int64 or of_tokens.ndim not in (1, 2):
        raise ValueError(f"of_tokens: expected int64 [chosen] or [prompts, chosen], got {shown(of_tokens)}")
    table = of_tokens.expand(prompts, -1) if of_tokens.ndim == 1 else of_tokens
    if len(table) != prompts or not table.numel() or table.min() < 0 or table.max() >= vocabulary:
        raise ValueError(
            f"of_tokens: expected numbers below {vocabulary} for {prompts} prompts, got {shown(of_tokens)}"
        )
    return table
