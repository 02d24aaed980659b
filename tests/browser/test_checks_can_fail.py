"""The checks themselves: a page made wrong in every way must be found wrong in every way."""

import pytest
from book_site import PREFIX, serve, visit
from test_pages import Links, broken_links

pytestmark = pytest.mark.browser

WRONG = """<!doctype html><html lang="en"><head><title>Wrong</title>
<script>console.error("a console error"); setTimeout(() => { throw new Error("a page error") })</script>
<script src="https://cdn.example.org/x.js"></script></head>
<body><main><h1>Wrong</h1><p style="color:#aaa;background:#fff">Too pale to read.</p>
<img src="missing.png"><div class="math">\\\\(x^2\\\\)</div>
<style>html[data-theme=dark] .dim { color: #333; background: #222 }</style><p class="dim">Too dim in dark mode.</p>
<div style="width:1000px">wide</div><a href="nowhere.html">gone</a><a href="#nothing">no anchor</a></main></body></html>"""


@pytest.fixture(scope="module")
def wrong(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "index.html").write_text(WRONG, "utf-8")
    server, url = serve(folder)
    yield visit(browser, url, "index.html")
    server.shutdown()


def test_errors_are_seen(wrong):
    assert any("a console error" in text for text in wrong.watch.console)
    assert any("a page error" in text for text in wrong.watch.page_errors)
    assert any("404" in text and "missing.png" in text for text in wrong.watch.failed)


def test_other_hosts_are_seen(wrong):
    assert "https://cdn.example.org/x.js" in wrong.watch.external


def test_axe_is_really_run(wrong):
    found = {violation.split()[0] for violation in wrong.axe_light}
    assert {"color-contrast", "image-alt"} <= found
    assert any(".dim" in violation for violation in wrong.axe_dark)


def test_sideways_scroll_is_seen(wrong):
    assert wrong.overflow


def test_raw_mathematics_and_bare_images_are_seen(wrong):
    assert wrong.facts["bareMaths"]
    assert wrong.facts["images"][0]["alt"] is None
    assert not wrong.facts["images"][0]["loaded"]


def test_broken_links_are_seen(tmp_path):
    file = tmp_path / "index.html"
    file.write_text(WRONG, "utf-8")
    page = Links()
    page.feed(WRONG)
    assert broken_links({file: page}) == ["index.html: nowhere.html", "index.html: #nothing (no such anchor)"]


def test_a_page_outside_the_prefix_is_not_served(browser, book_url):
    page = browser.new_page()
    assert page.goto(book_url.replace(PREFIX, "/index.html")).status == 404
    page.close()
