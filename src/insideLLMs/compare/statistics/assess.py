"""From observations to an Assessment: is it real, how large, what could have been seen, and may it pass?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from insideLLMs.compare.statistics.decision import (
    PLAIN,
    WITH_CONFIRMATION,
    AlphaShares,
    Branch,
    Decision,
    Note,
    QuestionPlan,
    branches,
    decide,
    notes_on,
    p_gate,
    plan_questions,
)
from insideLLMs.compare.statistics.distributions import benjamini_hochberg, holm
from insideLLMs.compare.statistics.evidence import (
    Background,
    Evidence,
    Missing,
    NonInferiority,
    Question,
    evidence_of,
    non_inferiority,
    nothing_paired,
    points,
    signed_points,
    tell_p,
)
from insideLLMs.compare.statistics.items import ItemCounts, Paired, Shape, missing_trials, pair
from insideLLMs.compare.statistics.noise import Disagreement, RunShift, disagreement_of
from insideLLMs.compare.statistics.sample import Sample, Together, gather
from insideLLMs.core.gate_spec import GateSpec

RETEST_BELOW = 0.20


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What the statistics say of a comparison.

    `verdict` is `identical` where no score changed (which passes), `inconclusive` where the evidence does not
    allow a decision; `reasons` say why. `branches` are the gate's questions, those that fired first. `noise`
    and `run_shift` are measured among the baseline's own runs, None with a single one.
    """

    verdict: Literal["passed", "failed", "inconclusive", "identical"]
    reasons: tuple[str, ...]
    p_gate: float
    alpha: float
    branches: tuple[Branch, ...]
    overall: Evidence
    probes: tuple[Evidence, ...]
    notes: tuple[Note, ...]
    noise: Disagreement | None
    run_shift: RunShift | None
    non_inferiority: NonInferiority | None

    @property
    def wants_retest(self) -> bool:
        """Whether fresh runs of both sides are worth their price: the gate's p is at most 0.20.

        The retest is decided on the fresh runs alone.
        """
        return self.p_gate <= RETEST_BELOW


@dataclass(slots=True)
class _Part:
    """The shapes of one probe and what could be paired of them."""

    shapes: dict[Shape, int] = field(default_factory=dict)
    paired: list[Paired] = field(default_factory=list)
    together: Together = field(default_factory=dict)
    unpaired_items: int = 0


def assess(
    tally: ItemCounts,
    spec: GateSpec | None = None,
    background: Background | None = None,
    *,
    margin: float | None = None,
) -> Assessment:
    """Assess items; with a `margin` the question is whether a drop of that size can be ruled out.

    What passes is inconclusive where it would have failed if every Trial without a score had failed. Raises
    CompareError for a score outside 0 to 1, or for repeats that may not count as runs.
    """
    spec, background = spec or GateSpec(), background or Background()
    if spec.independent_repeats:
        background.check_repeats()
    found = _assess(tally, spec, background, margin)
    missing = found.overall.missing
    may_hide = bool(missing.candidate) and spec.errors_as == "missing" and not spec.accept_missing
    if not may_hide or found.verdict not in {"passed", "identical"}:
        return found
    worst = _assess(tally, msgspec.structs.replace(spec, errors_as="fail"), background, margin)
    if worst.verdict != "failed":
        return found
    reason = (
        f"{missing.candidate:,} of {missing.candidate_trials:,} candidate trials have no score; if they had failed, so "
        f"would the gate: {worst.reasons[0]}"
    )
    return msgspec.structs.replace(found, verdict="inconclusive", reasons=(reason,))


def _assess(tally: ItemCounts, spec: GateSpec, background: Background, margin: float | None) -> Assessment:
    shares = PLAIN if background.confirmed_p is None else WITH_CONFIRMATION
    parts = _parts(tally, spec)
    whole = _join(parts, _together(tally, spec))
    samples = {probe: gather(part.paired, part.together) for probe, part in parts.items()}
    sample = gather(whole.paired, whole.together)
    shift = _known_shift(sample.run_shift() if sample else None, background.run_shift)
    run_level = spec.run_level or (shift is not None and shift.is_seen)
    plan = plan_questions({name: found.least_p() for name, found in samples.items() if found}, spec.alpha, shares)

    shown = _non_inferiority(sample, samples, margin, spec.alpha) if margin is not None and sample else None

    def evidence(probe: str | None, part: _Part, sample: Sample | None) -> Evidence:
        missing = _missing(part, spec)
        if sample is None:
            return nothing_paired(probe, missing)
        alpha = spec.alpha * _weight(probe, plan, shares)
        question = Question(probe=probe, alpha=alpha, run_level=run_level, wanted_drop=spec.wanted_drop)
        return evidence_of(sample, question, missing, background)

    overall = evidence(None, whole, sample)
    held = background.unchanged and sample is not None and not sample.n_worse
    can_fail = shown is not None or background.confirmed_p is not None or held
    if sample and not can_fail and sample.least_fall() > spec.alpha:
        overall = msgspec.structs.replace(overall, passes_needed=sample.passes_needed(spec.alpha))
    probes = _corrected({name: evidence(name, part, samples[name]) for name, part in parts.items()}, plan)
    found = branches(overall, probes, plan, spec, background.confirmed_p)
    noise = disagreement_of((shape.baseline, count) for shape, count in tally.counts.items())
    decision: Decision = decide(overall, tuple(probes.values()), found, shown, spec)
    return Assessment(
        verdict=decision.verdict,
        reasons=decision.reasons,
        p_gate=p_gate(found),
        alpha=spec.alpha,
        branches=found,
        overall=overall,
        probes=tuple(probes.values()),
        notes=notes_on(overall, tuple(probes.values()), noise, shift, background),
        noise=noise if noise.n else None,
        run_shift=shift,
        non_inferiority=shown,
    )


