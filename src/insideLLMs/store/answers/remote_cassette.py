"""A cassette at a URL while it is recorded: what was recorded joins what is there by then, that of others included."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from insideLLMs.remote.copies import folder_for, named
from insideLLMs.remote.objects import Objects
from insideLLMs.remote.url import parse_place

Join = Callable[[Path, Callable[[Path], None]], None]
"""Lets a cassette's file be changed in place by a function."""


def cassette_to_record(place: Path) -> tuple[Path, Join]:
    """Return a cassette's file, as new as at its URL, and how it is changed. Raises RemoteError."""
    url = parse_place(str(place))
    if isinstance(url, Path):
        return url, _in_place
    objects = Objects(url)
    path = folder_for(url, "cassettes") / url.name
    found = objects.get("")
    if found is None:
        path.unlink(missing_ok=True)
    else:
        with _draft(path) as draft:
            draft.write_bytes(found.data)
            draft.replace(path)
    return named(path, url), lambda _, edit: _at_url(objects, path, edit)


def _in_place(path: Path, edit: Callable[[Path], None]) -> None:
    edit(path)


def _at_url(objects: Objects, path: Path, edit: Callable[[Path], None]) -> None:
    def joined(there: bytes | None) -> bytes:
        with _draft(path) as draft:
            if there is not None:
                draft.write_bytes(there)
            edit(draft)
            return draft.read_bytes()

    objects.change("", joined)


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    draft = path.with_name(f"draft-{secrets.token_hex(8)}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)
