"""What a verdict rests on beside the counts of classes: scores by item, noise, confirmation, facts of the runs."""

import copy
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from insideLLMs.compare.observations import Observed
from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.compare.statistics.assess import Assessment, assess
from insideLLMs.compare.statistics.confirmation import ALPHA_ITEM
from insideLLMs.compare.statistics.evidence import Background
from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.judges import Judge
from insideLLMs.compare.statistics.noise import Disagreement, RunShift, disagreement_of
from insideLLMs.compare.statistics.quantities import QuantityChange
from insideLLMs.compare.statistics.suite_estimate import SuiteEstimate, suite_estimate
from insideLLMs.compare.statistics.text_drift import TextDrift
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.since import SinceFacts


class NoiseFloor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much runs of an unchanged system differ, per level; `runs` are their ids, oldest first.

    `run_shift` is how far whole runs move together, None where it was not measured.
    """

    runs: tuple[str, ...]
    levels: dict[str, Disagreement]
    run_shift: RunShift | None = None
    format: str = "insidellms/noise/1"

    @property
    def verdicts(self) -> Disagreement | None:
        """The noise of verdicts."""
        return self.levels.get("verdict")

    @property
    def is_identical(self) -> bool:
        """Whether the runs were byte-identical."""
        exact = self.levels.get("exact")
        return exact is not None and exact.n > 0 and exact.is_identical


class ConfirmedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that fresh answers show to be broken, if they are new draws: both passes, and the p of the first."""

    probe: str
    dataset: str
    example_id: str
    model: str
    p: float
    baseline_passes: int
    baseline_asked: int
    candidate_passes: int
    candidate_asked: int


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What asking again came to: of `selected` items that went from pass to fail, which are confirmed.

    `calls` counts the fresh answers of both sides, `run_dirs` names where they are recorded. `unavailable` says
    why nothing could be asked; then nothing is confirmed and nothing is refuted.
    """

    selected: int
    items: tuple[ConfirmedItem, ...] = ()
    calls: int = 0
    alpha: float = ALPHA_ITEM
    run_dirs: tuple[str, ...] = ()
    unavailable: str = ""

    def p_of(self, names: Collection[str]) -> float:
        """Return the least p of a confirmed item of the probes `names`; 1 where none is confirmed."""
        return min((item.p for item in self.items if item.probe in names), default=1.0)


STATES = ("stable_pass", "flaky", "stable_fail")


class Transitions(msgspec.Struct, frozen=True, kw_only=True):
    """Items by state in the newest baseline run and in the candidate; every pair of states is named.

    Only items with a verdict in every repeat of both sides have a state. `repeats` is the most that an item had
    on a side: with one repeat nothing can be flaky. `falls` are items with other scores, all of which are now worse
    than all that there were before.
    """

    items: int
    repeats: int
    moves: dict[str, dict[str, int]]
    falls: int = 0

    @property
    def hard_regressions(self) -> int:
        """Items that passed every time and now fail every time, or whose scores fell as clearly."""
        return self.moves["stable_pass"]["stable_fail"] + self.falls


@dataclass(frozen=True, kw_only=True)
class GateEvidence:
    """What the statistical policies read.

    `scripted` is whether all models answer from a script, `greedy` whether none is asked to sample;
    `same_experiment` is whether both sides ran the same experiment; `noise` a stored noise floor; `judges` are the
    probes that models score, `recorded` those that score nothing, `emptied` those of whose answers all is
    ignored. `by_itself` is what the candidate's own conditions
    came to. `parts` say which sides are
    only a part of their experiment, `is_whole` whether both are the same part of it, or the whole. `since` is what a
    candidate says that reuses answers.
    """

    observed: Observed = field(default_factory=Observed)
    baseline_runs: tuple[str, ...] = ()
    candidate_runs: tuple[str, ...] = ()
    noise: NoiseFloor | None = None
    confirmed: Confirmed | None = None
    scripted: bool = False
    greedy: bool = False
    same_experiment: bool = False
    quantities: Mapping[str, QuantityChange] = field(default_factory=dict)
    judges: tuple[Judge, ...] = ()
    by_itself: RunVerdict | None = None
    recorded: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()
    is_whole: bool = True
    since: SinceFacts | None = None

    @cached_property  # slots would leave no room for it
    def floor(self) -> NoiseFloor | None:
        """The noise floor: as stored, else as seen among the baseline's own runs."""
        return self.noise or measure_noise(self.observed, self.baseline_runs)

    @property
    def has_copies(self) -> bool:
        """Whether the repeats of every item are byte-identical although the models do not say that they would."""
        seen = self.observed
        return bool(seen.repeated) and seen.copied == seen.repeated and not (self.scripted or self.greedy)

    @property
    def is_unchanged(self) -> bool:
        """Whether the candidate reuses answers, and all that it asked was asked before."""
        seen = self.observed
        return bool(seen.reused) and seen.tally.counts == seen.canaries.counts

    def suite(self) -> SuiteEstimate | None:
        """Estimate the suite where a part of it is reused. Raises CompareError for a score outside its range."""
        seen = self.observed
        return suite_estimate(seen.tally, seen.canaries, seen.reused.total()) if seen.reused else None

    def only_reuses(self, probes: Collection[str]) -> bool:
        """Whether of `probes` all that could be compared is reused."""
        names = set(self.names_of(probes))
        return not names.isdisjoint(self.observed.reused) and names.isdisjoint(
            shape.probe for shape in self.observed.tally.counts
        )

    def drift_of(self, probes: Collection[str]) -> TextDrift | None:
        """Return the text drift over the items of `probes`; None if it was not measured."""
        parts = [self.observed.drift[name] for name in self.names_of(probes) if name in self.observed.drift]
        if not parts:
            return None
        whole = copy.copy(parts[0])
        for part in parts[1:]:
            whole.include(part)
        return whole.result()

    def names_of(self, probes: Collection[str]) -> tuple[str, ...]:
        """Return the names in the tally of `probes`."""
        return tuple(name for name, probe in self.observed.probes.items() if probe in probes)

    def transitions(self, names: Collection[str]) -> Transitions:
        """Count items by how they stood and stand, of the probes with these names in the tally."""
        return transitions(self.observed.tally, names)

    def able(self, names: Collection[str]) -> int:
        """Count the items that could go from pass to fail, or fall: with a score in every repeat, none the worst."""
        runs = ((shape, count) for shape, count in self.observed.tally.counts.items() if shape.probe in names)
        return sum(count for shape, count in runs if _stands(shape.baseline[-1]) and _is_whole(shape.candidate[-1]))

    def passing(self, names: Collection[str]) -> int:
        """Count the items that may be confirmed: their first repeat passed in the newest baseline run."""
        runs = ((shape, count) for shape, count in self.observed.tally.counts.items() if shape.probe in names)
        return sum(
            count for shape, count in runs if shape.baseline[-1][:1] == (1.0,) and _is_whole(shape.candidate[-1][:1])
        )

    def assess(self, probes: Collection[str], spec: GateSpec, *, margin: float | None = None) -> Assessment:
        """Assess the items of `probes` under `spec`. Raises CompareError for a score outside its range."""
        names = self.names_of(probes)
        self._check_ranges(names)
        return assess(self.observed.tally.select(names), spec, self._background(names, spec), margin=margin)

    def _check_ranges(self, names: Collection[str]) -> None:
        for name in sorted(self.observed.outside.keys() & set(names)):
            raise CompareError(
                self.observed.outside[name],
                fix=f"say what its worst and its best score are: gate.probes.{self.observed.probes[name]}.score_range, "
                "e.g. [0, 10]",
            )

    def _background(self, names: Collection[str], spec: GateSpec) -> Background:
        noise = self.noise.verdicts if self.noise is not None else None
        if noise is None and spec.independent_repeats:
            noise = disagreement_of((shape.baseline, count) for shape, count in self.observed.tally.counts.items())
        return Background(
            confirmed_p=self._confirmed_p(names),
            unchanged=self.is_unchanged,
            reused={name: self.observed.reused[name] for name in names if name in self.observed.reused},
            noise=noise if noise is not None and noise.n else None,
            run_shift=None if self.noise is None else self.noise.run_shift,
            baseline_runs=self.baseline_runs,
            candidate_runs=self.candidate_runs,
        )

    def _confirmed_p(self, names: Collection[str]) -> float | None:
        if self.confirmed is None or self.confirmed.unavailable:
            return None
        return self.confirmed.p_of(names)


