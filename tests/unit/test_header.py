"""Networks that read a header of numbers: every one of them sees it, in its place, and refuses another shape."""

import pytest
import torch
from torch.nn import functional

from tutorlib.evaluation import evaluate
from tutorlib.models import MODELS, build
from tutorlib.models.header import SMALLEST, log_features
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import HMM, Coin

TUNNEL = HMM(3, 4, 6)
FRAMED = [name for name in MODELS if not name.startswith("mlp")]
EXTRA = {"transformer": {"positions": "distance", "heads": 2}, "mlp-window": {"window": 2}}


def make(name, **more):
    """A model in float64 in which every matrix acts."""
    config = {"width": 8, "layers": 2, **EXTRA.get(name, {}), **more}
    model = build(name, vocab=TUNNEL.vocab, context=TUNNEL.length, header=TUNNEL.header_shape, **config)
    model.double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return model.eval()


def draw(count=5, seed=0):
    return TUNNEL.sample(count, torch.Generator().manual_seed(seed))


every = pytest.mark.parametrize("name", MODELS)


def test_log_features_are_the_probability_and_its_logarithm():
    features = log_features(torch.tensor([[0.5, 0.0]]))
    expected = torch.tensor([[0.5, 0.0, 0.5, SMALLEST]])
    expected[:, 2:] = expected[:, 2:].log()
    torch.testing.assert_close(features, expected)


@every
@torch.no_grad()
def test_each_number_of_the_header_matters_at_every_position(name):
    model, batch = make(name), draw()
    logits = model(batch.tokens, header=batch.header)  # [batch, time, vocab]
    for row in range(3):
        for column in range(7):
            header = batch.header.clone()
            header[:, row, column] = 0.5 * header[:, row, column] + 0.2
            moved = (model(batch.tokens, header=header) - logits).abs().amax((0, 2))  # [time]
            assert float(moved.min()) > 1e-6, (row, column)


@every
@torch.no_grad()
def test_sequences_do_not_read_each_others_header(name):
    model, batch = make(name), draw()
    header = batch.header.clone()
    header[1:] = draw(seed=1).header[1:]
    before, after = (model(batch.tokens, header=h)[0] for h in (batch.header, header))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)


@every
@torch.no_grad()
def test_at_counts_tokens_and_the_past_never_changes(name):
    model, batch, at = make(name), draw(), torch.tensor([0, 3, 5])
    whole = model(batch.tokens, header=batch.header)
    assert whole.shape == (5, TUNNEL.length, TUNNEL.vocab)
    torch.testing.assert_close(model(batch.tokens, at, header=batch.header), whole[:, at])
    torch.testing.assert_close(model(batch.tokens, at, record={}, header=batch.header), whole[:, at])
    cut = model(batch.tokens[:, :4], header=batch.header)
    torch.testing.assert_close(cut, whole[:, :4])
    record = {}
    model(batch.tokens, header=batch.header, record=record)
    rows = 3 if name in FRAMED else 0
    assert record["residual0"].shape == (5, rows + TUNNEL.length, 8)


@pytest.mark.parametrize("name", FRAMED)
@torch.no_grad()
def test_a_token_reads_its_own_column(name):
    """With the rows blinded, the logits move with the column of the first token and with no later one."""
    model, batch = make(name, columns=3), draw(64)
    model.rows.read.weight.zero_()
    tokens = batch.tokens[:, :1]
    logits = model(tokens, header=batch.header)  # [batch, 1, vocab]
    for column in range(7):
        header = batch.header.clone()
        header[:, :, column] = 0.9 * header[:, :, column] + 0.05  # still a probability
        moved = (model(tokens, header=header) - logits).abs().amax((1, 2)) > 1e-9  # [batch]
        assert torch.equal(moved, tokens[:, 0] + 3 == column), column


@torch.no_grad()
def test_distance_scores_are_table_slope_and_header():
    model, batch = make("transformer"), draw(2)
    record = {}
    model(batch.tokens, header=batch.header, record=record)
    bias = model.blocks[0].attention.distance
    q, k = record["layer0.query"], record["layer0.key"]
    plain = q @ k.mT / 2  # heads of size 4
    for asking in range(9):
        for seen in range(asking + 1):
            gap = asking - seen
            expected = bias.header if seen < 3 else bias.table[:, min(gap, 8)] - gap * bias.slope
            found = record["layer0.scores"][:, :, asking, seen] - plain[:, :, asking, seen]
            torch.testing.assert_close(found, expected.expand(2, 2))


