"""Messages as frameworks keep them: every call is seen, with its own result."""

import pytest

from insideLLMs.core.types import Response
from insideLLMs.trajectories import last_text, read_trajectory
from insideLLMs.trajectories.steps import steps_of

_ARGUMENTS = '{"order": 7}'
_FUNCTION = {"name": "refund", "arguments": _ARGUMENTS}
_CALL = {"id": "c", "type": "function", "function": _FUNCTION}
_INVOCATION = {"state": "result", "toolCallId": "c", "toolName": "refund", "args": {"order": 7}, "result": "done"}
_DONE = {"role": "assistant", "content": "It is refunded."}
_FORMS = {
    "langchain, calls apart": [
        {"type": "ai", "content": "", "additional_kwargs": {"tool_calls": [_CALL]}, "tool_calls": []},
        {"type": "tool", "content": "done", "tool_call_id": "c"},
        {"type": "ai", "content": "It is refunded."},
    ],
    "langchain, older": [
        {"type": "AIMessage", "content": "", "additional_kwargs": {"function_call": _FUNCTION}},
        {"type": "FunctionMessage", "name": "refund", "content": "done"},
        {"type": "AIMessageChunk", "content": "It is refunded."},
    ],
    "langchain, serialised": [
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", "AIMessage"],
            "kwargs": {"content": "", "tool_calls": [{"name": "refund", "args": {"order": 7}, "id": "c"}]},
        },
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "messages", "ToolMessage"],
            "kwargs": {"content": "done", "tool_call_id": "c"},
        },
        _DONE,
    ],
    "langchain, steps": {"intermediate_steps": [[{"tool": "refund", "tool_input": {"order": 7}, "log": ""}, "done"]]},
    "langgraph, updates": [
        {"agent": {"messages": [{"type": "ai", "content": "", "tool_calls": [_CALL]}]}},
        {"tools": {"messages": [{"type": "tool", "content": "done", "tool_call_id": "c"}]}},
        {"agent": {"messages": [{"type": "ai", "content": "It is refunded."}]}},
    ],
    "ai sdk, ui message": [
        {
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {"type": "tool-refund", "toolCallId": "c", "state": "output-available"}
                | {"input": {"order": 7}, "output": "done"},
                {"type": "text", "text": "It is refunded."},
            ],
        }
    ],
    "ai sdk, a tool that failed": [
        {
            "role": "assistant",
            "parts": [
                {"type": "dynamic-tool", "toolName": "refund", "toolCallId": "c", "state": "output-error"}
                | {"input": {"order": 7}, "errorText": "done"},
                {"type": "text", "text": "It is refunded."},
            ],
        }
    ],
    "ai sdk, earlier": [{"role": "assistant", "content": "It is refunded.", "toolInvocations": [_INVOCATION]}],
    "mastra": [
        {
            "role": "assistant",
            "content": {
                "format": 2,
                "parts": [
                    {"type": "tool-invocation", "toolInvocation": _INVOCATION},
                    {"type": "text", "text": "It is refunded."},
                ],
            },
        }
    ],
    "llamaindex": [
        {"role": "assistant", "blocks": [], "additional_kwargs": {"tool_calls": [_CALL]}},
        {
            "role": "tool",
            "blocks": [{"block_type": "text", "text": "done"}],
            "additional_kwargs": {"tool_call_id": "c"},
        },
        {"role": "assistant", "blocks": [{"block_type": "text", "text": "It is refunded."}]},
    ],
    "haystack": [
        {
            "role": "assistant",
            "content": [{"tool_call": {"id": "c", "tool_name": "refund", "arguments": {"order": 7}}}],
        },
        {
            "role": "tool",
            "content": [{"tool_call_result": {"result": "done", "origin": {"id": "c", "tool_name": "refund"}}}],
        },
        {"role": "assistant", "content": [{"text": "It is refunded."}]},
    ],
    "semantic kernel": [
        {"role": "assistant", "items": [{"content_type": "function_call", "id": "c", **_FUNCTION}]},
        {"role": "tool", "items": [{"content_type": "function_result", "id": "c", "result": "done"}]},
        {"role": "assistant", "items": [{"content_type": "text", "text": "It is refunded."}]},
    ],
    "autogen": [
        {"source": "user", "type": "TextMessage", "content": "Refund order 7."},
        {"source": "a", "type": "ThoughtEvent", "content": "hm"},
        {"source": "a", "type": "ToolCallRequestEvent", "content": [{"id": "c", **_FUNCTION}]},
        {"source": "a", "type": "ToolCallExecutionEvent", "content": [{"call_id": "c", "content": "done"}]},
        {"source": "a", "type": "TextMessage", "content": "It is refunded."},
    ],
    "autogen, core": [
        {"type": "UserMessage", "content": "Refund order 7.", "source": "user"},
        {"type": "AssistantMessage", "content": [{"id": "c", **_FUNCTION}], "source": "a"},
        {"type": "FunctionExecutionResultMessage", "content": [{"call_id": "c", "content": "done"}]},
        {"type": "AssistantMessage", "content": "It is refunded.", "source": "a"},
    ],
    "smolagents": [
        {"task": "Refund order 7."},
        {"step_number": 1, "tool_calls": [_CALL], "model_output": "hm", "observations": "done"},
        {
            "step_number": 2,
            "tool_calls": [
                {"id": "d", "function": {"name": "final_answer", "arguments": {"answer": "It is refunded."}}}
            ],
        },
    ],
    "crewai": {
        "tasks_output": [
            {
                "raw": "It is refunded.",
                "messages": [
                    {"role": "user", "content": "Refund order 7."},
                    {
                        "role": "assistant",
                        "content": 'Thought: so\nAction: refund\nAction Input: {"order": 7}\nObservation: done',
                    },
                    _DONE,
                ],
            }
        ]
    },
    "calls in tags": [
        {"role": "assistant", "content": '<tool_call>\n{"name": "refund", "arguments": {"order": 7}}\n</tool_call>'},
        {"role": "tool", "content": "done"},
        _DONE,
    ],
    "adk": [
        {
            "author": "a",
            "content": {"role": "model", "parts": [{"function_call": {"name": "refund", "args": {"order": 7}}}]},
        },
        {
            "author": "a",
            "content": {"role": "user", "parts": [{"function_response": {"name": "refund", "response": "done"}}]},
        },
        {"author": "a", "content": {"role": "model", "parts": [{"text": "It is refunded."}]}},
    ],
    "agents sdk": [
        {"type": "tool_call_item", "raw_item": {"type": "function_call", "call_id": "c", **_FUNCTION}},
        {
            "type": "tool_call_output_item",
            "raw_item": {"type": "function_call_output", "call_id": "c", "output": "done"},
        },
        {"type": "message_output_item", "raw_item": {"type": "message", **_DONE}},
    ],
    "codex": [
        {"type": "turn.started"},
        {
            "type": "item.completed",
            "item": {"type": "mcp_tool_call", "id": "c", "server": "shop", "tool": "refund"}
            | {"arguments": {"order": 7}, "result": "done"},
        },
        {"type": "item.completed", "item": {"type": "agent_message", "text": "It is refunded."}},
    ],
    "inspect": [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c", "function": "refund", "arguments": {"order": 7}}],
        },
        {"role": "tool", "content": "done", "tool_call_id": "c", "function": "refund"},
        _DONE,
    ],
    "gemini, request": {
        "contents": [
            {"role": "model", "parts": [{"functionCall": {"name": "refund", "args": {"order": 7}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "refund", "response": "done"}}]},
            {"role": "model", "parts": [{"text": "It is refunded."}]},
        ]
    },
    "anthropic, a tool of the server": [
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "c", "name": "refund", "input": {"order": 7}},
                {"type": "web_search_tool_result", "tool_use_id": "c", "content": "done"},
                {"type": "text", "text": "It is refunded."},
            ],
        }
    ],
}


