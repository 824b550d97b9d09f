"""Copies on this machine of what lies in an object store: under the user's cache folder, by what they are copies of.

People name URLs and read URLs: whatever is said of a copy says its URL.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.core.errors import RemoteError, StorageError
from insideLLMs.remote.objects import Objects, Version
from insideLLMs.remote.url import RemoteUrl, is_url, parse_place

_known: dict[str, str] = {}
_BLOCK_BYTES = 1 << 20


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of caches: $INSIDELLMS_CACHE, or insidellms below $XDG_CACHE_HOME or ~/.cache."""
    own = environ.get("INSIDELLMS_CACHE")
    if own and is_url(own):
        raise RemoteError(
            "INSIDELLMS_CACHE is a URL, and the response cache is one SQLite file that many processes write at once, "
            "which no object store can keep whole",
            fix="name a folder; to share answers between machines, record a cassette: --record s3://BUCKET/KEY",
        )
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "insidellms"


def folder_for(url: RemoteUrl, kind: str) -> Path:
    """Return the folder on this machine for what is kept of `url`; every URL has its own."""
    path = cache_folder(os.environ) / "remote" / kind / hashlib.sha256(str(url).encode()).hexdigest()[:24]
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            f"cannot keep a copy of {url} in {path}: {error.strerror}", fix="set INSIDELLMS_CACHE to another folder"
        ) from error
    return path


def named(path: Path, url: RemoteUrl) -> Path:
    """Remember that what is said of `path` is said of `url`; return the path."""
    _known[str(path)] = str(url)
    return path


def place_of(place: Path | RemoteUrl) -> str:
    """Return the URL that `place` is or is a copy of, else where it is: two names of one place give one."""
    return str(place) if isinstance(place, RemoteUrl) else _known.get(str(place)) or str(place.resolve())


def forget() -> None:
    """Know of no copy any more, as another process does."""
    _known.clear()


def with_urls(text: str) -> str:
    """Put the URL in the place of every copy that `text` names."""
    for path in sorted(_known, key=len, reverse=True):
        for spelling in (path, os.path.relpath(path)):
            text = text.replace(spelling, _known[path])
    return text


@contextlib.contextmanager
def only_user(folder: Path, *, waits: bool = True) -> Iterator[bool]:
    """Hold what is kept of a URL against other processes of this machine; False where one has it and we do not wait."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy of a file is a copy of."""

    e_tag: str | None
    version: str | None
    sha256: str


def local_file(place: str | Path | RemoteUrl) -> Path:
    """Return the file at a path or a URL, as a file of this machine. Raises RemoteError."""
    found = parse_place(str(place))
    if isinstance(found, Path):
        return found
    copy = fetch_file(found)
    if copy is None:
        raise RemoteError(f"there is no object {found}", fix="check its name; keys are case-sensitive")
    return copy


def fetch_file(url: RemoteUrl) -> Path | None:
    """Return a copy of an object that is as new as the object; None where there is none. Raises RemoteError."""
    folder = folder_for(url, "files")
    with only_user(folder):
        kept = _read_kept(folder)
        copy = None if kept is None else folder / kept.sha256 / url.name
        if copy is not None and (not copy.is_file() or file_sha256(copy) != copy.parent.name):
            kept = copy = None
        known = None if kept is None else Version(kept.e_tag, kept.version)
        draft = folder / f"draft-{secrets.token_hex(8)}"
        try:
            with draft.open("xb") as file:
                found = Objects(url).download("", file.write, unless=known)
            if found is None:
                return None
            if copy is None or found != known:
                copy = _keep(folder, draft, found, url)
            return named(copy, url)
        except OSError as error:
            raise StorageError(
                f"cannot keep a copy of {url} in {folder}: {error.strerror}", fix="check the disk's free space"
            ) from error
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def uploaded_file(url: RemoteUrl) -> Iterator[BinaryIO]:
    """Open a draft that becomes the object at `url` once the block is done. Raises RemoteError, OSError."""
    draft = folder_for(url, "files") / f"draft-{secrets.token_hex(8)}"
    try:
        with draft.open("xb") as file:
            yield file
        Objects(url).put("", draft)
    finally:
        draft.unlink(missing_ok=True)


def _read_kept(folder: Path) -> _Kept | None:
    try:
        return msgspec.json.decode((folder / "kept.json").read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None


def _keep(folder: Path, draft: Path, version: Version, url: RemoteUrl) -> Path:
    sha256 = file_sha256(draft)
    copy = folder / sha256 / url.name
    copy.parent.mkdir(exist_ok=True)
    draft.replace(copy)
    kept = _Kept(e_tag=version.e_tag, version=version.version, sha256=sha256)
    draft.write_bytes(msgspec.json.encode(kept))
    draft.replace(folder / "kept.json")
    return copy


def link_folder(source: Path, target: Path, *, changing: Collection[str] = ()) -> None:
    """Copy a folder: files by another name of theirs, as nobody changes them; those that are `changing` whole."""
    for folder, _, names in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True)
        for name in names:
            file = Path(folder, name)
            if name in changing:
                shutil.copyfile(file, there / name)
            else:
                (there / name).hardlink_to(file)


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
