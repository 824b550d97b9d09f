"""Keys as users have them: PEM and OpenSSH files. A private key is written to a new file only."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insideLLMs.core.errors import InsideLLMsError, StorageError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_PRIVATE = b"PRIVATE KEY-----"
_LONGEST_KEY = 64 * 1024
_LEAST_RSA_BITS = 2048
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_KINDS_FIX = (
    f"use ed25519 (insidellms sign --new-key FILE makes one), ECDSA on P-256, P-384 or P-521, or RSA of "
    f"{_LEAST_RSA_BITS} bits or more"
)
_KEY_STARTS = re.compile(rb"-----BEGIN |^(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-", re.MULTILINE)
_PUBLIC_FIX = "give the public key, as PEM or as the line of an OpenSSH .pub file"


def read_signer(path: Path, passphrase: Callable[[], str | None]) -> "CryptoSigner":
    """Read a private key; `passphrase` is asked for it where the file is encrypted. Raises InsideLLMsError."""
    require_library()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - an extra
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415 - an extra

    data = _read(path)
    if _PRIVATE not in data:
        raise InsideLLMsError(
            f"{path} is not a private key", fix="give the private key, as PEM or as OpenSSH writes it"
        )
    try:
        key = _load_private(data, path, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # its text may repeat what is in the file
        raise InsideLLMsError(f"{path} is a private key that cannot be read", fix=_KINDS_FIX) from None
    _check_kind(key.public_key(), path)
    return CryptoSigner(key)


def _load_private(data: bytes, path: Path, passphrase: Callable[[], str | None]) -> Any:  # every kind has its class
    from cryptography.hazmat.primitives import serialization as files  # noqa: PLC0415 - an extra

    load = files.load_ssh_private_key if data.lstrip().startswith(_OPENSSH) else files.load_pem_private_key
    try:
        return load(data, None)
    except (TypeError, ValueError) as error:
        if "password" not in str(error).lower():
            raise
    given = passphrase()
    if not given:
        raise InsideLLMsError(
            f"{path} is encrypted", fix="put its passphrase into the environment variable that --passphrase-env names"
        )
    try:
        return load(data, given.encode())
    except ValueError:
        raise InsideLLMsError(f"{path} cannot be decrypted", fix="check the passphrase") from None


def read_public_keys(paths: Iterable[Path]) -> list[tuple[str, "SSlibKey"]]:
    """Read public keys, each with the name of its file. Raises InsideLLMsError, also where two are one key."""
    found: dict[str, tuple[str, SSlibKey]] = {}
    for path in paths:
        key = read_public_key(path)
        name, _ = found.setdefault(key.keyid, (str(path), key))
        if found[key.keyid][1] is not key:
            raise InsideLLMsError(
                f"{name} and {path} are the same key, which counts once",
                fix="give each --key once, of different people",
            )
    return list(found.values())


def read_public_key(path: Path) -> "SSlibKey":
    """Read a public key. Raises InsideLLMsError."""
    require_library()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives import serialization as files  # noqa: PLC0415 - an extra
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - an extra

    data = _read(path)
    if _PRIVATE in data:
        raise InsideLLMsError(f"{path} is a private key, which only its owner needs", fix=_PUBLIC_FIX)
    if len(_KEY_STARTS.findall(data)) > 1:
        raise InsideLLMsError(f"{path} has more than one key", fix="give each key as a file of its own")
    load: Any = files.load_pem_public_key if data.lstrip().startswith(b"-----") else files.load_ssh_public_key
    try:
        key = load(data.strip())
    except (ValueError, UnsupportedAlgorithm):  # its text repeats the first word of the file, whatever that is
        raise InsideLLMsError(f"{path} is not a public key", fix=_PUBLIC_FIX) from None
    _check_kind(key, path)
    return SSlibKey.from_crypto(key)


def _check_kind(public: Any, path: Path) -> None:  # every kind has its class
    """Raise InsideLLMsError for a key of a kind that does not sign runs, or that is too short to be trusted."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - an extra

    match public:
        case ed25519.Ed25519PublicKey():
            return
        case ec.EllipticCurvePublicKey() if public.curve.name in _CURVES:
            return
        case rsa.RSAPublicKey() if public.key_size >= _LEAST_RSA_BITS:
            return
    raise InsideLLMsError(f"{path} holds a key of a kind or length that is not used here", fix=_KINDS_FIX)


def new_key(path: Path, passphrase: str | None) -> Path:
    """Write a new ed25519 key that only its owner can read, and its public half as `path`.pub, which is returned.

    Raises StorageError where a file is there already, or cannot be written.
    """
    require_library()
    from cryptography.hazmat.primitives import serialization as files  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra

    key, public = Ed25519PrivateKey.generate(), path.with_name(f"{path.name}.pub")
    lock = files.BestAvailableEncryption(passphrase.encode()) if passphrase else files.NoEncryption()
    private_pem = key.private_bytes(files.Encoding.PEM, files.PrivateFormat.PKCS8, lock)
    public_pem = key.public_key().public_bytes(files.Encoding.PEM, files.PublicFormat.SubjectPublicKeyInfo)
    for file, data, mode in ((path, private_pem, 0o600), (public, public_pem, 0o644)):
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as out:
                out.write(data)
        except OSError as error:
            raise StorageError(f"cannot write {file}: {error.strerror}", fix="choose another file") from error
    return public


def require_library() -> None:
    """Raise InsideLLMsError where the extra is not installed."""
    try:
        import cryptography  # noqa: F401, PLC0415 - an extra
        import securesystemslib  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise InsideLLMsError(
            "signatures need libraries that are not installed", fix="pip install 'insidellms[sign]'"
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_KEY + 1)
    except OSError as error:
        raise InsideLLMsError(
            f"{path} cannot be read: {error.strerror}",
            fix="name the file of a key; to make one: insidellms sign --new-key FILE",
        ) from error
    if len(data) > _LONGEST_KEY:
        raise InsideLLMsError(
            f"{path} has more than {_LONGEST_KEY:,} bytes, which no key has", fix="give the key as a file of its own"
        )
    return data
