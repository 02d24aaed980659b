"""The elimination game in a real browser: its network against torch, and every control by keyboard."""

import math
from itertools import pairwise

import pytest
import torch
from book_site import AXE, OVERFLOW, assert_axe_finds_nothing, assert_fits_a_telephone, toc_files

from tutorlib.checkpoints import Checkpoint, load
from tutorlib.explore import EliminationGame
from tutorlib.explore.base import asset, pack_weights
from tutorlib.models import Transformer
from tutorlib.tunnels import Bijection

pytestmark = pytest.mark.browser

SHIPPED = ("bijection-v8", "bijection-v20")
# The network -------------------------------------------------------------------------------------------------------


def random_network(layers=2, heads=2, positions="learned", seed=3):
    """A network with no matrix at zero, so that every part of the formula matters."""
    model = Transformer(
        vocab=14, context=11, width=16, layers=layers, heads=heads, hidden=24, positions=positions
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * p.shape[-1] ** -0.5)
    return model.eval()


def prefixes(model, count=50):
    """Prefixes of every kind: of any length, possible or not."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        length = int(torch.randint(1, model.context + 1, (1,), generator=generator))
        yield torch.randint(model.vocab, (length,), generator=generator).tolist()


@pytest.fixture
def javascript(browser):
    """javascript(model, tokens, source) gives the logits and the activations that the page computes."""
    page = browser.new_page()

    def run(model, many, source=None):
        page.goto("about:blank")
        page.add_script_tag(content=source or asset("transformer.js"))
        return page.evaluate(
            """([packed, many]) => {
              const network = readNetwork(packed);
              return many.map((tokens) => {
                const record = {};
                return {logits: Array.from(logitsAfter(network, tokens, record)), record};
              });
            }""",
            [pack_weights(model), many],
        )

    yield run
    page.close()


def logits_of(model, many, answers):
    """Logits after each prefix, from the page and from torch at the model's precision, ``[prefixes, vocab]`` each."""
    with torch.no_grad():
        wanted = [model(torch.tensor([tokens]))[0, -1].double() for tokens in many]
    return torch.tensor([answer["logits"] for answer in answers], dtype=torch.float64), torch.stack(wanted)


def largest_gap(model, many, answers):
    page, wanted = logits_of(model, many, answers)
    return float((page - wanted).abs().max())


NETWORKS = {
    **{name: lambda name=name: load(name).model for name in SHIPPED},
    "2 layers, 2 heads, learned positions": random_network,
    "3 layers, 4 heads, no positions": lambda: random_network(3, 4, "none"),
    "1 layer, 1 head, learned positions": lambda: random_network(1, 1),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_agree_with_torch(javascript, name):
    model = NETWORKS[name]()
    many = list(prefixes(model))
    answers = javascript(model, many)
    page, single = logits_of(model, many, answers)
    page_p, single_p = page.softmax(-1), single.softmax(-1)
    assert (page_p - single_p).abs().max() < 1e-5
    # Logits of a trained network are as large as 160, where single precision itself is off by more than 1e-5.
    assert (page - single).abs().max() < 1e-5 * max(1, single.abs().max())
    assert largest_gap(model.double(), many, answers) < 1e-9


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1e-6", "1e-3"),
        ("Math.sqrt(size)", "Math.sqrt(width)"),
        ("K.slice(0, t + 1)", "K.slice(0)"),
        ("** 2", "** 1"),
        ("x.map((value) => value * scale)", "x"),
        ("head * size + i", "i"),
        ('tensors["position.weight"][t]', 'tensors["position.weight"][0]'),
    ],
)
def test_a_wrong_formula_is_seen(javascript, right, wrong):
    source = asset("transformer.js")
    assert right in source
    model = random_network()
    many = list(prefixes(model))
    assert largest_gap(model, many, javascript(model, many, source.replace(right, wrong))) > 1e-5


def test_attention_weights_agree_with_torch(javascript):
    model = random_network()
    many = list(prefixes(model, 10))
    for tokens, answer in zip(many, javascript(model, many), strict=True):
        record = {}
        with torch.no_grad():
            model(torch.tensor([tokens]), record=record)
        for layer in range(2):
            name = f"layer{layer}.attention"
            torch.testing.assert_close(
                torch.tensor(answer["record"][name], dtype=torch.float32), record[name][0], atol=1e-6, rtol=0
            )


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "1 to 11 of them, got 0"),
        ([0] * 12, "got 12"),
        ([14], "ids 0 to 13, got 14"),
        ([0.5], "got 0.5"),
        ([-1], "got -1"),
    ],
)
def test_wrong_tokens_are_refused(javascript, tokens, message):
    with pytest.raises(Exception, match=message):
        javascript(random_network(), [tokens])


