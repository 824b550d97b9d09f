"""Spans of a trace -> the messages that they tell, in the form in which OpenTelemetry's GenAI conventions write them.

Read are OTLP's JSON and flat objects with `attributes`; of attributes those of the GenAI conventions and of
OpenInference. Each call of a model tells its whole history, so what an earlier one told is not told again. Calls of
tools that no message tells come from the tools' own spans.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.types import JsonValue

Turn = dict[str, Any]  # a message as it is written
_INPUT, _OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"
_LISTS = ("resourceSpans", "scopeSpans", "spans")
_STARTS = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")
_OPERATIONS = ("gen_ai.operation.name", "openinference.span.kind")
_AGENTS = frozenset({"invoke_agent", "invoke_workflow", "create_agent", "AGENT"})
_WHOLE = re.compile(r"-?\d{1,20}")
_INDEXED = re.compile(r"llm\.(input|output)_messages\.(\d{1,4})\.message\.(.+)")


def is_spans(value: object) -> bool:
    """Whether a value is a span, a list of spans, or an export that holds some."""
    if isinstance(value, Mapping):
        return "attributes" in value or any(isinstance(value.get(name), list) for name in _LISTS)
    return isinstance(value, list | tuple) and bool(value) and all(map(is_spans, value))


def span_messages(value: object) -> Iterator[Turn]:
    """Yield the messages of a trace. Raises TrajectoryError where no span tells of a model or a tool."""
    spans = sorted((_Span.of(one) for one in _flat(value)), key=lambda span: span.began)
    told = [span for span in spans if span.messages]
    turns: list[Turn] = []
    for span in [one for one in told if not one.is_agent] or told:
        _continue(turns, span.messages)
    _add_tools(turns, [span for span in spans if span.tool])
    if not turns:
        raise TrajectoryError(
            f"none of {len(spans)} spans has messages or a tool call",
            fix=f"export {_INPUT} and {_OUTPUT}, or spans of tools (most instrumentations do so only when asked)",
        )
    yield from turns


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


class _Span(msgspec.Struct, frozen=True):
    """A span: when it began, the messages of its call of a model, or the tool that it ran."""

    began: tuple[float, str]
    messages: list[Turn]
    tool: Turn | None
    is_agent: bool

    @classmethod
    def of(cls, span: Mapping[str, Any]) -> "_Span":
        found = _attributes(span.get("attributes"))
        for event in _listed(span.get("events")):
            if isinstance(event, Mapping) and str(event.get("name", "")).startswith("gen_ai."):
                found = {**_attributes(event.get("attributes")), **found}
        return cls(
            began=_began(span),
            messages=[*_system(found), *_chat(found, "input", _INPUT), *_chat(found, "output", _OUTPUT)],
            tool=_tool(found),
            is_agent=any(str(found.get(name)) in _AGENTS for name in _OPERATIONS),
        )


def _began(span: Mapping[str, Any]) -> tuple[float, str]:
    given = next((span[name] for name in _STARTS if name in span), 0)
    if isinstance(given, int | float) or (isinstance(given, str) and given.isdecimal()):
        return (float(given), "")
    return (0.0, str(given))


def _attributes(given: object) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    pairs = given if isinstance(given, list | tuple) else ()
    return {
        str(pair["key"]): _plain(pair.get("value")) for pair in pairs if isinstance(pair, Mapping) and "key" in pair
    }


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: object) -> JsonValue:
    """Return an attribute's value from OTLP's wrapping."""
    match value:
        case {"arrayValue": inner}:
            return [_plain(one) for one in _listed(_mapping(inner).get("values"))]
        case {"kvlistValue": inner}:
            return _attributes(_mapping(inner).get("values"))
        case {"intValue": number}:
            return int(number) if _WHOLE.fullmatch(str(number)) else number
        case {"stringValue": inner} | {"boolValue": inner} | {"doubleValue": inner}:
            return inner
    return value


def _decoded(value: object) -> object:
    """Decode an attribute that holds JSON as text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _system(found: Mapping[str, Any]) -> list[Turn]:
    given = _decoded(found.get("gen_ai.system_instructions"))
    return [{"role": "system", "parts": given}] if isinstance(given, list) else []


def _chat(found: Mapping[str, Any], side: str, name: str) -> list[Turn]:
    given = _decoded(found.get(name))
    if isinstance(given, list):
        return [dict(turn) for turn in given if isinstance(turn, Mapping)]
    return _indexed(found, side)


