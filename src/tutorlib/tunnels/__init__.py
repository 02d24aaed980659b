"""Wind tunnels: tasks whose exact posterior is known at every position.

A tunnel samples token sequences and gives the exact predictive beside each of them. See
:class:`~tutorlib.tunnels.base.Tunnel` for the interface; a new tunnel is one class. Training, evaluation and figures
take it as it is. What has to find a tunnel by its name, such as a checkpoint, knows it once it is registered.
"""

from typing import TypeVar

from tutorlib.arguments import shown
from tutorlib.tunnels.base import Batch, TaskTunnel, Tunnel
from tutorlib.tunnels.bijection import Bijection
from tutorlib.tunnels.coin import Coin
from tutorlib.tunnels.diversity import Diversity
from tutorlib.tunnels.hmm import HMM
from tutorlib.tunnels.markov import Markov
from tutorlib.tunnels.mess3 import Mess3
from tutorlib.tunnels.model_selection import ModelSelection
from tutorlib.tunnels.recall import Recall

KINDS: tuple[type[Tunnel], ...] = (Bijection, HMM, Recall, Coin, Markov, Mess3, ModelSelection, Diversity)
TUNNELS: dict[str, type[Tunnel]] = {kind.name: kind for kind in KINDS}
Kind = TypeVar("Kind", bound=type[Tunnel])


def register(kind: Kind) -> Kind:
    """Let checkpoints, snapshots, recipes and ``Diversity`` find a tunnel of your own by its name.

    Use it as a class decorator. A class registered again, as when a notebook's cell is run twice, replaces the older one.

    Args:
        kind: a class of tunnels with a ``name`` that no tunnel of the library has.

    Returns:
        The class itself.

    Raises:
        ValueError: if it is no such class, or the name is taken.

    >>> class LongCoin(Coin):
    ...     name = "long-coin"
    >>> register(LongCoin) is TUNNELS.pop("long-coin")
    True
    """
    if not isinstance(kind, type) or not issubclass(kind, Tunnel):
        raise ValueError(f"kind: expected a class of tunnels, got {shown(kind)}")
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError(f"kind: expected a class with a name, got {kind.__name__} with {shown(name)}")
    if any(name == own.name and kind is not own for own in KINDS):
        raise ValueError(f"kind: expected a name that no tunnel of the library has, got {name!r}")
    TUNNELS[name] = kind
    return kind


__all__ = [
    "HMM",
    "TUNNELS",
    "Batch",
    "Bijection",
    "Coin",
    "Diversity",
    "Markov",
    "Mess3",
    "ModelSelection",
    "Recall",
    "TaskTunnel",
    "Tunnel",
    "register",
]
