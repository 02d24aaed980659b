"""The Mess3 tunnel: one fixed hidden Markov model whose exact beliefs form a fractal in the triangle.

Source: Marzen and Crutchfield 2017; Shai et al. 2024 (arXiv 2405.15943), whose transformers carry those beliefs
as a linear image. With alpha = 0.85 and x = 0.05 a tracker gains 0.064 nats over a bigram; their alpha = 0.6,
x = 0.15 leaves 0.0025, too little to see.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import choice, device_of, integer, is_real, shown
from tutorlib.tunnels.base import Batch, Tunnel
from tutorlib.tunnels.draws import categorical, ids_between
from tutorlib.tunnels.filtering import window_filter

__all__ = ["Mess3"]

STATES, START = 3, 3


class Mess3(Tunnel):
    """Sequences ``START x1 x2 ... x(n-1)`` of symbols 0, 1, 2 from the Mess3 process.

    The hidden state stays with probability ``1 - 2x`` and goes to each other state with ``x``; the state it
    arrives in shows its own symbol with probability alpha, each other one with ``(1 - alpha) / 2``. The start is
    uniform, which is the stationary law.

    Args:
        observations: n, how many positions are scored; the first stands before any symbol.
        alpha: how clearly a state shows, from 0 to 1.
        x: how often it moves, above 0 and at most 0.5.
        target: ``next`` asks for the next symbol; ``belief`` for the state now (tokens 4, 5, 6).

    Raises:
        ValueError: if an argument does not fit.

    >>> tunnel = Mess3(observations=4)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens, tunnel.belief(batch)[0]
    (tensor([[3, 0, 1, 1]]), tensor([[0.3333, 0.3333, 0.3333],
            [0.8500, 0.0750, 0.0750],
            [0.3551, 0.5926, 0.0523],
            [0.0523, 0.9336, 0.0141]], dtype=torch.float64))
    """

    name = "mess3"
    steps_argument = "observations"
    coarse_ladder = True

    def __init__(
        self, observations: int = 16, alpha: float = 0.85, x: float = 0.05, target: str = "next"
    ) -> None:
        self.observations = integer("observations", observations, 1)
        self.target = choice("target", target, ("next", "belief"))
        for name, value, most in (("alpha", alpha, 1.0), ("x", x, 0.5)):
            if not is_real(value) or not 0 < value <= most:
                raise ValueError(f"{name}: expected a number above 0 and at most {most}, got {shown(value)}")
        self.alpha, self.x = float(alpha), float(x)
        same = torch.eye(STATES, dtype=torch.float64)  # [states, states]
        self.transition = (1 - 2 * self.x) * same + self.x * (1 - same)  # [states, states]
        self.emission = self.alpha * same + (1 - self.alpha) / 2 * (1 - same)  # [states, symbols]
        first = 0 if target == "next" else START + 1
        self.vocab = START + 1 if target == "next" else START + 1 + STATES
        self.length = observations
        self.scored = torch.arange(observations)  # [observations]
        self.answers = torch.arange(first, first + STATES)
        self.max_window = max(observations - 1, 1)

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw ``batch`` sequences."""
        device = device_of(generator)
        T, E = self.transition.to(device), self.emission.to(device)
        state = torch.randint(STATES, (integer("batch", batch, 1),), generator=generator, device=device)
        path = [state]
        for _ in range(self.observations):
            state = categorical(T[state], generator)
            path.append(state)
        states = torch.stack(path, -1)  # [batch, observations + 1]
        symbols = categorical(E[states[:, 1:]], generator)  # [batch, observations]
        tokens = functional.pad(symbols[:, :-1], (1, 0), value=START)
        return Batch(tokens, symbols if self.target == "next" else START + 1 + states[:, :-1])

    def belief(self, batch: Batch, steps: int | None = None) -> Tensor:
        """Exact belief about the state now from the last ``steps`` symbols, float64 ``[batch, scored, 3]``."""
        self._check(batch)
        shown = batch.tokens[:, 1:]  # [batch, observations - 1]
        if (batch.tokens[:, 0] != START).any():
            raise ValueError(f"tokens: expected {START} at position 0")
        ids_between("tokens: symbols", shown, 0, STATES - 1)
        T, E = self.transition.to(shown.device), self.emission.to(shown.device)
        start = torch.full(
            (len(batch), STATES), 1 / STATES, dtype=T.dtype, device=T.device
        )  # [batch, states]
        if shown.shape[1] == 0:
            return start[:, None]
        likelihood = E.mT[shown]  # [batch, observations - 1, states]
        # The start is stationary, so one step of the chain leaves it as it is.
        after = window_filter(start, T, likelihood, self.max_window if steps is None else steps)
        return torch.cat((start[:, None], after), 1)

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact answer from the last ``steps`` symbols, the uniform law before them."""
        belief = self.belief(batch, steps)  # [batch, scored, states]
        if self.target == "belief":
            return functional.pad(belief, (START + 1, 0))
        T, E = (matrix.to(belief.device) for matrix in (self.transition, self.emission))
        return functional.pad(belief @ T @ E, (0, 1))

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"observations": self.observations, "alpha": self.alpha, "x": self.x, "target": self.target}
