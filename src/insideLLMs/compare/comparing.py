"""Compare two runs: one streaming pass that classes, counts and keeps the worst."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.compare.align import Aligned, FurtherRuns, align, probes_told_apart_by_dataset
from insideLLMs.compare.answers.levels import Level, score_moves
from insideLLMs.compare.changes import describe, name_trial, subject_pair
from insideLLMs.compare.classify import UNCHANGED, ChangeClass, Finding, classify, is_alike
from insideLLMs.compare.comparison import (
    Change,
    Comparison,
    Listing,
    NameListing,
    ProbeTally,
    RunName,
    RunSide,
    SemanticFacts,
    SubjectPair,
    Tally,
    TrialName,
)
from insideLLMs.compare.counting import Counting, MeaningCount, ServedFacts
from insideLLMs.compare.draws import Draws
from insideLLMs.compare.observations import Observations, Observed, Waived, Watch, is_waived
from insideLLMs.compare.pairing import Pairing, pair_subjects
from insideLLMs.compare.score_ranges import DEFAULT_RANGES, ScoreRanges, ranges_in_force
from insideLLMs.compare.sides import RunView
from insideLLMs.core.record_views import Facts
from insideLLMs.core.steps import counted
from insideLLMs.core.subject import Subject

if TYPE_CHECKING:  # it reads texts, which nobody else does
    from insideLLMs.compare.meaning import Meaning

Observe = Callable[[Aligned, Finding], None]
_Subjects = tuple[Subject | None, Subject | None]
_SEVERITY = {kind: place for place, kind in enumerate(ChangeClass)}
_DEPTH = {level: place for place, level in enumerate(Level)}
_SERVED_LIMIT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """How to compare.

    `pairs` maps models, prompts or subjects of the baseline to the candidate's. Scores within `score_tolerance` are
    the same. `listed` bounds each list of the Comparison (counts are always whole), `text_limit` each shown text in
    characters. `waived` are examples, each with its probe or None for all, that are shown and kept out of the gate.
    `meaning` weighs texts that differ only in their wording. `ranges` say which way a score is better, None as the
    runs declare.
    """

    pairs: Mapping[str, str] = field(default_factory=dict)
    score_tolerance: float = 1e-9
    listed: int = 1000
    text_limit: int = 20_000
    waived: frozenset[Waived] = frozenset()
    meaning: "Meaning | None" = None
    ranges: ScoreRanges | None = None

    def for_runs(self, runs: Iterable[RunView]) -> "CompareOptions":
        """Return the options with the ranges that `runs` declare, unless ranges are given."""
        return self if self.ranges is not None else replace(self, ranges=ranges_in_force(runs))

    def classify(self, baseline: Facts | None, candidate: Facts | None) -> Finding:
        """Class one Trial of the outer join."""
        return classify(baseline, candidate, self.score_tolerance, self.meaning, self.ranges or DEFAULT_RANGES)


def compare(
    baseline: RunView,
    candidate: RunView,
    options: CompareOptions | None = None,
    observe: Observe | None = None,
    *,
    named: frozenset[str] | None = None,
) -> Comparison:
    """Compare two runs Trial by Trial, in memory that does not grow with them.

    `observe` is called with every Trial of the outer join, in order, so that statistics can be made in the same
    pass. Raises CompareError for models or prompts that cannot be paired and for records that are unsorted or broken.
    """
    options = (options or CompareOptions()).for_runs((baseline, candidate))
    pairing = pair_subjects(baseline, candidate, options.pairs)
    ledger = _Ledger(options, pairing)
    trials = align(baseline, candidate, pairing, named=named)
    for pair in counted(trials, "comparing", max(baseline.trials, candidate.trials)):
        finding = ledger.add(pair)
        if observe is not None:
            observe(pair, finding)
    return ledger.close(baseline, candidate)


def compare_with(
    baselines: Sequence[RunView],
    candidates: Sequence[RunView],
    options: CompareOptions | None = None,
    watch: Watch | None = None,
) -> tuple[Comparison, Observed]:
    """Compare the last run of each side Trial by Trial, and observe all of them."""
    options = (options or CompareOptions()).for_runs((*baselines, *candidates))
    newest, candidate, others = baselines[-1], candidates[-1], baselines[:-1]
    named = probes_told_apart_by_dataset(*baselines, *candidates)
    pairing = pair_subjects(newest, candidate, options.pairs)
    pool = FurtherRuns(others, _ranks(others, candidate, pairing, options.pairs), named)
    more = FurtherRuns(candidates[:-1], [pairing.candidate_ranks for _ in candidates[:-1]], named)
    seed = "|".join(sorted(",".join(run.run_id for run in side) for side in (baselines, candidates)))
    watch = replace(
        watch or Watch(),
        seed=seed,
        several_subjects=len(pairing.pairs) > 1,
        waived=options.waived,
        ranges=options.ranges or DEFAULT_RANGES,
        shared=any(run.shares_answers() for run in (*baselines, *candidates)),
        draws=Draws.of(baselines, candidates),
    )
    observations = Observations(watch, pool, more)
    comparison = compare(newest, candidate, options, observations, named=named)
    names = tuple(RunName(run_id=run.run_id, label=run.label) for run in others)
    return msgspec.structs.replace(comparison, pool=names), observations.observed()


def _ranks(
    runs: Sequence[RunView], candidate: RunView, pairing: Pairing, wanted: Mapping[str, str]
) -> list[dict[Subject, int]]:
    """Return, for each further baseline run, the rank of each subject that has a counterpart in the candidate."""
    known = [{ours: theirs for ours, theirs in wanted.items() if ours in run.names} for run in runs]
    pairs = [pair_subjects(run, candidate, own).pairs for run, own in zip(runs, known, strict=True)]
    return [{ours: pairing.candidate_ranks[theirs] for ours, theirs in own} for own in pairs]


Severity = tuple[int, int, float, int]


class _Worst:
    """Keeps the most severe changes; a change is only read in full if it may be kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[tuple[Severity, Change]] = []
        self._threshold: Severity | None = None
        self.total = 0

    def add(self, severity: Severity, make: Callable[[], Change]) -> None:
        self.total += 1
        if self._threshold is not None and severity >= self._threshold:
            return
        self._kept.append((severity, make()))
        if len(self._kept) >= 2 * self._limit:
            self._trim()

    def _trim(self) -> None:
        self._kept.sort(key=lambda item: item[0])
        del self._kept[self._limit :]
        self._threshold = self._kept[-1][0] if self._limit else (-1, 0, 0.0, 0)

    def listing(self) -> Listing:
        self._trim() if len(self._kept) > self._limit else self._kept.sort(key=lambda item: item[0])
        return Listing(total=self.total, listed=tuple(change for _, change in self._kept))


