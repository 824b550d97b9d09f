"""Writing a run to a URL: in a working copy on this machine, which is published when it is sealed.

Until then its journal is uploaded, so that another machine can go on after this one was lost.
"""

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from insideLLMs.core.errors import LockedError, RemoteError, StorageError
from insideLLMs.remote.copies import folder_for, named, only_user
from insideLLMs.remote.objects import Expect, Objects, Stored, Version
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.remote.files import is_ours
from insideLLMs.store.remote.journal import (
    LEASE_S,
    UPLOADED_FILES,
    WRITER,
    FileParts,
    RemoteWriter,
    UploadedKind,
    age_s,
    fetch_unfinished,
    read_writer,
    write_writer,
)
from insideLLMs.store.remote.run import (
    download_run,
    fetch_run,
    manifest_id,
    publish_run,
    published_folder,
    remove_published,
)
from insideLLMs.store.sealed_run import JOURNAL, MANIFEST, MARKER, MARKER_TEXT, State, is_regular, state_of
from insideLLMs.store.shard_folders import SHARDS

logger = logging.getLogger(__name__)
BEAT_S = 20.0
"""So often a writer says that it lives."""
_PART_BYTES = 8 << 20


@contextlib.contextmanager
def working_copy(url: RemoteUrl) -> Iterator[tuple[Path, "RunUpload"]]:
    """Yield a folder to write the run at `url` in, and its upload; if it is sealed at the end, it is published.

    One that is not sealed is uploaded as far as it got. Raises RemoteError, and LockedError where another writes.
    """
    folder = folder_for(url, "work")
    with only_user(folder, waits=False) as is_free:
        if not is_free:
            raise LockedError(f"another process is writing to {url}", fix="wait for it, or choose another URL")
        upload = RunUpload.take(url, folder)
        path = named(folder / url.name, url)
        is_published = False
        try:
            yield path, upload
            if state_of(path) is State.SEALED:
                upload.publish()
                is_published = True
        finally:
            if not is_published:
                upload.leave()


