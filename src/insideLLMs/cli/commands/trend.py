"""`insidellms trend`: the same measures over several runs."""

from pathlib import Path

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.commands.watch import ALPHA, watched
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import OUTPUT, POOL, RUN
from insideLLMs.store.sealed_run import SealedRun


@click.command("trend")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option("--pool", type=POOL, help="Also watch the RUNs against these accepted baseline runs.")
@ALPHA
@click.option("--json", "as_json", is_flag=True, help="Print the trend as JSON.")
@click.option("--html", type=OUTPUT, help="Also write a page with a chart of each measure.")
@console.common_options
def command(runs: tuple[Path, ...], *, pool: Path | None, alpha: float, as_json: bool, html: Path | None) -> int:
    """Show how pass rates and scores changed over RUNs, in the order given (oldest first).

    With --pool it also watches them as `insidellms watch` does, with its exit codes: 3 on an alarm.
    """
    from insideLLMs.compare.run_series import trend  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.report import wording  # noqa: PLC0415
    from insideLLMs.report.run_series import trend_page, trend_text  # noqa: PLC0415

    opened = [SealedRun.open(run) for run in runs]
    looks = None if pool is None else watched(opened, pool, alpha)
    labels = [f"{run.label}{wording.in_brackets(run.summary)}" for run in opened]
    found = trend(zip(labels, (msgspec.to_builtins(run.summary) for run in opened), strict=True), looks)
    write_files([(html, lambda out: out.write(trend_page(found)))])
    if as_json:
        console.out_json(expand(found))
    else:
        console.out(trend_text(found, width=console.width()))
    return found.exit_code
