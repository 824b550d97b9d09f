"""`run --dry-run` and `run --replay FILE --check`: what a run would need, without asking anything."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.run_arguments import RunArguments
from insideLLMs.cli.options.since import SinceChoice
from insideLLMs.core.errors import ExitCode, OptionError
from insideLLMs.core.prices import dollars

if TYPE_CHECKING:
    from insideLLMs.core.experiment import Experiment


def check_cassette(file: Path, experiment: "Experiment", arguments: RunArguments, *, as_json: bool) -> int:
    """Say what the cassette lacks for the experiment, without asking, scoring or storing anything."""
    from insideLLMs.api.run import acheck_cassette  # noqa: PLC0415 - slow
    from insideLLMs.remote.copies import local_file  # noqa: PLC0415

    named = arguments.replay or arguments.record
    if named is None:
        raise OptionError("--check needs a cassette", fix="name it: --replay FILE --check")
    cassette = local_file(named)
    found = asyncio.run(acheck_cassette(experiment, folder=file.resolve().parent, cassette=cassette))
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    elif not found.missing:
        told = f"; {found.unused:,} more are recorded" if found.unused and found.whole else ""
        console.out(f"{cassette} has all {found.needs:,} answers that {file} needs{told}")
        if not found.whole:
            console.note(
                "  requests of conversations, agents and judges are known only during the run: not checked here"
            )
    else:
        console.out(f"{cassette} is stale: {found.words}\n  first: {found.first}")
        console.note(f"  fix: {arguments.how_to_record(file, cassette)}")
    return ExitCode.INCONCLUSIVE if found.missing else ExitCode.OK


def show_dry_run(experiment: "Experiment", folder: Path, since: SinceChoice | None, *, as_json: bool) -> int:
    """Say how many calls a run makes, and what they cost at most."""
    from insideLLMs.api.preparation.estimate import estimate  # noqa: PLC0415 - slow
    from insideLLMs.api.preparation.prepare import prepare  # noqa: PLC0415

    prepared = prepare(experiment, folder=folder, asks=False)
    preview = since.rounds(resume=False).preview(prepared) if since else None
    rows = estimate(prepared, preview.is_reused) if preview else estimate(prepared)
    part = prepared.experiment.part
    asyncio.run(prepared.aclose())
    if as_json:
        rows_json = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
        told = {"run_id": prepared.plan.run_id, "trials": prepared.plan.total, "models": rows_json}
        reuse = {"since": preview.counts} if preview else {}
        console.out_json({**told, "part": msgspec.to_builtins(part), **reuse})
        return ExitCode.OK
    known = [row.calls for row in rows if row.calls is not None]
    most = "at most " if any(row.is_most for row in rows) else ""
    calls = f"{most}{sum(known):,} calls for " if len(known) == len(rows) else ""
    console.out(f"run {prepared.plan.run_id[:12]}: {calls}{prepared.plan.total:,} trials, no calls made yet")
    if part is not None:
        console.out(f"this is {part}")
    if preview is not None:
        console.out(preview.words)
    for row in rows:
        cost = (
            f"at most {dollars(row.cost_usd)}" if row.cost_usd else "cost unknown" if row.cost_usd is None else "free"
        )
        output = "no limit on" if row.output_tokens is None else f"at most {row.output_tokens:,}"
        asked = "unknown" if row.calls is None else f"{'at most ' if row.is_most else ''}{row.calls:,}"
        sent = "unknown" if row.input_tokens is None else f"about {row.input_tokens:,}"
        console.out(f"  {row.model}: {asked} calls, {sent} input tokens, {output} output tokens, {cost}")
    return ExitCode.OK
