"""Elimination with one attention head: the average of what was seen, subtracted."""

from __future__ import annotations

import torch

from tutorlib.arguments import is_real, shown
from tutorlib.handset.base import blank
from tutorlib.models import Transformer
from tutorlib.models.base import check_sizes

__all__ = ["bijection_eliminator"]

MOST_GAP = 1e6  # nats; float32 must hold squares of twice the gap


def bijection_eliminator(symbols: int, gap: float = 30.0) -> Transformer:
    """Cross out the values already seen, for any number of symbols V. Works on :class:`tutorlib.tunnels.Bijection`.

    The residual stream has one place for each value and one more, "this is a key", shared by all keys: elimination
    never needs to know which key it was.

    * ``embedding``: value j is ``e_j``, every key is ``u``, times ``2 gap``. The norm takes the size away at the
      entrance; at the tied head it makes the answer sharp.
    * ``query``, ``key``: 0. All scores are equal, so attention is the plain average over the n = 2k - 1 tokens so far.
    * ``value``: the identity; ``output``: -2 times the identity. The stream becomes token - 2 average. At the k-th key,
      with k keys and k - 1 values so far, that is ``u - (2 / n) (k u + sum of the e_j seen)``, which is
      ``-(u + 2 sum of the e_j seen) / n``.
    * ``feed_forward``: 0, not used.
    * head: the last norm removes the factor 1 / n. An unseen value is orthogonal to the stream and gets the logit 0,
      exactly. A seen value gets at most ``-2 gap``, a key at most ``-gap``. So unseen values share the probability
      equally, and all others together have at most ``2 V exp(-gap)``.

    Args:
        symbols: V, at least 2. Keys come without replacement.
        gap: how far, in nats, what is impossible lies below what is possible.

    Returns:
        A float32 transformer with vocab 2 V and context 2 V - 1. KL(exact || model) is at most
        ``log2(1 + 2 V exp(-gap))`` bits, 5e-12 at V = 20. Rounding to float32 adds nothing: the logits of unseen
        values are 0 in any precision.

    Raises:
        ValueError: if ``symbols`` is below 2 or ``gap`` is not a positive number.

    >>> bijection_eliminator(4)(torch.tensor([[0, 5, 1]])).softmax(-1)[0, -1, 4:].detach()
    tensor([0.3333, 0.0000, 0.3333, 0.3333])
    """
    check_sizes(symbols=symbols)
    if symbols < 2:
        raise ValueError(f"symbols: expected at least 2, got {symbols}")
    if not is_real(gap) or not 0 < gap <= MOST_GAP:
        raise ValueError(
            f"gap: expected a positive number of nats, got {shown(gap)} (at most {MOST_GAP:.0f})"
        )
    width = symbols + 1
    model, block = blank(Transformer(2 * symbols, 2 * symbols - 1, width, hidden=1))
    attention = block.attention
    with torch.no_grad():
        model.embedding.weight[:symbols, symbols] = 2 * gap  # [vocab, width]: every key is u
        model.embedding.weight[symbols:, :symbols] = 2 * gap * torch.eye(symbols)  # value j is e_j
        attention.value.weight.copy_(torch.eye(width))
        attention.output.weight.copy_(-2 * torch.eye(width))
    return model
