"""Counting: Trials by class and level, and how each side came out."""

from collections import Counter
from typing import TYPE_CHECKING

from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.comparison import PairedCounts, SemanticFacts, SideCounts, Tally
from insideLLMs.compare.levels import Difference, Level
from insideLLMs.core.record_views import Facts
from insideLLMs.core.types import ResultStatus

if TYPE_CHECKING:  # it reads texts, which nobody else does
    from insideLLMs.compare.meaning import Meaning

Side = Counter[tuple[str, bool | None]]


class Counting:
    """The running tally of one probe and one pair of models."""

    __slots__ = ("alike", "baseline", "candidate", "kinds", "levels", "paired", "same")

    def __init__(self) -> None:
        self.alike = 0
        self.kinds: Counter[ChangeClass] = Counter()
        self.levels: Counter[Level] = Counter()
        self.same: Side = Counter()
        self.baseline: Side = Counter()
        self.candidate: Side = Counter()
        self.paired: Counter[tuple[bool, bool]] = Counter()

    def add_same(self, facts: Facts) -> None:
        """Count a Trial whose two lines are equal; its class follows from its status."""
        self.same[facts.status, facts.passed] += 1

    def add(self, baseline: Facts | None, candidate: Facts | None, finding: Finding) -> None:
        """Count any other Trial."""
        self.kinds[finding.kind] += 1
        if finding.difference.level is not None:
            self.levels[finding.difference.level] += 1
        if baseline is not None:
            self.baseline[baseline.status, baseline.passed] += 1
        if candidate is not None:
            self.candidate[candidate.status, candidate.passed] += 1
        if baseline is None or candidate is None or finding.kind is ChangeClass.EDITED:
            return
        if baseline.passed is not None and candidate.passed is not None:
            self.paired[baseline.passed, candidate.passed] += 1

    def include(self, other: "Counting") -> None:
        """Add another tally's counts to this one's."""
        self.alike += other.alike
        for name in self.__slots__[1:]:
            getattr(self, name).update(getattr(other, name))

    def total(self) -> Tally:
        """Return the tally; every class, level and status is named, zero or not."""
        kinds, paired = self.kinds.copy(), self.paired.copy()
        for (status, passed), trials in self.same.items():
            kinds[_class_of_same(status)] += trials
            if passed is not None:
                paired[passed, passed] += trials
        return Tally(
            trials=sum(kinds.values()),
            classes={kind.value: kinds[kind] for kind in ChangeClass},
            levels={level.value: self.levels[level] for level in Level},
            baseline=_side(self.same + self.baseline),
            candidate=_side(self.same + self.candidate),
            paired=PairedCounts(
                trials=sum(paired.values()),
                baseline_passed=paired[True, True] + paired[True, False],
                candidate_passed=paired[True, True] + paired[False, True],
            ),
        )


class MeaningCount:
    """Counts what became of the weighed pairs."""

    def __init__(self) -> None:
        self._pairs: Counter[str] = Counter()
        self._held_apart: Counter[str] = Counter()

    def add(self, difference: Difference) -> None:
        """Count a pair, if it was weighed."""
        if difference.held_apart is not None:
            self._held_apart[difference.held_apart] += 1
        elif difference.similarity is not None:
            self._pairs["equivalent" if difference.same_meaning else "below"] += 1

    def facts(self, meaning: "Meaning | None") -> SemanticFacts | None:
        """Return the counts, with what was weighed by."""
        if meaning is None:
            return None
        return SemanticFacts(
            model=meaning.model,
            threshold=meaning.threshold,
            threshold_from=meaning.threshold_from,
            pairs=self._pairs.total() + self._held_apart.total(),
            equivalent=self._pairs["equivalent"],
            below=self._pairs["below"],
            held_apart=dict(sorted(self._held_apart.items())),
        )


def _class_of_same(status: str) -> ChangeClass:
    if status == ResultStatus.SUCCESS:
        return ChangeClass.UNCHANGED
    return ChangeClass.SKIPPED if status == ResultStatus.SKIPPED else ChangeClass.ERRORED


def _side(counts: Side) -> SideCounts:
    statuses = {status.value: 0 for status in ResultStatus}
    for (status, _), trials in counts.items():
        statuses[status] = statuses.get(status, 0) + trials
    return SideCounts(
        trials=sum(counts.values()),
        statuses=statuses,
        scored=sum(trials for (_, passed), trials in counts.items() if passed is not None),
        passed=sum(trials for (_, passed), trials in counts.items() if passed),
    )
