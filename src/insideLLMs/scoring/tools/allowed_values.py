"""Whether a call's arguments lie within allowed values, by the rules of the Berkeley Function Calling Leaderboard.

Source: the format of BFCL (Patil et al., ICML 2025) and what its AST checker accepts. Each parameter has a list of
allowed values; "" among them means that it may be left out. An object's members have such lists in turn. Texts are
compared without case, spaces and the marks ``, . / - _ * ^``. A whole number will do for a number, but 5.0 is no
integer. A value of another type than declared is taken where the allowed values are of that type, as a variable's
name is.
"""

import re
from collections.abc import Mapping, Sequence

from insideLLMs.core.types import JsonValue

_MARKS = re.compile(r"[ ,./\-_*^]")
_KINDS: Mapping[str, type] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict,
}  # fmt: skip


def within_allowed(
    given: Mapping[str, JsonValue], allowed: Mapping[str, Sequence[JsonValue]], schema: Mapping[str, JsonValue]
) -> bool:
    """Whether every argument is allowed, and none is missing; `schema` is the tool's JSON Schema, or empty."""
    declared = schema.get("properties", {})
    if any(name not in given for name in schema.get("required", ())):
        return False
    known = all(
        name in allowed and (not declared or name in declared) and _allows(value, allowed[name], declared.get(name, {}))
        for name, value in given.items()
    )
    return known and all(name in given or "" in values for name, values in allowed.items())


def _allows(value: JsonValue, options: Sequence[JsonValue], schema: Mapping[str, JsonValue]) -> bool:
    kind, inner = _kind(schema), _kind(schema.get("items", {}))
    example = next((option for option in options if option != ""), None)
    stands_for_name = kind is not None and example is not None and type(example) is not kind
    if kind is float and type(value) is int:
        value = float(value)
    if kind is not None and type(value) is not kind:
        if example is None or type(value) is not type(example):
            return False
        stands_for_name = True
    elif isinstance(value, list) and inner is not None and not _has_items(value, options, inner):
        return False
    return _equals_one(value, options) if stands_for_name else _matches_one(value, options)


def _kind(schema: Mapping[str, JsonValue]) -> type | None:
    name = schema.get("type")
    return _KINDS.get(name) if isinstance(name, str) else None


def _has_items(items: Sequence[JsonValue], options: Sequence[JsonValue], kind: type) -> bool:
    """Whether all items are of a kind, or of that of an allowed list's first item."""
    for option in options:
        if not isinstance(option, list):
            return True
        other = next((type(one) for one in option if one != ""), kind)
        if all(type(item) in {kind, other} for item in items):
            return True
    return False


def _matches_one(value: JsonValue, options: Sequence[JsonValue]) -> bool:
    if isinstance(value, Mapping):
        return any(isinstance(option, Mapping) and _matches_members(value, option) for option in options)
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return any(_matches_objects(value, option) for option in options if isinstance(option, list))
    return _equals_one(_standard(value), [_standard(option) for option in options])


def _matches_objects(values: Sequence[JsonValue], options: Sequence[JsonValue]) -> bool:
    return len(values) == len(options) and all(
        isinstance(value, Mapping) and isinstance(option, Mapping) and _matches_members(value, option)
        for value, option in zip(values, options, strict=True)
    )


def _matches_members(value: Mapping[str, JsonValue], option: Mapping[str, JsonValue]) -> bool:
    known = all(
        name in option and _equals_one(_standard(one), [_standard(each) for each in option[name]])
        for name, one in value.items()
    )
    return known and all(name in value or "" in values for name, values in option.items())


def _standard(value: JsonValue) -> JsonValue:
    """Return a text, or a list with its texts, as they are compared."""
    if isinstance(value, list):
        return [_standard(item) if isinstance(item, str) else item for item in value]
    return _MARKS.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _equals_one(value: JsonValue, options: Sequence[JsonValue]) -> bool:
    return any(value == option and isinstance(value, bool) is isinstance(option, bool) for option in options)
