"""The way pictures reach a page: words beside every figure, boxes that stand alone."""

import base64
import hashlib
import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tutorlib.explore import base
from tutorlib.figures import COLOURS, new_figure, show
from tutorlib.figures.style import png
from tutorlib.models import Transformer
from tutorlib.verdicts import PaperRow, PaperTable

ALT = "One line that rises from 0 to 1 while the other stays at 0."


def figure():
    fig, axes = new_figure()
    axes.plot([0, 1], [0, 1], color=COLOURS["exact"], label="exact")
    axes.legend()
    return fig


@pytest.mark.parametrize("alt", ["", "A plot.", " " * 50 + "A plot."])
def test_a_figure_needs_words(alt):
    fig = figure()
    with pytest.raises(ValueError, match="alt: expected at least 30 characters that say what is seen, got"):
        show(fig, alt=alt)
    plt.close(fig)


def test_show_outside_a_notebook_prints_the_words_and_closes(capsys):
    for target in (figure(), figure().axes[0]):
        show(target, alt=ALT.replace(" that", "\n   that"))
        assert capsys.readouterr().out == ALT + "\n"
    assert plt.get_fignums() == []
    with pytest.raises(ValueError, match="fig: expected a Matplotlib figure or axes, got str"):
        show("figure", alt=ALT)


def test_show_in_a_notebook_publishes_picture_and_words(monkeypatch):
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    published = []
    monkeypatch.setattr(shell, "initialized", classmethod(lambda cls: True))
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: published.append((a, k)))
    show(figure(), alt=ALT)
    ((bundle,), options) = published[0]
    assert bundle["text/plain"] == ALT and bundle["image/png"].startswith(b"\x89PNG")
    assert options == {"metadata": {"image/png": {"alt": ALT}}, "raw": True}


def test_the_same_figure_is_the_same_bytes_and_opaque():
    first, second = figure(), figure()
    assert png(first) == png(second)
    first.canvas.draw()
    assert np.asarray(first.canvas.buffer_rgba())[0, 0].tolist() == [255, 255, 255, 255]
    assert "Software" not in str(png(first)[:200])
    plt.close("all")


def test_the_style_leaves_the_readers_settings_alone():
    before = plt.rcParams.copy()
    png(figure())
    plt.close("all")
    assert plt.rcParams == before


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("role", ["exact", "model", "reference", "good"])
def test_line_colours_stand_out_on_white(role):
    assert 1.05 / (luminance(COLOURS[role]) + 0.05) >= 3  # WCAG 1.4.11: graphics need 3 to 1


@pytest.fixture
def explorer(tmp_path, monkeypatch):
    """Makes a small explorer whose script stands in a folder of its own."""
    style = base.asset("style.css")
    scripts = {"style.css": style, "toy.js": "function mount(root, data) { root.dataset.n = data.n; }"}
    monkeypatch.setattr(base, "asset", scripts.__getitem__)

    def make(data, body="<svg></svg>", label="A toy", text="A toy in words."):
        return base.Explorer("toy", label, data, ("toy.js",), body, text)

    return make


def data_of(html):
    return json.loads(html.split('<script type="application/json">')[1].split("</script>")[0])


def test_explorer_gives_html_and_words(explorer):
    bundle = explorer({"n": 3})._repr_mimebundle_()
    assert bundle.keys() == {"text/html", "text/plain"} and bundle["text/plain"] == "A toy in words."
    html = bundle["text/html"]
    assert data_of(html) == {"n": 3} and "function mount" in html and "<svg></svg>" in html
    assert 'aria-label="A toy"' in html and "http://" not in html and "https://" not in html
    assert "position: fixed" not in html


def test_data_cannot_end_its_script(explorer):
    nasty = {"text": "</script><script>alert(1)</script><!-- & 'quoted' \"π\""}
    html = explorer(nasty).html()
    assert html.count("</script>") == 2, "one for the data, one for the code"
    assert "<!--" not in html and data_of(html) == nasty


def test_a_label_cannot_end_its_attribute(explorer):
    html = explorer({}, label='The "game" <b>').html()
    assert 'aria-label="The &quot;game&quot; &lt;b&gt;"' in html


def test_identity_follows_the_content(explorer):
    def identity(*args, **kwargs):
        return explorer(*args, **kwargs).html().split('data-explorer="')[1].split('"')[0]

    assert identity({"a": 1, "b": 2}) == identity({"b": 2, "a": 1})
    assert len({identity({"a": 1}), identity({"a": 2}), identity({"a": 1}, body="<p></p>")}) == 3


def test_an_explorer_too_large_is_refused(explorer):
    explorer({"x": "a" * 150_000})
    with pytest.raises(ValueError, match="explorer toy: expected at most 200000 bytes, got 2"):
        explorer({"x": "a" * 200_000})
    with pytest.raises(ValueError, match="JSON"):
        explorer({"x": math.nan})


def test_packed_weights_are_the_models():
    model = Transformer(8, 7, width=8, layers=2)
    packed = base.pack_weights(model)
    flat = torch.from_numpy(np.frombuffer(base64.b64decode(packed["weights"]), "<f4").copy())
    state, start = model.state_dict(), 0
    assert packed["config"] == model.config() and [name for name, _ in packed["tensors"]] == list(state)
    for name, shape in packed["tensors"]:
        size = math.prod(shape)
        assert torch.equal(flat[start : start + size].view(shape), state[name])
        start += size
    assert start == len(flat)
    assert hashlib.sha256(json.dumps(packed).encode()).digest()  # JSON-ready


ROW = PaperRow("claim <1>", "0.007 bits", "2512.22471 v3", "0.0005 bits", "holds", "trained longer & better")


def test_paper_table_escapes_and_has_words():
    bundle = PaperTable([ROW])._repr_mimebundle_()
    assert "claim &lt;1&gt;" in bundle["text/html"] and "longer &amp; better" in bundle["text/html"]
    assert "The paper: 0.007 bits" in bundle["text/plain"] and "Verdict: holds" in bundle["text/plain"]
    with pytest.raises(ValueError, match=r"verdict: expected one of holds, .*, got 'true'"):
        PaperRow("a", "b", "c", "d", "true", "e")
    with pytest.raises(ValueError, match="rows: expected at least one claim, got none"):
        PaperTable([])
