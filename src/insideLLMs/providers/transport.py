"""The one HTTP transport: pooled connections, time and size limits, typed errors, and no secret in any text.

It does not retry, and it never follows a redirect: a key must not travel to a host that nobody named.
Proxies from the environment are used only when asked for (`use_proxy_env`).
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import msgspec
from aiohttp import client_exceptions, hdrs
from yarl import URL

from insideLLMs.core.errors import (
    BadAnswerError,
    ConnectionFailedError,
    ModelError,
    ModelTimeoutError,
    RequestRefusedError,
)
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.providers.addresses import bare_url
from insideLLMs.providers.codec import Assembler, HttpAnswer, HttpCall, excerpt
from insideLLMs.providers.events import EventData, looks_like_events
from insideLLMs.providers.lanes import IdleLanes
from insideLLMs.providers.plain_post import BegunAnswer, NotedBody, NotedRequest, PlainPost, SentPost, is_plain
from insideLLMs.providers.rate_limits import blocked_s, retry_after_s
from insideLLMs.providers.redaction import Redactor

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_STREAM_FACTOR = 8
"""A stream may be so many times as long as a body: its events repeat what a body says once."""
MAX_HELD_FACTOR = 4
"""What a stream leaves in memory may be so many times as large as a body: it comes in pieces of a few letters."""
EVENT_STREAM = "text/event-stream"


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one call: `connect_s` until connected, `total_s` until the last byte is read."""

    connect_s: float = 10.0
    total_s: float = 600.0
    max_body_bytes: int = MAX_BODY_BYTES
    use_proxy_env: bool = False
    ssl_context: ssl.SSLContext | None = None


_MOST_URLS = 100
_KEEPALIVE_S = 60.0
"""How long a connection that nobody uses is kept."""


