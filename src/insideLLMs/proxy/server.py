"""The loopback server that a command calls in its provider's place: it finds out what is asked, and by which case."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Protocol
from urllib.parse import unquote

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from insideLLMs.providers.addresses import is_loopback
from insideLLMs.proxy.asked_calls import AskedCall
from insideLLMs.proxy.callers import CASE_HEADER, UNKNOWN, Callers, tidy
from insideLLMs.proxy.upstreams import Upstream

LOOPBACK = "127.0.0.1"
NOT_RECORDED = "insidellms_not_recorded"
_LARGEST_BODY = 512 * 1024 * 1024
_LONGEST_LINE = 64 * 1024
_END_S = 2.0
_LAST_ANSWERS_S = 60.0
"""So long is the rest of an answer waited for whose client has left."""
_SILENT = logging.getLogger("insideLLMs.proxy.http")
_SILENT.disabled = True  # it would quote what was sent


class Answering(Protocol):
    """What answers calls: a recorder from the provider, a player from a cassette."""

    def begin(self) -> int:
        """Count a call that comes in, and return when it did."""
        ...

    async def answer(self, asked: AskedCall, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a call."""
        ...

    def leave(self, began: int) -> bool:
        """Take note that a client went away, and say whether its call is given up."""
        ...

    def refuse(self, words: str) -> None:
        """Take note of a call that leads nowhere."""
        ...


class LoopbackServer:
    """Listens on loopback, at a port that was free, while the block lasts; a bug in an answer ends the block."""

    def __init__(self, answering: Answering, upstreams: Mapping[str, Upstream]) -> None:
        self._answering = answering
        self._upstreams = upstreams
        self._callers = Callers()
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._port}"

    async def __aenter__(self) -> "LoopbackServer":
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self._take])
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            handler_cancellation=True,
            access_log=None,
            logger=_SILENT,
            shutdown_timeout=_END_S,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._calls = await asyncio.TaskGroup().__aenter__()
        self._open: set[asyncio.Task[web.StreamResponse]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open and error is None:
            await asyncio.wait(self._open, timeout=_LAST_ANSWERS_S)
        for task in self._open:
            task.cancel()
        await self._runner.cleanup()
        given = (kind, error, trace) if isinstance(error, asyncio.CancelledError) else (None, None, None)
        try:
            await self._calls.__aexit__(*given)
        except BaseExceptionGroup as bugs:
            raise bugs.exceptions[0] from None

    @web.middleware
    async def _take(self, request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: ARG002 - its name
        """Take whatever comes, also what no route could name; what cannot be read is a call that leads nowhere."""
        try:
            return await self._handle(request)
        except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError, HttpProcessingError) as error:
            words = f"a call cannot be read ({type(error).__name__})"
            self._answering.refuse(words)
            return refusal(HTTPStatus.BAD_REQUEST, words)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if words := self._never_answered(request):
            self._answering.refuse(words)
            return refusal(HTTPStatus.FORBIDDEN, words)
        first, _, rest = request.raw_path.removeprefix("/").partition("/")
        if first == "process":
            self._callers.name(int(rest) if rest.isdecimal() else 0, await request.text())
            return web.Response(status=HTTPStatus.NO_CONTENT)
        began = self._answering.begin()
        case = request.headers.get(CASE_HEADER, "")
        if first == "case":
            name, _, rest = rest.partition("/")
            case = unquote(name)
            first, _, rest = rest.partition("/")
        name, mark, query = first.partition("?")
        upstream = self._upstreams.get(name)
        if upstream is None:
            return self._lead_nowhere(name)
        asked = AskedCall(
            case=tidy(case) if case else "",
            upstream=upstream,
            method=request.method,
            path=f"/{rest}" if not mark else f"/?{query}",
            headers=tuple(request.headers.items()),
            body=await request.read(),
            began=began,
        )
        task = self._calls.create_task(self._answer(asked, request))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._answering.leave(began):
                task.cancel()
            raise

    def _never_answered(self, request: web.Request) -> str:
        """Say why a request is answered in no case; nothing for any other."""
        # A page from elsewhere may have its name resolve to loopback; its requests still name its own host.
        # A page may also ask this address by itself, and says then where it is from.
        hosts = {f"{LOOPBACK}:{self._port}", f"localhost:{self._port}"}
        origin = request.headers.get("Origin")
        if request.headers.get("Host", "").lower() not in hosts or not (origin is None or is_loopback(origin)):
            return f"this proxy answers only to {LOOPBACK} and localhost, and a call named another host"
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        return "a WebSocket, as OpenAI's realtime API uses it, cannot be recorded" if is_socket else ""

    async def _answer(self, asked: AskedCall, request: web.Request) -> web.StreamResponse:
        if not asked.case:
            connection = request.transport
            case = UNKNOWN if connection is None else await self._callers.case_of(connection)
            asked = replace(asked, case=case)
        return await self._answering.answer(asked, request)

    def _lead_nowhere(self, name: str) -> web.Response:
        known = ", ".join(sorted(self._upstreams))
        words = f"there is no upstream {name[:40]!r}; known are {known}"
        self._answering.refuse(words)
        return refusal(HTTPStatus.NOT_FOUND, f"{words}; fix: insidellms record --upstream NAME=URL")


def refusal(status: HTTPStatus, words: str) -> web.Response:
    """Answer in a form that every client shows, and, where that is no use, none of them asks again for."""
    error = {"type": NOT_RECORDED, "message": words, "code": int(status), "status": "FAILED_PRECONDITION"}
    body = orjson.dumps({"type": "error", "error": error})
    headers = {"x-should-retry": "false"} if status < HTTPStatus.INTERNAL_SERVER_ERROR else {}
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
