"""What was made elsewhere.

Logs of other tools, or a table of outcomes, become a sealed run directory, which every command takes as if it had been
run here; a table of people's labels, what a comparison reads of it.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR

from insideLLMs.api.imports.known_examples import KnownExamples
from insideLLMs.api.personal_data import PersonalData, PersonalDataOptions
from insideLLMs.api.run_writer import RunFacts, RunWriter
from insideLLMs.compare.human_labels import HumanLabels, LabelKey, Side
from insideLLMs.core import canonical
from insideLLMs.core.errors import ConfigError, DatasetError, OptionError
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec, PromptSpec
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.steps import counted
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.examples import ID_KEYS
from insideLLMs.datasets.rows import open_rows, place
from insideLLMs.datasets.source import format_of, near_files, shown
from insideLLMs.importers.foreign import ALONE, Reading
from insideLLMs.importers.logs import LogSource, known_logs, open_logs
from insideLLMs.importers.scan import LogFindings, records, scan
from insideLLMs.importers.table import USUAL, Cells, TableSource, table_spec
from insideLLMs.report.safe_text import printable
from insideLLMs.store.directory import REPLACE_OR_MOVE, RunDirectory
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec, PromptFacts, stored_ranges
from insideLLMs.store.sealed_run import OF_EXPERIMENTS, SealedRun, State, state_of

TABLE = "table"
"""The name under which a table is asked for where a log might be meant."""
_TABLES_ALONE = {"csv", "yaml", "parquet"}
"""Formats that no log has."""
_FLUSH_EVERY = 10_000
_REPLACED = PersonalDataOptions()
_TOLD_LEFT_OUT = 12
_SIDES: dict[object, Side] = {"baseline": "baseline", "candidate": "candidate"}
_LABEL_FIX = (
    "each row has `run` (baseline or candidate), `id`, `label` (true or false), and `probe`, `model`, `repeat` where "
    "there are several"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How files are read: as logs of the tool named, or else of the one that they are recognised as.

    `columns` and `format` are those of a table. With `unfinished`, logs are taken whose tool did not end; with
    `each_call`, every call of a model is a trial where a trace has several. `personal_data` says how it is replaced in
    traces; None keeps it. `dataset` has the examples that requests are trials of. `tell` is
    told how far reading has come.
    """

    tool: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    unfinished: bool = False
    each_call: bool = False
    personal_data: PersonalDataOptions | None = _REPLACED
    dataset: Path | None = None
    tell: Callable[[str], None] | None = None

    @property
    def is_table(self) -> bool:
        """Whether a table is meant, whatever the file looks like."""
        return self.tool == TABLE or bool(self.columns) or self.format is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A run that was imported, from which tool, and what the user should know of it."""

    manifest: Manifest
    tool: str
    notes: tuple[str, ...]


def parse_map(text: str | None) -> dict[str, str]:
    """Parse ``role=column,role=column``. Raises OptionError."""
    parsed: dict[str, str] = {}
    for pair in (text or "").split(",") if text else ():
        role, separator, column = (part.strip() for part in pair.partition("="))
        if not separator or not column or role not in USUAL:
            raise OptionError(
                f"--map has {pair!r}, which is not ROLE=COLUMN",
                fix=f"the roles are {', '.join(USUAL)}; e.g. --map id=case,score=ok",
            )
        parsed[role] = column
    return parsed


def import_files(
    paths: Sequence[Path], run_dir: Path, options: ImportOptions | None = None, *, overwrite: bool = False
) -> Imported:
    """Read logs of one tool, or a table, into a sealed run directory.

    Nothing is written before all of it was read once. Raises DatasetError naming the place of what is wrong, or
    ConfigError.
    """
    options = options or ImportOptions()
    source = open_source(paths, options)
    try:
        found = scan(source)
    except DatasetError as error:
        if isinstance(source, LogSource) or options.is_table:
            raise
        raise DatasetError(error.message, fix=_or_else(paths[0], error.fix)) from error
    facts, notes = _described(source, found, paths[0].name)
    digests = {f"model:{model.id}": model.digest for model in facts.models}
    digests |= {f"probe:{probe.id}": probe.digest for probe in facts.probes}
    header = facts.header()
    with (
        RunDirectory.open(run_dir, header, overwrite=overwrite, taken_fix=REPLACE_OR_MOVE) as directory,
        directory.whole_or_nothing(),
        RunWriter(facts, directory) as writer,
    ):
        trials = counted(records(source, found, digests), "importing", header.trials)
        for count, (rank, record, telemetry) in enumerate(trials, start=1):
            directory.journal.append_record(rank, canonical.line(record), telemetry)
            if count % _FLUSH_EVERY == 0:
                directory.journal.flush()
        manifest, _ = writer.seal({"imported": notes})
    return Imported(manifest=manifest, tool=notes.get("from", TABLE), notes=_told(source, found))


@contextmanager
def opened_run(path: Path, tell: Callable[[str], None]) -> Iterator[SealedRun]:
    """Open a run directory, or a log of another tool as the run that it would be imported as.

    That run is in a temporary folder until the end of the block. Raises what `import_files` and `SealedRun.open` do.
    """
    if not path.is_file() or path.suffix.lower() in OF_EXPERIMENTS:
        yield SealedRun.open(path)
        return
    with tempfile.TemporaryDirectory(prefix="insidellms-") as folder:
        imported = import_files([path], Path(folder, path.name))
        for note in imported.notes:
            tell(f"{path}: {note}")
        run = SealedRun.open(Path(folder, path.name))
        run.source = path
        yield run


def _files_at(path: Path) -> list[Path]:
    """Return the file, or those of a folder by name; what cannot be opened is said where it is read.

    Raises DatasetError.
    """
    try:
        is_folder = S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        near = near_files(path)
        fix = f"did you mean {' or '.join(near)}?" if near else "paths are relative to the folder that you are in"
        raise DatasetError(f"there is no file {shown(path)}", fix=fix) from error
    except OSError:
        return [path]
    if not is_folder:
        return [path]
    if state_of(path) is State.SEALED:
        raise DatasetError(
            f"{shown(path)} is a folder; a log or a table is one file",
            fix="it is already a run: give it to diff, report or export",
        )
    files = [file for file in sorted(path.iterdir()) if _may_be_log(file)]
    if not files:
        raise DatasetError(f"{shown(path)} is a folder without logs", fix="name a file in it")
    return files


def _may_be_log(path: Path) -> bool:
    """Whether a file of a folder is read: one with a log's suffix and something in it, as files that rotate have."""
    return format_of(path) in {"json", "jsonl"} and path.is_file() and path.stat().st_size > 0


