"""A filter with a short memory for one known hidden Markov model: gather the last symbols, look the answer up."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tutorlib.bits import ArrayLike, probabilities
from tutorlib.handset.base import blank
from tutorlib.models import Transformer
from tutorlib.models.base import check_sizes

__all__ = ["hmm_window_filter", "window_table"]

MOST_UNITS = 20_000
NATS = 30.0  # what has no weight, in attention or in a prediction, lies this far below what has


def _matrices(transition: ArrayLike, emission: ArrayLike) -> tuple[Tensor, Tensor]:
    T = probabilities(transition, name="transition").double()
    E = probabilities(emission, name="emission").double()
    if T.ndim != 2 or T.shape[0] != T.shape[1]:
        raise ValueError(f"transition: expected [states, states], got shape {tuple(T.shape)}")
    if E.ndim != 2 or len(E) != len(T):
        raise ValueError(
            f"emission: expected [{len(T)}, symbols], one row a state, got shape {tuple(E.shape)}"
        )
    return T, E


def _units(symbols: int, window: int) -> int:
    """How many windows of 1 to ``window`` symbols there are."""
    check_sizes(window=window)
    units = 0
    for m in range(1, window + 1):
        units += symbols**m
        if units > MOST_UNITS:
            raise ValueError(
                f"window: expected at most {MOST_UNITS} hidden units, got {units} for {m} of {symbols} symbols"
            )
    return units


def window_table(transition: ArrayLike, emission: ArrayLike, window: int) -> list[Tensor]:
    """The next symbol after every possible window, for a chain that has run for ever.

    Args:
        transition: ``[states, states]``, rows sum to 1; with one stationary law.
        emission: ``[states, symbols]``, rows sum to 1.
        window: w, how many symbols are remembered.

    Returns:
        For m = 1 .. w a table ``[symbols ** m, symbols]``: row i holds the chances after the m symbols that are the
        digits of i in base ``symbols``, the oldest first. A window that cannot occur has equal chances.

    Raises:
        ValueError: if a matrix or the window does not fit, more than 20,000 rows were needed, or the stationary law
            is not unique.

    >>> window_table([[0.9, 0.1], [0.1, 0.9]], [[0.8, 0.2], [0.2, 0.8]], window=1)[0]
    tensor([[0.6440, 0.3560],
            [0.3560, 0.6440]], dtype=torch.float64)
    """
    T, E = _matrices(transition, emission)
    states, symbols = E.shape
    _units(symbols, window)
    # The stationary law: pi (T - 1) = 0 and sum pi = 1.
    system = torch.cat((T.T - torch.eye(states, dtype=T.dtype), torch.ones(1, states, dtype=T.dtype)))
    if int(torch.linalg.matrix_rank(system[:-1])) < states - 1:
        raise ValueError("transition: expected one stationary law, got several")
    one = torch.zeros(states + 1, 1, dtype=T.dtype)  # [states + 1, 1]
    one[-1] = 1
    joint = torch.linalg.lstsq(system, one).solution.T.clamp(min=0)  # [1, states]
    tables = []
    for m in range(1, window + 1):
        before = (
            joint if m == 1 else joint @ T
        )  # [windows, states]: chance of the window and the state after it
        joint = (before[:, None] * E.T).reshape(
            -1, states
        )  # [windows * symbols, states]: and of one symbol more
        chance = joint @ T @ E  # [symbols ** m, symbols]
        total = chance.sum(-1, keepdim=True)  # [symbols ** m, 1]
        tables.append(torch.where(total > 0, chance / total, 1 / symbols))
    return tables


def hmm_window_filter(transition: ArrayLike, emission: ArrayLike, window: int, context: int) -> Transformer:
    """Predict the next symbol of a known, stationary HMM from the last ``window`` symbols, as Bayes' rule would.

    Memory has a price here: one hidden unit for each window of up to w symbols, so ``V + ... + V ** w`` of them.

    The stream holds, in this order: V numbers "the symbol here" (which at the end are the answer); two for the
    position, as a point on a circle; w flags "m symbols seen so far", the last meaning w or more; and w - 1 slots of V
    numbers for the symbols before.

    * ``embedding``: the symbol, of size e. ``position``: the point at angle theta t, and the flag.
    * Head i, for i = 1 .. w - 1, looks i steps back: ``query`` turns the point by -i theta, ``key`` is the point, so the
      score is largest at position t - i, by 30 nats. ``value`` reads the symbol there, ``output`` puts it into slot i.
    * ``feed_forward.up``: the unit of a window of m symbols adds up its m symbols where they should stand and
      subtracts m - 1; other flags shut it. It is 1 if all are there, else 0.
    * ``feed_forward.down``: that unit erases the symbol here and writes the logarithm of its row of
      :func:`window_table`, scaled so that after the last norm the logits are these logarithms.

    Args:
        transition: ``[states, states]``, rows sum to 1.
        emission: ``[states, symbols]``, rows sum to 1.
        window: w. With w equal to ``context`` it is the exact filter.
        context: the longest sequence.

    Returns:
        A float32 transformer with w - 1 heads (at least one). KL(exact w-step filter || model) is below 1e-7 bit for
        contexts up to 100; what is left comes from the 1e-6 that keeps a norm from dividing by zero. Chances below
        ``exp(-30)`` are raised to it.

    Raises:
        ValueError: if an argument does not fit, or more than 20,000 hidden units were needed.

    >>> model = hmm_window_filter([[0.9, 0.1], [0.1, 0.9]], [[0.8, 0.2], [0.2, 0.8]], window=2, context=4)
    >>> model(torch.tensor([[0, 0, 1]])).softmax(-1)[0, :, 0].detach()
    tensor([0.6440, 0.7012, 0.4596])
    """
    check_sizes(window=window, context=context)
    V = _matrices(transition, emission)[1].shape[1]
    units = _units(V, window)
    logs = [table.log().clamp(min=-NATS) for table in window_table(transition, emission, window)]
    logs = [log - log.mean(-1, keepdim=True) for log in logs]  # [V ** m, V] each: what the logits shall be

    heads = max(window - 1, 1)
    used = V + 2 + window + (window - 1) * V
    size = math.ceil(max(used / heads, 2))  # of a head; at least V, since the slots are V each
    width = size * heads
    circle, flags, slots = V, V + 2, V + 2 + window  # where each part of the stream begins
    largest = max(float(log.square().sum(-1).max()) for log in logs)
    e = max(1.0, math.sqrt(2 * largest / width))  # the last norm must leave room for the largest logits
    c = math.sqrt(width / (e * e + 2))  # what the first norm multiplies by
    theta = math.pi / (context + window)

    model, block = blank(Transformer(V, context, width, 1, heads, units, positions="learned"))
    attention, feed_forward = block.attention, block.feed_forward
    assert model.position is not None
    with torch.no_grad():
        t = torch.arange(context)  # [time]
        model.embedding.weight[:, :V] = e * torch.eye(V)
        model.position.weight[:, circle] = (theta * t.double()).cos().float()
        model.position.weight[:, circle + 1] = (theta * t.double()).sin().float()
        model.position.weight[t, flags + t.clamp(max=window - 1)] = 1.0
        sharp = NATS * math.sqrt(size) / (1 - math.cos(theta)) / c**2
        for i in range(1, window):
            own = (i - 1) * size  # where the head's part of query, key and value begins
            cos, sin = math.cos(i * theta), math.sin(i * theta)
            turn = torch.tensor([[cos, sin], [-sin, cos]])  # [2, 2]: back by i steps
            attention.query.weight[own : own + 2, circle : circle + 2] = sharp * turn
            attention.key.weight[own : own + 2, circle : circle + 2] = torch.eye(2)
            attention.value.weight[own : own + V, :V] = torch.eye(V)
            slot = slots + (i - 1) * V
            attention.output.weight[slot : slot + V, own : own + V] = torch.eye(V)
        # The stream is now c times (e for the symbol and for each slot, 1 for the circle and for the flag).
        g = math.sqrt(width / (e * e * window + 2))  # so the norm before the units turns a symbol into g e
        rest = c * math.sqrt(e * e * (window - 1) + 2)  # length of the stream without the symbol here
        first = 0
        for m, log in enumerate(logs, start=1):
            rows = torch.arange(V**m)  # [V ** m]: the windows of m symbols
            unit = first + rows  # [V ** m]: their hidden units
            feed_forward.up.weight[unit, flags : flags + window] = -(m + 1) / g
            feed_forward.up.weight[unit, flags + m - 1] = -(m - 1) / g
            for lag in range(m):
                symbol = rows // V**lag % V  # [V ** m]
                place = symbol if lag == 0 else slots + (lag - 1) * V + symbol  # [V ** m]
                feed_forward.up.weight[unit, place] = 1 / (g * e)
            scale = rest / (e * e * width - log.square().sum(-1, keepdim=True)).sqrt()  # [V ** m, 1]
            feed_forward.down.weight[:V, unit] = (scale * log).T.float()
            feed_forward.down.weight[rows % V, unit] -= c * e
            first += V**m
    return model
