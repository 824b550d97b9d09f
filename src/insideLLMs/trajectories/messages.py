"""Chats as APIs and frameworks write them -> Messages.

Read are OpenAI's chat completions and Responses items, Anthropic's content blocks, Gemini's and Bedrock's parts, the
messages of OpenTelemetry's GenAI conventions, of LangChain, PydanticAI and the AI SDK, and what coding agents write of
their sessions. Thoughts are left out: they are no part of what was done.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, TrajectoryError
from insideLLMs.core.tool_arguments import read_arguments
from insideLLMs.core.types import ContentPart, ImagePart, JsonValue, Message, Role, TextPart, ToolCall, as_text
from insideLLMs.trajectories.spans import is_spans, span_messages

Fields = Mapping[str, Any]  # a JSON object
_ROLES: Mapping[object, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_KINDS: Mapping[object, Role] = {"request": "user", "response": "assistant"}
"""What PydanticAI calls the two sides."""
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "item_reference"})
_ASIDE = _THOUGHTS | {"mcp_list_tools", "compaction", "step_start"}
"""What stands among messages and tells nothing that was said or called."""
_CALLS = frozenset(
    {"tool_call", "tool_use", "server_tool_use", "mcp_tool_use", "server_tool_call", "builtin_tool_call"}
    | {"function_call", "custom_tool_call", "mcp_call"}
)
_RESULTS = frozenset(
    {"tool_call_response", "tool_result", "mcp_tool_result", "server_tool_call_response", "tool_return"}
    | {"builtin_tool_return", "function_call_output", "custom_tool_call_output"}
)
_NAMES = ("name", "tool_name", "toolName", "tool")
_IDS = ("tool_use_id", "call_id", "tool_call_id", "toolCallId", "toolUseId", "id")
_WRAPPED_CALLS = ("functionCall", "function_call", "toolUse", "tool_use", "server_tool_call", "function", "custom")
_WRAPPED_RESULTS = ("functionResponse", "function_response", "toolResult", "tool_result")
_HOLDERS = ("messages", "trajectory", "output", "choices", "all_messages")
_HOW = (
    "return OpenAI-style messages ([{role, content, tool_calls}]), Anthropic blocks, Responses items, or "
    "OpenTelemetry GenAI messages or spans"
)


def read_trajectory(value: object) -> tuple[Message, ...]:
    """Read messages, in order, from any known form. Raises TrajectoryError for any other."""
    try:
        return _read(_decoded(value) if isinstance(value, str) else value)
    except RecursionError:
        raise TrajectoryError("the trajectory is nested too deeply", fix=_HOW) from None


def _read(value: object) -> tuple[Message, ...]:
    if is_spans(value):
        value = list(span_messages(value))
    elif isinstance(value, Mapping):
        value = _held(value)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TrajectoryError(f"the trajectory is {_kind(value)}, not a list of messages", fix=_HOW)
    read: list[Message] = []
    for number, item in enumerate(value, 1):
        _add(read, item, f"message {number} of the trajectory")
    for message in read:
        _require_storable(message)
    return tuple(read)


def last_text(trajectory: Iterable[Message]) -> str:
    """Return the text of the last message that the assistant wrote; "" where it wrote none."""
    return next((message.text for message in reversed(tuple(trajectory)) if message.role == "assistant"), "")


def with_answer(trajectory: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Return a trajectory that ends with the answer; one that lists calls alone does not tell it."""
    ends = bool(trajectory) and trajectory[-1].role == "assistant" and not trajectory[-1].tool_calls
    return trajectory if ends or (trajectory and not text) else (*trajectory, Message(role="assistant", content=text))


