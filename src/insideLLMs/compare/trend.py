"""The same measures over several runs, in the order in which the runs are given: no file of a run holds a clock."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from insideLLMs.core.types import Interval

PASSED = "passed"


class TrendRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the trend; `unanswered` of its `trials` have no answer."""

    label: str
    run_id: str
    trials: int
    unanswered: int


class TrendLine(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one model on one probe; a point for each run, None where the run has none.

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


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """What `trend --json` prints."""

    runs: tuple[TrendRun, ...]
    lines: tuple[TrendLine, ...]
    format: Literal["insidellms/trend/1"] = "insidellms/trend/1"


def trend(summaries: Iterable[tuple[str, Mapping[str, Any]]]) -> Trend:
    """Line up the parsed `summary.json` of several runs, each with the label of its run."""
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
    return Trend(runs=runs, lines=lines)


Name = tuple[str, str, str]


def _points(summary: Mapping[str, Any]) -> dict[Name, Interval]:
    points: dict[Name, Interval] = {}
    for result in summary["results"]:
        rate = result["pass_rate"]
        if rate is not None:
            points[result["probe"], result["model"], PASSED] = msgspec.convert(rate, Interval)
        for name, score in result["scores"].items():
            if name != "correct" or rate is None:
                points[result["probe"], result["model"], name] = msgspec.convert(score, Interval)
    return points


def _row(columns: Sequence[Mapping[Name, Interval]], name: Name) -> tuple[Interval | None, ...]:
    return tuple(column.get(name) for column in columns)


def _order(name: Name) -> tuple[str, str, bool, str]:
    probe, model, measure = name
    return (probe, model, measure != PASSED, measure)
