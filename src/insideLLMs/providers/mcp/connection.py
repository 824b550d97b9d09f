"""A connection to an MCP server, by the protocol's own SDK; imported when a server is first asked."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import anyio
import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import RootModel, ValidationError

import insideLLMs
from insideLLMs.core.errors import CommandFailedError, ModelUnavailableError, ToolTimeoutError
from insideLLMs.core.types import JsonValue, Response, ToolCall
from insideLLMs.providers.codec import excerpt
from insideLLMs.providers.commands.answers import describe_end
from insideLLMs.providers.mcp.answers import LISTS, in_range, read_tools
from insideLLMs.providers.mcp.link import (
    END_S,
    McpLink,
    ReceivedMessages,
    SentMessages,
    first_fault,
    is_no_answer,
)
from insideLLMs.providers.transport import MAX_BODY_BYTES
from insideLLMs.sandbox.commands import Command, CommandServer
from insideLLMs.sandbox.running_command import RunningCommand, start_command

T = TypeVar("T")
_HTTP_S = 30.0
_MOST_PAGES = 1000
_BROKEN = (httpx2.HTTPError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""What the SDK raises where a connection breaks."""
for name in ("mcp", "httpx2", "httpcore2"):
    logging.getLogger(name).addHandler(logging.NullHandler())  # what they say of a failed call, the call's error says


class _AsItCame(RootModel[dict[str, Any]]):
    """The result of a call, of which nothing is taken to be known."""


class Way(Protocol):
    """How a server is reached; the link notes what happens to it."""

    def __call__(self, link: McpLink) -> contextlib.AbstractAsyncContextManager[Any]: ...  # Any: the SDK's streams


def by_command(server: CommandServer, command: Callable[[], Command]) -> Way:
    """Start the server, and speak with it over its standard input and output."""

    @contextlib.asynccontextmanager
    async def streams(link: McpLink) -> AsyncIterator[Any]:
        link.how = "wrote a line to its standard output"
        async with start_command(server, command()) as running, anyio.create_task_group() as tasks:
            received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
            async with received, incoming, outgoing, sent:
                tasks.start_soon(_read, running, received, link)
                tasks.start_soon(_write, running, sent, link)
                try:
                    yield incoming, outgoing
                finally:
                    with anyio.CancelScope(shield=True):
                        link.end = await running.end(link.grace_s)
                    tasks.cancel_scope.cancel()

    return streams


async def _read(running: RunningCommand, received: Any, link: McpLink) -> None:  # Any: a stream of the SDK's messages
    """Pass on the messages, one per line."""
    line = bytearray()
    async with received:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody listens any more
            while piece := await running.read():
                first, *others = piece.split(b"\n")
                line += first
                for other in others:
                    for message in link.received_line(bytes(line)):
                        await received.send(message)
                    line = bytearray(other)
                if len(line) > MAX_BODY_BYTES:
                    link.fault = f"it wrote a message of more than {MAX_BODY_BYTES:,} bytes: {link.quote(line)}"
                    break
    while await running.read():  # one that cannot write on cannot end
        continue
    link.is_over = True


async def _write(running: RunningCommand, sent: Any, link: McpLink) -> None:  # Any: see above
    async with sent:
        with contextlib.suppress(BrokenPipeError):  # reading its output shows that it ended
            async for message in sent:
                link.sent(message.message)
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                await running.write(text.encode() + b"\n")


def by_url(url: str, sent: dict[str, str], *, sse: bool, use_proxy_env: bool) -> Way:
    """Reach a server that runs elsewhere, over streamable HTTP, or over the older SSE."""

    def client(
        headers: dict[str, str] | None = None, timeout: httpx2.Timeout | None = None, auth: httpx2.Auth | None = None
    ) -> httpx2.AsyncClient:
        del headers, timeout, auth  # the SDK's own: ours are all
        limits = httpx2.Timeout(_HTTP_S, read=None)
        own = {**sent, "Accept-Encoding": "identity"}
        hooks = {"response": [_bound]}
        return httpx2.AsyncClient(headers=own, timeout=limits, trust_env=use_proxy_env, event_hooks=hooks)

    @contextlib.asynccontextmanager
    async def streams(link: McpLink) -> AsyncIterator[Any]:
        async with contextlib.AsyncExitStack() as stack:
            if sse:
                reached = sse_client(url, httpx_client_factory=client)
            else:
                reached = streamable_http_client(url, http_client=await stack.enter_async_context(client()))
            incoming, outgoing = await stack.enter_async_context(reached)
            yield ReceivedMessages(incoming, link), SentMessages(outgoing, link)

    return streams


