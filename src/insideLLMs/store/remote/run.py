"""A sealed run in an object store: how it lies there, how it gets there, and how it is read.

``URL/manifest.json`` is written last, under a condition. The other files lie in a folder of their own, which is named
by that manifest, so that a run that replaces another overwrites none of its files: a reader sees the old one or the
new one, whole. That folder is an ordinary run directory.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from insideLLMs.core.errors import RemoteError, RunDirectoryError, StorageError
from insideLLMs.remote.copies import fetch_file, file_sha256, folder_for, link_folder, named, only_user
from insideLLMs.remote.objects import Expect, Objects, Stored, Version
from insideLLMs.remote.url import RemoteUrl, parse_place
from insideLLMs.store.manifest import FileDigest, Manifest
from insideLLMs.store.sealed_run import JOURNAL, MANIFEST, MARKER, MARKER_TEXT, OUR_FILES, is_regular

_MOST_TRIES = 10
_STORED = tuple(name for name in OUR_FILES if name not in {MANIFEST, JOURNAL})


def manifest_id(manifest: bytes) -> str:
    """Return what a published run is known by."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def published_folder(manifest: bytes) -> str:
    """Return where the files of a run lie, below its URL."""
    return f"sealed-{manifest_id(manifest)}"


def publish_run(folder: Path, url: RemoteUrl, *, expect: Version | Expect) -> bool:
    """Upload a sealed run; False if the manifest that is there is not the one that is expected. Raises RemoteError."""
    objects = Objects(url)
    manifest = (folder / MANIFEST).read_bytes()
    place = published_folder(manifest)
    for name in (*_STORED, MARKER, MANIFEST):
        if is_regular(folder / name):
            objects.put(f"{place}/{name}", folder / name)
    return objects.put(MANIFEST, manifest, expect=expect) is not None


def remove_published(url: RemoteUrl, manifest: bytes) -> None:
    """Remove the files of a run that was replaced. Raises RemoteError."""
    objects = Objects(url)
    for name in (MARKER, MANIFEST, *_STORED):
        objects.delete(f"{published_folder(manifest)}/{name}")


def local_run(place: str | Path, *, refetch: bool = False) -> Path:
    """Return the run, or the log of another tool, at a path or a URL, on this machine.

    An unfinished run is as far as it was uploaded. With `refetch`, every file comes from the URL again, none from an
    earlier copy. Raises RemoteError.
    """
    found = parse_place(str(place))
    if isinstance(found, Path):
        return found
    from insideLLMs.store.remote.journal import fetch_unfinished  # noqa: PLC0415 - few runs are unfinished

    copy = fetch_run(found, refetch=refetch) or fetch_unfinished(found) or (fetch_file(found) if found.key else None)
    if copy is None:
        raise RunDirectoryError(
            f"{found} is not a run: it has no {MANIFEST}",
            fix="give the URL that `insidellms run --run-dir URL` printed",
        )
    return copy


def local_runs(place: str | Path) -> Path:
    """Return the folder of runs at a path or a URL; of a URL a folder with copies of the runs below it.

    Which there are is listed; what is in each is read by its manifest. Raises RemoteError.
    """
    found = parse_place(str(place))
    if isinstance(found, Path):
        return found
    from insideLLMs.store.remote.files import is_of_run  # noqa: PLC0415
    from insideLLMs.store.remote.journal import fetch_unfinished  # noqa: PLC0415 - few runs are unfinished
    from insideLLMs.store.run_root import is_run_itself  # noqa: PLC0415

    names, folder = Objects(found).folders(), folder_for(found, "folders") / found.name
    if any(map(is_of_run, names)):
        raise is_run_itself(found)
    with only_user(folder.parent):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in names:
            copy = fetch_run(found / name) or fetch_unfinished(found / name)
            if copy is not None:
                link_folder(copy, folder / name, changing=(JOURNAL,))
    return named(folder, found)


def fetch_run(url: RemoteUrl, *, refetch: bool = False) -> Path | None:
    """Return a copy of the sealed run at `url`, None where there is none; see `local_run`. Raises RemoteError.

    A file that is missing or is not what was sealed stays so in the copy: who reads it says so.
    """
    objects = Objects(url)
    found = objects.get(MANIFEST)
    for _ in range(_MOST_TRIES):
        if found is None:
            return None
        copy, is_whole = _copy_of(objects, found, refetch=refetch)
        again = None if is_whole else objects.get(MANIFEST)
        if is_whole or (again is not None and again.data == found.data):
            return named(copy, url)
        found = again  # it was replaced while it was read
    raise RemoteError(f"{url} was replaced again and again while it was read", fix="run the command again")


def _copy_of(objects: Objects, manifest: Stored, *, refetch: bool) -> tuple[Path, bool]:
    """Return a copy of a run, by its manifest, and whether it is whole."""
    folder = folder_for(objects.url, "runs") / manifest_id(manifest.data)
    files = _files(manifest.data)
    copy = folder / objects.url.name
    try:
        folder.mkdir(exist_ok=True)
        with only_user(folder):
            if refetch or not _is_whole(copy, files):
                draft = folder / f"draft-{secrets.token_hex(8)}"
                draft.mkdir()
                download_run(objects, manifest.data, draft)
                os.utime(draft / MANIFEST, (manifest.changed.timestamp(),) * 2)  # as old as the run is
                _replace(copy, draft)
            return copy, _is_whole(copy, files)
    except OSError as error:
        raise StorageError(
            f"cannot keep a copy of {objects.url} in {folder}: {error.strerror}", fix="check the disk's free space"
        ) from error


def _replace(copy: Path, draft: Path) -> None:
    """Put the files of `draft` in the place of those of `copy`, one by one, as others may be reading them."""
    copy.mkdir(exist_ok=True)
    for name in (*_STORED, MARKER, MANIFEST):
        if is_regular(draft / name):
            (draft / name).replace(copy / name)
        else:
            (copy / name).unlink(missing_ok=True)
    draft.rmdir()


def files_at(objects: Objects, manifest: bytes) -> str:
    """Return what the names of a published run's files begin with, below its URL. Raises RemoteError."""
    published = f"{published_folder(manifest)}/"
    return published if objects.get(f"{published}{MARKER}") else ""  # else another tool copied it there


def download_run(objects: Objects, manifest: bytes, folder: Path) -> None:
    """Write the files of a published run into an empty folder. Raises RemoteError, and OSError of the disk."""
    place = files_at(objects, manifest)
    for name in _STORED:
        with (folder / name).open("xb") as file:
            found = objects.download(f"{place}{name}", file.write)
        if found is None:
            (folder / name).unlink()
    (folder / MARKER).write_bytes(MARKER_TEXT)
    (folder / MANIFEST).write_bytes(manifest)


def _is_whole(copy: Path, files: Mapping[str, FileDigest]) -> bool:
    return is_regular(copy / MANIFEST) and all(
        is_regular(copy / name) and file_sha256(copy / name) == file.sha256 for name, file in files.items()
    )


def _files(manifest: bytes) -> Mapping[str, FileDigest]:
    """Return the files that a manifest lists, of ours; none where it cannot be read: `SealedRun` says why."""
    try:
        listed = msgspec.json.decode(manifest, type=Manifest).files
    except msgspec.DecodeError:
        return {}
    return {name: digest for name, digest in listed.items() if name in OUR_FILES and name != MANIFEST}
