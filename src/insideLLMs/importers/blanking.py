"""Keys in a log never reach a run directory: those under names that say secret, and what looks like a key.

A log holds them in places that nobody carries (its configuration, headers of calls), and servers quote them in errors,
so the first are blanked out wherever they come up again.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from insideLLMs.core.types import JsonValue
from insideLLMs.providers.redaction import REDACTED, Redactor

KEY_SHAPES = re.compile(
    rb"(?<![A-Za-z0-9])(?:(?:sk|pk|rk|gsk|r8|hf|xai|pplx|nvapi|glpat|lsv2|pypi|tgp|fw|csk)[-_](?=[A-Za-z_-]*\d)"
    rb"[A-Za-z0-9_-]{16,}|AIza[0-9A-Za-z_-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|"
    rb"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])|xox[abeprs]-[A-Za-z0-9-]{10,}|"
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,})"
    rb"|(?i:(?<![A-Za-z])(?:bearer|basic) (?=[A-Za-z_./+~-]*\d)[A-Za-z0-9_./+~-]{16,}=*)"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
    rb"|(?<=://)[^/@\s\"]{1,200}:[^/@\s\"]{1,200}(?=@)"
)
"""Keys of OpenAI, Anthropic, Groq, Hugging Face, Google, GitHub, Amazon, Slack, ..., tokens, passwords in URLs."""
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
        return msgspec.convert(self._value(msgspec.to_builtins(given)), type(given))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        data = text.encode("utf-8", "surrogatepass")
        blanked = KEY_SHAPES.sub(REDACTED.encode(), self._redactor.blank(data))
        return text if blanked == data else blanked.decode("utf-8", "surrogatepass")

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._value(item) for name, item in value.items()}
        return [self._value(item) for item in value] if isinstance(value, list | tuple) else value
