"""`signatures.dsse.json`: who vouches for a sealed run, as a DSSE envelope of an in-toto Statement (v1).

The Statement names every file of the run with its SHA-256, and holds no path, clock or host: signing again, with
another key, adds a signature to the same envelope.
"""

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError, StorageError
from insideLLMs.core.record_views import UNREADABLE
from insideLLMs.core.repeated_keys import first_repeated, repeated_key
from insideLLMs.store.held_folder import HeldFolder, only_writer
from insideLLMs.store.sealed_run import (
    BATCHES,
    JOURNAL,
    MARKER,
    OUR_FILES,
    PACKED_RECORDS,
    SIGNATURES,
    SealedRun,
    content_path,
    is_regular,
    open_regular,
    reading,
)

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_SIGNED_FILES = (MARKER, *(name for name in OUR_FILES if name not in {JOURNAL, BATCHES, SIGNATURES, PACKED_RECORDS}))
_URL_SAFE = str.maketrans("-_", "+/")
"""A DSSE envelope may use either alphabet."""
_BLOCK_BYTES = 256 * 1024
_LONGEST_ENVELOPE = 1024 * 1024
SIGN_AGAIN = "nobody can check it: remove it, and sign the run again: insidellms sign RUN --key KEY"


class _StoredSignature(msgspec.Struct, frozen=True):
    sig: str
    keyid: str = ""


