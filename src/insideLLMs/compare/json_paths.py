"""Where two JSON values differ, as JSON paths; and the JSON value that an answer is, if it is one."""

import math
import re

import orjson

from insideLLMs.core.types import JsonValue

RELATIVE_TOLERANCE = 1e-9
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_answer(text: str) -> JsonValue | None:
    """Return the JSON object or array that the text is, bare or in one code fence; None if it is none.

    Prose around it, and bare numbers, strings and literals, make it prose: nothing said is left uncompared.
    """
    body = text.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body[3:-3].partition("\n")[2].strip()
    if body[:1] not in {"{", "["}:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def differing_paths(baseline: JsonValue, candidate: JsonValue, *, limit: int = 20) -> tuple[str, ...]:
    """Return the paths at which two JSON values differ, in document order with sorted keys, at most `limit`.

    1 equals 1.0, and floats are equal within a relative 1e-9. Empty if and only if the values are equal.
    """
    found: list[str] = []
    pending: list[tuple[str, JsonValue, JsonValue]] = [("$", baseline, candidate)]
    while pending and len(found) < limit:
        path, left, right = pending.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            keys = sorted({*left, *right}, reverse=True)
            pending.extend((path + _step(key), left.get(key, _ABSENT), right.get(key, _ABSENT)) for key in keys)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            longest = max(len(left), len(right))
            pending.extend((f"{path}[{at}]", _at(left, at), _at(right, at)) for at in reversed(range(longest)))
        elif not _equal(left, right):
            found.append(path)
    return tuple(found)


class _Absent:
    """Stands for a key or element that one side does not have; equal to nothing."""


_ABSENT = _Absent()


def _at(values: list[JsonValue] | tuple[JsonValue, ...], index: int) -> JsonValue:
    return values[index] if index < len(values) else _ABSENT


def _step(key: str) -> str:
    return f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{orjson.dumps(key).decode()}]"


def _equal(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        both = isinstance(left, int | float) and isinstance(right, int | float)
        return both and (left == right or math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE))
    return type(left) is type(right) and bool(left == right)
