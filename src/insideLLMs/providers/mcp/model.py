"""An MCP server as a model: a request is a call of one of its tools, the answer is the tool's result."""

import asyncio
import contextlib
import functools
import logging
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from insideLLMs.core import canonical
from insideLLMs.core.arguments import check_numbers, flag, refuse
from insideLLMs.core.errors import (
    ArgumentError,
    CanonicalError,
    CommandFailedError,
    ModelError,
    ModelUnavailableError,
)
from insideLLMs.core.protocols import OWN_SERVER
from insideLLMs.core.run_blocking import LoopThread, run_blocking
from insideLLMs.core.types import JsonValue, Request, Response, ToolCall, as_text
from insideLLMs.providers.codec import excerpt
from insideLLMs.providers.in_process.model import require_packages
from insideLLMs.providers.mcp.answers import failed, read_request, read_result, schema_complaint
from insideLLMs.providers.mcp.servers import RemoteServer, StartedServer
from insideLLMs.providers.provider_model import ProviderModel
from insideLLMs.providers.redaction import Redactor

if TYPE_CHECKING:
    from insideLLMs.providers.mcp.connection import McpConnection

logger = logging.getLogger(__name__)
_RANGES = {"timeout_s": (0.01, 86400.0), "start_timeout_s": (0.01, 86400.0)}


