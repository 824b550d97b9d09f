"""Processes that tests start: whether they are there, and whether one has left zombies."""

import os
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


def children_of(pid):
    """Return the numbers of the children of a process, zombies too."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def wait_until_gone(*pids):
    """Wait for the end of processes; the test's own time limit ends this, if they stay."""
    while any(is_there(pid) for pid in pids):
        pass


def descriptors():
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


PYTHON = sys.executable
