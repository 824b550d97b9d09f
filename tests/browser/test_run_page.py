"""The page of a run, in a real browser: look, filter, search, sort, walk by keyboard, follow links."""

import io
import re

import msgspec
import pytest
from playwright.sync_api import expect

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.compare.one_run.verdict import Condition, RunVerdict
from insideLLMs.core import canonical
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.types import Message, Request, Response, Scores, SinceMark, ToolCall, Usage, expand
from insideLLMs.report.viewer.run_page import Measured, write_run_page
from support.compared_runs import record
from support.viewer_pages import MANIFEST, run_page


@pytest.fixture(scope="module")
def page():
    long = "a long way to say so " * 20
    records = [
        record(
            f"q{number:03}",
            probe=("logic", "tone")[number % 2],
            passed=number % 3 != 0,
            status="timeout" if number == 5 else "success",
            response=Response(
                text=f"{long} needle-{number}", finish_reason="stop", usage=Usage(output_tokens=number * 7 % 100)
            ),
            repeat=repeat,
            label=f"label{number % 4}",
        )
        for number in range(60)
        for repeat in range(2)
    ]
    return run_page(records, plain_limit_bytes=1000)


def rows(tab):
    return tab.locator(".trials .body .row")


def said(tab):
    return tab.locator("output")


def test_results_show_rates_with_their_denominators_and_an_interval(page, visit):
    tab = visit(page)
    table = tab.get_by_role("group", name="Results", exact=True)
    expect(table).to_contain_text("40/60 (66.7%)")
    expect(table).to_contain_text("2 timeout of 60")
    expect(table.get_by_role("img", name=re.compile("passed: .*95% interval"))).to_have_count(2)


def test_the_verdict_on_a_run_stands_on_top_of_its_page(visit):
    reason = "logic · m: the pass rate 0.0% is below the 90.0% wanted <b>"
    condition = Condition(
        setting="min_pass_rate", probe="logic", model="m", limit=0.9, state="failed", severity="critical", reason=reason
    )
    verdict = RunVerdict(state="failed", exit_code=3, reasons=(reason,), conditions=(condition,))
    tab = visit(run_page([record(passed=False)], verdict=verdict))
    expect(tab.get_by_role("region").first).to_contain_text("Failed gate: 1 of 1 conditions not met")
    expect(tab.get_by_role("region").first.get_by_role("listitem")).to_have_text(reason)


def test_reused_answers_are_marked_in_their_rows_and_can_be_chosen(visit):
    marks = {"a": SinceMark(answer="reused", run="ab" * 32), "b": SinceMark(answer="canary")}
    marked = [record(name, since=mark) for name, mark in marks.items()]
    tab = visit(run_page([*marked, record("c")]))
    for place, word in enumerate(("reused", "asked again", "new")):
        expect(rows(tab).nth(place)).to_contain_text(word)
    tab.get_by_label("Asked").select_option("reused")
    expect(rows(tab)).to_have_count(1)
    rows(tab).first.click()
    expect(tab.locator("dl").filter(has_text="Asked")).to_contain_text("reused")


def test_a_run_that_asked_everything_says_nothing_of_reuse(visit):
    tab = visit(run_page([record("a")]))
    expect(tab.get_by_label("Asked")).to_have_count(0)
    expect(tab.get_by_role("columnheader", name="Asked")).to_have_count(0)


def test_the_checks_of_an_answer_are_a_table_with_a_column_of_reasons_if_there_are_any(visit):
    for why, heads in (("rude <i>", "CheckPassedWhy"), ("", "CheckPassed")):
        checks = [{"check": name, "passed": name == "facts", "why": why} for name in ("facts", "tone")]
        scores = Scores(values={}, passed=False, details={"checks": checks})
        tab = visit(run_page([msgspec.structs.replace(record("q"), scores=scores)]))
        rows(tab).first.click()
        expect(tab.locator("table.small tr")).to_have_text([heads, f"factspass{why}", f"tonefail{why}"])


def test_filters_narrow_the_list_and_make_a_link(page, visit):
    tab = visit(page)
    expect(said(tab)).to_have_text("120 of 120")
    tab.get_by_label("Result", exact=True).select_option("fail")
    expect(said(tab)).to_have_text("40 of 120")
    tab.get_by_label("Probe", exact=True).select_option("tone")
    expect(said(tab)).to_have_text("20 of 120")
    again = visit(page, tab.evaluate("location.hash"))
    expect(said(again)).to_have_text("20 of 120")
    expect(again.get_by_label("Result", exact=True)).to_have_value("fail")
    again.get_by_role("button", name="Clear filters").click()
    expect(said(again)).to_have_text("120 of 120")


