"""The elimination game as Python makes it: its first state, its secrets, its refusals."""

import copy
import math
import re

import pytest
import torch

from tutorlib.checkpoints import Checkpoint, load
from tutorlib.explore import EliminationGame
from tutorlib.explore.bijection import _fixed, _small
from tutorlib.models import Transformer, build
from tutorlib.tunnels import Bijection


def untrained(symbols=5, **config) -> Checkpoint:
    tunnel = Bijection(symbols)
    model = Transformer(tunnel.vocab, tunnel.length, width=8, **config)
    return Checkpoint(model.eval(), tunnel, {})


@pytest.fixture(scope="module")
def game():
    return EliminationGame.from_checkpoints()


def test_the_shipped_game_fits_and_is_the_same_twice(game):
    assert [entry["symbols"] for entry in game.data] == [8, 20]
    assert len(game.html().encode()) <= 200_000
    assert EliminationGame.from_checkpoints().html() == game.html()


def test_nothing_comes_from_elsewhere(game):
    outside = re.sub(r'"weights":"[^"]*"', "", game.html())
    assert not re.search(r"https?:|src=|@import|url\(|position: *fixed", outside)


def test_the_first_state_in_words(game):
    assert "which ball is in box 1? 8 balls are possible, each with probability 1/8" in game.text
    assert "log₂(8 − 1 + 1) = log₂ 8 = 3.000 bits" in game.text
    assert game._repr_mimebundle_() == {"text/html": game.html(), "text/plain": game.text}


def test_the_first_state_shows_the_network(game):
    model = load("bijection-v8").model
    with torch.no_grad():
        q = model(torch.zeros(1, 1, dtype=torch.int64))[0, 0].double().softmax(-1)
    shown = [
        float(x)
        for x in re.findall(r'<span class="network"><span class="hush">network </span>([\d.]+)', game.html())
    ]
    assert shown == pytest.approx((100 * q[8:]).tolist(), abs=0.051)
    entropy = float(re.search(r'data-number="network-entropy">([\d.]+)<', game.html())[1])
    assert entropy == pytest.approx(float(-(q * q.log2()).sum()), abs=0.00051)
    bars = [float(x) for x in re.findall(r'class="bar exact" style="height: ([\d.]+)%', game.html())]
    assert bars == [62.5] * 8  # 12.5 % on a scale that ends at 20 %


def test_making_the_game_leaves_the_network_alone():
    checkpoint = untrained()
    before = copy.deepcopy(checkpoint.model.state_dict())
    EliminationGame([checkpoint])
    after = checkpoint.model.state_dict()
    assert all(
        after[name].dtype == torch.float32 and torch.equal(after[name], before[name]) for name in before
    )


def test_secrets_are_bijections_drawn_by_the_generator():
    secrets = EliminationGame([untrained(9)], games=5).data[0]["secrets"]
    assert len(secrets) == 5
    assert all(sorted(secret) == list(range(9)) for secret in secrets)
    assert len({tuple(secret) for secret in secrets}) == 5
    other = EliminationGame([untrained(9)], torch.Generator().manual_seed(1), games=5).data[0]["secrets"]
    assert other != secrets


def test_the_choice_of_size_is_shown_only_if_there_is_one(game):
    assert '<label class="off">Boxes' in EliminationGame([untrained()]).html()
    assert '<label class="off">Boxes' not in game.html()


@pytest.mark.parametrize(
    ("checkpoints", "message"),
    [
        ([], "at least one"),
        ([untrained(5), untrained(5)], "different numbers of symbols"),
        ([untrained(27)], "at most 26 symbols, got 27"),
        (
            [Checkpoint(build("mlp-token", vocab=10, context=9, width=8), Bijection(5), {})],
            "expected a transformer",
        ),
        ([Checkpoint(Transformer(10, 9), Bijection(5, replacement=True), {})], "asks every key once"),
        ([Checkpoint(Transformer(10, 7), Bijection(5, pairs=4), {})], "asks every key once"),
        ([untrained(5, hidden=2000)], "at most 200000 bytes"),
        ([untrained(5, positions="rotary")], "positions: expected 'none' or 'learned', got 'rotary'"),
        ([untrained(5, positions="distance")], "positions: expected 'none' or 'learned', got 'distance'"),
        ([untrained(5, end_norms=False)], "expected the plain frame"),
        ([untrained(5, tied=False)], "expected the plain frame"),
    ],
)
def test_what_does_not_fit_is_refused(checkpoints, message):
    with pytest.raises(ValueError, match=message):
        EliminationGame(checkpoints)


def test_numbers_are_written_as_javascript_writes_them():
    assert _fixed(6.25, 1) == "6.3"  # an exact tie goes up
    assert _fixed(-0.0, 3) == "0.000"
    assert _fixed(math.log2(7), 3) == "2.807"
    assert _small(0.00004) == "&lt;0.0001"
    assert _small(0.0) == "0.0000"
    assert _small(-1e-17) == "0.0000"
