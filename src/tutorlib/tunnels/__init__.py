"""Wind tunnels: tasks whose exact posterior is known at every position.

A tunnel samples token sequences and gives the exact predictive beside each of them. See
:class:`~tutorlib.tunnels.base.Tunnel` for the interface; a new tunnel is one file.
"""

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
]
