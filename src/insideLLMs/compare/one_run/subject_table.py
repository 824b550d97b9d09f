"""Subjects of one run side by side: how each came out on each probe, and how far it is from one of them.

The differences are paired: both subjects answered the same examples. Their p-values are those of the run-label
permutation test, two-sided, and corrected by Holm over all comparisons that were made. Where the subject to compare
with was chosen because it came out best, these are the comparisons of every subject with every other, as each could
have been the best.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from insideLLMs.compare.observations import cluster_of
from insideLLMs.compare.score_ranges import ScoreRanges, ranges_in_force
from insideLLMs.compare.sides import RunView
from insideLLMs.compare.statistics.distributions import holm
from insideLLMs.compare.statistics.items import ItemCounts, RunValues, pair
from insideLLMs.compare.statistics.sample import Sample, gather
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.run_summary import MemberSummary, Summary
from insideLLMs.core.subject import Subject

Reference = Callable[[Subject], Subject | None]
"""The subject that another one is compared with, if any."""
Values = tuple[tuple[float | None, ...], ...]
"""What an example came to, by subject in their order, and by repeat; empty where a subject has no Trial of it."""


class SubjectDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How far a subject is from `against`, on the examples that both have a score for, as shares of 1.

    `delta` lies between `low` and `high` at the run's confidence level; `worse` and `better` count the examples.
    `p` is two-sided, `p_holm` corrected over all comparisons.
    """

    against: str
    n: int
    worse: int
    better: int
    delta: float
    low: float
    high: float
    p: float
    p_holm: float


class SubjectRow(msgspec.Struct, frozen=True, kw_only=True):
    """One subject on one probe.

    `difference` is None for one that others are compared with, and where it has no example in common with that.
    """

    subject: str
    is_baseline: bool
    result: MemberSummary
    difference: SubjectDifference | None


class SubjectTable(msgspec.Struct, frozen=True, kw_only=True):
    """What `compare --json` prints. `baseline` names what was compared with, `chosen` by whom."""

    run_id: str
    label: str
    baseline: str
    chosen: Literal["best", "given"]
    comparisons: int
    confidence_level: float
    rows: tuple[SubjectRow, ...]
    format: Literal["insidellms/subjects/1"] = "insidellms/subjects/1"


def subject_table(
    run: RunView, summary: Summary, *, baseline: str | None = None, reference: Reference | None = None
) -> SubjectTable:
    """Compare the subjects of a run with their `reference`, called `baseline`; without one with the best.

    Raises CompareError for a score outside its range.
    """
    items = _read(run)
    best = None
    if reference is None:
        best = items.best()
        reference = dict.fromkeys(run.subjects, best).get
    pairs = {
        (probe, subject): other
        for probe in run.probes
        for subject in run.subjects
        if (other := reference(subject)) is not None and other != subject
    }
    found = _tested(items, pairs, summary.confidence_level, every=best is not None)
    return SubjectTable(
        run_id=run.run_id,
        label=run.label,
        baseline=best.label if best is not None else baseline or "",
        chosen="given" if best is None else "best",
        comparisons=found.comparisons,
        confidence_level=summary.confidence_level,
        rows=tuple(
            SubjectRow(
                subject=result.subject.label,
                is_baseline=reference(result.subject) == result.subject,
                result=result,
                difference=found.differences.get((result.probe, result.subject)),
            )
            for result in summary.results
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    """The examples of a run, counted by what they came to: equal ones are one entry."""

    run_id: str
    subjects: tuple[Subject, ...]
    counts: Counter[tuple[str, str | None, Values]]

    def sample(self, probe: str, before: Subject, after: Subject) -> Sample | None:
        """Pair two subjects on one probe; None where they have no example in common."""
        ours, theirs = self.subjects.index(before), self.subjects.index(after)
        tally = ItemCounts()
        for (name, cluster, values), count in self.counts.items():
            if name == probe and values[ours] and values[theirs]:
                sides: tuple[RunValues, RunValues] = ((values[ours],), (values[theirs],))
                tally.add_equal(probe, *sides, count=count, cluster=cluster)
        pairs = (pair(each, n, missing_as_fail=False, independent=False) for each, n in tally.counts.items())
        return gather([found for found in pairs if found is not None])

    def best(self) -> Subject:
        """Return the subject with the best mean over the probes, of equal ones the first; what is missing is worst."""
        return max(self.subjects, key=lambda subject: (self._mean(subject), -self.subjects.index(subject)))

    def _mean(self, subject: Subject) -> float:
        place = self.subjects.index(subject)
        sums: dict[str, list[float]] = {}
        for (probe, _, values), count in self.counts.items():
            known = [value or 0.0 for value in values[place]]
            total, n = sums.setdefault(probe, [0.0, 0.0])
            if known:
                sums[probe] = [total + count * math.fsum(known) / len(known), n + count]
        return math.fsum(total / n if n else 0.0 for total, n in sums.values())


def _read(run: RunView) -> _Items:
    ranges = ranges_in_force((run,))
    places = {subject: place for place, subject in enumerate(run.subjects)}
    counts: Counter[tuple[str, str | None, Values]] = Counter()
    named = GateSpec().cluster
    where = f"run {run.label!r}: a record"
    read = (read_record(line, Facts, where=where) for line in run.records())
    for _, group in itertools.groupby(read, key=lambda facts: (facts.probe, facts.dataset, facts.example_id)):
        trials = tuple(group)
        found: list[list[float | None]] = [[] for _ in places]
        for facts in trials:
            if facts.status != "skipped":
                found[places[facts.subject]].append(_quality(facts, ranges))
        counts[trials[0].probe, cluster_of(trials[0], named), tuple(map(tuple, found))] += 1
    return _Items(run_id=run.run_id, subjects=run.subjects, counts=counts)


def _quality(facts: Facts, ranges: ScoreRanges) -> float | None:
    value = ranges.quality(facts)
    if value is not None and not 0.0 <= value <= 1.0:
        raise CompareError(ranges.tell_outside(facts), fix="let the probe declare its score_ranges")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    differences: Mapping[tuple[str, Subject], SubjectDifference]
    comparisons: int


def _tested(items: _Items, pairs: Mapping[tuple[str, Subject], Subject], level: float, *, every: bool) -> _Tested:
    """Test each pair; `every` corrects over all pairs that there could be."""
    asked = {(probe, frozenset((subject, other))): (other, subject) for (probe, subject), other in pairs.items()}
    if every:
        for probe in dict.fromkeys(probe for probe, _ in pairs):
            for before, after in itertools.combinations(items.subjects, 2):
                asked.setdefault((probe, frozenset((before, after))), (before, after))
    samples = {key: items.sample(key[0], *order) for key, order in asked.items()}
    known = {key: sample for key, sample in samples.items() if sample is not None}
    p_values = {key: sample.test(f"{items.run_id}|{key[0]}").p_two for key, sample in known.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    differences = {}
    for (probe, subject), other in pairs.items():
        key = (probe, frozenset((subject, other)))
        if key in known:
            differences[probe, subject] = _difference(other, known[key], (p_values[key], adjusted[key]), level)
    return _Tested(differences=differences, comparisons=len(known))


def _difference(against: Subject, sample: Sample, p: Sequence[float], level: float) -> SubjectDifference:
    interval = sample.interval(level)
    return SubjectDifference(
        against=against.label,
        n=sample.n,
        worse=sample.n_worse,
        better=sample.n_better,
        delta=sample.delta,
        low=interval.low,
        high=interval.high,
        p=p[0],
        p_holm=p[1],
    )
