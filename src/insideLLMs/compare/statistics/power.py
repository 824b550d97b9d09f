"""Power: the smallest drop that a comparison could have seen, and how many items a wanted one takes."""

import math

from insideLLMs.compare.statistics.distributions import chi_square_quantile, normal_quantile


def minimum_detectable_drop(
    n: int, noise: float, *, repeats: float = 1.0, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the drop that a one-sided test at `alpha` sees with chance `power`; None if no drop would do.

    `noise` is the variance of an item's D without any change. The drop d solves
    d = z(1-alpha) sqrt((noise + d/k)/n) + z(power) sqrt((noise + d/k - d^2)/n), k the repeats, and is at least
    `detection_floor`.
    """
    if n < 1:
        return None
    z_alpha, z_power = normal_quantile(1.0 - alpha), normal_quantile(power)

    def needed(drop: float) -> float:
        spread = noise + drop / repeats
        return z_alpha * math.sqrt(spread / n) + z_power * math.sqrt(max(0.0, spread - drop * drop) / n)

    low, high = 0.0, 1.0
    if needed(high) > high:
        return None
    while (middle := (low + high) / 2.0) not in (low, high):
        low, high = (middle, high) if needed(middle) > middle else (low, middle)
    drop = max(high, detection_floor(n, repeats=repeats, alpha=alpha, power=power))
    return drop if drop <= 1.0 else None


def detection_floor(n: int, *, repeats: float = 1.0, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the drop below which even a noiseless test is blind.

    Fewer than m = ceil(log2(1/(2 alpha))) one-way flips never reach a mid-p of `alpha`; m flips are seen with
    chance `power` at a drop of chi2(power; 2m)/(2 n k).
    """
    flips = max(1, math.ceil(math.log2(1.0 / (2.0 * alpha))))
    return chi_square_quantile(power, 2.0 * flips) / (2.0 * n * repeats)


def items_needed(n: int, detectable: float, wanted: float) -> int:
    """Return about how many items see a drop of `wanted`, given that `n` see `detectable`."""
    return math.ceil(n * (detectable / wanted) ** 2)


def noise_of_mean(
    disagreement: float, *, correlation: float, repeats: float, baseline_runs: float, candidate_runs: float
) -> float:
    """Return the no-change variance of D from the share of verdicts that differ between two equal runs.

    A verdict's variance is disagreement/2; repeats of one run share the part `correlation` of it.
    """
    one_run = disagreement / 2.0 * (correlation + (1.0 - correlation) / repeats)
    return one_run * (1.0 / baseline_runs + 1.0 / candidate_runs)


def points(value: float) -> str:
    """Spell a rate in percentage points for people: 0.0466 as '4.7', 0.00012 as '0.012'."""
    scaled = value * 100
    return f"{scaled:.1f}" if abs(scaled) >= 1.0 or scaled == 0.0 else f"{scaled:.2g}"


def signed_points(value: float) -> str:
    """Spell it with its sign."""
    return points(value) if value < 0 else f"+{points(value)}"


def sensitivity(detectable: float | None, *, power: float, is_upper: bool) -> str:
    """Say in words what the comparison could have seen; `is_upper` marks noise that was not measured apart."""
    if detectable is None:
        return "This comparison could not have seen any drop reliably: it has too few items."
    about = "about " if is_upper else ""
    return (
        f"This comparison could see a drop of {about}{points(detectable)} points or more "
        f"({power:.0%} power); smaller ones pass."
    )
