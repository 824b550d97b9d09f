"""The gate's error rate, shared over the questions it asks: overall, each probe, each confirmed item.

p_gate = min(1, p_overall/w1, min Holm(p_probe)/w2, p_item/w3); it is at most alpha with a chance of at most
alpha where nothing changed. A probe whose items vary so little that no result could reach its share of alpha is
no question: it is left out of Holm's family, and with an empty family, or where one probe alone varies (its
test and the overall test are then the same), w2 goes to the overall test. Both depend on the pooled values
alone, not on which run is the candidate, so that the error rate holds (Tarone 1990, doi:10.2307/2531456).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from insideLLMs.compare.statistics.evidence import Evidence
from insideLLMs.compare.statistics.multiple import holm
from insideLLMs.compare.statistics.settings import Settings


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


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Which questions are asked, and with what weight.

    `family` names the probes under Holm's correction; `alone` is the one probe that varies, if others do not.
    """

    overall: float
    probes: float
    items: float
    family: tuple[str, ...] = ()
    alone: str | None = None


def plan_questions(least: Mapping[str, float], settings: Settings) -> Plan:
    """Plan the questions from the least p that each probe could have led to."""
    shares = settings.shares
    both = shares.overall + shares.probes
    varying = [probe for probe, p in least.items() if p < 1.0]
    if len(varying) <= 1:
        alone = varying[0] if varying and len(least) > 1 else None
        return Plan(overall=both, probes=0.0, items=shares.items, alone=alone)
    family = tuple(probe for probe in varying if least[probe] <= settings.alpha * shares.probes)
    if not family:
        return Plan(overall=both, probes=0.0, items=shares.items)
    return Plan(overall=shares.overall, probes=shares.probes, items=shares.items, family=family)


def branches(overall: Evidence, probes: Mapping[str, Evidence], plan: Plan, settings: Settings) -> tuple[Branch, ...]:
    """Return every branch of the gate, those that fired first, then by what they contribute to p_gate."""
    if plan.alone is None:
        found = [_branch("overall", overall, overall.p_used, plan.overall, settings)]
    else:
        alone = probes[plan.alone]
        found = [_branch("probe", alone, alone.p_used, plan.overall, settings)]
    for name, p in zip(plan.family, holm([probes[name].p_used for name in plan.family]), strict=True):
        found.append(_branch("probe", probes[name], p, plan.probes, settings))
    if settings.confirmed_p is not None:
        found.append(_branch("item", None, settings.confirmed_p, plan.items, settings))
    return tuple(sorted(found, key=lambda branch: (not branch.fired, branch.p_weighted)))


def _branch(
    kind: Literal["overall", "probe", "item"], evidence: Evidence | None, p: float, weight: float, settings: Settings
) -> Branch:
    delta = evidence.delta if evidence else None
    is_large = evidence is None or (delta is not None and delta <= -settings.min_effect)
    return Branch(
        kind=kind,
        probe=evidence.probe if evidence else None,
        p=p,
        share=settings.alpha * weight,
        p_weighted=min(1.0, p / weight) if weight > 0.0 else 1.0,
        delta=delta,
        fired=weight > 0.0 and p <= settings.alpha * weight and is_large,
    )


def p_gate(found: Sequence[Branch]) -> float:
    """Return the smallest weighted p, whatever the size of the effect."""
    return min((branch.p_weighted for branch in found), default=1.0)
