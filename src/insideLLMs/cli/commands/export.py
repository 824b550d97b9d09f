"""`insidellms export`: a run's records, or those of two runs compared, for other tools."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from insideLLMs.cli import console
from insideLLMs.cli.commands.diff import parse_pairs
from insideLLMs.cli.options.redact import Redaction, redact_options
from insideLLMs.cli.places import OUTPUT, RUN
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("export")
@click.argument("runs", metavar="RUN | BASELINE CANDIDATE", nargs=-1, required=True, type=RUN)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    default="csv",
    show_default=True,
    help="What to write; parquet needs the extra of that name.",
)
@click.option("--pair", "pairs", multiple=True, metavar="BASE=CAND", help="Compare these two models or prompts, by id.")
@click.option("--output", "-o", type=OUTPUT, help="Write to this file.  [default: stdout]")
@redact_options
@console.common_options
def command(
    runs: tuple[Path, ...], *, form: str, pairs: tuple[str, ...], output: Path | None, redaction: Redaction | None
) -> int:
    """Write RUN's records as a table, or two runs side by side with the class of each change.

    In CSV a cell that a spreadsheet would run as a formula gets a leading apostrophe. In Parquet columns have types and
    text stays as it is. With --redact, pseudonyms replace secrets and personal data; names of people are not found:
    list them with --redact-words.
    """
    if len(runs) > 2:
        raise click.UsageError("Give a run, or a baseline and a candidate.")
    if form == "jsonl" and len(runs) == 2:
        raise click.UsageError("JSONL is one run's records as they are: choose csv or parquet for a comparison.")
    if output is None and form == "parquet" and not sys.stdout.seekable():
        raise click.UsageError("Parquet needs a file, not a terminal or a pipe: give --output FILE.")
    write = _writer(runs, form, parse_pairs(pairs), redaction)
    try:
        with _opened(output, form) as out:
            write(out)
    except OSError as error:
        if output is None:
            raise console.unwritable(error) from error
        raise InsideLLMsError(
            f"cannot write {output}: {error.strerror}", fix="make room, or choose another --output"
        ) from error
    return ExitCode.OK


@contextlib.contextmanager
def _opened(output: Path | None, form: str) -> Iterator[BinaryIO]:
    """Open what is written to; a file stands there once it is whole."""
    if output is None:
        with console.data_out(form) as out:
            yield out
        return
    from insideLLMs.store.whole_file import output_file  # noqa: PLC0415 - only here

    with output_file(output) as out:
        yield out


def _writer(
    runs: tuple[Path, ...], form: str, pairs: dict[str, str], redaction: Redaction | None
) -> Callable[[BinaryIO], None]:
    from insideLLMs.compare.comparing import CompareOptions  # noqa: PLC0415 - slow
    from insideLLMs.compare.score_ranges import ranges_in_force  # noqa: PLC0415
    from insideLLMs.compare.sides import views_of  # noqa: PLC0415
    from insideLLMs.report.records_table import comparison_table, run_table, write_csv, write_parquet  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    sealed = [SealedRun.open(run) for run in runs]
    views = views_of(sealed)
    if form == "jsonl":
        change = bytes if redaction is None else redaction.line
        return lambda out: out.writelines(change(line) + b"\n" for line in views[0].records())
    if len(views) == 1:
        table = run_table(views[0])
    else:
        options = CompareOptions(pairs=pairs, ranges=ranges_in_force(views, sealed[1].gate))
        table = comparison_table(views[0], views[1], options)
    if redaction is not None:
        table = redaction.table(table, views)
    return partial(write_parquet if form == "parquet" else write_csv, table=table)
