"""Distributions, the intervals made of them, and corrections for asking several questions.

All in the standard library's floats. Series and continued fractions are those of the NIST Digital Library of
Mathematical Functions (https://dlmf.nist.gov, 8.7, 8.9 and 8.17). Relative errors stay below 1e-9 for parameters up to
ten thousand.
"""

import functools
import math
from collections.abc import Callable, Sequence

import msgspec

_TINY = 1e-300
_EPSILON = 1e-16
_MAX_TERMS = 100_000
_LARGEST_EXPONENT = 700.0


def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal value is at most `z`."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@functools.lru_cache(maxsize=256)
def normal_quantile(probability: float) -> float:
    """Return the `z` with `normal_cdf(z) == probability`: Halley's iteration from Abramowitz and Stegun 26.2.23."""
    _check_probability(probability)
    if probability > 0.5:
        return -normal_quantile(1.0 - probability)
    root = math.sqrt(-2.0 * math.log(probability))
    numerator = 2.515517 + root * (0.802853 + root * 0.010328)
    denominator = 1.0 + root * (1.432788 + root * (0.189269 + root * 0.001308))
    z = numerator / denominator - root
    for _ in range(4):
        density_inverse = math.sqrt(2.0 * math.pi) * math.exp(min(z * z / 2.0, _LARGEST_EXPONENT))
        step = (normal_cdf(z) - probability) * density_inverse
        z -= step / (1.0 + z * step / 2.0)
    return z


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) (DLMF 8.17.22)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1.0 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    def term(position: int) -> tuple[float, float]:
        half = position // 2
        if position % 2 == 0:
            return half * (b - half) * x / ((a + 2 * half - 1.0) * (a + 2 * half)), 1.0
        return -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1.0)), 1.0

    return 1.0 / _continued_fraction(1.0, term)


def _continued_fraction(first: float, term: Callable[[int], tuple[float, float]]) -> float:
    """Return first + a1/(b1 + a2/(b2 + ...)) by Lentz's method; `term(j)` gives (aj, bj)."""
    value = ratio = first
    inverse = 0.0
    for position in range(1, _MAX_TERMS):
        numerator, denominator = term(position)
        inverse = 1.0 / ((denominator + numerator * inverse) or _TINY)
        ratio = (denominator + numerator / ratio) or _TINY
        value *= ratio * inverse
        if abs(ratio * inverse - 1.0) < _EPSILON * 4:
            break
    return value


def gamma_cdf(x: float, a: float) -> float:
    """Return the regularised lower incomplete gamma function P(a, x) (DLMF 8.7.1 and 8.9.2)."""
    if x <= 0.0:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1.0:
        term = total = 1.0 / a
        for position in range(1, _MAX_TERMS):
            term *= x / (a + position)
            total += term
            if term < total * _EPSILON:
                break
        return front * total
    fraction = _continued_fraction(
        x + 1.0 - a, lambda position: (position * (a - position), x + 2.0 * position + 1.0 - a)
    )
    return 1.0 - front / fraction


def chi_square_cdf(x: float, degrees: float) -> float:
    """Return the probability that a chi-square value is at most `x`."""
    return gamma_cdf(x / 2.0, degrees / 2.0)


@functools.lru_cache(maxsize=256)
def chi_square_quantile(probability: float, degrees: float) -> float:
    """Return the `x` with `chi_square_cdf(x, degrees) == probability`."""
    _check_probability(probability)
    return _bisect(lambda x: chi_square_cdf(x, degrees), probability, low=0.0)


def t_cdf(t: float, degrees: float) -> float:
    """Return the probability that a Student t value is at most `t`; infinite `t` is allowed."""
    if math.isinf(t):
        return 0.0 if t < 0 else 1.0
    square = t * t
    if square < degrees:  # near the middle the other tail of the beta distribution keeps the digits
        tail = 0.5 - 0.5 * beta_cdf(square / (degrees + square), 0.5, degrees / 2.0)
    else:
        tail = 0.5 * beta_cdf(degrees / (degrees + square), degrees / 2.0, 0.5)
    return tail if t < 0 else 1.0 - tail


