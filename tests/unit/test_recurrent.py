"""LSTM and GRU: equal to the textbook equations, open forget gates, and able to learn a small tunnel."""

import numpy as np
import pytest
import torch

from tutorlib.evaluation import evaluate
from tutorlib.models import GRU, LSTM
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import Bijection

KINDS = [LSTM, GRU]
both = pytest.mark.parametrize("kind", KINDS, ids=["lstm", "gru"])


def make(kind, **config):
    """A model in double precision in which every parameter acts."""
    model = kind(7, 9, **{"width": 6, "layers": 2, "hidden": 5, **config}).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return model


def tokens(seed=0, batch=2, time=9):
    return torch.randint(7, (batch, time), generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)


def lstm_step(w, x, state):
    h, c = state
    i, f, g, o = np.split(
        w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"], 4
    )
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(w, x, state):
    h, _ = state
    r, z, n = np.split(w["weight_ih_l0"] @ x + w["bias_ih_l0"], 3)
    r_h, z_h, n_h = np.split(w["weight_hh_l0"] @ h + w["bias_hh_l0"], 3)
    z = sigmoid(z + z_h)
    return (1 - z) * np.tanh(n + sigmoid(r + r_h) * n_h) + z * h, None


@pytest.mark.parametrize(("kind", "step"), [(LSTM, lstm_step), (GRU, gru_step)], ids=["lstm", "gru"])
@pytest.mark.parametrize("tied", [True, False])
def test_logits_follow_the_equations(kind, step, tied):
    model = make(kind, tied=tied)
    w = {name: p.detach().numpy() for name, p in model.named_parameters()}
    (sequence,) = tokens(batch=1).tolist()
    stream = norm(w["embedding.weight"][sequence])
    for layer in range(2):
        block = f"blocks.{layer}."
        cell = {name.split(".")[-1]: p for name, p in w.items() if name.startswith(block + "recurrence")}
        state, added = (np.zeros(5), np.zeros(5)), []
        for x in norm(stream):
            state = step(cell, x, state)
            added.append(w[block + "output.weight"] @ state[0])
        stream = stream + np.array(added)
    head = w["embedding.weight" if tied else "head.weight"]
    with torch.no_grad():
        logits = model(torch.tensor([sequence]))[0].numpy()
    np.testing.assert_allclose(logits, norm(stream) @ head.T, atol=1e-12)


@both
def test_recording_changes_nothing_and_keeps_every_state(kind):
    model, record = make(kind), {}
    with torch.no_grad():
        torch.testing.assert_close(model(tokens(), record=record), model(tokens()), rtol=0, atol=1e-12)
        _, last = model.blocks[0].recurrence(norm_of(record["residual0"]))
    for layer in range(2):
        assert record[f"layer{layer}.hidden"].shape == (2, 9, 5)
    assert ("layer0.cell" in record) == (kind is LSTM)
    if kind is LSTM:
        torch.testing.assert_close(record["layer0.hidden"][:, -1], last[0][0])
        torch.testing.assert_close(record["layer0.cell"][:, -1], last[1][0])
    else:
        torch.testing.assert_close(record["layer0.hidden"][:, -1], last[0])


def norm_of(x):
    return torch.from_numpy(norm(x.numpy()))


def test_forget_gates_start_open():
    recurrence = LSTM(7, 9, hidden=5).blocks[0].recurrence
    bias = recurrence.bias_ih_l0 + recurrence.bias_hh_l0
    assert torch.equal(bias, torch.tensor([0.0] * 5 + [1.0] * 5 + [0.0] * 10))
    assert not GRU(7, 9, hidden=5).blocks[0].recurrence.bias_ih_l0.any()


@both
@pytest.mark.parametrize("tied", [True, False])
def test_it_learns_a_small_bijection(kind, tied):
    tunnel = Bijection(4)
    model = kind(tunnel.vocab, tunnel.length, width=32, tied=tied)
    train(model, tunnel, TrainingPlan(steps=200))
    result = evaluate(model, tunnel, sequences=512, generator=torch.Generator().manual_seed(1))
    assert result.mean("kl") < 0.05
