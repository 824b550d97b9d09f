"""The gate's error rate, shared over the questions it asks: overall, each probe, each confirmed item.

p_gate = min(1, p_overall/w1, min Holm(p_probe)/w2, p_item/w3); it is at most alpha with a chance of at most
alpha where nothing changed. Probes that no relabelling could change are no question and are left out of Holm's
family. Where one probe alone is left, its test and the overall test are the same, and share w1 + w2.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

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


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A test's p for a fall and its effect, before any correction."""

    probe: str | None
    p: float
    delta: float
    is_informative: bool


def branches(overall: Question, probes: Sequence[Question], settings: Settings) -> tuple[Branch, ...]:
    """Return every branch of the gate, the most telling first; the first one's p_weighted is p_gate."""
    shares = settings.shares
    family = [question for question in probes if question.is_informative]
    if len(family) <= 1:
        alone = family[0] if family and len(probes) > 1 else overall
        kind: Literal["overall", "probe"] = "probe" if alone.probe else "overall"
        found = [_branch(kind, alone, alone.p, shares.overall + shares.probes, settings)]
    else:
        found = [_branch("overall", overall, overall.p, shares.overall, settings)]
        adjusted = holm([question.p for question in family])
        found += [
            _branch("probe", question, p, shares.probes, settings) for question, p in zip(family, adjusted, strict=True)
        ]
    if settings.confirmed_p is not None:
        found.append(_branch("item", None, settings.confirmed_p, shares.items, settings))
    return tuple(sorted(found, key=lambda branch: (not branch.fired, branch.p_weighted)))


def _branch(
    kind: Literal["overall", "probe", "item"], question: Question | None, p: float, weight: float, settings: Settings
) -> Branch:
    weighted = min(1.0, p / weight) if weight > 0.0 else 1.0
    large = question is None or question.delta <= -settings.min_effect
    return Branch(
        kind=kind,
        probe=question.probe if question else None,
        p=p,
        share=settings.alpha * weight,
        p_weighted=weighted,
        delta=question.delta if question else None,
        fired=weight > 0.0 and p <= settings.alpha * weight and large,
    )


def p_gate(found: Sequence[Branch]) -> float:
    """Return the smallest weighted p, whatever the size of the effect."""
    return min((branch.p_weighted for branch in found), default=1.0)
