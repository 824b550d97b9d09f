"""From aligned Trials to what the statistics read: items with their runs and repeats, counted by shape in one pass."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from insideLLMs.compare.align import Aligned, FurtherRuns, ItemKey, Key
from insideLLMs.compare.answers.levels import Label, label_of, normalise, response_of
from insideLLMs.compare.classify import ChangeClass, Finding
from insideLLMs.compare.draws import ALL_DRAWS, Draws, counts_beside
from insideLLMs.compare.human_labels import HumanLabels
from insideLLMs.compare.score_ranges import DEFAULT_RANGES, ScoreRanges, counted_score
from insideLLMs.compare.statistics.items import ItemCounts, RunValues, Shape
from insideLLMs.compare.statistics.labelled_drop import LabelledItem
from insideLLMs.compare.statistics.text_drift import DriftSums
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import DriftKernel, TextLevel
from insideLLMs.core.record_views import NO_FIELDS, ExampleFields, Facts, ScoreFacts, read_record
from insideLLMs.core.subject import SEPARATOR, Subject
from insideLLMs.core.types import Response

Pattern = tuple[tuple[int | None, ...], ...]
"""Per run, which of an item's repeats have equal labels: equal numbers stand for equal labels."""


Waived = tuple[str | None, str]
"""An example that is kept out of the gate, after its probe, or after None where it is in all probes."""


def is_waived(key: Key, waived: frozenset[Waived]) -> bool:
    """Whether a Trial is kept out of the gate."""
    return bool(waived) and ((None, key[2]) in waived or (key[0], key[2]) in waived)


CONTROLS = 8
"""How many items that did not flip are kept, to see whether fresh answers vary at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """An item that passed in the newest baseline run and failed in the candidate (by their first repeats)."""

    probe: str
    dataset: str
    example_id: str
    baseline_subject: Subject
    candidate_subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What to look at beside the scores.

    `churn` is the level at which runs are held against each other, `churn_of` the levels of single probes.
    `noise` are the levels at which the baseline's runs are compared with each other. Both take two or more
    baseline runs. `drift` holds the texts of two or more answers a side against each other, by that kernel; `seed`
    starts its draws. `labels` keeps the items of probes that have a person's labels. `flips` keeps the items that went
    from pass to fail, and some controls. `waived` items are left out. `ranges` say what a score counts as.
    Where answers are `shared`, the items of one place move together. `draws` tell which answers are new ones.
    """

    several_subjects: bool = False
    cluster: str = "cluster"
    churn: TextLevel | None = None
    churn_of: Mapping[str, TextLevel] = field(default_factory=dict)
    noise: tuple[TextLevel, ...] = ()
    drift: DriftKernel | None = None
    seed: str = ""
    labels: HumanLabels | None = None
    flips: bool = False
    waived: frozenset[Waived] = frozenset()
    ranges: ScoreRanges = DEFAULT_RANGES
    shared: bool = False
    draws: Draws = ALL_DRAWS

    @property
    def counts_only_shapes(self) -> bool:
        """Whether nothing is asked of an item but its shape."""
        return not (self.drift or self.labels or self.flips or self.shared or self.waived or self.ranges.unlike)


@dataclass(slots=True, kw_only=True)
class Observed:
    """What one pass saw.

    `probes` maps the name that an item's probe has in the tally to the probe. `churn` counts, by that name, the items
    that three runs have (the two newest of the baseline, the candidate), and `odd` those of which one is the odd one,
    and how often that was the candidate; `drift` has the sums of the text drift. `repeated` items have two or more
    repeats in a run; in `copied` of them all were byte-identical.
    `unlike` says, by that name, which ranges of scores that count contradict each other, `outside` which score lies
    outside its range. `controls` are items that pass on both sides. `labelled` holds, by that name, the items of the
    newest runs with their labels.
    """

    tally: ItemCounts = field(default_factory=ItemCounts)
    probes: dict[str, str] = field(default_factory=dict)
    churn: Counter[str] = field(default_factory=Counter)
    odd: dict[str, tuple[int, int]] = field(default_factory=dict)
    noise: dict[TextLevel, Counter[Pattern]] = field(default_factory=dict)
    drift: dict[str, DriftSums] = field(default_factory=dict)
    repeated: int = 0
    copied: int = 0
    unlike: dict[str, str] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    flips: list[Flip] = field(default_factory=list)
    controls: list[Flip] = field(default_factory=list)
    labelled: dict[str, list[LabelledItem]] = field(default_factory=dict)
    canaries: ItemCounts = field(default_factory=ItemCounts)
    reused: Counter[str] = field(default_factory=Counter)


