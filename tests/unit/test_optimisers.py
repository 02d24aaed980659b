"""Muon against a plain loop, one matrix at a time."""

import pytest
import torch
from torch import nn

from tutorlib.models import PrefixMLP, Transformer, build
from tutorlib.optimisers import Muon, newton_schulz, optimisers_for


@pytest.mark.parametrize("shape", [(8, 8), (32, 8), (8, 32), (3, 16, 8)])
def test_newton_schulz_brings_singular_values_near_one(shape, seeded):
    matrix = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    flat = newton_schulz(matrix)
    assert flat.shape == matrix.shape
    values = torch.linalg.svdvals(flat)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    torch.testing.assert_close(newton_schulz(matrix.mT), flat.mT)  # both sides alike
    torch.testing.assert_close(
        newton_schulz(100 * matrix), flat, rtol=1e-5, atol=1e-5
    )  # size does not matter


def test_newton_schulz_keeps_the_singular_vectors(seeded):
    matrix = torch.randn(8, 8, generator=seeded(), dtype=torch.float64)
    u, _, vt = torch.linalg.svd(matrix)
    middle = u.mT @ newton_schulz(matrix) @ vt.mT
    torch.testing.assert_close(middle, torch.diag(middle.diag()), rtol=0, atol=1e-8)
    assert (middle.diag() > 0).all()


def test_a_matrix_without_gradient_direction_stays_finite():
    assert torch.equal(newton_schulz(torch.zeros(4, 4)), torch.zeros(4, 4))


def slow_muon(p, gradients, lr, momentum=0.95, decay=0.0):
    """One matrix, step by step, as in the published pseudo-code (Nesterov, decoupled decay)."""
    buffer = torch.zeros_like(p)
    for g in gradients:
        buffer = momentum * buffer + (1 - momentum) * g
        x = momentum * buffer + (1 - momentum) * g
        rows, columns = x.shape
        x = x.T if rows > columns else x
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x - 4.7750 * gram @ x + 2.0315 * gram @ gram @ x
        x = x.T if rows > columns else x
        p = p * (1 - lr * decay) - lr * max(1, rows / columns) ** 0.5 * x
    return p


def test_muon_is_the_plain_loop_over_matrices(seeded):
    generator = seeded()
    shapes = [(6, 4), (4, 6), (6, 4), (5, 5)]
    start = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    gradients = [[torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes] for _ in range(4)]
    params = [nn.Parameter(p.clone()) for p in start]
    optimiser = Muon(params, lr=0.1, weight_decay=0.2)
    for step in gradients:
        for p, g in zip(params, step, strict=True):
            p.grad = g.clone()
        optimiser.step()
    for i, p in enumerate(params):
        expected = slow_muon(start[i], [step[i] for step in gradients], 0.1, decay=0.2)
        torch.testing.assert_close(p.detach(), expected, rtol=0, atol=1e-10)


def test_muon_leaves_a_matrix_without_gradient_alone(seeded):
    params = [nn.Parameter(torch.ones(3, 3)) for _ in range(2)]
    optimiser = Muon(params, lr=0.1)
    params[0].grad = torch.randn(3, 3, generator=seeded())
    optimiser.step()
    assert not torch.equal(params[0], torch.ones(3, 3)) and torch.equal(params[1], torch.ones(3, 3))


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"Muon: expected matrices, got a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.ones(3))], lr=0.1)


@pytest.mark.parametrize(
    "model", [Transformer(6, 5, 8, 2, positions="learned"), PrefixMLP(6, 5, 8)], ids=["t", "mlp"]
)
def test_every_parameter_has_one_optimiser(model):
    muon, adam = optimisers_for(model, 0.03, 0.05, weight_decay=0.1)
    given = [id(p) for o in (muon, adam) for group in o.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters())
    inner = {id(p) for group in muon.param_groups for p in group["params"]}
    named = {name for name, p in model.named_parameters() if id(p) in inner}
    outside = {name for name, _ in model.named_parameters()} - named
    assert outside <= {"embedding.weight", "position.weight", "table.weight", "trunk.head.weight"}
    assert [o.param_groups[0]["lr"] for o in (muon, adam)] == [0.03, 0.05]
    assert all(o.param_groups[0]["weight_decay"] == 0.1 for o in (muon, adam))


MATRICES = {
    "lstm": {"recurrence.weight_ih_l0", "recurrence.weight_hh_l0", "output.weight"},
    "gru": {"recurrence.weight_ih_l0", "recurrence.weight_hh_l0", "output.weight"},
    "mamba": {"input.weight", "select.weight", "step.weight", "output.weight"},
    "deltanet": {
        *(f"mixer.{name}.weight" for name in ("query", "key", "value", "beta", "output")),
        *(f"feed_forward.{name}.weight" for name in ("up", "down")),
    },
}
ELEMENTWISE = {
    "lstm": {"recurrence.bias_ih_l0", "recurrence.bias_hh_l0"},
    "gru": {"recurrence.bias_ih_l0", "recurrence.bias_hh_l0"},
    "mamba": {"convolution.weight", "convolution.bias", "step.bias", "A_log", "D"},
    "deltanet": {"mixer.convolution.weight", "mixer.convolution.bias"},
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("tied", [True, False])
def test_matrices_go_to_muon_and_what_acts_element_by_element_to_a_slower_adamw(name, tied):
    model = build(name, vocab=6, context=5, width=8, tied=tied)
    muon, adam = optimisers_for(model, 0.03, 0.05)
    names = {id(p): key.removeprefix("blocks.0.") for key, p in model.named_parameters()}

    def named(group):
        return {names[id(p)] for p in group["params"]}

    (inner,) = muon.param_groups
    tables, elementwise = adam.param_groups
    assert named(inner) == MATRICES[name] and inner["lr"] == 0.03
    assert named(tables) == {"embedding.weight"} | (set() if tied else {"head.weight"})
    assert named(elementwise) == ELEMENTWISE[name]
    assert tables["lr"] == 0.05 and elementwise["lr"] == pytest.approx(0.005)


def test_matrix_rate_zero_keeps_the_slower_rate_for_what_acts_element_by_element():
    model = build("mamba", vocab=6, context=5, width=8)
    (only,) = optimisers_for(model, 0.0, 0.05)
    assert [len(group["params"]) for group in only.param_groups] == [5, 5]
    assert {id(p) for group in only.param_groups for p in group["params"]} == {
        id(p) for p in model.parameters()
    }


def test_matrix_rate_zero_leaves_all_to_adamw():
    model = Transformer(6, 5, 8)
    (only,) = optimisers_for(model, 0.0, 0.05)
    assert isinstance(only, torch.optim.AdamW)
    assert len(only.param_groups[0]["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out():
    model = Transformer(6, 5, 8)
    model.embedding.weight.requires_grad_(False)
    chosen = optimisers_for(model, 0.03, 0.05)
    assert [type(o) for o in chosen] == [Muon]