@functools.lru_cache(maxsize=256)
def t_quantile(probability: float, degrees: float) -> float:
    """Return the `t` with `t_cdf(t, degrees) == probability`."""
    _check_probability(probability)
    if probability < 0.5:
        return -t_quantile(1.0 - probability, degrees)
    return _bisect(lambda t: t_cdf(t, degrees), probability, low=0.0)


def _bisect(cdf: Callable[[float], float], probability: float, *, low: float) -> float:
    """Return where the rising `cdf` crosses `probability`, to the last bit that the cdf can tell."""
    high = 1.0
    while cdf(high) < probability:
        low, high = high, high * 2.0
    while True:
        middle = (low + high) / 2.0
        if middle in (low, high):
            return middle
        if cdf(middle) < probability:
            low = middle
        else:
            high = middle


def _check_probability(probability: float) -> None:
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability is {probability!r}; a quantile needs one strictly between 0 and 1")


def binomial_pmf(trials: int, chance: float) -> list[float]:
    """Return the probabilities of 0 to `trials` successes, 0 < `chance` < 1."""
    odds = chance / (1.0 - chance)
    mode = min(trials, math.floor((trials + 1) * chance))
    return _spread(0, trials, mode, lambda k: odds * (trials - k + 1) / k)


def binomial_tail(successes: int, trials: int, chance: float) -> float:
    """Return the probability of at least `successes` successes in `trials`."""
    if successes <= 0:
        return 1.0
    return 0.0 if successes > trials else beta_cdf(chance, successes, trials - successes + 1)


def binomial_chance(successes: int, trials: int, chance: float) -> float:
    """Return the probability of exactly `successes` successes in `trials`, 0 < `chance` < 1."""
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(ways + successes * math.log(chance) + (trials - successes) * math.log1p(-chance))


