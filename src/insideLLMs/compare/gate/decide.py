"""The gate: a Policy read against a Comparison gives a Verdict with its evidence.

The policies are in `policies`. Around all of them the gate fails closed: nothing aligned, or too little
answered, is inconclusive and never green, and a candidate that answered nothing has failed.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Comparison, ProbeTally, Tally, TrialName
from insideLLMs.compare.gate.evidence import Confirmed, GateEvidence, NoiseFloor, Transitions
from insideLLMs.compare.gate.policies import (
    NEVER,
    GrowthRule,
    Rule,
    Scope,
    blame_of,
    blamed_classes,
    decide_growth,
    policy_of,
    resolve,
)
from insideLLMs.compare.one_run.verdict import EXIT_CODES, RANK, RunVerdict, State
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.judges import JudgeFinding, advisory_probes, judge_finding
from insideLLMs.compare.statistics.labelled_drop import LabelledDrop, labelled_drop, suffice
from insideLLMs.compare.statistics.text_drift import TextDrift
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.subject import SEPARATOR

_LOOK_FIRST = 10
_NAMED = 5


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Pass or fail, with the evidence: why, by which rules, and which examples to look at first.

    `policy` is as asked for, `resolved` what `auto` came to. `assessment` is over all probes, whatever the policy;
    None where it could not be made. `states` counts items by how they stand, `noise` is the noise floor,
    `judges` are the probes that models score, `labelled` is what people's labels say of probes, `drift` is the text
    drift over all probes, where it was measured.
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
    _check_probes(comparison, spec)
    scopes = _scopes(comparison, spec, evidence)
    parties = _parties(spec, scopes, evidence)
    labelled = _labelled(spec, evidence, parties)
    rules = tuple(
        _doubted(policy_of(scope.spec).decide(scope, evidence), scope, evidence, labelled) for scope in scopes
    )
    growth = decide_growth(evidence.quantities, spec, parties=parties)
    fatal = _nothing_answered(comparison.overall, scopes)
    doubts = _outside(spec, scopes, evidence) + _doubts(comparison, scopes, rules)
    doubts += _nothing_scored(comparison, spec, scopes, evidence)
    broken = [reason for rule in rules if rule.state == "failed" for reason in rule.reasons]
    broken += [rule.reason for rule in growth if rule.state == "failed"]
    broken += [found.message for found in labelled if found.finding == "dropped" and _gates(spec, evidence, found)]
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


def _check_probes(comparison: Comparison, spec: GateSpec) -> None:
    known = sorted({probe.probe for probe in comparison.probes})
    for name in sorted(spec.probes):
        if name not in known:
            raise CompareError(
                f"the gate has a rule for the probe {name!r}, which neither run has",
                fix=f"name one of {', '.join(known) or 'none'}, or remove the rule",
            )


def _scopes(comparison: Comparison, spec: GateSpec, evidence: GateEvidence) -> tuple[Scope, ...]:
    """Split the probes by rule. Statistical rules and bounds of growth share alpha, but not a probe's own alpha."""
    own = {name: spec.of_probe(name) for name in sorted(spec.probes)}
    for name in sorted(advisory_probes(evidence.judges)):
        own[name] = msgspec.structs.replace(spec.of_probe(name), fail_on=NEVER.name)
    for name in sorted({probe.probe for probe in comparison.probes} & evidence.recorded):
        rule = spec.of_probe(name)
        if not policy_of(msgspec.structs.replace(rule, fail_on=resolve(rule, evidence))).compares_texts:
            own[name] = msgspec.structs.replace(rule, fail_on=NEVER.name)
    rest = tuple(probe for probe in comparison.probes if probe.probe not in own)
    scopes = [
        Scope(name=name, spec=rule, probes=tuple(probe for probe in comparison.probes if probe.probe == name))
        for name, rule in own.items()
    ]
    if rest or not own:
        scopes.insert(0, Scope(name=None, spec=msgspec.structs.replace(spec, probes={}), probes=rest))
    resolved = [msgspec.structs.replace(scope.spec, fail_on=resolve(scope.spec, evidence)) for scope in scopes]
    scopes = [replace(scope, spec=rule) for scope, rule in zip(scopes, resolved, strict=True)]
    parties = _parties(spec, scopes, evidence)
    return tuple(
        replace(scope, spec=msgspec.structs.replace(scope.spec, alpha=scope.spec.alpha / parties))
        if _shares_alpha(spec, scope)
        else scope
        for scope in scopes
    )


