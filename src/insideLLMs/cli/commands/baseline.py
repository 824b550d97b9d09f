"""`insidellms baseline`: which runs are the baseline, who accepted them, and which examples are waived."""

import datetime as dt
import getpass
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any  # see `accept`

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import today
from insideLLMs.cli.places import RUN, TO_WRITE
from insideLLMs.core.errors import ExitCode, OptionError
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.store.sealed_run import SealedRun

_pool = click.option("--pool", type=TO_WRITE, default=Path("baselines"), show_default=True, help="The pool's folder.")


@click.group("baseline")
def command() -> None:
    """Keep a pool of accepted baseline runs, in a folder that can live in git or an artefact store."""


@command.command("accept")
@click.argument("run", type=RUN)
@_pool
@click.option("--by", help="Who accepts the run.  [default: the user's login name]")
@click.option("--why", required=True, help="The reason, for later reviewers.")
@click.option("--slim", is_flag=True, help="For git: copy only what comparisons need, without page and telemetry.")
@click.option(
    "--if-changed", is_flag=True, help="Do nothing if the newest run of the pool has the same answers and scores."
)
@click.option(
    "--example", "examples", multiple=True, metavar="ID", help="Waive only this example. May be given several times."
)
@click.option("--probe", help="With --example: waive it only in this probe.")
@click.option("--until", metavar="DATE", help="With --example: the last day of the waiver, e.g. 2027-01-31.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def accept(
    run: Path,
    *,
    pool: Path | RemoteUrl,
    by: str | None,
    why: str,
    examples: tuple[str, ...],
    as_json: bool,
    **options: Any,  # click passes them by name, each as its declaration types it
) -> int:
    """Accept RUN as a baseline: copy it into the pool, with who did it and why.

    With --example only these examples are accepted: the gate leaves them out until the waiver ends, and the pool's runs
    stay as they are.
    """
    from insideLLMs.store.remote.pool import writing_pool  # noqa: PLC0415 - slow
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    words: list[str] = []
    said = {"on": today(), "by": by or getpass.getuser(), "why": why}
    for_run = {name for name in ("slim", "if_changed") if options[name]}
    for_examples = {name for name in ("until", "probe") if options[name]}
    if examples and for_run:
        raise OptionError("--slim and --if-changed go with a run, not with --example")
    if for_examples and not examples:
        raise OptionError("--until and --probe go with --example", fix="name the examples to waive")
    sealed = SealedRun.open(run)
    last = _day(options["until"])
    with writing_pool(pool) as folder:
        if examples:
            _waive(sealed, folder, examples, said, words.append, probe=options["probe"], last=last)
            done: dict[str, object] = {"waived": list(examples), "probe": options["probe"], "until": last}
        else:
            done = _accept(sealed, folder, said, words.append, slim=options["slim"], if_changed=options["if_changed"])
    for text in words:  # now that a pool at a URL has it
        (console.note if as_json else console.out)(text)
    if done.get("system_changes"):
        console.note(
            "older runs of the pool are of another system; accept more runs of this one to separate noise from change"
        )
    if as_json:
        console.out_json({"pool": str(pool), "run_id": sealed.manifest.run_id, **done})
    return ExitCode.OK


def _accept(
    run: "SealedRun", pool: Path, said: Mapping[str, str], tell: Callable[[str], None], *, slim: bool, if_changed: bool
) -> dict[str, object]:
    from insideLLMs.api.baselines import new_generation  # noqa: PLC0415 - slow
    from insideLLMs.store import pool as pools  # noqa: PLC0415

    if if_changed and pools.has_newest(pool, run):
        tell(f"the newest run of {pool} has the same answers and scores; nothing was accepted")
        return {"accepted": None, "system_changes": []}
    changes = new_generation(pool, run)
    target = pools.accept(pool, run.path, **said, slim=slim)
    tell(f"accepted {run.path} as {target}")
    if changes:
        tell(f"a new generation begins, because the system changed: {'; '.join(changes)}")
    return {"accepted": str(target), "system_changes": list(changes)}


