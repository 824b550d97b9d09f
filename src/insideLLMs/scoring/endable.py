"""Calls that may run for ever, made in processes that can be ended.

Python's `re` holds the interpreter's lock while it matches: in the same process neither a time limit nor Ctrl-C could
stop it. Measured per call: 0.06 ms; the first one of a process 30 ms.
"""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import JsonValue

LIMIT_S = 5.0
_START_S = 60.0
_ROOT = Path(__file__).parents[2]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from insideLLMs.scoring.endable import serve; serve()"
_CHUNK = 1 << 16
_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What Python itself may need of the environment; it holds keys."""


class TooLongError(InsideLLMsError):
    """A call took longer than its limit, and was ended."""


class OnEventLoopError(Exception):
    """A call that waits for a process was made on the thread of an event loop; make it on another one."""


def call(function: Callable[..., JsonValue], *args: JsonValue, limit_s: float | None = None) -> JsonValue:
    """Call a function of a module in another process, for LIMIT_S at most; arguments and result are JSON.

    Raises TooLongError, OnEventLoopError, or RuntimeError where the function raised.
    """
    if _is_on_event_loop():
        raise OnEventLoopError
    limit_s = LIMIT_S if limit_s is None else limit_s
    name = f"{function.__module__}:{function.__qualname__}"
    with _places:
        process = _take()
        try:
            answer = process.ask({"function": name, "args": args, "limit_s": limit_s}, limit_s)
        except BaseException:
            process.end()
            raise
        _idle.append(process)
    if "error" in answer:
        raise RuntimeError(f"{name}: {answer['error']}")
    return answer["result"]


class _Process:
    """One process, which takes one call after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-c", _PROGRAM, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            bufsize=0,
            process_group=0,  # Ctrl-C of the terminal is for us; it ends with its input
        )

        self._read(_START_S)

    def ask(self, question: JsonValue, limit_s: float) -> dict[str, Any]:  # a JSON object
        """Make one call. Raises TooLongError if there is no answer in time, RuntimeError if the process died."""
        assert self._process.stdin is not None
        unsent = json.dumps(question).encode() + b"\n"
        while unsent:
            unsent = unsent[self._process.stdin.write(unsent) :]
        answer: dict[str, Any] = json.loads(self._read(limit_s))
        return answer

    def _read(self, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        poll = select.poll()  # not select(), which takes no more than 1,024 open files
        poll.register(self._process.stdout, select.POLLIN)
        until = time.monotonic() + limit_s
        received = b""
        while not received.endswith(b"\n"):
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TooLongError(f"it did not end within {limit_s:g} s")
            chunk = self._process.stdout.read(_CHUNK)
            if not chunk:
                raise RuntimeError("the process for long calls died")
            received += chunk
        return received

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


_places = threading.BoundedSemaphore(os.cpu_count() or 1)
_idle: deque[_Process] = deque()


def _take() -> _Process:
    try:
        return _idle.pop()
    except IndexError:
        return _Process()


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _is_on_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def serve() -> None:
    """Answer calls from stdin until it ends: the other side of `call`."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        question = json.loads(line)
        _limit_cpu(question["limit_s"])
        module, _, name = question["function"].partition(":")
        try:
            answer = {"result": getattr(import_module(module), name)(*question["args"])}
        except Exception as error:  # noqa: BLE001 - told to the process that called
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _limit_cpu(seconds: float) -> None:
    """End this process even if the one that called is gone."""
    with contextlib.suppress(ImportError, ValueError):
        import resource  # noqa: PLC0415 - not on every system

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime + seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
