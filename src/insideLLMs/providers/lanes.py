"""Connections that are kept for more of the same: an answer that came whole and plain is read here, others by aiohttp.

A plain answer is one of status 200 with its length, uncompressed, in one piece: what most servers of models send. All
else (chunks, compressed bodies, streams, errors, answers in pieces or in part) is left to aiohttp, byte for byte.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from multidict import CIMultiDict

_PLAIN_HEAD = re.compile(rb"HTTP/1\.1 200 [ -~]*(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*){1,100}")
_MOST_HEAD_BYTES = 8000
"""aiohttp allows no longer line, and not many more of them."""
_UNUSUAL = (hdrs.CONNECTION, hdrs.CONTENT_ENCODING, hdrs.TRANSFER_ENCODING, hdrs.UPGRADE, hdrs.SEC_WEBSOCKET_KEY1)


class PlainAnswer:
    """An answer that is whole. Its `content` is itself, to be read as aiohttp's is."""

    __slots__ = ("_body", "headers")
    status = 200

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self._body = body

    @classmethod
    def of(cls, received: bytes) -> "PlainAnswer | None":
        """Read what is a plain answer from its first byte to its last; None for anything else."""
        head, _, body = received.partition(b"\r\n\r\n")
        if len(head) > _MOST_HEAD_BYTES or not _PLAIN_HEAD.fullmatch(head):
            return None
        headers: CIMultiDict[str] = CIMultiDict()
        for line in head.decode("ascii").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers.add(name, value.strip(" "))
        if headers.getall(hdrs.CONTENT_LENGTH, None) != [str(len(body))] or any(name in headers for name in _UNUSUAL):
            return None
        return cls(headers, body)

    async def readany(self) -> bytes:
        """Return the body, and then nothing."""
        body, self._body = self._body, b""
        return body

    def at_eof(self) -> bool:
        """Whether all was read."""
        return not self._body


class Lane(asyncio.Protocol):
    """A connection that aiohttp made, with its answers read here until one is not plain."""

    def __init__(self, connection: Connection) -> None:
        handler, transport = connection.protocol, connection.transport
        if handler is None or transport is None or transport.is_closing() or handler.should_close:
            connection.close()
            raise aiohttp.ClientConnectionResetError("the connection was closed before the request was sent")
        self.connection = connection
        self.handler = handler
        self.idle_since = 0.0
        self._transport = transport
        self._asked: asyncio.Future[PlainAnswer | None] | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether it can be asked, and aiohttp has not taken it back."""
        return self._transport.get_protocol() is self and not self._transport.is_closing()

    def ask(self, request: bytes) -> "asyncio.Future[PlainAnswer | None]":
        """Return what becomes the answer; None where `handler` reads it, or has the error."""
        self._asked = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._asked

    def data_received(self, data: bytes) -> None:
        asked, self._asked = self._asked, None
        if asked is None or asked.done():  # nobody asked, or nobody waits any more
            self.close()
        elif (answer := PlainAnswer.of(data)) is not None:
            asked.set_result(answer)
        else:
            self._hand_over()
            self.handler.data_received(data)
            asked.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hand_over()
        self.handler.connection_lost(exc)
        if self._asked is None:
            self.connection.close()
        elif not self._asked.done():
            self._asked.set_result(None)

    def _hand_over(self) -> None:
        self._transport.set_protocol(self.handler)
        self.handler.set_response_params(read_until_eof=True)

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()

    def close(self) -> None:
        """Close the connection: what may still come is not wanted."""
        self.connection.close()


class IdleLanes:
    """Lanes to one host that nobody uses, the last one used on top."""

    def __init__(self, keepalive_s: float) -> None:
        self._keepalive_s = keepalive_s
        self._lanes: deque[Lane] = deque()

    def take(self) -> Lane | None:
        """Return an open lane, if there is one, and close those that were idle for too long."""
        oldest = time.monotonic() - self._keepalive_s
        while self._lanes and self._lanes[0].idle_since < oldest:
            self._lanes.popleft().close()
        while self._lanes:
            lane = self._lanes.pop()
            if lane.is_open:
                return lane
            lane.close()
        return None

    def put(self, lane: Lane) -> None:
        """Keep a lane whose answer was read; where aiohttp reads, its own pool gets the connection."""
        if lane.is_open:
            lane.idle_since = time.monotonic()
            self._lanes.append(lane)
        else:
            lane.connection.release()

    def close(self) -> None:
        """Close them all."""
        while self._lanes:
            self._lanes.pop().close()
