"""`insidellms trend`: the same measures over several runs."""

from pathlib import Path

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.store.sealed_run import SealedRun


@click.command("trend")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the trend as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with a chart of each measure.")
@console.common_options
def command(runs: tuple[Path, ...], *, as_json: bool, html: Path | None) -> int:
    """Show how pass rates and scores went over RUNs, in the order given (oldest first, say)."""
    from insideLLMs.compare.run_series import trend  # noqa: PLC0415 - slow
    from insideLLMs.report.run_series import trend_page, trend_text  # noqa: PLC0415

    found = trend((run.label, msgspec.to_builtins(run.summary)) for run in map(SealedRun.open, runs))
    if html is not None:
        try:
            html.write_bytes(trend_page(found))
        except OSError as error:
            raise InsideLLMsError(f"cannot write {html}: {error.strerror}", fix="choose another file") from error
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    else:
        console.out(trend_text(found, width=console.width()))
    return ExitCode.OK
