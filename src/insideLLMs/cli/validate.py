"""`insidellms validate`: an experiment file or a run directory, before anything is paid or trusted."""

import asyncio
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.verify import check_run
from insideLLMs.core.errors import ExitCode


@click.command("validate")
@click.argument("target", metavar="EXPERIMENT|RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(target: Path, *, as_json: bool) -> int:
    """Check an experiment file with its datasets and plug-ins, or a run directory, and ask no model."""
    if target.is_dir():
        return check_run(target, as_json=as_json)
    from insideLLMs.api.prepare import prepare  # noqa: PLC0415 - slow
    from insideLLMs.config.load import load_experiment  # noqa: PLC0415

    prepared = prepare(load_experiment(target), folder=target.resolve().parent)
    asyncio.run(prepared.aclose())
    plan = prepared.plan
    if as_json:
        console.out_json({"valid": True, "run_id": plan.run_id, "trials": plan.total})
    else:
        counts = {"model": len(plan.models), "probe": len(prepared.probes), "repeat": plan.repeats}
        told = ", ".join(f"{count} {noun}{'s' if count != 1 else ''}" for noun, count in counts.items())
        console.out(f"{target} is valid: {plan.total} trials ({told})")
    return ExitCode.OK
