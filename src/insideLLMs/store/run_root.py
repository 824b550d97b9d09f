"""The runs right below a folder, as the folder tells at this moment: nothing is kept about them anywhere else.

Removing one is safe at every moment: a run that somebody writes is locked, one that was renamed to the trash's name is
listed no more, and what a killed removal left there is removed by the next one.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from insideLLMs.core.errors import LockedError, RunDirectoryError, StorageError
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.labels import LABELS
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.progress import JournalWatch
from insideLLMs.store.replaced_run import unlink_our_files
from insideLLMs.store.sealed_run import JOURNAL, MARKER, OUR_FILES, SIGNATURES, SealedRun, State, is_regular, state_of
from insideLLMs.store.unfinished_run import RunDescription

TRASH = ".insidellms-trash-"
_OF_SEALED = {MARKER, *OUR_FILES, *(f"{name}.tmp" for name in OUR_FILES)} - {SIGNATURES}
_OF_UNFINISHED = {MARKER, JOURNAL}  # a batch that was sent, or a shard, may hold answers that the journal lacks


class FoundRun(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say of a run without its records.

    `changed_s` is when a file of it was last written, in seconds since 1970; `size_bytes` counts all its files, and
    `others` names those that nobody but a person may remove. `holds_answers` is of an unfinished run that may be worth
    resuming. Where the manifest or journal cannot be read there is none, and `problem` says why.
    """

    path: Path
    state: State
    changed_s: float
    size_bytes: int
    others: tuple[str, ...] = ()
    manifest: Manifest | None = None
    trials: int = 0
    statuses: dict[str, int] = {}
    holds_answers: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """The experiment's name, or nothing."""
        return self.manifest.name if self.manifest else ""

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models."""
        return tuple(model.id for model in self.manifest.models) if self.manifest else ()


def run_paths(root: Path) -> tuple[Path, ...]:
    """Return the run directories right below `root`, sorted by name; links and hidden folders are none.

    Raises RunDirectoryError if it is no folder, or is a run itself.
    """
    if is_regular(root / MARKER):
        raise is_run_itself(root)
    try:
        found = [path for path in root.iterdir() if not path.name.startswith(".") and _is_run(path)]
    except OSError as error:
        raise RunDirectoryError(
            f"{root} cannot be looked into: {error.strerror}", fix="name the folder that contains your runs"
        ) from error
    return tuple(sorted(found))


def is_run_itself(root: Path | RemoteUrl) -> RunDirectoryError:
    """Return the error of a run where a folder of runs is wanted: what lies below it is its own."""
    return RunDirectoryError(f"{root} is a run itself", fix="name the folder that contains your runs")


def _is_run(path: Path) -> bool:
    return not path.is_symlink() and is_regular(path / MARKER)


def runs_below(root: Path) -> Iterator[FoundRun]:
    """Yield the facts of every run right below `root`; one that is removed meanwhile is left out."""
    for path in run_paths(root):
        with contextlib.suppress(FileNotFoundError):
            yield look(path)


def look(path: Path, watch: JournalWatch | None = None) -> FoundRun:
    """Return the facts of a run directory; `watch` has read its journal before.

    Raises RunDirectoryError if it is none, FileNotFoundError if it goes.
    """
    if not _is_run(path):
        raise RunDirectoryError(f"{path} is not a run directory", fix="give the folder that `insidellms run` printed")
    try:
        with os.scandir(path) as entries:
            files = tuple(entries)
        stats = tuple(_stats(files))
        changes = _stats(file for file in files if file.name != LABELS)  # labelling makes no run a newer one
        state = state_of(path)
        ours = _OF_SEALED if state is State.SEALED else _OF_UNFINISHED
        facts = FoundRun(
            path=path,
            state=state,
            changed_s=max((each.st_mtime for each in changes), default=0.0),
            size_bytes=sum(each.st_size for each in stats),
            others=tuple(sorted(entry.name for entry in files if entry.name not in ours or not _is_file(entry))),
        )
    except PermissionError as error:
        return FoundRun(
            path=path, state=State.FOREIGN, changed_s=0.0, size_bytes=0, problem=f"{path}: {error.strerror}"
        )
    try:
        return _with_contents(facts, watch or JournalWatch(path))
    except RunDirectoryError as error:
        return replace(facts, problem=error.message, holds_answers=facts.state is State.UNFINISHED)


def _stats(files: Iterable["os.DirEntry[str]"]) -> Iterator[os.stat_result]:
    """Yield what the folder says of its files; one that was renamed meanwhile is left out."""
    for entry in files:
        with contextlib.suppress(FileNotFoundError):
            yield entry.stat(follow_symlinks=False)


def _is_file(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file(follow_symlinks=False)


def _with_contents(facts: FoundRun, watch: JournalWatch) -> FoundRun:
    if facts.state is State.SEALED:
        manifest = SealedRun.open(facts.path).manifest
        return replace(facts, manifest=manifest, trials=manifest.trials, statuses=manifest.statuses)
    if facts.state is not State.UNFINISHED:
        return facts
    progress = watch.look()
    facts = replace(facts, trials=progress.trials, statuses=progress.statuses, holds_answers=progress.holds_answers)
    try:
        return replace(facts, manifest=msgspec.convert(progress.described, RunDescription).manifest)
    except msgspec.ValidationError:
        return facts  # of another version, or killed before it said what it is


def remove(facts: FoundRun) -> None:
    """Remove a run that is still as it was looked at.

    Raises LockedError while it is written, RunDirectoryError where it has changed, StorageError.
    """
    with _held(facts.path) as folder:
        _check_same(folder, facts)
        trash = facts.path.rename(_trash_name(facts.path))
        names = {path.name for path in trash.iterdir()}
        try:
            _empty(folder, trash)
        except OSError:
            if {path.name for path in trash.iterdir()} == names:  # it is whole still, and has its name again
                trash.rename(facts.path)
            raise


def check_free(facts: FoundRun) -> None:
    """Raise as `remove` does, and change nothing."""
    with _held(facts.path) as folder:
        _check_same(folder, facts)


def _check_same(folder: HeldFolder, facts: FoundRun) -> None:
    if not folder.is_at_its_path() or look(facts.path) != facts:
        raise RunDirectoryError("it has changed meanwhile", fix="look at it, and run this again")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[HeldFolder]:
    """Hold a run against writers. Raises LockedError where one holds it, StorageError for what the disk refuses."""
    try:
        folder = HeldFolder(path)
        try:
            with _locked(folder) if folder.stat(MARKER) else contextlib.nullcontext():
                yield folder
        finally:
            folder.close()
    except FileNotFoundError as error:
        raise RunDirectoryError("it is gone already") from error
    except OSError as error:
        raise StorageError(
            f"cannot remove {path}: {error.strerror}", fix="check the folder's permissions, and what else is in it"
        ) from error


@contextlib.contextmanager
def _locked(folder: HeldFolder) -> Iterator[None]:
    fd = folder.opener(MARKER, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LockedError("another process is writing it", fix="wait for it") from error
    finally:
        os.close(fd)


def _trash_name(path: Path) -> Path:
    name, number = path.with_name(f"{TRASH}{path.name}"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{TRASH}{path.name}-{number}")
    return name


def _empty(folder: HeldFolder, path: Path) -> None:
    """Remove our files of a folder of the trash, the marker last, and the folder."""
    unlink_our_files(folder)
    folder.remove(MARKER)
    path.rmdir()


def trash_in(root: Path) -> tuple[Path, ...]:
    """Return what removals that were killed have left below `root`."""
    found = (path for path in root.iterdir() if path.name.startswith(TRASH))
    return tuple(sorted(path for path in found if path.is_dir() and not path.is_symlink()))


def empty_trash(path: Path) -> None:
    """Go on with the removal of what a killed one left. Raises LockedError while another one is at it, StorageError."""
    with _held(path) as folder:
        _empty(folder, path)
