"""`insidellms validate`: an experiment file or a run directory, before anything is paid or trusted."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.commands.verify import check_run
from insideLLMs.cli.options.part import part_options
from insideLLMs.cli.places import RUN
from insideLLMs.core.errors import ExitCode, InsideLLMsError, OptionError
from insideLLMs.core.part import PartOptions

if TYPE_CHECKING:
    from insideLLMs.core.experiment import ExecutionSpec


@click.command("validate")
@click.argument("targets", metavar="EXPERIMENT|RUN...", nargs=-1, required=True, type=RUN)
@part_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(targets: tuple[Path, ...], *, part: PartOptions, as_json: bool) -> int:
    """Check an experiment file with its datasets and plug-ins, or a run directory. No model is asked.

    Several may be given; all are checked.
    """
    if len(targets) == 1:
        return _validate(targets[0], part=part, as_json=as_json)
    if as_json:
        raise OptionError("--json prints the result of one check", fix="give one file, or leave --json out")
    codes = []
    for target in targets:
        try:
            codes.append(_validate(target, part=part, as_json=False))
        except InsideLLMsError as error:
            console.error(error)
            codes.append(error.exit_code)
    return max(codes)


def _validate(target: Path, *, part: PartOptions, as_json: bool) -> int:
    if target.is_dir():
        if part != PartOptions():
            raise OptionError(f"{target} is a run; a part can be selected of an experiment")
        return check_run(target, as_json=as_json)
    from insideLLMs.api.preparation.part import narrow  # noqa: PLC0415 - slow
    from insideLLMs.api.preparation.prepare import prepare  # noqa: PLC0415
    from insideLLMs.config.load import read_experiment  # noqa: PLC0415

    loaded = read_experiment(target)
    with loaded.placing_errors():
        folder = target.resolve().parent
        prepared = prepare(narrow(loaded.experiment, part, folder=folder), folder=folder, asks=False)
    asyncio.run(prepared.aclose())
    plan = prepared.plan
    if as_json:
        facts = {"valid": True, "run_id": plan.run_id, "trials": plan.total, "text_files": list(loaded.text_files)}
        console.out_json({**facts, "part": msgspec.to_builtins(prepared.experiment.part)})
    else:
        counts = {
            "model": len(plan.models),
            "prompt": len(plan.prompts),
            "probe": len(prepared.probes),
            "repeat": plan.repeats,
        }
        told = ", ".join(f"{count} {noun}{'s' if count != 1 else ''}" for noun, count in counts.items() if count)
        console.out(f"{target} is valid: {plan.total:,} trial{'s' if plan.total != 1 else ''} ({told})")
        if prepared.experiment.part is not None:
            console.out(f"this is {prepared.experiment.part}")
        if loaded.text_files:
            console.out(f"texts were read from {', '.join(loaded.text_files)}")
        _show_limits(prepared.execution)
    return ExitCode.OK


def _show_limits(execution: "ExecutionSpec") -> None:
    """Say how long calls may take where that is not the default."""
    call_s, trial_s = execution.attempt_timeout_s, execution.timeout_s
    usual = type(execution)().attempt_timeout_s
    if trial_s is None or (call_s == usual and call_s is not None and call_s < trial_s):
        return
    if call_s is None or call_s >= trial_s:
        console.warn(
            f"attempt_timeout_s is not below timeout_s ({trial_s:g} s): a call that hangs takes all of its trial's "
            "time and is never retried"
        )
    else:
        console.out(f"a call may take {call_s:g} s (attempt_timeout_s), a trial {trial_s:g} s (timeout_s)")
