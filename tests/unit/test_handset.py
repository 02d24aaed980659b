"""Transformers set by hand: within the errors their descriptions state, and each weight does what is said."""

import itertools
import math

import pytest
import torch

from tutorlib import bayes, bits
from tutorlib.evaluation import evaluate
from tutorlib.explore.base import pack_weights
from tutorlib.handset import (
    bijection_eliminator,
    coin_counter,
    hmm_window_filter,
    spline_units,
    window_table,
)
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection


@pytest.mark.parametrize("symbols", [2, 3, 8, 20, 60])
def test_elimination_is_the_exact_posterior(symbols, seeded):
    tunnel = Bijection(symbols)
    result = evaluate(bijection_eliminator(symbols), tunnel, sequences=64, generator=seeded())
    stated = math.log2(1 + 2 * symbols * math.exp(-30))
    assert float(result.values["kl"].max()) < stated
    assert float(result.values["impossible"].max()) <= 2 * symbols * math.exp(-30)
    assert result.mean("entropy_error") < 1e-9


@pytest.mark.parametrize("gap", [2.0, 5.0, 12.0])
def test_the_gap_bounds_the_error(gap, seeded):
    tunnel = Bijection(6)
    result = evaluate(bijection_eliminator(6, gap).double(), tunnel, sequences=64, generator=seeded())
    worst = float(result.values["kl"].max())
    assert math.exp(-gap) < worst <= math.log2(1 + 12 * math.exp(-gap))


def test_the_stream_of_the_eliminator_is_as_described(seeded):
    """At the k-th key: -(u + 2 sum of the values seen) / n, in units of the entrance's size."""
    V, record = 5, {}
    batch = Bijection(V).sample(3, seeded())
    with torch.no_grad():
        bijection_eliminator(V).double()(batch.tokens, record=record)
    size = math.sqrt(V + 1)
    for row in range(3):
        for k in range(1, V + 1):
            expected = torch.zeros(V + 1, dtype=torch.float64)
            expected[V] = -1
            expected[batch.tokens[row, 1 : 2 * k - 2 : 2] - V] = -2
            n = 2 * k - 1
            torch.testing.assert_close(
                record["residual1"][row, 2 * k - 2] / size, expected / n, rtol=0, atol=1e-6
            )
    attention = record["layer0.attention"][0, 0]
    torch.testing.assert_close(attention, torch.ones(9, 9).double().tril() / torch.arange(1, 10)[:, None])


def coin_sequences(tosses, generator):
    """Random coins, and among them the extremes: all heads, all tails, heads then tails, tails then heads."""
    chance = torch.rand(200, 1, generator=generator)  # [200, 1]
    random = (torch.rand(200, tosses, generator=generator) < chance).long()  # [200, tosses]
    first_heads = torch.ones(tosses + 1, tosses, dtype=torch.int64).tril(-1)  # [tosses + 1, tosses]
    return torch.cat((random, first_heads, 1 - first_heads))


def against_bayes(tokens, a, b, model):
    """The largest KL in bits, over sequences and positions."""
    heads = tokens.cumsum(1)  # [batch, time]
    tails = torch.arange(1, tokens.shape[1] + 1) - heads  # [batch, time]
    p = bayes.beta_bernoulli(heads.double(), tails.double(), a, b)  # [batch, time]
    with torch.no_grad():
        logits = model(tokens).double()  # [batch, time, 2]
    return float(bits.kl_from_logits(torch.stack((1 - p, p), -1), logits).max())


@pytest.mark.parametrize(
    ("tosses", "a", "b", "knots", "bound"),
    [
        (1, 1.0, 1.0, 64, 1e-9),
        (20, 1.0, 1.0, 64, 1e-6),
        (100, 1.0, 1.0, 64, 1e-6),
        (100, 1.0, 1.0, 16, 1e-4),
        (50, 0.5, 0.5, 64, 1e-6),
        (50, 7.0, 2.0, 64, 1e-6),
        (50, 0.3, 5.0, 64, 1e-6),
    ],
)
def test_the_coin_is_the_rule_of_succession(tosses, a, b, knots, bound, seeded):
    tokens = coin_sequences(tosses, seeded())
    assert against_bayes(tokens, a, b, coin_counter(tosses, a, b, knots)) < bound


def test_every_count_of_a_short_coin():
    """All 1,023 nonempty sequences of up to 10 tosses at once: every sequence is a prefix."""
    tokens = torch.cartesian_prod(*[torch.arange(2)] * 10)
    assert against_bayes(tokens, 1.0, 1.0, coin_counter(10)) < 1e-6


