"""The recall tunnel against a list of all episodes."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorlib.evaluation import evaluate
from tutorlib.tunnels import Batch, Recall


def by_enumeration(tunnel, keys, values, asked, steps):
    """Votes of all lists of distinct pairs that agree with the last ``steps`` pairs and hold the key asked."""
    n, kept = tunnel.pairs, range(max(0, tunnel.pairs - steps), tunnel.pairs)
    votes = [0] * tunnel.values
    for ks in itertools.permutations(range(tunnel.keys), n):
        if asked not in ks or any(ks[i] != keys[i] for i in kept):
            continue
        for vs in itertools.permutations(range(tunnel.values), n):
            if all(vs[i] == values[i] for i in kept):
                votes[vs[ks.index(asked)]] += 1
    return torch.tensor(votes, dtype=torch.float64) / sum(votes)


@settings(max_examples=12)
@given(st.integers(1, 3), st.integers(0, 1), st.integers(0, 1), st.integers(0, 2**31))
def test_every_window_agrees_with_enumeration(pairs, more_keys, more_values, seed):
    tunnel = Recall(pairs, pairs, pairs + more_keys, pairs + more_values, filler=1)
    batch = tunnel.sample(1, torch.Generator().manual_seed(seed))
    keys, values = batch.tokens[0, 0 : 2 * pairs : 2].tolist(), batch.tokens[0, 1 : 2 * pairs : 2].tolist()
    values = [value - tunnel.keys for value in values]
    for steps in range(pairs + 1):
        found = tunnel.window(batch, steps)[0]
        for query, at in enumerate(tunnel.scored.tolist()):
            expected = by_enumeration(tunnel, keys, values, int(batch.tokens[0, at]), steps)
            torch.testing.assert_close(found[query, tunnel.answers], expected, rtol=0, atol=1e-12)


def test_layout(seeded):
    tunnel = Recall(3, 2, 5, 4, filler=2, gap=1)
    filler, query = 9, 10
    assert (tunnel.vocab, tunnel.length, tunnel.scored.tolist()) == (11, 13, [9, 12])
    for tokens, targets in zip(*(x.tolist() for x in vars_of(tunnel.sample(50, seeded()))), strict=True):
        keys, values = tokens[0:6:2], tokens[1:6:2]
        assert (
            len(set(keys)) == len(set(values)) == 3 and max(keys) < 5 and 5 <= min(values) <= max(values) < 9
        )
        assert [*tokens[6:9], *tokens[10:12]] == [filler, filler, query, filler, query]
        asked = [tokens[9], tokens[12]]
        assert asked[0] != asked[1]
        assert targets == [dict(zip(keys, values, strict=True))[key] for key in asked]


def vars_of(batch):
    return batch.tokens, batch.targets


def test_exact_is_certain_and_the_rungs_have_closed_forms(seeded):
    tunnel = Recall(16, 3, 32, 20)
    exact = evaluate(tunnel.exact, tunnel, sequences=200, generator=seeded())
    assert exact.mean("loss") == 0 == exact.mean("entropy")
    shown = evaluate(tunnel.value_shown, tunnel, sequences=200, generator=seeded())
    assert shown.mean("loss") == pytest.approx(4)  # log2(16): the plateau before binding is learnt
    n = 4000
    half = (
        evaluate(tunnel.references()["last 8 pairs"], tunnel, sequences=n, generator=seeded())
        .values["loss"]
        .mean(1)
    )
    law = (
        0.5 * torch.log2(torch.tensor(12.0)).item()
    )  # half the keys are kept; 12 values are left for the others
    assert float(half.mean()) == pytest.approx(law, abs=4 * float(half.std()) / n**0.5)


def test_every_key_value_and_query_place_is_equally_likely(seeded):
    tunnel, n = Recall(3, 1, 5, 4), 20000
    batch = tunnel.sample(n, seeded())
    place = (batch.tokens[:, 0:6:2] == batch.tokens[:, tunnel.scored]).int().argmax(1)
    for ids, outcomes in ((place, 3), (batch.tokens[:, 2], 5), (batch.targets[:, 0] - 5, 4)):
        share = ids.bincount(minlength=outcomes) / n
        assert (share - 1 / outcomes).abs().max() < 4.5 * (1 / outcomes / n) ** 0.5


def changed(at, token):
    tunnel = Recall(2, 1, 3, 3)
    tokens = torch.tensor([[0, 3, 1, 4, 7, 1]])
    tokens[0, at] = token
    return tunnel.exact(Batch(tokens, torch.tensor([[4]])))


BAD = [
    (lambda: Recall(0), "pairs: expected an integer of at least 1, got 0"),
    (lambda: Recall(2, 3), "queries: expected an integer from 1 to 2, got 3"),
    (lambda: Recall(8, keys=7), "keys: expected an integer of at least 8, got 7"),
    (lambda: Recall(8, values=7), "values: expected an integer of at least 8, got 7"),
    (lambda: Recall(filler=-1), "filler: expected an integer of at least 0, got -1"),
    (lambda: Recall(gap=0.5), "gap: expected an integer of at least 0, got 0.5"),
    (lambda: changed(0, 3), "keys: expected ids 0 to 2, got 1 to 3"),
    (lambda: changed(1, 2), "values: expected ids 3 to 5, got 2 to 4"),
    (lambda: changed(0, 1), "expected keys without repetition, got one twice"),
    (lambda: changed(1, 4), "expected values without repetition, got one twice"),
    (lambda: changed(5, 2), "expected queries among the keys shown, got another"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    assert changed(5, 0)[0, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=words):
        call()
