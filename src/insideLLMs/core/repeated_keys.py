"""Finds a key that stands twice in one JSON object: decoders keep the last value, and say nothing of the others."""

import json
from collections import Counter
from collections.abc import Sequence

import msgspec

_ESCAPED_COLON = b"\\u003"


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


def first_repeated(keys: Sequence[str]) -> str | None:
    """Return the first key that stands there twice."""
    if len(set(keys)) == len(keys):
        return None
    return next(key for key, count in Counter(keys).items() if count > 1)


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
