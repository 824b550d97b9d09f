"""Stable items: what had never failed in the baseline's runs fails now.

An item is *stable* if it passed in full in all of its R + S runs but a few, at most the S of the candidate, in which
it failed. Without a change each choice of m failing runs is equally likely, so that all m are the candidate's with
chance C(S, m) / C(R+S, m): 1 / (R+1) for one candidate run. Repeats of one run may be copies, so a run counts once: an
item failed in it if half of its repeats did, or more. One that failed in fewer is flaky, and counts nowhere here. The
number of items that failed with the candidate alone is a sum of such chances: binomial where all are equal.

The permutation test sees the mean, this one sees a few reliable items break. Both read the same labelling, so their
joint distribution is known, and with it that of the weighted harmonic mean of their p-values (Wilson 2019,
doi:10.1073/pnas.1814092116, has an approximation; here it is exact). So neither test takes a share of alpha that it
could not use, and which items are stable depends on the pooled values alone, not on which run is the candidate.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import msgspec

from insideLLMs.compare.statistics import convolution
from insideLLMs.compare.statistics.convolution import Options
from insideLLMs.compare.statistics.distributions import binomial_pmf, normal_cdf, normal_quantile
from insideLLMs.compare.statistics.permutation import PermutationTest, Unit

WEIGHT = 0.25
"""The weight of the stable items. A drop of flaky items alone is found in up to 2.8 points fewer cases for it."""
_MAX_COST = 5_000_000
"""Additions that the joint distribution of the stable items may take: about a second."""


class StableItems(msgspec.Struct, frozen=True, kw_only=True):
    """Of `n` stable items with a failure, `broken` failed with the candidate alone; chance alone breaks `expected`.

    `p` is the chance of so many or more (mid-p). A cluster counts as one item.
    """

    n: int
    broken: int
    expected: float
    p: float


def stable_items(units: Mapping[Unit, int], broken: int) -> StableItems | None:
    """Test whether the candidate broke stable items; None if no stable item has a failure."""
    chances = _chances(units)
    if not chances:
        return None
    expected = math.fsum(chance * count for chance, count in chances.items())
    return StableItems(n=sum(chances.values()), broken=broken, expected=expected, p=_upper_tails(chances)[broken])


def _chances(units: Mapping[Unit, int]) -> Counter[float]:
    """Count stable units by the chance of their lowest value: that all failing runs are the candidate's."""
    chances: Counter[float] = Counter()
    for unit, count in units.items():
        if unit.is_stable and unit.options:
            chances[unit.options[0][1] / sum(ways for _, ways in unit.options)] += count
    return chances


def _upper_tails(chances: Mapping[float, int]) -> list[float]:
    """Return the mid-p of each number of broken items, from none on."""
    found = [1.0]
    for chance, count in sorted(chances.items()):
        part, size = binomial_pmf(count, chance), len(found)
        found = [
            math.fsum(found[k] * part[total - k] for k in range(max(0, total - count), min(total, size - 1) + 1))
            for total in range(size + count)
        ]
    at_least = [*accumulate(reversed(found))][::-1]
    return [whole - chance / 2.0 for whole, chance in zip(at_least, found, strict=True)]


