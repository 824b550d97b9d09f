"""Seal a run: everything that is written once its records are there."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import insideLLMs
from insideLLMs.api.prepare import Prepared
from insideLLMs.compare.summary import Summariser, Summary
from insideLLMs.config import resolved_yaml
from insideLLMs.core import canonical
from insideLLMs.core.types import JsonValue, expand
from insideLLMs.plan import FORMAT_VERSION
from insideLLMs.report.viewer.run_page import RunRows
from insideLLMs.store.directory import CONFIG, REPORT, SUMMARY, FileWriter, RunDirectory, Sealing
from insideLLMs.store.manifest import FileDigest, Manifest


def seal_run(prepared: Prepared, directory: RunDirectory, notes: dict[str, JsonValue]) -> tuple[Manifest, Summary]:
    """Write the canonical files and remove the journal. Raises StorageError."""
    return Sealer(prepared, directory).finish(notes)


class Sealer:
    """Seals a run in one pass over its records, which may begin while the run goes on."""

    def __init__(self, prepared: Prepared, directory: RunDirectory) -> None:
        self._prepared = prepared
        self._directory = directory
        self._summariser = Summariser()
        self._rows = RunRows()
        self._summary: Summary | None = None
        self._notes: dict[str, JsonValue] = {}
        self._sealing = Sealing(
            manifest=self._manifest,
            render=self._render,
            telemetry=prepared.experiment.execution.telemetry,
            take=self._take,
        )

    def write_ahead(self, most: int) -> bool:
        """Take in records that are final, at most so many; False once that is not to be: begin with another one."""
        return self._directory.write_ahead(self._sealing, most)

    def finish(self, notes: dict[str, JsonValue]) -> tuple[Manifest, Summary]:
        """Write the rest, and all other files. Raises StorageError."""
        self._notes = notes
        with closing(self._rows):
            manifest = self._directory.seal(self._sealing)
        assert self._summary is not None
        return manifest, self._summary

    def close(self) -> None:
        """Give back what it holds, where it is not to finish."""
        self._rows.close()

    def _take(self, line: bytes) -> None:
        self._summariser.add(line)
        self._rows.add(line)

    def _manifest(self, statuses: dict[str, int], root: str, files: Mapping[str, FileDigest]) -> Manifest:
        return _manifest(self._prepared, statuses, root, files, self._notes)

    def _render(self, _: Path) -> Mapping[str, FileWriter]:
        prepared = self._prepared
        summary = self._summary = self._summariser.result(
            run_id=prepared.plan.run_id,
            confidence_level=prepared.experiment.confidence_level,
            ranges={name: dict(probe.score_ranges) for name, probe in prepared.probes.items()},
        )
        digests = {name: source.facts.sha256 for name, source in prepared.datasets.items()}
        facts = {**expand(_manifest(prepared, summary.statuses, "", {}, {})), "title": prepared.experiment.title}
        return {
            SUMMARY: lambda file: _write(file, canonical.pretty(summary)),
            CONFIG: lambda file: _write(file, resolved_yaml(prepared.experiment, digests)),
            REPORT: lambda file: self._rows.write(file, manifest=facts, summary=expand(summary)),
        }


def _manifest(
    prepared: Prepared,
    statuses: dict[str, int],
    root: str,
    files: Mapping[str, FileDigest],
    notes: dict[str, JsonValue],
) -> Manifest:
    return Manifest(
        run_id=prepared.plan.run_id,
        name=prepared.experiment.name,
        library={"name": "insidellms", "version": insideLLMs.__version__, "format": str(FORMAT_VERSION)},
        models=prepared.model_specs,
        probes=prepared.probe_specs,
        datasets=tuple(prepared.datasets[name].facts for name in sorted(prepared.datasets)),
        repeats=prepared.experiment.repeats,
        max_examples=prepared.experiment.max_examples,
        trials=prepared.plan.total,
        statuses=statuses,
        records_root=root,
        files=dict(sorted(files.items())),
        notes=notes,
    )


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
