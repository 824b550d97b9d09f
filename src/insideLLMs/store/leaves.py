"""`leaves.jsonl`: the leaf hash and the name of each record, so that a change of the records can be named.

No canonical file: all of it follows from the other files, and its hashes must give the manifest's Merkle root. Its last
line holds the digests of the lines above, of the manifest, and of what no other digest covers: how records were packed.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.merkle import MerkleTree, read_hash
from insideLLMs.core.record_views import UNREADABLE, OfTrial
from insideLLMs.store.sealed_run import read_lines, stored_lines


class Leaf(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A line of `leaves.jsonl`: the hex leaf hash of a record, and what names its Trial."""

    hash: str
    probe: str
    dataset: str
    example_id: str
    model: str
    prompt: str | None
    repeat: int

    @classmethod
    def of(cls, leaf_hash: bytes, trial: OfTrial) -> Self:
        """Name the Trial of a record with that hash."""
        return cls(
            leaf_hash.hex(), trial.probe, trial.dataset, trial.example_id, trial.model, trial.prompt, trial.repeat
        )


class LeavesSeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line: the digests of the lines above it and of the manifest, and whether the run has telemetry.

    `packed_sha256` is of the compressed records as they are stored, of a run that was sealed with such.
    """

    sha256: str
    manifest_sha256: str
    telemetry: bool
    packed_sha256: str | msgspec.UnsetType = msgspec.UNSET
    format: Literal["insidellms/leaves/1"] = "insidellms/leaves/1"


leaf_line = msgspec.json.Encoder().encode
_read_leaf = msgspec.json.Decoder(Leaf).decode
_read_seal = msgspec.json.Decoder(LeavesSeal).decode


def seal_line(
    lines_sha256: str, manifest: bytes, *, has_telemetry: bool, packed_sha256: str | msgspec.UnsetType
) -> bytes:
    """Return the last line, without a newline, for a run whose `manifest.json` has these bytes."""
    return canonical.line(
        LeavesSeal(
            sha256=lines_sha256,
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            telemetry=has_telemetry,
            packed_sha256=packed_sha256,
        )
    )


class LeavesFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `leaves.jsonl` is found to be; `seal` is None where its last line does not fit the others."""

    path: Path
    root: str
    seal: LeavesSeal | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file once. Raises RunDirectoryError if it cannot be read."""
        digest, tree, seal = hashlib.sha256(), MerkleTree(), None
        for line in stored_lines(path):
            seal = _seal(line, digest)
            if seal is None:
                digest.update(line)
                if leaf := _leaf(line):
                    tree.add_hash(bytes.fromhex(leaf.hash))
        return cls(path=path, root=tree.root(), seal=seal)

    def lines(self) -> Iterator[Leaf | None]:
        """Yield the leaves; None for a line that is none."""
        for line in read_lines(self.path):
            if not line.startswith(b"{"):
                yield _leaf(line)


def resealed(path: Path, manifest: bytes, *, has_telemetry: bool) -> Iterator[bytes]:
    """Yield the lines of the file for a copy with another manifest. Raises RunDirectoryError if it cannot be read."""
    digest = hashlib.sha256()
    packed: str | msgspec.UnsetType = msgspec.UNSET
    for line in stored_lines(path):
        if seal := _seal(line, digest):
            packed = seal.packed_sha256
        else:
            digest.update(line)
            yield line
    yield seal_line(digest.hexdigest(), manifest, has_telemetry=has_telemetry, packed_sha256=packed) + b"\n"


def _leaf(line: bytes) -> Leaf | None:
    try:
        leaf = _read_leaf(line)
        read_hash(leaf.hash)
        return leaf
    except (*UNREADABLE, ValueError):
        return None


def _seal(line: bytes, lines_above: "hashlib._Hash") -> LeavesSeal | None:
    if not line.startswith(b"{"):
        return None
    try:
        seal = _read_seal(line)
    except UNREADABLE:
        return None
    return seal if seal.sha256 == lines_above.hexdigest() and canonical.line(seal) + b"\n" == line else None
