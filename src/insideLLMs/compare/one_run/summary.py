"""Records of one run -> `summary.json`: counts, rates with their denominators, means with their intervals.

Everything is computed from the records alone, in one pass over their sorted lines. Intervals treat the
examples as the sample: the repeats of an example are averaged first, because they are not independent.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from insideLLMs.compare.statistics.distributions import t_quantile, wilson
from insideLLMs.compare.statistics.judges import Labelled, Verdicts, judge_quality, kappa_interval
from insideLLMs.core.record_views import RecordIdentity, ScoreFacts, SummedRecord, SummedScores, read_record
from insideLLMs.core.run_summary import Agreement, Interval, MemberSummary, Summary
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import ResultStatus, Usage

AGREES = "agrees"
"""The score that says whether a verdict is that of the person who labelled the example."""


Scored = SummedScores | ScoreFacts


class ExampleMean(msgspec.Struct):
    """A running mean of per-example means; `open` collects the repeats of the current example."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    open: list[float] = msgspec.field(default_factory=list)

    def close(self) -> None:
        if self.open:
            mean = self.open[0] if len(self.open) == 1 else math.fsum(self.open) / len(self.open)
            self.n += 1
            self.total += mean
            self.squares += mean * mean
            self.open.clear()


class _Member(msgspec.Struct):
    trials: int = 0
    examples: int = 0
    example: tuple[str, str] | None = None
    statuses: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys((status.value for status in ResultStatus), 0)
    )
    scored: int = 0
    passed: int = 0
    shared: int = 0
    verdicts: ExampleMean = msgspec.field(default_factory=ExampleMean)
    scores: dict[str, ExampleMean] = {}
    usage: dict[str, Any] = {}  # tokens are whole, costs are not
    verdict_pairs: list[Verdicts] = []
    labelled: Counter[Verdicts] = msgspec.field(default_factory=Counter)

    def add(self, trial: RecordIdentity, scores: Scored | None, usage: Usage | None, *, is_shared: bool) -> None:
        if (trial.dataset, trial.example_id) != self.example:
            self.close()
            self.example = (trial.dataset, trial.example_id)
            self.examples += 1
        self.trials += 1
        self.statuses[trial.status] += 1
        if scores is not None:
            self._add_scores(scores)
        if is_shared:
            self.shared += 1
        elif usage is not None:
            for name in Usage.__struct_fields__:
                tokens = getattr(usage, name)
                if tokens is not None:
                    self.usage[name] = self.usage.get(name, 0) + tokens

    def _add_scores(self, scores: Scored) -> None:
        if scores.passed is not None:
            self.scored += 1
            self.passed += scores.passed
            self.verdicts.open.append(float(scores.passed))
            if AGREES in scores.values:
                label = scores.passed if scores.values[AGREES] == 1.0 else not scores.passed
                self.verdict_pairs.append(Verdicts.of(label=label, passed=scores.passed))
        for name, value in scores.values.items():
            if name not in self.scores:
                self.scores[name] = ExampleMean()
            self.scores[name].open.append(value)

    def close(self) -> None:
        self.verdicts.close()
        for mean in self.scores.values():
            mean.close()
        if self.verdict_pairs:
            self.labelled[Verdicts.total(self.verdict_pairs)] += 1
            self.verdict_pairs.clear()


Ranges = Mapping[str, Mapping[str, tuple[float, float]]]


