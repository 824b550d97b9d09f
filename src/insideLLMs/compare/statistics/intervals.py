"""Confidence intervals: for the mean change of paired items, and for a rate."""

import math
from dataclasses import dataclass

from insideLLMs.compare.statistics.distributions import beta_quantile, normal_quantile, t_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The number of items, and the sum and the sum of squares of their differences D."""

    n: int
    total: float
    squares: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided interval; `center` and `error` (the standard error) are what it was made from."""

    low: float
    high: float
    center: float
    error: float


def plus_two(moments: Moments, *, trials_before: float, trials_after: float, level: float = 0.95) -> Interval:
    """Return the interval of the mean difference after adding the pseudo-items +e and -e.

    e = sqrt((1/K_A + 1/K_B)/2), where K are the Trials (runs x repeats) per item of each side: N = n + 2,
    m = sum(D)/N, v = sum(D^2)/N - m^2, m ± z sqrt(v/N), cut to [-1, 1]. For one verdict a side this is the
    interval of Bonett and Price 2012 (doi:10.3102/1076998611411915). It has a width even where nothing varies.
    """
    size = moments.n + 2
    pseudo = (1.0 / trials_before + 1.0 / trials_after) / 2.0
    center = moments.total / size
    variance = max(0.0, (moments.squares + 2.0 * pseudo) / size - center * center)
    error = math.sqrt(variance / size)
    return _around(center, error, normal_quantile(0.5 + level / 2.0))


def cluster_error(clusters: list[tuple[int, float]]) -> tuple[float, float]:
    """Return the mean difference and its standard error from each cluster's (items, sum of D).

    se^2 = sum over clusters of (sum of (D - mean))^2 / n^2 * G/(G-1); at least two clusters.
    """
    n = sum(size for size, _ in clusters)
    count = len(clusters)
    mean = math.fsum(total for _, total in clusters) / n
    square = math.fsum((total - size * mean) ** 2 for size, total in clusters)
    return mean, math.sqrt(square * count / (count - 1)) / n


def clustered(interval: Interval, clusters: list[tuple[int, float]], *, level: float = 0.95) -> Interval:
    """Widen a plus-two interval for noise that clusters share: t with G-1 degrees, the larger standard error.

    With a single cluster nothing is known of that noise, and the interval is all of [-1, 1].
    """
    if len(clusters) < 2:
        return Interval(low=-1.0, high=1.0, center=interval.center, error=math.inf)
    error = max(interval.error, cluster_error(clusters)[1])
    return _around(interval.center, error, t_quantile(0.5 + level / 2.0, len(clusters) - 1))


def _around(center: float, error: float, quantile: float) -> Interval:
    half = quantile * error
    return Interval(low=max(-1.0, center - half), high=min(1.0, center + half), center=center, error=error)


def wilson(successes: float, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a rate (doi:10.1080/01621459.1927.10502953).

    `successes` may be a sum of per-example means; the interval then takes the examples as the sample.
    """
    z = normal_quantile(0.5 + level / 2.0)
    rate = successes / trials
    spread = 1.0 + z * z / trials
    center = (rate + z * z / (2.0 * trials)) / spread
    half = z / spread * math.sqrt(rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials))
    return 0.0 if rate <= 0.0 else max(0.0, center - half), 1.0 if rate >= 1.0 else min(1.0, center + half)


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a rate (doi:10.1093/biomet/26.4.404)."""
    tail = (1.0 - level) / 2.0
    low = beta_quantile(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta_quantile(1.0 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return low, high
