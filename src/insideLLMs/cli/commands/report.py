"""`insidellms report`: look at a finished run."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any  # see `command`

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import GateWords, run_gate_options
from insideLLMs.cli.options.report_files import (
    ReportFiles,
    report_options,
    show_verdict,
    write_files,
    write_run_reports,
)
from insideLLMs.cli.places import LOCAL, OUTPUT, RUN
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.shell_words import as_typed
from insideLLMs.store.sealed_run import REPORT, SealedRun

if TYPE_CHECKING:
    from insideLLMs.compare.one_run.verdict import RunVerdict
    from insideLLMs.report.viewer.run_page import Measured


@click.command("report")
@click.argument("run", metavar="RUN", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="Print summary.json.")
@click.option("--html", type=OUTPUT, help="Write the page again, to this file.")
@click.option("--telemetry", is_flag=True, help="Show latency, retries, tokens and cost; with --html, on the page.")
@click.option("--open", "open_page", is_flag=True, help="Open report.html in the browser.")
@report_options
@click.option("--experiment", type=LOCAL, help="Your experiment file: SARIF points to its dataset.")
@run_gate_options
@console.quiet_option
@console.common_options
def command(
    run: Path,
    *,
    as_json: bool,
    telemetry: bool,
    files: ReportFiles,
    gate: GateWords | None,
    **options: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Print RUN's results and the path of its page, and check the gate's conditions for a single run.

    Exit code 0: all are met, or there are none; 3: one is not met; 4: one cannot be decided.
    """
    from insideLLMs.api.compare import GateOverrides  # noqa: PLC0415 - slow
    from insideLLMs.compare.one_run.decide import decide_run  # noqa: PLC0415
    from insideLLMs.core.record_views import FailedRecord  # noqa: PLC0415
    from insideLLMs.report.failures import render_failures  # noqa: PLC0415
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415

    sealed = SealedRun.open(run)
    summary = msgspec.to_builtins(sealed.summary)
    html: Path | None = options["html"]
    page = html or run / REPORT
    rule = GateSpec() if gate is None else GateOverrides(settings=gate).apply(sealed.gate)
    decided = decide_run(sealed, rule)
    if html is not None:
        _write_page(sealed, html, decided.verdict, telemetry=telemetry)
    if telemetry and html is None:
        _show_telemetry(sealed, as_json=as_json)
    elif as_json:
        console.out_json(summary)
    else:
        console.out(render_summary(summary, width=console.width(), color=console.colours()))
        if failures := render_failures(sealed.records(FailedRecord)):
            console.out(failures)
        made = (
            page
            if page.exists()
            else f"its page was left out; make it again: insidellms report {as_typed(run)} --html FILE"
        )
        console.out(f"run {sealed.manifest.run_id[:12]}: {made}")
    if options["open_page"]:
        if not page.exists():
            raise InsideLLMsError(f"{page} is not there: the run was accepted with --slim", fix="add --html FILE")
        click.launch(str(page))
    write_run_reports(sealed, decided, files, experiment=options["experiment"])
    show_verdict(run, decided, say=console.note if as_json else console.out)
    return decided.verdict.exit_code


def _show_telemetry(run: SealedRun, *, as_json: bool) -> None:
    from insideLLMs.report.telemetry import read_telemetry, render  # noqa: PLC0415

    found = read_telemetry(run)
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    else:
        console.out(render(found, detailed=True))


def _write_page(run: SealedRun, html: Path, verdict: "RunVerdict", *, telemetry: bool) -> None:
    from insideLLMs.report.viewer.run_page import write_sealed_page  # noqa: PLC0415 - slow

    measured = _measured(run) if telemetry else None
    write_files([(html, partial(write_sealed_page, run=run, measured=measured, verdict=verdict))])


def _measured(run: SealedRun) -> "Measured":
    from insideLLMs.report.telemetry import price_table, prices_of  # noqa: PLC0415 - slow
    from insideLLMs.report.viewer.run_page import Measured  # noqa: PLC0415

    return Measured(telemetry=run.telemetry(), prices=prices_of(run.manifest), price_source=price_table())
