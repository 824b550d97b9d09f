"""`insidellms runs`: the runs of a folder, and which of them may go."""

import math
import re
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec.structs import replace

from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, Given, NumberParam, option_group
from insideLLMs.cli.places import POOL, TO_WRITE
from insideLLMs.core.errors import ExitCode, InsideLLMsError, RemoteError, RunDirectoryError, StorageError
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import JsonValue
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.store.remote.root import RemoteRoot
    from insideLLMs.store.retention import LocalRoot, RetentionDecision, RetentionLimits
    from insideLLMs.store.run_root import FoundRun

STATES = ("finished", "unfinished", "empty")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class AmountParam(NumberParam):
    """A number with a unit, as 30d or 10GB."""

    def __init__(self, name: str, units: dict[str, int]) -> None:
        self.name = name
        self._units = units

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the amount in seconds, or in bytes."""
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s?([A-Za-z]+)", value)
        unit = next((size for unit, size in self._units.items() if found and unit.lower() == found[2].lower()), None)
        if found is None or unit is None:
            self.fail(f"{value!r} is not an amount: write a number and one of {', '.join(self._units)}", param, ctx)
        return round(float(found[1]) * unit)


AGE, SIZE = AmountParam("age", _SECONDS), AmountParam("size", _BYTES)
_ROOT = click.argument("root", type=TO_WRITE, default=Path("runs"))
_OLDER = click.option("--older-than", type=AGE, help="Only runs unchanged for longer than this, e.g. 30d, 12h or 2w.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_FITTING = (
    click.option("--experiment", metavar="GLOB", help="Only runs of experiments whose name fits, e.g. 'nightly-*'."),
    click.option("--model", metavar="GLOB", help="Only runs with a model whose id fits."),
    click.option("--state", type=click.Choice(STATES), help="Only runs in this state."),
)
_LIMITS = (
    click.option(
        "--keep-last", type=click.IntRange(min=0), metavar="N", help="Keep the newest N runs of each experiment."
    ),
    _OLDER,
    click.option("--max-size", type=SIZE, help="Remove the oldest runs until the rest has this size, e.g. 20GB."),
)


def _fitting(function: Command) -> Command:
    """Add the options that choose runs; the function gets them as one argument, `wanted`."""
    return option_group(function, "wanted", _FITTING, _wanted)


def _limited(function: Command) -> Command:
    """Add the options that say what may go; the function gets them as one argument, `limits`."""
    return option_group(function, "limits", _LIMITS, _limits)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are meant: those that fit all that is given."""

    experiment: str | None = None
    model: str | None = None
    state: str | None = None

    def fits(self, run: "FoundRun") -> bool:
        """Whether a run is one of them."""
        return (
            self.state in {None, _state(run)}
            and (self.experiment is None or fnmatchcase(run.name, self.experiment))
            and (self.model is None or any(fnmatchcase(each, self.model) for each in run.models))
        )


def _wanted(given: Given) -> Wanted:
    return msgspec.convert({name: given.pop(name) for name in Wanted.__struct_fields__}, Wanted)


def _limits(given: Given) -> "RetentionLimits":
    from insideLLMs.store.retention import RetentionLimits  # noqa: PLC0415 - slow

    found = msgspec.convert({name: given.pop(name) for name in RetentionLimits.__struct_fields__}, RetentionLimits)
    if found == RetentionLimits():
        raise InsideLLMsError("no limit is given", fix="add --keep-last, --older-than or --max-size")
    return found


@click.group("runs")
def command() -> None:
    """List the runs of a folder, show one, and remove old ones."""


@command.command("list")
@_ROOT
@_fitting
@_OLDER
@click.option("--newer-than", type=AGE, help="Only runs that changed within this time.")
@_JSON
@console.common_options
def list_(
    root: Path | RemoteUrl,
    *,
    wanted: Wanted,
    older_than: int | None,
    newer_than: int | None,
    as_json: bool,
) -> int:
    """List the runs directly in ROOT, the latest change at the end."""
    now = time.time()
    ages = (-math.inf if older_than is None else older_than, math.inf if newer_than is None else newer_than)
    runs = [run for run in _runs(_opened(root)) if wanted.fits(run) and ages[0] < now - run.changed_s <= ages[1]]
    if as_json:
        console.out_json([_told(run, now) for run in runs])
        return ExitCode.OK
    _table(
        (*_FACTS, "experiment · models", "id and answers"),
        [(*_cells(run, now), " · ".join((run.name, *run.models)), answered(run)) for run in runs],
    )
    if not runs:
        console.note(f"no such run in {root}")
    return ExitCode.OK


