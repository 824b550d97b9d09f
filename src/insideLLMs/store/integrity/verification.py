"""Checks a sealed run directory against its manifest, and names what is not as it was sealed."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import UNSET

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, RunDirectoryError
from insideLLMs.core.merkle import MerkleTree, leaf_hash
from insideLLMs.core.record_views import RecordIdentity, TelemetryLine, TrialOrder, read_record, trial_order
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.steps import counted
from insideLLMs.core.types import Record, ResultStatus
from insideLLMs.store.integrity.line_changes import ChangedLine, LineKey, SealedTrial, changed_lines
from insideLLMs.store.leaves import Leaf, LeavesFile, LeavesSeal
from insideLLMs.store.manifest import FileDigest, Manifest
from insideLLMs.store.sealed_run import (
    CONFIG,
    LEAVES,
    MANIFEST,
    MARKER,
    MARKER_TEXT,
    OUR_FILES,
    PACKED_RECORDS,
    RECORDS,
    SUMMARY,
    TELEMETRY,
    SealedRun,
    content_path,
    is_regular,
    open_regular,
    read_lines,
    reading,
    stored_lines,
)
from insideLLMs.store.telemetry_line import has_checksum

_MOST_PROBLEMS = 20
_MOST_OTHERS = 5
_ROOM_BYTES = 1024 * 1024
"""Compressed records may unpack to so much more than twice what was sealed, so that what was added can be named."""
_OF_EVERY_RUN = (RECORDS, SUMMARY, CONFIG)
_BLOCK_BYTES = 256 * 1024


@dataclass(slots=True)
class Verification:
    """What was checked and what is wrong.

    `problems` has at most 20, of which `changes` are those of single lines. `notes` say what could not be checked.
    """

    run_id: str
    records: int = 0
    files: int = 0
    problems: list[str] = field(default_factory=list)
    changes: list[ChangedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def complain(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)

    def name(self, changes: list[ChangedLine]) -> None:
        """Note lines that were changed."""
        room = _MOST_PROBLEMS - len(self.problems)
        shown = changes if len(changes) <= room else changes[: max(0, room - 1)]
        self.changes += shown
        self.problems += [str(change) for change in shown]
        if len(shown) < len(changes):
            self.complain(f"{changes[0].file}: more lines than these are not as they were sealed")


def open_intact(path: Path) -> SealedRun:
    """Open a run that is as it was sealed. Raises RunDirectoryError naming what is not: a record if it is one."""
    found = verify(path)
    for wrong in (*found.changes, *found.problems):
        raise RunDirectoryError(
            f"{path} is not intact: {wrong}", fix=f"see everything that is wrong: insidellms verify {as_typed(path)}"
        )
    return SealedRun.open(path)


def verify(path: Path) -> Verification:
    """Check a sealed run directory. Raises RunDirectoryError if it is not one."""
    manifest = SealedRun.open(path).manifest
    found = Verification(run_id=manifest.run_id)
    with open_regular(path / MARKER) as marker:
        if marker.read(len(MARKER_TEXT) + 1) != MARKER_TEXT:
            found.complain(f"{MARKER} is not as it was written")
    _check_manifest(path, manifest, found)
    intact = _check_files(path, manifest, found)
    records = content_path(path, RECORDS) if RECORDS in intact else None
    if not os.path.lexists(path / LEAVES):
        found.notes.append(f"without {LEAVES}, as of a run of an earlier version, no changed line can be named")
    elif not is_regular(path / LEAVES):
        found.complain(f"{LEAVES} is not a regular file")
    else:
        leaves = LeavesFile.read(path / LEAVES)
        _check_leaves(path, leaves, found)
        if records == path / PACKED_RECORDS and intact[RECORDS] and leaves.seal is not None:
            _check_packing(records, leaves.seal, found)
        _name_changes(records, leaves, manifest, found, is_intact=intact.get(RECORDS, False))
    if records is not None:
        _check_records(records, manifest, found)
    _note_others(path, records, found)
    return found


def _note_others(path: Path, records: Path | None, found: Verification) -> None:
    """Name what is in the folder and no part of the run: nothing vouches for it."""
    known = {MARKER, *OUR_FILES} - ({PACKED_RECORDS} if records == path / RECORDS else set())
    others = sorted({entry.name for entry in path.iterdir()} - known)
    if others:
        more = f" and {len(others) - _MOST_OTHERS:,} more" if len(others) > _MOST_OTHERS else ""
        found.notes.append(f"not part of the run: {', '.join(map(repr, others[:_MOST_OTHERS]))}{more}")


def _check_manifest(path: Path, manifest: Manifest, found: Verification) -> None:
    """Check that the manifest means one thing, and covers what every run has."""
    with open_regular(path / MANIFEST) as file:
        data = file.read()
    try:
        is_canonical = canonical.pretty(msgspec.json.decode(data)) == data
    except CanonicalError:
        is_canonical = False
    if not is_canonical:
        found.complain(f"{MANIFEST} is not in canonical form")
    for name in _OF_EVERY_RUN:
        if name not in manifest.files:
            found.complain(f"{name} is not in {MANIFEST}, which has the digest of every canonical file")


def _check_files(path: Path, manifest: Manifest, found: Verification) -> dict[str, bool]:
    """Say of each file that can be read whether it is as it was sealed."""
    intact = {}
    for name, expected in manifest.files.items():
        found.files += 1
        content = content_path(path, name)
        if Path(name).name != name or not os.path.lexists(content):
            found.complain(f"{name} is missing")
            continue
        if not is_regular(content):
            found.complain(f"{content.name} is not a regular file")
            continue
        try:
            stored = _digest(content, _ROOM_BYTES + 2 * expected.size_bytes)
        except RunDirectoryError as error:
            found.complain(error.message)
            continue
        intact[name] = stored == expected
        if stored.sha256 != expected.sha256:
            found.complain(f"{name} has sha256 {stored.sha256[:12]}..., the manifest says {expected.sha256[:12]}...")
        elif not intact[name]:
            found.complain(f"{name} has {stored.size_bytes:,} bytes, the manifest says {expected.size_bytes:,}")
    return intact


def _digest(path: Path, most_bytes: int | None = None) -> FileDigest:
    digest, size_bytes = hashlib.sha256(), 0
    with reading(path, most_bytes) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return FileDigest(sha256=digest.hexdigest(), size_bytes=size_bytes)


def _check_leaves(path: Path, leaves: LeavesFile, found: Verification) -> None:
    """Check what only the last line of `leaves.jsonl` says: of itself, the manifest, and telemetry."""
    if leaves.seal is None:
        found.complain(f"{LEAVES} is not as it was sealed: its last line does not fit the others")
        return
    if leaves.seal.manifest_sha256 != _digest(path / MANIFEST).sha256:
        found.complain(f"{MANIFEST} is not the one that was sealed: {LEAVES} has another digest of it")
    if os.path.lexists(path / TELEMETRY) and not is_regular(path / TELEMETRY):
        found.complain(f"{TELEMETRY} is not a regular file")
    elif leaves.seal.telemetry and not is_regular(path / TELEMETRY):
        found.notes.append(f"{TELEMETRY}, which it was sealed with, is missing")
    elif leaves.seal.telemetry:
        found.name(changed_lines(TELEMETRY, lambda: _trials(leaves), _telemetry(path / TELEMETRY)))
    elif is_regular(path / TELEMETRY):
        found.complain(f"{TELEMETRY} is not of this run: it was sealed without")


def _check_packing(records: Path, seal: LeavesSeal, found: Verification) -> None:
    """Check how records are compressed: many files unpack to the same records, and some hold more than these."""
    if seal.packed_sha256 is UNSET:
        found.notes.append(
            f"{records.name} was compressed by an earlier version or by hand: only its content is checked"
        )
        return
    with open_regular(records) as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    if digest != seal.packed_sha256:
        found.complain(f"{records.name} is not the file that was sealed: it has sha256 {digest[:12]}...")


def _name_changes(
    records: Path | None, leaves: LeavesFile, manifest: Manifest, found: Verification, *, is_intact: bool
) -> None:
    """Name the lines in which records and leaves differ, and blame the one of both files that was changed."""
    fits = leaves.root == manifest.records_root
    if records is not None and is_intact:
        if leaves.seal is None or not fits:
            found.name(changed_lines(LEAVES, lambda: _keyed(_leaves_of(records)), _keyed(leaves.lines())))
    elif leaves.seal is None and not fits:
        found.complain(f"{LEAVES} does not have the manifest's Merkle root: it cannot tell which record was changed")
    elif records is None:
        _name_first_unread(leaves, manifest, found)
    elif records is not None:
        sealed = lambda: (LineKey(leaf and leaf.hash, leaf) for leaf in leaves.lines())  # noqa: E731 - one pass of two
        found.name(changed_lines(RECORDS, sealed, _records(records)))


def _name_first_unread(leaves: LeavesFile, manifest: Manifest, found: Verification) -> None:
    """Name the first record that was not read: of compressed ones, what is damaged may be up to a block behind it."""
    records = content_path(leaves.path.parent, RECORDS)
    if not is_regular(records):
        return
    count = 0
    with contextlib.suppress(RunDirectoryError), reading(records) as file:
        for _ in islice(file, manifest.trials):
            count += 1
    leaf = next(islice(leaves.lines(), count, None), None)
    if leaf:
        found.complain(f"{records.name}: damaged in record {count + 1} or after it: {SealedTrial.of(leaf)}")


def _keyed(leaves: Iterator[Leaf | None]) -> Iterator[LineKey]:
    return (LineKey(leaf, leaf) for leaf in leaves)


def _leaves_of(records: Path) -> Iterator[Leaf]:
    for line in read_lines(records):
        yield Leaf.of(leaf_hash(line), read_record(line, RecordIdentity))


def _trials(leaves: LeavesFile) -> Iterator[LineKey]:
    return (LineKey(trial_order(leaf), leaf) for leaf in leaves.lines() if leaf)


def _records(path: Path) -> Iterator[LineKey]:
    """Yield what tells each record; one that has no line end is not a record as it was sealed."""
    for number, line in enumerate(stored_lines(path)):
        key = leaf_hash(line[:-1]).hex() if line.endswith(b"\n") else number
        yield LineKey(key, _readable(line, RecordIdentity))


def _telemetry(path: Path) -> Iterator[LineKey]:
    for number, line in enumerate(stored_lines(path)):
        trial = _readable(line, TelemetryLine)
        is_whole = trial is not None and line.endswith(b"\n") and has_checksum(line[:-1])
        yield LineKey(trial_order(trial) if trial and is_whole else number, trial)


def _readable(line: bytes, kind: type[RecordIdentity] | type[TelemetryLine]) -> RecordIdentity | TelemetryLine | None:
    try:
        return read_record(line, kind)
    except RunDirectoryError:
        return None


def _check_records(path: Path, manifest: Manifest, found: Verification) -> None:
    statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
    tree = MerkleTree()
    previous: TrialOrder | None = None
    name = path.name
    for number, line in enumerate(counted(read_lines(path), "verifying", manifest.trials), start=1):
        found.records += 1
        tree.add(line)
        try:
            record = read_record(line, Record, where=f"{name}, line {number}")
        except RunDirectoryError as error:
            found.complain(error.message)
            continue
        statuses[record.status] += 1
        place = record.sort_key
        if previous is not None and place <= previous:
            found.complain(f"{name}, line {number}: out of order or duplicated")
        previous = place
        if canonical.line(record) != line:
            found.complain(f"{name}, line {number}: not in canonical form")
    if statuses != manifest.statuses or found.records != manifest.trials:
        found.complain(f"{name} holds {found.records} records {statuses}, the manifest says {manifest.statuses}")
    if tree.root() != manifest.records_root:
        found.complain(f"{name} does not have the manifest's Merkle root")
