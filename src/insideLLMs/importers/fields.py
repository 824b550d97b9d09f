"""An object of a log, whose fields an importer takes one by one; what nobody took is counted as left out."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from insideLLMs.config.secrets import holds_secret
from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.foreign_json import whole
from insideLLMs.core.types import Example, ImagePart, JsonValue, Message, Role, TextPart, ToolCall, Usage
from insideLLMs.datasets.examples import kind_of

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "tool": "tool", "function": "tool",
}  # fmt: skip
_MOST_REPEATS = 10**8
_LONGEST_NAME, _MOST_NAMES, _LONGEST_WORDS = 200, 1_000, 48
_EMPTY: tuple[JsonValue, ...] = (None, "", [], {})


class Fields:
    """An object of a log. `path` names it in what is counted and in errors.

    Raises DatasetError for a value that is no object, and for a field of another kind than asked for.
    """

    def __init__(self, value: JsonValue, left_out: Counter[str], path: str) -> None:
        self.left_out = left_out
        if not isinstance(value, dict):
            raise DatasetError(f"{path} is {kind_of(value)}; it must be an object")
        self._left = dict(value)
        self.path = path

    def take(self, *names: str) -> JsonValue:
        """Return the first of the fields that is there and not null."""
        found = [self._left.pop(name, None) for name in names]
        return next((value for value in found if value is not None), None)

    def peek(self, name: str) -> JsonValue:
        """Return a field that is taken, or counted, by somebody else."""
        return self._left.get(name)

    def text(self, *names: str) -> str | None:
        """Return a field that must be text, or null."""
        found: str | None = self._typed(names, str, "text")
        return found

    def name(self, *names: str) -> str | None:
        """Return a field that names something: text, or a number that is written as text."""
        value = self.take(*names)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self._wrong(names, value, "text or a whole number")

    def number(self, *names: str) -> float | None:
        """Return a field that must be a finite number, or null."""
        value = self._typed(names, (int, float), "a number")
        if value is not None and (isinstance(value, bool) or not abs(value) < float("inf")):
            raise self._wrong(names, value, "a finite number")
        return None if value is None else float(value)

    def count(self, *names: str) -> int | None:
        """Return a field that counts something; None where it is none or below 0."""
        value = self.take(*names)
        return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 53 and value == int(value) else None

    def repeat(self, name: str) -> int:
        """Return a repeat from 0 on that the log counts from 1; the first where it says nothing."""
        value = self.take(name)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < _MOST_REPEATS:
            raise self._wrong((name,), value, "a whole number from 1 on")
        return value - 1

    def objects(self, *names: str) -> dict[str, JsonValue]:
        """Return a field that must be an object of others by name; empty where it is null."""
        return self._typed(names, dict, "an object") or {}

    def flag(self, *names: str) -> bool | None:
        """Return a field that must be true, false or null."""
        found: bool | None = self._typed(names, bool, "true or false")
        return found

    def items(self, *names: str) -> list[JsonValue]:
        """Return a field that must be a list; empty where it is null."""
        return self._typed(names, list, "a list") or []

    def inner(self, *names: str) -> "Fields":
        """Return a field that must be an object; an empty one where it is null."""
        value = self._typed(names, dict, "an object")
        return Fields({} if value is None else value, self.left_out, f"{self.path}.{names[0]}")

    def read_chat(self, turns: JsonValue, path: str) -> tuple[Message, ...]:
        """Return the messages of a chat; what of a message cannot be stored is counted under `path`."""
        return tuple(_message(Fields(turn, self.left_out, path)) for turn in turns)

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of the tools under `tool_calls`."""
        return tuple(_tool_call(Fields(call, self.left_out, "call")) for call in self.items("tool_calls"))

    def usage(self, input: str, output: str) -> Usage | None:
        """Return the tokens that stand under these names, and under the usual ones for the others."""
        return usage(self, input=input, output=output)

    def metadata(self, name: str) -> dict[str, JsonValue]:
        """Return an object as fields of its own, another value under its name, as it can be stored."""
        value = self.peek(name)
        return self.inner(name).rest() if isinstance(value, dict) else self.rest(name)

    def drop(self, *names: str) -> None:
        """Leave out what says nothing of the model: ids of the tool's own, clocks, copies of other fields."""
        for name in names:
            self._left.pop(name, None)

    def rest(self, *names: str) -> dict[str, JsonValue]:
        """Return `names`, or all that is left, as it can be stored; what cannot be is counted."""
        found = {name: self._left.pop(name) for name in (names or tuple(self._left)) if name in self._left}
        return storable(found, self.left_out, self.path)

    def count_left(self, name: str) -> None:
        """Count a part of the object that cannot be carried."""
        count_left(self.left_out, f"{self.path}.{name}")

    def close(self) -> None:
        """Count what was not taken and is not empty."""
        for name, value in self._left.items():
            if value not in _EMPTY:
                self.count_left(name)
        self._left.clear()

    def _typed(self, names: tuple[str, ...], kind: type | tuple[type, ...], words: str) -> Any:  # Any: a `kind`
        value = self.take(*names)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(names, value, words)
        return value

    def _wrong(self, names: tuple[str, ...], value: JsonValue, words: str) -> DatasetError:
        shown = "NaN" if isinstance(value, float) and math.isnan(value) else kind_of(value)
        return DatasetError(f"{self.path}.{names[0]} is {shown}; it must be {words}")


