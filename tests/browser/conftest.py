"""Fixtures for tests of the built book in Chromium. A missing Chromium is a failure, never a skip."""

import pytest
from book_site import CHROMIUM_ARGS, Watch, built_book, find_chromium, serve, visit
from playwright.sync_api import sync_playwright

# A page with nothing on it but explorers.
BARE_PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorer</title>
<meta name="viewport" content="width=device-width"><style>body {{ margin: 0.5rem; background: #fffdf9; color: #26313b }}
html[data-theme="dark"] body {{ background: #171b20; color: #d3d8dc }}</style></head>
<body><main><h1>Explorer</h1>{boxes}</main></body></html>"""


@pytest.fixture(scope="session")
def book_html():
    """The folder of the built book, fresh."""
    return built_book()


@pytest.fixture(scope="session")
def book_url(book_html):
    """The base URL of the served book; ends with a slash."""
    server, url = serve(book_html)
    yield url
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(playwright), args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def look(browser, book_url):
    """look("chapters/01_counting.html") gives the `Visit` of that page; every page is visited once only."""
    seen = {}

    def once(path):
        if path not in seen:
            seen[path] = visit(browser, book_url, path)
        return seen[path]

    return once


@pytest.fixture
def open_page(browser, book_url):
    """open_page(path, width=1280, dark=False) gives a fresh, watched page. The test fails if anything goes wrong on it."""
    contexts, watches = [], []

    def open_one(path, width=1280, dark=False):
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        watches.append(Watch())
        watches[-1].attach(page, book_url)
        page.goto(book_url + path, wait_until="load")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [p for watch in watches for p in watch.problems()] == []


@pytest.fixture
def page(open_page):
    """The front page, watched; go elsewhere with `page.goto(book_url + path)`."""
    return open_page("index.html")


@pytest.fixture
def show(browser, tmp_path):
    """show(html, width, dark) opens a page that holds it; the test fails if anything goes wrong on the page."""
    contexts, watches = [], []

    def one(html, width=1280, dark=False, **options):
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(BARE_PAGE.format(boxes=html), "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        watches.append(Watch())
        watches[-1].attach(page, "file:///")
        page.goto(file.as_uri())
        if dark:
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
        return page

    yield one
    for context in contexts:
        context.close()
    assert [problem for watch in watches for problem in watch.problems()] == []
