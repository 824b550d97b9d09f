"""The gate: a Policy read against a Comparison gives a Verdict with its evidence.

A policy is a function in `POLICIES`, named as in `gate: {fail_on: ...}`. Around all of them the gate fails
closed: nothing aligned, or too little answered, is inconclusive and never green, and a candidate that answered
nothing has failed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Comparison, ProbeTally, Tally, TrialName
from insideLLMs.core.errors import CompareError, ExitCode
from insideLLMs.core.types import GateSpec

State = Literal["passed", "failed", "inconclusive"]
MISSING_LIMIT = 0.05
"""The share of aligned Trials that may lack an answer on a side before a pass becomes inconclusive."""
_LOOK_FIRST = 10

REGRESSIONS = (ChangeClass.REGRESSED, ChangeClass.NEWLY_FAILING)
CHANGES = (*REGRESSIONS, ChangeClass.CHANGED, ChangeClass.IMPROVED, ChangeClass.FIXED, ChangeClass.RECOVERED)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy found in its scope: all probes without a rule of their own, or the one named.

    `counts` names each class that counts against the policy; `broken` is whether their sum is above `tolerance`.
    """

    scope: str | None
    fail_on: str
    tolerance: int
    trials: int
    counts: dict[str, int]
    broken: bool

    @property
    def counted(self) -> int:
        """How many Trials count against the policy."""
        return sum(self.counts.values())


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Pass or fail, with the evidence: why, by which rules, and which examples to look at first."""

    state: State
    policy: str
    exit_code: int
    reasons: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    look_first: tuple[TrialName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The part of a comparison that one rule judges; `name` is None for all that have no rule of their own."""

    name: str | None
    spec: GateSpec
    probes: tuple[ProbeTally, ...]

    @property
    def trials(self) -> int:
        """The aligned Trials in scope."""
        return sum(probe.tally.aligned for probe in self.probes)

    def count(self, kind: ChangeClass) -> int:
        """The Trials of one class in scope."""
        return sum(probe.tally.classes[kind] for probe in self.probes)


Policy = Callable[[Scope], Rule]


def _counting(kinds: Sequence[ChangeClass]) -> Policy:
    def apply(scope: Scope) -> Rule:
        counts = {kind.value: scope.count(kind) for kind in kinds}
        return Rule(
            scope=scope.name,
            fail_on=scope.spec.fail_on,
            tolerance=scope.spec.tolerance,
            trials=scope.trials,
            counts=counts,
            broken=sum(counts.values()) > scope.spec.tolerance,
        )

    return apply


_COUNTED: Mapping[str, Sequence[ChangeClass]] = {"never": (), "changes": CHANGES, "regressions": REGRESSIONS}
POLICIES: Mapping[str, Policy] = {name: _counting(kinds) for name, kinds in _COUNTED.items()}


def counted_classes(spec: GateSpec, probe: str) -> frozenset[str]:
    """Return the classes that count against the policy for this probe."""
    return frozenset(kind.value for kind in _COUNTED.get(spec.probes.get(probe, spec).fail_on, ()))


def judge(comparison: Comparison, spec: GateSpec) -> Verdict:
    """Judge a comparison by a policy. Raises CompareError for a policy or a probe that there is not."""
    scopes = _scopes(comparison, spec)
    rules = tuple(_policy(scope.spec)(scope) for scope in scopes)
    fatal = _nothing_answered(comparison.overall, spec)
    doubts = _doubts(comparison, scopes)
    broken = [rule for rule in rules if rule.broken]
    reasons = [*fatal, *(_explain(rule) for rule in broken)]
    state: State = "failed" if reasons else "inconclusive" if doubts else "passed"
    if not comparison.overall.aligned:
        state = "inconclusive"
    if state != "failed":
        reasons = [*doubts] or [_explain(rule) for rule in rules]
    code = {"passed": ExitCode.OK, "failed": ExitCode.GATE_FAILED, "inconclusive": ExitCode.INCONCLUSIVE}[state]
    return Verdict(
        state=state,
        policy=spec.fail_on,
        exit_code=int(code),
        reasons=(*reasons, *_remarks(comparison.overall)),
        rules=rules,
        look_first=_look_first(comparison, spec),
    )


