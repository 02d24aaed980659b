"""Wind tunnels: tasks whose exact posterior is known at every position.

A tunnel samples token sequences and gives the exact predictive beside each of them. See
:class:`~tutorlib.tunnels.base.Tunnel` for the interface; a new tunnel is one file.
"""

from tutorlib.tunnels.base import Batch, Tunnel
from tutorlib.tunnels.bijection import Bijection

TUNNELS: dict[str, type[Tunnel]] = {"bijection": Bijection}

__all__ = ["TUNNELS", "Batch", "Bijection", "Tunnel"]
