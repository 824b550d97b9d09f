"""A server that is started for this process alone, at a port of its own, and ended with it."""

import asyncio
import logging
import os
import re
import shlex
import socket
from collections.abc import Sequence
from pathlib import PurePath

import aiohttp

from insideLLMs.core.errors import ArgumentError, ModelUnavailableError
from insideLLMs.providers.commands.environment import CommandEnv
from insideLLMs.providers.commands.program_files import ProgramFiles
from insideLLMs.providers.redaction import Redactor
from insideLLMs.sandbox.commands import Command, CommandEnd, CommandServer

logger = logging.getLogger(__name__)
PORT = re.compile(r"\{\{\s*port\s*\}\}")
_KEPT_BYTES = 1 << 14
_SHOWN_LINES = 5
_MOST_STARTS = 3
_POLL_S = 0.1
_PROBE_S = 5.0
_OF_MACHINE = (
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HF_HOME", "XDG_CACHE_HOME",
)  # fmt: skip
"""What a server gets of this environment beside what every command gets: its GPUs, and where libraries and weights lie.
"""


class OwnServer:
    """A server and all that it starts. It is ready once it answers at `path` with 200, within `start_timeout_s`.

    One that ends by itself is started again where it is asked again, three times in all.
    """

    def __init__(
        self, command: Sequence[str], *, env: CommandEnv, files: ProgramFiles, path: str, start_timeout_s: float
    ) -> None:
        self._words = tuple(command)
        self._env = env
        self._files = files
        self._path = path
        self._start_timeout_s = start_timeout_s
        self._commands = CommandServer()
        self._starting: asyncio.Task[int] | None = None
        self._running: asyncio.Task[CommandEnd] | None = None
        self._starts = 0

    async def port(self) -> int:
        """Return the server's port, once it is ready; start it where it does not run. Raises ModelUnavailableError."""
        starting, running = self._starting, self._running
        if starting is None or (starting.done() and (running is None or running.done())):
            if running is not None:
                self._check_starts(running)
            starting = self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(starting)

    async def close(self) -> None:
        """End the server and all that it has started."""
        for task in (self._starting, self._running):
            if task is not None and not task.done():
                await _end(task)
        self._starting = self._running = None
        self._starts = 0
        self._commands.close()

    async def _start(self) -> int:
        while True:
            self._starts += 1
            port = _free_port()
            running = self._running = asyncio.create_task(self._commands.run(self._command(port)))
            is_waiting = True
            try:
                async with asyncio.timeout(self._start_timeout_s):
                    await self._until_ready(running, port)
                is_waiting = False
            except TimeoutError as error:
                text = f"{self._name} did not answer at {self._path} within {self._start_timeout_s:g} s"
                raise ModelUnavailableError(text, fix="raise start_timeout_s, or check `ready`") from error
            finally:
                if is_waiting:
                    await _end(running)
                    self._running = None
            if not running.done():
                logger.info("%s is ready at port %d", self._name, port)
                return port
            self._check_starts(running)

    async def _until_ready(self, running: "asyncio.Task[CommandEnd]", port: int) -> None:
        """Wait until the server answers, or has ended."""
        url = f"http://127.0.0.1:{port}{self._path}"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PROBE_S)) as session:
            while not running.done():
                try:
                    async with session.get(url, allow_redirects=False) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, OSError, TimeoutError):
                    logger.debug("%s does not answer yet", self._name)
                await asyncio.wait([running], timeout=_POLL_S)

    def _command(self, port: int) -> Command:
        filled = {name: PORT.sub(str(port), value) for name, value in self._env.written.items()}
        inherited = {name: os.environ[name] for name in _OF_MACHINE if name in os.environ}
        try:
            program = self._files.program_in(self._files.folder)
        except ArgumentError as error:
            raise ModelUnavailableError(error.message, fix=error.fix) from error
        return Command(
            program=program,
            arguments=tuple(PORT.sub(str(port), word) for word in self._words),
            environment={**inherited, **self._env.values(filled)},
            folder=str(self._files.folder),
            stdin=None,
            output_bytes=_KEPT_BYTES,
            keeps_end=True,
        )

    @property
    def _name(self) -> str:
        return f"the server {PurePath(self._words[0]).name!r}"

    def _check_starts(self, running: "asyncio.Task[CommandEnd]") -> None:
        """Log how the server ended. Raises ModelUnavailableError where it has ended too often."""
        try:
            how = self._told(running.result())
        except OSError as error:
            how = f"could not be started: {error.strerror}"
        if self._starts >= _MOST_STARTS:
            fix = f"see why it ends: {shlex.join(self._words)}"
            raise ModelUnavailableError(f"{self._name} {how}", fix=fix)
        logger.warning("%s %s; it is started again", self._name, how)

    def _told(self, end: CommandEnd) -> str:
        if end.errno is not None:
            return f"could not be started: {os.strerror(end.errno)}"
        text = Redactor(self._env.secrets()).blank(end.stderr.strip() or end.stdout.strip()).decode("utf-8", "replace")
        last = " / ".join(text.splitlines()[-_SHOWN_LINES:])
        return f"ended with status {end.status}" + (f": {last}" if last else "")


async def _end(task: "asyncio.Task[CommandEnd] | asyncio.Task[int]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
