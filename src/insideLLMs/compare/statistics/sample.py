"""A sample: the paired items of a probe, or of all, gathered into the sums that tests and intervals need."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from insideLLMs.compare.statistics.distributions import (
    MeanInterval,
    Moments,
    cluster_error,
    clustered,
    plus_two,
    pseudo_square,
    t_cdf,
)
from insideLLMs.compare.statistics.items import Paired
from insideLLMs.compare.statistics.noise import RunShift, run_level_p, run_shift
from insideLLMs.compare.statistics.permutation import (
    PermutationTest,
    Unit,
    failed_at_most,
    least_p,
    permutation_test,
    unit_of_cluster,
    unit_of_item,
)
from insideLLMs.compare.statistics.stable_items import StableItems, combined_p, stable_items

_FINEST = 100
"""The grid below which graded scores are taken for continuous: one point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sums over paired items; `n_worse` and `n_better` count items that fell and rose.

    `broken` counts stable units that failed with the candidate alone. `falls` are the units as they would be if every
    candidate score were the worst. `trials_before`, `trials_after`
    are Trials per item, `repeats` those per run. `scale` is that of the interval's pseudo-items. `item_variance` is the
    mean variance of an item's run values over the baseline's runs, None with a single run. Run means are over the
    items that have all runs, as are `lone_failures`: how many items fail in each run alone, the baseline's and then the
    one of the candidate; empty if it has several, or items are graded or in clusters. `clusters` holds each cluster's
    items and sum of D, None where no item names one.
    """

    moments: Moments
    n_worse: int
    n_better: int
    baseline_mean: float
    candidate_mean: float
    baseline_runs: float
    candidate_runs: float
    trials_before: float
    trials_after: float
    repeats: float
    item_variance: float | None
    n_complete: int
    baseline_means: tuple[float, ...]
    candidate_means: tuple[float, ...]
    lone_failures: tuple[int, ...]
    clusters: list[tuple[int, float]] | None
    units: dict[Unit, int]
    observed: dict[int, int]
    broken: int
    falls: dict[Unit, int]
    scale: float
    is_graded: bool
    left_out: int
    squares_down: float
    squares_up: float

    @property
    def n(self) -> int:
        """The number of paired items."""
        return self.moments.n

    @property
    def delta(self) -> float:
        """The mean change, unshrunk."""
        return self.moments.total / self.moments.n

    def test(self, seed: str) -> PermutationTest:
        """Run the run-label permutation test."""
        return permutation_test(self.units, self.observed, seed=seed)

    def stable(self) -> StableItems | None:
        """Test whether stable items broke; None where no stable item failed in any run."""
        return stable_items(self.units, self.broken)

    def combined_p(self, stable: StableItems, test: PermutationTest) -> float:
        """Return the p of the permutation test and the stable items together."""
        return combined_p(self.units, self.observed, stable, test)

    def least_p(self) -> float:
        """Return the least p that these items could have led to, of the permutation test as of both together."""
        return least_p(self.units)

    def least_fall(self) -> float:
        """Return the least p_worse that any candidate could have led to, given the baseline."""
        return least_p(self.falls)

    def passes_needed(self, alpha: float) -> int:
        """Return how many items that can get worse it takes until some candidate could reach `alpha`."""
        before, after = (max(1, math.floor(runs)) for runs in (self.baseline_runs, self.candidate_runs))
        ways = math.comb(before + after, after)  # of whole runs, where items have unequal numbers: the fewer ways
        return math.ceil(math.log(1.0 / (2.0 * alpha)) / math.log(ways))

    def interval(self, level: float) -> MeanInterval:
        """Return the interval of the mean change."""
        interval = plus_two(
            self.moments,
            trials_before=self.trials_before,
            trials_after=self.trials_after,
            scale=self.scale,
            is_graded=self.is_graded,
            level=level,
        )
        return interval if self.clusters is None else clustered(interval, self.clusters, level=level)

    @property
    def noise(self) -> float:
        """The variance of an item's D without a change.

        Measured among the baseline's runs. With a single one it is, for verdicts, twice the smaller of what fell and
        what rose, as a drop does not raise that; for graded scores it is the spread of D; each with a pseudo-item.
        """
        if self.item_variance is not None:
            return self.item_variance * (1.0 / self.baseline_runs + 1.0 / self.candidate_runs)
        unseen = pseudo_square(self.trials_before, self.trials_after, self.scale)
        if self.is_graded:
            return (max(0.0, self.moments.squares - self.n * self.delta**2) + unseen) / self.n
        return (2.0 * min(self.squares_down, self.squares_up) + unseen) / self.n

    def design_effect(self) -> float:
        """Return by how much clusters inflate the variance of the mean; at least 1."""
        if self.clusters is None or len(self.clusters) < 2 or self.moments.squares == 0.0:
            return 1.0
        plain = (self.moments.squares / self.n - self.delta**2) / self.n
        return max(1.0, cluster_error(self.clusters)[1] ** 2 / plain) if plain > 0.0 else 1.0

    def run_shift(self) -> RunShift | None:
        """Test whether whole baseline runs shift together."""
        if self.item_variance is None or not self.n_complete:
            return None
        return run_shift(self.baseline_means, self.item_variance, self.n_complete / self.design_effect())

    def run_p(self) -> float | None:
        """Return the p of the run-level test; None with one baseline run."""
        return run_level_p(self.baseline_means, self.candidate_means) if self.n_complete else None

    def shifted_p(self, known: RunShift) -> float:
        """Return the p of so low a mean where runs shift as is `known` from others, with a degree for each but one."""
        return self._shifted_p(known, self.delta)

    def _shifted_p(self, known: RunShift, delta: float) -> float:
        n = self.n / self.design_effect()
        error = math.sqrt(known.ratio_over(n) * self.noise / n)
        return t_cdf(delta / error, known.runs - 1)

    def least_run_p(self, known: RunShift | None) -> float | None:
        """Return the p of whole runs for a candidate of the worst scores; None where their means alone do not decide.

        `known` is a shift that was measured apart.
        """
        if self.stable_run_p() is not None:
            return None
        if known is not None:
            return self._shifted_p(known, -self.baseline_mean)
        return run_level_p(self.baseline_means, [0.0] * len(self.candidate_means)) if self.n_complete else None

    def stable_run_p(self) -> float | None:
        """Return the p that so many items fail in the candidate's run alone, beside those that do in a baseline run.

        As of means, of the square roots of the counts (Anscombe 1948), whose spread hardly depends on the count.
        """
        roots = [-math.sqrt(count + 0.375) for count in self.lone_failures]
        return run_level_p(roots[:-1], roots[-1:]) if roots else None


Together = Mapping[tuple[Paired, ...], int]
"""Items that judge one answer, each with the count 1, and how often there are such."""


def gather(items: Sequence[Paired], together: Together | None = None) -> Sample | None:
    """Gather paired items; None if there are none. Those that judge one answer move `together`."""
    together = together or {}
    n = sum(item.count for item in items)
    if not n:
        return None
    differences = [(item.difference, item.count) for item in items]
    before_after = [(item.before, item.after, item) for item in items]

    def mean(values: Iterable[tuple[float, int]]) -> float:
        return math.fsum(value * count for value, count in values) / n

    variances = [
        (_variance(before) / item.denominator**2, item.count) for before, _, item in before_after if len(before) > 1
    ]
    n_varied = sum(count for _, count in variances)
    n_complete, baseline_means, candidate_means = _run_means(items)
    relabelled = _relabelled(items, together)
    worst = {tuple(item.at_worst() for item in group): times for group, times in together.items()}
    falls = _relabelled([item.at_worst() for item in items], worst).units
    return Sample(
        moments=Moments(
            n=n,
            total=math.fsum(difference * count for difference, count in differences),
            squares=math.fsum(difference * difference * count for difference, count in differences),
        ),
        n_worse=sum(count for difference, count in differences if difference < 0),
        n_better=sum(count for difference, count in differences if difference > 0),
        baseline_mean=mean((sum(b) / len(b) / item.denominator, item.count) for b, _, item in before_after),
        candidate_mean=mean((sum(a) / len(a) / item.denominator, item.count) for _, a, item in before_after),
        baseline_runs=mean((len(b), item.count) for b, _, item in before_after),
        candidate_runs=mean((len(a), item.count) for _, a, item in before_after),
        trials_before=mean((len(b) * item.repeats, item.count) for b, _, item in before_after),
        trials_after=mean((len(a) * item.repeats, item.count) for _, a, item in before_after),
        repeats=mean((item.repeats, item.count) for item in items),
        item_variance=math.fsum(value * count for value, count in variances) / n_varied if n_varied else None,
        n_complete=n_complete,
        baseline_means=baseline_means,
        candidate_means=candidate_means,
        lone_failures=() if together else _lone_failures(items),
        clusters=_clusters(items, together),
        units=relabelled.units,
        observed=relabelled.observed,
        broken=relabelled.broken,
        falls=falls,
        scale=_scale(items),
        left_out=sum(item.left_out * item.count for item in items),
        is_graded=any(item.is_graded for item in items),
        squares_down=math.fsum(difference * difference * count for difference, count in differences if difference < 0),
        squares_up=math.fsum(difference * difference * count for difference, count in differences if difference > 0),
    )


def _scale(items: Sequence[Paired]) -> float:
    """Return the scale of pseudo-items, the mean over items: 1 for a verdict, as it may change by 1.

    A graded score changes by the spread of its repeated values, and at least by its grid or a point.
    """
    probes: dict[str, list[Paired]] = {}
    for item in items:
        probes.setdefault(item.probe, []).append(item)
    found = []
    for members in probes.values():
        step = 1.0 / min(_FINEST, max(item.grid for item in members))
        spread = _mean([(item.spread, item.count) for item in members])
        scale = max(2.0 * spread, step**2) if step < 1.0 else 1.0
        found.append((scale, sum(item.count for item in members)))
    return _mean(found)


def _mean(values: Sequence[tuple[float, int]]) -> float:
    return math.fsum(value * count for value, count in values) / sum(count for _, count in values)


def _variance(values: Sequence[int]) -> float:
    size = len(values)
    return (sum(value * value for value in values) - sum(values) ** 2 / size) / (size - 1)


def _run_means(items: Sequence[Paired]) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Return the number of items that have all runs, and the means of those items by run."""
    shape, complete = _complete(items)
    n = sum(item.count for item in complete)
    if not n:
        return 0, (), ()
    weights = [item.count / item.denominator for item in complete]
    columns = zip(*((*item.before, *item.after) for item in complete), strict=True)
    means = [math.fsum(value * weight for value, weight in zip(column, weights, strict=True)) / n for column in columns]
    return n, tuple(means[: shape[0]]), tuple(means[shape[0] :])


