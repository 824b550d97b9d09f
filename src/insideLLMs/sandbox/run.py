"""The host's side of the sandbox: what isolation there is here, and one program's run in it."""

import contextlib
import functools
import json
import os
import platform
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from insideLLMs.core.errors import SandboxError
from insideLLMs.sandbox.folders import program_folder, remove_left_folders

_JAIL = Path(__file__).with_name("jail.py")
_NAME = "program.py"
_CHUNK = 1 << 16
_GRACE_S = 1.0
_LOOK_EVERY_S = 0.05
_PASSES = 2  # a process may start another one while the first pass goes on
_SELF_TEST = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(call, *arguments):
    return call(*arguments) == -1 and ctypes.get_errno() == 1
def forked():
    try:
        return os.fork() or os._exit(0)
    except PermissionError:
        return -1
tried = {
    "fork": forked() == -1,
    "unshare": refused(libc.unshare, 0x10000000),
    "ptrace": refused(libc.ptrace, 0, 0, 0, 0),
    "shmget": refused(libc.shmget, 0, 4096, 0o1600),
    "memfd_create": refused(libc.memfd_create, b"x", 0),
    "mount": refused(libc.mount, b"t", b"/scratch", b"tmpfs", 0, None),
    "setns": refused(libc.setns, 0, 0),
    "name_to_handle_at": refused(libc.name_to_handle_at, -100, b"/", None, None, 0),
    "vsock": refused(libc.socket, 40, 1, 0),
    "netlink": refused(libc.socket, 16, 3, 0),
}
print("in" if all(tried.values()) else "not refused: " + ", ".join(name for name in tried if not tried[name]))
"""
_AT_ONCE = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))


class Ended(StrEnum):
    """How a program ended."""

    EXITED = "exited"
    """By itself; `status` is its exit code."""
    KILLED = "killed"
    """By a signal, whose number `status` is, negated; a broken limit may have sent it."""
    TIMEOUT = "timeout"
    """By us, because its time was up."""
    OUTPUT = "output"
    """By us, because it wrote too much."""
    MEMORY = "memory"
    """By us, because its processes together used too much memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use; `wall_s` bounds the time that it may wait.

    `memory_bytes` bounds the address space of each of its processes, and the memory of all together.
    """

    cpu_s: int = 10
    wall_s: float = 30.0
    memory_bytes: int = 512 << 20
    file_bytes: int = 8 << 20
    scratch_bytes: int = 16 << 20
    output_bytes: int = 1 << 20
    threads: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What this machine offers: `kind` is namespaces or none, `why` says why there is none."""

    kind: str
    privileged: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What came of a program; its output is cut at the limit, and decoded with replacement characters."""

    ended: Ended
    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Runs Python programs. Raises SandboxError where there is no isolation, unless `allow_unsandboxed`."""

    limits: Limits = Limits()
    allow_unsandboxed: bool = False

    def check(self) -> None:
        """Raise SandboxError if programs could not be run here."""
        found = isolation()
        if found.kind == "none" and not self.allow_unsandboxed:
            raise SandboxError(
                f"programs that a model wrote cannot be run here in isolation: {found.why}",
                fix="run on Linux with user namespaces (sysctl user.max_user_namespaces, or a container that allows "
                "unshare), or accept the risk with allow_unsandboxed: true, which gives them this user's files and "
                "network",
            )

    def run(self, program: str, *, stdin: str = "") -> Execution:
        """Run a Python program to its end, or to its limits."""
        self.check()
        found = isolation()
        with _AT_ONCE, program_folder() as folder:
            return _execute(_orders(folder, program, self.limits, found), stdin, self.limits)