def test_slopes_start_where_alibi_has_them():
    model = build("transformer", vocab=5, context=4, width=8, heads=2, positions="distance")
    assert model.blocks[0].attention.distance.slope.tolist() == [2**-4, 2**-8]


@every
@pytest.mark.parametrize(
    "header", [None, torch.rand(5, 3, 6), torch.rand(4, 3, 7), torch.ones(5, 3, 7, dtype=torch.int64), "rows"]
)
def test_another_header_is_refused(name, header):
    with pytest.raises(ValueError, match="header: expected"):
        make(name)(draw().tokens, header=header)


@every
def test_a_header_nobody_asked_for_is_refused(name):
    model = build(name, vocab=TUNNEL.vocab, context=TUNNEL.length)
    with pytest.raises(ValueError, match="header: expected none"):
        model(draw().tokens, header=draw().header)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"header": (3,)}, "header: expected rows and features"),
        ({"header": (0, 7)}, "rows: expected a positive integer"),
        ({"header": (3, 7), "columns": 7}, "columns: expected a column from 0 to 6"),
        ({"header": (3, 7), "columns": 4}, None),
        ({"columns": 1}, "columns: expected None"),
        ({"end_norms": 1}, "end_norms: expected True or False"),
    ],
)
def test_bad_frames_are_named(wrong, message):
    if message is None:
        build("gru", vocab=4, context=3, **wrong)
        return
    with pytest.raises(ValueError, match=message):
        build("gru", vocab=4, context=3, **wrong)


@torch.no_grad()
def test_a_token_without_a_column_reads_zeros():
    """Tokens 4 to 6 are the states: answers, which no column belongs to."""
    model, batch = make("gru", columns=3), draw(3)
    found = model.reader(batch.header, torch.full((3, 1), 5))  # [3, 1, width]
    zeros = model.reader.read(log_features(torch.zeros(3, dtype=torch.float64)))
    torch.testing.assert_close(found, zeros.expand(3, 1, 8))


@every
def test_every_model_learns_from_a_header(name):
    """After 150 steps each beats the answer that knows the header and no symbol's place: uniform."""
    tunnel = HMM(2, 2, 3)
    extra = {"positions": "distance"} if name == "transformer" else {}
    model = build(
        name, vocab=tunnel.vocab, context=3, header=tunnel.header_shape, width=16, layers=1, **extra
    )
    plan = TrainingPlan(steps=150, embedding_rate=0.05, matrix_rate=0.02, targets="exact")
    train(model, tunnel, plan)
    seeds = torch.Generator().manual_seed(0)
    blind = evaluate(tunnel.uniform, tunnel, sequences=512, generator=seeds).mean("kl")
    learnt = evaluate(model, tunnel, sequences=512, generator=torch.Generator().manual_seed(0)).mean("kl")
    assert learnt < 0.6 * blind, (learnt, blind)


def test_targets_choose_what_the_loss_compares_with():
    """At the first step of a fresh network the loss is the cross-entropy to each kind of target."""
    losses = {}
    for targets in ("sampled", "one-step", "exact"):
        model = build("transformer", vocab=TUNNEL.vocab, context=6, header=TUNNEL.header_shape, width=8)
        plan = TrainingPlan(steps=1, batch=32, seed=4, targets=targets)
        batch = TUNNEL.sample(32, torch.Generator().manual_seed(4))
        with torch.no_grad():
            log_q = model(batch.tokens, TUNNEL.scored, header=batch.header).log_softmax(-1)
        answer = {
            "sampled": functional.one_hot(batch.targets, TUNNEL.vocab).double(),
            "one-step": TUNNEL.one_step_targets(batch),
            "exact": TUNNEL.exact(batch),
        }[targets]
        expected = float(-(answer * log_q).sum(-1).mean() / torch.log(torch.tensor(2.0)))
        run = train(model, TUNNEL, plan)
        losses[targets] = run.history[0]["loss_bits"]
        assert losses[targets] == pytest.approx(expected, rel=1e-5)
    assert len(set(losses.values())) == 3


def test_targets_a_tunnel_lacks_are_refused():
    coin = Coin()
    model = build("transformer", vocab=coin.vocab, context=coin.length, width=8)
    with pytest.raises(ValueError, match="no targets of one step"):
        train(model, coin, TrainingPlan(steps=1, targets="one-step"))
    with pytest.raises(ValueError, match="targets: expected"):
        TrainingPlan(targets="soft")
