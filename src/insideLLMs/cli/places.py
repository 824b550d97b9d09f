"""What options and arguments name: a run, a pool, a file, at a path or a URL. A command gets what is on this machine.

Every argument that names a place has one of these types; the one that takes paths alone says so of a URL.
"""

from collections.abc import Callable
from pathlib import Path

import click

from insideLLMs.core.errors import RemoteError, RunDirectoryError
from insideLLMs.remote.url import RemoteUrl, is_url, parse_place

Found = Path | RemoteUrl
_COPY_IT = "give a path, and copy the file yourself"


class PlaceParam(click.Path):
    """Takes a path as it is; of a URL it gives what `find` makes of it."""

    def __init__(self, find: Callable[[str], Found]) -> None:
        super().__init__(path_type=Path)
        self._find = find

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Found:  # type: ignore[override] # a URL is no path
        """Return the path. Raises InsideLLMsError for a URL that cannot be used."""
        text = str(value)
        if is_url(text) and not (ctx and ctx.resilient_parsing):
            return self._find(text)
        found: Path = super().convert(text, param, ctx)  # type: ignore[assignment] # of its path_type
        return found


class PathParam(PlaceParam):
    """Takes a path alone: what is written there, or read, is on this machine."""

    def __init__(self) -> None:
        super().__init__(parse_place)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path. Raises RemoteError for a URL."""
        found = super().convert(value, param, ctx)
        name = param.opts[0] if isinstance(param, click.Option) else "this argument"
        return on_this_machine(found, name)


class OutputParam(PathParam):
    """Takes a path alone, of a file to write: never one of a run's own."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path. Raises RemoteError for a URL, RunDirectoryError for a file of a run."""
        path = super().convert(value, param, ctx)
        check_output(path)
        return path


class OutputOrUrlParam(PlaceParam):
    """Takes what `OutputParam` does, or a URL."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Found:  # type: ignore[override] # a URL is no path
        """Return the path or the URL. Raises InsideLLMsError for what cannot be written there."""
        found = super().convert(value, param, ctx)
        if isinstance(found, Path):
            check_output(found)
        return found


def check_output(path: Path) -> None:
    """Raise RunDirectoryError for a file of a run: writing over it would damage what was paid for."""
    from insideLLMs.store.labels import LABELS  # noqa: PLC0415 - slow, and only where a file is written
    from insideLLMs.store.sealed_run import MARKER, OUR_FILES, is_regular  # noqa: PLC0415

    file = path.resolve()
    if file.name in {MARKER, *OUR_FILES, LABELS} and is_regular(file.parent / MARKER):
        raise _of_run(path)


def check_beside(output: Found, run: Found | None) -> None:
    """Raise RunDirectoryError for an output at a URL that the run at another writes itself."""
    from insideLLMs.store.remote.files import is_ours  # noqa: PLC0415 - only for a URL

    if isinstance(output, RemoteUrl) and isinstance(run, RemoteUrl):
        name = str(output).removeprefix(f"{run}/")
        if name != str(output) and is_ours(name):
            raise _of_run(output)


def _of_run(place: Found) -> RunDirectoryError:
    return RunDirectoryError(f"{place} is a file of a run, and nothing is written over it", fix="choose another file")


def on_this_machine(found: Found, name: str) -> Path:
    """Return a path. Raises RemoteError for a URL, given as the option `name`."""
    if isinstance(found, RemoteUrl):
        raise RemoteError(f"{name} takes a path on this machine, and {found} is a URL", fix=_COPY_IT)
    return found


def _run(text: str) -> Found:
    from insideLLMs.store.remote.run import local_run  # noqa: PLC0415 - only for a URL

    return local_run(text)


def _refetched_run(text: str) -> Found:
    from insideLLMs.store.remote.run import local_run  # noqa: PLC0415 - only for a URL

    return local_run(text, refetch=True)


def _runs(text: str) -> Found:
    from insideLLMs.store.remote.run import local_runs  # noqa: PLC0415 - only for a URL

    return local_runs(text)


def _pool(text: str) -> Found:
    from insideLLMs.store.remote.pool import local_pool  # noqa: PLC0415 - only for a URL

    return local_pool(text)


def _file(text: str) -> Found:
    from insideLLMs.remote.copies import local_file  # noqa: PLC0415 - only for a URL

    return local_file(text)


LOCAL = PathParam()
OUTPUT = OutputParam()
"""A file to write on this machine: a report, a table, a proof."""
OUTPUT_OR_URL = OutputOrUrlParam(parse_place)
"""A file of requests to write, which others answer."""
RUN = PlaceParam(_run)
"""A run, or the log of another tool."""
RUN_TO_CHECK = PlaceParam(_refetched_run)
"""A run whose files are fetched again from its URL: a copy on this machine says nothing of what is there."""
RUNS = PlaceParam(_runs)
"""A folder of runs, to be read."""
FILE = PlaceParam(_file)
"""A file to be read."""
TO_WRITE = PlaceParam(parse_place)
"""Where a run, a folder of runs, a pool or a cassette is written: a URL stays one."""
POOL = PlaceParam(_pool)
"""A pool, to be read."""