def _policy(spec: GateSpec) -> Policy:
    policy = POLICIES.get(spec.fail_on)
    if policy is None:
        raise CompareError(
            f"the gate's policy {spec.fail_on!r} is unknown", fix=f"fail_on is one of {', '.join(sorted(POLICIES))}"
        )
    return policy


def _scopes(comparison: Comparison, spec: GateSpec) -> tuple[Scope, ...]:
    known = sorted({probe.probe for probe in comparison.probes})
    for name in sorted(spec.probes):
        if name not in known:
            raise CompareError(
                f"the gate has a rule for the probe {name!r}, which neither run has",
                fix=f"name one of {', '.join(known) or 'none'}, or take the rule out",
            )
    own = [(name, spec.probes[name]) for name in known if name in spec.probes]
    rest = tuple(probe for probe in comparison.probes if probe.probe not in spec.probes)
    scopes = [
        Scope(name=name, spec=rule, probes=tuple(probe for probe in comparison.probes if probe.probe == name))
        for name, rule in own
    ]
    return (Scope(name=None, spec=spec, probes=rest), *scopes) if rest or not own else tuple(scopes)


def _gating(specs: Iterable[GateSpec]) -> bool:
    return any(spec.fail_on != "never" for spec in specs)


def _nothing_answered(overall: Tally, spec: GateSpec) -> list[str]:
    side = overall.candidate
    if side.trials and not side.statuses["success"] and _gating((spec, *spec.probes.values())):
        return [f"the candidate answered none of its {side.trials:,} trials"]
    return []


def _doubts(comparison: Comparison, scopes: Sequence[Scope]) -> list[str]:
    overall = comparison.overall
    if not overall.aligned:
        return ["nothing to judge: the two runs have no trial in common"]
    doubts = []
    for scope in scopes:
        if scope.spec.fail_on == "never":
            continue
        where = f"probe {scope.name!r}: " if scope.name else ""
        missing = scope.count(ChangeClass.ERRORED) + scope.count(ChangeClass.SKIPPED)
        usable = scope.trials - scope.count(ChangeClass.EDITED)
        if usable <= 0:
            doubts.append(f"{where}nothing to judge: no trial of the baseline can be compared with its counterpart")
        elif missing > MISSING_LIMIT * usable:
            doubts.append(
                f"{where}{missing:,} of {usable:,} trials have no answer to compare (skipped, or failed on both "
                f"sides): more than {MISSING_LIMIT:.0%}"
            )
    return doubts


def _explain(rule: Rule) -> str:
    where = f"probe {rule.scope!r}: " if rule.scope else ""
    if not rule.counts:
        return f"{where}the policy is never to fail; {rule.trials:,} trials were compared"
    parts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in rule.counts.items() if count)
    sums = f" ({parts})" if parts else ""
    return (
        f"{where}{rule.counted:,} of {rule.trials:,} trials count as {rule.fail_on}{sums}; {rule.tolerance:,} tolerated"
    )


def _remarks(overall: Tally) -> list[str]:
    listed = [
        f"{overall.classes[kind]:,} {kind.value}"
        for kind in (ChangeClass.REMOVED, ChangeClass.NEW, ChangeClass.EDITED)
        if overall.classes[kind]
    ]
    return [f"listed, not counted: {', '.join(listed)}"] if listed else []


def _look_first(comparison: Comparison, spec: GateSpec) -> tuple[TrialName, ...]:
    trials = (
        change.trial for change in comparison.changes.listed if change.kind in counted_classes(spec, change.trial.probe)
    )
    return tuple(trial for trial, _ in zip(trials, range(_LOOK_FIRST), strict=False))
