"""Keys that pass through: they are taken from headers, queries and the environment, and blanked out of what is kept."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from insideLLMs.config.secrets import gives_away, is_secret_key, leaves
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.blanking import Blanking

_SECRET_PARAMETERS = frozenset({"key", "sig", "signature"})
_LONG_ENOUGH = 16
"""Shorter values of variables are words such as `postgres`, which prompts hold too."""
_OPAQUE = re.compile(r"(?=[a-z\d]*[A-Z])(?=[A-Z\d]*[a-z])(?=[A-Za-z]*\d)[A-Za-z\d]{16,}")
"""What no name of a model or a version holds: a long run of small letters, capitals and digits."""
_NO_KEYS = re.compile(r"id$|trace|etag|match$", re.IGNORECASE)
"""Headers that differ with each call: to learn them would only take time."""
_Place = tuple[str | int, ...]
_Path = tuple[_Place, tuple[int, ...]]


class SeenSecrets:
    """Blanks out every key that it has seen, and what looks like one. `answers` counts those that held any."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._known = {value for name, value in environ.items() if is_secret_key(name) and len(value) >= _LONG_ENOUGH}
        self._blanking = Blanking(self._known)
        self.answers = 0

    def see(self, headers: Iterable[tuple[str, str]], query: str, body: JsonValue = None) -> None:
        """Learn the keys of a call."""
        found = {secret for name, value in headers for secret in _in_header(name, value)}
        found |= {value for name, value in parse_qsl(query) if _is_secret_parameter(name)}
        found |= set(_in_body(body))
        if not found <= self._known:
            self._known |= found
            self._blanking = Blanking(self._known)

    def query(self, query: str) -> str:
        """Return a query without its keys."""
        kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if not _is_secret_parameter(pair[0])]
        return self.text(urlencode(kept, safe=":/,"))

    def header(self, value: str) -> str:
        """Return what a header of an answer says without keys, also those of an address."""
        address, mark, query = value.partition("?")
        return self.text(address) + (f"?{self.query(query)}" if mark else "")

    def text(self, text: str) -> str:
        """Return a text without keys."""
        return self._blanking.text(text)

    def value(self, value: JsonValue) -> JsonValue:
        """Return a JSON value without keys."""
        return self._blanking.value(value)

    def answer(self, body: str) -> str:
        """Return the body of an answer without keys."""
        blanked = self.text(body)
        self.answers += blanked != body
        return blanked

    def events(self, events: Sequence[str]) -> tuple[str, ...]:
        """Return the events of an answer without keys, not even one that several events hold in pieces."""
        blanked = [self.text(event) for event in events]
        data = [event_data(event) for event in blanked]
        for apart in (True, False):
            for (place, _), found in pieces_of(data, apart=apart).items():
                whole = "".join(text for _, text in found)
                if (clean := self.text(whole)) != whole:
                    for number, _ in found:
                        _put(data[number], place, clean if number == found[0][0] else "")
                        blanked[number] = _with_data(blanked[number], data[number])
        self.answers += blanked != list(events)
        return tuple(blanked)


def _in_header(name: str, value: str) -> Iterator[str]:
    is_opaque = " " not in value and _OPAQUE.search(value) is not None and not _NO_KEYS.search(name)
    if not is_opaque and not gives_away(("headers", name), value) and name.lower() != "cookie":
        return
    scheme, _, rest = value.partition(" ")
    yield rest.strip() or scheme
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return


def _in_body(body: JsonValue) -> Iterator[str]:
    """Yield what stands under the name of a key, as those of MCP servers do: a word, or one after its scheme."""
    for path, value, _ in leaves(body, ()):
        if isinstance(value, str) and len(value.split()) in {1, 2} and gives_away(path, value):
            word = value.split()[-1]
            if len(word) >= _LONG_ENOUGH:
                yield word


def _is_secret_parameter(name: str) -> bool:
    return is_secret_key(name) or name.lower() in _SECRET_PARAMETERS


def pieces_of(values: Iterable[JsonValue], *, apart: bool = False) -> dict[_Path, list[tuple[int, str]]]:
    """Return the texts that stand at each place of several values, with the number of the value, in order.

    Kept `apart` are those with other indexes beside them: of several answers that take turns.
    """
    pieces: dict[_Path, list[tuple[int, str]]] = {}
    for number, value in enumerate(values):
        for (place, indexes), text in _texts(value, ((), ())):
            pieces.setdefault((place, indexes if apart else ()), []).append((number, text))
    return pieces


def event_data(event: str) -> Any:  # a JSON value
    """Return the JSON of an event; None where it has none, or has it on several lines."""
    lines = [line[5:] for line in event.splitlines() if line.startswith("data:")]
    try:
        return msgspec.json.decode(lines[0]) if len(lines) == 1 else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _with_data(event: str, value: JsonValue) -> str:
    held = next(line for line in event.splitlines() if line.startswith("data:"))
    return event.replace(held, f"data: {msgspec.json.encode(value).decode()}")


def _texts(value: JsonValue, path: _Path) -> Iterator[tuple[_Path, str]]:
    """Yield texts by their places, and by the indexes that stand beside them: several answers take turns."""
    place, indexes = path
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        entries = list(value.items() if isinstance(value, dict) else enumerate(value))
        indexes += tuple(item for key, item in entries if isinstance(item, int) and str(key).endswith("index"))
        for key, item in entries:
            yield from _texts(item, ((*place, key), indexes))


def _put(value: Any, place: _Place, text: str) -> None:  # a JSON value
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = text