def _decoded(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise TrajectoryError("the trajectory is text, not a list of messages", fix=_HOW) from None


def _held(value: Fields) -> object:
    """Return the list within an object that holds one, or the object as the only message."""
    if "role" in value or "type" in value:
        return [value]
    for name in _HOLDERS:
        inner = value.get(name)
        if isinstance(inner, list | tuple):
            return [one.get("message") if isinstance(one, Mapping) else one for one in inner[:1]] if (
                name == "choices"
            ) else inner  # fmt: skip
    names = ", ".join(sorted(map(str, value))[:8]) or "no fields"
    raise TrajectoryError(f"the trajectory is an object with {names}, and no messages", fix=_HOW)


def _add(read: list[Message], item: object, where: str) -> None:
    """Read one item behind those that were read; a call alone belongs to the assistant's turn before it."""
    if isinstance(item, Message):
        read.append(item)
        return
    if not isinstance(item, Mapping):
        raise TrajectoryError(f"{where} is {_kind(item)}, not an object with a role", fix=_HOW)
    fields = _unwrapped(item)
    role = _role_of(fields)
    if role is not None:
        read.extend(_messages(role, fields, where))
    elif not _add_alone(read, fields, where) and not _is_of_session(fields):
        raise TrajectoryError(
            f"{where} has {_named(fields)}; known roles are system, developer, user, assistant and tool", fix=_HOW
        )


def _unwrapped(item: Fields) -> Fields:
    """Return a message out of what LangChain, or the log of a coding agent, wraps it in."""
    message, data = item.get("message"), item.get("data")
    if isinstance(message, Mapping) and "role" in message:
        return message
    return {"type": item.get("type"), **data} if isinstance(data, Mapping) and "role" not in item else item


def _is_of_session(item: Fields) -> bool:
    """Whether a coding agent says this of its session, and not of what it does."""
    return "subtype" in item and "role" not in item and item.get("type") in ("system", "result")


def _role_of(item: Fields) -> Role | None:
    given, kind = item.get("role", item.get("type")), item.get("kind")
    if _is_of_session(item) or _is_bare_call(item):
        return None
    if given is None:
        return _KINDS.get(kind) if isinstance(kind, str) else None
    return _ROLES.get(given) if isinstance(given, str) else None


def _kind_of(item: Fields) -> str:
    kind = item.get("type", item.get("part_kind"))
    return kind.replace("-", "_") if isinstance(kind, str) else ""


def _within(part: Fields, names: Sequence[str]) -> Fields | None:
    """Return what a part wraps under one of these names."""
    return next((part[name] for name in names if isinstance(part.get(name), Mapping)), None)


def _first(fields: Fields, names: Sequence[str]) -> object:
    return next((fields[name] for name in names if fields.get(name)), None)


def _named(item: Fields) -> str:
    said = (f"the {name} {item[name]!r}" for name in ("role", "type") if name in item)
    return next(said, "neither a role nor a type")


def _messages(role: Role, item: Fields, where: str) -> Iterator[Message]:
    """Yield the results that a message holds, each a message of its own, then the message itself."""
    content = item.get("parts", item.get("content"))
    parts = _Parts.of(content, where)
    listed = tuple(_calls(item, where))
    calls = (*listed, *(call for call in parts.calls if not any(_is_same(call, other) for other in listed)))
    if role == "tool" and not parts.results:
        name = item.get("tool_call_id", item.get("id") if "parts" in item else None)
        yield Message(role="tool", content=parts.content, tool_call_id=_text(name))
        return
    yield from parts.results
    text = parts.content or _text(item.get("refusal")) or ""
    if text or calls or not (parts.results or parts.thinks):
        yield Message(role=role, content=text, tool_calls=calls)


def _is_same(call: ToolCall, other: ToolCall) -> bool:
    """Whether two places of a message tell one call, as LangChain's content and its `tool_calls` do."""
    if call.id and other.id:
        return call.id == other.id
    return (call.name, call.arguments) == (other.name, other.arguments)


class _Parts(msgspec.Struct, frozen=True):
    """What the content of a message holds; `thinks` where there are thoughts."""

    content: str | tuple[ContentPart, ...] = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[Message, ...] = ()
    thinks: bool = False

    @classmethod
    def of(cls, content: object, where: str) -> "_Parts":
        """Read text, null, or a list of parts. Raises TrajectoryError."""
        if content is None:
            return cls()
        if isinstance(content, str):
            return cls(content)
        if isinstance(content, Mapping):
            content = [content] if "type" in content else [_json_text(content)]
        if not isinstance(content, list | tuple):
            raise TrajectoryError(
                f"{where} has a content that is {_kind(content)}", fix="write text or a list of parts"
            )
        calls, results, shown, thinks = [], [], [], False
        for part in content:
            read = _read_part(part, where)
            if isinstance(read, ToolCall):
                calls.append(read)
            elif isinstance(read, Message):
                results.append(read)
            elif read is None:
                thinks = True
            else:
                shown.append(read)
        return cls(_joined(shown), tuple(calls), tuple(results), thinks)


def _joined(parts: Sequence[ContentPart]) -> str | tuple[ContentPart, ...]:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "\n".join(texts) if len(texts) == len(parts) else tuple(parts)


def _read_part(part: object, where: str) -> ContentPart | ToolCall | Message | None:
    """Read one part; None for a thought. What is unknown is kept as JSON: nothing that was said gets lost.

    Raises TrajectoryError for what may be a call and cannot be read: what was done must not pass for something said.
    """
    if isinstance(part, str):
        return TextPart(text=part)
    if not isinstance(part, Mapping):
        raise TrajectoryError(f"{where} has a part that is {_kind(part)}", fix="write text or objects with a type")
    kind = _kind_of(part)
    if kind in _CALLS or _within(part, _WRAPPED_CALLS) is not None:
        return _call(_within(part, _WRAPPED_CALLS) or part, where, part)
    if kind in _RESULTS or _within(part, _WRAPPED_RESULTS) is not None or kind.endswith("_tool_result"):
        return _result(_within(part, _WRAPPED_RESULTS) or part)
    if kind in _ASIDE or part.get("thought") is True:
        return None
    if "tool" in kind or kind.endswith("_call"):
        raise TrajectoryError(
            f"{where} has a part of the type {part.get('type', kind)!r}, which is not known", fix=_HOW
        )
    return _image(part) or TextPart(text=_said(part))


def _said(part: Fields) -> str:
    """Return the text of a part under any of its names."""
    for name in ("text", "refusal", "content"):
        if isinstance(part.get(name), str):
            return str(part[name])
    return _json_text(dict(part))


def _image(part: Fields) -> ImagePart | None:
    match part:
        case {"type": "image_url" | "input_image", "image_url": {"url": str(url)} | str(url)}:
            return ImagePart(url=url)
        case {"type": "image", "url": str(url)} | {"type": "image", "source": {"url": str(url)}}:
            return ImagePart(url=url)
        case {"type": "image", "source": {"media_type": str(kind), "data": str(data)}}:
            return ImagePart(url=f"data:{kind};base64,{data}")
        case _:
            return None


def _result(part: Fields) -> Message:
    found = next((part[key] for key in ("content", "response", "result", "output") if key in part), None)
    return Message(role="tool", content=_told(found), tool_call_id=_text(_first(part, _IDS)))


def _told(result: object) -> str:
    """Write what a tool gave: text as it is, text parts as their text, anything else as JSON."""
    if result is None or isinstance(result, str):
        return result or ""
    if isinstance(result, Mapping) and result.keys() == {"type", "value"}:  # as the AI SDK wraps it
        return _told(result["value"])
    if isinstance(result, list | tuple) and result and all(_is_text(part) for part in result):
        return "\n".join(part["text"] for part in result)
    return _json_text(result)


def _json_text(value: object) -> str:
    """Write a value as JSON; one that has no canonical form with whatever it holds escaped."""
    try:
        return as_text(value)
    except TypeError:
        return json.dumps(value, default=str)


def _is_text(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str) and _kind_of(part) in ("", *_TEXTS)


_TEXTS = ("text", "input_text", "output_text")


def _calls(item: Fields, where: str) -> Iterator[ToolCall]:
    """Yield the calls under `tool_calls`, or the one under the older `function_call`."""
    for name in ("tool_calls", "invalid_tool_calls"):  # LangChain: those whose arguments are no JSON
        given = item.get(name)
        if given is not None and not isinstance(given, list | tuple):
            raise TrajectoryError(f"{where} has {name} that are {_kind(given)}", fix="write a list of calls")
        for call in given or ():
            yield _call(_inner(call), where, call)
    if isinstance(item.get("function_call"), Mapping):
        yield _call(item["function_call"], where, {})


def _inner(call: object) -> object:
    return (_within(call, ("function", "custom")) or call) if isinstance(call, Mapping) else call


def _call(inner: object, where: str, outer: object) -> ToolCall:
    """Read a call; `outer` is what holds it, with its id. Raises TrajectoryError for one without a name."""
    if isinstance(inner, ToolCall):
        return inner
    holder = outer if isinstance(outer, Mapping) else {}
    both = {**holder, **inner} if isinstance(inner, Mapping) else holder
    name = _first(both, _NAMES)
    if not isinstance(name, str):
        raise TrajectoryError(f"{where} has a tool call without a name", fix='write {"name": ..., "arguments": {...}}')
    given = next((both[key] for key in ("arguments", "args", "input", "parameters") if key in both), None)
    return ToolCall(name=name, arguments=_arguments(given), id=_text(_first(both, _IDS)))


def _arguments(given: object) -> dict[str, JsonValue]:
    """Decode arguments; those of a tool that takes free text stand under `input`."""
    read = read_arguments(given)
    if read.keys() == {"$invalid"} and isinstance(given, str) and not given.lstrip().startswith(("{", "[")):
        return {"input": given}
    return read


def _add_alone(read: list[Message], item: Fields, where: str) -> bool:
    """Read an item that is a call or a result, as the Responses API lists them; whether it was one, or a thought."""
    kind = "tool_call" if _is_bare_call(item) else _kind_of(item)
    if kind in _ASIDE:
        return True
    if kind.endswith("_call_output"):
        read.append(_result({**item, "id": item.get("call_id")}))
        return True
    if kind in _RESULTS:
        read.append(_result(item))
        return True
    if not kind.endswith("_call") and kind not in _CALLS:
        return False
    name = {"id": item.get("call_id") or item.get("id")}
    call = _call(_inner(item) if kind in _CALLS or "name" in item else _own_call(kind, item), where, name)
    if read and read[-1].role == "assistant":
        read[-1] = msgspec.structs.replace(read[-1], tool_calls=(*read[-1].tool_calls, call))
    else:
        read.append(Message(role="assistant", tool_calls=(call,)))
    given = next((item[name] for name in ("output", "result") if item.get(name) is not None), None)
    if given is not None:
        read.append(Message(role="tool", content=_told(given), tool_call_id=call.id))
    return True


def _is_bare_call(item: Fields) -> bool:
    """Whether an item is a call as people list them, a tool's name and arguments, or as `tool_calls` do."""
    if "role" in item or item.get("type", "function") not in ("function", "custom"):
        return False
    inner = _inner(item)
    return isinstance(inner, Mapping) and any(name in inner for name in _NAMES) and (
        inner is not item or any(name in item for name in ("arguments", "args", "input"))
    )  # fmt: skip


def _own_call(kind: str, item: Fields) -> dict[str, JsonValue]:
    """Return a call of a tool of the provider's own, such as web_search_call, with what it was called with."""
    beside = ("id", "call_id", "type", "status", "output", "results", "outputs")
    arguments = {name: value for name, value in item.items() if name not in beside}
    return {"name": kind.removesuffix("_call"), "arguments": arguments}


def _require_storable(message: Message) -> None:
    try:
        canonical.check(msgspec.to_builtins(message), at="trajectory")
    except CanonicalError as error:
        raise TrajectoryError(f"the trajectory cannot be stored: {error.message}") from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