def combined_p(
    units: Mapping[Unit, int], observed: Mapping[int, int], stable: StableItems, test: PermutationTest
) -> float:
    """Return the p of the permutation test and the stable items together.

    Where the joint distribution is too large to compute, it is the weighted minimum of both (Bonferroni).
    """
    common = math.lcm(*(unit.denominator for unit in units), *observed)
    cells = _cells(units, common, stable.n + 1) if test.method in {"exact", "normal"} else None
    if cells is None:
        return min(1.0, test.p_worse / (1.0 - WEIGHT), stable.p / WEIGHT)
    is_exact = test.method == "exact"
    whole = _sum_of(units, common, is_exact=is_exact)
    rest = _sum_of({unit: count for unit, count in units.items() if not unit.is_stable}, common, is_exact=is_exact)
    score = (1.0 - WEIGHT) / test.p_worse + WEIGHT / stable.p
    lasts = [whole.last(_at_most(score, tail)) for tail in _upper_tails(_chances(units))]
    lasts[stable.broken] = sum(common // denominator * top for denominator, top in observed.items())
    chances = []
    for cell, chance in cells.items():
        top, broken = divmod(cell, stable.n + 1)
        less, equal = rest.tails(lasts[broken] - top)
        chances.append(chance * (less + (equal / 2.0 if broken == stable.broken else equal)))
    return min(1.0, math.fsum(chances))


def _at_most(score: float, p_stable: float) -> float:
    """Return the p of the permutation test up to which the mean is at least as extreme as `score` beside `p_stable`."""
    left = score - WEIGHT / p_stable if p_stable > 0.0 else 0.0
    return min(1.0, (1.0 - WEIGHT) / left) if left > 0.0 else 1.0


def _cells(units: Mapping[Unit, int], common: int, base: int) -> dict[int, float] | None:
    """Return the joint distribution of the stable units: by their sum of D times `base` plus how many are broken."""
    stable = sorted((unit.scaled(common) or (), count) for unit, count in units.items() if unit.is_stable)
    cells, cost = {0: 1.0}, 0
    for options, count in stable:
        for part in _parts(options, count, base):
            cost += len(cells) * len(part)
            if cost > _MAX_COST:
                return None
            joined: dict[int, float] = {}
            for cell, chance in cells.items():
                for offset, weight in part:
                    joined[cell + offset] = joined.get(cell + offset, 0.0) + chance * weight
            cells = joined
    return cells


def _parts(options: Options, count: int, base: int) -> Iterator[Sequence[tuple[int, float]]]:
    """Yield independent parts that `count` equal stable units are made of: one if they have two values each."""
    total = sum(ways for _, ways in options)
    (low, ways), *others = options
    if len(others) == 1:
        high = others[0][0]
        broken = enumerate(binomial_pmf(count, ways / total))
        yield [((low * number + high * (count - number)) * base + number, chance) for number, chance in broken]
        return
    part = [(low * base + 1, ways / total), *((top * base, way / total) for top, way in others)]
    for _ in range(count):
        yield part


class _Sum(Protocol):
    """The distribution of a sum of D under relabelling."""

    def tails(self, top: float) -> tuple[float, float]:
        """Return the chances that the sum is less than `top`, and equal to it."""
        ...

    def last(self, p: float) -> float:
        """Return the largest sum whose mid-p is at most `p`."""
        ...


def _sum_of(units: Mapping[Unit, int], common: int, *, is_exact: bool) -> _Sum:
    informative = {unit: count for unit, count in units.items() if unit.is_informative}
    if not informative:
        return _Points(0, 1, [1.0])
    if not is_exact:
        parts = (unit.variance * (common / unit.denominator) ** 2 * count for unit, count in informative.items())
        return _Normal(math.sqrt(math.fsum(parts)))
    known = [(unit.scaled(common), count) for unit, count in informative.items()]
    lattice = convolution.lattice([(options, count) for options, count in known if options])
    return _Points(lattice.origin, lattice.step, lattice.chances())


class _Points:
    def __init__(self, origin: int, step: int, chances: list[float]) -> None:
        self._origin, self._step, self._chances = origin, step, chances
        self._below = [0.0, *accumulate(chances)]
        self._mids = [below + chance / 2.0 for below, chance in zip(self._below, chances, strict=False)]

    def tails(self, top: float) -> tuple[float, float]:
        place, off = divmod(int(top) - self._origin, self._step)
        if place < 0:
            return 0.0, 0.0
        if place >= len(self._chances):
            return self._below[-1], 0.0
        return (self._below[place + 1], 0.0) if off else (self._below[place], self._chances[place])

    def last(self, p: float) -> float:
        return self._origin + self._step * (bisect_right(self._mids, p) - 1)


@dataclass(frozen=True, slots=True)
class _Normal:
    deviation: float

    def tails(self, top: float) -> tuple[float, float]:
        return normal_cdf(top / self.deviation), 0.0

    def last(self, p: float) -> float:
        return self.deviation * normal_quantile(p) if 0.0 < p < 1.0 else math.copysign(math.inf, p - 0.5)
