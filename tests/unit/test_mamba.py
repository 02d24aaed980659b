"""Mamba: equal to the block of transformers, to its own dual form, and to a slow scan."""

import math

import pytest
import torch
from torch.nn import functional

from tutorlib.evaluation import evaluate
from tutorlib.models import Mamba
from tutorlib.models.mamba import CausalConvolution, selective_scan, transfer_matrix
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection

VOCAB, TIME = 7, 9
NAMES = {
    "in_proj.weight": "input.weight",
    "conv1d.weight": "convolution.weight",
    "conv1d.bias": "convolution.bias",
    "x_proj.weight": "select.weight",
    "dt_proj.weight": "step.weight",
    "dt_proj.bias": "step.bias",
    "A_log": "A_log",
    "D": "D",
    "out_proj.weight": "output.weight",
}


def make(dtype=torch.float64, noise=0.3, **config):
    """A model in which every parameter acts."""
    model = Mamba(VOCAB, TIME, **{"width": 8, "layers": 2, "state": 4, **config}).to(dtype).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += noise * torch.randn(p.shape, generator=generator, dtype=dtype)
    return model


def tokens(seed=0, batch=2):
    return torch.randint(VOCAB, (batch, TIME), generator=torch.Generator().manual_seed(seed))


def scan_input(seed=0, batch=2, time=TIME, inner=5, state=3):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, dt = normal(batch, time, inner), functional.softplus(normal(batch, time, inner))
    return x, dt, -normal(inner, state).exp(), normal(batch, time, state), normal(batch, time, state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("width", "noise"), [(8, 0.3), (40, 0.1)])
def test_it_is_the_mamba_of_transformers(dtype, width, noise):
    """With the weights copied, the stream after every block and the logits are equal."""
    transformers = pytest.importorskip("transformers")
    model = make(dtype, noise, width=width)
    config = transformers.MambaConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        state_size=4,
        num_hidden_layers=2,
        layer_norm_epsilon=1e-6,
        residual_in_fp32=False,
    )
    oracle = transformers.MambaForCausalLM(config).to(dtype).eval()
    backbone = oracle.get_submodule("backbone")
    ours = dict(model.named_parameters())
    with torch.no_grad():
        oracle.get_output_embeddings().weight.copy_(ours["embedding.weight"])
        for layer, block in enumerate(backbone.layers):
            theirs = dict(block.mixer.named_parameters())
            assert theirs.keys() == NAMES.keys()
            for name, p in theirs.items():
                p.copy_(ours[f"blocks.{layer}.{NAMES[name]}"])
        streams, record = [], {}
        for block in backbone.layers:
            block.register_forward_hook(lambda block, inputs, output: streams.append(output))
        logits = model(tokens(), record=record)
        # Theirs does not normalise the embedding, ours does: it is handed over normalised.
        out = oracle(inputs_embeds=record["residual0"], use_cache=False)
    for layer, stream in enumerate(streams, start=1):
        torch.testing.assert_close(stream, record[f"residual{layer}"], rtol=0, atol=1e-5)
    torch.testing.assert_close(out.logits.to(dtype), logits, rtol=0, atol=1e-5)
    assert len(streams) == 2 and float((streams[1] - record["residual0"]).std()) > 0.1
    assert float(logits.std()) > 0.1


def test_the_scan_is_the_recurrence_number_by_number():
    x, dt, A, B, C = scan_input()
    y, states = selective_scan(x, dt, A, B, C)
    for b in range(2):
        for d in range(5):
            h = [0.0] * 3
            for t in range(TIME):
                step = float(dt[b, t, d])
                for n in range(3):
                    h[n] = math.exp(step * float(A[d, n])) * h[n] + step * float(B[b, t, n] * x[b, t, d])
                assert states[b, t, d].tolist() == pytest.approx(h, abs=1e-12)
                assert float(y[b, t, d]) == pytest.approx(
                    sum(float(C[b, t, n]) * h[n] for n in range(3)), abs=1e-12
                )


@pytest.mark.parametrize("time", [1, 2, 40])
def test_the_dual_form_gives_the_same_output(time):
    x, dt, A, B, C = scan_input(time=time)
    M = transfer_matrix(dt, A, B, C)
    assert M.shape == (2, 5, time, time) and float(M.triu(1).abs().sum()) == 0
    y = torch.einsum("bdts,bsd->btd", M, x)
    torch.testing.assert_close(y, selective_scan(x, dt, A, B, C)[0], rtol=0, atol=1e-10)


def test_long_pauses_do_not_overflow():
    """A step size of 100 forgets everything before it; the dual form must not divide by that."""
    x, dt, A, B, C = scan_input(time=40)
    dt = dt + 100
    M = transfer_matrix(dt, A, B, C)
    assert M.isfinite().all()
    torch.testing.assert_close(
        torch.einsum("bdts,bsd->btd", M, x), selective_scan(x, dt, A, B, C)[0], rtol=1e-9, atol=1e-9
    )


def test_what_is_recorded_is_what_was_computed():
    model, record = make(), {}
    with torch.no_grad():
        model(tokens(), record=record)
        A = -torch.exp(model.blocks[1].A_log)
        parts = [record[f"layer1.{name}"] for name in ("input", "dt", "B", "C")]
        y, states = selective_scan(*parts[:2], A, *parts[2:])
    assert record["layer1.state"].shape == (2, TIME, 16, 4)
    torch.testing.assert_close(record["layer1.state"], states)
    torch.testing.assert_close(
        torch.einsum("bdts,bsd->btd", record["layer1.transfer"], record["layer1.input"]), y
    )
    assert float(record["layer1.dt"].min()) > 0


@pytest.mark.parametrize("kernel", [1, 4])
def test_the_convolution_looks_back_only(kernel, seeded):
    layer = CausalConvolution(3, kernel).double()
    x = torch.randn(2, 8, 3, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        layer.start(seeded(1))
        out = layer(x)
        expected = torch.zeros_like(x)
        for t in range(8):
            for lag in range(min(kernel, t + 1)):
                expected[:, t] += layer.weight[:, 0, kernel - 1 - lag] * x[:, t - lag]
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_starting_rates_and_steps():
    block = Mamba(VOCAB, TIME, width=64, state=4).blocks[0]
    torch.testing.assert_close(-block.A_log.exp(), -torch.arange(1.0, 5.0).expand(128, 4))
    steps = functional.softplus(block.step.bias.detach())
    assert 0.001 <= float(steps.min()) < 0.002 and 0.05 < float(steps.max()) <= 0.1
    assert torch.equal(block.D, torch.ones(128)) and not block.convolution.bias.any()


def test_it_learns_a_small_bijection():
    tunnel = Bijection(4)
    model = Mamba(tunnel.vocab, tunnel.length, width=32)
    train(model, tunnel, TrainingPlan(steps=200))
    result = evaluate(model, tunnel, sequences=512, generator=torch.Generator().manual_seed(1))
    assert result.mean("kl") < 0.05
