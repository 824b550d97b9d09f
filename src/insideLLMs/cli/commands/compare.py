"""`insidellms compare`: the models and prompts of one run against each other."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import OUTPUT, RUN
from insideLLMs.core.errors import ExitCode
from insideLLMs.core.gate_spec import FailOn

if TYPE_CHECKING:
    from insideLLMs.store.sealed_run import SealedRun

_NAME = "A prompt, a model, or 'MODEL,PROMPT'."


@click.command("compare")
@click.argument("run", type=RUN)
@click.option("--baseline", metavar="NAME", help=f"What to compare with; without it, the best. {_NAME}")
@click.option("--candidate", metavar="NAME", help=f"Compare only this with --baseline, and gate. {_NAME}")
@click.option("--fail-on", type=click.Choice(get_args(FailOn)), help="The gate's policy.  [default: the experiment's]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--markdown", type=OUTPUT, help="Also write it as Markdown.")
@console.common_options
def command(
    run: Path, *, baseline: str | None, candidate: str | None, fail_on: str | None, as_json: bool, markdown: Path | None
) -> int:
    """Compare the models and prompts of RUN on the same examples.

    Shows each of them on each probe, with its difference from the best or from --baseline. With --candidate, the gate
    compares these two as `diff` compares two runs. Exit code 0: passed, 3: failed, 4: inconclusive.
    """
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415 - slow

    opened = SealedRun.open(run)
    if candidate is not None:
        if baseline is None:
            raise click.UsageError("--candidate needs --baseline: insidellms compare RUN --baseline v1 --candidate v2")
        return _gate(opened, (baseline, candidate), fail_on, as_json=as_json, markdown=markdown)
    if fail_on is not None:
        raise click.UsageError("--fail-on needs --baseline and --candidate: a table alone gates nothing")
    return _show(opened, baseline, as_json=as_json, markdown=markdown)


def _show(run: "SealedRun", baseline: str | None, *, as_json: bool, markdown: Path | None) -> int:
    from insideLLMs.api.subjects import table_of  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.report import wording  # noqa: PLC0415
    from insideLLMs.report.ci.pull_request import escape  # noqa: PLC0415
    from insideLLMs.report.subjects import render_subjects, subjects_markdown  # noqa: PLC0415

    table = table_of(run, baseline)
    part, extent = run.manifest.part, wording.extent(run.summary)
    marked = "".join(f"\n{escape(told)}\n" for told in extent)
    write_files([(markdown, lambda out: out.write((subjects_markdown(table) + marked).encode()))])
    if as_json:
        console.out_json({**expand(table), **({"part": expand(part)} if part else {})})
    else:
        console.out(render_subjects(table, width=console.width(), color=console.colours()))
    for told in extent:
        console.warn(told)
    return ExitCode.OK


def _gate(
    run: "SealedRun", sides: tuple[str, str], fail_on: str | None, *, as_json: bool, markdown: Path | None
) -> int:
    from insideLLMs.api.compare import GateOverrides  # noqa: PLC0415 - slow
    from insideLLMs.api.subjects import gate_within  # noqa: PLC0415
    from insideLLMs.report.ci.pull_request import diff_markdown  # noqa: PLC0415
    from insideLLMs.report.json_documents import diff_document  # noqa: PLC0415
    from insideLLMs.report.terminal import render_comparison  # noqa: PLC0415

    decided = gate_within(run, *sides, GateOverrides(settings={"fail_on": fail_on}))
    found, verdict = decided.comparison, decided.verdict
    write_files([(markdown, lambda out: out.write(diff_markdown(found, verdict).encode()))])
    if as_json:
        console.out_document(diff_document(found, verdict).decode().rstrip())
    else:
        console.out(render_comparison(found, verdict, width=console.width(), color=console.colours()))
    return int(verdict.exit_code)
