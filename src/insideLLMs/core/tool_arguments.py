"""The arguments of a tool call, and other values that an application made up, as they can be stored."""

from typing import Any

import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import JsonValue


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
