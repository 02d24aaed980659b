"""Angles, axes, correlations and probes against loops, closed forms and independent packages."""

import itertools
import math

import numpy as np
import pytest
import torch

from tutorlib import checkpoints, geometry
from tutorlib.models import LSTM, TokenMLP, Transformer
from tutorlib.models.base import rms_norm
from tutorlib.tunnels import HMM, Bijection


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


# --- angles


def test_cosines_are_those_of_a_loop():
    x, y = normal(4, 3), normal(5, 3, seed=1)
    wanted = [[float(a @ b) / float(a.norm() * b.norm()) for b in y] for a in x]
    torch.testing.assert_close(geometry.cosines(x, y), torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_lengths_do_not_matter(size):
    x = normal(6, 4)
    torch.testing.assert_close(geometry.cosines(size * x), geometry.cosines(x))


def test_mean_abs_cosine_is_the_mean_over_pairs_and_keeps_the_lead():
    x = normal(2, 5, 3)
    for one, found in zip(x, geometry.mean_abs_cosine(x), strict=True):
        pairs = [abs(float(a @ b)) / float(a.norm() * b.norm()) for a, b in itertools.combinations(one, 2)]
        assert float(found) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 32])
def test_expected_cosine_is_what_many_draws_give(d):
    draws = geometry.random_abs_cosines(2, d, seeded(d), draws=20_000)
    error = float(draws.std()) / math.sqrt(len(draws))
    assert float(draws.mean()) == pytest.approx(geometry.expected_abs_cosine(d), abs=4 * error + 1e-12)


def test_expected_cosine_closed_values_and_limit():
    assert geometry.expected_abs_cosine(1) == pytest.approx(1)
    assert geometry.expected_abs_cosine(2) == pytest.approx(2 / math.pi)
    assert geometry.expected_abs_cosine(3) == pytest.approx(1 / 2)
    assert geometry.expected_abs_cosine(4096) == pytest.approx(math.sqrt(2 / (4096 * math.pi)), rel=1e-3)


def test_the_reference_is_of_the_same_number_and_dimension():
    few, many = (geometry.random_abs_cosines(n, 8, seeded()) for n in (3, 30))
    assert few.std() > 3 * many.std()
    assert abs(float(few.mean() - many.mean())) < 0.02
    centred = geometry.random_abs_cosines(3, 8, seeded(), centred=True)
    assert (
        centred.mean() > few.mean() + 0.1
    )  # three centred vectors lean away from each other, cos about -1/2


def test_verdicts():
    apart, alike = torch.eye(10, 16), torch.ones(10, 16) + 0.1 * normal(10, 16).float()
    assert geometry.orthogonality(apart, seeded()).verdict == "more orthogonal than random"
    assert geometry.orthogonality(alike, seeded()).verdict == "less orthogonal than random"
    assert geometry.orthogonality(alike, seeded(), centred=True).verdict == "as random"
    judged = [geometry.orthogonality(normal(10, 16, seed=s), seeded(), draws=400).verdict for s in range(100)]
    assert 88 <= judged.count("as random") <= 100  # 95 are expected


# --- axes


