"""The page of a comparison, in a real browser: verdict, map, transitions, and answers side by side."""

import json
import re

import msgspec
import pytest
from playwright.sync_api import expect

from insideLLMs.core.types import Message, Request, Response, ToolCall, Usage
from support.compared_runs import record
from support.viewer_pages import diff_page


def answer(year):
    return json.dumps({"tags": ["a", "b"], "year": year, "name": "Ada"})


@pytest.fixture(scope="module")
def page():
    before, after = [], []
    for number in range(40):
        for repeat in range(2):
            flips = number % 5 == 0
            before.append(record(f"q{number:02}", text="The answer is yes, of course.", repeat=repeat))
            text = "The answer is no, of course." if flips else "The answer is yes, of course."
            after.append(record(f"q{number:02}", text=text, passed=not (flips and repeat == 0), repeat=repeat))
    before.append(record("json", probe="extract", text=answer(1815)))
    after.append(record("json", probe="extract", text=answer(1852), passed=False))
    before.append(record("edited", probe="extract", prompt="the old question"))
    after.append(record("edited", probe="extract", prompt="the new question"))
    after.append(record("fresh", probe="extract"))
    return diff_page(before, after)[0]


def rows(tab):
    return tab.locator(".trials .body .row")


def test_the_page_begins_with_what_changed_in_the_experiment(visit):
    change = "prompt 'v1': system 'Be [-nice-]{+kind <b>+}.'"
    page = diff_page([record("q")], [record("q", text="yes!")], experiment_changes=(change,))[0]
    tab = visit(page)
    causes = tab.get_by_role("region").first
    expect(causes.get_by_role("heading")).to_have_text("What changed")
    expect(causes.locator("del")).to_have_text("nice")
    expect(causes.locator("ins")).to_have_text("kind <b>")


def test_the_verdict_stands_on_top_with_its_reasons(page, visit):
    tab = visit(page)
    expect(tab.get_by_role("region", name=re.compile("Failed"))).to_contain_text("regressed")
    tab.get_by_text("Look at these first").click()
    tab.get_by_role("link", name="extract / json").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("json")


def test_a_p_value_is_written_as_the_terminal_writes_it_and_the_way_to_its_cause_is_named(visit):
    names = [f"q{number:02}" for number in range(30)]
    fallen = [record(name, text="The answer is no.", passed=False) for name in names]
    tab = visit(diff_page([record(name) for name in names], fallen, assessed=True)[0])
    expect(tab.get_by_role("group", name="Changes by probe")).to_contain_text("<0.0001")
    verdict = tab.get_by_role("region", name=re.compile("Failed"))
    expect(verdict).to_contain_text("p < 0.0001 against")
    expect(verdict).to_contain_text("Who did it? insidellms blame ")
    assert not re.search(r"\de-\d", tab.inner_text("main"))


def test_the_list_begins_with_the_worst_and_hides_what_did_not_change(page, visit):
    tab = visit(page)
    expect(rows(tab).first).to_contain_text("regressed")
    expect(tab.locator("output")).to_have_text("19 of 83")
    tab.get_by_label("Class", exact=True).select_option("all")
    expect(tab.locator("output")).to_have_text("83 of 83")


def test_the_map_has_a_square_per_example_and_opens_the_one_clicked(page, visit):
    tab = visit(page)
    squares = tab.get_by_role("listbox", name=re.compile("^Map of 43 examples: 9 regressed"))
    squares.click(position={"x": 4, "y": 4})
    expect(tab.get_by_role("heading", level=1)).to_have_text("edited")


