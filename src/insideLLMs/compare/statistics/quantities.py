"""Quantities without an upper end, paired by item: cost, latency, length, tokens.

Two questions about growth. *Total*: sum of the candidate's means over sum of the baseline's, what a bill shows;
its interval is that of a ratio estimator, on the log scale (Cochran, Sampling Techniques, 1977, ch. 6).
*Typical*: the geometric mean of the items' ratios, which a few extreme items do not move. Each is tested with the
run-label permutation test, the baseline's values first raised by the growth that is allowed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from insideLLMs.compare.statistics.distributions import t_quantile
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

    `p_grown` is the one-sided p that it is above the allowed growth, `p_shrunk` that it is below it.
    """

    ratio: float | None
    low: float | None
    high: float | None
    p_grown: float
    p_shrunk: float


class QuantityChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantity changed over `n` paired items.

    `typical` is over the `n_positive` items whose values are all above 0.
    """

    n: int
    n_positive: int
    baseline_total: float
    candidate_total: float
    total: Growth
    typical: Growth


UNKNOWN = Growth(ratio=None, low=None, high=None, p_grown=1.0, p_shrunk=1.0)


def measure(
    items: Iterable[MeasuredItem], *, allowed: float = 0.0, level: float = 0.95, seed: str = ""
) -> QuantityChange:
    """Compare a quantity; `allowed` is the growth not counted as one (0.1: ten percent more).

    Raises CompareError for a value that is negative or not finite.
    """
    pairs = [pair for item in items if all(pair := (_known(item.baseline), _known(item.candidate)))]
    positive = [pair for pair in pairs if min(min(before_after) for before_after in pair) > 0.0]
    logs = [([math.log(x) for x in before], [math.log(x) for x in after]) for before, after in positive]
    before = [math.fsum(side) / len(side) for side, _ in pairs]
    after = [math.fsum(side) / len(side) for _, side in pairs]
    return QuantityChange(
        n=len(pairs),
        n_positive=len(positive),
        baseline_total=math.fsum(before),
        candidate_total=math.fsum(after),
        total=_total(pairs, before, after, allowed=allowed, level=level, seed=seed),
        typical=_typical(logs, allowed=allowed, level=level, seed=seed),
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
