"""`insidellms import`: a table of outcomes becomes a run directory."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode


@click.command("import")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--to", "run_dir", required=True, type=click.Path(path_type=Path), help="The new run directory.")
@click.option(
    "--map",
    "columns",
    metavar="ROLE=COLUMN,...",
    help="Which column is which: id, input, output, score, expected, repeat, probe, model, cluster, status, error.",
)
@click.option("--format", "form", help="A dataset format (see `insidellms list datasets`).  [default: by the suffix]")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(
    table: Path, *, run_dir: Path, columns: str | None, form: str | None, overwrite: bool, as_json: bool
) -> int:
    """Turn TABLE, one row per trial, into a sealed run directory that diff, report and export take.

    Scores are verdicts where every one is 0 or 1, true or false, pass or fail; else numbers. A row without output
    and score is a trial that failed, for the reason in its error. Columns that are not mapped, and not called as
    their role, are left out.
    """
    from insideLLMs.api.importing import import_table, parse_map  # noqa: PLC0415 - slow

    manifest = import_table(table, run_dir, columns=parse_map(columns), format=form, overwrite=overwrite)
    if as_json:
        console.out_json({"run_dir": str(run_dir), "run_id": manifest.run_id, "trials": manifest.trials})
    else:
        console.out(f"run {manifest.run_id[:12]}: {manifest.trials:,} trials stored in {run_dir}")
    return ExitCode.OK
