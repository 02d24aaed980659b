"""The coin tunnel against a grid of biases and closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits
from tutorlib.evaluation import evaluate
from tutorlib.tunnels import Batch, Coin


def by_integration(tosses, steps, a, b):
    """Predictive of heads before each toss: Bayes on the exact values of Beta integrals ``B(h + a, t + b)``."""

    def log_beta(x, y):
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    answers = []
    for t in range(len(tosses)):
        seen = tosses[max(0, t - steps) : t]
        heads, tails = sum(seen), len(seen) - sum(seen)
        answers.append(math.exp(log_beta(heads + 1 + a, tails + b) - log_beta(heads + a, tails + b)))
    return answers


@given(
    st.integers(1, 6),
    st.sampled_from([0.3, 1.0, 4.0]),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(0, 2**31),
)
def test_every_window_agrees_with_integration(n, a, b, seed):
    tunnel = Coin(n, a, b)
    batch = tunnel.sample(3, torch.Generator().manual_seed(seed))
    for row, tosses in enumerate(batch.targets.tolist()):
        assert batch.tokens[row].tolist() == [2, *tosses[:-1]]
        for steps in range(n + 1):
            heads = torch.tensor(by_integration(tosses, steps, a, b), dtype=torch.float64)
            expected = torch.stack((1 - heads, heads, 0 * heads), -1)
            torch.testing.assert_close(tunnel.window(batch, steps)[row], expected, rtol=0, atol=1e-12)


def test_agrees_with_a_fine_grid_of_biases(seeded):
    """Bayes with 20,000 biases at the centres of equal intervals, nothing but sums."""
    tunnel = Coin(6)
    batch = tunnel.sample(4, seeded())
    grid = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    for row, tosses in enumerate(batch.targets.tolist()):
        weight = torch.ones_like(grid)
        for t, toss in enumerate(tosses):
            heads = float((weight * grid).sum() / weight.sum())
            assert float(tunnel.exact(batch)[row, t, 1]) == pytest.approx(heads, abs=1e-7)
            weight = weight * (grid if toss else 1 - grid)


def test_entropies_of_the_uniform_prior(seeded):
    """1.000, .782 and .735 bits before tosses 1, 10 and 50, mean .7666; an observer who knows the bias: .7213.

    Under Beta(1, 1) every number of heads among t - 1 tosses is equally likely, so the law is a plain mean.
    """

    def law(t):
        p = (torch.arange(t, dtype=torch.float64) + 1) / (t + 1)
        return float(bits.entropy(torch.stack((p, 1 - p), -1)).mean())

    assert [law(t) for t in (1, 10, 50)] == pytest.approx([1.0, 0.782, 0.735], abs=5e-4)
    assert sum(map(law, range(1, 51))) / 50 == pytest.approx(0.7666, abs=5e-5)
    tunnel, n = Coin(50), 20000
    found = evaluate(tunnel.exact, tunnel, sequences=n, batch=4000, generator=seeded())
    for t in (1, 10, 50):
        values = found.values["entropy"][:, t - 1]
        assert float(values.mean()) == pytest.approx(law(t), abs=4 * float(values.std()) / n**0.5 + 1e-9)
    told = evaluate(tunnel.oracle, tunnel, sequences=n, batch=4000, generator=seeded())
    by_sequence = told.values["entropy"].mean(1)
    error = 4 * float(by_sequence.std()) / n**0.5
    assert float(by_sequence.mean()) == pytest.approx(1 / (2 * math.log(2)), abs=error) and error < 0.01
    # Told the bias or not, the coins are the same: the exact observer's loss is higher by what it still has to learn.
    assert told.mean("loss") < found.mean("loss")


def test_a_wrong_prior(seeded):
    """Coins from Beta(5, 2) for an observer who believes in Beta(1, 1): both posteriors, and the price."""
    tunnel = Coin(20, sampled_from=(5, 2))
    assert tunnel.misspecified and not Coin(20).misspecified and not Coin(3, 2, 2, (2, 2)).misspecified
    batch = tunnel.sample(20000, seeded())
    assert float(batch.targets.double().mean()) == pytest.approx(5 / 7, abs=0.006)
    torch.testing.assert_close(tunnel.exact(batch), Coin(20).exact(batch))
    torch.testing.assert_close(tunnel.under_sampling_law(batch), Coin(20, 5, 2).exact(batch))
    assert float(tunnel.under_sampling_law(batch)[0, 0, 1]) == pytest.approx(5 / 7)
    right, wrong = (
        -torch.log2(p.gather(-1, batch.targets[..., None])).mean()
        for p in (tunnel.under_sampling_law(batch), tunnel.exact(batch))
    )
    # Before the first toss the price is KL(5/7 || 1/2) = .137 bits.
    assert 0.01 < float(wrong - right) < 0.137
    assert list(tunnel.references())[:3] == ["uniform", "knows the bias", "right prior"]
    assert "right prior" not in Coin(20).references()


BAD = [
    (lambda: Coin(0), "tosses: expected an integer of at least 1, got 0"),
    (lambda: Coin(a=0), "a: expected a positive number, got 0"),
    (lambda: Coin(b=-1.0), "b: expected a positive number, got -1.0"),
    (lambda: Coin(b=math.nan), "b: expected a positive number, got nan"),
    (lambda: Coin(a=math.inf), "a: expected a positive number, got inf"),
    (lambda: Coin(sampled_from=(1.0,)), r"sampled_from: expected two positive numbers, got \(1.0,\)"),
    (lambda: Coin(sampled_from=(1.0, 0)), "sampled_from: expected a positive number, got 0"),
    (
        lambda: Coin(2).exact(Batch(torch.tensor([[1, 1]]), torch.tensor([[1, 1]]))),
        "tokens: expected 2 at pos",
    ),
    (
        lambda: Coin(2).exact(Batch(torch.tensor([[2, 2]]), torch.tensor([[1, 1]]))),
        "tosses: expected ids 0 to 1",
    ),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