def test_the_search_finds_text_far_inside_an_answer(page, visit):
    tab = visit(page)
    tab.get_by_role("searchbox").fill("NEEDLE-17")
    expect(said(tab)).to_have_text("2 of 120")
    expect(rows(tab)).to_have_count(2)
    expect(rows(tab).first).to_contain_text("q017")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tokens>90", "12 of 120"), ("tokens>90 tokens<=95", "6 of 120"), ("TOKENS>=91 needle-13", "2 of 120"),
        ("correct=0", "40 of 120"), ("correct!=0", "78 of 120"), ("repeat=1 /needle-(17|18)$/", "2 of 120"),
        ("tokens>1e9", "0 of 120"), ("latency<1", "0 of 120 · no measure is called latency; there are"),
    ],
)  # fmt: skip
def test_conditions_on_measures_stand_in_the_search_beside_words(query, found, page, visit):
    tab = visit(page)
    tab.get_by_role("searchbox").fill(query)
    begins = re.compile(f"^{re.escape(found)}")
    expect(said(tab)).to_have_text(begins)
    again = visit(page, tab.evaluate("location.hash"))
    expect(again.get_by_role("searchbox")).to_have_value(query)
    expect(said(again)).to_have_text(begins)


def titles(tab):
    return [title.strip() for title in tab.locator(".trials [role=columnheader]").all_inner_texts()]


def test_columns_are_chosen_and_the_choice_is_a_link(page, visit):
    tab = visit(page)
    assert titles(tab) == ["Result", "Example", "Probe", "Rep.", "Prompt", "Answer", "Label", "Tokens"]
    tab.get_by_text("Columns", exact=True).click()
    tab.get_by_label("Prompt", exact=True).uncheck()
    tab.get_by_label("Label", exact=True).uncheck()
    tab.keyboard.press("Escape")
    expect(tab.get_by_label("Label", exact=True)).to_be_hidden()
    shown = ["Result", "Example", "Probe", "Rep.", "Answer", "Tokens"]
    assert titles(tab) == shown
    again = visit(page, tab.evaluate("location.hash"))
    assert titles(again) == shown


def test_columns_give_way_where_there_is_no_room_for_them(visit):
    many = {f"score{number:02}": number / 20 for number in range(20)}
    records = [record(f"q{number}", model=model, values=many) for number in range(3) for model in ("a", "b")]
    tab = visit(run_page(records, plain_limit_bytes=1000), viewport={"width": 800, "height": 700})
    assert {"Result", "Example", "Model", "Answer"} <= set(titles(tab))
    assert "score07" not in titles(tab)
    edges = "[...document.querySelectorAll('.trials .cell')].map((cell) => cell.getBoundingClientRect().right)"
    assert max(tab.evaluate(edges)) <= 800
    tab.get_by_text("Columns", exact=True).click()
    tab.get_by_label("score07", exact=True).check()
    assert "score07" in titles(tab)


def test_a_printed_list_fits_the_paper(visit):
    many = {f"score{number:02}": number / 20 for number in range(2)}
    tab = visit(run_page([record(f"q{number}", model=model, values=many) for number in range(60) for model in "ab"]))
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 718, "height": 1000})
    tab.evaluate("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('resize'))")
    edges = "[...document.querySelectorAll('.trials .cell')].map((cell) => cell.getBoundingClientRect().right)"
    assert len(tab.evaluate(edges)) > 4 * 120
    assert max(tab.evaluate(edges)) <= 718
    assert {"Result", "Example", "Model", "Answer"} <= set(titles(tab))


def test_a_pattern_between_slashes_is_a_pattern_and_a_broken_one_says_so(page, visit):
    tab = visit(page)
    tab.get_by_role("searchbox").fill("/needle-(17|18)$/")
    expect(said(tab)).to_have_text("4 of 120")
    tab.get_by_role("searchbox").fill("/needle-(17/")
    expect(said(tab)).to_contain_text("0 of 120 · Invalid regular expression")


def test_a_search_without_a_match_says_so(page, visit):
    tab = visit(page, "#/?q=nowhere")
    expect(said(tab)).to_have_text("0 of 120")
    expect(tab.get_by_text("Nothing matches these filters.")).to_be_visible()


def test_a_column_sorts_both_ways_and_then_not(page, visit):
    tab = visit(page)
    column = tab.get_by_role("columnheader", name="Example", exact=True)
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "ascending")
    expect(rows(tab).first).to_contain_text("q000")
    column.get_by_role("button").click()
    expect(rows(tab).first).to_contain_text("q059")
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "none")


