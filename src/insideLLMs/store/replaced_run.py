"""The run that another one replaces: set aside in its folder until the new one has something to keep."""

import contextlib

from insideLLMs.core.errors import JournalError, StorageError
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.journal import Journal
from insideLLMs.store.sealed_run import BATCHES, JOURNAL, OUR_FILES
from insideLLMs.store.shard_folders import SHARDS, remove_shards

ASIDE = ".insidellms-replaced"


def set_aside(folder: HeldFolder) -> None:
    """Move every file of the run in `folder` but its marker aside. Raises StorageError.

    Where a process was killed before it had anything to put in the place of another run, that one is still meant.
    """
    if folder.stat(ASIDE) is not None and not _has_begun(folder):
        folder.remove(JOURNAL)
        bring_back(folder)
    drop(folder)
    try:
        for name in OUR_FILES:
            folder.remove(f"{name}.tmp")
        if not any(folder.stat(name) for name in (*OUR_FILES, SHARDS)):
            return
        with folder.subfolder(ASIDE, is_new=True) as aside:
            for name in (*OUR_FILES, SHARDS):
                folder.move(name, aside)
    except OSError as error:
        raise _refused(folder, error) from error


def _has_begun(folder: HeldFolder) -> bool:
    """Whether the run in `folder` holds anything itself, beside what is set aside there."""
    if folder.stat(JOURNAL) is None:
        return False
    if folder.stat(BATCHES) is not None or folder.stat(SHARDS) is not None:
        return True
    try:
        return not Journal.look(folder.path / JOURNAL, folder.opener).is_empty()
    except JournalError:  # it is damaged, so there is something in it
        return True


def bring_back(folder: HeldFolder) -> bool:
    """Put what was set aside in its place again; False where nothing was. Raises StorageError."""
    if folder.stat(ASIDE) is None:
        return False
    try:
        with folder.subfolder(ASIDE) as aside:
            for name in (SHARDS, *reversed(OUR_FILES)):  # what makes a run a sealed one comes last
                aside.move(name, folder)
        folder.remove_subfolder(ASIDE)
    except OSError as error:
        raise _refused(folder, error) from error
    return True


def drop(folder: HeldFolder) -> None:
    """Remove what was set aside. Raises StorageError."""
    if folder.stat(ASIDE) is None:
        return
    try:
        with folder.subfolder(ASIDE) as aside:
            remove_shards(folder.path / ASIDE)
            remove_our_files(aside)
        with contextlib.suppress(OSError):  # what else is in it is not ours
            folder.remove_subfolder(ASIDE)
    except OSError as error:
        raise _refused(folder, error) from error


def remove_our_files(folder: HeldFolder) -> None:
    """Remove every file of a run but its marker. Raises StorageError."""
    try:
        unlink_our_files(folder)
    except OSError as error:
        raise _refused(folder, error) from error


def unlink_our_files(folder: HeldFolder) -> None:
    """Remove as `remove_our_files` does. Raises OSError."""
    for name in OUR_FILES:
        folder.remove(f"{name}.tmp")
        folder.remove(name)


def _refused(folder: HeldFolder, error: OSError) -> StorageError:
    return StorageError(f"cannot replace the run in {folder.path}: {error.strerror}", fix="choose another folder")
