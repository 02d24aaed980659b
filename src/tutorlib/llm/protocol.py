"""The protocol of arXiv 2512.23752 on any language model, each number with its control: the measurements behind a report."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, seed_number
from tutorlib.evaluation import Interval
from tutorlib.geometry import (
    grouped_interval,
    partial_correlation,
    principal_axes,
    probe,
    rank_correlation,
    ranks,
)
from tutorlib.llm.asking import Asked, ask, baselines, score
from tutorlib.llm.axes import entropy_axes
from tutorlib.llm.cutting import measure_cuts
from tutorlib.llm.evidence import Evidence, beta_sequences, sula
from tutorlib.llm.keys import attention_focus, key_orthogonality
from tutorlib.llm.model import LanguageModel
from tutorlib.llm.record import as_tokens, check_values, record
from tutorlib.llm.texts import matched_prompts, paragraphs
from tutorlib.llm.tiny import TINY, tiny

__all__ = ["FULL", "QUICK", "Settings", "plain", "protocol"]


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes:
        paragraphs: of mixed prose.
        depths: how many layers, the last among them.
        per_count: SULA prompts for each number of examples.
        orders: of each number of reds in a colour sequence.
        draws: random axes, and as many variance-matched ones.
        cut_prompts: paragraphs on which cuts are compared.
        cut_tokens: of each of those.
        resamples: for intervals.

    >>> QUICK.draws < FULL.draws
    True
    """

    paragraphs: int
    depths: int
    per_count: int
    orders: int
    draws: int
    cut_prompts: int
    cut_tokens: int
    resamples: int


FULL = Settings(40, 5, 50, 6, 20, 6, 48, 200)
QUICK = Settings(20, 2, 10, 2, 5, 3, 24, 100)


def protocol(
    model: LanguageModel,
    settings: Settings = FULL,
    *,
    seed: int = 0,
    batch: int = 8,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure everything, and give it as numbers, texts and lists only, ready for JSON.

    Entropies and KL are in bits. An interval is a list ``[mean, low, high]`` (95 %); what cannot be measured is None.

    Args:
        model: any language model.
        settings: how much.
        seed: of evidence, folds, resamples and random axes.
        batch: prompts read at once.
        progress: show bars.
        say: told what comes next.

    Returns:
        ``model``, ``prose``, ``domains``, ``keys``, ``attention``, ``sula``, ``colours``, ``cuts``.

    >>> from tutorlib.llm import tiny
    >>> found = protocol(tiny("phi"), Settings(5, 1, 2, 1, 2, 2, 16, 5))
    >>> found["model"]["family"], len(found["attention"]["layers"]), sorted(found["domains"])
    ('phi', 3, ['mathematics', 'mixed', 'templates'])
    """
    instance("model", model, LanguageModel)
    instance("settings", settings, Settings)
    seed_number("seed", seed), integer("batch", batch, 1)
    started, generator = (time.monotonic(), time.process_time()), torch.Generator().manual_seed(seed)
    how: dict[str, Any] = {"batch": batch, "progress": progress}
    found: dict[str, Any] = {"model": _facts(model), "settings": {**asdict(settings), "seed": seed}}
    say("are these the value vectors?")
    found["model"]["value_check"] = check_values(model)
    say("mixed prose: axes and entropy")
    texts = _spread([p.text for p in paragraphs()], settings.paragraphs)
    prose = record(model, texts, what=("values", "residual"), layers=_depths(model, settings.depths), **how)
    found["prose"] = _prose(prose, settings, generator)
    say("one domain against mixed prompts")
    found["domains"] = {}
    for kind, some in matched_prompts(model).items():
        seen = record(model, _spread(some, 2 * settings.paragraphs), positions="last", layers=(-1,), **how)
        found["domains"][kind] = _axes(
            seen.vectors("values", -1), seen.entropy, seen.prompt, settings, generator
        )
    say("keys and attention")
    keys = key_orthogonality(model, generator)
    found["keys"] = {**asdict(keys), "layers": keys.layers}
    del found["keys"]["heads"]
    found["attention"] = _attention(model, texts, how)
    say("in-context evidence")
    asked = _ask(model, sula(settings.per_count, generator), how)
    found["sula"] = _evidence(*asked, settings, generator)
    for control in ("shuffled", "masked"):
        other = _ask(model, sula(settings.per_count, generator, control=control), how)
        found["sula"][f"control {control}"] = score(other[1].probability, other[0].posterior)
    asked = _ask(model, beta_sequences(16, settings.orders, generator), how)
    found["colours"] = {
        **_evidence(*asked, settings, generator),
        **_by_count(*asked, model.family.name, generator),
    }
    say("cutting axes")
    some = [tokens[: settings.cut_tokens] for tokens in as_tokens(model, texts[1::2][: settings.cut_prompts])]
    found["cuts"] = measure_cuts(
        model, prose, some, settings.draws, generator, batch=batch, progress=progress
    )
    found["model"]["seconds"] = round(time.monotonic() - started[0])
    found["model"]["core_seconds"] = round(time.process_time() - started[1])
    ready: dict[str, Any] = plain(found)
    return ready


def _facts(model: LanguageModel) -> dict[str, Any]:
    shape = ("layers", "heads", "kv_heads", "head_dim", "width", "vocabulary", "parameters")
    return {
        "name": model.name,
        "revision": model.revision,
        "family": model.family.name,
        **{name: getattr(model, name) for name in shape},
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("tutorlib", "torch", "transformers", "tokenizers")},
        },
    }


def _version(package: str) -> str:
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        return "unknown"


def _depths(model: LanguageModel, count: int) -> tuple[int, ...]:
    """So many layers, evenly spread, the last among them and layer 0 not, where values know the token only."""
    last = model.layers - 1
    return tuple(sorted({max(1, round(last * (i + 1) / count)) if last else 0 for i in range(count)}))


def _spread(items: list[Any], count: int) -> list[Any]:
    """So many of the items, evenly spread, so that all domains are there."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _axes(
    x: Tensor, entropy: Tensor, groups: Tensor, settings: Settings, generator: torch.Generator, **how: Any
) -> dict[str, Any]:
    how = {"with_probe": False, "resamples": settings.resamples, **how}
    try:
        return asdict(entropy_axes(x, entropy, groups, generator, **how))
    except ValueError as error:  # vectors that do not vary, say
        return {"not measured": str(error)}


