"""People's labels of a run's answers: `labels.jsonl` in the run's folder, beside what is sealed and no part of it.

No digest covers it, so labelling changes nothing that `verify` checks, and no command of ours removes it. It only
grows: a line for each thing that a person says, on the disk before the person sees that it is saved. A line that a
kill cut short was never shown as saved; reading leaves it out, and the next line takes its place.
"""

import codecs
import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, RunDirectoryError, StorageError
from insideLLMs.core.record_views import UNREADABLE
from insideLLMs.core.repeated_keys import repeated_key
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.sealed_run import open_regular
from insideLLMs.store.whole_file import whole_file

LABELS = "labels.jsonl"
MAX_NOTE = 10_000
MOST_DRAWN = 1000
"""Answers that a person is asked to label at once."""
_MOST_BYTES = 1 << 28
"""A million labels; a larger file in somebody else's run would only fill the memory."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

Said = Literal["pass", "fail", "skip", "open"]
"""A person's word on an answer; `skip` is "I cannot tell", `open` takes back what was said before."""
Drawn = Literal["random", "failed", "disagree", "disputed"]
"""How the answer was chosen: only those drawn at random tell of all answers; of `disputed` ones a label decides."""

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Person = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Moment = Annotated[str, msgspec.Meta(pattern=r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]


class PersonLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of `labels.jsonl`: what a person said of an answer.

    `answer` is the digest of the answer; the names are those of a Trial that had it. `at` is UTC. `shown` lists what
    the person saw beside question and answer: `verdict`, `model`, `expected`.
    """

    answer: Digest
    by: Person
    verdict: Said
    at: Moment
    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    prompt: str | None = None
    drawn: Drawn = "random"
    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE)] = ""
    shown: tuple[str, ...] = ()

    @property
    def passed(self) -> bool | None:
        """The verdict; None where the person gave none."""
        return {"pass": True, "fail": False}.get(self.verdict)

    @property
    def decides(self) -> bool:
        """Whether it decides a dispute of others, and is not a verdict of its own."""
        return self.drawn == "disputed"


Voice = tuple[str, str, bool]
"""An answer, a person, and whether the person decides: of each only the last label counts."""


def latest(labels: Iterable[PersonLabel]) -> dict[Voice, PersonLabel]:
    """Return the labels that count, in the order of their times."""
    return {_voice(label): label for label in sorted(labels, key=_order)}


def _voice(label: PersonLabel) -> Voice:
    return label.answer, label.by, label.decides


def _order(label: PersonLabel) -> tuple[str, bytes]:
    return label.at, canonical.line(label)


def read_labels(path: Path) -> tuple[PersonLabel, ...]:
    """Read a file of labels; none if there is no file.

    Raises RunDirectoryError naming the line of what is no label. A last line that was cut is left out.
    """
    try:
        with open_regular(path) as file:
            is_too_long = os.fstat(file.fileno()).st_size > _MOST_BYTES
            data = b"" if is_too_long else file.read()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error.strerror}", fix="name a regular file") from error
    if is_too_long:
        raise RunDirectoryError(f"{path} has more than {_MOST_BYTES:,} bytes", fix="labels are far smaller: look at it")
    return tuple(_decoded(data, path))


def holds_labels(path: Path) -> bool:
    """Whether a place is a run's folder, or a file that begins with a label. Raises RunDirectoryError."""
    if path.is_dir():
        return True
    try:
        with open_regular(path) as file:
            return isinstance(_label(file.readline(_MOST_BYTES)), PersonLabel)
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read: {error.strerror}", fix="check its name") from error


def labels_at(path: Path) -> tuple[PersonLabel, ...]:
    """Read a file of labels, or that of a run's folder. Raises RunDirectoryError, also where there is none."""
    file = path / LABELS if path.is_dir() else path
    if file is path and not path.exists():
        raise RunDirectoryError(f"{path} does not exist", fix="check its name")
    labels = read_labels(file)
    if not labels:
        raise RunDirectoryError(f"{file} has no labels", fix="label answers in the browser: insidellms view RUN")
    return labels


def _decoded(data: bytes, path: Path) -> Iterator[PersonLabel]:
    lines = data.split(b"\n")
    if _is_cut(lines[-1]):
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():  # an editor's
            continue
        label = _label(line)
        if isinstance(label, str):
            raise RunDirectoryError(
                f"{path}, line {number}: not a label: {label}", fix="remove the line, or fix it; the others are fine"
            )
        yield label


def _is_cut(line: bytes) -> bool:
    """Whether a last line was cut short: no part of an object is JSON."""
    try:
        msgspec.json.decode(line.removeprefix(codecs.BOM_UTF8))
    except UNREADABLE:
        return True
    return False


def _label(line: bytes) -> PersonLabel | str:
    try:
        text = line.removeprefix(codecs.BOM_UTF8)
        label = msgspec.json.decode(text, type=PersonLabel)
        datetime.fromisoformat(label.at)  # a day that there is
        canonical.line(label)
    except (*UNREADABLE, CanonicalError, ValueError) as error:
        return str(error)
    key = repeated_key(text)
    return label if key is None else f"it has the key {key!r} twice"


def append_label(run_dir: Path, label: PersonLabel) -> PersonLabel:
    """Add a label, and return it once it is on the disk; it is later than what the same person said of the answer.

    Several processes may do so at once. Raises StorageError if it is not stored, RunDirectoryError for a file that
    holds other things.
    """
    path = run_dir / LABELS
    with _held(path) as fd:
        data = _whole_lines(fd, path)
        said = latest(_decoded(data, path)).get(_voice(label))
        if said is not None and said.at >= label.at:
            label = msgspec.structs.replace(label, at=_just_after(said.at))
        _add(fd, canonical.line(label) + b"\n", path)
    return label


def moment(at: datetime) -> str:
    """Spell a moment of UTC as labels do."""
    return at.strftime(_TIME)


def _just_after(at: str) -> str:
    return moment(datetime.fromisoformat(at) + timedelta(microseconds=1))


def now() -> str:
    """Return this moment as labels spell it."""
    return moment(datetime.now(UTC))


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """Lock the file against other writers, and create it if it is missing. Raises StorageError."""
    try:
        folder = HeldFolder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fd = _locked(folder)
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        folder.close()


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path}: {error.strerror}; the label is not saved",
        fix="check the disk's free space and the folder's permissions",
    )


