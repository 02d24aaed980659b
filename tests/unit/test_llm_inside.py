"""What is recorded inside a language model is what is there: every family, against the model's own cache and plain calls."""

from dataclasses import replace

import pytest
import torch

from tutorlib.bits import entropy_from_logits
from tutorlib.llm import (
    FAMILIES,
    TINY,
    Family,
    ModelError,
    as_tokens,
    check_values,
    record,
    stream,
    tiny,
    wrap,
)

TEXTS = [
    "The old dog lifted his head and looked.",
    "A heron can stand in shallow water for an hour without moving.",
]
EVERYTHING = ("values", "keys", "residual", "attention_entropy", "attention", "logits")


@pytest.fixture(scope="module", params=TINY)
def model(request):
    return tiny(request.param)


@torch.no_grad()
def plain(model, text):
    """The model called as anybody would, one text at a time."""
    return model.network(
        input_ids=model.encode(text)[None], use_cache=True, output_attentions=True, output_hidden_states=True
    )


def test_values_are_those_of_the_cache(model):
    found = record(model, TEXTS[:1], positions=0)
    cache = plain(model, TEXTS[0]).past_key_values
    for layer in range(model.layers):
        kept = cache.layers[layer].values[
            0
        ]  # [kv_heads, time, head_dim]; a sliding window keeps the last ones only
        torch.testing.assert_close(found.values[layer][:, -kept.shape[1] :], kept)


def test_attention_times_values_is_what_goes_on(model):
    assert check_values(model) < 1e-5


@pytest.mark.parametrize("family", ["gpt_neox", "gpt2", "phi3"])
def test_wrong_columns_are_noticed(family):
    model = tiny(family)
    layout = {"gpt_neox": "thirds", "gpt2": "by head", "phi3": "thirds"}[family]
    wrong = replace(model, family=replace(model.family, layout=layout))
    if family == "phi3":  # thirds of all heads and stacked ones differ by nothing but names
        wrong = replace(model, family=replace(model.family, layout="by head"))
    with pytest.raises((AssertionError, IndexError, ValueError)):
        assert check_values(wrong) < 1e-3


def test_keys_for_values_are_noticed():
    model = tiny("llama")
    assert check_values(replace(model, family=replace(model.family, value="k_proj"))) > 1e-3


def test_padding_changes_nothing(model):
    together = record(model, TEXTS, positions=2, what=EVERYTHING, batch=2)
    alone = record(model, TEXTS, positions=2, what=EVERYTHING, batch=1)
    for name in (*EVERYTHING, "entropy", "surprise", "prompt", "position", "token"):
        a, b = getattr(together, name), getattr(alone, name)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4, equal_nan=True)


