"""Which rule decides on which probes, and at what part of alpha."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.gate.policies import NEVER, Scope, policy_of, resolve
from insideLLMs.compare.statistics.judges import advisory_probes
from insideLLMs.compare.statistics.labelled_drop import LabelledDrop, labelled_drop, suffice
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec


def scopes_of(comparison: Comparison, spec: GateSpec, evidence: GateEvidence) -> tuple[Scope, ...]:
    """Split the probes by rule. Statistical rules and bounds of growth share alpha, but not a probe's own alpha.

    Raises CompareError for a rule of a probe that there is not.
    """
    _check_probes(comparison, spec)
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
    parties = parties_of(spec, scopes, evidence)
    return tuple(
        replace(scope, spec=msgspec.structs.replace(scope.spec, alpha=scope.spec.alpha / parties))
        if _shares_alpha(spec, scope)
        else scope
        for scope in scopes
    )


def parties_of(spec: GateSpec, scopes: Sequence[Scope], evidence: GateEvidence) -> int:
    """Return how many share alpha: statistical rules without one of their own, all bounds of growth, all labels."""
    rules = sum(_shares_alpha(spec, scope) for scope in scopes)
    return rules + bool(spec.max_growth) + any(map(suffice, evidence.observed.labelled.values()))


def labelled_drops(spec: GateSpec, evidence: GateEvidence, parties: int) -> tuple[LabelledDrop, ...]:
    """Say what people's labels show of each probe; those with labels enough share one party's alpha."""
    seen = evidence.observed
    alpha = spec.alpha / max(1, parties * sum(map(suffice, seen.labelled.values())))
    return tuple(
        labelled_drop(name, items, alpha=alpha, min_effect=spec.of_probe(seen.probes[name]).min_effect)
        for name, items in sorted(seen.labelled.items())
    )


def may_fail(spec: GateSpec, evidence: GateEvidence, found: LabelledDrop) -> bool:
    """Whether a drop that labels show may fail the gate: also for an advisory judge, but not where nothing may."""
    return spec.of_probe(evidence.observed.probes[found.probe]).fail_on != NEVER.name


def _shares_alpha(spec: GateSpec, scope: Scope) -> bool:
    return policy_of(scope.spec).is_statistical and not _has_own_alpha(spec, scope.name)


def _has_own_alpha(spec: GateSpec, probe: str | None) -> bool:
    return probe in spec.probes and spec.probes[probe].alpha is not None


def _check_probes(comparison: Comparison, spec: GateSpec) -> None:
    known = sorted({probe.probe for probe in comparison.probes})
    for name in sorted(spec.probes):
        if name not in known:
            raise CompareError(
                f"the gate has a rule for the probe {name!r}, which neither run has",
                fix=f"name one of {', '.join(known) or 'none'}, or remove the rule",
            )
