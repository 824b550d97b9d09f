"""The run directory: who may write there, what state it is in, and how it is sealed.

A folder is ours only if it holds the marker; nothing is deleted or overwritten in any other. One process
writes at a time, held by a lock on the marker. A journal present means unfinished, a manifest without a
journal means sealed.
"""

import contextlib
import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from insideLLMs.core.errors import InsideLLMsError, LockedError, RunDirectoryError, StorageError
from insideLLMs.store import replaced_run
from insideLLMs.store.held_folder import HeldFolder, make_folder, remove_empty
from insideLLMs.store.journal import Journal, check_same_run
from insideLLMs.store.journal_line import JournalHeader, journal_lines
from insideLLMs.store.replaced_run import remove_our_files
from insideLLMs.store.sealed_entries import sealed_entries
from insideLLMs.store.sealed_run import BATCHES, JOURNAL, MARKER, MARKER_TEXT, SealedRun, State, is_regular, state_of
from insideLLMs.store.shard_folders import SHARDS, found_shards, has_answers, remove_shards

_ROOM_BYTES = 256 * 1024 * 1024
"""Less free than this, and nothing but answers is written while a run goes on."""
_TAKEN_FIX = "add --resume to continue it, --overwrite to replace it, or choose another --run-dir"
REPLACE_OR_MOVE = "add --overwrite to replace it, or choose another --to"


def free_run_dir(root: Path, name: str, run_id: str) -> Path:
    """Return ``root/NAME-RUNID``, or the first of ``-2``, ``-3``, ... that is not taken."""
    base = root / run_name(name, run_id)
    path, number = base, 1
    while state_of(path) not in {State.ABSENT, State.EMPTY}:
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def run_name(name: str, run_id: str) -> str:
    """Return what the folder of a run is called."""
    return f"{_file_name(name)}-{run_id[:12]}"


def _file_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")
    return kept[:60] or "run"


@dataclass(frozen=True, slots=True)
class _Hold:
    """A folder with its locked marker; `made` are the folders that were made for it, the innermost first."""

    folder: HeldFolder
    marker_fd: int
    made: Sequence[Path]
    is_marked_here: bool

    def close(self) -> None:
        os.close(self.marker_fd)
        self.folder.close()

    def undo(self) -> None:
        """Remove what was made to hold the folder, and nothing that anybody put there."""
        if self.is_marked_here:
            self.folder.remove(MARKER)
        remove_empty(self.made)


