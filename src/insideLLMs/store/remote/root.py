"""The runs below a URL, as one listing tells: what there is to say of each, and its removal.

Who removes a run takes its lock first, so that nobody can write it, and says in it that the run goes. The manifest is
removed first: from then on readers see no run. What a killed removal left is known by its lock, and removed later.
"""

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import replace

from insideLLMs.core.errors import LockedError, RunDirectoryError
from insideLLMs.remote.copies import folder_for, named, only_user
from insideLLMs.remote.objects import Expect, Listed, Objects, Version
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.labels import LABELS
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.pool import LEDGER, Pool, read_pool
from insideLLMs.store.remote.files import is_of_run, is_ours
from insideLLMs.store.remote.journal import WRITER, RemoteWriter, fetch_unfinished, read_writer, write_writer
from insideLLMs.store.remote.pool import local_pool
from insideLLMs.store.remote.run import manifest_id
from insideLLMs.store.remote.upload import BEAT_S, check_free, machine_of
from insideLLMs.store.retention import pools_here
from insideLLMs.store.run_root import FoundRun, is_run_itself, look
from insideLLMs.store.sealed_run import MANIFEST, SIGNATURES, State
from insideLLMs.store.shard_folders import SHARDS

_NOT_OF_RUN = {LABELS, WRITER}
"""Objects that make a run no newer when they change."""


class RemoteRoot:
    """The runs below a URL. Its methods raise RemoteError, and RunDirectoryError."""

    def __init__(self, url: RemoteUrl) -> None:
        self.url = url
        self._folder = named(folder_for(url, "folders") / url.name, url)
        self._going: list[str] = []

    def runs(self) -> list[FoundRun]:
        """Return what there is to say of each run, but for those that are being removed."""
        found = (self._look(name, listed) for name, listed in self._listed().items())
        return [facts for facts in found if facts is not None]

    def look(self, name: str) -> FoundRun:
        """Return what there is to say of one run."""
        facts = self._look(name, Objects(self.url / name).listed())
        if facts is None:
            raise RunDirectoryError(
                f"{self.url / name} is not a run: it has no {MANIFEST}",
                fix="give the URL that `insidellms run --run-dir URL` printed",
            )
        return facts

    def pools(self, also: Sequence[Path]) -> Iterator[Pool]:
        """Read the pools below the URL, beside it and here, and those in the folders `also`."""
        above = self.url.parent
        below = [self.url / name for name, listed in self._listed().items() if LEDGER in {each.name for each in listed}]
        beside = [above / name for name in Objects(above).folders()] if self.url.key else []
        pools = [*below, *(each for each in beside if Objects(each).get(LEDGER) is not None)]
        yield from map(read_pool, map(local_pool, pools))
        yield from pools_here(also)

    def closed(self) -> list[Path]:
        """Return nothing: below a URL nothing is seen of what may not be looked into."""
        return []

    def is_pool(self) -> bool:
        """Whether it is no folder of runs, but a pool."""
        return Objects(self.url).get(LEDGER) is not None

    def leftovers(self) -> list[str]:
        """Return the runs whose removal was killed, or goes on, as `runs` found them."""
        return list(self._going)

    def check_free(self, facts: FoundRun) -> None:
        """Raise LockedError while somebody writes a run."""
        url = self.url / facts.path.name
        found = read_writer(Objects(url))
        if found is not None:
            check_free(url, *found, machine_of(folder_for(url, "work")))

    def remove(self, facts: FoundRun) -> None:
        """Remove a run that is still as it was looked at. Raises LockedError while it is written."""
        name = facts.path.name
        with _Removal.begun(self.url / name) as removal:
            if self._look(name, removal.listed(), removing=True) != facts:
                removal.give_up()
                raise RunDirectoryError("it has changed meanwhile", fix="look at it, and run this again")
            removal.finish()

    def remove_leftover(self, name: str) -> None:
        """Go on with a removal that was killed. Raises LockedError while it goes on."""
        with _Removal.begun(self.url / name) as removal:
            removal.finish()

    def _listed(self) -> dict[str, list[Listed]]:
        """Return all objects, by the folder that they are in, with their names there. Raises RunDirectoryError."""
        found: dict[str, list[Listed]] = {}
        for each in Objects(self.url).listed():
            folder, slash, name = each.name.partition("/")
            if is_of_run(folder):
                raise is_run_itself(self.url)
            if slash and not folder.startswith("."):
                found.setdefault(folder, []).append(Listed(name, each.size_bytes, each.changed))
        return found

    def _look(self, name: str, listed: Sequence[Listed], *, removing: bool = False) -> FoundRun | None:
        """Return the facts of a run; None where there is none, or where somebody else is removing it."""
        names = {each.name for each in listed}
        if not names & {MANIFEST, WRITER}:
            return None
        objects, of_run = Objects(self.url / name), [each for each in listed if each.name not in _NOT_OF_RUN]
        facts = FoundRun(
            path=self._folder / name,
            state=State.EMPTY,
            changed_s=max(each.changed.timestamp() for each in of_run or listed),
            size_bytes=sum(each.size_bytes for each in of_run),
            others=tuple(sorted(each for each in names if not is_ours(each) or each.endswith(SIGNATURES))),
        )
        try:
            writer = read_writer(objects)
        except RunDirectoryError as error:
            return replace(facts, state=State.FOREIGN, problem=error.message)
        if writer is not None and writer[0].goes and not removing:
            self._going.append(name)
            return None
        manifest = objects.get(MANIFEST)
        base = None if manifest is None else manifest_id(manifest.data)
        if writer is not None and writer[0].base == base and (manifest is None or _has_more(writer[0], names)):
            return self._unfinished(facts)
        return facts if manifest is None else _sealed(facts, objects, manifest.data)

    def _unfinished(self, facts: FoundRun) -> FoundRun:
        copy = fetch_unfinished(self.url / facts.path.name)
        if copy is None:
            return replace(facts, state=State.UNFINISHED, holds_answers=True)
        found = {name: getattr(look(copy), name) for name in ("manifest", "trials", "statuses", "problem")}
        return replace(facts, state=State.UNFINISHED, holds_answers=True, **found)


