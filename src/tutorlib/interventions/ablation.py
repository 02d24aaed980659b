"""Switch parts of a network off one at a time, and measure the damage as KL to the exact answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tutorlib.arguments import choice, instance, shown
from tutorlib.evaluation import Evaluation, evaluate
from tutorlib.interventions.edits import mean_states
from tutorlib.interventions.hooks import Edit, intervene, zero
from tutorlib.interventions.sites import find_site
from tutorlib.models.stack import ResidualStack
from tutorlib.tunnels import Tunnel

__all__ = ["INTACT", "ablate", "damage"]

INTACT = "intact"


def ablate(
    model: ResidualStack,
    tunnel: Tunnel,
    groups: Mapping[str, Sequence[str]] | Sequence[str],
    kind: str = "zero",
    *,
    sequences: int = 512,
    generator: torch.Generator,
) -> dict[str, Evaluation]:
    """Evaluate a network intact, and with each group of sites switched off.

    All are asked about the same sequences, so that differences can be taken sequence by sequence. The means come from
    other sequences.

    Args:
        model: any network with a residual stream.
        tunnel: gives sequences and exact answers; longer sequences than in training if it is rebuilt at that length.
        groups: for each label the sites that are switched off together; or a list of sites, each for itself.
        kind: ``"zero"``, or ``"mean"`` for the mean over sequences at each position.
        sequences: how many.
        generator: draws them.

    Returns:
        ``"intact"`` and each label, with the measures of :func:`~tutorlib.evaluation.evaluate`.

    Raises:
        ValueError: if a site is unknown.

    >>> from tutorlib import checkpoints
    >>> point = checkpoints.load("bijection-v8")
    >>> draw = torch.Generator().manual_seed(0)
    >>> found = ablate(point.model, point.tunnel, ["layer0.attention"], sequences=64, generator=draw)
    >>> [found[name].mean("kl") > 0.1 for name in ("intact", "layer0.attention")]
    [False, True]
    """
    instance("tunnel", tunnel, Tunnel)
    choice("kind", kind, ("zero", "mean"))
    if isinstance(groups, str) or not isinstance(groups, Mapping | Sequence):
        raise ValueError(f"groups: expected sites, or lists of sites by label, got {shown(groups)}")
    named = groups if isinstance(groups, Mapping) else {site: [site] for site in groups}
    sites = sorted({site for group in named.values() for site in group})
    for site in sites:
        find_site(model, site)
    seed = int(torch.randint(2**62, (), generator=generator))
    device = generator.device
    others = tunnel.sample(sequences, torch.Generator(device).manual_seed(seed + 1))
    means = mean_states(model, others, sites) if kind == "mean" and sites else {}
    found: dict[str, Evaluation] = {}
    for label, group in {INTACT: (), **named}.items():
        edits: dict[str, Edit | Tensor] = {site: means.get(site, zero) for site in group}
        with intervene(model, edits):
            draw = torch.Generator(device).manual_seed(seed)
            found[label] = evaluate(model, tunnel, sequences=sequences, generator=draw)
    return found


def damage(found: Mapping[str, Evaluation], label: str) -> Evaluation:
    """What an ablation costs: its KL less that of the intact network, sequence by sequence and position by position.

    Args:
        found: from :func:`ablate`.
        label: one of its labels.

    Returns:
        An evaluation with the one measure ``kl``, in bits; below 0 where the ablation helps.

    >>> from tutorlib.evaluation import Evaluation
    >>> found = {name: Evaluation({"kl": torch.tensor([[kl]])}) for name, kl in (("intact", 0.25), ("layer0", 1.0))}
    >>> damage(found, "layer0").mean("kl")
    0.75
    """
    instance("found", found, Mapping)
    if label not in found or INTACT not in found:
        raise ValueError(f"label: expected one of {', '.join(map(str, found))}, got {shown(label)}")
    return Evaluation({"kl": found[label].values["kl"] - found[INTACT].values["kl"]})