def test_the_map_is_walked_by_keyboard_and_says_where_one_stands(page, visit):
    tab = visit(page)
    squares = tab.get_by_role("listbox")
    here = squares.get_by_role("option")
    expect(here).to_have_count(0)
    tab.keyboard.press("n")
    expect(squares).to_be_focused()
    expect(here).to_have_text("extract / edited: edited")
    expect(here).to_have_attribute("aria-posinset", "1")
    expect(here).to_have_attribute("aria-setsize", "43")
    expect(tab.locator(".maptip")).to_have_text("extract / edited: edited")
    for key, name in (
        ("ArrowRight", "extract / fresh: new"), ("n", "extract / json: regressed"), ("n", "logic / q00: regressed"),
        ("n", "logic / q05: regressed"), ("p", "logic / q00: regressed"), ("End", "logic / q39: unchanged"),
        ("ArrowRight", "logic / q39: unchanged"), ("ArrowUp", "logic / q39: unchanged"),
        ("Home", "extract / edited: edited"),
    ):  # fmt: skip
        tab.keyboard.press(key)
        expect(here).to_have_text(name)
        assert squares.get_attribute("aria-activedescendant") == here.get_attribute("id")
    tab.keyboard.press("n")
    tab.keyboard.press("n")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("json")
    tab.keyboard.press("Escape")
    expect(squares).to_be_focused()
    expect(here).to_have_text("extract / json: regressed")
    tab.keyboard.press("Tab")
    expect(here).to_have_count(0)


def test_arrows_go_up_and_down_a_map_of_many_rows_and_keep_the_square_in_view(visit):
    before = [record(f"q{number:04}") for number in range(4_000)]
    tab = visit(diff_page(before, [record("q0000", passed=False), *before[1:]])[0])
    squares = tab.get_by_role("listbox")
    here = squares.get_by_role("option")
    squares.focus()
    tab.keyboard.press("ArrowDown")
    across = int(here.get_attribute("aria-posinset")) - 1
    assert across > 10
    tab.keyboard.press("PageDown")
    expect(here).to_have_attribute("aria-posinset", str(11 * across + 1))
    tab.keyboard.press("ArrowUp")
    expect(here).to_have_attribute("aria-posinset", str(10 * across + 1))
    tab.keyboard.press("End")
    expect(here).to_have_attribute("aria-posinset", "4000")
    assert tab.evaluate(
        """() => {
        const box = (name) => document.querySelector(name).getBoundingClientRect();
        const [a, b] = [box(".mapframe"), box(".mapcursor")];
        return b.top >= a.top - 1 && b.bottom <= a.bottom + 1; }"""
    )


def test_the_transition_table_counts_examples_and_filters(page, visit):
    tab = visit(page)
    tab.get_by_role("link", name="8: stable pass → flaky").click()
    expect(tab.locator("output")).to_have_text("16 of 83")


def test_words_that_changed_are_marked_side_by_side_and_inline(page, visit):
    tab = visit(page, "#/example/logic/d/q00/m/0")
    before = tab.get_by_role("group", name="Answer of the baseline")
    after = tab.get_by_role("group", name="Answer of the candidate")
    expect(before.locator("del")).to_have_text(["yes"])
    expect(after.locator("ins")).to_have_text(["no"])
    tab.get_by_role("button", name="Show inline").click()
    expect(tab.get_by_role("group", name="Both answers in one")).to_have_text("The answer is yesno, of course.")


def test_neighbouring_words_that_changed_are_marked_as_one(visit):
    before, after = record(text="it saw a red car pass by"), record(text="it saw a blue bus pass by", passed=False)
    tab = visit(diff_page([before], [after])[0], "#/example/logic/d/e1/m/0")
    expect(tab.locator("article del:visible")).to_have_text(["red car"])
    expect(tab.locator("article ins:visible")).to_have_text(["blue bus"])


def test_scores_and_tokens_are_searched_before_after_and_by_how_much_they_moved(visit):
    def scored(name, score, tokens):
        answer = Response(text=f"{name} {tokens}", usage=Usage(output_tokens=tokens))
        return record(name, values={"f1": score}, response=answer)

    before = [scored("fell", 0.9, 10), scored("rose", 0.2, 10), scored("same", 0.5, 10)]
    after = [scored("fell", 0.4, 90), scored("rose", 0.3, 12), scored("same", 0.5, 10), scored("new", 0.1, 5)]
    tab = visit(diff_page(before, after)[0], "#/?kind=all")
    for query, names in (
        ("f1.change<0", ["fell"]), ("f1.change>0", ["rose"]), ("f1.before>=.5", ["fell", "same"]),
        ("f1<0.45", ["fell", "new", "rose"]), ("tokens.change>50", ["fell"]), ("tokens=10", ["same"]),
    ):  # fmt: skip
        tab.get_by_role("searchbox").fill(query)
        expect(tab.locator("output")).to_have_text(f"{len(names)} of 4")
        expect(rows(tab).locator(".id")).to_have_text(names)
    tab.get_by_role("searchbox").fill("")  # what was typed counts, though the focus moves on at once
    tab.get_by_text("Columns", exact=True).click()
    tab.get_by_label("± f1", exact=True).check()
    tab.keyboard.press("Escape")
    header = tab.get_by_role("columnheader", name="± f1")
    header.get_by_role("button").click()
    expect(rows(tab).first).to_contain_text("−0.5")
    expect(rows(tab).nth(1)).to_contain_text("0")


