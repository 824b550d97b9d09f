"""The decision: how the gate's error rate is shared over its questions, and what the answers come to.

The questions are the overall one, one per probe, and one for the confirmed items.

p_gate = min(1, p_overall/w1, min Holm(p_probe)/w2, p_item/w3); it is at most alpha with a chance of at most
alpha where nothing changed. A probe whose items vary so little that no result could reach its share of alpha is
no question: it is left out of Holm's family, and with an empty family, or where one probe alone varies (its
test and the overall test are then the same), w2 goes to the overall test. Both depend on the pooled values
alone, not on which run is the candidate, so that the error rate holds (Tarone 1990, doi:10.2307/2531456).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from insideLLMs.compare.statistics.distributions import binomial_tail, holm
from insideLLMs.compare.statistics.evidence import (
    Background,
    Evidence,
    NonInferiority,
    examples,
    points,
    signed_points,
    tell_p,
    tell_stable,
)
from insideLLMs.compare.statistics.noise import Disagreement, RunShift
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
    effect = evidence.effect if evidence else None
    is_large = evidence is None or (effect is not None and effect < 0.0 and effect <= -spec.min_effect)
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
MANY_ITEMS = 300
"""From so many on, a shift of whole runs that one baseline cannot show is larger than the noise of examples."""
MISSING_ALPHA = 0.05
"""More missing than is allowed counts as too much where chance explains it less often than this."""
_NO_RUNS = "A run-level test needs at least two baseline runs that have all their items."

NoteCode = Literal[
    "few_items", "single_baseline", "run_shift", "pseudo_repeats", "missing", "few_clusters", "unequal_repeats"
]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know when reading the evidence; `probe` is None where it concerns all."""

    code: NoteCode
    text: str
    probe: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its reasons."""

    verdict: Literal["passed", "failed", "inconclusive", "identical"]
    reasons: tuple[str, ...]


def decide(
    overall: Evidence,
    probes: Sequence[Evidence],
    found: Sequence[Branch],
    shown: NonInferiority | None,
    spec: GateSpec,
) -> Decision:
    """Decide: a drop that was found fails; without one, the evidence must have allowed to find it."""
    asked = {evidence.probe: evidence for evidence in (overall, *probes)}
    fired = tuple(_reason(branch, asked[branch.probe]) for branch in found if branch.fired)
    if not overall.n_paired:
        return Decision(verdict="inconclusive", reasons=(overall.message,))
    if spec.run_level and overall.p_run is None:
        return Decision(verdict="inconclusive", reasons=(_NO_RUNS, *fired))
    if fired if shown is None else not shown.is_shown:
        return Decision(verdict="failed", reasons=fired if shown is None else (shown.reason,))
    obstacles = (*_gaps((overall, *probes), spec), *_too_small(overall, spec))
    if shown is None and not any(branch.kind == "item" for branch in found):
        obstacles += (*_too_far_apart((overall, *probes), spec), *_too_much_allowed((overall, *probes), spec))
    if obstacles:
        return Decision(verdict="inconclusive", reasons=obstacles)
    return _passed(overall, found, shown, spec)


def _passed(overall: Evidence, found: Sequence[Branch], shown: NonInferiority | None, spec: GateSpec) -> Decision:
    if shown is not None:
        return Decision(verdict="passed", reasons=(shown.reason,))
    if not overall.n_informative:
        return Decision(verdict="identical", reasons=(overall.message, overall.sensitivity))
    return Decision(verdict="passed", reasons=(_no_evidence(found, spec), overall.message, overall.sensitivity))


def _too_small(overall: Evidence, spec: GateSpec) -> Iterator[str]:
    """Say that no candidate could have failed, or that the wanted drop could not have been found."""
    if overall.passes_needed is not None:
        yield (
            f"No candidate could have failed the test: {examples(overall.n_paired)} cannot show a drop at alpha "
            f"{spec.alpha:.2g}; it takes at least {examples(overall.passes_needed)} that the baseline passes."
        )
    wanted = spec.min_effect or spec.wanted_drop
    is_ruled_out = overall.low is not None and overall.low > -wanted
    if spec.require_power and not is_ruled_out and (overall.detectable is None or overall.detectable > wanted):
        need = f"; about {examples(overall.items_needed)} would do" if overall.items_needed else ""
        yield f"Too few examples to detect a drop of {points(wanted)} points reliably{need}."


def _too_far_apart(found: Sequence[Evidence], spec: GateSpec) -> tuple[str, ...]:
    """Say that whole runs of an unchanged system differ more than any candidate could."""
    least = [evidence.least_run_p for evidence in found if evidence.least_run_p is not None]
    if len(least) < len(found) or min(least) <= spec.alpha:
        return ()
    told = "No candidate could have failed this gate: whole runs of the unchanged system differ so much that one of "
    return (f"{told}which everything fails would be no exception ({tell_p(min(least))} against {spec.alpha:g}).",)


def _too_much_allowed(found: Sequence[Evidence], spec: GateSpec) -> tuple[str, ...]:
    """Say that `min_effect` allows a larger drop than any that there could have been."""
    largest = max(evidence.baseline_mean or 0.0 for evidence in found)
    if spec.min_effect <= largest:
        return ()
    told = (
        f"No candidate could have failed this gate: the baseline is at {points(largest)} points, and `min_effect` "
        f"allows a drop of less than {points(spec.min_effect)}."
    )
    return (told,)


def _gaps(found: Sequence[Evidence], spec: GateSpec) -> Iterator[str]:
    """Say where more Trials lack a score than are allowed, and chance does not explain it."""
    if spec.errors_as == "fail":
        return
    for evidence in found:
        where, missing = "" if evidence.probe is None else f"Probe {evidence.probe}: ", evidence.missing
        if not evidence.n_paired:
            yield f"{where}no example has a score on both sides."
            continue
        for side, count, trials in (
            ("baseline", missing.baseline, missing.baseline_trials),
            ("candidate", missing.candidate, missing.candidate_trials),
        ):
            items = math.ceil(count / trials * evidence.n_items - 1e-9) if count else 0
            if items and binomial_tail(items, evidence.n_items, spec.max_missing) < MISSING_ALPHA:
                yield f"{where}{count:,} of {trials:,} {side} trials have no score; {spec.max_missing:.0%} are allowed."


def _reason(branch: Branch, evidence: Evidence) -> str:
    against = f"{tell_p(branch.p)} against {branch.share:.2g}"
    if branch.kind == "item":
        return f"Items that went from pass to fail were confirmed by asking again ({against})."
    where = "Overall" if branch.probe is None else f"Probe {branch.probe}"
    how = "" if branch.probe is None else ", corrected for the number of probes"
    reason = f"{where} got worse by {points(-(branch.delta or 0.0))} points ({against}{how})."
    stable = evidence.stable
    return f"{reason} {tell_stable(stable)}." if stable is not None and stable.p < evidence.p_mean else reason


def _no_evidence(found: Sequence[Branch], spec: GateSpec) -> str:
    least = min(found, key=lambda branch: branch.p_weighted)
    if least.p_weighted > spec.alpha:
        return f"No evidence of a drop: gate p = {least.p_weighted:.2g}, above {spec.alpha:g}."
    if least.delta is not None and least.delta >= 0.0:
        return (
            "Items broke that had always passed (`--confirm` names them), but others make up for it: no drop overall."
        )
    return f"A drop is real but smaller than the {points(spec.min_effect)} points that are allowed."


def notes_on(
    overall: Evidence, probes: Sequence[Evidence], noise: Disagreement, shift: RunShift | None, background: Background
) -> tuple[Note, ...]:
    """Return what a reader should know beside the numbers."""
    notes = [
        Note(
            code="few_items",
            text=f"Only {examples(evidence.n_paired)}: large changes alone can be detected.",
            probe=evidence.probe,
        )
        for evidence in probes
        if 0 < evidence.n_paired < FEW_ITEMS and not evidence.reused
    ]
    if overall.n_clusters is not None and overall.n_clusters < FEW_ITEMS:
        plural = "" if overall.n_clusters == 1 else "s"
        text = f"Only {overall.n_clusters} cluster{plural}: the interval is wide."
        notes.append(Note(code="few_clusters", text=text))
    if overall.n_paired and overall.baseline_runs < 2:
        text = "One baseline run: if it was a lucky one, unchanged candidates fail more often than the nominal rate. "
        text += "Three or more baseline runs, or a retest, guard against it."
        if overall.n_paired >= MANY_ITEMS:
            text = f"One baseline run of {overall.n_paired:,} examples: if whole runs shift (another hour), 10 to 15% "
            text += "of unchanged candidates fail. Confirm a failure with `--retest`; more baselines help, too."
        notes.append(Note(code="single_baseline", text=text))
    if overall.left_out:
        text = f"Runs have different numbers of repeats: {overall.left_out:,} trials beyond the least are not read."
        notes.append(Note(code="unequal_repeats", text=text))
    if shift is not None and shift.is_seen:
        text = f"Whole baseline runs move together (means vary {shift.ratio:.1f} times chance, {tell_p(shift.p)})"
        notes.append(Note(code="run_shift", text=f"{text}; the candidate is also held against the spread of runs."))
    if noise.has_pseudo_repeats or (background.noise is not None and background.noise.has_pseudo_repeats):
        text = "Repeats of one run never differ although runs do: a cache or a fixed seed. They add no evidence."
        notes.append(Note(code="pseudo_repeats", text=text))
    if overall.missing.baseline or overall.missing.candidate:
        left_out = overall.missing.unpaired_items
        text = f"{overall.missing.baseline} baseline and {overall.missing.candidate} candidate trials have no score"
        worst = overall.missing.delta_if_failed
        change = "" if worst is None else f"; had they failed, the change would be {signed_points(worst)} points"
        notes.append(Note(code="missing", text=f"{text}; {examples(left_out)} left out for it{change}."))
    return tuple(notes)
