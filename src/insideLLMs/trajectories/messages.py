"""Chats as APIs write them -> Messages.

Read are OpenAI's chat completions and Responses items, Anthropic's content blocks, Gemini's and Bedrock's parts, the
messages of OpenTelemetry's GenAI conventions and of PydanticAI, and what `frameworks` makes of others. Thoughts are
left out: they are no part of what was done.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, TrajectoryError
from insideLLMs.core.types import ContentPart, ImagePart, JsonValue, Message, Role, TextPart, ToolCall
from insideLLMs.trajectories.frameworks import Fields, plain_items
from insideLLMs.trajectories.parts import (
    ASIDE,
    CALLS,
    HOW,
    NAMES,
    RESULTS,
    Part,
    first_of,
    holds_thoughts,
    id_of,
    inner_call,
    joined,
    kind_of,
    kind_of_value,
    read_call,
    read_parts,
    read_result,
    result_text,
    text_of,
)
from insideLLMs.trajectories.spans import is_spans, messages_of, read_spans

_ROLES: Mapping[object, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_KINDS: Mapping[object, Role] = {"request": "user", "response": "assistant"}
"""What PydanticAI calls the two sides."""
_CONTENTS = ("parts", "content", "blocks", "items")
_HOLDERS = (
    *("messages", "trajectory", "output", "choices", "all_messages", "contents", "candidates", "chat_history"),
    *("steps", "events", "new_items", "tasks_output", "intermediate_steps"),
)


def read_trajectory(value: object) -> tuple[Message, ...]:
    """Read messages, in order, from any known form. Raises TrajectoryError for any other."""
    try:
        return _read(_decoded(value) if isinstance(value, str) else value)
    except RecursionError:
        raise TrajectoryError("the trajectory is nested too deeply", fix=HOW) from None


def _read(value: object) -> tuple[Message, ...]:
    if is_spans(value):
        value = messages_of(read_spans(value))
    elif isinstance(value, Mapping):
        value = _held(value)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TrajectoryError(f"the trajectory is {kind_of_value(value)}, not a list of messages", fix=HOW)
    read: list[Message] = []
    for number, item in plain_items(value):
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
        raise TrajectoryError("the trajectory is text, not a list of messages", fix=HOW) from None


def _held(value: Fields) -> object:
    """Return the list within an object that holds one, or the object as the only message."""
    if "role" in value or "type" in value:
        return [value]
    for name in _HOLDERS:
        inner = value.get(name)
        if isinstance(inner, list | tuple):
            return inner[:1] if name in ("choices", "candidates") else inner
        if isinstance(inner, Mapping) and "message" in inner:  # Bedrock
            return [inner]
    names = ", ".join(sorted(map(str, value))[:8]) or "no fields"
    raise TrajectoryError(f"the trajectory is an object with {names}, and no messages", fix=HOW)


def _add(read: list[Message], item: object, where: str) -> None:
    """Read one item behind those that were read; a call alone belongs to the assistant's turn before it."""
    if isinstance(item, Message):
        read.append(item)
        return
    if not isinstance(item, Mapping):
        raise TrajectoryError(f"{where} is {kind_of_value(item)}, not an object with a role", fix=HOW)
    role = _role_of(item)
    if role is not None:
        read.extend(_messages(role, item, where))
    elif not _add_alone(read, item, where) and not _is_of_session(item):
        raise TrajectoryError(
            f"{where} has {_named(item)}; known roles are system, developer, user, assistant and tool", fix=HOW
        )


def _is_of_session(item: Fields) -> bool:
    """Whether a coding agent says this of its session, and not of what it does."""
    return "subtype" in item and "role" not in item and item.get("type") in ("system", "result")


def _role_of(item: Fields) -> Role | None:
    given, kind = item.get("role", item.get("type")), item.get("kind")
    if _is_of_session(item) or _is_bare_call(item):
        return None
    if given is None:
        return _KINDS.get(kind) if isinstance(kind, str) else None
    if not isinstance(given, str):
        return None
    return _ROLES.get(given.lower().removesuffix("chunk").removesuffix("message"))  # LangChain's classes


def _named(item: Fields) -> str:
    said = (f"the {name} {item[name]!r}" for name in ("role", "type") if name in item)
    return next(said, "neither a role nor a type")


