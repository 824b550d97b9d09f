"""The gate's policies: each reads one part of a comparison and says whether that part may pass, and why.

::

    never        nothing fails
    changes      more Trials changed than are tolerated
    regressions  more Trials went from pass to fail, or to no answer, than are tolerated; with repeats, more
                 items that passed every time and now fail every time
    significant  the run-label permutation test finds a drop, overall or in a probe, or an item is confirmed
    confirmed    an item that went from pass to fail is confirmed by asking again
    churn        the candidate differs from two baseline runs more than they differ from each other
    drift        the texts of two or more answers a side come from another distribution than the baseline's
    non-inferior a drop as large as the margin cannot be ruled out
    auto         for models that answer alike every time, `changes` where the experiment is the same and
                 `regressions` where it was changed on purpose; `significant` for all others
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from insideLLMs.compare.basis import Basis
from insideLLMs.compare.classify import ChangeClass
from insideLLMs.compare.comparison import Change, ProbeTally
from insideLLMs.compare.states import transitions
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.noise import odd_one_out
from insideLLMs.compare.statistics.text_drift import TextDrift
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import FailOn, GateSpec

State = Literal["passed", "failed", "inconclusive"]
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

    @property
    def counted(self) -> int:
        """How many Trials count against the policy."""
        return sum(self.counts.values())


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

    @property
    def names(self) -> frozenset[str]:
        """The probes in scope."""
        return frozenset(probe.probe for probe in self.probes)

    @property
    def where(self) -> str:
        """How a reason about this scope starts."""
        return f"probe {self.name!r}: " if self.name else ""

    def count(self, kind: ChangeClass) -> int:
        """The Trials of one class in scope, without the waived."""
        return sum(probe.tally.classes[kind] - probe.waived.get(kind.value, 0) for probe in self.probes)


Policy = Callable[[Scope, Basis | None], Rule]
_COUNTED: Mapping[FailOn, Sequence[ChangeClass]] = {"never": (), "changes": CHANGES, "regressions": REGRESSIONS}


def _count(scope: Scope, basis: Basis | None) -> Rule:
    counts = {kind.value: scope.count(kind) for kind in _COUNTED[scope.spec.fail_on]}
    if scope.spec.fail_on == "regressions" and basis is not None:
        moved = transitions(basis.observed.tally, basis.names_of(scope.names))
        if moved.repeats > 1:
            counts = {"hard_regressions": moved.hard_regressions, "newly_failing": counts["newly_failing"]}
    alike = sum(probe.alike for probe in scope.probes)
    if alike and scope.spec.fail_on == "changes" and not scope.spec.trust_semantic:
        counts[ALIKE] = alike
    rule = Rule(
        scope=scope.name,
        fail_on=scope.spec.fail_on,
        state="passed",
        reasons=(),
        trials=scope.trials,
        tolerance=scope.spec.tolerance,
        counts=counts,
    )
    state: State = "failed" if rule.counted > rule.tolerance else "passed"
    return msgspec.structs.replace(rule, state=state, reasons=(*_explain(scope, rule), *_expected(scope, rule, basis)))


def _explain(scope: Scope, rule: Rule) -> tuple[str, ...]:
    if not rule.counts:
        return (f"{scope.where}the policy is never to fail; {rule.trials:,} trials were compared",)
    parts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in rule.counts.items() if count)
    sums = f" ({parts})" if parts else ""
    told = f"{rule.counted:,} of {rule.trials:,} trials count as {rule.fail_on}{sums}; {rule.tolerance:,} tolerated"
    return (scope.where + told,)


def _expected(scope: Scope, rule: Rule, basis: Basis | None) -> tuple[str, ...]:
    """Say how many regressions an unchanged system would show, where that is known."""
    floor = basis.floor if basis is not None and rule.fail_on == "regressions" else None
    noise = floor.verdicts if floor is not None else None
    if noise is None or not noise.n:
        return ()
    return (f"{scope.where}noise alone lets about {noise.expected_regressions(rule.trials):.1f} trials fall",)


def _significant(scope: Scope, basis: Basis | None) -> Rule:
    assert basis is not None
    found = basis.assess(scope.names, scope.spec)
    states: dict[str, State] = {"failed": "failed", "inconclusive": "inconclusive"}
    return Rule(
        scope=scope.name,
        fail_on=scope.spec.fail_on,
        state=states.get(found.verdict, "passed"),
        reasons=tuple(scope.where + reason for reason in found.reasons),
        trials=scope.trials,
        assessment=found,
    )


def _confirmed(scope: Scope, basis: Basis | None) -> Rule:
    assert basis is not None
    names = basis.names_of(scope.names)
    found = basis.confirmed
    if found is None:
        state: State = "inconclusive"
        reasons = ["nothing was asked again; add --confirm, which asks the items that went from pass to fail anew"]
    elif found.unavailable:
        state, reasons = "inconclusive", [f"items could not be confirmed: {found.unavailable}"]
    else:
        mine = [item for item in found.items if item.probe in names]
        state = "failed" if len(mine) > scope.spec.tolerance else "passed"
        reasons = [
            f"{item.example_id}: passed {item.baseline_passes} of {item.baseline_asked} fresh answers of the "
            f"baseline and {item.candidate_passes} of {item.candidate_asked} of the candidate (p = {item.p:.2g})"
            for item in mine[:10]
        ]
        reasons.insert(0, f"{len(mine)} items are confirmed as broken; {found.selected} went from pass to fail")
    told = tuple(scope.where + reason for reason in reasons)
    return Rule(scope=scope.name, fail_on=scope.spec.fail_on, state=state, reasons=told, trials=scope.trials)


def _churn(scope: Scope, basis: Basis | None) -> Rule:
    assert basis is not None
    rule = Rule(scope=scope.name, fail_on="churn", state="inconclusive", reasons=(), trials=scope.trials)
    if len(basis.baseline_runs) < 2:
        told = "churn needs two baseline runs or more, to see how much unchanged runs differ"
        return msgspec.structs.replace(rule, reasons=(scope.where + told,))
    odd = [basis.observed.odd.get(name, (0, 0)) for name in basis.names_of(scope.names)]
    test = odd_one_out(sum(n for n, _ in odd), sum(times for _, times in odd))
    alpha = min(scope.spec.alpha, CHURN_ALPHA)
    told = (
        f"{scope.where}of {test.n_odd:,} items where one of three runs differs from the other two "
        f"({scope.spec.level}), the candidate is that one in {test.candidate_odd:,}; a third is expected "
        f"(p = {test.p_mid:.2g} against {alpha:g})"
    )
    return msgspec.structs.replace(
        rule,
        state="failed" if test.p_mid <= alpha else "passed",
        reasons=(told,),
        churn=Churn(
            level=scope.spec.level, n_odd=test.n_odd, candidate_odd=test.candidate_odd, p=test.p_mid, alpha=alpha
        ),
    )


def _drift(scope: Scope, basis: Basis | None) -> Rule:
    assert basis is not None
    found = basis.drift_of(scope.names)
    rule = Rule(scope=scope.name, fail_on="drift", state="inconclusive", reasons=(), trials=scope.trials, drift=found)
    if found is None or not found.n:
        told = "drift needs two or more answers a side to an example, from repeats or from several runs"
    elif basis.has_copies:
        told = "drift needs answers that are drawn anew, and the repeats of every example are copies of each other"
    else:
        told = f"{tell_drift(found)} against {scope.spec.alpha:.3g}"
        rule = msgspec.structs.replace(rule, state="failed" if found.p <= scope.spec.alpha else "passed")
    return msgspec.structs.replace(rule, reasons=(scope.where + told,))


def tell_drift(found: TextDrift) -> str:
    """Say what the test of text drift found."""
    return (
        f"text drift over {found.n:,} examples, in {found.varied:,} of which answers vary: mean discrepancy "
        f"{found.discrepancy:.3g} ({found.kernel}), p = {found.p:.2g}"
    )


POLICIES: Mapping[FailOn, Policy] = {
    "never": _count,
    "changes": _count,
    "regressions": _count,
    "significant": _significant,
    "confirmed": _confirmed,
    "churn": _churn,
    "drift": _drift,
    "non-inferior": _significant,
}


def apply(scope: Scope, basis: Basis | None) -> Rule:
    """Apply the scope's policy. Raises CompareError for one that there is not, or that lacks what it reads."""
    policy = POLICIES.get(scope.spec.fail_on)
    if policy is None:
        raise CompareError(
            f"the gate's policy {scope.spec.fail_on!r} is unknown",
            fix=f"fail_on is one of auto, {', '.join(sorted(POLICIES))}",
        )
    if basis is None and policy is not _count:
        raise CompareError(
            f"the gate's policy {scope.spec.fail_on!r} reads scores by item, and was given counts alone",
            fix="judge with a Basis, made of what `compare_with` observed",
        )
    return policy(scope, basis)


def resolve(spec: GateSpec, basis: Basis | None) -> FailOn:
    """Return the policy in force: `auto` becomes what fits the models."""
    if spec.fail_on != "auto":
        return spec.fail_on
    if basis is None or not basis.deterministic:
        return "significant"
    return "changes" if basis.same_experiment else "regressions"


def blame_of(change: Change) -> str:
    """Return what a change is held against a rule as: its class, or that only a model holds it to be equivalent."""
    by_model = change.kind == ChangeClass.EQUIVALENT and change.similarity is not None
    return ALIKE if by_model else change.kind


def blamed_classes(rule: Rule) -> frozenset[str]:
    """Return the classes whose Trials a report shows as failures of this rule."""
    if rule.fail_on in _COUNTED:
        return frozenset((*(kind.value for kind in _COUNTED[rule.fail_on]), *rule.counts.keys() & {ALIKE}))
    if rule.state != "failed":
        return frozenset()
    return frozenset(kind.value for kind in (CHANGES if rule.fail_on in {"churn", "drift"} else REGRESSIONS))
