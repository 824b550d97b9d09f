"""A sealed run, opened once: every reader of a run directory goes through it.

What it hands out is what was sealed: each canonical file is held against its digest in the manifest, and the records
against their number too, so that a copy that was cut or edited can never lead to a verdict.
"""

import contextlib
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, Self, TypeVar

import msgspec

from insideLLMs.core.errors import ConfigError, RunDirectoryError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import UNREADABLE, OfTrial, TelemetryLine, is_same_trial, read_record
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.zstd import INSTALL, zstd_faults, zstd_module
from insideLLMs.store.manifest import FileDigest, Manifest
from insideLLMs.store.telemetry_line import read_telemetry_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MARKER = ".insidellms-run"
MARKER_TEXT = b"This folder is an insideLLMs run directory. Do not edit its files by hand.\n"
JOURNAL = "journal.jsonl"
BATCHES = "batches.jsonl"
RECORDS = "records.jsonl"
PACKED_RECORDS = f"{RECORDS}.zst"
"""The same records, compressed: every digest is of what it unpacks to."""
LEAVES = "leaves.jsonl"
TELEMETRY = "telemetry.jsonl"
MANIFEST = "manifest.json"
SUMMARY = "summary.json"
CONFIG = "config.resolved.yaml"
REPORT = "report.html"
SIGNATURES = "signatures.dsse.json"
OUR_FILES = (
    MANIFEST, RECORDS, PACKED_RECORDS, LEAVES, TELEMETRY, SUMMARY, CONFIG, REPORT, SIGNATURES, BATCHES, JOURNAL,
)  # fmt: skip
"""In the order of removal: what makes a run a sealed one goes first, what it can be resumed from last."""
OF_EXPERIMENTS = (".yaml", ".yml", ".toml")
"""Suffixes of experiments that no log of another tool has."""
_USUAL_ROOT = "runs"
_BLOCK_BYTES = 64 * 1024
Stored = TypeVar("Stored")
Named = TypeVar("Named", bound=OfTrial)


class State(Enum):
    """What a folder is, seen as a run directory."""

    ABSENT = "absent"
    EMPTY = "empty"
    UNFINISHED = "unfinished"
    SEALED = "sealed"
    FOREIGN = "foreign"


def state_of(path: Path) -> State:
    """Tell what `path` is. Raises RunDirectoryError if it is a file, or cannot be looked into."""
    try:
        return _state_of(path)
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be looked into: {error.strerror}", fix="check its name and its permissions"
        ) from error


def _state_of(path: Path) -> State:
    if not path.exists():
        return State.ABSENT
    if not path.is_dir():
        is_experiment = path.suffix.lower() in OF_EXPERIMENTS
        of_log = "give a folder; the log of another tool becomes one: insidellms import FILE --to FOLDER"
        raise RunDirectoryError(
            f"{path} is a file, not a run directory",
            fix=f"run it, and give the folder of its run: insidellms run {as_typed(path)}" if is_experiment else of_log,
        )
    if is_regular(path / MARKER):
        if (path / JOURNAL).exists():
            return State.UNFINISHED
        return State.SEALED if (path / MANIFEST).exists() else State.EMPTY
    return State.FOREIGN if any(path.iterdir()) else State.EMPTY


def _run_inside(folder: Path) -> Path | None:
    """Return a run of a folder of runs, or of a pool; None if it has none."""
    return next((child for child in sorted(folder.iterdir()) if is_regular(child / MANIFEST)), None)


def _run_meant(path: Path) -> Path | None:
    """Return the run that an absent path may mean: of that name where runs are stored, or one with a similar name."""
    import difflib  # noqa: PLC0415 - only for a run that is missing

    stored = path.parent / _USUAL_ROOT / path.name
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    runs = {run.name: run for run in beside if is_regular(run / MANIFEST)}
    near = difflib.get_close_matches(path.name, sorted(runs), n=1)
    return stored if is_regular(stored / MANIFEST) else runs[near[0]] if near else None


