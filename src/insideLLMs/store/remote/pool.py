"""A baseline pool at a URL: its ledger says which runs it has, and grows only where nobody came between.

Commands work on a copy; what they add to the ledger, and the runs that it names, go up when they end well.
"""

import contextlib
import hashlib
import logging
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError, StorageError
from insideLLMs.remote.copies import folder_for, link_folder, named, only_user
from insideLLMs.remote.objects import Expect, Objects
from insideLLMs.remote.url import RemoteUrl, parse_place
from insideLLMs.store.pool import LEDGER, NOISE, LedgerEntry
from insideLLMs.store.remote.run import fetch_run, publish_run, remove_published
from insideLLMs.store.sealed_run import MANIFEST

logger = logging.getLogger(__name__)
_MOST_TRIES = 10


def local_pool(place: str | Path | RemoteUrl) -> Path:
    """Return the pool at a path or a URL as a folder of this machine, to be read. Raises RemoteError."""
    found = place if isinstance(place, RemoteUrl) else parse_place(str(place))
    return found if isinstance(found, Path) else _fetch(found)


def local_baseline(url: RemoteUrl) -> Path:
    """Return the run, or the pool, at a URL as a folder of this machine. Raises RemoteError."""
    return fetch_run(url) or _fetch(url)


@contextlib.contextmanager
def writing_pool(place: Path | RemoteUrl) -> Iterator[Path]:
    """Yield the pool's folder; of one at a URL a copy, of which the block's additions go up when it ends well."""
    if isinstance(place, Path):
        yield place
        return
    before = _fetch(place)
    work = before.parent.parent / f"work-{secrets.token_hex(8)}" / place.name
    try:
        work.parent.mkdir()
        if before.exists():
            link_folder(before, work, changing=(LEDGER, NOISE))
        yield named(work, place)
        _publish(Objects(place), before, work)
    except OSError as error:
        raise _unwritable(place, error) from error
    finally:
        shutil.rmtree(work.parent, ignore_errors=True)


def _fetch(url: RemoteUrl) -> Path:
    """Return a copy of a pool; of one without a ledger a folder that is not there."""
    objects = Objects(url)
    for _ in range(_MOST_TRIES):
        ledger = objects.get(LEDGER)
        noise = objects.get(NOISE)
        if ledger is None and noise is None:
            return named(folder_for(url, "pools") / "none" / url.name, url)
        lines = b"" if ledger is None else ledger.data
        runs = {name: fetch_run(url / name) for name in _accepted(url, lines)}
        missing = [name for name, copy in runs.items() if copy is None]
        if not missing:
            files = {LEDGER: lines} | ({NOISE: noise.data} if noise is not None else {})
            return named(_snapshot(url, files, {name: copy for name, copy in runs.items() if copy}), url)
        again = objects.get(LEDGER)
        if again is not None and again.data == lines:
            break  # it was not pruned while it was read
    raise RunDirectoryError(
        f"the ledger of {url} names the run {missing[0]}, which is not there",
        fix=f"restore it, or note that it is gone: a line of {LEDGER} with the action prune",
    )


def _accepted(url: RemoteUrl, ledger: bytes) -> list[str]:
    """Return the runs that a ledger says the pool has."""
    runs: dict[str, None] = {}
    for entry in _entries(url, ledger):
        if entry.run is None or entry.action == "waive":
            continue
        if Path(entry.run).name != entry.run or entry.run.startswith("."):
            raise RunDirectoryError(f"the ledger of {url} names the run {entry.run!r}", fix="a run is one folder there")
        runs.pop(entry.run, None)
        if entry.action == "accept":
            runs[entry.run] = None
    return list(runs)


def _entries(url: RemoteUrl, lines: bytes) -> list[LedgerEntry]:
    try:
        return [msgspec.json.decode(line, type=LedgerEntry) for line in lines.splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise RunDirectoryError(
            f"{url / LEDGER} has a line that is not an entry: {error}", fix="fix that line"
        ) from error


def _snapshot(url: RemoteUrl, files: dict[str, bytes], runs: dict[str, Path]) -> Path:
    """Return a folder with these files and runs, made once and never changed."""
    contents = [*(f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in files.items())]
    contents += [f"{name} {copy.parent.name}" for name, copy in runs.items()]
    folder = folder_for(url, "pools")
    whole = folder / hashlib.sha256("\n".join(contents).encode()).hexdigest()[:24]
    try:
        with only_user(folder):
            if not whole.exists():
                draft = folder / f"draft-{secrets.token_hex(8)}"
                (draft / url.name).mkdir(parents=True)
                for name, data in files.items():
                    (draft / url.name / name).write_bytes(data)
                for name, copy in runs.items():
                    link_folder(copy, draft / url.name / name)
                draft.rename(whole)
    except OSError as error:
        raise _unwritable(url, error) from error
    return whole / url.name


def _publish(objects: Objects, before: Path, work: Path) -> None:
    """Upload what the copy has more: runs first, then the lines that name them; pruned runs go last."""
    known = _bytes(before / LEDGER)
    entries = _entries(objects.url, _bytes(work / LEDGER)[len(known) :])
    entries = [_publish_run(objects.url, work, entry) if entry.action == "accept" else entry for entry in entries]
    lines = b"".join(canonical.line(entry) + b"\n" for entry in entries)
    if lines:
        objects.change(LEDGER, lambda there: _ended(there or b"") + lines)
    if (noise := _bytes(work / NOISE)) != _bytes(before / NOISE):
        objects.put(NOISE, noise)
    for entry in entries:
        if entry.action == "prune" and entry.run is not None:
            _remove_run(objects.url / entry.run)


def _publish_run(pool: RemoteUrl, work: Path, entry: LedgerEntry) -> LedgerEntry:
    """Upload an accepted run under the first name that is free at the URL; return its entry with that name."""
    assert entry.run is not None
    name, number = entry.run, 1
    while not publish_run(work / entry.run, pool / name, expect=Expect.NOTHING):
        number += 1
        name = f"{entry.run}-{number}"
    if name != entry.run:
        logger.warning("%s was taken meanwhile: the run is stored as %s", entry.run, name)
    return msgspec.structs.replace(entry, run=name)


def _remove_run(url: RemoteUrl) -> None:
    manifest = Objects(url).get(MANIFEST)
    if manifest is not None:
        Objects(url).delete(MANIFEST)
        remove_published(url, manifest.data)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _ended(lines: bytes) -> bytes:
    return lines if not lines or lines.endswith(b"\n") else lines + b"\n"


def _unwritable(url: RemoteUrl, error: OSError) -> StorageError:
    return StorageError(f"cannot keep a copy of {url}: {error.strerror or error}", fix="check the disk's free space")
