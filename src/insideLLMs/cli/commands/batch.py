"""`insidellms batch`: write what a run has to ask to a file, and take the answers from one."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.batch import origin_options
from insideLLMs.cli.options.gate import GateWords, run_gate_options
from insideLLMs.cli.options.report_files import show_verdict
from insideLLMs.cli.places import FILE, LOCAL, OUTPUT_OR_URL, TO_WRITE, check_beside
from insideLLMs.cli.run_result import check_answered
from insideLLMs.core.errors import ExitCode, OptionError, RunDirectoryError, RunUnfinishedError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.shell_words import as_typed
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.api.batches.files import BatchExport, BatchImport
    from insideLLMs.api.run import Run
    from insideLLMs.store.batch_log import Origin

_SHOWN = 5
_MOST_OF_OPENAI = 50_000


@click.group("batch")
def command() -> None:
    """Write requests to a file in OpenAI's batch format for another program to answer, and read the answers.

    OpenAI, Azure, Together, LiteLLM, vLLM (`vllm run-batch`) and Ray Data answer such files.
    """


@command.command("export")
@click.argument("experiment_file", metavar="[EXPERIMENT]", required=False, type=LOCAL)
@click.option("-o", "--output", type=OUTPUT_OR_URL, required=True, help="The file of requests to write.")
@click.option("--run-dir", type=TO_WRITE, help="The run.  [default: a new one, runs/NAME-RUNID]")
@click.option(
    "--for", "addressed", multiple=True, metavar="MODEL", help="Write only the requests to this model or judge."
)
@origin_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def export(
    experiment_file: Path | None,
    *,
    output: Path | RemoteUrl,
    run_dir: Path | RemoteUrl | None,
    addressed: tuple[str, ...],
    origin: "Origin | None",
    as_json: bool,
) -> int:
    """Write the requests of a run, one per line: {custom_id, method, url, body}.

    The first time, name the EXPERIMENT: this begins a run. Later, --run-dir writes the requests that are left: the next
    ones of judges and of probes with several calls, and unanswered ones. Nothing is sent, and no key is needed.
    """
    from insideLLMs.api.batches.files import BatchExport  # noqa: PLC0415 - slow
    from insideLLMs.store.working_run import begun_run  # noqa: PLC0415

    check_beside(output, run_dir)
    given = _origin(experiment_file, run_dir and begun_run(run_dir), origin, name_it="name its file before -o")
    exporting = BatchExport(output, given, addressed)
    path, run = _go_on(given, run_dir, exporting)
    if as_json:
        written = {"output": str(output) if exporting.written else None, "requests": exporting.written}
        console.out_json({"run_dir": str(path), "complete": run is not None, **written})
    if run is not None:
        if not as_json:
            console.out(f"nothing is left to ask: run {run.manifest.run_id[:12]} is complete, and stored in {path}")
        return _Decision(run, {}).code(as_json=as_json)
    if as_json:
        return ExitCode.OK
    total = sum(exporting.written.values())
    is_pipe = isinstance(output, Path) and not output.is_file()
    say = console.note if is_pipe else console.out  # which leaves a pipe to the requests
    say(f"requests written to {output}: {total:,}; the run is {path}")
    for model, count in exporting.written.items() if len(exporting.written) > 1 else ():
        say(f"  {count:>9,}  {model}")
    if len(exporting.written) > 1:
        console.note("OpenAI takes one model a file: --for MODEL writes the requests of one")
    if total > _MOST_OF_OPENAI:
        console.note(
            f"OpenAI takes at most {_MOST_OF_OPENAI:,} requests a file: split -l {_MOST_OF_OPENAI} {as_typed(output)}"
        )
    console.note(f"  then: insidellms batch import ANSWERS --run-dir {as_typed(path)}")
    return ExitCode.OK


@command.command("import")
@click.argument("files", metavar="ANSWERS...", nargs=-1, required=True, type=FILE)
@click.option("--run-dir", type=TO_WRITE, required=True, help="The run that the answers are for.")
@click.option(
    "--experiment",
    "experiment_file",
    type=LOCAL,
    help="The experiment, if it was moved or the run does not name it.",
)
@run_gate_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def import_(
    files: tuple[Path, ...],
    *,
    run_dir: Path | RemoteUrl,
    experiment_file: Path | None,
    gate: GateWords | None,
    as_json: bool,
) -> int:
    """Read answers from files as the provider wrote them (in OpenAI's, Anthropic's or Gemini's form), in any order.

    Every line is checked before any is stored. When a run has all its answers, it is sealed, with the same bytes as an
    ordinary run, and the gate's conditions are checked, as `run` does. Until then, the output says what is left to ask.
    Importing a file twice changes nothing. Exit code 3: a condition is not met; 4: one cannot be decided.
    """
    from insideLLMs.api.batches.files import BatchImport  # noqa: PLC0415 - slow
    from insideLLMs.api.batches.round import complete_run  # noqa: PLC0415
    from insideLLMs.store.working_run import begun_run  # noqa: PLC0415

    importing, begun = BatchImport(files), begun_run(run_dir)
    run = complete_run(begun, files)
    was_complete = run is not None
    if run is None:
        path, run = _go_on(_origin(experiment_file, begun, None, name_it="add --experiment FILE"), run_dir, importing)
    else:
        path = run.path
    decision = None if run is None else _Decision(run, gate)
    if as_json:
        counts = {name: getattr(importing, name) for name in ("taken", "known", "refused", "missing", "differing")}
        failed = msgspec.to_builtins(importing.failed)
        verdict = decision.verdict if decision else None
        result = {"run_dir": str(path), "complete": run is not None, "failed": failed, "verdict": verdict}
        console.out_json({**result, **counts})
    else:
        _show(importing, was_complete=was_complete, run=run, path=path)
    return ExitCode.OK if decision is None else decision.code(as_json=as_json)


class _Decision:
    """Whether a complete run meets its gate; a shard alone has none but what is typed."""

    def __init__(self, run: "Run", gate: GateWords | None) -> None:
        from insideLLMs.api.compare import GateOverrides  # noqa: PLC0415 - slow
        from insideLLMs.compare.one_run.decide import decide_run  # noqa: PLC0415
        from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

        self._run = SealedRun(run.path, run.manifest)
        part = run.manifest.part
        rules = GateSpec() if gate is None or (part and part.shard and not gate) else self._run.gate
        self._decided = decide_run(self._run, rules if gate is None else GateOverrides(settings=gate).apply(rules))

    @property
    def verdict(self) -> object:
        """Return what `--json` prints of it; nothing where there is no condition."""
        return msgspec.to_builtins(self._decided.verdict) if self._decided.is_gated else None

    def code(self, *, as_json: bool) -> int:
        """Say it, and return the exit code. Raises NothingToDoError for a run in which nothing was answered."""
        show_verdict(self._run.path, self._decided, say=console.note if as_json else console.out)
        check_answered(self._run, self._decided)
        return self._decided.verdict.exit_code


def _show(importing: "BatchImport", *, was_complete: bool, run: "Run | None", path: Path) -> None:
    if was_complete:
        console.out("the run was complete before: nothing was taken")
    else:
        _show_taken(importing)
    if run is None:
        console.out(f"another round is needed: requests without an answer: {importing.missing:,}")
        console.note(f"  then: insidellms batch export --run-dir {as_typed(path)} -o FILE")
    else:
        from insideLLMs.report.terminal import render_summary  # noqa: PLC0415 - slow

        console.out(render_summary(msgspec.to_builtins(run.summary), width=console.width(), color=console.colours()))
        console.out(f"run {run.manifest.run_id[:12]} is complete, and stored in {path}")


def _show_taken(importing: "BatchImport") -> None:
    known = f"; {importing.known:,} known already" if importing.known else ""
    differing = importing.differing
    refused = f"; {importing.refused:,} refused, which is the outcome of their trials" if importing.refused else ""
    console.out(f"answers taken: {importing.taken:,}{known}{refused}")
    if differing:
        places = "; ".join(differing[:_SHOWN]) + ("; ..." if len(differing) > _SHOWN else "")
        console.note(f"answers that differ from what the run has, which stays: {len(differing):,} ({places})")
    if importing.failed:
        console.note(f"to be asked again, because they have an error instead of an answer: {len(importing.failed):,}")
        for line in importing.failed[:_SHOWN]:
            console.note(f"  {line.place}: {line.type}: {line.message}")
        if len(importing.failed) > _SHOWN:
            console.note(f"  and {len(importing.failed) - _SHOWN:,} more")


def _origin(
    experiment_file: Path | None, run_dir: Path | RemoteUrl | None, given: "Origin | None", *, name_it: str
) -> "Origin":
    """Return how the experiment is read: as the command says, else as the run noted it. Raises OptionError.

    A URL is one where no run is; `name_it` is how the command names the experiment.
    """
    from insideLLMs.api.batches.round import origin_of  # noqa: PLC0415 - slow
    from insideLLMs.store.batch_log import read_origin  # noqa: PLC0415
    from insideLLMs.store.sealed_run import State, state_of  # noqa: PLC0415

    noted = read_origin(run_dir) if isinstance(run_dir, Path) else None
    if experiment_file is not None:
        return origin_of(experiment_file, given or noted)
    if given is not None:
        raise OptionError("these options belong to an experiment", fix="name its file before -o")
    if noted is None and isinstance(run_dir, Path) and state_of(run_dir) is State.SEALED:
        raise RunDirectoryError(
            f"{run_dir} is complete, and does not say of which experiment",
            fix="to ask its failed trials again: "
            f"insidellms batch export EXPERIMENT -o FILE --run-dir {as_typed(run_dir)}",
        )
    if noted is None:
        where = "" if run_dir is None else f": {run_dir} does not say which it is"
        raise OptionError(
            f"an experiment is needed{where}",
            fix=f"{name_it}, or the --run-dir of a run that `insidellms batch export EXPERIMENT -o FILE` began",
        )
    if not Path(noted.experiment).is_file():
        raise OptionError(f"{run_dir} is of the experiment {noted.experiment}, which is not there", fix=name_it)
    return noted


def _go_on(
    origin: "Origin", run_dir: Path | RemoteUrl | None, batch: "BatchExport | BatchImport"
) -> "tuple[Path, Run | None]":
    """Run what can be run; return where it is, and the run once it is complete."""
    from insideLLMs.api.batches.round import load, run_round  # noqa: PLC0415 - slow

    loaded, experiment, folder = load(origin)
    with loaded.placing_errors():
        try:
            run = asyncio.run(run_round(experiment, folder, run_dir, batch))
        except RunUnfinishedError as error:
            if error.run_dir is None:
                raise
            return error.run_dir, None
    return run.path, run
