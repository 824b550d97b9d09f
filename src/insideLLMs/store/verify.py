"""Is a run directory what it says it is? Every digest, every record, their order and their counts."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.types import Record, ResultStatus
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.sealed_run import RECORDS, SealedRun, read_lines

_MOST_PROBLEMS = 20
_decode = msgspec.json.Decoder(Record).decode


@dataclass(slots=True)
class Verification:
    """What was checked and what is wrong; `problems` has at most 20 of them."""

    run_id: str
    records: int = 0
    files: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def complain(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


def verify(path: Path) -> Verification:
    """Check a sealed run directory. Raises RunDirectoryError if it is not one."""
    manifest = SealedRun.open(path).manifest
    found = Verification(run_id=manifest.run_id)
    _check_files(path, manifest, found)
    if (path / RECORDS).is_file():
        _check_records(path / RECORDS, manifest, found)
    return found


def _check_files(path: Path, manifest: Manifest, found: Verification) -> None:
    for name, expected in manifest.files.items():
        found.files += 1
        if Path(name).name != name or not (path / name).is_file():
            found.complain(f"{name} is missing")
            continue
        with (path / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != expected.sha256:
            found.complain(f"{name} has sha256 {digest[:12]}..., the manifest says {expected.sha256[:12]}...")


def _check_records(path: Path, manifest: Manifest, found: Verification) -> None:
    statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
    tree = canonical.MerkleTree()
    previous: tuple[str, str, str, str, int] | None = None
    for number, line in enumerate(read_lines(path), start=1):
        found.records += 1
        tree.add(line)
        try:
            record = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            found.complain(f"{path.name}, line {number}: {error}")
            continue
        statuses[record.status] += 1
        if previous is not None and record.sort_key <= previous:
            found.complain(f"{path.name}, line {number}: out of order or double")
        previous = record.sort_key
        if canonical.line(record) != line:
            found.complain(f"{path.name}, line {number}: not in canonical form")
    if statuses != manifest.statuses or found.records != manifest.trials:
        found.complain(f"{path.name} holds {found.records} records {statuses}, the manifest says {manifest.statuses}")
    if tree.root() != manifest.records_root:
        found.complain(f"{path.name} does not have the manifest's Merkle root")
