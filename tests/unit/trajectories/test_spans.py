"""read_trajectory of traces: every call of a model tells its history, and each thing is told once."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.types import Message, ToolCall, expand
from insideLLMs.trajectories import read_trajectory, spans
from insideLLMs.trajectories.span import Span

USER = {"role": "user", "parts": [{"type": "text", "content": "Refund order 7"}]}
CALL = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "refund", "arguments": {"order": 7}}]}
GAVE = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "done"}]}
SAID = {"role": "assistant", "parts": [{"type": "text", "content": "Refunded."}]}
WANTED = (
    Message(role="user", content="Refund order 7"),
    Message(role="assistant", tool_calls=(ToolCall(name="refund", arguments={"order": 7}, id="c1"),)),
    Message(role="tool", content="done", tool_call_id="c1"),
    Message(role="assistant", content="Refunded."),
)


def chat(began, told, answer, **more):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(told),
        "gen_ai.output.messages": json.dumps([{**answer, "finish_reason": "stop"}]),
        **more,
    }
    return {"name": "chat", "startTimeUnixNano": str(began), "attributes": attributes}


def tool(began, name="refund", arguments='{"order": 7}', result="done", call="c1"):
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.arguments": arguments,
        "gen_ai.tool.call.result": result,
        **({"gen_ai.tool.call.id": call} if call else {}),
    }
    return {"name": f"execute_tool {name}", "startTimeUnixNano": str(began), "attributes": attributes}


TRACE = [chat(1, [USER], CALL), tool(2), chat(3, [USER, CALL, GAVE], SAID)]


def otlp(spans):
    """Write spans as OTLP's JSON does."""

    def attribute(name, value):
        return {"key": name, "value": {"stringValue": value}}

    wrapped = [{**one, "attributes": [attribute(*pair) for pair in one["attributes"].items()]} for one in spans]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": wrapped}]}]}


@pytest.mark.parametrize(
    "trace",
    [
        TRACE,
        TRACE[::-1],
        otlp(TRACE),
        [otlp(TRACE[:1]), otlp(TRACE[1:])],
        {"spans": TRACE},
        [{**TRACE[0], "events": None}, *TRACE[1:]],
    ],
)
def test_each_message_is_told_once_and_in_order(trace):
    assert read_trajectory(trace) == WANTED


def test_the_agents_own_span_tells_nothing_twice():
    whole = chat(0, [USER], SAID)
    whole["attributes"]["gen_ai.operation.name"] = "invoke_agent"
    assert read_trajectory([whole, *TRACE]) == WANTED
    assert read_trajectory([whole]) == (WANTED[0], WANTED[3])


def test_a_thought_that_is_not_sent_back_does_not_make_a_call_two():
    thinking = {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, *CALL["parts"]]}
    assert read_trajectory([chat(1, [USER], thinking), chat(3, [USER, CALL, GAVE], SAID)]) == WANTED


def test_a_history_that_was_cut_does_not_tell_known_calls_again():
    assert read_trajectory([chat(1, [USER], CALL), chat(3, [CALL, GAVE], SAID)]) == WANTED
    summed_up = {"role": "user", "parts": [{"type": "text", "content": "So far: ..."}]}
    read = read_trajectory([*TRACE, chat(4, [summed_up, CALL, GAVE], SAID)])
    assert [call.name for message in read for call in message.tool_calls] == ["refund"]


def test_a_history_that_was_cut_does_not_tell_known_words_again():
    said, more = ({"role": "assistant", "parts": [{"type": "text", "content": text}]} for text in ("Which?", "Sure?"))
    asked = {"role": "user", "parts": [{"type": "text", "content": "This one"}]}
    read = read_trajectory([chat(1, [USER], said), chat(2, [said, asked], more)])
    assert [message.text for message in read] == ["Refund order 7", "Which?", "This one", "Sure?"]


def test_a_call_that_only_a_tools_span_tells_is_not_lost():
    hidden = tool(2, "delete", '{"order": 7}', "gone", "c2")
    read = read_trajectory([chat(1, [USER], SAID), hidden])
    assert [call.name for message in read for call in message.tool_calls] == ["delete"]
    assert read[-1].content == "Refunded."
    unnamed = read_trajectory([chat(1, [USER], CALL), tool(2, call=None), tool(3, call=None)])
    assert [call.name for message in unnamed for call in message.tool_calls] == ["refund", "refund"]


def test_spans_of_tools_alone_are_a_trajectory():
    calls = [
        call
        for message in read_trajectory([tool(2), tool(1, "find", '{"id": 7}', "ok", "c0")])
        for call in message.tool_calls
    ]
    assert [(call.name, call.arguments) for call in calls] == [("find", {"id": 7}), ("refund", {"order": 7})]


def test_the_result_of_a_call_comes_from_the_tools_span_where_no_message_tells_it():
    assert read_trajectory([chat(1, [USER], CALL), tool(2)]) == WANTED[:3]


def test_openinference_spreads_messages_over_names_with_numbers():
    first = {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Refund order 7",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "refund",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"order": 7}',
    }
    ran = {
        "openinference.span.kind": "TOOL",
        "tool.name": "refund",
        "input.value": '{"order": 7}',
        "output.value": "done",
    }
    last = {
        "openinference.span.kind": "LLM",
        **{name.replace("output_messages.0", "input_messages.1"): value for name, value in first.items()},
        "llm.input_messages.2.message.role": "tool",
        "llm.input_messages.2.message.content": "done",
        "llm.input_messages.2.message.tool_call_id": "c1",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "text",
        "llm.output_messages.0.message.contents.0.message_content.text": "Refunded.",
    }
    spans = [{"start_time": f"2026-01-01T00:00:0{n}Z", "attributes": one} for n, one in enumerate((first, ran, last))]
    assert read_trajectory(spans) == WANTED


