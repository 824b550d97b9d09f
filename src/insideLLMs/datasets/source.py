"""A dataset's file as a stream of plain bytes, hashed as it is read: the digest is over the bytes as stored."""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.zstd import INSTALL, zstd_faults, zstd_module

COMPRESSED = (".gz", ".zst")
SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".parquet": "parquet",
}
"""The format that a file's name tells, with or without the suffix of a compression behind it."""
_BLOCK_BYTES = 1 << 18


def bare_path(path: str | Path) -> Path:
    """Return `path` without the suffix of its compression."""
    bare = Path(path)
    return bare.with_suffix("") if bare.suffix.lower() in COMPRESSED else bare


def format_of(path: str | Path) -> str | None:
    """Return the format that the file's suffix tells, if one does."""
    return SUFFIXES.get(bare_path(path).suffix.lower())


class _Hashing(io.RawIOBase):
    """An unbuffered file that hashes whatever is read from it."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._file.readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:count])
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class HashedFile:
    """An open dataset file; `stream` gives its bytes, decompressed after its suffix.

    Raises DatasetError when it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._raw = _Hashing(io.FileIO(path))
        except OSError as error:
            raise _unreadable(path, error) from error
        stored = io.BufferedReader(self._raw, _BLOCK_BYTES)
        self.stream: BinaryIO = _decompressed(stored, path)

    def digest(self) -> str:
        """Read what is left and return the hex SHA-256 of the file."""
        while self._raw.read(_BLOCK_BYTES):
            pass
        return self._raw.sha256.hexdigest()

    def __enter__(self) -> "HashedFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stream.close()
        self._raw.close()


def _decompressed(stored: BinaryIO, path: Path) -> BinaryIO:
    match path.suffix.lower():
        case ".gz":
            unpacked: Any = gzip.GzipFile(fileobj=stored)  # its stub is no RawIOBase, though it acts as one
            return io.BufferedReader(unpacked, _BLOCK_BYTES)
        case ".zst":
            return io.BufferedReader(_zstd_file(stored, path), _BLOCK_BYTES)
    return stored


def _zstd_file(stored: BinaryIO, path: Path) -> io.RawIOBase:
    try:
        zstd = zstd_module()
    except ImportError as error:
        raise DatasetError(
            f"{shown(path)} is compressed with zstd, which this installation cannot read",
            fix=f"{INSTALL}, or unpack the file",
        ) from error
    file: io.RawIOBase = zstd.ZstdFile(stored)
    return file


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a DatasetError that names it."""
    try:
        yield
    except _damage() as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _damage() -> tuple[type[Exception], ...]:
    """Return what a damaged compressed file raises."""
    return (zlib.error, gzip.BadGzipFile, *zstd_faults())


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{shown(path)} is damaged: {error}", fix="fetch or compress the file again")


def _unreadable(path: Path, error: OSError) -> DatasetError:
    if isinstance(error, FileNotFoundError):
        return DatasetError(f"there is no dataset file {shown(path)}", fix=missing_fix(path))
    if isinstance(error, IsADirectoryError):
        return DatasetError(f"{shown(path)} is a folder; a dataset is one file", fix="name a file in it")
    if isinstance(error, PermissionError):
        return DatasetError(f"{shown(path)} may not be read by this user", fix="check the file's permissions")
    return DatasetError(f"{shown(path)} cannot be read: {error.strerror or error}", fix="check the path and the disk")


def missing_fix(path: Path) -> str:
    """Say how to fix the path of a file that is not there: with near names in the same folder, if any."""
    if not path.parent.is_dir():
        return f"there is no folder {shown(path.parent)} either; paths are relative to the experiment file"
    near = near_files(path)
    return f"did you mean {' or '.join(near)}?" if near else "paths are relative to the experiment file"


def near_files(path: Path) -> list[str]:
    """Return up to three names of files in the same folder that `path` may have meant."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return []
    import difflib  # noqa: PLC0415 - only for a file that is missing

    return difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)


def shown(path: Path) -> str:
    """Return a path as a person would type it: relative to where they are, if it lies there."""
    try:
        return str(path.relative_to(os.getcwd()))  # noqa: PTH109 - Path.cwd() raises as this does
    except (ValueError, OSError):
        return str(path)