class SealedRun:
    """A run directory with its manifest; the other files are read when asked for.

    `source` is the file that makes it this run: its manifest, or the log of another tool that it was read from.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.source = path / MANIFEST
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the manifest of a sealed run. Raises RunDirectoryError saying what `path` is instead."""
        state = state_of(path)
        if state is State.UNFINISHED:
            raise RunDirectoryError(
                f"{path} holds an unfinished run",
                fix=f"finish it first: insidellms run EXPERIMENT --run-dir {as_typed(path)} --resume",
            )
        if state is not State.SEALED:
            problem = "does not exist" if state is State.ABSENT else "is not a run directory"
            inside = _run_inside(path) if state is State.FOREIGN else None
            meant = _run_meant(path) if state is State.ABSENT else None
            usual = f"did you mean {meant}?" if meant else "give the folder that `insidellms run` printed"
            fix = f"give a run in it, such as {inside}" if inside else usual
            raise RunDirectoryError(f"{path} {problem}", fix=fix)
        try:
            return cls(path, msgspec.json.decode(_read(path / MANIFEST), type=Manifest))
        except (OSError, *UNREADABLE) as error:
            raise RunDirectoryError(
                f"{path / MANIFEST} cannot be read: {error}", fix="was it edited, or written by a newer version?"
            ) from error

    @property
    def label(self) -> str:
        """What people call the run: its folder's name."""
        return self.path.name or self.path.resolve().name

    def require_whole(self) -> None:
        """Raise RunDirectoryError for a run of a part of its experiment, which leaves the rest unguarded."""
        if self.manifest.part:
            raise RunDirectoryError(
                f"{self.path} is {self.manifest.part}; here the whole run is needed",
                fix="run the whole experiment, and give that run",
            )

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that the run was made of. Raises RunDirectoryError."""
        from insideLLMs.config.resolved import read_resolved  # noqa: PLC0415 - YAML takes 20 ms

        try:
            return read_resolved(self.read_file(CONFIG))
        except ConfigError as error:
            problems = "; ".join(str(problem) for problem in error.problems)
            raise _unreadable(self.path / CONFIG, problems) from error

    @cached_property
    def summary(self) -> Summary:
        """How the run came out. Raises RunDirectoryError, also where the records that it sums up are not whole."""
        self._check_size(RECORDS)
        try:
            return msgspec.json.decode(self.read_file(SUMMARY), type=Summary)
        except UNREADABLE as error:
            raise _unreadable(self.path / SUMMARY, error) from error

    @property
    def gate(self) -> GateSpec:
        """The gate's settings that the experiment states."""
        return self.experiment.gate

    def records(self, as_: type[Stored]) -> Iterator[Stored]:
        """Yield every record as `as_`: Record, or one of its views. Raises RunDirectoryError as `lines` does."""
        path = self.path / RECORDS
        for number, line in enumerate(self.lines(), start=1):
            yield read_record(line, as_, where=f"{path}, line {number}")

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of `records.jsonl`, without newlines.

        Raises RunDirectoryError at the end if these are not the records that were sealed.
        """
        return chain.from_iterable(self._blocks_of_lines())

    def _blocks_of_lines(self) -> Iterator[list[bytes]]:
        digest, count = hashlib.sha256(), 0
        sealed = self.manifest.files.get(RECORDS)
        most_bytes = 0 if sealed is None else sealed.size_bytes
        for lines in _digested_lines(content_path(self.path, RECORDS), digest, most_bytes):
            count += len(lines)
            yield lines
        if count != self.manifest.trials:
            self._refuse(f"{self.path / RECORDS} has {count:,} of the {self.manifest.trials:,} records of the run")
        self._check(RECORDS, digest.hexdigest())

    @property
    def has_telemetry(self) -> bool:
        """Whether the run kept its telemetry."""
        return is_regular(self.path / TELEMETRY)

    def telemetry(self) -> Iterator[TelemetryLine]:
        """Yield the lines of `telemetry.jsonl`. Raises RunDirectoryError, also for one that was changed."""
        if not self.has_telemetry:
            raise RunDirectoryError(
                f"{self.path / TELEMETRY} is missing: the run was made with --no-telemetry, or accepted with --slim",
                fix="leave --telemetry out, or give the run that was accepted",
            )
        path = self.path / TELEMETRY
        for number, line in enumerate(read_lines(path), start=1):
            yield read_telemetry_line(line, where=f"{path}, line {number}")

    def measured_records(self, as_: type[Named]) -> Iterator[tuple[Named, TelemetryLine | None]]:
        """Yield every record with its line of telemetry, None where the run kept none.

        Raises RunDirectoryError, also where the two files are not of the same Trials.
        """
        lines = self.telemetry() if self.has_telemetry else None
        for record in self.records(as_):
            line = next(lines, None) if lines is not None else None
            if lines is not None and (line is None or not is_same_trial(line, record)):
                self._refuse(
                    f"{self.path / TELEMETRY} does not follow {RECORDS}: it lacks example {record.example_id!r} "
                    f"of probe {record.probe!r}, repeat {record.repeat}"
                )
            yield record, line

    def read_file(self, name: str) -> bytes:
        """Return a small canonical file. Raises RunDirectoryError if it is not the one that was sealed."""
        try:
            data = _read(self.path / name)
        except OSError as error:
            raise _unreadable(self.path / name, error.strerror) from error
        self._check(name, hashlib.sha256(data).hexdigest())
        return data

    def _check(self, name: str, sha256: str) -> None:
        sealed: FileDigest | None = self.manifest.files.get(name)
        if sealed is None or sealed.sha256 != sha256:
            self._refuse(f"{self.path / name} is not the file that was sealed: its sha256 differs from the manifest's")

    def _check_size(self, name: str) -> None:
        """Notice a file that was cut or is gone, without reading it; of a compressed one only that it is gone."""
        if content_path(self.path, name) != self.path / name:
            return
        sealed = self.manifest.files.get(name)
        found = (self.path / name).lstat().st_size if is_regular(self.path / name) else 0
        if sealed is None or sealed.size_bytes != found:
            expected = sealed.size_bytes if sealed is not None else 0
            self._refuse(f"{self.path / name} has {found:,} of the {expected:,} bytes that were sealed")

    def _refuse(self, problem: str) -> NoReturn:
        raise RunDirectoryError(
            problem,
            fix=f"restore the run from where it was copied, or run the experiment again; "
            f"`insidellms verify {as_typed(self.path)}` lists what changed",
        )


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file without their newlines. Raises RunDirectoryError if it cannot be read."""
    for line in stored_lines(path):
        yield line.rstrip(b"\n")


