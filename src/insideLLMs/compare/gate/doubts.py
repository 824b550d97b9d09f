"""Where the gate fails closed: why a rule, or the whole comparison, concludes nothing."""

from collections.abc import Sequence

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Comparison, ProbeTally, Tally
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.gate.policies import NEVER, Rule, Scope, policy_of
from insideLLMs.compare.statistics.labelled_drop import LabelledDrop, suffice
from insideLLMs.core.gate_spec import GateSpec

_LOST = (ChangeClass.REMOVED, ChangeClass.EDITED, ChangeClass.SKIPPED)
_NAMED = 5


def doubted(rule: Rule, scope: Scope, evidence: GateEvidence, labelled: Sequence[LabelledDrop]) -> Rule:
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


def doubts_of(
    comparison: Comparison, spec: GateSpec, scopes: Sequence[Scope], rules: Sequence[Rule], evidence: GateEvidence
) -> list[str]:
    """Say why a comparison on which nothing failed cannot pass either."""
    return [
        *_no_baseline(comparison.overall, scopes),
        *_nothing_asked(scopes, evidence),
        *_outside(spec, scopes, evidence),
        *_undecided(comparison, scopes, rules, evidence),
        *_nothing_scored(comparison, spec, scopes, evidence),
    ]


def _nothing_asked(scopes: Sequence[Scope], evidence: GateEvidence) -> list[str]:
    """Doubt a candidate of which every answer that could be compared is another run's."""
    if not evidence.only_reuses(evidence.observed.probes.values()) or not any(policy_of(s.spec).reads for s in scopes):
        return []
    is_new = evidence.since is not None and evidence.since.reused < evidence.since.trials
    told = "nothing that can be compared was asked" if is_new else "nothing was asked: every answer is reused"
    return [f"{told}; ask some again with --canary, or run without --since"]


def reused_rule(scope: Scope, evidence: GateEvidence) -> Rule | None:
    """Return the rule of a scope whose answers are all reused, where others were asked: nothing of it changed."""
    probes = {probe.probe for probe in scope.probes}
    if not evidence.only_reuses(probes) or evidence.only_reuses(evidence.observed.probes.values()):
        return None
    told = f"{scope.where}nothing is new since the run whose answers are reused"
    return Rule(scope=scope.name, fail_on=scope.spec.fail_on, state="passed", reasons=(told,), trials=scope.trials)


def nothing_answered(overall: Tally, scopes: Sequence[Scope]) -> list[str]:
    side = overall.candidate
    if side.trials and not side.statuses["success"] and any(policy_of(scope.spec).reads for scope in scopes):
        return [f"the candidate answered none of its {side.trials:,} trials"]
    return []


def _no_baseline(overall: Tally, scopes: Sequence[Scope]) -> list[str]:
    side = overall.baseline
    if side.trials and not side.statuses["success"] and any(policy_of(scope.spec).reads for scope in scopes):
        return [f"the baseline answered none of its {side.trials:,} trials"]
    return []


def _nothing_scored(
    comparison: Comparison, spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence
) -> list[str]:
    """Doubt a policy that was asked for and decides on no probe: they only record, or their judge is advisory."""
    names = {probe.probe for probe in comparison.probes}
    asked = {name for name in names if spec.of_probe(name).fail_on != NEVER.name}
    if not asked or any(scope.spec.fail_on != NEVER.name for scope in scopes):
        return []
    if asked <= evidence.recorded:
        return [
            "the probes only record answers, so nothing is scored: `--fail-on changes` or `churn` compares the texts"
        ]
    if any(map(suffice, evidence.observed.labelled.values())):  # then labels decide
        return []
    judged = ", ".join(sorted(asked - evidence.recorded))
    return [f"nothing may fail this gate: {judged}: information only, as its judge hardly agrees with people"]


def _undecided(
    comparison: Comparison, scopes: Sequence[Scope], rules: Sequence[Rule], evidence: GateEvidence
) -> list[str]:
    if not comparison.overall.aligned:
        return ["nothing to compare: the two runs have no trial in common"]
    if _leaves_nothing(comparison) and any(policy_of(scope.spec).reads for scope in scopes):
        return ["nothing to compare: every trial that the two runs share is waived"]
    doubts = [reason for rule in rules if rule.state == "inconclusive" for reason in rule.reasons]
    for scope, rule in zip(scopes, rules, strict=True):
        doubts += [*_lost(comparison, scope, rule), *_ignored(scope, evidence)]
        if (
            not policy_of(scope.spec).reads or rule.assessment is not None
        ):  # an assessment counts what is missing itself
            continue
        missing, usable = scope.missing, scope.usable
        if usable <= 0:
            doubts.append(
                f"{scope.where}nothing to compare: no trial of the baseline can be compared with its counterpart"
            )
        elif policy_of(scope.spec).compares_texts and not any(probe.shows for probe in scope.probes):
            doubts.append(f"{scope.where}nothing to compare: no answer of either run shows anything")
        elif missing > scope.spec.max_missing * usable:
            doubts.append(
                f"{scope.where}{missing:,} of {usable:,} trials have no answer to compare (skipped, failed or blank): "
                f"more than {scope.spec.max_missing:.0%}"
            )
        else:
            doubts += [
                f"probe {probe.probe!r}: none of {probe.usable:,} trials has an answer to compare"
                for probe in scope.probes
                if 0 < probe.usable <= scope.missing_of(probe)
            ]
    return doubts


def _ignored(scope: Scope, evidence: GateEvidence) -> list[str]:
    """Say of which probes nothing is left to compare, where texts are compared."""
    if not policy_of(scope.spec).compares_texts:
        return []
    names = sorted(scope.names & evidence.emptied)
    return [f"nothing to compare: `ignore` leaves nothing of the answers to {', '.join(names)}"] if names else []


def _leaves_nothing(comparison: Comparison) -> bool:
    """Whether waivers leave no Trial that could be compared."""
    apart = {ChangeClass.NEW, ChangeClass.REMOVED, ChangeClass.EDITED}
    waived = [count for probe in comparison.probes for kind, count in probe.waived.items() if kind not in apart]
    left = comparison.overall.aligned - comparison.overall.classes[ChangeClass.EDITED] - sum(waived)
    return bool(waived) and left <= 0


def _outside(spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence) -> list[str]:
    """Doubt a part that is held against the whole, or against another part: what is outside it was not looked at."""
    if evidence.is_whole or spec.accept_missing or not any(policy_of(scope.spec).reads for scope in scopes):
        return []
    return ["only a part was compared, and what is outside it is missing; if on purpose: `--accept-missing`"]


def _lost(comparison: Comparison, scope: Scope, rule: Rule) -> list[str]:
    """Say which probes lost more of the baseline's trials than is allowed.

    They were removed, edited under one id, not asked, or, where scores decide, not scored on both sides.
    """
    policy = policy_of(scope.spec)
    if not policy.reads or scope.spec.accept_missing:
        return []
    counts_unscored = not policy.compares_texts and rule.state == "passed"  # an assessment says of most by itself
    found = []
    for probe in scope.probes:
        lost: dict[str, int] = {kind.value: probe.count(kind) for kind in _LOST}
        lost["without a score to compare"] = probe.unscored if counts_unscored else 0
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
