"""A folder held by its handle: its files stay within reach whatever its path comes to name, and no link is followed."""

import contextlib
import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_LINK = "it is a link, which is never followed"
_NO_FILE = "it is not a regular file"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def make_folder(path: Path) -> list[Path]:
    """Make a folder, and those that it lies in; return what is new, the innermost first.

    Raises OSError, and leaves none then.
    """
    made = [each for each in (path, *path.parents) if not each.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty(made)
        raise
    return made


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, each inside the next, as far as they are there and empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes in `folder`, and keep them out. Raises OSError."""
    fd = os.open(folder, _FOLDER)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


class HeldFolder:
    """Opens, renames and removes files by their name in one folder. Every method raises OSError."""

    def __init__(self, path: Path, fd: int | None = None) -> None:
        self.path = path
        self._fd = os.open(path, _FOLDER) if fd is None else fd

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._fd)

    def is_at_its_path(self) -> bool:
        """Whether the path still names this folder."""
        try:
            return os.path.samestat(os.fstat(self._fd), self.path.stat())
        except OSError:
            return False

    def opener(self, name: str | os.PathLike[str], flags: int) -> int:
        """Open a regular file of the folder, by the last part of `name`; fits the built-in `open`."""
        safe = flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(Path(name).name, safe, 0o666, dir_fd=self._fd)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, _LINK) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, _NO_FILE)
        return fd

    def create(self, name: str) -> io.FileIO:
        """Open a file for writing that is new, in the place of any of that name."""
        self.remove(name)
        return io.FileIO(name, "xb", opener=self.opener)

    def stat(self, name: str) -> os.stat_result | None:
        """Return what the folder says of a file; None where there is none."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def holds(self, name: str, file: os.stat_result) -> bool:
        """Whether `name` is still this file."""
        found = self.stat(name)
        return found is not None and os.path.samestat(found, file)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in the place of any of that name."""
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            return

    @contextlib.contextmanager
    def subfolder(self, name: str, *, is_new: bool = False) -> "Iterator[HeldFolder]":
        """Hold a folder in it, which is made if it is new."""
        if is_new:
            os.mkdir(name, dir_fd=self._fd)
        held = HeldFolder(self.path / name, os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd))
        try:
            yield held
        finally:
            held.close()

    def move(self, name: str, to: "HeldFolder") -> None:
        """Move a file or folder to another folder, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, name, src_dir_fd=self._fd, dst_dir_fd=to._fd)

    def remove_subfolder(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(name, dir_fd=self._fd)

    def sync(self) -> None:
        """Make the names in it durable."""
        os.fsync(self._fd)

    def free_bytes(self) -> int:
        """Return the room on its disk."""
        room = os.statvfs(self._fd)
        return room.f_bavail * room.f_frsize