def _locked(folder: HeldFolder) -> int:
    while True:
        fd = folder.opener(LABELS, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        fcntl.flock(fd, fcntl.LOCK_EX)
        found = os.fstat(fd)
        if found.st_nlink == 1 and folder.holds(LABELS, found):
            folder.sync()
            return fd
        os.close(fd)
        if found.st_nlink > 1:
            raise OSError(0, "it is a second name of another file")


def _whole_lines(fd: int, path: Path) -> bytes:
    """Return what the file holds; a last line that a kill cut short is removed, one that lacks its end is ended."""
    data = _read(fd)
    *_, last = data.split(b"\n")
    if not last:
        return data
    if not _is_cut(last):
        _add(fd, b"\n", path)
        return data + b"\n"
    whole = data[: len(data) - len(last)]
    os.ftruncate(fd, len(whole))
    return whole


def _read(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        file.seek(0)
        return file.read()


def _add(fd: int, line: bytes, path: Path) -> None:
    """Write a line to the disk, or nothing."""
    size = os.fstat(fd).st_size
    try:
        written = os.write(fd, line)
        if written != len(line):
            raise OSError(0, f"only {written} of {len(line)} bytes could be written")
        os.fsync(fd)
    except OSError as error:
        os.ftruncate(fd, size)
        raise _unwritable(path, error) from error


def merge_labels(run_dir: Path, others: Iterable[PersonLabel]) -> int:
    """Add labels of other files, and return how many are new.

    The file is then sorted by time, so that its bytes do not depend on the order in which files were merged. Raises
    as `append_label` does.
    """
    path = run_dir / LABELS
    with _held(path) as fd:
        before = set(_decoded(_whole_lines(fd, path), path))
        merged = before | set(others)
        with whole_file(path) as file:
            file.writelines(canonical.line(label) + b"\n" for label in sorted(merged, key=_order))
    return len(merged) - len(before)