def test_the_keyboard_walks_opens_and_returns(page, visit):
    tab = visit(page)
    for key in ("j", "j", "k", "j", "Enter"):
        tab.keyboard.press(key)
    heading = tab.get_by_role("heading", level=1)
    expect(heading).to_have_text("q000")
    expect(tab.locator("nav")).to_contain_text("2 of 120")
    expect(heading).to_be_focused()
    tab.keyboard.press("j")
    expect(heading).to_have_text("q002")
    tab.keyboard.press("Escape")
    expect(tab.locator(".row.current")).to_contain_text("q002")
    expect(tab.locator(".row.current a")).to_be_focused()
    tab.keyboard.press("/")
    expect(tab.get_by_role("searchbox")).to_be_focused()
    tab.keyboard.type("j/k?")
    expect(tab.get_by_role("searchbox")).to_have_value("j/k?")
    tab.keyboard.press("Escape")
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()


def test_an_example_shows_the_messages_that_were_sent(visit):
    chat = (Message(role="system", content="Be kind."), Message(role="user", content="Say: hello"))
    item = msgspec.structs.replace(record("q"), request=Request(messages=chat))
    tab = visit(run_page([item]), "#/example/logic/d/q/m/0")
    expect(tab.get_by_role("group", name="system message")).to_have_text("Be kind.")
    expect(tab.get_by_role("group", name="user message")).to_have_text("Say: hello")


def test_a_record_of_the_first_format_shows_the_system_prompt_of_its_manifest(visit):
    manifest = {**MANIFEST, "models": [{"id": "m", "system": "Be kind."}]}
    tab = visit(run_page([record("q")], manifest=manifest), "#/example/logic/d/q/m/0")
    expect(tab.get_by_role("group", name="system message")).to_have_text("Be kind.")
    expect(tab.get_by_role("group", name="user message")).to_have_text("question q")


def test_a_deep_link_opens_an_example_with_all_there_is_to_know(page, visit):
    tab = visit(page, "#/example/logic/d/q008/m/1")
    expect(tab.get_by_role("heading", level=1)).to_have_text("q008")
    expect(tab.get_by_role("group", name="Prompt")).to_have_text("question q008")
    expect(tab.get_by_role("group", name="Answer")).to_contain_text("needle-8")
    expect(tab.locator("article")).to_contain_text("label0")
    expect(tab.locator("article")).to_contain_text("56 output tokens")
    tab.get_by_role("link", name="m, repeat 0").click()
    expect(tab).to_have_url(re.compile(r"#/example/logic/d/q008/m/0$"))
    tab.go_back()
    expect(tab).to_have_url(re.compile(r"q008/m/1$"))


def test_an_unknown_deep_link_says_so(page, visit):
    tab = visit(page, "#/example/logic/d/nowhere/m/0")
    expect(tab.get_by_role("heading", level=1)).to_have_text("No such example")


def test_a_failure_shows_its_reason(page, visit):
    tab = visit(page, "#/example/tone/d/q005/m/0")
    expect(tab.locator("article")).to_contain_text("ServerError")
    expect(tab.locator("article")).to_contain_text("boom")


def timed(records, **facts):
    """Return lines of telemetry for records: 100 ms, 200 ms and so on."""
    names = ("probe", "dataset", "example_id", "model", "repeat")
    told = ({name: getattr(item, name) for name in names} for item in records)
    return [
        TelemetryLine(**names, **{"status": "success", "latency_ms": 100.0 * place, "attempts": 1, **facts})
        for place, names in enumerate(told, 1)
    ]


def test_latency_tokens_and_cost_are_plotted_and_sorted_where_the_page_has_them(visit):
    records = [
        record(f"q{number}", response=Response(text="yes", usage=Usage(input_tokens=10, output_tokens=number)))
        for number in range(5)
    ]
    priced = {"m": lambda usage: usage.output_tokens / 1000}
    tab = visit(run_page(records, measured=Measured(telemetry=timed(records), prices=priced, price_source="table 7")))
    for name in (
        "Latency of m: 5 answers, median 300 ms, 95% within 500 ms, most 500 ms",
        "Output tokens of m: 5 answers, median 2, 95% within 4, most 4, together 10",
        "Cost of m: 5 answers, median $0.002, 95% within $0.004, most $0.004, together $0.01",
    ):
        expect(tab.get_by_role("img", name=name)).to_be_visible()
    expect(tab.get_by_text("Prices: table 7.")).to_be_visible()
    for title, first in (("Latency", "500 ms"), ("Cost", "$0.004")):
        column = tab.get_by_role("columnheader", name=title, exact=True).last
        column.get_by_role("button").click()
        column.get_by_role("button").click()
        expect(rows(tab).first).to_contain_text("q4")
        expect(rows(tab).first).to_contain_text(first)
    rows(tab).first.get_by_role("link").click()
    expect(tab.locator("article .facts").first).to_contain_text("$0.004")


def test_a_page_whose_prices_nobody_knows_says_so(visit):
    records = [record("q")]
    tab = visit(run_page(records, measured=Measured(telemetry=timed(records), prices={"m": None})))
    expect(tab.get_by_text("Some prices are not known here")).to_be_visible()
    expect(tab.get_by_role("columnheader", name="Cost")).to_have_count(0)