def test_axes_are_numpys():
    x = normal(50, 4) @ normal(4, 4, seed=1) + 3
    axes = geometry.principal_axes(x)
    wanted, vectors = np.linalg.eigh(np.cov(x.numpy().T))
    np.testing.assert_allclose(axes.variances.flip(0), wanted, rtol=1e-9)
    np.testing.assert_allclose((axes.directions.numpy() @ vectors[:, ::-1]) ** 2, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(axes.scores(x).var(0, correction=1), axes.variances, rtol=1e-9)
    assert (axes.directions.gather(1, axes.directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_leading_axes_are_taken_together_and_standardising_forgets_units():
    x = normal(5, 10, 3)
    torch.testing.assert_close(
        geometry.principal_axes(x).variances, geometry.principal_axes(x.flatten(0, 1)).variances
    )
    units = torch.tensor([1.0, 1000.0, 1e-3])
    a, b = (geometry.principal_axes(t, standardise=True) for t in (x, x * units))
    torch.testing.assert_close(a.shares, b.shares)
    torch.testing.assert_close(a.scores(x), b.scores(x * units))


def test_participation_ratio_counts():
    assert geometry.participation_ratio(normal(4000, 6)) == pytest.approx(6, abs=0.1)
    assert geometry.participation_ratio(normal(30, 1) * torch.ones(6)) == pytest.approx(1)
    spread = normal(60_000, 3) * torch.tensor([2.0, 1.0, 1.0])
    assert geometry.participation_ratio(spread) == pytest.approx(2, abs=0.05)


def test_random_directions_are_orthonormal_and_have_no_favourite():
    one = geometry.random_directions(3, 7, seeded())
    torch.testing.assert_close(one @ one.T, torch.eye(3, dtype=torch.float64))
    many = torch.cat([geometry.random_directions(2, 4, seeded(s)) for s in range(3000)])
    torch.testing.assert_close(many.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=0.03)
    torch.testing.assert_close(many.T @ many / len(many), torch.eye(4).double() / 4, rtol=0, atol=0.02)


def test_removing_directions_leaves_nothing_along_them():
    x, along = normal(20, 6), normal(2, 6, seed=1)
    left = geometry.remove_directions(x, along)
    assert (left @ along.T).abs().max() < 1e-12
    torch.testing.assert_close(geometry.remove_directions(left, along), left)
    torch.testing.assert_close(geometry.remove_directions(x, along * 5), left)
    assert float((x - left).square().sum() + left.square().sum()) == pytest.approx(float(x.square().sum()))


# --- correlations


def test_correlations_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    x, y = normal(40), (normal(40, seed=1) + normal(40)).round(decimals=0)
    assert geometry.correlation(x, y) == pytest.approx(stats.pearsonr(x, y)[0])
    assert geometry.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y)[0])
    np.testing.assert_allclose(geometry.ranks(y), stats.rankdata(y) - 1)


def test_partial_correlation_is_the_closed_form():
    x, y, z = normal(200), normal(200, seed=1), normal(200, seed=2)
    x, y = x + z, y - 2 * z + 0.5 * x
    a, b, c = geometry.correlation(x, y), geometry.correlation(x, z), geometry.correlation(y, z)
    wanted = (a - b * c) / math.sqrt((1 - b**2) * (1 - c**2))
    assert geometry.partial_correlation(x, y, z) == pytest.approx(wanted)
    doubled = torch.stack((z, 2 * z + 1), -1)  # the same information twice
    assert geometry.partial_correlation(x, y, doubled) == pytest.approx(wanted)


def test_what_is_determined_has_no_partial_correlation():
    position = torch.arange(20.0).repeat(5)
    with pytest.raises(ValueError, match="y: nothing is left"):
        geometry.partial_correlation(normal(100), 3 - 2 * position, position)
    with pytest.raises(ValueError, match="constant in every group"):
        geometry.within_groups(normal(100), torch.log2(20 - position), position.long())


def test_rounding_is_no_variation():
    position = torch.arange(20.0, dtype=torch.float64).repeat(5)
    entropy = torch.log2(20 - position) * (1 + 1e-16 * normal(100)) + 1e-15 * normal(100, seed=1)
    with pytest.raises(ValueError, match="constant in every group"):
        geometry.within_groups(normal(100), entropy, position.long())


def test_within_groups_sees_through_simpsons_paradox():
    group = torch.arange(300) % 3
    inside = normal(300)
    x, y = inside + 10 * group, -inside + 10 * group
    assert geometry.rank_correlation(x, y) > 0.7
    assert geometry.within_groups(x, y, group) == pytest.approx(-1)


def test_an_interval_over_groups_is_wider_than_one_that_takes_rows_as_independent():
    offsets = normal(30)
    group = torch.arange(30).repeat_interleave(20)
    y = offsets[group] + 0.01 * normal(600, seed=1)

    def mean(rows):
        return float(y[rows].mean())

    by_group = geometry.grouped_interval(mean, group, seeded())
    by_row = geometry.grouped_interval(mean, torch.arange(600), seeded())
    assert by_group.mean == by_row.mean == pytest.approx(float(y.mean()))
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)
    assert by_group.high - by_group.low == pytest.approx(2 * 1.96 * float(offsets.std()) / 30**0.5, rel=0.3)


