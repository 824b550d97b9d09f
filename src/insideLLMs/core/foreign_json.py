"""JSON that models and applications wrote: decoded where it can be, and as it can be stored."""

import json
import re
from typing import Any

import msgspec
import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import JsonValue

_TIMES_ENCODED = 3
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_arguments(arguments: object) -> dict[str, JsonValue]:
    """Decode a tool call's arguments; a model may write broken JSON, which is kept as text under ``$invalid``."""
    try:
        value = read_value(orjson.loads(arguments or "{}") if isinstance(arguments, str | None) else arguments)
    except orjson.JSONDecodeError:
        return {"$invalid": str(arguments)}
    return value if isinstance(value, dict) else {"$invalid": str(arguments)}


def read_value(value: Any) -> JsonValue:  # JSON of any kind
    """Return a JSON value that can be stored; one that cannot is kept as text under ``$invalid``."""
    try:
        canonical.check(value)
    except CanonicalError:
        return {"$invalid": str(value)}
    checked: JsonValue = value
    return checked


def decoded(value: JsonValue) -> JsonValue:
    """Return what a text holds as JSON, encoded more than once or not; the value itself where it is no JSON."""
    for _ in range(_TIMES_ENCODED):
        if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "[", '"'}:
            break
        try:
            value = decode(value)
        except (ValueError, RecursionError):
            break
    return value


def decode(text: str | bytes) -> JsonValue:
    """Decode JSON; halves of characters, which msgspec refuses, are replaced. Raises ValueError or RecursionError."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return whole(json.loads(text))


def whole(value: JsonValue) -> JsonValue:
    """Replace lone surrogates, halves of a character that a tool cut."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value
