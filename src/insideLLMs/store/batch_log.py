"""What batches answered for an unfinished run, and which are out: `batches.jsonl`, beside the journal.

An append-only file of checksummed lines. What is about to be submitted is written before it is, and every answer
before it is scored; sealing removes the file. Answers are found by the key of their request, as in a cassette.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

import msgspec

from insideLLMs.core import canonical, errors
from insideLLMs.core.errors import JournalError, ModelError, RemoteError, StorageError
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import Exchange, JsonValue, Response
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import checked_body, checked_line
from insideLLMs.store.sealed_run import BATCHES, regular_descriptor

UNBOUNDED = 1_000_000_000
"""So many attempts that only what is refused is final."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """A line of the file."""


class Origin(_Entry, frozen=True, kw_only=True, tag="origin"):
    """How the run's experiment is read again: its file, the settings over it, and the part that was selected."""

    experiment: str
    overrides: dict[str, JsonValue] = {}
    part: dict[str, JsonValue] = {}


class Exported(_Entry, frozen=True, kw_only=True, tag="exported"):
    """The keys of requests that were written to a file."""

    keys: tuple[str, ...]


class Submission(_Entry, frozen=True, kw_only=True, tag="submission"):
    """A batch that is about to be submitted.

    Its request number n goes out as ``TOKEN-n``. `at` is the time in seconds since 1970; `newest` was the provider's
    newest batch then.
    """

    token: str
    model: str
    keys: tuple[str, ...]
    at: float
    newest: str = ""


class Accepted(_Entry, frozen=True, kw_only=True, tag="accepted"):
    """The id that the provider gave a batch."""

    token: str
    id: str


class Unlisted(_Entry, frozen=True, kw_only=True, tag="unlisted"):
    """A batch that may have been created, and that its provider did not list: its requests are asked again."""

    token: str


class Closed(_Entry, frozen=True, kw_only=True, tag="closed"):
    """A batch of which nothing more is to come: collected, given up, or never accepted."""

    token: str


class Answered(_Entry, frozen=True, kw_only=True, tag="answer"):
    """The answer to a request; `model_digest` says which model gave it."""

    key: str
    model_digest: str
    response: Response


class Failed(_Entry, frozen=True, kw_only=True, tag="failure"):
    """How a request failed in a batch; `type` is the class of the ModelError."""

    key: str
    token: str = ""
    type: str
    message: str
    fix: str | None = None
    http_status: int | None = None

    @classmethod
    def of(cls, key: str, error: ModelError, token: str = "") -> Self:
        """Note an error."""
        return cls(
            key=key,
            token=token,
            type=type(error).__name__,
            message=error.message,
            fix=error.fix,
            http_status=error.http_status,
        )

    def error(self) -> ModelError:
        """Return the error that was noted."""
        kind = getattr(errors, self.type, ModelError)
        known = isinstance(kind, type) and issubclass(kind, ModelError)
        made: ModelError = (kind if known else ModelError)(self.message, fix=self.fix, http_status=self.http_status)
        made.fatal = False  # one that ends a run is never noted
        return made


Entry = Origin | Exported | Submission | Accepted | Unlisted | Closed | Answered | Failed
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_decode = _decoder.decode


