"""Where a call shows its keys: headers, cookies, the query, a form, and fields of its body with the name of a key."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from insideLLMs.config.secrets import REFERENCE_KEYS, gives_away, is_secret_key, leaves
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.redaction import REDACTED, SHORTEST_SECRET

_SECRET_PARAMETERS = frozenset({"key", "sig", "signature"})
_OF_TEXTS = re.compile(
    r"(?:^|_)(?:bos|eos|pad|stop|start|end|unk|sep|cls|mask|prefix|suffix|page|next|previous|continuation|sync)_token$"
)
"""Tokens that are no keys: marks of a model's vocabulary, and places in a list."""
_SIGNS = re.compile(r"^x-(?:amz|goog)-(?:signature|security-token|credential)$", re.IGNORECASE)
_OPAQUE = re.compile(r"(?=[a-z\d]*[A-Z])(?=[A-Z\d]*[a-z])(?=[A-Za-z]*\d)[A-Za-z\d]{16,}")
"""What no name of a model or a version holds: a long run of small letters, capitals and digits."""
_LONG_ENOUGH = 16
_NO_KEYS = re.compile(r"id$|trace|etag|match$", re.IGNORECASE)
"""Headers that differ with each call: to learn them would only take time."""
_PART = re.compile(rb'(\bname="([^"\r\n]{1,100})"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)(.*?)(?=\r\n--)', re.DOTALL)
"""A part of a form: its name, and what it holds."""
_QUERY = re.compile(r"(\bhttps?://[^\s?#]*\?)([^\s#\"'<>]+)", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a key."""
    return is_secret_key(name) and _OF_TEXTS.search(name.lower().replace("-", "_")) is None


def keys_in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the keys of headers: of any whose name says so, or whose value looks like one."""
    for name, value in headers:
        if name.lower() == "cookie":
            yield from _in_cookies(value)
        elif _shows_key(name, value):
            yield from _behind_scheme(value)


def keys_in_query(query: str) -> Iterator[str]:
    """Yield the keys of a query, or of a form that is written like one."""
    return (value for name, value in parse_qsl(query) if _is_secret_parameter(name))


def query_without_keys(query: str) -> str:
    """Return a query without its keys, or a form that is written like one."""
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if not _is_secret_parameter(pair[0])]
    return urlencode(kept, safe=":/,")


def keys_in_body(body: JsonValue) -> Iterator[str]:
    """Yield what stands under the name of a key, as those of MCP servers do, and the keys of addresses."""
    for path, value, _ in leaves(body, ()):
        if isinstance(value, str):
            yield _key_at(path, value)
            for _, query in _QUERY.findall(value):
                yield from keys_in_query(query)


def body_without_keys(body: JsonValue, path: FieldPath = ()) -> JsonValue:
    """Return a JSON body without what stands under the name of a key, however short it is, and keys of addresses."""
    if isinstance(body, dict):
        return {name: body_without_keys(item, (*path, name)) for name, item in body.items()}
    if isinstance(body, list):
        return [body_without_keys(item, (*path, at)) for at, item in enumerate(body)]
    if not isinstance(body, str):
        return body
    if key := _key_at(path, body):
        return body.replace(key, REDACTED)
    return _QUERY.sub(lambda found: found[1] + _without_keys_only(found[2]), body)


def _without_keys_only(query: str) -> str:
    """Return a query as it is spelled if it has no keys."""
    return query_without_keys(query) if any(keys_in_query(query)) else query


def keys_in_form(kind: str, data: bytes) -> Iterator[str]:
    """Yield the keys of a form by its content type."""
    if kind.lower().startswith(_FORM):
        yield from keys_in_query(data.decode(errors="replace"))
    elif kind.lower().startswith("multipart/"):
        for part in _PART.finditer(data):
            if _is_secret_parameter(part[2].decode(errors="replace")):
                yield part[3].decode(errors="replace")


def form_without_keys(kind: str, data: bytes) -> bytes:
    """Return a form with its keys blanked out."""
    if kind.lower().startswith(_FORM):
        return _without_keys_only(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if not kind.lower().startswith("multipart/"):
        return data
    return _PART.sub(
        lambda part: part[1] + REDACTED.encode() if _is_secret_parameter(part[2].decode(errors="replace")) else part[0],
        data,
    )


def _shows_key(name: str, value: str) -> bool:
    is_opaque = " " not in value and _OPAQUE.search(value) is not None and not _NO_KEYS.search(name)
    return is_opaque or gives_away(("headers", name), value)


def _behind_scheme(value: str) -> Iterator[str]:
    scheme, _, rest = value.partition(" ")
    yield rest.strip() or scheme
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return
        yield password or user  # some providers have the key in the place of a user


def _in_cookies(value: str) -> Iterator[str]:
    yield value
    try:
        yield from (morsel.value for morsel in SimpleCookie(value).values())
    except CookieError:
        yield from (pair.partition("=")[2].strip() for pair in value.split(";"))


def _key_at(path: FieldPath, value: str) -> str:
    """Return the key at a place: a word, or one after its scheme; otherwise an empty text."""
    words = value.split()
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    is_key = is_secret_name(name) or not REFERENCE_KEYS.isdisjoint(path)
    return words[-1] if len(words) in {1, 2} and is_key and gives_away(path, value) else ""


def _is_secret_parameter(name: str) -> bool:
    return is_secret_name(name) or name.lower() in _SECRET_PARAMETERS or _SIGNS.search(name) is not None


def worth_learning(key: str) -> bool:
    """Whether a key that stood in a body is to be blanked out elsewhere: not a word such as `postgres`."""
    return len(key) >= _LONG_ENOUGH or (len(key) >= SHORTEST_SECRET and any(char.isdigit() for char in key))
