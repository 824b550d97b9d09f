"""`insidellms watch`: do the runs that follow an accepted pool get worse, bit by bit or at once?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import today
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import OUTPUT, POOL, RUN
from insideLLMs.store.sealed_run import SealedRun

if TYPE_CHECKING:
    from insideLLMs.compare.run_series import WatchedSeries


ALPHA = click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="The chance that an unchanged system ever alarms, over any number of runs.",
)


@click.command("watch")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option("--pool", required=True, type=POOL, help="The folder of accepted baseline runs.")
@ALPHA
@click.option("--json", "as_json", is_flag=True, help="Print every look as JSON.")
@click.option("--html", type=OUTPUT, help="Also write a page with the chart.")
@console.common_options
def command(runs: tuple[Path, ...], *, pool: Path, alpha: float, as_json: bool, html: Path | None) -> int:
    """Compare RUNs, oldest first, with a pool: small lasting drops add up to an alarm; unchanged systems rarely alarm.

    Each time, give all runs since the pool was accepted: no state is stored. Exit code 0: no alarm; 3: alarm; 4: the
    newest run lacks too many of the pool's trials, or nothing could get worse.
    """
    from insideLLMs.core.types import expand  # noqa: PLC0415 - slow
    from insideLLMs.report.run_series import series_page, series_text  # noqa: PLC0415

    found = watched([SealedRun.open(run) for run in runs], pool, alpha)
    write_files([(html, lambda out: out.write(series_page(found)))])
    if as_json:
        console.out_json(expand(found))
    else:
        console.out(series_text(found, width=console.width()))
    return found.exit_code


def watched(runs: Sequence[SealedRun], pool: Path, alpha: float) -> "WatchedSeries":
    """Watch runs against a pool, and warn of what was left out of it. Raises RunDirectoryError for a part of a run."""
    from insideLLMs.api.baselines import open_pool  # noqa: PLC0415 - slow
    from insideLLMs.compare.run_series import watch_runs  # noqa: PLC0415
    from insideLLMs.store.same_run import check_distinct  # noqa: PLC0415

    for run in runs:
        run.require_whole()
    accepted = open_pool(pool, today=today())
    check_distinct(accepted.runs, runs)
    for left_out in accepted.left_out:
        console.warn(left_out)
    return watch_runs(accepted.runs, runs, waived=accepted.waived, alpha=alpha)
