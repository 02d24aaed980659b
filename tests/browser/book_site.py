"""The built book as the tests see it: where its sources and pages are, how it is built, served and looked at."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "build" / "_build" / "html"
SITE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["tutorlib"]["site"]
# GitHub Pages serves a project under its name, so absolute links would break there.
PREFIX = f"/{SITE['repository'].split('/')[1]}/"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


def toc_files() -> list[str]:
    """Every document of book/_toc.yml, without its ending, in reading order."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text("utf-8"))
    return [toc["root"]] + [entry["file"] for part in toc["parts"] for entry in part["chapters"]]


def sources() -> list[Path]:
    """Every file whose change makes the built book stale."""
    files = [ROOT / "index.md", *(ROOT / "chapters").glob("*.ipynb")]
    files += [p for p in (ROOT / "book").rglob("*") if p.is_file()]
    files += (ROOT / "src").rglob("*.py")
    return [p for p in files if "__pycache__" not in p.parts]


def book_command(root: Path, out: Path) -> list[str]:
    """The command that builds the book: warnings are errors, and all of them are listed."""
    tool = Path(sys.executable).with_name("jupyter-book")
    settings = ["--config", "book/_config.yml", "--toc", "book/_toc.yml"]
    return [str(tool), "build", str(root), "-W", "--keep-going", *settings, "--path-output", str(out)]


def built_book() -> Path:
    """The folder of the built book; builds it first if it is missing or older than a source. BOOK_HTML names another."""
    if named := os.environ.get("BOOK_HTML"):
        html = Path(named).resolve()
        if not (html / "index.html").is_file():
            raise RuntimeError(f"BOOK_HTML must be a built book; there is no index.html in {html}")
        return html
    index = HTML / "index.html"
    # The sitemap is written last, so a build that stopped half-way counts as missing.
    finished = HTML / ".nojekyll"
    if (
        not index.is_file()
        or not finished.is_file()
        or finished.stat().st_mtime < max(p.stat().st_mtime for p in sources())
    ):
        finished.unlink(missing_ok=True)
        run = subprocess.run(
            [*book_command(ROOT, ROOT / "build"), "--all"], cwd=ROOT, capture_output=True, text=True
        )
        if run.returncode:
            raise RuntimeError(f"the book does not build:\n{run.stdout[-6000:]}\n{run.stderr[-6000:]}")
    return HTML


def find_chromium(playwright) -> str:
    """The path of a Chromium: $CHROMIUM, one on the PATH, or the one that Playwright downloaded."""
    candidates = [
        os.environ.get("CHROMIUM"),
        *map(shutil.which, ("chromium", "chromium-browser", "google-chrome")),
    ]
    for path in [*candidates, playwright.chromium.executable_path]:
        if path and Path(path).exists():
            return path
    raise RuntimeError(
        "The browser tests need Chromium. Get it with `apt-get install chromium` (Debian, Ubuntu) or "
        "`python -m playwright install --with-deps chromium`, or set CHROMIUM to its path."
    )


class _Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        path = urlsplit(path).path
        if not path.startswith(PREFIX):
            return str(Path(self.directory) / "outside-the-prefix")  # does not exist: answers 404
        return super().translate_path("/" + path[len(PREFIX) :])

    def log_message(self, *args) -> None:
        pass


