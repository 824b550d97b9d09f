"""From aligned Trials to what the statistics read: items with their repeats, counted by shape in the same pass."""

from collections import Counter

from insideLLMs.compare.align import Aligned, Key
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.statistics import Tally
from insideLLMs.compare.view import Facts

Values = tuple[float | None, ...]


def observed_value(facts: Facts) -> float | None:
    """Return what a Trial counts as: its verdict as 1 or 0, else its one score, or of several the one named `score`.

    None is a Trial that was not answered, or whose scores do not say which of them counts.
    """
    if facts.scores is None or not facts.answered:
        return None
    if facts.scores.passed is not None:
        return float(facts.scores.passed)
    values = facts.scores.values
    return next(iter(values.values())) if len(values) == 1 else values.get("score")


class Observations:
    """An observer for `compare` that groups Trials into items: one per probe, example and pair of models.

    Examples that only one side has, or that were edited, are no items: the comparison lists them. A repeat that
    was not answered is an item's missing value. With several pairs of models each is a probe of its own, named
    ``probe · model``.
    """

    def __init__(self, *, several_models: bool = False) -> None:
        self._several = several_models
        self._counts: Counter[tuple[str, Values, Values]] = Counter()
        self._item: Key | None = None
        self._name = ""
        self._before: list[float | None] = []
        self._after: list[float | None] = []

    def __call__(self, pair: Aligned, finding: Finding) -> None:
        """Take in the next Trial of the join."""
        before, after = pair.baseline, pair.candidate
        if self._item is None or pair.key[:4] != self._item[:4]:
            self._close()
            self._item = pair.key
            self._name = self._name_of(before or after)
        if finding.kind is ChangeClass.EDITED:
            return
        if before is after and before is not None:
            value = observed_value(before)
            self._before.append(value)
            self._after.append(value)
            return
        if before is not None:
            self._before.append(observed_value(before))
        if after is not None:
            self._after.append(observed_value(after))

    def tally(self) -> Tally:
        """Return the items seen so far, for `statistics.assess`."""
        self._close()
        tally = Tally()
        for (name, before, after), count in self._counts.items():
            tally.add_equal(name, (before,), (after,), count=count)
        return tally

    def _name_of(self, facts: Facts | None) -> str:
        assert facts is not None
        return f"{facts.probe} · {facts.model}" if self._several else facts.probe

    def _close(self) -> None:
        if self._before and self._after:
            self._counts[self._name, tuple(self._before), tuple(self._after)] += 1
        self._before.clear()
        self._after.clear()
        self._item = None
