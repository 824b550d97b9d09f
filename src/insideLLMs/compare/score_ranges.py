"""Which way a score is better, and on what scale: a range is (worst, best).

What the gate sets for a probe (`score_range`) overrides what the probe declares (`score_ranges`); a score without
either goes from 0 to 1. The gate's setting concerns the score that counts: a trial's only one, or the one named
`score`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import Facts

if TYPE_CHECKING:
    from insideLLMs.compare.sides import RunView

Range = tuple[float, float]
USUAL: Range = (0.0, 1.0)


class ScoreRanges(msgspec.Struct, frozen=True, kw_only=True):
    """The ranges in force for a comparison, by probe: as set by the gate, and as declared, by score.

    `unlike` says of a probe's scores which two ranges the runs declare, where they contradict each other.
    """

    by_gate: Mapping[str, Range] = {}
    declared: Mapping[str, Mapping[str, Range]] = {}
    unlike: Mapping[str, Mapping[str, str]] = {}

    def of(self, probe: str, name: str, *, counts: bool) -> Range:
        """Return the range of a score; `counts` is whether it is the one that counts for its trial."""
        if counts and probe in self.by_gate:
            return self.by_gate[probe]
        return self.declared.get(probe, {}).get(name, USUAL)

    def quality(self, facts: Facts) -> float | None:
        """Return what a trial counts as, from 0 (worst) to 1 (best): its verdict, else its score that counts.

        None is a trial that was not answered, or whose scores do not say which of them counts. A score outside its
        range comes out below 0 or above 1.
        """
        scores = facts.scores
        if scores is None or not facts.answered:
            return None
        if scores.passed is not None:
            return float(scores.passed)
        name = counted_score(scores.values)
        if name is None:
            return None
        return share(scores.values[name], self.of(facts.probe, name, counts=True))

    def tell_outside(self, facts: Facts) -> str:
        """Say that the score that counts is outside its range."""
        values = facts.scores.values if facts.scores is not None else {}
        name = counted_score(values) or ""
        low, high = sorted(self.of(facts.probe, name, counts=True))
        return (
            f"probe {facts.probe!r}, example {facts.example_id!r}: the score {name!r} is {values[name]:g}, "
            f"outside its range {low:g} to {high:g}"
        )

    def contradiction(self, facts: Facts) -> str | None:
        """Say which ranges contradict each other of the scores that a trial without a verdict is compared by."""
        found = self.unlike.get(facts.probe)
        if not found or facts.scores is None or facts.passed is not None:
            return None
        counted = counted_score(facts.scores.values) if facts.probe in self.by_gate else None
        names = [name for name in sorted(facts.scores.values) if name in found and name != counted]
        return "; ".join(found[name] for name in names) or None

    def can_fall(self, facts: Facts) -> bool:
        """Whether a trial could get worse: it passes, or, without a verdict, a score is not the worst already."""
        scores = facts.scores
        if scores is None or not facts.answered:
            return False
        if scores.passed is not None:
            return scores.passed
        counted = counted_score(scores.values)
        worst = (
            (self.of(facts.probe, name, counts=name == counted)[0], score) for name, score in scores.values.items()
        )
        return any(score != lowest for lowest, score in worst)

    def gains(self, baseline: Facts, candidate: Facts, moves: Mapping[str, float]) -> dict[str, float]:
        """Return how far scores moved towards their best, of those whose best is known."""
        values = baseline.scores.values if baseline.scores is not None else {}
        counted, unlike = counted_score(values), self.unlike.get(candidate.probe, {})
        gains = {}
        for name, move in moves.items():
            if name not in unlike or (name == counted and candidate.probe in self.by_gate):
                worst, best = self.of(candidate.probe, name, counts=name == counted)
                gains[name] = move if best > worst else -move
        return gains


DEFAULT_RANGES = ScoreRanges()
"""Every score goes from 0 to 1."""


def counted_score(values: Mapping[str, float]) -> str | None:
    """Return which score counts where there is no verdict: the only one, or of several the one named `score`."""
    return next(iter(values)) if len(values) == 1 else "score" if "score" in values else None


def share(score: float, score_range: Range) -> float:
    """Return how far a score is from its worst, as a share of the way to its best.

    Where an end is open the share is that of x / (1 + x), x being the distance from the other end: it keeps the order.
    """
    worst, best = score_range
    if math.isinf(worst) and math.isinf(best):
        up = 0.5 + 0.5 * score / (1.0 + abs(score))
        return up if best > worst else 1.0 - up
    if math.isinf(best):
        return _squashed(abs(score - worst))
    if math.isinf(worst):
        return 1.0 - _squashed(abs(score - best))
    return (score - worst) / (best - worst) if worst != best else 1.0


def _squashed(distance: float) -> float:
    return distance / (1.0 + distance)


def ranges_in_force(runs: "Iterable[RunView]", spec: GateSpec | None = None) -> ScoreRanges:
    """Return the ranges of a comparison of `runs` under a policy."""
    runs = tuple(runs)
    probes = sorted({probe for run in runs for probe in run.datasets})
    declared: dict[str, dict[str, Range]] = {}
    unlike: dict[str, dict[str, str]] = {}
    for probe in probes:
        known = [run.score_ranges[probe] for run in runs if probe in run.score_ranges]
        for name in sorted({name for own in known for name in own}):
            *others, last = (own.get(name, USUAL) for own in known)
            declared.setdefault(probe, {})[name] = last
            other = next((one for one in others if one != last), last)
            if other != last:
                unlike.setdefault(probe, {})[name] = f"{name!r} goes from {_words(other)} and from {_words(last)}"
    return ScoreRanges(by_gate=_set_by_gate(spec or GateSpec(), probes), declared=declared, unlike=unlike)


def _set_by_gate(spec: GateSpec, probes: Iterable[str]) -> dict[str, Range]:
    found = {probe: spec.of_probe(probe).score_range for probe in probes}
    return {probe: score_range for probe, score_range in found.items() if score_range is not None}


def _words(score_range: Range) -> str:
    return f"{score_range[0]:g} (worst) to {score_range[1]:g} (best)"
