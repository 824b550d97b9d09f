"""JSON paths: the part of RFC 9535 that selects by name, index, slice, wildcard and descent. No filters.

``$.name``, ``$['a name']``, ``$.items[0]``, ``$.items[-1]``, ``$.items[1:3]``, ``$.items[*].id``, ``$..id``.
"""

import copy
import functools
import re
from collections.abc import Iterator
from typing import assert_never

import msgspec

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue

_STEP = re.compile(
    r"(?P<deep>\.\.)?(?:(?P<dot>\.)?(?P<name>[^\W\d][\w-]*)|(?P<star_dot>\.)?(?P<star>\*)"
    r"|\[\s*(?:(?P<all>\*)|'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\""
    r"|(?P<slice>-?\d*:-?\d*)|(?P<index>-?\d{1,9}))\s*\])"
)
_ESCAPE = re.compile(r"\\(.)")


class _Step(msgspec.Struct, frozen=True):
    """One step of a path: a member's name, an index, a slice, or (None) everything."""

    selector: str | int | slice | None
    deep: bool


@functools.lru_cache(maxsize=256)
def parse_path(path: str) -> tuple[_Step, ...]:
    """Read a path. Raises ArgumentError saying where it stops making sense."""
    if not path.startswith("$"):
        raise _malformed(path, 0, "a path starts with $")
    steps: list[_Step] = []
    position = 1
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or not _is_joined(found):
            raise _malformed(path, position, "write .name, ['name'], [0], [1:3], [*] or ..name")
        steps.append(_Step(_selector(found), deep=found["deep"] is not None))
        position = found.end()
    return tuple(steps)


def rooted(path: str) -> str:
    """Return a path with the root that a reader may leave out: ``sources[0].title`` is ``$.sources[0].title``."""
    return path if path.startswith("$") else f"${path}" if path.startswith("[") else f"$.{path}"


def find(value: JsonValue, path: str) -> list[JsonValue]:
    """Return what stands at `path`, alone; of a path that may lead to several values, the list of them, if any."""
    found = select(value, path)
    leads_to_one = all(isinstance(step.selector, str | int) and not step.deep for step in parse_path(path))
    return found if leads_to_one or not found else [found]


def select(value: JsonValue, path: str) -> list[JsonValue]:
    """Return every value that `path` leads to, in the order of the document."""
    found = [value]
    for step in parse_path(path):
        found = [child for node in found for holder in _holders(node, step) for child in _children(holder, step)]
    return found


def remove(value: JsonValue, path: str) -> JsonValue:
    """Return a copy of a JSON value without what `path` leads to; `$` itself leads to everything, which leaves null."""
    steps = parse_path(path)
    if not steps:
        return None
    copied: JsonValue = copy.deepcopy(value)
    found = [copied]
    for step in steps[:-1]:
        found = [child for node in found for holder in _holders(node, step) for child in _children(holder, step)]
    holders = [holder for node in found for holder in _holders(node, steps[-1])]
    for holder in holders:
        _remove(holder, steps[-1])
    return copied


def _remove(holder: JsonValue, step: _Step) -> None:
    selector = step.selector
    if isinstance(holder, dict):
        for name in list(holder) if selector is None else [selector]:
            holder.pop(name, None)
    elif isinstance(holder, list) and not isinstance(selector, str):
        if isinstance(selector, int) and not -len(holder) <= selector < len(holder):
            return
        del holder[slice(None) if selector is None else selector]


def _is_joined(found: re.Match[str]) -> bool:
    """Whether a bare name or star has the dot before it that it needs."""
    bare = found["name"] or found["star"]
    return not bare or bool(found["dot"] or found["star_dot"] or found["deep"])


def _selector(found: re.Match[str]) -> str | int | slice | None:
    quoted = found["single"] if found["single"] is not None else found["double"]
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted)
    if found["name"] is not None:
        return found["name"]
    if found["index"] is not None:
        return int(found["index"])
    if found["slice"] is not None:
        start, _, stop = found["slice"].partition(":")
        return slice(int(start) if start else None, int(stop) if stop else None)
    return None


def _holders(node: JsonValue, step: _Step) -> Iterator[JsonValue]:
    if not step.deep:
        yield node
        return
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        inner = current.values() if isinstance(current, dict) else current if isinstance(current, list) else ()
        waiting.extend(reversed(list(inner)))


def _children(holder: JsonValue, step: _Step) -> list[JsonValue]:
    match step.selector:
        case None:
            return list(holder.values()) if isinstance(holder, dict) else holder if isinstance(holder, list) else []
        case str(name):
            return [holder[name]] if isinstance(holder, dict) and name in holder else []
        case int(index):
            return [holder[index]] if isinstance(holder, list) and -len(holder) <= index < len(holder) else []
        case slice() as part:
            return holder[part] if isinstance(holder, list) else []
        case _ as never:
            assert_never(never)


def _malformed(path: str, position: int, wanted: str) -> ArgumentError:
    return ArgumentError(f"JSON path {path!r} is malformed at position {position}", fix=wanted)
