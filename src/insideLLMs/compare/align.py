"""Align two runs Trial by Trial in one streaming pass: an outer merge of two sorted streams.

A Trial is found by its probe, its example's id, its model's pair and its repeat; the dataset's name counts
only where a run has several datasets for that probe. Position, path and digest never count.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from insideLLMs.compare.pairing import Pairing
from insideLLMs.compare.view import RunView
from insideLLMs.core.errors import CompareError
from insideLLMs.core.record_views import Facts, read_record

Key = tuple[str, str, str, int, int]


class Aligned(NamedTuple):
    """One Trial of the outer join; a side that does not have it is None.

    The lines are the records as stored; of equal lines the facts are one object. `key` is what the two sides
    were aligned by: probe, dataset (empty where its name does not count), example id, the models' rank, repeat.
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
    return _merge(ours, theirs, _check_order(baseline, candidate), same_ids=pairing.same_ids)


class _Side:
    """A cursor over one run: the current line, and its facts and key once they are needed."""

    __slots__ = ("_label", "_lines", "_named", "_ranks", "_where", "facts", "key", "line")

    def __init__(self, view: RunView, ranks: Mapping[str, int], named: frozenset[str], *, sort: bool = False) -> None:
        self._label = view.label
        self._where = f"run {view.label!r}: a line of records.jsonl"
        self._ranks = ranks
        self._named = named
        self._lines = self._resorted(view.records()) if sort else view.records()
        self.facts: Facts | None = None
        self.key: Key | None = None
        self.advance()

    def advance(self) -> None:
        self.line = next(self._lines, None)
        self.facts = self.key = None

    def read(self) -> None:
        if self.line is not None and self.facts is None:
            self.facts = read_record(self.line, Facts, where=self._where)
            self.key = self.key_of(self.facts)

    def key_of(self, facts: Facts) -> Key:
        rank = self._ranks.get(facts.model)
        if rank is None:
            raise CompareError(
                f"run {self._label!r}: example {facts.example_id!r} was answered by {facts.model!r}, "
                "a model that the manifest does not name",
                fix="check the files with `insidellms verify`",
            )
        probe = facts.probe
        return (probe, facts.dataset if probe in self._named else "", facts.example_id, rank, facts.repeat)

    def _resorted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Put each example's records in the order of the ranks; only one example is held at a time."""
        read = ((self.key_of(read_record(line, Facts, where=self._where)), line) for line in lines)
        for _, group in groupby(read, key=lambda item: item[0][:3]):
            yield from (line for _, line in sorted(group))


def _merge(
    ours: _Side, theirs: _Side, check: Callable[[Key, Key, Facts], None], *, same_ids: bool
) -> Iterator[Aligned]:
    last: Key = ("", "", "", -1, -1)
    while True:
        line = ours.line
        if same_ids and line is not None and line == theirs.line:
            ours.read()
            key, facts = ours.key, ours.facts
            assert key is not None
            assert facts is not None
            if key <= last:
                check(last, key, facts)
            last = key
            yield Aligned(key, facts, facts, line, line)
            ours.advance()
            theirs.advance()
            continue
        ours.read()
        theirs.read()
        if ours.key is None and theirs.key is None:
            return
        pair = _take(ours, theirs)
        if pair.key <= last:
            check(last, pair.key, pair.baseline or pair.candidate)  # type: ignore[arg-type]  # one side is there
        last = pair.key
        yield pair


def _take(ours: _Side, theirs: _Side) -> Aligned:
    """Consume the lower key, or both sides where they agree."""
    mine, other = ours.key, theirs.key
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
            f"dataset {facts.dataset!r}, example {facts.example_id!r}, model {facts.model!r}, repeat {facts.repeat}",
            fix="check both with `insidellms verify`; only files that the run sealed can be compared",
        )

    return complain


def probes_told_apart_by_dataset(*views: RunView) -> frozenset[str]:
    """Return the probes that run over several datasets in any of the runs."""
    return frozenset(probe for view in views for probe, names in view.datasets.items() if len(set(names)) > 1)
