"""Keys that a server sends back, blanked out in whatever spelling it chose.

Servers quote keys, above all in what they say about a wrong one: as they are, escaped as JSON, URLs or HTML do, in
another case, backwards, as hex, as UTF-16, or in Base64, alone or with the header round them.
"""

import base64
import functools
import html.entities
import re
from collections.abc import Iterable, Iterator

import msgspec

from insideLLMs.core.errors import ModelError
from insideLLMs.core.types import JsonValue, Response

SHORTEST_SECRET = 8
"""Shorter "keys" are placeholders such as "none"; blanking those out would damage ordinary text."""
REDACTED = "[redacted]"
_RUN = re.compile(r"[A-Za-z0-9]+")
_SHORTEST_RUN = 4
_NAMES = {code: name for name, code in html.entities.name2codepoint.items() if code < 128} | {
    ord(char): name
    for char, name in zip(
        "+/=:._-&", ("plus", "sol", "equals", "colon", "period", "lowbar", "hyphen", "amp"), strict=True
    )
}


class Redactor:
    """Blanks out secrets. Text without any costs one pass over it per spelling, at the speed of a search."""

    def __init__(self, secrets: Iterable[str]) -> None:
        wide = {secret.encode().decode("latin-1") for secret in secrets if len(secret) >= SHORTEST_SECRET}
        # of a key and its header the key is enough
        self._secrets = tuple(sorted(one for one in wide if not any(other in one for other in wide - {one})))
        self._clues = tuple(sorted({clue.encode("latin-1") for secret in self._secrets for clue in _clues(secret)}))

    def also(self, *secrets: str) -> "Redactor":
        """Return one that blanks out these, too."""
        known = {secret.encode("latin-1").decode() for secret in self._secrets}
        return self if known.issuperset(filter(None, secrets)) else Redactor([*known, *secrets])

    def blank(self, data: bytes) -> bytes:
        """Return bytes without secrets."""
        folded = data.lower()
        if not any(clue in folded for clue in self._clues):
            return data
        for secret in self._secrets:
            data = _pattern(secret).sub(REDACTED.encode(), data)
        return data

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        data = text.encode("utf-8", "surrogatepass")
        blanked = self.blank(data)
        return text if blanked is data else blanked.decode("utf-8", "surrogatepass")

    def response(self, response: Response) -> Response:
        """Return a response without secrets in what was decoded; log probabilities that spell one out are dropped."""
        if not self._secrets:
            return response
        spelt = "".join(token.token for token in response.logprobs)
        if self.text(spelt) is not spelt:
            response = msgspec.structs.replace(response, logprobs=())
        plain = msgspec.to_builtins(response)
        held = "\n".join(_texts(plain))
        return response if self.text(held) is held else msgspec.convert(self._value(plain), Response)

    def error(self, error: ModelError) -> ModelError:
        """Blank out the words of an error, and return it."""
        error.message = self.text(error.message)
        error.fix = error.fix and self.text(error.fix)
        error.args = (error.message,)
        return error

    def _value(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._value(item) for name, item in value.items()}
        return [self._value(item) for item in value] if isinstance(value, list | tuple) else value


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield every text of a JSON value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _clues(secret: str) -> Iterator[str]:
    """Yield what any text holds, in lower case, that has the secret in some spelling: its longest plain runs."""
    for spelling in (secret, secret[::-1], secret.encode("latin-1").hex(), *_base64_cores(secret)):
        yield _longest_run(spelling).lower()
    run = _longest_run(secret)
    for first, second in ((run[:1], run[1:2]), (run[-1:], run[-2:-1])) if run else ():
        yield f"{first}\0{second}".lower()
        for wrapped in ("\\u00{:02x}", "\\x{:02x}", "%{:02x}", "&#{};", "&#x{:x};"):
            yield wrapped.format(ord(first)) + wrapped.format(ord(second))


def _longest_run(spelling: str) -> str:
    run = max(_RUN.findall(spelling), key=len, default="")
    return run if len(run) >= _SHORTEST_RUN else ""  # found in any text, which is then gone through


@functools.lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[bytes]:
    cores = [f"[A-Za-z0-9+/_-]{{0,4}}{_escaped(core)}[A-Za-z0-9+/_-]{{0,4}}={{0,2}}" for core in _base64_cores(secret)]
    spellings = [_escaped(secret), _escaped(secret[::-1]), secret.encode("latin-1").hex(), *cores]
    return re.compile("|".join(spellings).encode("latin-1"), re.IGNORECASE)


def _escaped(text: str) -> str:
    """Match a text with any of its characters escaped, each in its own way, and with NULs between (UTF-16)."""
    return r"\0{0,3}".join(_character(char) for char in text)


@functools.lru_cache(maxsize=512)
def _character(char: str) -> str:
    codes = sorted({ord(one) for one in (char, char.lower(), char.upper()) if len(one) == 1})
    plain = re.escape(char)
    escapes = "|".join(f"(?:u00|x){code:02x}" for code in codes)
    in_url = "|".join(f"{code:02x}" for code in codes)
    in_html = "|".join(f"#0{{0,6}}{code}|#x0{{0,6}}{code:x}|{_NAMES.get(code, '#')}" for code in codes)
    return rf"(?:{plain}|\\{{1,8}}+(?:{plain}|{escapes})|%(?:25){{0,4}}(?:{in_url})|&(?:amp;){{0,4}}(?:{in_html});)"


def _base64_cores(secret: str) -> list[str]:
    """Return what every Base64 of a text that holds the secret holds, by where in three bytes the secret begins."""
    found = []
    for lead, cut in ((0, 0), (1, 2), (2, 3)):
        data = bytes(lead) + secret.encode("latin-1")
        core = base64.b64encode(data).decode()[cut : len(data) * 8 // 6]
        found += [core, core.translate(_URL_SAFE)] if set(core) & set("+/") else [core]
    return found


_URL_SAFE = str.maketrans("+/", "-_")
