"""Answers as they came over the wire -> what is kept of them, and back."""

import base64
import contextlib
import re
import zlib
from collections.abc import Mapping

import msgspec
from aiohttp import web

from insideLLMs.core.errors import CassetteError
from insideLLMs.proxy.callers import spelled_out
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.store.answers.wire_cassette import WireAnswer

_KEPT_HEADERS = frozenset(
    {"content-type", "retry-after", "retry-after-ms", "x-should-retry", "location", "allow", "www-authenticate"}
)
"""What clients go by; ids, dates and counters differ each time."""
_OF_BROWSERS = re.compile(r"access-control-[a-z-]+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EVENT = re.compile(r".*?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)
_GZIP_OR_ZLIB = 47


def kept_answer(
    status: int, headers: Mapping[str, str], data: bytes, secrets: SeenSecrets, *, broken: bool = False
) -> WireAnswer:
    """Return what is kept of an answer. Raises CassetteError for one that cannot be read, so not without keys."""
    kept = {
        name.lower(): _CONTROL.sub(" ", spelled_out(value))
        for name, value in sorted(headers.items())
        if name.lower() in _KEPT_HEADERS or _OF_BROWSERS.fullmatch(name)
    }
    plain = _decoded(headers.get("Content-Encoding", ""), data)
    return without_keys(_as_it_came(status, kept, plain, broken=broken), secrets)


def without_keys(answer: WireAnswer, secrets: SeenSecrets) -> WireAnswer:
    """Return an answer without the keys that were seen until now."""
    headers = {name: secrets.header(value) for name, value in answer.headers.items()}
    if answer.base64 is not None:
        (text,) = secrets.answer([data_of(answer).decode("latin-1")])
        blanked = base64.b64encode(text.encode("latin-1")).decode()
        return msgspec.structs.replace(answer, headers=headers, base64=blanked)
    if answer.events:
        return msgspec.structs.replace(answer, headers=headers, events=tuple(secrets.answer(answer.events)))
    return msgspec.structs.replace(answer, headers=headers, body=secrets.answer([answer.body])[0])


def _as_it_came(status: int, headers: Mapping[str, str], data: bytes, *, broken: bool) -> WireAnswer:
    came = WireAnswer(status=status, headers=dict(headers), broken=broken)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return msgspec.structs.replace(came, base64=base64.b64encode(data).decode())
    if not headers.get("content-type", "").startswith("text/event-stream"):
        return msgspec.structs.replace(came, body=text)
    return msgspec.structs.replace(came, events=tuple(event for event in _EVENT.findall(text) if event))


def _decoded(coding: str, data: bytes) -> bytes:
    """Undo a coding that was not asked for."""
    if coding.strip().lower() in {"", "identity"} or not data:
        return data
    try:
        if coding.strip().lower() in {"gzip", "x-gzip", "deflate"}:
            return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(data)
    except zlib.error as error:
        raise CassetteError(
            f"an answer is not valid {coding}, though its header says so", fix="ask the provider"
        ) from error
    raise CassetteError(
        f"an answer came as {coding[:20]!r} although plain was asked for, so it is not recorded",
        fix="turn compression off at the gateway",
    )


async def send(answer: WireAnswer, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a request as a provider did."""
    out = web.StreamResponse(status=answer.status or 502, headers=answer.headers)
    if answer.status is not None:
        pieces = [event.encode() for event in answer.events] or [data_of(answer)]
        if not answer.events and not answer.broken:
            out.content_length = len(pieces[0])
        with contextlib.suppress(ConnectionError):  # the client has left
            await out.prepare(request)
            for piece in pieces if request.method != "HEAD" else ():
                await out.write(piece)
    if answer.broken:
        break_off(request)
    return out


def data_of(answer: WireAnswer) -> bytes:
    """Return the body of an answer."""
    if answer.base64 is not None:
        return base64.b64decode(answer.base64)
    return "".join(answer.events).encode() if answer.events else answer.body.encode()


def break_off(request: web.BaseRequest) -> None:
    """Close a connection in the middle of an answer, as a provider does that dies."""
    if request.transport is not None:
        request.transport.close()
