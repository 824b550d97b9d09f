"""The parts of a message as APIs write them: texts, images, calls of tools, and their results."""

import json
from collections.abc import Mapping, Sequence

from insideLLMs.core.errors import TrajectoryError
from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import ContentPart, ImagePart, JsonValue, Message, TextPart, ToolCall, as_text
from insideLLMs.trajectories.frameworks import Fields, plain_parts

_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "item_reference"})
ASIDE = _THOUGHTS | {"mcp_list_tools", "compaction", "step_start"}
"""What stands among messages and tells nothing that was said or called."""
CALLS = frozenset(
    {"tool_call", "tool_use", "server_tool_use", "mcp_tool_use", "server_tool_call", "builtin_tool_call"}
    | {"function_call", "custom_tool_call", "mcp_call", "mcp_approval_request"}
)
RESULTS = frozenset(
    {"tool_call_response", "tool_result", "mcp_tool_result", "server_tool_call_response", "tool_return"}
    | {"builtin_tool_return", "function_call_output", "custom_tool_call_output", "function_result"}
)
NAMES = ("name", "tool_name", "toolName", "tool", "function")
_ARGUMENTS = ("arguments", "args", "input", "parameters", "tool_kwargs")
_IDS = ("tool_use_id", "call_id", "tool_call_id", "toolCallId", "toolUseId", "id")
_WRAPPED_CALLS = (
    "functionCall",
    "function_call",
    "toolUse",
    "tool_use",
    "server_tool_call",
    "tool_call",
    "function",
    "custom",
)
_WRAPPED_RESULTS = ("functionResponse", "function_response", "toolResult", "tool_result")
_TEXTS = ("text", "input_text", "output_text")
_GIVEN = ("content", "response", "result", "output", "error")
HOW = (
    "return OpenAI-style messages ([{role, content, tool_calls}]), Anthropic blocks, Responses items, or "
    "OpenTelemetry GenAI messages or spans"
)
Part = ContentPart | ToolCall | Message


def read_parts(content: object, where: str) -> list["Part"]:
    """Read text, null, or a list of parts. Raises TrajectoryError."""
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(text=content)] if content else []
    if isinstance(content, Mapping):
        content = [content] if "type" in content else [_json_text(content)]
    if not isinstance(content, list | tuple):
        raise TrajectoryError(
            f"{where} has a content that is {kind_of_value(content)}", fix="write text or a list of parts"
        )
    found = (_read_part(one, where) for part in content for one in plain_parts(part))
    return [part for part in found if part is not None]


def holds_thoughts(content: object) -> bool:
    return isinstance(content, list | tuple) and any(
        isinstance(part, Mapping) and (kind_of(part) in ASIDE or _is_thought(part)) for part in content
    )


def _read_part(part: object, where: str) -> Part | None:
    """Read one part; None for a thought. What is unknown is kept as JSON: nothing that was said gets lost.

    Raises TrajectoryError for what may be a call and cannot be read: what was done must not pass for something said.
    """
    if isinstance(part, str):
        return TextPart(text=part)
    if not isinstance(part, Mapping):
        raise TrajectoryError(
            f"{where} has a part that is {kind_of_value(part)}", fix="write text or objects with a type"
        )
    kind = kind_of(part)
    if kind in CALLS or _within(part, _WRAPPED_CALLS) is not None or _is_bare(part):
        return read_call(_within(part, _WRAPPED_CALLS) or part, where, part)
    if kind in RESULTS or _within(part, _WRAPPED_RESULTS) is not None or kind.endswith("_tool_result"):
        return read_result(_within(part, _WRAPPED_RESULTS) or part)
    if kind in ASIDE or _is_thought(part):
        return None
    if "tool" in kind or kind.endswith("_call"):
        raise TrajectoryError(f"{where} has a part of the type {part.get('type', kind)!r}, which is not known", fix=HOW)
    return _image(part) or TextPart(text=_said(part))


def _is_bare(part: Fields) -> bool:
    """Whether a part is a call without a type, as AutoGen lists them."""
    return "type" not in part and first_of(part, NAMES) is not None and any(name in part for name in _ARGUMENTS)


def _is_thought(part: Fields) -> bool:
    """Whether Gemini or Bedrock marks a part as a thought."""
    return part.get("thought") is True or "reasoningContent" in part


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


def read_call(inner: object, where: str, outer: object) -> ToolCall:
    """Read a call; `outer` is what holds it, with its id. Raises TrajectoryError for one without a name."""
    if isinstance(inner, ToolCall):
        return inner
    holder = outer if isinstance(outer, Mapping) else {}
    both = {**holder, **inner} if isinstance(inner, Mapping) else holder
    name = first_of(both, NAMES)
    if not isinstance(name, str):
        raise TrajectoryError(f"{where} has a tool call without a name", fix='write {"name": ..., "arguments": {...}}')
    given = next((both[key] for key in _ARGUMENTS if key in both), None)
    return ToolCall(name=name, arguments=_arguments(given), id=id_of(first_of(both, _IDS)))


def inner_call(call: object) -> object:
    return (_within(call, ("function", "custom")) or call) if isinstance(call, Mapping) else call


def _arguments(given: object) -> dict[str, JsonValue]:
    """Decode arguments; those of a tool that takes free text stand under `input`."""
    read = read_arguments(given)
    if read.keys() == {"$invalid"} and isinstance(given, str) and not given.lstrip().startswith(("{", "[")):
        return {"input": given}
    return read


def read_result(part: Fields) -> Message:
    found = next((part[key] for key in _GIVEN if part.get(key) is not None), None)
    named = id_of(first_of(part, _IDS)) or text_of(first_of(part, NAMES))
    return Message(role="tool", content=result_text(found), tool_call_id=named)


def result_text(result: object) -> str:
    """Write what a tool gave: text as it is, text parts as their text, anything else as JSON."""
    if result is None or isinstance(result, str):
        return result or ""
    if isinstance(result, Mapping) and result.keys() == {"type", "value"}:  # as the AI SDK wraps it
        return result_text(result["value"])
    if isinstance(result, list | tuple) and result and all(_is_text(part) for part in result):
        return "\n".join(part["text"] for part in result)
    return _json_text(result)


def _is_text(part: object) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str) and kind_of(part) in ("", *_TEXTS)


def _json_text(value: object) -> str:
    """Write a value as JSON; one that has no canonical form with whatever it holds escaped."""
    try:
        return as_text(value)
    except TypeError:
        return json.dumps(value, default=str)


def joined(parts: Sequence[ContentPart]) -> str | tuple[ContentPart, ...]:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "\n".join(texts) if len(texts) == len(parts) else tuple(parts)


def kind_of(item: Fields) -> str:
    kind = first_of(item, ("type", "part_kind", "block_type", "content_type"))
    return kind.replace("-", "_") if isinstance(kind, str) else ""


def _within(part: Fields, names: Sequence[str]) -> Fields | None:
    """Return what a part wraps under one of these names."""
    return next((part[name] for name in names if isinstance(part.get(name), Mapping)), None)


def first_of(fields: Fields, names: Sequence[str]) -> object:
    return next((fields[name] for name in names if fields.get(name)), None)


def id_of(value: object) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def text_of(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def kind_of_value(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
