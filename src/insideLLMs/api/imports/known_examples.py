"""Requests of traffic as trials of a dataset's examples, so that they align with runs over that dataset."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Example, JsonValue
from insideLLMs.datasets.dataset import open_dataset
from insideLLMs.datasets.source import shown
from insideLLMs.importers.foreign import ForeignTrial
from insideLLMs.importers.table import table_spec


class KnownExamples:
    """The examples of a dataset by what they ask. Raises DatasetError where two ask the same, or ConfigError."""

    note = ""
    leaves_out = "request (that asks nothing of the dataset)"

    def __init__(self, path: Path) -> None:
        self._examples: dict[str, Example] = {}
        dataset = open_dataset(table_spec(path, None))
        self._sha256 = dataset.index.sha256
        for _, example in dataset.examples():
            twin = self._examples.setdefault(_asked(example), example)
            if twin is not example:
                raise DatasetError(
                    f"{shown(path)}: the examples {twin.id!r} and {example.id!r} ask the same",
                    fix="leave one of them out: a request belongs to one example",
                )

    def of(self, trial: ForeignTrial) -> ForeignTrial | None:
        """Return a request as a trial of the example with the same question; None without such an example."""
        example = self._examples.get(_asked(trial.example))
        return None if example is None else msgspec.structs.replace(trial, example=example)

    def identity(self) -> JsonValue:
        """Return the digest of the dataset."""
        return self._sha256


def _asked(example: Example) -> str:
    asked: str | list[Mapping[str, object]] = msgspec.to_builtins(example.input)
    return canonical.identity("asked/1", asked.strip() if isinstance(asked, str) else asked)