def count_left(left_out: Counter[str], name: str) -> None:
    """Count something that cannot be carried; names beyond a thousand, which a log may invent, count as one."""
    known = whole(name)[:_LONGEST_NAME]
    left_out[known if known in left_out or len(left_out) < _MOST_NAMES else "other fields"] += 1


def storable(fields: Mapping[str, JsonValue], left_out: Counter[str], path: str) -> dict[str, JsonValue]:
    """Return the fields that may and can be stored; the others are counted: secrets, NaN, integers beyond 2^53."""
    kept = {}
    for name, value in fields.items():
        plain = _without_secrets(whole(value), left_out, f"{path}.{name}", name)
        try:
            canonical.check({name: plain})
        except CanonicalError:
            count_left(left_out, f"{path}.{name}")
        else:
            if plain not in _EMPTY:
                kept[name] = plain
    return kept


def _without_secrets(value: JsonValue, left_out: Counter[str], path: str, name: str) -> JsonValue:
    if holds_secret(name, value):
        count_left(left_out, f"{path} (secret)")
        return None
    if isinstance(value, dict):
        kept = {key: _without_secrets(item, left_out, path, key) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None or value[key] is None}
    return [_without_secrets(item, left_out, path, "") for item in value] if isinstance(value, list) else value


def as_words(value: JsonValue) -> str:
    """Return text as it is, nothing for null, anything else as JSON with sorted keys."""
    if value is None or isinstance(value, str):
        return str(whole(value or ""))
    return json.dumps(whole(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def usage(fields: Fields, *, input: str = "input_tokens", output: str = "output_tokens") -> Usage | None:
    """Return the tokens that an object counts, under the usual names or those given."""
    found = Usage(
        input_tokens=fields.count(input, "prompt_tokens"),
        output_tokens=fields.count(output, "completion_tokens"),
        reasoning_tokens=fields.count("reasoning_tokens"),
        cached_tokens=fields.count("input_tokens_cache_read"),
        cache_write_tokens=fields.count("input_tokens_cache_write"),
    )
    return found if found != Usage() else None


def answer_of(output: JsonValue, left_out: Counter[str]) -> tuple[str, JsonValue]:
    """Return an answer as text, and its value where it is no text."""
    if output is None or isinstance(output, str):
        return as_words(output), None
    return as_words(output), storable({"output": output}, left_out, "answer").get("output")


def asked_in(given: JsonValue) -> str:
    """Return what an input asks: text, the only text of an object, or the object as JSON."""
    if isinstance(given, dict) and len(given) == 1 and isinstance(alone := next(iter(given.values())), str):
        return as_words(alone)
    return as_words(given)


def named_by_content(nameless: Example) -> Example:
    """Give an example an id that people recognise, where its tool numbers it at most: its text and its digest."""
    words = " ".join(nameless.text[:200].split())[:_LONGEST_WORDS]
    return msgspec.structs.replace(nameless, id=f"{words} [{nameless.digest()[:12]}]".strip())


def is_chat(value: JsonValue) -> bool:
    """Whether a value is a list of messages with roles."""
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def _message(turn: Fields) -> Message:
    given = turn.text("role") or ""
    role = _ROLES.get(given.lower())
    if role is None:
        raise DatasetError(f"a message has the role {given!r}; known are {', '.join(_ROLES)}")
    content = turn.take("content")
    turn.drop("id", "source", "model", "name")
    message = Message(
        role=role,
        content=_content(content, turn),
        tool_calls=turn.tool_calls(),
        tool_call_id=turn.text("tool_call_id"),
    )
    turn.close()
    return message


def _content(content: JsonValue, turn: Fields) -> str | tuple[TextPart | ImagePart, ...]:
    if not isinstance(content, list):
        return as_words(content)
    parts = [part for one in content for part in _part(one, turn)]
    if all(isinstance(part, TextPart) for part in parts):
        return "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return tuple(parts)


def _part(part: JsonValue, turn: Fields) -> Iterator[TextPart | ImagePart]:
    """Yield a part of text or an image; others, such as thoughts and sound, are counted."""
    match part:
        case str(text) | {"text": str(text)}:
            yield TextPart(text=whole(text))
        case {"image_url": {"url": str(url)} | str(url)} | {"image": str(url)}:
            yield ImagePart(url=whole(url))
        case _:
            kind = part.get("type") if isinstance(part, dict) else kind_of(part)
            turn.count_left(f"content ({kind})")


def _tool_call(call: Fields) -> ToolCall:
    """Read a call as OpenAI writes it (`function` with `arguments` as JSON text), or flat."""
    called = call.take("function")
    name, arguments = (called, call.take("arguments")) if not isinstance(called, dict) else (
        called.get("name"), called.get("arguments")
    )  # fmt: skip
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (msgspec.DecodeError, RecursionError):
            arguments = {"arguments": arguments}
    return ToolCall(
        name=as_words(name or call.take("name")),
        arguments=whole(arguments) if isinstance(arguments, dict) else {},
        id=call.name("id"),
    )
