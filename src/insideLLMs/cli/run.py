"""`insidellms run`: an experiment file to a sealed run directory."""

import asyncio
import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.early import check_options, exit_code, run_watched
from insideLLMs.core.errors import (
    ConfigError,
    ExitCode,
    InsideLLMsError,
    InterruptedRunError,
    NothingToDoError,
    Problem,
)

_NOTHING_YET: Any = {
    "results": [
        {"probe": "–", "model": "–", "trials": 0, "examples": 0, "scored": 0, "passed": 0, "pass_rate": None}
        | {"statuses": {}, "scores": {}, "usage": {}}
    ],
    "trials": 0,
    "statuses": {},
}


def parse_settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` overrides; a value is JSON where it can be, else text. Raises ConfigError."""
    settings: dict[str, Any] = {}
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
@click.argument("experiment_file", metavar="EXPERIMENT", type=click.Path(path_type=Path))
@click.option("--run-dir", type=click.Path(path_type=Path), help="Store the run here.  [default: runs/NAME-RUNID]")
@click.option(
    "--run-root",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where run directories are made.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --run-dir: only what is missing or failed is asked."
)
@click.option("--overwrite", is_flag=True, help="Replace the run in --run-dir.")
@click.option("--salvage", is_flag=True, help="With --resume: leave damaged journal lines out.")
@click.option("--concurrency", type=int, help="Trials in flight per model.")
@click.option("--timeout", "timeout_s", type=float, help="Seconds a trial may take, retries included.")
@click.option("--repeats", type=int, help="How often each example is asked.")
@click.option("--max-examples", type=int, help="Run a deterministic subset of this size.")
@click.option("--stop-on-error", is_flag=True, default=None, help="Stop at the first trial that fails.")
@click.option("--early-stop", is_flag=True, help="Stop asking once the comparison with --baseline is decided.")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    type=click.Path(path_type=Path),
    help="For --early-stop: the run to compare with; may be repeated.",
)
@click.option("--no-telemetry", is_flag=True, help="Write no telemetry.jsonl.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. gate.fail_on=changes."
)
@click.option(
    "--cache",
    type=click.Choice(["off", "read", "refresh"]),
    default="off",
    show_default=True,
    help="Take answers from the response cache, or ask anew and refresh it.",
)
@click.option("--record", type=click.Path(path_type=Path), help="Record every answer in this cassette.")
@click.option("--replay", type=click.Path(path_type=Path), help="Take every answer from this cassette; ask nothing.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked, and at what cost; ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@console.common_options
def command(experiment_file: Path, *, dry_run: bool, as_json: bool, quiet: bool, **options: Any) -> int:
    """Run EXPERIMENT (YAML, JSON or TOML) and store its run directory.

    The same experiment gives the same bytes. An interrupted run is resumed with --resume.
    """
    from insideLLMs.config import load_experiment  # noqa: PLC0415 - slow; --help must not pay for it

    experiment = load_experiment(experiment_file, overrides=_overrides(options))
    folder = experiment_file.resolve().parent
    if dry_run:
        return _dry_run(experiment, folder, as_json=as_json)
    return _run(experiment, folder, experiment_file, options, as_json=as_json, quiet=quiet)


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    named = {
        "execution.concurrency": options["concurrency"],
        "execution.timeout_s": options["timeout_s"],
        "execution.stop_on_error": options["stop_on_error"],
        "repeats": options["repeats"],
        "max_examples": options["max_examples"],
        "execution.telemetry": False if options["no_telemetry"] else None,
    }
    return {**{key: value for key, value in named.items() if value is not None}, **parse_settings(options["pairs"])}


def _run(experiment: Any, folder: Path, file: Path, options: dict[str, Any], *, as_json: bool, quiet: bool) -> int:
    from insideLLMs.api.answers import AnswerOptions  # noqa: PLC0415 - slow
    from insideLLMs.api.run import RunOptions, arun  # noqa: PLC0415 - slow

    terms = RunOptions(
        run_dir=options["run_dir"],
        run_root=options["run_root"],
        resume=options["resume"],
        overwrite=options["overwrite"],
        salvage=options["salvage"],
        handle_signals=True,
        answers=AnswerOptions(cache=options["cache"], record=options["record"], replay=options["replay"]),
    )
    if terms.resume and terms.run_dir is None:
        raise ConfigError([Problem("--resume needs --run-dir")], fix="give the folder of the run to go on with")
    check_options(options)
    if options["early_stop"] and terms.answers != AnswerOptions():
        raise ConfigError([Problem("--early-stop asks the models; it takes no --cache, --record or --replay")])
    try:
        with console.progress(quiet=quiet) as update:
            seen = _preloading(update)
            if options["early_stop"]:
                stopped = asyncio.run(run_watched(experiment, folder, terms, seen, options))
                return _show(stopped.run, experiment.execution, as_json=as_json, quiet=quiet) or exit_code(
                    stopped, as_json=as_json
                )
            run = asyncio.run(arun(experiment, folder=folder, options=terms, progress=seen))
    except InterruptedRunError as error:
        raise InterruptedRunError(error.message, fix=_how_to_resume(file, error, options)) from error
    except InsideLLMsError as error:
        if error.run_dir is not None:
            console.note(f"what was answered is kept; to go on: {_how_to_resume(file, error, options)}")
        raise
    return _show(run, experiment.execution, as_json=as_json, quiet=quiet)


def _preloading(update: Callable[[Any], None] | None) -> Callable[[Any], None]:
    """Import what draws the result once the first trial is back: while models think, the time costs nothing."""

    def load() -> None:
        for name in ("insideLLMs.api.telemetry", "insideLLMs.report.telemetry"):
            importlib.import_module(name)
        terminal = importlib.import_module("insideLLMs.report.terminal")
        terminal.render_summary(_NOTHING_YET)  # the first drawing imports, too, and so does the first "–"

    def progress(info: Any) -> None:
        if info.current == info.resumed + 1:
            threading.Thread(target=load, daemon=True, name="insidellms-preload").start()
        if update is not None:
            update(info)

    return progress


def _how_to_resume(file: Path, error: InsideLLMsError, options: dict[str, Any]) -> str:
    kept = {"cache": None if options["cache"] == "off" else options["cache"], "record": options["record"]}
    flags = "".join(f" --{name} {value}" for name, value in kept.items() if value)
    return f"insidellms run {file} --run-dir {error.run_dir} --resume{flags}"


def _show(run: Any, execution: Any, *, as_json: bool, quiet: bool) -> int:
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415

    for warning in run.warnings:
        console.warn(warning)
    summary = expand(run.summary)
    if as_json:
        told = {"run_dir": str(run.path), "run_id": run.manifest.run_id, "summary": summary}
        console.out_json({**told, "telemetry": _telemetry(run, execution, as_text=False)})
    else:
        console.out(render_summary(summary, width=console.width(), color=console.colours()))
        if not quiet:
            console.note(_telemetry(run, execution, as_text=True) or "")  # another at each run: no result
        console.out(f"run {run.manifest.run_id[:12]} stored in {run.path}")
    if run.manifest.statuses.get("success", 0) == 0:
        raise NothingToDoError(
            f"none of the {run.manifest.trials} trials was answered: {_first_failure(run)}",
            fix=f"see {run.path}/records.jsonl, mend the cause, and go on with --run-dir {run.path} --resume",
        )
    return ExitCode.OK


def _telemetry(run: Any, execution: Any, *, as_text: bool) -> Any:
    """Return how the run went, as text or as JSON; None if it kept no telemetry."""
    if not execution.telemetry:
        return None
    from insideLLMs.api.telemetry import read_telemetry  # noqa: PLC0415 - slow
    from insideLLMs.report.telemetry import render  # noqa: PLC0415

    found = read_telemetry(run.path)
    return render(found) if as_text else msgspec.to_builtins(found)


def _first_failure(run: Any) -> str:
    from insideLLMs.store.directory import RECORDS, read_lines  # noqa: PLC0415
    from insideLLMs.store.journal import decode_record  # noqa: PLC0415

    failure = decode_record(next(read_lines(run.path / RECORDS))).failure
    return f"{failure.type}: {failure.message}" if failure else "no reason recorded"


def _dry_run(experiment: Any, folder: Path, *, as_json: bool) -> int:
    from insideLLMs.api.estimate import estimate  # noqa: PLC0415 - slow
    from insideLLMs.api.prepare import prepare  # noqa: PLC0415

    prepared = prepare(experiment, folder=folder)
    rows = estimate(prepared)
    asyncio.run(prepared.aclose())
    if as_json:
        rows_json = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
        console.out_json({"run_id": prepared.plan.run_id, "trials": prepared.plan.total, "models": rows_json})
        return ExitCode.OK
    console.out(f"run {prepared.plan.run_id[:12]}: {prepared.plan.total} trials, nothing asked yet")
    for row in rows:
        cost = "cost unknown" if row.cost_usd is None else f"at most ${row.cost_usd:.4f}"
        output = "no limit on" if row.output_tokens is None else f"at most {row.output_tokens:,}"
        asked = "unknown" if row.calls is None else f"{row.calls:,}"
        sent = "unknown" if row.input_tokens is None else f"about {row.input_tokens:,}"
        console.out(f"  {row.model}: {asked} calls, {sent} input tokens, {output} output tokens, {cost}")
    return ExitCode.OK
