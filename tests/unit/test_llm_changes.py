"""Edits change what they say and nothing else; erasing, matched controls and damage are what their definitions say."""

import pytest
import torch

from tutorlib.geometry import probe
from tutorlib.llm import (
    TINY,
    cut,
    damage,
    edited,
    erase,
    keep_only,
    leace,
    matched_directions,
    record,
    shift,
    tiny,
    variance_along,
)

TEXTS = ["The old dog lifted his head and looked.", "A heron can stand in shallow water for an hour."]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def axis(d, seed=0):
    return torch.nn.functional.normalize(torch.randn(d, generator=gen(seed), dtype=torch.float64), dim=0)


@pytest.mark.parametrize("family", TINY)
def test_a_cut_changes_values_and_nothing_else_and_is_undone(family):
    model, what = tiny(family), ("values", "keys", "residual", "logits")
    before = record(model, TEXTS, positions=0, what=what)
    line = axis(model.value_width)
    with edited(model, [cut(1, line)]):
        during = record(model, TEXTS, positions=0, what=what)
    after = record(model, TEXTS, positions=0, what=what)
    assert float((during.vectors("values", 1).double() @ line).abs().max()) < 1e-5
    expected = before.vectors("values", 1).double()
    expected = expected - (expected @ line)[:, None] * line
    torch.testing.assert_close(during.vectors("values", 1).double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(during.keys[:2], before.keys[:2], rtol=0, atol=0)
    torch.testing.assert_close(during.residual[0], before.residual[0], rtol=0, atol=0)
    assert not torch.allclose(during.residual[1], before.residual[1]) and not torch.allclose(
        during.logits, before.logits
    )
    torch.testing.assert_close(after.logits, before.logits, rtol=0, atol=0)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.network.modules())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_residual_stream_is_edited_too(family):
    model = tiny(family)
    before = record(model, TEXTS, positions=0, what=("residual", "values"))
    with edited(model, [shift(0, torch.eye(32)[3], 2.0, place="residual")]):
        during = record(model, TEXTS, positions=0, what=("residual", "values"))
    torch.testing.assert_close(during.residual[0], before.residual[0] + 2 * torch.eye(32)[3])
    torch.testing.assert_close(during.values[0], before.values[0], rtol=0, atol=0)
    assert not torch.allclose(during.values[1], before.values[1])


def test_a_recorder_that_came_first_sees_the_edit():
    """Hooks run in the order in which they came, unless they are put in front."""
    model, seen = tiny("gpt_neox"), []
    hook = model.module(0, "value").register_forward_hook(
        lambda module, given, made: seen.append(made.clone())
    )
    with edited(model, [keep_only(0, torch.eye(32)[0])]):
        record(model, TEXTS[:1], positions=0)
    hook.remove()
    assert not seen[0][..., model.columns("value")[1:]].any() and seen[0][..., model.columns("key")].any()


def test_edits_of_a_layer_act_in_order():
    model = tiny()
    first, second = shift(0, torch.eye(16)[0], 1.0), cut(0, torch.eye(16)[0])
    for edits, left in (([first, second], 0.0), ([second, first], 1.0)):
        with edited(model, edits):
            found = record(model, TEXTS[:1], positions=0).vectors("values", 0)
        torch.testing.assert_close(found[:, 0], torch.full((len(found),), left))


def test_an_error_inside_leaves_the_model_as_it_was():
    model = tiny()
    with pytest.raises(RuntimeError, match="mine"), edited(model, [cut(0, axis(16))]):
        raise RuntimeError("mine")
    assert not any(m._forward_hooks for m in model.network.modules())


def test_cut_and_keep_only_are_two_halves_around_a_centre():
    x, centre = torch.randn(7, 5, generator=gen()).double(), torch.arange(5.0).double()
    lines = torch.randn(2, 5, generator=gen(1))
    a, b = cut(0, lines, centre).apply(x), keep_only(0, lines, centre).apply(x)
    torch.testing.assert_close(a + b, x + centre, check_dtype=False)
    torch.testing.assert_close(
        (a - centre) @ lines.double().mT, torch.zeros(7, 2).double(), atol=1e-12, rtol=0
    )


def test_directions_that_depend_on_each_other_are_cut_once():
    x, lines = torch.randn(7, 5, generator=gen()).double(), torch.randn(1, 5, generator=gen(1))
    torch.testing.assert_close(cut(0, torch.cat((lines, 2 * lines))).apply(x), cut(0, lines).apply(x))


