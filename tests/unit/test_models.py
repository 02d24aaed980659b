"""Networks: never looking ahead, seeing what they claim to see, equal to a slow re-implementation."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tutorlib.models import (
    GRU,
    LSTM,
    MODELS,
    DeltaNet,
    LinearAttention,
    Mamba,
    PrefixMLP,
    TokenMLP,
    Transformer,
    WindowMLP,
    build,
    count_parameters,
)
from tutorlib.models.base import rms_norm, squared_relu
from tutorlib.models.transformer import rotate

VOCAB, CONTEXT = 10, 9
CONFIGS = {
    "transformer": {"width": 8},
    "transformer-deep": {"width": 8, "layers": 3, "heads": 2, "hidden": 12, "positions": "learned"},
    "transformer-rotary": {"width": 8, "layers": 2, "heads": 2, "positions": "rotary"},
    "transformer-distance": {"width": 8, "layers": 2, "heads": 2, "positions": "distance"},
    "mlp-token": {"width": 8, "layers": 1},
    "mlp-window": {"width": 8, "layers": 2, "window": 3},
    "mlp-prefix": {"width": 8, "layers": 1},
    "mlp-sum": {"width": 8, "layers": 1},
    "lstm": {"width": 8, "layers": 2, "hidden": 6},
    "gru": {"width": 8, "layers": 1, "tied": False},
    "mamba": {"width": 8, "layers": 2, "state": 3, "tied": False},
    "linear-attention": {"width": 8, "layers": 1},
    "linear-attention-deep": {"width": 8, "layers": 2, "heads": 2, "kernel": 3, "tied": False},
    "deltanet": {"width": 8, "layers": 2, "heads": 2},
}
ATTENTION = ["transformer", "transformer-deep", "transformer-rotary", "transformer-distance"]


def name_of(key):
    return key.removesuffix("-deep").removesuffix("-rotary").removesuffix("-distance")


def head_of(model):
    """The matrix that makes logits, ``[vocab, width]``."""
    trunk = getattr(model, "trunk", model)
    head = getattr(trunk, "head", None)
    return model.embedding.weight if head is None else head.weight


def make(key, seed=0, dtype=torch.float64):
    """A model in which every matrix acts: those that start at zero are drawn too."""
    name = name_of(key)
    model = build(
        name, vocab=VOCAB, context=CONTEXT, generator=torch.Generator().manual_seed(seed), **CONFIGS[key]
    )
    model.to(dtype)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=dtype)
    return model.eval()


def draw(seed=0, batch=3, time=CONTEXT):
    return torch.randint(VOCAB, (batch, time), generator=torch.Generator().manual_seed(seed))


every = pytest.mark.parametrize("key", CONFIGS)


def test_all_models_are_tried():
    assert {name_of(key) for key in CONFIGS} == set(MODELS)


@every
@given(cut=st.integers(1, CONTEXT - 1), seed=st.integers(0, 999))
def test_later_tokens_never_change_earlier_logits(key, cut, seed):
    model, tokens = make(key), draw(seed)
    other = torch.cat((tokens[:, :cut], draw(seed + 1000)[:, cut:]), 1)
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, :cut], model(other)[:, :cut], rtol=0, atol=1e-12)
        short = model(tokens[:, :cut])
    torch.testing.assert_close(short, model(tokens)[:, :cut].detach(), rtol=0, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_is_a_slice_of_the_whole(key, dtype):
    model, tokens, at = make(key, dtype=dtype), draw(), torch.tensor([0, 2, 3, 8])
    with torch.no_grad():
        whole, part = model(tokens), model(tokens, at)
        assert whole.shape == (3, CONTEXT, VOCAB) and whole.dtype == dtype
        torch.testing.assert_close(part, whole[:, at], rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)
        recorded = model(tokens, at, record={})
        torch.testing.assert_close(recorded, part, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)


@every
def test_sequences_of_a_batch_do_not_meet(key):
    model, tokens = make(key), draw()
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[1:2], model(tokens[1:2]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("key", ATTENTION)
@pytest.mark.parametrize("at", [None, torch.tensor([1, 4])])
def test_attention_weights_are_distributions_over_the_past(key, at):
    model, record = make(key), {}
    with torch.no_grad():
        model(draw(), at, record=record)
    for layer in range(model.layers):
        weights = record[f"layer{layer}.attention"]
        asking = torch.arange(CONTEXT) if at is None or layer < model.layers - 1 else at
        assert weights.shape == (3, model.heads, len(asking), CONTEXT)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1], dtype=torch.float64))
        ahead = torch.arange(CONTEXT) > asking[:, None]
        assert float(weights[:, :, ahead].abs().sum()) == 0 and float(weights[:, :, ~ahead].min()) > 0
        q, k = record[f"layer{layer}.query"], record[f"layer{layer}.key"]
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(model.width // model.heads)
        found = record[f"layer{layer}.scores"]
        if model.positions == "distance":
            found = found - model.blocks[layer].attention.distance(asking, CONTEXT)
        torch.testing.assert_close(found, scores)
    assert {f"residual{i}" for i in range(model.layers + 1)} <= record.keys()


@every
def test_recorded_residuals_end_in_the_logits(key):
    model, record = make(key), {}
    with torch.no_grad():
        logits = model(draw(), record=record)
        torch.testing.assert_close(rms_norm(record[f"residual{model.layers}"]) @ head_of(model).T, logits)


def test_rms_norm_is_pytorchs(seeded):
    x = torch.randn(4, 5, 8, generator=seeded(), dtype=torch.float64)
    expected = nn.RMSNorm(8, eps=1e-6, elementwise_affine=False, dtype=torch.float64)(x)
    torch.testing.assert_close(rms_norm(x), expected)
    torch.testing.assert_close(
        rms_norm(x).square().mean(-1), torch.ones(4, 5, dtype=torch.float64), rtol=0, atol=1e-4
    )


def slow_norm(x):
    return x / math.sqrt(sum(value * value for value in x) / len(x) + 1e-6)


def slow_rotate(x, place):
    """Pairs (x_i, x_{i + d/2}) as complex numbers, each turned at its own speed."""
    half = len(x) // 2
    speeds = np.array([10_000 ** (-2 * i / len(x)) for i in range(half)])
    turned = (x[:half] + 1j * x[half:]) * np.exp(1j * place * speeds)
    return np.concatenate((turned.real, turned.imag))


def slow_transformer(model, tokens):
    """One sequence through the transformer, position by position, head by head, in numpy."""
    w = {name: p.detach().numpy() for name, p in model.named_parameters()}
    time, d = len(tokens), model.width // model.heads
    stream = []
    for t, token in enumerate(tokens):
        x = w["embedding.weight"][token]
        stream.append(slow_norm(x + w["position.weight"][t] if model.positions == "learned" else x))
    for layer in range(model.layers):
        block = f"blocks.{layer}"
        normed = [slow_norm(x) for x in stream]
        q, k, v = (
            [w[f"{block}.attention.{part}.weight"] @ x for x in normed] for part in ("query", "key", "value")
        )
        for t in range(time):
            mixed = np.zeros(model.width)
            for head in range(model.heads):
                own = slice(head * d, (head + 1) * d)
                turn = slow_rotate if model.positions == "rotary" else lambda x, place: x
                asked, keys = turn(q[t][own], t), [turn(k[past][own], past) for past in range(t + 1)]
                scores = np.array([asked @ key / math.sqrt(d) for key in keys])
                if model.positions == "distance":
                    table, slope = (
                        w[f"{block}.attention.distance.{part}"][head] for part in ("table", "slope")
                    )
                    scores += [table[min(t - past, 8)] - slope * (t - past) for past in range(t + 1)]
                weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                for past in range(t + 1):
                    mixed[own] += weights[past] * v[past][own]
            x = stream[t] + w[f"{block}.attention.output.weight"] @ mixed
            hidden = np.maximum(w[f"{block}.feed_forward.up.weight"] @ slow_norm(x), 0) ** 2
            stream[t] = x + w[f"{block}.feed_forward.down.weight"] @ hidden
    return np.array([[row @ slow_norm(x) for row in w["embedding.weight"]] for x in stream])


@pytest.mark.parametrize("key", ATTENTION)
def test_transformer_is_what_the_slow_loops_compute(key):
    model, tokens = make(key), draw()
    with torch.no_grad():
        found = model(tokens).numpy()
    for row in range(3):
        np.testing.assert_allclose(
            found[row], slow_transformer(model, tokens[row].tolist()), rtol=0, atol=1e-10
        )


def slow_trunk(trunk, x):
    for up, down in zip(trunk.up, trunk.down, strict=True):
        x = x + down(torch.relu(up(rms_norm(x))) ** 2)
    return trunk.head(rms_norm(x))


def test_prefix_mlp_is_a_linear_layer_on_the_flattened_prefix():
    model, tokens = make("mlp-prefix"), draw()
    for t in range(CONTEXT):
        flat = torch.zeros(3, CONTEXT, VOCAB, dtype=torch.float64)  # empty places for the positions to come
        for row in range(3):
            for place in range(t + 1):
                flat[row, place, tokens[row, place]] = 1
        expected = slow_trunk(model.trunk, flat.flatten(1) @ model.table.weight)
        torch.testing.assert_close(model(tokens, torch.tensor([t]))[:, 0], expected, rtol=0, atol=1e-12)


def test_sum_mlp_is_a_linear_layer_on_the_counts():
    model, tokens = make("mlp-sum"), draw()
    for t in range(CONTEXT):
        counts = torch.nn.functional.one_hot(tokens[:, : t + 1], VOCAB).sum(1).double()  # [batch, vocab]
        expected = slow_trunk(model.trunk, counts @ model.table.weight)
        torch.testing.assert_close(model(tokens, torch.tensor([t]))[:, 0], expected, rtol=0, atol=1e-12)


def test_window_mlp_is_a_linear_layer_on_the_flattened_window():
    model, tokens = make("mlp-window"), draw()
    for t in range(CONTEXT):
        flat = torch.zeros(3, model.window, VOCAB + 1, dtype=torch.float64)
        for row in range(3):
            for lag in range(model.window):
                place = t - lag
                flat[row, model.window - 1 - lag, tokens[row, place] if place >= 0 else VOCAB] = 1
        expected = slow_trunk(model.trunk, flat.flatten(1) @ model.table.weight)
        torch.testing.assert_close(model(tokens, torch.tensor([t]))[:, 0], expected, rtol=0, atol=1e-12)


def sees(model, tokens, t):
    """Positions whose token changes the logits at ``t``."""
    found = set()
    with torch.no_grad():
        base = model(tokens)[:, t]
        for place in range(CONTEXT):
            other = tokens.clone()
            other[:, place] = (other[:, place] + 1) % VOCAB
            if not torch.allclose(model(other)[:, t], base, rtol=0, atol=1e-12):
                found.add(place)
    return found


@pytest.mark.parametrize("t", [0, 3, CONTEXT - 1])
def test_each_model_sees_what_it_claims_to_see(t):
    tokens = draw()
    assert sees(make("mlp-token"), tokens, t) == {t}
    assert sees(make("mlp-window"), tokens, t) == set(range(max(0, t - 2), t + 1))
    for key in set(CONFIGS) - {"mlp-token", "mlp-window"}:
        assert sees(make(key), tokens, t) == set(range(t + 1))


@pytest.mark.parametrize(
    "key", ["transformer-deep", "transformer-rotary", "lstm", "gru", "mamba", "deltanet", "mlp-prefix"]
)
def test_the_order_of_the_past_matters(key):
    model, tokens = make(key), draw()
    swapped = tokens[:, [1, 0, *range(2, CONTEXT)]]
    with torch.no_grad():
        assert not torch.allclose(model(tokens)[:, 2:], model(swapped)[:, 2:], atol=1e-4)


@pytest.mark.parametrize("key", ["transformer", "linear-attention", "mlp-sum"])
def test_without_positions_the_order_of_the_past_does_not_matter(key):
    model, tokens = make(key), draw()
    swapped = tokens[:, [1, 0, *range(2, CONTEXT)]]
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, 2:], model(swapped)[:, 2:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [2, 8])
def test_rotated_products_depend_on_the_distance_alone(d, seeded):
    q, k = torch.randn(2, 1, d, generator=seeded(), dtype=torch.float64)

    def product(i, j):
        return float((rotate(q, torch.tensor([i])) * rotate(k, torch.tensor([j]))).sum())

    for distance in (0, 1, 5):
        products = [product(place + distance, place) for place in (0, 3, 40)]
        assert max(products) - min(products) < 1e-12
    assert abs(product(1, 0) - product(0, 0)) > 1e-3  # and depend on it they do
    assert abs(product(0, 0) - float((q * k).sum())) < 1e-12
    torch.testing.assert_close(rotate(q, torch.tensor([7])).norm(), q.norm())


def test_rotary_scores_do_not_change_when_the_sequence_moves():
    """The same tokens later in the sequence: scores among them are the same, layer 0."""
    model, tokens, first, second = make("transformer-rotary"), draw(time=4), {}, {}
    with torch.no_grad():
        model(tokens, record=first)
        model(torch.cat((draw(seed=7, time=3), tokens), 1), record=second)
    torch.testing.assert_close(
        first["layer0.scores"], second["layer0.scores"][:, :, 3:, 3:], rtol=0, atol=1e-12
    )


def test_rotary_positions_add_no_parameters():
    rotary = Transformer(VOCAB, CONTEXT, width=8, positions="rotary")
    assert count_parameters(rotary) == count_parameters(Transformer(VOCAB, CONTEXT, width=8))


@every
def test_starting_weights_come_from_the_generator_alone(key):
    name, config = name_of(key), {"vocab": VOCAB, "context": CONTEXT, **CONFIGS[key]}

    def weights(seed, global_seed):
        torch.manual_seed(global_seed)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return build(name, generator=generator, **config).state_dict()

    first = weights(3, global_seed=0)
    assert all(torch.equal(a, b) for a, b in zip(first.values(), weights(3, 1).values(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.values(), weights(4, 0).values(), strict=True))
    default = weights(None, 0)
    assert all(torch.equal(a, b) for a, b in zip(default.values(), weights(0, 1).values(), strict=True))


@every
def test_a_fresh_network_passes_its_stream_through(key):
    name = name_of(key)
    model, record = build(name, vocab=VOCAB, context=CONTEXT, **CONFIGS[key]), {}
    with torch.no_grad():
        model(draw(), record=record)
    torch.testing.assert_close(record["residual0"], record[f"residual{model.layers}"], rtol=0, atol=0)


def test_count_parameters():
    d, h = 8, 12
    assert (
        count_parameters(Transformer(VOCAB, CONTEXT, width=d, hidden=h)) == VOCAB * d + 4 * d * d + 2 * d * h
    )
    learned = Transformer(VOCAB, CONTEXT, width=d, hidden=h, positions="learned", layers=2)
    assert count_parameters(learned) == (VOCAB + CONTEXT) * d + 2 * (4 * d * d + 2 * d * h)
    assert (
        count_parameters(TokenMLP(VOCAB, CONTEXT, width=d, layers=1))
        == (VOCAB + 1) * d + 8 * d * d + VOCAB * d
    )
    frozen = copy.deepcopy(learned)
    frozen.embedding.weight.requires_grad_(False)
    assert count_parameters(learned) - count_parameters(frozen) == VOCAB * d


@every
def test_config_builds_it_again(key):
    model = make(key)
    again = build(model.name, **model.config()).double().eval()
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(draw()), again(draw()))


BAD_TOKENS = [
    (torch.zeros(4, dtype=torch.int64), r"tokens: expected a tensor \[batch, time\], got \(4,\)"),
    ([[1, 2]], r"tokens: expected a tensor \[batch, time\], got list"),
    (torch.zeros(1, 4), "tokens: expected dtype int64, got torch.float32"),
    (torch.zeros(1, 4, dtype=torch.int32), "tokens: expected dtype int64, got torch.int32"),
    (
        torch.zeros(1, 4, dtype=torch.int64, device="meta"),
        r"tokens: expected device cpu \(the model's\), got meta",
    ),
    (torch.zeros(1, CONTEXT + 1, dtype=torch.int64), r"expected 1 to 9 positions \(the context\), got 10"),
    (torch.zeros(1, 0, dtype=torch.int64), r"expected 1 to 9 positions \(the context\), got 0"),
    (torch.zeros(0, 3, dtype=torch.int64), "expected at least one sequence, got none"),
    (torch.tensor([[0, VOCAB]]), "tokens: expected ids 0 to 9, got 0 to 10"),
    (torch.tensor([[0, -1]]), "tokens: expected ids 0 to 9, got -1 to 0"),
]
BAD_AT = [
    (torch.tensor([0.0]), r"at: expected int64 \[scored\], got torch.float32 \(1,\)"),
    (torch.tensor([[0]]), r"at: expected int64 \[scored\], got torch.int64 \(1, 1\)"),
    (torch.zeros(0, dtype=torch.int64), r"at: expected int64 \[scored\], got torch.int64 \(0,\)"),
    ([0, 1], r"at: expected int64 \[scored\], got list"),
    (torch.tensor([0, 4]), "at: expected positions 0 to 3, got 0 to 4"),
    (torch.tensor([-1]), "at: expected positions 0 to 3, got -1 to -1"),
]


@every
@pytest.mark.parametrize("training", [False, True])
def test_bad_tokens_and_positions_are_named(key, training):
    model = make(key).train(training)
    for tokens, words in BAD_TOKENS:
        with pytest.raises(ValueError, match=words):
            model(tokens)
    for at, words in BAD_AT:
        with pytest.raises(ValueError, match=words):
            model(draw(time=4), at)


BAD_SIZES = [
    (lambda: Transformer(0, 4), "vocab: expected a positive integer, got 0"),
    (lambda: Transformer(4, -1), "context: expected a positive integer, got -1"),
    (lambda: Transformer(4, 4, width=8.0), "width: expected a positive integer, got 8.0"),
    (lambda: Transformer(4, 4, layers=True), "layers: expected a positive integer, got True"),
    (lambda: Transformer(4, 4, width=8, heads=3), "heads: expected a divisor of the width 8, got 3"),
    (lambda: Transformer(4, 4, hidden=0), "hidden: expected a positive integer, got 0"),
    (
        lambda: Transformer(4, 4, positions="sine"),
        "positions: expected one of none, learned, rotary, distance, got 'sine'",
    ),
    (
        lambda: Transformer(4, 4, width=6, heads=2, positions="rotary"),
        "width: expected heads of even size for rotary positions, got 3",
    ),
    (lambda: LSTM(4, 4, hidden=0), "hidden: expected a positive integer, got 0"),
    (lambda: GRU(4, 4, tied="yes"), "tied: expected True or False, got 'yes'"),
    (lambda: Mamba(4, 4, state=0), "state: expected a positive integer, got 0"),
    (lambda: Mamba(4, 4, kernel=2.5), "kernel: expected a positive integer, got 2.5"),
    (lambda: Mamba(4, 4, tied=None), "tied: expected True or False, got None"),
    (lambda: LinearAttention(4, 4, width=8, heads=3), "heads: expected a divisor of the width 8, got 3"),
    (lambda: LinearAttention(4, 4, kernel=-1), "kernel: expected an integer of at least 0, got -1"),
    (lambda: DeltaNet(4, 4, layers=0), "layers: expected a positive integer, got 0"),
    (lambda: WindowMLP(4, 4, window=0), "window: expected a positive integer, got 0"),
    (lambda: PrefixMLP(4, 4, width=0), "width: expected a positive integer, got 0"),
    (lambda: build("rnn", vocab=4, context=4), "model: expected one of transformer, .*, got 'rnn'"),
    (lambda: build("transformer", vocab=4), "model transformer: .*context"),
    (lambda: build("transformer", vocab=4, context=4, depth=2), "model transformer: .*depth"),
]


@pytest.mark.parametrize(("call", "words"), BAD_SIZES, ids=[words[:40] for _, words in BAD_SIZES])
def test_bad_sizes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_squared_relu_and_its_gradient():
    x = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)  # 0 is among them
    plain = x.clamp(min=0) ** 2
    torch.testing.assert_close(squared_relu(x), plain, rtol=0, atol=0)
    weight = torch.arange(9.0, dtype=torch.float64)
    (ours,) = torch.autograd.grad((weight * squared_relu(x)).sum(), x)
    (expected,) = torch.autograd.grad((weight * x.clamp(min=0) ** 2).sum(), x)
    torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    (first,) = torch.autograd.grad(squared_relu(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
