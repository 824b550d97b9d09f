"""The chat that a span tells, by whatever convention: messages as objects, to be read as any others.

OpenTelemetry's GenAI conventions in their present form (`gen_ai.input.messages`), that of 2024 and 2025 (an event for
each message), that of OpenLLMetry (`gen_ai.prompt.0.content`), OpenInference (`llm.input_messages.0.message.content`),
and those of Vercel's and Pydantic's SDKs.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from insideLLMs.core.foreign_json import decoded
from insideLLMs.core.types import JsonValue
from insideLLMs.trajectories.span import Span

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


def turns(span: Span, side: Side) -> list[Turn]:
    """Return what a span tells of a chat, before it (`input`) or what came of it (`output`); nothing if nothing."""
    found = next((told for find in _FINDERS if (told := find(span, side))), [])
    return [*instructions(span), *found] if side == "input" and found else found


def _listed(span: Span, side: Side) -> list[Turn]:
    told = (read[name] for read in _told(span) for name in _LISTS[side] if name in read)
    return next((found for given in told if (found := _turns_in(given))), [])


def _told(span: Span) -> Iterator[Mapping[str, JsonValue]]:
    """Yield the attributes that tell of a whole call: the span's own, and those of its event."""
    yield span.attributes
    yield from (read for name, read in span.events if name == DETAILS)


def instructions(span: Span) -> list[Turn]:
    """Return the system's message, where a span has it apart from the chat."""
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
    usual_role = "user" if side == "input" else "assistant"
    for prefix in _INDEXED[side]:
        numbered: dict[int, _Spread] = {}
        for name, value in span.attributes.items():
            found = _pattern(prefix).fullmatch(name)
            if found is not None:
                numbered.setdefault(int(found[1]), _Spread()).put(found[2].split("."), value)
        if numbered:
            return [numbered[number].turn(usual_role) for number in sorted(numbered)]
    return []


@functools.cache
def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(re.escape(prefix) + r"\.(\d{1,6})\.(.{1,200})")


class _Spread:
    """A message that is spread over attributes: its fields, and its calls and parts by their numbers."""

    def __init__(self) -> None:
        self._fields: Turn = {}
        self._parts: dict[str, dict[int, Turn]] = {"tool_calls": {}, "contents": {}}

    def put(self, path: Sequence[str], value: JsonValue) -> None:
        """Put a value where its path says: a field, or one of a numbered call or part."""
        match [part for part in path if part not in _WRAPPERS]:
            case ["tool_calls" | "contents" as name, number, field] if number.isdecimal() and len(number) < 7:
                self._parts[name].setdefault(int(number), {})[field] = value
            case [field] if field not in self._parts:
                self._fields[field] = value

    def turn(self, usual_role: str) -> Turn:
        """Return the message, with its calls and parts as lists."""
        calls, parts = ([found[number] for number in sorted(found)] for found in self._parts.values())
        turn = {"role": usual_role, **self._fields, **({"tool_calls": calls} if calls else {})}
        if parts and not turn.get("content"):
            turn["content"] = [_part(part) for part in parts]
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
    listed = decoded(span.attributes.get("events"))
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
    """Split the whole chat of an agent at its first new answer: what came before was asked."""
    whole = next((found for name in _WHOLE if (found := _turns_in(span.attributes.get(name)))), [])
    new = span.attributes.get("pydantic_ai.new_message_index")
    answers = (at for at, turn in enumerate(whole) if turn.get("role") in ("assistant", "model"))
    first = next((at for at in answers if not isinstance(new, int) or at >= new), len(whole))
    return whole[:first] if side == "input" else whole[first:]


_FINDERS: tuple[Callable[[Span, Side], list[Turn]], ...] = (_listed, _indexed, _from_events, _of_vercel, _of_pydantic)
