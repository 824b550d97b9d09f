"""Which examples a blame asks again: those that fell, and beside them some that failed in both runs or in none."""

import hashlib
import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

from insideLLMs.compare.align import Aligned
from insideLLMs.compare.score_ranges import ScoreRanges
from insideLLMs.core.record_views import Facts
from insideLLMs.core.subject import Subject

MOST_FALLEN, MOST_CALM = 20, 4
"""How many are asked with changes."""
MOST_DRAWN = 60
"""How many of the fallen, and of the stubborn, may be asked whether the provider changed."""
_SCORE_DROP = 0.2
"""By how much a score without a verdict falls, as a share of its range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedItem:
    """An example of a probe, asked of one subject of each run; an answer that counts less than `cut` fell.

    `is_verdict` is whether the probe says pass or fail of it.
    """

    probe: str
    datasets: tuple[str, str]
    example_id: str
    subjects: tuple[Subject, Subject]
    cut: float
    is_verdict: bool


@dataclass(slots=True)
class _Drawn:
    """The examples whose hash is least, of however many there are: drawn without a look at their answers."""

    most: int
    total: int = 0
    heap: list[tuple[int, int, AskedItem]] = field(default_factory=list)

    def add(self, item: AskedItem) -> None:
        self.total += 1
        digest = hashlib.sha256("\0".join((item.probe, item.example_id, item.subjects[1].label)).encode()).digest()
        entry = (-int.from_bytes(digest[:8]), -self.total, item)
        if len(self.heap) < self.most:
            heapq.heappush(self.heap, entry)
        else:
            heapq.heappushpop(self.heap, entry)

    def items(self) -> tuple[AskedItem, ...]:
        return tuple(item for _, _, item in sorted(self.heap, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was drawn, and how many were compared and fell in all.

    `balanced` of the fallen are as large a share of all as the stubborn are; `reserve` are further fallen ones, for the
    provider alone. `unanswered` are those that the baseline answered and the candidate did not.
    """

    fallen: tuple[AskedItem, ...]
    reserve: tuple[AskedItem, ...]
    stubborn: tuple[AskedItem, ...]
    calm: tuple[AskedItem, ...]
    balanced: int
    total: int
    total_fallen: int
    unanswered: int

    @property
    def items(self) -> tuple[AskedItem, ...]:
        """All of them, in the order in which they are numbered."""
        return (*self.fallen, *self.reserve, *self.stubborn, *self.calm)


def choose(trials: Iterable[Aligned], ranges: ScoreRanges) -> Chosen:
    """Draw examples from two aligned runs by their first answers: those that fell, and some to hold them against."""
    compared = unanswered = 0
    fallen, stubborn, calm = _Drawn(MOST_DRAWN), _Drawn(MOST_DRAWN), _Drawn(MOST_CALM)
    for _, group in groupby(trials, key=lambda pair: pair.key[:4]):
        first = next(group)
        if first.baseline is None or first.candidate is None:
            continue
        before, after = ranges.quality(first.baseline), ranges.quality(first.candidate)
        if before is None or after is None:
            unanswered += before is not None
            continue
        compared += 1
        item = _item(first.baseline, first.candidate, before, after)
        if before - after >= (1.0 if item.is_verdict else _SCORE_DROP):
            fallen.add(item)
        elif item.is_verdict and (before, after) == (0.0, 0.0):
            stubborn.add(item)
        elif item.is_verdict and (before, after) == (1.0, 1.0):
            calm.add(item)
    return replace(_in_step(compared, fallen, stubborn, calm), unanswered=unanswered)


def _item(baseline: Facts, candidate: Facts, before: float, after: float) -> AskedItem:
    is_verdict = baseline.passed is not None and candidate.passed is not None
    return AskedItem(
        probe=candidate.probe,
        datasets=(baseline.dataset, candidate.dataset),
        example_id=candidate.example_id,
        subjects=(baseline.subject, candidate.subject),
        cut=0.5 if is_verdict else (before + after) / 2,
        is_verdict=is_verdict,
    )


def _in_step(compared: int, fallen: _Drawn, stubborn: _Drawn, calm: _Drawn) -> Chosen:
    """Take equal shares of the fallen and the stubborn for the question whether the provider changed."""
    share = min(
        len(fallen.heap) / max(1, fallen.total),
        len(stubborn.heap) / stubborn.total if stubborn.total else 1.0,
    )
    return Chosen(
        fallen=fallen.items()[:MOST_FALLEN],
        reserve=fallen.items()[MOST_FALLEN:],
        stubborn=stubborn.items()[: math.ceil(share * stubborn.total)],
        calm=calm.items(),
        balanced=math.floor(share * fallen.total),
        total=compared,
        total_fallen=fallen.total,
        unanswered=0,
    )
