"""A proof: some records of a run with their paths in its Merkle tree, to be checked where the run is not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from insideLLMs.core.errors import InsideLLMsError, NothingToDoError, RunDirectoryError
from insideLLMs.core.merkle import LeafHashes, MerkleTree, leaf_hash, read_hash, root_of_path
from insideLLMs.core.record_views import UNREADABLE, RecordIdentity, read_record
from insideLLMs.core.types import JsonValue
from insideLLMs.store.integrity.line_changes import SealedTrial
from insideLLMs.store.integrity.signatures import (
    SIGN_AGAIN,
    SignedRun,
    decode_envelope,
    has_signed,
    refuse_repeated,
    statement_in,
)
from insideLLMs.store.sealed_run import RECORDS, SIGNATURES, SealedRun, is_regular, open_regular, read_lines

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

_LONGEST_PATH = 64


class ProvenRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record as its line is stored, its number from 0 among the records, and its audit path (RFC 6962, 2.1.1)."""

    index: int
    record: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        """Name its Trial and how that ended. Raises RunDirectoryError."""
        identity = read_record(self.record.encode(), RecordIdentity, where=f"record {self.index} of the proof")
        return f"{SealedTrial.of(identity)}: {identity.status!r}"


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `prove` writes; `signatures` is the run's DSSE envelope, None where it was not signed."""

    run_id: str
    trials: int
    records_root: str
    records: tuple[ProvenRecord, ...]
    signatures: JsonValue = None
    format: Literal["insidellms/proof/1"] = "insidellms/proof/1"

    @classmethod
    def of(cls, run: SealedRun, example_id: str | None) -> Self:
        """Prove all records of an example, or none: what is left says whose records a redacted export is made of.

        Raises NothingToDoError where the run has no such record, RunDirectoryError where it is not as it was sealed.
        """
        found = [] if example_id is None else list(_records_of(run, example_id))
        if not found and example_id is not None:
            raise NothingToDoError(
                f"{run.path} has no record of example {example_id!r}",
                fix="give the id of an example as records.jsonl has it",
            )
        hashes = LeafHashes(run.lines())
        manifest = run.manifest
        return cls(
            run_id=manifest.run_id,
            trials=manifest.trials,
            records_root=manifest.records_root,
            records=tuple(
                ProvenRecord(index=index, record=line.decode(), path=tuple(hashes.path(index))) for index, line in found
            ),
            signatures=_signatures(run),
        )

    def problems(self) -> Iterator[str]:
        """Yield what keeps the records from being those of the tree with `records_root`."""
        times = Counter(one.index for one in self.records)
        yield from (f"record {index} is given {count} times" for index, count in times.items() if count > 1)
        for one in self.records:
            try:
                is_long = len(one.path) > _LONGEST_PATH
                root = None if is_long else root_of_path(one.record.encode(), one.index, self.trials, one.path)
            except ValueError:
                root = None
            if root != self.records_root:
                yield f"record {one.index} is not of the run: it does not lead to the root {self.records_root[:12]}"


def _records_of(run: SealedRun, example_id: str) -> Iterator[tuple[int, bytes]]:
    for index, line in enumerate(run.lines()):
        where = f"{run.path / RECORDS}, line {index + 1}"
        if read_record(line, RecordIdentity, where=where).example_id == example_id:
            yield index, line


def _signatures(run: SealedRun) -> JsonValue:
    if not is_regular(run.path / SIGNATURES):
        return None
    try:
        with open_regular(run.path / SIGNATURES) as file:
            return msgspec.json.decode(file.read())
    except (OSError, *UNREADABLE) as error:
        raise RunDirectoryError(f"{run.path / SIGNATURES} cannot be read: {error}", fix=SIGN_AGAIN) from error


@dataclass(frozen=True, slots=True)
class RedactedTable:
    """How many lines an export has, how many of them are not the records' own, and the root of what they came from."""

    lines: int
    redacted: int
    root: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `export --redact --format jsonl` wrote. Raises InsideLLMsError if the file is something else."""
        tree, lines, redacted = MerkleTree(), 0, 0
        for line in read_lines(path):
            lines += 1
            origin = _origin(line, f"{path}, line {lines}")
            redacted += origin is not None
            tree.add_hash(leaf_hash(line) if origin is None else origin)
        return cls(lines=lines, redacted=redacted, root=tree.root())


class _Redacted(msgspec.Struct, frozen=True):
    redacted_from: str | None = None


def _origin(line: bytes, where: str) -> bytes | None:
    try:
        digest = read_record(line, _Redacted, where=where).redacted_from
        return None if digest is None else read_hash(digest)
    except (RunDirectoryError, ValueError) as error:
        raise InsideLLMsError(
            f"{where} is not a line of an export", fix="give the file of: insidellms export RUN --redact --format jsonl"
        ) from error


def read_proof(path: Path) -> Proof:
    """Read a proof. Raises InsideLLMsError if the file is none."""
    try:
        data = path.read_bytes()
        proof = msgspec.json.decode(data, type=Proof)
        refuse_repeated(data)
    except (OSError, ValueError, *UNREADABLE) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise InsideLLMsError(
            f"{path} is not a proof: {told}", fix="give the file that `insidellms prove` wrote"
        ) from error
    return proof


def signer_problems(proof: Proof, key: "SSlibKey", name: str) -> Iterator[str]:
    """Yield what keeps the tree of the proof from being that of a run which the key signed."""
    if proof.signatures is None:
        yield "the run was not signed when the proof was made"
        return
    try:
        envelope = decode_envelope(msgspec.json.encode(proof.signatures))
        said = statement_in(envelope).predicate
    except ValueError as error:
        yield f"its signatures cannot be read: {error}"
        return
    if not has_signed(envelope, key):
        yield f"it has no valid signature of {name}"
    if said != SignedRun(run_id=proof.run_id, trials=proof.trials, records_root=proof.records_root):
        yield "what was signed is another run"
