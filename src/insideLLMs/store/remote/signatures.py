"""Signing a run at a URL: its envelope lies beside its other files, and grows only where nobody came between."""

from typing import TYPE_CHECKING

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.remote.objects import Objects
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.integrity.signatures import SIGN_AGAIN, decode_envelope, signed
from insideLLMs.store.remote.run import files_at
from insideLLMs.store.sealed_run import MANIFEST, SIGNATURES, SealedRun

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner


def sign_at(url: RemoteUrl, copy: SealedRun, signer: "CryptoSigner") -> int:
    """Add a signature to the run at `url`, of which `copy` was just fetched; return how many it has.

    Raises RunDirectoryError where another run is there by now, or where its envelope cannot be read, and RemoteError.
    """
    objects, manifest = Objects(url), (copy.path / MANIFEST).read_bytes()
    name = f"{files_at(objects, manifest)}{SIGNATURES}"
    count = 0

    def with_signature(before: bytes | None) -> bytes:
        nonlocal count
        envelope = signed(copy, signer, None if before is None else _read(url, before))
        count = len(envelope.signatures)
        return canonical.pretty(envelope.to_dict())

    objects.change(name, with_signature)
    there = objects.get(MANIFEST)
    if there is None or there.data != manifest:
        objects.delete(name)
        raise RunDirectoryError(f"{url} was replaced while it was signed", fix="look at the new run, and sign it")
    return count


def _read(url: RemoteUrl, data: bytes) -> "Envelope":
    try:
        return decode_envelope(data)
    except ValueError as error:
        raise RunDirectoryError(f"{url}: {SIGNATURES} cannot be read: {error}", fix=SIGN_AGAIN) from error
