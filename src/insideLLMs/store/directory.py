"""The run directory: who may write there, what state it is in, and how it is sealed.

A folder is ours only if it holds the marker; nothing is deleted or overwritten in any other. One process
writes at a time, held by a lock on the marker. A journal present means unfinished, a manifest without a
journal means sealed.
"""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import LockedError, PlanMismatchError, RunDirectoryError, StorageError
from insideLLMs.core.types import ResultStatus
from insideLLMs.store.journal import Entry, Journal, seed
from insideLLMs.store.manifest import FileDigest, Manifest

MARKER = ".insidellms-run"
JOURNAL = "journal.jsonl"
RECORDS = "records.jsonl"
TELEMETRY = "telemetry.jsonl"
MANIFEST = "manifest.json"
SUMMARY = "summary.json"
CONFIG = "config.resolved.yaml"
REPORT = "report.html"
OUR_FILES = (JOURNAL, RECORDS, TELEMETRY, MANIFEST, SUMMARY, CONFIG, REPORT)
_ROOM_BYTES = 256 * 1024 * 1024
"""Less free than this, and nothing is written ahead: an answer may need the room."""
_MARKER_TEXT = b"This folder is an insideLLMs run directory. Do not edit its files by hand.\n"

FileWriter = Callable[[BinaryIO], None]


class State(Enum):
    """What a folder is, seen as a run directory."""

    ABSENT = "absent"
    EMPTY = "empty"
    UNFINISHED = "unfinished"
    SEALED = "sealed"
    FOREIGN = "foreign"


def state_of(path: Path) -> State:
    """Tell what `path` is. Raises RunDirectoryError if it is a file."""
    if not path.exists():
        return State.ABSENT
    if not path.is_dir():
        raise RunDirectoryError(f"{path} is a file, not a run directory", fix="give a folder")
    if (path / MARKER).is_file():
        if (path / JOURNAL).exists():
            return State.UNFINISHED
        return State.SEALED if (path / MANIFEST).exists() else State.EMPTY
    return State.FOREIGN if any(path.iterdir()) else State.EMPTY


class Sealing(msgspec.Struct, frozen=True, kw_only=True):
    """What sealing adds to the records: `render` makes the other canonical files once the records are written.

    `take` is given each record's line, in their order, as it is written.
    """

    manifest: Callable[[dict[str, int], str, Mapping[str, FileDigest]], Manifest]
    render: Callable[[Path], Mapping[str, FileWriter]]
    telemetry: bool = True
    take: Callable[[bytes], None] | None = None


class RunDirectory(msgspec.Struct):
    """A run directory that this process holds for writing. Use as a context manager."""

    path: Path
    journal: Journal
    _lock_fd: int
    _ahead: "_RecordsDraft | None" = None

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
            self.drop_ahead()
            self.journal.close()
        finally:
            os.close(self._lock_fd)

    def write_ahead(self, sealing: Sealing, most: int) -> bool:
        """Write records of Trials that are finished and have none unfinished before them, at most so many.

        `seal`, with the same `sealing`, writes the rest. False where the disk is not for it: what was written is
        dropped, `sealing` is spent, and all is left to `seal` with another one.
        """
        try:
            if self._ahead is None:
                self._ahead = _RecordsDraft(self.path, self.journal, sealing)
            if shutil.disk_usage(self.path).free < _ROOM_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the room is for answers
            self._ahead.write(most)
        except OSError:
            self.drop_ahead()
            return False
        return True

    def drop_ahead(self) -> None:
        """Forget what was written ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.drop()

    def seal(self, sealing: Sealing) -> Manifest:
        """Write the canonical files from the journal, each under a temporary name first, then remove the journal.

        A crash on the way leaves the journal, from which sealing starts again. Raises StorageError.
        """
        self.journal.close()
        try:
            return self._seal(sealing)
        except OSError as error:
            raise StorageError(
                f"cannot seal {self.path}: {error.strerror or error}",
                fix="make room or mend the permissions, then resume: nothing needs to be asked again",
            ) from error

    def _seal(self, sealing: Sealing) -> Manifest:
        records = self._ahead or _RecordsDraft(self.path, self.journal, sealing)
        self._ahead = None
        statuses, root = records.finish()
        drafts = [RECORDS] + ([TELEMETRY] if sealing.telemetry else [])
        for name, write in sealing.render(self.path / f"{RECORDS}.tmp").items():
            with _Draft(self.path / name) as file:
                write(file)
            drafts.append(name)
        digests = {name: _digest(self.path / f"{name}.tmp") for name in drafts if name != TELEMETRY}
        manifest = sealing.manifest(statuses, root, digests)
        with _Draft(self.path / MANIFEST) as file:
            file.write(canonical.pretty(manifest))
        for name in [*drafts, MANIFEST]:
            (self.path / f"{name}.tmp").replace(self.path / name)
        if not sealing.telemetry:
            (self.path / TELEMETRY).unlink(missing_ok=True)
        _sync_folder(self.path)
        (self.path / JOURNAL).unlink()
        _sync_folder(self.path)
        return manifest


class _Identity(msgspec.Struct, frozen=True):
    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    status: str


_decode_identity = msgspec.json.Decoder(_Identity).decode


def _telemetry_line(identity: _Identity, telemetry: bytes) -> bytes:
    """Put the facts behind what names their Trial; both are objects of plain JSON, as the journal has them."""
    named = msgspec.json.encode(identity)
    return named[:-1] + (b"," if len(telemetry) > 2 else b"") + telemetry[1:] + b"\n"


class _RecordsDraft:
    """records.jsonl and telemetry.jsonl under their temporary names, written in order, all at once or bit by bit."""

    def __init__(self, path: Path, journal: Journal, sealing: Sealing) -> None:
        self._path = path
        self._journal = journal
        self._sealing = sealing
        self._next = 0
        self._statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
        self._tree = canonical.MerkleTree()
        self._records = _Draft(path / RECORDS)
        self._facts = _Draft(path / TELEMETRY) if sealing.telemetry else None

    def write(self, most: int) -> None:
        """Write what can be written by now, at most so many records."""
        for entry in itertools.islice(self._journal.entries(self._next, gapless=True), most):
            self._add(entry)

    def finish(self) -> tuple[dict[str, int], str]:
        """Write the rest, make it durable, and return the counts by status and the root of the records' tree."""
        with self._records, self._facts or contextlib.nullcontext():
            for entry in self._journal.entries(self._next):
                self._add(entry)
        return self._statuses, self._tree.root()

    def drop(self) -> None:
        """Remove what was written."""
        for draft in filter(None, (self._records, self._facts)):
            draft.drop()

    def _add(self, entry: Entry) -> None:
        identity = _decode_identity(entry.record)
        self._statuses[identity.status] += 1
        self._tree.add(entry.record)
        self._records.file.write(entry.record + b"\n")
        if self._facts is not None:
            self._facts.file.write(_telemetry_line(identity, entry.telemetry))
        if self._sealing.take is not None:
            self._sealing.take(entry.record)
        self._next = entry.index + 1