_Shape = tuple[str, RunValues, RunValues, str | None]
_Outcome = tuple[str, str, str | None, str, bool]
"""Probe, model, prompt, status and verdict."""
_Place = tuple[str, str, str, str | None]
"""Where an answer was asked for: dataset, example id, model and prompt."""


class Observations:
    """An observer for `compare` that groups Trials into items: one per probe, example and pair of subjects.

    Examples that only one side has, or that were edited, are no items: the comparison lists them. A repeat that
    was not answered is an item's missing value. With several pairs of subjects each is a probe of its own, named
    ``probe · subject``.
    """

    def __init__(
        self, watch: Watch | None = None, pool: FurtherRuns | None = None, more: FurtherRuns | None = None
    ) -> None:
        self._watch = watch or Watch()
        if self._watch.labels is not None and self._watch.several_subjects:
            self._watch.labels.check_models()
        self._pool = pool if pool is not None and len(pool) else None
        self._more = more if more is not None and len(more) else None
        self._ranges = self._watch.ranges
        self._counts: Counter[_Shape] = Counter()
        self._shapes: dict[_Shape, _Shape] = {}
        self._verdicts: dict[_Outcome, _Shape] = {}
        self._only_shapes = self._pool is None and self._more is None and self._watch.counts_only_shapes
        self._places: dict[_Place, list[_Shape]] = {}
        self._seen = Observed(noise={level: Counter() for level in self._watch.noise})
        self._item: ItemKey | None = None
        self._before: list[Facts] = []
        self._after: list[Facts] = []
        self._old: Facts | None = None
        self._only: Facts | None = None

    def __call__(self, pair: Aligned, finding: Finding) -> None:
        """Take in the next Trial of the join."""
        before, after, item = pair.baseline, pair.candidate, pair.key[:4]
        if item != self._item:
            self._close()
            self._item = item
            if before is after and after is not None and after.since is None and self._only_shapes:
                self._only = after
                return
        elif self._only is not None:
            self._before, self._after, self._only = [self._only], [self._only], None
        if self._watch.waived and is_waived(pair.key, self._watch.waived):
            return
        draws = self._watch.draws
        if after is not None:
            if after.since is None or draws.counts_after(pair):
                self._after.append(after)
            else:
                self._old = after
        if before is None or finding.kind is ChangeClass.EDITED:
            return
        if before.since is None or draws.counts_before(before):
            self._before.append(before)

    def observed(self) -> Observed:
        """Return all that was seen; nothing may be added afterwards."""
        self._close()
        for (name, before, after, cluster), count in self._counts.items():
            self._seen.tally.add_equal(name, before, after, count=count, cluster=cluster)
        for members, count in Counter(map(tuple, self._places.values())).items():
            self._seen.tally.move_together(tuple(_shape(*member) for member in members), count)
        return self._seen

    def _close(self) -> None:
        if self._only is not None:
            self._count_only(self._only)
            self._only = None
            return
        before, after = self._before, self._after
        if self._old is not None and not after:
            self._seen.reused[self._name_of(self._old)] += 1
        self._old = None
        if self._pool is None and self._more is None:
            if before and after:
                self._add(after[0], (before,), (after,))
        elif self._item is not None:
            self._close_pooled(self._item)
        before.clear()
        after.clear()

    def _count_only(self, facts: Facts) -> None:
        """Count an item of one Trial that is the same on both sides; most are, and most are verdicts."""
        scores, cluster = facts.scores, cluster_of(facts, self._watch.cluster)
        if cluster is not None or scores is None or scores.passed is None:
            self._add(facts, ((facts,),), ((facts,),))
            return
        outcome = (facts.probe, facts.model, facts.prompt, facts.status, scores.passed)
        shape = self._verdicts.get(outcome)
        if shape is None:
            name = self._name_of(facts)
            values = (self._values(name, (facts,)),)
            shape = self._verdicts[outcome] = (name, values, values, None)
        self._counts[shape] += 1

    def _close_pooled(self, item: ItemKey) -> None:
        runs: list[Sequence[Facts]] = [*_new_of(self._pool, item), self._before]
        news: list[Sequence[Facts]] = [*_new_of(self._more, item), self._after]
        if not self._after:
            return
        digest = self._after[0].example_digest
        runs = [run if run and run[0].example_digest == digest else () for run in runs]
        if any(runs):
            self._add(self._after[0], runs, news)

    def _add(self, facts: Facts, runs: Sequence[Sequence[Facts]], news: Sequence[Sequence[Facts]]) -> None:
        name, after = self._name_of(facts), news[-1]
        values = tuple([self._values(name, run) for run in news])
        before = values if runs == news else tuple([self._values(name, run) for run in runs])
        if _scored_otherwise(runs[-1], after):
            values = tuple([(None,) * len(run) for run in values])
        if self._ranges.unlike:
            self._add_contradictions(name, after)
        self._count((name, before, values, cluster_of(facts, self._watch.cluster)), runs[-1], after)
        if len(after) > 1:
            self._add_repeats(after)
        if self._pool is not None:
            self._add_churn(name, facts.probe, runs, after)
            for level, counter in self._seen.noise.items():
                counter[_pattern(runs, level)] += 1
        if self._watch.drift is not None:
            self._add_drift(name, self._watch.drift, runs, news)
        if self._watch.labels is not None and facts.probe in self._watch.labels.probes:
            item = self._watch.labels.item(runs[-1], after)
            if item is not None:
                self._seen.labelled.setdefault(name, []).append(item)
        if self._watch.flips and before[-1][:1] == (1.0,):
            self._add_flip(_flip(name, runs[-1][0], facts), values[-1], varies=runs[-1][0].response != facts.response)

    def _count(self, shape: _Shape, baseline: Sequence[Facts], after: Sequence[Facts]) -> None:
        self._counts[shape] += 1
        if self._watch.shared and shape[-1] is None:
            self._places.setdefault(_place(after[0], baseline), []).append(self._shapes.setdefault(shape, shape))
        if all(facts.since is not None for facts in after):
            self._seen.canaries.add_equal(*shape[:3], cluster=shape[3])

    def _values(self, name: str, trials: Sequence[Facts]) -> tuple[float | None, ...]:
        values: list[float | None] = []
        for facts in trials:
            if facts.status != "skipped":
                value = self._ranges.quality(facts)
                values.append(value)
                if value is not None and not 0.0 <= value <= 1.0:
                    self._seen.outside.setdefault(name, self._ranges.tell_outside(facts))
        return tuple(values)

    def _name_of(self, facts: Facts) -> str:
        name = f"{facts.probe}{SEPARATOR}{facts.subject.label}" if self._watch.several_subjects else facts.probe
        if name not in self._seen.probes:
            self._seen.probes[name] = facts.probe
        return name

    def _add_contradictions(self, name: str, trials: Sequence[Facts]) -> None:
        for facts in trials:
            found = self._ranges.contradiction(facts)
            if found is not None:
                self._seen.unlike[name] = found

    def _add_repeats(self, trials: Sequence[Facts]) -> None:
        """Count an item whose repeats say something; a table without outputs says nothing of copies."""
        if any(response_of(facts) != Response() for facts in trials):
            self._seen.repeated += 1
            self._seen.copied += len({(bytes(facts.response), facts.passed) for facts in trials}) == 1

    def _add_churn(self, name: str, probe: str, runs: Sequence[Sequence[Facts]], after: Sequence[Facts]) -> None:
        level = self._watch.churn_of.get(probe, self._watch.churn)
        if level is None or not (runs[-1] and runs[-2]):
            return
        first, second, candidate = (label_of(run[0], level) for run in (runs[-2], runs[-1], after))
        if first is None or second is None or candidate is None:
            return
        self._seen.churn[name] += 1
        if len({first, second, candidate}) != 2:
            return
        odd, times = self._seen.odd.get(name, (0, 0))
        self._seen.odd[name] = (odd + 1, times + (first == second))

    def _add_drift(
        self, name: str, kernel: DriftKernel, runs: Sequence[Sequence[Facts]], news: Sequence[Sequence[Facts]]
    ) -> None:
        sums = self._seen.drift.get(name)
        if sums is None:
            sums = self._seen.drift[name] = DriftSums(kernel, f"{self._watch.seed}|{name}")
        sums.add(repr(self._item), _texts(runs), _texts(news))

    def _add_flip(self, item: Flip, values: Sequence[float | None], *, varies: bool) -> None:
        """Keep an item that fell, and a few that pass on both sides, those first whose answers vary already."""
        if values[:1] == (0.0,):
            self._seen.flips.append(item)
        elif values[:1] == (1.0,) and (varies or len(self._seen.controls) < CONTROLS):
            self._seen.controls.insert(0 if varies else len(self._seen.controls), item)
            del self._seen.controls[CONTROLS:]


