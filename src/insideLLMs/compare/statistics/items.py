"""Observations: from the scores of Trials to one balanced value per item and run.

The unit of repetition is the run, never the repeat: repeats inside a run may share a cache, a seed or a
replica. They are averaged into one *run value*, over the first k repeats where k is the least number of
repeats that any run of the item has, so that a mean of five is never held against a mean of one.

Values are kept as integers over a common denominator, so that ties are ties: a value within 1e-12 of a
fraction with a denominator up to 100 (or 1000) is that fraction, any other is read to nine decimals.
"""

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec

from insideLLMs.core.errors import CompareError

RunValues = tuple[tuple[float | None, ...], ...]
"""Per run, the scores of its repeats; None where there is no score."""

FINE = 10**9
"""The denominator of values that lie on no coarse grid."""

_GRIDS = (*range(1, 101), 1000)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed of an example under a probe, on both sides; items that look alike have one shape.

    Scores rise with quality and lie in [0, 1]. None (or NaN) is a Trial without a score. Items of one `cluster` share
    their noise (a template, a document).
    """

    probe: str
    cluster: str | None
    baseline: RunValues
    candidate: RunValues


class ItemCounts:
    """Items counted by shape, so that memory and the cost of an assessment follow the number of different items.

    `together` counts the items that judge one answer: their noise is one.
    """

    def __init__(self) -> None:
        self.counts: dict[Shape, int] = {}
        self.together: dict[tuple[Shape, ...], int] = {}

    def add_equal(
        self, probe: str, baseline: RunValues, candidate: RunValues, *, count: int = 1, cluster: str | None = None
    ) -> None:
        """Count `count` items that look alike."""
        shape = Shape(probe=probe, cluster=cluster, baseline=baseline, candidate=candidate)
        self.counts[shape] = self.counts.get(shape, 0) + count

    def move_together(self, shapes: tuple[Shape, ...], count: int = 1) -> None:
        """Note that so often items of these shapes, which are counted already, judge one and the same answer."""
        if len(shapes) > 1:
            self.together[shapes] = self.together.get(shapes, 0) + count

    def select(self, probes: Collection[str]) -> "ItemCounts":
        """Return what was counted of some probes, for a rule that concerns them alone."""
        part = ItemCounts()
        part.counts = {shape: count for shape, count in self.counts.items() if shape.probe in probes}
        for shapes, count in self.together.items():
            part.move_together(tuple(shape for shape in shapes if shape.probe in probes), count)
        return part


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """`count` items with run values on both sides, as integers over `denominator`; None is a run without a score.

    Of each run the first `repeats` are read, as many as every run has; `left_out` counts the others of an item.
    """

    probe: str
    cluster: str | None
    count: int
    repeats: int
    left_out: int
    denominator: int
    baseline: tuple[int | None, ...]
    candidate: tuple[int | None, ...]

    @property
    def before(self) -> tuple[int, ...]:
        """The run values that the baseline has."""
        return tuple(value for value in self.baseline if value is not None)

    @property
    def after(self) -> tuple[int, ...]:
        """The run values that the candidate has."""
        return tuple(value for value in self.candidate if value is not None)

    @property
    def difference(self) -> float:
        """The item's D: candidate mean minus baseline mean."""
        before, after = self.before, self.after
        top = len(before) * sum(after) - len(after) * sum(before)
        return top / (len(before) * len(after) * self.denominator)

    @property
    def grid(self) -> int:
        """The common denominator of the scores: 1 for verdicts."""
        return self.denominator // self.repeats

    @property
    def is_graded(self) -> bool:
        """Whether a score lies between the worst and the best."""
        return self.grid > 1

    @property
    def spread(self) -> float:
        """The variance of a single score about its item's mean, as seen among its run values of both sides."""
        values = (*self.before, *self.after)
        squares = sum(value * value for value in values) - sum(values) ** 2 / len(values)
        return squares / (len(values) - 1) / self.denominator**2 * self.repeats

    def at_worst(self) -> "Paired":
        """Return the items as they would be if every candidate score were the worst."""
        return replace(self, candidate=tuple(None if value is None else 0 for value in self.candidate))

    @property
    def is_complete(self) -> bool:
        """Whether every run has a value."""
        return None not in self.baseline and None not in self.candidate


def pair(shape: Shape, count: int, *, missing_as_fail: bool, independent: bool) -> Paired | None:
    """Balance the values of a shape; None if one side has nothing to compare.

    With `independent`, every repeat counts as a run of its own. Raises CompareError for a score outside 0 to 1.
    """
    fraction = functools.partial(_fraction, probe=shape.probe, missing_as_fail=missing_as_fail)
    baseline = [[fraction(score) for score in run] for run in shape.baseline]
    candidate = [[fraction(score) for score in run] for run in shape.candidate]
    if independent:
        baseline = [[score] for run in baseline for score in run]
        candidate = [[score] for run in candidate for score in run]
    before = [[score for score in run if score is not None] for run in baseline]
    after = [[score for score in run if score is not None] for run in candidate]
    if not (any(before) and any(after)):
        return None
    repeats = min(len(run) for run in (*before, *after) if run)
    grid = math.lcm(*{score[1] for run in (*before, *after) for score in run[:repeats]})
    grid = min(grid, FINE)
    return Paired(
        probe=shape.probe,
        cluster=shape.cluster,
        count=count,
        repeats=repeats,
        left_out=sum(max(0, len(run) - repeats) for run in (*before, *after)),
        denominator=grid * repeats,
        baseline=tuple(_run_value(run, repeats, grid) for run in before),
        candidate=tuple(_run_value(run, repeats, grid) for run in after),
    )


Grid = tuple[int, int]
"""A value as numerator and denominator."""


def _run_value(run: list[Grid], repeats: int, grid: int) -> int | None:
    if not run:
        return None
    return sum(round(top * grid / bottom) for top, bottom in run[:repeats])


def _fraction(score: float | None, *, probe: str, missing_as_fail: bool) -> Grid | None:
    if score is None or math.isnan(score):
        return (0, 1) if missing_as_fail else None
    if not 0.0 <= score <= 1.0:
        raise CompareError(
            f"probe {probe!r} has a score of {score!r}, outside 0 to 1",
            fix=f"say what its worst and its best score are: gate.probes.{probe}.score_range, e.g. [0, 10]",
        )
    return _on_grid(score)


@functools.lru_cache(maxsize=65536)
def _on_grid(score: float) -> Grid:
    for bottom in _GRIDS:
        top = round(score * bottom)
        if abs(score - top / bottom) < 1e-12:
            return top, bottom
    return round(score * FINE), FINE


def missing_trials(counts: Mapping[Shape, int]) -> tuple[int, int, int, int]:
    """Return (missing, all) Trials of the baseline, then of the candidate."""
    totals = [0, 0, 0, 0]
    for shape, count in counts.items():
        for place, runs in ((0, shape.baseline), (2, shape.candidate)):
            scores = [score for run in runs for score in run]
            totals[place] += count * sum(score is None or math.isnan(score) for score in scores)
            totals[place + 1] += count * len(scores)
    return totals[0], totals[1], totals[2], totals[3]
