"""Further runs of a side, read item by item in step with a comparison."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from insideLLMs.compare.view import RunView
from insideLLMs.core.errors import CompareError
from insideLLMs.core.record_views import Facts, read_record

ItemKey = tuple[str, str, str, int]
"""What the Trials of one item share: probe, dataset (empty where its name does not count), example id, models' rank."""


class Pool:
    """The runs of a side beside the newest one, each with its models' ranks. Call `take` with rising keys only."""

    def __init__(self, runs: Sequence[RunView], ranks: Sequence[Mapping[str, int]], named: frozenset[str]) -> None:
        self._streams = [_Stream(run, own, named) for run, own in zip(runs, ranks, strict=True)]

    def __len__(self) -> int:
        return len(self._streams)

    def take(self, key: ItemKey) -> tuple[tuple[Facts, ...], ...]:
        """Return the Trials of an item by run, in the order of repeats; none where a run does not have it."""
        return tuple(stream.take(key) for stream in self._streams)


class _Stream:
    def __init__(self, run: RunView, ranks: Mapping[str, int], named: frozenset[str]) -> None:
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


def items_of(
    run: RunView, ranks: Mapping[str, int], named: frozenset[str]
) -> Iterator[tuple[ItemKey, tuple[Facts, ...]]]:
    """Yield a run's items with their Trials, in order; models without a rank are left out."""
    where = f"run {run.label!r}: a line of records.jsonl"
    read = (read_record(line, Facts, where=where) for line in run.records())
    by_example = groupby(read, key=lambda facts: (facts.probe, facts.dataset, facts.example_id))
    for (probe, dataset, example_id), group in by_example:
        trials: dict[int, list[Facts]] = {}
        for facts in group:
            if facts.model in ranks:
                trials.setdefault(ranks[facts.model], []).append(facts)
        for rank in sorted(trials):
            yield (probe, dataset if probe in named else "", example_id, rank), tuple(trials[rank])