class Transport:
    """Calls one base URL. Each event loop that uses it gets its own pool of connections.

    The pool has no limit of its own: the engine bounds the calls in flight. `secrets` are blanked out of
    everything that comes back.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        secrets: Sequence[str] = (),
        options: TransportOptions | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self.redactor = Redactor(secrets)
        self._options = options or TransportOptions()
        self._timeout = aiohttp.ClientTimeout(total=self._options.total_s, connect=self._options.connect_s)
        self._limited = aiohttp.ClientTimeout(connect=self._options.connect_s)
        self._urls: dict[str, URL] = {}
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"Transport({self.where!r})"

    @property
    def where(self) -> str:
        """The host and path that are called, without user, password or query."""
        return bare_url(self.base_url)

    async def send(self, call: HttpCall) -> HttpAnswer:
        """Send one call and read its answer to the end, whatever its status.

        Raises ConnectionFailedError, ModelTimeoutError, or BadAnswerError for a redirect, a body that is
        too long and a body that breaks off.
        """
        pool = self._pools.get(asyncio.get_running_loop()) or self._open()
        facts = current_call.get()
        started = time.monotonic()
        try:
            async with self._asked(pool, call, facts) as response:
                if facts is not None:
                    facts.connect_s = facts.connect_s or 0.0  # a connection that was kept takes no time
                    facts.first_byte_s = time.monotonic() - started
                    facts.blocked_s = blocked_s(response.headers, now=time.time())
                if 300 <= response.status < 400:
                    raise self._redirected(response)
                body = await self._read(response, call.assembler, started)
                return HttpAnswer(
                    status=response.status,
                    headers=response.headers,
                    body=self.redactor.blank(body),
                    url="" if response.status == 200 else bare_url(self.url(call.path)),
                    retry_after_s=None if response.status == 200 else retry_after_s(response.headers, now=time.time()),
                )
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError, ValueError) as error:
            raise self._translate(error) from None  # the cause may quote headers, and with them the key

    def _asked(
        self, pool: "_Pool", call: HttpCall, facts: CallFacts | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse | PlainPost]:
        """Return the call to make; where its caller may cut it off sooner, a second clock would only take time."""
        is_bounded = facts is not None and facts.limit_s is not None and facts.limit_s <= self._options.total_s
        sent = pool.sent.get(call.path) if is_bounded and is_plain(call) else None
        if sent is not None:
            return PlainPost(sent, call.body, pool.connector, pool.idle, self._limited)
        return pool.session.request(
            call.method,
            self._called(call),
            data=NotedBody(call.body, partial(pool.note, call.path)) if is_plain(call) else call.body or None,
            headers=call.headers or None,
            allow_redirects=False,
            timeout=self._limited if is_bounded else self._timeout,
        )

    async def aclose(self) -> None:
        """Close the running loop's connections, and drop those of loops that are gone."""
        running = asyncio.get_running_loop()
        for loop, pool in list(self._pools.items()):
            if loop is running or loop.is_closed():
                del self._pools[loop]
                if loop is running:
                    await pool.session.close()
                    pool.idle.close()
                else:
                    pool.session.detach()

    def _open(self) -> "_Pool":
        connector = _Connector(
            limit=0, ttl_dns_cache=300, keepalive_timeout=_KEEPALIVE_S, ssl=self._options.ssl_context or True
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._options.use_proxy_env,
            request_class=NotedRequest,
        )
        pool = self._pools[asyncio.get_running_loop()] = _Pool(session, connector)
        return pool

    def url(self, path: str) -> str:
        """Return the URL that a call to `path` goes to, as it is sent."""
        return str(self._url(path))

    def _called(self, call: HttpCall) -> URL:
        url = self._url(call.path, call.service)
        return url.update_query(call.query) if call.query else url

    def _url(self, path: str, service: str = "") -> URL:
        url = self._urls.get(service + path)
        if url is None:
            if len(self._urls) >= _MOST_URLS:  # an address with fields is another one for every example
                self._urls.clear()
            # a base URL may end in a query, as Azure's does; the path goes before it
            base, mark, query = self.base_url.partition("?")
            base = base.rstrip("/")
            if service:
                host, _, version = base.rpartition("/")
                base = f"{host}/{service}/{version}"
            url = self._urls[service + path] = URL(base + path + mark + query)
        return url

    async def _read(self, response: BegunAnswer, assembler: Callable[[], Assembler] | None, started: float) -> bytes:
        """Read to the end; events, whatever they are declared as, come to the plain answer that they tell of."""
        limit = self._options.max_body_bytes
        first = await response.content.readany()
        if assembler is not None:
            while (
                looks_like_events(first) is None and len(first) < limit and (more := await response.content.readany())
            ):
                first += more  # comments that keep the connection alive
            if response.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[
                0
            ].strip().lower() == EVENT_STREAM or looks_like_events(first):
                return await self._assemble(response, first, assembler(), started)
        if response.content.at_eof():
            return first
        if _content_length(response) > limit:
            raise self._too_long(response)
        pieces, size = [first], len(first)
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise self._too_long(response)
        return b"".join(pieces)

    async def _assemble(self, response: BegunAnswer, piece: bytes, assembler: Assembler, started: float) -> bytes:
        facts, limit = current_call.get(), self._options.max_body_bytes
        events, size, begun = EventData(), 0, False
        while piece:
            size += len(piece)
            for data in events.feed(piece):
                assembler.add(data)
                if facts is not None and not begun:
                    facts.first_chunk_s = time.monotonic() - started
                begun = True
            if (
                size > limit * MAX_STREAM_FACTOR
                or events.pending_bytes > limit
                or assembler.held_bytes > limit * MAX_HELD_FACTOR
            ):
                raise self._too_long(response)
            piece = await response.content.readany()
        for data in events.end():
            assembler.add(data)
        return assembler.body()

    def _too_long(self, response: BegunAnswer) -> BadAnswerError:
        response.close()
        limit = self._options.max_body_bytes
        return BadAnswerError(f"the answer from {self.where} is longer than {limit} bytes", http_status=response.status)

    def _redirected(self, response: BegunAnswer) -> BadAnswerError:
        response.close()
        location = response.headers.get(hdrs.LOCATION, "")
        target = bare_url(location) if "://" in location else location.partition("?")[0]
        return BadAnswerError(
            self.redactor.text(f"{self.where} redirects ({response.status}) to {excerpt(target) or 'nowhere'}"),
            fix="redirects are not followed; if you trust the target, make it the base_url",
            http_status=response.status,
        )

    def _translate(self, error: Exception) -> ModelError:
        kind, what, fix = translation(error)
        reason = self._overrun(error) if isinstance(error, TimeoutError) else _reason(error)
        return kind(self.redactor.text(f"{what} ({self.where}){': ' if reason else ''}{excerpt(reason)}"), fix=fix)

    def _overrun(self, error: TimeoutError) -> str:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"connecting took longer than {self._options.connect_s:g} s"
        return f"the call took longer than {self._options.total_s:g} s"


