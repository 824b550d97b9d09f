"""The journal of a run at a URL while the run goes on, and its log of batches: uploaded in parts, each only if new.

``URL/writer.json`` says who writes, and which journal is meant; ``URL/journal-ID/1``, ``2``, ... are the parts of its
lines, ``URL/batches-ID/1``, ... those of the log. A writer whose lock another took over cannot write the next part,
and stops.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.remote.copies import folder_for, named, only_user
from insideLLMs.remote.objects import Expect, Objects, Stored, Version
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.sealed_run import BATCHES, JOURNAL, MARKER, MARKER_TEXT

WRITER = "writer.json"
LEASE_S = 120.0
"""A writer that was silent for so long is taken for dead; a live one says every 20 s that it lives."""


UploadedKind = Literal["journal", "batches"]
UPLOADED_FILES: dict[UploadedKind, str] = {"journal": JOURNAL, "batches": BATCHES}
"""What is uploaded while the run goes on, in this order: a log of batches is nothing without the run's journal."""


class RemoteWriter(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes a run: a process, by its random name, on a machine, by that of its cache folder.

    `base` is the id of the manifest that was there when it began, so that a lock that outlived its run is known.
    `shards` is in how many processes the run is made, each of which writes to a URL of its own.
    Where it `goes`, the run is being removed.
    """

    writer: str
    machine: str
    journal: str
    base: str | None
    batches: str = ""
    shards: int = 1
    released: bool = False
    goes: bool = False
    beat: int = 0

    def folder(self, kind: "UploadedKind") -> str:
        """Return where the parts of a file lie, below the URL."""
        return f"{kind}-{getattr(self, kind)}"


def read_writer(objects: Objects) -> tuple[RemoteWriter, Stored] | None:
    """Return who writes there, None where nobody does. Raises RemoteError."""
    found = objects.get(WRITER)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.data, type=RemoteWriter), found
    except msgspec.DecodeError as error:
        raise RunDirectoryError(
            f"{objects.at(WRITER)} is not what a run writes there: {error}",
            fix="remove that object, or name another URL",
        ) from error


def age_s(stored: Stored) -> float:
    """Return how long ago an object was written, by this machine's clock: a wrong clock costs no answer, see above."""
    return (datetime.now(UTC) - stored.changed).total_seconds()


class FileParts:
    """The parts of a file that grows: how many there are, how many lines and bytes they have, and their digest."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self._folder = folder
        self.count = 0
        self.lines = 0
        self.size_bytes = 0
        self._sha256 = hashlib.sha256()

    def append(self, lines: bytes) -> bool:
        """Upload the next part; False if another process wrote it. Raises RemoteError."""
        if self._objects.put(self._name(self.count + 1), lines, expect=Expect.NOTHING) is None:
            return False
        self._add(lines)
        return True

    def read_all(self, path: Path) -> None:
        """Write all parts into a new file. Raises RemoteError, and OSError of the disk."""
        with path.open("xb") as file:
            while (found := self._objects.get(self._name(self.count + 1))) is not None:
                file.write(found.data)
                self._add(found.data)

    def has_any(self) -> bool:
        """Whether anything was uploaded. Raises RemoteError."""
        return self._objects.get(self._name(1)) is not None

    def is_start_of(self, path: Path) -> bool:
        """Whether a file begins with all that was uploaded."""
        with path.open("rb") as file:
            start = hashlib.sha256(file.read(self.size_bytes)) if self.size_bytes else hashlib.sha256()
            return file.tell() == self.size_bytes and start.digest() == self._sha256.digest()

    def remove(self) -> None:
        """Remove all parts, the last one first. Raises RemoteError."""
        for number in range(self.count, 0, -1):
            self._objects.delete(self._name(number))

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number}"

    def _add(self, lines: bytes) -> None:
        self.count += 1
        self.lines += lines.count(b"\n")
        self.size_bytes += len(lines)
        self._sha256.update(lines)


def fetch_unfinished(url: RemoteUrl, *, with_batches: bool = False) -> Path | None:
    """Return a copy of the unfinished run at `url`, None where there is none. Raises RemoteError."""
    objects = Objects(url)
    found = read_writer(objects)
    if found is None or not FileParts(objects, found[0].folder("journal")).has_any():
        return None
    folder = folder_for(url, "unfinished")
    with only_user(folder):
        copy = folder / url.name
        copy.mkdir(exist_ok=True)
        for kind, name in UPLOADED_FILES.items():
            (copy / name).unlink(missing_ok=True)
            if kind == "journal" or with_batches:
                FileParts(objects, found[0].folder(kind)).read_all(copy / name)
        (copy / MARKER).write_bytes(MARKER_TEXT)
    return named(copy, url)


def write_writer(objects: Objects, writer: RemoteWriter, expect: Version | Expect) -> Version | None:
    """Write who writes there, if what is there is what is expected. Raises RemoteError."""
    return objects.put(WRITER, msgspec.json.encode(writer), expect=expect)