class McpModel(ProviderModel):
    """An MCP server, started by `command` or reached at `base_url`; a request calls one of its tools.

    An example gives a `tool` and its `arguments`, or as its input a method such as tools/list. The answer's text is the
    tool's result; the parts `structured` and `content` hold the rest. A failed call has no text, and a part `error`
    with its `message`. The command runs without a shell, in `cwd`, with the variables of `env` as for type exec, once
    for the run; with `fresh`, once for each call. `headers`, `api_key_env` and `key_header` are as for type http.
    Set `sse` for older servers. A call may take `timeout_s`, a start `start_timeout_s`. Files of the command, and the
    tools with their descriptions and schemas, are part of the identity.
    """

    provider = "mcp"

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        command: Sequence[str] | None = None,
        *,
        env: Sequence[str] | Mapping[str, str] | None = None,
        cwd: str | None = None,
        fresh: bool = False,
        files: Sequence[str] | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        api_key_env: str = "",
        key_header: str | None = None,
        sse: bool = False,
        use_proxy_env: bool = False,
        timeout_s: float = 30.0,
        start_timeout_s: float = 60.0,
        model_name: str | None = None,
        experiment_folder: Path = Path(),
    ) -> None:
        check_numbers({"timeout_s": timeout_s, "start_timeout_s": start_timeout_s}, _RANGES)
        if model_name is not None and (not isinstance(model_name, str) or not model_name.strip()):
            raise refuse("", "model_name", model_name, "a text that labels the server")
        if (command is None) == (base_url is None):
            raise ArgumentError(
                "an MCP server is either started or reached, and this names both or neither",
                fix="give it `command`, a list, or `base_url`",
            )
        self._server: StartedServer | RemoteServer
        if command is not None:
            _refuse_beside("command", headers=headers, api_key_env=api_key_env, key_header=key_header, sse=sse)
            self._server = StartedServer(command, env=env, cwd=cwd, files=files, beside=experiment_folder.absolute())
        else:
            _refuse_beside("base_url", env=env, cwd=cwd, fresh=fresh, files=files)
            self._server = RemoteServer(
                base_url,
                headers=headers,
                key_env=api_key_env,
                key_header=key_header,
                sse=flag("", "sse", sse),
                use_proxy_env=flag("", "use_proxy_env", use_proxy_env),
            )
        label = model_name or self._server.label
        super().__init__(label, label)
        self._fresh = flag("", "fresh", fresh)
        self._timeout_s, self._start_timeout_s = float(timeout_s), float(start_timeout_s)
        self._assumed: Mapping[str, JsonValue] | None = None
        self._found: Mapping[str, JsonValue] | None = None
        self._shared: dict[str, _SharedConnection] = {}
        self._redactor: Redactor | None = None
        self._warn = _FirstWarning(self._server.who)

    def identity(self) -> Mapping[str, JsonValue]:
        """Return how the server is started or reached, its files, and its tools with descriptions and schemas."""
        facts = self.facts()
        return {
            "type": self.provider,
            "model_name": self.model_id,
            **self._written(),
            **facts,
        }

    def origin(self) -> str:
        """Identify what the user wrote."""
        return canonical.identity("origin/1", {"type": self.provider, **self._written()})

    def _written(self) -> dict[str, JsonValue]:
        return {**self._server.written, **({"fresh": True} if self._fresh else {})}

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the digests of files, and what the server says of itself and its tools.

        A server is started for that, and stays for the calls.

        Raises ModelUnavailableError, or ArgumentError for a file that is missing.
        """
        files = self._server.files(self._assumed)
        said = self._assumed or self._found
        if said is None:
            require_packages("mcp", "mcp")
            look = self._look()
            said = self._found = run_blocking(look) if self._fresh else self._connected().loop.run(look)
        return {**said, "files": files}

    def assume(self, facts: Mapping[str, JsonValue]) -> None:
        """Take what a server said elsewhere for what it says; an edited file is never taken for another."""
        self._assumed = facts

    def private_settings(self) -> tuple[str, ...]:
        """Return what tells this server from others and may not be written: values from the environment."""
        return self._server.private_settings()

    def check(self) -> None:
        """Raise the error that every call would meet: no SDK, no such program, folder, variable or key."""
        require_packages("mcp", "mcp")
        self._server.check()

    async def make_ready(self) -> None:
        """Start or reach the server, where it is not open yet. Raises ModelUnavailableError."""
        if not self._fresh:
            with self._blanking():
                shared = self._connected()
                await shared.loop.wait_for(shared.connection.client())

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:  # noqa: ARG002 - the contract's name
        """Call a tool, or ask the method that the request names. Raises ModelError."""
        asked = read_request(request)
        with self._blanking() as redactor:
            if asked == "shutdown":
                response = await self._shut_down()
            elif self._fresh:
                async with contextlib.aclosing(self._open()) as connection:
                    response = await self._ask(connection, asked)
            else:
                shared = self._connected(str(request.options.get(OWN_SERVER, "")))
                response = await shared.loop.wait_for(self._ask(shared.connection, asked))
            return _storable(redactor.response(response), self._server.who)

    async def aclose(self) -> None:
        """End the server, or leave it; a later call starts or reaches it again."""
        shared, self._shared = self._shared, {}
        for connection in shared.values():
            await connection.aclose()
        self._server.close()

    _release = aclose

    async def _ask(self, connection: "McpConnection", asked: ToolCall | str) -> Response:
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415 - of an extra, and slow

        from insideLLMs.providers.mcp.connection import called, look_at  # noqa: PLC0415 - likewise

        try:
            if isinstance(asked, str):
                return await connection.ask(asked, lambda client: look_at(client, asked), self._timeout_s)
            said = self._assumed or self._found
            if said is None:  # nobody has asked for its identity
                said = self._found = await connection.introduce()
            call = asked
            what = f"a call of {call.name}({excerpt(as_text(call.arguments))})"
            result = await connection.ask(what, lambda client: called(client, call), self._timeout_s)
        except MCPError as error:
            data = {} if error.data is None else {"data": error.data}
            return failed({"message": error.message, "in": "protocol", "code": error.code, **data})
        schema = next((tool.get("returns") for tool in said["tools"] if tool["name"] == asked.name), None)
        return read_result(result, await asyncio.to_thread(schema_complaint, schema, result))

    async def _shut_down(self) -> Response:
        """Start a server only to end it, and say how it ends."""
        connection = self._open()
        async with contextlib.aclosing(connection):
            await connection.client()
            connection.link.grace_s = self._timeout_s
        end, fault = connection.link.end, connection.link.fault
        kept: dict[str, JsonValue] = {} if end is None else {"status": end.status}
        text = "left" if end is None else "had to be ended" if end.status is None else f"ended with status {end.status}"
        return Response(text=text, kept={**kept, **({"fault": fault} if fault else {})})

    async def _look(self) -> dict[str, JsonValue]:
        """Return what the server says of itself. Raises ModelUnavailableError."""
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415 - of an extra, and slow

        with self._blanking() as redactor:
            try:
                if "" in self._shared:
                    said = await self._shared[""].connection.introduce()
                else:
                    async with contextlib.aclosing(self._open()) as connection:
                        said = await connection.introduce()
            except MCPError as error:
                raise ModelUnavailableError(f"{self._server.who} lists no tools: {error.message}") from error
            return _storable(redactor.response(Response(kept=said)), self._server.who).kept

    def _open(self) -> "McpConnection":
        from insideLLMs.providers.mcp.connection import McpConnection  # noqa: PLC0415 - of an extra, and slow
        from insideLLMs.providers.mcp.link import McpLink  # noqa: PLC0415 - likewise

        return McpConnection(
            self._server.way(),
            who=self._server.who,
            start_timeout_s=self._start_timeout_s,
            new_link=functools.partial(McpLink, blank=self._redact().blank, warn=self._warn),
        )

    def _connected(self, server: str = "") -> "_SharedConnection":
        """Return the connection to the server that all calls share, or to a further one that goes by this name."""
        if server not in self._shared:
            self._shared[server] = _SharedConnection(self._open())
        return self._shared[server]

    @contextlib.contextmanager
    def _blanking(self) -> Iterator[Redactor]:
        """Blank secrets out of what is raised; the redactor does so for what is answered."""
        redactor = self._redact()
        try:
            yield redactor
        except ModelError as error:
            raise redactor.error(error) from error.__cause__

    def _redact(self) -> Redactor:
        self._redactor = self._redactor or Redactor(self._server.secrets())
        return self._redactor


class _FirstWarning:
    """Names what a server sends beside the protocol: the first of it, as each start may send the same."""

    def __init__(self, who: str) -> None:
        self._who, self._was_given = who, False

    def __call__(self, fault: str) -> None:
        if not self._was_given:
            self._was_given = True
            logger.warning("%s: %s", self._who, fault)


class _SharedConnection:
    """The connection of a run: it is opened before the run's loop begins, so it has a loop of its own.

    Where nobody closes it, it ends with the model that has it.
    """

    def __init__(self, connection: "McpConnection") -> None:
        self.connection, self.loop = connection, LoopThread()
        self._end = weakref.finalize(self, _leave, connection, self.loop)
        self._end.atexit = False  # a server does not outlive this process in any case

    async def aclose(self) -> None:
        """End the server, or leave it, and then the loop."""
        if self._end.detach() is not None:
            await self.loop.wait_for(self.connection.aclose())
            self.loop.close()


def _leave(connection: "McpConnection", loop: LoopThread) -> None:
    loop.close_after(connection.aclose())  # garbage may be collected on the thread of the loop


def _storable(response: Response, who: str) -> Response:
    """Return an answer that every file can hold. Raises CommandFailedError for another."""
    try:
        canonical.check(response.kept, at="it")
    except CanonicalError as error:
        raise CommandFailedError(
            f"{who} answered with JSON that readers understand differently: {error.message}"
        ) from error
    return response


def _refuse_beside(kind: str, **others: object) -> None:
    """Raise ArgumentError for an argument of the other kind of server."""
    for name, value in others.items():
        if value:
            error = ArgumentError(f"{name} is not for a server that has `{kind}`", fix=f"leave {name} out")
            error.argument = name
            raise error