def test_the_theme_goes_from_auto_to_light_to_dark_and_is_remembered(page, visit):
    tab = visit(page, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(background)
    tab.keyboard.press("t")
    tab.keyboard.press("t")
    expect(tab.locator("html")).to_have_attribute("data-theme", "dark")
    assert tab.evaluate(background) != light
    tab.reload()
    expect(tab.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_phone_shows_cards_and_never_scrolls_sideways(page, visit):
    tab = visit(page, viewport={"width": 360, "height": 740}, has_touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    rows(tab).first.tap()
    expect(tab.get_by_role("heading", level=1)).to_have_text("q000")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_paper_gets_the_results_and_the_rows_but_no_buttons(page, visit):
    tab = visit(page)
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(rows(tab)).to_have_count(120)
    expect(tab.get_by_role("searchbox")).to_be_hidden()
    expect(tab.get_by_role("button", name="Theme")).to_be_hidden()


def test_a_file_that_was_cut_short_says_so(page, visit):
    whole = run_page([record(f"e{n}", text="word " * 30_000) for n in range(9)], manifest=MANIFEST)
    cut = whole[: whole.rindex(b'<script type="application/')]
    tab = visit(cut, "#/example/logic/d/e8/m/0")
    expect(tab.get_by_role("alert")).to_contain_text("cut short")


def test_a_hundred_thousand_examples_keep_few_elements_and_reach_the_end(visit):
    line = canonical.line(record("q000000", text="the answer is 000000"))
    lines = [line.replace(b"000000", f"{number:06}".encode()) for number in range(100_000)]
    out = io.BytesIO()
    summary = expand(summarise([line], run_id="ab" * 32))
    write_run_page(out, manifest=MANIFEST, summary=summary, records=lambda: lines)
    tab = visit(out.getvalue())
    expect(said(tab)).to_have_text("100,000 of 100,000")
    assert rows(tab).count() < 60
    tab.keyboard.press("End")
    expect(rows(tab).last).to_contain_text("q099999")
    assert rows(tab).count() < 60
    tab.get_by_role("searchbox").fill("is 077777")
    expect(said(tab)).to_have_text("1 of 100,000")


def test_a_judges_agreement_with_people_and_what_is_doubtful_of_it_are_shown(visit):
    records = [record(f"q{number:02}", values={"agrees": float(number % 5 > 0)}) for number in range(60)]
    judged = [
        msgspec.structs.replace(one, scores=msgspec.structs.replace(one.scores, passed=number % 2 == 0))
        for number, one in enumerate(records)
    ]
    tab = visit(run_page(judged))
    table = tab.get_by_role("group", name="Results", exact=True)
    expect(table).to_contain_text("judge against people: kappa")
    expect(table.get_by_role("img", name=re.compile("people: sensitivity: .*95% interval"))).to_have_count(1)
    expect(tab.get_by_text("treat its verdicts as advice")).to_have_count(0)
    doubtful = [
        msgspec.structs.replace(one, scores=msgspec.structs.replace(one.scores, passed=True)) for one in records
    ]
    expect(visit(run_page(doubtful)).get_by_text("treat its verdicts as advice")).to_be_visible()


def test_the_transcript_of_an_agent_is_shown_whole_and_as_text(visit):
    call = ToolCall(name="<b>find</b>", arguments={"id": "<img src=x>"}, id="1")
    turns = (
        Message(role="assistant", content="One moment.", tool_calls=(call,)),
        Message(role="tool", content="<script>alert(1)</script>", tool_call_id="1"),
        Message(role="assistant", content="It is here."),
    )
    item = record("q", response=Response(text="It is here.", trajectory=turns))
    tab = visit(run_page([item]), "#/example/logic/d/q/m/0")
    expect(tab.get_by_text("Transcript: 3 messages, 1 tool call")).to_be_visible()
    expect(tab.get_by_role("group", name="tool message")).to_have_text("<script>alert(1)</script>")
    expect(tab.get_by_role("group", name="Arguments of <b>find</b>")).to_contain_text("<img src=x>")
    assert tab.locator("article img, article script, article b").count() == 0


def test_the_parts_of_an_answer_are_shown_short_ones_at_once(visit):
    kept = {"route": "billing", "sources": [{"title": "Returns <b>"}], "note": "one\n" * 40}
    usage = Usage(output_tokens=7, cost_usd=0.0125)
    tab = visit(run_page([record("q", response=Response(text="yes", kept=kept, usage=usage))]))
    tab.locator(".trials .body .row").first.click()
    expect(tab.get_by_text("billing")).to_be_visible()
    tab.get_by_text("Part sources").click()
    expect(tab.get_by_role("group", name="Part sources")).to_contain_text("Returns <b>")
    expect(tab.get_by_text("7 output tokens, $0.0125")).to_be_visible()
