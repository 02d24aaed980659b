"""The switchboard in a real browser: its edited network against torch, and every switch by hand and keyboard."""

import copy
import re

import pytest
import torch

from tutorlib import bits
from tutorlib.checkpoints import Checkpoint
from tutorlib.explore import SwitchBoard
from tutorlib.explore.base import asset, pack_weights
from tutorlib.interventions import activations, answers_under, intervene, specimen, zero
from tutorlib.models import Transformer
from tutorlib.tunnels import Batch, Bijection

pytestmark = pytest.mark.browser

PARTS = (
    "layer0.head0",
    "layer0.head1",
    "layer0.attention",
    "layer0.feed_forward",
    "layer1.head1",
    "layer1.feed_forward",
)


def random_network():
    """No matrix at zero, so that every part matters."""
    model = Transformer(vocab=14, context=11, width=16, layers=2, heads=2, hidden=24, positions="learned")
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=draw) * p.shape[-1] ** -0.5)
    return model.eval()


@pytest.mark.parametrize("off", [[], *([part] for part in PARTS), ["layer0.head0", "layer1.feed_forward"]])
def test_edits_in_the_page_and_in_torch_agree(browser, off):
    """Half of what was there, plus the position, in place of it: an edit that no constant could imitate."""
    model = random_network().double()
    draw = torch.Generator().manual_seed(4)
    many = [torch.randint(14, (length,), generator=draw).tolist() for length in (1, 2, 7, 11)]
    page = browser.new_page()
    page.goto("about:blank")
    page.add_script_tag(content=asset("transformer.js"))
    found = page.evaluate(
        """([packed, many, off]) => {
          const network = readNetwork(packed), edits = {};
          for (const site of off) edits[site] = (vector, t) => vector.map((value) => value / 2 + t);
          return many.map((tokens) => {
            const record = {};
            const logits = Array.from(logitsAfter(network, tokens, record, edits));
            return [logits, Array.from(record.stream[0])];
          });
        }""",
        [pack_weights(model), many, off],
    )
    page.close()

    def edit(x):
        return x / 2 + torch.arange(x.shape[1], dtype=x.dtype)[:, None]

    for tokens, (logits, first) in zip(many, found, strict=True):
        with torch.no_grad(), intervene(model, {site: edit for site in off}):
            wanted = model(torch.tensor([tokens]))[0, -1]
            batch = Batch(torch.tensor([tokens]), torch.tensor([tokens]))
            stream = activations(model, batch, ["residual2"])["residual2"]  # [1, time, width]
        torch.testing.assert_close(torch.tensor(logits, dtype=torch.float64), wanted, atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(
            torch.tensor(first, dtype=torch.float64), stream[0, 0], atol=1e-8, rtol=1e-8
        )


@pytest.fixture(scope="module")
def board():
    return SwitchBoard()


def numbers(page, row=1):
    """KL at each question and in the mean, as the page prints it."""
    cells = page.locator("tbody tr").nth(row).locator("td").all_inner_texts()
    return [0.0 if cell.startswith("<") else float(cell) for cell in cells]


def wanted(board, off, kind="zero", which=0):
    """The same from Python."""
    point = specimen(f"two-layers-seed{which}")
    model, tunnel = copy.deepcopy(point.model).double(), point.tunnel
    tokens = torch.tensor(board.data["tokens"])
    means = board.data["networks"][which]["means"]
    edits = {s: zero if kind == "zero" else torch.tensor(means[s])[None].double() for s in off}
    left = [list(set(range(8, 16)) - set(row[1::2])) for row in tokens.tolist()]
    last = torch.tensor([values[0] for values in left])
    batch = Batch(tokens, torch.cat((tokens[:, 1::2], last[:, None]), 1))
    log_q = answers_under(model, tunnel, batch, edits)
    kl = bits.kl_divergence(tunnel.exact(batch), log_q.exp2()).mean(0)
    return [*kl.tolist(), float(kl.mean())]


CHOICES = [
    (["layer0.feed_forward"], "zero", 0),
    (["layer1.head0", "layer1.head1"], "mean", 1),
    (["layer0.head1", "layer1.feed_forward"], "mean", 2),
    ([], "zero", 2),
]


@pytest.mark.parametrize(("off", "kind", "which"), CHOICES)
def test_the_page_shows_what_python_computes(show, board, off, kind, which):
    page = show(board.html())
    page.locator('[data-part="network"]').select_option(str(which))
    page.locator('[data-part="kind"]').select_option(kind)
    for site in off:
        page.locator(f'[data-site="{site}"]').click()
    expected = wanted(board, off, kind, which)
    for shown, value in zip(numbers(page), expected, strict=True):
        assert shown == pytest.approx(value, abs=0.0051 if value >= 0.1 else 0.000051)
    assert numbers(page, 0)[-1] == pytest.approx(wanted(board, [], which=which)[-1], abs=0.000051)


def test_switches_by_keyboard_and_the_sentence(show, board):
    page = show(board.html())
    page.locator('[data-site="layer0.feed_forward"]').focus()
    page.keyboard.press("Space")
    button = page.locator('[data-site="layer0.feed_forward"]')
    assert button.get_attribute("aria-pressed") == "false"
    assert button.inner_text().split() == ["feed-forward", "off"]
    said = page.locator(".result").inner_text()
    assert said.startswith("Off, with zero in place: feed-forward of layer 0.")
    assert "Always answering uniformly would be nearer (1.09)." in said
    page.keyboard.press("Enter")
    assert page.locator(".result").inner_text().startswith("Everything is on")
    assert page.locator('[aria-pressed="false"]').count() == 0


def test_several_at_once(show, board):
    page = show(board.html())

    def off():
        return page.locator('[data-site][aria-pressed="false"]').evaluate_all(
            "all => all.map(b => b.dataset.site)"
        )

    page.locator('[data-do="attention"]').click()
    assert off() == ["layer1.head0", "layer1.head1"]
    page.locator('[data-do="updates"]').click()
    assert sorted(off()) == ["layer0.feed_forward", "layer1.feed_forward"]
    page.locator('[data-do="on"]').click()
    assert off() == [] and numbers(page, 0) == numbers(page, 1)


def test_two_copies_are_two_boards(show, board):
    page = show(board.html() + board.html())
    boxes = page.locator("[data-explorer]")
    boxes.nth(1).locator('[data-site="layer1.head0"]').click()
    pressed = [box.locator('[aria-pressed="false"]').count() for box in boxes.all()]
    assert pressed == [0, 1]


def test_what_does_not_fit_is_named():
    point = specimen("two-layers-seed0")
    with pytest.raises(ValueError, match="checkpoints"):
        SwitchBoard([])
    for other in (specimen("hmm-two-attending-seed0"), Checkpoint(point.model, Bijection(8, 8, True), {})):
        with pytest.raises(ValueError, match="checkpoints"):
            SwitchBoard([point, other])
    assert re.search(r"mean KL 0\.00\d\d bits", SwitchBoard().text)
