"""`insidellms import`: logs of other tools, or a table of outcomes, become a run directory."""

from pathlib import Path
from typing import Any

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.redact import personal_data_options
from insideLLMs.cli.places import FILE, TO_WRITE, on_this_machine
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.report.wording import many

_OF_EXPERIMENTS = {".yaml", ".yml", ".json", ".toml"}


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--to", "run_dir", required=True, type=TO_WRITE, help="The new run directory, or experiment file.")
@click.option(
    "--from",
    "tool",
    metavar="NAME",
    help="The tool that wrote it (see `insidellms list importers`), or table.  [default: by its content]",
)
@click.option("--unfinished", is_flag=True, help="Accept the log of a tool that did not finish.")
@click.option(
    "--map",
    "columns",
    metavar="ROLE=COLUMN,...",
    help="The columns by role: id, input, output, score, expected, repeat, probe, model, cluster, status, error.",
)
@click.option("--format", help="A dataset format (see `insidellms list datasets`).  [default: by the suffix]")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder, or the experiment file.")
@click.option(
    "--skip-unsupported",
    is_flag=True,
    help="For a configuration: leave out what cannot be converted. A check that always fails takes its place.",
)
@click.option("--each-call", is_flag=True, help="For traces: make every call of a model a trial, not every request.")
@click.option("--dataset", type=FILE, help="For traces: keep only requests with a question of this dataset.")
@personal_data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.quiet_option
@console.common_options
def command(
    files: tuple[Path, ...],
    *,
    run_dir: Path | RemoteUrl,
    overwrite: bool,
    skip_unsupported: bool,
    as_json: bool,
    columns: str | None,
    **reading: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Turn FILE into a sealed run directory, for diff, report and export.

    FILE is a log of another tool, recognised by its content (several are read as one run), or a table with one row per
    trial. What could not be converted is counted and reported. `insidellms diff` takes such files directly.

    In a table, scores are verdicts if every one is 0 or 1, true or false, pass or fail; otherwise numbers. A row
    without output and score is a failed trial, for the reason in its error. A column that is neither mapped nor named
    like a role is left out.

    For traces, FILE may be a folder. Each request becomes a trial, and its question the example.

    A promptfoo configuration, or an experiment of the earlier insideLLMs, becomes an experiment file instead. What
    cannot be converted is an error with its line, and nothing is written. No program that it names is run.
    """
    from insideLLMs.api.imports.migrating import is_experiment  # noqa: PLC0415 - slow

    if len(files) == 1 and is_experiment(files[0]):
        return _import_experiment(files[0], on_this_machine(run_dir, "--to"), overwrite, skip_unsupported, as_json)
    from insideLLMs.api.imports.importing import ImportOptions, import_files, parse_map  # noqa: PLC0415 - slow
    from insideLLMs.store.working_run import working_run  # noqa: PLC0415

    if isinstance(run_dir, Path) and run_dir.suffix.lower() in _OF_EXPERIMENTS and not run_dir.is_dir():
        raise InsideLLMsError(
            f"{run_dir} is a name for an experiment file, but a log or a table becomes a folder", fix="--to FOLDER"
        )
    options = ImportOptions(columns=parse_map(columns), **reading)
    with working_run(run_dir) as work:
        imported = import_files(files, work.path, options, overwrite=overwrite)
    manifest = imported.manifest
    for note in imported.notes:
        console.note(note)
    if as_json:
        document = {"run_dir": str(run_dir), "run_id": manifest.run_id, "trials": manifest.trials}
        console.out_json({**document, "from": imported.tool, "notes": list(imported.notes)})
    else:
        console.out(f"run {manifest.run_id[:12]}: {many(manifest.trials, 'trial')} stored in {run_dir}")
    return ExitCode.OK


def _import_experiment(path: Path, to: Path, overwrite: bool, skip_unsupported: bool, as_json: bool) -> int:
    from insideLLMs.api.imports.migrating import migrate_experiment  # noqa: PLC0415 - slow

    made = migrate_experiment(path, to, overwrite=overwrite, skip_unsupported=skip_unsupported)
    for note in made.notes:
        console.note(f"note: {note}")
    for left_out in made.left_out:
        console.note(f"LEFT OUT: {left_out}")
    if as_json:
        console.out_json({"experiment": str(to), **made._asdict()})
        return ExitCode.OK
    console.out(f"wrote {to}: {many(made.trials, 'trial')}")
    if made.left_out:
        console.out(f"{len(made.left_out)} left out; until you write them, the checks in their places always fail")
    for name in made.variables:
        console.out(f"set in the environment: {name}")
    return ExitCode.OK
