"""The ladder of exact references, and the window on it that a divergence is worth."""

from __future__ import annotations

import torch

from tutorlib.arguments import device_of, instance, is_real, shown
from tutorlib.evaluation.measures import Evaluation
from tutorlib.evaluation.scoring import evaluate
from tutorlib.tunnels import Tunnel

__all__ = ["equivalent_window", "ladder"]


def ladder(
    tunnel: Tunnel, *, sequences: int = 1024, generator: torch.Generator, batch: int = 512
) -> dict[str, Evaluation]:
    """Evaluate every exact reference of the tunnel on the same fresh sequences, worst first.

    >>> from tutorlib.tunnels import Bijection
    >>> rungs = ladder(Bijection(4), sequences=64, generator=torch.Generator().manual_seed(0))
    >>> {name: round(rung.mean("kl"), 2) for name, rung in rungs.items()}
    {'position look-up': inf, 'uniform': 0.85, 'last 1 pairs': 0.54, 'last 2 pairs': 0.25, 'exact': 0.0}
    """
    device_of(generator)
    state = generator.get_state()
    rungs = {}
    for name, predictor in instance("tunnel", tunnel, Tunnel).references().items():
        generator.set_state(state)
        rungs[name] = evaluate(predictor, tunnel, sequences=sequences, batch=batch, generator=generator)
    return rungs


def equivalent_window(kl: float, tunnel: Tunnel, rungs: dict[str, Evaluation]) -> float:
    """How many steps an exact observer must see to be as close to the posterior as ``kl`` bits.

    A value of 3.2 is the observer who sees 4 steps in a fifth of all sequences and 3 in the others: mean KL is
    linear in such a mixture, so that is how it is interpolated between neighbouring rungs of the ladder. 0 is the
    uniform answer or worse, and ``tunnel.max_window`` is the exact posterior.

    Args:
        kl: mean KL(exact || predictor) in bits, at least 0.
        tunnel: the tunnel of the ladder.
        rungs: what :func:`ladder` returned for it.

    >>> from tutorlib.tunnels import Bijection
    >>> rungs = ladder(Bijection(4), sequences=64, generator=torch.Generator().manual_seed(0))
    >>> round(equivalent_window(0.1, Bijection(4), rungs), 2)
    2.6
    """
    if not isinstance(kl, float | int) or (not is_real(kl) and kl != float("inf")) or kl < 0:
        raise ValueError(f"kl: expected at least 0 bits, got {shown(kl)}")
    windows = (0, *instance("tunnel", tunnel, Tunnel).rungs, tunnel.max_window)
    names = ("uniform", *map(tunnel.window_name, tunnel.rungs))
    if not isinstance(rungs, dict) or not rungs.keys() >= set(names):
        raise ValueError(f"rungs: expected what ladder returns for {tunnel.name}, got {shown(rungs)}")
    heights = [rungs[name].mean("kl") for name in names]
    heights.append(0.0)  # the exact posterior; measured, it is 1e-17 from rounding
    if kl >= heights[0]:
        return 0.0
    i = next(i for i, height in enumerate(heights) if kl >= height)
    share = (kl - heights[i]) / (heights[i - 1] - heights[i])  # of sequences with the shorter window
    return windows[i] - share * (windows[i] - windows[i - 1])
