"""`insidellms run`: an experiment file to a sealed run directory."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.early_stopping import SEVERITY, early_stop, show_decision
from insideLLMs.cli.options.gate import GateWords
from insideLLMs.cli.options.report_files import ReportFiles, show_verdict, write_files, write_run_reports
from insideLLMs.cli.options.run import GROUPS, run_options
from insideLLMs.cli.options.run_arguments import RunArguments
from insideLLMs.cli.options.workers import processes_to_use
from insideLLMs.cli.places import LOCAL
from insideLLMs.cli.run_result import check_answered, show_result
from insideLLMs.core.errors import OptionError
from insideLLMs.core.gate_spec import GateSpec

if TYPE_CHECKING:
    from insideLLMs.api.early_stop import EarlyStop
    from insideLLMs.api.run import Run
    from insideLLMs.core.experiment import Experiment


@click.command("run", cls=console.GroupedCommand, groups=GROUPS)
@click.argument("experiment_file", metavar="EXPERIMENT", type=LOCAL)
@run_options
@console.common_options
def command(
    experiment_file: Path,
    *,
    arguments: RunArguments,
    check: bool,
    as_json: bool,
    quiet: bool,
    gate: GateWords | None,
    files: ReportFiles,
) -> int:
    """Run EXPERIMENT (YAML, JSON or TOML) and store its run directory.

    The same experiment gives the same bytes. An interrupted run is resumed with --resume. Exit code 0: done, and the
    gate's conditions are met or there are none; 3: one is not met; 4: one cannot be decided.
    """
    from insideLLMs.api.preparation.part import narrow  # noqa: PLC0415
    from insideLLMs.compare.one_run.decide import decide_run  # noqa: PLC0415 - slow; --help must not pay for it
    from insideLLMs.config.load import read_experiment  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    settings = {f"gate.{name}": value for name, value in (gate or {}).items() if value is not None}
    loaded = read_experiment(experiment_file, overrides={**arguments.overrides(), **settings})
    folder = experiment_file.resolve().parent
    experiment = narrow(loaded.experiment, arguments.part, folder=folder)
    if arguments.dry_run:
        from insideLLMs.cli.dry_run import show_dry_run  # noqa: PLC0415 - few runs need it

        with loaded.placing_errors():
            return show_dry_run(experiment, folder, arguments.since, as_json=as_json)
    arguments.check()
    if check:
        from insideLLMs.cli.dry_run import check_cassette  # noqa: PLC0415 - few runs need it

        with loaded.placing_errors():
            return check_cassette(experiment_file, experiment, arguments, as_json=as_json)
    early = early_stop(arguments) if arguments.early_stop else None
    with arguments.saying_what_next(experiment_file), loaded.placing_errors():
        run = _run(experiment, folder, arguments, early, quiet=quiet)
    sealed = SealedRun(run.path, run.manifest)
    rules = GateSpec() if gate is None or (arguments.part.shard and not settings) else experiment.gate
    decided = decide_run(sealed, rules, lists_failing=files.any_of_run)
    show_result(sealed, decided, as_json=as_json, quiet=quiet)
    if arguments.html is not None:
        from insideLLMs.report.viewer.run_page import write_sealed_page  # noqa: PLC0415 - slow

        write_files([(arguments.html, partial(write_sealed_page, run=sealed, verdict=decided.verdict))])
    write_run_reports(sealed, decided, files, experiment=experiment_file)
    if decided.is_gated or not quiet:
        show_verdict(run.path, decided, say=console.note if as_json else console.out)
    if arguments.part.shard and not quiet:
        console.note("a shard is not a whole run; merge all of them: insidellms merge SHARD... --to RUN")
    check_answered(sealed, decided)
    code = decided.verdict.exit_code
    return code if early is None else max(code, show_decision(early, sealed, as_json=as_json), key=SEVERITY.index)


def _run(
    experiment: "Experiment", folder: Path, arguments: RunArguments, early: "EarlyStop | None", *, quiet: bool
) -> "Run":
    from insideLLMs.api.run import RunOptions, arun  # noqa: PLC0415 - slow

    count = processes_to_use(arguments.processes, arguments.run_dir if arguments.resume else None)
    if count > 1 and arguments.ray is not None:
        raise OptionError("the run was begun with --processes", fix="leave --executor ray out")
    batch = arguments.batch.rounds(quiet=quiet) if arguments.batch else None
    since = arguments.since.rounds(resume=arguments.resume) if arguments.since else None
    asking = early or batch or since
    with console.progress(quiet=quiet) as update:
        options = RunOptions(
            run_dir=arguments.run_dir,
            run_root=arguments.run_root,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            salvage=arguments.salvage,
            handle_signals=True,
            answers=arguments.answers,
            progress=update,
            ray=arguments.ray,
            rounds=asking.rounds if asking else None,
            check=batch.check if batch else None,
            begin=since.begin if since else None,
        )
        if count == 1:
            return asyncio.run(arun(experiment, folder=folder, options=options))
        from insideLLMs.api.shards.processes import run_in_processes  # noqa: PLC0415 - few runs need it

        return asyncio.run(run_in_processes(experiment, folder=folder, options=options, count=count))
