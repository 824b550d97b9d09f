"""The decision: how the gate's error rate is shared over its questions, and what the answers come to.

The questions are the overall one, one per probe, and one for the confirmed items.

p_gate = min(1, p_overall/w1, min Holm(p_probe)/w2, p_item/w3); it is at most alpha with a chance of at most
alpha where nothing changed. A probe whose items vary so little that no result could reach its share of alpha is
no question: it is left out of Holm's family, and with an empty family, or where one probe alone varies (its
test and the overall test are then the same), w2 goes to the overall test. Both depend on the pooled values
alone, not on which run is the candidate, so that the error rate holds (Tarone 1990, doi:10.2307/2531456).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from insideLLMs.compare.statistics.confirmation import fisher_two_sided
from insideLLMs.compare.statistics.distributions import holm
from insideLLMs.compare.statistics.evidence import Background, Evidence, NonInferiority, points
from insideLLMs.compare.statistics.noise import Disagreement, RunDrift
from insideLLMs.core.gate_spec import GateSpec


class AlphaShares(NamedTuple):
    """How the gate's error rate is shared: the overall test, the tests per probe, item confirmation."""

    overall: float
    probes: float
    items: float = 0.0


PLAIN = AlphaShares(overall=0.5, probes=0.5)
WITH_CONFIRMATION = AlphaShares(overall=0.4, probes=0.4, items=0.2)


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the gate.

    `p` is Holm's for a probe; `share` is the part of alpha it is held against; `p_weighted` is what it
    contributes to p_gate; `delta` is None for item confirmation, whose items fell from pass to fail.
    """

    kind: Literal["overall", "probe", "item"]
    probe: str | None = None
    p: float
    share: float
    p_weighted: float
    delta: float | None = None
    fired: bool


class QuestionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which questions are asked, and with what weight.

    `family` names the probes under Holm's correction; `alone` is the one probe that varies, if others do not.
    """

    overall: float
    probes: float
    items: float
    family: tuple[str, ...] = ()
    alone: str | None = None


def plan_questions(least: Mapping[str, float], alpha: float, shares: AlphaShares) -> QuestionPlan:
    """Plan the questions from the least p that each probe could have led to."""
    both = shares.overall + shares.probes
    varying = [probe for probe, p in least.items() if p < 1.0]
    if len(varying) <= 1:
        alone = varying[0] if varying and len(least) > 1 else None
        return QuestionPlan(overall=both, probes=0.0, items=shares.items, alone=alone)
    family = tuple(probe for probe in varying if least[probe] <= alpha * shares.probes)
    if not family:
        return QuestionPlan(overall=both, probes=0.0, items=shares.items)
    return QuestionPlan(overall=shares.overall, probes=shares.probes, items=shares.items, family=family)


def branches(
    overall: Evidence, probes: Mapping[str, Evidence], plan: QuestionPlan, spec: GateSpec, confirmed_p: float | None
) -> tuple[Branch, ...]:
    """Return every branch of the gate, those that fired first, then by what they contribute to p_gate."""
    if plan.alone is None:
        found = [_branch("overall", overall, overall.p_used, plan.overall, spec)]
    else:
        alone = probes[plan.alone]
        found = [_branch("probe", alone, alone.p_used, plan.overall, spec)]
    for name, p in zip(plan.family, holm([probes[name].p_used for name in plan.family]), strict=True):
        found.append(_branch("probe", probes[name], p, plan.probes, spec))
    if confirmed_p is not None:
        found.append(_branch("item", None, confirmed_p, plan.items, spec))
    return tuple(sorted(found, key=lambda branch: (not branch.fired, branch.p_weighted)))


def _branch(
    kind: Literal["overall", "probe", "item"], evidence: Evidence | None, p: float, weight: float, spec: GateSpec
) -> Branch:
    delta = evidence.delta if evidence else None
    is_large = evidence is None or (delta is not None and delta <= -spec.min_effect)
    return Branch(
        kind=kind,
        probe=evidence.probe if evidence else None,
        p=p,
        share=spec.alpha * weight,
        p_weighted=min(1.0, p / weight) if weight > 0.0 else 1.0,
        delta=delta,
        fired=weight > 0.0 and p <= spec.alpha * weight and is_large,
    )


def p_gate(found: Sequence[Branch]) -> float:
    """Return the smallest weighted p, whatever the size of the effect."""
    return min((branch.p_weighted for branch in found), default=1.0)


FEW_ITEMS = 10
MISSING_ALPHA = 0.01

NoteCode = Literal["few_items", "single_baseline", "run_drift", "pseudo_repeats", "missing", "few_clusters"]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know when reading the evidence; `probe` is None where it concerns all."""

    code: NoteCode
    text: str
    probe: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its reasons."""

    verdict: Literal["passed", "failed", "inconclusive", "identical"]
    reasons: tuple[str, ...]


