"""Several runs in a row: how their measures went, and whether the newest got worse than an accepted pool.

The runs stand in the order in which they are given: no file of a run holds a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparing import CompareOptions, compare_with
from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.observations import Waived
from insideLLMs.compare.sides import recorded_probes, view_of
from insideLLMs.compare.statistics.items import Shape
from insideLLMs.compare.statistics.series import SeriesLook, watch_series
from insideLLMs.core.errors import ExitCode
from insideLLMs.core.run_summary import Interval
from insideLLMs.core.subject import label_in
from insideLLMs.store.sealed_run import SealedRun

PASSED = "passed"


class TrendRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the trend; `unanswered` of its `trials` have no answer."""

    label: str
    run_id: str
    trials: int
    unanswered: int


class TrendLine(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one model (with its prompt) on one probe; a point for each run, None where the run has none.

    `measure` is `passed`, a rate, or the name of a score.
    """

    probe: str
    model: str
    measure: str
    points: tuple[Interval | None, ...]

    @property
    def is_rate(self) -> bool:
        """Whether the points are shares of 1."""
        return self.measure == PASSED

    @property
    def change(self) -> float | None:
        """The last point less the first one; None where there are fewer than two."""
        known = [point.value for point in self.points if point is not None]
        return known[-1] - known[0] if len(known) > 1 else None


MAX_MISSING = 0.05
"""Share of the pool's trials that the newest run may lack, as for the gate."""
_LACKING = (
    ChangeClass.REMOVED, ChangeClass.EDITED, ChangeClass.NEWLY_FAILING, ChangeClass.ERRORED, ChangeClass.SKIPPED,
)  # fmt: skip


class WatchedSeries(msgspec.Struct, frozen=True, kw_only=True):
    """What `watch --json` prints: the pool, and for each run of the series its look.

    `alarm` is the place from 0 of the first run at which the capital reached `threshold`. `missing` counts the trials
    of the pool's newest run, `trials` in all, that the newest run does not answer unedited, or without a score. `able`
    items could have got worse: something passed in an earlier run, or had more than the worst score.
    """

    pool: tuple[str, ...]
    runs: tuple[str, ...]
    looks: tuple[SeriesLook, ...]
    alpha: float
    threshold: float
    alarm: int | None
    trials: int
    missing: int
    able: int
    format: Literal["insidellms/watch/1"] = "insidellms/watch/1"

    @property
    def is_thin(self) -> bool:
        """Whether the newest run lacks too much to conclude anything from it."""
        return self.missing > MAX_MISSING * self.trials or not self.looks[-1].items

    @property
    def exit_code(self) -> ExitCode:
        """An alarm fails; a newest run that lacks too much, or could not be worse, is inconclusive."""
        if self.alarm is not None:
            return ExitCode.GATE_FAILED
        return ExitCode.INCONCLUSIVE if self.is_thin or not self.able else ExitCode.OK


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """What `trend --json` prints; `watched` is there where the runs are also watched against a pool."""

    runs: tuple[TrendRun, ...]
    lines: tuple[TrendLine, ...]
    watched: WatchedSeries | msgspec.UnsetType = msgspec.UNSET
    format: Literal["insidellms/trend/1"] = "insidellms/trend/1"

    @property
    def exit_code(self) -> ExitCode:
        """That of the watch; without one nothing is decided."""
        return self.watched.exit_code if self.watched else ExitCode.OK


def trend(summaries: Iterable[tuple[str, Mapping[str, Any]]], watched: WatchedSeries | None = None) -> Trend:
    """Line up the parsed `summary.json` of several runs, each with its label, and what watching them found."""
    given = tuple(summaries)
    runs = tuple(
        TrendRun(
            label=label,
            run_id=summary["run_id"],
            trials=summary["trials"],
            unanswered=summary["trials"] - summary["statuses"].get("success", 0),
        )
        for label, summary in given
    )
    columns = [_points(summary) for _, summary in given]
    names = sorted({name for column in columns for name in column}, key=_order)
    lines = tuple(
        TrendLine(probe=probe, model=model, measure=measure, points=_row(columns, (probe, model, measure)))
        for probe, model, measure in names
    )
    return Trend(runs=runs, lines=lines, watched=watched or msgspec.UNSET)


Name = tuple[str, str, str]


def _points(summary: Mapping[str, Any]) -> dict[Name, Interval]:
    points: dict[Name, Interval] = {}
    for result in summary["results"]:
        rate = result["pass_rate"]
        if rate is not None:
            points[result["probe"], label_in(result), PASSED] = msgspec.convert(rate, Interval)
        for name, score in result["scores"].items():
            if name != "correct" or rate is None:
                points[result["probe"], label_in(result), name] = msgspec.convert(score, Interval)
    return points


def _row(columns: Sequence[Mapping[Name, Interval]], name: Name) -> tuple[Interval | None, ...]:
    return tuple(column.get(name) for column in columns)


def _order(name: Name) -> tuple[str, str, bool, str]:
    probe, model, measure = name
    return (probe, model, measure != PASSED, measure)


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
        missing=_missing(comparison, recorded_probes(pool[-1].manifest, runs[-1].manifest)),
        able=sum(count for shape, count in observed.tally.counts.items() if _could_fall(shape)),
    )


def _missing(comparison: Comparison, recorded: frozenset[str]) -> int:
    unscored = sum(probe.unscored for probe in comparison.probes if probe.probe not in recorded)
    return sum(comparison.overall.classes[kind] for kind in _LACKING) + unscored


def _could_fall(shape: Shape) -> bool:
    """Whether an item had more than the worst score in a run before the newest one."""
    return any(score for run in (*shape.baseline, *shape.candidate[:-1]) for score in run)
