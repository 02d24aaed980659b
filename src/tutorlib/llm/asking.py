"""Ask a language model what comes next after evidence, and how near that is to the exact answer and to simple rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import instance, real_tensor
from tutorlib.bits import entropy, kl_divergence
from tutorlib.geometry import correlation
from tutorlib.llm.evidence import Evidence
from tutorlib.llm.model import LanguageModel
from tutorlib.llm.record import Recording, record

__all__ = ["Asked", "ask", "baselines", "score"]


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model says comes next after each prompt.

    Attributes:
        probability: of the first of the two words, given that one of them comes, float64 ``[prompts]``.
        mass: on both together, float64 ``[prompts]``; where it is small, the model did not take it as that question.
        recording: what it held inside at the last position.

    >>> from tutorlib.llm import beta_sequences, sula, tiny
    >>> ask(tiny(), beta_sequences(3, 1, torch.Generator().manual_seed(0))).probability.shape
    torch.Size([4])
    """

    probability: Tensor
    mass: Tensor
    recording: Recording

    @property
    def entropy(self) -> Tensor:
        """Bits of the choice between the two words, float64 ``[prompts]``."""
        return _binary_entropy(self.probability)


def ask(
    model: LanguageModel,
    evidence: Evidence,
    *,
    what: Sequence[str] = (),
    layers: Sequence[int] | None = None,
    batch: int = 16,
    progress: bool = False,
) -> Asked:
    """Ask a model for the next word after each prompt, and record what it holds inside there.

    A word counts by its first token. The other arguments are those of :func:`tutorlib.llm.record`.

    Raises:
        ValueError: if the two words begin with the same token in the model's tokenizer.

    >>> from tutorlib.llm import beta_sequences, sula, tiny
    >>> asked = ask(tiny(), sula(2, torch.Generator().manual_seed(0)), what=("values",), layers=(-1,))
    >>> asked.recording.values.shape, bool((asked.mass < 1).all())
    (torch.Size([1, 2, 10, 8]), True)
    """
    instance("model", model, LanguageModel)
    instance("evidence", evidence, Evidence)
    tokens = torch.tensor([_first_tokens(model, prompt, evidence.words) for prompt in evidence.prompts])
    found = record(
        model,
        evidence.prompts,
        positions="last",
        what=what,
        layers=layers,
        of_tokens=tokens,
        batch=batch,
        progress=progress,
    )
    assert found.chosen is not None
    both = found.chosen.exp2()  # [prompts, 2]
    mass = both.sum(1)
    return Asked(torch.softmax(found.chosen * torch.log(torch.tensor(2.0)), 1)[:, 0], mass, found)


def baselines(evidence: Evidence) -> dict[str, Tensor]:
    """What simple rules would answer: probabilities of the first word, float64 ``[prompts]`` each.

    ``half`` says 1/2; ``best constant`` the mean of the exact answers; ``frequency`` the share among the examples (1/2 if
    there are none); ``last example`` repeats it with probability 0.9.

    >>> from tutorlib.llm import beta_sequences
    >>> {name: p.tolist() for name, p in baselines(beta_sequences(1, 1, torch.Generator().manual_seed(0))).items()}
    {'half': [0.5, 0.5], 'best constant': [0.5, 0.5], 'frequency': [0.0, 1.0], 'last example': [0.1, 0.9]}
    """
    instance("evidence", evidence, Evidence)
    n, k = evidence.firsts.double(), evidence.examples
    half = torch.full_like(n, 0.5)
    last = half.clone()
    if evidence.shown.shape[1]:
        final = evidence.shown.gather(1, (k - 1).clamp(min=0)[:, None])[:, 0]  # [prompts]
        last = torch.where(k > 0, 0.1 + 0.8 * (final == 0).double(), half)
    return {
        "half": half,
        "best constant": half.new_full(half.shape, float(evidence.predictive.mean())),
        "frequency": torch.where(k > 0, n / k.clamp(min=1), half),
        "last example": last,
    }


def score(probability: Tensor, exact: Tensor) -> dict[str, float]:
    """How near answers are to the exact ones, both ``[prompts]``: errors in bits, and Pearson's correlation.

    Returns:
        ``entropy_mae``, ``kl`` (from the exact answer; infinite where one says never and it can be), ``mae`` of the
        probability, and ``correlation`` (NaN if one does not vary).

    >>> score(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75]))["mae"]
    0.25
    """
    p, q = (
        real_tensor(n, t, "[prompts]").double() for n, t in (("probability", probability), ("exact", exact))
    )
    if p.shape != q.shape or not len(p):
        raise ValueError(
            f"probability and exact: expected as many, got {tuple(p.shape)} and {tuple(q.shape)}"
        )
    varies = bool(p.ne(p[0]).any() and q.ne(q[0]).any())
    return {
        "entropy_mae": float((_binary_entropy(p) - _binary_entropy(q)).abs().mean()),
        "kl": float(kl_divergence(torch.stack((q, 1 - q), 1), torch.stack((p, 1 - p), 1)).mean()),
        "mae": float((p - q).abs().mean()),
        "correlation": correlation(p, q) if varies else float("nan"),
    }


def _binary_entropy(p: Tensor) -> Tensor:
    return entropy(torch.stack((p, 1 - p), -1))


def _first_tokens(model: LanguageModel, prompt: str, words: tuple[str, str]) -> list[int]:
    """The token that follows the prompt if each of the words does."""
    start, found = model.encode(prompt).tolist(), []
    for word in words:
        whole = model.encode(f"{prompt} {word}").tolist()
        if whole[: len(start)] != start or len(whole) == len(start):
            raise ValueError(f"words: {word!r} does not begin a token of its own after {prompt!r}")
        found.append(whole[len(start)])
    if found[0] == found[1]:
        raise ValueError(f"words: expected two that begin with different tokens, got {words}")
    return found