class _Names:
    """Keeps the first names of a class."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[TrialName] = []
        self.total = 0

    def add(self, make: Callable[[], TrialName]) -> None:
        self.total += 1
        if len(self._kept) < self._limit:
            self._kept.append(make())

    def listing(self) -> NameListing:
        return NameListing(total=self.total, listed=tuple(self._kept))


class _Ledger:
    """Everything that one pass gathers."""

    def __init__(self, options: CompareOptions, pairing: Pairing) -> None:
        self._options = options
        self._ranges = options.ranges or DEFAULT_RANGES
        self._pairing = pairing
        self._countings: dict[tuple[str, int], Counting] = {}
        self._subjects: dict[tuple[str, int], _Subjects] = {}
        self._changes = _Worst(options.listed)
        self._edited = _Worst(options.listed)
        self._removed = _Names(options.listed)
        self._new = _Names(options.listed)
        self._served = ServedFacts()
        self._waived: dict[Counting, Counter[str]] = {}
        self._meanings = MeaningCount()
        self._place = 0

    def add(self, pair: Aligned) -> Finding:
        before, after = pair.baseline, pair.candidate
        self._place += 1
        counting = self._countings.get((pair.key[0], pair.key[3])) or self._begin(pair)
        if before is after and before is not None and before.answered:
            passed = before.passed
            counting.same[before.status, passed] += 1
            if self._options.waived and self._note_waived(pair, counting, UNCHANGED):
                return UNCHANGED
            if passed:
                counting.able += 1
                counting.shows = True
            elif passed is None or not counting.shows:
                counting.weigh(before, before, self._ranges)
            return UNCHANGED
        finding = self._options.classify(before, after)
        self._meanings.add(finding.difference)
        if not self._note_waived(pair, counting, finding):
            counting.alike += is_alike(finding)
            if before is not None and after is not None and finding.kind is not ChangeClass.EDITED:
                counting.weigh(before, after, self._ranges)
        counting.add(before, after, finding)
        if before is not None and after is not None and before.response != after.response:
            self._served.add(before, after)
        self._keep(pair, finding)
        return finding

    def _note_waived(self, pair: Aligned, counting: Counting, finding: Finding) -> bool:
        waived = is_waived(pair.key, self._options.waived)
        if waived:
            self._waived.setdefault(counting, Counter())[finding.kind.value] += 1
        return waived

    def _begin(self, pair: Aligned) -> Counting:
        """Begin to count what is compared of a probe and a pair of subjects."""
        probe, _, _, rank, _ = pair.key
        self._subjects[probe, rank] = subject_pair(pair, self._pairing)
        counting = self._countings[probe, rank] = Counting()
        return counting

    def _keep(self, pair: Aligned, finding: Finding) -> None:
        kind = finding.kind
        if kind is ChangeClass.UNCHANGED:
            return
        if kind is ChangeClass.NEW or kind is ChangeClass.REMOVED:
            names = self._new if kind is ChangeClass.NEW else self._removed
            names.add(lambda: name_trial(pair, self._pairing))
            return
        worst = self._edited if kind is ChangeClass.EDITED else self._changes
        severity = self._severity(pair, finding)
        worst.add(severity, lambda: self._describe(pair, finding))

    def _describe(self, pair: Aligned, finding: Finding) -> Change:
        change = describe(pair, finding, self._pairing, text_limit=self._options.text_limit)
        waived = is_waived(pair.key, self._options.waived)
        return msgspec.structs.replace(change, waived=True) if waived else change

    def _severity(self, pair: Aligned, finding: Finding) -> Severity:
        level = finding.difference.level
        loss = 0.0
        if level in {Level.VERDICT, Level.SCORE, Level.STATUS} and pair.baseline and pair.candidate:
            moves = score_moves(pair.baseline, pair.candidate, 0.0)
            loss = min(self._ranges.gains(pair.baseline, pair.candidate, moves).values(), default=0.0)
        return (_SEVERITY[finding.kind], _DEPTH[level] if level else len(_DEPTH), loss, self._place)

    def close(self, baseline: RunView, candidate: RunView) -> Comparison:
        whole = Counting()
        probes = []
        for place in sorted(self._countings, key=lambda place: (place[0], _order(self._subjects[place]))):
            counting, (ours, theirs) = self._countings[place], self._subjects[place]
            whole.include(counting)
            models = SubjectPair.of(ours, theirs)
            waived = dict(sorted(self._waived.get(counting, Counter()).items()))
            tally = counting.total()
            probes.append(
                ProbeTally(
                    probe=place[0], models=models, tally=tally, waived=waived, alike=counting.alike,
                    able=counting.able, blank=counting.blank, shows=counting.shows, unscored=counting.unscored,
                )
            )  # fmt: skip
        overall, semantic = whole.total(), self._meanings.facts(self._options.meaning)
        pairs = [SubjectPair.of(ours, theirs) for ours, theirs in self._pairing.pairs]
        pairs += [SubjectPair.of(subject, None) for subject in self._pairing.only_baseline]
        pairs += [SubjectPair.of(None, subject) for subject in self._pairing.only_candidate]
        return Comparison(
            baseline=_side(baseline, overall.baseline.trials),
            candidate=_side(candidate, overall.candidate.trials),
            models=tuple(pairs),
            score_tolerance=self._options.score_tolerance,
            overall=overall,
            probes=tuple(probes),
            changes=self._changes.listing(),
            edited=self._edited.listing(),
            removed=self._removed.listing(),
            new=self._new.listing(),
            served=self._served.changes(_SERVED_LIMIT),
            usage=self._served.usage(),
            warnings=(*_warnings(overall, self._pairing, self._served), *_weighed(semantic)),
            semantic=semantic,
        )


def _order(subjects: _Subjects) -> tuple[tuple[str, str], ...]:
    return tuple(("", "") if subject is None else subject.order for subject in subjects)


def _side(view: RunView, trials: int) -> RunSide:
    return RunSide(
        run_id=view.run_id, label=view.label, models=tuple(subject.label for subject in view.subjects), trials=trials
    )


def _warnings(overall: Tally, pairing: Pairing, served: ServedFacts) -> tuple[str, ...]:
    found = []
    if not overall.aligned:
        found.append("the two runs have no trial in common: neither probe and example id nor repeat match")
    for kind, words in (
        ("removed", "only in the baseline, without a counterpart in the candidate"),
        ("new", "only in the candidate, without a counterpart in the baseline"),
        ("edited", "another example under the same id; kept out of the comparison"),
        ("skipped", "skipped on at least one side"),
        ("errored", "failed on both sides"),
    ):
        count = overall.classes[kind]
        if count:
            found.append(f"{count:,} of {overall.trials:,} trials: {words}")
    for side, subjects in (("baseline", pairing.only_baseline), ("candidate", pairing.only_candidate)):
        if subjects:
            noun = "models" if all(subject.prompt is None for subject in subjects) else "models and prompts"
            names = ", ".join(subject.label for subject in subjects)
            found.append(f"{noun} of the {side} without a counterpart: {names}")
    for field_name, trials in sorted(served.overflow.items()):
        found.append(f"served {field_name} had more values than are listed, in {trials:,} further trials")
    return tuple(found)


def _weighed(found: SemanticFacts | None) -> tuple[str, ...]:
    if found is None:
        return ()
    told = f"of {found.pairs:,} pairs of texts that differ only in wording, {found.equivalent:,} mean the same to "
    told += (
        f"{found.model.name} {found.model.version} (cosine at least {found.threshold:.3f}, {found.threshold_from}), "
    )
    told += f"{found.below:,} do not"
    checks = ", ".join(f"{count:,} {check}" for check, count in found.held_apart.items())
    if checks:
        told += f", {sum(found.held_apart.values()):,} were vetoed before the model was asked ({checks})"
    return (told,)
