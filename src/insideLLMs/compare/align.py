"""Align two runs Trial by Trial in one streaming pass: an outer merge of two sorted streams.

A Trial is found by its probe, its example's id, its subject's pair and its repeat; the dataset's name counts
only where a run has several datasets for that probe. Position, path and digest never count. Subjects are paired first;
further runs of a side are read item by item in step with the join.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import msgspec

from insideLLMs.compare.pairing import Pairing, Ranks
from insideLLMs.compare.sides import RunView
from insideLLMs.core.errors import CompareError
from insideLLMs.core.record_views import Facts, record_reader

Key = tuple[str, str, str, int, int]
ItemKey = tuple[str, str, str, int]
"""What the Trials of one item share: probe, dataset (empty where its name does not count), example id, and rank."""


class Aligned(msgspec.Struct, frozen=True, gc=False):
    """One Trial of the outer join; a side that does not have it is None.

    The lines are the records as stored; of lines that differ in nothing but the Trial's key the facts are one object.
    `key` is what the two sides were aligned by: probe, dataset (empty where its name does not count), example id, the
    subjects' rank, repeat.
    """

    key: Key
    baseline: Facts | None
    candidate: Facts | None
    baseline_line: bytes
    candidate_line: bytes


def align(
    baseline: RunView, candidate: RunView, pairing: Pairing, *, named: frozenset[str] | None = None
) -> Iterator[Aligned]:
    """Yield every Trial of either run once, in order. Raises CompareError for unsorted or doubled records.

    `named` are the probes whose Trials are told apart by dataset, where further runs have a say in it.
    """
    if named is None:
        named = probes_told_apart_by_dataset(baseline, candidate)
    ours = _Side(baseline, pairing.baseline_ranks, named)
    theirs = _Side(candidate, pairing.candidate_ranks, named, sort=not pairing.keeps_order)
    return _merge(ours, theirs, _check_order(baseline, candidate), same_names=pairing.same_names)


class _Side:
    """A cursor over one run: the current line, and its facts once they are needed."""

    __slots__ = ("_label", "_lines", "_named", "_ranks", "_read", "facts", "line")

    def __init__(self, view: RunView, ranks: Ranks, named: frozenset[str], *, sort: bool = False) -> None:
        self._label = view.label
        self._read = record_reader(Facts, where=f"run {view.label!r}: a line of records.jsonl")
        self._ranks = {(subject.model, subject.prompt): rank for subject, rank in ranks.items()}
        self._named = named
        self._lines = self._resorted(view.records()) if sort else view.records()
        self.advance()

    def advance(self) -> None:
        self.line = next(self._lines, None)
        self.facts: Facts | None = None

    def read(self) -> Facts | None:
        """Return the facts of the current line; None at the end."""
        if self.facts is None and self.line is not None:
            self.facts = self._read(self.line)
        return self.facts

    def key(self) -> Key | None:
        """Return what the current line is aligned by; None at the end."""
        return None if self.facts is None else self.key_of(self.facts)

    def key_of(self, facts: Facts) -> Key:
        probe = facts.probe
        try:
            rank = self._ranks[facts.model, facts.prompt]
        except KeyError:
            raise CompareError(
                f"run {self._label!r}: example {facts.example_id!r} was answered by "
                f"{facts.subject.words}, which the manifest does not name",
                fix="check the files with `insidellms verify`",
            ) from None
        return (probe, facts.dataset if probe in self._named else "", facts.example_id, rank, facts.repeat)

    def _resorted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Put each example's records in the order of the ranks; only one example is held at a time."""
        read = ((self.key_of(self._read(line)), line) for line in lines)
        for _, group in groupby(read, key=lambda item: item[0][:3]):
            yield from (line for _, line in sorted(group))


def _merge(
    ours: _Side, theirs: _Side, check: Callable[[Key, Key, Facts], None], *, same_names: bool
) -> Iterator[Aligned]:
    last: Key = ("", "", "", -1, -1)
    while True:
        facts, line, other = ours.read(), ours.line, theirs.line
        if same_names and facts and line and other and _says_the_same(line, other, facts.key):
            pair = Aligned(ours.key_of(facts), facts, facts, line, other)
            ours.advance()
            theirs.advance()
        elif theirs.read() is None and facts is None:
            return
        else:
            pair = _take(ours, theirs)
        if pair.key <= last:
            check(last, pair.key, pair.baseline or pair.candidate)  # type: ignore[arg-type]  # one side is there
        last = pair.key
        yield pair


