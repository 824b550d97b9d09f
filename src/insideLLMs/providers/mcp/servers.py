"""Where an MCP server is: a command that is started, or an address that is reached."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from insideLLMs.core.arguments import check_mapping, refuse, text_list
from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, ModelUnavailableError
from insideLLMs.core.template import template_of
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.addresses import bare_url, base_address, literal_query
from insideLLMs.providers.codec import Endpoint
from insideLLMs.providers.commands.environment import CommandEnv
from insideLLMs.providers.commands.program_files import ProgramFiles
from insideLLMs.providers.commands.templates import check_command
from insideLLMs.providers.http_model import find_secrets, is_secret, read_key, shown_settings
from insideLLMs.sandbox.commands import Command, CommandServer

if TYPE_CHECKING:
    from insideLLMs.providers.mcp.connection import Way

_FOLDER = "experiment_folder"


class StartedServer:
    """A server that is a command: no shell, few variables, and nothing of it is left at its end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Sequence[str] | Mapping[str, str] | None,
        cwd: str | None,
        files: Sequence[str] | None,
        beside: Path,
    ) -> None:
        check_command(command)
        if cwd is not None and (not isinstance(cwd, str) or not cwd.strip()):
            raise refuse("", "cwd", cwd, "a folder, by its path beside the experiment")
        named = text_list(() if files is None else files)
        if named is None:
            raise refuse("", "files", files, "a list of files and folders beside the experiment")
        self._env = CommandEnv(env)
        self._words = tuple(_filled(word, str(beside)) for word in command)
        self.label = PurePath(command[0]).name
        self._files = ProgramFiles(
            program=self._words[0],
            constants=tuple(zip(command[1:], self._words[1:], strict=True)),
            files=named,
            folder=beside if cwd is None else beside / cwd,
            beside=beside,
            search_path=self._env.values({}).get("PATH", ""),
        )
        self._cwd = cwd
        self.written: dict[str, JsonValue] = {
            "command": shlex.join(command),
            **({} if cwd is None else {"cwd": cwd}),
            **({"env": self._env.identity()} if self._env.identity() else {}),
        }
        self._commands = CommandServer()

    @property
    def who(self) -> str:
        """What errors call it."""
        return f"the MCP server {self.label!r}"

    def files(self, assumed: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """Return the digests of the program and its files. Raises ArgumentError where one is missing."""
        known = None if assumed is None else assumed.get("files")
        return self._files.facts(known if isinstance(known, Mapping) else None)

    def check(self) -> None:
        """Raise what every start would meet: no such program, folder or variable."""
        self._env.check()
        self._files.program_in(self._files.folder)
        if not self._files.folder.is_dir():
            raise ModelUnavailableError(f"cwd is not a folder: {self._cwd!r}", fix="make it, or name another")

    def private_settings(self) -> tuple[str, ...]:
        """Return values from the environment."""
        return self._env.private_settings()

    def secrets(self) -> list[str]:
        """Return what may be written nowhere."""
        return self._env.secrets()

    def way(self) -> "Way":
        """Return how it is started."""
        from insideLLMs.providers.mcp.connection import by_command  # noqa: PLC0415 - of an extra, and slow

        return by_command(self._commands, self._command)

    def close(self) -> None:
        """End the process that starts it."""
        self._commands.close()

    def _command(self) -> Command:
        try:
            program = self._files.program_in(self._files.folder)
        except ArgumentError as error:  # it has changed meanwhile
            raise ModelUnavailableError(error.message, fix=error.fix) from error
        return Command(
            program=program,
            arguments=self._words,
            environment=self._env.values({}),
            folder=str(self._files.folder),
            stdin=None,
            output_bytes=0,
        )


class RemoteServer:
    """A server that runs elsewhere. Its key is read from the environment when it is reached, and kept nowhere else."""

    def __init__(
        self,
        base_url: str | None,
        *,
        headers: Mapping[str, str] | None,
        key_env: str,
        key_header: str | None,
        sse: bool,
        use_proxy_env: bool,
    ) -> None:
        check_mapping("headers", headers, texts=True)
        if not isinstance(base_url, str) or not base_url.strip():
            raise refuse("", "base_url", base_url, "the address of a server, http://localhost:8000/mcp")
        self._url = FromEnvironment.like(base_url, base_address(base_url, Endpoint(provider="mcp", base_url="")))
        self._headers = dict(headers or {})
        self._key_env, self._key_header = key_env, key_header
        self._sse, self._use_proxy_env = sse, use_proxy_env
        self.label = "mcp"
        shown = dict(shown_settings(self._headers.items()))
        self.written: dict[str, JsonValue] = {
            "base_url": bare_url(self._url),
            **({"header_values": shown} if shown else {}),
            **({"sse": True} if sse else {}),
        }

    @property
    def who(self) -> str:
        """What errors call it."""
        return f"the MCP server at {bare_url(self._url)}"

    def files(self, assumed: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:  # noqa: ARG002 - of both kinds
        """Return no files: they are elsewhere."""
        return {}

    def check(self) -> None:
        """Raise AuthError where its key is missing, or cannot be one. A server on this machine needs none."""
        self._key()

    def private_settings(self) -> tuple[str, ...]:
        """Return headers that are secret or come from the environment, and a query that may hold a key."""
        private = [
            f"{name}: {value}"
            for name, value in self._headers.items()
            if isinstance(value, FromEnvironment) or is_secret(name)
        ]
        query = literal_query(self._url) or self._url.partition("?")[2]
        return (*private, f"?{query}") if query else tuple(private)

    def secrets(self) -> list[str]:
        """Return what may be written nowhere."""
        key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        referred = [value for value in self._headers.values() if isinstance(value, FromEnvironment)]
        return [key, *referred, *find_secrets(self._url, self._headers)]

    def way(self) -> "Way":
        """Return how it is reached."""
        from insideLLMs.providers.mcp.connection import by_url  # noqa: PLC0415 - of an extra, and slow

        headers = dict(self._headers)
        key = self._key()
        if key:
            headers[self._key_header or "Authorization"] = key if self._key_header else f"Bearer {key}"
        return by_url(str(self._url), headers, sse=self._sse, use_proxy_env=self._use_proxy_env)

    def close(self) -> None:
        """Leave it alone: it is somebody else's."""

    def _key(self) -> str:
        return read_key(self._key_env, self._url, self.who)


def _filled(word: str, folder: str) -> str:
    """Return a word of a command; it may name the folder of the experiment. Raises ArgumentError for another field."""
    template = template_of(word, "command")
    others = [name for name in template.names if name != _FOLDER]
    if others:
        error = ArgumentError(
            f"command names the field {others[0]!r}, and a server is started once for all examples",
            fix="write it out; what an example holds goes into the arguments of tools",
        )
        error.argument = "command"
        raise error
    return template.render({_FOLDER: folder})
