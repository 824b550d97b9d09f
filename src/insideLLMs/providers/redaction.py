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
    """Blanks out secrets. Text without any costs a search for each of a few runs, and for what begins an escape."""

    def __init__(self, secrets: Iterable[str]) -> None:
        wide = {secret.encode().decode("latin-1") for secret in secrets if len(secret) >= SHORTEST_SECRET}
        # of a key and its header the key is enough
        self._secrets = tuple(sorted(one for one in wide if not any(other in one for other in wide - {one})))
        self._runs = tuple(sorted({run.encode("latin-1") for secret in self._secrets for run in _long_runs(secret)}))
        pairs = {
            start: {pair for secret in self._secrets for form in forms for pair in _escaped_pairs(secret, form)}
            for start, forms in _ESCAPES.items()
        }
        self._escapes = tuple((start, tuple(sorted(clues))) for start, clues in pairs.items() if clues)
        self._starts = b"".join(start for start, _ in self._escapes)

    def also(self, *secrets: str) -> "Redactor":
        """Return one that blanks out these, too."""
        known = {secret.encode("latin-1").decode() for secret in self._secrets}
        return self if known.issuperset(filter(None, secrets)) else Redactor([*known, *secrets])

    def blank(self, data: bytes) -> bytes:
        """Return bytes without secrets."""
        if not self._may_be_in(data.lower()):
            return data
        for secret in self._secrets:
            data = _pattern(secret).sub(REDACTED.encode(), data)
        return data

    def _may_be_in(self, folded: bytes) -> bool:
        for run in self._runs:
            if run in folded:
                return True
        if len(folded.translate(None, self._starts)) == len(folded):  # no byte begins an escape
            return False
        return any(start in folded and any(clue in folded for clue in clues) for start, clues in self._escapes)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        data = text.encode("utf-8", "surrogatepass")
        blanked = self.blank(data)
        return text if blanked is data else blanked.decode("utf-8", "surrogatepass")

    def response(self, response: Response) -> Response:
        """Return a response without secrets in what was decoded; log probabilities that spell one out are dropped."""
        if not self._secrets:
            return response
        if response.logprobs:
            spelt = "".join(token.token for token in response.logprobs)
            if self.text(spelt) is not spelt:
                response = msgspec.structs.replace(response, logprobs=())
        held = msgspec.json.encode(response).replace(b"\\\\", b"\\").replace(b"\\u0000", b"\0").lower()
        if not self._may_be_in(held):
            return response
        return msgspec.convert(self._value(msgspec.to_builtins(response)), Response)

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


def _long_runs(secret: str) -> Iterator[str]:
    """Yield what any text holds, in lower case, that has the secret in some spelling without escapes."""
    for spelling in (secret, secret[::-1], secret.encode("latin-1").hex(), *_base64_cores(secret)):
        yield _longest_run(spelling).lower()


def _escaped_pairs(secret: str, form: str) -> Iterator[bytes]:
    """Yield how two letters look that are both escaped, of which any text that escapes every letter holds one."""
    run = _longest_run(secret)
    for pair in (run[:2], run[:-3:-1]) if run else ():
        yield "".join(form.format(ord(letter), letter.lower()) for letter in pair).rstrip("\0").encode()


_ESCAPES = {
    b"\0": ("{1}\0",),
    b"%": ("%{0:02x}",),
    b"&": ("&#{0};", "&#x{0:x};"),
    b"\\": ("\\u00{0:02x}", "\\x{0:02x}"),
}
"""How a letter is escaped, behind the byte that begins it: one byte is found ten times as fast as several."""


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
