"""Baseline pools and noise floors, as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate_evidence import NoiseFloor, measure_noise
from insideLLMs.compare.levels import LEVELS
from insideLLMs.compare.observations import Waived, Watch
from insideLLMs.compare.view import view_of
from insideLLMs.core import canonical
from insideLLMs.core.errors import CompareError, RunDirectoryError, StorageError
from insideLLMs.store.pool import NOISE, read_pool
from insideLLMs.store.sealed_run import SealedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPool:
    """A pool that has runs: its runs, oldest first, its noise floor if measured, and today's waivers."""

    runs: tuple[SealedRun, ...]
    noise: NoiseFloor | None
    waived: frozenset[Waived]


def open_pool(path: Path, *, today: str) -> OpenPool:
    """Open a pool as it stands on the day `today` (ISO 8601). Raises RunDirectoryError if it has no run."""
    pool = read_pool(path)
    if not pool.runs:
        raise RunDirectoryError(
            f"{path} holds no run", fix=f"accept a first one: insidellms baseline accept RUN --pool {path}"
        )
    noise = read_noise(path / NOISE) if (path / NOISE).is_file() else None
    waived = frozenset((entry.probe, entry.example_id or "") for entry in pool.waivers(today))
    return OpenPool(runs=tuple(map(SealedRun.open, pool.runs)), noise=noise, waived=waived)


def noise_of(runs: Sequence[SealedRun]) -> NoiseFloor:
    """Measure how much runs of an unchanged system differ. Raises CompareError for fewer than two."""
    if len(runs) < 2:
        raise CompareError("a noise floor takes two runs or more", fix="run the same experiment again")
    views = [view_of(run) for run in runs]
    _, observed = compare_with(views, views[-1:], watch=Watch(noise=LEVELS))
    found = measure_noise(observed, tuple(run.manifest.records_root for run in runs))
    if found is None:
        raise CompareError("the runs have no answered trial in common", fix="give runs of one experiment")
    return found


def write_noise(path: Path, noise: NoiseFloor) -> None:
    """Store a noise floor."""
    try:
        path.write_bytes(canonical.pretty(noise))
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
