"""What an MCP server was asked and did not answer yet, and what it sent that answers nothing."""

import logging
import re
from collections import deque
from collections.abc import Callable
from typing import Any

import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from insideLLMs.providers.codec import EXCERPT_LENGTH, excerpt
from insideLLMs.sandbox.commands import CommandEnd

logger = logging.getLogger(__name__)
END_S = 2.0
"""So long a server may take to end once nothing more comes on its standard input."""
_ANSWER = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"[^"]{0,9}"\s*,\s*)?"id"\s*:\s*"?(\d{1,18})"?\s*,\s*"(?:result|error)"'
)
"""How answers begin, whatever follows, with the id of the request."""
_SEARCHED = 64 << 10
"""Secrets are blanked out of so much of a line before it is cut: half a secret is not found."""
_NO_ANSWER = object()
"""Marks the errors that stand for an answer that did not come; no server can send it."""


class McpLink:
    """How a connection went: the end of its process, and the first thing that it wrote which answers nothing.

    At the end the process has `grace_s`. `how` says in which way the server speaks. `blank` takes secrets out, and
    `warn` names what fails no call.
    """

    def __init__(
        self, *, blank: Callable[[bytes], bytes] = bytes, warn: Callable[[str], None] = logger.warning
    ) -> None:
        self.grace_s = END_S
        self.how = "sent an event"
        self.end: CommandEnd | None = None
        self.fault = ""
        self.is_over = False
        self._blank, self._warn = blank, warn
        self._waiting: set[types.RequestId] = set()
        self._last: types.RequestId = 0

    def quote(self, sent: bytes | bytearray) -> str:
        """Return the beginning of what a server sent, without secrets."""
        return repr(excerpt(self._blank(bytes(sent[:_SEARCHED]))[: 8 * EXCERPT_LENGTH]))

    def sent(self, message: types.JSONRPCMessage) -> None:
        """Note a request that goes out."""
        if isinstance(message, types.JSONRPCRequest):
            self._waiting.add(message.id)
            self._last = message.id

    def received_line(self, line: bytes) -> list[Any]:  # Any: see `received`
        """Read a line that a process wrote, and return what the client gets."""
        try:
            return self.received(SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False)))
        except ValidationError as error:
            return self._not_a_message(line, _wrong(error)) if line.strip() else []

    def received(self, item: Any) -> list[Any]:  # Any: what the SDK's streams hold
        """Return what the client gets: a message, or an error for each request that now has no answer to wait for."""
        if isinstance(item, ValidationError):  # of the SDK's own streams
            held = item.errors(include_url=False)[0]["input"]
            return self._not_a_message(str(held).encode(), _wrong(item))
        answer = item.message if isinstance(item, SessionMessage) else None
        if isinstance(answer, types.JSONRPCError) and answer.id is None:
            return self._failed(f"it answered no request, but sent an error: {excerpt(answer.error.message)!r}")
        if not isinstance(answer, types.JSONRPCResponse | types.JSONRPCError):
            return [item]
        request = coerce_request_id(answer.id)  # type: ignore[arg-type] # None is gone above
        if request in self._waiting or self._was_made(request):
            self._waiting.discard(request)
            return [item]
        return self._failed(f"it answered a request with the id {excerpt(str(request))!r}, which nobody made")

    def _was_made(self, request: types.RequestId) -> bool:
        """Whether a request was made before: an answer may come too late."""
        return isinstance(request, int) and isinstance(self._last, int) and 0 < request <= self._last

    def _not_a_message(self, line: bytes, wrong: str) -> list[Any]:
        answer = _ANSWER.match(line)
        is_meant = answer is not None or b'"jsonrpc"' in line  # else it says something beside the protocol
        if self.fault and not is_meant:
            return []
        fault = f"it {self.how} that is not a message{f' ({wrong})' if is_meant else ''}: {self.quote(line)}"
        return self._failed(fault, {int(answer[1])} if answer else None if is_meant else set())

    def _failed(self, fault: str, requests: set[types.RequestId] | None = None) -> list[SessionMessage]:
        """End the wait of some requests, or of all: the answer to one of them is lost."""
        failed = self._waiting if requests is None else self._waiting & requests
        self._waiting = self._waiting - failed
        if not failed and not self.fault:
            self._warn(fault)
        self.fault = self.fault or fault
        error = types.ErrorData(code=types.PARSE_ERROR, message=fault, data=_NO_ANSWER)
        return [
            SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request, error=error))
            for request in sorted(failed, key=str)
        ]


def is_no_answer(error: MCPError) -> bool:
    """Whether an error stands for an answer that did not come, and is none that a server sent."""
    return error.data is _NO_ANSWER


class ReceivedMessages(ObjectReceiveStream[Any]):
    """What a server sends, as the link lets it pass."""

    def __init__(self, stream: Any, link: McpLink) -> None:  # Any: a stream of the SDK's messages
        self._stream, self._link = stream, link
        self._next: deque[Any] = deque()

    async def receive(self) -> Any:  # Any: see above
        """Return the next message."""
        while not self._next:
            self._next.extend(self._link.received(await self._stream.receive()))
        return self._next.popleft()

    async def aclose(self) -> None:
        """Listen no more."""
        await self._stream.aclose()


class SentMessages(ObjectSendStream[SessionMessage]):
    """What goes to a server; the link notes what was asked."""

    def __init__(self, stream: Any, link: McpLink) -> None:  # Any: see above
        self._stream, self._link = stream, link

    async def send(self, item: SessionMessage) -> None:
        """Send a message."""
        self._link.sent(item.message)
        await self._stream.send(item)

    async def aclose(self) -> None:
        """Say no more."""
        await self._stream.aclose()


def first_fault(error: ValidationError) -> str:
    """Say in one line what is wrong with an answer, and where."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {excerpt(first['msg'])}"


def _wrong(error: ValidationError) -> str:
    """Say why a line is no message; what it lacks to be one kind of message would mislead about another."""
    fault = error.errors(include_url=False, include_input=False)[0]
    return excerpt(fault["msg"]) if fault["type"] == "json_invalid" else "JSON, but no JSON-RPC 2.0"
