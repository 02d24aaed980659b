"""What SmolLM2 holds of the entropy of its next token: measured once, kept in ``study.json``, and measured again by tests.

``tools/write_entropy_axis.py`` writes the file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, seed_number
from tutorlib.geometry import (
    principal_axes,
    probe,
    r_squared,
    random_directions,
    rank_correlation,
    within_groups,
)
from tutorlib.llm import LanguageModel, Recording, as_tokens, entropy_axes, paragraphs, record, wrap

__all__ = [
    "SKIPPED",
    "layer_row",
    "prompts_of_75",
    "random_ranks",
    "seventy_five",
    "sink_shares",
    "stored",
    "token_only",
    "token_scores",
    "untrained_twin",
]

SKIPPED = 8  # positions at the start of a paragraph


@cache
def stored() -> dict[str, Any]:
    """The stored measurements.

    >>> len(stored()["layers"])
    60
    """
    text = resources.files("tutorlib.entropy_axis").joinpath("study.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def untrained_twin(model: LanguageModel, seed: int = 0) -> LanguageModel:
    """A model of the same shape and tokenizer with the library's own starting weights.

    >>> from tutorlib.llm import tiny
    >>> untrained_twin(tiny("llama")).layers
    3
    """
    from transformers import AutoModelForCausalLM

    config: Any = instance("model", model, LanguageModel).network.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_number("seed", seed))  # the library's initialisation takes no generator
        network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    twin = wrap(network.float(), model.tokenizer, model.family, f"{model.name}, untrained", f"seed {seed}")
    return replace(twin, revision=f"seed {seed}")


def layer_row(
    trained: Recording, untrained: Recording, what: str, layer: int, resamples: int = 200
) -> dict[str, Any]:
    """Both axes at one layer, with their controls.

    Args:
        trained: paragraphs without their first positions.
        untrained: the same of :func:`untrained_twin`; its vectors are asked for the entropy of the *trained* model.
        what: ``values`` or ``residual``.
        layer: its number.
        resamples: for intervals.

    Returns:
        The numbers of :class:`tutorlib.llm.EntropyAxes` (intervals as ``[mean, low, high]``), and ``raw_share`` and
        ``raw_first`` (of PC1 without standardising), ``within`` (of the probe, inside groups of one last token),
        ``untrained_r2`` and ``untrained_first``, ``random_95`` (size of the rank correlation that 95 % of random directions
        stay below).

    >>> from tutorlib.llm import record, tiny
    >>> texts = ["The old dog lifted his head and he looked.", "She put the letter back on the table."] * 5
    >>> a, b = (record(tiny(seed=s), texts, positions=2) for s in (0, 1))
    >>> layer_row(a, b, "values", 1, resamples=5)["rows"]
    75
    """
    x, y, groups = trained.vectors(what, layer).double(), trained.entropy, trained.prompt
    axes = entropy_axes(x, y, groups, _seeded(0), resamples=resamples)
    found: dict[str, Any] = {
        name: [v.mean, v.low, v.high] if hasattr(v, "low") else v for name, v in vars(axes).items()
    }
    twin = untrained.vectors(what, layer).double()
    read = probe(x, y[:, None], groups, _seeded(0)).predicted[:, 0]
    found |= {
        "raw_share": float(principal_axes(x).shares[0]),
        "raw_first": _first(x, y, standardise=False),
        "within": within_groups(read, y, trained.token),
        "untrained_r2": probe(twin, y[:, None], groups, _seeded(0)).r_squared,
        "untrained_first": _first(twin, y),
        "random_95": float(random_ranks(x, y, 300, _seeded(1)).abs().quantile(0.95)),
    }
    return {"layer": layer, "what": what, **found}


def random_ranks(x: Tensor, y: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Rank correlations of a quantity ``[n]`` with vectors ``[n, d]`` along random directions, float64 ``[count]``.

    Coordinates are standardised first, as for PC1.

    >>> x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> random_ranks(x, x[:, 0], 5, torch.Generator().manual_seed(0)).shape
    torch.Size([5])
    """
    axes = principal_axes(x, standardise=True)
    turned, found = (x.double() - axes.mean) / axes.scale, []
    for _ in range(integer("count", count, 1)):
        along = turned @ random_directions(1, turned.shape[1], generator)[0]  # [n]
        found.append(rank_correlation(along, y))
    return torch.tensor(found, dtype=torch.float64)


