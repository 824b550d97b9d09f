"""`insidellms run`: an experiment file to a sealed run directory."""

import asyncio
import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any  # see `command`

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.baseline import today
from insideLLMs.cli.batch_options import BatchChoice, batch_options
from insideLLMs.cli.executor_options import executor_options
from insideLLMs.cli.gate_options import GateWords, run_gate_options
from insideLLMs.cli.part_options import part_options
from insideLLMs.cli.places import FILE, LOCAL, POOL, RUN, TO_WRITE
from insideLLMs.cli.process_options import processes_option, processes_to_use
from insideLLMs.cli.report_files import ReportFiles, report_options, show_verdict, write_files, write_run_reports
from insideLLMs.cli.run_result import check_answered, show_result
from insideLLMs.core.errors import (
    CassetteMissError,
    ConfigError,
    ExitCode,
    InsideLLMsError,
    InterruptedRunError,
    Problem,
)
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.part import PartOptions
from insideLLMs.core.ray_options import RayOptions
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.api.answers import AnswerOptions, CacheMode
    from insideLLMs.api.early_stop import EarlyStop, Look
    from insideLLMs.api.run import Run
    from insideLLMs.core.experiment import Experiment
    from insideLLMs.core.types import JsonValue
    from insideLLMs.store.sealed_run import SealedRun

