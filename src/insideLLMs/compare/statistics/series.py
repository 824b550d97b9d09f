"""Watch a series of runs against a pool: small lasting drops add up, and an unchanged system hardly ever alarms.

Every run of the series is held against all runs before it, those of the pool included. Without a change they are
exchangeable, item by item, so which of them came last is equally likely under every choice (`permutation`). The
baseline is used again at every look, so plain products of p-values would be wrong. Smoothed rank p-values of an
exchangeable sequence are independent and uniform (Vovk, Gammerman and Shafer 2005, theorem 8.1; Vovk, Nouretdinov
and Gammerman 2003), whatever is used again: p_t = P(T* < T) + u_t P(T* = T), where u_t comes from the run's digest.

On them a capital of 1 bets that the newest run is worse (testing by betting: Shafer 2021; conformal test martingales:
Vovk 2021). With z_t = -quantile(p_t) a bet of size b multiplies its stake by exp(b z_t - b^2 / 2), of which the mean
is 1. The stake for a drop that begins at look j is put in at look j: half of all spread as 1 / (j (j + 1)) for early
drops, half as a geometric law with mean 50 for late ones, in equal parts over BETS. So the capital is a martingale,
and by Ville's inequality it ever reaches 1 / alpha with chance alpha at most, however often and long one looks.

Whole runs that move together make item-level p-values over-confident. Where the runs before a look show it
(`noise.run_shift`), the look counts the greater of the item-level and the run-level p. That choice depends on earlier
runs alone, so it costs no validity.
"""

import functools
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from insideLLMs.compare.statistics.distributions import normal_quantile
from insideLLMs.compare.statistics.items import Paired, Shape, pair
from insideLLMs.compare.statistics.noise import run_level_p, run_shift
from insideLLMs.compare.statistics.permutation import MAX_OPTIONS, Unit, permutation_test

BETS = (0.25, 0.5, 1.0, 1.5, 2.5)
"""Sizes of bets, in standard errors of one look: small lasting drops to large sudden ones."""
_LATE = 0.02  # chance a look that a late drop begins: the geometric half of the stakes
_LEAST_P = 1e-12
_MOST = 1e300


