"""`insidellms audit`: what would the gate have missed?"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL, RUN
from insideLLMs.cli.report_files import write_files
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.compare.audit import AuditReport
    from insideLLMs.core.experiment import Spec
    from insideLLMs.store.sealed_run import SealedRun


@click.command("audit")
@click.argument("run", type=RUN)
@click.option("--probe", "probes", multiple=True, metavar="ID", help="Only this probe. May be given several times.")
@click.option("--damage", "damages", multiple=True, metavar="NAME", help="Only this damage, such as number or refused.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.25,
    show_default=True,
    help="The share of examples with a damage that the gate has to catch, 4 times out of 5.",
)
@click.option(
    "--fail-on-missed", is_flag=True, help="Exit with 3 if a damage is missed, with 4 if that cannot be told."
)
@click.option("--experiment", type=LOCAL, help="Your experiment file: the code that its probes name may run.")
@click.option("--trust-run", is_flag=True, help="Let the code run that the run itself names.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--markdown", type=LOCAL, help="Also write it as Markdown.")
@console.common_options
def command(  # noqa: PLR0913 - an option each
    run: Path,
    *,
    probes: tuple[str, ...],
    damages: tuple[str, ...],
    share: float,
    fail_on_missed: bool,
    experiment: Path | None,
    trust_run: bool,
    as_json: bool,
    markdown: Path | None,
) -> int:
    """Damage the stored answers of RUN, score them again, and show what its gate would miss.

    No model is asked. Each damage (negated, another number, truncated, refused, ...) befalls a part of the examples,
    and the run's own gate decides between the run and that. What nothing notices is a hole in the suite; the checks
    that would close it are shown.
    """
    from insideLLMs.api.auditing.audit import audit  # noqa: PLC0415 - slow
    from insideLLMs.api.auditing.opened import AuditOptions  # noqa: PLC0415
    from insideLLMs.core import canonical  # noqa: PLC0415
    from insideLLMs.report.audit import audit_markdown, render_audit  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    opened = SealedRun.open(run)
    specs, folder = _trusted(opened, experiment, trust_run=trust_run)
    options = AuditOptions(
        specs=specs,
        folder=folder,
        trusted=trust_run or experiment is not None,
        probes=probes,
        damages=damages,
        share=share,
    )
    report = asyncio.run(audit(opened, options))
    write_files([(markdown, lambda out: out.write(audit_markdown(report).encode()))])
    if as_json:
        console.out_document(canonical.pretty(report).decode().rstrip())
    else:
        console.out(render_audit(report, width=console.width(), color=console.colours()))
    return _exit_code(report) if fail_on_missed else ExitCode.OK


def _trusted(run: "SealedRun", experiment: Path | None, *, trust_run: bool) -> "tuple[tuple[Spec, ...], Path]":
    """Return the probes to score with, and the folder of their files. Raises OptionError."""
    from insideLLMs.api.trusted_runs import as_stored, named_by_user  # noqa: PLC0415 - slow

    if experiment is not None:
        found = named_by_user(run, [experiment])
        return found.experiment.probes, found.folder
    if trust_run:
        found = as_stored(run, None, console.note)
        return found.experiment.probes, found.folder
    return run.experiment.probes, Path.cwd()


def _exit_code(report: "AuditReport") -> ExitCode:
    if any(report.findings("missed")):
        return ExitCode.GATE_FAILED
    return ExitCode.OK if report.is_whole else ExitCode.INCONCLUSIVE
