"""Interventions: they change what they say, on every network with a stream, and leave it as it was."""

import copy

import pytest
import torch

from tutorlib import bits, checkpoints
from tutorlib.evaluation import Evaluation, evaluate
from tutorlib.interventions import (
    CONTROLS,
    INTACT,
    ablate,
    activations,
    all_sites,
    answers_under,
    basis,
    damage,
    find_site,
    intervene,
    mean_states,
    patch_effects,
    specimen,
    spliced,
    transplant,
    without,
    zero,
)
from tutorlib.models import MODELS, Transformer, build
from tutorlib.models.base import rms_norm
from tutorlib.models.stack import ResidualStack
from tutorlib.recipes.dissection import DISSECTION
from tutorlib.tunnels import HMM, Batch, Bijection

STACKS = [name for name, kind in MODELS.items() if issubclass(kind, ResidualStack)]
TOKENS = torch.tensor([[0, 5, 1, 4, 2, 7, 3], [3, 4, 2, 6, 1, 5, 0]])
FEW = torch.tensor([2, 6])


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def network(name="transformer", header=None, layers=2, **more):
    """Random weights, no matrix at zero, so that every part matters."""
    frame = {"header": header, "columns": 0} if header else {}
    heads = {"heads": 2} if name in ("transformer", "linear-attention", "deltanet") else {}
    model = build(name, vocab=8, context=7, width=8, layers=layers, **heads, **frame, **more)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=gen(3)))
    return model.eval()


def answer(model, header=None, at=None):
    with torch.no_grad():
        return model(TOKENS, at, header=header)


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_sites_of_a_transformer():
    assert all_sites(network()) == [
        "residual0",
        "layer0", "layer0.head0", "layer0.head1", "layer0.attention", "layer0.feed_forward",
        "residual1",
        "layer1", "layer1.head0", "layer1.head1", "layer1.attention", "layer1.feed_forward",
        "residual2",
    ]  # fmt: skip


