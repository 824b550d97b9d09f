"""`insidellms import`: logs of other tools, or a table of outcomes, become a run directory."""

from pathlib import Path
from typing import Any

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "run_dir", required=True, type=click.Path(path_type=Path), help="The new run directory.")
@click.option(
    "--from",
    "tool",
    metavar="NAME",
    help="Whose log it is (see `insidellms list importers`), or table.  [default: by its content]",
)
@click.option("--unfinished", is_flag=True, help="Take a log whose tool did not come to its end.")
@click.option(
    "--map",
    "columns",
    metavar="ROLE=COLUMN,...",
    help="Which column is which: id, input, output, score, expected, repeat, probe, model, cluster, status, error.",
)
@click.option("--format", help="A dataset format (see `insidellms list datasets`).  [default: by the suffix]")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(
    files: tuple[Path, ...],
    *,
    run_dir: Path,
    overwrite: bool,
    as_json: bool,
    columns: str | None,
    **reading: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Turn FILE into a sealed run directory that diff, report and export take.

    FILE is a log of another tool, recognised by its content (several are read as one run), or a table with one row
    per trial. What could not be carried is counted and said. `insidellms diff` takes such files directly.

    In a table scores are verdicts where every one is 0 or 1, true or false, pass or fail; else numbers. A row without
    output and score is a trial that failed, for the reason in its error. Columns that are not mapped, and not called
    as their role, are left out.
    """
    from insideLLMs.api.importing import ImportOptions, import_files, parse_map  # noqa: PLC0415 - slow

    options = ImportOptions(columns=parse_map(columns), **reading)
    imported = import_files(files, run_dir, options, overwrite=overwrite)
    manifest = imported.manifest
    for note in imported.notes:
        console.note(note)
    if as_json:
        document = {"run_dir": str(run_dir), "run_id": manifest.run_id, "trials": manifest.trials}
        console.out_json({**document, "from": imported.tool, "notes": list(imported.notes)})
    else:
        console.out(f"run {manifest.run_id[:12]}: {manifest.trials:,} trials stored in {run_dir}")
    return ExitCode.OK