class Summariser:
    """Takes the records of a run, in their order, and sums them up."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str, str | None], _Member] = {}

    def add(self, record: SummedRecord) -> None:
        """Take the next record."""
        usage = None if record.response is None else record.response.usage
        self.count(record, record.scores, usage, is_shared=record.shared_with is not None)

    def count(self, trial: RecordIdentity, scores: Scored | None, usage: Usage | None, *, is_shared: bool) -> None:
        """Take what a summary counts of the next record, however it was read."""
        key = (trial.probe, trial.model, trial.prompt)
        member = self._members.get(key)
        if member is None:
            member = self._members[key] = _Member()
        member.add(trial, scores, usage, is_shared=is_shared)

    def result(self, *, run_id: str, confidence_level: float = 0.95, ranges: Ranges | None = None) -> Summary:
        """Return the summary of all records; see `summarise`."""
        members = {(probe, Subject(model, prompt)): member for (probe, model, prompt), member in self._members.items()}
        statuses = dict.fromkeys((status.value for status in ResultStatus), 0)
        for member in members.values():
            member.close()
            for status, count in member.statuses.items():
                statuses[status] += count
        return Summary(
            run_id=run_id,
            trials=sum(statuses.values()),
            statuses=statuses,
            confidence_level=confidence_level,
            results=tuple(
                _close(probe, subject, members[probe, subject], confidence_level, (ranges or {}).get(probe, {}))
                for probe, subject in sorted(members, key=lambda key: (key[0], key[1].order))
            ),
        )


def summarise(
    lines: Iterable[bytes], *, run_id: str, confidence_level: float = 0.95, ranges: Ranges | None = None
) -> Summary:
    """Summarise the lines of a `records.jsonl`, which must be in its order.

    `ranges` gives each probe's declared score ranges, 0 to 1 where it has none; no interval goes beyond them.
    """
    summariser = Summariser()
    for line in lines:
        summariser.add(read_record(line, SummedRecord))
    return summariser.result(run_id=run_id, confidence_level=confidence_level, ranges=ranges)


def _close(
    probe: str, subject: Subject, member: _Member, level: float, ranges: Mapping[str, tuple[float, float]]
) -> MemberSummary:
    return MemberSummary(
        model=subject.model,
        prompt=msgspec.UNSET if subject.prompt is None else subject.prompt,
        probe=probe,
        trials=member.trials,
        examples=member.examples,
        statuses=member.statuses,
        scored=member.scored,
        passed=member.passed,
        pass_rate=rate_interval(member.verdicts, level) if member.verdicts.n else None,
        scores={
            name: mean_interval(mean, level, ranges.get(name, (0.0, 1.0)))
            for name, mean in sorted(member.scores.items())
        },
        usage=Usage(**member.usage),
        shared=member.shared or msgspec.UNSET,
        agreement=judge_agreement(member.labelled, member.verdicts.total / member.verdicts.n, level)
        if member.labelled
        else msgspec.UNSET,
    )


def judge_agreement(labelled: Labelled, rate: float, level: float = 0.95) -> Agreement:
    """Say how verdicts agree with the labels of the examples that have one; `rate` is the pass rate of all."""
    quality = judge_quality(labelled)
    limits = kappa_interval(labelled, level=level) or (None, None)
    accuracy = _share(labelled, ("both", "neither"), ("person", "judge"), level)
    assert accuracy is not None
    return Agreement(
        n=quality.n,
        accuracy=accuracy,
        kappa=None
        if quality.kappa is None
        else Interval(value=quality.kappa, low=limits[0], high=limits[1], n=quality.n),
        sensitivity=_share(labelled, ("both",), ("person",), level),
        specificity=_share(labelled, ("neither",), ("judge",), level),
        corrected_pass_rate=quality.correct(rate),
    )


def _share(labelled: Labelled, right: tuple[str, ...], wrong: tuple[str, ...], level: float) -> Interval | None:
    """Return how often a verdict is right, over the examples that could have one of these; None if there are none."""
    total, n = 0.0, 0
    for verdicts, count in sorted(labelled.items()):
        hits = sum(getattr(verdicts, name) for name in right)
        misses = sum(getattr(verdicts, name) for name in wrong)
        if hits + misses:
            total += count * hits / (hits + misses)
            n += count
    if not n:
        return None
    low, high = wilson(total, n, level=level)
    return Interval(value=total / n, low=low, high=high, n=n)


def rate_interval(mean: ExampleMean, level: float) -> Interval:
    """Take the examples, not the trials, as the sample: an example's repeats are not independent."""
    low, high = wilson(mean.total, mean.n, level=level)
    return Interval(value=mean.total / mean.n, low=low, high=high, n=mean.n)


def mean_interval(mean: ExampleMean, level: float, limits: tuple[float, float]) -> Interval:
    """Student's t interval; none for a single example or where all are equal, since it would claim certainty."""
    n, value = mean.n, mean.total / mean.n
    variance = max(0.0, mean.squares - n * value * value) / (n - 1) if n > 1 else 0.0
    if variance <= 0.0:
        return Interval(value=value, low=None, high=None, n=n)
    half = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance / n)
    return Interval(value=value, low=max(min(limits), value - half), high=min(max(limits), value + half), n=n)
