"""A table of outcomes -> a sealed run directory, which every command takes as if it had been run here."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import insideLLMs
from insideLLMs.compare.summary import Summary, summarise
from insideLLMs.config import resolved_yaml
from insideLLMs.core import canonical
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.types import DatasetSpec, Experiment, ModelSpec, ProbeSpec, Telemetry, expand
from insideLLMs.importers import table
from insideLLMs.plan import FORMAT_VERSION
from insideLLMs.report.viewer.run_page import write_run_page
from insideLLMs.store.directory import CONFIG, REPORT, SUMMARY, FileWriter, RunDirectory, Sealing, read_lines
from insideLLMs.store.manifest import DatasetFacts, FileDigest, Manifest, MemberSpec

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_FLUSH_EVERY = 10_000


def parse_map(text: str | None) -> dict[str, str]:
    """Parse ``role=column,role=column``. Raises ConfigError."""
    parsed: dict[str, str] = {}
    for pair in (text or "").split(",") if text else ():
        role, separator, column = (part.strip() for part in pair.partition("="))
        if not separator or not column or role not in table.ROLES:
            raise ConfigError(
                [Problem(f"--map has {pair!r}, which is not ROLE=COLUMN")],
                fix=f"the roles are {', '.join(table.ROLES)}; e.g. --map id=case,score=ok",
            )
        parsed[role] = column
    return parsed


def import_table(
    path: Path, run_dir: Path, *, columns: Mapping[str, str], format: str | None = None, overwrite: bool = False
) -> Manifest:
    """Read the table at `path` into a sealed run directory. Raises DatasetError naming the line of what is wrong."""
    spec = table.table_spec(path, format or _format_of(path))
    found = table.scan(spec, columns)
    digests = {f"model:{name}": canonical.identity("imported-model/1", {"id": name}) for name in found.models}
    digests |= {f"probe:{name}": canonical.identity("imported-probe/1", {"id": name}) for name in found.probes}
    run_id = canonical.identity("imported-run/1", {"sha256": found.sha256, "columns": found.columns})
    with RunDirectory.open(run_dir, run_id=run_id, total=found.rows, overwrite=overwrite) as directory:
        for place, (rank, record) in enumerate(table.records(spec, found, digests), start=1):
            directory.journal.append_record(rank, canonical.line(record), Telemetry())
            if place % _FLUSH_EVERY == 0:
                directory.journal.flush()
        return directory.seal(_Sealing(path, spec, found, run_id, digests).terms())


def _format_of(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix not in {".gz", ".zst"}]
    known = FORMATS.get(suffixes[-1].lower()) if suffixes else None
    if known is None:
        raise ConfigError(
            [Problem(f"the format of {path.name} cannot be told from its name")],
            fix=f"say --format, one of {', '.join(sorted(set(FORMATS.values())))}",
        )
    return known


class _Sealing:
    """What is written beside the records."""

    def __init__(self, path: Path, spec: DatasetSpec, found: table.Scan, run_id: str, digests: Mapping[str, str]):
        self._name = path.name.split(".")[0] or table.ALONE
        self._found = found
        self._run_id = run_id
        self._digests = digests
        self._experiment = Experiment(
            name=self._name,
            models=tuple(ModelSpec(type=table.ALONE, id=name) for name in found.models),
            probes=tuple(ProbeSpec(type=table.ALONE, id=name, datasets=(spec.name,)) for name in found.probes),
            datasets=(spec,),
            repeats=found.repeats,
        )

    def terms(self) -> Sealing:
        """Return what sealing asks for."""
        return Sealing(manifest=self._manifest, render=self._render, telemetry=False)

    def _manifest(self, statuses: dict[str, int], root: str, files: Mapping[str, FileDigest]) -> Manifest:
        found = self._found
        facts = DatasetFacts(
            name=table.ALONE, sha256=found.sha256, total=found.examples, selected=found.examples, skipped=0
        )
        return Manifest(
            run_id=self._run_id,
            name=self._name,
            library={"name": "insidellms", "version": insideLLMs.__version__, "format": str(FORMAT_VERSION)},
            models=tuple(self._member("model", name) for name in found.models),
            probes=tuple(self._member("probe", name, datasets=(table.ALONE,)) for name in found.probes),
            datasets=(facts,),
            repeats=found.repeats,
            max_examples=None,
            trials=found.rows,
            statuses=statuses,
            records_root=root,
            files=dict(sorted(files.items())),
            notes={"imported": {"columns": dict(found.columns)}},
        )

    def _member(self, kind: str, name: str, datasets: tuple[str, ...] = ()) -> MemberSpec:
        digest = self._digests[f"{kind}:{name}"]
        return MemberSpec(id=name, type=table.ALONE, identity={"id": name}, digest=digest, datasets=datasets)

    def _render(self, records: Path) -> Mapping[str, FileWriter]:
        anything = {name: {"score": (-math.inf, math.inf)} for name in self._found.probes}  # a table declares no range
        summary = summarise(read_lines(records), run_id=self._run_id, ranges=anything)
        return {
            SUMMARY: lambda file: _write(file, canonical.pretty(summary)),
            CONFIG: lambda file: _write(file, resolved_yaml(self._experiment, {table.ALONE: self._found.sha256})),
            REPORT: lambda file: self._write_report(file, summary, read_lines(records)),
        }

    def _write_report(self, file: BinaryIO, summary: Summary, lines: Iterator[bytes]) -> None:
        facts = {**expand(self._manifest(summary.statuses, "", {})), "title": None}
        write_run_page(file, manifest=facts, summary=expand(summary), records=lines)


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
