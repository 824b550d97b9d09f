"""Items by how they stand: they pass every time, fail every time, or are flaky; and where they went."""

from collections import Counter
from collections.abc import Collection

import msgspec

from insideLLMs.compare.statistics.items import ItemCounts

STATES = ("stable_pass", "flaky", "stable_fail")


class Transitions(msgspec.Struct, frozen=True, kw_only=True):
    """Items by state in the newest baseline run and in the candidate; every pair of states is named.

    Only items with a verdict in every repeat of both sides have a state. `repeats` is the most that an item had
    on a side: with one repeat nothing can be flaky.
    """

    items: int
    repeats: int
    moves: dict[str, dict[str, int]]

    @property
    def hard_regressions(self) -> int:
        """Items that passed every time and now fail every time."""
        return self.moves["stable_pass"]["stable_fail"]


def transitions(tally: ItemCounts, names: Collection[str]) -> Transitions:
    """Count the items of the probes `names` by state before and after."""
    counts: Counter[tuple[str, str]] = Counter()
    repeats = 1
    for shape, count in tally.counts.items():
        if shape.probe not in names:
            continue
        before, after = _state(shape.baseline[-1]), _state(shape.candidate[-1])
        if before is not None and after is not None:
            counts[before, after] += count
            repeats = max(repeats, len(shape.baseline[-1]), len(shape.candidate[-1]))
    moves = {before: {after: counts[before, after] for after in STATES} for before in STATES}
    return Transitions(items=sum(counts.values()), repeats=repeats, moves=moves)


def _state(scores: tuple[float | None, ...]) -> str | None:
    if not scores or not set(scores) <= {0.0, 1.0}:
        return None
    passes = sum(score == 1.0 for score in scores)
    return "stable_fail" if not passes else "stable_pass" if passes == len(scores) else "flaky"