@command.command("show")
@click.argument("run", type=TO_WRITE)
@_JSON
@console.common_options
def show(run: Path | RemoteUrl, *, as_json: bool) -> int:
    """Show the facts about RUN (not its records), and what refers to it."""
    from insideLLMs.report.safe_text import printable  # noqa: PLC0415 - slow
    from insideLLMs.store.retention import references_of, referred_to  # noqa: PLC0415

    if isinstance(run, RemoteUrl) and not run.key:
        raise RunDirectoryError(f"{run} is a bucket, not a run", fix=f"list the runs in it: insidellms runs list {run}")
    place = run.resolve() if isinstance(run, Path) else run
    root = _opened(place.parent)
    facts, runs = root.look(place.name), root.runs()
    stays = referred_to(runs, references_of(root.pools(()))).get(facts.path)
    told = {**_told(facts, time.time()), "being_written": _is_written(root, facts), "referred_to": stays}
    if as_json:
        console.out_json(told)
        return ExitCode.OK
    for name, value in told.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            shown = ", ".join(f"{count} {status}" for status, count in value.items() if count)
        if shown not in (None, "", False):
            console.out(printable(f"{name.replace('_', ' '):<14} {shown}"))
    return ExitCode.OK


def _is_written(root: "LocalRoot | RemoteRoot", facts: "FoundRun") -> bool | None:
    """Whether a process is writing a run; None where only its owner can tell."""
    try:
        root.check_free(facts)
    except StorageError:
        return None
    except RunDirectoryError:  # it is locked, or changes at this moment
        return True
    return False


@command.command("gc")
@_ROOT
@_limited
@_fitting
@click.option(
    "--pool",
    "pools",
    multiple=True,
    type=POOL,
    help="Keep the runs of this baseline pool, too; those in ROOT, beside it and here are found. May be repeated.",
)
@click.option("--yes/--dry-run", "is_meant", help="--yes: remove them; --dry-run: only list them.  [default: dry-run]")
@_JSON
@console.common_options
def gc(
    root: Path | RemoteUrl,
    *,
    limits: "RetentionLimits",
    wanted: Wanted,
    pools: tuple[Path, ...],
    is_meant: bool,
    as_json: bool,
) -> int:
    """Remove the runs in ROOT that exceed all given limits; without --yes, only list them.

    Some runs always stay: a run that is being written, or is unfinished and has answers; one that a baseline pool
    accepted or a waiver names; one with signatures, a batch that was sent, or files that are not ours; one that cannot
    be read. Links and other folders are never touched.
    """
    from insideLLMs.store.retention import decide, references_of  # noqa: PLC0415 - slow

    found = _opened(root)
    _refuse_pool(found, root)
    now = time.time()
    decided = decide(_runs(found), limits, references_of(found.pools(pools)), now_s=now, fits=wanted.fits)
    for path in found.closed():
        console.note(f"{path} cannot be looked into: if it is a baseline pool, what it accepted is not known here")
    problems: list[str] = []
    ends = [_end(found, each, problems, is_meant=is_meant) for each in decided]
    if is_meant:
        _remove_leftovers(found, problems)
    gone = [each.run for each in ends if each.goes]
    if as_json:
        told = [{**_told(each.run, now), "goes": each.goes, "why": each.why} for each in ends]
        freed = sum(run.size_bytes for run in gone)
        console.out_json({"root": str(root), "dry_run": not is_meant, "freed_bytes": freed, "runs": told})
    else:
        _table(
            ("decision", *_FACTS, "reason"),
            [(_WORDS[each.goes, is_meant], *_cells(each.run, now), each.why) for each in ends],
        )
        console.out(_sum(gone, len(ends), is_meant=is_meant))
    for problem in problems:
        console.warn(problem)
    return ExitCode.ERROR if problems else ExitCode.OK


_WORDS = {(True, True): "removed", (True, False): "remove", (False, True): "kept", (False, False): "keep"}


def _opened(root: Path | RemoteUrl) -> "LocalRoot | RemoteRoot":
    if isinstance(root, Path):
        from insideLLMs.store.retention import LocalRoot  # noqa: PLC0415 - slow

        return LocalRoot(root)
    from insideLLMs.store.remote.root import RemoteRoot  # noqa: PLC0415 - only for a URL

    return RemoteRoot(root)


