"""Datasets by the library `datasets`: sets of the Hub at a pinned commit, and local folders, read row by row."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.source import shown

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SAVED = ("state.json", "dataset_dict.json")
"""What `save_to_disk` leaves in a folder of one split, and of several."""


def read_huggingface(
    path: str | None = None,
    *,
    name: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    split: str | None = None,
    columns: list[str] | None = None,
    streaming: bool = False,
) -> Iterator[dict[str, JsonValue]]:
    """Read a set of the Hugging Face Hub by its `name`, at a commit, or a local folder by its `path`.

    `path` is a folder that `save_to_disk` made, or one of data files. `columns` leaves out all others. A set of the
    Hub is downloaded once, unless `streaming`, which fetches it again for every pass (a run makes two). Needs the
    extra: pip install 'insidellms[datasets]'.
    """
    where = shown(Path(path)) if path else repr(name)
    _check(path, name, revision)
    try:
        import datasets  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise DatasetError(
            "reading Hugging Face datasets needs a library that is not installed",
            fix="pip install 'insidellms[datasets]'",
        ) from error
    try:
        if path is not None and any((Path(path) / file).is_file() for file in _SAVED):
            found: Any = datasets.load_from_disk(path)
        else:
            # of a local folder the library would keep a copy, and read that
            found = datasets.load_dataset(
                path or name, config, revision=revision, streaming=streaming or path is not None
            )
        rows = _split(found, split, where)
        if columns is not None:
            rows = rows.select_columns(columns)
        yield from map(dict, rows)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:  # what the library and pyarrow raise
        raise DatasetError(
            f"{where} cannot be read as a Hugging Face dataset: {error}",
            fix="check name, revision, config, split and the connection" if name else "check the folder, and config",
        ) from error


def _check(path: str | None, name: str | None, revision: str | None) -> None:
    """Raise DatasetError unless the arguments name one set, whose bytes cannot move."""
    if (path is None) == (name is None):
        raise DatasetError(
            "name the Hugging Face dataset once", fix="give `name` in args for one of the Hub, or `path` for a folder"
        )
    if name is None:
        if revision is not None:
            raise DatasetError("a local folder has no revision", fix="leave it out, or name a dataset of the Hub")
        return
    if Path(name).exists():  # the library would silently prefer it
        raise DatasetError(
            f"{name!r} is also a folder here", fix=f"for the folder write `path: {name}` beside `format`"
        )
    if revision is None or not _COMMIT.fullmatch(revision):
        given = "has no revision" if revision is None else f"has the revision {revision!r}, which is not a commit"
        raise DatasetError(
            f"the set {name!r} {given}",
            fix="pin the 40 hex digits of a commit, from its page on the Hub under 'Files and versions'",
        )


def _split(found: Any, split: str | None, where: str) -> Any:
    """Return the rows of one split; the only one need not be named."""
    if not isinstance(found, Mapping):
        name = str(found.split) if found.split is not None else None
        found = {name or split: found}
    if split is None and len(found) == 1:
        return next(iter(found.values()))
    if split not in found:
        known = ", ".join(sorted(map(str, found)))
        raise DatasetError(
            f"{where} has several splits" if split is None else f"{where} has no split {split!r}",
            fix=f"set `split` in args; it has {known}",
        )
    return found[split]
