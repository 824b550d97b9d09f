"""An answer as damages take it: its text wherever it stands, and choices that are the same in every audit."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from insideLLMs.core.types import JsonValue, Response, Usage
from insideLLMs.scoring.json_values import Parsed, find_json

Item = TypeVar("Item")
_TEXT_KEYS = ("answer", "response_b", "b")
"""Where the JSON that a probe of the simple contract returned may hold the model's last words, the first that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntactAnswer:
    """An answer to be damaged.

    `question` is what was asked, `references` all that says what is expected: both tell which numbers matter. `other`
    is another example's answer, None where all are the same. `seed` starts every choice.
    """

    response: Response
    seed: str
    question: str = ""
    references: str = ""
    other: Response | None = None

    @property
    def text(self) -> str:
        """What the model said in words."""
        response = self.response
        return response.text if response.value is None else str(response.value.get(self._key) if self._key else "")

    @property
    def _key(self) -> str | None:
        value = self.response.value
        if not isinstance(value, Mapping):
            return None
        return next((key for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)

    @property
    def is_json(self) -> bool:
        """Whether the text is a JSON object or list, alone or in a fence."""
        found = find_json(self.text)
        return isinstance(found, Parsed) and isinstance(found.value, Mapping | list)

    def saying(self, text: str, *, finish_reason: str | None = None) -> Response | None:
        """Return the response with another text, None where that is the same one. Its tokens follow its length."""
        if text == self.text:
            return None
        before = self.response
        if before.value is not None:
            return msgspec.structs.replace(before, value={**before.value, str(self._key): text})
        return msgspec.structs.replace(
            before,
            text=text,
            logprobs=(),
            usage=_usage(before.usage, len(text) / max(1, len(self.text))),
            finish_reason=finish_reason or before.finish_reason,
        )

    def choose(self, items: Sequence[Item], what: str) -> Item:
        """Choose one of `items`, the same for the same answer."""
        digest = hashlib.sha256(f"{self.seed}|{what}".encode("utf-8", "replace")).digest()
        return items[int.from_bytes(digest[:8]) % len(items)]


def _usage(usage: Usage | None, growth: float) -> Usage | None:
    if usage is None or usage.output_tokens is None:
        return usage
    return msgspec.structs.replace(usage, output_tokens=max(1, round(usage.output_tokens * growth)))


def leaves(value: JsonValue) -> list[str]:
    """Return the scalars of a JSON value as texts, in order."""
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [] if value is None else [str(value)]