def test_each_pair_of_models_has_its_effect(visit):
    def runs(worse):
        return [
            record(f"q{n}", model=model, passed=n >= worse or model == "b") for n in range(9) for model in ("a", "b")
        ]

    tab = visit(diff_page(runs(0), runs(6), assessed=True)[0])
    table = tab.get_by_role("group", name="Changes by probe")
    expect(table.get_by_role("row").nth(1)).to_contain_text("−66.7 pt [")
    expect(table.get_by_role("row").nth(2)).to_contain_text("±0 pt")


def test_a_comparison_without_a_change_says_where_the_rest_is(visit):
    tab = visit(diff_page([record()], [record()])[0])
    expect(tab.get_by_text("Nothing changed.")).to_be_visible()


def test_json_answers_are_compared_as_values(page, visit):
    tab = visit(page, "#/example/extract/d/json/m/0")
    expect(tab.locator("article")).to_contain_text("differs at 1 path")
    expect(tab.locator(".paths")).to_contain_text("$.year")
    expect(tab.locator("article del:visible")).to_have_text(["1815"])


def test_tool_calls_are_compared_and_their_ids_are_not(visit):
    def calling(city, number):
        return Response(tool_calls=(ToolCall(name="weather", arguments={"city": city}, id=number),))

    before = [record("moved", response=calling("Rome", "1")), record("same", response=calling("Rome", "1"))]
    after = [record("moved", response=calling("Oslo", "2")), record("same", response=calling("Rome", "2"))]
    page = diff_page(before, after)[0]
    tab = visit(page, "#/example/logic/d/moved/m/0")
    changed = tab.get_by_role("group", name="Arguments of weather in step 1 of the candidate")
    expect(changed.locator("ins")).to_have_text(["Oslo"])
    same = visit(page, "#/example/logic/d/same/m/0")
    expect(same.locator("article")).to_contain_text("weather")
    expect(same.get_by_text("Steps that differ")).to_have_count(0)


def agent(*calls, gave="ok"):
    """Return what an agent answers that made these calls, with hostile content in what the tools gave."""
    turns = [Message(role="user", content="Refund order 7.")]
    for number, (name, arguments) in enumerate(calls):
        call = ToolCall(name=name, arguments=arguments, id=str(number))
        turns += [
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content=gave, tool_call_id=call.id),
        ]
    return Response(text="Done.", trajectory=(*turns, Message(role="assistant", content="Done.")))


LOOKUP, REFUND = ("lookup", {"order": 7}), ("refund", {"order": 7, "amount": 20})
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202e</pre>"


def test_the_steps_of_two_agents_stand_beside_each_other_and_say_what_changed(visit):
    before = record("a", response=agent(LOOKUP, REFUND, gave=HOSTILE))
    after = record(
        "a", response=agent(("refund", {"order": 7, "amount": 200}), ("mail", {"to": HOSTILE}), gave=HOSTILE)
    )
    tab = visit(diff_page([before], [after])[0], "#/example/logic/d/a/m/0")
    steps = tab.get_by_role("region", name="Steps that differ")
    told = ["no longer calls `lookup`", "now calls `mail` (step 2)", "step 1, `refund`: argument `amount` 20 -> 200"]
    expect(steps.locator(".told li")).to_have_text(told)
    expect(steps.locator(".pair.moved")).to_have_count(3)
    expect(steps.get_by_text("the candidate has no such step")).to_be_visible()
    expect(
        steps.get_by_role("group", name="Arguments of refund in step 2 of the baseline").locator("del")
    ).to_have_text(["20"])
    mail = steps.get_by_role("group", name=re.compile("^Arguments of mail in step 2 of the candidate"))
    expect(mail).to_contain_text("<img src=x onerror=alert(1)>")
    mail.focus()  # a block that scrolls is reached by keyboard
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Arguments of mail")
    assert tab.locator("article img, article script").count() == 0


