"""Texts that an answer holds in pieces: in the events of a stream, the lines of one, or the entries of a list."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from insideLLMs.core.types import JsonValue

_Place = tuple[str | int, ...]
_Path = tuple[_Place, tuple[int, ...]]
_Piece = tuple[int, _Place, str]
"""The number of the value, the place in it, and the text there."""
_LOG_PROBABILITIES = "logprobs"
_LISTED = frozenset({"text", "content", "thinking", "reasoning"})
"""Texts that go on in the next entry of a list, as ids do not."""
_decode = json.JSONDecoder(strict=False).raw_decode
Clean = Callable[[str], str]


def pieces_of(values: Iterable[JsonValue], *, apart: bool = False) -> dict[_Path, list[_Piece]]:
    """Return the texts that stand at each place of several values, in order.

    Kept `apart` are those with other indexes beside them: of several answers that take turns.
    """
    pieces: dict[_Path, list[_Piece]] = {}
    for number, value in enumerate(values):
        for (place, indexes), text in _texts(value, ((), ())):
            pieces.setdefault((place, indexes if apart else ()), []).append((number, place, text))
    return pieces


def clean_texts(texts: Sequence[str], clean: Clean) -> list[str]:
    """Return texts with JSON in them without what only its pieces put together hold."""
    spans = [(number, *span) for number, text in enumerate(texts) for span in _json_in(text)]
    values = [value for *_, value in spans]
    changed = _clean_pieces(values, clean)
    cleaned = list(texts)
    for at in sorted(changed, reverse=True):
        number, begin, end, value = spans[at]
        text = cleaned[number]
        cleaned[number] = text[:begin] + json.dumps(value, separators=(",", ":")) + text[end:]
    return cleaned


def json_in(text: str) -> list[JsonValue]:
    """Return the JSON objects of an event, of a body, of lines or of a list, as far as it can be read."""
    return [value for _, _, value in _json_in(text)]


def _json_in(text: str) -> Iterator[tuple[int, int, Any]]:  # JSON values
    """Yield where JSON objects begin and end in a text, and their values."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _decode(text, at)
        except (ValueError, RecursionError):
            return
        yield at, end, value
        at = text.find("{", end)


def _clean_pieces(values: Sequence[Any], clean: Clean) -> set[int]:  # JSON values
    """Clean what is put together of pieces, in place; return the numbers of the values that were changed."""
    changed: set[int] = set()
    for put_together in (_taking_turns, _by_place, _by_list):
        for pieces in put_together(values):
            for number, place, text in _cleaned(pieces, clean):
                _put(values[number], place, text)
                changed.add(number)
    return changed


def _taking_turns(values: Sequence[JsonValue]) -> Iterable[list[_Piece]]:
    return pieces_of(values, apart=True).values()


def _by_place(values: Sequence[JsonValue]) -> Iterable[list[_Piece]]:
    return pieces_of(values).values()


def _by_list(values: Sequence[JsonValue]) -> Iterable[list[_Piece]]:
    """Put together what the entries of lists hold: parts of a message, tokens with their probabilities."""
    lists: dict[_Place, list[_Piece]] = {}
    for (place, _), pieces in pieces_of(values).items():
        if place[-1:] and (place[-1] in _LISTED or _probabilities(place) is not None):
            lists.setdefault(tuple(key for key in place if isinstance(key, str)), []).extend(pieces)
    return [sorted(pieces, key=lambda piece: (piece[0], _numbers(piece[1]))) for pieces in lists.values()]


def _numbers(place: _Place) -> tuple[int, ...]:
    return tuple(key for key in place if isinstance(key, int))


def _cleaned(pieces: Sequence[_Piece], clean: Clean) -> Iterator[_Piece]:
    """Yield the pieces that change: those that hold a part of what is cleaned away, and no others."""
    whole = "".join(text for _, _, text in pieces)
    left = clean(whole) if len(pieces) > 1 else whole
    if left == whole:
        return
    begin = _same(whole, left)
    end = len(whole) - _same(whole[begin:][::-1], left[begin:][::-1])
    put_in = left[begin : len(left) - (len(whole) - end)]
    at = 0
    for number, place, text in pieces:
        first, last = max(begin - at, 0), min(end - at, len(text))
        if first < last:
            yield number, place, text[:first] + put_in + text[last:]
            put_in = ""
        at += len(text)


def _same(one: str, other: str) -> int:
    """Return how many letters two texts begin with alike."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _texts(value: JsonValue, path: _Path) -> Iterator[tuple[_Path, str]]:
    """Yield texts by their places, and by the indexes that stand beside them: several answers take turns."""
    place, indexes = path
    if isinstance(value, str):
        yield path, value
        return
    if isinstance(value, dict):
        indexes += tuple(item for key, item in value.items() if isinstance(item, int) and key.endswith("index"))
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        if isinstance(item, str | dict | list):
            yield from _texts(item, ((*place, key), indexes))


def _put(value: Any, place: _Place, text: str) -> None:  # a JSON value
    """Put a text in its place; of tokens with probabilities none is left, as they have bytes and others beside them."""
    tokens = _probabilities(place)
    *way, last = place if tokens is None else place[: tokens + 1]
    for key in way:
        value = value[key]
    value[last] = text if tokens is None else None


def _probabilities(place: _Place) -> int | None:
    return next((at for at, key in enumerate(place) if str(key).startswith(_LOG_PROBABILITIES)), None)
