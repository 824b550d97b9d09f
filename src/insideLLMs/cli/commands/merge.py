"""`insidellms merge`: the shards of one run to the run."""

from functools import partial
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import GateWords, run_gate_options
from insideLLMs.cli.options.report_files import (
    ReportFiles,
    report_options,
    show_verdict,
    write_files,
    write_run_reports,
)
from insideLLMs.cli.places import OUTPUT, RUN, TO_WRITE
from insideLLMs.cli.run_result import check_answered, show_result
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.remote.url import RemoteUrl


@click.command("merge")
@click.argument("shards", metavar="SHARD...", nargs=-1, required=True, type=RUN)
@click.option("--to", required=True, type=TO_WRITE, help="Store the merged run here.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --to.")
@click.option("--html", type=OUTPUT, help="Also write the run's page here.")
@report_options
@run_gate_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.quiet_option
@console.common_options
def command(
    shards: tuple[Path, ...],
    *,
    to: Path | RemoteUrl,
    overwrite: bool,
    html: Path | None,
    files: ReportFiles,
    gate: GateWords | None,
    as_json: bool,
) -> int:
    """Merge the folders of all SHARDs, in any order, into one run.

    Its canonical files have the same bytes as without shards. The gate's conditions are then checked, as `run` does.
    Exit code 0: all are met, or there are none; 3: one is not met; 4: one cannot be decided.
    """
    from insideLLMs.api.compare import GateOverrides  # noqa: PLC0415 - slow; --help must not pay for it
    from insideLLMs.api.shards.merging import merge_shards  # noqa: PLC0415
    from insideLLMs.compare.one_run.decide import decide_run  # noqa: PLC0415
    from insideLLMs.report.viewer.run_page import write_sealed_page  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415
    from insideLLMs.store.working_run import working_run  # noqa: PLC0415

    with working_run(to) as work:
        run = merge_shards(shards, work.path, overwrite=overwrite)
    sealed = SealedRun(run.path, run.manifest)
    rules = GateSpec() if gate is None else GateOverrides(settings=gate).apply(sealed.gate)
    decided = decide_run(sealed, rules, lists_failing=files.any_of_run)
    show_result(sealed, decided, as_json=as_json, quiet=console.is_quiet())
    if html is not None:
        write_files([(html, partial(write_sealed_page, run=sealed, verdict=decided.verdict))])
    write_run_reports(sealed, decided, files, experiment=None)
    if decided.is_gated or not console.is_quiet():
        show_verdict(run.path, decided, say=console.note if as_json else console.out)
    check_answered(sealed, decided)
    return decided.verdict.exit_code