@pytest.mark.parametrize(
    "said",
    [
        {
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Refund order 7",
            "gen_ai.completion.0.tool_calls.0.id": "c1", "gen_ai.completion.0.tool_calls.0.name": "refund",
            "gen_ai.completion.0.tool_calls.0.arguments": '{"order": 7}',
        },
        {
            "ai.prompt.messages": [{"role": "user", "content": "Refund order 7"}],
            "ai.response.toolCalls": [{"toolCallId": "c1", "toolName": "refund", "input": {"order": 7}}],
        },
        {"pydantic_ai.all_messages": [USER, CALL]},
        {"gen_ai": {"input": {"messages": [USER]}, "output": {"messages": [CALL]}}},
        {"gen_ai.input.messages": [USER], "gen_ai.output.messages": json.dumps([CALL])},
    ],
    ids=["OpenLLMetry", "AI SDK", "PydanticAI", "nested names", "lists"],
)  # fmt: skip
def test_a_call_is_the_same_in_every_convention(said):
    span = {"attributes": {key: json.dumps(one) if key.startswith("ai.r") else one for key, one in said.items()}}
    assert read_trajectory([span]) == WANTED[:2]


def test_messages_in_an_event_of_a_span_are_read():
    span = chat(1, [USER], CALL)
    event = {"name": "gen_ai.client.inference.operation.details", "attributes": span.pop("attributes")}
    assert read_trajectory([{**span, "attributes": {"gen_ai.operation.name": "chat"}, "events": [event]}]) == WANTED[:2]


def test_spans_without_a_model_or_a_tool_say_what_to_export():
    with pytest.raises(TrajectoryError, match="none of 1 spans has messages") as caught:
        read_trajectory([{"name": "GET /", "attributes": {"http.route": "/"}}])
    assert "gen_ai.output.messages" in caught.value.fix


NAMES = st.sampled_from(
    [
        *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.operation.name", "gen_ai.system_instructions"),
        *("gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
        *("openinference.span.kind", "tool.name", "input.value", "llm.input_messages.0.message.role"),
        *("llm.output_messages.0.message.tool_calls.0.tool_call.id", "llm.output_messages.0.message.tool_calls"),
        "llm.output_messages.0.message.contents.0.message_content.text",
    ]
)
WORDS = ["assistant", "tool", "tool_call", "execute_tool", "TOOL", "chat", '[{"role": "user"}]']
KEYS = [
    "role",
    "parts",
    "type",
    "id",
    "name",
    "content",
    "tool_calls",
    "function",
    "arrayValue",
    "kvlistValue",
    "values",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)
PAIRS = st.lists(st.fixed_dictionaries({"key": NAMES, "value": VALUES}), max_size=5)
SPAN = st.fixed_dictionaries(
    {"attributes": st.dictionaries(NAMES, VALUES, max_size=5) | PAIRS},
    optional={"events": VALUES, "start_time": VALUES},
)


def nested(wrap, depth=3_000):
    value = "x"
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(lambda inner: [inner]),
        nested(lambda inner: {"spans": [inner]}),
        [
            {
                "attributes": [
                    {"key": "gen_ai.input.messages", "value": nested(lambda x: {"arrayValue": {"values": [x]}})}
                ]
            }
        ],
    ],
    ids=["lists", "exports", "values"],
)
def test_what_is_nested_without_end_is_no_trajectory(value):
    with pytest.raises(TrajectoryError, match="nested too deeply"):
        read_trajectory(value)


@pytest.mark.parametrize("number", ["9" * 5_000, "--5", "-", "", "five"])
def test_a_number_of_a_span_that_is_none_is_kept_as_it_is_written(number):
    arguments = {"kvlistValue": {"values": [{"key": "order", "value": {"intValue": number}}]}}
    pairs = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
        {"key": "gen_ai.tool.name", "value": {"stringValue": "refund"}},
        {"key": "gen_ai.tool.call.arguments", "value": arguments},
        {"key": "llm.input_messages.0.message.role", "value": {"stringValue": "user"}},
        {"key": f"llm.input_messages.0.message.tool_calls.{number}.tool_call.id", "value": {"stringValue": "c1"}},
    ]
    [call] = [call for message in read_trajectory([{"attributes": pairs}]) for call in message.tool_calls]
    assert call == ToolCall(name="refund", arguments={"order": number})


@given(st.lists(SPAN, min_size=1, max_size=4))
def test_any_spans_are_a_trajectory_that_can_be_stored_or_an_error_that_says_why(spans):
    read = ()
    with contextlib.suppress(TrajectoryError):
        read = read_trajectory(spans)
    canonical.line([expand(message) for message in read])


def test_each_message_of_a_trace_is_looked_at_once_however_many_calls_there_are(monkeypatch):
    looked_at = []
    shape = spans._shape
    monkeypatch.setattr(spans, "_shape", lambda turn: looked_at.append(turn) or shape(turn))
    asked = [{"gen_ai.input.messages": json.dumps([{"role": "user", "content": f"{n}?"}])} for n in range(50)]
    messages = spans.messages_of([Span(id=str(n), start_ns=n, attributes=one) for n, one in enumerate(asked)])
    assert len(messages) == len(looked_at) == 50