# The game ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def game():
    return EliminationGame.from_checkpoints(SHIPPED)


def part(page, name):
    return page.locator(f'[data-part="{name}"]').first


def number(page, name):
    return page.locator(f'[data-number="{name}"]').first.inner_text()


def tab_to(page, name, key="Tab"):
    """Press Tab until the part has the focus, as a reader without a mouse does."""
    for _ in range(40):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.dataset.part ?? document.activeElement.name") == name:
            return
    raise AssertionError(f"{name} is not reached with {key}")


def predicted(model, steps, box):
    """The network's probabilities from torch, in double precision, for boxes and balls that count from 0."""
    symbols = model.vocab // 2
    tokens = [token for key, value in steps for token in (key, symbols + value)] + [box]
    with torch.no_grad():
        return model.double()(torch.tensor([tokens]))[0, -1].softmax(-1)


def four(x):
    return "<0.0001" if 0 < x < 0.00005 else f"{max(x, 0):.4f}"


@pytest.mark.parametrize("which", [0, 1])
def test_played_by_keyboard_every_number_is_right(show, game, which):
    page = show(game.html())
    model, symbols, secret = (
        load(SHIPPED[which]).model,
        *(game.data[which][key] for key in ("symbols", "secrets")),
    )
    tab_to(page, "size")
    for _ in range(which):
        page.keyboard.press("ArrowDown")
    tab_to(page, "box")
    steps = []
    for k in range(1, symbols + 1):
        if k % 3 == 0 and k < symbols:
            page.keyboard.press("ArrowRight")  # another box than the one proposed
        box = int(part(page, "boxes").locator("input:checked").get_attribute("value"))
        assert part(page, "open").inner_text() == f"Open box {box + 1}"
        q = predicted(model, steps, box)
        seen = [value for _, value in steps]
        left = [value for value in range(symbols) if value not in seen]
        exact = f"{math.log2(symbols - k + 1):.3f}"
        network = f"{abs(float(-(q * q.log2()).sum())):.3f}"
        assert number(page, "exact-entropy") == exact
        assert number(page, "network-entropy") == network
        assert number(page, "network-kl") == four(
            sum(math.log2(1 / len(left) / float(q[symbols + v])) for v in left) / len(left)
        )
        assert number(page, "network-impossible") == four(
            sum(float(p) for token, p in enumerate(q) if token - symbols not in left)
        )
        bars = page.locator(".column > .network").all_inner_texts()
        assert [float(text.split()[-1]) for text in bars] == pytest.approx(
            (100 * q[symbols:]).tolist(), abs=0.0501
        )
        said = part(page, "sentence").inner_text().replace("\u00a0", " ")
        assert f"Question {k} of {symbols}" in said
        assert (
            f"log₂({symbols} − {k} + 1) = log₂ {len(left)} = {exact} bits. Network: {network} bits." in said
        )
        assert (
            page.locator(".ball.seen").all_inner_texts()
            == page.locator(".column .ball.seen").all_inner_texts()
        )
        assert page.locator(".column .ball.seen").count() == k - 1
        steps.append((box, secret[0][box]))
        page.keyboard.press("Enter")
    assert f"all {symbols} boxes are open" in part(page, "sentence").inner_text()
    assert page.evaluate("document.activeElement.dataset.part") == "new", "the keyboard is where play goes on"
    page.locator("summary").click()
    rows = [row.split() for row in part(page, "history").locator("tr").all_inner_texts()]
    assert [row[:3] for row in rows] == [
        [str(k), str(b + 1), chr(65 + v)] for k, (b, v) in enumerate(steps, 1)
    ]
    assert [row[3] for row in rows] == [f"{math.log2(symbols - k):.3f}" for k in range(symbols)]


def test_buttons_alone_play_the_game_and_keep_the_focus(show, game):
    page = show(game.html())
    tab_to(page, "open")
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    assert part(page, "opened").inner_text() == "2"
    tab_to(page, "rest")
    page.keyboard.press("Enter")
    assert part(page, "opened").inner_text() == "8"
    assert page.evaluate("document.activeElement.dataset.part") == "new"
    tab_to(page, "undo")
    for left in ("2", "1", "0"):
        assert page.evaluate("document.activeElement.dataset.part") == "undo"
        page.keyboard.press("Enter")
        assert part(page, "opened").inner_text() == left
    assert page.evaluate("document.activeElement.dataset.part") == "open"


