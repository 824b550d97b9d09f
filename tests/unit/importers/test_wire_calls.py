"""A recording of an application's calls, read as a run: its cases are the trials."""

import json

import pytest

from insideLLMs.api.imports.importing import import_files
from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Record
from insideLLMs.store.sealed_run import SealedRun
from support import agent_provider, streams, wire

HEAD = {"format": "insidellms-wire/1"}


def call(path, body, answer, *, case="a test", status=200, **more):
    kept = {
        "status": status,
        **({"events": answer} if isinstance(answer, list) else {"body": json.dumps(answer)}),
        **more,
    }
    request = {"upstream": "openai", "method": "POST", "path": path, "body": body}
    return {"case": case, "request": request, "answer": kept}


def events(pieces):
    return [piece.decode() for piece in pieces]


def turn(text):
    return {"role": "user", "content": text}


def imported(folder, *calls):
    lines = [HEAD, *calls]
    (folder / "calls.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = import_files([folder / "calls.jsonl"], folder / "run")
    assert done.tool == "insidellms_record"
    return {record.example_id: record for record in SealedRun.open(folder / "run").records(Record)}, done.notes


CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GEMINI = "/v1beta/models/g:generateContent"
ANSWERED = {
    "chat": (CHAT, {"messages": [turn("Hi")]}, wire.chat_completion("HI")),
    "a stream of chat": (CHAT, {"messages": [turn("Hi")]}, events(streams.chat(wire.chat_completion("HI")))),
    "responses": (RESPONSES, {"input": "Hi"}, wire.responses("HI")),
    "a stream of responses": (RESPONSES, {"input": [turn("Hi")]}, events(streams.responses(wire.responses("HI")))),
    "messages": (MESSAGES, {"messages": [turn("Hi")]}, wire.anthropic("HI")),
    "a stream of messages": (MESSAGES, {"messages": [turn("Hi")]}, events(streams.messages(wire.anthropic("HI")))),
    "Gemini": (GEMINI, {"contents": [{"parts": [{"text": "Hi"}]}]}, wire.gemini("HI")),
    "a stream of Gemini": (
        "/v1beta/models/g:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        events([streams.data(wire.gemini("H")), streams.data(wire.gemini("I"))]),
    ),
}


@pytest.mark.parametrize("made", ANSWERED.values(), ids=ANSWERED)
def test_every_api_is_read(made, tmp_path):
    records, _ = imported(tmp_path, call(*made))
    record = records["a test"]
    assert record.response.text == "HI"
    assert record.response.usage.output_tokens
    assert [(message.role, message.text) for message in record.request.messages] == [("user", "Hi")]
    assert record.response.trajectory == ()


@pytest.mark.parametrize(
    ("path", "system"),
    [
        (MESSAGES, {"system": "Be brief.", "messages": [turn("Hi")]}),
        (RESPONSES, {"instructions": "Be brief.", "input": "Hi"}),
        (GEMINI, {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"parts": [{"text": "Hi"}]}]}),
    ],
)
def test_instructions_beside_the_messages_stand_before_them(path, system, tmp_path):
    answer = {MESSAGES: wire.anthropic, RESPONSES: wire.responses, GEMINI: wire.gemini}[path]("HI")
    records, _ = imported(tmp_path, call(path, system, answer))
    assert [(one.role, one.text) for one in records["a test"].request.messages] == [
        ("system", "Be brief."), ("user", "Hi"),
    ]  # fmt: skip


def test_what_an_agent_did_is_the_trajectory_of_its_case(tmp_path):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {}}}}}]
    first = {"messages": [turn("How is it?")], "tools": tools}
    answer = agent_provider.chat(first)
    said = json.loads(json.dumps(answer["choices"][0]["message"]))
    said["tool_calls"][0]["id"] = "id-1"  # as a cassette has it
    result = {"role": "tool", "tool_call_id": "id-1", "content": "sunny"}
    second = {"messages": [*first["messages"], said, result], "tools": tools}
    records, _ = imported(tmp_path, call(CHAT, first, answer), call(CHAT, second, wire.chat_completion("SUNNY")))
    response = records["a test"].response
    assert response.text == "SUNNY"
    assert [message.role for message in response.trajectory] == ["assistant", "tool", "assistant"]
    assert response.calls[0].id == response.trajectory[1].tool_call_id
    assert response.usage.output_tokens == 20


def test_calls_that_do_not_go_on_from_each_other_follow_each_other(tmp_path):
    records, _ = imported(
        tmp_path,
        call(CHAT, {"messages": [turn("Sort it")]}, wire.chat_completion("refund")),
        call(CHAT, {"messages": [turn("Answer a refund")]}, wire.chat_completion("Sure")),
    )
    assert [message.text for message in records["a test"].response.trajectory] == ["refund", "Answer a refund", "Sure"]


def test_a_case_whose_last_call_failed_is_a_failure_and_one_that_was_refused_at_first_is_none(tmp_path):
    busy = call(CHAT, {"messages": [turn("Hi")]}, {"error": {"message": "slow down"}}, status=429)
    fine = call(CHAT, {"messages": [turn("Hi")]}, wire.chat_completion("HI"))
    broken = call(CHAT, {"messages": [turn("Hi")]}, wire.chat_completion("HI"), case="dead", broken=True)
    records, _ = imported(tmp_path, busy, fine, {**busy, "case": "busy"}, broken)
    assert {name: record.status.value for name, record in records.items()} == {
        "a test": "success", "busy": "error", "dead": "error",
    }  # fmt: skip
    assert "slow down" in records["busy"].failure.message


def test_what_is_no_chat_is_counted_and_a_case_without_any_has_no_answer(tmp_path):
    models = call("/v1/models", None, {"data": []}, case="lists")
    chat = call(CHAT, {"messages": [turn("Hi")]}, wire.chat_completion("HI"))
    records, notes = imported(tmp_path, models, chat, {**models, "case": "a test"})
    assert records["lists"].status.value == "error"
    assert records["a test"].response.text == "HI"
    assert any("calls that are no chat (2)" in note for note in notes)


LONE = {"case": "a", "request": {"upstream": "openai", "method": "GET", "path": CHAT}, "answer": {"body": "\ud800"}}


@pytest.mark.parametrize("line", [{"case": "a"}, {"case": 7, "request": {}, "answer": {}}, 7, LONE])
def test_a_line_that_is_no_call_is_named(line, tmp_path):
    with pytest.raises(DatasetError, match=r"calls\.jsonl:2: is not a recorded call"):
        imported(tmp_path, line)


STREAM = GEMINI.replace("generate", "streamGenerate")


@pytest.mark.parametrize(
    "hostile",
    [
        call(CHAT, {"messages": [turn("Hi")]}, ["data: [1]\n\n"]),
        call(CHAT, {"messages": {"role": "user"}}, ["data: 7\n\n"]),
        call(CHAT, [1], "text"),
        call(STREAM, {"contents": 7}, ["data: not JSON\n\n"]),
        call(STREAM, {}, ['data: {"candidates": [7]}\n\n']),
        call(STREAM, {}, ['data: {"candidates": {"a": 1}}\n\n', "data: 7\n\n"]),
        call(STREAM, {}, ['data: {"candidates": {"a": 1}}\n\n']),
        call(MESSAGES, {"messages": [{"role": "nobody"}], "system": [1]}, {"content": 7}),
    ],
)
def test_a_hostile_answer_is_a_trial_that_failed(hostile, tmp_path):
    records, _ = imported(tmp_path, hostile)
    assert records["a test"].status.value == "error"
