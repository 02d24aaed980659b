"""Names of the places in a network at which an intervention can take hold.

``residual2``
    the stream before block 2; with as many layers as blocks, the stream before the head. ``[batch, positions, width]``
``layer0``
    what block 0 adds to the stream, all of it. ``[batch, positions, width]``
``layer0.attention``
    what its attention adds, or the linear mixer in its place. ``[batch, positions, width]``
``layer0.feed_forward``
    what its feed-forward layer adds. ``[batch, positions, width]``
``layer0.head1``
    what head 1 has mixed, before the output matrix carries it to the stream. ``[batch, positions, width / heads]``

Layers and heads count from 0, as in what a network records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import nn

from tutorlib.arguments import instance, shown
from tutorlib.models.stack import ResidualStack

__all__ = ["Site", "all_sites", "find_site"]

PATTERN = re.compile(
    r"residual(?P<stream>\d+)|layer(?P<layer>\d+)(\.(?P<part>attention|feed_forward|head(?P<head>\d+)))?"
)


@dataclass(frozen=True)
class Site:
    """A place in one network.

    Attributes:
        name: as in the list above.
        kind: ``"residual"``, ``"layer"``, ``"attention"``, ``"feed_forward"`` or ``"head"``.
        layer: the block, or for a residual stream the number of blocks before it.
        head: which head; None for the other kinds.

    >>> Site("layer0.head1", "head", 0, 1).layer
    0
    """

    name: str
    kind: str
    layer: int
    head: int | None = None


def mixer_of(block: nn.Module) -> nn.Module | None:
    """The part of a block that moves things between positions, where it is a module of its own."""
    found = [getattr(block, name) for name in ("attention", "mixer") if hasattr(block, name)]
    return found[0] if found else None


def heads_of(block: nn.Module) -> int:
    """How many heads a block has; 0 if it has none that can be told apart."""
    return int(getattr(mixer_of(block), "heads", 0))


def _parts(block: nn.Module) -> list[str]:
    parts = [f"head{head}" for head in range(heads_of(block))]
    parts += ["attention"] if mixer_of(block) is not None else []
    return parts + (["feed_forward"] if hasattr(block, "feed_forward") else [])


def all_sites(model: ResidualStack) -> list[str]:
    """Every site of a network, from the embedding upwards.

    Args:
        model: any network with a residual stream.

    >>> from tutorlib.models import GRU, Transformer
    >>> all_sites(Transformer(vocab=8, context=7, heads=1))
    ['residual0', 'layer0', 'layer0.head0', 'layer0.attention', 'layer0.feed_forward', 'residual1']
    >>> all_sites(GRU(vocab=8, context=7))
    ['residual0', 'layer0', 'residual1']
    """
    sites = ["residual0"]
    for layer, block in enumerate(instance("model", model, ResidualStack).blocks):
        sites += [
            f"layer{layer}",
            *(f"layer{layer}.{part}" for part in _parts(block)),
            f"residual{layer + 1}",
        ]
    return sites


def find_site(model: ResidualStack, name: str) -> Site:
    """The site of this name.

    Raises:
        ValueError: if the network has no such site.

    >>> from tutorlib.models import Transformer
    >>> find_site(Transformer(vocab=8, context=7, width=4, heads=2), "layer0.head1")
    Site(name='layer0.head1', kind='head', layer=0, head=1)
    """
    have = all_sites(model)
    found = PATTERN.fullmatch(name) if isinstance(name, str) and name in have else None
    if found is None:
        raise ValueError(f"sites: expected some of {', '.join(have)}, got {shown(name)}")
    if found["stream"]:
        return Site(name, "residual", int(found["stream"]))
    if found["head"]:
        return Site(name, "head", int(found["layer"]), int(found["head"]))
    return Site(name, found["part"] or "layer", int(found["layer"]))