@functools.cache
def isolation() -> Isolation:
    """Find out, once, by running a program in isolation that tries a few of the things that it must not do.

    The numbers of system calls are those of an architecture: where a table is wrong, this program shows it.
    """
    if sys.platform != "linux":
        return Isolation(kind="none", why=f"{platform.system()} has no namespaces")
    if platform.machine() not in {"x86_64", "aarch64"}:
        return Isolation(kind="none", why=f"the filter of system calls does not know {platform.machine()!r}")
    root = os.geteuid() == 0
    found = Isolation(kind="namespaces", privileged=root)
    remove_left_folders()
    with program_folder() as folder:
        try:
            done = _execute(_orders(folder, _SELF_TEST, Limits(), found), "", Limits())
        except SandboxError as error:
            return Isolation(kind="none", why=error.message)
    if done.stdout.strip() != "in":
        said = (done.stdout.strip() or done.stderr.strip())[-200:]
        return Isolation(kind="none", why=f"a test program was not stopped from doing what is forbidden: {said}")
    return found


def _orders(folder: Path, program: str, limits: Limits, found: Isolation) -> dict[str, object]:
    isolated = found.kind == "namespaces"
    root = folder / "root"
    code = folder / _NAME
    root.mkdir()
    code.write_text(program, encoding="utf-8", errors="replace")
    code.chmod(0o644)
    home = "/scratch" if isolated else str(folder)
    return {
        "host": os.getpid(),
        "isolated": isolated,
        "privileged": found.privileged,
        "root": str(root),
        "read_only": [*_interpreter_files(), str(code)],
        "cwd": home,
        "limits": asdict(limits),
        "scratch_bytes": limits.scratch_bytes,
        # not -I, which would ignore the fixed hash seed with the rest of the environment, which is ours anyway
        "command": [_interpreter(), "-s", "-P", "-S", "-B", "-X", "utf8", str(code)],
        "environment": {"HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
    }


def _interpreter() -> str:
    """Return the interpreter itself, not the link that a virtual environment has to it."""
    return str(Path(sys.executable).resolve())


@functools.cache
def _interpreter_files() -> tuple[str, ...]:
    """Return what the interpreter needs: itself, its standard library, and the system's libraries."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    wanted = [
        Path(_interpreter()),
        *(prefix / name / version for name in ("lib", "lib64")),
        *prefix.glob("lib/libpython*.so*"),
        *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")),
    ]
    kept: list[Path] = []
    for path in sorted({one for one in wanted if one.exists()}, key=lambda one: len(one.parts)):
        if not any(parent in kept for parent in path.parents):
            kept.append(path)
    return tuple(str(path) for path in kept)


def _execute(orders: dict[str, object], stdin: str, limits: Limits) -> Execution:
    report, inherited = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own script under our own interpreter
            [_interpreter(), "-I", "-S", "-c", _launcher(inherited), json.dumps(orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(inherited,),
            env={},
            start_new_session=True,
        )
    except OSError as error:
        os.close(report)
        raise SandboxError(
            f"the sandbox cannot be started: {error.strerror}", fix="check memory and processes"
        ) from error
    finally:
        os.close(inherited)
    try:
        forced, outputs = _attend(process, stdin.encode("utf-8", "replace"), limits)
    finally:
        _kill(process)
    with os.fdopen(report, "rb") as reports:
        reported = [json.loads(line) for line in reports.read(_CHUNK).splitlines()]
    stdout, stderr = (text.decode("utf-8", "replace") for text in outputs)
    if errors := [one["error"] for one in reported if "error" in one]:
        raise SandboxError(f"the sandbox could not isolate itself: {errors[0]}", fix="see docs/probes.md, The sandbox")
    status = next((one["status"] for one in reported if "status" in one), -signal.SIGKILL)
    ended = forced or (Ended.EXITED if status >= 0 else Ended.KILLED)
    return Execution(ended=ended, status=status, stdout=stdout, stderr=stderr)


def _launcher(descriptor: int) -> str:
    """Return the line that puts the pipe where the jail expects it, and there alone, and starts the jail."""
    move = "" if descriptor == 3 else f"os.dup2({descriptor}, 3); os.close({descriptor}); "
    return f"import os, runpy; {move}runpy.run_path({str(_JAIL)!r}, run_name='__main__')"


class _Watch:
    """Looks at the clock, and now and then at the memory that a program and all it has started use together."""

    def __init__(self, launcher: int, limits: Limits) -> None:
        self._launcher = launcher
        self._memory_bytes = limits.memory_bytes
        self._deadline = time.monotonic() + limits.wall_s
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    @property
    def wait_s(self) -> float:
        """How long there is nothing to look at."""
        return max(0.0, min(self._deadline, self._look_at) - time.monotonic())

    def at_least(self, seconds: float) -> None:
        """Put the deadline off, if it comes sooner."""
        self._deadline = max(self._deadline, time.monotonic() + seconds)

    def overrun(self) -> Ended | None:
        """Return what has been used up, if anything has."""
        now = time.monotonic()
        if now >= self._deadline:
            return Ended.TIMEOUT
        if now < self._look_at:
            return None
        self._look_at = now + _LOOK_EVERY_S
        return Ended.MEMORY if program_bytes(self._launcher) > self._memory_bytes else None


def _attend(
    process: "subprocess.Popen[bytes]", stdin: bytes, limits: Limits
) -> tuple[Ended | None, tuple[bytes, bytes]]:
    """Feed and read the program until it ends, or until it has to be ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    outputs = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    watch = _Watch(process.pid, limits)
    forced: Ended | None = None
    feeding = process.stdin.fileno()
    os.set_blocking(feeding, False)
    with selectors.DefaultSelector() as selector:
        for descriptor in outputs:
            selector.register(descriptor, selectors.EVENT_READ)
        selector.register(feeding, selectors.EVENT_WRITE)
        waiting = len(outputs)
        while waiting and forced is None:
            forced = watch.overrun()
            for key, _ in selector.select(watch.wait_s):
                if key.fd == feeding:
                    stdin = _feed(feeding, stdin)
                    if not stdin:
                        selector.unregister(feeding)
                        process.stdin.close()
                    continue
                data = os.read(key.fd, _CHUNK)
                outputs[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
                    waiting -= 1
                if sum(map(len, outputs.values())) > limits.output_bytes:
                    forced = Ended.OUTPUT
    first, second = (bytes(text[: limits.output_bytes]) for text in outputs.values())
    return forced or _wait(process, watch), (first, second)


def _feed(descriptor: int, data: bytes) -> bytes:
    """Write what fits; a program that does not read gets no more."""
    try:
        return data[os.write(descriptor, data) :] if data else b""
    except BlockingIOError:
        return data
    except OSError:
        return b""


def _wait(process: "subprocess.Popen[bytes]", watch: _Watch) -> Ended | None:
    """Wait for a program that has closed its output but may not have ended."""
    watch.at_least(_GRACE_S)
    while (forced := watch.overrun()) is None:
        try:
            process.wait(watch.wait_s)
        except subprocess.TimeoutExpired:
            continue
        return None
    return forced


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the launcher and its group; the kernel ends everything else with the namespace's first process.

    Without a namespace, what has left the group is ended one by one.
    """
    for _ in range(_PASSES):
        for one in program_processes(process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def program_processes(launcher: int) -> set[int]:
    """Return the processes below the launcher's child, which are the program and all that it has started."""
    parents = _parents()
    found: set[int] = set()
    seen = {process for process, parent in parents.items() if parent == launcher}
    while seen := {process for process, parent in parents.items() if parent in seen}:
        found |= seen
    return found


def program_bytes(launcher: int) -> int:
    """Return the memory of a program's processes together.

    What they share is divided among those who share it where the kernel tells (PSS), else counted for each (RSS).
    """
    return sum(map(_bytes, program_processes(launcher)))


def _parents() -> dict[int, int]:
    """Return the parent of every process that can be seen."""
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if entry.name.isdigit():
            # the name of the program, in parentheses, may hold anything
            fields = _read(entry / "stat").rpartition(")")[2].split()
            if len(fields) > 1:
                parents[int(entry.name)] = int(fields[1])
    return parents


def _bytes(process: int) -> int:
    shared = [line for line in _read(_PROC / str(process) / "smaps_rollup").splitlines() if line.startswith("Pss:")]
    if shared:
        return int(shared[0].split()[1]) << 10
    pages = _read(_PROC / str(process) / "statm").split()
    return int(pages[1]) * _PAGE if len(pages) > 1 else 0


def _read(path: Path) -> str:
    """Read what the kernel tells; nothing of a process that has ended or is not ours."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
