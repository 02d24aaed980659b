"""Fixtures for tests of the built book in Chromium. A missing Chromium is a failure, never a skip."""

import pytest
from book_site import CHROMIUM_ARGS, Watch, built_book, find_chromium, serve, visit
from playwright.sync_api import sync_playwright


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
