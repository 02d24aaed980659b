"""A predictor beside the exact answer, on sequences of its own tunnel or of another law."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.arguments import LARGEST, instance, shown
from tutorlib.evaluation.measures import LAW_MEASURES, Evaluation
from tutorlib.models import SequenceModel
from tutorlib.tunnels import Batch, Tunnel

__all__ = ["divergence", "draws", "evaluate", "log_predictor", "model_predictor"]


def model_predictor(model: SequenceModel, tunnel: Tunnel) -> Callable[[Batch], Tensor]:
    """The model as a predictor: logits at the scored positions, ``[batch, scored, vocab]``.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Coin
    >>> model_predictor(Transformer(3, 4), Coin(4))(Coin(4).sample(2, torch.Generator().manual_seed(0))).shape
    torch.Size([2, 4, 3])
    """
    device = next(instance("model", model, SequenceModel).parameters()).device
    instance("tunnel", tunnel, Tunnel)
    if model.header != tunnel.header_shape:
        raise ValueError(
            f"model: expected one for the header {tunnel.header_shape}, got one for {model.header}"
        )
    if model.vocab != tunnel.vocab or model.context < tunnel.length:
        raise ValueError(
            f"model: expected vocab {tunnel.vocab} and a context of at least {tunnel.length}, "
            f"got {model.vocab} and {model.context}"
        )

    @torch.no_grad()
    def logits(batch: Batch) -> Tensor:
        was_training = model.training
        model.eval()
        try:
            header = None if batch.header is None else batch.header.to(device)
            out = model(batch.tokens.to(device), tunnel.scored.to(device), header=header)
        finally:
            model.train(was_training)
        return out.to(batch.tokens.device)

    return logits


def log_predictor(
    predictor: SequenceModel | Callable[[Batch], Tensor], tunnel: Tunnel
) -> Callable[[Batch], Tensor]:
    """A model, or a function from a batch to probabilities, as log2 probabilities ``[batch, scored, vocab]``, float64.

    Raises:
        ValueError: if the model does not fit the tunnel; when called, if there are no distributions in its answer.

    >>> from tutorlib.tunnels import Coin
    >>> log_predictor(Coin(4).uniform, Coin(4))(Coin(4).sample(1, torch.Generator().manual_seed(0)))[0, 0]
    tensor([-1., -1., -inf], dtype=torch.float64)
    """
    instance("tunnel", tunnel, Tunnel)
    is_model = isinstance(predictor, SequenceModel)
    if not callable(predictor):
        raise ValueError(f"predictor: expected a model or a function, got {shown(predictor)}")
    predict = model_predictor(predictor, tunnel) if isinstance(predictor, SequenceModel) else predictor

    def log_probabilities(batch: Batch) -> Tensor:
        answer = predict(batch)
        expected = (len(batch), len(tunnel.scored), tunnel.vocab)
        if not isinstance(answer, Tensor):
            raise ValueError(f"predictor: expected a tensor, got {type(answer).__name__}")
        if tuple(answer.shape) != expected:
            raise ValueError(f"predictor: expected shape {expected}, got {tuple(answer.shape)}")
        if is_model:
            return bits.log_probabilities(answer)
        return torch.log2(bits.probabilities(answer.to(batch.tokens.device), name="predictor").double())

    return log_probabilities


def divergence(p: Tensor, log_q: Tensor) -> Tensor:
    """``KL(p || q)`` in bits from probabilities and log2 probabilities ``[..., outcomes]``; infinite if q misses p.

    >>> divergence(torch.tensor([0.5, 0.5]), torch.tensor([-2.0, -0.415]))
    tensor(0.2075)
    """
    p, log_q = bits.as_tensor(p, "p"), bits.as_tensor(log_q, "log_q")
    bits.check_fit(bits.probabilities(p, name="p"), log_q, -1, "p and log_q")
    cross = -torch.where(p > 0, p * log_q, 0.0).sum(-1)  # [...]
    return (cross - bits.entropy(p)).clamp(min=0)  # below 0 only by rounding


def draws(source: Tunnel, sequences: int, batch: int, generator: torch.Generator) -> Iterator[Batch]:
    """``sequences`` fresh sequences from a tunnel, at most ``batch`` at a time.

    >>> from tutorlib.tunnels import Coin
    >>> [len(batch) for batch in draws(Coin(4), 10, 4, torch.Generator().manual_seed(0))]
    [4, 4, 2]
    """
    for count in (sequences, batch):
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= LARGEST:
            raise ValueError(
                f"sequences and batch: expected positive numbers, got {shown(sequences)} and {shown(batch)}"
            )
    for first in range(0, sequences, batch):
        yield source.sample(min(batch, sequences - first), generator)


def evaluate(
    predictor: SequenceModel | Callable[[Batch], Tensor],
    tunnel: Tunnel,
    *,
    sequences: int = 4096,
    batch: int = 512,
    generator: torch.Generator,
    law: Tunnel | None = None,
) -> Evaluation:
    """Compare a model, or a function from a batch to probabilities, with the exact posterior.

    With ``law`` the sequences come from another tunnel, and ``LAW_MEASURES`` are reported too. Then there are two exact
    answers. ``kl`` is to the one under the prior of ``tunnel``, which a model trained there should still give;
    ``law_kl`` is to the one under the law of the sequences. A model that keeps its prior has a ``law_kl`` near
    ``prior_cost``, and one that moved to the new law has a ``law_kl`` near 0.

    For sequences longer than in training, give the training tunnel rebuilt at that length, within the model's
    context; ``per_position`` then tells the old positions from the new.

    Args:
        predictor: a model, or a function ``Batch -> probabilities [batch, scored, vocab]``.
        tunnel: gives the exact answers, and the sequences if ``law`` is None.
        sequences: how many fresh ones.
        batch: how many at a time.
        generator: draws them; the same seed gives every predictor the same sequences.
        law: where the sequences come from, if not from ``tunnel``; of the same shape and alphabet.

    Raises:
        ValueError: if the model or the law does not fit the tunnel, or the function returns no distributions.

    >>> from tutorlib.tunnels import Bijection
    >>> found = evaluate(Bijection(8).uniform, Bijection(8), sequences=64, generator=torch.Generator().manual_seed(0))
    >>> round(found.mean("entropy_error"), 3), round(found.mean("loss"), 3)
    (1.088, 3.0)
    """
    instance("tunnel", tunnel, Tunnel)
    source = tunnel if law is None else instance("law", law, Tunnel)
    _check_law(tunnel, source)
    log_predictions = log_predictor(predictor, tunnel)
    parts: list[dict[str, Tensor]] = []
    for drawn in draws(source, sequences, batch, generator):
        exact, log_q = tunnel.exact(drawn), log_predictions(drawn)  # [batch, scored, vocab] each
        part = _compare(exact, log_q, drawn.targets)
        if law is not None:
            part |= _compare_law(law.under_sampling_law(drawn), exact, log_q)
        parts.append(part)
    return Evaluation({name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def _check_law(tunnel: Tunnel, law: Tunnel) -> None:
    for name in ("vocab", "length", "header_shape"):
        expected, got = getattr(tunnel, name), getattr(law, name)
        if expected != got:
            raise ValueError(f"law: expected the tunnel's {name} {expected}, got {got}")
    for name in ("scored", "answers"):
        if not torch.equal(getattr(tunnel, name), getattr(law, name)):
            raise ValueError(f"law: expected the tunnel's {name} {getattr(tunnel, name).tolist()}")


def _compare(exact: Tensor, log_q: Tensor, targets: Tensor) -> dict[str, Tensor]:
    q = torch.exp2(log_q)  # [batch, scored, vocab]
    exact_entropy = bits.entropy(exact)  # [batch, scored]
    entropy = -torch.where(q > 0, q * log_q, 0.0).sum(-1)
    return {
        "entropy_error": (entropy - exact_entropy).abs(),
        "kl": divergence(exact, log_q),
        "total_variation": 0.5 * (exact - q).abs().sum(-1),
        "impossible": torch.where(exact > 0, 0.0, q).sum(-1),
        "entropy": entropy,
        "exact_entropy": exact_entropy,
        "loss": -log_q.gather(-1, targets[..., None]).squeeze(-1),
        "accuracy": (log_q.argmax(-1) == targets).double(),
    }


def _compare_law(truth: Tensor, exact: Tensor, log_q: Tensor) -> dict[str, Tensor]:
    values = (divergence(truth, log_q), bits.entropy(truth), divergence(truth, exact.log2()))
    return dict(zip(LAW_MEASURES, values, strict=True))