def test_twice_the_knots_quarter_the_error(seeded):
    tokens = coin_sequences(100, seeded())
    errors = [against_bayes(tokens, 1.0, 1.0, coin_counter(100, knots=n)) for n in (16, 32, 64)]
    for coarse, fine in itertools.pairwise(errors):
        assert 8 < coarse / fine < 32  # KL is quadratic in the log-odds: 4 squared


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (3.0, 0.5)])
def test_attention_counts_exactly(a, b, seeded):
    """Before any feed-forward unit acts, the average of the values is the posterior mean less one half."""
    tokens, record = coin_sequences(100, seeded()), {}
    with torch.no_grad():
        coin_counter(100, a, b)(tokens, record=record)
    estimate = (record["layer0.attention"] @ record["layer0.value"])[:, 0, :, 0]  # [batch, time]
    time = torch.arange(1, 101)
    exact = (tokens.cumsum(1) + a) / (time + a + b) - 0.5
    torch.testing.assert_close(estimate, exact, rtol=0, atol=2e-6)
    weights = record["layer0.attention"][0, 0]  # [time, time]: the first position counts for 1 + a + b
    torch.testing.assert_close(weights[9, 0] / weights[9, 5], torch.tensor(1 + a + b))


def test_order_of_tosses_does_not_matter(seeded):
    tokens = coin_sequences(30, seeded())
    shuffled = tokens[:, torch.randperm(30, generator=seeded(1))]
    model = coin_counter(30)
    last = torch.tensor([29])
    with torch.no_grad():
        torch.testing.assert_close(
            model(tokens, last).softmax(-1), model(shuffled, last).softmax(-1), rtol=0, atol=1e-4
        )


@pytest.mark.parametrize("knots", [2, 8, 64])
def test_a_cubic_is_drawn_by_its_units(knots):
    at = torch.linspace(0, 1, knots + 1, dtype=torch.float64)
    up, down = spline_units(lambda q: q - q**3, at)
    q = torch.linspace(-1, 1, 201, dtype=torch.float64)
    drawn = (up[:, 0, None] * q + up[:, 1, None]).relu().square().mul(down[:, None]).sum(0)
    assert len(up) == len(down) == 2 + 2 * knots
    # The trapezoid rule for the slope 1 - 3 q^2 is off by 6 / 12 times the square of the step, for a whole unit.
    assert float((drawn - (q - q**3)).abs().max()) == pytest.approx(0.5 / knots**2, rel=1e-6)


def chain(states, symbols, seed=0, stay=0.7):
    """A sticky random HMM: transition and emission."""
    generator = torch.Generator().manual_seed(seed)

    def rows(n):
        weights = -torch.rand(states, n, generator=generator, dtype=torch.float64).log()
        return weights / weights.sum(-1, keepdim=True)

    return stay * torch.eye(states, dtype=torch.float64) + (1 - stay) * rows(states), rows(symbols)


def by_paths(T, E, seen):
    """Chances of the next symbol after ``seen``, summed over every path of hidden states."""
    start = torch.linalg.matrix_power(T, 1000)[0]
    total = torch.zeros(E.shape[1], dtype=torch.float64)
    for path in itertools.product(range(len(T)), repeat=len(seen) + 1):
        weight = float(start[path[0]])
        for state, following, symbol in zip(path, path[1:], seen, strict=False):
            weight *= float(E[state, symbol] * T[state, following])
        total += weight * E[path[-1]]
    return total / total.sum()


def step_filter(T, E, tokens, window):
    """Predict, weigh, normalise over the last ``window`` symbols at every position."""
    start = torch.linalg.matrix_power(T, 1000)[0]
    out = []
    for t in range(tokens.shape[1]):
        belief = start.expand(len(tokens), -1)
        for place in range(max(0, t - window + 1), t + 1):
            posterior = bayes.condition(belief, E[:, tokens[:, place]].T)
            belief = bayes.predict(posterior, T)
        out.append(bayes.predict(belief, E))
    return torch.stack(out, 1)


