"""A run directory that was not sealed, read as far as it got: its journal says what it is and what was answered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from insideLLMs.config.resolved import read_resolved
from insideLLMs.core.errors import ConfigError, RunDirectoryError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import JsonValue
from insideLLMs.store.journal import Journal, read_header
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.sealed_run import JOURNAL, regular_descriptor


class RunDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says of its run: the manifest so far, without statuses and digests, and `config.resolved.yaml`."""

    manifest: Manifest
    config: str


def read_notes(path: Path) -> Mapping[str, JsonValue] | None:
    """Return the notes with which the run in `path` was begun; None where its journal does not say so.

    Raises JournalError where it cannot be read.

    The first line is read, so that a damaged journal can be looked at before anybody says what to do with it.
    """
    header = read_header(path / JOURNAL, regular_descriptor)
    try:
        return None if header is None else msgspec.convert(header.described, RunDescription).manifest.notes
    except msgspec.ValidationError:
        return None


class UnfinishedRun(msgspec.Struct, frozen=True):
    """What a run is, and the journal of what was answered."""

    path: Path
    manifest: Manifest
    experiment: Experiment
    journal: Journal

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the journal in `path`, and write nothing. Raises RunDirectoryError."""
        journal = Journal.look(path / JOURNAL, regular_descriptor)
        try:
            described = msgspec.convert(journal.header.described, RunDescription)
            return cls(path, described.manifest, read_resolved(described.config.encode()), journal)
        except (msgspec.ValidationError, ConfigError) as error:
            raise RunDirectoryError(
                f"{path} holds an unfinished run whose journal does not say what it is: was another version used?",
                fix="change the probe in the experiment, then: "
                f"insidellms run EXPERIMENT --run-dir {as_typed(path)} --resume",
            ) from error