def test_nothing_changed_is_no_damage_and_the_rest_is_kl():
    model, line = tiny("phi"), axis(32)
    found = damage(model, TEXTS, {"none": [], "cut": [cut(1, line)]}, skip=3, batch=1)
    assert found["none"].mean() == 0 and found["none"].prompt.tolist() == found["cut"].prompt.tolist()
    clean = record(model, TEXTS, positions=3, what=("logits",))
    with edited(model, [cut(1, line)]):
        changed = record(model, TEXTS, positions=3, what=("logits",))
    p, q = (torch.log_softmax(r.logits.double(), -1) for r in (clean, changed))
    kl = (p.exp() * (p - q)).sum(-1) / torch.log(torch.tensor(2.0)).double()
    torch.testing.assert_close(found["cut"].kl, kl, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        found["cut"].entropy_change, changed.entropy - clean.entropy, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        found["cut"].surprise_change, changed.surprise - clean.surprise, rtol=1e-4, atol=1e-4, equal_nan=True
    )
    interval = found["cut"].interval(gen())
    assert interval.low <= found["cut"].mean() <= interval.high


def cloud(n=400, d=12):
    x = torch.randn(n, d, generator=gen(), dtype=torch.float64) @ torch.randn(
        d, d, generator=gen(1), dtype=torch.float64
    )
    return x + 3, x @ axis(d, 2) + 0.3 * torch.randn(n, generator=gen(3), dtype=torch.float64)


def test_after_leace_no_line_reads_it_and_little_has_changed():
    x, y = cloud()
    eraser, groups = leace(x, y), torch.arange(len(x))
    assert probe(x, y[:, None], groups, gen()).r_squared > 0.9
    assert probe(eraser(x), y[:, None], groups, gen()).r_squared < 0.01
    assert torch.linalg.matrix_rank(eraser.matrix) == 11
    torch.testing.assert_close(eraser.matrix @ eraser.matrix, eraser.matrix)  # once is enough
    torch.testing.assert_close(erase(0, eraser).apply(x), eraser(x))
    # The plain cut along the covariance erases as well, and moves the vectors further (theorem 4.3 of the paper).
    plain = cut(0, (x - x.mean(0)).mT @ (y - y.mean()), x.mean(0)).apply(x)
    assert probe(plain, y[:, None], groups, gen()).r_squared < 0.01
    assert (x - eraser(x)).square().sum() < 0.99 * (x - plain).square().sum()


def test_leace_where_some_coordinates_never_vary():
    x, y = cloud()
    x = torch.cat((x, torch.ones(len(x), 2)), 1)
    erased = leace(x, y)(x)
    assert float(((erased - erased.mean(0)).mT @ (y - y.mean())).abs().max()) < 1e-8
    torch.testing.assert_close(erased[:, -2:], x[:, -2:])


def test_matched_directions_match_and_stay_away():
    x, _ = cloud()
    lines = torch.stack((axis(12, 5), axis(12, 6)))
    found = matched_directions(x, lines, 4, gen())
    assert found.shape == (4, 2, 12) and float((found @ lines.mT).abs().max()) < 1e-9
    torch.testing.assert_close(
        variance_along(x, found), variance_along(x, lines).expand(4, 2), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(found @ found.mT, torch.eye(2).double().expand(4, 2, 2), atol=1e-9, rtol=0)
    assert not torch.allclose(found[0], found[1])


def test_where_nothing_varies_as_much_the_most_there_is_is_taken():
    x = torch.randn(300, 6, generator=gen(), dtype=torch.float64) * torch.tensor([9.0, 2, 1, 1, 1, 1])
    top = torch.linalg.eigh(torch.cov(x.mT))[1][:, -1:].mT
    found = variance_along(x, matched_directions(x, top, 3, gen()))
    second = torch.linalg.eigvalsh(torch.cov(x.mT))[-2]
    torch.testing.assert_close(found, second.expand(3, 1), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: cut(0, torch.zeros(16)), "directions"),
        (lambda m: cut(0, torch.ones(16), torch.ones(3)), "centre"),
        (lambda m: cut(0, torch.ones(16), place="keys"), "place"),
        (lambda m: shift(0, torch.zeros(4), 1.0), "direction"),
        (lambda m: shift(0, torch.ones(4), float("nan")), "amount"),
        (lambda m: edited(m, [cut(0, torch.ones(7))]).__enter__(), "16 numbers"),
        (lambda m: edited(m, [cut(9, torch.ones(16))]).__enter__(), "layer"),
        (lambda m: edited(m, cut(0, torch.ones(16))).__enter__(), "edits"),
        (lambda m: damage(m, TEXTS, {}), "edits"),
        (lambda m: damage(m, TEXTS, {"a": []}, skip=50), "skip"),
        (lambda m: leace(torch.ones(5, 2), torch.ones(5)), "x"),
        (lambda m: leace(torch.ones(5, 2), torch.ones(4)), "x and y"),
        (lambda m: matched_directions(torch.eye(4), torch.eye(4), 1, gen()), "directions"),
    ],
)
def test_bad_arguments_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call(tiny())