def token_only(tokens: Tensor, y: Tensor, groups: Tensor, prior: float = 2.0) -> Tensor:
    """Each row's quantity as guessed from its token alone: the mean of that token in other folds of groups.

    A token that is rare there is drawn to the mean of all, as if ``prior`` more rows had that.

    Args:
        tokens: int64 ``[n]``.
        y: ``[n]``.
        groups: int64 ``[n]``; five folds of whole groups, as they come.
        prior: weight of the mean of all.

    Returns:
        float64 ``[n]``.

    >>> token_only(torch.tensor([1, 1, 1, 1, 1]), torch.tensor([1.0, 1, 1, 1, 6]), torch.arange(5), prior=0.0)
    tensor([2.2500, 2.2500, 2.2500, 2.2500, 1.0000], dtype=torch.float64)
    """
    fold = groups.unique(return_inverse=True)[1] % 5  # [n]
    y, guess = y.double(), torch.empty(len(y), dtype=torch.float64)
    for out in range(5):
        rest = fold != out
        mean = y[rest].mean()
        total = torch.zeros(int(tokens.max()) + 1, dtype=torch.float64)
        count = total.clone()
        total.index_add_(0, tokens[rest], y[rest])
        count.index_add_(0, tokens[rest], torch.ones_like(y[rest]))
        by_token = (total + prior * mean) / (count + prior).clamp(min=1e-300)
        guess[~rest] = torch.where(count + prior > 0, by_token, mean)[tokens[~rest]]
    return guess


def prompts_of_75(model: LanguageModel, seed: int = 0) -> list[Tensor]:
    """75 beginnings of our paragraphs, 9 tokens and longer, each ending at a random token: the paper's mixed prompts.

    >>> from tutorlib.llm import tiny
    >>> len(prompts_of_75(tiny()))
    75
    """
    tokens = as_tokens(model, [p.text for p in paragraphs()])
    generator = _seeded(seed_number("seed", seed))
    found = []
    for i in range(75):
        whole = tokens[i % len(tokens)]
        found.append(whole[: int(torch.randint(SKIPPED + 1, len(whole) + 1, (1,), generator=generator))])
    return found


def seventy_five(model: LanguageModel, resamples: int = 500) -> dict[str, Any]:
    """The statistics of the paper's Table 1: values of the last layer at the last token of 75 mixed prompts.

    ``other`` holds the size of the rank correlations of PC2 to PC10, for comparison.

    >>> from tutorlib.llm import tiny
    >>> seventy_five(tiny(), resamples=2)["rows"]
    75
    """
    found = record(model, prompts_of_75(model), positions="last", layers=(-1,))
    x = found.vectors("values", -1)
    axes = entropy_axes(
        x, found.entropy, found.prompt % 40, _seeded(0), with_probe=False, resamples=resamples
    )
    scores = principal_axes(x, standardise=True).scores(x)  # [75, axes]
    other = [abs(rank_correlation(scores[:, i], found.entropy)) for i in range(1, 10)]
    row = {name: [v.mean, v.low, v.high] for name, v in vars(axes).items() if hasattr(v, "low")}
    return {**row, "rows": axes.rows, "dimension": axes.dimension, "other": other}


def sink_shares(every: Recording, layer: int) -> dict[str, float]:
    """Share of PC1 in the residual stream of a layer, in percent, with the first token of each text and without.

    >>> from tutorlib.llm import record, tiny
    >>> found = record(tiny(), ["The old dog lifted his head."] * 3, positions=0, what=("residual",))
    >>> sorted(sink_shares(found, 0))
    ['raw with', 'raw without', 'standardised with', 'standardised without']
    """
    x, later = every.vectors("residual", layer).double(), every.position > 0
    found = {}
    for how, flag in (("raw", False), ("standardised", True)):
        for name, rows in (("with", x), ("without", x[later])):
            found[f"{how} {name}"] = 100 * float(principal_axes(rows, standardise=flag).shares[0])
    return found


def _first(x: Tensor, y: Tensor, standardise: bool = True) -> float:
    return abs(rank_correlation(principal_axes(x, standardise).scores(x)[:, 0], y))


def _seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def token_scores(found: Recording) -> dict[str, float]:
    """What the last token alone tells of the entropy: held-out R2 and rank correlation of :func:`token_only`.

    >>> from tutorlib.llm import record, tiny
    >>> sorted(token_scores(record(tiny(), ["The old dog lifted his head."] * 5, positions=2)))
    ['r2', 'rank']
    """
    guess = token_only(found.token, found.entropy, found.prompt)
    return {
        "r2": r_squared(found.entropy[:, None], guess[:, None]),
        "rank": rank_correlation(guess, found.entropy),
    }
