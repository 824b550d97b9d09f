"""The gate: a Policy read against a Comparison gives a Verdict with its evidence.

The policies are in `policies`. Around all of them the gate fails closed (`doubts`): nothing aligned, or too little
answered, is inconclusive and never green, and a candidate that answered nothing has failed.
"""

from collections.abc import Sequence

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Comparison, TrialName
from insideLLMs.compare.gate.doubts import doubted, doubts_of, nothing_answered, reused_rule
from insideLLMs.compare.gate.evidence import Confirmed, GateEvidence, NoiseFloor, Transitions
from insideLLMs.compare.gate.growth import GrowthRule, decide_growth
from insideLLMs.compare.gate.policies import Rule, blame_of, blamed_classes, policy_of, resolve
from insideLLMs.compare.gate.scopes import labelled_drops, may_fail, parties_of, scopes_of
from insideLLMs.compare.one_run.verdict import EXIT_CODES, RANK, RunVerdict, State
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.judges import JudgeFinding, judge_finding
from insideLLMs.compare.statistics.labelled_drop import LabelledDrop
from insideLLMs.compare.statistics.suite_estimate import SuiteEstimate
from insideLLMs.compare.statistics.text_drift import TextDrift
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.subject import SEPARATOR

_LOOK_FIRST = 10


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Pass or fail, with the evidence: why, by which rules, and which examples to look at first.

    `policy` is as asked for, `resolved` what `auto` came to. `assessment` is over all probes, whatever the policy;
    None where it could not be made. `states` counts items by how they stand, `noise` is the noise floor,
    `judges` are the probes that models score, `labelled` is what people's labels say of probes, `drift` is the text
    drift over all probes, where it was measured.
    `suite` is the estimate over all items where a part of the candidate's answers is reused.
    `by_itself` holds the candidate to the conditions that its gate states of a run, None if it states none.
    """

    state: State
    policy: str
    resolved: str
    exit_code: int
    reasons: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    growth: tuple[GrowthRule, ...] = ()
    look_first: tuple[TrialName, ...] = ()
    assessment: Assessment | None = None
    states: Transitions | None = None
    noise: NoiseFloor | None = None
    confirmed: Confirmed | None = None
    judges: tuple[JudgeFinding, ...] = ()
    labelled: tuple[LabelledDrop, ...] = ()
    drift: TextDrift | None = None
    remarks: tuple[str, ...] = ()
    by_itself: RunVerdict | None = None
    suite: SuiteEstimate | None = None

    @property
    def passed(self) -> bool:
        """Whether the gate passed; an inconclusive one did not."""
        return self.state == "passed"


def decide(comparison: Comparison, spec: GateSpec, evidence: GateEvidence) -> Verdict:
    """Decide on a comparison, and join what the conditions say of the candidate by itself: the worst counts.

    Raises CompareError for a policy or a probe that there is not.
    """
    found = _decide_comparison(comparison, spec, evidence)
    alone = evidence.by_itself
    if alone is None or not alone.conditions:
        return found
    parts = [
        (alone.state, "the candidate by itself", alone.reasons),
        (found.state, "against the baseline", found.reasons),
    ]
    parts.sort(key=lambda part: RANK[part[0]])
    state = parts[0][0]
    named = {_of_candidate(name) for name in found.look_first}
    others = (failed.trial for failed in alone.look_first if _of_candidate(failed.trial) not in named)
    return msgspec.structs.replace(
        found,
        state=state,
        exit_code=int(EXIT_CODES[state]),
        reasons=tuple(f"{what}, {each}: {reason}" for each, what, reasons in parts for reason in reasons),
        look_first=(*found.look_first, *dict.fromkeys(others))[:_LOOK_FIRST],
        by_itself=alone,
    )


def _of_candidate(name: TrialName) -> tuple[object, ...]:
    """Name the candidate's Trial, whatever it was compared with."""
    return name.probe, name.dataset, name.example_id, name.models.candidate, name.repeat


def _decide_comparison(comparison: Comparison, spec: GateSpec, evidence: GateEvidence) -> Verdict:
    """Decide on a comparison alone. Raises CompareError for a policy or a probe that there is not."""
    scopes = scopes_of(comparison, spec, evidence)
    parties = parties_of(spec, scopes, evidence)
    labelled = labelled_drops(spec, evidence, parties)
    rules = tuple(
        reused_rule(scope, evidence)
        or doubted(policy_of(scope.spec).decide(scope, evidence), scope, evidence, labelled)
        for scope in scopes
    )
    growth = decide_growth(evidence.quantities, spec, parties=parties)
    fatal = nothing_answered(comparison.overall, scopes)
    doubts = doubts_of(comparison, spec, scopes, rules, evidence)
    broken = [reason for rule in rules if rule.state == "failed" for reason in rule.reasons]
    broken += [rule.reason for rule in growth if rule.state == "failed"]
    broken += [found.message for found in labelled if found.finding == "dropped" and may_fail(spec, evidence, found)]
    doubts += [rule.reason for rule in growth if rule.state == "inconclusive"]
    state: State = "failed" if fatal or broken else "inconclusive" if doubts else "passed"
    reasons = [*fatal, *broken]
    if not comparison.overall.aligned:
        state = "inconclusive"
    if state != "failed":
        reasons = doubts or [*(reason for rule in rules for reason in rule.reasons), *(rule.reason for rule in growth)]
    return Verdict(
        state=state,
        policy=spec.fail_on,
        resolved=resolve(spec, evidence),
        exit_code=int(EXIT_CODES[state]),
        reasons=(*reasons, *evidence.parts, *_listed(comparison)),
        rules=rules,
        growth=growth,
        look_first=_look_first(comparison, rules, evidence),
        assessment=_assess(comparison, spec, rules, evidence),
        states=evidence.transitions(tuple(evidence.observed.probes)),
        noise=evidence.floor,
        confirmed=evidence.confirmed,
        judges=_judges(spec, evidence),
        labelled=labelled,
        suite=_suite(evidence),
        drift=evidence.drift_of({probe.probe for probe in comparison.probes}),
        remarks=_remarks(evidence),
    )


