"""Which checkpoints make one row: those that differ in nothing but the seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutorlib import checkpoints
from tutorlib.checkpoints import Checkpoint
from tutorlib.tunnels import Tunnel

__all__ = ["SEED", "Group", "grouped"]

SEED = 20_260_731  # run i of a set is evaluated on sequences of seed SEED + i


@dataclass(frozen=True)
class Group:
    """Checkpoints that differ in nothing but the seed; a single one is a group too.

    Attributes:
        name: what their names share.
        names: of the checkpoints, in the order of their seeds.
        points: the same, loaded.

    >>> [group.names for group in grouped(["bijection-gru-seed1", "bijection-gru-seed0"])]
    [('bijection-gru-seed0', 'bijection-gru-seed1')]
    """

    name: str
    names: tuple[str, ...]
    points: tuple[Checkpoint, ...]

    @property
    def tunnel(self) -> Tunnel:
        """The tunnel of all of them."""
        return self.points[0].tunnel


def grouped(names: Sequence[str | Path]) -> list[Group]:
    """Load checkpoints and put together those whose names differ in the ending ``-seed0``, ``-seed1``, ... only.

    Raises:
        CheckpointError: if one is missing or damaged.
        ValueError: if there is none, two have one name, a set has two networks or two tunnels, or a checkpoint was
            trained or measured on a seed that the scorecard draws its sequences from.

    >>> [group.name for group in grouped(["bijection-gru-seed1", "bijection-gru-seed0", "bijection-v8"])]
    ['bijection-gru', 'bijection-v8']
    """
    if not names:
        raise ValueError("names: expected at least one checkpoint, got none")
    found: dict[str, list[tuple[int, str, Checkpoint]]] = {}
    for name in names:
        short = Path(name).name
        ending = re.search(r"-seed(\d+)$", short)
        set_name = short[: ending.start()] if ending else short
        members = found.setdefault(set_name, [])
        members.append((int(ending[1]) if ending else -1, short, checkpoints.load(name)))
    groups = []
    for set_name, members in sorted(found.items()):
        members.sort(key=lambda member: member[:2])
        _, shorts, points = zip(*members, strict=True)
        if len(set(shorts)) < len(shorts) or (len(shorts) > 1 and set_name in shorts):
            raise ValueError(f"names: expected each name once, got {', '.join(shorts)}")
        for key in ("model", "tunnel"):
            if any(point.card[key] != points[0].card[key] for point in points):
                raise ValueError(f"set {set_name}: expected one {key} under all seeds, got several")
        for short, point in zip(shorts, points, strict=True):
            card = point.card
            used = {card.get("plan", {}).get("seed"), card.get("measured", {}).get("seed")}
            if used & set(range(SEED, SEED + len(points))):
                raise ValueError(f"checkpoint {short}: it has seen the scorecard's seed, so nothing is fresh")
        groups.append(Group(set_name, shorts, points))
    return groups