def _complete(items: Sequence[Paired]) -> tuple[tuple[int, int], list[Paired]]:
    """Return how many runs each side has, and the items that have all of them."""
    shape = max((len(item.baseline), len(item.candidate)) for item in items)
    return shape, [item for item in items if item.is_complete and (len(item.baseline), len(item.candidate)) == shape]


def _lone_failures(items: Sequence[Paired]) -> tuple[int, ...]:
    (before, after), complete = _complete(items)
    if before < 2 or after != 1 or any(item.is_graded or item.cluster is not None for item in items):
        return ()
    counts = [0] * (before + after)
    for item in complete:
        values = (*item.before, *item.after)
        failing = [run for run, value in enumerate(values) if value < item.denominator]
        if len(failing) == 1 and values[failing[0]] <= failed_at_most(item.denominator):
            counts[failing[0]] += item.count
    return tuple(counts)


class _Relabelled:
    """What is relabelled, with the sum of D as observed by denominator, and the stable units that broke."""

    def __init__(self, graded: Collection[str]) -> None:
        self.units: Counter[Unit] = Counter()
        self.observed: Counter[int] = Counter()
        self.broken = 0
        self._graded = graded

    def add_item(self, item: Paired) -> None:
        before, after = item.before, item.after
        best = None if item.probe in self._graded else item.denominator
        unit = unit_of_item(before, after, item.denominator, best=best)
        self.units[unit] += item.count
        self.observed[unit.denominator] += item.count * (len(before) * sum(after) - len(after) * sum(before))
        self.broken += item.count * (unit.is_stable and min(before) == best)

    def add_cluster(self, group: Sequence[Paired], times: int = 1) -> None:
        """Add a cluster as one unit over the runs that all its items have; without such runs, item by item."""
        before = _common_runs([item.baseline for item in group])
        after = _common_runs([item.candidate for item in group])
        if not (before and after):
            for item in group:
                self.add_item(replace(item, count=item.count * times))
            return
        rows = [
            (
                [item.count * (item.baseline[run] or 0) for run in before],
                [item.count * (item.candidate[run] or 0) for run in after],
                item.denominator,
            )
            for item in group
        ]
        best = [item.count * item.denominator for item in group]
        is_graded = any(item.probe in self._graded for item in group)
        unit = unit_of_cluster(rows, best=None if is_graded else best)
        self.units[unit] += times
        broke = unit.is_stable and all(min(row[0]) == top for row, top in zip(rows, best, strict=True))
        self.broken += times * broke
        common = unit.denominator // (len(before) * len(after))
        for baseline, candidate, denominator in rows:
            top = len(before) * sum(candidate) - len(after) * sum(baseline)
            self.observed[unit.denominator] += times * top * (common // denominator)


def _relabelled(items: Sequence[Paired], together: Together) -> _Relabelled:
    found = _Relabelled({item.probe for item in items if item.is_graded})
    for item in _single(items, together):
        found.add_item(item)
    for group in _members(items).values():
        found.add_cluster(group)
    for answer, times in together.items():
        found.add_cluster(answer, times)
    return found


def _single(items: Sequence[Paired], together: Together) -> list[Paired]:
    """Return the items that move with no other."""
    single = [item for item in items if item.cluster is None]
    if not together:
        return single
    left: Counter[Paired] = Counter()
    for item in single:
        left[replace(item, count=1)] += item.count
    for group, times in together.items():
        for item in group:
            left[item] -= times
    return [replace(item, count=count) for item, count in left.items() if count]


def _members(items: Sequence[Paired]) -> dict[str, list[Paired]]:
    members: dict[str, list[Paired]] = {}
    for item in items:
        if item.cluster is not None:
            members.setdefault(item.cluster, []).append(item)
    return members


def _clusters(items: Sequence[Paired], together: Together) -> list[tuple[int, float]] | None:
    """Return the size and the sum of D of each cluster, an item without one for itself; None without any."""
    members = _members(items)
    if not members and not together:
        return None
    clusters = [
        (sum(item.count for item in group), math.fsum(item.difference * item.count for item in group))
        for _, group in sorted(members.items())
    ]
    for group, times in together.items():
        clusters += [(len(group), math.fsum(item.difference for item in group))] * times
    return clusters + [(1, item.difference) for item in _single(items, together) for _ in range(item.count)]


def _common_runs(sides: Sequence[tuple[int | None, ...]]) -> list[int]:
    shortest = min(len(side) for side in sides)
    return [run for run in range(shortest) if all(side[run] is not None for side in sides)]
