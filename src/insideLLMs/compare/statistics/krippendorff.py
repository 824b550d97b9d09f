"""How far any number of people agree: Krippendorff's alpha."""

import math
from collections.abc import Mapping

from insideLLMs.compare.statistics.distributions import jackknife_interval

Ratings = tuple[int, ...]
"""How often each verdict was given to one unit."""


def krippendorff_alpha(units: Mapping[Ratings, int]) -> float | None:
    """Return Krippendorff's alpha for verdicts without an order; `units` counts those with equal ratings.

    For any number of people, of whom not each rates every unit; a unit with one rating tells nothing. Computing
    Krippendorff's Alpha-Reliability (2011, repository.upenn.edu/asc_papers/43), from the coincidences of values. None
    where only one verdict was ever given.
    """
    paired = {ratings: count for ratings, count in units.items() if sum(ratings) > 1}
    columns = zip(*paired, strict=True)
    totals: list[int] = [
        sum(count * one for count, one in zip(paired.values(), column, strict=True)) for column in columns
    ]
    n = sum(totals)
    expected = n * n - sum(total * total for total in totals)
    if not expected:
        return None
    observed = math.fsum(
        count * sum(one * (sum(ratings) - one) for one in ratings) / (sum(ratings) - 1)
        for ratings, count in paired.items()
    )
    return 1.0 - observed * (n - 1) / expected


def alpha_interval(units: Mapping[Ratings, int], *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the interval of Krippendorff's alpha by the jackknife over units."""
    paired = {ratings: count for ratings, count in sorted(units.items()) if sum(ratings) > 1}
    whole = krippendorff_alpha(paired)
    if whole is None:
        return None
    without = [(krippendorff_alpha({**paired, ratings: count - 1}), count) for ratings, count in paired.items()]
    return jackknife_interval(whole, without, level=level)
