"""The editor of a sequence in a real browser: its network and its filter against Python, and every way to edit."""

import re

import pytest
import torch

from tutorlib import bits
from tutorlib.checkpoints import load
from tutorlib.explore import BeliefStrip
from tutorlib.explore.base import asset
from tutorlib.explore.beliefs import pack_filter
from tutorlib.models import Transformer
from tutorlib.tunnels import HMM

pytestmark = pytest.mark.browser

SOURCE = ("transformer.js", "header.js")


def random_network(layers=2, heads=2, seed=3):
    """A network with no number at its start, so that every part of the formula matters."""
    model = Transformer(
        10, 40, 16, layers, heads, 24, "distance", header=(5, 10), columns=5, end_norms=False
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * p.shape[-1] ** -0.5)
    return model.eval()


NETWORKS = {
    "hmm-watched": lambda: load("hmm-watched").model,
    "2 layers, 2 heads": random_network,
    "3 layers, 4 heads": lambda: random_network(3, 4),
}


@pytest.fixture
def javascript(browser):
    """javascript(model, headers, tokens, source) gives the beliefs that the page computes, ``[batch][time][states]``."""
    page = browser.new_page()

    def run(model, headers, tokens, source=None):
        page.goto("about:blank")
        page.add_script_tag(content=source or "\n".join(map(asset, SOURCE)))
        return torch.tensor(
            page.evaluate(
                """([packed, headers, tokens]) => {
                  const network = readFilter(packed);
                  return tokens.map((row, i) => beliefs(network, headers[i], row).map((b) => Array.from(b)));
                }""",
                [pack_filter(model), headers.tolist(), tokens.tolist()],
            ),
            dtype=torch.float64,
        )

    yield run
    page.close()


def largest_gap(javascript, model, law="sticky", source=None):
    batch = HMM(law=law, observations=30).sample(6, torch.Generator().manual_seed(2))
    rounded = model.half().double()
    with torch.no_grad():
        wanted = rounded(batch.tokens, header=batch.header).softmax(-1)[..., 5:]
    return float((javascript(rounded, batch.header, batch.tokens, source) - wanted).abs().max())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("law", ["coded", "printed", "sticky"])
def test_beliefs_agree_with_torch(javascript, name, law):
    assert largest_gap(javascript, NETWORKS[name](), law) < 1e-9


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("2 ** -14", "2 ** -4"),
        ("NEAR = 8", "NEAR = 4"),
        ("s < rows ? header[head] : ", ""),
        ("- slope[head] * (t - s)", ""),
        ("config.columns + token", "token"),
        ("place[i]", "place[0]"),
        ("+ bias(head, t, s)", ""),
        ("fraction / 1024", "fraction / 1000"),
        ("X.slice(rows)", "X.slice(rows - 1, -1)"),
    ],
)
def test_a_wrong_formula_is_seen(javascript, right, wrong):
    source = "\n".join(map(asset, SOURCE))
    assert right in source
    assert largest_gap(javascript, random_network(), "sticky", source.replace(right, wrong)) > 1e-5


def test_sixteen_bits_cost_next_to_nothing():
    """The page's weights are rounded; the network is still the one that the chapter measures."""
    point = load("hmm-watched")
    batch = point.tunnel.sample(256, torch.Generator().manual_seed(1))
    exact, kls = point.tunnel.exact(batch), []
    with torch.no_grad():
        for model in (point.model, load("hmm-watched").model.half().float()):
            logits = model(batch.tokens, point.tunnel.scored, header=batch.header)
            kls.append(float(bits.kl_from_logits(exact, logits).mean()))
    assert kls[1] == pytest.approx(kls[0], rel=0.02)


# The controls ------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(show):
    return show(BeliefStrip().html())


def letters(page):
    return "".join(page.locator("[data-cell]").all_inner_texts())


def expected(page, stick=0.0, scene=0):
    """Exact beliefs and KL for what the page shows, by the library, ``[time, states]`` and ``[time]``."""
    data = BeliefStrip().data
    T, E = (torch.tensor(data["scenes"][scene][name], dtype=torch.float64) for name in "TE")
    T = stick * torch.eye(5) + (1 - stick) * T
    tokens = torch.tensor([["abcde".index(letter) for letter in letters(page)]])
    tunnel = HMM(observations=tokens.shape[1])
    batch = tunnel.sample_given(torch.cat((T, E), -1)[None], torch.Generator())
    batch = type(batch)(tokens, batch.targets, header=batch.header)
    model = load("hmm-watched").model.half().double()
    with torch.no_grad():
        logits = model(tokens, header=batch.header)
    return tunnel.exact(batch)[0, :, 5:], bits.kl_from_logits(tunnel.exact(batch), logits)[0]


