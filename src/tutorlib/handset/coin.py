"""The rule of succession: attention counts, a feed-forward layer takes the logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tutorlib.arguments import is_real, real_tensor, shown
from tutorlib.handset.base import blank
from tutorlib.models import Transformer
from tutorlib.models.base import check_sizes

__all__ = ["coin_counter", "spline_units"]

SIGN, ESTIMATE, CONSTANT, PLACE = range(4)  # what the four numbers of the coin's stream stand for
STEEPEST = 30.0  # nats; steeper, and a probability rounds to 1
DROWN = 1e5  # size of a position vector beside a token's: the toss itself must not disturb the answer


def coin_counter(tosses: int, a: float = 1.0, b: float = 1.0, knots: int = 64) -> Transformer:
    """The next toss of a coin with a Beta(a, b) prior: chance ``(h + a) / (t + a + b)`` of heads (token 1).

    Counting is exact; the logarithm that a softmax needs is approximated.

    The stream has four numbers: SIGN (-1 tails, +1 heads), ESTIMATE, CONSTANT, and PLACE (-1 at the first position,
    +1 elsewhere). There is no token for the prior: the first position carries it, as ``a + b`` tosses made before.

    * ``embedding``: SIGN, of size e. ``position``: CONSTANT and PLACE, 100,000 times larger, and larger still by
      ``1 + a + b`` at the first position, where the norm therefore leaves a SIGN that much smaller.
    * ``query``: reads CONSTANT. ``key``: reads -PLACE, so that the first position has a score higher by
      ``ln(1 + a + b)`` and weighs as much as ``1 + a + b`` tosses.
    * ``value``: reads half the SIGN; at the first position also ``(a - b) / 2`` over its weight. ``output``: writes it
      to ESTIMATE. The average is ``(h + a) / (t + a + b) - 1/2``, exactly.
    * ``feed_forward``: log-odds of the estimate q + 1/2. Hidden units come in pairs ``relu(q - k)^2`` and
      ``relu(-q - k)^2``, one for each knot k: each pair bends the curve at its knot. ``down`` adds them up into SIGN.
      The curve is also bent to undo the two norms, whose size depends on q alone.
    * head: SIGN times -e for tails and +e for heads.

    Args:
        tosses: the longest sequence, T.
        a: heads seen before the first toss, positive.
        b: tails seen before the first toss, positive.
        knots: where the curve bends; twice as many make the error of the log-odds about four times smaller.

    Returns:
        A float32 transformer with vocab 2 and context T; after each toss it predicts the next. With ``a = b = 1``,
        64 knots and T = 100, KL(exact || model) is below 1e-6 bit after every possible sequence.

    Raises:
        ValueError: if a size is not a positive integer or the prior's counts are not positive numbers.

    >>> coin_counter(10)(torch.tensor([[1, 1, 0]])).softmax(-1)[0, :, 1].detach()  # 2/3, 3/4, 3/5
    tensor([0.6667, 0.7500, 0.6000])
    """
    check_sizes(tosses=tosses, knots=knots)
    if not (is_real(a) and is_real(b) and a > 0 and b > 0):
        raise ValueError(f"a and b: expected positive numbers, got {shown(a)} and {shown(b)}")
    prior = 1.0 + a + b  # tosses that the first position counts for
    steepest = math.log((tosses + max(a, b)) / min(a, b))  # largest log-odds that can occur
    if steepest > STEEPEST:
        raise ValueError(
            f"a and b: expected log-odds of at most {STEEPEST} nats, got {steepest:.3g} at the end"
        )
    e = max(steepest, 1.0) / 2  # so that SIGN is at most 1 after the last norm

    def curve(q: Tensor) -> Tensor:
        y = torch.logit(q + 0.5) / (2 * e)  # [points]: SIGN wanted after the last norm
        rest = 4 + q.square()  # [points]: sum of squares of the other three numbers
        x = y * (rest / (4 - y.square())).sqrt()  # [points]: so before it, since y = 2 x / sqrt(rest + x^2)
        return x * rest / 4  # [points]: and a unit squares what the first norm has divided by sqrt(rest / 4)

    log_odds = torch.linspace(0, steepest, knots + 1, dtype=torch.float64)  # [knots + 1]
    up, down = spline_units(curve, torch.sigmoid(log_odds) - 0.5)  # [units, 2] and [units]

    first, later = DROWN * prior * e, DROWN * e  # lengths of token plus position
    half = math.sqrt(0.5)
    model, block = blank(Transformer(2, tosses, width=4, hidden=len(down), positions="learned"))
    attention, feed_forward = block.attention, block.feed_forward
    assert model.position is not None
    with torch.no_grad():
        model.embedding.weight[:, SIGN] = torch.tensor([-e, e])
        model.position.weight[:, CONSTANT] = later * half  # [time]
        model.position.weight[:, PLACE] = later * half  # [time]
        model.position.weight[0, CONSTANT] = first * half
        model.position.weight[0, PLACE] = -first * half
        # After the first norm the stream has length 2: CONSTANT and PLACE are 2 half = sqrt(2), up to their sign, and
        # SIGN is 2 e / later. A score is query times key over sqrt(4), here -PLACE weighted to plus or minus kappa.
        kappa = math.log(prior) / 2
        attention.query.weight[0, CONSTANT] = 1.0
        attention.key.weight[0, PLACE] = -kappa
        attention.value.weight[0, SIGN] = 0.5 * later / (2 * e)
        lean = (a - b) / (2 * prior)
        attention.value.weight[0, CONSTANT] = lean / (4 * half)  # CONSTANT - PLACE is 4 half at the
        attention.value.weight[0, PLACE] = -lean / (4 * half)  # first position and 0 elsewhere
        attention.output.weight[ESTIMATE, 0] = 1.0
        feed_forward.up.weight[:, ESTIMATE] = up[:, 0]
        feed_forward.up.weight[:, CONSTANT] = up[:, 1] / (2 * half)
        feed_forward.down.weight[SIGN] = down
    return model


def spline_units(curve: Callable[[Tensor], Tensor], knots: Tensor) -> tuple[Tensor, Tensor]:
    """Squared-ReLU units that draw an odd curve: ``sum_i down_i relu(up_i0 q + up_i1)^2``.

    Between knots the slope is a straight line that meets the true slope at every knot (so the curve itself is made
    of parabolas). Where the slope changes by ``m`` per unit of q, a unit of weight ``m / 2`` sets in. Two more units,
    ``(q + r)^2 - (-q + r)^2 = 4 r q``, draw the straight line at the start.

    Args:
        curve: an odd function of float64 tensors, differentiable by autograd.
        knots: float64 ``[knots + 1]``, rising from 0; the curve is drawn from minus to plus the last one.

    Returns:
        ``up`` ``[2 + 2 knots, 2]``, the weights of q and of 1, and ``down`` ``[2 + 2 knots]``.

    Raises:
        ValueError: if the knots do not rise from 0, or the slope at one is not finite.

    >>> up, down = spline_units(torch.sin, torch.linspace(0, 1.5, 9, dtype=torch.float64))
    >>> ((up @ torch.tensor([0.5, 1.0]).double()).relu() ** 2) @ down  # sin(0.5) is 0.4794
    tensor(0.4780, dtype=torch.float64)
    """
    knots = real_tensor("knots", knots, "[knots + 1]").detach()
    rise = (
        len(knots) >= 2
        and float(knots[0]) == 0
        and bool((knots.diff() > 0).all())
        and bool(knots[-1].isfinite())
    )
    if not rise:
        raise ValueError(f"knots: expected at least two that rise from 0, got {shown(knots.tolist())}")
    if not callable(curve):
        raise ValueError(f"curve: expected a function of a tensor, got {shown(curve)}")
    at = knots.clone().requires_grad_()  # [knots + 1]
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(curve(at).sum(), at)  # [knots + 1]
    if not slope.isfinite().all():
        raise ValueError("curve: expected a finite slope at every knot, got others")
    bend = slope.diff() / knots.diff()  # [knots]: change of slope per unit of q, between knots
    weight = torch.diff(bend, prepend=torch.zeros(1, dtype=bend.dtype)) / 2  # [knots]
    reach, start = knots[-1], knots[:-1]  # [] and [knots]
    line = slope[0] / (4 * reach)
    one, ones = torch.ones_like(reach), torch.ones_like(start)  # [] and [knots]
    up = torch.cat(
        (
            torch.stack((torch.stack((one, reach)), torch.stack((-one, reach)))),
            torch.stack((ones, -start), -1),
            torch.stack((-ones, -start), -1),
        )
    )  # [2 + 2 knots, 2]
    return up, torch.cat((torch.stack((line, -line)), weight, -weight))