class _Draft:
    """A file written under a temporary name and made durable when closed."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.tmp")
        self.file: BinaryIO = self._path.open("wb")

    def __enter__(self) -> BinaryIO:
        return self.file

    def drop(self) -> None:
        """Close and remove it."""
        with contextlib.suppress(OSError):  # a full disk refuses what the buffer holds
            self.file.close()
        with contextlib.suppress(OSError):  # sealing writes over what cannot be removed
            self._path.unlink(missing_ok=True)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
        finally:
            with contextlib.suppress(OSError):  # a full disk has told so already; closing only tries the rest again
                self.file.close()


def _digest(path: Path) -> FileDigest:
    with path.open("rb") as file:
        return FileDigest(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refuse(path: Path, state: State, *, resume: bool, overwrite: bool) -> None:
    if state is State.FOREIGN:
        raise RunDirectoryError(
            f"{path} is not empty and is not a run directory; nothing there was touched",
            fix="choose another --run-dir, or an empty folder",
        )
    if resume or overwrite or state in {State.ABSENT, State.EMPTY}:
        return
    told = "a finished run" if state is State.SEALED else "an unfinished run"
    raise RunDirectoryError(
        f"{path} already holds {told}",
        fix="add --resume to go on with it, --overwrite to replace it, or choose another --run-dir",
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
    manifest = read_manifest(path)
    if manifest.run_id != run_id:
        raise PlanMismatchError(
            f"{path} holds run {manifest.run_id[:12]}, but this experiment is run {run_id[:12]}: "
            "its models, probes, parameters, repeats or datasets differ",
            fix="restore the experiment and data as they were, or choose another --run-dir",
        )
    seed(path / JOURNAL, run_id=run_id, total=total, entries=_sealed_entries(path))


def _sealed_entries(path: Path) -> Iterator[Entry]:
    telemetry = _telemetry_of(path)
    for index, line in enumerate(read_lines(path / RECORDS)):
        facts = next(telemetry, b"{}")
        if _decode_identity(line).status == ResultStatus.SUCCESS:
            yield Entry(index=index, record=line, telemetry=facts)


def _telemetry_of(path: Path) -> Iterator[bytes]:
    """Yield the telemetry of each record without what the record itself says."""
    if not (path / TELEMETRY).exists():
        return
    for line in read_lines(path / TELEMETRY):
        facts = msgspec.json.decode(line)
        for name in _Identity.__struct_fields__:
            facts.pop(name, None)
        yield msgspec.json.encode(facts)


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file without their newlines. Raises RunDirectoryError if it cannot be read."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except OSError as error:
        raise RunDirectoryError(f"cannot read {path}: {error.strerror}") from error


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a sealed run. Raises RunDirectoryError saying what `path` is instead."""
    state = state_of(path)
    if state is State.UNFINISHED:
        raise RunDirectoryError(
            f"{path} holds an unfinished run", fix="finish it first: insidellms run EXPERIMENT --run-dir ... --resume"
        )
    if state is not State.SEALED:
        told = "does not exist" if state is State.ABSENT else "is not a run directory"
        raise RunDirectoryError(f"{path} {told}", fix="give the folder that `insidellms run` printed")
    try:
        return msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise RunDirectoryError(
            f"{path / MANIFEST} cannot be read: {error}", fix="was it edited, or written by a newer version?"
        ) from error
