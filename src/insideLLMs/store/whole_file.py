"""A file that stands at its path once it is whole."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from insideLLMs.store.held_folder import HeldFolder


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a draft that takes the place of `path`, and is on the disk, once the block is done; else nothing changes.

    A draft that a killed process left is written over; one that another process writes is waited for. Devices and
    the shell's pipes, such as /dev/null, are written to, and never replaced. Raises OSError.
    """
    is_device = _is_device(path)
    if is_device and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    place = path.resolve() if is_device else path  # /dev/stdout may be a file
    folder, draft = HeldFolder(place.parent), f".{place.name}.tmp"
    try:
        with os.fdopen(_held_draft(folder, draft), "wb") as file, contextlib.ExitStack() as on_error:
            on_error.callback(folder.remove, draft)
            yield file
            file.flush()
            os.fsync(file.fileno())
            folder.rename(draft, place.name)
            on_error.pop_all()
    finally:
        folder.close()


@contextlib.contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Open what a user named to write to: a file, also behind a link, as a whole; anything else as it is written."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    with whole_file(path.resolve() if path.is_symlink() and not _is_device(path) else path) as file:
        yield file


def _is_device(path: Path) -> bool:
    folder = path.parent.resolve()
    return folder == Path("/dev") or Path("/proc") in folder.parents


def _held_draft(folder: HeldFolder, name: str) -> int:
    """Open an empty file that no other process writes."""
    while True:
        fd = folder.opener(name, os.O_WRONLY | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)
        found = os.fstat(fd)
        if found.st_nlink == 1 and folder.holds(name, found):
            os.ftruncate(fd, 0)
            return fd
        os.close(fd)  # another process has renamed it meanwhile, or it is a second name of some other file
        if found.st_nlink > 1:
            folder.remove(name)