def _known_shift(seen: RunShift | None, known: RunShift | None) -> RunShift | None:
    """Return what more runs tell of how whole runs shift: those compared, or those of a stored noise floor."""
    if seen is None or known is None:
        return seen or known
    return known if known.runs > seen.runs else seen


def _non_inferiority(
    whole: Sample, samples: Mapping[str, Sample | None], margin: float, alpha: float
) -> NonInferiority:
    """Rule out a drop as large as `margin` over all probes, and of each probe (Holm)."""
    shown = non_inferiority(whole.interval(1.0 - 2.0 * alpha), margin, alpha)
    known = {name: sample.interval(1.0 - 2.0 * alpha) for name, sample in samples.items() if sample}
    adjusted = holm([interval.chance_of_drop(margin) for interval in known.values()])
    worst, name = max(zip(adjusted, known, strict=True))
    if not shown.is_shown or len(known) < 2 or worst <= alpha:
        return shown
    found = f"{tell_p(worst)} against {alpha:g}, corrected for the number of probes"
    change = f"{signed_points(known[name].low)} to {signed_points(known[name].high)} points"
    reason = f"Probe {name}: a drop of {points(margin)} points is not ruled out ({change}; {found})."
    return NonInferiority(finding="not shown", reason=reason)


def _parts(tally: ItemCounts, spec: GateSpec) -> dict[str, _Part]:
    names = sorted({shape.probe for shape in tally.counts})
    parts = {name: _Part(together=_together(tally.select({name}), spec) if tally.together else {}) for name in names}
    for shape, count in tally.counts.items():
        part = parts[shape.probe]
        part.shapes[shape] = count
        paired = _pair(shape, count, spec)
        if paired is None:
            part.unpaired_items += count
        else:
            part.paired.append(paired)
    return parts


def _pair(shape: Shape, count: int, spec: GateSpec) -> Paired | None:
    return pair(shape, count, missing_as_fail=spec.errors_as == "fail", independent=spec.independent_repeats)


def _together(tally: ItemCounts, spec: GateSpec) -> Together:
    """Return the items that judge one answer, where two or more of them could be paired."""
    found: dict[tuple[Paired, ...], int] = {}
    for shapes, count in tally.together.items():
        members = tuple(item for shape in shapes if (item := _pair(shape, 1, spec)) is not None)
        if len(members) > 1:
            found[members] = found.get(members, 0) + count
    return found


def _join(parts: Mapping[str, _Part], together: Together) -> _Part:
    whole = _Part(together=together)
    for part in parts.values():
        whole.shapes.update(part.shapes)
        whole.paired += part.paired
        whole.unpaired_items += part.unpaired_items
    return whole


def _missing(part: _Part, spec: GateSpec) -> Missing:
    baseline, baseline_trials, candidate, candidate_trials = missing_trials(part.shapes)
    return Missing(
        baseline=baseline,
        baseline_trials=baseline_trials,
        candidate=candidate,
        candidate_trials=candidate_trials,
        unpaired_items=part.unpaired_items,
        delta_if_failed=_delta_if_failed(part.shapes, spec) if candidate else None,
    )


def _delta_if_failed(shapes: Mapping[Shape, int], spec: GateSpec) -> float | None:
    """Return the mean change with the worst score in place of every missing candidate score."""
    n, differences = 0, []
    for shape, count in shapes.items():
        candidate = tuple(
            tuple(0.0 if score is None or math.isnan(score) else score for score in run) for run in shape.candidate
        )
        paired = _pair(msgspec.structs.replace(shape, candidate=candidate or ((0.0,),)), count, spec)
        if paired is not None:
            n += count
            differences.append(paired.difference * count)
    return math.fsum(differences) / n if n else None


def _weight(probe: str | None, plan: QuestionPlan, shares: AlphaShares) -> float:
    """Return the share of alpha that a question must reach at the least, to say what it could have seen."""
    of_a_probe = shares.probes / max(1, len(plan.family))
    return (plan.overall if probe in (None, plan.alone) else of_a_probe) or 1.0


def _corrected(found: dict[str, Evidence], plan: QuestionPlan) -> dict[str, Evidence]:
    """Add the corrected p-values: Holm's over the gate's family, q-values over the probes that vary."""
    varying = [name for name, evidence in found.items() if evidence.n_informative]
    q_values = dict(zip(varying, benjamini_hochberg([found[name].p_used for name in varying]), strict=True))
    adjusted = dict(zip(plan.family, holm([found[name].p_used for name in plan.family]), strict=True))
    return {
        name: msgspec.structs.replace(evidence, p_holm=adjusted.get(name), q_value=q_values.get(name))
        for name, evidence in found.items()
    }
