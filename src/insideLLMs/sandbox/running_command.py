"""A command that is written to and read from while it runs, started and ended as `commands` starts and ends all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from insideLLMs.sandbox.commands import (
    STDERR_BYTES,
    Command,
    CommandEnd,
    CommandServer,
    Drain,
    Ends,
    cut,
    orders_of,
    ready,
    report_of,
)

_CHUNK = 1 << 16


class RunningCommand:
    """A command between its start and its end; one at a time reads, and one writes."""

    def __init__(self, ends: Ends, report: "asyncio.Task[Any]", stderr: Drain) -> None:
        self._ends, self._report, self._stderr = ends, report, stderr

    async def read(self) -> bytes:
        """Return what it has written to its standard output since; nothing at its end."""
        while (piece := self._ends.stdout.read(_CHUNK)) is None:
            await ready(self._ends.stdout)
        return piece

    async def write(self, data: bytes) -> None:
        """Write all of `data` to its standard input. Raises BrokenPipeError where it reads no more."""
        left = memoryview(data)
        while left:
            if self._ends.stdin is None:
                raise BrokenPipeError
            taken = self._ends.stdin.write(left[:_CHUNK])
            left = left[taken or 0 :]
            if not taken:
                await ready(self._ends.stdin, to_write=True)

    async def end(self, grace_s: float) -> CommandEnd:
        """Close its standard input; one that has not ended `grace_s` later is ended, with all that it has started."""
        stdin, self._ends.stdin = self._ends.stdin, None
        if stdin is not None:
            stdin.close()
        ended_alone = bool((await asyncio.wait([self._report], timeout=grace_s))[0])
        if not ended_alone:
            cut(self._ends.lifeline)
        report = await self._report
        self._stderr.read_rest()
        return CommandEnd(
            status=report.get("status") if ended_alone or report.get("errno") else None,
            errno=report.get("errno"),
            at=report.get("at", ""),
            stderr=bytes(self._stderr.data),
            stderr_is_cut=self._stderr.is_cut,
        )


@contextlib.asynccontextmanager
async def start_command(server: CommandServer, command: Command) -> AsyncIterator[RunningCommand]:
    """Start a command for the time of the block, after which nothing of it is left. Raises OSError.

    One that could not be started ends at once; `end` says why.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        ends = Ends(stack, has_input=True)
        await server.hand_over(ends.far)
        ends.close_far()
        stderr = Drain(ends.stderr, STDERR_BYTES)
        report = asyncio.create_task(report_of(ends.lifeline, orders_of(command)))
        running = RunningCommand(ends, report, stderr)
        stderr.start(loop)
        try:
            yield running
        finally:
            report.cancel()
            await asyncio.wait([report])
            stderr.stop(loop)
