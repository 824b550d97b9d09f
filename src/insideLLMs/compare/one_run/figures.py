"""What the absolute gate reads of a run: pass rates, scores and quantities by member, and the worst Trials of each.

Gathered in one pass over the records, in their order; of each condition only the worst few Trials are kept.
"""

import heapq
from array import array
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

import msgspec

from insideLLMs.compare.one_run.readings import Reading
from insideLLMs.compare.one_run.summary import ExampleMean
from insideLLMs.compare.score_ranges import ScoreRanges, counted_score, share
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import GatedRecord
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Telemetry

_KEPT = 10
"""How many of the worst Trials a condition keeps."""
_WORST = 4.0
"""How bad the first Trial without an answer is: it is shown before failed answers, all others after them."""
MOST_FAILING = 1_000
"""How many of all Trials that did not pass are kept."""
VERDICTS = "verdicts"


class WorstTrials(msgspec.Struct):
    """The worst Trials that it was shown, `kept` of them, at most one of an example."""

    kept: int = _KEPT
    _heap: list[tuple[float, int, GatedRecord, str]] = []
    _numbers: "count[int]" = msgspec.field(default_factory=lambda: count(0, -1))

    def add(self, badness: float, record: GatedRecord, note: str = "") -> None:
        """Take a Trial, and what to say of it; of equally bad ones the first are kept."""
        if len(self._heap) < self.kept or badness > self._heap[0][0]:
            entry = (badness, next(self._numbers), record, note)
            (heapq.heappush if len(self._heap) < self.kept else heapq.heappushpop)(self._heap, entry)

    def listed(self) -> tuple[tuple[GatedRecord, str], ...]:
        """Return them with their notes, the worst first."""
        shown: dict[tuple[str, str, str, Subject], tuple[GatedRecord, str]] = {}
        for _, _, record, note in sorted(self._heap, key=lambda entry: entry[:2], reverse=True):
            shown.setdefault((record.probe, record.dataset, record.example_id, record.subject), (record, note))
        return tuple(shown.values())


class MemberFigures(msgspec.Struct):
    """One probe on one subject. `trials` were asked, `answered` of them have an answer that was scored.

    `verdicts` takes every Trial that has a verdict or no answer, which counts as failed.
    """

    trials: int = 0
    answered: int = 0
    skipped: int = 0
    scored: int = 0
    passed: int = 0
    verdicts: ExampleMean = msgspec.field(default_factory=ExampleMean)
    scores: dict[str, ExampleMean] = {}
    with_score: dict[str, int] = {}
    worst: dict[str, WorstTrials] = {}
    example: tuple[str, str] | None = None

    @property
    def gives_verdicts(self) -> bool:
        """Whether the probe decides at all; where nothing was answered, nothing passed."""
        return bool(self.scored or (self.trials and not self.answered))

    def close(self) -> None:
        """Sum up the example that is open."""
        for mean in (self.verdicts, *self.scores.values()):
            mean.close()


class QuantityFigures(msgspec.Struct):
    """One quantity of a subject, over all probes or one of them: a value for each Trial that has one."""

    values: "array[float]" = msgspec.field(default_factory=lambda: array("d"))
    means: ExampleMean = msgspec.field(default_factory=ExampleMean)
    missing: int = 0
    worst: WorstTrials = msgspec.field(default_factory=WorstTrials)
    example: tuple[str, str, str] | None = None

    def add(self, name: str, value: float | None, record: GatedRecord, *, may_lack: bool) -> None:
        """Take in an answer's value; one that it may lack is not missed."""
        example = (record.probe, record.dataset, record.example_id)
        if example != self.example:
            self.means.close()
            self.example = example
        if value is not None:
            self.values.append(value)
            self.means.open.append(value)
            self.worst.add(value, record, f"{name} {value:,.6g}")
        elif not may_lack:
            self.missing += 1


class Asked(NamedTuple):
    """The Trial that asked for an answer."""

    probe: str
    dataset: str
    example_id: str
    subject: Subject
    repeat: int