def _parties(spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence) -> int:
    """Return how many share alpha: statistical rules without one of their own, all bounds of growth, all labels."""
    rules = sum(_shares_alpha(spec, scope) for scope in scopes)
    return rules + bool(spec.max_growth) + any(map(suffice, evidence.observed.labelled.values()))


def _labelled(spec: GateSpec, evidence: GateEvidence, parties: int) -> tuple[LabelledDrop, ...]:
    """Say what people's labels show of each probe; those with labels enough share one party's alpha."""
    seen = evidence.observed
    alpha = spec.alpha / max(1, parties * sum(map(suffice, seen.labelled.values())))
    return tuple(
        labelled_drop(name, items, alpha=alpha, min_effect=spec.of_probe(seen.probes[name]).min_effect)
        for name, items in sorted(seen.labelled.items())
    )


def _gates(spec: GateSpec, evidence: GateEvidence, found: LabelledDrop) -> bool:
    """Whether a drop that labels show may fail the gate: also for an advisory judge, but not where nothing may."""
    return spec.of_probe(evidence.observed.probes[found.probe]).fail_on != NEVER.name


def _shares_alpha(spec: GateSpec, scope: Scope) -> bool:
    return policy_of(scope.spec).is_statistical and not _has_own_alpha(spec, scope.name)


def _has_own_alpha(spec: GateSpec, probe: str | None) -> bool:
    return probe in spec.probes and spec.probes[probe].alpha is not None


def _doubted(rule: Rule, scope: Scope, evidence: GateEvidence, labelled: Sequence[LabelledDrop]) -> Rule:
    """Let a rule conclude nothing where its runs' scores have different ranges, or come from different judges.

    The same holds for a failure that people's labels contradict.
    """
    reads = policy_of(scope.spec).reads
    doubts = _unlike_ranges(scope, evidence) if "directions" in reads else []
    doubts += _unlike_judges(scope, evidence) if "scores" in reads else []
    if rule.state == "failed":
        doubts += _contradicted(rule, scope, evidence, labelled)
    return msgspec.structs.replace(rule, state="inconclusive", reasons=(*doubts, *rule.reasons)) if doubts else rule


def _contradicted(rule: Rule, scope: Scope, evidence: GateEvidence, labelled: Sequence[LabelledDrop]) -> list[str]:
    """Return what labels say where all that the rule found are drops that only the judge sees."""
    tastes = {found.probe: found.message for found in labelled if found.finding == "not the judge's drop"}
    blamed = set(evidence.names_of(scope.names))
    if rule.assessment is not None:
        fired = {branch.probe for branch in rule.assessment.branches if branch.fired}
        blamed = blamed if None in fired or not fired else {name for name in fired if name is not None}
    return [tastes[name] for name in sorted(blamed)] if blamed and blamed <= tastes.keys() else []


def _unlike_ranges(scope: Scope, evidence: GateEvidence) -> list[str]:
    seen = evidence.observed
    return [
        f"the runs declare different ranges of a score of {seen.probes[name]!r}: {seen.unlike[name]}; run both with "
        f"one version of the probe, or set the range: gate.probes.{seen.probes[name]}.score_range"
        for name in evidence.names_of(scope.names)
        if name in seen.unlike
    ]


def _unlike_judges(scope: Scope, evidence: GateEvidence) -> list[str]:
    if scope.spec.accept_judge_change:
        return []
    found = [
        f"probe {judge.probe!r}: another judge scored one of the runs: {'; '.join(judge.differs)}"
        for judge in evidence.judges
        if judge.differs and judge.probe in scope.names
    ]
    way = "rescore both with one judge (`insidellms rescore`), or accept it: `--accept-judge-change`"
    return [*found, way] if found else []


