"""Files and folders that shape what a user's own program answers: their digests, and fresh copies of folders."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from insideLLMs.core.errors import ArgumentError
from insideLLMs.providers.in_process.model import file_sha256

MOST_FILES = 20_000
MOST_BYTES = 1 << 30


def tree_sha256(path: Path) -> str:
    """Return the digest of a file, or of the names and bytes of all that is in a folder. Raises ArgumentError."""
    if path.is_file():
        return file_sha256(path)
    digest = hashlib.sha256()
    for name, entry in _walk(path):
        if entry.is_symlink():
            content = f"link {Path(entry).readlink()}"
        elif entry.is_dir():
            content = "folder"
        else:
            content = f"file {os.access(entry, os.X_OK)} {file_sha256(Path(entry))}"
        digest.update(f"{name}\0{content}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder; links within it stay links. Raises ArgumentError for what no copy can hold."""
    target.mkdir()
    for name, entry in _walk(source):
        copied = target / name
        if entry.is_symlink():
            copied.symlink_to(Path(entry).readlink())
        elif entry.is_dir():
            copied.mkdir()
        else:
            shutil.copy2(entry, copied, follow_symlinks=False)


def _walk(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield what is in a folder, folders before what is in them, in the order of their names.

    Raises ArgumentError for a link that leads out of it, for what is no file, and where there is too much.
    """
    count, size_bytes = 0, 0
    waiting = [str(folder)]
    while waiting:
        within = waiting.pop()
        with os.scandir(within) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = os.path.relpath(entry.path, folder)
            count += 1
            if entry.is_symlink():
                _check_link(folder, name)
            elif entry.is_dir():
                waiting.append(entry.path)
            elif entry.is_file():
                size_bytes += entry.stat(follow_symlinks=False).st_size
            else:
                raise _unfit(folder, f"holds {name!r}, which is neither a file nor a folder", "take it out")
            if count > MOST_FILES or size_bytes > MOST_BYTES:
                raise _unfit(
                    folder,
                    f"holds more than {MOST_FILES:,} files, or more than {MOST_BYTES:,} bytes",
                    "name a smaller folder",
                )
            yield name, entry


def _check_link(folder: Path, name: str) -> None:
    """Raise ArgumentError for a link that leads out of the folder, where a copy would share what it leads to."""
    link = folder / name
    if link.readlink().is_absolute() or not link.resolve().is_relative_to(folder.resolve()):
        raise _unfit(
            folder, f"holds the link {name!r}, which leads out of it", "put there what it leads to, or take it out"
        )


def _unfit(folder: Path, what: str, fix: str) -> ArgumentError:
    return ArgumentError(f"the folder {folder.name!r} {what}", fix=fix)
