"""The JSON Schemas of tools: what breaks them, and arguments that keep or break them, made from the schema alone."""

import contextlib
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.endable import TooLongError, call
from insideLLMs.scoring.patterns import compile_safely

Schema = Mapping[str, JsonValue]
Kind = Literal["valid", "missing", "wrong type", "extra", "out of bounds"]
_MOST_LETTERS = 100_000
_MOST_VALUES = 1_000_000
"""Of a tool with very many arguments some calls are left out: each call has them all."""
_LARGEST = 10_000
"""So many values are made for an argument; lists in lists, and what refers to itself, would have billions."""
_MAKING_S = 60.0
_DEEPEST = 6
_FAR = 2**53 - 1
_OTHERS: dict[str, JsonValue] = {
    "string": {"not": "a text"},
    "integer": "not a number",
    "number": "not a number",
    "boolean": "maybe",
    "array": "not a list",
    "object": "not an object",
    "null": "not null",
}
"""What no lenient reader takes for a value of the type."""
_FORMATS: dict[str, str] = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "time": "12:00:00Z",
    "email": "person@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class MadeCall(NamedTuple):
    """Arguments made from a schema; `broken` says how they break it, nothing where they keep it."""

    kind: Kind
    arguments: dict[str, JsonValue]
    broken: str


def complaints(schema: Schema, value: JsonValue) -> list[str]:
    """Say where a value breaks a schema; or that the schema is invalid."""
    return checker(schema)(value)


def checker(schema: Schema) -> Callable[[JsonValue], list[str]]:
    """Return what says where values break a schema, or that the schema is invalid, which is looked at once."""
    import jsonschema  # noqa: PLC0415 - of an extra
    from referencing import Registry  # noqa: PLC0415 - likewise
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - likewise

    def unusable(error: Exception) -> list[str]:
        if isinstance(error, RecursionError):
            return ["the schema is nested too deeply, or refers to itself without end"]
        return [f"the schema refers to what is not in it: {error}"]

    kind: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        why = [f"the schema is no JSON Schema: {error.json_path}: {error.message}"]
        return lambda _: why
    except (Unresolvable, RecursionError) as error:
        nowhere = unusable(error)
        return lambda _: nowhere
    quick = jsonschema.validators.extend(kind, {"pattern": _match})(schema, registry=Registry())  # nothing is fetched

    def check(value: JsonValue) -> list[str]:
        try:
            return sorted(f"{error.json_path}: {error.message}" for error in quick.iter_errors(value))
        except (Unresolvable, RecursionError) as error:
            return unusable(error)

    return check


def _match(_validator: object, pattern: str, value: JsonValue, _schema: object) -> Iterator[Exception]:
    """Hold a text against a pattern that is no runaway; of one that is nothing can be said."""
    import jsonschema  # noqa: PLC0415 - of an extra

    with contextlib.suppress(ArgumentError):
        compile_safely(pattern, ignore_case=False)
        if isinstance(value, str) and not re.search(pattern, value):
            yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def bounded_complaints(schema: Schema, value: JsonValue) -> list[str]:
    """Do as `complaints`, where schema or value may be made to take for ever. Not for the thread of an event loop."""
    try:
        found: list[str] = call(complaints, schema, value)
    except TooLongError as error:
        return [f"the schema cannot be checked: {error.message}"]
    return found


def bounded_schema_fault(schema: JsonValue) -> str:
    """Do as `schema_fault`, of a schema that may be made to take for ever. Not for the thread of an event loop."""
    try:
        return str(call(schema_fault, schema))
    except TooLongError as error:
        return f"cannot be checked: {error.message}"


def schema_fault(schema: JsonValue) -> str:
    """Say why something is no schema for the arguments of a tool; nothing where it is one."""
    if not isinstance(schema, Mapping):
        return "is no object"
    if schema.get("type") != "object":
        return f"has the type {schema.get('type')!r}; arguments are an object"
    found = [text for text in complaints(schema, {}) if text.startswith("the schema ")]
    if found:
        return found[0].removeprefix("the schema ")
    properties = schema.get("properties", {})
    unknown = [name for name in schema.get("required", ()) if name not in properties]
    is_closed = schema.get("additionalProperties") is False
    return f"requires {unknown[0]!r}, which it does not describe" if unknown and is_closed else ""


def made_calls(schema: Schema) -> Sequence[MadeCall]:
    """Return calls for a tool's schema, the same each time: some that keep it, and some that break it in one place.

    None for what is no schema. What cannot be made as it is meant, as for a pattern, is left out. Raises TooLongError.
    Not for the thread of an event loop.
    """
    return _made_calls(json.dumps(schema))


@functools.lru_cache(maxsize=4096)
def _made_calls(written: str) -> tuple[MadeCall, ...]:
    """Make the calls of a schema once for all rules that look at them."""
    return tuple(MadeCall(*each) for each in call(calls_of, json.loads(written), limit_s=_MAKING_S))


def calls_of(schema: Schema) -> list[MadeCall]:
    """Make the calls of a schema, which may take for ever."""
    return [] if schema_fault(schema) else list(_calls_of(schema))