@pytest.mark.parametrize("header", [None, (3, 4)], ids=["plain", "header"])
@pytest.mark.parametrize("name", STACKS)
def test_an_edit_that_changes_nothing_changes_nothing(name, header):
    model = network(name, header)
    rows = None if header is None else torch.rand(2, *header, generator=gen())
    for site in all_sites(model):
        with intervene(model, {site: lambda x: x}):
            torch.testing.assert_close(answer(model, rows), answer(model, rows), rtol=0, atol=0)
            inside, few = answer(model, rows), answer(model, rows, FEW)
        torch.testing.assert_close(inside, answer(model, rows), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(few, answer(model, rows, FEW), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("header", [None, (3, 4)], ids=["plain", "header"])
@pytest.mark.parametrize("name", STACKS)
def test_every_site_matters_and_the_model_is_left_as_it_was(name, header):
    model = network(name, header)
    rows = None if header is None else torch.rand(2, *header, generator=gen())
    before, state = answer(model, rows), copy.deepcopy(model.state_dict())
    for site in all_sites(model):
        with intervene(model, {site: zero}):
            changed = answer(model, rows)
        assert not torch.allclose(changed, before, atol=1e-3), site
        assert hooks(model) == 0 and torch.equal(answer(model, rows), before)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_the_model_is_left_as_it_was_after_an_error():
    model = network()
    before = answer(model)
    with pytest.raises(ZeroDivisionError), intervene(model, {"layer0": zero}):
        1 / 0  # noqa: B018
    with (
        pytest.raises(ValueError, match=r"layer0: expected \(2, 7, 8\)"),
        intervene(model, {"layer0": torch.ones(5)}),
    ):
        answer(model)
    with pytest.raises(ValueError, match="sites"), intervene(model, {"layer0": zero, "layer9": zero}):
        pass
    assert hooks(model) == 0 and torch.equal(answer(model), before)


def test_parts_left_out_by_hand_and_by_intervention():
    model = network()
    for off in (["layer0.attention"], ["layer1.feed_forward", "layer0.feed_forward"], ["layer1"], []):
        x = rms_norm(model.embedding(TOKENS))
        for layer, block in enumerate(model.blocks):
            for part in ("attention", "feed_forward"):
                if not {f"layer{layer}.{part}", f"layer{layer}"} & set(off):
                    module = getattr(block, part)
                    x = x + (
                        module(rms_norm(x), None, None, "") if part == "attention" else module(rms_norm(x))
                    )
        with intervene(model, {site: zero for site in off}):
            torch.testing.assert_close(
                answer(model), rms_norm(x) @ model.embedding.weight.T, atol=1e-5, rtol=1e-5
            )


def test_a_head_is_its_slice():
    """A head switched off is the same as its columns of the output matrix at zero."""
    model, other = network(), network()
    with torch.no_grad():
        other.blocks[1].attention.output.weight[:, 4:] = 0
    with intervene(model, {"layer1.head1": zero}):
        torch.testing.assert_close(answer(model), answer(other), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("header", [None, (3, 4)], ids=["plain", "header"])
def test_recorded_streams_and_captured_ones_agree(header):
    model = network(header=header, positions="distance")
    rows = None if header is None else torch.rand(2, *header, generator=gen())
    record = {}
    with torch.no_grad():
        model(TOKENS, record=record, header=rows)
    sites = ["residual0", "residual1", "residual2"]
    for site, kept in activations(model, Batch(TOKENS, TOKENS, rows), sites).items():
        torch.testing.assert_close(kept, record[site], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("header", [None, (3, 4)], ids=["plain", "header"])
def test_positions_are_those_of_tokens(header):
    """A patch at position 3 changes nothing before it, whatever stands in front of the tokens."""
    model = network(header=header, positions="distance")
    rows = None if header is None else torch.rand(2, *header, generator=gen())
    for site in ("residual0", "residual1", "layer1.attention", "residual2"):
        with intervene(model, {site: zero}, positions=[3]):
            changed = answer(model, rows)
        same = torch.isclose(changed, answer(model, rows), atol=1e-5).all(-1).all(0)
        assert same[:3].all() and not same[3]
        assert same[4:].all() == (site in ("layer1.attention", "residual2"))


def test_the_whole_state_of_another_run_gives_its_answers():
    model, tunnel = network(), Bijection(4)
    a, b = Batch(TOKENS, TOKENS), Batch(TOKENS.flip(0), TOKENS)
    for site in ("residual0", "residual1", "residual2"):
        state = activations(model, b, [site])[site]
        found = answers_under(model, tunnel, a, {site: state})
        torch.testing.assert_close(found, answers_under(model, tunnel, b, {}), atol=1e-5, rtol=1e-5)


def test_nested_blocks_add_up():
    model = network()
    with intervene(model, {"layer0.attention": zero, "layer1.feed_forward": zero}):
        both = answer(model, at=FEW)
    with intervene(model, {"layer0.attention": zero}), intervene(model, {"layer1.feed_forward": zero}):
        torch.testing.assert_close(answer(model, at=FEW), both)


def test_gradients_flow_through_an_edit():
    model = network()
    with intervene(model, {"layer1.attention": zero}):
        model(TOKENS).sum().backward()
    assert model.blocks[1].attention.output.weight.grad is None
    assert model.blocks[0].attention.output.weight.grad.any()


def test_ablation_is_paired_and_damage_is_a_difference():
    model, tunnel = network(), Bijection(4)
    found = ablate(model, tunnel, {"both": ["layer0", "layer1"], "none": []}, sequences=20, generator=gen())
    assert list(found) == [INTACT, "both", "none"]
    assert torch.equal(found["none"].values["kl"], found[INTACT].values["kl"])
    torch.testing.assert_close(
        damage(found, "both").values["kl"], found["both"].values["kl"] - found[INTACT].values["kl"]
    )
    again = ablate(model, tunnel, ["layer0"], "mean", sequences=20, generator=gen())
    assert torch.equal(again[INTACT].values["kl"], found[INTACT].values["kl"]), "the same sequences"


def test_zero_ablation_is_evaluation_without_the_part():
    model, tunnel = network(), Bijection(4)
    found = ablate(model, tunnel, ["layer1"], sequences=600, generator=gen())["layer1"]
    with intervene(model, {"layer1": zero}):
        fresh = evaluate(model, tunnel, sequences=600, generator=gen(5))
    assert found.mean("kl") == pytest.approx(fresh.mean("kl"), rel=0.1)


def test_mean_states_keep_positions_apart():
    model, batch = network(), Batch(TOKENS, TOKENS)
    mean = mean_states(model, batch, ["residual1"])["residual1"]
    torch.testing.assert_close(
        mean, activations(model, batch, ["residual1"])["residual1"].mean(0, keepdim=True)
    )


def test_without_leaves_nothing_along_the_directions_and_all_across():
    x = torch.randn(5, 3, 6, generator=gen())
    centre, rows = torch.randn(6, generator=gen(1)), torch.randn(2, 6, generator=gen(2))
    out = without(rows, centre)(x)
    torch.testing.assert_close((out - centre) @ rows.mT, torch.zeros(5, 3, 2), atol=1e-5, rtol=0)
    across = torch.linalg.svd(rows)[2][2:]  # [4, features], orthogonal to the rows
    torch.testing.assert_close(out @ across.mT, x @ across.mT, atol=1e-5, rtol=0)


def test_transplant_takes_the_donor_along_and_keeps_the_rest():
    x, donor = torch.randn(4, 6, generator=gen()), torch.randn(4, 6, generator=gen(1))
    row = torch.randn(1, 6, generator=gen(2))
    out = transplant(row, donor)(x)
    torch.testing.assert_close(out @ row.mT, donor @ row.mT, atol=1e-5, rtol=0)
    torch.testing.assert_close(transplant(torch.eye(6), donor)(x), donor, atol=1e-5, rtol=0)


def test_basis_of_dependent_rows():
    rows = torch.tensor([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    found = basis(rows)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found @ found.mT, torch.eye(2))


def test_effects_and_their_controls():
    point = checkpoints.load("bijection-v8")
    model, tunnel = point.model, point.tunnel
    base = tunnel.sample(64, gen())
    fresh = tunnel.sample(64, gen(1))
    tokens = base.tokens.clone()
    tokens[:, 1::2] = fresh.tokens[:, 1::2]
    donor = Batch(tokens, fresh.targets)
    found = patch_effects(model, tunnel, base, donor, tunnel.exact(donor), "residual1", [8], gen())
    assert list(found) == list(CONTROLS)
    at = {name: effect.values["kl"][:, 4].mean() for name, effect in found.items()}
    assert at["patched"] < 0.01 < 0.5 < min(value for name, value in at.items() if name != "patched")
    log_q = answers_under(model, tunnel, base, {})
    expected = bits.kl_divergence(tunnel.exact(donor), log_q.exp2())
    torch.testing.assert_close(found["not patched"].values["kl"], expected)
    other = found["patched"].values["kl"][:, [0, 1, 2, 3, 5, 6, 7]]
    torch.testing.assert_close(other, found["not patched"].values["kl"][:, [0, 1, 2, 3, 5, 6, 7]])


def test_a_splice_has_the_filter_that_carries_on():
    tunnel = HMM(2, 2, 4, law="printed")
    a = tunnel.sample(6, gen())
    b = tunnel.sample_given(a.header, gen(1))
    both = spliced(a, b, 2)
    assert torch.equal(both.tokens[:, :2], b.tokens[:, :2]) and torch.equal(
        both.tokens[:, 2:], a.tokens[:, 2:]
    )
    T, E = tunnel.parameters(a)
    belief = tunnel.exact(b)[:, 1, 2:]  # B's belief after two observations
    weights = torch.einsum("bi,bij->bj", belief, T) * E.mT[torch.arange(6), a.tokens[:, 2]]
    torch.testing.assert_close(tunnel.exact(both)[:, 2, 2:], weights / weights.sum(-1, keepdim=True))


def test_specimens_are_what_their_recipes_say():
    for name, recipe in DISSECTION.items():
        point = specimen(name)
        model, tunnel = recipe.build()
        assert point.card["recipe"] == name and point.card["plan"]["seed"] == recipe.plan.seed
        assert point.model.config() == model.config() and point.tunnel.config() == tunnel.config()
        found = evaluate(point.model, tunnel, sequences=256, generator=gen())
        assert found.mean("kl") == pytest.approx(point.card["measured"]["kl"], rel=0.25)


def test_layers_that_do_not_attend():
    with pytest.raises(ValueError, match="attending"):
        Transformer(8, 7, layers=2, attending=3)
    assert "attending" not in Transformer(8, 7, layers=2, attending=2).config()
    model = specimen("hmm-two-attending-seed0").model
    assert model.config()["attending"] == 2
    for block in model.blocks[2:]:
        assert not block.attention.output.weight.any()
        assert not any(p.requires_grad for p in block.attention.parameters())


BAD = [
    (lambda m: intervene(m, {"layer0": 3}).__enter__(), "edits"),
    (lambda m: intervene(m, ["layer0"]).__enter__(), "edits"),
    (lambda m: intervene(m, {}, positions=[-1]).__enter__(), "positions"),
    (lambda m: intervene(m, {}, positions=0.5).__enter__(), "positions"),
    (lambda m: intervene("m", {}).__enter__(), "model"),
    (lambda m: intervene(build("mlp-sum", vocab=8, context=7), {}).__enter__(), "model"),
    (lambda m: find_site(m, "layer0.head7"), "sites"),
    (lambda m: find_site(m, None), "sites"),
    (lambda m: activations(m, TOKENS, ["residual0"]), "batch"),
    (lambda m: activations(m, Batch(TOKENS, TOKENS), "residual0"), "sites"),
    (lambda m: ablate(m, Bijection(4), ["residual7"], generator=gen()), "sites"),
    (lambda m: ablate(m, Bijection(4), "layer0", generator=gen()), "groups"),
    (lambda m: ablate(m, Bijection(4), ["layer0"], "off", generator=gen()), "kind"),
    (lambda m: damage({}, "layer0"), "label"),
    (lambda m: basis(torch.zeros(0, 3)), "directions"),
    (lambda m: basis([1.0]), "directions"),
    (lambda m: without(torch.ones(1, 3), 0.0), "centre"),
    (lambda m: spliced(Batch(TOKENS, TOKENS), Batch(TOKENS[:1], TOKENS), 2), "donor"),
    (lambda m: spliced(Batch(TOKENS, TOKENS), Batch(TOKENS, TOKENS), 9), "upto"),
    (lambda m: specimen("two-layers-seed9"), "name"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "name"), BAD)
def test_bad_arguments_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call(network())


def test_a_position_beyond_the_end_is_named():
    model = network()
    with (
        pytest.raises(ValueError, match="positions: expected at most 6"),
        intervene(model, {"layer0": zero}, [7]),
    ):
        answer(model)


def test_an_evaluation_of_an_interval():
    assert isinstance(damage({INTACT: Evaluation({"kl": torch.ones(2, 1)})}, INTACT), Evaluation)
