"""A place in an object store, as people write it: ``s3://bucket/key``, ``gs://bucket/key``, ``az://container/key``."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from insideLLMs.core.errors import RemoteError

SCHEMES = {"s3": "Amazon S3 and what speaks its protocol", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
_SUPPORTED = "a path, or a URL of s3://BUCKET/KEY, gs://BUCKET/KEY or az://CONTAINER/KEY"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>/{0,2})(?P<rest>.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WEB = {"http", "https"}


class RemoteUrl(msgspec.Struct, frozen=True):
    """A bucket (or container) and the key of an object, or of what lies below it. Holds no key to get in."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> "RemoteUrl":
        return msgspec.structs.replace(self, key=f"{self.key}/{name}".lstrip("/"))

    @property
    def parent(self) -> "RemoteUrl":
        """What it lies below; of a bucket, the bucket."""
        return msgspec.structs.replace(self, key=self.key.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last part of the key, or the bucket."""
        return self.key.rpartition("/")[2] or self.bucket


def is_url(text: str) -> bool:
    """Whether it is meant as a URL; ``C:/runs`` is a path, and ``s3:/b/k`` what `Path` makes of a URL."""
    found = _URL.fullmatch(text)
    return "://" in text or (found is not None and found["scheme"].lower() in {*SCHEMES, *_WEB, "file"})


def parse_place(text: str) -> RemoteUrl | Path:
    """Return the place in an object store, or the path, that `text` names. Raises RemoteError, which prints no key."""
    if not is_url(text):
        return Path(text)
    found = _URL.fullmatch(text)
    if found is None or text != text.strip():
        raise RemoteError("there is something before or after a URL, as a space or a quote", fix="give the URL alone")
    scheme, rest = found["scheme"].lower(), found["rest"]
    if scheme == "file":
        return _local(text)
    _check_secrets(scheme, rest)
    if scheme not in SCHEMES:
        fix = f"give {_SUPPORTED}"
        if scheme in _WEB:
            fix = f"fetch it first, and give its path; or give {_SUPPORTED}"
        raise RemoteError(f"{scheme}:// URLs are not read", fix=fix)
    bucket, _, key = rest.lstrip("/").partition("/") if not text.startswith(f"{found['scheme']}:///") else ("", "", "")
    if not found["slashes"]:
        raise RemoteError(
            f"{scheme}: is followed by no slashes", fix=f"write {scheme}://BUCKET/KEY; of a path, ./{scheme}:..."
        )
    return RemoteUrl(scheme, _checked_bucket(scheme, bucket), _checked_key(scheme, bucket, key))


def _local(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise RemoteError("a file:// URL names a path of this machine", fix="write file:///FOLDER/NAME, or the path")
    if "?" in text or "#" in text:
        raise RemoteError("a file:// URL has a `?` or a `#`", fix="write %3F and %23 for them, or give the path")
    return Path(unquote(parts.path))


def _check_secrets(scheme: str, rest: str) -> None:
    """Refuse what may give somebody access, before anything prints it."""
    if "@" in rest.partition("/")[0] or "@" in rest.lstrip("/").partition("/")[0]:
        raise RemoteError(
            f"this {scheme}:// URL has a user or a key before its bucket; it was not used",
            fix="take it out, make that key invalid, and give keys in the environment, as AWS_ACCESS_KEY_ID",
        )
    if "?" in rest or "#" in rest:
        raise RemoteError(
            f"this {scheme}:// URL has a query or a fragment, which may hold a signature; it was not used",
            fix="give the URL up to its `?`, and keys in the environment",
        )


def _checked_bucket(scheme: str, bucket: str) -> str:
    if not _BUCKET.fullmatch(bucket):
        raise RemoteError(
            f"this {scheme}:// URL names no bucket" if not bucket else f"{bucket!r} is not the name of a bucket",
            fix=f"write it as {scheme}://BUCKET/KEY",
        )
    return bucket


def _checked_key(scheme: str, bucket: str, key: str) -> str:
    parts = [part for part in key.split("/") if part]
    if any(part in {".", ".."} for part in parts) or _CONTROL.search(key) or "\\" in key:
        raise RemoteError(
            f"the key in {scheme}://{bucket}/... has a part that is `.` or `..`, a backslash or a control character",
            fix="name the object as the store lists it",
        )
    return "/".join(parts)
