"""The gradient laws: against autograd at random shapes and masks, sympy, finite differences and whole networks."""

import copy
import math

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorlib import gradients, snapshots
from tutorlib.gradients import (
    advantages,
    costs,
    key_gradient,
    matrix_gradient,
    observe,
    query_gradient,
    score_gradient,
    score_gradient_bound,
    value_gradient,
)
from tutorlib.models import TokenMLP, Transformer
from tutorlib.tunnels import HMM, Bijection

SIZE = st.integers(1, 5)


def seeded(number):
    return torch.Generator().manual_seed(number)


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class Head:
    """A random layer of heads with a random mask and a loss without meaning, differentiated by autograd."""

    def __init__(self, seed, batch=2, heads=2, queries=3, keys=4, d=3, width=5, scale=None, loud=1.0):
        rng = seeded(seed)
        self.asking, self.inputs = draw(rng, batch, queries, width), draw(rng, batch, keys, width)
        self.matrices = [draw(rng, heads * d, width).requires_grad_() for _ in range(3)]

        def split(x):
            return x.view(batch, -1, heads, d).transpose(1, 2)

        self.q, self.k, self.v = (
            split(x @ matrix.T)
            for x, matrix in zip((self.asking, self.inputs, self.inputs), self.matrices, strict=True)
        )
        self.scale = 1 / math.sqrt(d) if scale is None else scale
        self.s = loud * self.scale * self.q @ self.k.mT
        visible = torch.rand(batch, heads, queries, keys, generator=rng) < 0.6
        visible[..., 0] = True  # a row sees something
        self.visible, self.loud = visible, loud
        self.a = self.s.masked_fill(~visible, -math.inf).softmax(-1)
        self.g = self.a @ self.v
        mix = draw(rng, *self.g.shape)
        self.loss = (self.g.sin() * mix).sum() + (self.g[..., 0, 0] * self.g[..., -1, -1]).sum().square()

    def truth(self):
        names = ("u", "s", "q", "k", "v", "W_Q", "W_K", "W_V")
        at = (self.g, self.s, self.q, self.k, self.v, *self.matrices)
        return dict(zip(names, torch.autograd.grad(self.loss, at), strict=True))


SHAPES = {
    "seed": st.integers(0, 10_000),
    "batch": SIZE,
    "heads": SIZE,
    "queries": SIZE,
    "keys": SIZE,
    "d": SIZE,
}


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=60)
@given(scale=st.one_of(st.none(), st.floats(0.1, 3)), **SHAPES)
def test_laws_are_autograd_at_any_shape_mask_and_scale(scale, **shape):
    head = Head(scale=scale, **shape)
    truth, a, v = head.truth(), head.a.detach(), head.v.detach()
    slope = score_gradient(a, costs(truth["u"], v))
    close(slope, truth["s"])
    close(value_gradient(a, truth["u"]), truth["v"])
    close(query_gradient(slope, head.k.detach(), scale), truth["q"])
    close(key_gradient(slope, head.q.detach(), scale), truth["k"])
    for name, inputs, at in (("Q", head.asking, "q"), ("K", head.inputs, "k"), ("V", head.inputs, "v")):
        merged = truth[at].transpose(1, 2).flatten(2)
        close(matrix_gradient(inputs, merged), truth[f"W_{name}"])


@settings(deadline=None, max_examples=30)
@given(**SHAPES)
def test_what_the_loss_cannot_see(**shape):
    head = Head(**shape)
    truth = head.truth()
    a, b = head.a.detach(), costs(truth["u"], head.v.detach())
    slope = score_gradient(a, b)
    assert slope.sum(-1).abs().max() < 1e-10
    assert (slope[~head.visible] == 0).all()
    assert key_gradient(slope, head.q.detach()).sum(-2).abs().max() < 1e-10
    assert (a * advantages(a, b)).sum(-1).abs().max() < 1e-10
    # The gauge of W_Q and W_K: one matrix on the keys that the queries undo, a direction of slope 0.
    d = shape["d"]
    for head_number in range(shape["heads"]):
        rows = slice(head_number * d, (head_number + 1) * d)
        q_side = (head.matrices[0][rows] @ truth["W_Q"][rows].T).detach()
        k_side = (head.matrices[1][rows] @ truth["W_K"][rows].T).detach()
        close(q_side.T, k_side)


@settings(deadline=None, max_examples=60)
@given(loud=st.sampled_from([0.0, 1.0, 5.0, 40.0]), **SHAPES)
def test_the_bound_holds_and_is_reached_by_two(loud, **shape):
    head = Head(loud=loud, **shape)
    a, b = head.a.detach(), costs(head.truth()["u"], head.v.detach())
    slope, bound = score_gradient(a, b).abs(), score_gradient_bound(a, b)
    assert (slope <= bound * (1 + 1e-9) + 1e-12).all()
    two = draw(seeded(shape["seed"]), 4, 2)
    close(score_gradient(two.softmax(-1), two).abs(), score_gradient_bound(two.softmax(-1), two))


