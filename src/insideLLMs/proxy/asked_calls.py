"""A call as a command makes it, and what of it is kept and compared."""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import JsonValue
from insideLLMs.proxy.callers import spelled_out
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.shown_keys import body_without_keys, form_without_keys, keys_in_body, keys_in_form, worth_learning
from insideLLMs.proxy.upstreams import Upstream
from insideLLMs.proxy.volatile import VolatileParts
from insideLLMs.store.answers.wire_cassette import WireRequest

_KEPT_HEADERS = frozenset({"anthropic-version", "anthropic-beta", "openai-beta"})
"""What shapes the answer beside the body."""
_LONG_DATA = 4096
_ENCODED = re.compile(r"(?:data:[\w/+.;=-]{0,100},)?[A-Za-z0-9+/_\r\n-]+={0,2}")
_BOUNDARY = re.compile(r'boundary="?([^";]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A call that came in: `path` is that below the local address of its upstream, with the query."""

    case: str
    upstream: Upstream
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    began: int = 0

    @property
    def kind(self) -> str:
        """The content type."""
        return next((value.strip() for name, value in self.headers if name.lower() == "content-type"), "")


class RequestReader:
    """Makes of calls what is kept and compared: no key, nothing volatile, and no long data."""

    def __init__(self, secrets: SeenSecrets, volatile: VolatileParts) -> None:
        self._secrets = secrets
        self._volatile = volatile

    def read(self, asked: AskedCall) -> WireRequest:
        """Return what is kept of a call."""
        path, _, query = asked.path.partition("?")
        body = _json(asked.body) if asked.body else None
        in_body = keys_in_form(asked.kind, asked.body) if body is None else keys_in_body(body)
        self._secrets.see(asked.headers, query, filter(worth_learning, in_body))
        left = self._secrets.query(query)
        request = WireRequest(
            upstream=asked.upstream.name,
            method=asked.method,
            path=self._volatile.text(self._secrets.text(path) + (f"?{left}" if left else "")),
            headers=self._headers(asked.headers),
        )
        return self._with_body(request, asked, body) if asked.body else request

    def case_of(self, asked: AskedCall) -> str:
        """Return the name of a call's case without keys: a test may be named by its parameters."""
        return self._secrets.text(asked.case)

    def _headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        kept = ((name.lower(), spelled_out(value)) for name, value in headers if name.lower() in _KEPT_HEADERS)
        return {name: self._secrets.text(value) for name, value in kept}

    def _with_body(self, request: WireRequest, asked: AskedCall, body: JsonValue) -> WireRequest:
        if body is not None:
            left = self._volatile.body(self._secrets.value(_short(body_without_keys(body))))
            return msgspec.structs.replace(request, body=left)
        boundary = _BOUNDARY.search(asked.kind)
        data = form_without_keys(asked.kind, asked.body)
        data = data.replace(boundary[1].encode(), b"boundary") if boundary else data
        try:
            text = self._volatile.text(self._secrets.text(data.decode()))
        except UnicodeDecodeError:
            return msgspec.structs.replace(request, base64=_digest(base64.b64encode(data).decode()))
        return msgspec.structs.replace(request, text=text)


def key_of(case: str, request: WireRequest) -> bytes:
    """Return what two calls share that are the same."""
    return canonical.line([case, msgspec.to_builtins(request)])


def _json(data: bytes) -> JsonValue:
    """Return a JSON body; None if it is not JSON, or cannot be written again."""
    try:
        body = msgspec.json.decode(data)
        canonical.check([[body]])  # it stands in a request, and that in a call
    except (msgspec.DecodeError, UnicodeDecodeError, CanonicalError, RecursionError):
        return None
    return body


def _short(value: JsonValue) -> JsonValue:
    """Name images and other long data by their digests: they are compared, and not sent again."""
    if isinstance(value, str):
        return _digest(value) if len(value) > _LONG_DATA and _ENCODED.fullmatch(value) else value
    if isinstance(value, dict):
        return {name: _short(item) for name, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _digest(encoded: str) -> str:
    return f"[{len(encoded)} letters of data, sha256 {hashlib.sha256(encoded.encode()).hexdigest()}]"
