"""Chapter 16: the toy language, the room entropy_axis, what is stored, and the checks."""

import itertools
import math
import re

import pytest
import torch

from tutorlib import bits, geometry, llm
from tutorlib import entropy_axis as ea
from tutorlib.checks import c16
from tutorlib.entropy_axis.grammar import PLAIN, WILD, _rule
from tutorlib.explore import TextAxis
from tutorlib.explore.uncertain import shade
from tutorlib.figures import entropy_axis as draw
from tutorlib.tunnels import Batch

HAS_MODEL = llm.smollm_file() is not None


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def as_batch(tunnel, text):
    tokens = torch.tensor([[tunnel.words.index(word) for word in text.split()]])
    return Batch(tokens, tokens)


# --- the toy language


def test_the_laws_are_laws_and_words_lead_on():
    tunnel = ea.Grammar(8)
    torch.testing.assert_close(tunnel.law.sum(-1), torch.ones(2, len(tunnel.states), dtype=torch.float64))
    assert tunnel.after.max() < len(tunnel.states)


def test_the_exact_law_is_what_enumeration_gives():
    """Bayes' rule by hand: both tellers, one word after the other, by the rules of the grammar themselves."""
    tunnel = ea.Grammar(12)
    batch = tunnel.sample(20, seeded(3))
    exact = tunnel.exact(batch)
    for n, tokens in enumerate(batch.tokens.tolist()):
        weights, state = [0.5, 0.5], ("start",)
        for t, word in enumerate(tokens):
            if t:
                rules = [_rule(state, favour) for favour in (PLAIN, WILD)]
                weights = [w * r[tunnel.words[word]][0] for w, r in zip(weights, rules, strict=True)]
                state = rules[0][tunnel.words[word]][1]
            rules = [_rule(state, favour) for favour in (PLAIN, WILD)]
            for i, name in enumerate(tunnel.words):
                law = sum(w * r.get(name, (0.0,))[0] for w, r in zip(weights, rules, strict=True)) / sum(
                    weights
                )
                assert float(exact[n, t, i]) == pytest.approx(law, abs=1e-12)
        assert float(tunnel.teller_belief(batch)[n, -1]) == pytest.approx(weights[1] / sum(weights))


def test_windows_climb_to_the_exact_answer():
    tunnel = ea.Grammar(30)
    batch = tunnel.sample(64, seeded())
    exact = tunnel.exact(batch)
    kl = [float(bits.kl_divergence(exact, tunnel.window(batch, w)).mean()) for w in (0, 1, 4, 29)]
    assert kl[0] > kl[1] > kl[2] > kl[3] == 0
    # The observer of no word has the law of a word at a random place, which long texts show.
    long = ea.Grammar(400).sample(60, seeded(1)).tokens[:, 100:]
    shares = torch.bincount(long.flatten(), minlength=tunnel.vocab) / long.numel()
    torch.testing.assert_close(tunnel.window(batch, 0)[0, -1], shares.double(), rtol=0, atol=0.01)


def test_a_text_that_cannot_be_is_refused():
    tunnel = ea.Grammar(3)
    with pytest.raises(ValueError, match="cannot follow"):
        tunnel.exact(as_batch(tunnel, ". dog the"))


def test_the_same_two_words_and_another_entropy():
    """What the chapter's table shows."""
    text = ". the king that the dog likes likes the bird . the dog likes the"
    tunnel = ea.Grammar(len(text.split()))
    entropy = bits.entropy(tunnel.exact(as_batch(tunnel, text)))[0]
    assert float(entropy[8]) > 2 and float(entropy[14]) == pytest.approx(0, abs=1e-9)


# --- the small model


@pytest.fixture(scope="module")
def trained():
    tunnel = ea.Grammar(24)
    return tunnel, ea.train_toy(tunnel, steps=150), tunnel.sample(96, seeded(1))


def test_both_axes_of_a_model_that_has_learned_something(trained):
    tunnel, model, batch = trained
    row, raw = (ea.toy_rows(m, tunnel, batch)[-1] for m in (model, geometry.untrained(model, seeded(5))))
    assert row["kl"] < 0.4 < raw["kl"]
    assert row["r2"] > 0.75 > raw["r2"] and row["within"] > raw["within"] + 0.2
    assert abs(row["shuffled"]) < 0.1


def test_the_first_axis_can_be_chosen_and_nothing_else_changes(trained):
    import copy

    _, model, batch = trained
    g = seeded(2)
    for layer, head in itertools.product(range(2), (0, 3)):
        u = torch.randn(12, generator=g, dtype=torch.float64)
        u = u.sign() * u if head else u  # with entries that do not cancel, and with some that do
        changed = copy.deepcopy(model)
        ea.set_first_axis(changed, layer, head, u, size=40.0)
        with torch.no_grad():
            torch.testing.assert_close(changed(batch.tokens), model(batch.tokens), rtol=0, atol=2e-3)
        part = slice(12 * head, 12 * head + 12)
        old, new = (ea.toy_vectors(m, batch, "values", layer)[:, part] for m in (model, changed))
        wanted = old @ (u / u.norm())
        for flag in (False, True):
            scores = geometry.principal_axes(new, flag).scores(new)[:, 0]
            assert abs(geometry.correlation(scores, wanted)) > 0.99


def test_a_map_that_cannot_be_undone_is_refused(trained):
    bad = -torch.ones(12)
    with pytest.raises(ValueError, match="cannot be undone"):
        ea.set_first_axis(ea.toy_model(trained[0]), 0, 0, bad, size=1 / math.sqrt(12))


# --- what is stored


