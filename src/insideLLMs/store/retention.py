"""Which runs of a folder may go, and why each stays or goes; what refers to them is read from baseline pools."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.shard import Shard
from insideLLMs.core.since import runs_named
from insideLLMs.store.pool import LEDGER, Pool, read_pool
from insideLLMs.store.run_root import FoundRun, check_free, empty_trash, look, remove, runs_below, trash_in
from insideLLMs.store.sealed_run import SealedRun, State


class RetentionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What may go, each only where it is given.

    Runs that are unchanged for more than `older_than` seconds, are not among the newest `keep_last` finished ones of
    their experiment and, oldest first, make all runs together larger than `max_size` bytes.
    """

    keep_last: int | None = None
    older_than: int | None = None
    max_size: int | None = None


class RetentionDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a run goes, and why."""

    run: FoundRun
    goes: bool
    why: str


class RunReference(msgspec.Struct, frozen=True, kw_only=True):
    """A run that something names: by its id, and where they are known by its folder's name and its records."""

    run_id: str
    why: str
    name: str = ""
    records_root: str = ""


def references_of(pools: Iterable[Pool]) -> Iterator[RunReference]:
    """Yield the runs that pools accepted, and those that their waivers name. Raises RunDirectoryError."""
    for pool in pools:
        accepted, waived = f"the pool {pool.path} accepted it", f"a waiver of the pool {pool.path} names it"
        for run in map(SealedRun.open, pool.runs):  # also what a killed `accept` did not note
            found = run.manifest
            yield RunReference(run_id=found.run_id, why=accepted, name=run.label, records_root=found.records_root)
        for entry in pool.ledger:
            if entry.run_id:
                yield RunReference(
                    run_id=entry.run_id,
                    why=accepted if entry.action == "accept" else waived,
                    name=entry.run or "",
                    records_root=entry.records_root or "",
                )


def referred_to(runs: Iterable[FoundRun], references: Iterable[RunReference]) -> dict[Path, str]:
    """Return why runs must stay: pools name them, or an unfinished run needs them to go on.

    A run that was renamed is one of those with its id and records: all of them stay.
    """
    by_id: dict[str, list[FoundRun]] = {}
    needed = []
    for run in runs:
        if run.manifest:
            by_id.setdefault(run.manifest.run_id, []).append(run)
            if run.holds_answers and run.manifest.part and run.manifest.part.failed_in:
                needed.append(RunReference(run_id=run.manifest.part.failed_in, why=f"{run.path} goes on from it"))
    found = {}
    for each in (*references, *needed):
        same = [run for run in by_id.get(each.run_id, ()) if _has_records(run, each.records_root)]
        named = [run for run in same if run.path.name == each.name]
        found.update(dict.fromkeys((run.path for run in named or same), each.why))
    return found


def _has_records(run: FoundRun, root: str) -> bool:
    return not root or (run.manifest is not None and run.manifest.records_root == root)


def pools_near(root: Path, named: Sequence[Path]) -> Iterator[Pool]:
    """Read the pools that are `named`, and those in `root`, beside it and here. Raises RunDirectoryError.

    Beside it is where a link to it lies, too, and where that leads to.
    """
    yield from _pools_in(_folders_near(root), named)


def closed_near(root: Path) -> list[Path]:
    """Return where a pool may be that this user may not look into. Raises RunDirectoryError as `pools_near` does."""
    return sorted(path for path in _near(_folders_near(root)) if _has_ledger(path) is None)


def _folders_near(root: Path) -> tuple[Path, ...]:
    return (root, root.absolute().parent, root.resolve().parent, Path.cwd())


def pools_here(named: Sequence[Path]) -> Iterator[Pool]:
    """Read the pools that are `named`, and those in the current folder. Raises RunDirectoryError."""
    yield from _pools_in((Path.cwd(),), named)


def _pools_in(folders: Iterable[Path], named: Sequence[Path]) -> Iterator[Pool]:
    found = {path for path in _near(folders) if _has_ledger(path)}
    yield from map(read_pool, sorted(found - {path.resolve() for path in named}))
    yield from map(named_pool, named)


