"""The evidence has the posterior that it says, the prompts are matched as they say, and a model is read as it answers."""

from itertools import product

import pytest
import torch

from tutorlib.llm import (
    as_tokens,
    ask,
    attention_focus,
    baselines,
    beta_sequences,
    entropy_axes,
    first_direction,
    key_orthogonality,
    matched_prompts,
    paragraphs,
    probe_direction,
    prompts,
    record,
    score,
    sula,
    tiny,
)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_sula_has_the_posterior_of_bayes_rule_by_enumeration():
    evidence = sula(20, gen(), counts=(0, 1, 3, 5), reliability=0.8)
    for i, text in enumerate(evidence.prompts):
        shown = [piece.split(":")[1].strip(" .") for piece in text.split(",") if ": " in piece]
        shown = [word.split(".")[0] for word in shown]
        assert len(shown) == evidence.examples[i] and text.endswith(":")
        assert [("dax", "lug")[j] for j in evidence.shown[i].tolist() if j >= 0] == shown
        joint = [0.5, 0.5]
        for word, hidden in product(shown, (0, 1)):
            joint[hidden] *= 0.8 if word == ("dax", "lug")[hidden] else 0.2
        posterior = joint[0] / sum(joint)
        assert float(evidence.posterior[i]) == pytest.approx(posterior)
        assert float(evidence.predictive[i]) == pytest.approx(0.8 * posterior + 0.2 * (1 - posterior))


def test_sula_draws_what_it_says():
    evidence = sula(2000, gen(), counts=(4,))
    assert float(evidence.posterior.mean()) == pytest.approx(0.5, abs=0.03)
    agree = (evidence.firsts == 4) | (evidence.firsts == 0)
    assert float(agree.double().mean()) == pytest.approx(0.9**4 + 0.1**4, abs=0.03)


def test_controls_break_what_they_say():
    plain, mixed, hidden = (sula(400, gen(), counts=(8,), control=c) for c in ("none", "shuffled", "masked"))
    assert torch.equal(plain.posterior, mixed.posterior) and torch.equal(plain.posterior, hidden.posterior)
    assert score(baselines(plain)["frequency"], plain.posterior)["correlation"] > 0.9
    assert abs(score(baselines(mixed)["frequency"], mixed.posterior)["correlation"]) < 0.15
    assert not any("dax" in text or "lug" in text for text in hidden.prompts)


def test_colours_have_the_rule_of_succession_by_integration():
    evidence = beta_sequences(6, 4, gen())
    theta = torch.linspace(0, 1, 20001, dtype=torch.float64)
    for i, text in enumerate(evidence.prompts):
        reds, blues = text.count(" red,"), text.count(" blue,")
        assert reds + blues == 6 and reds == evidence.group[i] == evidence.firsts[i]
        weight = theta**reds * (1 - theta) ** blues
        assert float(evidence.predictive[i]) == pytest.approx(
            float((weight * theta).sum() / weight.sum()), abs=1e-4
        )
    assert len(set(evidence.prompts)) == len(evidence.prompts)
    assert len({len(tokens) for tokens in as_tokens(tiny(), evidence.prompts)}) == 1


def test_a_model_is_asked_for_the_words_themselves():
    model, evidence = tiny("gpt_neox"), beta_sequences(3, 2, gen())
    asked = ask(model, evidence, what=("values",), batch=3)
    logits = record(model, evidence.prompts, positions="last", what=("logits",)).logits
    words = [int(model.encode(f"x {word}")[-1]) for word in ("red", "blue")]
    p = torch.softmax(logits.double(), -1)[:, words]
    torch.testing.assert_close(asked.probability, p[:, 0] / p.sum(1))
    torch.testing.assert_close(asked.mass, p.sum(1))
    assert asked.recording.values.shape[2] == len(evidence.prompts) == len(asked.entropy)


def test_words_that_the_tokenizer_cannot_tell_apart():
    with pytest.raises(ValueError, match="different tokens"):
        ask(tiny(), beta_sequences(2, 1, gen(), words=("zzz", "yyy")))  # both unknown: one token


def test_scores_of_the_exact_answer_and_of_none():
    evidence = sula(30, gen())
    best = score(evidence.posterior, evidence.posterior)
    assert best["entropy_mae"] == best["kl"] == best["mae"] == 0 and best["correlation"] == pytest.approx(1)
    half = score(baselines(evidence)["half"], evidence.posterior)
    assert half["entropy_mae"] > 0.3 and half["correlation"] != half["correlation"]
    assert score(torch.tensor([1.0]), torch.tensor([0.5]))["kl"] == float("inf")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_matched_prompts_match(family):
    found = matched_prompts(tiny(family), length=11)
    every = [tokens for some in found.values() for tokens in some]
    assert {len(tokens) for tokens in every} == {11} and len({int(tokens[-1]) for tokens in every}) == 1
    assert all(len(some) == len({tuple(t.tolist()) for t in some}) == 40 for some in found.values())
    with pytest.raises(ValueError, match="length"):
        matched_prompts(tiny(family), length=60)