def _prose(prose: Any, settings: Settings, generator: torch.Generator) -> dict[str, Any]:
    rows = []
    for layer in prose.layers:
        for what in ("values", "residual"):
            x = prose.vectors(what, layer)
            measured = _axes(x, prose.entropy, prose.prompt, settings, generator, with_probe=True)
            raw = _axes(x, prose.entropy, prose.prompt, settings, generator, standardise=False)
            rows.append({"layer": layer, "what": what, **measured, "first_rank_raw": raw.get("first_rank")})

    def mean(of: Tensor) -> Interval:
        return grouped_interval(
            lambda rows: float(of[rows].nanmean()), prose.prompt, generator, settings.resamples
        )

    return {"entropy": mean(prose.entropy), "surprise": mean(prose.surprise), "axes": rows}


def _attention(model: LanguageModel, texts: list[str], how: dict[str, Any]) -> dict[str, Any]:
    """At the last position of each paragraph, as in the paper."""
    layers = attention_focus(record(model, texts, positions="last", what=("attention_entropy",), **how))
    return {
        "layers": layers,
        "drop_to_last": float(1 - layers[-1] / layers[0]),
        "drop_to_lowest": float(1 - layers.min() / layers[0]),
        "lowest_layer": int(layers.argmin()),
    }


def _ask(model: LanguageModel, evidence: Evidence, how: dict[str, Any]) -> tuple[Evidence, Asked]:
    return evidence, ask(model, evidence, what=("values",), layers=(-1,), **how)


def _evidence(
    evidence: Evidence, asked: Asked, settings: Settings, generator: torch.Generator
) -> dict[str, Any]:
    """Answers beside the exact ones and the simple rules; how the first axis of the values goes with entropy and length."""
    exact = torch.stack((evidence.posterior, 1 - evidence.posterior), 1)
    bits = torch.special.entr(exact).sum(1) / math.log(2)  # [prompts]
    simple = {name: score(p, evidence.posterior) for name, p in baselines(evidence).items()}
    found: dict[str, Any] = {
        "prompts": len(evidence.prompts),
        "mass": float(asked.mass.mean()),
        "model against posterior": score(asked.probability, evidence.posterior),
        "model against predictive": score(asked.probability, evidence.predictive),
        "simple rules against posterior": simple,
    }
    x, k = asked.recording.vectors("values", -1), evidence.examples.double()
    try:
        axes = principal_axes(x, standardise=True)
        first = axes.scores(x)[:, 0]
        share = {"first_share": float(axes.shares[0]), "participation_ratio": axes.participation_ratio}
        found |= {**share, "first_rank_exact": rank_correlation(first, bits)}
        if k.ne(k[0]).any():
            found["first_rank_length"] = rank_correlation(first, k)
            found["first_rank_exact_given_length"] = partial_correlation(ranks(first), ranks(bits), ranks(k))
    except ValueError as error:
        found["not measured"] = str(error)
    return found


def _by_count(evidence: Evidence, asked: Asked, family: str, generator: torch.Generator) -> dict[str, Any]:
    """The answers averaged over orders, and the exact entropy read off the values for counts that the probe never saw."""
    counts = evidence.group.unique()
    mean = torch.stack([asked.probability[evidence.group == count].mean() for count in counts])
    exact = torch.stack([evidence.predictive[evidence.group == count].mean() for count in counts])
    bits = torch.special.entr(torch.stack((evidence.predictive, 1 - evidence.predictive), 1)).sum(
        1
    ) / math.log(2)
    # A count and its mirror image have the same entropy: they stand on the same side of a fold.
    mirror = torch.minimum(evidence.group, evidence.examples - evidence.group)
    # A model that never learned anything mixes the colours that it has seen as well, so counts can be read off it.
    stand_in = tiny(family if family in TINY else "llama")
    random = ask(stand_in, evidence, what=("values",), layers=(-1,))
    found: dict[str, Any] = {"averaged over orders": score(mean, exact)}
    for name, who in (("probe_rank", asked), ("probe_rank random model", random)):
        read = probe(who.recording.vectors("values", -1), bits[:, None], mirror, generator, folds=3)
        y = read.predicted[:, 0]
        found[name] = grouped_interval(lambda rows, y=y: _rank(y[rows], bits[rows]), mirror, generator)  # type: ignore[misc]
    return found


def _rank(x: Tensor, y: Tensor) -> float:
    return rank_correlation(x, y) if x.ne(x[0]).any() and y.ne(y[0]).any() else float("nan")


def plain(value: Any) -> Any:
    """Numbers with four digits, lists and texts only; intervals as ``[mean, low, high]``, and None for what is not finite.

    >>> from tutorlib.evaluation import Interval
    >>> plain({"kl": Interval(0.123456, 0.1, 0.2), "x": float("nan")})
    {'kl': [0.1235, 0.1, 0.2], 'x': None}
    """
    if isinstance(value, dict):
        # asdict has made dictionaries of intervals already.
        if set(value) == {"mean", "low", "high"}:
            return plain([value["mean"], value["low"], value["high"]])
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Interval):
        return plain([value.mean, value.low, value.high])
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value
