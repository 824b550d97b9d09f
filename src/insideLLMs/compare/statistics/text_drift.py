"""Text drift: do the candidate's answers come from the baseline's distribution? In either direction.

Per item the unbiased squared maximum mean discrepancy (Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html)

    MMD^2 = mean off-diagonal K_AA + mean off-diagonal K_BB - 2 mean K_AB

over two or more answers a side; T sums the items, and p = (1 + #{T* >= T}) / (B + 1) over B random relabellings of the
answers within their item. The kernel is the cosine of character 3-gram counts, or the share of equal places among the
first 1,000 characters. It is blunt at the budgets of a build server, and takes an item's answers for independent.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Literal

import msgspec

from insideLLMs.compare.statistics.items import FINE

DRAWS = 999
MAX_ANSWERS = 6
"""Answers a side beyond this are not read: an item's labellings are enumerated, C(12, 6) = 924 at most."""
_GRAM = 3
_HAMMING_CHARACTERS = 1000
KernelName = Literal["3-gram", "hamming"]
Kernel = list[list[float]]


class TextDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The mean discrepancy over `n` items, and the chance `p` of one as large without a change.

    In `varied` of them the answers were not all the same. `least` is the smallest `p` that so many answers could have.
    """

    n: int
    varied: int
    discrepancy: float
    p: float
    kernel: KernelName
    least: float


class DriftSums:
    """T and its relabellings, summed item by item in constant memory; sums of several probes can be added."""

    def __init__(self, kernel: KernelName = "3-gram", seed: str = "") -> None:
        self.n = self.varied = 0
        self._least = 1.0
        self._kernel: KernelName = kernel
        self._seed = seed
        self._observed = 0
        self._drawn = array("q", bytes(8 * DRAWS))

    def add(self, item: str, baseline: Sequence[str], candidate: Sequence[str]) -> None:
        """Take in the normalised answers to one item; fewer than two a side are no evidence.

        `item` seeds its relabellings, so that they depend neither on the order of items nor on which side is which.
        """
        sides = sorted((tuple(baseline[:MAX_ANSWERS]), tuple(candidate[:MAX_ANSWERS])))
        if min(map(len, sides)) < 2:
            return
        self.n += 1
        before, after = map(len, sides)
        self._least *= (2 if before == after else 1) / math.comb(before + after, after)
        answers = [*sides[0], *sides[1]]
        if len(set(answers)) == 1:
            return
        self.varied += 1
        values, observed = _relabelled(_KERNELS[self._kernel](answers), len(sides[1]))
        self._observed += observed
        import random  # noqa: PLC0415 - slow to import, and seldom needed

        draw, ways = random.Random(f"{self._seed}|{item}").random, len(values)  # noqa: S311 - draws, not secrets
        for place in range(DRAWS):
            self._drawn[place] += values[int(draw() * ways)]

    def include(self, other: "DriftSums") -> None:
        """Add the sums of further items."""
        self.n, self.varied = self.n + other.n, self.varied + other.varied
        self._observed += other._observed
        self._least *= other._least
        self._drawn = array("q", map(sum, zip(self._drawn, other._drawn, strict=True)))

    def result(self) -> TextDrift:
        """Return the discrepancy with its p; 1 where no answer varied."""
        at_least = sum(drawn >= self._observed for drawn in self._drawn)
        discrepancy = self._observed / FINE / self.n if self.n else 0.0
        p, least = (1 + at_least) / (1 + DRAWS), max(self._least, 1 / (1 + DRAWS))
        return TextDrift(n=self.n, varied=self.varied, discrepancy=discrepancy, p=p, kernel=self._kernel, least=least)


def _gram_kernel(answers: Sequence[str]) -> Kernel:
    """Return the cosines of the answers' 3-gram counts; equal answers are counted once."""
    known = {answer: _grams(answer) for answer in answers}
    return _square(answers, lambda one, two: _dot(known[one], known[two]))


def _dot(one: dict[str, float], two: dict[str, float]) -> float:
    return math.fsum(share * two[gram] for gram, share in one.items() if gram in two)


def _grams(answer: str) -> dict[str, float]:
    padded = f"\x02{answer}\x03"  # so that the empty answer has a gram too
    counts = Counter(padded[start : start + _GRAM] for start in range(max(1, len(padded) - _GRAM + 1)))
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {gram: count / length for gram, count in counts.items()}


def _hamming_kernel(answers: Sequence[str]) -> Kernel:
    """Return the shares of equal places, all answers padded to the longest (as Gao et al., arXiv 2410.20247)."""
    longest = max(1, *(min(len(answer), _HAMMING_CHARACTERS) for answer in answers))
    padded = {answer: answer[:_HAMMING_CHARACTERS].ljust(longest, "\x00") for answer in answers}
    return _square(
        answers, lambda one, two: sum(a == b for a, b in zip(padded[one], padded[two], strict=True)) / longest
    )


def _square(answers: Sequence[str], closeness: Callable[[str, str], float]) -> Kernel:
    distinct = sorted(set(answers))
    known = {(one, two): closeness(one, two) for one, two in combinations(distinct, 2)}
    known |= {(two, one): value for (one, two), value in known.items()}
    known |= {(one, one): 1.0 for one in distinct}
    return [[known[one, two] for two in answers] for one in answers]


_KERNELS: dict[KernelName, Callable[[Sequence[str]], Kernel]] = {"3-gram": _gram_kernel, "hamming": _hamming_kernel}


def _relabelled(kernel: Kernel, picked: int) -> tuple[list[int], int]:
    """Return MMD^2 under every choice of `picked` answers as the second side's, and under the last ones."""
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

    values = [discrepancy(chosen) for chosen in combinations(range(size), picked)]
    return values, values[-1]
