"""Activation patching against an exact answer: a state from run B is put into run A, and the answer has to move with it.

In a tunnel the answer that it should move to is known exactly: it is the exact posterior under the counterfactual
evidence. The controls are those of arXiv 2605.20824.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.arguments import device_of, instance, integer
from tutorlib.evaluation import Evaluation
from tutorlib.evaluation.scoring import divergence
from tutorlib.interventions.hooks import Edit, activations, intervene
from tutorlib.models.stack import ResidualStack
from tutorlib.tunnels import Batch, Tunnel

__all__ = ["CONTROLS", "answers_under", "patch_effects", "spliced"]

CONTROLS = {
    "patched": "the state of its own counterfactual run",
    "not patched": "nothing is changed",
    "wrong state": "the state of another sequence's counterfactual run",
    "mean": "the mean state over all sequences",
    "random": "normal noise with the mean and the spread of each coordinate",
    "shuffled": "its own counterfactual state, the coordinates in another order",
}


def spliced(base: Batch, donor: Batch, upto: int) -> Batch:
    """The donor's tokens at the positions 0 to ``upto - 1``, the base's from there on; its header, its targets.

    Its exact posterior says what an observer believes who carried the donor's belief on with the base's evidence.

    Args:
        base: the sequences that go on.
        donor: as many sequences of the same length, and with the same header if there is one.
        upto: how many tokens are the donor's.

    Raises:
        ValueError: if the batches do not fit together.

    >>> from tutorlib.tunnels import Batch
    >>> a, b = (Batch(torch.tensor([tokens]), torch.tensor([[5]])) for tokens in ([0, 1, 2], [7, 8, 9]))
    >>> spliced(a, b, 2).tokens
    tensor([[7, 8, 2]])
    """
    for name, batch in (("base", base), ("donor", donor)):
        instance(name, batch, Batch)
    if base.tokens.shape != donor.tokens.shape:
        raise ValueError(
            f"donor: expected tokens {tuple(base.tokens.shape)}, got {tuple(donor.tokens.shape)}"
        )
    if (base.header is None) != (donor.header is None) or (
        base.header is not None and donor.header is not None and not torch.equal(base.header, donor.header)
    ):
        raise ValueError("donor: expected the base's header, got another")
    upto = integer("upto", upto, 0, base.tokens.shape[1])
    return replace(base, tokens=torch.cat((donor.tokens[:, :upto], base.tokens[:, upto:]), 1))


def answers_under(
    model: ResidualStack,
    tunnel: Tunnel,
    batch: Batch,
    edits: dict[str, Edit | Tensor],
    positions: Sequence[int] | None = None,
) -> Tensor:
    """Log2 probabilities ``[batch, scored, vocab]``, float64, of a network whose activations are changed.

    Args:
        model: any network with a residual stream.
        tunnel: says which positions are scored.
        batch: what it reads.
        edits: as for :func:`~tutorlib.interventions.intervene`.
        positions: likewise.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> batch = Bijection(4).sample(2, torch.Generator().manual_seed(0))
    >>> edits = {"residual1": lambda x: 0 * x}
    >>> answers_under(Transformer(vocab=8, context=7), Bijection(4), batch, edits)[0, 0, 0].item()
    -3.0
    """
    instance("tunnel", tunnel, Tunnel), instance("batch", batch, Batch)
    with torch.no_grad(), intervene(model, edits, positions):
        logits = model(batch.tokens, tunnel.scored, header=batch.header)  # [batch, scored, vocab]
    return bits.log_probabilities(logits)


def patch_effects(
    model: ResidualStack,
    tunnel: Tunnel,
    base: Batch,
    donor: Batch,
    truth: Tensor,
    site: str,
    positions: Sequence[int],
    generator: torch.Generator,
) -> dict[str, Evaluation]:
    """How far the patched network is from the exact counterfactual answer, beside every control in ``CONTROLS``.

    Args:
        model: any network with a residual stream.
        tunnel: says which positions are scored.
        base: the sequences of run A.
        donor: the sequences of run B, as many.
        truth: exact counterfactual answers, ``[batch, scored, vocab]``.
        site: where the state of run B goes; see :mod:`tutorlib.interventions.sites`.
        positions: the token positions that are patched.
        generator: draws the noise and the orders.

    Returns:
        For each control an :class:`~tutorlib.evaluation.Evaluation` with ``kl``, KL(truth || answer) in bits,
        ``[batch, scored]``.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> tunnel, draw = Bijection(4), torch.Generator().manual_seed(0)
    >>> a, b = tunnel.sample(9, draw), tunnel.sample(9, draw)
    >>> found = patch_effects(Transformer(8, 7), tunnel, a, b, tunnel.exact(b), "residual1", [6], draw)
    >>> list(found)[:2], found["mean"].values["kl"].shape
    (['patched', 'not patched'], torch.Size([9, 4]))
    """
    state = activations(model, donor, [site])[site]  # [batch, all positions, features]
    first = state.shape[1] - donor.tokens.shape[1]  # rows of a header
    state = state[:, [first + place for place in positions]]  # [batch, positions, features]
    mean, spread = state.mean(0, keepdim=True), state.std(0, keepdim=True)
    where = device_of(generator)
    noise = torch.randn(state.shape, generator=generator, device=where).to(state)
    order = torch.randperm(state.shape[-1], generator=generator, device=where)
    states: dict[str, Tensor | None] = {
        "patched": state,
        "not patched": None,
        "wrong state": state.roll(1, 0),
        "mean": mean,
        "random": mean + spread * noise,
        "shuffled": state[..., order.to(state.device)],
    }
    return {
        name: Evaluation(
            {
                "kl": divergence(
                    truth, answers_under(model, tunnel, base, {} if new is None else {site: new}, positions)
                )
            }
        )
        for name, new in states.items()
    }
