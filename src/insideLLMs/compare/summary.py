"""Records of one run -> `summary.json`: counts, rates with their denominators, means with their intervals.

Everything is computed from the records alone, in one pass over their sorted lines. Intervals treat the
examples as the sample: the repeats of an example are averaged first, because they are not independent.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from insideLLMs.compare.statistics.distributions import t_quantile
from insideLLMs.compare.statistics.intervals import wilson
from insideLLMs.core.types import ResultStatus, Usage

SUMMARY_FORMAT = "insidellms/summary/1"


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mean over `n` examples with its confidence interval; `low` and `high` are None where none can be had."""

    value: float
    low: float | None
    high: float | None
    n: int


class MemberSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model on one probe. `trials` = the sum of `statuses`; `scored` of them have a verdict, `passed` pass."""

    model: str
    probe: str
    trials: int
    examples: int
    statuses: dict[str, int]
    scored: int
    passed: int
    pass_rate: Interval | None
    scores: dict[str, Interval]
    usage: Usage


class Summary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`summary.json`."""

    run_id: str
    trials: int
    statuses: dict[str, int]
    confidence_level: float
    results: tuple[MemberSummary, ...]
    format: str = SUMMARY_FORMAT


class _Scores(msgspec.Struct, frozen=True):
    values: dict[str, float]
    passed: bool | None = None


class _Response(msgspec.Struct, frozen=True):
    usage: Usage | None = None


class _Record(msgspec.Struct, frozen=True):
    probe: str
    dataset: str
    example_id: str
    model: str
    status: str
    scores: _Scores | None = None
    response: _Response | None = None


_decode = msgspec.json.Decoder(_Record).decode


class _Mean(msgspec.Struct):
    """A running mean of per-example means; `open` collects the repeats of the current example."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    open: list[float] = msgspec.field(default_factory=list)

    def close(self) -> None:
        if self.open:
            mean = math.fsum(self.open) / len(self.open)
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
    verdicts: _Mean = msgspec.field(default_factory=_Mean)
    scores: dict[str, _Mean] = msgspec.field(default_factory=dict)
    usage: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, record: _Record) -> None:
        if (record.dataset, record.example_id) != self.example:
            self.close()
            self.example = (record.dataset, record.example_id)
            self.examples += 1
        self.trials += 1
        self.statuses[record.status] += 1
        if record.scores is not None:
            self._add_scores(record.scores)
        if record.response is not None and record.response.usage is not None:
            for name in Usage.__struct_fields__:
                tokens = getattr(record.response.usage, name)
                if tokens is not None:
                    self.usage[name] = self.usage.get(name, 0) + tokens

    def _add_scores(self, scores: _Scores) -> None:
        if scores.passed is not None:
            self.scored += 1
            self.passed += scores.passed
            self.verdicts.open.append(float(scores.passed))
        for name, value in scores.values.items():
            self.scores.setdefault(name, _Mean()).open.append(value)

    def close(self) -> None:
        self.verdicts.close()
        for mean in self.scores.values():
            mean.close()


Ranges = Mapping[str, Mapping[str, tuple[float, float]]]


def summarise(
    lines: Iterable[bytes], *, run_id: str, confidence_level: float = 0.95, ranges: Ranges | None = None
) -> Summary:
    """Summarise the lines of a `records.jsonl`, which must be in its order.

    `ranges` gives each probe's declared score ranges, 0 to 1 where it has none; no interval leaves them.
    """
    members: dict[tuple[str, str], _Member] = {}
    for line in lines:
        record = _decode(line)
        member = members.get((record.probe, record.model))
        if member is None:
            member = members[record.probe, record.model] = _Member()
        member.add(record)
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
            _close(probe, model, members[probe, model], confidence_level, (ranges or {}).get(probe, {}))
            for probe, model in sorted(members)
        ),
    )


def _close(
    probe: str, model: str, member: _Member, level: float, ranges: Mapping[str, tuple[float, float]]
) -> MemberSummary:
    return MemberSummary(
        model=model,
        probe=probe,
        trials=member.trials,
        examples=member.examples,
        statuses=member.statuses,
        scored=member.scored,
        passed=member.passed,
        pass_rate=_rate(member.verdicts, level) if member.verdicts.n else None,
        scores={
            name: _t_interval(mean, level, ranges.get(name, (0.0, 1.0))) for name, mean in sorted(member.scores.items())
        },
        usage=Usage(**member.usage),
    )


def _rate(mean: _Mean, level: float) -> Interval:
    """Take the examples, not the trials, as the sample: an example's repeats are not independent."""
    low, high = wilson(mean.total, mean.n, level=level)
    return Interval(value=mean.total / mean.n, low=low, high=high, n=mean.n)


def _t_interval(mean: _Mean, level: float, limits: tuple[float, float]) -> Interval:
    """Student's t interval; none for a single example or where all are equal, since it would claim certainty."""
    n, value = mean.n, mean.total / mean.n
    variance = max(0.0, mean.squares - n * value * value) / (n - 1) if n > 1 else 0.0
    if variance <= 0.0:
        return Interval(value=value, low=None, high=None, n=n)
    half = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance / n)
    return Interval(value=value, low=max(limits[0], value - half), high=min(limits[1], value + half), n=n)