def _indexed(found: Mapping[str, Any], side: str) -> list[Turn]:
    """Return the messages that OpenInference spreads over attributes with numbers in their names."""
    turns: dict[int, Turn] = {}
    calls: dict[tuple[int, int], Turn] = {}
    for name, value in found.items():
        place = _INDEXED.fullmatch(name)
        if place is None or place[1] != side:
            continue
        turn, path = turns.setdefault(int(place[2]), {}), place[3].split(".")
        if path[0] == "tool_calls" and len(path) > 2 and _WHOLE.fullmatch(path[1]):
            calls.setdefault((int(place[2]), int(path[1])), {})[path[-1]] = value
        elif path[0] == "contents" and path[-1] == "text":
            turn["parts"] = [*_listed(turn.get("parts")), {"type": "text", "text": value}]
        elif len(path) == 1:
            turn[path[0]] = value
    for (number, _), call in sorted(calls.items()):
        turns[number]["tool_calls"] = [*_listed(turns[number].get("tool_calls")), call]
    return [turns[number] for number in sorted(turns)]


def _tool(found: Mapping[str, Any]) -> Turn | None:
    """Return the call that a tool's span tells, and what came of it."""
    is_tool = found.get("gen_ai.operation.name") == "execute_tool" or found.get("openinference.span.kind") == "TOOL"
    name = found.get("gen_ai.tool.name", found.get("tool.name"))
    if not is_tool or not isinstance(name, str):
        return None
    arguments = found.get("gen_ai.tool.call.arguments", found.get("input.value"))
    result = found.get("gen_ai.tool.call.result", found.get("output.value"))
    named = found.get("gen_ai.tool.call.id", found.get("tool_call.id"))
    call = named if isinstance(named, str) else None
    return {"id": call, "name": name, "arguments": _decoded(arguments) if arguments else {}, "result": result}


def _continue(turns: list[Turn], told: Sequence[Turn]) -> None:
    """Add what was told, without what its beginning says once more of the end of what is known.

    A history that was cut or summed up may hold calls and results that are known: those have ids.
    """
    known, new = [_shape(turn) for turn in turns], [_shape(turn) for turn in told]
    same = next((count for count in range(min(len(known), len(new)), 0, -1) if known[-count:] == new[:count]), 0)
    rest = zip(told[same:], new[same:], strict=True)
    turns.extend(turn for turn, shape in rest if shape not in known or b'"id": "' not in shape)


def _shape(turn: Turn) -> bytes:
    """Return a message as it compares: one that is sent back to the model has lost its thoughts, and why it ended."""
    plain = {name: value for name, value in turn.items() if name != "finish_reason"}
    if isinstance(plain.get("parts"), list):
        plain["parts"] = [part for part in plain["parts"] if not _is_thought(part)]
    return json.dumps(plain, sort_keys=True, default=str).encode()


def _is_thought(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("reasoning", "thinking")


def _add_tools(turns: list[Turn], tools: Sequence[_Span]) -> None:
    """Add the results, and the calls, that only the tools' spans tell: a call before the last answer."""
    called, answered = _ids(turns, "tool_call", "tool_calls"), _ids(turns, "tool_call_response", "")
    unnamed = [part for turn in turns for part in _call_parts(turn)]
    for span in tools:
        tool = span.tool
        assert tool is not None
        if tool["id"] in answered or (tool["id"] is None and _claim(unnamed, tool)):
            continue
        result = {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": tool["id"], "response": tool["result"]}],
        }
        if tool["id"] is not None and tool["id"] in called:
            turns.insert(_behind_call(turns, tool["id"]), result)
            continue
        call = {key: tool[key] for key in ("id", "name", "arguments")}
        place = len(turns) - _ends_with_answer(turns)
        turns[place:place] = [{"role": "assistant", "parts": [{"type": "tool_call", **call}]}, result]


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


def _ids(turns: Sequence[Turn], kind: str, beside: str) -> set[object]:
    """Return the ids of the calls, or of the results, that messages tell."""
    parts = [part for turn in turns for part in _listed(turn.get("parts")) if isinstance(part, Mapping)]
    found = [part.get("id") for part in parts if part.get("type") == kind]
    if beside:
        found += [call.get("id") for turn in turns for call in _call_parts(turn)]
    else:
        found += [turn.get("tool_call_id") for turn in turns]
    return {name for name in found if isinstance(name, str)}


def _behind_call(turns: Sequence[Turn], name: object) -> int:
    """Return the place behind a call and the results that follow it."""
    place = next(at for at, turn in enumerate(turns) if any(part.get("id") == name for part in _call_parts(turn))) + 1
    while place < len(turns) and turns[place].get("role") == "tool":
        place += 1
    return place


def _ends_with_answer(turns: Sequence[Turn]) -> bool:
    return bool(turns) and turns[-1].get("role") == "assistant" and not any(True for _ in _call_parts(turns[-1]))
