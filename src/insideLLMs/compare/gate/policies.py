"""The gate's policies: each is a value that says what it reads, what it blames, and how it decides.

::

    never        nothing fails
    changes      more Trials changed than are tolerated
    regressions  more Trials went from pass to fail, or to no answer, than are tolerated; with repeats, more
                 items of which every repeat is worse than every repeat was before
    significant  the run-label permutation test and the stable items find a drop, overall or in a probe, or an item is
                 confirmed
    confirmed    an item that went from pass to fail is confirmed by asking again
    churn        the candidate differs from two baseline runs more than they differ from each other
    drift        the texts of two or more answers a side come from another distribution than the baseline's
    non-inferior a drop as large as the margin cannot be ruled out
    auto         for scripted models, `changes` where the experiment is the same and `regressions` where it was
                 changed on purpose; `significant` for all others: equal answers so far do not rule out a flip
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Change, ProbeTally
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.one_run.verdict import State
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.evidence import tell_p
from insideLLMs.compare.statistics.noise import odd_one_out
from insideLLMs.compare.statistics.text_drift import TextDrift
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import FailOn, GateSpec

CHURN_ALPHA = 0.01
"""Churn is asked in both directions and of every text, so it is held to a stricter level than a drop."""
REGRESSIONS = (ChangeClass.REGRESSED, ChangeClass.NEWLY_FAILING)
CHANGES = (*REGRESSIONS, ChangeClass.CHANGED, ChangeClass.IMPROVED, ChangeClass.FIXED, ChangeClass.RECOVERED)


ALIKE = "equivalent by meaning"
"""Trials that only an embedding model holds to be equivalent; they count as changed unless it is trusted."""


class Churn(msgspec.Struct, frozen=True, kw_only=True):
    """Of `n_odd` items of which one of three runs is the odd one, the candidate is it in `candidate_odd`."""

    level: str
    n_odd: int
    candidate_odd: int
    p: float
    alpha: float


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy found in its scope: all probes without a rule of their own, or the one named.

    `counts` names each class that counts against a counting policy, of which `tolerance` are let through;
    `assessment`, `churn` and `drift` are the evidence of the statistical ones.
    """

    scope: str | None
    fail_on: FailOn
    state: State
    reasons: tuple[str, ...]
    trials: int
    tolerance: int = 0
    counts: dict[str, int] = {}
    assessment: Assessment | None = None
    churn: Churn | None = None
    drift: TextDrift | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of a comparison on which one rule decides; `name` is None for all that have no rule of their own."""

    name: str | None
    spec: GateSpec
    probes: tuple[ProbeTally, ...]

    @property
    def trials(self) -> int:
        """The aligned Trials in scope."""
        return sum(probe.tally.aligned for probe in self.probes)

    @property
    def names(self) -> frozenset[str]:
        """The probes in scope."""
        return frozenset(probe.probe for probe in self.probes)

    @property
    def where(self) -> str:
        """How a reason about this scope starts."""
        return f"probe {self.name!r}: " if self.name else ""

    @property
    def able(self) -> int:
        """The Trials in scope that could have got worse."""
        return sum(probe.able for probe in self.probes)

    @property
    def usable(self) -> int:
        """The aligned Trials of examples that were not edited, without the waived."""
        return sum(probe.usable for probe in self.probes)

    @property
    def missing(self) -> int:
        """Those of which there is nothing to compare."""
        return sum(map(self.missing_of, self.probes))

    def missing_of(self, probe: ProbeTally) -> int:
        """Count what is skipped, has no answer where that does not fail by itself, or is blank where texts are read."""
        policy = POLICIES[self.spec.fail_on]
        kinds = {ChangeClass.ERRORED, ChangeClass.SKIPPED, ChangeClass.NEWLY_FAILING, ChangeClass.RECOVERED}
        return sum(map(probe.count, kinds - policy.counts)) + (probe.blank if policy.compares_texts else 0)

    def count(self, kind: ChangeClass) -> int:
        """The Trials of one class in scope, without the waived."""
        return sum(probe.count(kind) for probe in self.probes)


Source = Literal["answers", "directions", "scores", "text drift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A way to decide.

    What it `reads` must be there and comparable, else the gate is inconclusive: answers on both sides, and of scores
    one range to tell better from worse (`directions`), for their values one judge as well. Statistical policies share
    alpha. `blames` are the classes whose Trials a report shows as its failures; `counts` those of which each counts
    against it.
    """

    name: FailOn
    reads: frozenset[Source]
    is_statistical: bool
    blames: tuple[ChangeClass, ...]
    decide: Callable[[Scope, GateEvidence], Rule]
    counts: frozenset[ChangeClass] = frozenset()

    @property
    def compares_texts(self) -> bool:
        """Whether it can decide on answers that nothing scores."""
        return ChangeClass.CHANGED in self.blames


