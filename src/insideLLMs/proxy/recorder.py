"""Passes calls on to the provider, and its answers back as they come, and keeps both."""

import asyncio
import io
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from insideLLMs.core.errors import CassetteError
from insideLLMs.providers.addresses import is_loopback
from insideLLMs.proxy.asked_calls import AskedCall, RequestReader, key_of
from insideLLMs.proxy.callers import CASE_HEADER, UNKNOWN
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.server import refusal
from insideLLMs.proxy.wire_answers import break_off, kept_answer, send
from insideLLMs.store.answers.wire_cassette import WireAnswer, WireCall, WireRecorder, WireRequest

_CONNECT_S = 30.0
_IDLE_S = 4.0
"""Servers close connections that are idle for longer, and a call on one of those would be lost."""
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "expect", "host"}
)
_NOT_SENT = _HOP_BY_HOP | {"content-length", "content-encoding", "accept-encoding", CASE_HEADER.lower()}


@dataclass(slots=True, kw_only=True)
class _Passing:
    """An answer on its way back."""

    asked: AskedCall
    wanted: WireRequest
    request: web.BaseRequest
    client_left: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: int = 0
    broken: bool = False
    kept: bool = False


class Recorder:
    """Answers from the provider, while the block lasts; `unreached` has why calls did not get there.

    `unnamed` counts calls of no known case.

    A client that leaves in the middle of an answer does not cut the recording short: the rest of it is read.
    """

    def __init__(self, cassette: WireRecorder, reader: RequestReader, secrets: SeenSecrets) -> None:
        self.unreached: list[str] = []
        self.unnamed = 0
        self.failure: CassetteError | None = None
        self._cassette = cassette
        self._reader = reader
        self._secrets = secrets
        self._ticks = max((call.ended for call in cassette.left), default=0)
        self._left: dict[bytes, deque[int]] = {}
        for number, call in enumerate(cassette.left):
            if not call.answer.broken and (call.answer.status or 0) < HTTPStatus.BAD_REQUEST:  # others cost nothing
                self._left.setdefault(key_of(call.case, call.request), deque()).append(number)
        self._passing: dict[int, _Passing] = {}

    async def __aenter__(self) -> "Recorder":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            max_line_size=1 << 16,
            max_field_size=1 << 16,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def begin(self) -> int:
        """Count a call that comes in."""
        self._ticks += 1
        return self._ticks

    def refuse(self, words: str) -> None:
        """Take note of a call that leads nowhere."""
        self.unreached.append(words)

    def leave(self, began: int) -> bool:
        """Take note that a client went away; a call without an answer is given up, and has none in a replay either."""
        passing = self._passing.get(began)
        if passing is None:
            return True
        passing.client_left = True
        return passing.status is None

    async def answer(self, asked: AskedCall, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a call on, and its answer back; one that a stopped recording has is not asked again."""
        wanted = self._reader.read(asked)  # which shows its keys, before the answer is looked through for them
        asked = replace(asked, case=self._reader.case_of(asked))
        self.unnamed += asked.case == UNKNOWN
        if left := self._left.get(key_of(asked.case, wanted)):
            number = left.popleft()
            self._cassette.use(number)
            return await send(self._cassette.left[number].answer, request)
        passing = self._passing[asked.began] = _Passing(asked=asked, wanted=wanted, request=request)
        try:
            return await self._ask(passing)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # only the kind of error: its words may quote an address with a key
            words = f"{asked.upstream.name} cannot be reached ({type(error).__name__})"
            self.unreached.append(words)
            return refusal(HTTPStatus.BAD_GATEWAY, words)
        except asyncio.CancelledError:
            passing.broken = True
            self._keep(passing)
            raise
        finally:
            del self._passing[asked.began]

    async def _ask(self, passing: _Passing) -> web.StreamResponse:
        asked = passing.asked
        url = URL(asked.upstream.target(asked.path), encoded=True)
        headers = CIMultiDict((name, value) for name, value in asked.headers if name.lower() not in _NOT_SENT)
        headers["Accept-Encoding"] = "identity"  # what is kept must be read, to find keys in it
        body = io.BytesIO(asked.body) if asked.body or asked.method in {"POST", "PUT", "PATCH"} else None
        sending = self._session.request(
            asked.method, url, headers=headers, data=body, allow_redirects=False, proxy=_way_out(url)
        )
        async with sending as came:
            passing.status, passing.headers, passing.ended = came.status, came.headers, self.begin()
            out = web.StreamResponse(status=came.status, reason=came.reason, headers=_headers_back(came.headers))
            await _to_client(passing, out.prepare(passing.request))
            try:
                async for piece in came.content.iter_any():
                    self._take(passing, piece)
                    if len(passing.data) == came.content_length:
                        self._keep(passing)  # before its client has it whole, and may go on
                    await _to_client(passing, out.write(piece))
            except (aiohttp.ClientError, TimeoutError, OSError):
                passing.broken = True
            self._keep(passing)
        if passing.broken:
            break_off(passing.request)
        return out

    def _take(self, passing: _Passing, piece: bytes) -> None:
        passing.data += piece
        if not passing.client_left:
            passing.ended = self.begin()

    def _keep(self, passing: _Passing) -> None:
        """Keep a call, once."""
        if passing.kept:
            return
        asked, passing.kept = passing.asked, True
        try:
            answer = self._kept(passing)
            ended = passing.ended or self.begin()
            self._cassette.keep(
                WireCall(case=asked.case, request=passing.wanted, answer=answer, began=asked.began, ended=ended)
            )
        except CassetteError as error:
            self.failure = self.failure or error

    def _kept(self, passing: _Passing) -> WireAnswer:
        if passing.status is None:
            return WireAnswer(broken=True)
        data = bytes(passing.data)
        return kept_answer(passing.status, passing.headers, data, self._secrets, broken=passing.broken)


def _way_out(url: URL) -> str | None:
    """Return the proxy that the environment names for an address, as clients go by it."""
    host = url.host or ""
    return None if is_loopback(str(url)) or proxy_bypass(host) else getproxies().get(url.scheme)


async def _to_client(passing: _Passing, sending: Awaitable[object]) -> None:
    """Send something to the client, who may have left."""
    try:
        await sending
    except ConnectionError:
        passing.client_left = True


def _headers_back(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
