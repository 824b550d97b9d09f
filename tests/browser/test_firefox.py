"""The pages in another browser, where there is one: Firefox opens, filters, searches, walks, and fires nothing."""

import json
import shutil

import pytest

from insideLLMs.api.view.example_reviews import ReviewFile
from insideLLMs.store.labels import LABELS, latest, read_labels
from support.compared_runs import record
from support.firefox import Firefox
from support.hostile_pages import LOOK, TEXTS, UNSEEN, hostile
from support.tables import imported, row
from support.tools import missing
from support.view_server import serving
from support.viewer_pages import diff_page, run_page

ENTER, ESCAPE = "\ue007", "\ue00c"


@pytest.fixture(scope="module")
def firefox():
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if found is None:
        missing("firefox is missing: make browser")
    browser = Firefox(found)
    try:
        browser.connect()
        yield browser
    finally:
        browser.close()


@pytest.fixture
def visit(firefox, tmp_path):
    """Open the bytes of a page from disk; at the end there was no error, no dialog and no request but the file."""

    def open_page(page, hash=""):
        file = tmp_path / "page.html"
        file.write_bytes(page)
        firefox.goto("about:blank")
        firefox.goto(f"{file.as_uri()}{hash}")
        firefox.wait("document.documentElement.dataset.ready")
        return firefox

    firefox.faults.clear()
    yield open_page
    assert not firefox.faults


@pytest.fixture
def serve(firefox):
    """Open pages of a server; at the end there was no error, no dialog and no request but to it."""
    served = []

    def open_page(url, path=""):
        served.append(url)
        firefox.goto(f"{url}{path}")
        return firefox

    firefox.faults.clear()
    yield open_page
    ours = tuple(f"request: {url}" for url in served)
    faults = [fault for fault in firefox.faults if not fault.startswith(ours)]
    assert [fault for fault in faults if "/favicon.ico" not in fault] == []  # the browser's own idea, and blocked


def said(tab, text):
    tab.wait(f"document.querySelector('output').textContent === {json.dumps(text)}")


def type_in(tab, text):
    tab.press("/", *text)


def test_a_run_is_filtered_searched_and_reached_by_a_deep_link(visit):
    records = [
        record(f"q{number}", passed=number % 2 == 0, text=f"{'word ' * 200} needle-{number}") for number in range(20)
    ]
    page = run_page(records, plain_limit_bytes=1000)  # compressed, so that this browser must unpack it
    tab = visit(page)
    said(tab, "20 of 20")
    type_in(tab, "NEEDLE-7")
    said(tab, "1 of 20")
    tab = visit(page, "#/?result=fail")
    said(tab, "10 of 20")
    tab.press("j", "j", ENTER)
    tab.wait("document.querySelector('article h1')?.textContent === 'q11'")
    tab = visit(page, "#/example/logic/d/q7/m/0")
    tab.wait("document.querySelector('article h1')?.textContent === 'q7'")
    assert "needle-7" in tab.look("document.querySelector('article').innerText")


def test_a_comparison_is_walked_by_keyboard_its_map_included(visit):
    before = [record(f"q{number}") for number in range(9)]
    after = [record(f"q{number}", passed=number not in {3, 5}, text="no") for number in range(9)]
    tab = visit(diff_page(before, after)[0])
    assert "Failed" in tab.look("document.querySelector('#verdict').textContent")
    tab.press("n", "\ue014", "\ue014", "\ue014", ENTER)  # arrows to the right
    tab.wait("document.querySelector('article h1')?.textContent === 'q3'")
    marked = "[...document.querySelectorAll('article del')].filter((part) => part.checkVisibility())"
    assert tab.look(f"{marked}.map((part) => part.textContent)") == ["yes"]
    tab.press(ESCAPE)
    tab.wait("document.activeElement.matches('.mapframe')")
    assert tab.look("document.querySelector('.mapcursor').textContent") == "logic / q3: regressed"


def test_no_text_does_anything(visit):
    before = [hostile(text, number, answer=text) for number, text in enumerate(TEXTS)]
    after = [hostile(text, number, answer=f"{text} and more") for number, text in enumerate(TEXTS)]
    for page in (run_page(before), diff_page(before, after)[0]):
        tab = visit(page)
        tab.press(ENTER)
        for place in range(1, len(TEXTS) + 1):
            tab.wait(f"document.querySelector('nav .said')?.textContent.startsWith('{place} of ')")
            seen = tab.look(f"({LOOK})()")
            assert seen.get("fired") is None
            assert seen["aliens"] == 0
            assert not UNSEEN.search(seen["text"])
            tab.press("j")


def shows(tab, text):
    tab.wait(f"document.body.innerText.includes({json.dumps(text)})")


def test_answers_are_labelled_on_keys_and_two_runs_are_compared_from_the_home_page(serve, tmp_path):
    rows = [row(f"e{n}", n % 2, output=TEXTS[n % len(TEXTS)]) for n in range(8)]
    for name in ("before", "after"):
        imported(tmp_path, name, rows)
    with serving(tmp_path, person="Zoë") as server:
        tab = serve(server.url)
        shows(tab, "before")
        tab.press("/", *"after")
        tab.wait("[...document.querySelectorAll('tr.run')].filter((row) => row.checkVisibility()).length === 1")
        tab = serve(server.url, "runs/after/label?drawn=random&count=6")
        shows(tab, "0 of 6 labelled")
        tab.press("1", "2", "u", "3", "n", *"why?", ENTER, "p")
        shows(tab, "3 of 6 labelled")
        shows(tab, "all saved")
        tab = serve(server.url, "runs/after/label")
        shows(tab, "Zoë")
        tab = serve(server.url, "diff?baseline=before&candidate=after")
        tab.wait("document.documentElement.dataset.ready")
    labels = latest(read_labels(tmp_path / "after" / LABELS)).values()
    assert sorted(label.verdict for label in labels if label.verdict != "open") == ["pass", "pass", "skip"]


def test_examples_of_traffic_are_reviewed(serve, tmp_path):
    path = tmp_path / "examples.jsonl"
    rows = [
        {"id": f"e{n}", "input": "Q", "review": "pending", "traffic": {"answer": text, "weight": 1}}
        for n, text in enumerate(TEXTS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serving(tmp_path, person="ann", reviews=ReviewFile(path)) as server:
        tab = serve(server.url, "review")
        shows(tab, f"0 of {len(TEXTS)} labelled")
        tab.press("1", "2")
        shows(tab, f"2 of {len(TEXTS)} labelled")
        shows(tab, "all saved")
    assert [json.loads(line)["review"] for line in path.read_text().splitlines()][:3] == [
        "accepted",
        "rejected",
        "pending",
    ]