def test_token_only_never_looks_at_its_own_paragraph():
    token = torch.tensor([3, 3, 3, 3, 3, 4])
    groups = torch.tensor([0, 1, 2, 3, 4, 4])
    y = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    guess = ea.token_only(token, y, groups, prior=0.0)
    assert guess.tolist() == [
        3.5,
        3.25,
        3.0,
        2.75,
        2.5,
        2.5,
    ]  # the last token has no other: the mean of all others


def test_the_stored_numbers_fit_together():
    kept = ea.stored()
    assert {(r["layer"], r["what"]) for r in kept["layers"]} == set(
        itertools.product(range(30), ("values", "residual"))
    )
    for row in kept["layers"]:
        low, mean, high = (row["probe_r2"][i] for i in (1, 0, 2))
        assert low < mean < high and row["shuffled_r2"] < 0 and row["rows"] == kept["tokens"]
    assert len(kept["keys"]["layers"]) == len(kept["attention"]) == len(kept["sink"]) == 30


@pytest.mark.skipif(not HAS_MODEL, reason="SmolLM2 is not installed")
def test_part_of_what_is_stored_measured_again():
    """Another CPU may move a number a little."""
    kept, model = ea.stored(), ea.language_model()
    texts = [p.text for p in llm.paragraphs()]
    found = llm.record(model, texts, positions=ea.SKIPPED, what=("values", "residual"), layers=(26, 29))
    assert float(found.entropy.mean()) == pytest.approx(kept["entropy"], abs=0.02)
    for name, value in ea.token_scores(found).items():
        assert kept["token_only"][name] == pytest.approx(value, abs=0.02)
    row = next(r for r in kept["layers"] if (r["layer"], r["what"]) == (29, "values"))
    again = ea.layer_row(found, found, "values", 29)  # as many resamples, or the folds would be others
    for key in ("probe_r2", "participation_ratio"):
        assert again[key][0] == pytest.approx(row[key][0], rel=0.08)
    for key in ("within", "random_95", "raw_share"):
        assert again[key] == pytest.approx(row[key], abs=0.05)
    keys = llm.key_orthogonality(model, seeded())
    torch.testing.assert_close(keys.layers, torch.tensor(kept["keys"]["layers"]).double(), rtol=0, atol=1e-3)
    shown = TextAxis().data["texts"][1]
    here = found.prompt == 10
    assert shown["pieces"] == model.pieces(found.token[here])
    torch.testing.assert_close(torch.tensor(shown["entropy"]).double(), found.entropy[here], rtol=0, atol=0.1)


def test_without_the_model_the_chapter_says_what_to_install(monkeypatch):
    def missing():
        raise llm.ModelError("its package is not installed. pip install it")

    with pytest.raises(ea.NotInstalledError, match=r"The chapter stops here.*pip install") as caught:
        ea.language_model(missing)
    assert caught.value._render_traceback_() == [str(caught.value)]


# --- checks, explorer, figures


def test_the_numbers_of_the_exercises_are_right():
    tunnel = ea.Grammar(6)
    entropy = bits.entropy(tunnel.exact(as_batch(tunnel, ". the king that the dog")))[0]
    assert float(entropy[5]) == pytest.approx(c16.MIXED)
    assert pytest.approx(geometry.expected_abs_cosine(576), abs=1e-4) == c16.REFERENCE
    cloud = torch.randn(75, 200, generator=seeded(), dtype=torch.float64)
    assert int((geometry.principal_axes(cloud).variances > 1e-9).sum()) == c16.AXES
    assert pytest.approx(0.9) == c16.FACTOR**2 / (c16.FACTOR**2 + 9)


@pytest.mark.parametrize(
    ("name", "correct", "slips"),
    [
        ("by_token", c16.right_token, c16.TOKEN_SLIPS),
        ("mixture_entropy", c16.right_mixture, c16.MIXTURE_SLIPS),
    ],
)
def test_each_slip_is_another_answer(name, correct, slips):
    tables = [f(*c16._cases(name)).nan_to_num(99.0) for f in (correct, *(slip for slip, _ in slips))]
    assert all((a - b).abs().max() > 1e-3 for a, b in itertools.combinations(tables, 2))


def test_the_explorer_says_what_python_says():
    assert [shade(x) for x in (-1, 0, 1.9, 2, 7.99, 8, 30)] == [0, 0, 0, 1, 3, 4, 4]
    html = TextAxis().html()
    text = TextAxis().data["texts"][0]
    rho = geometry.rank_correlation(*(torch.tensor(text[key]).double() for key in ("entropy", "probe")))
    assert f'<b data-is="rho">{rho:.2f}</b>' in html
    assert len(re.findall('<circle class="dot', TextAxis().body)) == len(text["pieces"])


def test_figures_draw_what_they_are_given():
    one = {"first": [[0.1, 0.0, 0.2]] * 3, "rank": [[0.6, 0.5, 0.7]] * 3, "random": [0.2] * 3, "token": 0.3}
    ax = draw.axes_by_layer({"values": one}).axes[0]
    assert sorted(float(line.get_ydata()[0]) for line in ax.lines) == [0.1, 0.3, 0.6]
    row = {"name": "v", "first": [0.4, 0.5], "rank": [0.9], "untrained_first": 0.3, "untrained_rank": 0.6}
    drawn = [list(line.get_xdata()) for line in draw.toy_bars([row]).axes[0].lines]
    assert sorted(map(len, drawn)) == [1, 1, 1, 2]
    fig = draw.keys_and_attention([0.1, 0.2], {"r": 0.03}, [2.0, 1.0], {"trained": [80.0, 60.0]})
    assert [list(ax.lines[0].get_ydata()) for ax in fig.axes] == [[0.1, 0.2], [2.0, 1.0], [80.0, 60.0]]