def _never(scope: Scope, evidence: GateEvidence) -> Rule:
    del evidence  # the signature is every policy's
    rule = _count(scope, {}, scope.usable)
    told = f"{scope.where}the policy is never to fail; {rule.trials:,} trials were compared"
    return msgspec.structs.replace(rule, reasons=(told,))


def _changes(scope: Scope, evidence: GateEvidence) -> Rule:
    del evidence  # as above
    counts = {kind.value: scope.count(kind) for kind in CHANGES}
    alike = sum(probe.alike for probe in scope.probes)
    counted = counts | {ALIKE: alike} if alike and not scope.spec.trust_semantic else counts
    return _count(scope, counted, scope.usable - scope.missing)


def _regressions(scope: Scope, evidence: GateEvidence) -> Rule:
    counts = {kind.value: scope.count(kind) for kind in REGRESSIONS}
    names = evidence.names_of(scope.names)
    moved, able = evidence.transitions(names), scope.able
    if moved.repeats > 1:
        counts = {"hard_regressions": moved.hard_regressions, "newly_failing": counts["newly_failing"]}
        able = evidence.able(names)
    rule = _count(scope, counts, able)
    noise = evidence.floor.verdicts if evidence.floor is not None else None
    if noise is None or not noise.n:
        return rule
    told = f"{scope.where}by noise alone about {noise.expected_regressions(rule.trials):.1f} trials fall"
    return msgspec.structs.replace(rule, reasons=(*rule.reasons, told))


def _count(scope: Scope, counts: dict[str, int], most: int) -> Rule:
    """Count what fails; `most` is how many could have."""
    counted, tolerated = sum(counts.values()), scope.spec.tolerance
    doubts = [] if counted > tolerated else _cannot_fail(scope, most)
    parts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items() if count)
    told = f"{counted:,} of {scope.trials:,} trials count as {scope.spec.fail_on}" + (f" ({parts})" if parts else "")
    return Rule(
        scope=scope.name,
        fail_on=scope.spec.fail_on,
        state="failed" if counted > tolerated else "inconclusive" if doubts else "passed",
        reasons=(*doubts, f"{scope.where}{told}; {tolerated:,} tolerated"),
        trials=scope.trials,
        tolerance=tolerated,
        counts=counts,
    )


def _cannot_fail(scope: Scope, most: int) -> list[str]:
    """Say that no candidate could have failed: so many could count at most, and no more than that are tolerated.

    One that passes what a baseline of failures does not is better, and no gate has to ask for more.
    """
    tolerated, policy = scope.spec.tolerance, scope.spec.fail_on
    if scope.usable <= scope.missing or most > tolerated or policy == NEVER.name:  # the first is said elsewhere
        return []
    if not most and (scope.count(ChangeClass.FIXED) or scope.count(ChangeClass.IMPROVED)):
        return []
    if most:
        told = f"at most {most:,} could count as {policy}, and {tolerated:,} are tolerated: lower `tolerance`"
    else:
        told = (
            f"none of {scope.usable:,} trials can get worse, as none passes in the baseline and is scored in the "
            "candidate: accept a run that passes some as the baseline, or compare the answers: `--fail-on changes`"
        )
    return [f"{scope.where}this gate cannot fail: {told}"]


