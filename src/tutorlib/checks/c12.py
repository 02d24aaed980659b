"""Checks of chapter 12, taking a network apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tutorlib.checks import UNANSWERED, Check, Verdict, as_tensor, expect_number, returned_by, right, wrong
from tutorlib.interventions import activations, intervene
from tutorlib.models import Transformer
from tutorlib.tunnels import Batch

__all__ = ["CHECKS"]

_share = expect_number(
    0.875,
    "seven eighths of the way. The wrong state got 5 % of it, so the move depends on what the state says.",
    {
        0.125: "0.5/4 is what is left. The share of the way is what is gone.",
        3.5: "That is the way in bits. Divide by the 4 bits that there were.",
        0.8684: "You started from the wrong state. The way begins at the answer that was not patched.",
        7.0: "You divided by what is left. Divide by what there was.",
    },
    "Share of the way: (not patched - patched) / not patched.",
    tolerance=4e-3,
)

_carried = expect_number(
    0.74 * 0.3 / (0.74 * 0.3 + 0.26 * 0.6),
    "predict 0.74, weigh, normalise: B's belief, carried on with A's observation.",
    {
        0.74: "0.74 is the prediction. Observation 11 has still to be weighed in.",
        0.8
        * 0.3
        / (0.8 * 0.3 + 0.2 * 0.6): "You weighed without predicting: the chain moves between 10 and 11.",
        0.26 * 0.3 / (0.26 * 0.3 + 0.74 * 0.6): "That carries A's belief on. The patch put B's in its place.",
        0.74 * 0.3: "Those are the weights before normalising. Divide by their sum.",
    },
    "Predict from B's belief (0.8 * 0.9 + 0.2 * 0.1), multiply by the likelihoods, divide by the sum.",
    tolerance=4e-3,
)

BLOTTED = (0.0, 1.0)


def _judge_blotted(answer: Any) -> Verdict:
    got = as_tensor(answer)
    if got is None or got.numel() != 2:
        return wrong("expected two numbers, the coordinates of the new state.")

    def near(*numbers: float) -> bool:
        return bool(torch.allclose(got.flatten(), torch.tensor(numbers).double(), atol=0.02))

    if near(*BLOTTED):
        return right("along (1, 1) it is now where the mean is; across it nothing has changed.")
    if near(-0.5, 0.5):
        return wrong(
            "that takes the whole state out along the direction. Move it onto the mean: project the difference."
        )
    if near(-3.0, -2.0):
        return wrong("the direction (1, 1) has length 1.41. Divide it by its length before you project.")
    if near(1.0, 0.0):
        return wrong("that is the mean itself. Only what lies along the direction may change.")
    if near(3.0, 3.0):
        return wrong("that is what was taken out. Subtract it from the state.")
    return wrong(
        "take d = state - mean = (2, 4), its part along (1, 1)/sqrt 2, and subtract that from the state."
    )


def _judge_mean(answer: Any) -> Verdict:
    x = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(1200), dtype=torch.float64)
    got = returned_by(answer, [x], "mean_ablated", " on shape [6, 4, 3]")
    if isinstance(got, Verdict):
        return got
    mean = x.mean(0, keepdim=True)
    if got.shape == mean.shape or got.shape == mean[0].shape:
        return wrong(
            f"expected the shape of x, {tuple(x.shape)}, got {tuple(got.shape)}. Stretch it with expand_as."
        )
    if got.shape != x.shape:
        return wrong(f"expected the shape of x, {tuple(x.shape)}, got {tuple(got.shape)}.")
    if torch.allclose(got, mean.expand_as(x)):
        return right("what tells one sequence from another is gone, and what is the same in all has stayed.")
    if torch.allclose(got, x.mean((0, 1), keepdim=True).expand_as(x)):
        return wrong("that averages over positions too. Each position keeps a mean of its own.")
    if torch.allclose(got, x.mean(1, keepdim=True).expand_as(x)):
        return wrong(
            "that averages over positions, within each sequence. The first axis counts the sequences."
        )
    if torch.allclose(got, x - mean):
        return wrong("that takes the mean away. Put it in the place of every state.")
    if not got.any():
        return wrong("that is zero ablation. Put the mean in place.")
    return wrong("take the mean over the first axis and put it in the place of every sequence's state.")


COUNTERFACTUAL = (0.0, 1 / 3, 0.0, 1 / 3, 1 / 3, 0.0)


def _judge_counterfactual(answer: Any) -> Verdict:
    got = as_tensor(answer)
    if got is None or got.numel() != 6:
        return wrong("expected six probabilities, one for each value.")

    def near(*numbers: float) -> bool:
        return bool(torch.allclose(got.flatten(), torch.tensor(numbers).double(), atol=0.01))

    third = 1 / 3
    if near(*COUNTERFACTUAL):
        return right("it has read 0, 2 and 5, so 1, 3 and 4 are left.")
    if near(0, third, third, 0, third, 0):
        return wrong("that is the answer of run A. The patched network has read another second value.")
    if near(0, 0.5, 0, 0, 0.5, 0):
        return wrong("you crossed out both the old and the new second value. The old one was never read.")
    if near(third, 0, third, 0, 0, third):
        return wrong("those are the values that were read. The next answer is one of the others.")
    if abs(float(got.sum()) - 1) > 0.01:
        return wrong(f"they sum to {float(got.sum()):.3g}. Divide by the number of values left.")
    return wrong("which three values has the patched network read? The others share 1 equally.")


def _network() -> Transformer:
    """Two layers with random weights, no matrix at zero."""
    model = Transformer(vocab=8, context=7, width=8, layers=2, heads=2)
    draw = torch.Generator().manual_seed(1201)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=draw) * p.shape[-1] ** -0.5)
    return model.eval()


def right_patch(model: Any, a: Tensor, b: Tensor, site: str = "residual1", last_only: bool = True) -> Tensor:
    """A right answer to 12-f; the other arguments make the typical mistakes."""
    state = activations(model, Batch(b, b), [site])[site]  # [batch, time, width]
    place = b.shape[1] - 1
    with torch.no_grad():
        if last_only:
            with intervene(model, {site: state[:, [place]]}, [place]):
                return model(a)
        with intervene(model, {site: state}):
            return model(a)


def _hooks(model: Transformer) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def _judge_patch(answer: Any) -> Verdict:
    if not callable(answer):
        return wrong(f"expected your function, got {type(answer).__name__}: pass patched, without brackets")
    model = _network()
    draw = torch.Generator().manual_seed(1202)
    a, b = torch.randint(8, (3, 7), generator=draw), torch.randint(8, (3, 7), generator=draw)
    weights = {name: p.clone() for name, p in model.named_parameters()}
    try:
        returned = answer(model, a.clone(), b.clone())
    except Exception as error:  # the reader's code may raise anything
        return wrong(f"it stopped with {type(error).__name__} ({error}).")
    if returned is ...:
        return UNANSWERED
    got = as_tensor(returned)
    if got is None or got.shape != (3, 7, 8):
        shape = type(returned).__name__ if got is None else tuple(got.shape)
        return wrong(f"expected logits [batch, time, vocab] = (3, 7, 8), got {shape}.")
    if _hooks(model):
        return wrong("a hook is still on the model. Keep the handle and call remove(), best in a finally.")
    if any(not torch.equal(p, weights[name]) for name, p in model.named_parameters()):
        return wrong("the weights have changed. A hook changes what flows, never the weights.")
    with torch.no_grad():
        run_a, run_b = model(a).double(), model(b).double()

    def same(other: Tensor) -> bool:
        return bool(torch.allclose(got, other.double(), atol=1e-4))

    if same(right_patch(model, a, b)):
        return right("the last position now answers with B's state and A's past, and the model is as it was.")
    if same(run_a):
        return wrong("that is run A, unpatched. Does the hook return the changed output?")
    if same(run_b):
        return wrong(
            "that is run B. Run the model on a, and put B's state in at the last position only: with all positions "
            "patched, nothing of A is left."
        )
    if same(right_patch(model, b, a)):
        return wrong("a and b have changed roles: the state comes from b and goes into a.")
    if same(right_patch(model, a, b, "residual2")):
        return wrong("that patches the output of block 1. The state comes out of block 0.")
    return wrong("keep output[:, -1] of block 0 in the run on b, and write it there in the run on a.")


def _never_removed(model: Any, a: Tensor, b: Tensor) -> Tensor:
    model.blocks[0].register_forward_hook(lambda block, inputs, output: output)
    return right_patch(model, a, b)


def _run(model: Any, tokens: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(tokens)
    return out


CHECKS = [
    Check(
        "12-a",
        _share,
        lambda: 0.875,
        (
            (lambda: 0.125, "what is left"),
            (lambda: 3.5, "in bits"),
            (lambda: 7.0, "what there was"),
            (lambda: 0.868, "not patched"),
        ),
    ),
    Check(
        "12-b",
        _judge_blotted,
        lambda: list(BLOTTED),
        (
            (lambda: [-0.5, 0.5], "onto the mean"),
            (lambda: [-3.0, -2.0], "length"),
            (lambda: [1.0, 0.0], "mean itself"),
            (lambda: [3.0, 3.0], "taken out"),
            (lambda: 3.0, "two numbers"),
        ),
    ),
    Check(
        "12-c",
        _judge_mean,
        lambda: lambda x: x.mean(0, keepdim=True).expand_as(x),
        (
            (lambda: lambda x: x.mean(0), "expand_as"),
            (lambda: lambda x: x.mean((0, 1), keepdim=True).expand_as(x), "mean of its own"),
            (lambda: lambda x: x.mean(1, keepdim=True).expand_as(x), "counts the sequences"),
            (lambda: lambda x: x - x.mean(0), "takes the mean away"),
            (lambda: lambda x: 0 * x, "zero ablation"),
            (lambda: lambda x: x.copy_(x.mean(0)), "in place"),
        ),
    ),
    Check(
        "12-d",
        _judge_counterfactual,
        lambda: list(COUNTERFACTUAL),
        (
            (lambda: [0, 1 / 3, 1 / 3, 0, 1 / 3, 0], "answer of run A"),
            (lambda: [0, 0.5, 0, 0, 0.5, 0], "never read"),
            (lambda: [1 / 3, 0, 1 / 3, 0, 0, 1 / 3], "that were read"),
            (lambda: [0, 1, 0, 1, 1, 0], "sum to"),
        ),
    ),
    Check(
        "12-e",
        _carried,
        lambda: 0.5873,
        (
            (lambda: 0.74, "weighed in"),
            (lambda: 2 / 3, "without predicting"),
            (lambda: 0.1494, "A's belief"),
            (lambda: 0.222, "normalising"),
        ),
    ),
    Check(
        "12-f",
        _judge_patch,
        lambda: right_patch,
        (
            (lambda: lambda model, a, b: _run(model, a), "unpatched"),
            (lambda: lambda model, a, b: _run(model, b), "run B"),
            (lambda: lambda model, a, b: right_patch(model, b, a), "changed roles"),
            (lambda: lambda model, a, b: right_patch(model, a, b, last_only=False), "nothing of A"),
            (lambda: lambda model, a, b: right_patch(model, a, b, "residual2"), "block 1"),
            (lambda: _never_removed, "still on the model"),
        ),
    ),
]
