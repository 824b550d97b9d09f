"""One shard in a process of its own, which `processes` starts.

It reads its job as a line of JSON from stdin, and says on stdout how far it is, a line each. Where stdin ends, the
process that started it is gone, and it ends at once: its journal has every answer.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn  # see `_decoded`

import msgspec

from insideLLMs.api.answers import AnswerOptions
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.core.errors import ExitCode, InsideLLMsError, LockedError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.user_code import exit_by_others
from insideLLMs.execute.progress import ProgressInfo
from insideLLMs.remote.copies import with_urls
from insideLLMs.remote.url import parse_place

_EVERY_S = 0.2
_LOCKED_S = 10.0
"""So long a process may take to end whose parent was killed; then its shard can be taken over."""
_LOCKED_AWAY_S = 60.0
"""So much later than its parent a process of another machine may have said that it lives."""


class ShardJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to run, and where, at a path or a URL; `log_level` is that of its messages."""

    experiment: Experiment
    folder: Path
    place: str
    answers: AnswerOptions
    resume: bool
    salvage: bool
    log_level: int


class Advanced(msgspec.Struct, frozen=True, kw_only=True, tag="advanced"):
    """How many Trials are finished, how many of those failed, and how many were finished before it started."""

    current: int
    failed: int
    resumed: int


class Logged(msgspec.Struct, frozen=True, kw_only=True, tag="logged"):
    """A message for the log."""

    name: str
    level: int
    message: str


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag="stopped"):
    """The error that ended it."""

    error: str
    message: str
    fix: str | None


Said = Advanced | Logged | Stopped
read_said = msgspec.json.Decoder(Said).decode


def job_line(job: ShardJob) -> bytes:
    """Return a job as a line; keys stand in it as the names of environment variables, as in the experiment."""
    return msgspec.json.encode(job, enc_hook=str) + b"\n"


def _decoded(kind: type, value: Any) -> Any:  # msgspec's own signature
    return kind(value)


class _Reports(logging.Handler):
    """Says on the real stdout what happens; what users' code prints there goes to stderr instead."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._next_s = 0.0

    def say(self, what: Said) -> None:
        """Write a line, if anybody listens."""
        with contextlib.suppress(OSError):  # the parent is gone, and stdin says so
            os.write(self._out, msgspec.json.encode(what) + b"\n")

    def emit(self, record: logging.LogRecord) -> None:
        self.say(Logged(name=record.name, level=record.levelno, message=with_urls(record.getMessage())))

    def progress(self, info: ProgressInfo) -> None:
        """Say how far it is, not too often."""
        now = time.monotonic()
        if now >= self._next_s or info.current == info.total:
            self._next_s = now + _EVERY_S
            self.say(Advanced(current=info.current, failed=info.failed, resumed=info.resumed))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(ExitCode.INTERRUPTED)


def _run(job: ShardJob, reports: _Reports) -> None:
    place = parse_place(job.place)
    options = RunOptions(
        run_dir=place,
        resume=job.resume,
        salvage=job.salvage,
        handle_signals=True,
        answers=job.answers,
        progress=reports.progress,
    )
    give_up_s = time.monotonic() + (_LOCKED_S if isinstance(place, Path) else _LOCKED_AWAY_S)
    while True:
        try:
            asyncio.run(arun(job.experiment, folder=job.folder, options=options))
            return
        except LockedError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(_EVERY_S)


def main() -> NoReturn:
    """Run the job; the exit code is 0 once the shard is sealed."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        os._exit(ExitCode.INTERRUPTED)
    job = msgspec.json.decode(line, type=ShardJob, dec_hook=_decoded)
    threading.Thread(target=_end_with_parent, daemon=True, name="insidellms-parent").start()
    reports = _Reports(job.log_level)
    root = logging.getLogger("insideLLMs")
    root.handlers, root.propagate = [reports], False
    root.setLevel(job.log_level)
    try:
        _run(job, reports)
    except (InsideLLMsError, SystemExit) as raised:
        error = exit_by_others(raised) if isinstance(raised, SystemExit) else raised
        reports.say(Stopped(error=type(error).__name__, message=with_urls(error.message), fix=error.fix))
        os._exit(error.exit_code)
    except BaseException:  # noqa: BLE001 - a bug; the interpreter cannot end while the other thread reads stdin
        traceback.print_exc()
        os._exit(ExitCode.UNEXPECTED)
    os._exit(ExitCode.OK)
