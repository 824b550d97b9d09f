"""Simulated systems whose answers are drawn with numpy, for the simulations of many cells.

The suites are those of simulated_world.py (*hot*, *cold*); *greedy* answers three quarters of its items right and the
rest wrong, and flips one answer in a hundred. All runs of a world, the last of them the candidate, come from one seed,
so that two versions of the code can be held against the same answers.
"""

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from insideLLMs.compare.statistics.assess import Assessment, assess
from insideLLMs.compare.statistics.items import ItemCounts

FLIPS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is simulated: `n` items in each of `probes` probes, asked `repeats` times in each of `runs` baseline runs.

    `shift` is the standard deviation of the shift of a whole run, on the logit scale. With `cluster`, so many items in
    a row share a shift of standard deviation 1 in each run; `is_named` says whether the gate knows the clusters.
    """

    suite: str = "hot"
    n: int = 100
    runs: int = 1
    repeats: int = 1
    change: str = "none"
    shift: float = 0.0
    cluster: int = 0
    is_named: bool = False
    probes: int = 1

    @property
    def name(self) -> str:
        """The cell's name, which also seeds its draws."""
        parts = [self.change, self.suite, f"n={self.n}", f"R={self.runs}", f"k={self.repeats}"]
        parts += [f"shift={self.shift:g}"] if self.shift else []
        parts += [f"clusters of {self.cluster}, {'named' if self.is_named else 'not named'}"] if self.cluster else []
        parts += [f"{self.probes} probes"] if self.probes > 1 else []
        return " ".join(parts)

    def source(self, number: int) -> np.random.Generator:
        """Return the randomness of one draw."""
        return np.random.default_rng([zlib.crc32(self.name.encode()), number])


def chances_of(suite: str, n: int, source: np.random.Generator) -> Any:
    """Draw each item's chance to pass."""
    part, flat = source.random(n), source.random(n)
    if suite == "hot":
        sure, lost = source.beta(20, 0.5, n), source.beta(0.5, 20, n)
        return np.where(part < 0.5, sure, np.where(part < 0.7, lost, flat))
    if suite == "greedy":
        return np.where(part < 0.75, 1.0 - FLIPS, FLIPS)
    return np.where(part < 0.65, 1.0, np.where(part < 0.9, 0.0, flat))


def changed(chances: Any, change: str, source: np.random.Generator) -> Any:
    """Return the candidate's chances.

    "drop 5": every chance is scaled, so that their mean falls by 5 points. "fade 5": all are shifted on the logit
    scale, so that it falls by as much, and flaky items suffer most. "break 5": 5% of the items, all with a chance above
    .9, pass as seldom as they failed.
    """
    kind, _, size = change.partition(" ")
    if kind == "none":
        return chances
    share = float(size) / 100
    if kind == "drop":
        return chances * max(0.0, 1.0 - share / max(1e-9, chances.mean()))
    if kind == "fade":
        return _faded(chances, chances.mean() - share)
    sure = np.flatnonzero(chances > 0.9)
    broken = source.choice(sure, min(len(sure), max(1, round(share * len(chances)))), replace=False)
    after = chances.copy()
    after[broken] = 1.0 - after[broken]
    return after


def _faded(chances: Any, mean: float) -> Any:
    low, high = -30.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _shifted(chances, middle).mean() < mean else (low, middle)
    return _shifted(chances, low)


def _shifted(chances: Any, shift: Any) -> Any:
    """Shift chances on the logit scale; certain ones stay."""
    inside = np.clip(chances, 1e-12, 1.0 - 1e-12)
    moved = 1.0 / (1.0 + (1.0 - inside) / inside * np.exp(-shift))
    return np.where((chances == 0.0) | (chances == 1.0), chances, moved)


def passes_of(world: World, source: np.random.Generator) -> Any:
    """Draw how often each item passes in each run: a row per item, the candidate in the last column."""
    items = world.n * world.probes
    before = chances_of(world.suite, items, source)
    after = changed(before, world.change, source)
    chances = np.column_stack([*[before] * world.runs, after])
    shifts = source.normal(0.0, world.shift, world.runs + 1) if world.shift else np.zeros(world.runs + 1)
    if world.cluster:
        groups = source.normal(0.0, 1.0, (-(-items // world.cluster), world.runs + 1))
        shifts = shifts + np.repeat(groups, world.cluster, axis=0)[:items]
    if world.shift or world.cluster:
        chances = _shifted(chances, shifts)
    return source.binomial(world.repeats, chances)


def counts_of(world: World, passes: Any) -> ItemCounts:
    """Count the items by shape, as the gate reads them."""
    scores = [(1.0,) * right + (0.0,) * (world.repeats - right) for right in range(world.repeats + 1)]
    found: Counter[tuple[int, int, tuple[int, ...]]] = Counter()
    for place, row in enumerate(passes.tolist()):
        found[place // world.n, place // world.cluster if world.is_named else -1, tuple(row)] += 1
    tally = ItemCounts()
    for (probe, cluster, row), count in found.items():
        runs = tuple(scores[right] for right in row)
        name = f"probe {probe}" if world.probes > 1 else "probe"
        tally.add_equal(name, runs[:-1], runs[-1:], count=count, cluster=None if cluster < 0 else str(cluster))
    return tally


def judge(world: World, number: int) -> Assessment:
    """Draw a comparison and let the default gate's statistics judge it."""
    return assess(counts_of(world, passes_of(world, world.source(number))))
