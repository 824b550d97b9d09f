"""The proof of a suspected set where answers vary: each of its changes is taken out and put back, in many examples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from insideLLMs.compare.blame.answers import NONE, Changes, ItemQuestion, SeenAnswers
from insideLLMs.compare.statistics.fair_pairs import FairPairs

_BATCH = 4
_MOST_PAIRS, _MOST_PAIRS_OF_ONE = 40, 10
_FUTILE_AFTER = 9
_LEANING = 0.2
"""Up to this p a change that was not proved may still take part: the set is tried again without the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A set of changes, the example that it was split from, and all examples that it concerns."""

    cause: Changes
    first: int
    items: Sequence[int]


class PairedProof:
    """Pairs of fresh answers, with the whole set and without each of its changes in turn."""

    def __init__(self, answers: SeenAnswers, suspicion: Suspicion, all_of: Callable[[int], Changes]) -> None:
        self._answers, self._suspicion, self._all = answers, suspicion, all_of
        self._pairs = {change: FairPairs() for change in sorted(suspicion.cause)}
        self._asked: dict[int, int] = {}

    @property
    def p(self) -> float:
        """The p of the change that is proved worst."""
        return max(test.p for test in self._pairs.values())

    @property
    def leaning(self) -> Changes:
        """The changes that may take part."""
        return frozenset(change for change, test in self._pairs.items() if test.p <= _LEANING)

    def succeeds(self, enough: float) -> bool:
        """Ask until each change is proved at `enough`, or until nothing comes of it."""
        while self.p > enough and sum(self._asked.values()) < _MOST_PAIRS and not self._is_futile():
            self._ask_batch(self._next_items())
        return self.p <= enough

    def _is_futile(self) -> bool:
        is_late = sum(self._asked.values()) >= _FUTILE_AFTER
        return is_late and any(test.wins <= test.losses + 1 for test in self._pairs.values())

    def _ask_batch(self, items: Sequence[int]) -> None:
        arms = [self._suspicion.cause, *(self._suspicion.cause - {change} for change in self._pairs)]
        answers = self._answers.ask([ItemQuestion(item, arm) for item in items for arm in arms])
        for place, item in enumerate(items):
            self._asked[item] = self._asked.get(item, 0) + 1
            whole, *without = answers[place * len(arms) : (place + 1) * len(arms)]
            for test, answer in zip(self._pairs.values(), without, strict=True):
                add_pairs(test, [(whole, answer)])

    def _next_items(self) -> list[int]:
        """Return the next examples, those first that fell under the set; their next pair is fresh anyway."""
        known = [item for item in self._suspicion.items if item != self._suspicion.first]
        promises = {item: self._promise(item) for item in (self._suspicion.first, *known)}
        best = max(promises.values())
        worth = [item for item, found in promises.items() if found >= best / 2]
        return sorted(worth, key=lambda item: -promises[item])[:_BATCH]

    def _promise(self, item: int) -> float:
        """Guess how often a pair of an example differs, from all that is known of it."""
        alone, whole = (self._answers.tally([item], applied) for applied in (self._suspicion.cause, self._all(item)))
        calm = self._answers.tally([item], NONE)
        falls = (alone.fell + whole.fell / 2 + 0.3) / (alone.asked + whole.asked / 2 + 0.9)
        holds = (calm.asked - calm.fell + 0.5) / (calm.asked + 1)
        return falls * holds / (1 + self._asked.get(item, 0) // _MOST_PAIRS_OF_ONE)


def add_pairs(test: FairPairs, pairs: Iterable[tuple[bool | None, bool | None]]) -> None:
    """Count the pairs that differ; the first of each is expected to fall."""
    for with_it, without in pairs:
        if with_it is not None and without is not None and with_it != without:
            test.add(expected=with_it)
