"""The append-only, checksummed file of Outcomes in the order in which they finished.

Line 1 is a header that describes the run. Every further line holds a Trial's number and either its *answer* (its
record before it is scored, so that a crash of a scorer that takes long loses nothing) or the finished *record*, stored
as the very bytes that sealing copies; a line may say that its record is the answer, too.
"""

import contextlib
import logging
import os
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

import msgspec

from insideLLMs.core.errors import JournalError, PlanMismatchError, StorageError
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import Record, Request, Response, ResultStatus, Telemetry
from insideLLMs.plan import MOST_TRIALS
from insideLLMs.store.journal_line import Body, Entry, JournalHeader, answer_line, header_line, read_body, record_line

logger = logging.getLogger(__name__)

_ABSENT = 0
Opener = Callable[[str, int], int]
"""How a file is opened, as the built-in `open` takes it."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A Response that was had but not yet scored."""

    request: Request
    response: Response
    telemetry: Telemetry


_SALVAGE = (
    "leave damaged lines out: insidellms run EXPERIMENT --run-dir ... --resume --salvage (their trials are run again)"
)


class Journal:
    """Where each Trial's answer and record lie in the file; 16 bytes a Trial, whatever the Trial's size.

    `append_answer` and `append_record` only collect lines; `flush` writes them, and may run on another thread.
    `stat` says which file it writes.
    """

    durable = True

    def __init__(self, path: Path, header: JournalHeader, *, opener: Opener | None = None) -> None:
        total = header.trials
        self.path = path
        self.stat: os.stat_result | None = None
        self.opener = opener
        self.keep_up: Callable[[], None] | None = None  # uploads what was written, of a run at a URL
        self.run_id = header.run_id
        self._header = header
        self._written_for = header
        self.warnings: list[str] = []
        self.resumed = 0
        self._answers = array("q", bytes(8 * total))
        self._records = array("q", bytes(8 * total))
        self._lock = threading.Lock()
        self._pending: list[bytes] = []
        self._end = 0
        self._flushed = 0
        self._file: BinaryIO | None = None
        self._failure: OSError | None = None

    def create(self) -> None:
        """Start an empty journal. Raises StorageError if the folder cannot be written."""
        self._open("xb")
        self._begin()

    def _begin(self) -> None:
        self._append(header_line(self._header))
        self.flush()
        self.sync()

    def resume(self, *, salvage: bool = False) -> None:
        """Read what is there, drop a torn last line, and go on appending.

        Only successes count as done: errors, timeouts and skipped Trials will be tried again. Of a run that differs
        in its probes alone the answers are kept, to be scored. Raises PlanMismatchError for another run's journal,
        JournalError for damage other than a torn last line,
        unless `salvage`, which leaves damaged lines out.
        """
        intact, size = self._read(salvage=salvage)
        self._open("r+b")
        assert self._file is not None
        assert self.stat is not None
        if self.stat.st_nlink > 1:
            raise JournalError(
                f"{self.path} is one file with another name (a hard link), which writing to it would change too",
                fix="give the run directory a copy of its own (cp -r), and resume that",
            )
        if intact == 0:
            self.warnings.append("the journal was empty; starting from the beginning")
            self._file.truncate()
            self._begin()
            return
        if intact < size:
            self.warnings.append(f"dropped a torn last line of {size - intact} bytes from the journal")
            self._file.truncate(intact)
        self._file.seek(intact)
        self._end = self._flushed = intact
        if self._written_for.run_id != self.run_id:
            self._take_over()

    @classmethod
    def look(cls, path: Path, opener: Opener) -> Self:
        """Read the journal of any run, and write nothing, not even where its last line is torn. Raises JournalError."""
        header = read_header(path, opener)
        if header is None:
            raise _no_journal(path)
        journal = cls(path, header, opener=opener)
        journal._end = journal._flushed = journal._read()[0]
        return journal

    @property
    def header(self) -> JournalHeader:
        """The header of its last records, as it was found."""
        return self._written_for

    def _take_over(self) -> None:
        """Go on with the answers of a run that has other probes; its records do not count."""
        self._forget_records()
        self._begin()
        kept = sum(position != _ABSENT for position in self._answers)
        self.warnings.append(f"the probes changed: {kept:,} stored answers are scored again")

    def _forget_records(self) -> None:
        self._records = array("q", bytes(8 * self.total))
        self.resumed = 0

    def _read(self, *, salvage: bool = False) -> tuple[int, int]:
        """Return how many bytes are intact, and how many there are."""
        try:
            with self._reading() as file:
                size = os.fstat(file.fileno()).st_size
                return self._read_all(file, size, salvage=salvage), size
        except OSError as error:
            raise _storage_error("read", self.path, error) from error

    def _read_all(self, file: BinaryIO, size: int, *, salvage: bool) -> int:
        position = 0
        for number, line in enumerate(file, start=1):
            body = read_body(line)
            if body is None and position + len(line) == size:
                break
            if body is not None:
                self._note(body, position, number)
            elif number == 1 or not salvage:
                raise JournalError(
                    f"{self.path}, line {number}: the line is damaged, and it is not the last one",
                    fix=_SALVAGE,
                )
            else:
                self.warnings.append(f"left out damaged line {number} of the journal")
            position += len(line)
        return position

    def _note(self, body: Body, position: int, number: int) -> None:
        if number == 1 or body.header is not None:
            self._check_header(body)
        elif not 0 <= body.index < len(self._records):
            raise JournalError(f"{self.path}, line {number}: trial {body.index} is not part of this run")
        elif bytes(body.answer):
            self._answers[body.index] = position
        elif body.status() == ResultStatus.SUCCESS:
            self.resumed += self._records[body.index] == _ABSENT
            self._records[body.index] = position
            if body.is_answer:
                self._answers[body.index] = self._answers[body.index] or position

    def _check_header(self, body: Body) -> None:
        if body.header is None:
            raise _no_journal(self.path)
        self._written_for = found = body.header
        if not found.answers_id or found.answers_id != self._header.answers_id:
            check_same_run(self.path.parent, found.run_id, self.run_id)
        self._forget_records()

    @property
    def total(self) -> int:
        """How many Trials the run has."""
        return len(self._records)

    def is_done(self, index: int) -> bool:
        """Whether the Trial has a record."""
        return self._records[index] != _ABSENT

    def pending_answer(self, index: int) -> Answer | None:
        """Return the answer of a Trial, if it was flushed; of one that is done, that of its record."""
        position = self._answers[index] or self._records[index]
        if position == _ABSENT or position >= self._flushed:
            return None
        with self._reading() as file:
            record, telemetry = self._answered(file, position, index)
        request = record.request or record.example.request()
        return (
            None if record.response is None else Answer(request=request, response=record.response, telemetry=telemetry)
        )

    def record(self, index: int) -> bytes | None:
        """Return the record of a Trial, if it has one and it was flushed."""
        position = self._records[index]
        if position == _ABSENT or position >= self._flushed:
            return None
        with self._reading() as file:
            return bytes(self._read_at(file, position, index).record)

    def records(self, indexes: Iterable[int]) -> Iterator[bytes]:
        """Yield the records of Trials that have one."""
        with self._reading() as file:
            for index in indexes:
                yield bytes(self._read_at(file, self._records[index], index).record)

    def pending_answers(self) -> Iterator[tuple[int, Answer]]:
        """Yield the number and the answer of every Trial that was answered but has no record."""
        for index in range(self.total):
            answer = None if self.is_done(index) else self.pending_answer(index)
            if answer is not None:
                yield index, answer

    def answered(self) -> Iterator[tuple[int, Record, Telemetry]]:
        """Yield number, record and telemetry of every Trial that was answered, scored or not, in their order."""
        with self._reading() as file:
            for index, positions in enumerate(zip(self._records, self._answers, strict=True)):
                position = next((place for place in positions if place != _ABSENT), _ABSENT)
                if position != _ABSENT:
                    yield index, *self._answered(file, position, index)

    def _answered(self, file: BinaryIO, position: int, index: int) -> tuple[Record, Telemetry]:
        body = self._read_at(file, position, index)
        record = read_record(bytes(body.answer) or bytes(body.record), Record, where=f"{self.path}, trial {index}")
        return record, read_record(bytes(body.telemetry), Telemetry, where=f"{self.path}, trial {index}")

    def append_answer(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        """Collect an answer, given as the canonical line of a record without scores, for the next flush."""
        line = answer_line(index, record, msgspec.json.encode(telemetry))
        self._append(line, index=index)

    def append_record(self, index: int, record: bytes, telemetry: Telemetry, *, is_answer: bool = False) -> None:
        """Collect a finished record, given as its canonical line, for the next flush."""
        line = record_line(index, record, msgspec.json.encode(telemetry), is_answer=is_answer)
        self._append(line, index=index, is_record=True)

    def _append(self, line: bytes, *, index: int | None = None, is_record: bool = False) -> None:
        with self._lock:
            if index is not None:
                (self._records if is_record else self._answers)[index] = self._end
            self._pending.append(line)
            self._end += len(line)

    def flush(self) -> None:
        """Write what was collected. Raises StorageError if the disk refuses, now or before."""
        self._check_disk()
        with self._lock:
            data, end = b"".join(self._pending), self._end
            self._pending.clear()
        if data:
            assert self._file is not None
            try:
                self._file.write(data)
                self._file.flush()
            except OSError as error:
                self._abandon(error)
                raise _storage_error("write", self.path, error) from error
            self._flushed = end

    def sync(self) -> None:
        """Make durable what was flushed; safe beside a flush on another thread. Raises StorageError."""
        self._check_disk()
        assert self._file is not None
        try:
            if not os.fstat(self._file.fileno()).st_nlink:
                raise self.removed()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._abandon(error)
            raise _storage_error("write", self.path, error) from error

    def removed(self) -> StorageError:
        """Return the error that says what is lost with the file."""
        answered = sum(map(any, zip(self._records, self._answers, strict=True)))
        return StorageError(
            f"{self.path} was removed while the run went on: {answered:,} of {self.total:,} answers were in it, "
            "and they are lost",
            fix="start the run again; what is asked again costs again",
        )

    def close(self) -> None:
        """Flush, sync and close; a closed journal can still be read. Raises StorageError."""
        if self._file is not None and not self._file.closed:
            try:
                self.flush()
                self.sync()
            finally:
                self._file.close()

    def _check_disk(self) -> None:
        """Raise the StorageError of a write that failed before: others may still hand in answers."""
        if self._failure is not None:
            raise _storage_error("write", self.path, self._failure)

    def _abandon(self, error: OSError) -> None:
        """Close a file that refuses writes; what its buffer still holds is lost, and will be asked again."""
        assert self._file is not None
        self._failure = error
        with contextlib.suppress(OSError):
            self._file.close()

    def entries(self, first: int = 0, *, gapless: bool = False) -> Iterator[Entry]:
        """Yield the finished Trials from number `first` on, in the order of their numbers, not that of finishing.

        Where they must be `gapless`, it ends before the first that is not finished or not flushed.
        """
        with self._reading() as file:
            for index in range(first, len(self._records)):
                position = self._records[index]
                if position != _ABSENT and position < self._flushed:
                    body = self._read_at(file, position, index)
                    yield Entry(index=index, record=bytes(body.record), telemetry=bytes(body.telemetry))
                elif gapless:
                    return

    def is_empty(self) -> bool:
        """Whether no Trial has an answer or a record."""
        return not (any(self._answers) or any(self._records))

    def count_done(self) -> int:
        """Count the Trials that have a record."""
        return len(self._records) - self._records.count(_ABSENT)

    def _read_at(self, file: BinaryIO, position: int, index: int) -> Body:
        """Read the line of a Trial. Raises JournalError if it is not what was written there."""
        file.seek(position)
        body = read_body(file.readline())
        if body is None or body.index != index:
            raise JournalError(
                f"{self.path} was changed while the run went on: the line of trial {index} is damaged",
                fix=_SALVAGE,
            ).going_on_with({"--salvage": ""})
        return body

    def _open(self, mode: str) -> None:
        try:
            self._file = self._opened(mode)
            self.stat = os.fstat(self._file.fileno())
        except OSError as error:
            raise _storage_error("write", self.path, error) from error

    def _reading(self) -> BinaryIO:
        return self._opened("rb")

    def _opened(self, mode: str) -> BinaryIO:
        file = open(self.path, mode, opener=self.opener)  # noqa: SIM115 - Path.open takes no opener
        return cast("BinaryIO", file)  # every mode that is used is binary


def read_header(path: Path, opener: Opener) -> JournalHeader | None:
    """Return what the first line of a journal says; None where it is not one. Raises JournalError."""
    try:
        with open(path, "rb", opener=opener) as file:
            body = read_body(file.readline())
    except OSError as error:
        raise _storage_error("read", path, error) from error
    header = None if body is None else body.header
    return header if header is not None and 0 <= header.trials <= MOST_TRIALS else None


def _no_journal(path: Path) -> JournalError:
    return JournalError(
        f"{path}, line 1 is not the first line of a journal",
        fix="restore the file; or start the run again with --overwrite, which asks everything again",
    )


def check_same_run(folder: Path, found: str, run_id: str) -> None:
    """Raise PlanMismatchError if what a run directory holds is another run."""
    if found != run_id:
        raise PlanMismatchError(
            f"{folder} holds run {found[:12]}, but this experiment is run {run_id[:12]}: its models, probes, "
            "parameters, repeats, datasets or shard differ, or another version of insidellms began it",
            fix="restore the experiment and data as they were, or choose another --run-dir",
        )


def _storage_error(verb: str, path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot {verb} {path}: {error.strerror or error}",
        fix="check the disk's free space and the folder's permissions; the journalled answers can be resumed",
    )
