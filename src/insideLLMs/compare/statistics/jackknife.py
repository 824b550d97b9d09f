"""Intervals by the jackknife, for figures that no formula has an interval of."""

import math
from collections.abc import Sequence

from insideLLMs.compare.statistics.distributions import t_quantile


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
