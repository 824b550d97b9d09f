"""Keys that pass through: they are taken from calls and the environment, and blanked out of what is kept."""

from collections.abc import Iterable, Mapping, Sequence

from insideLLMs.config.secrets import is_secret_key
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.blanking import Blanking
from insideLLMs.proxy.pieces import clean_texts
from insideLLMs.proxy.shown_keys import keys_in_headers, keys_in_query, query_without_keys

_LONG_ENOUGH = 16
"""Shorter values of variables are words such as `postgres`, which prompts hold too."""


class SeenSecrets:
    """Blanks out every key that it has seen, and what looks like one. `answers` counts those that held any."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._known = {value for name, value in environ.items() if is_secret_key(name) and len(value) >= _LONG_ENOUGH}
        self._blanking = Blanking(self._known)
        self.answers = 0

    def see(self, headers: Iterable[tuple[str, str]], query: str, in_body: Iterable[str] = ()) -> None:
        """Learn the keys of a call."""
        found = {*keys_in_headers(headers), *keys_in_query(query), *in_body}
        if not found <= self._known:
            self._known |= found
            self._blanking = Blanking(self._known)

    def query(self, query: str) -> str:
        """Return a query without its keys."""
        return self.text(query_without_keys(query))

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

    def answer(self, texts: Sequence[str]) -> list[str]:
        """Return the body of an answer, or its events, without keys: not even one that is there in pieces."""
        blanked = clean_texts([self.text(text) for text in texts], self.text)
        self.answers += blanked != list(texts)
        return blanked
