"""Which trials a page shows of more than a browser can hold: a sample that is the same each time, and says so."""

import heapq
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

from insideLLMs.core.record_views import SummedRecord, read_record

MOST_ROWS = 100_000
"""Up to so many trials a page shows all."""
SAMPLE_ROWS = 20_000
"""So many it shows of more: some 10 MB of trials of 1 KB, which open within a second or two."""
_PLACES = 32
Item = TypeVar("Item")


class _Lowest:
    """Keeps the numbers of the trials whose examples have the lowest ranks: 8 bytes of rank and number each."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[int] = []
        self.total = 0

    def add(self, rank: int, number: int) -> None:
        self.total += 1
        item = -(rank << _PLACES | number)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, item)
        elif item > self._kept[0]:
            heapq.heapreplace(self._kept, item)

    def numbers(self, most: int) -> list[int]:
        return [-item & (1 << _PLACES) - 1 for item in heapq.nlargest(most, self._kept)]


class PageSample:
    """Draws trials by the digests of their examples, so that the trials of one example are drawn together.

    Those `worth_a_look` fill up to a half before others do, and all of it where there are no others; `in_words` calls
    them by `noun`, and `whole` says what is of all trials.
    """

    def __init__(self, noun: str, whole: str) -> None:
        self._noun = noun
        self._whole = whole
        self._most = SAMPLE_ROWS
        self._looked_for, self._others = _Lowest(self._most), _Lowest(self._most)

    @property
    def total(self) -> int:
        """How many trials there are."""
        return self._looked_for.total + self._others.total

    def add(self, example_digest: str, *, worth_a_look: bool) -> None:
        """Take in the next trial."""
        kind = self._looked_for if worth_a_look else self._others
        kind.add(zlib.crc32(example_digest.encode()), self.total)

    def add_record(self, record: SummedRecord) -> None:
        """Take in the next record of a run: one that did not pass is worth a look."""
        failed = record.status != "success" or (record.scores is not None and record.scores.passed is False)
        self.add(record.example_digest, worth_a_look=failed)

    def numbers(self) -> list[int]:
        """Return the numbers of the trials that were drawn, rising."""
        looked_for, others = self._shares()
        return sorted([*self._looked_for.numbers(looked_for), *self._others.numbers(others)])

    def pick(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield those that were drawn of all trials, in their order; reads all."""
        drawn = iter([*self.numbers(), -1])
        wanted = next(drawn)
        for number, item in enumerate(items):
            if number == wanted:
                yield item
                wanted = next(drawn)

    def in_words(self) -> str:
        """Say what a page shows and what it does not."""
        looked_for, others = self._shares()
        return (
            f"the trials listed here are a sample of {looked_for + others:,} of {self.total:,}: "
            f"{looked_for:,} of the {self._looked_for.total:,} {self._noun}, and {others:,} of the "
            f"{self._others.total:,} others; {self._whole}"
        )

    def _shares(self) -> tuple[int, int]:
        half = self._most // 2
        looked_for = min(self._looked_for.total, max(half, self._most - self._others.total))
        return looked_for, min(self._others.total, self._most - looked_for)


def needs_sample(trials: int) -> bool:
    """Whether a page of so many trials shows a sample of them."""
    return trials > MOST_ROWS


def sample_of(lines: Iterable[bytes]) -> PageSample:
    """Draw from the records of a run, given as their lines."""
    sample = PageSample("that did not pass", "the results are of all trials")
    for line in lines:
        sample.add_record(read_record(line, SummedRecord))
    return sample