def _significant(scope: Scope, evidence: GateEvidence) -> Rule:
    return _assessed(scope, evidence.assess(scope.names, scope.spec))


def _non_inferior(scope: Scope, evidence: GateEvidence) -> Rule:
    return _assessed(scope, evidence.assess(scope.names, scope.spec, margin=scope.spec.margin))


def _assessed(scope: Scope, found: Assessment) -> Rule:
    states: dict[str, State] = {"failed": "failed", "inconclusive": "inconclusive"}
    return Rule(
        scope=scope.name,
        fail_on=scope.spec.fail_on,
        state=states.get(found.verdict, "passed"),
        reasons=tuple(scope.where + reason for reason in found.reasons),
        trials=scope.trials,
        assessment=found,
    )


def _confirmed(scope: Scope, evidence: GateEvidence) -> Rule:
    names = evidence.names_of(scope.names)
    found = evidence.confirmed
    doubts: list[str] = []
    if found is None:
        state: State = "inconclusive"
        reasons = ["nothing was re-run; add --confirm, which re-runs the items that went from pass to fail"]
    elif found.unavailable:
        state, reasons = "inconclusive", [f"items could not be confirmed: {found.unavailable}"]
    else:
        mine = [item for item in found.items if item.probe in names]
        is_broken = len(mine) > scope.spec.tolerance
        doubts = [] if is_broken else _cannot_fail(scope, evidence.passing(names))
        state = "failed" if is_broken else "inconclusive" if doubts else "passed"
        reasons = [
            f"{item.example_id}: passed {item.baseline_passes} of {item.baseline_asked} fresh answers of the "
            f"baseline and {item.candidate_passes} of {item.candidate_asked} of the candidate ({tell_p(item.p)})"
            for item in mine[:10]
        ]
        reasons.insert(0, f"{len(mine)} items are confirmed as broken; {found.selected} went from pass to fail")
    told = (*doubts, *(scope.where + reason for reason in reasons))
    return Rule(scope=scope.name, fail_on=scope.spec.fail_on, state=state, reasons=told, trials=scope.trials)


def _churn(scope: Scope, evidence: GateEvidence) -> Rule:
    rule = Rule(scope=scope.name, fail_on="churn", state="inconclusive", reasons=(), trials=scope.trials)
    if len(evidence.baseline_runs) < 2:
        told = "churn needs two baseline runs or more, to see how much unchanged runs differ"
        return msgspec.structs.replace(rule, reasons=(scope.where + told,))
    names = evidence.names_of(scope.names)
    items, alpha = sum(evidence.observed.churn[name] for name in names), min(scope.spec.alpha, CHURN_ALPHA)
    if odd_one_out(items, items).p_mid > alpha:
        told = f"this gate cannot fail: {items:,} examples have an answer in all three runs, and churn takes more"
        return msgspec.structs.replace(rule, reasons=(scope.where + told,))
    odd = [evidence.observed.odd.get(name, (0, 0)) for name in names]
    test = odd_one_out(sum(n for n, _ in odd), sum(times for _, times in odd))
    told = (
        f"{scope.where}of {test.n_odd:,} items where one of three runs differs from the other two "
        f"({scope.spec.level}), the candidate is that one in {test.candidate_odd:,}; a third is expected "
        f"({tell_p(test.p_mid)} against {alpha:g})"
    )
    return msgspec.structs.replace(
        rule,
        state="failed" if test.p_mid <= alpha else "passed",
        reasons=(told,),
        churn=Churn(
            level=scope.spec.level, n_odd=test.n_odd, candidate_odd=test.candidate_odd, p=test.p_mid, alpha=alpha
        ),
    )