def _refuse_pool(found: "LocalRoot | RemoteRoot", root: Path | RemoteUrl) -> None:
    if found.is_pool():
        raise RunDirectoryError(
            f"{root} is a baseline pool",
            fix=f"remove its oldest runs: insidellms baseline prune --pool {as_typed(root)} --keep N",
        )


def _end(
    root: "LocalRoot | RemoteRoot", decision: "RetentionDecision", problems: list[str], *, is_meant: bool
) -> "RetentionDecision":
    """Do what was decided, and return what came of it; add what went wrong to `problems`."""
    if not decision.goes:
        return decision
    try:
        (root.remove if is_meant else root.check_free)(decision.run)
    except (RunDirectoryError, RemoteError) as error:
        if isinstance(error, StorageError | RemoteError):
            problems.append(error.message)
        return replace(decision, goes=False, why=error.message)
    return decision


def _remove_leftovers(root: "LocalRoot | RemoteRoot", problems: list[str]) -> None:
    """Go on with removals that were killed."""
    for name in root.leftovers():
        try:
            root.remove_leftover(name)
            console.note(f"removed {name}, which a gc that was killed had left")
        except (StorageError, RemoteError) as error:
            problems.append(error.message)
        except RunDirectoryError as error:
            console.note(f"{name}: {error.message}")


def _sum(gone: Sequence["FoundRun"], count: int, *, is_meant: bool) -> str:
    size = _size(sum(run.size_bytes for run in gone))
    if is_meant:
        return f"removed {len(gone)} of {count} runs: {size} freed"
    return f"{len(gone)} of {count} runs would be removed, and {size} freed: add --yes to do it"


def _runs(root: "LocalRoot | RemoteRoot") -> "list[FoundRun]":
    """Return the runs of a folder, those that changed last at the end."""
    return sorted(root.runs(), key=lambda run: (run.changed_s, run.path))


def _state(run: "FoundRun") -> str:
    return "finished" if run.state.value == "sealed" else run.state.value


def answered(run: "FoundRun") -> str:
    """Say which run it is and how far, or why that is not known."""
    if run.manifest is None:
        return run.problem or f"{_state(run)}; nothing is known of it"
    part = "  (a part of the experiment)" if run.manifest.part else ""
    told = f"{run.manifest.run_id[:12]}  {run.statuses.get('success', 0)}/{run.manifest.trials} answered{part}"
    return told if _state(run) == "finished" else f"{told}; unfinished, continue with --resume"


def _told(run: "FoundRun", now: float) -> dict[str, JsonValue]:
    """Return the facts of a run as JSON has them."""
    manifest = run.manifest
    return {
        "path": str(run.path),
        "state": _state(run),
        "experiment": run.name,
        "run_id": manifest.run_id if manifest else "",
        "models": list(run.models),
        "prompts": [prompt.id for prompt in manifest.prompts] if manifest else [],
        "probes": [probe.id for probe in manifest.probes] if manifest else [],
        "datasets": [dataset.name for dataset in manifest.datasets] if manifest else [],
        "trials": manifest.trials if manifest else 0,
        "statuses": dict(run.statuses),
        "part": str(manifest.part) if manifest and manifest.part else None,
        "age_s": round(now - run.changed_s),
        "size_bytes": run.size_bytes,
        "other_files": list(run.others),
        "problem": run.problem or None,
    }


_FACTS = ("run", "state", "age", "size")


def _cells(run: "FoundRun", now: float) -> tuple[str, ...]:
    return str(run.path), _state(run), _age(now - run.changed_s), _size(run.size_bytes)


def _age(seconds: float) -> str:
    unit = next((unit for unit in ("d", "h") if seconds >= 2 * _SECONDS[unit]), "m")
    return f"{max(0, seconds) / _SECONDS[unit]:.0f} {unit}"


def _size(count: int) -> str:
    unit, size = next(((unit, size) for unit, size in reversed(_BYTES.items()) if count >= size), ("B", 1))
    return f"{count / size:.1f} {unit}" if size > 1 else f"{count} B"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows, if there are any, under the names of their columns; names and words of runs may be anybody's."""
    from insideLLMs.report.safe_text import printable  # noqa: PLC0415 - slow

    if not rows:
        return
    cells = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [min(60, max(map(len, column))) for column in zip(*cells, strict=True)]
    for row in cells:
        console.out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
