"""Every page of the built book: quiet, self-contained, accessible, readable at any width."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from book_site import ROOT, SITE, toc_files

pytestmark = pytest.mark.browser

FILES = toc_files()
PAGES = [f"{name}.html" for name in FILES] + ["search.html", "genindex.html"]
CHAPTERS = [f"{name}.html" for name in FILES if name.startswith("chapters/")]
every_page = pytest.mark.parametrize("path", PAGES)
every_chapter = pytest.mark.parametrize("path", CHAPTERS)


@every_page
def test_nothing_goes_wrong(look, path):
    watch = look(path).watch
    assert watch.page_errors == []
    assert watch.console == []
    assert watch.failed == [], "files that are missing"


@every_page
def test_no_request_to_another_host(look, path):
    assert look(path).watch.external == []


@every_page
def test_axe_light(look, path):
    assert look(path).axe_light == []


@every_page
def test_contrast_dark(look, path):
    assert look(path).axe_dark == []


@every_page
def test_no_sideways_scroll_on_a_telephone(look, path):
    assert look(path).overflow == []


@every_page
def test_mathematics_is_rendered(look, path):
    assert look(path).facts["bareMaths"] == []
    assert look(path).facts["mathErrors"] == []


@every_page
def test_images_say_what_they_show(look, path):
    for image in look(path).facts["images"]:
        assert image["loaded"], f"{image['src']} did not load"
        assert image["alt"] is not None, f"{image['src']} has no alt"
        if image["article"] and image["alt"] != "":  # an empty alt marks decoration
            assert len(image["alt"]) >= 15, f"{image['src']} says only {image['alt']!r}"
            assert not re.search(r"[\w-]+[/\\][\w-]+\.(png|svg|jpg)|_images", image["alt"]), (
                f"a path as alt: {image['alt']}"
            )


@every_chapter
def test_figures_of_a_chapter_are_never_decoration(look, path):
    assert all(i["alt"] for i in look(path).facts["images"] if i["article"])


@every_page
def test_title_and_language(look, path):
    assert "Is Attention Bayesian Inference?" in look(path).facts["title"]
    assert look(path).facts["lang"] == "en"


@every_chapter
def test_colab_and_download(open_page, path):
    page = open_page(path)
    source = path.replace(".html", ".ipynb")
    colab = page.locator("a[href*='colab.research.google.com']").first
    base = f"https://colab.research.google.com/github/{SITE['repository']}/blob/{SITE['tag']}/"
    assert colab.get_attribute("href") == base + source
    link = page.locator("a.btn-download-source-button, a[href$='.ipynb'][download]").first.get_attribute(
        "href"
    )
    notebook = page.request.get(page.evaluate("href => new URL(href, location.href).href", link))
    assert notebook.ok
    assert notebook.json() == json.loads((ROOT / source).read_text("utf-8"))


@every_chapter
def test_solutions_are_folded_and_open_by_keyboard(open_page, path):
    page = open_page(path)
    solutions = page.locator(".tag_solution details")
    assert solutions.count() > 0, "a chapter has exercises with solutions"
    assert solutions.evaluate_all("all => all.filter(d => d.open).length") == 0
    summary = solutions.first.locator("summary")
    assert "solution" in summary.inner_text().lower()
    summary.focus()
    page.keyboard.press("Enter")
    assert solutions.first.evaluate("d => d.open")
    assert solutions.first.locator("pre").first.is_visible()


def test_search_finds_a_word(open_page):
    page = open_page("search.html?q=posterior")
    # Results come in one by one, so it is this one that is waited for.
    page.locator("#search-results a", has_text="Counting").first.wait_for(timeout=10_000)


def test_search_opens_by_keyboard(page):
    page.keyboard.press("Control+k")
    page.wait_for_selector("#pst-search-dialog[open] input, .search-button__search-container input:visible")
    page.keyboard.type("posterior")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results ul.search li a", timeout=10_000)


def test_search_results_have_contrast_in_both_modes(look):
    for path in ("search.html?q=posterior", "book/glossary.html?highlight=posterior"):
        assert look(path).axe_light == []
        assert look(path).axe_dark == []


def test_dark_mode_changes_the_page_and_stays(page):
    background = "getComputedStyle(document.body).backgroundColor"
    theme = "document.documentElement.dataset.theme"
    page.evaluate("localStorage.clear()")
    light = page.evaluate(background)
    assert page.evaluate(theme) == "light"
    button = page.locator(".theme-switch-button:visible").first
    for _ in range(3):  # the button goes round light, dark, automatic
        button.click()
        if page.evaluate(theme) == "dark":
            break
    assert page.evaluate(theme) == "dark"
    dark = page.evaluate(background)
    assert brightness(dark) < 60 < 200 < brightness(light)
    page.reload()
    assert page.evaluate(background) == dark


def brightness(rgb: str) -> float:
    return sum(float(x) for x in re.findall(r"[\d.]+", rgb)[:3]) / 3


class Links(HTMLParser):
    """The ids and the link targets of one page."""

    def __init__(self):
        super().__init__()
        self.ids, self.links = [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a" and attrs.get("name"):
            self.ids.append(attrs["name"])
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])


@pytest.fixture(scope="session")
def pages(book_html):
    """Every HTML file of the book, parsed."""
    parsed = {}
    for file in sorted(book_html.rglob("*.html")):
        if "_static" not in file.parts:
            parsed[file] = Links()
            parsed[file].feed(file.read_text("utf-8"))
    return parsed


def broken_links(pages):
    """Internal links whose file or anchor does not exist."""
    broken = []
    for file, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or link == "#":
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                broken.append(f"{file.name}: {link}")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids:
                broken.append(f"{file.name}: {link} (no such anchor)")
    return broken


def test_internal_links_and_anchors_resolve(pages):
    assert sum(len(p.links) for p in pages.values()) > 100
    assert broken_links(pages) == []


def test_no_id_stands_twice_on_a_page(pages):
    doubled = {f.name: sorted({i for i in p.ids if p.ids.count(i) > 1}) for f, p in pages.items()}
    assert {name: ids for name, ids in doubled.items() if ids} == {}