def decide(overall: Evidence, found: Sequence[Branch], shown: NonInferiority | None, spec: GateSpec) -> Decision:
    """Decide: first whether the evidence allows it, then by the policy."""
    fired = tuple(_reason(branch) for branch in found if branch.fired)
    obstacles = _obstacles(overall, spec)
    if obstacles:
        return Decision(verdict="inconclusive", reasons=(*obstacles, *fired))
    if shown is not None:
        return Decision(verdict="passed" if shown.is_shown else "failed", reasons=(shown.reason,))
    if fired:
        return Decision(verdict="failed", reasons=fired)
    if not overall.n_informative:
        return Decision(verdict="identical", reasons=(overall.message,))
    return Decision(verdict="passed", reasons=(_no_evidence(found, spec), overall.message))


def _obstacles(overall: Evidence, spec: GateSpec) -> tuple[str, ...]:
    if not overall.n_paired:
        return (overall.message,)
    obstacles = [] if spec.errors_as == "fail" else _gaps(overall, spec)
    if spec.run_level and overall.p_run is None:
        obstacles.append("A run-level test needs at least two baseline runs that have all their items.")
    wanted = spec.min_effect or spec.wanted_drop
    if spec.require_power and (overall.detectable is None or overall.detectable > wanted):
        need = f"; about {overall.items_needed} items would" if overall.items_needed else ""
        obstacles.append(f"This comparison cannot reliably detect a drop of {points(wanted)} points{need}.")
    return tuple(obstacles)


def _gaps(overall: Evidence, spec: GateSpec) -> list[str]:
    """Say where Trials without a score could hide or feign a change."""
    obstacles = []
    missing = overall.missing
    for side, count, trials in (
        ("baseline", missing.baseline, missing.baseline_trials),
        ("candidate", missing.candidate, missing.candidate_trials),
    ):
        if count > spec.max_missing * trials:
            obstacles.append(
                f"{count} of {trials} {side} trials have no score; "
                f"more than {spec.max_missing:.0%} missing can hide or fake a change."
            )
    p = fisher_two_sided(missing.baseline, missing.baseline_trials, missing.candidate, missing.candidate_trials)
    if p < MISSING_ALPHA:
        obstacles.append(
            f"The sides differ in what is missing: {missing.baseline} of {missing.baseline_trials} baseline and "
            f"{missing.candidate} of {missing.candidate_trials} candidate trials have no score (p = {p:.2g})."
        )
    return obstacles


def _reason(branch: Branch) -> str:
    against = f"p = {branch.p:.2g} against {branch.share:.2g}"
    if branch.kind == "item":
        return f"Items that went from pass to fail were confirmed by asking again ({against})."
    where = "Overall" if branch.probe is None else f"Probe {branch.probe}"
    how = "" if branch.probe is None else ", corrected for the number of probes"
    return f"{where} got worse by {points(-(branch.delta or 0.0))} points ({against}{how})."


def _no_evidence(found: Sequence[Branch], spec: GateSpec) -> str:
    least = min(found, key=lambda branch: branch.p_weighted)
    if least.p_weighted <= spec.alpha:
        return f"A drop is real but smaller than the {points(spec.min_effect)} points that are allowed."
    return f"No evidence of a drop: gate p = {least.p_weighted:.2g}, above {spec.alpha:g}."


def notes_on(
    overall: Evidence, probes: Sequence[Evidence], noise: Disagreement, drift: RunDrift | None, background: Background
) -> tuple[Note, ...]:
    """Return what a reader should know beside the numbers."""
    notes = [
        Note(
            code="few_items",
            text=f"Only {evidence.n_paired} items: only large changes can be detected.",
            probe=evidence.probe,
        )
        for evidence in probes
        if 0 < evidence.n_paired < FEW_ITEMS
    ]
    if overall.n_clusters is not None and overall.n_clusters < FEW_ITEMS:
        notes.append(Note(code="few_clusters", text=f"Only {overall.n_clusters} clusters: the interval is wide."))
    if overall.n_paired and overall.baseline_runs < 2:
        notes.append(
            Note(
                code="single_baseline",
                text="One baseline run: if it was a lucky one, unchanged candidates fail more often than the "
                "nominal rate. Three or more baseline runs, or a retest, guard against it.",
            )
        )
    if drift is not None and drift.is_seen:
        text = f"Whole baseline runs move together (means vary {drift.ratio:.1f} times chance, p = {drift.p:.2g})"
        notes.append(Note(code="run_drift", text=f"{text}; the candidate is also held against the spread of runs."))
    if noise.has_pseudo_repeats or (background.noise is not None and background.noise.has_pseudo_repeats):
        text = "Repeats of one run never differ although runs do: a cache or a fixed seed. They add no evidence."
        notes.append(Note(code="pseudo_repeats", text=text))
    if overall.missing.baseline or overall.missing.candidate:
        left_out = overall.missing.unpaired_items
        text = f"{overall.missing.baseline} baseline and {overall.missing.candidate} candidate trials have no score"
        notes.append(Note(code="missing", text=f"{text}; {left_out} items are left out because of it."))
    return tuple(notes)
