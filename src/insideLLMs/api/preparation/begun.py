"""How a run was begun: since another or not, which a resume goes on with."""

from pathlib import Path

from insideLLMs.core.errors import PlanMismatchError
from insideLLMs.core.since import Begun, read_note
from insideLLMs.store.sealed_run import SealedRun, State, state_of
from insideLLMs.store.unfinished_run import read_notes


def begun_in(run_dir: Path) -> tuple[bool, Begun | None]:
    """Return whether the folder holds a run, and what that notes of the run that it is since, if any."""
    state = state_of(run_dir)
    if state not in {State.UNFINISHED, State.SEALED}:
        return False, None
    notes = SealedRun.open(run_dir).manifest.notes if state is State.SEALED else read_notes(run_dir)
    return (False, None) if notes is None else (True, read_note(notes, Begun))


def check_alone(run_dir: Path) -> None:
    """Raise PlanMismatchError where a run that is since another is resumed without that."""
    _, begun = begun_in(run_dir)
    if begun is not None:
        raise PlanMismatchError(
            f"{run_dir} was begun with --since the run whose records have the root {begun.run[:12]}",
            fix="name that run again: --resume --since RUN",
        )


def resumed(run_dir: Path, wanted: Begun, *, canary: float | None, seed: str | None) -> Begun:
    """Return how the run in the folder was begun, `wanted` where there is none. Raises PlanMismatchError."""
    is_there, begun = begun_in(run_dir)
    if begun is None:
        if is_there:
            raise PlanMismatchError(
                f"{run_dir} was begun without --since", fix="resume it without, or choose another --run-dir"
            )
        return wanted
    given = {"run": wanted.run, "canary": canary, "seed": seed}
    for name, ours in given.items():
        theirs = getattr(begun, name)
        if ours is not None and ours != theirs:
            raise PlanMismatchError(
                f"{run_dir} was begun with another --since: its {name} is {theirs!r}, and not {ours!r}",
                fix="give it as it was, and leave --canary and --canary-seed out",
            )
    return begun
