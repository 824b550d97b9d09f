"""From observations to an Assessment: is it real, how large, what could have been seen, and may it pass?"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from insideLLMs.compare.statistics.decision import (
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
    Evidence,
    Missing,
    NonInferiority,
    evidence_of,
    non_inferiority,
    nothing_paired,
)
from insideLLMs.compare.statistics.items import Item, ItemCounts, Paired, Shape, missing_trials, pair
from insideLLMs.compare.statistics.noise import Disagreement, RunDrift, disagreement_of
from insideLLMs.compare.statistics.sample import Sample, gather
from insideLLMs.compare.statistics.settings import Settings

MAX_LISTED = 100
RETEST_BELOW = 0.20


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What the statistics say of a comparison.

    `verdict` is `identical` where no score changed (which passes), `inconclusive` where the evidence does not
    allow a decision; `reasons` say why. `branches` are the gate's questions, those that fired first. `noise`
    and `drift` are measured among the baseline's own runs, None with a single one.
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
    drift: RunDrift | None
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
    unpaired_items: int = 0
    unpaired_ids: list[str] = field(default_factory=list)


def assess(items: Iterable[Item] | ItemCounts, settings: Settings | None = None) -> Assessment:
    """Assess items, or a ItemCounts of them.

    Raises CompareError for a duplicate id or for a score outside its range.
    """
    settings = settings or Settings()
    tally = items if isinstance(items, ItemCounts) else ItemCounts(items)
    parts = _parts(tally, settings)
    whole = _join(parts)
    samples = {probe: gather(part.paired) for probe, part in parts.items()}
    sample = gather(whole.paired)
    drift = sample.drift() if sample else None
    run_level = settings.run_level or (drift is not None and drift.is_seen)
    plan = plan_questions({name: found.least_p() for name, found in samples.items() if found}, settings)
    overall = _evidence(None, whole, sample, settings, plan, run_level)
    probes = _corrected(
        {name: _evidence(name, part, samples[name], settings, plan, run_level) for name, part in parts.items()}, plan
    )
    found = branches(overall, probes, plan, settings)
    noise = disagreement_of((shape.baseline, count) for shape, count in tally.counts.items())
    shown = None
    if settings.policy == "non-inferior" and sample:
        shown = non_inferiority(sample.interval(0.9), settings.margin)
    decision: Decision = decide(overall, found, shown, settings)
    return Assessment(
        verdict=decision.verdict,
        reasons=decision.reasons,
        p_gate=p_gate(found),
        alpha=settings.alpha,
        branches=found,
        overall=overall,
        probes=tuple(probes.values()),
        notes=notes_on(overall, tuple(probes.values()), noise, drift, settings),
        noise=noise if noise.n else None,
        drift=drift,
        non_inferiority=shown,
    )


def _parts(tally: ItemCounts, settings: Settings) -> dict[str, _Part]:
    parts: dict[str, _Part] = {name: _Part() for name in sorted({shape.probe for shape in tally.counts})}
    for shape, count in tally.counts.items():
        part = parts[shape.probe]
        part.shapes[shape] = count
        paired = _pair(shape, count, settings)
        if paired is None:
            part.unpaired_items += count
        else:
            part.paired.append(paired)
    if not settings.missing_as_fail:
        for name, ids in tally.unpaired_ids.items():
            parts[name].unpaired_ids = ids
    return parts


def _pair(shape: Shape, count: int, settings: Settings) -> Paired | None:
    return pair(
        shape,
        count,
        score_range=settings.ranges.get(shape.probe),
        missing_as_fail=settings.missing_as_fail,
        independent=settings.independent_repeats,
    )


def _join(parts: Mapping[str, _Part]) -> _Part:
    whole = _Part()
    for name, part in parts.items():
        whole.shapes.update(part.shapes)
        whole.paired += part.paired
        whole.unpaired_items += part.unpaired_items
        whole.unpaired_ids += [f"{name}/{item}" for item in part.unpaired_ids]
    return whole


def _evidence(
    probe: str | None, part: _Part, sample: Sample | None, settings: Settings, plan: QuestionPlan, run_level: bool
) -> Evidence:
    baseline, baseline_trials, candidate, candidate_trials = missing_trials(part.shapes)
    missing = Missing(
        baseline=baseline,
        baseline_trials=baseline_trials,
        candidate=candidate,
        candidate_trials=candidate_trials,
        unpaired_items=part.unpaired_items,
        unpaired_ids=tuple(sorted(part.unpaired_ids)[:MAX_LISTED]),
        delta_if_failed=_delta_if_failed(part.shapes, settings) if candidate else None,
    )
    if sample is None:
        return nothing_paired(probe, missing, part.unpaired_items, settings.level)
    alpha = _alpha(probe, plan, settings)
    return evidence_of(sample, probe=probe, missing=missing, settings=settings, alpha=alpha, run_level=run_level)


def _delta_if_failed(shapes: Mapping[Shape, int], settings: Settings) -> float | None:
    """Return the mean change with the worst score in place of every missing candidate score."""
    n, differences = 0, []
    for shape, count in shapes.items():
        worst = settings.ranges.get(shape.probe, (0.0, 1.0))[0]
        candidate = tuple(
            tuple(worst if score is None or math.isnan(score) else score for score in run) for run in shape.candidate
        )
        paired = _pair(msgspec.structs.replace(shape, candidate=candidate or ((worst,),)), count, settings)
        if paired is not None:
            n += count
            differences.append(paired.difference * count)
    return math.fsum(differences) / n if n else None


def _alpha(probe: str | None, plan: QuestionPlan, settings: Settings) -> float:
    """Return the part of alpha that a question must reach at the least, to say what it could have seen."""
    of_a_probe = settings.shares.probes / max(1, len(plan.family))
    weight = plan.overall if probe in (None, plan.alone) else of_a_probe
    return settings.alpha * (weight or 1.0)


def _corrected(found: dict[str, Evidence], plan: QuestionPlan) -> dict[str, Evidence]:
    """Add the corrected p-values: Holm's over the gate's family, q-values over the probes that vary."""
    varying = [name for name, evidence in found.items() if evidence.n_informative]
    q_values = dict(zip(varying, benjamini_hochberg([found[name].p_used for name in varying]), strict=True))
    adjusted = dict(zip(plan.family, holm([found[name].p_used for name in plan.family]), strict=True))
    return {
        name: msgspec.structs.replace(evidence, p_holm=adjusted.get(name), q_value=q_values.get(name))
        for name, evidence in found.items()
    }