# --- probes


def test_ridge_without_a_penalty_is_least_squares():
    x, y = normal(40, 5), normal(40, 2, seed=1)
    line = geometry.ridge(x, y, penalty=0.0)
    wanted = torch.linalg.lstsq(torch.cat((torch.ones(40, 1), x), 1), y).solution
    torch.testing.assert_close(line.weights, wanted[1:])
    torch.testing.assert_close(line(x), torch.cat((torch.ones(40, 1), x), 1) @ wanted)
    torch.testing.assert_close(line.axes.norm(dim=-1), torch.ones(2, dtype=torch.float64))


def test_ridge_is_sklearns():
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = normal(40, 5) * torch.arange(1, 6), normal(40, 2, seed=1)
    alpha = 0.3 * 40 * float(x.var(0, correction=0).mean())
    wanted = linear.Ridge(alpha=alpha).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(geometry.ridge(x, y, 0.3)(x), wanted.predict(x.numpy()), atol=1e-9)


def test_ridge_does_not_mind_directions_without_variance_or_a_unit():
    x, y = normal(40, 3), normal(40, 1, seed=1)
    twice = torch.cat((x, x, torch.ones(40, 1)), 1)
    torch.testing.assert_close(geometry.ridge(twice, y, 0.0)(twice), geometry.ridge(x, y, 0.0)(x))
    torch.testing.assert_close(geometry.ridge(1e6 * x, y, 0.1)(1e6 * x), geometry.ridge(x, y, 0.1)(x))


def test_r_squared():
    y = normal(50, 2)
    assert geometry.r_squared(y, y) == 1
    assert geometry.r_squared(y, y.mean(0).expand(50, 2)) == pytest.approx(0)
    assert geometry.r_squared(y, -y) < -1


def test_a_probe_reads_a_line_and_nothing_from_noise():
    x, group = normal(600, 4), torch.arange(600) // 10
    y = x @ normal(4, 2, seed=1) + 2
    assert geometry.probe(x, y, group, seeded()).r_squared > 0.999999
    assert abs(geometry.probe(x, normal(600, 2, seed=2), group, seeded()).r_squared) < 0.05


def test_groups_never_stand_on_both_sides():
    """The vector names its group and nothing else; the answer is a number of the group."""
    group = torch.arange(30).repeat_interleave(10)
    x = torch.nn.functional.one_hot(group, 30).double() + 0.01 * normal(300, 30)
    y = normal(30, 1, seed=1)[group]
    assert geometry.probe(x, y, group, seeded()).r_squared < 0.1
    assert geometry.probe(x, y, torch.arange(300), seeded()).r_squared > 0.9  # what leaking would give


def test_the_penalty_is_chosen_where_it_helps():
    x, group = normal(90, 60), torch.arange(90)
    y = x[:, :1] + 3 * normal(90, 1, seed=1)
    chosen = geometry.probe(x, y, group, seeded())
    stubborn = geometry.probe(x, y, group, seeded(), penalties=(0.0,))
    assert max(chosen.penalties) == 1.0 and chosen.r_squared > stubborn.r_squared + 0.5


def test_the_interval_of_a_probe_holds_its_score():
    x, group = normal(400, 3), torch.arange(400) // 10
    result = geometry.probe(x, x[:, :1] + normal(400, 1, seed=1), group, seeded())
    interval = result.interval(seeded())
    assert interval.low < interval.mean == result.r_squared < interval.high


