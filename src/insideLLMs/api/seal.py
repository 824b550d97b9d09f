"""Seal a run: everything that is written once its records are there."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import insideLLMs
from insideLLMs.api.prepare import Prepared
from insideLLMs.compare.summary import Summary, summarise
from insideLLMs.config import resolved_yaml
from insideLLMs.core import canonical
from insideLLMs.core.types import JsonValue, expand
from insideLLMs.plan import FORMAT_VERSION
from insideLLMs.report.viewer.run_page import write_run_page
from insideLLMs.store.directory import CONFIG, REPORT, SUMMARY, FileWriter, RunDirectory, Sealing, read_lines
from insideLLMs.store.manifest import FileDigest, Manifest


def seal_run(prepared: Prepared, directory: RunDirectory, notes: dict[str, JsonValue]) -> tuple[Manifest, Summary]:
    """Write the canonical files and remove the journal. Raises StorageError."""
    summaries: list[Summary] = []

    def render(records: Path) -> Mapping[str, FileWriter]:
        summary = summarise(
            read_lines(records),
            run_id=prepared.plan.run_id,
            confidence_level=prepared.experiment.confidence_level,
            ranges={name: dict(probe.score_ranges) for name, probe in prepared.probes.items()},
        )
        summaries.append(summary)
        return _writers(prepared, summary, lambda: read_lines(records))

    def manifest(statuses: dict[str, int], root: str, files: Mapping[str, FileDigest]) -> Manifest:
        return _manifest(prepared, statuses, root, files, notes)

    sealed = directory.seal(
        Sealing(manifest=manifest, render=render, telemetry=prepared.experiment.execution.telemetry)
    )
    return sealed, summaries[-1]


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


def _writers(prepared: Prepared, summary: Summary, records: Callable[[], Iterator[bytes]]) -> Mapping[str, FileWriter]:
    digests = {name: source.facts.sha256 for name, source in prepared.datasets.items()}
    facts = {**expand(_manifest(prepared, summary.statuses, "", {}, {})), "title": prepared.experiment.title}

    def write_report(file: BinaryIO) -> None:
        write_run_page(file, manifest=facts, summary=expand(summary), records=records())

    return {
        SUMMARY: lambda file: _write(file, canonical.pretty(summary)),
        CONFIG: lambda file: _write(file, resolved_yaml(prepared.experiment, digests)),
        REPORT: write_report,
    }


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
