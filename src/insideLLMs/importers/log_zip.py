"""A zip of JSON files, as inspect_ai writes it: entries are read one at a time, never unpacked to the disk."""

import importlib
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import JsonValue
from insideLLMs.core.zstd import INSTALL, zstd_faults
from insideLLMs.datasets.source import HashedFile, shown
from insideLLMs.importers.strict_json import StrictDecoder

_WITH_ZSTD = "zipfile" if sys.version_info >= (3, 14) else "backports.zstd.zipfile"
_ZSTD_METHOD = 93
_LARGEST_ENTRY = 1 << 28
"""Bytes of one entry, unpacked."""
_LARGEST_DIRECTORY = 1 << 25
"""Bytes of the list of entries, which is held in memory: some 400,000 entries."""
_ALWAYS_ALLOWED, _MOST_UNPACKED = 1 << 30, 200
"""Bytes that any zip may unpack to, and how often its own size beyond that: logs come to some twenty times."""
_END, _END_SIZE = b"PK\x05\x06", 22
_END_64 = b"PK\x06\x06"


class LogZip:
    """The entries of a zip, by name. Raises DatasetError for one that is damaged, or made to do harm."""

    def __init__(self, path: Path, decoder: StrictDecoder) -> None:
        self._path = path
        self._decoder = decoder
        self._unpacked = 0
        with self._translated():
            _check_directory(path)
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        self.names = tuple(info.filename for info in infos)
        self._has_zstd = any(info.compress_type == _ZSTD_METHOD for info in infos)
        self._check(infos)

    def sha256(self) -> str:
        """Return the hex SHA-256 of the file."""
        with HashedFile(self._path) as file:
            return file.digest()

    @cached_property
    def _archive(self) -> Any:  # Any: the zipfile module of the standard library, or its twin that reads zstd
        if not self._has_zstd:
            return zipfile.ZipFile(self._path)
        try:
            module = importlib.import_module(_WITH_ZSTD)
        except ImportError as error:
            raise DatasetError(
                f"{shown(self._path)} has entries compressed with zstd, which this installation cannot read",
                fix=INSTALL,
            ) from error
        return module.ZipFile(self._path)

    def read(self, name: str) -> JsonValue:
        """Decode one entry. Raises DatasetError."""
        with self._translated(name), self._archive.open(name) as stream:
            data = self._bounded(stream, name)
        try:
            return self._decoder.decode(data)
        except DatasetError as error:
            raise DatasetError(f"{shown(self._path)}, {name}: {error.message}", fix=error.fix) from error

    def close(self) -> None:
        """Close the file; reading opens it again."""
        archive = self.__dict__.pop("_archive", None)
        if archive is not None:
            archive.close()

    def _bounded(self, stream: BinaryIO, name: str) -> bytes:
        data = stream.read(_LARGEST_ENTRY + 1)
        self._unpacked += len(data)
        allowed = _ALWAYS_ALLOWED + _MOST_UNPACKED * self._path.stat().st_size
        if len(data) > _LARGEST_ENTRY or self._unpacked > 2 * allowed:  # it is read twice
            raise DatasetError(
                f"{shown(self._path)}, {name}: unpacks to more than any log does", fix="is it really a log?"
            )
        return data

    def _check(self, infos: list[zipfile.ZipInfo]) -> None:
        seen: set[str] = set()
        for info in infos:
            name = PurePosixPath(info.filename.replace("\\", "/"))
            problem = None
            if name.is_absolute() or ".." in name.parts:
                problem = "a path that leads out of the zip"
            elif info.filename in seen:
                problem = "the same name as another entry"
            elif info.flag_bits & 1:
                problem = "a password"
            if problem:
                raise DatasetError(
                    f"{shown(self._path)}: the entry {info.filename[:80]!r} has {problem}; nothing was read",
                    fix="export the log again with its own tool",
                )
            seen.add(info.filename)

    @contextmanager
    def _translated(self, name: str = "") -> Iterator[None]:
        where = f"{shown(self._path)}, {name}" if name else shown(self._path)
        try:
            yield
        except NotImplementedError as error:
            raise DatasetError(
                f"{where} is compressed in a way that cannot be read: {error}", fix="export the log again as .json"
            ) from error
        except _damage() as error:
            raise DatasetError(f"{where} is damaged: {error}", fix="copy or export the log again") from error


def _damage() -> tuple[type[Exception], ...]:
    twin = sys.modules.get(_WITH_ZSTD, zipfile)
    usual = (zipfile.BadZipFile, twin.BadZipFile, OSError, zlib.error, struct.error, KeyError, ValueError)
    return (*usual, *zstd_faults())


def _check_directory(path: Path) -> None:
    """Refuse a zip whose list of entries would fill the memory, before it is read."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_SIZE - 0xFFFF - 76))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0:
        raise zipfile.BadZipFile("it has no list of entries; was it cut?")
    (listed,) = struct.unpack_from("<L", tail, at + 12)
    wide = tail.rfind(_END_64, 0, at)
    if wide >= 0:
        listed = max(listed if listed != 0xFFFFFFFF else 0, struct.unpack_from("<Q", tail, wide + 40)[0])
    if listed > _LARGEST_DIRECTORY:
        raise DatasetError(f"{shown(path)} lists more entries than any log has", fix="is it really a log?")
