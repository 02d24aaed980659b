"""What the book is built from and what the build leaves behind; tests/browser looks at the pages themselves."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "browser"))
from book_site import ROOT, book_command, built_book, toc_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SITE = PROJECT["tool"]["tutorlib"]["site"]
OWNER, NAME = SITE["repository"].split("/")
REPOSITORY_URL = f"https://github.com/{SITE['repository']}"
PAGES_URL = f"https://{OWNER.lower()}.github.io/{NAME}/"
CONFIG = yaml.safe_load((ROOT / "book" / "_config.yml").read_text("utf-8"))
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))

# Words that chapters link to as ../book/glossary.md#word. Taking one away breaks chapters not yet written.
GLOSSARY = {
    "bayes-rule",
    "prior",
    "likelihood",
    "evidence",
    "posterior",
    "posterior-predictive",
    "odds",
    "log-odds",
    "natural-frequency",
    "base-rate",
    "base-rate-neglect",
    "sequential-updating",
    "conditional-independence",
    "surprise",
    "entropy",
    "cross-entropy",
    "kl-divergence",
    "total-variation",
    "bit",
    "bijection",
    "permutation",
    "wind-tunnel",
    "exact-reference",
    "ladder-of-references",
    "entropy-mae",
    "impossible-mass",
    "token",
    "embedding",
    "attention",
    "query",
    "key",
    "value",
    "causal-mask",
    "residual-stream",
    "feed-forward-layer",
    "rmsnorm",
    "logits",
    "softmax",
    "transformer",
    "multilayer-perceptron",
    "adamw",
    "muon",
    "learning-rate",
    "warm-up",
    "weight-averaging",
    "checkpoint",
    "seed",
    "bootstrap-interval",
    "calibration",
}


def text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


# Where the book is published: one setting, the same everywhere ------------------------------------------------------


def test_config_agrees_with_the_site_setting():
    sphinx = CONFIG["sphinx"]["config"]
    assert CONFIG["repository"]["url"] == REPOSITORY_URL
    assert (
        CONFIG["repository"]["branch"] == SITE["tag"]
    )  # Colab opens the chapter of the release that it installs
    assert CONFIG["html"]["baseurl"] == sphinx["ogp_site_url"] == PAGES_URL
    assert sphinx["ogp_image"] == PAGES_URL + "_static/cover.png"
    assert (ROOT / "book" / "_static" / "cover.png").is_file()


def test_citation_agrees_with_the_site_setting():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["repository-code"] == REPOSITORY_URL
    assert citation["url"] == PAGES_URL


def test_readme_has_a_colab_link_for_every_chapter():
    readme = text("README.md")
    links = re.findall(r"https://colab\.research\.google\.com/github/[^)\s]+", readme)
    base = f"https://colab.research.google.com/github/{SITE['repository']}/blob/{SITE['tag']}/chapters/"
    assert links == [base + notebook.name for notebook in NOTEBOOKS]


@pytest.mark.parametrize("path", ["README.md", "index.md", "book/setup.md", "CHANGELOG.md", "CITATION.cff"])
def test_pages_name_no_other_repository(path):
    allowed = {"jgm/pandoc"}
    named = set(re.findall(r"github\.com/([\w.-]+/[\w.-]*\w)", text(path))) - allowed
    assert {name.removesuffix(".git") for name in named} <= {SITE["repository"]}


def test_setup_page_installs_the_released_tag():
    assert f'pip install "tutorlib @ git+{REPOSITORY_URL}@{SITE["tag"]}"' in text("book/setup.md")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_install_the_released_tag(path):
    notebook = json.loads(path.read_text("utf-8"))
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert f"git+{REPOSITORY_URL}@{SITE['tag']}" in "".join(first["source"])


def test_one_version():
    version = PROJECT["project"]["version"]
    assert SITE["tag"] == f"v{version}"
    assert str(yaml.safe_load(text("CITATION.cff"))["version"]) == version
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert released[0] == version


# What the book is made of -------------------------------------------------------------------------------------------


def test_contents_list_every_chapter_and_page():
    listed = set(toc_files())
    chapters = {f"chapters/{path.stem}" for path in NOTEBOOKS}
    pages = {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}
    assert listed == {"index"} | chapters | pages


def test_chapters_stand_in_order():
    chapters = [name for name in toc_files() if name.startswith("chapters/")]
    assert chapters == sorted(chapters)


def test_notebooks_are_not_run_by_the_build():
    assert CONFIG["execute"]["execute_notebooks"] == "off"


def test_glossary_has_the_words_that_chapters_link_to():
    titles = re.findall(r"^### (.+)$", text("book/glossary.md"), flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(anchors) == len(set(anchors))
    assert set(anchors) >= GLOSSARY


@pytest.mark.parametrize(
    "path", [p for p in (ROOT / "book" / "_static").rglob("*") if p.is_file()], ids=lambda p: p.name
)
def test_vendored_files_are_small(path):
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize("path", ["mathjax/LICENSE", "fonts/OFL.txt"])
def test_vendored_files_bring_their_licence(path):
    assert (ROOT / "book" / "_static" / path).stat().st_size > 1000


def test_readme_code_runs():
    code = re.search(r"```python\n(.*?)```", text("README.md"), flags=re.DOTALL)[1]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # two threads on busy cores wait for each other
    run = subprocess.run([sys.executable, "-c", code], env=one_thread, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    error = float(re.search(r"entropy error ([\d.]+) bits", run.stdout)[1])
    assert error < 0.05


# How it is built ----------------------------------------------------------------------------------------------------


def small_book(folder: Path, front_page: str) -> subprocess.CompletedProcess:
    """Build a book of one page with this book's own configuration."""
    skip = shutil.ignore_patterns("_toc.yml", "__pycache__", "mathjax", "fonts")
    shutil.copytree(ROOT / "book", folder / "book", ignore=skip)
    (folder / "book" / "_toc.yml").write_text("format: jb-book\nroot: index\n", "utf-8")
    (folder / "index.md").write_text(front_page, "utf-8")
    return subprocess.run(book_command(folder, folder / "build"), cwd=folder, capture_output=True, text=True)


