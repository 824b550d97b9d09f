"""`run --early-stop`: what is compared with, each look, and the decision."""

from typing import TYPE_CHECKING

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import today
from insideLLMs.cli.options.run_arguments import RunArguments
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.api.early_stop import EarlyStop, Look
    from insideLLMs.store.sealed_run import SealedRun

SEVERITY = (ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.GATE_FAILED)
"""Exit codes, the worst last."""
_LOOKS = {
    "fail": "worse, beyond doubt",
    "no_evidence": "stopped: the whole run would hardly find a drop any more, which does not show that there is none",
    "go_on": "not decided yet",
    "pass": "no evidence of a drop",
}


def early_stop(arguments: RunArguments) -> "EarlyStop":
    """Return how such a run decides when to stop. Raises for a baseline that cannot be compared with."""
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


def show_decision(early: "EarlyStop", run: "SealedRun", *, as_json: bool) -> int:
    """Say what an early-stopping run came to; return the exit code."""
    last = early.looks[-1]
    saved = f"; {early.skipped:,} trials were not asked" if early.skipped else ""
    say = console.note if as_json else console.out
    from insideLLMs.compare.one_run.verdict import EXIT_CODES  # noqa: PLC0415 - slow

    state, reason = early.decide(run)
    say(f"{state.upper()}  {(reason or _LOOKS[last.decision]).rstrip('.')}, at {last.share:.0%}{saved}")
    return EXIT_CODES[state]