def test_texts_are_many_and_different():
    texts = paragraphs()
    assert len({p.text for p in texts}) == len(texts) == 40 and len({p.domain for p in texts}) >= 15
    assert all(60 <= len(p.text.split()) <= 100 and p.text.isascii() for p in texts)
    assert all(
        text.endswith(" the") for kind in ("mixed", "mathematics", "templates") for text in prompts(kind)
    )
    with pytest.raises(ValueError, match="domain"):
        paragraphs("alchemy")
    with pytest.raises(ValueError, match="kind"):
        prompts("alchemy")


def cloud(n=90, d=6):
    x = torch.randn(n, d, generator=gen(), dtype=torch.float64) * torch.arange(d, 0, -1)
    return x, x[:, 0] + 0.5 * x[:, 4], torch.arange(n) // 3


def test_axes_of_a_cloud_that_is_known():
    x, y, groups = cloud()
    found = entropy_axes(x, y, groups, gen(), standardise=False)
    s = torch.linalg.svdvals(x - x.mean(0)).square()
    assert found.first_share.mean == pytest.approx(float(s[0] / s.sum()))
    assert found.two_share.mean == pytest.approx(float(s[:2].sum() / s.sum()))
    assert found.participation_ratio.mean == pytest.approx(float(s.sum() ** 2 / s.square().sum()))
    assert found.first_share.low < found.first_share.mean < found.first_share.high < found.two_share.high
    assert abs(found.first_rank.mean) > 0.95 and found.probe_r2.mean > 0.99 and found.shuffled_r2 < 0.2
    assert float(first_direction(x, standardise=False)[0].abs()) > 0.95
    line = probe_direction(x, y, penalty=1e-8)
    torch.testing.assert_close(line[[0, 4]] / line[0], torch.tensor([1.0, 0.5]).double(), rtol=1e-3, atol=0)


def test_intervals_of_a_shape_hold_the_truth():
    """The share of the first axis of 30 groups, against that of the law they are drawn from: 95 % of the time."""
    law, hits = torch.tensor([3.0, 2, 1, 1, 1]), 0
    truth = float(law[0] ** 2 / law.square().sum())
    for seed in range(60):
        x = torch.randn(60, 5, generator=gen(seed)) * law
        found = entropy_axes(
            x, x[:, 0], torch.arange(60), gen(), standardise=False, with_probe=False, resamples=2
        )
        hits += found.first_share.low <= truth <= found.first_share.high
    assert hits >= 50


def test_more_dimensions_than_vectors_give_the_same_shares():
    x, y, groups = cloud(30)
    wide = torch.cat((x, torch.zeros(30, 50)), 1)
    a, b = (
        entropy_axes(v, y, groups, gen(), standardise=False, with_probe=False, resamples=5) for v in (x, wide)
    )
    assert a.first_share.mean == pytest.approx(b.first_share.mean) and b.dimension == 56
    assert a.participation_ratio.mean == pytest.approx(b.participation_ratio.mean)


def test_first_direction_of_standardised_vectors_reads_the_same_scores():
    from tutorlib.geometry import principal_axes

    x, _, _ = cloud()
    scores = principal_axes(x, standardise=True).scores(x)[:, 0]
    mine = (x - x.mean(0)) @ first_direction(x)
    torch.testing.assert_close(mine / mine.norm(), scores / scores.norm())


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "phi3", "gemma2"])
def test_key_columns_are_those_that_make_the_keys(family):
    """Keys of a layer less the bias must be the normed stream times those columns; their cosines are what is reported."""
    model, seen = tiny(family), []
    hook = model.module(1, "key").register_forward_pre_hook(lambda module, given: seen.append(given[0][0]))
    keys = record(model, ["The old dog lifted his head."], positions=0, what=("keys",)).vectors("keys", 1)
    hook.remove()
    weight = model.module(1, "key").weight.detach()
    weight = weight.mT if family == "gpt2" else weight
    columns = weight[model.columns("key")]  # [kv_heads * head_dim, width]
    torch.testing.assert_close(keys - keys[:1], (seen[0] - seen[0][:1]) @ columns.mT, rtol=1e-3, atol=1e-4)
    head = torch.nn.functional.normalize(columns[: model.head_dim], dim=1)
    table = (head @ head.mT).abs()
    mean = (table.sum() - table.trace()) / (model.head_dim * (model.head_dim - 1))
    found = key_orthogonality(model, gen(), draws=20)
    assert float(found.heads[1, 0]) == pytest.approx(float(mean), rel=1e-4)
    assert found.low < found.expected < found.high < found.short


def test_bad_arguments_are_named():
    x, y, groups = cloud(9)
    for call, said in (
        (lambda: sula(0, gen()), "per_count"),
        (lambda: sula(1, gen(), counts=(99,)), "counts"),
        (lambda: sula(1, gen(), reliability=0.5), "reliability"),
        (lambda: sula(1, gen(), words=("a",)), "words"),
        (lambda: sula(1, gen(), control="other"), "control"),
        (lambda: beta_sequences(0, 1, gen()), "examples"),
        (lambda: score(torch.tensor([0.5]), torch.tensor([0.5, 0.5])), "exact"),
        (lambda: entropy_axes(x, y[:3], groups, gen()), "quantity"),
        (lambda: entropy_axes(x, y, groups.double(), gen()), "groups"),
        (lambda: attention_focus(record(tiny(), ["The cat."], positions=0)), "recording"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
