"""A sample: the paired items of a probe, or of all, gathered into the sums that tests and intervals need."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from insideLLMs.compare.statistics.distributions import MeanInterval, Moments, cluster_error, clustered, plus_two
from insideLLMs.compare.statistics.items import Paired
from insideLLMs.compare.statistics.noise import RunDrift, run_drift, run_level_p
from insideLLMs.compare.statistics.permutation import (
    PermutationTest,
    Unit,
    least_p,
    permutation_test,
    unit_of_cluster,
    unit_of_item,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sums over paired items; `n_worse` and `n_better` count items that fell and rose.

    `trials_before`, `trials_after` are Trials per item, `repeats` those per run. `item_variance` is the mean
    variance of an item's run values over the baseline's runs, None with a single run. Run means are over the
    items that have all runs. `clusters` holds each cluster's items and sum of D, None where no item names one.
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
    clusters: list[tuple[int, float]] | None
    units: dict[Unit, int]
    observed: dict[int, int]

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

    def least_p(self) -> float:
        """Return the least p_worse that these items could have led to."""
        return least_p(self.units)

    def interval(self, level: float) -> MeanInterval:
        """Return the interval of the mean change."""
        interval = plus_two(self.moments, trials_before=self.trials_before, trials_after=self.trials_after, level=level)
        return interval if self.clusters is None else clustered(interval, self.clusters, level=level)

    def design_effect(self) -> float:
        """Return by how much clusters inflate the variance of the mean; at least 1."""
        if self.clusters is None or len(self.clusters) < 2 or self.moments.squares == 0.0:
            return 1.0
        plain = (self.moments.squares / self.n - self.delta**2) / self.n
        return max(1.0, cluster_error(self.clusters)[1] ** 2 / plain) if plain > 0.0 else 1.0

    def drift(self) -> RunDrift | None:
        """Test whether whole baseline runs drift."""
        if self.item_variance is None or not self.n_complete:
            return None
        return run_drift(self.baseline_means, self.item_variance, self.n_complete)

    def run_p(self) -> float | None:
        """Return the p of the run-level test; None with one baseline run."""
        return run_level_p(self.baseline_means, self.candidate_means) if self.n_complete else None


def gather(items: Sequence[Paired]) -> Sample | None:
    """Gather paired items; None if there are none."""
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
    units, observed, clusters = _units(items)
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
        clusters=clusters,
        units=units,
        observed=observed,
    )


def _variance(values: Sequence[int]) -> float:
    size = len(values)
    return (sum(value * value for value in values) - sum(values) ** 2 / size) / (size - 1)


def _run_means(items: Sequence[Paired]) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Return the number of items that have all runs, and the means of those items by run."""
    shape = max((len(item.baseline), len(item.candidate)) for item in items)
    complete = [item for item in items if item.is_complete and (len(item.baseline), len(item.candidate)) == shape]
    n = sum(item.count for item in complete)
    if not n:
        return 0, (), ()
    weights = [item.count / item.denominator for item in complete]
    columns = zip(*((*item.before, *item.after) for item in complete), strict=True)
    means = [math.fsum(value * weight for value, weight in zip(column, weights, strict=True)) / n for column in columns]
    return n, tuple(means[: shape[0]]), tuple(means[shape[0] :])


def _units(items: Sequence[Paired]) -> tuple[dict[Unit, int], dict[int, int], list[tuple[int, float]] | None]:
    """Return what is relabelled, the observed sum by denominator, and the clusters if there are any."""
    units: Counter[Unit] = Counter()
    observed: Counter[int] = Counter()
    members: dict[str, list[Paired]] = {}
    single: list[Paired] = []
    for item in items:
        if item.cluster is None:
            single.append(item)
        else:
            members.setdefault(item.cluster, []).append(item)
    for item in single:
        _count_item(item, units, observed)
    for group in members.values():
        _count_cluster(group, units, observed)
    if not members:
        return units, observed, None
    clusters = [
        (sum(item.count for item in group), math.fsum(item.difference * item.count for item in group))
        for _, group in sorted(members.items())
    ]
    clusters += [(1, item.difference) for item in single for _ in range(item.count)]
    return units, observed, clusters


def _count_item(item: Paired, units: Counter[Unit], observed: Counter[int]) -> None:
    before, after = item.before, item.after
    unit = unit_of_item(before, after, item.denominator)
    units[unit] += item.count
    observed[unit.denominator] += item.count * (len(before) * sum(after) - len(after) * sum(before))


def _count_cluster(group: Sequence[Paired], units: Counter[Unit], observed: Counter[int]) -> None:
    """Count a cluster as one unit over the runs that all its items have; without such runs, item by item."""
    before = _common_runs([item.baseline for item in group])
    after = _common_runs([item.candidate for item in group])
    if not (before and after):
        for item in group:
            _count_item(item, units, observed)
        return
    rows = [
        (
            [item.count * (item.baseline[run] or 0) for run in before],
            [item.count * (item.candidate[run] or 0) for run in after],
            item.denominator,
        )
        for item in group
    ]
    unit = unit_of_cluster(rows)
    units[unit] += 1
    common = unit.denominator // (len(before) * len(after))
    for baseline, candidate, denominator in rows:
        top = len(before) * sum(candidate) - len(after) * sum(baseline)
        observed[unit.denominator] += top * (common // denominator)


def _common_runs(sides: Sequence[tuple[int | None, ...]]) -> list[int]:
    shortest = min(len(side) for side in sides)
    return [run for run in range(shortest) if all(side[run] is not None for side in sides)]