def _has_more(writer: RemoteWriter, names: Set[str]) -> bool:
    """Whether a sealed run goes on, and has answers there or on the machine that wrote it last."""
    answers = (f"{writer.folder('journal')}/", f"{writer.folder('batches')}/", f"{SHARDS}/")  # not what others left
    return any(name.startswith(answers) for name in names) or not (writer.released or writer.goes)


def _sealed(facts: FoundRun, objects: Objects, manifest: bytes) -> FoundRun:
    try:
        found = msgspec.json.decode(manifest, type=Manifest)
    except msgspec.DecodeError as error:
        return replace(facts, state=State.SEALED, problem=f"{objects.at(MANIFEST)} cannot be read: {error}")
    return replace(facts, state=State.SEALED, manifest=found, trials=found.trials, statuses=found.statuses)


class _Removal:
    """The removal of all that is ours below the URL of a run, by who holds its lock. Use as a context manager."""

    def __init__(self, objects: Objects, writer: RemoteWriter, version: Version, before: bytes | None) -> None:
        self._objects = objects
        self._writer = writer
        self._version = version
        self._before = before
        self._beat_at = time.monotonic()

    @classmethod
    @contextlib.contextmanager
    def begun(cls, url: RemoteUrl) -> Iterator[Self]:
        """Take the lock of a run, and say in it that the run goes. Raises LockedError while somebody writes it."""
        folder, objects = folder_for(url, "work"), Objects(url)
        with only_user(folder, waits=False) as is_free:
            if not is_free:
                raise LockedError("another process is writing it", fix="wait for it")
            manifest, found = objects.get(MANIFEST), read_writer(objects)
            if found is not None:
                check_free(url, *found, machine_of(folder))
            base = None if manifest is None else manifest_id(manifest.data)
            kept = found[0] if found is not None else RemoteWriter(writer="", machine="", journal="", base=base)
            writer = replace(kept, writer=secrets.token_hex(8), machine=machine_of(folder), released=False, goes=True)
            version = write_writer(objects, writer, Expect.NOTHING if found is None else found[1].version)
            if version is None:
                raise LockedError("another process is writing it", fix="wait for it")
            yield cls(objects, writer, version, None if found is None else found[1].data)

    def listed(self) -> list[Listed]:
        """Return what is below the URL now."""
        return self._objects.listed()

    def give_up(self) -> None:
        """Leave the run as it was."""
        if self._before is None:
            self._objects.delete(WRITER)
        else:
            self._objects.put(WRITER, self._before, expect=self._version)

    def finish(self) -> None:
        """Remove the manifest, then the rest, and the lock at the end. Raises LockedError once another one has it."""
        names = {each.name for each in self.listed() if is_ours(each.name)} - {MANIFEST, WRITER}
        for name in (MANIFEST, *sorted(names), WRITER):
            self._beat()
            self._objects.delete(name)

    def _beat(self) -> None:
        if time.monotonic() - self._beat_at < BEAT_S:
            return
        self._writer = replace(self._writer, beat=self._writer.beat + 1)
        version = write_writer(self._objects, self._writer, self._version)
        if version is None:
            raise LockedError("another process took it over", fix="look at it, and run this again")
        self._version, self._beat_at = version, time.monotonic()