def test_shuffled_keeps_the_rows_and_their_groups():
    y, position = normal(200, 3), torch.arange(200) % 5
    mixed = geometry.shuffled(y, seeded())
    assert not torch.equal(mixed, y)
    torch.testing.assert_close(mixed.sort(0).values, y.sort(0).values)
    inside = geometry.shuffled(y, seeded(), position)
    assert not torch.equal(inside, y)
    for place in range(5):
        rows = position == place
        torch.testing.assert_close(inside[rows].sort(0).values, y[rows].sort(0).values)


def test_shuffling_within_positions_leaves_the_position_readable():
    position = torch.arange(400) % 4
    x = torch.nn.functional.one_hot(position, 4).double()
    y = position[:, None].double() + 0.1 * normal(400, 1)
    group = torch.arange(400) // 4
    assert geometry.probe(x, geometry.shuffled(y, seeded(), position), group, seeded()).r_squared > 0.9
    assert geometry.probe(x, geometry.shuffled(y, seeded()), group, seeded()).r_squared < 0.1


# --- activations


@pytest.mark.parametrize("name", ["bijection-v8", "hmm-sticky", "mess3"])
def test_streams_and_heads_are_those_that_give_the_answer(name):
    point = checkpoints.load(name)
    model, batch = point.model, point.tunnel.sample(3, seeded())
    streams, heads = geometry.residual_streams(model, batch), geometry.head_vectors(model, batch)
    header = None if batch.header is None else batch.header
    with torch.no_grad():
        logits = model(batch.tokens, header=header)
    assert streams.shape == (model.layers + 1, 3, batch.tokens.shape[1], model.width)
    last = rms_norm(streams[-1]) if model.end_norms else streams[-1]
    torch.testing.assert_close(last @ model.embedding.weight.detach().T, logits, rtol=1e-4, atol=1e-4)
    rows = 0 if model.header is None else model.header[0]
    time, d = batch.tokens.shape[1], model.width // model.heads
    assert heads.query.shape == (model.layers, 3, model.heads, time, d)
    assert heads.key.shape == heads.value.shape == (model.layers, 3, model.heads, rows + time, d)
    torch.testing.assert_close(heads.attention.sum(-1), torch.ones(model.layers, 3, model.heads, time))
    # What the heads of the last block add, and what its feed-forward layer adds to that, lead to the last stream.
    block = model.blocks[-1]
    with torch.no_grad():
        between = streams[-2] + block.attention.output(heads.mixed[-1])
        torch.testing.assert_close(
            between + block.feed_forward(rms_norm(between)), streams[-1], rtol=1e-4, atol=1e-4
        )


def test_recording_leaves_the_mode_alone():
    model = Transformer(6, 5, width=4).train()
    geometry.residual_streams(model, Bijection(3).sample(2, seeded()))
    assert model.training


def test_models_without_attention():
    batch = Bijection(3).sample(2, seeded())
    assert geometry.residual_streams(TokenMLP(6, 5, width=4), batch).shape == (3, 2, 5, 4)
    for model in (TokenMLP(6, 5, width=4), LSTM(6, 5, width=4)):
        with pytest.raises(ValueError, match="softmax attention"):
            geometry.head_vectors(model, batch)


def test_an_untrained_twin_is_of_the_same_shape_and_passes_things_on():
    tunnel = HMM(3, 3, 6)
    model = Transformer(
        tunnel.vocab, 6, width=8, layers=2, heads=2, positions="distance", header=tunnel.header_shape
    )
    batch = tunnel.sample(4, seeded())
    twin, same = (geometry.untrained(model, seeded(1)) for _ in range(2))
    closed = geometry.untrained(model, seeded(1), open_blocks=False)
    assert twin.config() == model.config()
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), same.parameters(), strict=True))
    assert not torch.equal(twin.embedding.weight, model.embedding.weight)
    streams = geometry.residual_streams(twin, batch)
    assert not torch.allclose(streams[0], streams[-1])
    streams = geometry.residual_streams(closed, batch)
    assert torch.equal(streams[0], streams[-1])  # the state before the first step: every block adds nothing