@pytest.mark.parametrize("positions", [2, 3, 4])
def test_sympy_finds_no_residual(positions):
    s, v, u = (sympy.symbols(f"{letter}:{positions}") for letter in "svu")
    powers = [sympy.exp(x) for x in s]
    a = [power / sum(powers) for power in powers]
    for coordinate in (
        v,
        u,
    ):  # one coordinate is enough, since costs add over coordinates; v and u are any letters
        g = sum(x * y for x, y in zip(a, coordinate, strict=True))
        pulled = sympy.Symbol("w") * g
        b = [sympy.Symbol("w") * y for y in coordinate]
        mean = sum(x * y for x, y in zip(a, b, strict=True))
        for j in range(positions):
            assert sympy.simplify(sympy.diff(pulled, s[j]) - a[j] * (b[j] - mean)) == 0
            assert sympy.simplify(sympy.diff(pulled, coordinate[j]) - a[j] * sympy.Symbol("w")) == 0


def test_finite_differences():
    """No derivative by machine: central differences in every score and every coordinate of the values."""
    rng = seeded(3)
    s, v, w = draw(rng, 2, 4), draw(rng, 4, 3), draw(rng, 2, 3)

    def loss(s, v):
        return ((s.softmax(-1) @ v).tanh() * w).sum()

    a = s.softmax(-1)
    u = w * (1 - (a @ v).tanh().square())
    laws = {"s": score_gradient(a, costs(u, v)), "v": value_gradient(a, u)}
    for name, at in (("s", s), ("v", v)):
        for index in range(at.numel()):
            nudge = torch.zeros(at.numel(), dtype=torch.float64)
            nudge[index] = 1e-5
            nudge = nudge.view(at.shape)
            up, down = (loss(s + d, v) if name == "s" else loss(s, v + d) for d in (nudge, -nudge))
            assert float((up - down) / 2e-5) == pytest.approx(float(laws[name].flatten()[index]), abs=1e-9)


def test_the_direction_of_descent():
    """The cheap position gains: a small step down lowers the loss and moves weight to lower costs."""
    head = Head(5)
    truth = head.truth()
    a, b = head.a.detach(), costs(truth["u"], head.v.detach())
    step = 1e-4 * -score_gradient(a, b)
    moved = (head.s.detach() + step).masked_fill(~head.visible, -math.inf).softmax(-1)
    assert (((moved - a) * b).sum(-1) <= 1e-15).all()
    assert (torch.sign(step) == torch.sign(advantages(a, b)) * (a > 0)).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), queries=SIZE, inside=SIZE, outside=SIZE)
def test_a_group_is_one_position(seed, queries, inside, outside):
    """What chapter 13 says of groups: their slopes add up to that of one position with the group's mean cost."""
    rng = seeded(seed)
    a, b = draw(rng, queries, inside + outside).softmax(-1), draw(rng, queries, inside + outside)
    on = a[:, :inside].sum(-1)
    means = [
        (a[:, part] * b[:, part]).sum(-1) / a[:, part].sum(-1)
        for part in (slice(inside), slice(inside, None))
    ]
    close(score_gradient(a, b)[:, :inside].sum(-1), on * (1 - on) * (means[0] - means[1]))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), positions=SIZE, rate=st.floats(0.01, 1))
def test_advantages_after_a_value_step_on_the_squared_distance(seed, positions, rate):
    """The formula of the feedback loop with one query."""
    rng = seeded(seed)
    a, v, target = draw(rng, 1, positions).softmax(-1), draw(rng, positions, 2), draw(rng, 1, 2)

    def gain(v):
        return advantages(a, costs(a @ v - target, v))

    u, total = a @ v - target, a.square().sum()
    expected = (1 - rate * total) * (gain(v) + rate * u.square().sum() * (a - total))
    close(gain(v - rate * value_gradient(a, u)), expected)


# Networks ------------------------------------------------------------------------------------------------------------


def surprise(target):
    return lambda logits: -(target * logits.log_softmax(-1)).sum(-1).mean()


def model(positions="none", seed=0, header=None, **more):
    built = Transformer(
        8, 7, 8, layers=2, heads=2, positions=positions, header=header, generator=seeded(seed), **more
    )
    rng = seeded(seed + 1)
    with torch.no_grad():
        for weight in built.parameters():  # some start at 0, and nothing flows through those
            weight.add_(0.3 * torch.randn(weight.shape, generator=rng))
    return built.double()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("positions", ["none", "learned", "rotary", "distance"])
@pytest.mark.parametrize("scored", [True, False], ids=["scored", "all"])
def test_networks_obey(positions, layer, scored):
    tunnel, built = Bijection(4), model(positions)
    batch = tunnel.sample(3, seeded(2))
    at = tunnel.scored if scored else None
    target = tunnel.exact(batch) if scored else torch.full((3, 7, 8), 1 / 8, dtype=torch.float64)
    before = copy.deepcopy(built.state_dict())
    seen = observe(built, batch.tokens, surprise(target), at, layer)
    law = seen.by_law()
    assert set(law) == set(seen.found)
    assert ("query_matrix" in law) == (positions != "rotary")
    for name, found in seen.found.items():
        close(law[name], found)
        assert found.abs().max() > 1e-6, f"{name}: a gradient of 0 shows nothing"
    with torch.no_grad():
        assert torch.equal(seen.loss, surprise(target)(built(batch.tokens, at, record={})))
    assert all(torch.equal(before[name], tensor) for name, tensor in built.state_dict().items())
    assert all(weight.grad is None for weight in built.parameters())
    assert not any(module._forward_pre_hooks for module in built.modules()), "no hook stays behind"


