"""The sticky Markov chain of arXiv 2512.22473, section 5.2, as its released code draws it, and what is exact about it.

The previous symbol is shown through noise: ``x_t = means[y_(t-1)] + N(0, I)``, and ``y_t`` is asked. The means are the
same for all sequences. The diagonal of the released transition matrix is not the 0.3 that it starts from: rows are
normalised twice, which makes it 0.3498.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorlib.arguments import instance, integer, real_tensor, seed_number
from tutorlib.bits import probabilities

__all__ = [
    "FEATURES",
    "STAY",
    "SYMBOLS",
    "ChainData",
    "draw_chain",
    "entropy_rate_nats",
    "filter_loss_nats",
    "known_symbol_loss_nats",
    "transition_matrix",
]

SYMBOLS = 8
FEATURES = 20
STAY = 0.3
MEANS_SEED = 0


@dataclass(frozen=True, eq=False)
class ChainData:
    """A sequence and what is seen of it.

    Attributes:
        inputs: ``x``, float32 ``[time, 20]``; position ``t`` shows ``previous[t]`` through noise.
        previous: the symbol before the one asked, ``[time]``.
        targets: the symbol asked, ``[time]``.

    >>> data = draw_chain(42, 10)
    >>> data.inputs.shape, data.previous.tolist(), data.targets.tolist()
    (torch.Size([9, 20]), [6, 4, 1, 2, 2, 0, 2, 3, 3], [4, 1, 2, 2, 0, 2, 3, 3, 4])
    """

    inputs: Tensor
    previous: Tensor
    targets: Tensor


def transition_matrix(symbols: int = SYMBOLS, stay: float = STAY) -> Tensor:
    """The chain's matrix, ``[symbols, symbols]``, float32, made in the steps of the released code.

    A row starts as ``stay`` for the same symbol and one over the distance round the circle for the others. It is
    normalised, shrunk by ``1 - stay``, and ``stay`` is added to the diagonal once more.

    Raises:
        ValueError: if there are fewer than 2 symbols or ``stay`` is no probability.

    >>> transition_matrix()[0, :3]
    tensor([0.3498, 0.1660, 0.0830])
    """
    symbols = integer("symbols", symbols, 2)
    if isinstance(stay, bool) or not isinstance(stay, int | float) or not 0 <= stay < 1:
        raise ValueError(f"stay: expected a probability below 1, got {stay!r}")
    place = torch.arange(symbols)
    apart = (place[:, None] - place).abs()
    apart = torch.minimum(apart, symbols - apart)  # [symbols, symbols], round the circle
    near = torch.ones((), dtype=torch.float32) / apart.clamp(min=1)  # whatever the default dtype
    weights = torch.where(apart == 0, torch.full_like(near, stay), near)
    shrunk = weights / weights.sum(1, keepdim=True) * (1 - stay) + stay * torch.eye(
        symbols, dtype=torch.float32
    )
    return shrunk / shrunk.sum(1, keepdim=True)


def entropy_rate_nats(matrix: Tensor) -> Tensor:
    """Nats per symbol of a chain whose stationary law is uniform: the floor for one who sees the previous symbol.

    Args:
        matrix: rows and columns that each sum to 1, ``[symbols, symbols]``.

    Raises:
        ValueError: if a row is no distribution, or the columns do not sum to 1, so that the law is not uniform.

    >>> entropy_rate_nats(transition_matrix())
    tensor(1.8292)
    """
    matrix = _square(matrix)
    if not torch.allclose(matrix.sum(0), matrix.new_ones(len(matrix)), atol=1e-4):
        raise ValueError(
            "matrix: expected columns that sum to 1, got others: the stationary law is not uniform"
        )
    return -torch.xlogy(matrix, matrix).sum(1).mean()


def draw_chain(seed: int, time: int = 2000) -> ChainData:
    """The sequence that the released code draws for a seed: ``time`` symbols, the first uniform.

    Draws come in the order of that code, so that the numbers are the same: first symbol, the others, the noise.

    Raises:
        ValueError: if the seed is no integer of at least 0, or ``time`` is below 2.

    >>> draw_chain(42).targets[:5]
    tensor([4, 1, 2, 2, 0])
    """
    seed, time = seed_number("seed", seed), integer("time", time, 2)
    dice, matrix = torch.Generator().manual_seed(seed), transition_matrix()
    symbols = [int(torch.randint(SYMBOLS, (1,), generator=dice))]
    for _ in range(time - 1):
        symbols.append(int(torch.multinomial(matrix[symbols[-1]], 1, generator=dice)))
    chain = torch.tensor(symbols)  # [time]
    noise = torch.randn(time - 1, FEATURES, generator=dice, dtype=torch.float32)  # [time - 1, features]
    return ChainData(symbol_means()[chain[:-1]] + noise, chain[:-1], chain[1:])


def symbol_means() -> Tensor:
    """The mean of the input for each symbol, ``[symbols, features]``; the same for every sequence."""
    dice = torch.Generator().manual_seed(MEANS_SEED)
    return torch.randn(SYMBOLS, FEATURES, generator=dice, dtype=torch.float32)


def known_symbol_loss_nats(data: ChainData) -> Tensor:
    """Mean loss in nats, on this sequence, of one who knows the matrix and the previous symbol without noise.

    On a long sequence it is near the entropy rate; on this one it can lie above or below.

    Raises:
        ValueError: if ``data`` is no ``ChainData``.

    >>> known_symbol_loss_nats(draw_chain(42))
    tensor(1.8351)
    """
    data = instance("data", data, ChainData)
    return -transition_matrix()[data.previous, data.targets].log().mean()


def filter_loss_nats(data: ChainData) -> Tensor:
    """Mean loss in nats, on this sequence, of the exact Bayesian filter, which sees the noisy inputs up to each time.

    It knows the matrix, the means and the noise: the least that any predictor can expect.

    Raises:
        ValueError: if ``data`` is no ``ChainData``.

    >>> filter_loss_nats(draw_chain(42))
    tensor(1.8412, dtype=torch.float64)
    """
    data = instance("data", data, ChainData)
    matrix = transition_matrix().double()
    gaps = data.inputs[:, None].double() - symbol_means()[None]  # [time, symbols, features]
    evidence = -gaps.square().sum(-1) / 2  # [time, symbols], log likelihood up to a constant
    belief = torch.full((SYMBOLS,), -math.log(SYMBOLS), dtype=torch.float64)  # [symbols], log
    total = torch.zeros((), dtype=torch.float64)
    for seen, target in zip(evidence, data.targets.tolist(), strict=True):
        belief = torch.log_softmax(belief + seen, -1)  # weigh, normalise
        belief = torch.log(belief.exp() @ matrix)  # predict
        total = total - belief[target]
    return total / len(data.targets)


def _square(matrix: Tensor) -> Tensor:
    matrix = probabilities(real_tensor("matrix", matrix, "[symbols, symbols]"), name="matrix")
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix: expected as many rows as columns, got {tuple(matrix.shape)}")
    return matrix
