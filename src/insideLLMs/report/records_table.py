"""Runs and comparisons as tables for other tools: one row a Trial, as CSV or as Parquet."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from insideLLMs.compare.align import align
from insideLLMs.compare.changes import name_trial, subject_pair
from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.compare.pairing import pair_subjects
from insideLLMs.compare.sides import RunView
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.record_views import read_record
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Record
from insideLLMs.probes.answer_parts import json_text

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns by name with their types, in Arrow's words, and a fresh pass over the rows. None is no value."""

    columns: Mapping[str, str]
    rows: Callable[[], Iterator[Row]]


_NAMES = {"probe": "string", "dataset": "string", "example_id": "string"}
_EXAMPLE = {"input": "string", "expected": "list<string>"}
_ANSWER = {
    "status": "string", "passed": "bool", "label": "string", "output": "string", "finish_reason": "string",
    "error": "string", "input_tokens": "int64", "output_tokens": "int64", "shared_with": "string",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GROUP_ROWS = 8192
_GROUP_CHARACTERS = 4 * 1024 * 1024


def run_table(run: RunView) -> Table:
    """Return a run's records. Reads them once for the names of their scores and parts, and once for each pass."""
    names, has_prompts = _names((run,)), bool(run.prompts)

    def rows() -> Iterator[Row]:
        for record in _records(run):
            key = (record.probe, record.dataset, record.example_id, *_cells(record.subject, has_prompts))
            yield (*key, record.repeat, *_example(record), *_answer(record, names))

    subject = dict.fromkeys(("model", "prompt") if has_prompts else ("model",), "string")
    return Table(columns={**_NAMES, **subject, "repeat": "int64", **_EXAMPLE, **names.columns}, rows=rows)


def comparison_table(baseline: RunView, candidate: RunView, options: CompareOptions) -> Table:
    """Return every Trial of either run, in order, with its class and what came of it on both sides.

    The example is the candidate's where it has it. Raises CompareError as comparing does.
    """
    options = options.for_runs((baseline, candidate))
    pairing = pair_subjects(baseline, candidate, options.pairs)
    names = _names((baseline, candidate))
    has_prompts = bool(baseline.prompts or candidate.prompts)

    def rows() -> Iterator[Row]:
        for pair in align(baseline, candidate, pairing):
            finding = options.classify(pair.baseline, pair.candidate)
            trial, level = name_trial(pair, pairing), finding.difference.level
            before = _record(pair.baseline_line, baseline) if pair.baseline_line else None
            after = _record(pair.candidate_line, candidate) if pair.candidate_line else None
            shown = after or before
            assert shown is not None
            sides = [_cells(subject, has_prompts) for subject in subject_pair(pair, pairing)]
            yield (
                *(trial.probe, trial.dataset, trial.example_id),
                *(cell for side in zip(*sides, strict=True) for cell in side),
                *(trial.repeat, finding.kind.value, level and level.value, finding.difference.note or None),
                *_example(shown),
                *_answer(before, names),
                *_answer(after, names),
            )

    nouns = ("model", "prompt") if has_prompts else ("model",)
    columns = {**_NAMES, **{f"{noun}_{side}": "string" for noun in nouns for side in ("baseline", "candidate")}}
    columns |= {"repeat": "int64"}
    columns |= {"class": "string", "level": "string", "differs": "string", **_EXAMPLE}
    for side in ("baseline", "candidate"):
        columns |= {f"{name}_{side}": kind for name, kind in names.columns.items()}
    return Table(columns=columns, rows=rows)


def _cells(subject: Subject | None, has_prompts: bool) -> Row:
    """Return the model, and its prompt in a table that has a column for it."""
    cells = (None, None) if subject is None else subject
    return cells if has_prompts else cells[:1]


def write_csv(out: BinaryIO, table: Table) -> None:
    """Write CSV; a cell that a spreadsheet would run as a formula gets a leading apostrophe."""
    writer = csv.writer(_Lines(out), lineterminator="\r\n")
    writer.writerow([_harmless(name) for name in table.columns])
    writer.writerows([_harmless(_plain(cell)) for cell in row] for row in table.rows())


class _Lines:
    """Rows as the csv module ends them, ended as ours: it quotes a bare carriage return only where that ends rows."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, row: str) -> int:
        return self._out.write(row.removesuffix("\r\n").encode() + b"\n")


def write_parquet(out: BinaryIO, table: Table) -> None:
    """Write Parquet: typed columns, null where there is no value, in row groups of a few megabytes.

    Text stays as it is: a Parquet column has a type, so no reader takes text for a formula. One version of pyarrow
    writes the same bytes each time. Raises InsideLLMsError without the extra.
    """
    try:
        import pyarrow as arrow  # noqa: ICN001, PLC0415 - an extra, and slow; `pa` is no word of ours
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise InsideLLMsError(
            "writing Parquet needs a library that is not installed", fix="pip install 'insidellms[parquet]'"
        ) from error
    lists = {"list<string>": arrow.list_(arrow.string())}
    kinds = {name: lists.get(kind) or arrow.type_for_alias(kind) for name, kind in table.columns.items()}
    schema = arrow.schema(list(kinds.items()))
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in _groups(table.rows()):
            columns: Iterator[Any] = zip(*rows, strict=True)
            arrays = [arrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    room = _GROUP_CHARACTERS
    for row in rows:
        group.append(row)
        room -= sum(len(cell) for cell in row if isinstance(cell, str))
        if room <= 0 or len(group) >= _GROUP_ROWS:
            yield group
            group, room = [], _GROUP_CHARACTERS
    if group:
        yield group


def _records(run: RunView) -> Iterator[Record]:
    return (_record(line, run, number) for number, line in enumerate(run.records(), 1))


def _record(line: bytes, run: RunView, number: int | None = None) -> Record:
    where = "a line" if number is None else f"line {number}"
    return read_record(line, Record, where=f"run {run.label!r}: {where} of records.jsonl")


@dataclass(frozen=True, slots=True)
class _Names:
    """What answers have under names of their own: scores, and parts beside the text."""

    scores: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """The columns of an answer."""
        scores = {f"score_{name}": "double" for name in self.scores}
        return {**_ANSWER, **scores, **{f"part_{name}": "string" for name in self.parts}}


def _names(runs: Iterable[RunView]) -> _Names:
    scores: set[str] = set()
    parts: set[str] = set()
    for record in (record for run in runs for record in _records(run)):
        scores.update(record.scores.values if record.scores else ())
        parts.update(record.response.kept if record.response else ())
    return _Names(tuple(sorted(scores)), tuple(sorted(parts)))


def _example(record: Record) -> Iterator[object]:
    yield record.example.text
    yield [str(value) for value in record.example.expected]


def _answer(record: Record | None, names: _Names) -> Iterator[object]:
    if record is None:
        yield from (None for _ in names.columns)
        return
    scores, response, failure = record.scores, record.response, record.failure
    yield record.status.value
    yield None if scores is None else scores.passed
    yield None if scores is None else scores.label
    yield None if response is None else response.text
    yield None if response is None else response.finish_reason
    yield None if failure is None else f"{failure.type}: {failure.message}"
    asker = record.shared_with or None
    usage = None if response is None or asker is not None else response.usage  # it is counted where it was asked for
    yield None if usage is None else usage.input_tokens
    yield None if usage is None else usage.output_tokens
    yield None if asker is None else asker.probe
    values = scores.values if scores else {}
    yield from (values.get(name) for name in names.scores)
    kept = response.kept if response else {}
    yield from (json_text(kept[name]) if name in kept else None for name in names.parts)


def _plain(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return " | ".join(cell) if isinstance(cell, list) else cell


def _harmless(cell: object) -> object:
    """Keep a spreadsheet from running a cell (OWASP, CSV Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
