"""Early stopping: group-sequential looks at the overall p_worse, with non-binding futility.

Boundaries spend alpha(t) = 2 - 2 Phi(z(1 - alpha/2) / sqrt(t)) by the share t of the items (Lan and DeMets 1983,
doi:10.1093/biomet/70.3.659), found by integrating the score's density from look to look.
"""

import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from insideLLMs.compare.statistics.distributions import normal_cdf, normal_quantile
from insideLLMs.compare.statistics.evidence import Evidence, minimum_detectable_drop

Batch = tuple[tuple[str, str], ...]
LOOKS = (0.25, 0.5, 0.75, 1.0)
FUTILE_BELOW = 0.2
_LEAST_NOISE = 0.01
_NOTHING_VARIED = 0.5
"""The p of a look at which nothing varied: neither for a drop nor against one."""
_LOWEST = -8.0
_CELLS = 800


@functools.lru_cache(maxsize=16)
def thresholds(alpha: float, looks: tuple[float, ...] = LOOKS) -> tuple[float, ...]:
    """Return at each look the p_worse at or below which the candidate fails; in total `alpha`, one-sided."""
    z_half = normal_quantile(1.0 - alpha / 2.0)
    bounds: list[float] = []
    grid: list[float] = []
    density: list[float] = []
    spent = 0.0
    for place, share in enumerate(looks):
        due = 2.0 - 2.0 * normal_cdf(z_half / math.sqrt(share)) - spent
        spent += due
        earlier = looks[place - 1] if place else 0.0
        points, step = grid or [0.0], share - earlier
        weights = density or [1.0]
        bound = _solve(points, weights, math.sqrt(step), due, share)
        bounds.append(bound / math.sqrt(share))
        grid, density = _advance(points, weights, step, bound, share)
    return tuple(normal_cdf(-bound) for bound in bounds)


def _solve(points: Sequence[float], weights: Sequence[float], deviation: float, due: float, share: float) -> float:
    """Return the score at which the chance to cross for the first time is `due`."""
    low, high = 0.0, 10.0 * math.sqrt(share)
    for _ in range(60):
        middle = (low + high) / 2.0
        crossing = math.fsum(
            weight * normal_cdf((point - middle) / deviation) for point, weight in zip(points, weights, strict=True)
        )
        low, high = (middle, high) if crossing > due else (low, middle)
    return high


def _advance(
    points: Sequence[float], weights: Sequence[float], step: float, bound: float, share: float
) -> tuple[list[float], list[float]]:
    """Return a grid of scores below `bound` and Simpson's weights times their density after another `step`."""
    low = _LOWEST * math.sqrt(share)
    width = (bound - low) / _CELLS
    grid = [low + cell * width for cell in range(_CELLS + 1)]
    scale = 1.0 / math.sqrt(2.0 * math.pi * step)
    density = []
    for cell, score in enumerate(grid):
        simpson = width / 3.0 * (1.0 if cell in (0, _CELLS) else 4.0 if cell % 2 else 2.0)
        mass = sum(
            weight * math.exp(-((score - point) ** 2) / (2.0 * step))
            for point, weight in zip(points, weights, strict=True)
        )
        density.append(simpson * scale * mass)
    return grid, density


def conditional_power(p_worse: float, share: float, *, expected: float, alpha: float) -> float:
    """Return the chance to fail at the end, from the look at `share` (< 1) of the items, if the final z should be
    `expected` on average.

    1 - Phi((c - z sqrt(t) - expected (1-t)) / sqrt(1-t)), c the last boundary.
    """
    last = -normal_quantile(thresholds(alpha)[-1])
    z = -normal_quantile(min(max(p_worse, 1e-300), 1.0 - 1e-16))
    return 1.0 - normal_cdf((last - z * math.sqrt(share) - expected * (1.0 - share)) / math.sqrt(1.0 - share))


def expected_z(drop: float, *, n: int, noise: float) -> float:
    """Return the final z that a true `drop` leads to on average over `n` items: drop sqrt(n/(noise + drop))."""
    return drop * math.sqrt(n / (noise + drop))


def schedule(ids: Mapping[str, Sequence[str]], *, seed: str) -> tuple[Batch, ...]:
    """Split the item ids of each probe over the looks, as (probe, id): the same shares of every probe.

    The order follows the hash of seed and id, so it is the same on every machine and whatever the input order, and
    probes of the same ids have them at the same looks: they may share an answer.
    """
    batches: list[list[tuple[str, str]]] = [[] for _ in LOOKS]
    for probe in sorted(ids):
        ranked = sorted(ids[probe], key=lambda name: hashlib.sha256(f"{seed}|{name}".encode()).digest())
        start = 0
        for batch, share in zip(batches, LOOKS, strict=True):
            end = round(share * len(ranked))
            batch += [(probe, name) for name in ranked[start:end]]
            start = end
    return tuple(tuple(batch) for batch in batches)


def look(
    place: int, p_worse: float, *, expected: float, alpha: float
) -> Literal["fail", "no_evidence", "go_on", "pass"]:
    """Decide at the look number `place` (from 0): stop as failed, stop as futile, ask on, or pass at the last."""
    if p_worse <= thresholds(alpha)[place]:
        return "fail"
    if place == len(LOOKS) - 1:
        return "pass"
    hopeless = conditional_power(p_worse, LOOKS[place], expected=expected, alpha=alpha) < FUTILE_BELOW
    return "no_evidence" if hopeless else "go_on"


def look_at(
    place: int, overall: Evidence, *, wanted_drop: float, alpha: float
) -> Literal["fail", "no_evidence", "go_on", "pass"]:
    """Decide at a look by what it found; the drop to plan for is the wanted one, or the least that the run detects."""
    noise = max(_LEAST_NOISE, overall.noise or 0.0)
    n = max(1, round(overall.n_paired / LOOKS[place]))
    detectable = minimum_detectable_drop(n, noise, repeats=overall.repeats or 1.0, alpha=alpha)
    expected = expected_z(max(wanted_drop, detectable or 1.0), n=n, noise=noise)
    return look(place, overall.p_mean if overall.n_informative else _NOTHING_VARIED, expected=expected, alpha=alpha)
