"""Are two run directories one run? A run that is held against itself shows nothing, whatever it is called."""

import hashlib
from collections.abc import Iterable

from insideLLMs.core.errors import CompareError
from insideLLMs.store.sealed_run import TELEMETRY, SealedRun, stored_lines

ASKED = "asked"
"""The note in a slim copy's manifest of when its run asked, for its telemetry stays behind."""


def is_same_run(one: SealedRun, other: SealedRun) -> bool:
    """Whether two runs are one, by another path or as a copy: it has the same records, and asked at the same times.

    Equal records alone do not say so: a deterministic model gives them in every run. Of copies of runs without times
    (replays, and those without telemetry) it is not known.
    """
    if _content(one) != _content(other):
        return False
    if one.source.samefile(other.source):
        return True
    asked = asked_at(one)
    return asked is not None and asked == asked_at(other)


def _content(run: SealedRun) -> tuple[object, ...]:
    return run.manifest.run_id, run.manifest.subjects, run.manifest.records_root


def asked_at(run: SealedRun) -> str | None:
    """Return the digest of the telemetry, or what a slim copy notes of it; None where that has no times."""
    if not run.has_telemetry:
        noted = run.manifest.notes.get(ASKED)
        return noted if isinstance(noted, str) else None
    digest, has_times = hashlib.sha256(), False
    for line in stored_lines(run.path / TELEMETRY):
        digest.update(line)
        has_times = has_times or b'"started_at"' in line
    return digest.hexdigest() if has_times else None


def _name(run: SealedRun) -> str:
    return str(run.path if run.source.parent == run.path else run.source)


def check_distinct(baselines: Iterable[SealedRun], candidates: Iterable[SealedRun] = ()) -> None:
    """Raise CompareError where a run is given twice: it would agree with itself, and the gate would pass on nothing."""
    seen: list[SealedRun] = []
    for run in (*baselines, *candidates):
        twin = next((known for known in seen if is_same_run(known, run)), None)
        if twin is not None:
            told = "is given twice" if _name(twin) == _name(run) else f"is the same run as {_name(twin)}"
            raise CompareError(
                f"{_name(run)} {told}, and a run does not differ from itself",
                fix="run the experiment again, and give that run",
            )
        seen.append(run)
