"""The world of the false-alarm simulation: items with a chance to pass, changes to them, runs, and asking again.

*hot*: half of the chances are Beta(20, .5), a fifth Beta(.5, 20), the rest uniform (a model at temperature 1).
*cold*: 65% are 1, a quarter 0, a tenth uniform (temperature 0). A change is diffuse (``diff x``: all chances
scaled so that their mean falls x points), hard (``flip x``: x% of the items go from p > .9 to 1 - p), or sits in
one probe.
"""

import math
import random
from collections.abc import Callable, Sequence

from insideLLMs.compare.statistics.assess import Assessment, assess
from insideLLMs.compare.statistics.confirmation import (
    Answers,
    confirm,
    first_pass_repeats,
    is_dropped,
    judge_pass,
    second_pass_repeats,
)
from insideLLMs.compare.statistics.evidence import Background
from insideLLMs.compare.statistics.items import ItemCounts

Chances = list[float]
ITEMS = 60
"""Items per probe, where there are probes."""


def suite(kind: str, n: int, source: random.Random) -> Chances:
    """Draw each item's chance to pass."""
    return [_hot(source) if kind == "hot" else _cold(source) for _ in range(n)]


def _hot(source: random.Random) -> float:
    part = source.random()
    if part < 0.5:
        return source.betavariate(20, 0.5)
    return source.betavariate(0.5, 20) if part < 0.7 else source.random()


def _cold(source: random.Random) -> float:
    part = source.random()
    if part < 0.65:
        return 1.0
    return 0.0 if part < 0.9 else source.random()


def unchanged(chances: Chances, _: random.Random) -> Chances:
    return chances


def diffuse(drop: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, _: random.Random) -> Chances:
        factor = max(0.0, 1.0 - drop / max(1e-9, sum(chances) / len(chances)))
        return [chance * factor for chance in chances]

    return change


def hard(share: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, source: random.Random) -> Chances:
        sure = [place for place, chance in enumerate(chances) if chance > 0.9]
        broken = set(source.sample(sure, min(len(sure), max(1, round(share * len(chances))))))
        return [1.0 - chance if place in broken else chance for place, chance in enumerate(chances)]

    return change


def one_probe(drop: float) -> Callable[[Chances, random.Random], Chances]:
    def change(chances: Chances, source: random.Random) -> Chances:
        return [*diffuse(drop)(chances[:ITEMS], source), *chances[ITEMS:]]

    return change


CHANGES = {
    "null": unchanged,
    "diff1": diffuse(0.01),
    "diff2": diffuse(0.02),
    "diff5": diffuse(0.05),
    "diff10": diffuse(0.10),
    "diff15": diffuse(0.15),
    "flip1": hard(0.01),
    "flip.5": hard(0.005),
    "one probe -20": one_probe(0.20),
}


def answer_run(
    chances: Chances, repeats: int, source: random.Random, *, copies: bool = False
) -> list[tuple[float, ...]]:
    """Answer every item `repeats` times; with `copies`, the repeats of a run are one answer."""
    draw = source.random
    if copies:
        return [(float(draw() < chance),) * repeats for chance in chances]
    return [tuple([float(draw() < chance) for _ in range(repeats)]) for chance in chances]


Runs = Sequence[Sequence[tuple[float, ...]]]


def compare(
    baseline: Runs, candidate: Runs, *, background: Background | None = None, per_probe: int = 0, cluster: int = 0
) -> Assessment:
    """Assess runs; items go to probes of `per_probe` items, and to clusters of `cluster`, in order."""
    tally = ItemCounts()
    for place, (before, after) in enumerate(
        zip(zip(*baseline, strict=True), zip(*candidate, strict=True), strict=True)
    ):
        probe = f"probe {place // per_probe}" if per_probe else "probe"
        tally.add_equal(probe, before, after, cluster=str(place // cluster) if cluster else None)
    return assess(tally, background=background)


class Lab:
    """Item confirmation in the simulated world: asks again, and counts what it costs."""

    def __init__(self, before: Chances, after: Chances, source: random.Random, *, correlation: float = 0.0) -> None:
        self.chances = (before, after)
        self.source = source
        self.calls = 0
        self.stick = math.sqrt(correlation)

    def ask(self, side: int, place: int, repeats: int, *, stop: bool = False) -> tuple[int, int]:
        """Ask one item in one session; return passes and answers. Answers of a session correlate."""
        chance, draw = self.chances[side][place], self.source.random
        session = draw() < chance
        passes = asked = 0
        while asked < repeats and not (stop and is_dropped(passes)):
            passes += session if draw() < self.stick else draw() < chance
            asked += 1
        self.calls += asked
        return passes, asked

    def one_pass(self, places: Sequence[int], repeats: int, *, stop: bool) -> dict[str, Answers]:
        found = {}
        for place in places:
            after, asked_after = self.ask(1, place, repeats, stop=stop)
            survives = not (stop and is_dropped(after))
            before, asked_before = self.ask(0, place, repeats) if survives else (0, 0)
            found[str(place)] = Answers(
                baseline_passes=before, baseline_asked=asked_before, candidate_passes=after, candidate_asked=asked_after
            )
        return found

    def confirm(self, newest: Sequence[tuple[float, ...]], candidate: Sequence[tuple[float, ...]]) -> float:
        """Return the p of confirmed items."""
        selected = [place for place, (a, b) in enumerate(zip(newest, candidate, strict=True)) if a[0] > b[0]]
        if not selected:
            return 1.0
        first = self.one_pass(selected, first_pass_repeats(len(selected)), stop=True)
        survivors = [int(place) for place in judge_pass(first).confirmed]
        second = self.one_pass(survivors, second_pass_repeats(max(1, len(survivors))), stop=False)
        return confirm(first, second).p


def logit_shift(chances: Chances, shifts: Sequence[float]) -> Chances:
    """Shift each chance by so much on the logit scale; certain items stay certain."""
    return [
        chance if chance in (0.0, 1.0) else 1.0 / (1.0 + (1.0 - chance) / chance * math.exp(-shift))
        for chance, shift in zip(chances, shifts, strict=True)
    ]