def look_of(page):
    names = ("boxes", "sentence", "bars", "numbers", "chart", "history", "open")
    return {name: part(page, name).evaluate("e => e.innerHTML") for name in names}


def test_undo_restores_every_state(show, game):
    page = show(game.html())
    states = []
    part(page, "tricking").check()
    for step in range(5):
        part(page, "boxes").locator("input:enabled").nth(step % 3).check(force=True)
        states.append(look_of(page))
        if step in (2, 3):  # once a ball not yet seen, which changes places; once one that was seen
            seen = (
                part(page, "ball").locator("option", has_text="seen before" if step == 3 else "ball H").first
            )
            part(page, "ball").select_option(seen.get_attribute("value"))
        part(page, "open").click()
    assert all(one != other for one, other in pairwise(states))
    for wanted in reversed(states):
        part(page, "undo").click()
        assert look_of(page) == wanted
    assert part(page, "undo").is_disabled()


def test_impossible_evidence_has_no_exact_answer(show, game):
    page = show(game.html())
    model, secret = load(SHIPPED[0]).model, game.data[0]["secrets"][0]
    part(page, "open").click()
    tab_to(page, "tricking", "Shift+Tab")
    page.keyboard.press("Space")
    tab_to(page, "ball")
    page.keyboard.type(f"ball {chr(65 + secret[0])}")  # choose by its name
    tab_to(page, "open")
    page.keyboard.press("Enter")
    said = part(page, "sentence").inner_text()
    letter = chr(65 + secret[0])
    assert f"No bijection fits this evidence: ball {letter} came out of box 1 and of box 2." in said
    assert number(page, "exact-entropy") == "none"
    assert number(page, "network-kl") == number(page, "network-impossible") == "none"
    assert page.locator(".bar.exact").count() == 0
    q = predicted(model, [(0, secret[0]), (1, secret[0])], 2)
    network = f"{float(-(q * q.log2()).sum()):.3f}"
    assert number(page, "network-entropy") == network
    assert said.endswith(f"would leave 7 balls: log₂\u00a07 = 2.807 bits. Network: {network} bits.")
    assert page.locator(".cross").count() == 1
    part(page, "rest").click()
    assert (
        f"over the 2 questions that had an exact answer; then ball {letter}"
        in part(page, "sentence").inner_text()
    )
    part(page, "new").click()
    assert number(page, "exact-entropy") == "3.000"


def test_an_unseen_ball_put_in_a_box_changes_places(show, game):
    page = show(game.html())
    secret = game.data[0]["secrets"][0]
    part(page, "tricking").check()
    part(page, "ball").select_option(str(secret[5]))
    part(page, "open").click()
    part(page, "rest").click()
    page.locator("summary").click()
    rows = [row.split()[2] for row in part(page, "history").locator("tr").all_inner_texts()]
    swapped = [secret[5], *secret[1:5], secret[0], *secret[6:]]
    assert rows == [chr(65 + value) for value in swapped]


GUESSES = [("7", "Right: 8 balls less the 1 seen leave 7."), ("8", "if a ball went back"), ("6", "still holds its ball"),
           ("2.81", "entropy in bits"), ("3", "Not quite. 8 balls less the 1 seen leave 7.")]  # fmt: skip


@pytest.mark.parametrize(("guess", "reply"), GUESSES)
def test_a_guess_before_the_look(show, game, guess, reply):
    page = show(game.html())
    part(page, "open").click()
    part(page, "guessing").check()
    assert part(page, "look").is_hidden()
    assert "probability" not in part(page, "sentence").inner_text()
    tab_to(page, "guessed")
    page.keyboard.type(guess)
    page.keyboard.press("Enter")
    assert reply in part(page, "sentence").inner_text()
    assert part(page, "look").is_visible()
    assert page.evaluate("document.activeElement.dataset.part") == "open"
    page.keyboard.press("Enter")
    assert part(page, "look").is_hidden(), "each box is guessed anew"


def test_a_guess_about_impossible_evidence(show, game):
    page = show(game.html())
    part(page, "open").click()
    part(page, "tricking").check()
    part(page, "ball").select_option(str(game.data[0]["secrets"][0][0]))
    part(page, "open").click()
    part(page, "guessing").check()
    part(page, "guessed").fill("0")
    page.keyboard.press("Enter")
    assert "Right: none." in part(page, "sentence").inner_text()