class _Pool:
    """The connections of one event loop, and what each path was sent, for more of the same."""

    def __init__(self, session: aiohttp.ClientSession, connector: aiohttp.BaseConnector) -> None:
        self.session = session
        self.connector = connector
        self.idle = IdleLanes(_KEEPALIVE_S)
        self.sent: dict[str, SentPost] = {}

    def note(self, path: str, sent: SentPost) -> None:
        """Remember how a plain call was sent."""
        if len(self.sent) >= _MOST_URLS:  # an address with fields is another one for every example
            self.sent.clear()
        self.sent[path] = sent


class _Connector(aiohttp.TCPConnector):
    """Notes how long a new connection took; one from the pool takes no time."""

    async def connect(self, *args: Any, **options: Any) -> Any:  # aiohttp's own signature, passed on
        started = time.monotonic()
        connection = await super().connect(*args, **options)
        facts = current_call.get()
        if facts is not None:
            facts.connect_s = time.monotonic() - started
        return connection


def _content_length(response: BegunAnswer) -> int:
    told = response.headers.get(hdrs.CONTENT_LENGTH, "")
    return int(told) if told.isdecimal() else 0


def _reason(error: Exception) -> str:
    """Say what happened in the error's own words, unless these quote the request or the URL with its query."""
    if isinstance(error, aiohttp.InvalidURL | aiohttp.RedirectClientError):
        return ""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def translation(error: Exception) -> tuple[type[ModelError], str, str | None]:
    """Return our class for an exception of aiohttp, ssl or the socket, what to call it, and how to fix it."""
    return next((ours for theirs, ours in TRANSLATIONS if isinstance(error, theirs)), UNSENDABLE)


# newer releases of aiohttp alone have it
UploadAbortedError: type[Exception] = getattr(client_exceptions, "UploadAbortedError", aiohttp.ClientOSError)
UNSENDABLE = (RequestRefusedError, "the request cannot be sent", "check base_url and headers")
CERTIFICATE_FIX = "check the certificate; for a private authority set SSL_CERT_FILE to its bundle"
Errors = tuple[type[Exception], ...]
TRANSLATIONS: tuple[tuple[Errors, tuple[type[ModelError], str, str | None]], ...] = (
    ((TimeoutError,), (ModelTimeoutError, "no answer in time", None)),
    (
        (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.RedirectClientError),
        (RequestRefusedError, "not an http(s) URL", "check base_url"),
    ),
    (
        (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError),
        (ConnectionFailedError, "no safe connection", CERTIFICATE_FIX),
    ),
    ((aiohttp.ClientConnectorDNSError,), (ConnectionFailedError, "unknown host", "check base_url and the network")),
    (
        (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError),
        (ConnectionFailedError, "cannot connect", "check base_url, and that the server is running"),
    ),
    (
        (aiohttp.ClientConnectionError, UploadAbortedError, OSError),
        (ConnectionFailedError, "the connection broke", None),
    ),
    ((aiohttp.ClientPayloadError,), (BadAnswerError, "the answer ends early", None)),
    (
        (aiohttp.ClientResponseError, aiohttp.http.HttpProcessingError),
        (BadAnswerError, "the answer is not valid HTTP", None),
    ),
)
"""Foreign exceptions and what they become; the first row that fits counts, so narrow ones stand before wide ones."""