def measure_noise(observed: Observed, runs: tuple[str, ...]) -> NoiseFloor | None:
    """Measure the noise floor among the runs that were watched; None with a single one."""
    levels = {level: disagreement_of(patterns.items()) for level, patterns in observed.noise.items()}
    if len(runs) < 2 or not any(found.n for found in levels.values()):
        return None
    return NoiseFloor(runs=runs, levels={str(level): found for level, found in levels.items()})


def transitions(tally: ItemCounts, names: Collection[str]) -> Transitions:
    """Count the items of the probes `names` by state before and after."""
    counts: Counter[tuple[str, str]] = Counter()
    repeats, falls = 1, 0
    for shape, count in tally.counts.items():
        if shape.probe not in names:
            continue
        first, second = shape.baseline[-1], shape.candidate[-1]
        repeats = max(repeats, len(first), len(second))
        before, after = _state(first), _state(second)
        if before is not None and after is not None:
            counts[before, after] += count
        else:
            falls += count * _fell(first, second)
    moves = {before: {after: counts[before, after] for after in STATES} for before in STATES}
    return Transitions(items=sum(counts.values()), repeats=repeats, moves=moves, falls=falls)


def _state(scores: tuple[float | None, ...]) -> str | None:
    if not scores or not set(scores) <= {0.0, 1.0}:
        return None
    passes = sum(score == 1.0 for score in scores)
    return "stable_fail" if not passes else "stable_pass" if passes == len(scores) else "flaky"


def _is_whole(scores: tuple[float | None, ...]) -> bool:
    return bool(scores) and None not in scores


def _stands(scores: tuple[float | None, ...]) -> bool:
    """Whether every repeat has a score better than the worst."""
    return bool(scores) and all(scores)


def _fell(before: tuple[float | None, ...], after: tuple[float | None, ...]) -> bool:
    """Whether every score after is worse than every one before; never where one is missing."""
    first, second = ([score for score in scores if score is not None] for scores in (before, after))
    return _is_whole(before) and _is_whole(after) and max(second) < min(first)