def test_entropy_surprise_and_residual_agree_with_a_plain_call(model):
    found = record(model, TEXTS[:1], positions=0, what=("residual", "attention", "logits"))
    out, tokens = plain(model, TEXTS[0]), model.encode(TEXTS[0])
    torch.testing.assert_close(found.logits, out.logits[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.entropy, entropy_from_logits(out.logits[0]), rtol=1e-4, atol=1e-4)
    nats = torch.nn.functional.cross_entropy(out.logits[0, :-1], tokens[1:], reduction="none").double()
    torch.testing.assert_close(found.surprise[:-1], nats / torch.log(torch.tensor(2.0)), rtol=1e-3, atol=1e-3)
    assert found.surprise[-1].isnan() and found.token.tolist() == tokens.tolist()
    for layer in range(model.layers - 1):  # the last one of these has a final norm in some families
        torch.testing.assert_close(found.residual[layer], out.hidden_states[layer + 1][0])
    torch.testing.assert_close(found.attention[0][1], out.attentions[1][0])


def test_attention_entropy_is_per_head():
    found = record(tiny(), TEXTS, positions=3, what=("attention_entropy", "attention"))
    p = found.attention[1][2, 1, 5]  # second prompt, layer 2, head 1, position 5
    row = int(((found.prompt == 1) & (found.position == 5)).nonzero())
    bits = float(-(p[p > 0] * p[p > 0].log2()).sum())
    assert float(found.attention_entropy[2, 1, row]) == pytest.approx(bits, abs=1e-5)


def test_layers_positions_and_chosen_tokens():
    model = tiny("phi")
    every = record(model, TEXTS, positions=0, what=("values", "logits"))
    few = record(model, TEXTS, positions="last", layers=(-1,), of_tokens=torch.tensor([[5, 7], [9, 5]]))
    last = [len(tokens) - 1 for tokens in as_tokens(model, TEXTS)]
    assert few.layers == (2,) and few.position.tolist() == last and few.values.shape[0] == 1
    ends = torch.tensor([last[0], last[0] + last[1] + 1])
    torch.testing.assert_close(few.vectors("values", -1), every.vectors("values", 2)[ends])
    p = torch.softmax(every.logits[ends].double(), -1)
    torch.testing.assert_close(few.chosen[1].exp2(), p[1, [9, 5]])
    with pytest.raises(ValueError, match="layer"):
        few.vectors("values", 0)
    with pytest.raises(ValueError, match="residual was not recorded"):
        few.vectors("residual", -1)


def test_a_stream_is_the_recording_in_parts():
    model = tiny()
    parts = list(stream(model, TEXTS * 2, batch=3, positions=1))
    whole = record(model, TEXTS * 2, batch=3, positions=1)
    assert len(parts) == 2 and torch.equal(torch.cat([p.prompt for p in parts]), whole.prompt)
    torch.testing.assert_close(torch.cat([p.values for p in parts], 2), whole.values)


def test_hooks_are_gone_even_after_an_error():
    model = tiny()
    with pytest.raises(ModelError, match="eager"):
        model.network.config._attn_implementation = "sdpa"
        record(model, TEXTS, what=("attention",))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())


def test_half_precision_goes_by_the_same_call():
    model = tiny("qwen3")
    model.network.to(torch.bfloat16)
    found = record(model, TEXTS, positions=2, what=("values", "attention_entropy"))
    assert found.values.dtype == torch.float32 and found.entropy.isfinite().all()
    assert check_values(model) < 0.05


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompts": []}, "prompts"),
        ({"prompts": "a text"}, "prompts"),
        ({"prompts": [""]}, "text"),
        ({"prompts": [torch.tensor([10**6])]}, "token numbers below"),
        ({"prompts": [torch.ones(2000, dtype=torch.int64)]}, "1 to 1024 tokens"),
        ({"positions": "first"}, "positions"),
        ({"positions": 99}, "shortest prompt"),
        ({"what": ("thoughts",)}, "what"),
        ({"layers": (3,)}, "layer"),
        ({"of_tokens": torch.tensor([-1])}, "of_tokens"),
        ({"of_tokens": torch.tensor([[1], [1], [1]])}, "of_tokens"),
        ({"batch": 0}, "batch"),
    ],
)
def test_bad_arguments_are_named(change, said):
    good = {"prompts": TEXTS, "positions": 2}
    with pytest.raises(ValueError, match=said):
        record(tiny(), **{**good, **change})


def test_a_family_of_ones_own_and_one_that_does_not_fit():
    model = tiny("llama")
    mine = Family("mine", key="k_proj", value="v_proj")
    assert check_values(wrap(model.network, model.tokenizer, mine, "mine", "1")) < 1e-5
    with pytest.raises(ModelError, match=r"no module 'gpt_neox\.layers'"):
        wrap(model.network, model.tokenizer, FAMILIES["gpt_neox"], "x", "1")
    with pytest.raises(ModelError, match=r"no module 'self_attn\.values'"):
        wrap(model.network, model.tokenizer, Family("mine", value="values"), "x", "1")


def test_gemma_with_eyes_keeps_its_blocks_deeper():
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text, eyes = tiny("gemma3_text"), {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = Gemma3Config(
        text_config=text.network.config.to_dict(),
        vision_config={**eyes, "num_attention_heads": 2, "image_size": 28, "patch_size": 14},
    )
    network = Gemma3ForConditionalGeneration._from_config(config, attn_implementation="eager")
    assert check_values(wrap(network, text.tokenizer, FAMILIES["gemma3"], "with eyes", "1")) < 1e-5
