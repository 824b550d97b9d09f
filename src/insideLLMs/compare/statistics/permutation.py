"""The run-label permutation test: is the candidate's run just another run of the baseline?

Hypothesis: for each item the R baseline and S candidate run values are exchangeable. Every choice of S of the
R+S runs as "candidate" is then equally likely, independently for each item (jointly within a cluster). With
D* an item's mean difference under a choice and T* the sum over items,

    p_worse = P(T* < T) + P(T* = T) / 2      (mid-p; Fagerland, Lydersen and Laake 2013, doi:10.1186/1471-2288-13-91)
    p_exact = P(T* <= T)

With one run a side and verdicts this is McNemar's mid-p test, with repeats the sign-flip test.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from insideLLMs.compare.statistics import convolution
from insideLLMs.compare.statistics.convolution import Options, Tails
from insideLLMs.compare.statistics.distributions import normal_cdf

Method = Literal["none", "exact", "enumerated", "normal", "monte_carlo"]

MIN_NORMAL = 100
"""From this many informative units on, the normal approximation's error is below 0.0013."""
MAX_OPTIONS = 4096
"""An item with more possible values of D* than this is known by its variance alone."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is relabelled as one: an item, or a cluster of items.

    `options` are the possible numerators of D* over `denominator`, rising, each with the number of labellings
    that lead to it; None where there are more than MAX_OPTIONS. `variance` is that of the numerator. `is_stable` is
    whether all run values were the best but for one or a few that are no better than failed, no more than the candidate
    has runs, of two baseline runs or more: the lowest value of D* then means that these are the candidate's.
    """

    options: Options | None
    denominator: int
    variance: float
    is_stable: bool = False

    @property
    def is_informative(self) -> bool:
        """Whether relabelling can change anything."""
        return self.variance > 0

    def scaled(self, common: int) -> Options | None:
        """Return the options as numerators over `common`, a multiple of the denominator."""
        scale = common // self.denominator
        return self.options and tuple((top * scale, ways) for top, ways in self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermutationTest:
    """One-sided p-values for a fall (`p_worse`, mid-p; `p_exact`, conservative) and a rise, and the two-sided one."""

    n_informative: int
    method: Method
    p_worse: float
    p_better: float
    p_two: float
    p_exact: float


def unit_of_item(
    baseline: Sequence[int], candidate: Sequence[int], denominator: int, *, best: int | None = None
) -> Unit:
    """Return the unit of one item from its run values (numerators over `denominator`).

    `best` is the value of a run that passed in full, None where scores are no verdicts: nothing is stable there. An
    item that failed in a run failed in half of its repeats at least.
    """
    return _unit(tuple(sorted([*baseline, *candidate])), len(candidate), denominator, best, failed_at_most(best or 0))


def failed_at_most(best: int) -> int:
    """Return the highest value of a run in which an item failed, where `best` is that of all its repeats passed."""
    return best // 2


@functools.lru_cache(maxsize=4096)
def _unit(pooled: tuple[int, ...], picked: int, denominator: int, best: int | None, worst: int) -> Unit:
    failing = [] if best is None or len(pooled) - picked < 2 else [value for value in pooled if value < best]
    is_stable = 0 < len(failing) <= picked and max(failing) <= worst
    runs, total = len(pooled), sum(pooled)
    over = denominator * picked * (runs - picked)
    squares = runs * sum(value * value for value in pooled) - total * total
    variance = picked * (runs - picked) * squares / (runs - 1)
    ways = _subset_sums(pooled, picked)
    if ways is None:
        return Unit(None, over, variance)
    options = tuple((runs * top - picked * total, ways[top]) for top in sorted(ways))
    return Unit(options, over, variance, is_stable)


def _subset_sums(values: Sequence[int], picked: int) -> dict[int, int] | None:
    """Count the choices of `picked` of the values by their sum: hypergeometric where the values are verdicts."""
    chosen: list[dict[int, int]] = [{0: 1}, *({} for _ in range(picked))]
    for value in values:
        for size in range(picked, 0, -1):
            for top, ways in chosen[size - 1].items():
                chosen[size][top + value] = chosen[size].get(top + value, 0) + ways
            if len(chosen[size]) > MAX_OPTIONS:
                return None
    return chosen[picked]


def unit_of_cluster(
    items: Sequence[tuple[Sequence[int], Sequence[int], int]], *, best: Sequence[int] | None = None
) -> Unit:
    """Return the unit of a cluster: run labels are permuted jointly over its (baseline, candidate, denominator).

    All items must have the same runs, and values of one run stand at one place. `best` is each item's, as above. A
    cluster failed in a run in which any of its items did not pass in full.
    """
    rest, picked = len(items[0][0]), len(items[0][1])
    common = math.lcm(*(denominator for _, _, denominator in items))
    columns = [0] * (rest + picked)
    for baseline, candidate, denominator in items:
        scale = common // denominator
        for run, value in enumerate((*baseline, *candidate)):
            columns[run] += scale * value
    whole = (
        None
        if best is None
        else sum(value * (common // denominator) for value, (_, _, denominator) in zip(best, items, strict=True))
    )
    return _unit(tuple(sorted(columns)), picked, common, whole, (whole or 0) - 1)


def permutation_test(units: Mapping[Unit, int], observed: Mapping[int, int], *, seed: str = "") -> PermutationTest:
    """Test `units` (with their counts) against the observed sum of D, given as numerators by denominator.

    `seed` starts the Monte Carlo draws, which only some 29 to 99 informative units on no common grid need.
    """
    informative = {unit: count for unit, count in units.items() if unit.is_informative}
    n_informative = sum(informative.values())
    if not n_informative:
        return PermutationTest(n_informative=0, method="none", p_worse=1.0, p_better=1.0, p_two=1.0, p_exact=1.0)
    common = math.lcm(*(unit.denominator for unit in informative), *observed)
    target = sum(common // denominator * top for denominator, top in observed.items())
    scaled = [(unit.scaled(common), count) for unit, count in informative.items()]
    known = [(options, count) for options, count in scaled if options]
    step = 0.0
    if len(known) == len(informative):
        lattice = convolution.lattice(known)
        if lattice.cost <= convolution.MAX_COST:
            return _result(n_informative, "exact", lattice.tails(target))
        step = float(lattice.step)
        if n_informative < MIN_NORMAL:
            return _result(n_informative, *_few_tails(known, target, seed))
    variance = math.fsum(unit.variance * (common / unit.denominator) ** 2 * n for unit, n in informative.items())
    return _result(n_informative, "normal", _normal_tails(target, math.sqrt(variance), step))


def least_p(units: Mapping[Unit, int]) -> float:
    """Return the least p_worse that any labelling could have led to; 1 if no unit is informative.

    It depends on the pooled values alone, not on which run is the candidate, so questions may be chosen by it.
    """
    informative = [(unit, count) for unit, count in units.items() if unit.is_informative]
    if not informative:
        return 1.0
    if any(unit.options is None for unit, _ in informative):
        return 0.0
    known = [(unit.options, count) for unit, count in informative if unit.options]
    logs = [count * math.log(ways[0][1] / sum(way for _, way in ways)) for ways, count in known]
    return math.exp(math.fsum(logs)) / 2.0


def _few_tails(known: Sequence[tuple[Options, int]], target: int, seed: str) -> tuple[Method, Tails]:
    """Enumerate, or draw where that is too much, in the one direction that both directions of a comparison agree on.

    Their tails then mirror: neither what enumeration costs nor what is drawn depends on the direction asked for.
    """
    expanded = sorted(options for options, n in known for _ in range(n))
    mirrored = sorted(tuple((-top, ways) for top, ways in reversed(options)) for options in expanded)
    is_turned = mirrored < expanded
    if is_turned:
        expanded, target = mirrored, -target
    tails = convolution.enumerate_tails(expanded, target)
    method: Method = "monte_carlo" if tails is None else "enumerated"
    less, equal, more = tails or convolution.draw_tails(expanded, target, seed)
    return method, Tails(more, equal, less) if is_turned else Tails(less, equal, more)


def _normal_tails(target: int, deviation: float, step: float) -> Tails:
    """Return the normal tails; the chance of a tie is the density times the lattice's `step`."""
    z = target / deviation
    equal = step / deviation * math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)
    less, more = normal_cdf(z), normal_cdf(-z)
    equal = min(equal, 2.0 * less, 2.0 * more)
    return Tails(less - equal / 2.0, equal, more - equal / 2.0)


def _result(n_informative: int, method: Method, tails: Tails) -> PermutationTest:
    p_worse = min(1.0, tails.less + tails.equal / 2.0)
    p_better = min(1.0, tails.more + tails.equal / 2.0)
    return PermutationTest(
        n_informative=n_informative,
        method=method,
        p_worse=p_worse,
        p_better=p_better,
        p_two=min(1.0, 2.0 * min(p_worse, p_better)),
        p_exact=min(1.0, tails.less + tails.equal),
    )