def test_the_transcripts_of_both_sides_are_there_in_full(visit):
    before, after = (record("a", response=agent(LOOKUP, gave=gave)) for gave in ("new", "old"))
    tab = visit(diff_page([before], [after])[0], "#/example/logic/d/a/m/0")
    expect(tab.locator(".told li")).to_have_text(["step 1: `lookup` gave something else"])
    transcripts = tab.get_by_text("Transcript: 4 messages, 1 tool call")
    expect(transcripts).to_have_count(2)
    transcripts.first.click()
    expect(tab.get_by_role("group", name="tool message").first).to_have_text("new")


def test_an_edited_prompt_and_a_lone_trial_are_shown_for_what_they_are(page, visit):
    tab = visit(page, "#/example/extract/d/edited/m/0")
    expect(tab.get_by_role("group", name="Prompt of the baseline").locator("del")).to_have_text(["old"])
    lone = visit(page, "#/example/extract/d/fresh/m/0")
    expect(lone.locator("article")).to_contain_text("no such trial")


def asked(item, system, text=None):
    """Return a record whose model was sent a system prompt, and `text` in place of its input."""
    messages = (Message(role="system", content=system), Message(role="user", content=text or item.example.text))
    return msgspec.structs.replace(item, request=Request(messages=messages))


def test_a_changed_system_prompt_and_template_are_marked_word_by_word(visit):
    before = [asked(record("q"), "Be kind.", "Say: hello"), asked(record("same"), "Be kind.")]
    after = [asked(record("q", text="no"), "Be brief.", "Tell: hello"), asked(record("same", text="no"), "Be kind.")]
    page = diff_page(before, after)[0]
    tab = visit(page, "#/example/logic/d/q/m/0")
    expect(tab.get_by_role("group", name="Prompt of the baseline").locator("del")).to_have_text(["kind", "Say"])
    expect(tab.get_by_role("group", name="Prompt of the candidate").locator("ins")).to_have_text(["brief", "Tell"])
    tab.get_by_text("Input of the example").click()
    expect(tab.get_by_role("group", name="Input of the example")).to_have_text("question q")
    same = visit(page, "#/example/logic/d/same/m/0")
    expect(same.get_by_role("group", name="system message")).to_have_text("Be kind.")
    expect(same.get_by_role("group", name="Prompt of the baseline")).to_have_count(0)


def test_j_and_k_go_to_the_next_and_the_previous_change(page, visit):
    tab = visit(page, "#/?kind=regressed")
    tab.keyboard.press("Enter")
    heading = tab.get_by_role("heading", level=1)
    expect(heading).to_have_text("json")
    tab.keyboard.press("j")
    expect(heading).to_have_text("q00")
    tab.keyboard.press("j")
    expect(heading).to_have_text("q05")
    tab.keyboard.press("k")
    expect(heading).to_have_text("q00")


def test_a_change_can_be_copied_as_an_issue(page, visit):
    tab = visit(page, "#/example/logic/d/q00/m/0", permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="Copy as issue").click()
    expect(tab.get_by_role("status")).to_have_text("Issue text copied")
    text = tab.evaluate("navigator.clipboard.readText()")
    assert text.startswith("`q00` is regressed")
    assert "```text\nThe answer is no, of course.\n```" in text


def test_parts_beside_the_text_that_differ_are_marked_word_by_word(visit):
    kept = ({"sources": ["Returns take 14 days."], "route": "a"}, {"sources": ["Returns take 21 days."], "route": "a"})
    sides = [msgspec.structs.replace(one, response=Response(text="yes", kept=parts)) for one, parts in
             zip((record("q"), record("q")), kept, strict=True)]  # fmt: skip
    tab = visit(diff_page(sides[:1], sides[1:])[0])
    tab.locator(".trials .body .row").first.click()
    part = tab.get_by_role("region", name="Part that differs: sources")
    expect(part.locator("del")).to_have_text("14")
    expect(part.locator("ins")).to_have_text("21")
    expect(tab.get_by_role("region", name="Part that differs: route")).to_have_count(0)
