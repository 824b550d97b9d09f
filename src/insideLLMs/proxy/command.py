"""The command that calls models: it has the terminal, gets our signals, and its exit code counts."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from insideLLMs.core.errors import InsideLLMsError

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


async def run_command_line(arguments: Sequence[str], environ: Mapping[str, str], *, stdout_apart: bool) -> int:
    """Run a command to its end, and return its exit code, 128 and its number for a signal, as shells do.

    With `stdout_apart` what it prints goes to stderr. Raises InsideLLMsError where it cannot be started.
    """
    stdout = sys.stderr.fileno() if stdout_apart else None
    with _Signals() as signals:
        try:
            process = await asyncio.create_subprocess_exec(*arguments, env=dict(environ), stdout=stdout)
        except OSError as error:
            raise InsideLLMsError(
                f"the command {arguments[0]!r} cannot be started: {error.strerror}",
                fix="check its name and the PATH; for a line of shell, write: sh -c 'LINE'",
            ) from error
        try:
            signals.pass_on_to(process)
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
    return code if code >= 0 else 128 - code


class _Signals:
    """Passes signals on to the command, also those that come before it runs."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._early: list[int] = []

    def __enter__(self) -> "_Signals":
        for number in _PASSED_ON:
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _PASSED_ON:
            asyncio.get_running_loop().remove_signal_handler(number)

    def pass_on_to(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what came, and what will come."""
        self._process = process
        for number in self._early:
            self._receive(number)

    def _receive(self, number: int) -> None:
        if number in {signal.SIGINT, signal.SIGQUIT} and _has_terminal():
            return  # whose keys reach the command, too
        if self._process is None:
            self._early.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


def _has_terminal() -> bool:
    """Whether we are in the foreground of a terminal."""
    with contextlib.suppress(OSError, ValueError):
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False
