"""Corrections for asking several questions at once."""

from collections.abc import Sequence


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
