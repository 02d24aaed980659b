"""The bijection tunnel against brute force: list every bijection, keep those that agree, average."""

import itertools
import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorlib import bits
from tutorlib.evaluation import evaluate, ladder
from tutorlib.tunnels import TUNNELS, Batch, Bijection


def brute_force(tunnel, keys, values, steps):
    """Predictive of one sequence, ``[pairs][vocab]``, from all V! bijections and the last ``steps`` pairs."""
    v = tunnel.symbols
    answers = []
    for k in range(tunnel.pairs):
        seen = list(zip(keys, values, strict=True))[max(0, k - steps) : k]
        agreeing = [
            f for f in itertools.permutations(range(v)) if all(f[key] == value for key, value in seen)
        ]
        votes = [0] * v
        for f in agreeing:
            votes[f[keys[k]]] += 1
        answers.append([0.0] * v + [n / len(agreeing) for n in votes])
    return answers


@st.composite
def cases(draw):
    v = draw(st.integers(2, 5))
    replacement = draw(st.booleans())
    pairs = draw(st.integers(1, 7 if replacement else v))
    return Bijection(v, pairs, replacement), draw(st.integers(0, 2**31))


@given(cases())
def test_exact_and_every_window_agree_with_brute_force(case):
    tunnel, seed = case
    batch = tunnel.sample(2, torch.Generator().manual_seed(seed))
    for row in range(2):
        keys = batch.tokens[row, 0::2].tolist()
        values = (batch.targets[row] - tunnel.symbols).tolist()
        for steps in range(tunnel.pairs):
            expected = torch.tensor(brute_force(tunnel, keys, values, steps), dtype=torch.float64)
            torch.testing.assert_close(tunnel.window(batch, steps)[row], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            tunnel.exact(batch)[row], expected, rtol=0, atol=1e-12
        )  # steps = pairs - 1


@given(cases())
def test_every_reference_is_a_distribution_over_the_answers(case):
    tunnel, seed = case
    batch = tunnel.sample(3, torch.Generator().manual_seed(seed))
    for name, predictor in tunnel.references().items():
        p = predictor(batch)
        assert p.shape == (3, tunnel.pairs, tunnel.vocab) and p.dtype == torch.float64, name
        bits.probabilities(p, name=name)
        assert float(p[..., : tunnel.symbols].sum()) == 0, f"{name}: a key is never an answer"


@pytest.mark.parametrize("v", [2, 4, 8, 20])
def test_entropy_law(v, seeded):
    tunnel = Bijection(v)
    law = [math.log2(v - k + 1) for k in range(1, v + 1)]
    assert tunnel.entropy_law().tolist() == pytest.approx(law)
    found = bits.entropy(tunnel.exact(tunnel.sample(5, seeded())))  # [5, v]
    torch.testing.assert_close(found, torch.tensor(law, dtype=torch.float64).expand(5, v), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("v", "target"), [(4, 1.146), (8, 1.912), (12, 2.403), (20, 3.054)])
def test_mean_loss_is_log_of_v_factorial_over_v(v, target, seeded):
    tunnel = Bijection(v)
    exact = evaluate(tunnel.exact, tunnel, sequences=50, generator=seeded())
    closed = math.log2(math.factorial(v)) / v
    assert closed == pytest.approx(target, abs=5e-4)
    # Exactly so for each sequence: the exact posterior gives 1 / (V - k + 1) to the k-th answer, whichever it is.
    torch.testing.assert_close(exact.values["loss"].mean(1), torch.full((50,), closed, dtype=torch.float64))


@pytest.mark.parametrize("v", [4, 8, 20])
def test_the_floor_of_a_network_that_sees_only_the_current_token(v, seeded):
    """``log2 V - log2(V!) / V``: the entropy error and the KL of answering uniformly."""
    tunnel = Bijection(v)
    uniform = evaluate(tunnel.uniform, tunnel, sequences=20, generator=seeded())
    floor = math.log2(v) - math.log2(math.factorial(v)) / v
    assert uniform.mean("entropy_error") == pytest.approx(floor)
    assert uniform.mean("kl") == pytest.approx(floor)


