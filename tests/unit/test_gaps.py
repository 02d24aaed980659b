"""Order of evidence, the martingale property, and sequences from another law: exact observers pass, others do not."""

import math

import pytest
import torch

from tutorlib.evaluation import (
    GAP_MEASURES,
    LAW_MEASURES,
    MEASURES,
    evaluate,
    martingale_gap,
    permutation_gap,
)
from tutorlib.models import Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import HMM, Bijection, Coin, Diversity, Markov, Mess3, ModelSelection, Recall

ORDER_FREE = {
    "bijection": Bijection(6),
    "with replacement": Bijection(4, 9, replacement=True),
    "one pair": Bijection(3, 1),
    "coin": Coin(12, 2, 0.5),
    "one toss": Coin(1),
    "wrong prior": Coin(12, 1, 1, sampled_from=(5, 2)),
    "recall": Recall(5, 2, 8, 9, filler=2, gap=1),
    "model selection": ModelSelection(6),
    "few coins": Diversity("coin", {"tosses": 8}, tasks=3),
    "few bijections": Diversity("bijection", {"symbols": 4}, tasks=3),
}
ORDERED = [Markov(3, 6), HMM(3, 4, 5), Mess3(5), Diversity("markov", {"steps": 5}, tasks=2)]
order_free = pytest.mark.parametrize("tunnel", ORDER_FREE.values(), ids=ORDER_FREE)
ordered = pytest.mark.parametrize("tunnel", ORDERED, ids=lambda tunnel: tunnel.name)


