"""A part of a sealed run: some of its subjects, read as a run of their own."""

from collections.abc import Iterator
from functools import cached_property

import msgspec

from insideLLMs.core.record_views import RecordIdentity, TelemetryLine, read_record
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.subject import Subject
from insideLLMs.store.sealed_run import SealedRun


class RunPart(SealedRun):
    """The records of `subjects` in a run, called `name`. The files are the whole run's, and are checked as a whole."""

    def __init__(self, whole: SealedRun, subjects: frozenset[Subject], *, name: str) -> None:
        models, prompts = ({subject[place] for subject in subjects} for place in (0, 1))
        manifest = msgspec.structs.replace(
            whole.manifest,
            models=tuple(spec for spec in whole.manifest.models if spec.id in models),
            prompts=tuple(spec for spec in whole.manifest.prompts if spec.id in prompts),
        )
        super().__init__(whole.path, manifest)
        self._whole = whole
        self._subjects = subjects
        self._name = name

    @property
    def label(self) -> str:
        """The run's folder with what is looked at of it."""
        return f"{self._whole.label}: {self._name}"

    @cached_property
    def summary(self) -> Summary:
        """How the subjects came out. Raises RunDirectoryError."""
        whole = self._whole.summary
        results = tuple(result for result in whole.results if result.subject in self._subjects)
        return msgspec.structs.replace(whole, results=results)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the subjects' records. Raises RunDirectoryError as those of the whole run do."""
        for line in self._whole.lines():
            record = read_record(line, RecordIdentity)
            if Subject(record.model, record.prompt) in self._subjects:
                yield line

    def telemetry(self) -> Iterator[TelemetryLine]:
        """Yield the subjects' lines of `telemetry.jsonl`. Raises RunDirectoryError."""
        return (line for line in self._whole.telemetry() if Subject(line.model, line.prompt) in self._subjects)
