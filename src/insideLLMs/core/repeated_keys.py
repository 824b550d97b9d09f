"""Finds a key that stands twice in one JSON object: decoders keep the last value, and say nothing of the others."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

_ESCAPED_COLON = b"\\u003"
_NO_MARK = re.compile(r"[^\s:,]")
"""Where the next key or value of an object begins, or the object ends."""


def repeated_key(text: bytes, value: object = None) -> str | None:
    """Return a key that `text` gives twice in one object, at any depth; `value` is what it was decoded to, if it was.

    A text has all colons of its value, within strings and behind keys; one more is that of a key that was lost. Only
    a text that spells a colon as an escape may have fewer. Raises what msgspec raises for what is no JSON.
    """
    colons = msgspec.json.encode(msgspec.json.decode(text) if value is None else value).count(b":")
    return None if text.count(b":") == colons and _ESCAPED_COLON not in text else _search(text)


def split_object(text: bytes | msgspec.Raw) -> tuple[dict[str, msgspec.Raw], str | None]:
    """Return an object's members, undecoded, and a key that it has twice. Raises what msgspec raises."""
    keys: list[str] = []

    def note(_: type, key: str) -> _Key:
        keys.append(key)
        return _Key(key)

    found = msgspec.json.decode(text, type=dict[_Key, msgspec.Raw], dec_hook=note)
    return {str(key): value for key, value in found.items()}, first_repeated(keys)


def lines_of(key: str, text: bytes) -> list[int]:
    """Return the lines, from 1, at which the outermost object of a valid text has this key."""
    plain = text.decode()
    decode = json.JSONDecoder(parse_int=float).raw_decode  # an integer may have thousands of digits
    lines: list[int] = []
    line, counted = 1, 0
    end = plain.index("{") + 1
    while (found := _NO_MARK.search(plain, end)) and found[0] != "}":
        name, end = decode(plain, found.start())
        if name == key:
            line, counted = line + plain.count("\n", counted, found.start()), found.start()
            lines.append(line)
        value = _NO_MARK.search(plain, end)
        assert value is not None  # behind a key there is one
        _, end = decode(plain, value.start())
    return lines


def first_repeated(keys: Sequence[str]) -> str | None:
    """Return the first key that stands there twice."""
    return next(iter(repeated(keys)), None) if len(set(keys)) < len(keys) else None


def repeated(names: Iterable[str]) -> list[str]:
    """Return what stands there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


class _Key(str):
    """A key of an object that is split; a type of its own, so that every one is seen."""

    __slots__ = ()


def _search(text: bytes) -> str | None:
    found: list[str] = []

    def look(pairs: Sequence[tuple[str, object]]) -> None:
        key = first_repeated([name for name, _ in pairs])
        if key is not None:
            found.append(key)

    json.loads(text, object_pairs_hook=look, parse_int=float)  # an integer may have thousands of digits
    return found[0] if found else None
