"""The home page of `insidellms view`: runs are found, opened and compared, by mouse and by keys."""

import json
import re
import shutil
from pathlib import Path

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.types import Telemetry
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader
from support.command import insidellms, write_files
from support.compared_runs import record
from support.tools import missing
from support.view_server import serving

expect = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright").expect
AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = "<img src=x onerror=alert(1)>"


def experiment(name, model, answer):
    return {
        "name": name,
        "model": {"type": "dummy", "id": model, "args": {"responses": {"Is": answer}}},
        "probe": {"type": "contains", "args": {"any": ["yes"]}},
        "dataset": {"format": "inline", "examples": [{"id": f"e{n}", "question": f"Is {n} even?"} for n in range(6)]},
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    for name, model, answers in (("support", "large", ("no", "yes")), ("search", "small", ("yes", "yes"))):
        for number, answer in enumerate(answers):
            write_files(root, {"e.json": json.dumps(experiment(name, model, answer))})
            assert insidellms("run", "e.json", "--run-dir", f"runs/{name}-{number}", cwd=root).code == 0
    shutil.copytree(root / "runs" / "search-0", root / "runs" / HOSTILE)
    shutil.copytree(root / "runs" / "search-0", root / "runs" / "cut")
    (root / "runs" / "cut" / "records.jsonl").write_bytes(b"")
    return root / "runs"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "runs")


@pytest.fixture
def address(folder):
    with serving(folder, person="ann") as server:
        yield server.url


def shown(tab):
    return [re.sub(r"\s+", " ", row).split(" ")[0] for row in tab.locator("tr.run:visible").all_inner_texts()]


def going(folder, done):
    """Write a run that is under way, of 8 trials."""
    run = folder / "going"
    run.mkdir()
    (run / ".insidellms-run").write_text("")
    journal = Journal(run / "journal.jsonl", JournalHeader(run_id="cd" * 32, trials=8))
    journal.create()
    for index in range(done):
        journal.append_record(index, canonical.line(record(f"e{index}")), Telemetry())
    journal.close()
    return journal


def test_runs_are_listed_by_experiment_with_their_state_and_trend(address, served_tabs):
    tab = served_tabs(address)
    expect(tab.locator("#count")).to_have_text("6 runs")
    expect(tab.locator("tr.run", has_text="cut").locator(".badge")).to_have_text("damaged")
    support = tab.locator("tbody", has=tab.get_by_role("rowheader", name="support 2 runs"))
    expect(support.get_by_role("img")).to_have_accessible_name("Pass rate of support over 2 runs: 0.0% to 100.0%")
    expect(support.locator("tr.run").first).to_contain_text("contains: 6/6 (100.0%), 61–100%")


def test_filters_stand_in_the_address_and_outlast_a_reload(address, served_tabs):
    tab = served_tabs(address)
    tab.get_by_label("Experiment").select_option("support")
    assert shown(tab) == ["support-1", "support-0"]
    tab.get_by_role("searchbox").fill("SUPPORT-1 large")
    assert shown(tab) == ["support-1"]
    expect(tab.locator("#count")).to_have_text("1 of 6 runs")
    assert "experiment=support&q=SUPPORT-1+large" in tab.url
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    assert shown(tab) == ["support-1"]
    tab.get_by_role("searchbox").fill("nowhere")
    expect(tab.locator("#none")).to_be_visible()
    tab.goto(f"{address}?state=damaged&model=small")
    tab.wait_for_selector("html[data-ready]")
    assert shown(tab) == ["cut"]
    tab.keyboard.press("Escape")
    expect(tab.locator("#count")).to_have_text("6 runs")


def test_two_runs_are_compared_in_two_clicks_and_the_verdict_is_remembered(address, served_tabs):
    tab = served_tabs(f"{address}?experiment=support")
    tab.locator("tr.run", has_text="support-1").get_by_text("compare …").click()
    expect(tab.locator(".chosen")).to_contain_text("Baseline support-1")
    assert shown(tab) == ["support-1", "support-0"]  # the filter stays
    tab.locator("tr.run", has_text="support-0").get_by_text("with support-1").click()
    expect(tab).to_have_title(re.compile("support-1 → support-0"))
    tab.goto(address)
    expect(tab.locator("tr.run", has_text="support-0").locator(".compared")).to_have_text("failed against support-1")


def test_all_of_it_works_by_keys(address, served_tabs):
    tab = served_tabs(f"{address}?experiment=support")
    for key in ("j", "c"):
        tab.keyboard.press(key)
    expect(tab.locator(".chosen")).to_contain_text("Baseline support-1")
    tab.wait_for_selector("html[data-ready]")
    for key in ("j", "c"):
        tab.keyboard.press(key)
    expect(tab).to_have_title(re.compile("support-1 → support-0"))
    tab.goto(f"{address}?q=search-0")
    tab.wait_for_selector("html[data-ready]")
    tab.keyboard.press("j")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    expect(tab).to_have_title(re.compile("Run search"))
    tab.goto(f"{address}?q=search-0")
    tab.wait_for_selector("html[data-ready]")
    for key in ("j", "l"):
        tab.keyboard.press(key)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Label answers of search-0")
    tab.goto(address)
    tab.wait_for_selector("html[data-ready]")
    tab.keyboard.press("/")
    tab.keyboard.type("jc?")  # typed, and no keys
    expect(tab.get_by_role("searchbox")).to_have_value("jc?")


def test_a_run_that_appears_is_there_on_reload_and_one_under_way_goes_on_by_itself(folder, address, served_tabs):
    tab = served_tabs(address)
    journal = going(folder, 3)
    tab.reload()
    tab.get_by_text("3 of 8 trials").wait_for()
    tab.get_by_role("searchbox").fill("i")
    journal.resume()
    journal.append_record(3, canonical.line(record("e3")), Telemetry())
    journal.close()
    tab.get_by_role("searchbox").fill("")
    tab.get_by_text("4 of 8 trials").wait_for()
    expect(tab.get_by_role("searchbox")).to_be_focused()


def test_names_of_hostile_runs_are_text(address, served_tabs):
    tab = served_tabs(address)
    expect(tab.get_by_role("link", name=HOSTILE)).to_be_visible()
    assert tab.locator("img").count() == 0
    tab.get_by_role("link", name=HOSTILE).click()
    expect(tab).to_have_title(re.compile("Run search"))


def test_an_empty_folder_says_what_to_do(tmp_path, served_tabs):
    with serving(tmp_path) as server:
        tab = served_tabs(server.url)
        expect(tab.get_by_role("main")).to_contain_text("insidellms run experiment.yaml")


def test_on_a_narrow_screen_each_number_says_what_it_is(address, served_tabs):
    tab = served_tabs(address, viewport={"width": 390, "height": 844})
    before = "cell => getComputedStyle(cell, '::before').content"
    for kind, label in (("answered", "answered "), ("cost", "cost "), ("compared", "compared: ")):
        assert json.loads(tab.locator(f"tr.run td.{kind}").first.evaluate(before)) == label
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(scheme, address, served_tabs):
    if not AXE.exists():
        missing("axe-core is missing: npm ci in viewer/")
    found = []
    for width in (1280, 390):
        for place in (
            "",
            "?baseline=support-0",
            "runs/support-0/label",
            "runs/support-0/label?show=verdict&show=expected",
        ):
            tab = served_tabs(
                address + place, bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 800}
            )
            tab.add_script_tag(path=AXE)
            report = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found += [
                f"{place}: {one['id']}: {[node['target'] for node in one['nodes'][:3]]}" for one in report["violations"]
            ]
    assert not found