@pytest.mark.parametrize("window", [1, 3])
def test_the_table_is_the_sum_over_paths(window):
    T, E = chain(3, 2)
    tables = window_table(T, E, window)
    assert [len(table) for table in tables] == [2**m for m in range(1, window + 1)]
    for m, table in enumerate(tables, start=1):
        for row, seen in enumerate(itertools.product(range(2), repeat=m)):
            torch.testing.assert_close(table[row], by_paths(T, E, seen), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("states", "symbols", "window", "context"),
    [(3, 3, 1, 12), (3, 3, 2, 12), (2, 4, 4, 20), (4, 2, 5, 100), (2, 2, 8, 8), (3, 1, 2, 5)],
)
def test_the_window_filter_is_exact(states, symbols, window, context, seeded):
    T, E = chain(states, symbols)
    model = hmm_window_filter(T, E, window, context)
    tokens = torch.randint(symbols, (64, context), generator=seeded())
    with torch.no_grad():
        kl = bits.kl_from_logits(step_filter(T, E, tokens, window), model(tokens).double())
    assert float(kl.max()) < 1e-7


def test_a_longer_window_is_nearer_the_exact_filter(seeded):
    T, E = chain(3, 3)
    tokens = torch.randint(3, (64, 20), generator=seeded())
    exact, errors = step_filter(T, E, tokens, 20), []
    with torch.no_grad():
        for window in (1, 2, 4, 6):
            logits = hmm_window_filter(T, E, window, 20)(tokens).double()
            errors.append(float(bits.kl_from_logits(exact, logits).mean()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < errors[0] / 10


def test_impossible_windows_and_symbols_stay_finite():
    """Two symbols that alternate for ever: after 0 comes 1, and the window 0 0 never occurs."""
    T, E = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.eye(2)
    assert window_table(T, E, 2)[1].tolist() == [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    with torch.no_grad():
        p = hmm_window_filter(T, E, 2, 6)(torch.tensor([[0, 1, 0, 1, 0, 1]])).softmax(-1)[0]
    torch.testing.assert_close(p[:, 1], torch.tensor([1.0, 0.0] * 3), rtol=0, atol=1e-9)


def test_one_unit_fires_and_each_head_looks_one_step_further_back(seeded):
    T, E = chain(3, 3)
    model, tokens, record = hmm_window_filter(T, E, 3, 12), torch.randint(3, (4, 12), generator=seeded()), {}
    inside = []
    model.blocks[0].feed_forward.down.register_forward_hook(lambda layer, given, out: inside.append(given[0]))
    with torch.no_grad():
        model(tokens, record=record)
    fired = (inside[0] > 0.5).sum(-1)  # [batch, time]
    assert torch.equal(fired, torch.ones_like(fired))
    torch.testing.assert_close(inside[0].sum(-1), torch.ones(4, 12), rtol=0, atol=1e-4)
    for head in (0, 1):
        t = torch.arange(head + 1, 12)
        weights = record["layer0.attention"][:, head, t, t - head - 1]  # [batch, time]
        torch.testing.assert_close(weights, torch.ones_like(weights), rtol=0, atol=1e-6)


ALL = {
    "bijection": lambda: bijection_eliminator(4),
    "coin": lambda: coin_counter(9),
    "hmm": lambda: hmm_window_filter(*chain(3, 3), window=3, context=9),
}


@pytest.mark.parametrize("name", ALL)
def test_they_are_ordinary_transformers(name):
    model = ALL[name]()
    assert type(model) is Transformer and model.layers == 1
    assert pack_weights(model)["config"] == model.config()
    again = Transformer(**model.config())
    again.load_state_dict(model.state_dict())
    tokens = torch.randint(model.vocab, (2, model.context), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(tokens), again(tokens))


BAD = [
    (lambda: bijection_eliminator(0), "symbols: expected a positive integer, got 0"),
    (lambda: bijection_eliminator(1), "symbols: expected at least 2, got 1"),
    (lambda: bijection_eliminator(4, gap=0), "gap: expected a positive number of nats, got 0"),
    (lambda: bijection_eliminator(4, gap=math.inf), "gap: expected a positive number of nats, got inf"),
    (lambda: coin_counter(0), "tosses: expected a positive integer, got 0"),
    (lambda: coin_counter(5, knots=0), "knots: expected a positive integer, got 0"),
    (lambda: coin_counter(5, a=0), "a and b: expected positive numbers, got 0 and 1.0"),
    (lambda: coin_counter(5, b=math.nan), "a and b: expected positive numbers, got 1.0 and nan"),
    (
        lambda: spline_units(torch.sin, torch.tensor([0.1, 1.0])),
        "knots: expected at least two that rise from 0",
    ),
    (
        lambda: spline_units(torch.sin, torch.tensor([0.0, 1.0, 1.0])),
        "knots: expected at least two that rise",
    ),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
