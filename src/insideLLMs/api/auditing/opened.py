"""A run that is being audited: its answers, who scores them again without a call, and how its gate decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET

from insideLLMs.api.auditing.altered_run import AlteredRun
from insideLLMs.api.auditing.answers import Item, intact, items_of, other_answers
from insideLLMs.api.auditing.redrawn import RedrawnAnswers, outcome_of
from insideLLMs.api.auditing.scorers import Scorers, leaves_sandbox, make_scorers
from insideLLMs.api.compare import ComparisonSetup, DecidedComparison, compare_runs
from insideLLMs.compare.auditing.catch_rates import Kind, KnownDecisions
from insideLLMs.compare.classify import Finding, classify
from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.compare.gate.decide import rule_of
from insideLLMs.compare.gate.policies import POLICIES, REGRESSIONS
from insideLLMs.compare.score_ranges import ScoreRanges, ranges_in_force
from insideLLMs.compare.sides import view_of
from insideLLMs.core import canonical
from insideLLMs.core.errors import OptionError
from insideLLMs.core.experiment import Spec
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.steps import counted, displayed
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Record, Response
from insideLLMs.scoring.damages import Damage
from insideLLMs.store.sealed_run import SealedRun

Fate = Literal["noticed", "elsewhere", "failing", "harmless", "missed"]
"""What became of an example whose answers were damaged; see DamageFinding."""
Group = tuple[str, Subject]
_UNLISTED = ComparisonSetup(options=CompareOptions(listed=0))
"""Nobody reads which Trials changed, only what the gate decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What is audited: `probes` and `damages` by name, all where none is named.

    `share` is the share of examples with a damage from which the gate has to fail. `specs` are the probes that score,
    those of the user's experiment where the run is `trusted`; `folder` is where their files are looked up.
    """

    specs: tuple[Spec, ...]
    folder: Path = Path()
    trusted: bool = False
    probes: tuple[str, ...] = ()
    damages: tuple[str, ...] = ()
    share: float = 0.25
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedRecord:
    """A damaged record: its line, what it is to the gate, and how good it was and is, from 0 to 1."""

    line: bytes
    record: Record
    finding: Finding
    before: float | None
    after: float | None


Damaged = Mapping[int, DamagedRecord]
"""The records that a damage leaves otherwise, by their place in the run."""


@dataclass(kw_only=True)
class OpenAudit:
    """A run that is audited; `damaged` counts the answers that were damaged and scored so far.

    `baseline` is the run as if it had asked for all its answers, in memory: what the gate compares with. `asked` has
    what it decided of damages, by draw and by the places that are damaged: probes that share answers share decisions.
    """

    run: SealedRun
    baseline: SealedRun
    options: AuditOptions
    lines: Sequence[bytes]
    scorers: Scorers
    alone: DecidedComparison
    known: KnownDecisions = field(default_factory=KnownDecisions)
    asked: dict[tuple[str, int, tuple[int, ...]], bool] = field(default_factory=dict)
    damaged: int = 0

    @cached_property
    def records(self) -> list[Record]:
        """The records, in their order."""
        return [read_record(line, Record) for line in self.lines]

    @cached_property
    def groups(self) -> dict[Group, list[Item]]:
        """The examples that have an answer, by probe and subject."""
        return items_of(self.records)

    @cached_property
    def audited(self) -> list[Group]:
        """Those whose probe can score again."""
        return [group for group in self.groups if group[0] in self.scorers.probes]

    @cached_property
    def others(self) -> dict[Group, dict[int, Response]]:
        """What examples beside them answer, by the group of each audited answer: the same for every damage."""
        return {group: other_answers(self.groups[group], self.records) for group in self.audited}

    @cached_property
    def ranges(self) -> ScoreRanges:
        """Which way a score is better."""
        return ranges_in_force([view_of(self.run)], self.alone.policy)

    def silence_of(self, probe: str) -> str:
        """Say that a probe only records answers, where the gate does not compare texts either."""
        kinds = {spec.id: spec.type for spec in self.run.manifest.probes}
        silent = kinds[probe] == "record" and not POLICIES[self.policy_of(probe)].compares_texts
        return "it only records answers" if silent else ""

    def policy_of(self, probe: str) -> str:
        """Return the policy that decides on a probe."""
        rule = rule_of(self.alone.verdict, probe)
        return rule.fail_on if rule is not None else self.alone.verdict.resolved

    @cached_property
    def redrawn(self) -> RedrawnAnswers:
        """The answers that vary from run to run."""
        return RedrawnAnswers(self.records)

    def decide(self, changed: Damaged, number: int = 0) -> DecidedComparison:
        """Let the run's own gate decide between the run and another one in which these records are damaged.

        Where repeats vary, the other one's answers are drawn: `number` tells the draws apart.
        """
        lines = list(self.lines)
        for place, damaged in changed.items():
            lines[place] = damaged.line
        if self.redrawn:
            records = {place: damaged.record for place, damaged in changed.items()}
            for place, record in self.redrawn.draw(number, records).items():
                lines[place] = canonical.line(record)
        with displayed(lambda *_: None):  # one of many
            return compare_runs([self.baseline], [AlteredRun(self.run, lines, name="damaged")], _UNLISTED)

    async def damage(self, damage: Damage) -> Damaged:
        """Damage every answer once, and score it for all probes that share it."""
        args = {spec.id: spec.args for spec in self.options.specs}
        found: dict[int, DamagedRecord] = {}
        for group in self.audited:
            items = self.groups[group]
            others = self.others[group]
            answers = list(chain.from_iterable(item.answers for item in items))
            for answer in counted(answers, f"damaging answers: {damage.name}", len(answers)):
                if any(place in found for place in answer.places):
                    continue
                stored = intact(answer, self.records, others.get(answer.places[0]), args)
                response = damage.apply(stored)
                if response is not None:
                    self.damaged += 1
                    found.update({place: await self._score(place, response) for place in self._scored(answer.places)})
        return found

    def _scored(self, places: Sequence[int]) -> list[int]:
        return [place for place in places if self.records[place].probe in self.scorers.probes]

    async def _score(self, place: int, response: Response) -> DamagedRecord:
        record = await self.scorers.score(self.records[place], response)
        line = canonical.line(record)
        before, after = (read_record(one, Facts) for one in (self.lines[place], line))
        return DamagedRecord(
            line=line,
            record=record,
            finding=classify(before, after, ranges=self.ranges),
            before=self.ranges.quality(before),
            after=self.ranges.quality(after),
        )

    def fate(self, damage: Damage, probe: str, item: Item, damaged: Damaged) -> Fate:
        """Say what became of an example of `probe` whose answers were damaged."""
        own, others = self.places(probe, item, damaged)
        if damage.may_be_harmless and all(self._comes_to_the_same(place, damaged[place]) for place in own):
            return "harmless"
        if all(damaged[place].before == 0.0 for place in own):
            return "failing"
        if any(self._is_loss(place, damaged[place]) for place in own):
            return "noticed"
        return "elsewhere" if any(self._is_loss(place, damaged[place]) for place in others) else "missed"

    def places(self, probe: str, item: Item, damaged: Damaged) -> tuple[list[int], list[int]]:
        """Return the damaged records of an example that are the probe's own, and those that share its answers."""
        own: list[int] = []
        others: list[int] = []
        for place in (place for answer in item.answers for place in answer.places if place in damaged):
            record = self.records[place]
            is_own = (record.probe, record.dataset, record.example_id) == (probe, item.dataset, item.example_id)
            (own if is_own else others).append(place)
        return own, others

    def kind(self, places: Sequence[int], damaged: Damaged) -> Kind | None:
        """Return what damaged records come to for the gate, None where that is no loss."""
        spec = self.alone.policy
        is_measured = bool(spec.max_growth or spec.max or any(own.max for own in spec.probes.values()))
        told = []
        for place in places:
            found, record = damaged[place], self.records[place]
            if is_measured or self._is_loss(place, found):
                size = len(found.record.response.text) if is_measured and found.record.response is not None else 0
                cluster = str(record.example.fields.get(spec.cluster, ""))
                told.append(
                    (record.probe, record.subject, found.finding.kind, found.before, found.after, cluster, size)
                )
        return tuple(told) or None

    def _is_loss(self, place: int, found: DamagedRecord) -> bool:
        """Whether the gate counts a damaged record as a failure, or as worse."""
        blamed = POLICIES[self.policy_of(self.records[place].probe)].blames or REGRESSIONS
        is_worse = found.before is not None and found.after is not None and found.after < found.before
        return found.finding.kind in blamed or is_worse

    def _comes_to_the_same(self, place: int, found: DamagedRecord) -> bool:
        """Whether the probe reads the same of both answers, and reads nothing else."""
        stored = self.records[place]
        before, after = stored.scores, found.record.scores
        if before is None or after is None or before.label is None:
            return False
        reads_all: bool = getattr(self.scorers.probes[stored.probe], "label_is_answer", False)
        return reads_all and (before.label, before.passed) == (after.label, after.passed)