def test_make_builds_with_warnings_as_errors():
    recipe = next(line for line in text("Makefile").splitlines() if "jupyter-book build" in line)
    assert {"-W", "--keep-going", "book/_config.yml", "book/_toc.yml"} <= set(recipe.split())
    assert {"-W", "--keep-going"} <= set(book_command(ROOT, ROOT / "build"))


def test_a_sound_page_builds(tmp_path):
    run = small_book(tmp_path, "# A page\n\nWith $x^2$.\n")
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_warning_is_listed_and_stops_the_build(tmp_path):
    faults = [
        "[gone](nowhere.md)",
        "{cite:p}`nobody1900`",
        "{prf:ref}`thm-nowhere`",
        "[x](index.md#no-such)",
    ]
    run = small_book(tmp_path, "# A page\n\n" + "\n\n".join(faults) + "\n")
    assert run.returncode != 0
    for name in ("nowhere.md", "nobody1900", "thm-nowhere", "no-such"):
        assert name in run.stdout + run.stderr


# What the build leaves ----------------------------------------------------------------------------------------------


class Assets(HTMLParser):
    """The addresses that a browser fetches by itself when it opens the page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.found.append(attrs.get("src") or "")
        fetching = {
            "stylesheet",
            "icon",
            "preload",
            "modulepreload",
            "prefetch",
            "preconnect",
            "dns-prefetch",
        }
        if tag == "link" and fetching & set((attrs.get("rel") or "").split()):
            self.found.append(attrs.get("href") or "")


def remote_assets(html: str) -> list[str]:
    parser = Assets()
    parser.feed(html)
    return [address for address in parser.found if re.match(r"(https?:)?//", address)]


@pytest.fixture(scope="module")
def html():
    return built_book()


def test_pages_fetch_nothing_from_elsewhere(html):
    assert {page.name: remote_assets(page.read_text("utf-8")) for page in html.rglob("*.html")} == {
        page.name: [] for page in html.rglob("*.html")
    }


def test_a_remote_asset_would_be_seen():
    page = '<script src="https://a.example/x.js"></script><link rel="stylesheet" href="//b.example/x.css"><img src="x.png">'
    assert remote_assets(page) == ["https://a.example/x.js", "//b.example/x.css"]


def test_style_sheets_fetch_nothing_from_elsewhere(html):
    for sheet in html.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet.name


def test_what_is_not_needed_is_gone(html):
    assert (html / ".nojekyll").is_file()
    assert not list((html / "_static").rglob("*.map"))
    assert not list((html / "_static").rglob("fontawesome.js"))
    for page in html.rglob("*.html"):
        assert "thebe" not in page.read_text("utf-8").lower(), page.name


def test_every_page_is_built_and_in_the_sitemap(html):
    sitemap = (html / "sitemap.xml").read_text("utf-8")
    for name in toc_files():
        assert (html / f"{name}.html").is_file()
        assert f"<loc>{PAGES_URL}{name}.html</loc>" in sitemap


def test_pages_say_what_they_are_when_shared(html):
    front = (html / "index.html").read_text("utf-8")
    assert '<meta property="og:title" content="Is Attention Bayesian Inference?"' in front
    assert f'<meta property="og:image" content="{PAGES_URL}_static/cover.png"' in front
