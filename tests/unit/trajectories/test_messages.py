"""read_trajectory: one conversation, in every form in which frameworks write it, is the same messages."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.types import ImagePart, Message, TextPart, ToolCall, expand
from insideLLMs.trajectories import last_text, read_trajectory, with_answer

TWO = {"city": "Oslo"}, {"city": "Rome"}
WANTED = (
    Message(role="user", content="Where is it warmer?"),
    Message(
        role="assistant", tool_calls=tuple(ToolCall(name="weather", arguments=a, id=f"c{n}") for n, a in enumerate(TWO))
    ),
    Message(role="tool", content='{"degrees":4}', tool_call_id="c0"),
    Message(role="tool", content="21 degrees", tool_call_id="c1"),
    Message(role="assistant", content="In Rome."),
)
ASKED = {"role": "user", "content": "Where is it warmer?"}
OPENAI = [
    ASKED,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"c{n}", "type": "function", "function": {"name": "weather", "arguments": json.dumps(a)}}
            for n, a in enumerate(TWO)
        ],
    },
    {"role": "tool", "tool_call_id": "c0", "content": '{"degrees":4}'},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "21 degrees"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "In Rome."}], "annotations": []},
]
ANTHROPIC = [
    ASKED,
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Two calls.", "signature": "x"},
            *({"type": "tool_use", "id": f"c{n}", "name": "weather", "input": a} for n, a in enumerate(TWO)),
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c0", "content": '{"degrees":4}'},
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "21 degrees"}]},
        ],
    },
    {"role": "assistant", "content": [{"type": "text", "text": "In Rome."}]},
]
RESPONSES = [
    {"role": "user", "content": [{"type": "input_text", "text": "Where is it warmer?"}]},
    {"type": "reasoning", "summary": []},
    *(
        {"type": "function_call", "id": f"fc{n}", "call_id": f"c{n}", "name": "weather", "arguments": json.dumps(a)}
        for n, a in enumerate(TWO)
    ),
    {"type": "function_call_output", "call_id": "c0", "output": '{"degrees":4}'},
    {"type": "function_call_output", "call_id": "c1", "output": "21 degrees"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "In Rome.", "annotations": []}],
    },
]
GENAI = [
    {"role": "user", "parts": [{"type": "text", "content": "Where is it warmer?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Two calls."},
            *({"type": "tool_call", "id": f"c{n}", "name": "weather", "arguments": a} for n, a in enumerate(TWO)),
        ],
        "finish_reason": "tool_call",
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": {"degrees": 4}}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "21 degrees"}]},
    {"role": "assistant", "parts": [{"type": "text", "content": "In Rome."}], "finish_reason": "stop"},
]
LANGCHAIN = [
    {"type": "human", "content": "Where is it warmer?"},
    {
        "type": "ai",
        "data": {
            "content": "",
            "tool_calls": [{"name": "weather", "args": a, "id": f"c{n}"} for n, a in enumerate(TWO)],
        },
    },
    {"type": "tool", "content": '{"degrees":4}', "tool_call_id": "c0"},
    {"type": "tool", "content": "21 degrees", "tool_call_id": "c1"},
    {"type": "ai", "content": "In Rome."},
]
PYDANTIC_AI = [
    {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "Where is it warmer?"}]},
    {
        "kind": "response",
        "parts": [
            {"part_kind": "thinking", "content": "Two calls."},
            *(
                {"part_kind": "tool-call", "tool_name": "weather", "args": a, "tool_call_id": f"c{n}"}
                for n, a in enumerate(TWO)
            ),
        ],
    },
    {
        "kind": "request",
        "parts": [
            {"part_kind": "tool-return", "tool_name": "weather", "content": {"degrees": 4}, "tool_call_id": "c0"},
            {"part_kind": "tool-return", "tool_name": "weather", "content": "21 degrees", "tool_call_id": "c1"},
        ],
    },
    {"kind": "response", "parts": [{"part_kind": "text", "content": "In Rome."}]},
]
AI_SDK = [
    ASKED,
    {
        "role": "assistant",
        "content": [
            {"type": "tool-call", "toolCallId": f"c{n}", "toolName": "weather", "input": a} for n, a in enumerate(TWO)
        ],
    },
    {
        "role": "tool",
        "content": [
            {"type": "tool-result", "toolCallId": "c0", "output": {"type": "json", "value": {"degrees": 4}}},
            {"type": "tool-result", "toolCallId": "c1", "output": {"type": "text", "value": "21 degrees"}},
        ],
    },
    {"role": "assistant", "content": [{"type": "text", "text": "In Rome."}]},
]
CONVERSE = [
    {"role": "user", "content": [{"text": "Where is it warmer?"}]},
    {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": f"c{n}", "name": "weather", "input": a}} for n, a in enumerate(TWO)],
    },
    {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "c0", "content": [{"text": '{"degrees":4}'}], "status": "success"}},
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "21 degrees"}]}},
        ],
    },
    {"role": "assistant", "content": [{"text": "In Rome."}]},
]
SESSION = [
    {"type": "system", "subtype": "init", "model": "m"},
    *({"type": one["role"], "message": one} for one in ANTHROPIC),
    {"type": "result", "subtype": "success", "result": "In Rome."},
]
STORED = [expand(message) for message in WANTED]
FORMS = {
    "OpenAI's chat": OPENAI,
    "Anthropic's blocks": ANTHROPIC,
    "Responses items": RESPONSES,
    "GenAI messages": GENAI,
    "LangChain's messages": LANGCHAIN,
    "PydanticAI's messages": PYDANTIC_AI,
    "the AI SDK's messages": AI_SDK,
    "Bedrock's Converse": CONVERSE,
    "a coding agent's session": SESSION,
    "ours": STORED,
    "JSON as text": json.dumps(OPENAI),
    "a state with messages": {"messages": OPENAI, "steps": 4},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_same_messages(form):
    assert read_trajectory(FORMS[form]) == WANTED
    assert last_text(read_trajectory(FORMS[form])) == "In Rome."


def test_what_was_read_is_read_again_as_it_is():
    assert read_trajectory(WANTED) == WANTED


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}},
            Message(role="assistant", tool_calls=(ToolCall(name="f", arguments={"a": 1}),)),
        ),
        ({"role": "function", "name": "f", "content": "4"}, Message(role="tool", content="4", tool_call_id="f")),
        ({"role": "developer", "content": "Be brief."}, Message(role="system", content="Be brief.")),
        ({"role": "assistant", "content": None, "refusal": "No."}, Message(role="assistant", content="No.")),
        ({"role": "assistant", "content": ""}, Message(role="assistant")),
        (
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"a": [1]}}]},
            Message(role="assistant", tool_calls=(ToolCall(name="f", arguments={"a": [1]}),)),
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": '}, "id": "1"}]},
            Message(role="assistant", tool_calls=(ToolCall(name="f", arguments={"$invalid": '{"a": '}, id="1"),)),
        ),
        (
            {"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
            Message(role="assistant", tool_calls=(ToolCall(name="sh", arguments={"input": "ls"}),)),
        ),
        (
            {"type": "web_search_call", "id": "ws", "status": "completed", "action": "x"},
            Message(role="assistant", tool_calls=(ToolCall(name="web_search", arguments={"action": "x"}, id="ws"),)),
        ),
        (
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
            Message(role="assistant", tool_calls=(ToolCall(name="f", arguments={"a": 1}),)),
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "https://x/y"}}]},
            Message(role="user", content=(TextPart(text="See"), ImagePart(url="https://x/y"))),
        ),
    ],
)  # fmt: skip
def test_other_ways_to_write_a_message(item, wanted):
    assert read_trajectory([item]) == (wanted,)


def test_a_call_that_brings_its_result_along_is_both():
    item = {"type": "mcp_call", "id": "m1", "name": "roll", "arguments": '{"sides": 6}', "output": "4"}
    call, result = read_trajectory([item])
    assert call.tool_calls == (ToolCall(name="roll", arguments={"sides": 6}, id="m1"),)
    assert result == Message(role="tool", content="4", tool_call_id="m1")


def test_calls_alone_are_listed_as_people_write_them():
    listed = [
        {"name": "find", "arguments": {"id": 7}, "result": {"state": "new"}},
        {"tool": "refund", "args": {"id": 7}},
    ]
    find, found, refund = read_trajectory(listed)
    assert find.tool_calls == (ToolCall(name="find", arguments={"id": 7}),)
    assert found == Message(role="tool", content='{"state":"new"}')
    assert refund.tool_calls == (ToolCall(name="refund", arguments={"id": 7}),)


@pytest.mark.parametrize(
    ("trajectory", "text", "roles"),
    [
        ((), "No order.", ["assistant"]),
        (WANTED, "In Rome.", ["user", "assistant", "tool", "tool", "assistant"]),
        (WANTED[:4], "In Rome.", ["user", "assistant", "tool", "tool", "assistant"]),
        (WANTED[:2], "", ["user", "assistant"]),
    ],
)
def test_a_trajectory_ends_with_the_answer_where_there_is_one(trajectory, text, roles):
    assert [message.role for message in with_answer(trajectory, text)] == roles


def test_no_messages_are_no_trajectory_and_no_error():
    assert read_trajectory([]) == ()
    assert last_text(()) == ""


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "null, not a list of messages"),
        (7, "a number"),
        ("I am done.", "text, not a list"),
        ('"text"', "text, not a list"),
        ({"answer": "x"}, "an object with answer, and no messages"),
        ([1], "message 1 of the trajectory is a number"),
        ([{"role": "user", "content": "x"}, {"role": "wizard"}], "message 2 of the trajectory has the role 'wizard'"),
        ([{"role": None}], "role None"),
        ([{"content": "x"}], "neither a role nor a type"),
        ([{"role": "user", "content": 4}], "has a content that is a number"),
        ([{"role": "user", "content": [4]}], "has a part that is a number"),
        ([{"role": "assistant", "tool_calls": {}}], "has tool_calls that are an object"),
        ([{"role": "assistant", "tool_calls": [{"arguments": {}}]}], "a tool call without a name"),
        ([{"role": "assistant", "tool_calls": ["f"]}], "a tool call without a name"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": ["f"]}}]}], "a tool call without a name"),
        ([{"role": "user", "content": "\ud800"}], "cannot be stored"),
    ],
)
def test_what_is_no_trajectory_says_so(value, says):
    with pytest.raises(TrajectoryError) as caught:
        read_trajectory(value)
    assert says in caught.value.message


KEYS = [
    *("kind", "part_kind", "message", "subtype", "toolUse", "toolResult", "toolName", "result"),
    *("role", "type", "content", "parts", "tool_calls", "function_call", "function", "name", "arguments", "id"),
    *("attributes", "spans", "events", "key", "value", "data", "messages", "output", "choices", "text", "input"),
    "llm.input_messages.0.message.role",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4),
            inner | st.sampled_from(["assistant", "tool", "ai", "function_call", "tool_use", "text", "x_call_output"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_trajectory_that_can_be_stored_or_an_error_that_says_why(value):
    read = ()
    with contextlib.suppress(TrajectoryError):
        read = read_trajectory(value)
    canonical.line([expand(message) for message in read])


_REFUND = ("refund", {"order": 7})
_LISTED = {"name": "refund", "args": {"order": 7}, "id": "t1", "type": "tool_call"}
_FUNCTION = {"name": "refund", "arguments": '{"order": 7}'}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "subtype": "final", "tool_calls": [{"id": "t1", "function": _FUNCTION}]},
        {"type": "function", "id": "t1", "function": _FUNCTION},
        {"role": "assistant", "content": [{"type": "function_call", "call_id": "t1", **_FUNCTION}]},
        {"role": "assistant", "content": [{"type": "function", "function": _FUNCTION}]},
        {"role": "model", "parts": [{"text": None, "function_call": {"name": "refund", "args": {"order": 7}}}]},
        {"role": "model", "parts": [{"thought": True, "functionCall": {"name": "refund", "args": {"order": 7}}}]},
        {
            "kind": "response",
            "parts": [{"part_kind": "builtin-tool-call", "tool_name": "refund", "args": {"order": 7}}],
        },
        {
            "type": "ai",
            "content": [{"type": "tool_use", "id": "t1", "name": "refund", "input": {"order": 7}}],
            "tool_calls": [_LISTED],
        },
        {
            "type": "ai",
            "content": [{"type": "function_call", "id": "fc_1", "call_id": "t1", **_FUNCTION}],
            "tool_calls": [_LISTED],
        },
    ],
)
def test_a_call_is_one_call_wherever_it_stands_in_a_message(message):
    calls = [call for one in read_trajectory([message]) for call in one.tool_calls]
    assert [(call.name, call.arguments) for call in calls] == [_REFUND]


def test_a_call_whose_arguments_are_no_json_is_a_call_too():
    invalid = {"type": "ai", "content": "", "invalid_tool_calls": [{"name": "refund", "args": "{7", "id": "t1"}]}
    assert [call.name for one in read_trajectory([invalid]) for call in one.tool_calls] == ["refund"]


@pytest.mark.parametrize("kind", ["tool_refund", "dynamic-tool", "tool-invocation", "tool_calls", "browser_call"])
def test_a_part_that_may_be_a_call_never_passes_for_a_text(kind):
    with pytest.raises(TrajectoryError, match=kind):
        read_trajectory([{"role": "assistant", "parts": [{"type": kind, "toolCallId": "1", "state": "done"}]}])


def test_what_a_session_says_of_itself_is_no_message():
    assert read_trajectory([{"type": "system", "subtype": "init"}, {"type": "mcp_list_tools", "tools": []}, ASKED]) == (
        WANTED[0],
    )


@pytest.mark.parametrize("hold", [lambda inner: [inner], lambda inner: {"attributes": {"gen_ai.tool.name": inner}}])
def test_a_trajectory_that_is_nested_too_deeply_is_an_error(hold):
    value: object = []
    for _ in range(3_000):
        value = [value]
    with pytest.raises(TrajectoryError):
        read_trajectory(hold(value))