class SeriesLook(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the series, held against all runs before it.

    `change` is its mean less theirs, over `items` items. `p` is the smoothed p of a fall; `by_run` says that whole
    runs move together, so that it is at least the run-level p. `capital` is what the bets have come to.
    """

    items: int
    change: float
    p: float
    by_run: bool
    capital: float


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The looks in order. It alarms at the first whose capital reaches `threshold`; `alarm` is its place from 0."""

    looks: tuple[SeriesLook, ...]
    threshold: float
    alarm: int | None


@dataclass(slots=True)
class _Track:
    """The run values so far of `item.count` items that look alike."""

    item: Paired
    values: tuple[int | None, ...]
    seen: Counter[int] = field(default_factory=Counter)
    runs: int = 0
    total: int = 0

    def add(self, place: int) -> int | None:
        value = self.values[place]
        if value is not None:
            self.seen[value] += 1
            self.runs += 1
            self.total += value
        return value

    @property
    def variance(self) -> float:
        """The variance of the run values so far, in squared shares."""
        squares = sum(value * value * count for value, count in self.seen.items())
        return (squares - self.total**2 / self.runs) / (self.runs - 1) / self.item.denominator**2


def watch_series(counts: Mapping[Shape, int], digests: Sequence[str], *, alpha: float = 0.05) -> Series:
    """Watch the candidate runs of `counts` in their order; `digests` names each by what it holds.

    `alpha` bounds the chance that an unchanged system ever alarms. Raises CompareError for a score out of range.
    """
    paired = (pair(shape, count, missing_as_fail=False, independent=False) for shape, count in counts.items())
    tracks = [_Track(item, (*item.baseline, *item.candidate)) for item in paired if item is not None]
    start = len(tracks[0].item.baseline) if tracks else 0
    for track in tracks:
        for place in range(start):
            track.add(place)
    means, complete = _run_means(tracks)
    looks = []
    bank = _Bank()
    for place, digest in enumerate(digests):
        shifted = _moves_together(complete, means[: start + place])
        found = _look(tracks, start + place, digest)
        run_p = run_level_p(means[: start + place], means[start + place : start + place + 1]) if shifted else None
        p = found.p if run_p is None else max(found.p, run_p)
        looks.append(msgspec.structs.replace(found, p=p, by_run=run_p is not None, capital=bank.bet(p)))
    threshold = 1.0 / alpha
    alarm = next((place for place, look in enumerate(looks) if look.capital >= threshold), None)
    return Series(looks=tuple(looks), threshold=threshold, alarm=alarm)


class _Bank:
    """The capital: what is not yet staked, and what each size of bet has come to."""

    def __init__(self) -> None:
        self._stakes = _stakes()
        self._unstaked = 1.0
        self._won = [0.0] * len(BETS)

    def bet(self, p: float) -> float:
        """Return the capital after a look with this p."""
        z = -normal_quantile(min(max(p, _LEAST_P), 1.0 - _LEAST_P))
        stake = next(self._stakes)
        self._unstaked -= stake
        self._won = [
            min(_MOST, (won + stake / len(BETS)) * math.exp(size * z - size * size / 2.0))
            for won, size in zip(self._won, BETS, strict=True)
        ]
        return min(_MOST, self._unstaked + math.fsum(self._won))


def _stakes() -> Iterator[float]:
    look = 1
    while True:
        yield 0.5 / (look * (look + 1)) + 0.5 * _LATE * (1.0 - _LATE) ** (look - 1)
        look += 1


def _look(tracks: Sequence[_Track], place: int, digest: str) -> SeriesLook:
    """Hold the run at `place` against all before it, and count it among them."""
    units: Counter[Unit] = Counter()
    observed: Counter[int] = Counter()
    items, changes = 0, []
    for track in tracks:
        earlier, before = track.runs, track.total
        value = track.add(place)
        if value is None or not earlier:
            continue
        count = track.item.count
        unit = _newest(tuple(sorted(track.seen.items())), track.item.denominator)
        units[unit] += count
        top = track.runs * value - track.total
        observed[unit.denominator] += count * top
        items += count
        changes.append(count * (value - before / earlier) / track.item.denominator)
    test = permutation_test(units, observed, seed=digest)
    share = int.from_bytes(hashlib.sha256(digest.encode()).digest()[:8]) / 2.0**64
    less, equal = 2.0 * test.p_worse - test.p_exact, 2.0 * (test.p_exact - test.p_worse)
    p = less + share * equal if test.n_informative else share
    return SeriesLook(items=items, change=math.fsum(changes) / items if items else 0.0, p=p, by_run=False, capital=1.0)


@functools.lru_cache(maxsize=65536)
def _newest(seen: tuple[tuple[int, int], ...], denominator: int) -> Unit:
    """Return the unit of an item of which one run, any of them, is the newest."""
    runs = sum(count for _, count in seen)
    total = sum(value * count for value, count in seen)
    squares = sum(value * value * count for value, count in seen)
    options = tuple((runs * value - total, count) for value, count in seen) if len(seen) <= MAX_OPTIONS else None
    return Unit(options, denominator * (runs - 1), float(runs * squares - total * total))


def _run_means(tracks: Sequence[_Track]) -> tuple[list[float], list[_Track]]:
    """Return the mean of each run over the items that have all runs, and these items."""
    complete = [track for track in tracks if None not in track.values]
    n = sum(track.item.count for track in complete)
    if not n:
        return [], []
    sums = [
        math.fsum(track.item.count * (track.values[place] or 0) / track.item.denominator for track in complete)
        for place in range(len(complete[0].values))
    ]
    return [total / n for total in sums], complete


def _moves_together(complete: Sequence[_Track], means: Sequence[float]) -> bool:
    """Whether the runs so far show that whole runs move together."""
    n = sum(track.item.count for track in complete)
    if len(means) < 2 or not n:
        return False
    variance = math.fsum(track.item.count * track.variance for track in complete) / n
    found = run_shift(means, variance, n)
    return found is not None and found.is_seen
