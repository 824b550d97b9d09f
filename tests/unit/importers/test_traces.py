"""Traces of an application become its requests, whatever tool exported them and in whatever order."""

import base64
import gzip
import json
import random

import pytest

from insideLLMs.api.imports.importing import ImportOptions, import_files
from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets import formats
from insideLLMs.importers.foreign import Reading
from insideLLMs.importers.logs import open_logs
from support.foreign_logs import FOLDER
from support.traces import CALL, LAST, ROOT, TOOL, TRACE, batch, call, pairs, span, typed

REAL = FOLDER / "baseline" / "otlp.jsonl"


def read(tmp_path, *documents, each_call=False, unfinished=False, name="t.jsonl"):
    """Return the requests in files of one document a line, and what was counted as left out."""
    path = tmp_path / name
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return read_files(path, each_call=each_call, unfinished=unfinished)


def read_files(*paths, **options):
    reading = Reading(**options)
    source = open_logs(paths, None, reading)
    assert source.name == "otlp"
    return [trial for _, trial in source.trials()], dict(reading.left_out)


def shown(trials):
    return sorted((trial.example.input, trial.response.text if trial.response else trial.failure) for trial in trials)


def snake(value):
    if isinstance(value, dict):
        return {"".join(f"_{one.lower()}" if one.isupper() else one for one in key): snake(one)
                for key, one in value.items()}  # fmt: skip
    return [snake(one) for one in value] if isinstance(value, list) else value


def in_base64(value):
    if isinstance(value, dict):
        return {key: base64.b64encode(bytes.fromhex(one)).decode() if key.endswith("Id") else in_base64(one)
                for key, one in value.items()}  # fmt: skip
    return [in_base64(one) for one in value] if isinstance(value, list) else value


def of_jaeger(document):
    spans = [one for part in document["resourceSpans"] for scope in part["scopeSpans"] for one in scope["spans"]]
    listed = [
        {
            "traceID": one["traceId"],
            "spanID": one["spanId"],
            "operationName": one["name"],
            "references": [{"refType": "CHILD_OF", "spanID": one["parentSpanId"]}] if one["parentSpanId"] else [],
            "startTime": int(one["startTimeUnixNano"]) // 1000,
            "duration": 1_000_000,
            "tags": [{"key": tag["key"], "type": "string", "value": next(iter(tag["value"].values()))}
                     for tag in one["attributes"]],
        }
        for one in spans
    ]  # fmt: skip
    return {"data": [{"traceID": TRACE, "spans": listed, "processes": {}}], "total": 0, "errors": None}


def of_sdk(document, nested=False):
    spans = [one for part in document["resourceSpans"] for scope in part["scopeSpans"] for one in scope["spans"]]
    return [
        {
            "name": one["name"],
            "context": {"trace_id": f"0x{one['traceId']}", "span_id": f"0x{one['spanId']}"},
            "parent_id": f"0x{one['parentSpanId']}" if one["parentSpanId"] else None,
            "start_time": "2026-11-28T10:00:00.000001Z",
            "end_time": "2026-11-28T10:00:01Z",
            "status": {"status_code": "OK"},
            "attributes": {tag["key"]: next(iter(tag["value"].values())) for tag in one["attributes"]},
        }
        for one in spans
    ]


