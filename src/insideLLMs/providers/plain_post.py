"""A POST like one that was sent before, on a connection of aiohttp's pool, with the answer that aiohttp's parser reads.

A session makes the headers, cookies, writers, time-outs and histories of each request again: more than half of the CPU
of a call. Here a session sends the first call to an address; the next ones have its headers and another body.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection

from insideLLMs.providers.codec import HttpCall

_MAX_BODY_BYTES = 64 * 1024
"""A longer body is left to the session, which waits while the other side takes it slowly."""


def is_plain(call: HttpCall) -> bool:
    """Whether calls to one path differ in their body alone, and that is short."""
    return (
        0 < len(call.body) <= _MAX_BODY_BYTES
        and call.method == hdrs.METH_POST
        and not (call.headers or call.query or call.service)
    )


class BegunAnswer(Protocol):
    """An answer of which the head was read: a session's, or a PlainPost's."""

    status: int
    content: aiohttp.StreamReader

    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


class NotedRequest(aiohttp.ClientRequest):
    """The request of a session, which can be found with its answer."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send it."""
        answer = await super().send(conn)
        assert isinstance(answer, NotedAnswer)
        answer.asked = self
        return answer


class NotedAnswer(aiohttp.ClientResponse):
    """The answer to a NotedRequest."""

    asked: NotedRequest


class SentPost:
    """A POST that a session made: what the next one has in common with it."""

    def __init__(self, request: aiohttp.ClientRequest) -> None:
        self.request = request
        lines = (f"{name}: {value}\r\n" for name, value in request.headers.items() if name != hdrs.CONTENT_LENGTH)
        self.head = f"POST {request.url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()

    @classmethod
    def of(cls, answer: aiohttp.ClientResponse) -> Self | None:
        """Return what a session's POST may be sent again by; None where a proxy or a transfer coding is part of it."""
        if not isinstance(answer, NotedAnswer) or answer.asked.proxy:
            return None
        return cls(answer.asked) if hdrs.CONTENT_LENGTH in answer.asked.headers else None


class PlainPost:
    """One POST, and its answer while it is used as a context manager. Raises what a session raises."""

    status: int
    content: aiohttp.StreamReader
    headers: Mapping[str, str]

    def __init__(
        self, sent: SentPost, body: bytes, connector: aiohttp.BaseConnector, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._sent = sent
        self._body = body
        self._connector = connector
        self._timeout = timeout
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        try:
            connection = await self._connector.connect(self._sent.request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("connecting took too long") from error
        self._connection, is_answered = connection, False
        try:
            await self._exchange(connection)
            is_answered = True
        finally:
            if not is_answered:
                self.close()
        return self

    async def _exchange(self, connection: Connection) -> None:
        """Send the request, and read the head of the answer."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the connection was closed before the request was sent")
        protocol.set_response_params(read_until_eof=True)
        transport.write(b"%b%d\r\n\r\n%b" % (self._sent.head, len(self._body), self._body))
        try:
            message, self.content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:  # it is still at it
                message, self.content = await protocol.read()
        except aiohttp.http.HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                self._sent.request.request_info, (), status=error.code, message=error.message
            ) from error
        self.status, self.headers = message.code, message.headers

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        if kind is None:
            self._connection.release()  # to the pool, unless there is more to read
        else:
            self.close()

    def close(self) -> None:
        """Close the connection: what is left of the answer is not wanted."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
