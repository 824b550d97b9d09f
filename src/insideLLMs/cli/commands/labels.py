"""`insidellms labels`: people's labels of a run's answers, how far they agree, and merging labels."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import FILE, LOCAL, OUTPUT, RUN
from insideLLMs.core.errors import ExitCode


@click.group("labels")
def command() -> None:
    """Show, merge and export the labels that people gave a run's answers in `insidellms view`."""


@command.command("show")
@click.argument("run", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def show(run: Path, *, as_json: bool) -> int:
    """Show who labelled how many answers of RUN, and how far people and the probes' verdicts agree."""
    from insideLLMs.compare.run_labels import RunLabels  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.report.labels import labels_text  # noqa: PLC0415
    from insideLLMs.store.labels import labels_at  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    sealed = SealedRun.open(run)
    found = RunLabels(sealed, labels_at(run))
    if as_json:
        console.out_json(expand(found.report()))
    else:
        console.out(labels_text(found.report(), found.agreed))
    return ExitCode.OK


@command.command("merge")
@click.argument("run", type=LOCAL)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def merge(run: Path, *, files: tuple[Path, ...], as_json: bool) -> int:
    """Add the labels of each FILE to RUN; a FILE is a labels.jsonl or the folder of a run.

    Labels of different people are never mixed. If one person labelled an answer several times, the last label counts.
    The order of the FILEs does not matter, and merging again adds nothing.
    """
    from insideLLMs.report import wording  # noqa: PLC0415 - slow
    from insideLLMs.store.labels import labels_at, merge_labels  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    sealed = SealedRun.open(run)
    added = merge_labels(sealed.path, [label for file in files for label in labels_at(file)])
    if as_json:
        console.out_json({"run": str(sealed.path), "added": added})
    else:
        console.out(f"added {wording.many(added, 'label')} to {sealed.path}")
    return ExitCode.OK


@command.command("export")
@click.argument("run", type=RUN)
@click.option("--output", "-o", type=OUTPUT, help="Write to this file.  [default: stdout]")
@console.common_options
def export(run: Path, *, output: Path | None) -> int:
    """Write the labels of RUN as CSV, one row per person and answer.

    A cell that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    from insideLLMs.report.labels import labels_table  # noqa: PLC0415 - slow
    from insideLLMs.report.records_table import write_csv  # noqa: PLC0415
    from insideLLMs.store.labels import labels_at  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    table = labels_table(labels_at(SealedRun.open(run).path))
    if output is None:
        with console.data_out("csv") as out:
            write_csv(out, table)
    else:
        write_files([(output, lambda out: write_csv(out, table))])
    return ExitCode.OK
