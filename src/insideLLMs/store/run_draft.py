"""The files of a run under temporary names, until all are complete and take their own."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import RecordIdentity, read_record
from insideLLMs.core.types import ResultStatus
from insideLLMs.store.journal import Entry, Journal
from insideLLMs.store.manifest import FileDigest, Manifest
from insideLLMs.store.sealed_run import JOURNAL, MANIFEST, RECORDS, TELEMETRY


class RunDraft:
    """Writes records and telemetry in their order, all at once or bit by bit, then the other files, then publishes.

    A crash on the way leaves the journal, from which sealing starts again. Every method raises OSError where the
    disk refuses.
    """

    def __init__(self, path: Path, journal: Journal, *, has_telemetry: bool) -> None:
        self.statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
        self._path = path
        self._journal = journal
        self._tree = canonical.MerkleTree()
        self._next = 0
        self._last: tuple[str, str, str, str, int] | None = None
        self._names: list[str] = []
        self._records = self._new(RECORDS)
        self._telemetry = self._new(TELEMETRY) if has_telemetry else None

    def take(self, most: int) -> Iterator[bytes]:
        """Write, and yield, what has no unfinished Trial before it by now; at most so many records."""
        for entry in itertools.islice(self._journal.entries(self._next, gapless=True), most):
            yield self._add(entry)

    def take_rest(self) -> Iterator[bytes]:
        """Write, and yield, the other records. Raises RunDirectoryError unless each Trial of the plan has one."""
        with self._records, self._telemetry or contextlib.nullcontext():
            for entry in self._journal.entries(self._next):
                yield self._add(entry)
            self._expect(self._journal.total)

    def root(self) -> str:
        """Return the root of the tree of all records."""
        return self._tree.root()

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """Open another file of the run; it is durable when the block ends well."""
        with self._new(name) as file:
            yield file

    def write(self, name: str, data: bytes) -> None:
        """Write another file of the run whole."""
        with self.file(name) as file:
            file.write(data)

    def digests(self) -> dict[str, FileDigest]:
        """Return the digest of every canonical file written so far, by name."""
        return {name: _digest(self._draft_of(name)) for name in sorted(self._names) if name != TELEMETRY}

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, give every file its own name, and remove the journal."""
        self.write(MANIFEST, canonical.pretty(manifest))
        for name in self._names:
            self._draft_of(name).replace(self._path / name)
        if TELEMETRY not in self._names:
            (self._path / TELEMETRY).unlink(missing_ok=True)
        _sync_folder(self._path)
        (self._path / JOURNAL).unlink()
        _sync_folder(self._path)

    def drop(self) -> None:
        """Remove what was written under a temporary name."""
        for file in filter(None, (self._records, self._telemetry)):
            with contextlib.suppress(OSError):  # a full disk refuses what the buffer holds
                file.file.close()
        for name in self._names:
            with contextlib.suppress(OSError):  # sealing writes over what cannot be removed
                self._draft_of(name).unlink(missing_ok=True)

    def _new(self, name: str) -> "_DraftFile":
        self._names.append(name)
        return _DraftFile(self._draft_of(name))

    def _draft_of(self, name: str) -> Path:
        return self._path / f"{name}.tmp"

    def _add(self, entry: Entry) -> bytes:
        self._expect(entry.index)
        identity = read_record(entry.record, RecordIdentity)
        if self._last and identity.sort_key <= self._last:
            raise RunDirectoryError(f"{self._path}: the record of trial {entry.index} is out of order or double")
        self._last = identity.sort_key
        self.statuses[identity.status] += 1
        self._tree.add(entry.record)
        self._records.file.write(entry.record + b"\n")
        if self._telemetry is not None:
            self._telemetry.file.write(_telemetry_line(identity, entry.telemetry))
        self._next += 1
        return entry.record

    def _expect(self, index: int) -> None:
        if index != self._next:
            raise RunDirectoryError(
                f"{self._path} is not complete: trial {self._next} of {self._journal.total} has no record",
                fix="go on with --resume: only what is missing is asked",
            )


class _DraftFile:
    """A file that is made durable when its block ends well."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("wb")

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
        finally:
            with contextlib.suppress(OSError):  # a full disk was reported already; closing only tries the rest again
                self.file.close()


def _telemetry_line(identity: RecordIdentity, telemetry: bytes) -> bytes:
    """Put the facts behind what names their Trial; both are objects of plain JSON, as the journal has them."""
    named = msgspec.json.encode(identity)
    return named[:-1] + (b"," if len(telemetry) > 2 else b"") + telemetry[1:] + b"\n"


def _digest(path: Path) -> FileDigest:
    with path.open("rb") as file:
        return FileDigest(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size_bytes=path.stat().st_size)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
