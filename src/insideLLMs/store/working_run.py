"""Where a run is written on this machine: in its own directory, or in a working copy of one at a URL."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.sealed_run import State, state_of
from insideLLMs.store.shard_folders import found_shards

if TYPE_CHECKING:
    from insideLLMs.store.remote.upload import RunUpload


class WorkingRun(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is written on this machine, and the upload of one that lies elsewhere."""

    path: Path
    upload: "RunUpload | None" = None

    @property
    def place(self) -> Path | RemoteUrl:
        """Where the run is when it is sealed."""
        return self.path if self.upload is None else self.upload.url


@contextlib.contextmanager
def working_run(place: Path | RemoteUrl) -> Iterator[WorkingRun]:
    """Yield the folder to write a run in; see `working_copy` for a run at a URL. Raises what that raises."""
    if isinstance(place, Path):
        yield WorkingRun(path=place)
        return
    from insideLLMs.store.remote.upload import working_copy  # noqa: PLC0415 - only for a URL

    with working_copy(place) as (path, upload):
        yield WorkingRun(path=path, upload=upload)


def begun_run(run: Path | RemoteUrl) -> Path | RemoteUrl:
    """Return the folder to read what there is of a run in; its URL where nothing is there. Raises RemoteError."""
    if isinstance(run, Path):
        return run
    from insideLLMs.store.remote.upload import fetch_begun  # noqa: PLC0415 - only for a URL

    return fetch_begun(run) or run


def split_of(run: Path | RemoteUrl) -> int | None:
    """Return in how many processes an unfinished run is made; None where it is sealed, or there is none."""
    if isinstance(run, RemoteUrl):
        from insideLLMs.store.remote.upload import split_at  # noqa: PLC0415 - only for a URL

        return split_at(run)
    if state_of(run) is not State.UNFINISHED:
        return None
    return next((count for _, count in found_shards(run)), 1)


def check_in_one_piece(run: Path | RemoteUrl) -> None:
    """Raise RunDirectoryError for an unfinished run whose answers are in shards: they would be asked again."""
    count = split_of(run) or 1
    if count > 1:
        raise RunDirectoryError(
            f"{run} was begun by {count} processes", fix=f"resume it with as many: --processes {count}"
        )