def test_matrices_get_what_backward_gives():
    tunnel, built = Bijection(4), model()
    batch = tunnel.sample(3, seeded(2))
    loss = surprise(tunnel.exact(batch))
    seen = observe(built, batch.tokens, loss, tunnel.scored)
    loss(built(batch.tokens, tunnel.scored)).backward()
    for name in ("query", "key", "value"):
        close(seen.by_law()[f"{name}_matrix"], getattr(built.blocks[0].attention, name).weight.grad)


def test_a_network_with_a_header():
    tunnel = HMM(3, 4, 5)
    batch = tunnel.sample(2, seeded(0))
    built = Transformer(
        tunnel.vocab, 5, 8, heads=2, header=tunnel.header_shape, positions="distance"
    ).double()
    with torch.no_grad():
        built.blocks[0].attention.output.weight.copy_(torch.eye(8))
    seen = observe(
        built, batch.tokens, surprise(tunnel.exact(batch)), tunnel.scored, header=batch.header.double()
    )
    for name, found in seen.found.items():
        close(seen.by_law()[name], found)


def test_hooks_go_even_if_the_network_stops():
    built = model()
    with pytest.raises(ValueError, match="tokens"):
        observe(built, torch.tensor([[99]]), lambda logits: logits.sum())
    assert not any(module._forward_pre_hooks for module in built.modules())


def test_the_run_that_ships():
    """What chapter 13 rests on: nothing at step 0, since W_O starts at 0; law and autograd alike afterwards."""
    run = snapshots.load("bijection-v20-watched")
    batch = run.tunnel.sample(8, seeded(0))
    loss = surprise(run.tunnel.exact(batch))
    for step in (run.steps[0], run.steps[6], run.steps[-1]):
        seen = observe(copy.deepcopy(run.at(step)).double(), batch.tokens, loss, run.tunnel.scored)
        for name, found in seen.found.items():
            close(seen.by_law()[name], found)
            assert bool((found == 0).all()) == (step == 0)


# What is refused -----------------------------------------------------------------------------------------------------

A, B, U, V = torch.full((2, 3), 1 / 3), torch.ones(2, 3), torch.ones(2, 4), torch.ones(3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: costs(U, V[:, :2]), "output_gradient, value: expected as many coordinates"),
        (lambda: costs(U, V.double()), "expected one dtype"),
        (lambda: costs(torch.ones(2, 2, 4), torch.ones(3, 3, 4)), "expected batch and head axes that fit"),
        (lambda: costs(torch.ones(2, 4).long(), V), "output_gradient: expected a tensor of real numbers"),
        (lambda: advantages(A, B[:, :2]), "attention, costs: expected one shape"),
        (lambda: score_gradient(2 * A, B), "sum to 1 in each row"),
        (lambda: score_gradient(-A, B), "weights of at least 0"),
        (lambda: score_gradient_bound(A * math.nan, B), "sum to 1"),
        (lambda: score_gradient(A, B * math.inf), "costs: expected finite numbers"),
        (lambda: value_gradient(A, U * math.nan), "output_gradient: expected finite numbers"),
        (lambda: value_gradient(A, U[:1]), "expected as many queries"),
        (lambda: query_gradient(B, V[:2]), "expected as many keys"),
        (lambda: query_gradient(B, V, 0.0), "scale: expected a positive number"),
        (lambda: key_gradient(B, U[:1]), "expected as many queries"),
        (lambda: matrix_gradient(U, V), "expected as many positions"),
        (lambda: matrix_gradient(torch.ones(2, 2, 3), torch.ones(2, 3)), "expected the same batch"),
        (lambda: observe(TokenMLP(8, 7), torch.tensor([[0]]), torch.sum), "model: expected a Transformer"),
        (lambda: observe(model(), torch.tensor([[0]]), torch.sum, layer=2), "layer: expected an integer"),
        (lambda: observe(model(), torch.tensor([[0]]), 7), "loss: expected a Callable"),
        (
            lambda: observe(model(), torch.tensor([[0]]), lambda x: x),
            "expected a function from logits to one",
        ),
        (lambda: observe(model(), torch.tensor([[0]]), lambda x: x.sum() * math.nan), "one finite number"),
        (lambda: observe(model(), torch.tensor([[0]]), lambda x: torch.ones(())), "depends on the logits"),
        (lambda: observe(model(), torch.tensor([[0]]), lambda x: 3.0), "one finite number"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_everything_is_exported():
    assert set(gradients.__all__) == {name for name in dir(gradients) if not name.startswith("_")} - {
        "laws",
        "observed",
    }