def _new_of(runs: FurtherRuns | None, item: ItemKey) -> list[Sequence[Facts]]:
    """Return the Trials of an item by run, without those whose answers may be another run's."""
    return [tuple(filter(counts_beside, run)) for run in runs.take(item)] if runs else []


def _scored_otherwise(baseline: Sequence[Facts], candidate: Sequence[Facts]) -> bool:
    """Whether one side has a verdict and the other only a score, or what counts are two different scores."""
    kinds = {_counted(run[0].scores) for run in (baseline, candidate) if run and run[0].scores is not None}
    return len(kinds - {None}) > 1


def _counted(scores: ScoreFacts) -> str | bool | None:
    return True if scores.passed is not None else counted_score(scores.values)


def _flip(name: str, before: Facts, after: Facts) -> Flip:
    return Flip(
        probe=name,
        dataset=after.dataset,
        example_id=after.example_id,
        baseline_subject=before.subject,
        candidate_subject=after.subject,
    )


def _shape(probe: str, baseline: RunValues, candidate: RunValues, cluster: str | None) -> Shape:
    return Shape(probe=probe, cluster=cluster, baseline=baseline, candidate=candidate)


def _place(facts: Facts, baseline: Sequence[Facts]) -> _Place:
    """Return the place whose answer an item judges: its own, or that which asked the same before."""
    others = (one.shared_with for one in (facts, *baseline[:1]))
    asked = next((one for one in others if one is not None and (one.dataset or one.example_id)), None)
    dataset, example_id = (None, None) if asked is None else (asked.dataset, asked.example_id)
    return dataset or facts.dataset, example_id or facts.example_id, facts.model, facts.prompt


def _texts(runs: Sequence[Sequence[Facts]]) -> list[str]:
    """Return the normalised answers of an item, of each run its first repeat, then its second, and so on."""
    turns = chain.from_iterable(zip_longest(*runs))
    return [normalise(response_of(facts).text) for facts in turns if facts is not None and facts.answered]


def _pattern(runs: Sequence[Sequence[Facts]], level: TextLevel) -> Pattern:
    numbers: dict[Label, int] = {}
    found: list[tuple[int | None, ...]] = []
    for run in runs:
        labels = [label_of(facts, level) for facts in run]
        found.append(tuple(None if label is None else numbers.setdefault(label, len(numbers)) for label in labels))
    return tuple(found)


def cluster_of(facts: Facts, name: str) -> str | None:
    """Return the cluster that the example names; text as it is, any other value in its canonical spelling."""
    if facts.example.fields is NO_FIELDS:
        return None
    fields = bytes(facts.example.fields)
    if b'"%b":' % name.encode() not in fields:
        return None
    value = read_record(b'{"fields":%b}' % fields, ExampleFields).fields.get(name)
    return value if value is None or isinstance(value, str) else canonical.line(value).decode()