def _messages(role: Role, item: Fields, where: str) -> Iterator[Message]:
    """Yield what a message holds, in its order: each result is a message of its own."""
    content = next((item[name] for name in _CONTENTS if item.get(name) is not None), None)
    parts = read_parts(content, where)
    listed = tuple(_calls(item, where))
    if role == "tool" and not any(isinstance(part, Message) for part in parts):
        shown = [part for part in parts if isinstance(part, TextPart | ImagePart)]
        yield Message(role="tool", content=joined(shown), tool_call_id=_answered_call(item))
        return
    own = [part for part in parts if isinstance(part, ToolCall)]
    calls = [call for call in listed if not any(_is_same(call, other) for other in own)]
    refusal = text_of(item.get("refusal"))
    parts += [TextPart(text=refusal)] if refusal and not any(isinstance(part, TextPart) for part in parts) else []
    if parts or calls or not holds_thoughts(content):
        yield from _in_turns(role, [*parts, *calls])


def _in_turns(role: Role, parts: Sequence["Part"]) -> Iterator[Message]:
    """Yield messages of texts and calls, each up to the result that follows it."""
    shown: list[ContentPart] = []
    calls: list[ToolCall] = []
    for part in parts:
        if isinstance(part, Message):
            if shown or calls:
                yield Message(role=role, content=joined(shown), tool_calls=tuple(calls))
            yield part
            shown, calls = [], []
        elif isinstance(part, ToolCall):
            calls.append(part)
        else:
            shown.append(part)
    if shown or calls or not parts:
        yield Message(role=role, content=joined(shown), tool_calls=tuple(calls))


def _answered_call(item: Fields) -> str | None:
    """Return the id of the call that a tool's message answers, or else the name of the tool."""
    extra = first_of(item, ("id",)) if "parts" in item else None
    return id_of(item.get("tool_call_id") or extra) or text_of(first_of(item, NAMES))


def _is_same(call: ToolCall, other: ToolCall) -> bool:
    """Whether two places of a message tell one call, as LangChain's content and its `tool_calls` do."""
    if call.id and other.id:
        return call.id == other.id
    return (call.name, call.arguments) == (other.name, other.arguments)


def _calls(item: Fields, where: str) -> Iterator[ToolCall]:
    """Yield the calls under `tool_calls`, or the one under the older `function_call`."""
    for name in ("tool_calls", "invalid_tool_calls"):  # LangChain: those whose arguments are no JSON
        given = item.get(name)
        if given is not None and not isinstance(given, list | tuple):
            raise TrajectoryError(f"{where} has {name} that are {kind_of_value(given)}", fix="write a list of calls")
        for call in given or ():
            yield read_call(inner_call(call), where, call)
    if isinstance(item.get("function_call"), Mapping):
        yield read_call(item["function_call"], where, {})


def _add_alone(read: list[Message], item: Fields, where: str) -> bool:
    """Read an item that is a call or a result, as the Responses API lists them; whether it was one, or a thought."""
    kind = "tool_call" if _is_bare_call(item) else kind_of(item)
    if kind in ASIDE:
        return True
    if kind.endswith("_call_output"):
        read.append(read_result({**item, "id": item.get("call_id") or item.get("id")}))
        return True
    if kind in RESULTS:
        read.append(read_result(item))
        return True
    if not kind.endswith("_call") and kind not in CALLS:
        return False
    inner = inner_call(item) if kind in CALLS or "name" in item else _own_call(kind, item)
    call = read_call(inner, where, {"id": item.get("call_id") or item.get("id")})
    if read and read[-1].role == "assistant":
        read[-1] = msgspec.structs.replace(read[-1], tool_calls=(*read[-1].tool_calls, call))
    else:
        read.append(Message(role="assistant", tool_calls=(call,)))
    given = next((item[name] for name in ("output", "result", "error") if item.get(name) is not None), None)
    if given is not None:
        read.append(Message(role="tool", content=result_text(given), tool_call_id=call.id))
    return True


def _is_bare_call(item: Fields) -> bool:
    """Whether an item is a call as people list them, a tool's name and arguments, or as `tool_calls` do."""
    if "role" in item or item.get("type", "function") not in ("function", "custom"):
        return False
    inner = inner_call(item)
    return isinstance(inner, Mapping) and any(name in inner for name in NAMES) and (
        inner is not item or any(name in item for name in ("arguments", "args", "input"))
    )  # fmt: skip


def _own_call(kind: str, item: Fields) -> dict[str, JsonValue]:
    """Return a call of a tool of the provider's own, such as web_search_call, with what it was called with."""
    beside = ("id", "call_id", "type", "status", "output", "results", "outputs", "result", "error")
    arguments = {name: value for name, value in item.items() if name not in beside}
    return {"name": kind.removesuffix("_call"), "arguments": arguments}


def _require_storable(message: Message) -> None:
    try:
        canonical.check(msgspec.to_builtins(message), at="trajectory")
    except CanonicalError as error:
        raise TrajectoryError(f"the trajectory cannot be stored: {error.message}") from error
