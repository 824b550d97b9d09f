"""What of a request differs each time, and says nothing of how a command behaves: ids, users, dates.

Fields are left out by their JSON path, and texts by patterns. Ids that tie a tool's result to its call are numbered
in the order in which they come.
"""

import copy
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from insideLLMs.core.errors import ArgumentError, OptionError
from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.json_path import parse_path, remove, select
from insideLLMs.scoring.patterns import compile_safely
from insideLLMs.store.answers.wire_cassette import WireCall, WireHead

USUAL = ("$.user", "$.metadata", "$.safety_identifier", "$.prompt_cache_key")
"""Who asks, and labels of theirs."""
NAMED = {
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "date": r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    "time": r"\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?",
}
"""Patterns by name."""
BLANK = "[volatile]"
_DIFFERENT = ("Give a refund.", "Deny a return.")
"""Texts that no declaration may make the same."""


def _asking(text: str) -> list[JsonValue]:
    """Return what asks by each API."""
    roles = ("system", "user")
    turns: list[JsonValue] = [{"role": role, "content": text} for role in roles]
    parts: list[JsonValue] = [{"role": role, "parts": [{"text": text}]} for role in roles]
    return [{"messages": turns}, {"input": turns}, {"contents": parts}, {"prompt": text}, {"input": text}]


_IDS = (
    ("$.messages[*].tool_calls[*]", "id"),
    ("$.messages[*]", "tool_call_id"),
    ("$.messages[*].content[*]", "id"),
    ("$.messages[*].content[*]", "tool_use_id"),
    ("$.input[*]", "id"),
    ("$.input[*]", "call_id"),
    ("$.contents[*].parts[*].functionCall", "id"),
    ("$.contents[*].parts[*].functionResponse", "id"),
)
"""Where ids of calls stand: chat completions, Anthropic's messages, OpenAI's responses, Gemini."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatileParts:
    """What is left out of requests before they are kept and compared."""

    paths: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, head: WireHead) -> "VolatileParts":
        """Read what a cassette declares. Raises ArgumentError for no path, OptionError for no pattern or too much."""
        for path in head.volatile:
            parse_path(path)
        parts = cls(paths=(*USUAL, *head.volatile), patterns=tuple(map(_pattern, head.volatile_text)))
        one, other = ([parts.body(asked) for asked in _asking(text)] for text in _DIFFERENT)
        if any(map(operator.eq, one, other)):
            raise OptionError(
                "what is declared volatile leaves nothing of a prompt to compare, so every replay would be verified",
                fix="declare less with --volatile and --volatile-text: only what differs each time",
            )
        return parts

    def text(self, text: str) -> str:
        """Return a text with its volatile parts blanked out."""
        for pattern in self.patterns:
            text = pattern.sub(BLANK, text)
        return text

    def body(self, body: JsonValue) -> JsonValue:
        """Return a JSON body without its volatile parts."""
        left = copy.deepcopy(body)
        for path in self.paths:
            left = remove(left, path)
        _number_ids(left)
        return self._texts(left) if self.patterns else left

    def call(self, call: WireCall) -> WireCall:
        """Return a recorded call without what was declared only later."""
        request = call.request
        left = msgspec.structs.replace(
            request,
            path=self.text(request.path),
            body=None if request.body is None else self.body(request.body),
            text=None if request.text is None else self.text(request.text),
        )
        return msgspec.structs.replace(call, request=left)

    def _texts(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self._texts(item) for name, item in value.items()}
        return [self._texts(item) for item in value] if isinstance(value, list) else value


def _pattern(given: str) -> re.Pattern[str]:
    written = NAMED.get(given, given)
    try:
        compile_safely(written, ignore_case=False)  # a cassette of somebody else's declares some, too
    except ArgumentError as error:
        raise OptionError(
            f"--volatile-text {given!r} cannot be used: {error.message}",
            fix=f"{error.fix}, or write {', '.join(NAMED)}",
        ) from error
    pattern = re.compile(written)
    if pattern.match(""):
        raise OptionError(f"--volatile-text {given!r} matches nothing at all", fix="match at least one letter")
    return pattern


def _number_ids(body: JsonValue) -> None:
    numbers: dict[str, str] = {}
    for holder, name in _holders(body):
        known = holder[name]
        holder[name] = numbers.setdefault(known, f"id-{len(numbers) + 1}")


def _holders(body: JsonValue) -> Iterator[tuple[dict[str, JsonValue], str]]:
    for path, name in _IDS:
        for holder in select(body, path):
            if isinstance(holder, dict) and isinstance(holder.get(name), str):
                yield holder, name
