"""`insidellms report`: look at a finished run."""

from pathlib import Path

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, RunDirectoryError
from insideLLMs.store.directory import REPORT, SUMMARY, read_manifest


@click.command("report")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print summary.json.")
@click.option("--open", "open_page", is_flag=True, help="Open report.html in the browser.")
@console.common_options
def command(run: Path, *, as_json: bool, open_page: bool) -> int:
    """Print RUN's results, and say where its page is."""
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415 - slow

    manifest = read_manifest(run)
    try:
        summary = msgspec.json.decode((run / SUMMARY).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise RunDirectoryError(
            f"{run / SUMMARY} cannot be read: {error}", fix=f"see what is wrong: insidellms verify {run}"
        ) from error
    if as_json:
        console.out_json(summary)
    else:
        console.out(render_summary(summary, width=console.width(), color=console.colours()))
        console.out(f"run {manifest.run_id[:12]}: {run / REPORT}")
    if open_page:
        click.launch(str(run / REPORT))
    return ExitCode.OK
