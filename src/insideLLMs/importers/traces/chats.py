"""The chat that a span tells, by whatever convention: messages as objects, to be read by `trajectories`.

OpenTelemetry's GenAI conventions in their present form (`gen_ai.input.messages`), that of 2024 and 2025 (an event for
each message), that of OpenLLMetry (`gen_ai.prompt.0.content`), OpenInference (`llm.input_messages.0.message.content`),
and those of Vercel's and Pydantic's SDKs.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from insideLLMs.core.types import JsonValue
from insideLLMs.importers.fields import whole
from insideLLMs.importers.traces.span import Span

Turn = dict[str, Any]  # a message as it is written
Side = Literal["input", "output"]
DETAILS = "gen_ai.client.inference.operation.details"
_LISTS = {
    "input": ("gen_ai.input.messages", "ai.prompt.messages"),
    "output": ("gen_ai.output.messages",),
}
_INDEXED = {
    "input": ("llm.input_messages", "gen_ai.prompt", "llm.prompts"),
    "output": ("llm.output_messages", "gen_ai.completion", "llm.completions"),
}
_WRAPPERS = frozenset({"message", "tool_call", "message_content", "function", "image"})
"""Parts of OpenInference's names that say of what a field is."""
_ROLES_OF_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_WHOLE = ("pydantic_ai.all_messages", "all_messages_events")
"""What agents of Pydantic's tell at their end: the whole chat, the answer included."""
_OF_EVENTS = ("events", "all_messages_events")


def turns(span: Span, side: Side) -> list[Turn]:
    """Return what a span tells of a chat, before it (`input`) or what came of it (`output`); nothing if nothing."""
    found = next((told for find in _FINDERS if (told := find(span, side))), [])
    return [*_instructions(span), *found] if side == "input" and found else found


def decoded(value: JsonValue) -> JsonValue:
    """Return what an attribute's text holds as JSON; the value itself where it is no JSON."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "[", '"'}:
        return value
    try:
        return decode(value)
    except (ValueError, RecursionError):
        return value


def decode(text: str | bytes) -> JsonValue:
    """Decode JSON; halves of characters, which msgspec refuses, are replaced. Raises ValueError or RecursionError."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return whole(json.loads(text))


def _listed(span: Span, side: Side) -> list[Turn]:
    told = (read[name] for read in _told(span) for name in _LISTS[side] if name in read)
    return next((found for given in told if (found := _turns_in(given))), [])


def _told(span: Span) -> Iterator[Mapping[str, JsonValue]]:
    """Yield the attributes that tell of a whole call: the span's own, and those of its event."""
    yield span.attributes
    yield from (read for name, read in span.events if name == DETAILS)


def _instructions(span: Span) -> list[Turn]:
    told = (decoded(read["gen_ai.system_instructions"]) for read in _told(span) if "gen_ai.system_instructions" in read)
    given = next(told, None)
    return [{"role": "system", "parts": given if isinstance(given, list) else [given]}] if given else []


def _turns_in(given: JsonValue) -> list[Turn]:
    value = decoded(given)
    if isinstance(value, dict):
        value = value.get("messages", [value])
    return [dict(turn) for turn in value if isinstance(turn, dict)] if isinstance(value, list) else []


def _indexed(span: Span, side: Side) -> list[Turn]:
    """Return the messages that are spread over attributes with numbers in their names."""
    for prefix in _INDEXED[side]:
        numbered: dict[int, Turn] = {}
        for name, value in span.attributes.items():
            found = _pattern(prefix).fullmatch(name)
            if found is not None:
                _put(numbered.setdefault(int(found[1]), {}), found[2].split("."), value)
        if numbered:
            usual = "user" if side == "input" else "assistant"
            return [_ended(numbered[number], usual) for number in sorted(numbered)]
    return []


@functools.cache
def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(re.escape(prefix) + r"\.(\d{1,6})\.(.{1,200})")


