"""Which case a call belongs to: what the call says, then what its process says, then what its process is.

In this order: ``/case/NAME`` in the base URL, the header ``X-InsideLLMs-Case``, the test that insideLLMs's pytest
plug-in named for the process or one above it, ``INSIDELLMS_CASE`` and ``PYTEST_CURRENT_TEST`` in the environment that
the process was started with, the program's name. Processes are found where the system has /proc, so on Linux.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

CASE_HEADER = "X-InsideLLMs-Case"
CASE_VARIABLE = "INSIDELLMS_CASE"
UNKNOWN = "calls"
"""The case of calls that name none, on systems where processes cannot be found."""
UNKNOWN_ADVICE = (
    f"the program behind a call can be found on Linux only, so they are of the case {UNKNOWN!r}; "
    f"name cases by $INSIDELLMS_PROXY_URL/case/NAME/UPSTREAM or the header {CASE_HEADER}"
)
_PYTEST_VARIABLE = "PYTEST_CURRENT_TEST"
_PHASE = re.compile(r" \((?:setup|call|teardown)\)$")
_LONGEST_NAME = 300
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Caller:
    """The process at the other end of a connection, and its case unless a test is named."""

    pid: int
    case: str


class Callers:
    """The processes that call, by their connections."""

    def __init__(self) -> None:
        self._named: dict[int, str] = {}
        self._known: list[int] = []
        self._at: WeakKeyDictionary[asyncio.BaseTransport, _Caller] = WeakKeyDictionary()

    def name(self, pid: int, case: str) -> None:
        """Say which test a process runs; an empty name ends it."""
        self._named[pid] = case

    async def case_of(self, connection: asyncio.BaseTransport) -> str:
        """Return the case of what is connected."""
        caller = self._at.get(connection)
        if caller is None:
            ports = (connection.get_extra_info("peername")[1], connection.get_extra_info("sockname")[1])
            caller = self._at[connection] = await asyncio.to_thread(self._caller_at, *ports)
        tests = {pid: test for pid, test in self._named.items() if test}
        if not caller.pid and len(tests) == 1:  # only one process runs tests, so this is its call
            return tidy(*tests.values())
        named = (tests[each] for each in _and_above(caller.pid) if each in tests)
        return tidy(next(named, caller.case) if tests else caller.case)

    def _caller_at(self, peer_port: int, own_port: int) -> _Caller:
        pid = self._pid_at(peer_port, own_port)
        return _Caller(0, UNKNOWN) if pid is None else _Caller(pid, _in_environment(pid) or _program(pid))

    def _pid_at(self, peer_port: int, own_port: int) -> int | None:
        """Return the process that holds the other end of a connection, of those that called before the last first."""
        inode = _inode(peer_port, own_port)
        if inode is None:
            return None
        others = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
        for pid in (*reversed(self._known), *others):
            if pid != os.getpid() and _holds(pid, f"socket:[{inode}]"):
                if pid not in self._known:
                    self._known.append(pid)
                return pid
        return None


def tidy(name: str) -> str:
    """Return the name of a case on one line, not too long, and with bytes that are no UTF-8 spelled out."""
    return " ".join(_PHASE.sub("", spelled_out(name)).split())[:_LONGEST_NAME] or UNKNOWN


def spelled_out(header: str) -> str:
    """Return a header, whose bytes may be no UTF-8, as a text that every file can hold."""
    return header.encode("utf-8", "backslashreplace").decode()


def _inode(peer_port: int, own_port: int) -> str | None:
    ends = (f":{peer_port:04X}", f":{own_port:04X}")
    for table in ("tcp", "tcp6"):
        for line in _read(_PROC / "self" / "net" / table).splitlines():
            fields = line.split()
            if len(fields) > 9 and fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
                return fields[9]
    return None


def _holds(pid: int, socket: str) -> bool:
    try:
        with os.scandir(_PROC / str(pid) / "fd") as entries:
            return any(_link(entry.path) == socket for entry in entries)
    except OSError:  # it ended, or is somebody else's
        return False


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def _and_above(pid: int) -> Iterator[int]:
    """Yield a process and those that started it, up to the first."""
    while pid > 1:
        yield pid
        parent = _read(_PROC / str(pid) / "stat").rpartition(") ")[2].split()
        pid = int(parent[1]) if len(parent) > 1 else 0


def _in_environment(pid: int) -> str | None:
    pairs = (entry.partition("=") for entry in _read(_PROC / str(pid) / "environ").split("\0"))
    environment = {name: value for name, _, value in pairs}
    test = environment.get(_PYTEST_VARIABLE)
    is_ours = test == os.environ.get(_PYTEST_VARIABLE)  # of the test that runs all of this
    return environment.get(CASE_VARIABLE) or (None if is_ours else test)


def _program(pid: int) -> str:
    """Name a program as it was called, and the file that it runs: without folders, options and versions."""
    words = _read(_PROC / str(pid) / "cmdline").split("\0")
    folder = _link(str(_PROC / str(pid) / "cwd"))
    name = re.sub(r"[\d.]+$", "", Path(words[0]).name) or words[0]
    script = next((word for word in words[1:] if word and not word.startswith("-")), "")
    return f"{name} {Path(script).name}" if script and Path(folder, script).is_file() else name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
