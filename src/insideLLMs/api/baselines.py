"""What is known of baselines: pools and noise floors as files, and the embedding model with their threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.api.compare import check_repeats
from insideLLMs.compare.answers.levels import LEVELS
from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.evidence import NoiseFloor, measure_noise
from insideLLMs.compare.observations import Observed, Waived, Watch
from insideLLMs.compare.sides import system_changes, view_of
from insideLLMs.compare.statistics.assess import assess
from insideLLMs.compare.statistics.noise import RunShift
from insideLLMs.core import canonical
from insideLLMs.core.errors import CompareError, NoBaselineError, StorageError
from insideLLMs.core.shell_words import as_typed
from insideLLMs.store.pool import NOISE, read_pool
from insideLLMs.store.same_run import check_distinct
from insideLLMs.store.sealed_run import SealedRun, is_regular
from insideLLMs.store.whole_file import whole_file

if TYPE_CHECKING:
    from insideLLMs.compare.meaning import Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPool:
    """A pool that has runs: those of its newest generation, oldest first, its noise floor and today's waivers.

    `left_out` says which older runs are of another system, and so no repeats of the newest one.
    """

    runs: tuple[SealedRun, ...]
    left_out: tuple[str, ...]
    noise: NoiseFloor | None
    waived: frozenset[Waived]


def open_pool(path: Path, *, today: str) -> OpenPool:
    """Open a pool as it stands on the day `today` (ISO 8601). Raises NoBaselineError if it has no run."""
    pool = read_pool(path) if path.exists() else None
    if pool is None or not pool.runs:
        raise NoBaselineError(
            f"there is no baseline yet: {path} holds no run",
            fix="accept a first one, and commit it: "
            f"insidellms baseline accept RUN --pool {as_typed(path)} --slim --why FIRST",
        )
    runs = tuple(map(SealedRun.open, pool.runs))
    others = older_generations(runs)
    left_out = [f"left out of the pool: {run.label}, of another system: {'; '.join(others[run])}" for run in others]
    noise = read_noise(path / NOISE) if is_regular(path / NOISE) else None
    if noise is not None and not {run.manifest.records_root for run in others}.isdisjoint(noise.runs):
        left_out.append(f"the noise floor in {path / NOISE} is of another system; measure it again: insidellms noise")
        noise = None
    waived = frozenset((entry.probe, entry.example_id or "") for entry in pool.waivers(today))
    kept = tuple(run for run in runs if run not in others)
    return OpenPool(runs=kept, left_out=tuple(left_out), noise=noise, waived=waived)


def older_generations(runs: Sequence[SealedRun]) -> dict[SealedRun, tuple[str, ...]]:
    """Return the runs that are of another system than the last one, each with what differs."""
    return {run: changes for run in runs if (changes := system_changes(run.manifest, runs[-1].manifest))}


def new_generation(pool: Path, run: SealedRun) -> tuple[str, ...]:
    """Say in what `run` is of another system than the newest run of the pool; nothing if it is a repeat of it."""
    known = read_pool(pool).runs if pool.exists() else ()
    return system_changes(SealedRun.open(known[-1]).manifest, run.manifest) if known else ()


def noise_of(runs: Sequence[SealedRun], left_out: Sequence[str] = ()) -> NoiseFloor:
    """Measure how much runs of an unchanged system differ. Raises CompareError for fewer than two, or for several."""
    if len(runs) < 2:
        raise CompareError(
            "; ".join(("a noise floor takes two runs or more of one system", *left_out)),
            fix="run the same experiment again, and name both: insidellms noise RUN1 RUN2",
        )
    check_distinct(runs)
    check_repeats(runs)
    views = [view_of(run) for run in runs]
    _, observed = compare_with(views, views[-1:], watch=Watch(noise=LEVELS))
    found = measure_noise(observed, tuple(run.manifest.records_root for run in runs))
    if found is None:
        raise CompareError(
            "the newest run has no new answer to a trial that others have",
            fix="give runs of one experiment that asked by themselves",
        )
    return msgspec.structs.replace(found, run_shift=_run_shift(observed))


def _run_shift(observed: Observed) -> RunShift | None:
    try:
        return assess(observed.tally).run_shift
    except CompareError:  # a score without a declared range: what has one is measured all the same
        return None


def write_noise(path: Path, noise: NoiseFloor) -> None:
    """Store a noise floor."""
    try:
        with whole_file(path) as file:
            file.write(canonical.pretty(noise))
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", fix="choose another file") from error


def read_noise(path: Path) -> NoiseFloor:
    """Read a stored noise floor. Raises CompareError if it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NoiseFloor)
    except (OSError, msgspec.DecodeError) as error:
        raise CompareError(
            f"{path} is not a noise floor: {error}", fix="measure one: insidellms noise RUN1 RUN2 --save FILE"
        ) from error


def load_meaning(threshold: float | None, baselines: Sequence[SealedRun]) -> "Meaning":
    """Load the embedding model; without a threshold the baseline's own answers set it.

    Raises ModelUnavailableError if the model is not here, CompareError for a threshold that there cannot be.
    """
    from insideLLMs.compare import meaning  # noqa: PLC0415 - only this reads texts
    from insideLLMs.local.embedding import embedding_model, load_embedder  # noqa: PLC0415 - and needs numpy

    similarity = load_embedder().similarity
    told = "given"
    if threshold is None:
        threshold, told = meaning.own_threshold([view_of(run) for run in baselines], similarity)
    elif not 0.0 < threshold <= 1.0:
        raise CompareError(f"the semantic threshold is {threshold!r}", fix="give a cosine above 0 and at most 1")
    return meaning.Meaning(model=embedding_model(), similarity=similarity, threshold=threshold, threshold_from=told)