def rule_of(verdict: Verdict, probe: str) -> Rule | None:
    """Return the rule that decides on a probe."""
    own = (rule for rule in verdict.rules if rule.scope == probe)
    rest = (rule for rule in verdict.rules if rule.scope is None)
    return next(own, None) or next(rest, None)


def counted_classes(verdict: Verdict, probe: str) -> frozenset[str]:
    """Return the classes whose Trials count as failures of this probe."""
    rule = rule_of(verdict, probe)
    return blamed_classes(rule) if rule is not None else frozenset()


def _listed(comparison: Comparison) -> list[str]:
    overall = comparison.overall
    waived = sum(sum(probe.waived.values()) for probe in comparison.probes)
    listed = [f"{waived:,} waived"] if waived else []
    listed += [
        f"{overall.classes[kind]:,} {kind.value}"
        for kind in (ChangeClass.REMOVED, ChangeClass.NEW, ChangeClass.EDITED)
        if overall.classes[kind]
    ]
    return [f"listed, not counted: {', '.join(listed)}"] if listed else []


def _look_first(comparison: Comparison, rules: Sequence[Rule], evidence: GateEvidence) -> tuple[TrialName, ...]:
    """Name the Trials to look at first: confirmed items, then by how surely their probe got worse."""
    blamed = {rule.scope: blamed_classes(rule) for rule in rules}
    rest = blamed.get(None, frozenset())
    confirmed = {(item.probe, item.example_id) for item in (evidence.confirmed.items if evidence.confirmed else ())}
    tested = [found for rule in rules if rule.assessment for found in rule.assessment.probes]
    chances = {found.probe: found.p_used for found in tested}

    def rank(trial: TrialName) -> float:
        names = {trial.probe, f"{trial.probe}{SEPARATOR}{trial.models.candidate}"}
        if any((name, trial.example_id) in confirmed for name in names):
            return -1.0
        return min((chances[name] for name in names if name in chances), default=1.0)

    trials = [
        change.trial
        for change in comparison.changes.listed
        if not change.waived and blame_of(change) in blamed.get(change.trial.probe, rest)
    ]
    return tuple(sorted(trials, key=rank)[:_LOOK_FIRST])


def _assess(comparison: Comparison, spec: GateSpec, rules: Sequence[Rule], evidence: GateEvidence) -> Assessment | None:
    """Return the rule's own assessment where it is over everything, else one made for the report."""
    if len(rules) == 1 and rules[0].scope is None and rules[0].assessment is not None:
        return rules[0].assessment
    try:
        return evidence.assess({probe.probe for probe in comparison.probes} - evidence.recorded, spec)
    except CompareError:  # a score without a declared range: only a policy that reads it need stop
        return None


def _suite(evidence: GateEvidence) -> SuiteEstimate | None:
    try:
        return evidence.suite()
    except CompareError:  # as above: only a policy that reads it need stop
        return None


def _judges(spec: GateSpec, evidence: GateEvidence) -> tuple[JudgeFinding, ...]:
    found = []
    for judge in evidence.judges:
        try:
            seen = evidence.assess({judge.probe}, spec).overall if judge.quality is not None else None
        except CompareError:  # as above: only a policy that reads it need stop
            seen = None
        found.append(judge_finding(judge, seen, accepted=spec.of_probe(judge.probe).accept_judge_change))
    return tuple(found)


def _remarks(evidence: GateEvidence) -> tuple[str, ...]:
    seen = evidence.observed
    remarks = [] if evidence.since is None else [evidence.since.words]
    if seen.reused:
        remarks = [f"{told}; reused answers are no evidence" for told in remarks]
    if evidence.has_copies:
        remarks.append(
            f"the repeats of all {seen.repeated:,} items are byte-identical: a cache, a fixed seed or a greedy "
            "model; they count as one"
        )
    if evidence.floor is not None and evidence.floor.is_identical:
        remarks.append(f"{len(evidence.floor.runs)} runs of the baseline are byte-identical")
    return tuple(remarks)