def _put(turn: Turn, path: Sequence[str], value: JsonValue) -> None:
    """Put a value where its path says: a field, or one of a numbered call or part."""
    plain = [part for part in path if part not in _WRAPPERS]
    match plain:
        case ["tool_calls" | "contents" as name, number, field] if number.isdecimal() and len(number) < 7:
            turn.setdefault(name, {}).setdefault(int(number), {})[field] = value
        case [field]:
            turn[field] = value


def _ended(turn: Turn, usual_role: str) -> Turn:
    """Return a message whose numbered calls and parts are lists."""
    calls, parts = turn.pop("tool_calls", {}), turn.pop("contents", {})
    turn.setdefault("role", usual_role)
    if isinstance(calls, dict) and calls:
        turn["tool_calls"] = [calls[number] for number in sorted(calls)]
    if isinstance(parts, dict) and parts and not turn.get("content"):
        turn["content"] = [_part(parts[number]) for number in sorted(parts)]
    content = decoded(turn.get("content"))
    if isinstance(content, list) and content and all(isinstance(part, dict) and "type" in part for part in content):
        turn["content"] = content
    return turn


def _part(part: Turn) -> Turn:
    return {"type": "image_url", "image_url": {"url": part["url"]}} if "url" in part else part


def _from_events(span: Span, side: Side) -> list[Turn]:
    """Return the messages that events tell one by one, or two events whole."""
    whole = {
        "input": ("gen_ai.content.prompt", "gen_ai.prompt"),
        "output": ("gen_ai.content.completion", "gen_ai.completion"),
    }
    told = [*span.events, *_events_within(span)]
    found = [turn for name, read in told if (turn := _of_event(name, read, side)) is not None]
    return found or [
        turn for name, read in told if name == whole[side][0] for turn in _turns_in(read.get(whole[side][1]))
    ]


def _of_event(name: str, read: Mapping[str, JsonValue], side: Side) -> Turn | None:
    """Return the message of an event; its fields are attributes, or those of the body of a log's record."""
    fields = {key.removeprefix("body."): decoded(value) for key, value in read.items()}
    if name == _CHOICE and side == "output":
        message = fields.get("message")
        told = message if isinstance(message, dict) else fields
        kept = {key: value for key, value in told.items() if key in {"role", "content", "tool_calls"}}
        return {"role": "assistant", **kept}
    if name in _ROLES_OF_EVENTS and side == "input":
        role = _ROLES_OF_EVENTS[name]
        kept = {key: value for key, value in fields.items() if key in {"content", "tool_calls"}}
        return {"role": role, **kept, **({"tool_call_id": fields["id"]} if role == "tool" and "id" in fields else {})}
    return None


def _events_within(span: Span) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """Yield the events that Logfire writes into an attribute."""
    for name in _OF_EVENTS:
        listed = decoded(span.attributes.get(name))
        for event in listed if isinstance(listed, list) else ():
            if isinstance(event, dict):
                yield str(event.get("event.name", "")), event


def _of_vercel(span: Span, side: Side) -> list[Turn]:
    text, calls = span.text("ai.response.text"), decoded(span.attributes.get("ai.response.toolCalls"))
    if side == "input" or not (text or calls):
        return []
    listed = calls if isinstance(calls, list) else []
    named = [
        {"id": call.get("toolCallId"), "name": call.get("toolName"), "arguments": call.get("input", call.get("args"))}
        for call in listed
        if isinstance(call, dict)
    ]
    return [{"role": "assistant", "content": text, **({"tool_calls": named} if named else {})}]


def _of_pydantic(span: Span, side: Side) -> list[Turn]:
    """Split the whole chat of an agent at its first answer: what came before was asked."""
    whole = next((found for name in _WHOLE if (found := _turns_in(span.attributes.get(name)))), [])
    first = next((at for at, turn in enumerate(whole) if turn.get("role") in {"assistant", "model"}), len(whole))
    return whole[:first] if side == "input" else whole[first:]


_FINDERS: tuple[Callable[[Span, Side], list[Turn]], ...] = (_listed, _indexed, _from_events, _of_vercel, _of_pydantic)