@pytest.mark.parametrize("form", _FORMS)
def test_every_framework_tells_the_call_its_result_and_the_answer(form):
    read = read_trajectory(_FORMS[form])
    made = [(step.call.name, step.call.arguments, step.result) for step in steps_of(Response(trajectory=read))]
    assert made == [("refund", {"order": 7}, "done")]
    if form != "langchain, steps":
        assert last_text(read) == "It is refunded."
        assert not read[-1].tool_calls


@pytest.mark.parametrize(
    ("calls", "results"),
    [
        (
            [{"role": "assistant", "tool_calls": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}],
            [{"role": "tool", "tool_call_id": 2, "content": "B"}, {"role": "tool", "tool_call_id": 1, "content": "A"}],
        ),
        (
            [{"role": "model", "parts": [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "b"}}]}],
            [
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "b", "response": "B"}},
                        {"functionResponse": {"name": "a", "response": "A"}},
                    ],
                }
            ],
        ),
        (
            [{"role": "assistant", "tool_calls": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]}],
            [
                {"role": "tool", "content": "A\n\nB"}
                | {
                    "tool_responses": [
                        {"role": "tool", "tool_call_id": one, "content": two} for one, two in ("1A", "2B")
                    ]
                }
            ],
        ),
        (
            [{"role": "assistant", "tool_calls": [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]}],
            [
                {"role": "tool", "tool_call_id": "gone", "content": "of an earlier call"},
                {"role": "tool", "tool_call_id": "2", "content": "B"},
                {"role": "tool", "tool_call_id": "1", "content": "A"},
            ],
        ),
    ],
    ids=["ids that are numbers", "no ids", "several in one message", "an unknown id"],
)
def test_each_call_gets_its_own_result_whatever_their_order(calls, results):
    steps = steps_of(Response(trajectory=read_trajectory([*calls, *results])))
    assert [(step.call.name, step.result) for step in steps] == [("a", "A"), ("b", "B")]


def test_a_call_that_waits_for_leave_is_a_call_and_one_with_leave_is_one_call():
    asked = {"type": "mcp_approval_request", "id": "m", "name": "delete", "arguments": "{}"}
    made = {
        "type": "mcp_call",
        "id": "n",
        "approval_request_id": "m",
        "name": "delete",
        "arguments": "{}",
        "error": "no",
    }
    for items, result in (([asked], None), ([asked, made], "no")):
        steps = steps_of(Response(trajectory=read_trajectory(items)))
        assert [(step.call.name, step.result) for step in steps] == [("delete", result)]


def test_code_that_gemini_runs_is_a_call():
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    ]
    steps = steps_of(Response(trajectory=read_trajectory([{"role": "model", "parts": parts}])))
    assert [(step.call.name, step.result) for step in steps] == [("code_execution", "2")]
