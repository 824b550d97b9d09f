"""Keys in a log never reach a run directory: those under names that say secret, and what looks like a key.

A log holds them in places that nobody carries (its configuration, headers of calls), and servers quote them in errors,
so the first are blanked out wherever they come up again.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from insideLLMs.core.key_shapes import KEY_SHAPES
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.redaction import REDACTED, Redactor

_QUOTED = re.compile(
    r"((?:key|token|secret|password|authorization)[\"']?(?: provided| is)?\s*[:=]\s*[\"']?(?:bearer |basic )?)"
    r"(?=\S{0,200}\d)[^\s\"',;]{8,}",
    re.IGNORECASE,
)
"""How errors quote a key, whatever it looks like."""
_ESCAPE = re.compile(rb"\\[nrtbf\"]")
"""Of JSON: the letter of an escape must not hide the beginning of a key."""
Given = TypeVar("Given", bound=msgspec.Struct)


class Blanking:
    """Blanks out secrets in what was read of a log. `count` is in how many values."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._redactor = Redactor(sorted(secrets))
        self.count = 0

    def error(self, text: str) -> str:
        """Return the words of an error without secrets, nor what they call a key."""
        return self.text(_QUOTED.sub(rf"\1{REDACTED}", text))

    def of(self, given: Given) -> Given:
        """Return a value without secrets: the same object where it had none."""
        data = msgspec.json.encode(given)
        data = _ESCAPE.sub(b" ", data) if b"\\" in data else data
        if not KEY_SHAPES.search(data) and self._redactor.blank(data) is data:
            return given
        self.count += 1
        return msgspec.convert(self.value(msgspec.to_builtins(given)), type(given))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        data = text.encode("utf-8", "surrogatepass")
        blanked = KEY_SHAPES.sub(REDACTED.encode(), self._redactor.blank(data))
        return text if blanked == data else blanked.decode("utf-8", "surrogatepass")

    def value(self, value: JsonValue) -> JsonValue:
        """Return a JSON value without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(item) for name, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value
