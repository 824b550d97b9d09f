"""Commands that the user names, run many at once from an event loop: without a shell, and never outliving their call.

Not isolated: a command has the user's files and network. What holds is that nothing of it is left when its call ends,
however that ends, also where this process is killed; see `command_server`.
"""

import asyncio
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRACE_S = 2.0
"""So long a command may take to end after SIGTERM, before SIGKILL."""
STDERR_BYTES = 1 << 16
"""So much is kept of the end of what a command writes to its standard error."""
_CHUNK = 1 << 16
_PACKAGE = Path(__file__).parent.parent
_START = f"""
import sys, types
for name, folder in (("insideLLMs", {str(_PACKAGE)!r}), ("insideLLMs.sandbox", {str(_PACKAGE / "sandbox")!r})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from insideLLMs.sandbox import command_server
command_server.main()
"""
"""Imports the one module without what the packages that it is in import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run: `program` is a file, `arguments` has its name first, `folder` is where it runs.

    `stdin` is None where it is to read nothing. It may write `output_bytes` to its standard output; or, where only the
    end of that is kept (`keeps_end`), without bound.
    """

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    stdin: bytes | None
    output_bytes: int
    keeps_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnd:
    """How a command ended: its exit status, or the number of a signal, negated; None where nobody knows.

    `errno` says why it could not be started, `at` whether for its program, its folder, or the number of `processes`.
    `stderr` is the end of its errors; `stdout_is_cut` and `stderr_is_cut` say that it wrote more than is here.
    """

    status: int | None
    errno: int | None = None
    at: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_is_cut: bool = False
    stderr_is_cut: bool = False


