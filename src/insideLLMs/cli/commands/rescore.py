"""`insidellms rescore`: re-score the stored answers of a run, finished or not; nothing is asked."""

import asyncio
from pathlib import Path

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.places import RUN, TO_WRITE
from insideLLMs.cli.plugin_names import completing
from insideLLMs.core.errors import ExitCode, OptionError
from insideLLMs.core.experiment import Spec
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import expand
from insideLLMs.remote.url import RemoteUrl


@click.command("rescore")
@click.argument("run", metavar="RUN", type=RUN)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    required=True,
    metavar="TYPE|JSON",
    shell_complete=completing("probe"),
    help='How to score: a probe\'s name, or {"type": ..., "args": {...}, "id": ...}. May be given several times.',
)
@click.option("--to", type=TO_WRITE, required=True, help="The new run directory.")
@click.option("--of", metavar="PROBE", help="The probe whose answers to score, if RUN has several.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --to.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.quiet_option
@console.common_options
def command(
    run: Path, *, probes: tuple[str, ...], to: Path | RemoteUrl, of: str | None, overwrite: bool, as_json: bool
) -> int:
    """Score the stored answers of RUN with other probes, into a new run directory.

    If RUN is unfinished, the answers that it has are scored; then the result is unfinished, too, and can be resumed.
    """
    from insideLLMs.api.rescore import RescoreOptions, open_answered, rescore  # noqa: PLC0415 - slow
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415
    from insideLLMs.store.working_run import working_run  # noqa: PLC0415

    parsed = tuple(parse_probe(text) for text in probes)
    with working_run(to) as work:
        terms = RescoreOptions(probes=parsed, to=work.path, of=of, overwrite=overwrite, folder=Path.cwd())
        result = asyncio.run(rescore(open_answered(run), terms))
    if as_json:
        console.out_json(
            {
                "run_dir": str(result.path),
                "run_id": result.manifest.run_id,
                "trials": result.manifest.trials,
                "scored": result.scored,
                "finished": result.is_finished,
                "summary": expand(result.summary),
            }
        )
    else:
        console.out(render_summary(expand(result.summary), width=console.width(), color=console.colours()))
        console.out(f"run {result.manifest.run_id[:12]} stored in {result.path}")
    if not result.is_finished:
        console.note(
            f"not finished: {result.scored:,} of {result.manifest.trials:,} trials have an answer; to ask for the "
            "others, put the new probe into the experiment: "
            f"insidellms run EXPERIMENT --run-dir {as_typed(to)} --resume"
        )
        for probe, count in result.answered_elsewhere.items():
            console.note(f"probe {probe!r} has {count:,} answers; if it asks the same, score those: --of {probe}")
    return ExitCode.OK


def parse_probe(text: str) -> Spec:
    """Read a probe given by name or as JSON. Raises OptionError."""
    if not text.lstrip().startswith("{"):
        return Spec(type=text, id=text.rpartition(":")[2])
    try:
        given = msgspec.json.decode(text)
        return msgspec.convert({"id": str(given.get("type", "")).rpartition(":")[2], **given}, Spec)
    except msgspec.MsgspecError as error:
        raise OptionError(f"--probe: {error}", fix='e.g. --probe \'{"type": "contains", "args": {}}\'') from error