def test_new_games_are_fresh_bijections_and_the_same_for_everyone(show, game):
    games = []
    for _ in range(2):
        page = show(game.html())
        games.append([])
        for _ in range(6):
            part(page, "rest").click()
            games[-1].append(
                part(page, "boxes")
                .locator(".ball")
                .evaluate_all("all => all.map(b => b.lastChild.textContent).join('')")
            )
            part(page, "new").click()
    assert games[0] == games[1]
    assert len(set(games[0])) == 6
    assert all(sorted(one) == list("ABCDEFGH") for one in games[0])
    assert [[ord(c) - 65 for c in one] for one in games[0][:3]] == game.data[0]["secrets"]


@pytest.mark.parametrize("names", [SHIPPED, SHIPPED[::-1]])
def test_python_and_javascript_draw_the_same_first_state(show, names):
    html = EliminationGame.from_checkpoints(names).html()
    static = show(html, java_script_enabled=False)
    assert part(static, "open").is_hidden(), "a control that does nothing is not shown"
    drawn = """([...all]) => Object.fromEntries(all.map((e) =>
        [e.dataset.part, e.innerHTML.replaceAll(' checked=""', "")]))"""
    names = ("parameters", "boxes", "sentence", "bars", "numbers", "chart", "opened", "open")
    where = ", ".join(f'[data-part="{name}"]' for name in names)
    before = static.locator(where).evaluate_all(drawn)
    after = show(html).locator(where).evaluate_all(drawn)
    assert before == after
    assert len(before) == len(names)


def test_two_copies_on_a_page_are_two_games(show, game):
    page = show(game.html() + game.html())
    boxes = page.locator("[data-explorer]")
    assert boxes.evaluate_all("all => all.map(b => b.dataset.mounted)") == ["yes", "yes"]
    boxes.nth(1).locator('[data-part="open"]').click()
    assert boxes.locator('[data-part="opened"]').all_inner_texts() == ["0", "1"]
    assert boxes.locator("input:checked").evaluate_all("all => all.map(i => i.value)") == ["0", "1"]
    again = """() => { for (const old of document.querySelectorAll("script[type=module]")) {
        const again = document.createElement("script");
        again.type = "module";
        again.textContent = old.textContent;
        old.after(again); } }"""
    page.evaluate(again)
    page.wait_for_timeout(100)
    boxes.nth(1).locator('[data-part="open"]').click()
    assert boxes.locator('[data-part="opened"]').all_inner_texts() == ["0", "2"], "one click, one box"


def in_state(page, name):
    """Bring the game where its look differs."""
    if name in ("twenty", "twenty, played"):
        part(page, "size").select_option("1")
    if name in ("played", "twenty, played", "tricked", "guess"):
        for _ in range(4):
            part(page, "open").click()
    if name == "tricked":
        part(page, "tricking").check()
        part(page, "ball").select_option(
            part(page, "ball").locator("option", has_text="seen before").first.get_attribute("value")
        )
        part(page, "open").click()
    if name == "guess":
        part(page, "guessing").check()
    if name == "ended":
        part(page, "rest").click()
    page.locator("summary").click()


STATES = ("first", "played", "tricked", "guess", "ended", "twenty", "twenty, played")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(show, game, state, dark):
    page = show(game.html(), dark=dark)
    in_state(page, state)
    assert_axe_finds_nothing(page)


@pytest.mark.parametrize("state", STATES)
def test_it_fits_a_telephone(show, game, state):
    page = show(game.html(), width=390, has_touch=True, is_mobile=True)
    in_state(page, state)
    assert_fits_a_telephone(page, "button, select, summary, input[type=number], label.box, .controls label")


def test_a_small_untrained_game_works(show):
    """Nothing is made for 8 and 20 alone, nor for good networks."""
    checkpoint = Checkpoint(Transformer(4, 3, width=8, positions="learned").eval(), Bijection(2), {})
    page = show(EliminationGame([checkpoint]).html())
    assert number(page, "exact-entropy") == "1.000"
    part(page, "rest").click()
    assert "all 2 boxes are open" in part(page, "sentence").inner_text()


CHAPTER = [f"{name}.html" for name in toc_files() if name.startswith("chapters/08")]


@pytest.mark.parametrize("path", CHAPTER)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_in_the_book(open_page, path, dark):
    page = open_page(path, width=390, dark=dark)
    box = page.locator(".explorer-bijection")
    assert box.count() == 1
    for k in range(8):
        assert number(page, "exact-entropy") == f"{math.log2(8 - k):.3f}"
        part(page, "open").click()
    assert "all 8 boxes are open" in part(page, "sentence").inner_text()
    page.evaluate(AXE)
    found = page.evaluate(
        "async () => (await axe.run('.explorer-bijection', {preload: false})).violations.map((v) => v.id)"
    )
    assert found == []
    assert page.evaluate(OVERFLOW) == []
