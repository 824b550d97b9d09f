"""A baseline pool: a folder of accepted run directories, oldest first, with a ledger of who accepted what, and why.

The ledger is a file of JSON lines that only grows, so that a team can keep the folder in git or an artefact store.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError, StorageError
from insideLLMs.core.record_views import UNREADABLE
from insideLLMs.core.repeated_keys import repeated_key
from insideLLMs.core.shell_words import as_typed
from insideLLMs.store.integrity.verification import open_intact
from insideLLMs.store.leaves import resealed
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.same_run import ASKED, asked_at, is_same_run
from insideLLMs.store.sealed_run import (
    LEAVES,
    MANIFEST,
    MARKER,
    OUR_FILES,
    REPORT,
    SIGNATURES,
    TELEMETRY,
    SealedRun,
    State,
    is_regular,
    open_regular,
    read_lines,
    state_of,
)

LEDGER = "ledger.jsonl"
NOISE = "noise.json"
_LEFT_OUT = (REPORT, TELEMETRY, SIGNATURES)
"""What a slim copy does not have: nothing that a comparison reads, but for the growth of latency and cost.

Signatures are of the whole run, with its page and its telemetry.
"""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of the ledger; dates are ISO 8601 days.

    `run` is a folder of the pool, `records_root` the digest of its records. A waiver names an example (of all
    probes, or of `probe`) that the gate leaves out up to and including the day `until`, or for good.
    """

    action: Literal["accept", "waive", "prune"]
    on: str
    by: str = ""
    why: str = ""
    run: str | None = None
    run_id: str | None = None
    records_root: str | None = None
    probe: str | None = None
    example_id: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool as it stands: its run directories, oldest first, and its ledger."""

    path: Path
    runs: tuple[Path, ...]
    ledger: tuple[LedgerEntry, ...]

    @property
    def listed(self) -> frozenset[str]:
        """The names that the ledger has; a run without a line there is one whose acceptance was cut off."""
        return frozenset(entry.run for entry in self.ledger if entry.run is not None)

    def waivers(self, today: str) -> tuple[LedgerEntry, ...]:
        """Return the waivers that hold on the day `today` (ISO 8601); the last word on an example counts."""
        last = {(entry.probe, entry.example_id): entry for entry in self.ledger if entry.action == "waive"}
        return tuple(entry for entry in last.values() if entry.until is None or entry.until >= today)


def read_pool(path: Path) -> Pool:
    """Read a pool. Raises RunDirectoryError if the folder is none."""
    if not path.is_dir():
        raise RunDirectoryError(
            f"{path} is not a folder", fix=f"accept a first run: insidellms baseline accept RUN --pool {as_typed(path)}"
        )
    ledger = tuple(_read_ledger(path / LEDGER))
    order = {entry.run: place for place, entry in enumerate(ledger, start=1) if entry.action == "accept"}
    folders = [folder for folder in path.iterdir() if _is_folder(folder) and not folder.name.startswith(".")]
    found = [folder for folder in folders if state_of(folder) is State.SEALED]
    runs = sorted(found, key=lambda folder: (order.get(folder.name, 0), folder.name))
    return Pool(path=path, runs=tuple(runs), ledger=ledger)


def _read_ledger(path: Path) -> Iterator[LedgerEntry]:
    if not path.exists():
        return
    decode = msgspec.json.Decoder(LedgerEntry).decode
    for number, line in enumerate(read_lines(path), start=1):
        try:
            entry = decode(line)
            key = repeated_key(line)
        except UNREADABLE as error:
            raise RunDirectoryError(
                f"{path}, line {number}: not an entry of a ledger: {error}", fix="remove the line, or fix it"
            ) from error
        if key is not None:
            raise RunDirectoryError(f"{path}, line {number}: has the key {key!r} twice", fix="keep one of them")
        yield entry


def accept(pool: Path, run: Path, *, on: str, by: str, why: str, slim: bool = False) -> Path:
    """Copy a sealed, intact run into the pool and note it. Raises RunDirectoryError for one that is not intact.

    A `slim` copy leaves out the page, which can be made again, and the telemetry; its manifest does not name them.
    """
    SealedRun.open(run).require_whole()
    sealed = open_intact(run)
    known = read_pool(pool) if pool.exists() else None
    for other in known.runs if known else ():
        is_listed = known is not None and other.name in known.listed
        if other.resolve() == run.resolve() or (is_listed and is_same_run(SealedRun.open(other), sealed)):
            raise RunDirectoryError(
                f"{run} is already in the pool, as {other.name}", fix="accept another run: one run counts once"
            )
    manifest = _slim(sealed) if slim else sealed.manifest
    target = _unlisted(known, manifest) or _copy(run, pool, manifest, slim=slim)
    entry = LedgerEntry(
        action="accept", on=on, by=by, why=why, run=target.name, run_id=manifest.run_id,
        records_root=manifest.records_root,
    )  # fmt: skip
    append(pool, entry)
    return target


def _slim(run: SealedRun) -> Manifest:
    """Return the manifest of a slim copy: without the page, and with when the run asked."""
    manifest, asked = run.manifest, asked_at(run)
    files = {name: one for name, one in manifest.files.items() if name != REPORT}
    return replace(manifest, files=files, notes={**manifest.notes, **({ASKED: asked} if asked else {})})


def has_newest(pool: Path, run: SealedRun) -> bool:
    """Whether the newest run of the pool has the same id and records."""
    runs = read_pool(pool).runs if pool.exists() else ()
    newest = SealedRun.open(runs[-1]).manifest if runs else None
    return newest is not None and (newest.run_id, newest.records_root) == (
        run.manifest.run_id,
        run.manifest.records_root,
    )


def _unlisted(known: Pool | None, manifest: Manifest) -> Path | None:
    """Return the copy of this run that a killed `accept` left without its line in the ledger."""
    found = (path for path in known.runs if path.name not in known.listed) if known else ()
    return next((path for path in found if SealedRun.open(path).manifest == manifest), None)


def _copy(run: Path, pool: Path, manifest: Manifest, *, slim: bool) -> Path:
    """Copy a run under a name that no reader looks at, and give it its own once it is whole."""
    name = run.resolve().name
    draft = pool / f".{name}.partial"
    try:
        _remove(draft)  # of an `accept` that was killed
        draft.mkdir(parents=True)
        for file in (*OUR_FILES, MARKER):
            if is_regular(run / file) and not (slim and file in _LEFT_OUT):
                with (draft / file).open("xb") as copy:
                    copy.writelines(_content(run / file, canonical.pretty(manifest) if slim else None))
                    copy.flush()
                    os.fsync(copy.fileno())
        target = _free_name(pool, name)
        return draft.rename(target)
    except OSError as error:
        raise StorageError(
            f"cannot copy {run} into {pool}: {error.strerror}", fix="check the pool's folder, and accept the run again"
        ) from error


def _content(file: Path, slim_manifest: bytes | None) -> Iterator[bytes]:
    """Yield what a copy has of a file; of a slim one, the manifest is another, and so the seal of the leaves."""
    if slim_manifest is not None and file.name == MANIFEST:
        yield slim_manifest
    elif slim_manifest is not None and file.name == LEAVES:
        yield from resealed(file, slim_manifest, has_telemetry=False)
    else:
        with open_regular(file) as stored:
            yield from stored


def _remove(folder: Path) -> None:
    """Remove a folder of ours, if it is there; other files in it stay, and keep it."""
    if _is_folder(folder):
        for name in (*OUR_FILES, MARKER):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def append(pool: Path, entry: LedgerEntry) -> None:
    """Add a line to the ledger."""
    try:
        pool.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(pool / LEDGER, flags, 0o644), "ab") as file:
            file.write(canonical.line(entry) + b"\n")
    except OSError as error:
        raise StorageError(f"cannot write {pool / LEDGER}: {error.strerror}", fix="check the pool's folder") from error


def prune(pool: Pool, *, keep: int, on: str) -> tuple[Path, ...]:
    """Remove all but the newest `keep` runs, and note it; only files of ours are deleted. Returns what is gone."""
    gone = pool.runs[: max(0, len(pool.runs) - keep)]
    for run in gone:
        try:
            _remove(run)
        except OSError as error:
            raise StorageError(
                f"cannot remove {run}: {error.strerror}", fix="it may contain other files; move them"
            ) from error
        append(pool.path, LedgerEntry(action="prune", on=on, run=run.name))
    return gone


def _free_name(pool: Path, name: str) -> Path:
    path, number = pool / name, 1
    while path.exists():
        number += 1
        path = pool / f"{name}-{number}"
    return path