def _says_the_same(line: bytes, other: bytes, key: str) -> bool:
    """Whether two lines are equal but for the Trial's key, which covers the whole model and its parameters.

    That key stands nowhere else in the line, and what stands in its place cannot end the text that it is.
    """
    if line == other:
        return True
    name = key.encode()
    if len(line) != len(other) or not name.isalnum():
        return False
    start = line.find(name)
    end = start + len(name)
    return (
        line.find(name, end) < 0
        and other.startswith(line[:start])
        and other.endswith(line[end:])
        and other[start:end].isalnum()
    )


def _take(ours: _Side, theirs: _Side) -> Aligned:
    """Consume the lower key, or both sides where they agree."""
    mine, other = ours.key(), theirs.key()
    if mine == other and mine is not None:
        pair = Aligned(mine, ours.facts, theirs.facts, ours.line or b"", theirs.line or b"")
        ours.advance()
        theirs.advance()
        return pair
    if mine is not None and (other is None or mine < other):
        pair = Aligned(mine, ours.facts, None, ours.line or b"", b"")
        ours.advance()
        return pair
    assert other is not None
    pair = Aligned(other, None, theirs.facts, b"", theirs.line or b"")
    theirs.advance()
    return pair


def _check_order(baseline: RunView, candidate: RunView) -> Callable[[Key, Key, Facts], None]:
    def complain(last: Key, key: Key, facts: Facts) -> None:
        what = "holds a Trial twice" if last == key else "is not sorted"
        raise CompareError(
            f"records.jsonl of {baseline.label!r} or {candidate.label!r} {what}: probe {facts.probe!r}, "
            f"dataset {facts.dataset!r}, example {facts.example_id!r}, {facts.subject.words}, repeat {facts.repeat}",
            fix="check both with `insidellms verify`; only files that the run sealed can be compared",
        )

    return complain


def probes_told_apart_by_dataset(*views: RunView) -> frozenset[str]:
    """Return the probes that run over several datasets in any of the runs."""
    return frozenset(probe for view in views for probe, names in view.datasets.items() if len(set(names)) > 1)


class FurtherRuns:
    """The runs of a side beside the newest one, each with its subjects' ranks. Call `take` with rising keys only."""

    def __init__(self, runs: Sequence[RunView], ranks: Sequence[Ranks], named: frozenset[str]) -> None:
        self._streams = [_Stream(run, own, named) for run, own in zip(runs, ranks, strict=True)]

    def __len__(self) -> int:
        return len(self._streams)

    def take(self, key: ItemKey) -> tuple[tuple[Facts, ...], ...]:
        """Return the Trials of an item by run, in the order of repeats; none where a run does not have it."""
        return tuple(stream.take(key) for stream in self._streams)


class _Stream:
    def __init__(self, run: RunView, ranks: Ranks, named: frozenset[str]) -> None:
        self._items = items_of(run, ranks, named)
        self._label = run.label
        self._key: ItemKey | None = None
        self._trials: tuple[Facts, ...] = ()
        self._advance()

    def take(self, key: ItemKey) -> tuple[Facts, ...]:
        while self._key is not None and self._key < key:
            self._advance()
        if self._key != key:
            return ()
        trials = self._trials
        self._advance()
        return trials

    def _advance(self) -> None:
        last = self._key
        self._key, self._trials = next(self._items, (None, ()))
        if last is not None and self._key is not None and self._key <= last:
            raise CompareError(
                f"records.jsonl of {self._label!r} is not sorted: example {self._key[2]!r} of probe {self._key[0]!r}",
                fix="check it with `insidellms verify`; only files that the run sealed can be compared",
            )


def items_of(run: RunView, ranks: Ranks, named: frozenset[str]) -> Iterator[tuple[ItemKey, tuple[Facts, ...]]]:
    """Yield a run's items with their Trials, in order; subjects without a rank are left out."""
    read = record_reader(Facts, where=f"run {run.label!r}: a line of records.jsonl")
    by_example = groupby(map(read, run.records()), key=lambda facts: (facts.probe, facts.dataset, facts.example_id))
    for (probe, dataset, example_id), group in by_example:
        trials: dict[int, list[Facts]] = {}
        for facts in group:
            if facts.subject in ranks:
                trials.setdefault(ranks[facts.subject], []).append(facts)
        for rank in sorted(trials):
            yield (probe, dataset if probe in named else "", example_id, rank), tuple(trials[rank])