def untrained(tunnel, seed=0, scale=0.3, **config):
    """Random weights everywhere; a fresh network has zeros in the last matrix of each block, so it mixes nothing."""
    model = Transformer(tunnel.vocab, tunnel.length, width=16, **config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(scale * torch.randn(weights.shape, generator=generator))
    return model


def pieces(tunnel, batch):
    """The evidence of each sequence before the last scored position, as sorted lists, and what is asked there."""
    if isinstance(tunnel, Recall):
        past, rest = batch.tokens.tensor_split([2 * tunnel.pairs], 1)
        past = past.unflatten(1, (-1, 2))
    elif tunnel.vocab == 3:  # a coin
        past, rest = batch.tokens[:, 1:, None], torch.cat((batch.tokens[:, :1], batch.targets[:, -1:]), 1)
    else:
        past, rest = batch.tokens[:, :-1].unflatten(1, (-1, 2)), batch.tokens[:, -1:]
    return [sorted(map(tuple, row)) for row in past.tolist()], rest.tolist()


@order_free
def test_a_shuffled_past_is_the_same_evidence(tunnel, seeded):
    batch = tunnel.sample(40, seeded())
    before = batch.tokens.clone(), batch.targets.clone()
    shuffled, again = (tunnel.shuffle_past(batch, seeded(3)) for _ in range(2))
    assert torch.equal(batch.tokens, before[0]) and torch.equal(batch.targets, before[1])
    assert torch.equal(shuffled.tokens, again.tokens)
    assert pieces(tunnel, shuffled) == pieces(tunnel, batch)
    assert torch.equal(shuffled.targets[:, -1], batch.targets[:, -1])
    assert torch.equal(batch.tokens, shuffled.tokens) == (len(tunnel.scored) == 1)
    if not isinstance(tunnel, Recall):  # each target is the next token of its new place
        assert torch.equal(shuffled.targets[:, :-1], shuffled.tokens[:, tunnel.scored[:-1] + 1])


def test_every_order_comes_equally_often(seeded):
    tunnel = Coin(4)
    batch = tunnel.sample(6000, seeded())
    batch.tokens[:, 1:] = torch.tensor([1, 0, 0])
    heads_at = tunnel.shuffle_past(batch, seeded(1)).tokens[:, 1:].double().mean(0)
    assert heads_at.tolist() == pytest.approx([1 / 3] * 3, abs=4 * (2 / 9 / 6000) ** 0.5)


@order_free
def test_order_means_nothing_to_the_exact_answer(tunnel, seeded):
    found = permutation_gap(tunnel.exact, tunnel, sequences=30, batch=20, generator=seeded())
    assert list(found.values) == ["permutation_kl", "permutation_tv"]
    for values in found.values.values():
        assert values.shape == (30, 1) and values.dtype == torch.float64
        assert float(values.max()) < 1e-12


@ordered
def test_order_that_matters_is_not_shuffled(tunnel, seeded):
    with pytest.raises(ValueError, match="the order of its evidence matters"):
        permutation_gap(tunnel.exact, tunnel, sequences=2, generator=seeded())


def test_order_gap_by_hand(seeded):
    """Two tosses seen; a predictor that reads the first one only: heads .8 after heads, .1 after tails."""
    tunnel = Coin(3)

    def first_toss(batch):
        heads = 0.1 + 0.7 * (batch.tokens[:, 1, None] == 1).double().expand(-1, 3)  # [batch, 3]
        return torch.stack((1 - heads, heads, 0 * heads), -1)

    generator = seeded()
    found = permutation_gap(first_toss, tunnel, sequences=4000, batch=4000, generator=generator)
    generator = seeded()
    batch = tunnel.sample(4000, generator)
    before, after = (x.tokens[:, 1].bool().tolist() for x in (batch, tunnel.shuffle_past(batch, generator)))
    heads_first = 0.8 * math.log2(0.8 / 0.1) + 0.2 * math.log2(0.2 / 0.9)
    tails_first = 0.1 * math.log2(0.1 / 0.8) + 0.9 * math.log2(0.9 / 0.2)
    by_hand = {(True, False): heads_first, (False, True): tails_first}
    expected = [by_hand.get(pair, 0) for pair in zip(before, after, strict=True)]
    assert found.values["permutation_kl"][:, 0].tolist() == pytest.approx(expected, abs=1e-12)
    # the tosses differ in 1 of 3 sequences under Beta(1, 1), and then the order changes in half
    assert found.mean("permutation_tv") == pytest.approx(0.7 / 6, abs=4 * 0.7 * (5 / 36 / 4000) ** 0.5)


def test_order_in_networks(seeded):
    """One layer without positions reads a set. Positions order it, and so does the mask from the second layer on."""
    tunnel = Bijection(6)

    def gap(**config):
        found = permutation_gap(untrained(tunnel, **config), tunnel, sequences=200, generator=seeded())
        return found.interval("permutation_kl", seeded(1))

    assert gap(positions="none").high < 1e-10
    for config in ({"positions": "learned"}, {"positions": "rotary"}, {"positions": "none", "layers": 2}):
        assert gap(**config).low > 1e-6, config
    fresh = Transformer(12, 11, positions="learned")  # its blocks add nothing, so it reads the asked key only
    assert permutation_gap(fresh, tunnel, sequences=50, generator=seeded()).mean("permutation_tv") == 0


def test_the_last_toss_is_evidence_and_question_at_once(seeded):
    """So one layer without positions can treat it apart from the others, and only it."""
    tunnel, generator = Coin(12), seeded()
    found = permutation_gap(untrained(tunnel), tunnel, sequences=200, generator=generator)
    kl = found.values["permutation_kl"][:, 0]
    generator = seeded()
    batch = tunnel.sample(200, generator)
    changed = batch.tokens[:, -1] != tunnel.shuffle_past(batch, generator).tokens[:, -1]
    assert 20 < int(changed.sum()) < 180
    assert float(kl[~changed].max()) < 1e-10
    assert float(kl[changed].min()) > 1e-4
    learned = permutation_gap(
        untrained(tunnel, positions="learned"), tunnel, sequences=200, generator=seeded()
    )
    assert learned.values["permutation_kl"][~changed].mean() > 1e-6


MARTINGALES = {
    "coin": Coin(8),
    "wrong prior": Coin(8, 1, 1, sampled_from=(5, 2)),
    "few coins": Diversity("coin", {"tosses": 8}, tasks=3),
}


@pytest.mark.parametrize("tunnel", MARTINGALES.values(), ids=MARTINGALES)
def test_a_posterior_is_its_own_forecast(tunnel, seeded):
    """Whatever the prior, also a wrong one: the test is of coherence, not of truth."""
    found = martingale_gap(tunnel.exact, tunnel, sequences=30, batch=20, generator=seeded())
    assert list(found.values) == ["martingale_kl", "martingale_tv"]
    for values in found.values.values():
        assert values.shape == (30, 7) and values.dtype == torch.float64
        assert float(values.max()) < 1e-12
    assert martingale_gap(tunnel.uniform, tunnel, sequences=5, generator=seeded()).mean("martingale_tv") == 0


def test_a_window_is_not_a_martingale(seeded):
    """With w tosses kept, the next toss adds ``p`` heads in the mean and the oldest one drops out."""
    tunnel, w = Coin(8, 2, 1), 3
    found = martingale_gap(
        lambda batch: tunnel.window(batch, w), tunnel, sequences=50, batch=50, generator=seeded()
    )
    batch = tunnel.sample(50, seeded())
    p = tunnel.window(batch, w)[..., 1]  # [batch, tosses]
    oldest = batch.tokens[:, 1:].double()  # position t has seen tosses 0 .. t-1 and next drops t - w
    by_hand = torch.zeros(50, 7, dtype=torch.float64)
    by_hand[:, w:] = (p[:, w:7] - oldest[:, : 7 - w]).abs() / (w + 3)
    torch.testing.assert_close(found.values["martingale_tv"], by_hand, rtol=0, atol=1e-12)
    assert found.interval("martingale_kl", seeded()).low > 0.005


def test_one_step_by_hand(seeded):
    """1/2 now; 8/10 after a head, 1/10 after a tail, so .45 in the mean."""
    tunnel = Coin(2)

    def last_toss(batch):
        heads = torch.full((len(batch), 2), 0.5, dtype=torch.float64)
        heads[:, 1] = torch.where(batch.tokens[:, 1] == 1, 0.8, 0.1)
        return torch.stack((1 - heads, heads, 0 * heads), -1)

    found = martingale_gap(last_toss, tunnel, sequences=3, generator=seeded())
    assert found.values["martingale_tv"].tolist() == [pytest.approx([0.05])] * 3
    kl = 0.5 * math.log2(0.5 / 0.45) + 0.5 * math.log2(0.5 / 0.55)
    assert found.values["martingale_kl"].tolist() == [pytest.approx([kl])] * 3


def test_martingale_gap_of_networks(seeded):
    """Training on the coin shrinks it; a fresh network repeats its last token."""
    tunnel = Coin(10)
    model = Transformer(tunnel.vocab, tunnel.length, width=16)

    def gap():
        found = martingale_gap(model, tunnel, positions=[2, 5, 8], sequences=100, generator=seeded(1))
        assert found.values["martingale_kl"].shape == (100, 3)
        return found.interval("martingale_kl", seeded())

    before = gap()
    train(model, tunnel, TrainingPlan(steps=150, batch=128))
    after = gap()
    assert before.low > 0.01
    assert 0 < after.mean < before.low / 3


def test_supposing(seeded):
    tunnel = Coin(5)
    batch = tunnel.sample(4, seeded())
    changed = tunnel.suppose(batch, 1, 0)
    assert changed.tokens[:, 2].tolist() == changed.targets[:, 1].tolist() == [0] * 4
    keep = [0, 1, 3, 4]
    assert torch.equal(changed.tokens[:, keep], batch.tokens[:, keep])
    assert not torch.equal(changed.tokens, batch.tokens)


@pytest.mark.parametrize(
    "tunnel", [*ORDERED, Bijection(4), Recall(4, 2), ModelSelection(6)], ids=lambda tunnel: tunnel.name
)
def test_no_martingale_where_the_question_changes(tunnel, seeded):
    with pytest.raises(ValueError, match="successive positions ask different questions"):
        martingale_gap(tunnel.exact, tunnel, sequences=2, generator=seeded())


def test_another_law_by_enumeration(seeded):
    """The prior's answer and the law's, for a coin of four tosses: both divergences from the formula."""
    prior, law = Coin(4), Coin(4, 5, 2)
    found = evaluate(prior.exact, prior, law=law, sequences=50, batch=20, generator=seeded())
    assert found.values.keys() == {**MEASURES, **LAW_MEASURES}.keys()
    batch = law.sample(20, seeded())
    seen = torch.nn.functional.pad(batch.tokens[:, 1:], (1, 0)).cumsum(1).double()  # [batch, 4]: heads so far
    p, q = ((seen + a) / (torch.arange(4) + a + b) for a, b in ((5, 2), (1, 1)))
    by_hand = p * torch.log2(p / q) + (1 - p) * torch.log2((1 - p) / (1 - q))
    torch.testing.assert_close(found.values["law_kl"][:20], by_hand, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.values["prior_cost"][:20], by_hand, rtol=0, atol=1e-12)
    assert float(found.values["kl"].max()) < 1e-12
    right = evaluate(law.exact, prior, law=law, sequences=50, batch=20, generator=seeded())
    assert float(right.values["law_kl"].max()) < 1e-12
    assert right.mean("kl") > 0.01
    assert right.mean("law_entropy") == pytest.approx(right.mean("entropy"))


def test_the_law_of_a_misspecified_coin(seeded):
    """``sampled_from`` and a second tunnel say the same, on the same sequences."""
    one = Coin(20, sampled_from=(5, 2))
    results = [
        evaluate(tunnel.uniform, tunnel, law=law, sequences=100, generator=seeded())
        for tunnel, law in ((one, one), (Coin(20), Coin(20, 5, 2)))
    ]
    for name in LAW_MEASURES:
        torch.testing.assert_close(results[0].values[name], results[1].values[name], rtol=0, atol=1e-12)
    same = evaluate(Coin(20).exact, Coin(20), law=Coin(20), sequences=20, generator=seeded())
    assert same.mean("prior_cost") < 1e-12


@pytest.mark.parametrize(
    ("tunnel", "law"),
    [
        (Markov(3, 12), Markov(3, 12, 0.2)),
        (Coin(12), Diversity("coin", {"tosses": 12}, tasks=2)),
        (Bijection(5), Diversity("bijection", {"symbols": 5}, tasks=3)),
        (HMM(3, 4, 6), HMM(3, 4, 6, law="sticky")),
    ],
    ids=["markov", "few coins", "few bijections", "sticky hmm"],
)
def test_other_laws(tunnel, law, seeded):
    found = evaluate(tunnel.exact, tunnel, law=law, sequences=400, generator=seeded())
    torch.testing.assert_close(found.values["law_kl"], found.values["prior_cost"], rtol=0, atol=1e-12)
    # an HMM states its matrices, so there the prior is worth nothing
    assert (found.mean("prior_cost") < 1e-12) == (tunnel.name == "hmm")
    surprise = (found.values["loss"] - found.values["law_entropy"] - found.values["law_kl"]).mean(1)
    assert abs(float(surprise.mean())) <= 4 * float(surprise.std()) / 400**0.5 + 1e-9


def test_longer_than_in_training(seeded):
    """The training tunnel rebuilt at the new length gives the exact answer, prior and law apart."""
    short, long = ({"law": "coded", "header": "tokens", "observations": k} for k in (4, 10))
    model = untrained(HMM(**long))  # its context has room for ten
    found = evaluate(model, HMM(**long), law=HMM(**long), sequences=8, generator=seeded())
    assert found.per_position("law_kl").shape == (10,)
    assert found.mean("prior_cost") < 1e-12
    near = evaluate(model, HMM(**short), sequences=8, generator=seeded())
    assert near.values["kl"].shape == (8, 4)
    with pytest.raises(ValueError, match="context of at least 73, got 110 and 61"):
        evaluate(untrained(HMM(**short)), HMM(**long), sequences=2, generator=seeded())
    coin = evaluate(Coin(30).exact, Coin(30), law=Coin(30, 5, 2), sequences=200, generator=seeded())
    cost = coin.per_position("prior_cost")
    assert float(cost[20:].mean()) < 0.1 * float(cost[0])  # the prior washes out


COIN = Coin(4)


def law(other):
    return evaluate(COIN.exact, COIN, law=other, sequences=2, generator=torch.Generator())


def martingale(**options):
    return martingale_gap(COIN.exact, **{"tunnel": COIN, "generator": torch.Generator(), **options})


BAD = [
    (lambda: law(Coin(5)), "law: expected the tunnel's length 4, got 5"),
    (lambda: law(Markov(2, 4)), "law: expected the tunnel's vocab 3, got 2"),
    (lambda: law(Markov(3, 4)), r"law: expected the tunnel's answers \[0, 1\]"),
    (lambda: martingale(positions=[3]), "positions: expected an integer from 0 to 2, got 3"),
    (lambda: martingale(positions=[-1]), "positions: expected an integer from 0 to 2, got -1"),
    (lambda: martingale(positions=[]), "positions: expected at least one"),
    (lambda: martingale(tunnel=Coin(1)), "positions: expected at least one, with a scored position after it"),
    (lambda: martingale(sequences=0), "sequences and batch: expected positive numbers, got 0 and 256"),
    (
        lambda: COIN.suppose(COIN.sample(2, torch.Generator()), 3, 1),
        "position: expected an integer from 0 to 2",
    ),
    (
        lambda: COIN.suppose(COIN.sample(2, torch.Generator()), 0, 2),
        "answer: expected an integer from 0 to 1",
    ),
    (
        lambda: permutation_gap(Transformer(3, 2), COIN, generator=torch.Generator()),
        "model: expected vocab 3 and a context of at least 4, got 3 and 2",
    ),
    (
        lambda: permutation_gap(lambda batch: torch.ones(1), COIN, sequences=2, generator=torch.Generator()),
        r"predictor: expected shape \(2, 4, 3\), got \(1,\)",
    ),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:50] for _, words in BAD])
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_every_gap_is_described(seeded):
    names = [
        *permutation_gap(COIN.exact, COIN, sequences=2, generator=seeded()).values,
        *martingale(sequences=2).values,
    ]
    assert names == list(GAP_MEASURES)