def serve(folder: Path) -> tuple[http.server.ThreadingHTTPServer, str]:
    """Serve `folder` on the loopback interface under PREFIX; returns the server and its base URL."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}{PREFIX}"


@dataclass
class Watch:
    """What went wrong on a page while it was watched. A request to another host is blocked as well as recorded."""

    console: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def attach(self, page, base: str) -> None:
        host = urlsplit(base).netloc

        def route(route):
            url = urlsplit(route.request.url)
            if url.scheme in ("http", "https", "ws", "wss") and url.netloc != host:
                self.external.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        page.route("**/*", route)
        page.on(
            "console",
            lambda m: self.console.append(f"{m.text} {m.location['url']}") if m.type == "error" else None,
        )
        page.on("pageerror", lambda e: self.page_errors.append(str(e)))
        page.on("response", lambda r: self.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    def problems(self) -> list[str]:
        return self.console + self.page_errors + self.external + self.failed


SETTLE = """async () => {
  await document.fonts.ready;
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  document.querySelectorAll("details").forEach(d => d.open = true);   // what is folded is checked too
  await new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)));
}"""

FACTS = """() => ({
  bareMaths: [...document.querySelectorAll(".math")]
    .filter(e => !e.querySelector("mjx-container")).map(e => e.textContent.slice(0, 60)),
  mathErrors: [...document.querySelectorAll("mjx-merror")].map(e => e.textContent.slice(0, 60)),
  images: [...document.images].map(i => ({
    src: i.getAttribute("src").slice(0, 80), alt: i.getAttribute("alt"),
    article: !!i.closest(".bd-article"), loaded: i.complete && i.naturalWidth > 0 })),
  title: document.title, lang: document.documentElement.lang,
})"""

RUN_AXE = """async only => {
  // preload would fetch imported style sheets again, from wrong addresses
  const options = {resultTypes: ["violations"], preload: false, ...(only ? {runOnly: only} : {})};
  const result = await axe.run(document, options);
  return result.violations.map(v => `${v.id} (${v.impact}): ` + v.nodes.slice(0, 4).map(
    n => n.target.join(" ") + (n.any[0] && n.any[0].data && n.any[0].data.contrastRatio
      ? ` ${n.any[0].data.fgColor} on ${n.any[0].data.bgColor} ${n.any[0].data.contrastRatio}` : "")).join(" | "));
}"""

OVERFLOW = """() => {
  const root = document.documentElement, width = root.clientWidth;
  if (root.scrollWidth <= width + 1) return [];
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 1);
  return [`page ${root.scrollWidth} px on a ${width} px screen`,
          ...wide.slice(0, 5).map(e => e.tagName + "." + e.className).map(s => s.slice(0, 80))];
}"""


MOUNT_AGAIN = """() => { for (const old of document.querySelectorAll('script[type=module]')) {
  const again = document.createElement('script'); again.type = 'module';
  again.textContent = old.textContent; old.after(again); } }"""

SMALL = """all => all.map(e => [e.textContent.trim().slice(0, 20), e.getBoundingClientRect()])
  .filter(([, r]) => r.width && (r.width < 24 || r.height < 32)).map(([t, r]) => `${t} ${r.width} x ${r.height}`)"""


def assert_axe_finds_nothing(page) -> None:
    """axe has no complaint about the page as it stands."""
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, None) == []


def assert_fits_a_telephone(page, targets: str) -> None:
    """Nothing scrolls sideways, and what a finger must hit (a selector) is at least 24 wide and 32 high."""
    assert page.evaluate(OVERFLOW) == []
    box = page.locator("[data-explorer]")
    assert box.evaluate("b => b.scrollWidth <= b.clientWidth"), "the box itself need not scroll sideways"
    assert page.locator(targets).evaluate_all(SMALL) == []


def mount_again(page) -> None:
    """Run the scripts of all explorers on the page once more."""
    page.evaluate(MOUNT_AGAIN)
    page.wait_for_timeout(100)


@dataclass
class Visit:
    """Everything the tests ask about one page, gathered in one visit."""

    watch: Watch
    facts: dict
    axe_light: list[str]
    axe_dark: list[str]
    overflow: list[str]


def visit(browser, base: str, path: str) -> Visit:
    """Open one page wide in light and dark and then on a telephone's width, and note all that is wrong with it."""
    watch = Watch()
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    watch.attach(page, base)
    page.goto(base + path, wait_until="load")
    page.evaluate(SETTLE)
    page.evaluate(AXE)
    facts = page.evaluate(FACTS)
    _shoot(page, path, "wide")
    axe_light = page.evaluate(RUN_AXE, None)
    page.evaluate("document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'")
    page.wait_for_timeout(250)  # the theme fades some colours
    _shoot(page, path, "dark")
    axe_dark = page.evaluate(RUN_AXE, ["color-contrast"])
    context.close()

    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    watch.attach(page, base)
    page.goto(base + path, wait_until="load")
    page.evaluate(SETTLE)
    _shoot(page, path, "narrow")
    overflow = page.evaluate(OVERFLOW)
    context.close()
    return Visit(watch, facts, axe_light, axe_dark, overflow)


def _shoot(page, path: str, name: str) -> None:
    """Keep a screenshot when BOOK_SHOTS names a folder, for a person to look at."""
    if folder := os.environ.get("BOOK_SHOTS"):
        page.screenshot(path=Path(folder) / f"{re.sub(r'[^a-z0-9]+', '_', path)}-{name}.png", full_page=True)