def _calls_of(schema: Schema) -> Iterator[MadeCall]:
    properties = {name: one for name, one in schema.get("properties", {}).items() if isinstance(one, Mapping)}
    required = [name for name in schema.get("required", ()) if isinstance(name, str)]
    least = {name: _value(properties.get(name, {}), _Root(schema)) for name in required}
    every = {**least, **{name: _value(one, _Root(schema)) for name, one in properties.items()}}
    tried: list[tuple[Kind, dict[str, JsonValue]]] = [("valid", least), ("valid", every)]
    tried += [("valid", {**least, name: value}) for name, one in properties.items() for value in _edges(one)]
    tried += [("missing", {other: least[other] for other in required if other != name}) for name in required]
    tried += [("wrong type", {**least, name: value}) for name, one in properties.items() for value in _wrong(one)]
    tried += [("extra", {**least, "not_in_the_schema": 1})]
    tried += [("out of bounds", {**least, name: value}) for name, one in properties.items() for value in _beyond(one)]
    most = max(1, _MOST_VALUES // (5 * max(1, len(every))))
    check = checker(schema)
    left = Counter({kind: most for kind, _ in tried})
    seen: set[str] = set()
    unmade = check(least)
    for kind, arguments in tried:
        if not left[kind]:
            continue
        written = json.dumps(arguments, sort_keys=True)
        found = [] if written in seen else check(arguments)
        meant = [text for text in found if text not in unmade]
        if written not in seen and (bool(meant) if kind != "valid" else not found):
            seen.add(written)
            left[kind] -= 1
            yield MadeCall(kind, arguments, meant[0] if meant else "")


class _Root:
    """The schema that an argument is made from, and how many values may still be made for it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.left = _LARGEST


def _value(schema: Schema | bool, root: _Root, depth: int = 0) -> JsonValue:
    """Return a value of a schema: the one that it names, or a plain one of its type."""
    root.left -= 1
    if not isinstance(schema, Mapping) or root.left < 0:  # true takes anything
        return "text"
    if isinstance(reference := schema.get("$ref"), str) and depth < _DEEPEST:
        return _value(_target(reference, root.schema), root, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key] and depth < _DEEPEST:
            return _value(schema[key][0], root, depth + 1)
    kind = schema.get("type")
    return _OF_TYPE.get(kind[0] if isinstance(kind, list) and kind else str(kind), _text)(schema, root, depth)


def _target(reference: str, root: Schema) -> Schema:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(schema: Schema, _root: _Root, _depth: int) -> JsonValue:
    text = _FORMATS.get(str(schema.get("format")), "text")
    least, most = schema.get("minLength", 0), schema.get("maxLength", _MOST_LETTERS)
    return (text + "t" * min(max(0, least - len(text)), _MOST_LETTERS))[:most]


def _number(schema: Schema, _root: _Root, _depth: int) -> JsonValue:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    step = schema.get("multipleOf", 1)
    value = max(1, low) if low is not None else 1 if high is None else min(1, high)
    return -(-value // step) * step


def _list(schema: Schema, root: _Root, depth: int) -> JsonValue:
    items = schema.get("items")
    one: Schema | bool = items if isinstance(items, Mapping) and depth < _DEEPEST else True
    return [_value(one, root, depth + 1) for _ in range(min(schema.get("minItems", 1), 100))]


def _object(schema: Schema, root: _Root, depth: int) -> JsonValue:
    properties = schema.get("properties", {})
    if depth >= _DEEPEST or root.left <= 0:
        return {}
    return {name: _value(properties.get(name, {}), root, depth + 1) for name in schema.get("required", ())}


_OF_TYPE: dict[str, Callable[[Schema, _Root, int], JsonValue]] = {
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": lambda *_: True,
    "null": lambda *_: None,
    "array": _list,
    "object": _object,
}


def _edges(schema: Schema) -> Iterator[JsonValue]:
    """Yield values that lie just within the bounds."""
    yield from (schema[key] for key in ("minimum", "maximum") if _is_near(schema.get(key)))
    for key in ("minLength", "maxLength"):
        if isinstance(schema.get(key), int) and schema[key] <= _MOST_LETTERS:
            yield "t" * schema[key]
    yield from (schema["enum"][-1:] if isinstance(schema.get("enum"), list) else ())


def _wrong(schema: Schema) -> Iterator[JsonValue]:
    """Yield a value of another type than a schema wants."""
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _OTHERS:
        yield _OTHERS[kind]
    elif kind is not None or "anyOf" in schema or "oneOf" in schema:
        yield {"not": "of these types"}


def _is_near(bound: JsonValue) -> bool:
    """Whether a bound is a number whose neighbours every JSON reader knows apart."""
    return isinstance(bound, int | float) and abs(bound) < _FAR


def _beyond(schema: Schema) -> Iterator[JsonValue]:
    """Yield values that lie just outside of the bounds."""
    for key, by in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
        if _is_near(schema.get(key)):
            yield schema[key] + by
    if isinstance(schema.get("minLength"), int) and schema["minLength"]:
        yield "t" * min(schema["minLength"] - 1, _MOST_LETTERS)
    if isinstance(schema.get("maxLength"), int) and schema["maxLength"] < _MOST_LETTERS:
        yield "t" * (schema["maxLength"] + 1)
    if isinstance(schema.get("minItems"), int) and schema["minItems"]:
        yield []
    if isinstance(schema.get("enum"), list) or "const" in schema:
        yield "not_in_the_enum"
    if "pattern" in schema:
        yield "?\t"
