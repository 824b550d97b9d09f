"""The noise floor: how much runs of an unchanged system differ (A/A).

The share of Trials that differ across runs (c) and within a run (w) give the disagreement f_AA = c and the
correlation of a run's repeats, rho = 1 - w/c. Whether whole runs shift together is seen in the spread of run
means: phi = s^2(run means) / (mean variance of an item's run values / n), (R-1) phi ~ chi-square with R-1
degrees without a shift.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec

from insideLLMs.compare.statistics.distributions import (
    binomial_chance,
    binomial_tail,
    chi_square_cdf,
    normal_quantile,
    t_cdf,
)

Labels = Sequence[Sequence[Hashable]]
"""Per run, the labels of an item's repeats; None is a Trial without one."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """How often equal Trials differ at one level of comparison.

    `across` is the share of pairs from two runs that differ, `within` the same for two repeats of one run
    (None without repeats). `correlation` is rho, `correlation_high` its upper 95% limit; None where unknown.
    """

    n: int
    across: float
    within: float | None = None
    correlation: float | None = None
    correlation_high: float | None = None

    @property
    def is_identical(self) -> bool:
        """Whether no two Trials differed."""
        return self.across == 0.0 and not self.within

    def expected_regressions(self, trials: int) -> float:
        """Return how many of `trials` verdicts fall from pass to fail by noise alone, between two single runs."""
        return trials * self.across / 2.0

    @property
    def has_pseudo_repeats(self) -> bool:
        """Whether runs differ, but the repeats of one run never do: a cache or a fixed seed."""
        return self.across > 0.0 and self.within == 0.0

    @property
    def allows_independent_repeats(self) -> bool:
        """Whether repeats may count as runs: the correlation is known to be below 0.1."""
        return self.correlation_high is not None and self.correlation_high < 0.1


def disagreement_of(items: Iterable[tuple[Labels, int]]) -> Disagreement:
    """Measure agreement over items, each with the number of items that look like it.

    The limit of rho is that of a ratio of means over items, from its linearised standard error.
    """
    rows = [(_share_across(runs), _share_within(runs), count) for runs, count in items]
    paired = [(across, count) for across, _, count in rows if across is not None]
    n = sum(count for _, count in paired)
    if not n:
        return Disagreement(n=0, across=0.0)
    mean = math.fsum(across * count for across, count in paired) / n
    both = [(across, within, count) for across, within, count in rows if across is not None and within is not None]
    if not both:
        return Disagreement(n=n, across=mean)
    size = sum(count for _, _, count in both)
    total_across = math.fsum(across * count for across, _, count in both)
    total_within = math.fsum(within * count for _, within, count in both)
    if total_across == 0.0:
        return Disagreement(n=n, across=mean, within=total_within / size)
    ratio = total_within / total_across
    error = math.sqrt(math.fsum((within - ratio * across) ** 2 * count for across, within, count in both))
    high = 1.0 - ratio + normal_quantile(0.95) * error / total_across
    return Disagreement(n=n, across=mean, within=total_within / size, correlation=1.0 - ratio, correlation_high=high)


def _share_across(runs: Labels) -> float | None:
    known = [[label for label in run if label is not None] for run in runs]
    pairs = [(a, b) for first, second in combinations(known, 2) for a in first for b in second]
    return sum(a != b for a, b in pairs) / len(pairs) if pairs else None


def _share_within(runs: Labels) -> float | None:
    known = [[label for label in run if label is not None] for run in runs]
    pairs = [(a, b) for run in known for a, b in combinations(run, 2)]
    return sum(a != b for a, b in pairs) / len(pairs) if pairs else None


class RunShift(msgspec.Struct, frozen=True, kw_only=True):
    """Whether whole baseline runs move together, more than their items' own noise explains.

    `ratio` is the variance of the means of runs over `n` items by what their items' noise alone would make it.
    """

    runs: int
    ratio: float
    p: float
    n: float = 0.0

    @property
    def is_seen(self) -> bool:
        """Whether item-level tests are over-confident here."""
        return self.p < 0.05

    def ratio_over(self, items: float) -> float:
        """Return the ratio to expect over so many items: the more, the less their own noise is beside the shift."""
        return 1.0 + max(0.0, self.ratio - 1.0) * (items / self.n if self.n else 1.0)


def run_shift(run_means: Sequence[float], item_variance: float, n: float) -> RunShift | None:
    """Test the spread of baseline run means against the items' own noise; None with a single run or no noise.

    `item_variance` is the mean over the items of the variance of their run values; `n` is their number, divided by the
    design effect where they are not independent.
    """
    runs = len(run_means)
    if runs < 2 or item_variance <= 0.0:
        return None
    ratio = _variance(run_means) / (item_variance / n)
    return RunShift(runs=runs, n=n, ratio=ratio, p=1.0 - chi_square_cdf((runs - 1) * ratio, runs - 1))


def run_level_p(baseline_means: Sequence[float], candidate_means: Sequence[float]) -> float | None:
    """Return the p that a candidate whose runs are like the baseline's has so low a mean; None with one run.

    t = (mean_B - mean_A) / (s sqrt(1/S + 1/R)) with R-1 degrees, s from the baseline runs.
    """
    runs = len(baseline_means)
    if runs < 2:
        return None
    fall = math.fsum(candidate_means) / len(candidate_means) - math.fsum(baseline_means) / runs
    error = math.sqrt(_variance(baseline_means) * (1.0 / len(candidate_means) + 1.0 / runs))
    if error == 0.0:
        return 0.5 if fall == 0.0 else t_cdf(math.copysign(math.inf, fall), runs - 1)
    return t_cdf(fall / error, runs - 1)


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOneOut:
    """Of `n_odd` items where one of three runs differs from the other two, the candidate is it in `candidate_odd`."""

    n_odd: int
    candidate_odd: int
    p_mid: float
    p_exact: float


def odd_one_out(n_odd: int, candidate_odd: int) -> OddOneOut:
    """Test for churn in either direction: does the candidate differ from two baseline runs more than they do?

    Without a change each of the three runs is the odd one with chance 1/3: candidate_odd ~ Bin(n_odd, 1/3),
    upper tail, mid-p.
    """
    if not n_odd:
        return OddOneOut(n_odd=0, candidate_odd=0, p_mid=1.0, p_exact=1.0)
    exact = binomial_tail(candidate_odd, n_odd, 1.0 / 3.0)
    mid = exact - binomial_chance(candidate_odd, n_odd, 1.0 / 3.0) / 2.0
    return OddOneOut(n_odd=n_odd, candidate_odd=candidate_odd, p_mid=mid, p_exact=exact)
