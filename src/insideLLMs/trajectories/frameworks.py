"""What frameworks put around messages, calls and results -> the forms of APIs, which `messages` reads.

Known are LangChain and LangGraph, LlamaIndex, Haystack, Semantic Kernel, AutoGen and AG2, CrewAI, smolagents, Google's
ADK, OpenAI's Agents SDK, the AI SDK, Mastra, and the logs of coding agents.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson

Fields = Mapping[str, Any]  # a JSON object
_FROM_EXTRA = ("tool_calls", "function_call", "tool_call_id")
_INVOCATIONS = ("toolInvocation", "tool_invocation")
_WRAPS = ("raw_item", "kwargs", "data")
"""Where OpenAI's Agents SDK and LangChain keep a message."""
_AUTOGEN_ASIDE = ("ThoughtEvent", "ModelClientStreamingChunkEvent", "UserInputRequestedEvent", "MemoryQueryEvent")
_AUTOGEN_SAID = ("TextMessage", "MultiModalMessage", "HandoffMessage", "StopMessage", "ToolCallSummaryMessage")
_CODEX_ASIDE = ("thread.", "turn.", "item.started", "item.updated")
_CODEX_NOTES = ("reasoning", "todo_list", "error")
_CODEX_ENDS = ("id", "type", "status", "aggregated_output", "exit_code", "result", "error", "server", "tool")
_WRITTEN = re.compile(
    r"<tool_call>(?P<json>(?:[^<]|<(?!/?tool_call>))*+)</tool_call>"
    r"|^Action:[ \t]*+(?P<name>[^\n]{1,200}+)\n{1,3}Action Input:(?P<input>(?s:.)*?)(?=\nObservation:|\Z)"
    r"(?:\nObservation:(?P<seen>(?s:.)*?)(?=\n(?:Thought|Action|Final Answer):|\Z))?",
    re.MULTILINE,
)
"""A call as text: of models without calls of tools, and of CrewAI."""


def plain_items(items: Sequence[object]) -> Iterator[tuple[int, object]]:
    """Yield each message, call or result with the number of the item that holds it, from 1 on."""
    called = [item for item in items if isinstance(item, Mapping) and item.get("type") == "mcp_call"]
    requested = {asked for item in called if isinstance(asked := item.get("approval_request_id"), str)}
    for number, item in enumerate(items, 1):
        for one in _unwrapped(item):
            if not (isinstance(one, Mapping) and _is_approval(one, requested)):
                yield number, one


def _is_approval(item: Fields, requested: Collection[str]) -> bool:
    """Whether an item only asks for leave to make a call that stands in the list too, or gives or denies it."""
    kind = item.get("type")
    asked = item.get("id")
    is_known = isinstance(asked, str) and asked in requested
    return kind == "mcp_approval_response" or (kind == "mcp_approval_request" and is_known)


def _unwrapped(item: object) -> Iterator[object]:
    """Yield what an item wraps, or the item itself."""
    if isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], Mapping) and "tool_input" in item[0]:
        yield {"type": "tool_call", "name": item[0].get("tool"), "input": item[0]["tool_input"], "output": item[1]}
        return
    if not isinstance(item, Mapping):
        yield item
        return
    inner, listed = _inner(item), _listed(item)
    if inner is not None or listed is not None:
        for one in [inner] if listed is None else listed:
            yield from _unwrapped(one)
    else:
        yield from _with_written_calls(_with_extra(item))


def _inner(item: Fields) -> Fields | None:
    """Return the only message that an item holds."""
    message, content = item.get("message"), item.get("content")
    if isinstance(message, Mapping) and "role" in message:
        return message
    if isinstance(content, Mapping) and isinstance(content.get("parts"), list):
        return {**{name: value for name, value in item.items() if name != "content"}, **content}
    wrap = next((name for name in _WRAPS if isinstance(item.get(name), Mapping)), None)
    if wrap is None or "role" in item or (wrap == "kwargs" and item.get("type") != "constructor"):
        return None
    return {"type": _class_role(item.get("id")) if wrap == "kwargs" else item.get("type"), **item[wrap]}


def _class_role(names: object) -> str:
    """Return the role that the name of LangChain's class says: "AIMessage" -> "ai"."""
    last = names[-1] if isinstance(names, list) and names else ""
    return str(last).removesuffix("Chunk").removesuffix("Message").lower()


def _listed(item: Fields) -> list[object] | None:
    """Return the messages of an item that holds several, or none; None where it is one itself."""
    if isinstance(item.get("tool_responses"), list) and item["tool_responses"]:  # AG2 joins their texts beside them
        return list(item["tool_responses"])
    if not {"role", "type", "kind"}.isdisjoint(item):
        found = _of_codex(item)
        return _of_autogen(item) if found is None else found
    held = [item, *(value for value in item.values() if isinstance(value, Mapping))]
    lists = [one["messages"] for one in held if isinstance(one.get("messages"), list)]
    if lists:  # what a node of LangGraph adds, or a task of CrewAI
        return [message for messages in lists for message in messages]
    return list(_step(item)) if "step_number" in item or "task" in item or "system_prompt" in item else None


def _step(item: Fields) -> Iterator[Fields]:
    """Yield the messages of a step of smolagents, whose answer is a call of the tool `final_answer`."""
    for name, role in (("system_prompt", "system"), ("task", "user")):
        if isinstance(item.get(name), str):
            yield {"role": role, "content": item[name]}
    if "step_number" not in item:
        return
    calls = list(item.get("tool_calls") or ())
    names = [_function_of(call).get("name") for call in calls]
    if names == ["final_answer"]:
        given = _function_of(calls[0]).get("arguments")
        answer = given.get("answer", given) if isinstance(given, Mapping) else given
        yield {"role": "assistant", "content": answer if isinstance(answer, str) else [{"answer": answer}]}
        return
    yield {"role": "assistant", "content": item.get("model_output") or "", "tool_calls": calls}
    if calls and item.get("observations") is not None:
        yield {"role": "tool", "content": item["observations"], "tool_call_id": calls[0].get("id")}