def test_position_lookup_has_the_right_entropy_and_half_its_mass_on_used_values(seeded):
    """Before pair k, k - 1 of V values are used, a uniform subset, so the share wasted is (k - 1) / V on average.

    Its mean over k = 1 .. V is (V - 1) / (2 V): 19 / 40 = 47.5 % for V = 20.
    """
    tunnel, n = Bijection(20), 4000
    fraud = evaluate(tunnel.position_lookup, tunnel, sequences=n, generator=seeded())
    assert fraud.values["entropy_error"].max() < 1e-12
    by_sequence = fraud.values["impossible"].mean(1)
    assert float(by_sequence.mean()) == pytest.approx(0.475, abs=4 * float(by_sequence.std()) / n**0.5)
    assert fraud.mean("kl") == math.inf
    expected = torch.arange(20, dtype=torch.float64) / 20
    torch.testing.assert_close(fraud.per_position("impossible"), expected, rtol=0, atol=0.03)
    assert next(iter(tunnel.references())) == "position look-up"
    assert "position look-up" not in Bijection(4, 6, replacement=True).references()


@pytest.mark.parametrize("tunnel", [Bijection(6), Bijection(5, 8, replacement=True)], ids=["without", "with"])
def test_ladder_improves_with_every_rung(tunnel, seeded):
    rungs = ladder(tunnel, sequences=200, generator=seeded())
    kl = [rung.mean("kl") for name, rung in rungs.items() if name != "position look-up"]
    assert kl == sorted(kl, reverse=True)
    assert kl[-1] == pytest.approx(0, abs=1e-12) and kl[-2] > 0.001
    assert list(rungs)[-1] == "exact"
    assert len(kl) == tunnel.pairs  # uniform, 1 .. pairs - 2, exact


@pytest.mark.parametrize("replacement", [False, True])
def test_sampled_answers_follow_the_exact_posterior(replacement, seeded):
    """Calibration: how often the answers given probability p come true, in a binomial interval around p."""
    tunnel = Bijection(4, 4, replacement)
    batch = tunnel.sample(6000, seeded(1))
    p = tunnel.exact(batch)[..., tunnel.symbols :]  # [sequences, pairs, values]
    came = torch.nn.functional.one_hot(batch.targets - tunnel.symbols, tunnel.symbols)
    for k in range(tunnel.pairs):
        for value in range(tunnel.symbols):
            for chance in p[:, k, value].unique().tolist():
                chosen = p[:, k, value] == chance
                hits, n = int(came[chosen, k, value].sum()), int(chosen.sum())
                if chance in (0.0, 1.0):
                    assert hits == chance * n
                else:
                    assert scipy.stats.binomtest(hits, n, chance).pvalue > 1e-4, (k, value, chance, hits, n)


@pytest.mark.parametrize("replacement", [False, True])
def test_sampling_is_uniform_over_bijections_and_key_orders(replacement, seeded):
    batch = Bijection(3, 3, replacement).sample(6000, seeded(2))
    orders = [tuple(row) for row in batch.tokens[:, 0::2].tolist()]
    possible = list(
        itertools.product(range(3), repeat=3) if replacement else itertools.permutations(range(3))
    )
    assert scipy.stats.chisquare([orders.count(order) for order in possible]).pvalue > 1e-3
    assert set(orders) <= set(possible)
    whole = Bijection(3).sample(6000, seeded(3))
    found = [
        tuple(value for _, value in sorted(zip(keys, values, strict=True)))
        for keys, values in zip(whole.tokens[:, 0::2].tolist(), (whole.targets - 3).tolist(), strict=True)
    ]
    counts = [found.count(f) for f in itertools.permutations(range(3))]
    assert sum(counts) == 6000 and scipy.stats.chisquare(counts).pvalue > 1e-3


@given(cases())
def test_sequences_are_what_they_claim(case):
    tunnel, seed = case
    batch = tunnel.sample(4, torch.Generator().manual_seed(seed))
    again = tunnel.sample(4, torch.Generator().manual_seed(seed))
    assert torch.equal(batch.tokens, again.tokens) and torch.equal(batch.targets, again.targets)
    assert len(batch) == 4 and batch.tokens.dtype == batch.targets.dtype == torch.int64
    assert batch.tokens.shape == (4, tunnel.length) and batch.targets.shape == (4, len(tunnel.scored))
    for tokens, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
        keys = tokens[0::2]
        assert tokens[1::2] == targets[:-1], "each value shown is the answer asked before it"
        pairs = set(zip(keys, targets, strict=True))
        assert len(pairs) == len({k for k, _ in pairs}) == len({v for _, v in pairs}), "one to one"
        assert tunnel.replacement or len(set(keys)) == tunnel.pairs
        assert tunnel.scored.tolist() == list(range(0, tunnel.length, 2))


