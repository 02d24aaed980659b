"""The Markov tunnel against numerical integration over matrices and the table of mean losses."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib.evaluation import evaluate
from tutorlib.tunnels import Batch, Markov


def evidence(transitions, k, a):
    """Log-probability of a list of transitions, the matrix integrated out: a product of Dirichlet integrals."""
    total = 0.0
    for i in range(k):
        counts = [sum(1 for pair in transitions if pair == (i, j)) for j in range(k)]
        total += math.lgamma(k * a) - math.lgamma(k * a + sum(counts))
        total += sum(math.lgamma(a + n) - math.lgamma(a) for n in counts)
    return total


@given(st.integers(2, 4), st.integers(1, 7), st.sampled_from([0.2, 1.0, 3.0]), st.integers(0, 2**31))
def test_every_window_agrees_with_the_ratio_of_integrals(k, n, a, seed):
    """``P(next | seen) = P(seen and next) / P(seen)``."""
    tunnel = Markov(k, n, a)
    batch = tunnel.sample(2, torch.Generator().manual_seed(seed))
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    for row, symbols in enumerate(batch.tokens.tolist()):
        for steps in range(n + 1):
            found = tunnel.window(batch, steps)[row]
            for t, now in enumerate(symbols):
                seen = list(itertools.pairwise(symbols[: t + 1]))[max(0, t - steps) :]
                expected = [
                    math.exp(evidence([*seen, (now, j)], k, a) - evidence(seen, k, a)) for j in range(k)
                ]
                assert found[t].tolist() == pytest.approx(expected, abs=1e-12)


def test_agrees_with_a_grid_of_matrices(seeded):
    """Two symbols: a matrix is two numbers; Bayes over a grid of them with nothing but sums."""
    tunnel = Markov(2, 6)
    batch = tunnel.sample(4, seeded())
    grid = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    stay, leave = torch.meshgrid(grid, grid, indexing="ij")  # P(1 | 0) and P(1 | 1)
    matrix = ((1 - stay, stay), (1 - leave, leave))
    for row, symbols in enumerate(batch.tokens.tolist()):
        weight = torch.ones_like(stay)
        for t, now in enumerate(symbols):
            expected = float((weight * matrix[now][1]).sum() / weight.sum())
            assert float(tunnel.exact(batch)[row, t, 1]) == pytest.approx(expected, abs=1e-5)
            weight = weight * matrix[now][int(batch.targets[row, t])]


def test_mean_losses(seeded):
    """k = 3, 100 steps: add-one bigram 1.281, unigram 1.456, uniform 1.585, told the matrix 1.184 bits."""
    tunnel, n = Markov(), 3000
    answers = tunnel.references()
    for name, target in {
        "exact": 1.281,
        "unigram": 1.456,
        "uniform": 1.585,
        "knows the matrix": 1.184,
    }.items():
        loss = evaluate(answers[name], tunnel, sequences=n, generator=seeded()).values["loss"].mean(1)
        error = float(loss.std()) / n**0.5
        assert float(loss.mean()) == pytest.approx(target, abs=4 * error + 0.002) and error < 0.006, name


def test_unigram_and_oracle_by_hand():
    tunnel = Markov(3, 3, 0.5)
    matrix = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [1.0, 0.0, 0.0]], dtype=torch.float64)
    batch = Batch(torch.tensor([[0, 2, 0]]), torch.tensor([[2, 0, 1]]), tasks=matrix[None])
    assert tunnel.unigram(batch)[0].tolist() == [
        pytest.approx([1.5 / 2.5, 0.5 / 2.5, 0.5 / 2.5]),
        pytest.approx([1.5 / 3.5, 0.5 / 3.5, 1.5 / 3.5]),
        pytest.approx([2.5 / 4.5, 0.5 / 4.5, 1.5 / 4.5]),
    ]
    assert torch.equal(tunnel.oracle(batch)[0], matrix[[0, 2, 0]])
    assert tunnel.known(torch.stack((matrix, matrix.flip(0)))[:, None], batch).shape == (2, 1, 3, 3)


BAD = [
    (lambda: Markov(1), "symbols: expected an integer of at least 2, got 1"),
    (lambda: Markov(steps=0), "steps: expected an integer of at least 1, got 0"),
    (lambda: Markov(a=0), "a: expected a positive number, got 0"),
    (lambda: Markov(a="one"), "a: expected a positive number, got 'one'"),
    (
        lambda: Markov(2, 2).exact(Batch(torch.tensor([[0, 2]]), torch.tensor([[1, 1]]))),
        "tokens: expected ids 0 to 1",
    ),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