class RunUpload:
    """The upload of one run, by the one writer of it. Its methods raise RemoteError."""

    def __init__(
        self, objects: Objects, path: Path, writer: RemoteWriter, version: Version, base: Stored | None
    ) -> None:
        self._objects = objects
        self._path = path
        self._writer = writer
        self._version = version
        self._base = base
        self._parts = {kind: FileParts(objects, writer.folder(kind)) for kind in UPLOADED_FILES}
        self._aligned: set[UploadedKind] = set()
        self._beat_at = time.monotonic()
        self._lock = threading.Lock()

    @classmethod
    def take(cls, url: RemoteUrl, folder: Path) -> "RunUpload":
        """Take the lock of a run, and bring the working copy to what is at its URL. Raises LockedError."""
        objects = Objects(url)
        base, found = objects.get(MANIFEST), read_writer(objects)
        base_id = None if base is None else manifest_id(base.data)
        machine = machine_of(folder)
        goes_on = found is not None and found[0].base == base_id  # else see `RemoteWriter`
        if found is not None:
            check_free(url, *found, machine)
        journal = found[0].journal if found is not None and goes_on else secrets.token_hex(8)
        batches = (found[0].batches if found is not None and goes_on else "") or secrets.token_hex(8)
        writer = RemoteWriter(
            writer=secrets.token_hex(8),
            machine=machine,
            journal=journal,
            batches=batches,
            base=base_id,
            shards=found[0].shards if found is not None and goes_on else 1,
        )
        version = write_writer(objects, writer, Expect.NOTHING if found is None else found[1].version)
        if version is None:
            raise _lost(url)
        upload = cls(objects, folder / url.name, writer, version, base)
        upload._bring(is_ours=_read(folder / "journal") == journal)
        (folder / "journal").write_text(journal)
        return upload

    def _bring(self, *, is_ours: bool) -> None:
        """Make the working copy what is at the URL; answers of our own that were not uploaded stay."""
        path = self._path
        if not is_ours:
            shutil.rmtree(path, ignore_errors=True)
        path.mkdir(exist_ok=True)
        (path / MARKER).write_bytes(MARKER_TEXT) if not is_regular(path / MARKER) else None
        for kind, name in UPLOADED_FILES.items():
            self._bring_file(kind, path / name)
        if self._base is not None and state_of(path) is State.EMPTY:
            download_run(self._objects, self._base.data, path)

    def _bring_file(self, kind: UploadedKind, own: Path) -> None:
        parts, draft = self._parts[kind], self._path.parent / f"draft-{secrets.token_hex(8)}"
        parts.read_all(draft)
        if parts.count and not is_regular(own) and state_of(self._path) is not State.SEALED:
            draft.replace(own)
        elif is_regular(own) and not parts.is_start_of(own):
            if kind == "journal":
                _join(draft, own)
            else:  # what another machine noted of the batches counts: it has looked for them at the provider
                draft.replace(own)
        draft.unlink(missing_ok=True)

    @property
    def url(self) -> RemoteUrl:
        """Where the run lies."""
        return self._objects.url

    def split(self, count: int) -> None:
        """Note in how many processes the run is made from now on."""
        with self._lock:
            if self._writer.shards != count:
                self._writer = msgspec.structs.replace(self._writer, shards=count)
                self._renew()

    def keep_up(self) -> None:
        """Upload what was written since, and say that we live. Raises LockedError once another writes."""
        with self._lock:
            self._upload_lines()
            self._beat()

    def _beat(self) -> None:
        if time.monotonic() - self._beat_at > BEAT_S:
            self._renew()

    def _upload_lines(self) -> None:
        for kind, name in UPLOADED_FILES.items():
            file = self._path / name
            if is_regular(file):
                try:
                    self._upload_file(kind, file)
                except FileNotFoundError:  # the run was sealed meanwhile: it is published as it is
                    continue
            elif kind == "batches" and self._parts[kind].count and is_regular(self._path / JOURNAL):
                self._begin_again(kind)  # it was replaced by a run that has none

    def _upload_file(self, kind: UploadedKind, file: Path) -> None:
        if kind not in self._aligned and not self._parts[kind].is_start_of(file):
            self._begin_again(kind)
        self._aligned.add(kind)
        while lines := _lines_from(file, self._parts[kind].size_bytes):
            if not self._parts[kind].append(lines):
                raise _lost(self._objects.url)
            self._beat()

    def _begin_again(self, kind: UploadedKind) -> None:
        """Begin another file where ours does not continue what was uploaded."""
        old, name = self._parts[kind], secrets.token_hex(8)
        self._writer = msgspec.structs.replace(self._writer, **{kind: name})
        self._renew()
        if kind == "journal":
            (self._path.parent / "journal").write_text(name)
        self._parts[kind] = FileParts(self._objects, self._writer.folder(kind))
        old.remove()

    def _renew(self, *, released: bool = False) -> None:
        self._writer = msgspec.structs.replace(self._writer, beat=self._writer.beat + 1, released=released)
        version = write_writer(self._objects, self._writer, self._version)
        if version is None:
            raise _lost(self._objects.url)
        self._version, self._beat_at = version, time.monotonic()

    def leave(self) -> None:
        """Upload what there is of an unfinished run, and let others go on with it."""
        try:
            with self._lock:
                self._upload_lines()
                if self._added_nothing():
                    self._undo()
                else:
                    self._renew(released=True)
        except (RemoteError, LockedError) as error:
            logger.warning("what was not uploaded stays on this machine: %s", error.message)

    def _added_nothing(self) -> bool:
        """Whether all is as it was before, here and at the URL, but for our lock and what we have begun."""
        if self._base is not None:
            is_same = _read_bytes(self._path / MANIFEST) == self._base.data and not is_regular(self._path / JOURNAL)
        else:
            is_same = state_of(self._path) in {State.ABSENT, State.EMPTY}
        has_answers = self._parts["journal"].lines > 1 or self._parts["batches"].lines > 0
        return is_same and not has_answers and not (self._writer.shards > 1 and self.has_shards())

    def _undo(self) -> None:
        for parts in self._parts.values():
            parts.remove()
        if self._writer.shards > 1:
            remove_shard_objects(self.url)
        self._writer = msgspec.structs.replace(self._writer, shards=1)
        self._renew(released=self._base is not None)
        if self._base is None:
            self._objects.delete(WRITER)

    def has_shards(self) -> bool:
        """Whether a process has uploaded anything of its shard."""
        return any(not each.name.endswith(f"/{WRITER}") for each in Objects(self.url / SHARDS).listed())

    def publish(self) -> None:
        """Publish the sealed run; from then on readers see it. Raises StorageError."""
        url, base = self._objects.url, self._base
        try:
            self._renew()
            if not publish_run(self._path, url, expect=Expect.NOTHING if base is None else base.version):
                raise _lost(url)
        except RemoteError as error:
            raise StorageError(
                f"{url} was not published: {error.message}",
                fix="its answers are kept on this machine; go on with --resume once that is fixed",
            ) from error
        with contextlib.suppress(RemoteError):  # the run is there; what is left over is seen as such
            for parts in self._parts.values():
                parts.remove()
            if self._writer.shards > 1:
                remove_shard_objects(url)
            if base is not None and published_folder(base.data) != published_folder(
                (self._path / MANIFEST).read_bytes()
            ):
                remove_published(url, base.data)
            self._renew(released=True)
        (self._path.parent / "journal").unlink(missing_ok=True)