class RunFigures:
    """Takes the records of a run, in their order, with their telemetry. `readings` read the quantities, by name."""

    def __init__(self, spec: GateSpec, ranges: ScoreRanges, readings: Mapping[str, Reading]) -> None:
        self.ranges = ranges
        self.members: dict[tuple[str, Subject], MemberFigures] = {}
        self.quantities: dict[tuple[str | None, Subject], dict[str, QuantityFigures]] = {}
        self.failing = WorstTrials(MOST_FAILING)
        self.failed = 0
        self._spec = spec
        self._rules: dict[str, GateSpec] = {}
        self._readings = readings
        self._has_own_bounds = any(own.max is not None for own in spec.probes.values())
        self._values: dict[Asked, dict[str, float | None]] = {}
        self._counted: dict[tuple[str | None, Subject], set[Asked]] = {}

    def add(self, record: GatedRecord, line: Telemetry | None) -> None:
        """Take the next record."""
        member = self.members.setdefault((record.probe, record.subject), MemberFigures())
        if record.status == "skipped":
            member.skipped += 1
            return
        if (record.dataset, record.example_id) != member.example:
            member.close()
            member.example = (record.dataset, record.example_id)
        member.trials += 1
        self._add_verdict(member, record)
        if record.status == "success":
            member.answered += 1
            self._add_scores(member, record)
        self._add_quantities(record, line)

    def close(self) -> "RunFigures":
        """Sum up what is open, and return these figures."""
        for member in self.members.values():
            member.close()
        for found in self.quantities.values():
            for quantity in found.values():
                quantity.means.close()
        return self

    def _rule(self, probe: str) -> GateSpec:
        if probe not in self._rules:
            self._rules[probe] = self._spec.of_probe(probe)
        return self._rules[probe]

    def _add_verdict(self, member: MemberFigures, record: GatedRecord) -> None:
        answered = record.status == "success"
        passed = record.scores.passed if answered and record.scores is not None else None
        if answered and passed is None:
            return
        member.scored += passed is not None
        member.passed += passed is True
        member.verdicts.open.append(float(passed is True))
        if not passed:
            is_first_lost = not answered and member.trials - member.answered == 1
            badness = _WORST if is_first_lost else self._badness(record)
            member.worst.setdefault(VERDICTS, WorstTrials()).add(badness, record)
            self.failing.add(badness, record)
            self.failed += 1

    def _badness(self, record: GatedRecord) -> float:
        """Return 1 for a Trial without an answer, more for a failed one, the more the worse its scores are."""
        if record.status != "success" or record.scores is None:
            return 1.0
        values = record.scores.values
        counted = counted_score(values)
        shares = [
            share(value, self.ranges.of(record.probe, name, counts=name == counted)) for name, value in values.items()
        ]
        return 3.0 - sum(shares) / len(shares) if shares else 2.0

    def _add_scores(self, member: MemberFigures, record: GatedRecord) -> None:
        values = record.scores.values if record.scores is not None else {}
        wanted = self._rule(record.probe).min_score
        for name, value in values.items():
            member.scores.setdefault(name, ExampleMean()).open.append(value)
            member.with_score[name] = member.with_score.get(name, 0) + 1
            if name in wanted:
                worst, best = self.score_range(record.probe, name, values)
                badness = (wanted[name] - value) if best > worst else (value - wanted[name])
                if badness > 0:
                    member.worst.setdefault(name, WorstTrials()).add(badness, record, f"{name} {value:.6g}")

    def score_range(self, probe: str, name: str, scores: Mapping[str, object]) -> tuple[float, float]:
        """Return the (worst, best) of a score of a probe that gives `scores`."""
        counts = (len(scores) == 1 and name in scores) or name == "score"
        return self.ranges.of(probe, name, counts=counts)

    def _add_quantities(self, record: GatedRecord, line: Telemetry | None) -> None:
        """Take in what the answer came to, once in each scope: where several Trials share one, one of them asked."""
        own = self._spec.probes.get(record.probe)
        scope = record.probe if own is not None and own.max is not None else None
        shared = record.shared_with
        if shared is not None and not self._has_own_bounds:
            return
        asked = Asked(
            record.probe if shared is None else shared.probe,
            (shared and shared.dataset) or record.dataset,
            (shared and shared.example_id) or record.example_id,
            record.subject,
            record.repeat,
        )
        if self._has_own_bounds:
            if shared is None:
                self._values[asked] = {name: read(record, line) for name, read in self._readings.items()}
            counted = self._counted.setdefault((scope, record.subject), set())
            if asked in counted:
                return
            counted.add(asked)
        bounds = self._rule(record.probe).max
        found = self.quantities.setdefault((scope, record.subject), {}) if bounds else {}
        is_cached = line is not None and line.cached
        for name in dict.fromkeys(bound.partition(".")[0] for bound in bounds):
            known = self._values.get(asked)
            value = known[name] if known is not None else self._readings[name](record, line)
            may_lack = is_cached and name == "latency_ms"
            found.setdefault(name, QuantityFigures()).add(name, value, record, may_lack=may_lack)