async def _bound(response: httpx2.Response) -> None:
    """Bound a message as a line of a process is; the events of a stream have a bound of the HTTP library."""
    if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
        response.stream = _BoundStream(response)


class _BoundStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._stream, self._is_packed = response.stream, "Content-Encoding" in response.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if self._is_packed or size > MAX_BODY_BYTES:
                how = "is compressed, unasked" if self._is_packed else f"has more than {MAX_BODY_BYTES:,} bytes"
                raise httpx2.StreamError(f"the message {how}")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class McpConnection:
    """One server: started or reached when it is first asked, and again where it has ended meanwhile."""

    def __init__(
        self, way: Way, *, who: str, start_timeout_s: float, new_link: Callable[[], McpLink] = McpLink
    ) -> None:
        self.link = new_link()
        self._new_link = new_link
        self._way, self._who, self._start_timeout_s = way, who, start_timeout_s
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._holder: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._limits: dict[asyncio.Timeout, float] = {}

    async def client(self) -> Client:
        """Return the open client. Raises ModelUnavailableError where the server does not start, or speaks no MCP."""
        async with self._opening:
            if self._client is None or self.link.is_over:
                await self._close()
                self._client = await self._open()
            return self._client

    async def introduce(self) -> dict[str, JsonValue]:
        """Return what the server says of itself and its tools; this is a part of its start. Raises as `ask` does."""
        return await self.ask("tools/list", introduce, self._start_timeout_s, setting="start_timeout_s")

    async def ask(
        self, what: str, call: Callable[[Client], Awaitable[T]], timeout_s: float, *, setting: str = "timeout_s"
    ) -> T:
        """Make one call. Raises MCPError for what the server answers, and ModelError for a server that does not.

        The time begins once the calls that were sent before are answered: a server may take them one by one. `setting`
        is the argument that raises the time limit.
        """
        client = await self.client()
        link = self.link
        try:
            async with self._time(timeout_s):
                return await call(client)
        except TimeoutError as error:
            await self._leave_if_stuck(client, link)
            wrote = f"; {link.fault}" if link.fault else ""
            raise ToolTimeoutError(
                f"{self._who} did not answer {what} within {timeout_s:g} s{wrote}", fix=f"raise {setting}"
            ) from error
        except ValidationError as error:
            raise CommandFailedError(
                f"{self._who} answered {what} with what the protocol does not allow: {first_fault(error)}"
            ) from error
        except MCPError as error:
            if is_no_answer(error):
                raise CommandFailedError(f"{self._who} did not answer {what}: {error.message}") from error
            if error.code != types.CONNECTION_CLOSED or not (link.is_over or error.message == "Connection closed"):
                raise
            raise CommandFailedError(f"{self._who}, during {what}, {await self._told(link)}") from error
        except _BROKEN as error:
            link.is_over = True
            raise CommandFailedError(f"{self._who} broke off during {what}: {excerpt(str(error))}") from error

    @contextlib.asynccontextmanager
    async def _time(self, seconds: float) -> AsyncIterator[None]:
        """Limit the time of a call; once it has ended, that of the calls sent after it begins."""
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(seconds) as limit:
            self._limits[limit] = seconds
            try:
                yield
            finally:
                is_later = False
                for other, its_seconds in self._limits.items():
                    if is_later and not limit.expired() and not other.expired():
                        other.reschedule(now() + its_seconds)
                    is_later = is_later or other is limit
                del self._limits[limit]

    async def _leave_if_stuck(self, client: Client, link: McpLink) -> None:
        """Let the next call start or reach the server again, where this one does not even list its tools any more."""
        if link.is_over:
            return
        try:
            async with asyncio.timeout(END_S):
                await client.list_tools()
        except MCPError:
            return  # it answers
        except (ValidationError, *_BROKEN):  # OSError: among them TimeoutError
            link.is_over = True

    async def aclose(self) -> None:
        """End the server, or leave it."""
        async with self._opening:
            await self._close()

    async def _told(self, link: McpLink) -> str:
        """Say how a server ended; one whose process still runs is ended."""
        async with self._opening:
            if link is self.link:
                await self._close()
                link.is_over = True
        how = "closed the connection"
        if link.end is not None:
            how = describe_end(link.end) if link.end.status is not None else f"{how}, and {describe_end(link.end)}"
        return f"{how} ({link.fault})" if link.fault else how

    async def _open(self) -> Client:
        self.link, self._over = self._new_link(), asyncio.Event()
        opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        holder = self._holder = asyncio.create_task(self._hold(self.link, self._over, opened))
        waited: list[asyncio.Future[Any]] = [opened, holder]
        done, _ = await asyncio.wait(waited, timeout=self._start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if opened in done:
            return opened.result()
        holder.cancel()
        await self._close()
        if not done:
            how = f"did not answer within {self._start_timeout_s:g} s"
            raise self._unavailable(how, self.link, fix="raise start_timeout_s, or check that it runs, and speaks MCP")
        failure = None if holder.cancelled() else holder.exception()
        raise self._unavailable("" if failure is None else _words(failure), self.link) from failure

    async def _hold(self, link: McpLink, over: asyncio.Event, opened: "asyncio.Future[Client]") -> None:
        """Keep a client open until it is over; the SDK wants it opened and closed by one task."""
        about = types.Implementation(name="insidellms", version=insideLLMs.__version__)
        async with Client(self._way(link), cache=None, client_info=about) as client:
            opened.set_result(client)
            await over.wait()

    def _unavailable(
        self, how: str, link: McpLink, fix: str = "check that it runs, and speaks MCP"
    ) -> ModelUnavailableError:
        end = link.end
        # one that was asked to end, as it is of no use, ends well: that is not why
        tells = end is not None and (end.stderr or end.status or end.errno or (end.status == 0 and not how))
        said = [how, describe_end(end) if end is not None and tells else "", link.fault]
        why = "; ".join(filter(None, dict.fromkeys(said))) or "cannot be reached"
        return ModelUnavailableError(f"{self._who} cannot be used: {why}", fix=fix)

    async def _close(self) -> None:
        holder, self._holder, self._client = self._holder, None, None
        if holder is None:
            return
        self._over.set()
        done, _ = await asyncio.wait([holder], timeout=self.link.grace_s + 3 * END_S)
        if not done:
            holder.cancel()
            await asyncio.wait([holder])
        if not holder.cancelled():
            holder.exception()  # a connection that breaks while it is closed is closed


def _words(error: BaseException) -> str:
    """Say what an error says; of a group, what its first does; "" for one that says only that the server is gone."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
        return ""
    if isinstance(error, ValidationError):
        return first_fault(error)
    return excerpt(str(error)) or type(error).__name__


async def introduced(client: Client) -> dict[str, JsonValue]:
    """Return what a server says of itself."""
    about = client.server_info
    capabilities = client.server_capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "server": {} if about is None else {"name": about.name, "version": about.version},
        "protocol": client.protocol_version,
        "capabilities": capabilities,
        **({"instructions": client.instructions} if client.instructions else {}),
    }


async def listed(client: Client, method: str) -> list[dict[str, JsonValue]]:
    """Return all that a method such as tools/list lists, page by page. Raises MCPError, and for pages without end."""
    ask = {
        "tools/list": client.list_tools,
        "resources/list": client.list_resources,
        "resources/templates/list": client.list_resource_templates,
        "prompts/list": client.list_prompts,
    }[method]
    items: list[dict[str, JsonValue]] = []
    cursors: list[str] = []
    while True:
        page: Any = await ask(cursor=cursors[-1] if cursors else None)  # one of four results
        items += in_range(page.model_dump(mode="json", by_alias=True, exclude_unset=True).get(LISTS[method], []))
        if page.next_cursor is None:
            return items
        if page.next_cursor in cursors or len(cursors) == _MOST_PAGES:
            raise CommandFailedError(f"{method} has no end: a page comes again, or there are over {_MOST_PAGES:,}")
        cursors.append(page.next_cursor)


async def look_at(client: Client, method: str) -> Response:
    """Ask a method, and return its answer: names as the text, the whole in `kept`. Raises MCPError."""
    if method == "initialize":
        said = await introduced(client)
        return Response(text=" ".join(map(str, said["server"].values())), kept=said)
    items = await listed(client, method)
    names = [str(item.get("name") or item.get("uri") or "") for item in items]
    return Response(text="\n".join(names), kept={LISTS[method]: items})


async def introduce(client: Client) -> dict[str, JsonValue]:
    """Return what a server says of itself, and its tools, as they enter its identity. Raises MCPError."""
    said = await introduced(client)
    capabilities = said.pop("capabilities")
    return {**said, "tools": read_tools(await listed(client, "tools/list")) if "tools" in capabilities else []}


async def called(client: Client, call: ToolCall) -> dict[str, JsonValue]:
    """Call a tool and return its result as it came. Raises MCPError."""
    request = types.CallToolRequest(params=types.CallToolRequestParams(name=call.name, arguments=call.arguments))
    return (await client.session.send_request(request, _AsItCame)).root