def _waive(
    run: "SealedRun",
    pool: Path,
    examples: tuple[str, ...],
    said: Mapping[str, str],
    tell: Callable[[str], None],
    *,
    probe: str | None,
    last: str | None,
) -> None:
    from insideLLMs.store import pool as pools  # noqa: PLC0415 - slow

    _check_examples(run, examples, probe)
    for example in examples:
        entry = pools.LedgerEntry(
            action="waive",
            **said,
            run=run.label,
            run_id=run.manifest.run_id,
            probe=probe,
            example_id=example,
            until=last,
        )
        pools.append(pool, entry)
        is_over = last is not None and last < today()
        until = "" if last is None else f" until {last}"
        tell(f"{example} counts: its waiver ended on {last}" if is_over else f"waived {example}{until}")


def _check_examples(run: "SealedRun", examples: tuple[str, ...], probe: str | None) -> None:
    from insideLLMs.core.errors import CompareError  # noqa: PLC0415 - slow
    from insideLLMs.core.record_views import RecordIdentity  # noqa: PLC0415

    wanted = set(examples)
    for record in run.records(RecordIdentity):
        if probe is None or record.probe == probe:
            wanted.discard(record.example_id)
    if wanted:
        raise CompareError(
            f"{run.path} has no example {min(wanted)!r}{'' if probe is None else f' in probe {probe!r}'}",
            fix="name an example as `insidellms diff` does",
        )


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise OptionError(f"--until {text!r} is not a date", fix="write it as 2027-01-31") from error


@command.command("list")
@_pool
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@console.common_options
def list_(*, pool: Path | RemoteUrl, as_json: bool) -> int:
    """List the pool's runs, oldest first, and today's waivers."""
    from insideLLMs.api.baselines import older_generations  # noqa: PLC0415 - slow
    from insideLLMs.core.types import expand  # noqa: PLC0415
    from insideLLMs.store.pool import read_pool  # noqa: PLC0415
    from insideLLMs.store.remote.pool import local_pool  # noqa: PLC0415
    from insideLLMs.store.sealed_run import SealedRun  # noqa: PLC0415

    found = read_pool(local_pool(pool))
    waivers = found.waivers(today())
    older = {run.path for run in older_generations(tuple(map(SealedRun.open, found.runs)))}
    if as_json:
        runs, left_out = [str(run) for run in found.runs], [str(run) for run in found.runs if run in older]
        told = {"pool": str(pool), "runs": runs, "older_generations": left_out}
        console.out_json({**told, "waivers": [expand(entry) for entry in waivers]})
        return ExitCode.OK
    notes = {entry.run: entry for entry in found.ledger if entry.action == "accept"}
    for run in found.runs:
        entry = notes.get(run.name)
        said = f"{entry.on} {entry.by}: {entry.why}" if entry else "(not in the ledger)"
        console.out(f"{run.name}  {said}{'  (older generation, left out)' if run in older else ''}")
    for entry in waivers:
        until = "for good" if entry.until is None else f"until {entry.until}"
        where = "" if entry.probe is None else f"{entry.probe} / "
        console.out(f"waived {where}{entry.example_id} {until}  {entry.on} {entry.by}: {entry.why}")
    if not found.runs:
        console.note("the pool holds no run yet")
    return ExitCode.OK


@command.command("prune")
@_pool
@click.option("--keep", type=click.IntRange(min=1), required=True, help="How many of the newest runs stay.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def prune(*, pool: Path | RemoteUrl, keep: int, as_json: bool) -> int:
    """Remove all but the newest runs of the pool; the ledger keeps their names."""
    from insideLLMs.store.pool import prune as prune_pool  # noqa: PLC0415 - slow
    from insideLLMs.store.pool import read_pool  # noqa: PLC0415
    from insideLLMs.store.remote.pool import writing_pool  # noqa: PLC0415

    with writing_pool(pool) as folder:
        gone = prune_pool(read_pool(folder), keep=keep, on=today())
    if as_json:
        console.out_json({"pool": str(pool), "removed": [run.name for run in gone]})
        return ExitCode.OK
    for run in gone:
        console.out(f"removed {run.name}")
    return ExitCode.OK
