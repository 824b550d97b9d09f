"""Runs and datasets that are there already, for Python and notebooks."""

import os
from collections.abc import Iterator
from pathlib import Path

from insideLLMs.compare.sides import view_of
from insideLLMs.config.load import parse_experiment
from insideLLMs.core.types import Example, JsonValue, Record
from insideLLMs.datasets import open_dataset
from insideLLMs.report.frames import Tabular
from insideLLMs.report.notebook import summary_html
from insideLLMs.report.records_table import Table, run_table
from insideLLMs.runner.run_config import Folder, as_path
from insideLLMs.store.remote.run import local_run
from insideLLMs.store.sealed_run import SealedRun


class LoadedRun(SealedRun, Tabular):
    """A sealed run directory: its `manifest`, `experiment`, `summary` and records; a notebook shows its summary.

    Iterating over it yields a Record a Trial, read as they are needed. It can be given where a run directory can.
    """

    def __iter__(self) -> Iterator[Record]:
        return self.records(Record)

    def __len__(self) -> int:
        return self.manifest.trials

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"<LoadedRun {str(self.path)!r}, run {self.manifest.run_id[:12]}, {self.manifest.trials:,} trials>"

    def table(self) -> Table:
        """Return what `insidellms export` writes."""
        return run_table(view_of(self))

    def _repr_html_(self) -> str:
        return summary_html(self.summary)


def load_run(path: Folder) -> LoadedRun:
    """Open the run directory of a finished run. Raises RunDirectoryError saying what `path` is instead.

    What is read of it is held against the digests that were sealed.
    """
    return LoadedRun.open(local_run(as_path("path", path)))


def load_dataset(path: Folder, **settings: JsonValue) -> list[Example]:
    """Read a dataset as an experiment's `dataset: {path: ...}` is read; `settings` are the other keys of that mapping.

    Raises ConfigError or DatasetError, which name every bad row.
    """
    given = {"path": os.fspath(as_path("path", path)), **settings}
    stub = {"model": {"type": "dummy"}, "probe": {"type": "record"}, "dataset": given}
    (spec,) = parse_experiment(stub, folder=Path.cwd()).datasets
    return [example for _, example in open_dataset(spec).examples()]