def test_sampling_leaves_the_global_generator_alone(seeded):
    before = torch.get_rng_state()
    Bijection(4).sample(3, seeded())
    assert torch.equal(before, torch.get_rng_state())
    batches = {seed: Bijection(8).sample(3, seeded(seed)).tokens for seed in (0, 1)}
    assert not torch.equal(batches[0], batches[1])


def test_config_builds_it_again(seeded):
    tunnel = Bijection(6, 9, replacement=True)
    again = TUNNELS[tunnel.name](**tunnel.config())
    assert again.config() == tunnel.config()
    assert torch.equal(again.sample(2, seeded()).tokens, tunnel.sample(2, seeded()).tokens)


def test_one_pair_and_two_symbols(seeded):
    for tunnel in (Bijection(3, 1), Bijection(2), Bijection(2, 1)):
        batch = tunnel.sample(2, seeded())
        assert bits.entropy(tunnel.exact(batch)).tolist()[0] == pytest.approx(tunnel.entropy_law().tolist())


TUNNEL = Bijection(3)
GOOD = torch.tensor([[0, 3, 1, 4, 2]])  # 0 -> 3, 1 -> 4, 2 -> ?
ANSWERS = torch.tensor([[3, 4, 5]])


def exact(tokens, targets=ANSWERS):
    return TUNNEL.exact(Batch(torch.as_tensor(tokens), targets))


BAD = [
    (lambda: Bijection(1), "symbols: expected an integer of at least 2, got 1"),
    (lambda: Bijection(2.5), "symbols: expected an integer of at least 2, got 2.5"),
    (lambda: Bijection("20"), "got '20'"),
    (
        lambda: Bijection(4, 5),
        r"pairs: expected an integer from 1 to 4 \(keys come without replacement\), got 5",
    ),
    (lambda: Bijection(4, 0), "pairs: expected an integer of at least 1, got 0"),
    (lambda: Bijection(4, 0, replacement=True), "pairs: expected an integer of at least 1, got 0"),
    (lambda: TUNNEL.sample(0, torch.Generator()), "batch: expected an integer of at least 1, got 0"),
    (lambda: TUNNEL.sample(1.5, torch.Generator()), "batch: expected an integer of at least 1, got 1.5"),
    (lambda: TUNNEL.window(Batch(GOOD, ANSWERS), -1), "steps: expected an integer of at least 0, got -1"),
    (lambda: exact(GOOD[0]), r"tokens: expected \[batch, 5\], got \(5,\)"),
    (lambda: exact(GOOD[:, :4]), r"tokens: expected \[batch, 5\], got \(1, 4\)"),
    (lambda: exact(GOOD.float()), "tokens: expected dtype int64, got torch.float32"),
    (lambda: exact(GOOD, ANSWERS.int()), "targets: expected dtype int64, got torch.int32"),
    (lambda: exact(GOOD, ANSWERS[:, :2]), r"targets: expected \[1, 3\], got \(1, 2\)"),
    (lambda: exact([[3, 3, 1, 4, 2]]), "expected keys 0 to 2 at even positions"),
    (lambda: exact([[0, 3, -1, 4, 2]]), "expected keys 0 to 2 at even positions"),
    (lambda: exact([[0, 2, 1, 4, 2]]), "expected values 3 to 5 at odd positions"),
    (lambda: exact([[0, 6, 1, 4, 2]]), "expected values 3 to 5 at odd positions"),
    (lambda: exact([[0, 3, 1, 3, 2]]), "one value a key and one key a value"),
    (lambda: exact([[0, 3, 1, 4, 1]]), "keys without replacement, got one twice"),
    (lambda: Bijection(3, 3, True).entropy_law(), "holds without replacement only"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_answer_to_come_plays_no_part_in_the_posterior():
    for answer in (3, 4, 5):
        assert exact(GOOD, torch.tensor([[3, 4, answer]]))[0, 2].tolist() == [0, 0, 0, 0, 0, 1]
