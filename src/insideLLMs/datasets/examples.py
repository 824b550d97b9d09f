"""A row of a dataset -> an Example: the one place that knows under which names rows carry what.

The input is the first of `prompt`, `question`, `input`, `messages` that a row has; without any of them, the call of a
`tool` with its `arguments`, which an MCP server is asked, or what a conversation's `turns` say first, or its `goal`,
which stay among the fields. What is expected is the first of
`expected`, `answer`, `ideal`, `reference`, `reference_answer`; the id is `id` or `example_id`. Every other key,
the later ones of these included, is kept in `fields`. Without an id, an example is named by its content.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.types import (
    EXPECTED_KEYS,
    ContentPart,
    Example,
    ImagePart,
    JsonValue,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from insideLLMs.datasets.images import Images
from insideLLMs.datasets.reviews import is_drawn

ID_KEYS = ("id", "example_id")
INPUT_KEYS = ("prompt", "question", "input", "messages")
CONTENT_ID_LENGTH = 24
_MOST_NAMES = 12
_SENT_AS_THEY_ARE = ("https://", "http://", "data:image/")
_LONGEST_NAME = 60
_PLAIN_NAME = re.compile(r"[^\W\d_](?:[\w .-]*\w)?")
"""A name that means the same in YAML without quotation marks."""
_ROLES: dict[object, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
# OpenAI's evals write few-shot turns as named system messages
_NAMED_ROLES: dict[object, Role] = {"example_user": "user", "example_assistant": "assistant"}
_MESSAGE_KEYS = {"role", "content", "name", "tool_calls", "tool_call_id"}


class BadRow(msgspec.Struct, frozen=True):
    """A row that a reader could not decode; `message` says why."""

    message: str


class ExampleReader:
    """Turns rows into Examples.

    `field_names` maps any of id, input, expected to the one column that holds it. `blank_is_missing` treats
    empty text as nothing given, as a table of text has no other way to leave a cell out. `images` reads the image
    files that chats name.
    """

    __slots__ = ("_blank_is_missing", "_expected_keys", "_id_keys", "_images", "_input_keys")

    def __init__(
        self, field_names: Mapping[str, str], *, blank_is_missing: bool = False, images: Images | None = None
    ) -> None:
        self._images = images or Images(None)
        self._id_keys = _keys(field_names, "id", ID_KEYS)
        self._input_keys = _keys(field_names, "input", INPUT_KEYS)
        self._expected_keys = _keys(field_names, "expected", EXPECTED_KEYS)
        self._blank_is_missing = blank_is_missing

    def example(self, row: object) -> Example:
        """Read one row. Raises DatasetError saying what is wrong with it."""
        if not isinstance(row, dict):
            row = _as_dict(row)
        try:
            canonical.check(row, at="row")
        except CanonicalError as error:
            raise DatasetError(error.message) from error
        fields = row.copy()
        if "review" in row and is_drawn(row):  # what a person says of an example changes nothing of it
            del fields["review"]
        asked = self._take(fields, self._input_keys)
        if asked is None and isinstance(fields.get("tool"), str) and self._input_keys == INPUT_KEYS:
            call = {"name": fields.pop("tool"), "arguments": fields.pop("arguments", {})}
            asked = [{"role": "assistant", "tool_calls": [call]}]
        if asked is None and self._input_keys == INPUT_KEYS:
            asked = _said_first(fields)
        if asked is None:
            raise DatasetError(_no_input(self._input_keys, row))
        if type(asked) is not str:
            asked = _read_input(asked, self._input_keys, self._images)
        elif not asked:
            raise DatasetError(f"its input is empty; {_wanted(self._input_keys)}")
        given = self._take(fields, self._id_keys)
        expected = self._take(fields, self._expected_keys)
        accepted = () if expected is None else tuple(expected) if type(expected) is list else (expected,)
        if given is None:
            nameless = Example(id="", input=asked, expected=accepted, fields=fields)
            return msgspec.structs.replace(nameless, id=nameless.digest()[:CONTENT_ID_LENGTH])
        name = given if type(given) is str and given else _read_id(given)
        return Example(id=name, input=asked, expected=accepted, fields=fields)

    def _take(self, fields: dict[str, JsonValue], keys: tuple[str, ...]) -> JsonValue:
        """Remove and return the first value given under one of `keys`; None where there is none."""
        if fields.keys().isdisjoint(keys):
            return None
        for key in keys:
            value = fields.get(key)
            if value is not None and not (self._blank_is_missing and value == ""):
                del fields[key]
                return value
        for key in keys:  # only nulls and blanks are left: nothing was given, so nothing is kept of it
            fields.pop(key, None)
        return None


def is_asked_in_conversation(example: Example) -> bool:
    """Whether the input of an example is but what its `turns` say first, or its `goal`."""
    try:
        return _said_first(example.fields) == example.input
    except DatasetError:
        return False  # a field of another meaning, beside an input


def _keys(field_names: Mapping[str, str], role: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    return (field_names[role],) if role in field_names else usual


def _as_dict(row: object) -> dict[str, JsonValue]:
    if isinstance(row, BadRow):
        raise DatasetError(row.message)
    if isinstance(row, Mapping):
        return dict(row)
    raise DatasetError(f'is {kind_of(row)}; an example is a JSON object, e.g. {{"prompt": "..."}}')


def _read_id(given: object) -> str:
    if type(given) is int:
        return str(given)
    if given == "":
        raise DatasetError("its id is empty; give it one, or leave the key out")
    raise DatasetError(f"its id is {kind_of(given)}; an id is text or a whole number")


def _read_input(asked: object, keys: tuple[str, ...], images: Images) -> str | tuple[Message, ...]:
    if not isinstance(asked, list):
        raise DatasetError(f"its input is {kind_of(asked)}; {_wanted(keys)}")
    if not asked:
        raise DatasetError("its chat has no messages")
    return tuple(_read_message(message, number, images) for number, message in enumerate(asked, 1))


def _said_first(fields: Mapping[str, JsonValue]) -> str | None:
    """Return what the user says first in the `turns` of a conversation, or the `goal` of a user that a model plays."""
    turns, goal = fields.get("turns"), fields.get("goal")
    if isinstance(turns, str):
        raise DatasetError("its `turns` are a text; write them as a list of what the user says")
    if not isinstance(turns, list):
        return goal if isinstance(goal, str) and goal else None
    said = (
        one if isinstance(one, str) else one.get("content" if one.get("role") == "user" else "user")
        for one in turns
        if isinstance(one, str | Mapping)
    )
    first = next((text for text in said if isinstance(text, str) and text), None)
    if first is None:
        raise DatasetError("its `turns` have nothing that the user says; write them as a list of texts")
    return first


def _no_input(keys: tuple[str, ...], row: Mapping[str, JsonValue]) -> str:
    """Say which names would do, and which are there: one of them may be the input under another name."""
    if any(key in row for key in keys):
        return f"has no input; {_wanted(keys)}"
    names = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..." for name in map(str, row)]
    has = ", ".join(map(repr, names[:_MOST_NAMES])) + (", ..." if len(names) > _MOST_NAMES else "")
    likely = next((name for name in names if any(key in name.lower() for key in keys)), names[0] if names else "")
    name = likely if _PLAIN_NAME.fullmatch(likely) else json.dumps(likely, ensure_ascii=False)
    hint = f"; it has {has}: say which is the input, 'field_names: {{input: {name}}}'" if names else ""
    return f"has no input; {_wanted(keys)}{hint}"


def _wanted(keys: tuple[str, ...]) -> str:
    names = " or ".join(repr(key) for key in keys)
    return f"give it {names}, as text or as a list of chat messages"


def _read_message(message: object, number: int, images: Images) -> Message:
    where = f"message {number}"
    if not isinstance(message, dict):
        raise DatasetError(f"{where} is {kind_of(message)}; a message has a role and a content")
    if unknown := [key for key in message if key not in _MESSAGE_KEYS]:
        raise DatasetError(f"{where} has {unknown[0]!r}; known are {', '.join(sorted(_MESSAGE_KEYS))}")
    role = _ROLES.get(message.get("role")) if isinstance(message.get("role"), str) else None
    if role is None:
        raise DatasetError(
            f"{where} has the role {message.get('role')!r}; known are {', '.join(sorted(_ROLES.values()))}"
        )
    name = message.get("name")
    if name is not None:
        if role != "system" or name not in _NAMED_ROLES:
            raise DatasetError(
                f"{where} is named {name!r}; only system messages named {' or '.join(map(str, _NAMED_ROLES))} are read"
            )
        role = _NAMED_ROLES[name]
    call_id = message.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise DatasetError(f"{where} has a tool_call_id that is {kind_of(call_id)}; it must be text")
    return Message(
        role=role,
        content=_read_content(message.get("content"), where, images),
        tool_calls=_read_tool_calls(message.get("tool_calls"), where),
        tool_call_id=call_id,
    )


def _read_content(content: object, where: str, images: Images) -> str | tuple[ContentPart, ...]:
    """Read text, or parts; parts that are all text become one text."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    parts = [_read_part(part, images) for part in content] if isinstance(content, list) else [None]
    if None in parts:
        raise DatasetError(
            f"{where} has a content that is neither text nor a list of text and image parts",
            fix='write parts as {"type": "text", "text": ...} and {"type": "image", "url": ...}',
        )
    if all(isinstance(part, TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return tuple(part for part in parts if part is not None)


def _read_part(part: object, images: Images) -> ContentPart | None:
    """Read a part as stored here, or an image as OpenAI writes it; None for anything else."""
    match part:
        case {"type": "text", "text": str(text)}:
            return TextPart(text=text)
        case {"type": "image", "url": str(url)} | {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return ImagePart(url=url if url.startswith(_SENT_AS_THEY_ARE) else images.data_url(url))
        case _:
            return None


def _read_tool_calls(calls: object, where: str) -> tuple[ToolCall, ...]:
    """Read tool calls as stored here, or as OpenAI writes them (`function` with `arguments` as JSON text)."""
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise DatasetError(f"{where} has tool_calls that are {kind_of(calls)}; it must be a list")
    try:
        return tuple(_read_tool_call(call) for call in calls)
    except msgspec.MsgspecError as error:
        raise DatasetError(f"{where} has a tool call that cannot be read: {error}") from error


def _read_tool_call(call: object) -> ToolCall:
    if isinstance(call, dict) and isinstance(call.get("function"), dict):
        function = call["function"]
        arguments = function.get("arguments", {})
        decoded = msgspec.json.decode(arguments) if isinstance(arguments, str) else arguments
        call = {"name": function.get("name"), "arguments": decoded, "id": call.get("id")}
    read: ToolCall = msgspec.convert(call, ToolCall)
    return read


def kind_of(value: object) -> str:
    """Say in words of what kind a JSON value is."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")
