"""The command that calls models: it has the terminal, gets our signals, and its exit code counts."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence

from insideLLMs.core.errors import InsideLLMsError

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


async def run_command_line(arguments: Sequence[str], environ: Mapping[str, str], *, stdout_apart: bool) -> int:
    """Run a command to its end, and return its exit code, 128 and its number for a signal, as shells do.

    With `stdout_apart` what it prints goes to stderr. Raises InsideLLMsError where it cannot be started.
    """
    stdout = sys.stderr.fileno() if stdout_apart else None
    try:
        process = await asyncio.create_subprocess_exec(*arguments, env=dict(environ), stdout=stdout)
    except OSError as error:
        raise InsideLLMsError(
            f"the command {arguments[0]!r} cannot be started: {error.strerror}", fix="check its name and the PATH"
        ) from error
    try:
        with _passing_signals_to(process):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _passing_signals_to(process: asyncio.subprocess.Process) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, _pass_on, process, number)
    try:
        yield
    finally:
        for number in _PASSED_ON:
            loop.remove_signal_handler(number)


def _pass_on(process: asyncio.subprocess.Process, number: int) -> None:
    if number in {signal.SIGINT, signal.SIGQUIT} and _has_terminal():
        return  # whose keys reach the command, too
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _has_terminal() -> bool:
    """Whether we are in the foreground of a terminal."""
    with contextlib.suppress(OSError, ValueError):
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False