def open_source(paths: Sequence[Path], options: ImportOptions) -> LogSource | TableSource:
    """Open what is given as what it is. Raises DatasetError or ConfigError that lists the logs that are known."""
    folder = next((path for path in paths if path.is_dir()), None)
    paths = [file for path in paths for file in _files_at(path)]
    if not options.is_table and (options.tool is not None or format_of(paths[0]) not in _TABLES_ALONE):
        reading = Reading(unfinished=options.unfinished, each_call=options.each_call, tell=options.tell)
        logs = open_logs(paths, options.tool, reading)
        if logs is not None and (folder is None or logs.is_traffic):
            _prepare(logs, options)
            return logs
    if folder is not None:
        raise DatasetError(f"{shown(folder)} is a folder; a log or a table is one file", fix="name a file in it")
    if len(paths) > 1:
        raise OptionError("a table is one file", fix="import each table into its own run")
    try:
        return TableSource(table_spec(paths[0], options.format), options.columns)
    except ConfigError as error:
        raise ConfigError(error.problems, fix=_or_else(paths[0], error.fix)) from error


def _prepare(logs: LogSource, options: ImportOptions) -> None:
    """Have personal data replaced in traffic, and its requests put to the examples of a dataset."""
    if not logs.is_traffic:
        if options.dataset is not None or options.each_call:
            raise OptionError(
                "--dataset and --each-call are for traces", fix=f"leave them out: this log is from {logs.name}"
            )
        return
    if options.personal_data is not None:
        logs.changes.append(PersonalData(options.personal_data, logs.logs))
    if options.dataset is not None:
        logs.changes.append(KnownExamples(options.dataset))


def _or_else(path: Path, fix: str | None) -> str:
    """Say how to fix a table, or what else its file may be."""
    ways = (
        fix,
        f"if it is an experiment, run it first: insidellms run {as_typed(shown(path))}",
        "or is it a log? Known are:",
    )
    return "; ".join(filter(None, ways)) + f"\n{known_logs()}"


def _described(
    source: LogSource | TableSource, found: LogFindings, file_name: str
) -> tuple[RunFacts, dict[str, JsonValue]]:
    """Return what is known of a run beside its records, and what its manifest notes of the import."""
    notes: dict[str, JsonValue]
    if isinstance(source, TableSource):
        specs: tuple[DatasetSpec, ...] = (source.spec,)
        sha256, notes = source.sha256, {"columns": dict(source.columns)}
        run_id = canonical.identity("imported-run/1", {"sha256": sha256, **notes})
    else:
        specs = tuple(DatasetSpec(name=name, format=ALONE) for name in sorted(found.examples))
        sha256 = canonical.identity("logs/1", [log.sha256 for log in source.logs])
        notes = {
            "from": source.name,
            "left_out": dict(sorted(found.left_out.items())),
            "undirected": sorted(name for name, probe in found.probes.items() if probe.lower_is_better is None),
        }
        told = {"sha256": sha256, "from": source.name, "models": found.models, **source.read_as()}
        run_id = canonical.identity("imported-run/2", told)
    experiment = Experiment(
        name=file_name.split(".", maxsplit=1)[0] or ALONE,
        models=tuple(ModelSpec(type=ALONE, id=name) for name in found.models),
        prompts=tuple(PromptSpec(id=name) for name in found.prompts),
        probes=tuple(
            ProbeSpec(type=ALONE, id=name, datasets=tuple(sorted(probe.datasets)))
            for name, probe in sorted(found.probes.items())
        ),
        datasets=specs,
        repeats=found.most_repeats,
        execution=ExecutionSpec(telemetry=found.has_times),
    )
    return _facts(experiment, found, run_id=run_id, sha256=sha256), notes


