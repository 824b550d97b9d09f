"""Quantities without an upper end, paired by item: cost, latency, length, tokens.

Two questions about growth. *Total*: sum of the candidate's means over sum of the baseline's, what a bill shows;
its interval is that of a ratio estimator, on the log scale (Cochran, Sampling Techniques, 1977, ch. 6).
*Typical*: the geometric mean of the items' ratios, which a few extreme items do not move. Each is tested with the
run-label permutation test, the baseline's values first raised by the growth that is allowed. Whole runs differ, too (a
busy hour): with two or more baseline runs, a typical growth must also exceed what the spread of their means predicts
for one more run. A prior moderates their variance, as few runs tell little (Smyth, 2004, doi:10.2202/1544-6115.1027).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from insideLLMs.compare.statistics.distributions import t_cdf, t_quantile
from insideLLMs.compare.statistics.items import FINE
from insideLLMs.compare.statistics.permutation import Unit, permutation_test, unit_of_item
from insideLLMs.core.errors import CompareError


class MeasuredItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item's values (finite and at least 0), one per run of each side; a run's value is its repeats' mean.

    None is a run without a value. Leave latencies of cached answers out: they measure the cache.
    """

    baseline: tuple[float | None, ...]
    candidate: tuple[float | None, ...]


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio of candidate to baseline with its interval; None where it cannot be told.

    `p_grown` is the one-sided p that it is above the allowed growth, `p_shrunk` that it is below it. `p_run` is that of
    whole runs, which `p_grown` is not below; None where they were not compared.
    """

    ratio: float | None
    low: float | None
    high: float | None
    p_grown: float
    p_shrunk: float
    p_run: float | None = None


class QuantityChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantity changed over `n` paired items.

    `typical` is over the `n_positive` items whose values are all above 0. `missing` items are measured in one of the
    sides only. `least` is the smallest p of a growth that so many items could have.
    """

    n: int
    n_positive: int
    baseline_total: float
    candidate_total: float
    total: Growth
    typical: Growth
    missing: int = 0
    least: float = 0.0


PRIOR_SPREAD, PRIOR_DEGREES = 0.1, 2
"""Before runs are seen: the standard deviation of their log means (10 percent), and how many runs that is worth."""
_MANY = 30
UNKNOWN = Growth(ratio=None, low=None, high=None, p_grown=1.0, p_shrunk=1.0)


