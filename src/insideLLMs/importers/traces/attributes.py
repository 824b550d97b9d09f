"""Attributes of an application's traffic: what says something of a request, cut to a length, and the secrets apart."""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from insideLLMs.config.secrets import holds_secret, is_secret_key
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.fields import count_left
from insideLLMs.trajectories.attributes import Attributes

LONGEST_TEXT = 1_000_000
"""Characters of one attribute; a longer text is cut, counted and said."""
_MOST_ATTRIBUTES = 10_000
_READ = re.compile(
    r"gen_ai\.|llm\.|input\.|output\.|openinference\.|retrieval\.|reranker\.|tool[._]|traceloop\.|session\.|user\.|"
    r"enduser\.|error\.|exception\.|event\.|http\.route|http\.target|url\.path|rpc\.method|service\.name|agent[._]|"
    r"ai\.|pydantic_ai\.|logfire\.span_type|prompt|response|completion|message|content|role$|index$|id$|events$|"
    r"final_result|all_messages|operation|.*(?:feedback|rating)"
)
"""What an attribute begins with that may say something of a request; of others only secrets are looked for."""
_SCHEME = re.compile(r"^(?:bearer|basic|token)\s+", re.IGNORECASE)
_SHORTEST_SECRET = 8


class TrafficAttributes(Attributes):
    """Reads attributes. `secrets` gathers what stood under names that say secret; `left_out` counts what was cut."""

    def __init__(self, left_out: Counter[str]) -> None:
        self.left_out = left_out
        self.secrets: list[str] = []

    def take_secrets(self) -> tuple[str, ...]:
        """Return the secrets that were found since the last time."""
        found, self.secrets = tuple(sorted(set(self.secrets))), []
        return found

    def too_deep(self) -> JsonValue:
        """Count the value, and leave it out."""
        count_left(self.left_out, "span.attributes (nested too deeply)")
        return None

    def kept(self, pairs: Iterable[tuple[object, JsonValue]]) -> Iterator[tuple[str, JsonValue]]:
        """Yield the attributes that may say something of a request; look for secrets in all."""
        count = 0
        for key, value in pairs:
            if not isinstance(key, str) or value is None:
                continue
            self.look_at(key, value)
            if not _is_read(key) or is_secret_key(_last(key)):
                continue
            count += 1
            if count > _MOST_ATTRIBUTES:
                count_left(self.left_out, f"span.attributes (beyond {_MOST_ATTRIBUTES:,})")
                continue
            yield key, self._cut(key, value)

    def _cut(self, key: str, value: JsonValue) -> JsonValue:
        if not isinstance(value, str) or len(value) <= LONGEST_TEXT:
            return value
        count_left(self.left_out, f"{key} (behind its first {LONGEST_TEXT:,} characters)")
        return value[:LONGEST_TEXT]

    def look_at(self, key: str, value: JsonValue) -> None:
        """Look for a secret."""
        if not _may_be_secret(key):
            return
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and holds_secret(_last(key), text):
                secret = _SCHEME.sub("", text.strip())
                if len(secret) >= _SHORTEST_SECRET and " " not in secret:
                    self.secrets.append(secret[:LONGEST_TEXT])


@functools.lru_cache(maxsize=8192)
def _is_read(key: str) -> bool:
    return _READ.match(key) is not None


@functools.lru_cache(maxsize=8192)
def _may_be_secret(key: str) -> bool:
    return is_secret_key(_last(key))


def _last(key: str) -> str:
    return key.rpartition(".")[2]
