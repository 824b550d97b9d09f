"""The distribution of a sum of independent finite choices: by convolution, by halves, or by seeded draws."""

import hashlib
import math
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from insideLLMs.compare.statistics.distributions import binomial_pmf

Options = tuple[tuple[int, int], ...]
"""The possible values of one choice, rising, each with the number of equally likely ways that lead to it."""

MAX_COST = 10_000_000
"""Multiplications that an exact convolution may take: about half a second."""
MAX_HALF = 1 << 14
DRAW_PAIRS = 9_999
_MAX_TABLE = 4096


class Tails(NamedTuple):
    """The chances that the sum is less than, equal to and more than the observed one."""

    less: float
    equal: float
    more: float


@dataclass(frozen=True, slots=True)
class Lattice:
    """Choices as multiples of `step` above `origin`, equal ones grouped; `cost` counts multiplications."""

    groups: tuple[tuple[Options, int], ...]
    origin: int
    step: int
    cost: int

    def tails(self, target: int) -> Tails:
        """Return the exact tails of the sum at `target`, which must be reachable."""
        chances = self.chances()
        at = (target - self.origin) // self.step
        return Tails(math.fsum(chances[:at]), chances[at], math.fsum(chances[at + 1 :]))

    def chances(self) -> list[float]:
        """Return the exact chance of every point of the lattice, from `origin` on."""
        chances = [1.0]
        for options, count in self.groups:
            if len(options) == 2:
                chances = _convolve(chances, _binomial(options, count))
                continue
            total = sum(ways for _, ways in options)
            points = [(offset, ways / total) for offset, ways in options]
            for _ in range(count):
                chances = _convolve(chances, points)
        return chances


def lattice(choices: Sequence[tuple[Options, int]]) -> Lattice:
    """Put choices (with counts) on their common lattice; at least one of them must have two values."""
    step = math.gcd(*(top - options[0][0] for options, _ in choices for top, _ in options))
    grouped: Counter[Options] = Counter()
    origin = 0
    for options, count in choices:
        low = options[0][0]
        origin += low * count
        divisor = math.gcd(*(ways for _, ways in options))
        grouped[tuple(((top - low) // step, ways // divisor) for top, ways in options)] += count
    groups = tuple(sorted(grouped.items(), key=lambda group: (len(group[0]), group[0])))
    length, cost = 1, 0
    for options, count in groups:
        span = options[-1][0] * count
        if len(options) == 2:
            cost += length * (count + 1)
        else:
            cost += len(options) * count * (length + span // 2)
        length += span
    return Lattice(groups, origin, step, cost + length)


def _binomial(options: Options, count: int) -> list[tuple[int, float]]:
    (_, stay), (stride, move) = options
    return [(position * stride, chance) for position, chance in enumerate(binomial_pmf(count, move / (stay + move)))]


def _convolve(chances: list[float], points: Sequence[tuple[int, float]]) -> list[float]:
    """Return the distribution of the sum of a dense variable and one that takes a few `points`."""
    size = len(chances)
    result = [0.0] * (size + points[-1][0])
    if size == 1:
        for offset, weight in points:
            result[offset] = weight * chances[0]
        return result
    for offset, weight in points:
        part = result[offset : offset + size]
        result[offset : offset + size] = [old + weight * new for old, new in zip(part, chances, strict=True)]
    return result


def enumerate_tails(choices: Sequence[Options], target: int) -> Tails | None:
    """Return the exact tails by meeting in the middle; None if a half has more than MAX_HALF sums."""
    halves: list[dict[int, int]] = [{0: 1}, {0: 1}]
    for options in choices:
        halves.sort(key=len)
        halves[0] = _join(halves[0], options)
        if len(halves[0]) > MAX_HALF:
            return None
    left, right = halves
    tops = sorted(right)
    below = [0, *accumulate(right[top] for top in tops)]
    less = at_most = 0
    for top, ways in left.items():
        less += ways * below[bisect_left(tops, target - top)]
        at_most += ways * below[bisect_right(tops, target - top)]
    total = below[-1] * sum(left.values())
    return Tails(less / total, (at_most - less) / total, (total - at_most) / total)


def _join(sums: dict[int, int], options: Options) -> dict[int, int]:
    joined: dict[int, int] = {}
    for top, ways in sums.items():
        for offset, count in options:
            joined[top + offset] = joined.get(top + offset, 0) + ways * count
    return joined


def draw_tails(choices: Sequence[Options], target: int, seed: str) -> Tails:
    """Estimate the tails from relabellings drawn from `seed`; the observed one counts as one of them.

    Draws come in mirrored pairs, so that mirrored choices and target give mirrored tails. With B draws,
    less + equal is (1 + #{sum <= target}) / (B + 1). The same on every machine and Python.
    """
    tables = _tables(choices)
    stream = hashlib.shake_256(seed.encode()).digest(4 * DRAW_PAIRS * len(tables))
    words = array("I", stream)
    if sys.byteorder == "big":
        words.byteswap()
    direct, mirrored = [0] * DRAW_PAIRS, [0] * DRAW_PAIRS
    for place, table in enumerate(tables):
        tops = sorted(table)
        ends = list(accumulate(table[top] for top in tops))
        total = ends[-1]
        for draw in range(DRAW_PAIRS):
            position = (words[place * DRAW_PAIRS + draw] * total) >> 32
            direct[draw] += tops[bisect_right(ends, position)]
            mirrored[draw] += tops[bisect_right(ends, total - 1 - position)]
    less = sum(top < target for top in direct) + sum(top < target for top in mirrored)
    equal = 1 + sum(top == target for top in direct) + sum(top == target for top in mirrored)
    drawn = 2 * DRAW_PAIRS + 1
    return Tails(less / drawn, equal / drawn, (drawn - less - equal) / drawn)


def _tables(choices: Sequence[Options]) -> list[dict[int, int]]:
    """Join choices into as few tables of at most _MAX_TABLE sums as their order allows."""
    tables: list[dict[int, int]] = [{0: 1}]
    for options in choices:
        if len(tables[-1]) * len(options) > _MAX_TABLE and len(tables[-1]) > 1:
            tables.append({0: 1})
        tables[-1] = _join(tables[-1], options)
    return tables