def _function_of(call: object) -> Fields:
    function = call.get("function", call) if isinstance(call, Mapping) else None
    return function if isinstance(function, Mapping) else {}


def _of_codex(item: Fields) -> list[object] | None:
    """Return an event of Codex as a message or a call; None for an item of another origin."""
    kind, inner = str(item.get("type", "")), _mapping(item.get("item"))
    if kind.startswith(_CODEX_ASIDE) or (kind == "item.completed" and inner.get("type") in _CODEX_NOTES):
        return []
    if kind != "item.completed" or not inner:
        return None
    if inner.get("type") == "agent_message":
        return [{"role": "assistant", "content": inner.get("text")}]
    given = {name: value for name, value in inner.items() if name not in _CODEX_ENDS}
    made = {"name": inner.get("tool") or inner.get("type"), "arguments": inner.get("arguments", given)}
    result = next((inner[key] for key in ("aggregated_output", "result", "error") if inner.get(key) is not None), None)
    return [{"type": "function_call", **made, "call_id": inner.get("id"), "output": result}]


def _of_autogen(item: Fields) -> list[object] | None:
    """Return a message of AutoGen under a role; None for one of another origin."""
    kind, content = item.get("type"), item.get("content")
    if kind in _AUTOGEN_ASIDE:
        return []
    if kind in ("ToolCallExecutionEvent", "FunctionExecutionResultMessage") and isinstance(content, list):
        return [{"type": "tool_result", **_mapping(one)} for one in content]
    if kind == "ToolCallRequestEvent":
        return [{"role": "assistant", "tool_calls": content}]
    is_user = kind == "TextMessage" and item.get("source") == "user"
    return [{"role": "user" if is_user else "assistant", "content": content}] if kind in _AUTOGEN_SAID else None


def _with_extra(item: Fields) -> Fields:
    """Return a message with what LangChain and LlamaIndex keep apart, and earlier AI SDKs, in the usual place."""
    extra, made = item.get("additional_kwargs"), item.get("toolInvocations")
    if isinstance(extra, Mapping) and not (item.get("tool_calls") or item.get("invalid_tool_calls")):
        item = {**item, **{name: extra[name] for name in _FROM_EXTRA if extra.get(name)}}
    if isinstance(made, list) and made and not item.get("parts"):
        parts = [{"type": "tool-invocation", "toolInvocation": one} for one in made]
        item = {**item, "parts": [*parts, {"type": "text", "text": item.get("content") or ""}]}
    return item


def _with_written_calls(item: Fields) -> Iterator[Fields]:
    """Yield a message, and apart from it the calls that its text writes out, with their results where it has them."""
    text, at = item.get("content"), 0
    if item.get("role") != "assistant" or not isinstance(text, str) or item.get("tool_calls"):
        yield item
        return
    for found in _WRITTEN.finditer(text):
        name, given = found["name"], found["input"]
        call = _decoded(found["json"]) if name is None else {"name": name.strip(), "arguments": given.strip()}
        if isinstance(call.get("name"), str):
            yield {**item, "content": text[at : found.end() if found["seen"] is None else found.start("seen")]}
            yield {"type": "function_call", **call}
            at = found.end()
        if found["seen"] is not None:
            yield {"type": "function_call_output", "output": found["seen"].strip()}
    if at == 0 or text[at:].strip():
        yield {**item, "content": text[at:].strip() if at else text}


def _decoded(text: str) -> Fields:
    try:
        return _mapping(orjson.loads(text))
    except orjson.JSONDecodeError:
        return {}


def plain_parts(part: object) -> Iterator[object]:
    """Yield a part of a message; of one that holds a call and its result, or wraps them in its own way, each."""
    if not isinstance(part, Mapping):
        yield part
        return
    inner = next((part[name] for name in _INVOCATIONS if isinstance(part.get(name), Mapping)), part)
    name = _tool_of_ui(str(part.get("type", "")), inner)
    if name and "toolCallId" in inner:
        yield from _ui_part(name, inner)
    elif isinstance(part.get("tool_call_result"), Mapping):  # Haystack
        result = part["tool_call_result"]
        yield {"type": "tool_result", **_mapping(result.get("origin")), "content": result.get("result")}
    elif isinstance(part.get("executableCode"), Mapping):  # Gemini
        yield {"type": "tool_call", "name": "code_execution", "arguments": part["executableCode"]}
    elif isinstance(part.get("codeExecutionResult"), Mapping):
        yield {"type": "tool_result", "content": part["codeExecutionResult"].get("output")}
    else:
        yield part


def _tool_of_ui(kind: str, part: Fields) -> object:
    """Return the tool that a part of the AI SDK's UIMessage names, in its type or beside it."""
    if kind in ("dynamic-tool", "tool-invocation"):
        return part.get("toolName")
    return kind.removeprefix("tool-") if kind.startswith("tool-") and "state" in part else None


def _ui_part(name: object, part: Fields) -> Iterator[Fields]:
    """Yield a call, and its result where there is one."""
    yield {"type": "tool_call", "name": name, "id": part["toolCallId"], "input": part.get("input", part.get("args"))}
    given = next((part[key] for key in ("output", "result", "errorText") if part.get(key) is not None), None)
    if given is not None:
        yield {"type": "tool_result", "tool_call_id": part["toolCallId"], "content": given}


def _mapping(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}