def hypergeometric_pmf(total: int, marked: int, drawn: int) -> tuple[int, list[float]]:
    """Return the least possible count of marked among `drawn` of `total`, and the probabilities from there on."""
    low, high = max(0, drawn - (total - marked)), min(drawn, marked)
    mode = min(high, max(low, (drawn + 1) * (marked + 1) // (total + 2)))

    def ratio(k: int) -> float:
        return (marked - k + 1) * (drawn - k + 1) / (k * (total - marked - drawn + k))

    return low, _spread(low, high, mode, ratio)


def _spread(low: int, high: int, mode: int, ratio: Callable[[int], float]) -> list[float]:
    """Return probabilities from `low` to `high` given `ratio(k)` = p(k)/p(k-1).

    Starting at the mode keeps the large terms exact; the far tails underflow to zero in silence.
    """
    up, term = [1.0], 1.0
    for k in range(mode + 1, high + 1):
        term *= ratio(k)
        up.append(term)
    down, term = [], 1.0
    for k in range(mode, low, -1):
        term /= ratio(k)
        down.append(term)
    weights = [*reversed(down), *up]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """The number of items, and the sum and the sum of squares of their differences D."""

    n: int
    total: float
    squares: float


class MeanInterval(msgspec.Struct, frozen=True, kw_only=True):
    """A two-sided interval of a mean change.

    `center` and `error` (the standard error, of that many `degrees` of freedom) are what it was made from.
    """

    low: float
    high: float
    center: float
    error: float
    degrees: float = math.inf

    def chance_of_drop(self, margin: float) -> float:
        """Return the one-sided p that the mean fell by `margin` or more."""
        above = self.center + margin
        if self.error == 0.0:
            return 0.0 if above > 0.0 else 1.0
        return normal_cdf(-above / self.error) if math.isinf(self.degrees) else t_cdf(-above / self.error, self.degrees)


def plus_two(
    moments: Moments,
    *,
    trials_before: float,
    trials_after: float,
    scale: float = 1.0,
    is_graded: bool = False,
    level: float = 0.95,
) -> MeanInterval:
    """Return the interval of the mean difference after adding the pseudo-items +e and -e.

    e^2 = scale (1/K_A + 1/K_B)/2, where K are the Trials (runs x repeats) per item of each side: N = n + 2,
    m = sum(D)/N, v = sum(D^2)/N - m^2, m ± q sqrt(v/N), cut to [-1, 1]. For verdicts `scale` is 1 and q normal: with
    one verdict a side this is the interval of Bonett and Price 2012 (doi:10.3102/1076998611411915). For graded scores
    `scale` is twice the variance of one score, and q is Student's with N - 1 degrees. It has a width even where nothing
    varies.
    """
    size = moments.n + 2
    pseudo = pseudo_square(trials_before, trials_after, scale)
    center = moments.total / size
    variance = max(0.0, (moments.squares + 2.0 * pseudo) / size - center * center)
    degrees = size - 1 if is_graded else math.inf
    return _around(center, math.sqrt(variance / size), degrees, level)


def pseudo_square(trials_before: float, trials_after: float, scale: float = 1.0) -> float:
    """Return the square of a pseudo-item's D: what may have gone unseen."""
    return scale * (1.0 / trials_before + 1.0 / trials_after) / 2.0


def cluster_error(clusters: list[tuple[int, float]]) -> tuple[float, float]:
    """Return the mean difference and its standard error from each cluster's (items, sum of D).

    se^2 = sum over clusters of (sum of (D - mean))^2 / n^2 * G/(G-1); at least two clusters.
    """
    n = sum(size for size, _ in clusters)
    count = len(clusters)
    mean = math.fsum(total for _, total in clusters) / n
    square = math.fsum((total - size * mean) ** 2 for size, total in clusters)
    return mean, math.sqrt(square * count / (count - 1)) / n


def clustered(interval: MeanInterval, clusters: list[tuple[int, float]], *, level: float = 0.95) -> MeanInterval:
    """Widen a plus-two interval for noise that clusters share: t with G-1 degrees, the larger standard error.

    With a single cluster nothing is known of that noise, and the interval is all of [-1, 1].
    """
    if len(clusters) < 2:
        return MeanInterval(low=-1.0, high=1.0, center=interval.center, error=math.inf)
    error = max(interval.error, cluster_error(clusters)[1])
    return _around(interval.center, error, len(clusters) - 1, level)


def _around(center: float, error: float, degrees: float, level: float) -> MeanInterval:
    upper = 0.5 + level / 2.0
    half = error * (normal_quantile(upper) if math.isinf(degrees) else t_quantile(upper, degrees))
    return MeanInterval(
        low=max(-1.0, center - half), high=min(1.0, center + half), center=center, error=error, degrees=degrees
    )


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


def jackknife_interval(
    whole: float, without: Sequence[tuple[float | None, int]], *, level: float
) -> tuple[float, float] | None:
    """Return Student's interval of a figure within -1 and 1 (Tukey 1958).

    `without` has, for each kind of unit, the figure when one of them is left out, and how many there are of it. None
    where all units are alike, or where the figure is undefined without one of them.
    """
    n = sum(count for _, count in without)
    if n < 2:
        return None
    values = [(n * whole - (n - 1) * one, count) for one, count in without if one is not None]
    if len(values) < len(without):
        return None
    mean = math.fsum(value * count for value, count in values) / n
    variance = math.fsum(count * (value - mean) ** 2 for value, count in values) / (n - 1)
    half = t_quantile(0.5 + level / 2.0, n - 1) * math.sqrt(variance / n)
    return (max(-1.0, whole - half), min(1.0, whole + half)) if half > 0.0 else None


def fewest_for_bound(limit: float, *, level: float = 0.95) -> int | None:
    """Return how many trials, all of them successes, have a Wilson interval that begins at `limit`; None if none can.

    Of n successes in n trials it begins at n / (n + z²).
    """
    z = normal_quantile(0.5 + level / 2.0)
    return math.ceil(limit * z * z / (1.0 - limit) - 1e-9) if limit < 1.0 else None


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, in the order given: the chance of any false one is bounded."""
    count = len(p_values)
    adjusted = [0.0] * count
    worst = 0.0
    for rank, place in enumerate(_order(p_values)):
        worst = max(worst, (count - rank) * p_values[place])
        adjusted[place] = min(1.0, worst)
    return tuple(adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return Benjamini and Hochberg's q-values, in the order given: the share of false ones is bounded."""
    count = len(p_values)
    adjusted = [0.0] * count
    best = 1.0
    for rank, place in reversed(list(enumerate(_order(p_values), start=1))):
        best = min(best, count / rank * p_values[place])
        adjusted[place] = best
    return tuple(adjusted)


def _order(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda place: p_values[place])