class CommandServer:
    """Starts commands by a process of its own, which is there from the first one until `close`."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._control: socket.socket | None = None
        self._end: weakref.finalize[..., CommandServer] | None = None

    async def run(self, command: Command) -> CommandEnd:
        """Run a command to its end; where this is cancelled, end it and all that it has started, and then return.

        Raises OSError where there is no descriptor, or no process for the server.
        """
        with contextlib.ExitStack() as stack:
            ends = Ends(stack, has_input=command.stdin is not None)
            await self.hand_over(ends.far)
            ends.close_far()
            return await _attend(command, ends)

    def close(self) -> None:
        """End the process; a later command starts another one."""
        with self._starting:
            end, self._end, self._control = self._end, None, None
        if end is not None:
            end()

    async def hand_over(self, far: list[int]) -> None:
        """Give the far ends to the server; to a new one, where somebody has ended it."""
        try:
            await self._send(far)
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            await self._send(far)

    async def _send(self, far: list[int]) -> None:
        control = self._connected()
        while True:
            try:
                socket.send_fds(control, [b"."], far)
                return
            except BlockingIOError:
                await ready(control, to_write=True)

    def _connected(self) -> socket.socket:
        with self._starting:
            if self._control is None:
                self._control, process = _start()
                self._end = weakref.finalize(self, _end, self._control, process)
            return self._control


def _start() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003 - socket has no keyword for it
    number = str(theirs.fileno())
    interpreter = str(Path(sys.executable).resolve())
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own script under our own interpreter
                [interpreter, "-I", "-S", "-X", "utf8", "-c", _START, number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
    return ours, process


def _end(control: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_RDWR)  # also where a fork of this process holds it
    control.close()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Ends:
    """Both ends of all that connects us with a command; `far` are those that it gets."""

    def __init__(self, stack: contextlib.ExitStack, *, has_input: bool) -> None:
        self._far = stack.enter_context(contextlib.ExitStack())
        self.lifeline, theirs = socket.socketpair()
        stack.enter_context(self.lifeline)
        self._far.enter_context(theirs)
        self.lifeline.setblocking(False)  # noqa: FBT003 - see above
        self.stdin: io.FileIO | None = None
        if has_input:
            their_input, self.stdin = _pipe(self._far, stack)
        else:
            their_input = self._far.enter_context(io.FileIO(os.devnull))
        self.stdout, their_output = _pipe(stack, self._far)
        self.stderr, their_errors = _pipe(stack, self._far)
        for ours in (self.stdin, self.stdout, self.stderr):
            if ours is not None:
                os.set_blocking(ours.fileno(), False)
        self.far = [one.fileno() for one in (theirs, their_input, their_output, their_errors)]

    def close_far(self) -> None:
        """Leave the far ends to the command."""
        self._far.close()


def _pipe(reading: contextlib.ExitStack, writing: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    """Open a pipe whose ends are closed with their stacks."""
    source, target = os.pipe()
    return reading.enter_context(io.FileIO(source, "r")), writing.enter_context(io.FileIO(target, "w"))


async def _attend(command: Command, ends: Ends) -> CommandEnd:
    """Give the orders, feed and read the command, and wait for its end."""
    loop = asyncio.get_running_loop()
    when_full = None if command.keeps_end else lambda: cut(ends.lifeline)
    stdout = Drain(ends.stdout, command.output_bytes, when_full=when_full)
    stderr = Drain(ends.stderr, STDERR_BYTES)
    feed = _Feed(ends.stdin, command.stdin or b"")
    streams = (stdout, stderr, feed)
    try:
        for stream in streams:
            stream.start(loop)
        report = await report_of(ends.lifeline, orders_of(command))
        stdout.read_rest()
        stderr.read_rest()
    finally:
        for stream in streams:
            stream.stop(loop)
    return CommandEnd(
        status=report.get("status"),
        errno=report.get("errno"),
        at=report.get("at", ""),
        stdout=bytes(stdout.data),
        stderr=bytes(stderr.data),
        stdout_is_cut=stdout.is_cut,
        stderr_is_cut=stderr.is_cut,
    )


def orders_of(command: Command) -> bytes:
    """Write the line that says what to start."""
    orders = {
        "program": command.program,
        "arguments": command.arguments,
        "environment": dict(command.environment),
        "folder": command.folder,
        "grace_s": GRACE_S,
    }
    return json.dumps(orders).encode() + b"\n"


async def report_of(lifeline: socket.socket, orders: bytes) -> Mapping[str, Any]:  # JSON from the watcher
    """Give the orders, and return the first report; where this is cancelled, have the command ended."""
    is_over = False
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the report says why it is gone
            await asyncio.get_running_loop().sock_sendall(lifeline, orders)
        reports = await _read_to_end(lifeline)
        is_over = True
    finally:
        if not is_over:
            await _end_now(lifeline)
    report: dict[str, Any] = json.loads(reports.partition(b"\n")[0] or b"{}")
    return report


async def _read_to_end(lifeline: socket.socket) -> bytes:
    """Return what is reported until the watcher has ended, and with it everything that could still write."""
    loop = asyncio.get_running_loop()
    data = b""
    with contextlib.suppress(ConnectionResetError):  # it was killed before it read its orders
        while piece := await loop.sock_recv(lifeline, _CHUNK):
            data += piece
    return data


def cut(lifeline: socket.socket) -> None:
    """Have the command ended."""
    with contextlib.suppress(OSError):  # it may have ended by itself
        lifeline.shutdown(socket.SHUT_WR)


async def _end_now(lifeline: socket.socket) -> None:
    """End the command, and give it the time that this may take; the watcher needs nobody to see to it."""
    cut(lifeline)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S + 1):
            await _read_to_end(lifeline)


class Drain:
    """Reads a pipe as it fills: up to `limit` bytes, after which `when_full` is called, or else the last `limit`."""

    def __init__(self, pipe: io.FileIO, limit: int, when_full: Callable[[], None] | None = None) -> None:
        self.data = bytearray()
        self.is_cut = False
        self._pipe, self._limit, self._when_full = pipe, limit, when_full

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read whenever there is something to read."""
        loop.add_reader(self._pipe.fileno(), self._read_some, loop)

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read no more."""
        loop.remove_reader(self._pipe.fileno())

    def read_rest(self) -> None:
        """Read what is left, of a pipe to which nobody writes any more."""
        while not (self.is_cut and self._when_full) and (piece := self._pipe.read(_CHUNK)):
            self._take(piece)

    def _read_some(self, loop: asyncio.AbstractEventLoop) -> None:
        piece = self._pipe.read(_CHUNK)
        if piece:
            self._take(piece)
        if piece == b"" or (self.is_cut and self._when_full):
            self.stop(loop)

    def _take(self, piece: bytes) -> None:
        self.data += piece
        if len(self.data) <= self._limit:
            return
        self.is_cut = True
        if self._when_full is None:
            del self.data[: -self._limit]
        else:
            del self.data[self._limit :]
            self._when_full()


class _Feed:
    """Writes to a pipe as it empties, and closes it; a command that does not read gets no more."""

    def __init__(self, pipe: io.FileIO | None, data: bytes) -> None:
        self._pipe, self._left = pipe, memoryview(data)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write whenever there is room."""
        if self._pipe is not None:
            loop.add_writer(self._pipe.fileno(), self._write_some, loop)

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write no more."""
        if self._pipe is not None:
            loop.remove_writer(self._pipe.fileno())
            self._pipe.close()
            self._pipe = None

    def _write_some(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._pipe is not None
        try:
            self._left = self._left[self._pipe.write(self._left[:_CHUNK]) or 0 :]
        except BrokenPipeError:
            self._left = memoryview(b"")
        if not self._left:
            self.stop(loop)


async def ready(target: socket.socket | io.FileIO, *, to_write: bool = False) -> None:
    """Wait until a socket or pipe has something to read, or takes more."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    add(target.fileno(), is_ready.set)
    try:
        await is_ready.wait()
    finally:
        remove(target.fileno())
