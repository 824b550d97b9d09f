"""Attributes of spans: the typed values of OTLP and Jaeger, or plain JSON, as one flat mapping of what is read here."""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from insideLLMs.config.secrets import holds_secret, is_secret_key
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.fields import count_left

Given = Mapping[str, Any]  # a JSON object
LONGEST_TEXT = 1_000_000
"""Characters of one attribute; a longer text is cut, counted and said."""
_DEEPEST = 40
_MOST_ATTRIBUTES = 10_000
_READ = re.compile(
    r"gen_ai\.|llm\.|input\.|output\.|openinference\.|retrieval\.|reranker\.|tool[._]|traceloop\.|session\.|user\.|"
    r"enduser\.|error\.|exception\.|event\.|http\.route|http\.target|url\.path|rpc\.method|service\.name|agent[._]|"
    r"ai\.|pydantic_ai\.|logfire\.span_type|prompt|response|completion|message|content|role$|index$|id$|events$|"
    r"final_result|all_messages|operation|.*(?:feedback|rating)"
)
"""What an attribute begins with that may say something of a request; of others only secrets are looked for."""
_SCHEME = re.compile(r"^(?:bearer|basic|token)\s+", re.IGNORECASE)
_SHORTEST_SECRET = 8


class Attributes:
    """Reads attributes. `secrets` gathers what stood under names that say secret; `left_out` counts what was cut."""

    def __init__(self, left_out: Counter[str]) -> None:
        self.left_out = left_out
        self.secrets: list[str] = []

    def take_secrets(self) -> tuple[str, ...]:
        """Return the secrets that were found since the last time."""
        found, self.secrets = tuple(sorted(set(self.secrets))), []
        return found

    def read(self, given: object) -> dict[str, JsonValue]:
        """Return the attributes that are read here: from a list of keys and values, or from a JSON object."""
        if isinstance(given, dict):
            return dict(self._kept(self._flat(given)))
        if not isinstance(given, list):
            return {}
        pairs = (pair for pair in given if isinstance(pair, dict))
        return dict(self._kept((pair.get("key"), self.plain(pair.get("value"))) for pair in pairs))

    def plain(self, value: object, depth: int = 0) -> JsonValue:
        """Return the plain JSON value of a typed one, or of one that is plain already."""
        if not isinstance(value, dict):
            return value
        if depth > _DEEPEST:
            count_left(self.left_out, "span.attributes (nested too deeply)")
            return None
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
                self._look_for_secret(pair["key"], found[pair["key"]])
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
            if isinstance(value, dict) and depth < _DEEPEST:
                yield from self._flat(value, f"{name}.", depth + 1)
            elif isinstance(value, list) and depth < _DEEPEST and any(isinstance(one, dict) for one in value):
                yield from self._flat({str(place): one for place, one in enumerate(value)}, f"{name}.", depth + 1)
            else:
                yield name, value

    def _kept(self, pairs: Iterable[tuple[object, JsonValue]]) -> Iterable[tuple[str, JsonValue]]:
        count = 0
        for key, value in pairs:
            if not isinstance(key, str) or value is None:
                continue
            self._look_for_secret(key, value)
            if not _is_read(key) or is_secret_key(_last(key)):
                continue
            count += 1
            if count > _MOST_ATTRIBUTES:
                count_left(self.left_out, f"span.attributes (beyond {_MOST_ATTRIBUTES:,})")
                continue
            yield key, self._cut(key, value)

    def _cut(self, key: str, value: JsonValue) -> JsonValue:
        if not isinstance(value, str) or len(value) <= LONGEST_TEXT:
            return value
        count_left(self.left_out, f"{key} (behind its first {LONGEST_TEXT:,} characters)")
        return value[:LONGEST_TEXT]

    def _look_for_secret(self, key: str, value: JsonValue) -> None:
        if not _may_be_secret(key):
            return
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and holds_secret(_last(key), text):
                secret = _SCHEME.sub("", text.strip())
                if len(secret) >= _SHORTEST_SECRET and " " not in secret:
                    self.secrets.append(secret[:LONGEST_TEXT])


@functools.lru_cache(maxsize=8192)
def _is_read(key: str) -> bool:
    return _READ.match(key) is not None


@functools.lru_cache(maxsize=8192)
def _may_be_secret(key: str) -> bool:
    return is_secret_key(_last(key))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


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