class RunDirectory:
    """A run directory that this process holds for writing, by its handle. Use as a context manager.

    Where the block ends with an error, that says where the run can go on; a run that has nothing yet leaves everything
    as it was before.
    """

    def __init__(self, hold: _Hold, journal: Journal, *, is_begun_here: bool) -> None:
        self.path = hold.folder.path
        self.folder = hold.folder
        self.journal = journal
        self._hold = hold
        self._is_begun_here = is_begun_here

    @classmethod
    def open(
        cls,
        path: Path,
        header: JournalHeader,
        *,
        resume: bool = False,
        overwrite: bool = False,
        salvage: bool = False,
        taken_fix: str = _TAKEN_FIX,
    ) -> Self:
        """Take hold of `path` for the run that `header` describes.

        A used folder is refused unless `resume` (the same run goes on; a sealed one is reopened for its
        failures) or `overwrite` (our files, and only in a folder with our marker, are removed at the end; where the
        run comes to nothing, they are as they were); `taken_fix` then says what the caller has to offer.
        """
        may_go_on = resume or overwrite
        _refuse(path, state_of(path), taken_fix="" if may_go_on else taken_fix)
        _refuse_inside_a_run(path)
        hold = _hold(path)
        folder = hold.folder
        try:
            state = state_of(path)  # another process may have ended a run in it meanwhile
            _refuse(path, state, taken_fix="" if may_go_on else taken_fix)
            journal = Journal(path / JOURNAL, header, opener=folder.opener)
            if overwrite and not resume:
                _check_no_batch_is_out(journal)
            if resume and state is State.SEALED:
                remove_shards(path)  # of a process that was killed before it did
                _reopen(folder, header)
            goes_on = resume and folder.stat(JOURNAL) is not None
            if goes_on:
                journal.resume(salvage=salvage)
            else:
                _begin(journal, folder, replaces=overwrite)
        except BaseException:
            try:
                hold.undo()
            finally:
                hold.close()
            raise
        return cls(hold, journal, is_begun_here=not goes_on)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self.journal.close()
            can_go_on = self.can_be_resumed()
            if isinstance(error, InsideLLMsError):
                error.run_dir = self.path if can_go_on else None
            if error is None or can_go_on:
                replaced_run.drop(self.folder)
            elif self.is_held():
                self.clear()
        finally:
            self._hold.close()

    def has_room(self) -> bool:
        """Whether the disk has room for more than answers."""
        return self.folder.free_bytes() >= _ROOM_BYTES

    def check_held(self) -> None:
        """Raise StorageError unless the folder, its marker and its journal are those that this process took hold of."""
        journal, marker = self.journal, self.path / MARKER
        if journal.stat is not None and not self.folder.holds(JOURNAL, journal.stat):
            raise journal.removed()
        if not self.folder.is_at_its_path():
            raise StorageError(
                f"{self.path} was moved while the run went on, so it was not sealed",
                fix="resume it where it is now: its journal has every answer",
            )
        if not self.folder.holds(MARKER, os.fstat(self._hold.marker_fd)):
            raise StorageError(
                f"{marker} was removed while the run went on, so the run was not sealed",
                fix=f"put an empty file in its place (`touch {marker}`), then resume: nothing needs to be asked again",
            )

    def can_be_resumed(self) -> bool:
        """Whether the run could go on where it is, and holds anything that another one would have to ask again."""
        is_begun = not self._is_begun_here or not self.journal.is_empty()
        return self.is_held() and (is_begun or _has_begun_elsewhere(self.journal))

    def is_held(self) -> bool:
        """Whether the folder is still the one that this process took hold of."""
        try:
            self.check_held()
        except StorageError:
            return False
        return True

    def clear(self) -> None:
        """Remove what was written, so that all is as it was before. Raises StorageError."""
        self.check_held()
        self.journal.close()
        remove_our_files(self.folder)
        remove_shards(self.path)
        if not replaced_run.bring_back(self.folder):
            self._hold.undo()

    @contextlib.contextmanager
    def whole_or_nothing(self) -> Iterator[None]:
        """Leave all as it was before where the block fails: what it has written is no use without the rest."""
        try:
            yield
        except InsideLLMsError:
            if self.is_held():
                self.clear()
            raise

    @contextlib.contextmanager
    def sealing(self) -> Iterator[None]:
        """Close the journal, from which the block writes the files of the run. Raises StorageError."""
        self.journal.close()
        try:
            yield
            replaced_run.drop(self.folder)
        except OSError as error:
            self.check_held()
            raise StorageError(
                f"cannot seal {self.path}: {error.strerror or error}",
                fix="make room or fix the permissions, then resume: nothing needs to be asked again",
            ) from error


def _check_no_batch_is_out(journal: Journal) -> None:
    """Raise StorageError where a provider still answers a batch of the run, which is paid for."""
    if journal.path.with_name(BATCHES).exists():
        from insideLLMs.store.batch_log import BatchLog  # noqa: PLC0415 - few runs have batches

        BatchLog.beside(journal).close()


def _begin(journal: Journal, folder: HeldFolder, *, replaces: bool) -> None:
    """Start an empty journal, in the place of a run that it replaces. Raises StorageError; then all is as before."""
    try:
        if replaces:
            replaced_run.set_aside(folder)
        journal.create()
    except BaseException:
        if journal.stat is not None:
            folder.remove(JOURNAL)
        replaced_run.bring_back(folder)
        raise


