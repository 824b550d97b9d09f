"""The files of a run under temporary names, until all are complete and take their own."""

import contextlib
import hashlib
import io
import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from msgspec import UNSET, UnsetType

from insideLLMs.core import canonical, merkle
from insideLLMs.core.errors import OptionError, RunDirectoryError, StorageError
from insideLLMs.core.record_views import RecordIdentity, TrialOrder, read_record, trial_order
from insideLLMs.core.types import ResultStatus
from insideLLMs.core.zstd import INSTALL, zstd_module
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.journal_line import Entry
from insideLLMs.store.leaves import Leaf, leaf_line, seal_line
from insideLLMs.store.manifest import FileDigest, Manifest
from insideLLMs.store.sealed_run import BATCHES, JOURNAL, LEAVES, MANIFEST, PACKED_RECORDS, RECORDS, TELEMETRY
from insideLLMs.store.telemetry_line import telemetry_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

View = TypeVar("View", bound=RecordIdentity)
_BUFFER_BYTES = 64 * 1024
_LINES_AT_ONCE = 32
_NOT_CANONICAL = {TELEMETRY, LEAVES}
_OPTIONAL = {TELEMETRY, RECORDS, PACKED_RECORDS}
_LEVEL = 3


class RunDraft(Generic[View]):
    """Writes records and telemetry in their order, all at once or bit by bit, then the other files, then publishes.

    Each record is read once, as a `view`, for all who make something of it.

    A crash on the way leaves the journal, from which sealing starts again. Every method raises OSError where the
    disk refuses, and StorageError where somebody else changed the folder.
    """

    def __init__(
        self, directory: RunDirectory, *, view: type[View], has_telemetry: bool, compress: bool = False
    ) -> None:
        self._view = view
        self.statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
        self._directory = directory
        self._folder = directory.folder
        self._journal = directory.journal
        self._tree = merkle.MerkleTree()
        self._next = 0
        self._last: TrialOrder | None = None
        self._files: dict[str, _DraftFile] = {}
        with contextlib.ExitStack() as stack:
            stack.callback(self.drop)
            self._records = self._new(PACKED_RECORDS, packer()) if compress else self._new(RECORDS)
            self._leaves = self._new(LEAVES)
            self._telemetry = self._new(TELEMETRY) if has_telemetry else None
            stack.pop_all()

    def take(self, most: int) -> Iterator[View]:
        """Write, and yield, what has no unfinished Trial before it by now; at most so many records."""
        for entry in itertools.islice(self._journal.entries(self._next, gapless=True), most):
            yield self._add(entry)

    def take_rest(self) -> Iterator[View]:
        """Write, and yield, the other records. Raises RunDirectoryError unless each Trial of the plan has one."""
        with self._records, self._telemetry or contextlib.nullcontext():
            for entry in self._journal.entries(self._next):
                yield self._add(entry)
            self._expect(self._journal.total)

    def root(self) -> str:
        """Return the root of the tree of all records."""
        return self._tree.root()

    def write(self, name: str, data: bytes) -> None:
        """Write another file of the run whole."""
        with self.file(name) as file:
            file.write(data)

    def file(self, name: str) -> "_DraftFile":
        """Return another file of the run, to be written in a `with` block."""
        return self._new(name)

    def digests(self) -> dict[str, FileDigest]:
        """Return the digest of every canonical file written so far, by name."""
        files = {RECORDS if name == PACKED_RECORDS else name: file for name, file in self._files.items()}
        return {name: files[name].digest() for name in sorted(files) if name not in _NOT_CANONICAL}

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, give every file its own name, and remove the journal and what batches answered."""
        stored, lines = canonical.pretty(manifest), self._leaves.digest().sha256
        with self._leaves as leaves:
            seal = seal_line(
                lines,
                stored,
                has_telemetry=self._telemetry is not None,
                packed_sha256=self._records.packed_sha256(),
            )
            leaves.write(seal + b"\n")
        self.write(MANIFEST, stored)
        folder = self._folder
        for name, file in self._files.items():
            self._directory.check_held()
            if not folder.holds(_draft(name), file.stat):
                raise StorageError(
                    f"{folder.path / _draft(name)} was changed by another program",
                    fix="see what else writes there, then resume: nothing needs to be asked again",
                )
            folder.rename(_draft(name), name)
        for name in _OPTIONAL - self._files.keys():
            folder.remove(name)
        folder.sync()
        self._directory.check_held()
        folder.remove(BATCHES)
        folder.remove(JOURNAL)
        folder.sync()

    def drop(self) -> None:
        """Remove what was written under a temporary name."""
        for name, file in self._files.items():
            with contextlib.suppress(OSError):  # a full disk refuses what the buffer holds
                file.close()
            with contextlib.suppress(OSError):  # sealing writes over what cannot be removed
                if self._folder.holds(_draft(name), file.stat):
                    self._folder.remove(_draft(name))

    def _new(self, name: str, packing: "Packer | None" = None) -> "_DraftFile":
        self._directory.check_held()
        self._files[name] = file = _DraftFile(self._folder.create(_draft(name)), packing)
        return file

    def _add(self, entry: Entry) -> View:
        self._expect(entry.index)
        record = read_record(entry.record, self._view)
        order = trial_order(record)
        if self._last and order <= self._last:
            raise RunDirectoryError(
                f"{self._folder.path}: the record of trial {entry.index} is out of order or duplicated",
                fix="its journal was edited: restore it, or start the run again with --overwrite",
            )
        self._last = order
        self.statuses[record.status] += 1
        leaf = self._tree.add(entry.record)
        self._leaves.add_line(leaf_line(Leaf.of(leaf, record)))
        self._records.add_line(entry.record)
        if self._telemetry is not None:
            self._telemetry.add_line(telemetry_line(record.identity, entry.telemetry))
        self._next += 1
        return record

    def _expect(self, index: int) -> None:
        if index != self._next:
            raise RunDirectoryError(
                f"{self._folder.path} is not complete: trial {self._next} of {self._journal.total} has no record",
                fix="go on with --resume: only what is missing is asked",
            )


class Packer(Protocol):
    """Compresses a stream."""

    def compress(self, data: "ReadableBuffer") -> bytes: ...
    def flush(self) -> bytes: ...


def packer() -> Packer:
    """Return what packs records: always at the same level, on one thread. Raises OptionError without the extra."""
    try:
        made: Packer = zstd_module().ZstdCompressor(level=_LEVEL)
    except ImportError as error:
        raise OptionError("records are compressed with zstd, which this installation lacks", fix=INSTALL) from error
    return made


class _DraftFile(io.BufferedWriter):
    """A new file that is hashed as it is written, then perhaps packed, and made durable when its block ends well."""

    def __init__(self, raw: io.RawIOBase, packing: Packer | None = None) -> None:
        super().__init__(raw, _BUFFER_BYTES)
        self._packing = packing
        self._packed_sha256 = hashlib.sha256()
        self.stat = os.fstat(self.fileno())
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self._lines: list[bytes] = []

    def add_line(self, line: bytes) -> None:
        """Collect a line, to be written with others: one by one, hashing and writing takes twice as long."""
        self._lines.append(line)
        if len(self._lines) >= _LINES_AT_ONCE:
            self._write_lines()

    def _write_lines(self) -> None:
        if self._lines:
            self.write(b"\n".join(self._lines) + b"\n")
            self._lines.clear()

    def write(self, data: "ReadableBuffer") -> int:
        """Write and hash."""
        self._sha256.update(data)
        if self._packing is None:
            size = super().write(data)
        else:
            size = len(memoryview(data))
            self._write_packed(self._packing.compress(data))
        self._size_bytes += size
        return size

    def _write_packed(self, data: bytes) -> None:
        self._packed_sha256.update(data)
        super().write(data)

    def digest(self) -> FileDigest:
        """Return the digest of what was written."""
        self._write_lines()
        return FileDigest(sha256=self._sha256.hexdigest(), size_bytes=self._size_bytes)

    def packed_sha256(self) -> str | UnsetType:
        """Return the digest of the bytes as they are stored, where they were packed and its block has ended."""
        return UNSET if self._packing is None else self._packed_sha256.hexdigest()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._write_lines()
                if self._packing is not None:
                    self._write_packed(self._packing.flush())
                self.flush()
                os.fsync(self.fileno())
        finally:
            with contextlib.suppress(OSError):  # a full disk was reported already; closing only tries the rest again
                self.close()


def _draft(name: str) -> str:
    return f"{name}.tmp"