class _StoredEnvelope(msgspec.Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: tuple[_StoredSignature, ...]


class SignedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A subject of the Statement: a file of the run and its digest."""

    name: str
    digest: dict[str, str]


class SignedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What the Statement says of the run beside its files: enough to check a proof without them."""

    run_id: str
    trials: int
    records_root: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An in-toto Statement (v1) over a run."""

    subject: tuple[SignedFile, ...]
    predicate: SignedRun
    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    predicate_type: Literal["urn:insidellms:run:v1"] = msgspec.field(name="predicateType")

    @classmethod
    def of(cls, run: SealedRun) -> Self:
        """State what a run is now. Raises OSError, and RunDirectoryError for a file that cannot be read."""
        manifest = run.manifest
        said = SignedRun(run_id=manifest.run_id, trials=manifest.trials, records_root=manifest.records_root)
        present = sorted(name for name in _SIGNED_FILES if is_regular(content_path(run.path, name)))
        return cls(
            type="https://in-toto.io/Statement/v1",
            subject=tuple(_signed_file(run, name) for name in present),
            predicate_type="urn:insidellms:run:v1",
            predicate=said,
        )

    def differences(self, signed: "Statement") -> list[str]:
        """Say which files are not those that were signed."""
        now, then = ({file.name: file.digest for file in each.subject} for each in (self, signed))
        differ = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        if self.predicate != signed.predicate:
            return [
                f"{SIGNATURES} is of another run: {signed.predicate.run_id[:12]}, {signed.predicate.trials} records"
            ]
        return [f"{name} {_how(name, now, then)}" for name in differ]


def _how(name: str, now: dict[str, dict[str, str]], then: dict[str, dict[str, str]]) -> str:
    if name not in then:
        return "was not there when the run was signed"
    return "is not the file that was signed" if name in now else "is missing, and was signed"


def _signed_file(run: SealedRun, name: str) -> SignedFile:
    """Return a file's digest: of compressed records, that of what they unpack to, as everywhere."""
    sealed, digest = run.manifest.files.get(name), hashlib.sha256()
    with reading(content_path(run.path, name), sealed.size_bytes if sealed is not None else 0) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return SignedFile(name=name, digest={"sha256": digest.hexdigest()})


def sign(run: SealedRun, signer: "CryptoSigner") -> int:
    """Add a signature to the run, and return how many it has; those of another state of the run are dropped.

    Raises StorageError where it cannot be written, and RunDirectoryError where what is there cannot be read.
    """
    try:
        with only_writer(run.path):
            path = run.path / SIGNATURES
            envelope = signed(run, signer, read_envelope(path) if is_regular(path) else None)
            _write(run.path, canonical.pretty(envelope.to_dict()))
    except OSError as error:
        raise StorageError(
            f"cannot write in {run.path}: {error.strerror}",
            fix="check the folder's permissions and the disk's free space",
        ) from error
    return len(envelope.signatures)


def signed(run: SealedRun, signer: "CryptoSigner", before: "Envelope | None") -> "Envelope":
    """Return the envelope with a signature more; one of another state of the run begins again. Raises OSError."""
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - an extra

    payload = canonical.line(Statement.of(run))
    if before is None or (before.payload, before.payload_type) != (payload, PAYLOAD_TYPE):
        before = Envelope(payload, PAYLOAD_TYPE, {})
    before.sign(signer)
    return before


def _write(path: Path, data: bytes) -> None:
    folder, draft = HeldFolder(path), f"{SIGNATURES}.tmp"
    try:
        with folder.create(draft) as file:
            file.write(data)
            os.fsync(file.fileno())
        folder.rename(draft, SIGNATURES)
        folder.sync()
    finally:
        folder.close()


def read_envelope(path: Path) -> "Envelope":
    """Read the file of the signatures. Raises RunDirectoryError."""
    try:
        with open_regular(path) as file:
            return decode_envelope(file.read(_LONGEST_ENVELOPE + 1))
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read: {error}", fix=SIGN_AGAIN) from error


def decode_envelope(data: bytes) -> "Envelope":
    """Read a DSSE envelope of JSON. Raises ValueError."""
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - an extra
    from securesystemslib.exceptions import Error  # noqa: PLC0415 - an extra

    stored = _decode_stored(data)
    try:
        return Envelope.from_dict(msgspec.to_builtins(stored))
    except (Error, ValueError) as error:
        raise ValueError(f"it is not a DSSE envelope: {error}") from error


def _decode_stored(data: bytes) -> _StoredEnvelope:
    if len(data) > _LONGEST_ENVELOPE:
        raise ValueError(f"it has more than {_LONGEST_ENVELOPE:,} bytes")
    try:
        stored = msgspec.json.decode(data, type=_StoredEnvelope)
    except UNREADABLE as error:
        raise ValueError(f"it is not a DSSE envelope: {error}") from error
    refuse_repeated(data)
    return stored


def refuse_repeated(data: bytes) -> None:
    """Raise ValueError for JSON with a key that stands twice: other readers may take the other value."""
    key = repeated_key(data)
    if key is not None:
        raise ValueError(f"it has the key {key[:80]!r} twice")


def statement_in(envelope: "Envelope") -> Statement:
    """Return what was signed. Raises ValueError where it is no Statement over a run."""
    return _stated(envelope.payload, envelope.payload_type)


def _stated(payload: bytes, payload_type: str) -> Statement:
    if payload_type != PAYLOAD_TYPE:
        raise ValueError(f"the envelope holds {payload_type[:80]!r}, not an in-toto Statement")
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except UNREADABLE as error:
        raise ValueError(f"the envelope holds no Statement over a run: {error}") from error
    refuse_repeated(payload)
    name = first_repeated([file.name for file in statement.subject])
    if name is not None:
        raise ValueError(f"the Statement names the file {name[:80]!r} twice")
    return statement


def has_signed(envelope: "Envelope", key: "SSlibKey") -> bool:
    """Whether one of the signatures is of the key. Its id in the envelope is a hint that anybody can write: unused."""
    from securesystemslib.exceptions import UnverifiedSignatureError  # noqa: PLC0415 - an extra
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - an extra

    for keyid in envelope.signatures:
        try:
            envelope.verify([SSlibKey(keyid, key.keytype, key.scheme, key.keyval)], 1)
            return True
        except UnverifiedSignatureError:
            continue
    return False


def signature_problems(run: SealedRun, keys: Sequence[tuple[str, "SSlibKey"]]) -> Iterable[str]:
    """Yield what keeps the run from being as each of the keys, given with their files' names, signed it."""
    path = run.path / SIGNATURES
    if not is_regular(path):
        yield f"the run is not signed: {SIGNATURES} is missing"
        return
    try:
        envelope = read_envelope(path)
    except RunDirectoryError as error:
        yield error.message
        return
    for name, key in keys:
        if not has_signed(envelope, key):
            yield f"{SIGNATURES} has no valid signature of {name}; it has {_named(envelope.signatures)}"
    yield from stated_problems(run)


def stated_problems(run: SealedRun) -> Iterable[str]:
    """Yield what keeps the run from being as its signatures state it, whosever they are: needs no extra."""
    path = run.path / SIGNATURES
    if not os.path.lexists(path):
        return
    try:
        with open_regular(path) as file:
            stored = _decode_stored(file.read(_LONGEST_ENVELOPE + 1))
        signed = _stated(base64.b64decode(stored.payload.translate(_URL_SAFE), validate=True), stored.payload_type)
    except (OSError, ValueError) as error:
        yield f"{SIGNATURES} cannot be read: {getattr(error, 'strerror', None) or error}"
        return
    yield from Statement.of(run).differences(signed)


def _named(keyids: Iterable[str]) -> str:
    found = ", ".join(repr(keyid[:12]) for keyid in keyids)
    return f"signatures of the key ids {found}" if found else "none"