REQUEST = batch(span(attributes={"http.route": "/ask"}), call())
FORMS = {
    "otlp": REQUEST,
    "underscores": snake(REQUEST),
    "base64": in_base64(REQUEST),
    "tempo": {"batches": REQUEST["resourceSpans"]},
    "tempo v2": {"trace": REQUEST},
    "older": {"resourceSpans": [{"instrumentationLibrarySpans": REQUEST["resourceSpans"][0]["scopeSpans"]}]},
    "jaeger": of_jaeger(REQUEST),
    "sdk": of_sdk(REQUEST),
    "phoenix": {"data": of_sdk(REQUEST), "next_cursor": None},
    "bare spans": REQUEST["resourceSpans"][0]["scopeSpans"][0]["spans"],
    "bare spans with underscores": snake(REQUEST["resourceSpans"][0]["scopeSpans"][0]["spans"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_request_is_the_same_in_every_form_of_export(form, tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps(FORMS[form], indent=2))
    [trial], left_out = read_files(path)
    assert (trial.example.input, trial.response.text, trial.model, left_out) == ("Why?", "Because.", "gpt-4o", {})
    assert (trial.traffic.route, trial.traffic.trace) == ("/ask", TRACE)


@pytest.mark.parametrize("form", ["bare spans", "bare spans with underscores", "sdk"])
def test_a_span_may_have_a_line_of_its_own(form, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in FORMS[form]))
    assert shown(read_files(path)[0]) == [("Why?", "Because.")]


@pytest.mark.parametrize("suffix", [".json.gz", ".jsonl.gz"])
def test_a_compressed_file_is_read_as_it_is(suffix, tmp_path):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(json.dumps(REQUEST).encode()))
    assert shown(read_files(path)[0]) == [("Why?", "Because.")]


CONVENTIONS = {
    "openllmetry": {
        "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
        "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Why?",
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Because.",
        "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 2, "llm.request.type": "chat",
    },
    "openinference": {
        "openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model": "gpt-4o"}',
        "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Be brief.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": "Why?",
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Because.",
        "llm.token_count.prompt": 7, "llm.token_count.completion": 2,
    },
    "genai": {
        "gen_ai.operation.name": "chat", "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."},
                                                                  {"type": "text", "content": "Because."}]}],
        "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2,
    },
    "vercel": {
        "ai.prompt.messages": json.dumps([{"role": "system", "content": "Be brief."},
                                          {"role": "user", "content": [{"type": "text", "text": "Why?"}]}]),
        "ai.response.text": "Because.", "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_call_is_the_same_in_every_convention(convention, tmp_path):
    said = {"gen_ai.request.model": "gpt-4o", **CONVENTIONS[convention]}
    [trial], left_out = read(tmp_path, batch(span(), span(CALL, ROOT, start=2, attributes=said)))
    assert (trial.example.input, trial.response.text, trial.model) == ("Why?", "Because.", "gpt-4o")
    assert (trial.response.usage.input_tokens, trial.response.usage.output_tokens) == (7, 2)
    assert [message.role for message in trial.request] == ["system", "user"]
    assert (trial.traffic.template, left_out) == ("Be brief.", {})


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_call_is_the_same_with_attributes_that_are_plain_json(convention, tmp_path):
    said = {"gen_ai.request.model": "gpt-4o", **CONVENTIONS[convention]}
    given = {"name": "chat", "context": {"trace_id": TRACE, "span_id": CALL}, "attributes": said}
    assert shown(read(tmp_path, given)[0]) == [("Why?", "Because.")]


def test_a_secret_within_a_value_that_is_an_object_is_blanked(tmp_path):
    said = {"input.value": {"question": "Why sk-abcdefgh12345678?", "api_key": "sk-abcdefgh12345678"}}
    outer = {"name": "ask", "context": {"trace_id": TRACE, "span_id": ROOT}, "attributes": said}
    spans = [outer, *of_sdk(batch(call(parent=ROOT)))]
    [trial], _ = read(tmp_path, *spans)
    assert "abcdefgh" not in repr(trial)


def test_messages_that_are_events_of_logs_belong_to_their_span(tmp_path):
    def told(event, body):
        return {"traceId": TRACE, "spanId": CALL, "eventName": event, "body": typed(body), "attributes": []}

    logs = [
        told("gen_ai.user.message", {"content": "Why?"}),
        told("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "Because."}}),
    ]
    asked = span(CALL, ROOT, attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})
    lines = [{"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}, batch(asked), batch(span())]
    for order in (lines, lines[::-1]):
        assert shown(read(tmp_path, *order)[0]) == [("Why?", "Because.")]


def test_an_application_answers_with_what_its_outermost_span_gave(tmp_path):
    outer = span(attributes={"openinference.span.kind": "CHAIN", "input.value": '{"question": "Ask?"}',
                             "output.value": '{"answer": "Final."}'})  # fmt: skip
    found = span(TOOL, ROOT, attributes={"openinference.span.kind": "RETRIEVER", "input.value": "ask",
                                         "retrieval.documents.1.document.content": "two",
                                         "retrieval.documents.0.document.content": "one"})  # fmt: skip
    [trial], _ = read(tmp_path, batch(outer, found, call("Long prompt with one, two", "Draft.")))
    assert (trial.example.input, trial.response.text) == ("Ask?", "Final.")
    assert trial.response.kept == {"documents": ["one", "two"]}


def test_what_an_agent_did_is_its_trajectory(tmp_path):
    asked = [{"role": "user", "content": "Weather?"}]
    wants = {"role": "assistant", "tool_calls": [{"id": "c1", "name": "look", "arguments": '{"city": "Paris"}'}]}
    knows = [*asked, wants, {"role": "tool", "tool_call_id": "c1", "content": "rain"}]
    ends = {"role": "assistant", "content": "It rains."}

    def chat(name, start, before, after):
        said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
                "gen_ai.input.messages": json.dumps(before), "gen_ai.output.messages": json.dumps([after])}  # fmt: skip
        return span(name, ROOT, start=start, attributes=said)

    tool = span(TOOL, ROOT, start=3, attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"})
    spans = [chat(LAST, 4, knows, ends), tool, span(), chat(CALL, 2, asked, wants)]
    [trial], _ = read(tmp_path, batch(*spans))
    assert trial.example.input == "Weather?"
    assert trial.response.text == "It rains."
    assert [message.role for message in trial.response.trajectory] == ["user", "assistant", "tool", "assistant"]
    assert trial.response.trajectory[1].tool_calls[0].arguments == {"city": "Paris"}
    calls, _ = read(tmp_path, batch(*spans), each_call=True)
    assert len(calls) == 2


def test_messages_that_were_encoded_twice_are_read(tmp_path):
    once = json.dumps([{"role": "user", "content": "Why?"}])
    [trial], _ = read(tmp_path, batch(call(attributes={"gen_ai.input.messages": json.dumps(once)}, parent="")))
    assert trial.example.input == "Why?"


AGENT = [("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"), ("assistant", "Because.")]


@pytest.mark.parametrize("name", ["pydantic_ai.all_messages", "all_messages_events"])
@pytest.mark.parametrize(("new", "asked"), [(None, ["Hi"]), (2, ["Hi", "Hello", "Why?"])])
def test_what_an_agent_answered_is_not_asked(name, new, asked, tmp_path):
    told = [{"role": role, "content": text, "event.name": f"gen_ai.{role}.message"} for role, text in AGENT]
    since = {} if new is None else {"pydantic_ai.new_message_index": new}
    agent = span(attributes={name: json.dumps(told), "final_result": "Because.", **since})
    [trial], _ = read(tmp_path, batch(agent, call()))
    given = trial.example.input
    assert ([given] if isinstance(given, str) else [message.text for message in given]) == asked


def test_an_answer_of_several_turns_is_asked_as_a_chat(tmp_path):
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Why?"}]  # fmt: skip
    [trial], _ = read(tmp_path, batch(call(attributes={"gen_ai.input.messages": json.dumps(chat)}, parent="")))
    assert [message.text for message in trial.example.input] == ["Hi", "Hello", "Why?"]


@pytest.mark.parametrize(
    ("failed", "status"),
    [("boom", "error"), ("Request timed out", "timeout"), ("429 Too Many Requests", "rate_limited")],
)
def test_a_request_that_failed_is_a_failed_trial(failed, status, tmp_path):
    broken = {"status": {"code": "STATUS_CODE_ERROR", "message": failed}}
    asked = call(attributes={"gen_ai.output.messages": "[]"}, **broken)
    [trial], _ = read(tmp_path, batch(span(**broken), asked))
    assert (trial.status, trial.failure, trial.response) == (status, failed, None)


def test_a_call_that_was_tried_again_is_no_failure(tmp_path):
    first = call(attributes={"gen_ai.output.messages": "[]"}, status={"code": 2, "message": "502"})
    [trial], _ = read(tmp_path, batch(span(), first, call(name=LAST, start=4)))
    assert (trial.status, trial.response.text) == ("success", "Because.")


def test_neither_order_nor_files_nor_repeated_exports_matter(tmp_path):
    lines = REAL.read_text().splitlines(keepends=True)
    expected = shown(read_files(REAL)[0])
    shuffled = [*lines, *lines[:7]]
    random.Random(7).shuffle(shuffled)
    for number in range(3):
        (tmp_path / f"part-{number}.jsonl").write_text("".join(shuffled[number::3]))
    trials, left_out = read_files(*sorted(tmp_path.iterdir()))
    assert shown(trials) == expected
    assert left_out == {"span (exported again)": 7}


def test_a_trace_whose_root_is_missing_is_one_request_and_counted(tmp_path):
    trials, left_out = read(tmp_path, batch(call(), call("And then?", "Later.", name=LAST, start=4)))
    assert shown(trials) == [("Why?", "Later.")]
    assert left_out == {"span (its parent is missing)": 2}


def test_calls_without_recorded_content_are_counted(tmp_path):
    silent = span(CALL, attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})
    trials, left_out = read(tmp_path, batch(silent))
    assert (trials, left_out) == ([], {"request (without its question)": 1})


HOSTILE = {
    "no ids": ({"name": "x"}, "span (without ids)"),
    "empty ids": (span(name="0" * 16), "span (without ids)"),
    "times before 1970": (call(name=LAST, startTimeUnixNano="-5"), "span (with times that cannot be)"),
    "end before start": (call(name=LAST, endTimeUnixNano="1"), "span (with times that cannot be)"),
    "a time that is no number": (call(name=LAST, startTimeUnixNano=[1]), "span (with times that cannot be)"),
    "its own parent": (call(name=LAST, parent=LAST), None),
    "attributes that are none": ({**span(LAST), "attributes": "x"}, None),
    "a value of no kind": ({**span(LAST), "attributes": [{"key": "gen_ai.prompt", "value": 3}, 4, {"key": 5}]}, None),
    "an endless index": (span(LAST, attributes={"llm.input_messages.999999999.message.role": "user"}), None),
    "calls both whole and numbered": (
        span(LAST, attributes={"llm.input_messages.0.message.tool_calls": "x", "llm.request.type": "chat",
                               "llm.input_messages.0.message.tool_calls.0.tool_call.id": "c1"}),
        None,
    ),
    "a role that is a list": (span(LAST, attributes={"pydantic_ai.all_messages": '[{"role": ["user"]}]'}), None),
    "a message of no role": (
        span(LAST, attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": '[{"parts": 3}]'}),
        "message (that cannot be read)",
    ),
    "messages that are broken": (
        span(LAST, attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": '[{"role": '}),
        "request (without its question)",
    ),
    "a number beyond all": (
        {**span(LAST), "attributes": [{"key": "gen_ai.x", "value": 10**30}]},
        "span (that cannot be stored)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_span_costs_itself_alone(what, tmp_path):
    strange, counted = HOSTILE[what]
    trace = "f" * 32
    given = {**strange, "traceId": trace} if "traceId" in strange else strange
    trials, left_out = read(tmp_path, batch(span(), call(), given))
    assert ("Why?", "Because.") in shown(trials)
    assert counted is None or counted in left_out


def test_spans_that_name_each_other_as_parents_are_one_request(tmp_path):
    trials, _ = read(tmp_path, batch(call(parent=LAST), call(name=LAST, parent=CALL, start=4)))
    assert len(trials) == 1


def test_an_attribute_without_end_is_cut_and_counted(tmp_path):
    [trial], left_out = read(tmp_path, batch(span(attributes={"input.value": "a" * 1_500_000}), call()))
    assert len(trial.example.input) == 1_000_000
    assert left_out == {"input.value (behind its first 1,000,000 characters)": 1}


def test_values_nested_without_end_are_counted(tmp_path):
    value = {"stringValue": "x"}
    for _ in range(90):
        value = {"arrayValue": {"values": [value]}}
    deep = {**span(LAST, trace="e" * 32), "attributes": [{"key": "gen_ai.prompt", "value": value}]}
    trials, left_out = read(tmp_path, batch(span(), call(), deep))
    assert shown(trials) == [("Why?", "Because.")]
    assert left_out["span.attributes (nested too deeply)"] == 1


def test_half_a_character_is_replaced(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(batch(call("Why \ud83d?", parent=""))))
    assert shown(read_files(path)[0]) == [("Why \ufffd?", "Because.")]


def imported(tmp_path, *spans):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(batch(one)) + "\n" for one in spans))
    return import_files([path], tmp_path / "run", ImportOptions(personal_data=None))


def test_names_with_a_nul_and_numbers_beyond_64_bits_end_no_import(tmp_path):
    calls = '[{"role": "assistant", "tool_calls": [{"id": "1", "name": "t", "arguments": {"n": 1%s}}]}]' % ("0" * 40)
    rated = {"gen_ai.evaluation.name": "a\0b", "gen_ai.evaluation.score.value": 1.0}
    event = {"name": "gen_ai.evaluation.result", "attributes": pairs(rated)}
    strange = [
        call("nul \0 here", trace="1" * 32, model="m\0x", parent="", events=[event]),
        call("big", trace="2" * 32, parent="", attributes={"gen_ai.output.messages": calls}),
    ]
    assert imported(tmp_path, *strange).manifest.trials == 2


def test_a_request_of_more_calls_than_anyone_reads_has_no_trajectory_and_is_counted(tmp_path):
    calls = [call(f"{n}?", f"{n}!", name=f"{n + 16:016x}", start=n + 2) for n in range(201)]
    [trial], left_out = read(tmp_path, batch(span(), *calls))
    assert (trial.response.text, trial.response.trajectory) == ("200!", ())
    assert left_out == {"trajectory (of more than 200 calls)": 1}


def test_a_document_may_be_one_line_of_any_length_and_a_line_among_others_may_not(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LONGEST_LINE", 1_000)
    path = tmp_path / "t.json"
    path.write_text(json.dumps(REQUEST))
    assert shown(read_files(path)[0]) == [("Why?", "Because.")]
    path.write_text('{"resourceSpans": []}\n' * 2 + json.dumps(REQUEST))
    with pytest.raises(DatasetError, match=r"t\.json: line 3 is longer than 1,000 bytes"):
        read_files(path)