def _near(folders: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for folder in folders:
        try:
            found.update(path.resolve() for path in (folder, *folder.iterdir()))
        except OSError as error:
            raise RunDirectoryError(
                f"cannot look for baseline pools in {folder}: {error.strerror}", fix="check its permissions"
            ) from error
    return found


def _has_ledger(path: Path) -> bool | None:
    """Whether a folder is a pool, also where its ledger is a link; None where that cannot be seen."""
    try:
        (path / LEDGER).lstat()
    except PermissionError:
        return None
    except OSError:
        return False
    return True


def named_pool(path: Path) -> Pool:
    """Read a pool that a person named. Raises RunDirectoryError for a folder that is none: it would protect nothing."""
    pool = read_pool(path)
    if not pool.ledger and not pool.runs:
        raise RunDirectoryError(
            f"{path} is not a baseline pool: it has no {LEDGER} and no run", fix=f"name the folder with {LEDGER}"
        )
    return pool


class LocalRoot:
    """The runs of a folder; see `RemoteRoot` for those below a URL. Its methods raise RunDirectoryError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def runs(self) -> list[FoundRun]:
        """Return what there is to say of each run."""
        return list(runs_below(self._path))

    def look(self, name: str) -> FoundRun:
        """Return what there is to say of one run."""
        return look(self._path / name)

    def pools(self, also: Sequence[Path]) -> Iterator[Pool]:
        """Read the pools in the folder, beside it and here, and those in the folders `also`."""
        return pools_near(self._path, also)

    def closed(self) -> list[Path]:
        """Return where a pool may be that this user may not look into."""
        return closed_near(self._path)

    def is_pool(self) -> bool:
        """Whether it is no folder of runs, but a pool."""
        return (self._path / LEDGER).exists()

    def leftovers(self) -> list[str]:
        """Return what removals that were killed have left."""
        return [str(path) for path in trash_in(self._path)]

    def remove_leftover(self, name: str) -> None:
        """Go on with a removal that was killed."""
        empty_trash(Path(name))

    def check_free(self, facts: FoundRun) -> None:
        """Raise as `remove` does, and change nothing."""
        check_free(facts)

    def remove(self, facts: FoundRun) -> None:
        """Remove a run that is still as it was looked at. Raises LockedError while it is written."""
        remove(facts)


def decide(
    runs: Iterable[FoundRun],
    limits: RetentionLimits,
    references: Iterable[RunReference],
    *,
    now_s: float,
    fits: Callable[[FoundRun], bool] = lambda _: True,
) -> tuple[RetentionDecision, ...]:
    """Decide about each run, in the order of `runs`; one that does not fit stays."""
    runs = tuple(runs)
    newest = sorted(runs, key=lambda run: (run.changed_s, run.path.name), reverse=True)
    ranks, referred, stays = dict(_ranks(newest)), referred_to(runs, references), {}
    for run in runs:
        left_out = "" if fits(run) else "left out by --experiment, --model or --state"
        must = _reason_to_stay(run) or referred.get(run.path)
        stays[run.path] = must or left_out or _within(run, limits, ranks.get(run.path), now_s)
    _keep_to_size(newest, limits, stays)
    stays |= dict(_named_by([run for run in runs if stays[run.path]], [run for run in runs if not stays[run.path]]))
    return tuple(
        RetentionDecision(run=run, goes=not stays[run.path], why=stays[run.path] or _unchanged(run, now_s))
        for run in runs
    )


def _named_by(staying: Iterable[FoundRun], going: Iterable[FoundRun]) -> Iterator[tuple[Path, str]]:
    """Yield why runs stay, too: one that stays is since them, or has answers that they asked for.

    What these are since in their turn may go: else nothing of a chain of nightly runs ever could. Raises
    RunDirectoryError for a run that stays and does not say what it is since.
    """
    named = {root: f"{run.path} is since it, or has answers of it" for run in staying for root in _since(run)}
    for run in going:
        if run.manifest is not None and run.manifest.records_root in named:
            yield run.path, named[run.manifest.records_root]


def _since(run: FoundRun) -> tuple[str, ...]:
    try:
        return () if run.manifest is None else runs_named(run.manifest.notes)
    except RunDirectoryError as error:
        raise RunDirectoryError(f"{run.path}: {error.message}", fix=error.fix) from error


def _unchanged(run: FoundRun, now_s: float) -> str:
    age_s = now_s - run.changed_s
    return f"unchanged for {age_s / 86_400:.1f} days" if age_s >= 0 else "changed in the future, by this clock"


def _ranks(newest: Iterable[FoundRun]) -> Iterator[tuple[Path, int]]:
    """Number the finished runs of each experiment, and of each shard of one, from 1 for the newest."""
    seen: Counter[tuple[str, Shard | None]] = Counter()
    for run in newest:
        if run.state is State.SEALED and run.manifest:
            part = run.manifest.part
            of = (run.name, part.shard if part else None)
            seen[of] += 1
            yield run.path, seen[of]


def _reason_to_stay(run: FoundRun) -> str:
    """Say why a run stays whatever the limits are; nothing where it may go."""
    if run.holds_answers:
        return "unfinished: its answers are paid for, and it can be resumed"
    if run.problem:
        return run.problem
    return f"holds {run.others[0]}, which only you may remove" if run.others else ""


def _within(run: FoundRun, limits: RetentionLimits, rank: int | None, now_s: float) -> str:
    """Say which limit a run is within; nothing where it is within none."""
    if limits.keep_last is not None and rank is not None and rank <= limits.keep_last:
        return f"among the newest {limits.keep_last} of {run.name}"
    if limits.older_than is not None and now_s - run.changed_s <= limits.older_than:
        return f"not old enough: {_unchanged(run, now_s)}"
    return ""


def _keep_to_size(newest: Sequence[FoundRun], limits: RetentionLimits, stays: dict[Path, str]) -> None:
    """Let the newest stay that may go, once the older ones are enough to keep to the size."""
    if limits.max_size is None:
        return
    size = sum(run.size_bytes for run in newest)
    for run in reversed(newest):
        if not stays[run.path]:
            if size <= limits.max_size:
                stays[run.path] = "the older ones are enough"
            else:
                size -= run.size_bytes