def measure(
    items: Iterable[MeasuredItem], *, allowed: float = 0.0, level: float = 0.95, seed: str = ""
) -> QuantityChange:
    """Compare a quantity; `allowed` is the growth not counted as one (0.1: ten percent more).

    Raises CompareError for a value that is negative or not finite.
    """
    known = [(item, pair) for item in items if all(pair := (_known(item.baseline), _known(item.candidate)))]
    pairs = [pair for _, pair in known]
    positive_items = [item for item, pair in known if min(map(min, pair)) > 0.0]
    positive = [pair for pair in pairs if min(map(min, pair)) > 0.0]
    logs = [([math.log(x) for x in before], [math.log(x) for x in after]) for before, after in positive]
    before = [math.fsum(side) / len(side) for side, _ in pairs]
    after = [math.fsum(side) / len(side) for _, side in pairs]
    return QuantityChange(
        n=len(pairs),
        n_positive=len(positive),
        baseline_total=math.fsum(before),
        candidate_total=math.fsum(after),
        total=_total(pairs, before, after, allowed=allowed, level=level, seed=seed),
        typical=_held_against_runs(_typical(logs, allowed=allowed, level=level, seed=seed), positive_items, allowed),
        least=_least_p(positive if len(positive) < len(pairs) else pairs, seed),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    for value in known:
        if not (math.isfinite(value) and value >= 0.0):
            raise CompareError(
                f"a measured value is {value!r}",
                fix="give finite values from 0 on, and leave out what was not measured",
            )
    return known


Pairs = Sequence[tuple[Sequence[float], Sequence[float]]]


def _least_p(pairs: Pairs, seed: str) -> float:
    """Return the p where every value of the candidate is above all of the baseline; of many items it is next to 0."""
    if len(pairs) > _MANY:
        return 0.0
    return _tests([([0.0] * len(one), [1.0] * len(two)) for one, two in pairs], seed)[0]


def _total(
    pairs: Pairs, before: Sequence[float], after: Sequence[float], *, allowed: float, level: float, seed: str
) -> Growth:
    n, base, new = len(pairs), math.fsum(before), math.fsum(after)
    if base <= 0.0:
        return UNKNOWN
    largest = max(max(max(sides) for sides in pair) for pair in pairs) * (1.0 + allowed)
    raised = [
        ([value * (1.0 + allowed) / largest for value in one], [value / largest for value in two]) for one, two in pairs
    ]
    p_grown, p_shrunk = _tests(raised, seed)
    ratio = new / base
    if n < 2 or new <= 0.0:
        return Growth(ratio=ratio, low=None, high=None, p_grown=p_grown, p_shrunk=p_shrunk)
    square = math.fsum((b - ratio * a) ** 2 for a, b in zip(before, after, strict=True)) * n / (n - 1)
    half = t_quantile(0.5 + level / 2.0, n - 1) * math.sqrt(square) / new
    return _growth(math.log(ratio), half, p_grown, p_shrunk)


def _typical(logs: Pairs, *, allowed: float, level: float, seed: str) -> Growth:
    n = len(logs)
    if not n:
        return UNKNOWN
    rise = math.log1p(allowed)
    p_grown, p_shrunk = _tests([([value + rise for value in one], two) for one, two in logs], seed)
    changes = [math.fsum(two) / len(two) - math.fsum(one) / len(one) for one, two in logs]
    mean = math.fsum(changes) / n
    if n < 2:
        return Growth(ratio=math.exp(mean), low=None, high=None, p_grown=p_grown, p_shrunk=p_shrunk)
    square = math.fsum((change - mean) ** 2 for change in changes) / (n - 1)
    return _growth(mean, t_quantile(0.5 + level / 2.0, n - 1) * math.sqrt(square / n), p_grown, p_shrunk)


def _held_against_runs(growth: Growth, items: Sequence[MeasuredItem], allowed: float) -> Growth:
    """Let a growth be no surer than the means of whole runs allow, over the items that every run has."""
    whole = [item for item in items if None not in item.baseline and None not in item.candidate]
    if not whole or len(whole[0].baseline) < 2:
        return growth
    before = _run_means([item.baseline for item in whole])
    after = _run_means([item.candidate for item in whole])
    n, center = len(before), math.fsum(before) / len(before)
    rise = math.fsum(after) / len(after) - center - math.log1p(allowed)
    degrees = PRIOR_DEGREES + n - 1
    squares = PRIOR_DEGREES * PRIOR_SPREAD**2 + math.fsum((mean - center) ** 2 for mean in before)
    spread = math.sqrt(squares / degrees * (1.0 / n + 1.0 / len(after)))
    p_run = 1.0 - t_cdf(rise / spread, degrees)
    return msgspec.structs.replace(growth, p_grown=max(growth.p_grown, p_run), p_run=p_run)


def _run_means(rows: Sequence[tuple[float | None, ...]]) -> list[float]:
    """Return the mean logarithm of each run; the rows are the items."""
    return [math.fsum(math.log(x) for x in run if x is not None) / len(rows) for run in zip(*rows, strict=True)]


def _growth(center: float, half: float, p_grown: float, p_shrunk: float) -> Growth:
    low, high = math.exp(max(-700.0, center - half)), math.exp(min(700.0, center + half))
    return Growth(ratio=math.exp(center), low=low, high=high, p_grown=p_grown, p_shrunk=p_shrunk)


def _tests(pairs: Pairs, seed: str) -> tuple[float, float]:
    """Return the one-sided p-values of a rise and of a fall; values are read to nine decimals."""
    units: Counter[Unit] = Counter()
    observed: Counter[int] = Counter()
    for one, two in pairs:
        before, after = [round(value * FINE) for value in one], [round(value * FINE) for value in two]
        unit = unit_of_item(before, after, FINE)
        units[unit] += 1
        observed[unit.denominator] += len(before) * sum(after) - len(after) * sum(before)
    found = permutation_test(units, observed, seed=seed)
    return found.p_better, found.p_worse
