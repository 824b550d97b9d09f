"""What a model may answer to harm whoever opens the page does nothing, in a real browser; and no one is shut out."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from insideLLMs.core.types import Message, Scores
from support.compared_runs import record
from support.hostile_pages import CANARY, LOOK, TEXTS, UNSEEN, hostile
from support.tools import missing
from support.viewer_pages import MANIFEST, diff_page, run_page

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def records():
    return [hostile(text, number, answer=text) for number, text in enumerate(TEXTS)]


def check(tab):
    """What the page shows right now is text alone; returns which example that is."""
    seen = tab.evaluate(LOOK)
    assert seen["fired"] is None
    assert seen["aliens"] == 0
    assert not UNSEEN.search(seen["text"])
    return seen["place"]


def walk(tab, steps):
    tab.keyboard.press("Enter")
    for place in range(1, steps + 1):
        tab.locator("nav .said", has_text=re.compile(f"^{place} of ")).wait_for()
        assert check(tab).startswith(f"{place} of ")
        tab.keyboard.press("j")


def test_no_text_of_a_run_does_anything(records, visit):
    manifest = {**MANIFEST, "name": CANARY[3], "models": [{"id": "m", "system": CANARY[0]}]}
    tab = visit(run_page(records, manifest=manifest))
    check(tab)
    walk(tab, len(records))


def test_no_text_of_a_comparison_does_anything(records, visit):
    after = [hostile(text, number, answer=f"{text} and more") for number, text in enumerate(TEXTS)]
    tab = visit(diff_page(records, after)[0])
    check(tab)
    walk(tab, len(records))


def test_invisible_signs_are_spelt_out_and_marked(visit):
    tab = visit(run_page([record("e", text="safe\u202etxt.exe \x1b[31mred")]), "#/example/logic/d/e/m/0")
    answer = tab.get_by_role("group", name="Answer", exact=True)
    expect(answer).to_have_text("safe\\u202etxt.exe \\x1b[31mred")
    expect(answer.locator(".escape")).to_have_text(["\\u202e", "\\x1b"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(scheme, browser, tmp_path):
    if not AXE.exists():
        missing("axe-core is missing: npm ci in viewer/")
    before = [record(f"q{number}", repeat=repeat) for number in range(9) for repeat in range(2)]
    after = [
        record(
            f"q{number}", repeat=repeat, passed=number > 3, text="no", status="timeout" if number == 8 else "success"
        )
        for number in range(9)
        for repeat in range(2)
    ]
    chat = record("chat", prompt=(Message(role="system", content="s"), Message(role="user", content="u")), probe="tone")
    subjects = [record(f"q{number}", model=name, passed=name == "m") for number in range(9) for name in ("m", "n")]
    several = {**MANIFEST, "models": [{"id": "m"}, {"id": "n"}]}
    pages = {"run": run_page([*after, chat]), "diff": diff_page(before, after)[0]}
    pages["subjects"] = run_page(subjects, manifest=several)
    # axe is put in by the test, which the page's own policy would forbid
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    tab = context.new_page()
    found = []
    for name, page in pages.items():
        file = tmp_path / f"{name}.html"
        file.write_bytes(page)
        for place in ("", "#/example/logic/d/q1/m/0"):
            tab.goto("about:blank")
            tab.goto(f"{file.as_uri()}{place}")
            tab.wait_for_selector("html[data-ready]")
            if place:
                tab.wait_for_selector("article h1")
            tab.add_script_tag(path=AXE)
            if tab.get_by_role("listbox").is_visible():
                tab.get_by_role("listbox").focus()
            report = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found += [
                f"{name}{place}: {item['id']} ({item['impact']}): {[node['target'] for node in item['nodes'][:3]]}"
                for item in report["violations"]
            ]
    context.close()
    assert not found


def test_scores_named_like_parts_of_objects_are_only_names(visit):
    odd = record("e", values={"__proto__": 0.5, "constructor": 0.25})
    assert isinstance(odd.scores, Scores)
    tab = visit(run_page([odd]), "#/example/logic/d/e/m/0")
    expect(tab.locator("article")).to_contain_text("constructor")
