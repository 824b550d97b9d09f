"""`insidellms run --early-stop`: looks at the run while it goes on, and what they came to, in words."""

from pathlib import Path
from typing import Any

from insideLLMs.cli import console
from insideLLMs.core.errors import ConfigError, ExitCode, Problem

_WORDS = {
    "fail": "worse, beyond doubt",
    "no_evidence": "a drop worth seeing has become unlikely",
    "go_on": "not decided yet",
    "pass": "no evidence of a drop",
}


def check_options(options: dict[str, Any]) -> None:
    """Raise ConfigError unless --early-stop and --baseline come together."""
    if options["early_stop"] != bool(options["baselines"]):
        raise ConfigError(
            [Problem("--early-stop and --baseline go together")],
            fix="insidellms run EXPERIMENT --early-stop --baseline RUN",
        )


async def run_watched(experiment: Any, folder: Path, terms: Any, update: Any, options: dict[str, Any]) -> Any:
    """Run with looks in between; returns what they came to."""
    from insideLLMs.api.compare import open_run  # noqa: PLC0415 - slow
    from insideLLMs.api.early import run_early  # noqa: PLC0415
    from insideLLMs.api.prepare import prepare  # noqa: PLC0415

    baselines = tuple(open_run(path) for path in options["baselines"])
    prepared = prepare(experiment, folder=folder)
    try:
        return await run_early(prepared, terms, update, baselines=baselines, say=_say)
    finally:
        await prepared.aclose()


def _say(look: Any) -> None:
    change = "" if look.delta is None else f", {look.delta * 100:+.1f} points"
    told = _WORDS[look.decision]
    console.note(f"look at {look.share:.0%}: {look.items:,} items{change}, p = {look.p_worse:.3g}: {told}")


def exit_code(stopped: Any, *, as_json: bool) -> int:
    """Say how it ended; return the exit code."""
    last = stopped.looks[-1]
    saved = f"; {stopped.skipped:,} trials were not asked" if stopped.skipped else ""
    say = console.note if as_json else console.out
    say(f"{'FAILED' if stopped.failed else 'PASSED'}  {_WORDS[last.decision]}, at {last.share:.0%}{saved}")
    return ExitCode.GATE_FAILED if stopped.failed else ExitCode.OK
