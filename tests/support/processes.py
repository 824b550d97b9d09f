"""Processes that tests start: whether they are there, and whether one has left zombies."""

import contextlib
import os
import signal
import sys
from pathlib import Path

CHILD_OF_ITS_OWN = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    open("daemon", "w").write(str(os.getpid()))
    time.sleep(600)
    os._exit(0)
while not (os.path.exists("daemon") and os.path.getsize("daemon")):
    pass
"""
"""A Python program's beginning: leave a daemon behind that holds the output open, with its number in a file."""


def is_there(pid):
    """Whether a process exists and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it ended, perhaps while it was looked at
        return False
    return state not in {"Z", "X"}


def command_lines():
    """Return what each process was called with, by its number; one that ends meanwhile is left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
    return found


def children_of(pid):
    """Return the numbers of the children of a process, zombies too."""
    return [child for child, parent in _parents().items() if parent == pid]


def below(pid):
    """Return the numbers of a process and of all that it and its children started."""
    parents = _parents()
    found, wave = set(), {pid}
    while wave:
        found |= wave
        wave = {child for child, parent in parents.items() if parent in wave}
    return found


def _parents():
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def stop(process):
    """Stop a process, and wait until it stands still or has ended."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def wait_until_gone(*pids):
    """Wait for the end of processes; the test's own time limit ends this, if they stay."""
    while any(is_there(pid) for pid in pids):
        pass


def descriptors():
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


PYTHON = sys.executable