def check_free(url: RemoteUrl, writer: RemoteWriter, stored: Stored, machine: str) -> None:
    """Raise LockedError if another machine may still write; of ours, no other process does."""
    age = age_s(stored)
    if writer.released or writer.machine == machine or age > LEASE_S:
        return
    raise LockedError(
        f"another machine is writing to {url}: it said so {max(age, 0):.0f} s ago",
        fix=f"wait for it, or choose another URL; once it was silent for {LEASE_S:.0f} s, go on in its place",
    )


def _lost(url: RemoteUrl) -> LockedError:
    return LockedError(
        f"another process took over {url}, so this one stopped",
        fix="let it finish; what was answered here stays on this machine",
    )


def machine_of(folder: Path) -> str:
    """Return the name of this machine's working copy: who has its lock knows that no other process here writes."""
    name = _read(folder / "machine")
    if name is None:
        name = secrets.token_hex(16)
        (folder / "machine").write_text(name)
    return name


def _read(path: Path) -> str | None:
    found = _read_bytes(path)
    return None if found is None else found.decode()


def _read_bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _lines_from(journal: Path, start: int) -> bytes:
    """Return whole lines from a place on: all, or a part's worth."""
    with journal.open("rb") as file:
        file.seek(start)
        data = file.read(_PART_BYTES)
        if len(data) == _PART_BYTES:
            data += file.readline()
    return data[: data.rfind(b"\n") + 1]


def _join(uploaded: Path, own: Path) -> None:
    """Put behind the uploaded lines what only our journal has, but for its header."""
    with uploaded.open("rb") as file:
        known = {hash(line) for line in file}
    with own.open("rb") as file, uploaded.open("ab") as joined:
        next(file, None)
        joined.writelines(line for line in file if hash(line) not in known and line.endswith(b"\n"))
    uploaded.replace(own)


def split_at(url: RemoteUrl) -> int | None:
    """Return in how many processes the unfinished run at `url` is made; None where none is. Raises RemoteError."""
    objects = Objects(url)
    base, found = objects.get(MANIFEST), read_writer(objects)
    if found is None or found[0].base != (None if base is None else manifest_id(base.data)):
        return None
    return found[0].shards


def fetch_begun(url: RemoteUrl) -> Path | None:
    """Return a copy of the run at `url` as its last writer left it, sealed or not, with its log of batches.

    None where there is none. Raises RemoteError.
    """
    goes_on = split_at(url) is not None
    return (fetch_unfinished(url, with_batches=True) if goes_on else None) or fetch_run(url)


def remove_shard_objects(url: RemoteUrl) -> None:
    """Remove the shards of a run at a URL. Raises RemoteError."""
    shards = Objects(url / SHARDS)
    for each in shards.listed():
        if is_ours(f"{SHARDS}/{each.name}"):
            shards.delete(each.name)


def free_place(root: RemoteUrl, base: str) -> RemoteUrl:
    """Return the URL of a new run below `root`: BASE, or the first of BASE-2, ... that is not taken."""
    url, number = root / base, 1
    while not _is_free(Objects(url)):
        number += 1
        url = root / f"{base}-{number}"
    return url


def _is_free(objects: Objects) -> bool:
    if objects.get(MANIFEST) is not None:
        return False
    found = read_writer(objects)
    return found is None or (found[0].released and not FileParts(objects, found[0].folder("journal")).has_any())
