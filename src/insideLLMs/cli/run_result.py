"""What a command that made a run says of it."""

from typing import TYPE_CHECKING

import msgspec

from insideLLMs.cli import console
from insideLLMs.core.errors import NothingToDoError
from insideLLMs.core.shell_words import as_typed

if TYPE_CHECKING:
    from insideLLMs.compare.one_run.verdict import DecidedRun
    from insideLLMs.store.sealed_run import SealedRun


def show_result(run: "SealedRun", decided: "DecidedRun", *, as_json: bool, quiet: bool) -> None:
    """Print how the run came out, what failed, and where it is stored."""
    from insideLLMs.core.record_views import FailedRecord  # noqa: PLC0415
    from insideLLMs.report.failures import render_failures  # noqa: PLC0415
    from insideLLMs.report.telemetry import read_telemetry, render  # noqa: PLC0415
    from insideLLMs.report.terminal import render_summary  # noqa: PLC0415

    summary = msgspec.to_builtins(decided.summary)
    telemetry = read_telemetry(run) if run.has_telemetry and (as_json or not quiet) else None
    if as_json:
        result = {"run_dir": str(run.path), "run_id": run.manifest.run_id, "summary": summary}
        verdict = msgspec.to_builtins(decided.verdict) if decided.is_gated else None
        console.out_json({**result, "telemetry": msgspec.to_builtins(telemetry), "verdict": verdict})
    else:
        console.out(render_summary(summary, width=console.width(), color=console.colours()))
        if any(count for status, count in run.manifest.statuses.items() if status != "success"):
            console.note(render_failures(run.records(FailedRecord)))
        if telemetry is not None:
            console.note(render(telemetry))  # different at each run: no result
        console.out(f"run {run.manifest.run_id[:12]} stored in {run.path}")


def check_answered(run: "SealedRun", decided: "DecidedRun") -> None:
    """Raise NothingToDoError if nothing in the run was answered; a gate that failed has said so already."""
    is_empty_shard = run.manifest.part and run.manifest.part.shard and not run.manifest.trials
    if run.manifest.statuses.get("success", 0) or decided.verdict.state == "failed" or is_empty_shard:
        return
    raise NothingToDoError(
        f"none of the {run.manifest.trials} trials was answered: {_first_failure(run)}",
        fix=f"see {run.path}/records.jsonl, fix the cause, and go on with --run-dir {as_typed(run.path)} --resume",
    )


def _first_failure(run: "SealedRun") -> str:
    from insideLLMs.core.record_views import FailedRecord  # noqa: PLC0415

    failure = next(run.records(FailedRecord)).failure
    return f"{failure.type}: {failure.message}" if failure else "no reason recorded"
