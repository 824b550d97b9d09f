"""Counting: Trials by class and level, how each side came out, and what the provider said of the answers it served."""

from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from insideLLMs.compare.answers.levels import Difference, Level, shows_nothing
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.comparison import PairedCounts, SemanticFacts, ServedChange, SideCounts, Tally, UsageChange
from insideLLMs.compare.score_ranges import ScoreRanges
from insideLLMs.core.record_views import Facts, ScoreFacts, ServedResponse
from insideLLMs.core.types import ResultStatus, Usage

if TYPE_CHECKING:  # it reads texts, which nobody else does
    from insideLLMs.compare.meaning import Meaning

_UNSCORED = ScoreFacts()
Side = Counter[tuple[str, bool | None]]


class Counting:
    """The running tally of one probe and one pair of models.

    `same` counts the Trials whose two lines are equal: their class follows from their status. `able`, `blank`,
    `shows` and `unscored` are those of ProbeTally.
    """

    __slots__ = (
        "able", "alike", "baseline", "blank", "candidate", "kinds", "levels", "paired", "same", "shows", "unscored",
    )  # fmt: skip

    def __init__(self) -> None:
        self.able = self.alike = self.blank = self.unscored = 0
        self.shows = False
        self.kinds: Counter[ChangeClass] = Counter()
        self.levels: Counter[Level] = Counter()
        self.same: Side = Counter()
        self.baseline: Side = Counter()
        self.candidate: Side = Counter()
        self.paired: Counter[tuple[bool, bool]] = Counter()

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

    def weigh(self, baseline: Facts, candidate: Facts, ranges: ScoreRanges) -> None:
        """Note of a Trial that the gate counts whether it could get worse, and whether there is anything to compare."""
        if not (baseline.answered and candidate.answered):
            self.able += ranges.can_fall(baseline)
            return
        ours, theirs = baseline.scores or _UNSCORED, candidate.scores or _UNSCORED
        is_scored = ours.passed is not None and theirs.passed is not None
        if ours.passed is None and theirs.passed is None:
            is_scored = bool(ours.values) and ours.values.keys() <= theirs.values.keys()
        self.unscored += not is_scored
        self.able += is_scored and ranges.can_fall(baseline)
        if any(one.passed or (one.passed is None and one.values) for one in (ours, theirs)):
            self.shows = True
            return
        has_verdict = ours.passed is not None or theirs.passed is not None
        if not (self.shows and has_verdict):
            is_blank = shows_nothing(baseline) and shows_nothing(candidate)
            self.blank += is_blank and not has_verdict
            self.shows = self.shows or not is_blank

    def include(self, other: "Counting") -> None:
        """Add another tally's counts to this one's."""
        for name in ("kinds", "levels", "same", "baseline", "candidate", "paired"):
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


Field = Literal["model", "fingerprint", "finish_reason"]
_FIELDS: tuple[Field, ...] = ("model", "fingerprint", "finish_reason")
_decode_served = msgspec.json.Decoder(ServedResponse | None).decode
_NOTHING_SERVED = ServedResponse()
_DISTINCT_LIMIT = 1_000
_VALUE_LIMIT = 200  # characters; a provider's word for itself is no text


class ServedFacts:
    """The running count of served facts that changed; call it for aligned Trials whose responses differ.

    At most a thousand distinct changes of a field are counted separately (a fingerprint may be new in every answer);
    `overflow` counts what comes after them.
    """

    def __init__(self) -> None:
        self._changes: Counter[tuple[Field, str | None, str | None]] = Counter()
        self._usage = [0, 0, 0, 0, 0]
        self.overflow: Counter[str] = Counter()

    def add(self, baseline: Facts, candidate: Facts) -> None:
        """Compare what served the two answers of one Trial."""
        ours, theirs = (_decode_served(side.response) or _NOTHING_SERVED for side in (baseline, candidate))
        for field in _FIELDS:
            before, after = getattr(ours, field), getattr(theirs, field)
            if before != after:
                self._count(field, _short(before), _short(after))
        is_counted = baseline.shared_with is None and candidate.shared_with is None  # elsewhere, where it was asked for
        if is_counted and ours.usage is not None and theirs.usage is not None and ours.usage != theirs.usage:
            self._add_usage(ours.usage, theirs.usage)

    def _count(self, field: Field, before: str | None, after: str | None) -> None:
        change = (field, before, after)
        if change in self._changes or len(self._changes) < _DISTINCT_LIMIT:
            self._changes[change] += 1
        else:
            self.overflow[field] += 1

    def _add_usage(self, ours: Usage, theirs: Usage) -> None:
        counts = (1, ours.input_tokens, theirs.input_tokens, ours.output_tokens, theirs.output_tokens)
        self._usage = [sum_ + (count or 0) for sum_, count in zip(self._usage, counts, strict=True)]

    def changes(self, limit: int) -> tuple[ServedChange, ...]:
        """Return the changes, the most frequent of each field first, at most `limit`."""
        ordered = sorted(
            self._changes.items(),
            key=lambda item: (_FIELDS.index(item[0][0]), -item[1], item[0][1] or "", item[0][2] or ""),
        )
        return tuple(
            ServedChange(field=field, baseline=before, candidate=after, trials=trials)
            for (field, before, after), trials in ordered[:limit]
        )

    def usage(self) -> UsageChange:
        """Return the token totals over the Trials whose counts differ."""
        trials, before_in, after_in, before_out, after_out = self._usage
        return UsageChange(
            trials=trials,
            baseline_input_tokens=before_in,
            candidate_input_tokens=after_in,
            baseline_output_tokens=before_out,
            candidate_output_tokens=after_out,
        )


def _short(value: str | None) -> str | None:
    return value[:_VALUE_LIMIT] if value is not None else None
