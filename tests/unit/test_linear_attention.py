"""Linear attention and the delta rule: the parallel form equals the walk through time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tutorlib.evaluation import evaluate
from tutorlib.models import DeltaNet, LinearAttention, build
from tutorlib.models.linear_attention import (
    delta_rule,
    delta_rule_steps,
    linear_attention,
    linear_attention_steps,
)
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection


def normal(seed, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def drawn(seed, time, d, e, lead=(2, 3)):
    """Queries, keys, values and beta."""
    q, k = normal(seed, *lead, time, d), normal(seed + 1, *lead, time, d)
    return q, k, normal(seed + 2, *lead, time, e), torch.sigmoid(normal(seed + 3, *lead, time))


@given(seed=st.integers(0, 999), time=st.integers(1, 12), d=st.integers(1, 5), e=st.integers(1, 4))
def test_linear_attention_in_parallel_is_linear_attention_in_steps(seed, time, d, e):
    q, k, v, _ = drawn(seed, time, d, e)
    q, k = functional.elu(q) + 1, functional.elu(k) + 1
    mixed, weights = linear_attention(q, k, v)
    torch.testing.assert_close(mixed, linear_attention_steps(q, k, v), rtol=0, atol=1e-9)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert float(weights.triu(1).abs().sum()) == 0 and float(weights.min()) >= 0


@given(seed=st.integers(0, 999), time=st.integers(1, 12), d=st.integers(1, 5), e=st.integers(1, 4))
def test_the_delta_rule_in_parallel_is_the_delta_rule_in_steps(seed, time, d, e):
    q, k, v, beta = drawn(seed, time, d, e)
    k = functional.normalize(k, dim=-1)
    out, _ = delta_rule(q, k, v, beta)
    torch.testing.assert_close(out, delta_rule_steps(q, k, v, beta), rtol=0, atol=1e-9)


def test_the_parallel_form_holds_in_single_precision_at_forty_positions():
    q, k, v, beta = (x.float() for x in drawn(0, 40, 16, 16))
    k = functional.normalize(k, dim=-1)
    torch.testing.assert_close(
        delta_rule(q, k, v, beta)[0], delta_rule_steps(q, k, v, beta), rtol=0, atol=1e-4
    )


def test_the_delta_rule_replaces_what_a_key_recalls():
    """One key written twice with beta 1: the second value is recalled, where plain addition recalls the sum."""
    key = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    value = torch.tensor([[3.0], [5.0], [0.0]])
    beta = torch.tensor([1.0, 1.0, 0.0])  # the third position asks and writes nothing
    out, written = delta_rule(key, key, value, beta)
    torch.testing.assert_close(out[:, 0], torch.tensor([3.0, 5.0, 5.0]))
    torch.testing.assert_close(written[:, 0], torch.tensor([3.0, 2.0, 0.0]))
    summed = linear_attention(key, key, value)[0] * torch.tensor([[1.0], [2.0], [3.0]])
    torch.testing.assert_close(summed[:, 0], torch.tensor([3.0, 8.0, 8.0]))


def test_orthonormal_keys_are_recalled_exactly():
    """As many pairs as dimensions: with orthonormal keys and beta 1 the memory holds every value."""
    keys = torch.linalg.qr(normal(0, 6, 6))[0]
    values = normal(1, 6, 2)
    ask = torch.cat((keys, keys))
    beta = torch.cat((torch.ones(6), torch.zeros(6))).double()
    out, _ = delta_rule(ask, ask, torch.cat((values, torch.zeros_like(values))), beta)
    torch.testing.assert_close(out[6:], values)


def test_what_is_recorded_is_what_was_computed():
    tokens = torch.randint(7, (2, 9), generator=torch.Generator().manual_seed(0))
    for kind in (LinearAttention, DeltaNet):
        model, record = kind(7, 9, width=8, heads=2, layers=2).double(), {}
        with torch.no_grad():
            model(tokens, record=record)
        q, k, v = (record[f"layer1.{name}"] for name in ("query", "key", "value"))
        assert q.shape == k.shape == v.shape == (2, 2, 9, 4)
        if kind is DeltaNet:
            torch.testing.assert_close(k.norm(dim=-1), torch.ones_like(k[..., 0]))
            written = delta_rule(q, k, v, record["layer1.beta"])[1]
            torch.testing.assert_close(record["layer1.written"], written)
        else:
            torch.testing.assert_close(record["layer1.attention"], linear_attention(q, k, v)[1])


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("linear-attention", {}),
        ("linear-attention", {"kernel": 4}),
        ("deltanet", {}),
        ("deltanet", {"kernel": 0}),
    ],
)
def test_it_learns_a_small_bijection(name, config):
    tunnel = Bijection(4)
    model = build(name, vocab=tunnel.vocab, context=tunnel.length, width=32, **config)
    train(model, tunnel, TrainingPlan(steps=200))
    result = evaluate(model, tunnel, sequences=512, generator=torch.Generator().manual_seed(1))
    assert result.mean("kl") < 0.05
