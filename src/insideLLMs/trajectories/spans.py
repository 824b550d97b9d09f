"""Spans of a trace -> the messages that they tell.

Read are OTLP's JSON and objects with `attributes`. Each call of a model tells its whole history, so what an earlier one
told is not told again. Calls of tools that no message tells come from the tools' own spans.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.foreign_json import decoded
from insideLLMs.trajectories.attributes import Attributes
from insideLLMs.trajectories.chats import Turn, instructions, turns
from insideLLMs.trajectories.span import Event, Span, SpanKind, kind_of, nanoseconds

_LISTS = ("resourceSpans", "scopeSpans", "spans")
_STARTS = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")
_OPERATIONS = ("gen_ai.operation.name", "openinference.span.kind")
_AGENTS = frozenset({"invoke_agent", "invoke_workflow", "create_agent", "AGENT"})


def is_spans(value: object) -> bool:
    """Whether a value is a span, a list of spans, or an export that holds some."""
    if isinstance(value, Mapping):
        return "attributes" in value or any(isinstance(value.get(name), list) for name in _LISTS)
    return isinstance(value, list | tuple) and bool(value) and all(map(is_spans, value))


def read_spans(value: object) -> list[Span]:
    """Return the spans of an export, in its order."""
    return [_span(one) for one in _flat(value)]


def messages_of(spans: Iterable[Span]) -> list[Turn]:
    """Return the messages of a trace. Raises TrajectoryError where no span tells of a model or a tool."""
    read = [_Told.by(span) for span in sorted(spans, key=lambda span: span.start_ns)]
    told = [one for one in read if one.messages]
    whole = _Chat()
    for one in [one for one in told if not one.is_agent] or told:
        whole.go_on(one.messages)
    chat = whole.turns
    _add_tools(chat, [one.tool for one in read if one.tool is not None])
    if not chat:
        raise TrajectoryError(
            f"none of {len(read)} spans has messages or a tool call",
            fix="export gen_ai.input.messages and gen_ai.output.messages, or spans of tools (most instrumentations do "
            "so only when asked)",
        )
    return chat


def _flat(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the spans of an export, however deep they stand."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, Mapping):
        inner = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
        if inner is None:
            yield value
        else:
            yield from _flat(inner)


def _span(given: Mapping[str, Any]) -> Span:
    start = next((given[name] for name in _STARTS if name in given), None)
    return Span(
        start_ns=int(start) if isinstance(start, float) and isfinite(start) else nanoseconds(start),
        attributes=Attributes().read(given.get("attributes")),
        events=tuple(_events(given.get("events"))),
    )


def _events(listed: object) -> Iterator[Event]:
    for event in _listed(listed):
        if isinstance(event, Mapping):
            yield str(event.get("name", "")), Attributes().read(event.get("attributes"))


class _Told(NamedTuple):
    """What a span tells: the messages of its call of a model, or the tool that it ran."""

    messages: list[Turn]
    tool: Turn | None
    is_agent: bool

    @classmethod
    def by(cls, span: Span) -> "_Told":
        return cls(
            messages=[*(turns(span, "input") or instructions(span)), *turns(span, "output")],
            tool=_tool(span),
            is_agent=any(span.text(name) in _AGENTS for name in _OPERATIONS),
        )


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _tool(span: Span) -> Turn | None:
    """Return the call that a tool's span tells, and what came of it."""
    name, read = span.text("gen_ai.tool.name", "tool.name"), span.attributes
    if kind_of(span) is not SpanKind.TOOL or not name:
        return None
    arguments = read.get("gen_ai.tool.call.arguments", read.get("input.value"))
    result = read.get("gen_ai.tool.call.result", read.get("output.value"))
    call = span.text("gen_ai.tool.call.id", "tool_call.id") or None
    return {"id": call, "name": name, "arguments": decoded(arguments) if arguments else {}, "result": result}


class _Chat:
    """What the spans tell together, and the shapes of it."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._shapes: list[bytes] = []
        self._known: set[bytes] = set()

    def go_on(self, told: Sequence[Turn]) -> None:
        """Add what was told, without what its beginning says once more of the end of what is known.

        A history that was cut or summed up may hold calls and results that are known: those have ids.
        """
        known, new = self._shapes, [_shape(turn) for turn in told]
        same = next((count for count in range(min(len(known), len(new)), 0, -1) if known[-count:] == new[:count]), 0)
        rest = zip(told[same:], new[same:], strict=True)
        added = [(turn, shape) for turn, shape in rest if shape not in self._known or b'"id": "' not in shape]
        self.turns += [turn for turn, _ in added]
        self._shapes += [shape for _, shape in added]
        self._known.update(shape for _, shape in added)


def _shape(turn: Turn) -> bytes:
    """Return a message as it compares: one that is sent back to the model has lost its thoughts, and why it ended."""
    plain = {name: value for name, value in turn.items() if name != "finish_reason"}
    if isinstance(plain.get("parts"), list):
        plain["parts"] = [part for part in plain["parts"] if not _is_thought(part)]
    return json.dumps(plain, sort_keys=True, default=str).encode()


def _is_thought(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("reasoning", "thinking")


def _add_tools(chat: list[Turn], tools: Sequence[Turn]) -> None:
    """Add the results, and the calls, that only the tools' spans tell: a call before the last answer."""
    called = _texts(part.get("id") for turn in chat for part in _call_parts(turn))
    answered = _texts(name for turn in chat for name in _answered_calls(turn))
    unnamed = [part for turn in chat for part in _call_parts(turn)]
    for tool in tools:
        if tool["id"] in answered or (tool["id"] is None and _claim(unnamed, tool)):
            continue
        result = {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": tool["id"], "response": tool["result"]}],
        }
        if tool["id"] is not None and tool["id"] in called:
            chat.insert(_behind_call(chat, tool["id"]), result)
            continue
        call = {key: tool[key] for key in ("id", "name", "arguments")}
        place = len(chat) - _ends_with_answer(chat)
        chat[place:place] = [{"role": "assistant", "parts": [{"type": "tool_call", **call}]}, result]


def _call_parts(turn: Turn) -> Iterator[Mapping[str, Any]]:
    for part in _listed(turn.get("parts")):
        if isinstance(part, Mapping) and part.get("type") == "tool_call":
            yield part
    for call in _listed(turn.get("tool_calls")):
        if isinstance(call, Mapping):
            yield call


def _claim(unnamed: list[Mapping[str, Any]], tool: Turn) -> bool:
    """Whether a message tells this call already; each tells one."""
    for place, part in enumerate(unnamed):
        inner = part.get("function")
        if (inner if isinstance(inner, Mapping) else part).get("name") == tool["name"]:
            del unnamed[place]
            return True
    return False


def _answered_calls(turn: Turn) -> Iterator[object]:
    """Yield the ids of the calls whose results a message has."""
    yield turn.get("tool_call_id")
    for part in _listed(turn.get("parts")):
        if isinstance(part, Mapping) and part.get("type") == "tool_call_response":
            yield part.get("id")


def _texts(names: Iterable[object]) -> set[str]:
    return {name for name in names if isinstance(name, str)}


def _behind_call(chat: Sequence[Turn], name: object) -> int:
    """Return the place behind a call and the results that follow it."""
    place = next(at for at, turn in enumerate(chat) if any(part.get("id") == name for part in _call_parts(turn))) + 1
    while place < len(chat) and chat[place].get("role") == "tool":
        place += 1
    return place


def _ends_with_answer(chat: Sequence[Turn]) -> bool:
    return bool(chat) and chat[-1].get("role") == "assistant" and not any(True for _ in _call_parts(chat[-1]))