def _nothing_answered(overall: Tally, scopes: Sequence[Scope]) -> list[str]:
    side = overall.candidate
    if side.trials and not side.statuses["success"] and any(policy_of(scope.spec).reads for scope in scopes):
        return [f"the candidate answered none of its {side.trials:,} trials"]
    return []


def _nothing_scored(
    comparison: Comparison, spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence
) -> list[str]:
    """Doubt a policy that was asked for and has nothing to decide on, as all probes only record answers."""
    is_told = spec.fail_on != NEVER.name and all(scope.spec.fail_on == NEVER.name for scope in scopes)
    if not is_told or not {probe.probe for probe in comparison.probes} <= evidence.recorded:
        return []
    return ["the probes only record answers, so nothing is scored: `--fail-on changes` or `churn` compares the texts"]


def _doubts(comparison: Comparison, scopes: Sequence[Scope], rules: Sequence[Rule]) -> list[str]:
    if not comparison.overall.aligned:
        return ["nothing to compare: the two runs have no trial in common"]
    doubts = [reason for rule in rules if rule.state == "inconclusive" for reason in rule.reasons]
    for scope, rule in zip(scopes, rules, strict=True):
        doubts += _lost(comparison, scope)
        if (
            not policy_of(scope.spec).reads or rule.assessment is not None
        ):  # an assessment counts what is missing itself
            continue
        missing = scope.count(ChangeClass.ERRORED) + scope.count(ChangeClass.SKIPPED)
        usable = scope.trials - scope.count(ChangeClass.EDITED)
        if usable <= 0:
            doubts.append(
                f"{scope.where}nothing to compare: no trial of the baseline can be compared with its counterpart"
            )
        elif missing > scope.spec.max_missing * usable:
            doubts.append(
                f"{scope.where}{missing:,} of {usable:,} trials have no answer to compare (skipped, or failed on both "
                f"sides): more than {scope.spec.max_missing:.0%}"
            )
    return doubts


def _outside(spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence) -> list[str]:
    """Doubt a part that is held against the whole, or against another part: what is outside it was not looked at."""
    if evidence.is_whole or spec.accept_missing or not any(policy_of(scope.spec).reads for scope in scopes):
        return []
    return ["only a part was compared, and what is outside it is missing; if on purpose: `--accept-missing`"]


def _lost(comparison: Comparison, scope: Scope) -> list[str]:
    """Say which probes lost more of the baseline's trials than is allowed: removed, edited under one id, not asked."""
    if not policy_of(scope.spec).reads or scope.spec.accept_missing:
        return []
    found = []
    for probe in scope.probes:
        lost = {kind: probe.count(kind) for kind in (ChangeClass.REMOVED, ChangeClass.EDITED, ChangeClass.SKIPPED)}
        trials = probe.tally.trials - sum(probe.waived.values()) - probe.count(ChangeClass.NEW)
        count = sum(lost.values())
        if count > scope.spec.max_missing * trials:
            parts = ", ".join(f"{number:,} {kind}" for kind, number in lost.items() if number)
            found.append(
                f"probe {probe.probe!r}: {count:,} of {trials:,} trials of the baseline have no counterpart ({parts})"
                f"{_named_missing(comparison, probe)}; {scope.spec.max_missing:.0%} are allowed"
            )
    return [*found, "if they are missing on purpose: `--accept-missing`"] if found else []


def _named_missing(comparison: Comparison, probe: ProbeTally) -> str:
    trials = (*comparison.removed.listed, *(change.trial for change in comparison.edited.listed))
    names = list(dict.fromkeys(t.example_id for t in trials if (t.probe, t.models) == (probe.probe, probe.models)))
    return (": " + ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")) if names else ""


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
    remarks = []
    if evidence.has_copies:
        remarks.append(
            f"the repeats of all {seen.repeated:,} items are byte-identical: a cache, a fixed seed or a greedy "
            "model; they count as one"
        )
    if evidence.floor is not None and evidence.floor.is_identical:
        remarks.append(f"{len(evidence.floor.runs)} runs of the baseline are byte-identical")
    return tuple(remarks)
