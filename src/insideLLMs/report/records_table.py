"""A run's records as a table for other tools: one row a Trial, as CSV or as Parquet."""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Record

Records = Callable[[], Iterable[Record]]
"""Reads the records anew: once for the names of their scores, once for the rows."""

_COLUMNS = {
    "probe": "string", "dataset": "string", "example_id": "string", "model": "string", "repeat": "int64",
    "status": "string", "passed": "bool", "label": "string", "input": "string", "expected": "list<string>",
    "output": "string", "finish_reason": "string", "error": "string", "input_tokens": "int64", "output_tokens": "int64",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_GROUP_ROWS = 8192
_GROUP_CHARACTERS = 4 * 1024 * 1024


def score_names(records: Iterable[Record]) -> list[str]:
    """Return the names of all scores, sorted: each is a column."""
    names: set[str] = set()
    for record in records:
        names.update(record.scores.values if record.scores else ())
    return sorted(names)


def write_csv(out: BinaryIO, records: Records) -> None:
    """Write CSV; a cell that a spreadsheet would run as a formula gets a leading apostrophe."""
    names = score_names(records())
    writer = csv.writer(codecs.getwriter("utf-8")(out), lineterminator="\n")
    writer.writerow([*_COLUMNS, *(_harmless(f"score_{name}") for name in names)])
    for record in records():
        writer.writerow([_harmless(_plain(cell)) for cell in _cells(record)] + [*_scores(record, names)])


def write_parquet(out: BinaryIO, records: Records) -> None:
    """Write Parquet: typed columns, null where there is no value, in row groups of a few megabytes.

    Text stays as it is: a Parquet column has a type, so no reader takes text for a formula. One version of pyarrow
    writes the same bytes each time. Raises InsideLLMsError without the extra.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise InsideLLMsError(
            "writing Parquet needs a library that is not installed", fix="pip install 'insidellms[parquet]'"
        ) from error
    names = score_names(records())
    types = {"list<string>": pa.list_(pa.string())}
    fields = [(name, types.get(kind) or pa.type_for_alias(kind)) for name, kind in _COLUMNS.items()]
    schema = pa.schema([*fields, *((f"score_{name}", pa.float64()) for name in names)])
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in _groups(records(), names):
            columns: Iterator[Any] = zip(*rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _groups(records: Iterable[Record], names: list[str]) -> Iterator[list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    room = _GROUP_CHARACTERS
    for record in records:
        row = (*_cells(record), *_scores(record, names))
        rows.append(row)
        room -= sum(len(cell) for cell in row if isinstance(cell, str))
        if room <= 0 or len(rows) >= _GROUP_ROWS:
            yield rows
            rows, room = [], _GROUP_CHARACTERS
    if rows:
        yield rows


def _cells(record: Record) -> Iterator[object]:
    scores, response, failure = record.scores, record.response, record.failure
    yield from (record.probe, record.dataset, record.example_id, record.model, record.repeat, record.status.value)
    yield None if scores is None else scores.passed
    yield None if scores is None else scores.label
    yield record.example.text
    yield [str(value) for value in record.example.expected]
    yield None if response is None else response.text
    yield None if response is None else response.finish_reason
    yield None if failure is None else f"{failure.type}: {failure.message}"
    usage = None if response is None else response.usage
    yield None if usage is None else usage.input_tokens
    yield None if usage is None else usage.output_tokens


def _scores(record: Record, names: list[str]) -> Iterator[float | None]:
    values = record.scores.values if record.scores else {}
    return (values.get(name) for name in names)


def _plain(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return " | ".join(cell) if isinstance(cell, list) else cell


def _harmless(cell: object) -> object:
    """Keep a spreadsheet from running a cell (OWASP, CSV Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
