"""In-context evidence with a known posterior: prompts to a language model, and what else it could do.

Two kinds. SULA, after arXiv 2512.23752: each example shows a hidden label, right with probability 0.9; here the length of
the prompt grows with the evidence, so that whatever follows the length looks like belief. The colour sequences have one
length and differ only in how often each colour came: the exact answer is Laplace's rule of succession.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import choice, device_of, integer, is_real, shown

__all__ = ["CONTROLS", "WORDS", "Evidence", "beta_sequences", "sula"]

CONTROLS = ("none", "shuffled", "masked")
_CARRIERS = (
    "table", "river", "stone", "window", "garden", "letter", "bridge", "candle", "market", "winter", "pocket", "mirror",
    "button", "island", "ladder", "basket", "hammer", "carpet", "bottle", "forest", "pencil", "blanket", "tunnel", "anchor",
    "harbour", "kettle", "needle", "orchard", "pillow", "saddle", "ticket", "valley", "wagon", "barrel", "feather",
)  # fmt: skip
WORDS = (
    *_CARRIERS,
    "dax",
    "lug",
    "red",
    "blue",
    "Sequence",
    ":",
    ",",
    ".",
    "?",
)  # in every tokenizer of a tiny model


@dataclass(frozen=True, eq=False)
class Evidence:
    """Prompts that end where one of two words comes next, with the exact answers.

    Attributes:
        prompts: texts.
        words: the two answers.
        shown: which word each example shows, 0 or 1, int64 ``[prompts, most]``; -1 behind the last example.
        examples: how many there are, int64 ``[prompts]``.
        posterior: probability that the hidden label is the first word, float64 ``[prompts]``. For colour sequences
            the posterior mean of the share of the first word.
        predictive: probability that the next example shows the first word, float64 ``[prompts]``.
        group: int64 ``[prompts]``; prompts that are the same or nearly so share one.

    >>> evidence = beta_sequences(4, 2, torch.Generator().manual_seed(0))
    >>> evidence.prompts[0], float(evidence.predictive[0])
    ('Sequence: blue, blue, blue, blue,', 0.16666666666666666)
    """

    prompts: tuple[str, ...]
    words: tuple[str, str]
    shown: Tensor
    examples: Tensor
    posterior: Tensor
    predictive: Tensor
    group: Tensor

    @property
    def firsts(self) -> Tensor:
        """How many examples show the first word, int64 ``[prompts]``."""
        return (self.shown == 0).sum(1)


def sula(
    per_count: int,
    generator: torch.Generator,
    counts: Sequence[int] = (0, 1, 2, 4, 8),
    reliability: float = 0.9,
    words: tuple[str, str] = ("dax", "lug"),
    control: str = "none",
) -> Evidence:
    """Examples ``river: dax, stone: lug, ... . table:`` of a hidden label, each right with probability ``reliability``.

    The posterior odds of the first word are ``(r / (1 - r))`` to the power of how many more examples show it. The words
    before the labels mean nothing. Source: arXiv 2512.23752, section 4.3, which compares with the posterior of the label;
    what comes next in the text is the label with probability ``r``, the ``predictive``.

    Args:
        per_count: prompts for each number of examples.
        generator: draws labels and words.
        counts: numbers of examples, from 0 to 34.
        reliability: ``r``, above 1/2 and below 1.
        words: the two labels. Each should be one token, or at least begin with different ones.
        control: ``none``; ``shuffled``: the labels shown are tosses of a fair coin, while the answers stay those of the
            evidence that was drawn; ``masked``: every label is a question mark.

    >>> evidence = sula(2, torch.Generator().manual_seed(0), counts=(0, 2))
    >>> evidence.prompts[3], [round(p, 3) for p in evidence.posterior.tolist()]
    ('market: dax, pillow: dax. basket:', [0.5, 0.5, 0.988, 0.988])
    """
    size, device = integer("per_count", per_count, 1), device_of(generator)
    if not isinstance(counts, list | tuple) or not counts:
        raise ValueError(f"counts: expected numbers of examples, got {shown(counts)}")
    counts = [integer("counts", count, 0, len(_CARRIERS) - 1) for count in counts]
    if not is_real(reliability) or not 0.5 < reliability < 1:
        raise ValueError(f"reliability: expected a number above 1/2 and below 1, got {shown(reliability)}")
    first, second = _two_words(words)
    choice("control", control, CONTROLS)
    prompts, labels, posterior = [], [], []
    for count in counts:
        for _ in range(size):
            draw = torch.rand(2 * max(counts) + 1, generator=generator, device=device).tolist()
            hidden = int(draw[0] < 0.5)
            seen = [hidden if u < reliability else 1 - hidden for u in draw[1 : count + 1]]
            lead = count - 2 * sum(seen)  # examples of the first word beyond those of the second
            posterior.append(1 / (1 + ((1 - reliability) / reliability) ** lead))
            if control == "shuffled":
                seen = [int(u < 0.5) for u in draw[max(counts) + 1 :][:count]]
            order = torch.randperm(len(_CARRIERS), generator=generator, device=device).tolist()
            said = ["?" if control == "masked" else (first, second)[label] for label in seen]
            pairs = ", ".join(f"{_CARRIERS[i]}: {word}" for i, word in zip(order, said, strict=False))
            prompts.append(f"{pairs}. {_CARRIERS[order[count]]}:" if count else f"{_CARRIERS[order[0]]}:")
            labels.append(seen + [-1] * (max(counts) - count))
    p = torch.tensor(posterior, dtype=torch.float64)
    return Evidence(
        tuple(prompts),
        (first, second),
        torch.tensor(labels, dtype=torch.int64).reshape(len(prompts), max(counts)),
        torch.tensor(counts).repeat_interleave(size),
        p,
        p * reliability + (1 - p) * (1 - reliability),
        torch.arange(len(prompts)),
    )


def beta_sequences(
    examples: int, orders: int, generator: torch.Generator, words: tuple[str, str] = ("red", "blue")
) -> Evidence:
    """``Sequence: red, blue, ...,`` of one length, with every number of the first word, each in several random orders.

    Before any example all shares of the first word are equally likely. Then the exact probability that it comes next is
    ``(n + 1) / (examples + 2)`` after ``n`` of them. All prompts have the same length, so what follows the length cannot
    look like belief. The groups are the numbers ``n``.

    Args:
        examples: in each prompt, at least 1.
        orders: drawn for each number; those that come twice are kept once.
        generator: draws them.
        words: the two words.

    >>> len(beta_sequences(16, 6, torch.Generator().manual_seed(0)).prompts)
    90
    """
    integer("examples", examples, 1, 512), integer("orders", orders, 1)
    pair, device = _two_words(words), device_of(generator)
    rows: dict[tuple[int, ...], int] = {}
    for count in range(examples + 1):
        start = [0] * count + [1] * (examples - count)
        for _ in range(orders):
            order = torch.randperm(examples, generator=generator, device=device).tolist()
            rows[tuple(start[i] for i in order)] = count
    group = torch.tensor(list(rows.values()))
    predictive = (group.double() + 1) / (examples + 2)
    texts = tuple("Sequence: " + "".join(f"{pair[label]}, " for label in row).rstrip() for row in rows)
    many = torch.full_like(group, examples)
    return Evidence(texts, pair, torch.tensor(list(rows)), many, predictive, predictive, group)


def _two_words(words: object) -> tuple[str, str]:
    if (
        not isinstance(words, list | tuple)
        or len(words) != 2
        or not all(isinstance(w, str) and w for w in words)
    ):
        raise ValueError(f"words: expected two words, got {shown(words)}")
    return words[0], words[1]