def shown(page):
    """The exact belief in the table and the two KL in the words."""
    exact = [float(x) for x in page.locator("td.exact").all_inner_texts()]
    words = page.locator(".result").inner_text()
    one = float(re.search(r"KL\(exact ‖ network\) ([\d.]+)", words)[1])
    return exact, one, float(re.search(r"over all \d+: ([\d.]+)", words)[1]), words


def agrees(page, at, **law):
    exact, kl = expected(page, **law)
    belief, one, mean, _ = shown(page)
    assert belief == pytest.approx(exact[at].tolist(), abs=6e-5)
    assert (one, mean) == pytest.approx((float(kl[at]), float(kl.mean())), abs=6e-5)


def test_the_first_state_is_the_librarys(page):
    agrees(page, 11)


def test_a_symbol_is_chosen_and_changed_by_mouse(page):
    before = letters(page)
    page.locator('[data-cell="3"]').click()
    assert letters(page) == before and page.locator('[data-cell="3"]').get_attribute("aria-pressed") == "true"
    agrees(page, 3)
    new = next(i for i in range(5) if "abcde"[i] != before[3])
    page.locator(f'[data-symbol="{new}"]').click()
    assert letters(page) == before[:3] + "abcde"[new] + before[4:]
    agrees(page, 3)


def test_a_finger_on_the_picture_chooses_a_symbol(show):
    page = show(BeliefStrip().html(), width=390, has_touch=True, is_mobile=True)
    strip = page.locator(".strip")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    inside = strip.evaluate(
        "s => { const m = s.getScreenCTM(); return [m.e + m.a * (58 + 14 * 4.5), m.f + m.d * 40]; }"
    )
    page.touchscreen.tap(*inside)
    assert box["x"] < inside[0] < box["x"] + box["width"]
    assert page.locator('[data-cell="4"]').get_attribute("aria-pressed") == "true"
    agrees(page, 4)


def test_keys_move_type_and_turn(page):
    page.locator('[data-cell="11"]').focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("b")
    assert letters(page)[10] == "b" and page.evaluate("document.activeElement.dataset.cell") == "10"
    page.keyboard.press("ArrowUp")
    assert letters(page)[10] == "c"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert letters(page)[10] == "a"
    agrees(page, 10)


def test_longer_than_in_training_and_as_short_as_one(page):
    longer, shorter = (page.locator(f'[data-do="{name}"]') for name in ("longer", "shorter"))
    for _ in range(18):
        longer.click()
    assert len(letters(page)) == 30 and longer.is_disabled()
    assert "trained on 20 symbols" in shown(page)[3]
    assert page.evaluate("document.activeElement.dataset.cell") == "29", (
        "a button that goes dead does not keep the focus"
    )
    agrees(page, 29)
    for _ in range(29):
        shorter.click()
    assert len(letters(page)) == 1 and shorter.is_disabled()
    assert "Nothing lies before it" in shown(page)[3]
    assert page.evaluate("document.activeElement.tagName") == "BUTTON", "the focus is not lost"
    agrees(page, 0)


def test_other_tables_and_sticky_states(page):
    page.locator('[data-scene="2"]').click()
    agrees(page, 11, scene=2)
    slider = page.locator("input[type=range]")
    slider.fill("90")
    agrees(page, 11, stick=0.9, scene=2)
    assert slider.get_attribute("aria-valuetext") == "90\u00a0%"


def test_short_windows_are_the_librarys(page):
    data = BeliefStrip().data["scenes"][0]
    task = torch.cat([torch.tensor(data[name], dtype=torch.float64) for name in "TE"], -1)[None]
    tunnel = HMM(observations=12)
    batch = tunnel.sample_given(task, torch.Generator())
    batch = type(batch)(torch.tensor([data["symbols"]]), batch.targets, header=task)
    exact = tunnel.exact(batch)[0, -1, 5:]
    for steps in (1, 2, 4, 8):
        kl = float(bits.kl_divergence(exact, tunnel.window(batch, steps)[0, -1, 5:]))
        said = re.search(rf"last {steps}: ([\d.]+)", shown(page)[3])[1]
        assert float(said) == pytest.approx(kl, abs=6e-5)
