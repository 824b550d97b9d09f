"""Watch runs that follow an accepted pool, one after another."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparing import CompareOptions, compare_with
from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.observations import Waived
from insideLLMs.compare.statistics.series import SeriesLook, watch_series
from insideLLMs.compare.view import view_of
from insideLLMs.core.errors import ExitCode
from insideLLMs.store.sealed_run import SealedRun

MAX_MISSING = 0.05
"""Share of the pool's trials that the newest run may lack, as for the gate."""
_LACKING = (
    ChangeClass.REMOVED, ChangeClass.EDITED, ChangeClass.NEWLY_FAILING, ChangeClass.ERRORED, ChangeClass.SKIPPED,
)  # fmt: skip


class WatchedSeries(msgspec.Struct, frozen=True, kw_only=True):
    """What `watch --json` prints: the pool, and for each run of the series its look.

    `alarm` is the place from 0 of the first run at which the capital reached `threshold`. `missing` counts the trials
    of the pool's newest run, `trials` in all, that the newest run does not answer unedited.
    """

    pool: tuple[str, ...]
    runs: tuple[str, ...]
    looks: tuple[SeriesLook, ...]
    alpha: float
    threshold: float
    alarm: int | None
    trials: int
    missing: int
    format: Literal["insidellms/watch/1"] = "insidellms/watch/1"

    @property
    def is_thin(self) -> bool:
        """Whether the newest run lacks too much to conclude anything from it."""
        return self.missing > MAX_MISSING * self.trials or not self.looks[-1].items

    @property
    def exit_code(self) -> ExitCode:
        """An alarm fails; a newest run that lacks too much is inconclusive."""
        if self.alarm is not None:
            return ExitCode.GATE_FAILED
        return ExitCode.INCONCLUSIVE if self.is_thin else ExitCode.OK


def watch_runs(
    pool: Sequence[SealedRun], runs: Sequence[SealedRun], *, waived: frozenset[Waived] = frozenset(), alpha: float
) -> WatchedSeries:
    """Watch `runs`, oldest first, against `pool`. Raises CompareError and RunDirectoryError."""
    views, series = [view_of(run) for run in pool], [view_of(run) for run in runs]
    comparison, observed = compare_with(views, series, CompareOptions(waived=waived))
    found = watch_series(observed.tally.counts, [run.manifest.records_root for run in runs], alpha=alpha)
    return WatchedSeries(
        pool=tuple(run.label for run in pool),
        runs=tuple(run.label for run in runs),
        looks=found.looks,
        alpha=alpha,
        threshold=found.threshold,
        alarm=found.alarm,
        trials=comparison.overall.baseline.trials,
        missing=_missing(comparison),
    )


def _missing(comparison: Comparison) -> int:
    return sum(comparison.overall.classes[kind] for kind in _LACKING)