def stored_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file with their ends. Raises RunDirectoryError if it cannot be read."""
    with reading(path) as file:
        yield from file


def _digested_lines(path: Path, digest: "hashlib._Hash", most_bytes: int) -> Iterator[list[bytes]]:
    """Yield the lines of a file without their newlines, many at a time; `digest` takes in all that was read."""
    with reading(path, most_bytes) as file:
        while block := file.read(_BLOCK_BYTES):
            block += file.readline()
            digest.update(block)
            yield [line.removesuffix(b"\n") for line in io.BytesIO(block)]  # three times as fast as a split


def content_path(folder: Path, name: str) -> Path:
    """Return where the content of a canonical file is: records may be compressed, where they are not there plain."""
    packed = folder / PACKED_RECORDS
    return packed if name == RECORDS and is_regular(packed) and not is_regular(folder / name) else folder / name


class _Unpacked(io.RawIOBase):
    """What a compressed file holds, of which a few bytes may be a terabyte: reads raise OSError beyond `most_bytes`."""

    def __init__(self, stored: BinaryIO, most_bytes: int | None) -> None:
        self._file = zstd_module().ZstdFile(stored)
        self._most_bytes = most_bytes
        self._read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count: int = self._file.readinto(buffer)
        self._read_bytes += count
        if self._most_bytes is not None and self._read_bytes > self._most_bytes:
            raise OSError(errno.EFBIG, "it unpacks to more than was sealed")
        return count


@contextlib.contextmanager
def reading(path: Path, most_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a file of a run to read its content, unpacked, and of a compressed one at most so much.

    Raises RunDirectoryError if it cannot be read.
    """
    try:
        with open_regular(path) as stored:
            packed = path.name == PACKED_RECORDS
            yield io.BufferedReader(_Unpacked(stored, most_bytes), _BLOCK_BYTES) if packed else stored
    except ImportError as error:
        raise RunDirectoryError(
            f"{path} is compressed with zstd, which this installation cannot read",
            fix=f"{INSTALL}, or unpack the file beside itself",
        ) from error
    except _reading_faults() as error:
        raise _unreadable(path, getattr(error, "strerror", None) or error) from error


def _reading_faults() -> tuple[type[Exception], ...]:
    return (OSError, *zstd_faults())


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file of a run directory to read it: a link or a pipe in one that somebody else made leads elsewhere.

    Raises OSError.
    """
    return os.fdopen(regular_descriptor(path), "rb")


def regular_descriptor(path: str | os.PathLike[str], _: int = os.O_RDONLY) -> int:
    """Open as `open_regular` does; an opener for reading, as the built-in `open` takes it. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return fd


def is_regular(path: Path) -> bool:
    """Whether there is a file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _read(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()


def _unreadable(path: Path, reason: object) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} cannot be read: {reason}", fix=f"see what is wrong: insidellms verify {as_typed(path.parent)}"
    )
