"""Where the shards of a run lie while it is made by several processes: in its directory, removed once it is sealed.

Of a run at a URL they lie below it, and its writer notes how many there are.
"""

import contextlib
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from insideLLMs.core.errors import StorageError
from insideLLMs.core.shard import Shard
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.sealed_run import JOURNAL, MARKER, OUR_FILES, State, is_regular, state_of

SHARDS = "shards"
_NAME = re.compile(r"[1-9][0-9]*-of-([1-9][0-9]*)")


def shard_place(run: Path | RemoteUrl, shard: Shard) -> Path | RemoteUrl:
    """Return where a shard of a run lies."""
    return run / f"{SHARDS}/{shard.index}-of-{shard.count}"


def make_shard_folders(run_dir: Path, shards: Iterable[Shard]) -> None:
    """Make the folders of all shards, which tell in how many the run is made. Raises StorageError."""
    try:
        for shard in shards:
            Path(run_dir, SHARDS, f"{shard.index}-of-{shard.count}").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot write in {run_dir}: {error.strerror}", fix="check the folder's permissions and the disk's room"
        ) from error


def remove_shards(run_dir: Path) -> None:
    """Remove the shards in a run directory: our files, in folders with our marker."""
    for path, _ in found_shards(run_dir):
        for name in (*OUR_FILES, MARKER) if is_regular(path / MARKER) else ():
            for each in (name, f"{name}.tmp"):
                (path / each).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what else is in it is not ours
            path.rmdir()
    with contextlib.suppress(OSError):
        (run_dir / SHARDS).rmdir()


def has_answers(shard: Path) -> bool:
    """Whether a shard holds more than the beginning of a run; one that was killed early may have no more."""
    state = state_of(shard)
    if state is not State.UNFINISHED:
        return state is not State.EMPTY
    with (shard / JOURNAL).open("rb") as journal:
        return len(list(islice(journal, 2))) > 1


def found_shards(run_dir: Path) -> list[tuple[Path, int]]:
    """Return the folders of the shards in a run directory, each with how many shards there are in all."""
    folder = run_dir / SHARDS
    if folder.is_symlink() or not folder.is_dir():
        return []
    folders = (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink())
    return [(path, int(name[1])) for path in folders if (name := _NAME.fullmatch(path.name))]
