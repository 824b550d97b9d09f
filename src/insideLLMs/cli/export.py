"""`insidellms export`: a run's records for other tools."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.core.types import Record
from insideLLMs.store.directory import RECORDS, read_lines, read_manifest
from insideLLMs.store.journal import decode_record

_COLUMNS = (
    "probe", "dataset", "example_id", "model", "repeat", "status", "passed", "label",
    "input", "expected", "output", "finish_reason", "error",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command("export")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True, help="What to write."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to this file.  [default: stdout]")
@console.common_options
def command(run: Path, *, form: str, output: Path | None) -> int:
    """Write RUN's records as a table.

    In CSV a cell that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    read_manifest(run)
    try:
        if output is None:
            _write(run, form, sys.stdout)
        else:
            with output.open("w", encoding="utf-8", newline="") as file:
                _write(run, form, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InsideLLMsError(f"cannot write {output}: {error.strerror}", fix="choose another --output") from error
    return ExitCode.OK


def _write(run: Path, form: str, file: TextIO) -> None:
    if form == "jsonl":
        file.writelines(line.decode() + "\n" for line in read_lines(run / RECORDS))
        return
    records = (decode_record(line) for line in read_lines(run / RECORDS))
    writer = csv.writer(file, lineterminator="\n")
    names = _score_names(run)
    writer.writerow([*_COLUMNS, *(f"score_{name}" for name in names)])
    for record in records:
        values = record.scores.values if record.scores else {}
        writer.writerow([_harmless(cell) for cell in _cells(record)] + [values.get(name, "") for name in names])


def _score_names(run: Path) -> list[str]:
    names: set[str] = set()
    for line in read_lines(run / RECORDS):
        scores = decode_record(line).scores
        names.update(scores.values if scores else ())
    return sorted(names)


def _cells(record: Record) -> Iterator[object]:
    scores, response, failure = record.scores, record.response, record.failure
    yield from (record.probe, record.dataset, record.example_id, record.model, record.repeat, record.status.value)
    yield "" if scores is None or scores.passed is None else str(scores.passed).lower()
    yield scores.label if scores and scores.label else ""
    yield record.example.text
    yield " | ".join(str(value) for value in record.example.expected)
    yield "" if response is None else response.text
    yield response.finish_reason if response and response.finish_reason else ""
    yield "" if failure is None else f"{failure.type}: {failure.message}"


def _harmless(cell: object) -> object:
    """Keep a spreadsheet from running a cell (OWASP, CSV Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