def _has_begun_elsewhere(journal: Journal) -> bool:
    """Whether batches or shards hold, or will bring, what the journal lacks."""
    folder = journal.path.parent
    is_away = journal.keep_up is not None  # what shards at a URL hold is not known here
    if any(is_away or has_answers(shard) for shard, _ in found_shards(folder)):
        return True
    if not (folder / BATCHES).exists():
        return False
    from insideLLMs.store.batch_log import BatchLog  # noqa: PLC0415 - few runs have batches

    with BatchLog(journal, max_attempts=0) as batches:
        return batches.has_begun


def _refuse(path: Path, state: State, *, taken_fix: str) -> None:
    """Raise RunDirectoryError for a foreign folder, and with a `taken_fix` for one that holds a run."""
    if state is State.FOREIGN:
        raise RunDirectoryError(
            f"{path} is not empty and is not a run directory; nothing was changed",
            fix="choose another folder, or an empty one",
        )
    if not taken_fix or state in {State.ABSENT, State.EMPTY}:
        return
    told = "a finished run" if state is State.SEALED else "an unfinished run"
    raise RunDirectoryError(f"{path} already holds {told}", fix=taken_fix)


def _refuse_inside_a_run(path: Path) -> None:
    """Raise RunDirectoryError for a new folder in a run directory, unless it is that of a shard that the run makes."""
    if state_of(path) not in {State.ABSENT, State.EMPTY}:
        return
    for parent in path.resolve().parents:
        if is_regular(parent / MARKER) and path.resolve().parent != parent / SHARDS:
            raise RunDirectoryError(
                f"{path} lies in the run {parent.name}, which would no longer be what was sealed; nothing was changed",
                fix="choose a folder outside of it",
            )


def _hold(path: Path) -> _Hold:
    """Create the folder and its marker, and hold both; the marker is locked until its descriptor is closed."""
    try:
        made = make_folder(path)
        folder = HeldFolder(path)
    except OSError as error:
        raise StorageError(
            f"cannot write in {path}: {error.strerror}",
            fix="check the folder's permissions and the length of its name, or choose another folder",
        ) from error
    is_new = folder.stat(MARKER) is None
    try:
        return _Hold(folder, _lock(folder, is_new=is_new), made, is_new)
    except BaseException:
        folder.close()
        remove_empty(made)
        raise


def _lock(folder: HeldFolder, *, is_new: bool) -> int:
    try:
        fd = folder.opener(MARKER, os.O_RDWR | (os.O_CREAT | os.O_EXCL if is_new else 0))
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder.path}: {error.strerror}",
            fix="check the folder's permissions, or choose another folder",
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        marker = os.fstat(fd)
        if not marker.st_size and marker.st_nlink == 1:  # new, or of a process killed here; no name of another file
            os.write(fd, MARKER_TEXT)
    except BlockingIOError as error:
        os.close(fd)
        raise LockedError(
            f"another process is writing to {folder.path}", fix="wait for it, or choose another folder"
        ) from error
    except OSError as error:
        os.close(fd)
        raise StorageError(
            f"cannot write in {folder.path}: {error.strerror}", fix="check the disk's free space"
        ) from error
    return fd


def _reopen(folder: HeldFolder, header: JournalHeader) -> None:
    """Turn a sealed run back into a journal, without its failures. Raises RunDirectoryError if it was changed."""
    sealed = SealedRun.open(folder.path)
    check_same_run(folder.path, sealed.manifest.run_id, header.run_id)
    draft = f"{JOURNAL}.tmp"
    try:
        with io.BufferedWriter(folder.create(draft)) as file:
            for line in journal_lines(sealed_entries(sealed), header):
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        folder.rename(draft, JOURNAL)
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder.path}: {error.strerror}", fix="check the disk's free space"
        ) from error
    finally:
        folder.remove(draft)
