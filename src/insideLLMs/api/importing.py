"""Tables made elsewhere.

A table of outcomes becomes a sealed run directory, which every command takes as if it had been run here; a table of
people's labels, what a comparison reads of it.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from insideLLMs import importers
from insideLLMs.api.run_writer import RunFacts, RunWriter
from insideLLMs.compare.human_labels import HumanLabels, LabelKey, Side
from insideLLMs.core import canonical
from insideLLMs.core.errors import ConfigError, DatasetError, Problem
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.types import JsonValue, Telemetry
from insideLLMs.datasets.examples import ID_KEYS
from insideLLMs.datasets.rows import open_rows, place
from insideLLMs.datasets.source import shown
from insideLLMs.store.directory import REPLACE_OR_MOVE, RunDirectory
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec, stored_ranges

_FLUSH_EVERY = 10_000
_SIDES: dict[object, Side] = {"baseline": "baseline", "candidate": "candidate"}
_LABEL_FIX = (
    "each row has `run` (baseline or candidate), `id`, `label` (true or false), and `probe`, `model`, `repeat` where "
    "there are several"
)


def parse_map(text: str | None) -> dict[str, str]:
    """Parse ``role=column,role=column``. Raises ConfigError."""
    parsed: dict[str, str] = {}
    for pair in (text or "").split(",") if text else ():
        role, separator, column = (part.strip() for part in pair.partition("="))
        if not separator or not column or role not in importers.USUAL:
            raise ConfigError(
                [Problem(f"--map has {pair!r}, which is not ROLE=COLUMN")],
                fix=f"the roles are {', '.join(importers.USUAL)}; e.g. --map id=case,score=ok",
            )
        parsed[role] = column
    return parsed


def import_table(
    path: Path, run_dir: Path, *, columns: Mapping[str, str], format: str | None = None, overwrite: bool = False
) -> Manifest:
    """Read the table at `path` into a sealed run directory.

    `format` is that of a dataset, by default what the suffix tells. Raises DatasetError naming the line of what is
    wrong, or ConfigError.
    """
    spec = importers.table_spec(path, format)
    found = importers.scan(spec, columns)
    facts = _facts(path, spec, found)
    digests = {f"model:{model.id}": model.digest for model in facts.models}
    digests |= {f"probe:{probe.id}": probe.digest for probe in facts.probes}
    with (
        RunDirectory.open(run_dir, facts.header(), overwrite=overwrite, taken_fix=REPLACE_OR_MOVE) as directory,
        RunWriter(facts, directory) as writer,
    ):
        for count, (rank, record) in enumerate(importers.records(spec, found, digests), start=1):
            directory.journal.append_record(rank, canonical.line(record), Telemetry())
            if count % _FLUSH_EVERY == 0:
                directory.journal.flush()
        manifest, _ = writer.seal({"imported": {"columns": dict(found.columns)}})
    return manifest


def _facts(path: Path, spec: DatasetSpec, found: importers.Scan) -> RunFacts:
    """Return what is known of a table beside its rows; numbers in it have no declared range."""
    ranges = {"correct": (0.0, 1.0)} if found.are_verdicts else {"score": (-math.inf, math.inf)}
    size = found.examples
    return RunFacts(
        run_id=canonical.identity("imported-run/1", {"sha256": found.sha256, "columns": found.columns}),
        trials=found.rows,
        experiment=Experiment(
            name=path.name.split(".")[0] or importers.ALONE,
            models=tuple(ModelSpec(type=importers.ALONE, id=name) for name in found.models),
            probes=tuple(ProbeSpec(type=importers.ALONE, id=name, datasets=(spec.name,)) for name in found.probes),
            datasets=(spec,),
            repeats=found.repeats,
            execution=ExecutionSpec(telemetry=False),
        ),
        models=tuple(_member("model", name) for name in found.models),
        probes=tuple(_member("probe", name, (importers.ALONE,), ranges) for name in found.probes),
        datasets=(DatasetFacts(name=importers.ALONE, sha256=found.sha256, total=size, selected=size),),
    )


def _member(
    kind: str, name: str, datasets: tuple[str, ...] = (), ranges: Mapping[str, tuple[float, float]] | None = None
) -> MemberSpec:
    identity: dict[str, JsonValue] = {"id": name}
    return MemberSpec(
        id=name,
        type=importers.ALONE,
        identity=identity,
        digest=canonical.identity(f"imported-{kind}/1", identity),
        datasets=datasets,
        score_ranges=stored_ranges(ranges or {}),
    )


def read_labels(path: Path) -> HumanLabels:
    """Read the table at `path`. Raises DatasetError naming the line of what is wrong, or ConfigError."""
    spec = importers.table_spec(path, None)
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
    cells = importers.Cells(row, {"id": name, "score": "label", "probe": "probe", "model": "model", "repeat": "repeat"})
    side = _SIDES.get(names.get("run"))
    if side is None:
        raise DatasetError(f"`run` is {names.get('run')!r}, neither baseline nor candidate")
    if cells.verdict is None:
        raise DatasetError(f"`label` is {names.get('label')!r}, neither true nor false")
    probe, model = (None if value == importers.ALONE else value for value in (cells.probe, cells.model))
    return LabelKey(side, probe, cells.id, model, cells.repeat), cells.verdict
