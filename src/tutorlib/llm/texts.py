"""Our own short texts to read with a language model. CC-BY-4.0, by the authors of this book.

Paragraphs of mixed prose are for the entropy of the next token as it comes; prompts that all end with the same word are
for comparing one domain with mixed ones where length, last token and number are the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import choice, integer
from tutorlib.llm.model import LanguageModel

__all__ = ["KINDS", "Paragraph", "matched_prompts", "paragraphs", "prompts", "vocabulary"]

KINDS = ("mixed", "mathematics", "templates")


@dataclass(frozen=True)
class Paragraph:
    """A short text and what it is about.

    >>> Paragraph("cooking", "Warm the milk.").domain
    'cooking'
    """

    domain: str
    text: str


@cache
def _data() -> dict[str, Any]:
    file = resources.files("tutorlib.llm") / "texts.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def paragraphs(domain: str | None = None) -> list[Paragraph]:
    """Paragraphs of 60 to 100 words; those of one domain, or all.

    Raises:
        ValueError: if there is no such domain.

    >>> len(paragraphs()) >= 36, len(paragraphs("mathematics"))
    (True, 8)
    """
    every = [Paragraph(**row) for row in _data()["paragraphs"]]
    if domain is None:
        return every
    choice("domain", domain, tuple(sorted({p.domain for p in every})))
    return [paragraph for paragraph in every if paragraph.domain == domain]


def prompts(kind: str) -> list[str]:
    """40 prompts of about a line, each of which ends with `` the``.

    Args:
        kind: ``mixed``: about everything. ``mathematics``: about one domain, each sentence built differently.
            ``templates``: four sentences about arithmetic with other numbers in them. The last shows what few templates
            do, which is easily taken for what a domain does.

    >>> prompts("mathematics")[0].endswith(" the"), len(prompts("templates"))
    (True, 40)
    """
    if choice("kind", kind, KINDS) != "templates":
        return list(_data()["prompts"][kind])
    frames = _data()["prompts"]["frames"]
    numbers = [(3 + 7 * i % 89, 2 + 5 * i % 61) for i in range(40)]
    return [frames[i % len(frames)].format(a=a, b=b) for i, (a, b) in enumerate(numbers)]


def matched_prompts(model: LanguageModel, length: int = 12) -> dict[str, list[Tensor]]:
    """The three kinds of prompts as tokens, cut at the front so that all have the same length.

    Same number, same length, same last token: what differs is what they are about. Tokens that the tokenizer puts in
    front of a text stay in front.

    Args:
        model: its tokenizer is used.
        length: tokens of each prompt, without those in front.

    Returns:
        For each kind 40 prompts, int64 ``[front + length]``.

    Raises:
        ValueError: if a prompt has fewer tokens.

    >>> from tutorlib.llm import tiny
    >>> {kind: len(found) for kind, found in matched_prompts(tiny(), length=8).items()}
    {'mixed': 40, 'mathematics': 40, 'templates': 40}
    """
    integer("length", length, 2)
    found: dict[str, list[Tensor]] = {}
    for kind in KINDS:
        found[kind] = []
        for text in prompts(kind):
            bare, whole = model.encode(text, special=False), model.encode(text)
            if len(bare) < length:
                raise ValueError(
                    f"length: expected at most {len(bare)}, the tokens of {text!r}, got {length}"
                )
            found[kind].append(torch.cat((whole[: len(whole) - len(bare)], bare[-length:])))
    return found


@cache
def vocabulary() -> tuple[str, ...]:
    """All words and marks in the texts, each with the space before it and without, in alphabetical order.

    >>> " the" in vocabulary() and "the" in vocabulary()
    True
    """
    from tutorlib.llm.evidence import WORDS

    texts = [p.text for p in paragraphs()] + [text for kind in KINDS for text in prompts(kind)]
    words = {word for text in texts for word in re.findall(r"\w+|[^\w\s]", text)} | set(WORDS)
    return tuple(sorted({*words, *(f" {word}" for word in words), " "}))
