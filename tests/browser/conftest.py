"""A real browser for the pages: Debian's Chromium, driven by Playwright, with its network watched."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.tools import missing

playwright_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """Chromium; where there is none the tests are skipped, but never in CI.

    It ends with its module: Playwright keeps an event loop running in the test's thread, where no other may run.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("chromium is missing: make browser")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path: Path) -> Iterator[Callable]:
    """Open the bytes of a page from disk; at the end there was no error, no dialog and no request but the file."""
    contexts, faults = [], []

    def open_page(page: bytes, hash: str = "", **options):
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_bytes(page)
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("console", lambda message: faults.append(f"console {message.type}: {message.text}"))
        tab.on("pageerror", lambda error: faults.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda request: request.url.startswith("file:") or faults.append(f"request: {request.url}"))
        tab.goto(f"{file.as_uri()}{hash}")
        tab.wait_for_selector("html[data-ready]")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def served_tabs(browser) -> Iterator[Callable]:
    """Open an address; at the end no page had an error, and asked no other server for anything.

    A dialog is a fault, unless `dialogs` says that it is accepted.
    """
    contexts, faults = [], []

    def open_page(url, *, dialogs="refused", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: faults.append(f"error: {error}"))
        if dialogs == "accepted":
            tab.on("dialog", lambda dialog: dialog.accept())
        else:
            tab.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda request: request.url.startswith("http://127.0.0.1:") or faults.append(request.url))
        tab.goto(url)
        tab.wait_for_selector("html[data-ready]")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert not faults