def _drift(scope: Scope, evidence: GateEvidence) -> Rule:
    found = evidence.drift_of(scope.names)
    rule = Rule(scope=scope.name, fail_on="drift", state="inconclusive", reasons=(), trials=scope.trials, drift=found)
    if found is None or not found.n:
        told = "drift needs two or more answers per side to an example, from repeats or from several runs"
    elif found.least > scope.spec.alpha:
        told = (
            f"this gate cannot fail: the answers to {found.n:,} examples cannot show drift at alpha "
            f"{scope.spec.alpha:.3g}; ask more examples, or more repeats"
        )
    elif evidence.has_copies:
        told = "drift needs independent answers, but the repeats of every example are copies of each other"
    else:
        told = f"{tell_drift(found)} against {scope.spec.alpha:.3g}"
        rule = msgspec.structs.replace(rule, state="failed" if found.p <= scope.spec.alpha else "passed")
    return msgspec.structs.replace(rule, reasons=(scope.where + told,))


def tell_drift(found: TextDrift) -> str:
    """Say what the test of text drift found."""
    return (
        f"text drift over {found.n:,} examples, in {found.varied:,} of which answers vary: mean discrepancy "
        f"{found.discrepancy:.3g} ({found.kernel}), {tell_p(found.p)}"
    )


_ANSWERS: frozenset[Source] = frozenset({"answers"})
_DIRECTIONS: frozenset[Source] = frozenset({"answers", "directions"})
_SCORES: frozenset[Source] = frozenset({"answers", "directions", "scores"})
_DRIFT: frozenset[Source] = frozenset({"answers", "text drift"})
NEVER = Policy(name="never", reads=frozenset(), is_statistical=False, blames=(), decide=_never)
SIGNIFICANT = Policy(name="significant", reads=_SCORES, is_statistical=True, blames=REGRESSIONS, decide=_significant)
POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        NEVER,
        Policy(
            name="changes",
            reads=_ANSWERS,
            is_statistical=False,
            blames=CHANGES,
            decide=_changes,
            counts=frozenset(CHANGES),
        ),
        Policy(
            name="regressions",
            reads=_DIRECTIONS,
            is_statistical=False,
            blames=REGRESSIONS,
            decide=_regressions,
            counts=frozenset(REGRESSIONS),
        ),
        SIGNIFICANT,
        Policy(name="confirmed", reads=_SCORES, is_statistical=False, blames=REGRESSIONS, decide=_confirmed),
        Policy(name="churn", reads=_SCORES, is_statistical=True, blames=CHANGES, decide=_churn),
        Policy(name="drift", reads=_DRIFT, is_statistical=True, blames=CHANGES, decide=_drift),
        Policy(name="non-inferior", reads=_SCORES, is_statistical=True, blames=REGRESSIONS, decide=_non_inferior),
    )
}
"""All there are: nothing else knows their names."""


def reads_text_drift(spec: GateSpec) -> bool:
    """Whether a policy in force for any probe reads the text drift."""
    names = {spec.fail_on, *(own.fail_on for own in spec.probes.values())}
    return any("text drift" in policy.reads for name, policy in POLICIES.items() if name in names)


def policy_of(spec: GateSpec) -> Policy:
    """Return the policy that settings name, `auto` aside. Raises CompareError for one that there is not."""
    policy = POLICIES.get(spec.fail_on)
    if policy is None:
        raise CompareError(
            f"the gate's policy {spec.fail_on!r} is unknown",
            fix=f"fail_on is one of auto, {', '.join(sorted(POLICIES))}",
        )
    return policy


def resolve(spec: GateSpec, evidence: GateEvidence) -> FailOn:
    """Return the policy in force: `auto` becomes what fits the models."""
    if spec.fail_on != "auto":
        return spec.fail_on
    if not evidence.scripted:
        return "significant"
    return "changes" if evidence.same_experiment else "regressions"


def blame_of(change: Change) -> str:
    """Return what a change is held against a rule as: its class, or that only a model holds it to be equivalent."""
    by_model = change.kind == ChangeClass.EQUIVALENT and change.similarity is not None
    return ALIKE if by_model else change.kind


def blamed_classes(rule: Rule) -> frozenset[str]:
    """Return the classes whose Trials a report shows as failures of this rule."""
    if not rule.counts and rule.state != "failed":
        return frozenset()
    kinds = frozenset(kind.value for kind in POLICIES[rule.fail_on].blames)
    return kinds | (rule.counts.keys() & {ALIKE})
