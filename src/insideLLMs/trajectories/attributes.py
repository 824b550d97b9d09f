"""Attributes of spans: the typed values of OTLP and Jaeger, or plain JSON, as one flat mapping."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from insideLLMs.core.types import JsonValue

Given = Mapping[str, Any]  # a JSON object
DEEPEST = 40
_UNDIVIDED = frozenset(
    {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "ai.prompt.messages"}
    | {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "input.value", "output.value"}
    | {"pydantic_ai.all_messages", "all_messages_events", "events"}
)
"""Attributes that are read as the values that they are; any other object is more attributes, below its name."""


class Attributes:
    """Reads attributes, all of them; a subclass may keep some, look at each, and go on behind what nests too deeply."""

    def read(self, given: object) -> dict[str, JsonValue]:
        """Return attributes from a list of keys and values, or from a JSON object. Raises RecursionError."""
        if isinstance(given, dict):
            return dict(self.kept(self._flat(given)))
        if not isinstance(given, list):
            return {}
        pairs = (pair for pair in given if isinstance(pair, dict))
        return dict(self.kept((pair.get("key"), self.plain(pair.get("value"))) for pair in pairs))

    def kept(self, pairs: Iterable[tuple[object, JsonValue]]) -> Iterator[tuple[str, JsonValue]]:
        """Yield the attributes that are wanted."""
        return ((key, value) for key, value in pairs if isinstance(key, str))

    def look_at(self, key: str, value: JsonValue) -> None:
        """Look at a member of an object among the values."""

    def too_deep(self) -> JsonValue:
        """Return what stands for a value that nests too deeply, or raise RecursionError."""
        raise RecursionError

    def plain(self, value: object, depth: int = 0) -> JsonValue:
        """Return the plain JSON value of a typed one, or of one that is plain already."""
        if not isinstance(value, dict):
            return value
        if depth > DEEPEST:
            return self.too_deep()
        for kind, inner in value.items():
            read = _KINDS.get(kind)
            if read is not None and len(value) == 1:
                return read(self, inner, depth + 1)
        return value

    def _list(self, inner: object, depth: int) -> JsonValue:
        values = inner.get("values") if isinstance(inner, dict) else inner
        return [self.plain(value, depth) for value in values] if isinstance(values, list) else []

    def _object(self, inner: object, depth: int) -> JsonValue:
        pairs = inner.get("values") if isinstance(inner, dict) else inner
        found: dict[str, JsonValue] = {}
        for pair in pairs if isinstance(pairs, list) else ():
            if isinstance(pair, dict) and isinstance(pair.get("key"), str):
                found[pair["key"]] = self.plain(pair.get("value"), depth)
                self.look_at(pair["key"], found[pair["key"]])
        return found

    def _number(self, inner: object, _: int) -> JsonValue:
        """Return a 64-bit integer, which JSON of protobuf writes as text; other text stays text."""
        if isinstance(inner, str) and len(inner) <= 20 and inner.removeprefix("-").isdecimal():
            return int(inner)
        return inner

    def _same(self, inner: object, _: int) -> JsonValue:
        return inner

    def _flat(self, given: Given, prefix: str = "", depth: int = 0) -> Iterable[tuple[str, JsonValue]]:
        """Yield the attributes of an object in which they are nested by the parts of their names."""
        for key, value in given.items():
            name = f"{prefix}{key}"
            if name in _UNDIVIDED or depth >= DEEPEST:
                self._look_within(value, depth)
                yield name, value
            elif isinstance(value, dict):
                yield from self._flat(value, f"{name}.", depth + 1)
            elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
                yield from self._flat({str(place): one for place, one in enumerate(value)}, f"{name}.", depth + 1)
            else:
                yield name, value

    def _look_within(self, value: JsonValue, depth: int) -> None:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and depth < 2 * DEEPEST:
                for key, inner in one.items():
                    self.look_at(key, inner)
                    self._look_within(inner, depth + 1)


_KINDS = {
    spelling: read
    for spellings, read in (
        (("stringValue", "string_value"), Attributes._same),
        (("intValue", "int_value"), Attributes._number),
        (("boolValue", "bool_value"), Attributes._same),
        (("doubleValue", "double_value"), Attributes._same),
        (("bytesValue", "bytes_value"), Attributes._same),
        (("arrayValue", "array_value"), Attributes._list),
        (("kvlistValue", "kvlist_value"), Attributes._object),
    )
    for spelling in spellings
}
