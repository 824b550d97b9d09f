"""Text drift: do the candidate's answers come from the baseline's distribution? Advisory, in either direction.

Per item the unbiased squared maximum mean discrepancy (Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html)

    MMD^2 = mean off-diagonal K_AA + mean off-diagonal K_BB - 2 mean K_AB

over two or more answers a side, with the cosine of character 3-gram counts as kernel; T sums the items, and
p = P(T* >= T) over relabellings of the answers within their item. It is blunt at the budgets of a build server:
it informs and does not gate.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

import msgspec

from insideLLMs.compare.statistics.items import FINE
from insideLLMs.compare.statistics.permutation import Unit, permutation_test

MAX_ANSWERS = 6
"""Answers a side beyond this are not read: an item's labellings are enumerated, C(12, 6) = 924 at most."""
_GRAM = 3


class TextDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The mean discrepancy over `n` items, and the chance `p` of one as large without a change."""

    n: int
    discrepancy: float
    p: float


def text_drift(items: Iterable[tuple[Sequence[str], Sequence[str]]], *, seed: str = "") -> TextDrift:
    """Compare the normalised answers (baseline, candidate) of each item; fewer than two a side are skipped."""
    units: Counter[Unit] = Counter()
    observed = n = 0
    for baseline, candidate in items:
        before, after = baseline[:MAX_ANSWERS], candidate[:MAX_ANSWERS]
        if min(len(before), len(after)) >= 2:
            unit, value = _relabelled(_kernel([*before, *after]), len(after))
            units[unit] += 1
            observed += value
            n += 1
    found = permutation_test(units, {FINE: observed}, seed=seed)
    at_least = found.p_better + found.p_exact - found.p_worse
    return TextDrift(n=n, discrepancy=observed / FINE / n if n else 0.0, p=min(1.0, at_least))


def _kernel(answers: Sequence[str]) -> list[list[float]]:
    """Return the cosines of the answers' 3-gram counts."""
    vectors = [_grams(answer) for answer in answers]
    return [
        [math.fsum(share * other.get(gram, 0.0) for gram, share in one.items()) for other in vectors] for one in vectors
    ]


def _grams(answer: str) -> dict[str, float]:
    padded = f"\x02{answer}\x03"  # so that the empty answer has a gram too
    counts = Counter(padded[start : start + _GRAM] for start in range(max(1, len(padded) - _GRAM + 1)))
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {gram: count / length for gram, count in counts.items()}


def _relabelled(kernel: list[list[float]], picked: int) -> tuple[Unit, int]:
    """Return MMD^2 under every choice of `picked` answers as the candidate's, and under the last ones."""
    size = len(kernel)
    rest = size - picked
    rows = [math.fsum(row) - row[place] for place, row in enumerate(kernel)]
    total = math.fsum(rows) / 2.0

    def discrepancy(chosen: tuple[int, ...]) -> int:
        within = math.fsum(kernel[one][other] for one, other in combinations(chosen, 2))
        between = math.fsum(rows[place] for place in chosen) - 2.0 * within
        left = total - between - within
        value = (
            2.0 * within / (picked * (picked - 1)) + 2.0 * left / (rest * (rest - 1)) - 2.0 * between / (picked * rest)
        )
        return round(value * FINE)

    ways = Counter(discrepancy(chosen) for chosen in combinations(range(size), picked))
    labellings = math.comb(size, picked)
    variance = math.fsum(value * value * count for value, count in ways.items()) / labellings
    spread = variance if len(ways) > 1 else 0.0
    return Unit(tuple(sorted(ways.items())), FINE, spread), discrepancy(tuple(range(rest, size)))