class BatchLog:
    """The store of answers of a run that batches answer. Use as a context manager.

    A failure is final, and raised by `find`, where another attempt makes no sense or `max_attempts` were made; with
    `max_attempts` 0, as for a run that asks its models itself, none is.
    """

    closed = False
    batch = True
    finds_again = False
    takes_user_code = False

    def __init__(self, journal: Journal, *, max_attempts: int) -> None:
        self.path = journal.path.with_name(BATCHES)
        self.origin: Origin | None = None
        self.exported: set[str] = set()
        self.open: dict[str, Submission] = {}
        self.unlisted: dict[str, Submission] = {}
        self.ids: dict[str, str] = {}
        self.failures: dict[str, dict[str, Failed]] = {}
        self.max_attempts = max_attempts
        self._answers: dict[bytes, int] = {}
        self._opener, self._keep_up = journal.opener, journal.keep_up
        self._file = self._opened("ab")
        self._end = self._read_all()

    @classmethod
    def beside(cls, journal: Journal) -> Self:
        """Return the log of a run that goes on without batches.

        Raises StorageError where batches are out.
        """
        log = cls(journal, max_attempts=0)
        log.check_none_is_out()
        return log

    def check_none_is_out(self) -> None:
        """Raise StorageError, and close, where batches are out: what they answer would be paid for twice."""
        if self.open:
            self.close()
            waits = f"{self.path.parent} waits for {len(self.open)} batch(es) at the provider"
            collect = f"insidellms run EXPERIMENT --run-dir {as_typed(self.path.parent)} --resume --batch"
            fix = f"collect them: {collect}; to ask now instead: --max-wait 0s --then live"
            raise StorageError(waits, fix=fix).going_on_with({"--batch": ""})

    @property
    def has_begun(self) -> bool:
        """Whether any request was written to a file, submitted, answered or refused."""
        return bool(self.exported or self.open or self.unlisted or self.ids or self._answers or self.failures)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def has(self, key: str) -> bool:
        """Whether a request was answered."""
        return bytes.fromhex(key) in self._answers if _is_key(key) else False

    def knows(self, key: str) -> bool:
        """Whether a request was ever written to a file, answered, or failed."""
        return key in self.exported or self.has(key) or key in self.failures

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the answer to a request. Raises the ModelError in which it ended for good."""
        place = self._answers.get(bytes.fromhex(key))
        if place is not None:
            entry = self._at(place)
            return entry.response if isinstance(entry, Answered) and entry.model_digest == model_digest else None
        error = self._failure(key) if self.max_attempts else None
        if error is not None and (not error.retryable or len(self.failures[key]) >= self.max_attempts):
            raise error
        return None

    def refused(self, key: str) -> bool:
        """Whether a request failed, and asking it again makes no sense."""
        error = self._failure(key)
        return error is not None and not error.retryable

    def _failure(self, key: str) -> ModelError | None:
        last = next(reversed(self.failures.get(key, {}).values()), None)
        return None if last is None else last.error()

    def keep(self, exchange: Exchange) -> None:
        """Keep nothing: what is asked outside a batch is in the journal."""

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries, and make them durable. Raises StorageError, or CanonicalError for an answer that has no form.

        Of a run at a URL, what is about to be submitted must be there before it is: raises RemoteError, and LockedError
        where another machine goes on with the run. Other entries may follow later.

        After a StorageError the last line may be torn, which the next reader drops.
        """
        must_be_away = False
        try:
            for entry in entries:
                must_be_away = must_be_away or isinstance(entry, Submission)
                line = checked_line(canonical.line(entry))
                self._file.write(line)
                self._note(entry, self._end)
                self._end += len(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path}: {error.strerror or error}",
                fix="check the disk's free space; what is in it is kept, and the batch can be collected again",
            ) from error
        with contextlib.nullcontext() if must_be_away else contextlib.suppress(RemoteError):
            self.upload()

    def upload(self) -> None:
        """Of a run at a URL, upload what was written. Raises RemoteError, and LockedError where another one writes."""
        if self._keep_up is not None:
            self._keep_up()

    def _read_all(self) -> int:
        """Read what is there; cut off a torn last line."""
        position = 0
        with self._opened("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for number, line in enumerate(file, start=1):
                body = checked_body(line)
                if body is None and position + len(line) == size:
                    self._file.truncate(position)
                    break
                if body is None:
                    raise JournalError(
                        f"{self.path}, line {number}: the line is damaged, and it is not the last one",
                        fix="restore the file; without it the run asks again what its journal does not have",
                    )
                with _told_of(self.path, number):
                    self._note(_decode(body), position)
                position += len(line)
        return position

    def _note(self, entry: Entry, position: int) -> None:
        match entry:
            case Origin():
                self.origin = entry
            case Exported():
                self.exported.update(entry.keys)
            case Submission():
                self.open[entry.token] = entry
            case Accepted():
                self.ids[entry.token] = entry.id
                if entry.token in self.unlisted:
                    self.open[entry.token] = self.unlisted.pop(entry.token)
            case Unlisted():
                self.unlisted[entry.token] = self.open.pop(entry.token)
            case Closed():
                self.open.pop(entry.token, None)
            case Answered():
                self._answers.setdefault(bytes.fromhex(entry.key), position)
                self.failures.pop(entry.key, None)
            case Failed():
                self.failures.setdefault(entry.key, {})[entry.token] = entry

    def _at(self, position: int) -> Entry:
        self._file.flush()
        with self._opened("rb") as file:
            file.seek(position)
            body = checked_body(file.readline())
        if body is None:
            raise JournalError(f"{self.path} was changed while the run went on", fix="resume the run")
        return _decode(body)

    def _opened(self, mode: str) -> BinaryIO:
        try:
            return cast("BinaryIO", open(self.path, mode, opener=self._opener))  # every mode is binary
        except OSError as error:
            raise StorageError(
                f"cannot open {self.path}: {error.strerror or error}", fix="check the folder's permissions"
            ) from error


def _is_key(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


@contextlib.contextmanager
def _told_of(path: Path, number: int) -> Iterator[None]:
    """Raise JournalError for a line that is intact, and no entry."""
    try:
        yield
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise JournalError(
            f"{path}, line {number}: this version cannot read what it says: {error}",
            fix="go on with the version that began the run, or restore the file",
        ) from error


def read_origin(run_dir: Path) -> Origin | None:
    """Return what a run notes of its experiment; None where it has no file of batches. Raises StorageError."""
    path, found = run_dir / BATCHES, None
    try:
        with open(path, "rb", opener=regular_descriptor) as file:
            for number, line in enumerate(file, start=1):
                body = checked_body(line)
                if body is not None and b'"kind":"origin"' in bytes(body):
                    with _told_of(path, number):
                        entry = _decode(body)
                        found = entry if isinstance(entry, Origin) else found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}", fix="check its permissions") from error
    return found
