"""`insidellms export`: a run's records for other tools."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError, RunDirectoryError
from insideLLMs.core.types import Record
from insideLLMs.store.directory import RECORDS, read_lines, read_manifest
from insideLLMs.store.journal import decode_record


@click.command("export")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    default="csv",
    show_default=True,
    help="What to write; parquet needs the extra of that name.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write to this file.  [default: stdout]")
@console.common_options
def command(run: Path, *, form: str, output: Path | None) -> int:
    """Write RUN's records as a table.

    In CSV a cell that a spreadsheet would run as a formula gets a leading apostrophe. In Parquet columns have types
    and text stays as it is.
    """
    if output is None and form == "parquet" and not sys.stdout.seekable():
        raise click.UsageError("Parquet needs a file, not a terminal or a pipe: give --output FILE.")
    read_manifest(run)
    try:
        with _opened(output) as out:
            _write(run, form, out)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InsideLLMsError(f"cannot write {output}: {error.strerror}", fix="choose another --output") from error
    return ExitCode.OK


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Open what is written to; a file stands there once it is whole."""
    if output is None or (output.exists() and not output.is_file()):
        with contextlib.ExitStack() as stack:
            yield sys.stdout.buffer if output is None else stack.enter_context(output.open("wb"))
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as out:
            yield out
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _write(run: Path, form: str, out: BinaryIO) -> None:
    from insideLLMs.report.records_table import write_csv, write_parquet  # noqa: PLC0415 - slow

    def records() -> Iterator[Record]:
        return _records(run)

    if form == "jsonl":
        out.writelines(line + b"\n" for line in read_lines(run / RECORDS))
    else:
        (write_parquet if form == "parquet" else write_csv)(out, records)


def _records(run: Path) -> Iterator[Record]:
    for number, line in enumerate(read_lines(run / RECORDS), 1):
        try:
            yield decode_record(line)
        except msgspec.DecodeError as error:
            raise RunDirectoryError(
                f"{run / RECORDS}:{number} is not a record: {error}", fix=f"see what is wrong: insidellms verify {run}"
            ) from error
