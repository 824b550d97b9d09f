"""The options of `run`; the command gets most of them as one argument, `arguments`.

A new one needs a line in `_OPTIONS`, its name in GROUPS, and a field in RunArguments.
"""

from dataclasses import fields
from pathlib import Path

import click

from insideLLMs.cli.options.batch import batch_options
from insideLLMs.cli.options.gate import run_gate_options
from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.options.part import part_options
from insideLLMs.cli.options.report_files import report_options
from insideLLMs.cli.options.run_arguments import RunArguments
from insideLLMs.cli.options.since import since_options
from insideLLMs.cli.options.workers import executor_options, processes_option
from insideLLMs.cli.places import FILE, OUTPUT, POOL, RUN, TO_WRITE

GROUPS = {
    "Options": (
        "run_dir",
        "resume",
        "overwrite",
        "dry_run",
        "concurrency",
        "repeats",
        "pairs",
        "html",
        "as_json",
        "quiet",
    ),
    "Which trials": ("only", "tags", "probes", "models", "prompts", "failed_in", "max_examples"),
    "Answers that are there already": (
        "cache",
        "record",
        "missing",
        "replay",
        "check",
        "since",
        "canary",
        "canary_seed",
    ),
    "When to stop": ("timeout_s", "stop_on_error", "early_stop", "baselines", "pool"),
    "What the run must reach (otherwise exit code 3)": (
        "min_pass_rate",
        "min_score",
        "max",
        "certain",
        "severity",
        "no_gate",
    ),
    "More reports": ("junit", "markdown", "comment_name", "sarif", "github"),
    "Batches, processes and machines": (
        "is_batch",
        "max_wait",
        "then",
        "processes",
        "shard",
        "executor",
        "ray_address",
        "ray_workers",
    ),
    "The run directory": ("run_root", "salvage", "compress", "no_telemetry"),
}
"""The options in the order of `--help`: those that most people need, then the others by what they are about."""

_OPTIONS = (
    click.option("--run-dir", type=TO_WRITE, help="Store the run here.  [default: runs/NAME-RUNID]"),
    click.option(
        "--run-root",
        type=TO_WRITE,
        default=Path("runs"),
        show_default=True,
        help="Where run directories are made.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Continue the run in --run-dir: call the model only for missing or failed trials.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace the run in --run-dir."),
    click.option("--salvage", is_flag=True, help="With --resume: skip damaged journal lines."),
    click.option("--concurrency", type=int, help="How many trials of a model run at once."),
    click.option("--timeout", "timeout_s", type=float, help="Time limit of a trial in seconds, including retries."),
    click.option("--repeats", type=int, help="How many times each example is asked."),
    click.option("--max-examples", type=int, help="Run only this many examples, the same ones each time."),
    click.option("--stop-on-error", is_flag=True, default=None, help="Stop at the first trial that fails."),
    click.option("--early-stop", is_flag=True, help="Stop as soon as the comparison with --baseline is decided."),
    click.option(
        "--baseline",
        "baselines",
        multiple=True,
        type=RUN,
        help="For --early-stop: the run to compare with; may be given several times.",
    ),
    click.option("--pool", type=POOL, help="For --early-stop: a folder of accepted runs to compare with."),
    click.option("--no-telemetry", is_flag=True, help="Write no telemetry.jsonl."),
    click.option(
        "--compress", is_flag=True, default=None, help="Store records.jsonl compressed, as records.jsonl.zst."
    ),
    click.option(
        "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. gate.fail_on=changes."
    ),
    click.option(
        "--cache",
        type=click.Choice(["off", "read", "refresh"]),
        default="off",
        show_default=True,
        help="read: take answers from the response cache; refresh: ask again and update it.",
    ),
    click.option("--record", type=TO_WRITE, help="Record every answer in this cassette."),
    click.option("--missing", is_flag=True, help="With --record: ask only what the cassette lacks."),
    click.option("--replay", type=FILE, help="Take every answer from this cassette; make no calls."),
    click.option(
        "--check",
        is_flag=True,
        help="With --replay: only say what the cassette lacks; exit code 4 if it lacks something.",
    ),
    click.option("--html", type=OUTPUT, help="Also write the run's page here."),
    part_options,
    processes_option,
    executor_options,
    batch_options,
    since_options,
    report_options,
    run_gate_options,
    click.option("--dry-run", is_flag=True, help="Show the number of calls and their cost; make no calls."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option("--quiet", is_flag=True, help="Show no progress."),
)


def run_options(function: Command) -> Command:
    """Add the options to the command."""
    command = option_group(function, "arguments", (), _arguments)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _arguments(given: Given) -> RunArguments:
    return RunArguments(**{field.name: given.pop(field.name) for field in fields(RunArguments)})  # type: ignore[arg-type] # click has converted each