async def open_audit(run: SealedRun, options: AuditOptions) -> OpenAudit:
    """Read a run, and make the probes that score its stored answers as it says. Raises InsideLLMsError."""
    if "imported" in run.manifest.notes:
        raise OptionError(
            f"{run.path} was imported: its scores are another tool's, so its answers cannot be scored again",
            fix="audit what scores them here: insidellms rescore RUN --probe TYPE --to DIRECTORY",
        )
    lines = [_as_asked(line) for line in list(run.lines())]  # checked as a whole before one is read
    wanted = tuple(spec for spec in options.specs if not options.probes or spec.id in options.probes)
    scorers = make_scorers(run, wanted, options.folder, trusted=options.trusted, timeout_s=options.timeout_s)
    baseline = AlteredRun(run, lines, name="stored")
    alone = compare_runs([baseline], [AlteredRun(run, lines, name="undamaged")])
    going = OpenAudit(run=run, baseline=baseline, options=options, lines=lines, scorers=scorers, alone=alone)
    left_out = dict(scorers.left_out)
    for name in sorted(scorers.probes):
        reason = going.silence_of(name) or await _doubt(going, name)
        if reason:
            left_out[name] = reason
    probes = {name: probe for name, probe in scorers.probes.items() if name not in left_out}
    going.scorers = replace(scorers, probes=probes, left_out=left_out)
    return going


def _as_asked(line: bytes) -> bytes:
    """Return a record without its mark that another run asked: the audit scores answers, wherever they are from."""
    record = read_record(line, Record)
    return line if record.since is UNSET else canonical.line(msgspec.structs.replace(record, since=UNSET))


async def _doubt(going: OpenAudit, probe: str) -> str:
    """Say why nothing can be learned from a probe: it must score the stored answers as the run says."""
    records = [record for record in going.records if record.probe == probe and record.scores is not None]
    if not going.options.trusted and any(map(leaves_sandbox, records)):
        return "an example's checks run programs outside of the sandbox; add --trust-run if you trust the run"
    others = []
    for record in counted(records, f"scoring again: {probe}", len(records)):
        again = await going.scorers.score(record, record.response or Response())
        if outcome_of(record) != outcome_of(again):
            others.append(record.example_id)
    if not others:
        return ""
    return (
        f"it scores {len(others):,} of its {len(records):,} stored answers otherwise now (first: {others[0]}): the "
        "probe or what it reads was changed since, or the run was redacted"
    )
