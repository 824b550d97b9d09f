"""Folders of sandboxed programs: locked while they are used, so that what a killed process left can be told apart."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "insidellms-sandbox-"
_FRESH_S = 60.0
"""So long a folder may not be locked yet."""


@contextlib.contextmanager
def program_folder() -> Iterator[Path]:
    """Make a folder for one program, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(Path(name)):
        yield Path(name)


def remove_left_folders() -> None:
    """Remove the folders that this user's killed processes left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else may be removing it, or it is not ours
            found = folder.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _FRESH_S:
                with _locked(folder):
                    shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which the kernel lets go with the process. Raises OSError if another one has it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)
