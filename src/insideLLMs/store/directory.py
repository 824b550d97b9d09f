"""The run directory: who may write there, what state it is in, and how it is sealed.

A folder is ours only if it holds the marker; nothing is deleted or overwritten in any other. One process
writes at a time, held by a lock on the marker. A journal present means unfinished, a manifest without a
journal means sealed.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from insideLLMs.core.errors import LockedError, PlanMismatchError, RunDirectoryError, StorageError
from insideLLMs.core.record_views import RecordIdentity, read_record
from insideLLMs.core.types import ResultStatus
from insideLLMs.store.journal import Entry, Journal, seed
from insideLLMs.store.sealed_run import JOURNAL, MARKER, OUR_FILES, SealedRun, State, state_of

_ROOM_BYTES = 256 * 1024 * 1024
"""Less free than this, and nothing but answers is written while a run goes on."""
_MARKER_TEXT = b"This folder is an insideLLMs run directory. Do not edit its files by hand.\n"


def free_run_dir(root: Path, name: str, run_id: str) -> Path:
    """Return ``root/NAME-RUNID``, or the first of ``-2``, ``-3``, ... that is not taken."""
    base = root / f"{_file_name(name)}-{run_id[:12]}"
    path, number = base, 1
    while state_of(path) not in {State.ABSENT, State.EMPTY}:
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def _file_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")
    return kept[:60] or "run"


class RunDirectory(msgspec.Struct):
    """A run directory that this process holds for writing. Use as a context manager."""

    path: Path
    journal: Journal
    _lock_fd: int

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        run_id: str,
        total: int,
        resume: bool = False,
        overwrite: bool = False,
        salvage: bool = False,
    ) -> Self:
        """Take hold of `path` for a run of `total` Trials.

        A used folder is refused unless `resume` (the same run goes on; a sealed one is reopened for its
        failures) or `overwrite` (our files, and only in a folder with our marker, are removed first).
        """
        state = state_of(path)
        _refuse(path, state, resume=resume, overwrite=overwrite)
        lock_fd = _lock(path)
        try:
            if overwrite and not resume:
                _remove_our_files(path)
            journal = Journal(path / JOURNAL, run_id=run_id, total=total)
            if resume and state is State.SEALED:
                _reopen(path, run_id=run_id, total=total)
            if resume and (path / JOURNAL).exists():
                journal.resume(salvage=salvage)
            else:
                journal.create()
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(path, journal, lock_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.journal.close()
        finally:
            os.close(self._lock_fd)

    def has_room(self) -> bool:
        """Whether the disk has room for more than answers."""
        return shutil.disk_usage(self.path).free >= _ROOM_BYTES

    @contextlib.contextmanager
    def sealing(self) -> Iterator[None]:
        """Close the journal, from which the block writes the files of the run. Raises StorageError."""
        self.journal.close()
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot seal {self.path}: {error.strerror or error}",
                fix="make room or fix the permissions, then resume: nothing needs to be asked again",
            ) from error


def _refuse(path: Path, state: State, *, resume: bool, overwrite: bool) -> None:
    if state is State.FOREIGN:
        raise RunDirectoryError(
            f"{path} is not empty and is not a run directory; nothing was changed",
            fix="choose another --run-dir, or an empty folder",
        )
    if resume or overwrite or state in {State.ABSENT, State.EMPTY}:
        return
    told = "a finished run" if state is State.SEALED else "an unfinished run"
    raise RunDirectoryError(
        f"{path} already holds {told}",
        fix="add --resume to continue it, --overwrite to replace it, or choose another --run-dir",
    )


def _lock(path: Path) -> int:
    """Create the folder and its marker, and hold the marker until the descriptor is closed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        fd = os.open(path / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(
            f"cannot write in {path}: {error.strerror}",
            fix="check the folder's permissions, or choose another --run-dir",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_size == 0:
            os.write(fd, _MARKER_TEXT)
    except BlockingIOError as error:
        os.close(fd)
        raise LockedError(
            f"another process is writing to {path}", fix="wait for it, or choose another --run-dir"
        ) from error
    except OSError as error:
        os.close(fd)
        raise StorageError(f"cannot write in {path}: {error.strerror}", fix="check the disk's free space") from error
    return fd


def _remove_our_files(path: Path) -> None:
    for name in OUR_FILES:
        (path / name).unlink(missing_ok=True)
        (path / f"{name}.tmp").unlink(missing_ok=True)


def _reopen(path: Path, *, run_id: str, total: int) -> None:
    """Turn a sealed run back into a journal of its successes."""
    sealed = SealedRun.open(path)
    found = sealed.manifest.run_id
    if found != run_id:
        raise PlanMismatchError(
            f"{path} holds run {found[:12]}, but this experiment is run {run_id[:12]}: "
            "its models, probes, parameters, repeats or datasets differ",
            fix="restore the experiment and data as they were, or choose another --run-dir",
        )
    seed(path / JOURNAL, run_id=run_id, total=total, entries=_sealed_entries(sealed))


def _sealed_entries(run: SealedRun) -> Iterator[Entry]:
    telemetry = run.telemetry() if run.has_telemetry else iter(())
    for index, line in enumerate(run.lines()):
        facts = next(telemetry, None)
        if read_record(line, RecordIdentity).status == ResultStatus.SUCCESS:
            yield Entry(index=index, record=line, telemetry=msgspec.json.encode(facts.facts) if facts else b"{}")
