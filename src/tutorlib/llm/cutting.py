"""The protocol's cuts: an entropy axis removed from the values, beside random axes, axes of the same variance, and LEACE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer
from tutorlib.geometry import probe, random_directions
from tutorlib.llm.axes import covariance_direction, first_direction, probe_direction
from tutorlib.llm.damage import damage
from tutorlib.llm.erasure import leace, matched_directions
from tutorlib.llm.interventions import Edit, cut, erase
from tutorlib.llm.model import LanguageModel
from tutorlib.llm.record import Recording

__all__ = ["measure_cuts"]


def measure_cuts(
    model: LanguageModel,
    prose: Recording,
    prompts: list[Tensor],
    draws: int,
    generator: torch.Generator,
    *,
    batch: int = 8,
    progress: bool = False,
) -> dict[str, Any]:
    """Fit axes on every second paragraph; cut them, in the last layer and in all recorded ones, and see what it costs.

    The probe axis is where a ridge probe reads the entropy; the covariance axis is the direction whose cut leaves no linear
    trace of it in the vectors it was fitted on. The axes of the same variance are matched to the latter.

    Two questions for each cut. Is the entropy still there? A probe is fitted anew on the changed values of the last
    layer, for along the axis itself nothing can be left. Is it used? The KL between the model as it is and the cut one, in
    bits, on other prompts, beside as many random axes and as many of the same variance.

    Args:
        model: any language model.
        prose: a recording of paragraphs with ``values``.
        prompts: tokens on which the cuts are compared, int64 ``[time]`` each, longer than 8.
        draws: random axes of each kind.
        generator: draws them.
        batch: prompts read at once.
        progress: show a bar.

    Returns:
        For each cut ``kl`` (an interval over prompts, or over the draws of a random axis: mean, lowest, highest), the
        ``variance`` that it takes from the last layer, as a share, and ``probe_r2`` after it, for cuts in that layer only.

    >>> from tutorlib.llm import paragraphs, record, tiny
    >>> model, texts = tiny(), [p.text for p in paragraphs()[:10]]
    >>> tokens, g = [model.encode(text)[:20] for text in texts[:2]], torch.Generator().manual_seed(0)
    >>> list(measure_cuts(model, record(model, texts, layers=(1, 2)), tokens, 2, g))[:3]
    ['none', 'probe axis', 'covariance axis']
    """
    instance("prose", prose, Recording)
    integer("draws", draws, 1)
    fit = prose.prompt % 2 == 0
    x = {layer: prose.vectors("values", layer).double() for layer in prose.layers}
    centre = {layer: v[fit].mean(0) for layer, v in x.items()}
    axis = {layer: covariance_direction(v[fit], prose.entropy[fit]) for layer, v in x.items()}
    fair = {layer: matched_directions(x[layer], axis[layer][None], draws, generator) for layer in x}
    last = prose.layers[-1]
    random = random_directions(min(draws, model.value_width), model.value_width, generator)
    eraser = leace(x[last][fit], prose.entropy[fit])

    def take(layer: int, lines: Tensor) -> Edit:
        return cut(layer, lines, centre[layer])

    edits: dict[str, list[Edit]] = {
        "probe axis": [take(last, probe_direction(x[last][fit], prose.entropy[fit]))],
        "covariance axis": [take(last, axis[last])],
        "covariance axis, several layers": [take(layer, axis[layer]) for layer in x],
        "first principal axis": [take(last, first_direction(x[last][fit]))],
        "LEACE": [erase(last, eraser)],
    }
    families = {
        "random axes": [[take(last, line)] for line in random],
        "axes of the same variance": [[take(last, line[0])] for line in fair[last]],
        "the same variance, several layers": [
            [take(layer, fair[layer][i, 0]) for layer in x] for i in range(draws)
        ],
    }
    single = list(edits)
    for name, members in families.items():
        edits |= {f"{name} {i}": member for i, member in enumerate(members)}
    costs = damage(model, prompts, edits, batch=batch, progress=progress)
    found: dict[str, Any] = {
        "none": {"kl": 0.0, "variance": 0.0, "probe_r2": _probe(prose, x[last], generator)}
    }
    for name in single:
        found[name] = {
            "kl": costs[name].interval(generator),
            **({} if len(edits[name]) > 1 else _left(prose, x[last], edits[name][0], generator)),
        }
    for name, members in families.items():
        kl = torch.tensor([costs[f"{name} {i}"].mean() for i in range(len(members))])
        found[name] = {"draws": len(members), "kl": [float(kl.mean()), float(kl.min()), float(kl.max())]}
        if len(members[0]) == 1:
            some = [_left(prose, x[last], member[0], generator) for member in members[:5]]
            found[name] |= {
                key: sum(each[key] for each in some) / len(some) for key in ("variance", "probe_r2")
            }
    found["layers"] = list(prose.layers)
    return found


def _left(prose: Recording, x: Tensor, edit: Edit, generator: torch.Generator) -> dict[str, float]:
    """What an edit of the last layer takes from its values, and what a probe still reads there."""
    changed = edit.apply(x)
    lost = 1 - float((changed - changed.mean(0)).square().sum() / (x - x.mean(0)).square().sum())
    return {"variance": lost, "probe_r2": _probe(prose, changed, generator)}


def _probe(prose: Recording, x: Tensor, generator: torch.Generator) -> float:
    """Held-out R2 of a probe for the entropy, fitted anew on every second paragraph that the axis was not fitted on."""
    judged = prose.prompt % 2 == 1
    if int(prose.prompt[judged].unique().numel()) < 3:
        return float("nan")
    read = probe(x[judged], prose.entropy[judged, None], prose.prompt[judged], generator, folds=3)
    return read.r_squared
