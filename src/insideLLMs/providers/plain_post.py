"""A POST like one that was sent before, on a connection that is kept for it.

A session makes the headers, cookies, writers, time-outs and histories of each request again: more than half of the CPU
of a call. Here a session sends the first call to an address; the next ones have its headers and another body.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.lanes import IdleLanes, Lane

_MAX_BODY_BYTES = 64 * 1024
"""A longer body is left to the session, which waits while the other side takes it slowly."""


def is_plain(call: HttpCall) -> bool:
    """Whether calls to one path differ in their body alone, and that is short."""
    return (
        0 < len(call.body) <= _MAX_BODY_BYTES
        and call.method == hdrs.METH_POST
        and not (call.headers or call.query or call.service)
    )


class Content(Protocol):
    """The body of an answer, as far as it has come."""

    async def readany(self) -> bytes: ...
    def at_eof(self) -> bool: ...


class BegunAnswer(Protocol):
    """An answer of which the head was read: a session's, or a PlainPost's."""

    status: int

    @property
    def content(self) -> Content: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


class SentPost:
    """A POST that a session sent: what the next one has in common with it."""

    def __init__(self, request: aiohttp.ClientRequest) -> None:
        self.request = request
        lines = (f"{name}: {value}\r\n" for name, value in request.headers.items() if name != hdrs.CONTENT_LENGTH)
        self.head = f"POST {request.url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()


class NotedBody(aiohttp.BytesPayload):
    """The body of a POST, with what is to be told how a session sent it."""

    def __init__(self, body: bytes, note: Callable[[SentPost], None]) -> None:
        super().__init__(body)
        self.note = note


class NotedRequest(aiohttp.ClientRequest):
    """The request of a session, noted once it was sent, unless a proxy or a transfer coding is part of it."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send it."""
        answer = await super().send(conn)
        if isinstance(self.body, NotedBody) and not self.proxy and hdrs.CONTENT_LENGTH in self.headers:
            self.body.note(SentPost(self))
        return answer


class PlainPost:
    """One POST, and its answer while it is used as a context manager. Raises what a session raises."""

    status: int
    content: Content
    headers: Mapping[str, str]

    def __init__(
        self,
        sent: SentPost,
        body: bytes,
        connector: aiohttp.BaseConnector,
        idle: IdleLanes,
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        self._sent = sent
        self._body = body
        self._connector = connector
        self._idle = idle
        self._timeout = timeout
        self._lane: Lane | None = None

    async def __aenter__(self) -> Self:
        lane = self._lane = self._idle.take() or await self._connect()
        is_answered = False
        try:
            answer = await lane.ask(b"%b%d\r\n\r\n%b" % (self._sent.head, len(self._body), self._body))
            if answer is None:
                await self._read_head(lane.handler)
            else:
                self.status, self.headers, self.content = answer.status, answer.headers, answer
            is_answered = True
        finally:
            if not is_answered:
                self.close()
        return self

    async def _connect(self) -> Lane:
        try:
            return Lane(await self._connector.connect(self._sent.request, traces=[], timeout=self._timeout))
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("connecting took too long") from error

    async def _read_head(self, handler: ResponseHandler) -> None:
        """Read the head of an answer that is not plain."""
        try:
            message, self.content = await handler.read()
            while 100 <= message.code < 200 and message.code != 101:  # it is still at it
                message, self.content = await handler.read()
        except aiohttp.http.HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                self._sent.request.request_info, (), status=error.code, message=error.message
            ) from error
        self.status, self.headers = message.code, message.headers

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lane is None:
            return
        if kind is None:
            self._idle.put(self._lane)
        else:
            self.close()

    def close(self) -> None:
        """Close the connection: what is left of the answer is not wanted."""
        if self._lane is not None:
            self._lane.close()
            self._lane = None
