"""The far end of `CommandServer`: a small process that starts commands, each under a watcher of its own.

It is run without the package, and copies nothing of the host's memory to start a command. Over its socket come
bytes, each with four descriptors: a lifeline, and what the command is to have as its input, output and errors. The
lifeline brings the orders as a line of JSON, and takes back the report of how the command ended. When its other end is
shut down or gone, because the host has given up or was killed, the command and all that it has started are ended: its
group by SIGTERM, and after `grace_s` everything by SIGKILL. What a command leaves behind at its end is ended, too.
"""

from __future__ import annotations  # so that nothing of typing is imported here

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

from insideLLMs.sandbox.jail import die_with_parent, end_what_is_left, gather_orphans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Orders = dict[str, Any]  # JSON from `CommandServer`

DESCRIPTORS = 4
_LONGEST_READ = 1 << 16
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT)
"""What Python, or this process, has set for itself."""


def main() -> None:
    """Start a watcher for each call, until the host closes its end or dies."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel gathers the watchers
    while True:
        call, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS)
        if not call:
            return
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - os has no keyword for it
        lifeline, *streams = descriptors
        try:
            if os.fork() == 0:
                control.close()
                be_the_watcher(socket.socket(fileno=lifeline), streams)
        except OSError as error:
            os.write(lifeline, written({"errno": error.errno, "at": "processes"}))
        for descriptor in descriptors:
            os.close(descriptor)


def be_the_watcher(lifeline: socket.socket, streams: list[int]) -> None:
    """Start the command, see it to its end, and end; never returns."""
    try:
        orders = read_orders(lifeline)
        if orders is None:
            return
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        gather_orphans()
        program = os.fork()
        if program == 0:
            be_the_command(orders, lifeline, streams)
        for descriptor in streams:
            os.close(descriptor)
        status = attend(program, lifeline, woken, orders["grace_s"])
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program, signal.SIGKILL)  # what it has left in its group
        with contextlib.suppress(OSError):  # nobody may be there to read it
            lifeline.sendall(written({"status": status}))
        end_what_is_left()
    finally:
        os._exit(0)


def read_orders(lifeline: socket.socket) -> Orders | None:
    """Read the line of orders; None where the host gave up before."""
    data = b""
    while not data.endswith(b"\n"):
        piece = lifeline.recv(_LONGEST_READ)
        if not piece:
            return None
        data += piece
    orders: Orders = json.loads(data)
    return orders


def be_the_command(orders: Orders, lifeline: socket.socket, streams: list[int]) -> None:
    """Become the command; never returns. What keeps it from starting is reported."""
    at = "processes"
    try:
        os.setsid()
        die_with_parent()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        signal.set_wakeup_fd(-1)
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        at = "folder"
        os.chdir(orders["folder"])
        at = "program"
        os.execve(orders["program"], orders["arguments"], orders["environment"])  # noqa: S606 - no shell is meant
    except OSError as error:
        lifeline.sendall(written({"errno": error.errno, "at": at}))
    finally:
        os._exit(127)


def attend(program: int, lifeline: socket.socket, woken: int, grace_s: float) -> int:
    """Wait for the command's end, or bring it about once the lifeline is cut; return its status, negated a signal's."""
    kill_at: float | None = None
    while True:
        ended, status = os.waitpid(program, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if kill_at is None:
            ready = select.select([woken, lifeline.fileno()], [], [])[0]
            if lifeline.fileno() in ready:
                send_signal(program, signal.SIGTERM)
                kill_at = time.monotonic() + grace_s
        else:
            ready = select.select([woken], [], [], max(0.0, kill_at - time.monotonic()))[0]
            if time.monotonic() >= kill_at:
                send_signal(program, signal.SIGKILL)
                kill_at += grace_s
        if woken in ready:
            os.read(woken, _LONGEST_READ)


def send_signal(program: int, number: int) -> None:
    """Send a signal to the command's group, or to it alone where it has not made its group yet."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(program, number)
            return


def written(report: dict[str, object]) -> bytes:
    """Write a report as a line."""
    return json.dumps(report).encode() + b"\n"