_SEVERITY = (ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.GATE_FAILED)
_LOOKS = {
    "fail": "worse, beyond doubt",
    "no_evidence": "stopped: the whole run would hardly find a drop any more, which does not show that there is none",
    "go_on": "not decided yet",
    "pass": "no evidence of a drop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arguments:
    """What the command line says of where and how to run."""

    run_dir: Path | RemoteUrl | None
    run_root: Path | RemoteUrl
    resume: bool
    overwrite: bool
    salvage: bool
    concurrency: int | None
    timeout_s: float | None
    repeats: int | None
    max_examples: int | None
    stop_on_error: bool | None
    early_stop: bool
    baselines: tuple[Path, ...]
    pool: Path | None
    no_telemetry: bool
    compress: bool | None
    pairs: tuple[str, ...]
    cache: "CacheMode"
    record: Path | RemoteUrl | None
    missing: bool
    replay: Path | None
    html: Path | None
    part: PartOptions
    processes: int
    ray: RayOptions | None
    batch: BatchChoice | None

    def overrides(self) -> "dict[str, JsonValue]":
        """Return what goes over the experiment's settings. Raises ConfigError."""
        named: dict[str, JsonValue] = {
            "execution.concurrency": self.concurrency,
            "execution.timeout_s": self.timeout_s,
            "execution.stop_on_error": self.stop_on_error,
            "repeats": self.repeats,
            "max_examples": self.max_examples,
            "execution.telemetry": False if self.no_telemetry else None,
            "execution.compress": self.compress,
        }
        return {**{key: value for key, value in named.items() if value is not None}, **parse_settings(self.pairs)}

    def check(self) -> None:
        """Raise ConfigError for options that need each other."""
        if self.resume and self.run_dir is None:
            raise ConfigError([Problem("--resume needs --run-dir")], fix="give the folder of the run to continue")
        if self.resume and self.overwrite:
            raise ConfigError(
                [Problem("--resume and --overwrite exclude each other")],
                fix="--resume keeps what is there, --overwrite removes it",
            )
        if self.salvage and not self.resume:
            raise ConfigError([Problem("--salvage goes with --resume")], fix="add --resume, or leave --salvage out")
        if self.early_stop != bool(self.baselines or self.pool):
            raise ConfigError(
                [Problem("--early-stop and --baseline, or --pool, go together")],
                fix="insidellms run EXPERIMENT --early-stop --baseline RUN",
            )
        if self.processes > 1 and (self.early_stop or self.part.shard or self.ray or self.batch):
            raise ConfigError(
                [Problem("--processes goes with neither --early-stop, --shard, --executor ray nor --batch")],
                fix="leave --processes out",
            )
        if self.batch and (self.early_stop or self.cache != "off" or self.record or self.replay or self.ray):
            raise ConfigError(
                [Problem("--batch cannot be combined with --early-stop, --cache, --record, --replay or --executor")],
                fix="leave those out",
            )
        if self.early_stop and self.part != PartOptions():
            raise ConfigError(
                [Problem("--early-stop decides on a whole run, not on a part")], fix="leave the selection out"
            )

    @property
    def answers(self) -> "AnswerOptions":
        """Where answers come from beside the models. Raises OptionError."""
        from insideLLMs.api.answers import AnswerOptions  # noqa: PLC0415 - slow

        record = None if self.record is None else Path(str(self.record))
        return AnswerOptions(cache=self.cache, record=record, missing=self.missing, replay=self.replay)

    def how_to_resume(self, file: Path, run_dir: Path | None) -> str:
        """Return the command that goes on with an interrupted run."""
        kept = {"cache": None if self.cache == "off" else self.cache, "record": self.record, "replay": self.replay}
        flags = "".join(f" --{name} {value}" for name, value in kept.items() if value)
        flags += " --missing" if self.missing else ""
        words = (*self.part.words(), *(self.ray.words() if self.ray else ()))
        flags += "".join(f" {word}" for word in words)
        flags += self.batch.words() if self.batch else ""
        return f"insidellms run {file} --run-dir {run_dir} --resume{flags}"

    @contextlib.contextmanager
    def saying_what_next(self, file: Path) -> Iterator[None]:
        """Say of a run of `file` that stopped with which command to go on."""
        try:
            yield
        except InterruptedRunError as error:
            raise InterruptedRunError(error.message, fix=self.how_to_resume(file, error.run_dir)) from error
        except CassetteMissError as error:
            assert self.replay is not None
            fix = f"record what is missing: {self.how_to_record(file, self.replay)}"
            raise CassetteMissError(error.message, fix=fix) from error
        except InsideLLMsError as error:
            if error.run_dir is not None:
                console.note(f"answers are kept; to go on: {self.how_to_resume(file, error.run_dir)}")
            raise

    def how_to_record(self, file: Path, cassette: Path) -> str:
        """Return the command that records what a cassette lacks."""
        named = {"repeats": self.repeats, "max-examples": self.max_examples}
        words = [f"--{name} {value}" for name, value in named.items() if value is not None]
        words += [f"--set {shlex.quote(pair)}" for pair in self.pairs] + list(self.part.words())
        return " ".join(
            (f"insidellms run {shlex.quote(str(file))} --record {shlex.quote(str(cassette))} --missing", *words)
        )


def parse_settings(pairs: tuple[str, ...]) -> "dict[str, JsonValue]":
    """Parse ``KEY=VALUE`` overrides; a value is JSON where it can be, else text. Raises ConfigError."""
    settings: dict[str, JsonValue] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise ConfigError([Problem(f"--set {pair!r} is not KEY=VALUE")], fix="e.g. --set execution.concurrency=8")
        try:
            settings[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            settings[key] = text
    return settings


@click.command("run")
@click.argument("experiment_file", metavar="EXPERIMENT", type=LOCAL)
@click.option("--run-dir", type=TO_WRITE, help="Store the run here.  [default: runs/NAME-RUNID]")
@click.option(
    "--run-root",
    type=TO_WRITE,
    default=Path("runs"),
    show_default=True,
    help="Where run directories are made.",
)
@click.option(
    "--resume", is_flag=True, help="Continue the run in --run-dir: call the model only for missing or failed trials."
)
@click.option("--overwrite", is_flag=True, help="Replace the run in --run-dir.")
@click.option("--salvage", is_flag=True, help="With --resume: skip damaged journal lines.")
@click.option("--concurrency", type=int, help="Trials in flight per model.")
@click.option("--timeout", "timeout_s", type=float, help="Time limit of a trial in seconds, including retries.")
@click.option("--repeats", type=int, help="How often each example is asked.")
@click.option("--max-examples", type=int, help="Run a deterministic subset of this size.")
@click.option("--stop-on-error", is_flag=True, default=None, help="Stop at the first trial that fails.")
@click.option("--early-stop", is_flag=True, help="Stop as soon as the comparison with --baseline is decided.")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    type=RUN,
    help="For --early-stop: the run to compare with; may be repeated.",
)
@click.option("--pool", type=POOL, help="For --early-stop: a folder of accepted runs to compare with.")
@click.option("--no-telemetry", is_flag=True, help="Write no telemetry.jsonl.")
@click.option("--compress", is_flag=True, default=None, help="Store records.jsonl compressed, as records.jsonl.zst.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. gate.fail_on=changes."
)
@click.option(
    "--cache",
    type=click.Choice(["off", "read", "refresh"]),
    default="off",
    show_default=True,
    help="Take answers from the response cache, or ask again and refresh it.",
)
@click.option("--record", type=TO_WRITE, help="Record every answer in this cassette.")
@click.option("--missing", is_flag=True, help="With --record: ask only what the cassette lacks.")
@click.option("--replay", type=FILE, help="Take every answer from this cassette; make no calls.")
@click.option("--check", is_flag=True, help="With --replay: only say what the cassette lacks; exit code 4 if it does.")
@click.option("--html", type=LOCAL, help="Also write the run's page here.")
@part_options
@processes_option
@executor_options
@batch_options
@report_options
@run_gate_options
@click.option("--dry-run", is_flag=True, help="Show the number of calls and their cost; make no calls.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@console.common_options
def command(
    experiment_file: Path,
    *,
    check: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    gate: GateWords | None,
    files: ReportFiles,
    **options: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Run EXPERIMENT (YAML, JSON or TOML) and store its run directory.

    The same experiment gives the same bytes. An interrupted run is resumed with --resume. Exit code 0: done, and the
    gate's conditions are met or there are none; 3: one is not met; 4: one cannot be decided.
    """
    from insideLLMs.api.preparation.part import narrow  # noqa: PLC0415
    from insideLLMs.compare.one_run.decide import decide_run  # noqa: PLC0415 - slow; --help must not pay for it
    from insideLLMs.config.load import read_experiment  # noqa: PLC0415
    from insideLLMs.report.viewer.run_page import write_sealed_page  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    arguments = _Arguments(**options)
    settings = {f"gate.{name}": value for name, value in (gate or {}).items() if value is not None}
    loaded = read_experiment(experiment_file, overrides={**arguments.overrides(), **settings})
    folder = experiment_file.resolve().parent
    experiment = narrow(loaded.experiment, arguments.part, folder=folder)
    if dry_run:
        with loaded.placing_errors():
            return _dry_run(experiment, folder, as_json=as_json)
    arguments.check()
    if check:
        with loaded.placing_errors():
            return _check(experiment_file, experiment, arguments, as_json=as_json)
    early = _early_stop(arguments) if arguments.early_stop else None
    with arguments.saying_what_next(experiment_file), loaded.placing_errors():
        run = _run(experiment, folder, arguments, early, quiet=quiet)
    sealed = SealedRun(run.path, run.manifest)
    rules = GateSpec() if gate is None or (arguments.part.shard and not settings) else experiment.gate
    decided = decide_run(sealed, rules, lists_failing=files.any_of_run)
    show_result(sealed, decided, as_json=as_json, quiet=quiet)
    if arguments.html is not None:
        write_files([(arguments.html, partial(write_sealed_page, run=sealed, verdict=decided.verdict))])
    write_run_reports(sealed, decided, files, experiment=experiment_file)
    if decided.is_gated or not quiet:
        show_verdict(run.path, decided, say=console.note if as_json else console.out)
    if arguments.part.shard and not quiet:
        console.note("a shard is no whole run; merge all of them: insidellms merge SHARD... --to RUN")
    check_answered(sealed, decided)
    code = decided.verdict.exit_code
    return code if early is None else max(code, _show_decision(early, sealed, as_json=as_json), key=_SEVERITY.index)


def _run(
    experiment: "Experiment", folder: Path, arguments: _Arguments, early: "EarlyStop | None", *, quiet: bool
) -> "Run":
    from insideLLMs.api.run import RunOptions, arun  # noqa: PLC0415 - slow

    count = processes_to_use(arguments.processes, arguments.run_dir if arguments.resume else None)
    if count > 1 and arguments.ray is not None:
        raise ConfigError([Problem("the run was begun with --processes")], fix="leave --executor ray out")
    batch = arguments.batch.rounds() if arguments.batch else None
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
            rounds=early.rounds if early else batch.rounds if batch else None,
            check=batch.check if batch else None,
        )
        if count == 1:
            return asyncio.run(arun(experiment, folder=folder, options=options))
        from insideLLMs.api.processes import run_in_processes  # noqa: PLC0415 - few runs need it

        return asyncio.run(run_in_processes(experiment, folder=folder, options=options, count=count))


def _early_stop(arguments: _Arguments) -> "EarlyStop":
    from insideLLMs.api.baselines import open_pool  # noqa: PLC0415 - slow
    from insideLLMs.api.compare import ComparisonSetup  # noqa: PLC0415
    from insideLLMs.api.early_stop import EarlyStop  # noqa: PLC0415
    from insideLLMs.compare.comparing import CompareOptions  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    baselines = tuple(SealedRun.open(path) for path in arguments.baselines)
    for baseline in baselines:
        baseline.require_whole()
    if arguments.pool is None:
        return EarlyStop(baselines, _show_look)
    pool = open_pool(arguments.pool, today=today())
    options = CompareOptions(waived=pool.waived)
    setup = ComparisonSetup(options=options, noise=pool.noise, warnings=pool.left_out)
    return EarlyStop((*pool.runs, *baselines), _show_look, setup)


def _show_look(look: "Look") -> None:
    change = "" if look.delta is None else f", {look.delta * 100:+.1f} points"
    decision = _LOOKS[look.decision]
    console.note(f"look at {look.share:.0%}: {look.items:,} items{change}, p = {look.p_worse:.3g}: {decision}")


def _show_decision(early: "EarlyStop", run: "SealedRun", *, as_json: bool) -> int:
    """Say what an early-stopping run came to; return the exit code."""
    last = early.looks[-1]
    saved = f"; {early.skipped:,} trials were not asked" if early.skipped else ""
    say = console.note if as_json else console.out
    from insideLLMs.compare.one_run.verdict import EXIT_CODES  # noqa: PLC0415 - slow

    state, reason = early.decide(run)
    say(f"{state.upper()}  {(reason or _LOOKS[last.decision]).rstrip('.')}, at {last.share:.0%}{saved}")
    return EXIT_CODES[state]


def _check(file: Path, experiment: "Experiment", arguments: _Arguments, *, as_json: bool) -> int:
    """Say what the cassette lacks for the experiment, without asking, scoring or storing anything."""
    from insideLLMs.api.run import acheck_cassette  # noqa: PLC0415 - slow
    from insideLLMs.remote.copies import local_file  # noqa: PLC0415

    named = arguments.replay or arguments.record
    if named is None:
        raise ConfigError([Problem("--check needs a cassette")], fix="name it: --replay FILE --check")
    cassette = local_file(named)
    found = asyncio.run(acheck_cassette(experiment, folder=file.resolve().parent, cassette=cassette))
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    elif not found.missing:
        told = f"; {found.unused:,} more are recorded" if found.unused and found.whole else ""
        console.out(f"{cassette} has all {found.needs:,} answers that {file} needs{told}")
    else:
        console.out(f"{cassette} is stale: {found.words}\n  first: {found.first}")
        console.note(f"  fix: {arguments.how_to_record(file, cassette)}")
    return ExitCode.INCONCLUSIVE if found.missing else ExitCode.OK


def _dry_run(experiment: "Experiment", folder: Path, *, as_json: bool) -> int:
    from insideLLMs.api.preparation.estimate import estimate  # noqa: PLC0415 - slow
    from insideLLMs.api.preparation.prepare import prepare  # noqa: PLC0415

    prepared = prepare(experiment, folder=folder, asks=False)
    rows = estimate(prepared)
    part = prepared.experiment.part
    asyncio.run(prepared.aclose())
    if as_json:
        rows_json = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
        told = {"run_id": prepared.plan.run_id, "trials": prepared.plan.total, "models": rows_json}
        console.out_json({**told, "part": msgspec.to_builtins(part)})
        return ExitCode.OK
    known = [row.calls for row in rows if row.calls is not None]
    calls = f"{sum(known):,} calls for " if len(known) == len(rows) else ""
    console.out(f"run {prepared.plan.run_id[:12]}: {calls}{prepared.plan.total:,} trials, no calls made yet")
    if part is not None:
        console.out(f"this is {part}")
    for row in rows:
        cost = "cost unknown" if row.cost_usd is None else f"at most ${row.cost_usd:.4f}"
        output = "no limit on" if row.output_tokens is None else f"at most {row.output_tokens:,}"
        asked = "unknown" if row.calls is None else f"{row.calls:,}"
        sent = "unknown" if row.input_tokens is None else f"about {row.input_tokens:,}"
        console.out(f"  {row.model}: {asked} calls, {sent} input tokens, {output} output tokens, {cost}")
    return ExitCode.OK