def _facts(experiment: Experiment, found: LogFindings, *, run_id: str, sha256: str) -> RunFacts:
    return RunFacts(
        run_id=run_id,
        trials=found.records,
        experiment=experiment,
        models=tuple(_member("model", name) for name in found.models),
        prompts=tuple(
            PromptFacts(id=name, digest=canonical.identity("imported-prompt/1", {"id": name})) for name in found.prompts
        ),
        probes=tuple(
            _member("probe", spec.id, spec.datasets, found.probes[spec.id].ranges()) for spec in experiment.probes
        ),
        datasets=tuple(
            DatasetFacts(name=name, sha256=sha256, total=count, selected=count)
            for name, count in sorted(found.examples.items())
        ),
    )


def _told(source: LogSource | TableSource, found: LogFindings) -> tuple[str, ...]:
    """Say what the user should know: what was not carried, and whatever else the importer noted."""
    if isinstance(source, TableSource):
        columns = ", ".join(map(repr, source.left_out))
        return (f"columns without a role were left out: {columns}",) if columns else ()
    blanked = found.blanking.count
    keys = (f"keys were blanked out in {blanked:,} of {found.records:,} trials",) if blanked else ()
    return (*notes_of(source, found.left_out), *keys)


def notes_of(source: LogSource, left_out: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """Say what was not carried from logs, and whatever else their importer noted."""
    counts = sorted((source.left_out if left_out is None else left_out).items(), key=lambda each: (-each[1], each[0]))
    told = ", ".join(f"{name} ({count:,})" for name, count in counts[:_TOLD_LEFT_OUT])
    more = f" and {len(counts) - _TOLD_LEFT_OUT:,} other fields" if len(counts) > _TOLD_LEFT_OUT else ""
    changed = (change.note for change in source.changes if change.note)
    notes = (*source.reading.notes, *changed, *((f"not carried: {told}{more}",) if counts else ()))
    return tuple(map(printable, notes))


def _member(
    kind: str, name: str, datasets: tuple[str, ...] = (), ranges: Mapping[str, tuple[float, float]] | None = None
) -> MemberSpec:
    identity: dict[str, JsonValue] = {"id": name}
    return MemberSpec(
        id=name,
        type=ALONE,
        identity=identity,
        digest=canonical.identity(f"imported-{kind}/1", identity),
        datasets=datasets,
        score_ranges=stored_ranges(ranges or {}),
    )


def read_label_table(path: Path) -> HumanLabels:
    """Read a table of labels. Raises DatasetError naming the line of what is wrong, or ConfigError."""
    spec = table_spec(path, None)
    found: dict[LabelKey, bool] = {}
    with open_rows(spec) as rows:
        for number, row in rows.numbered:
            try:
                key, label = _label(row)
                if key in found:
                    raise DatasetError(f"labels {key.example_id!r} of the {key.side} a second time")
            except DatasetError as error:
                raise DatasetError(f"{place(spec, number)}: {error.message}", fix=_LABEL_FIX) from error
            found[key] = label
    if not found:
        raise DatasetError(f"{shown(path)} has no labels", fix=_LABEL_FIX)
    return HumanLabels(source=shown(path), verdicts=found)


def _label(row: object) -> tuple[LabelKey, bool]:
    names = row if isinstance(row, dict) else {}
    name = next((key for key in ID_KEYS if key in names), None)
    if name is None:
        raise DatasetError("has no id")
    cells = Cells(row, {"id": name, "score": "label", "probe": "probe", "model": "model", "repeat": "repeat"})
    side = _SIDES.get(names.get("run"))
    if side is None:
        raise DatasetError(f"`run` is {names.get('run')!r}, neither baseline nor candidate")
    if cells.verdict is None:
        raise DatasetError(f"`label` is {names.get('label')!r}, neither true nor false")
    probe, model = (None if value == ALONE else value for value in (cells.probe, cells.model))
    return LabelKey(side, probe, cells.id, model, cells.repeat), cells.verdict
