"""Which lines of a file were altered, added, removed or moved since it was sealed: a comparison of what names each.

Memory is what the lines differ in, and 8 bytes a line after the first difference.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import zip_longest
from typing import Literal, Self

import msgspec

from insideLLMs.core.record_views import OfTrial

Change = Literal["altered", "added", "removed", "moved"]
_MOST_OPEN = 10_000
"""With so many lines that have no partner, what follows is not read."""
_LONGEST_NAME = 80


class LineKey(msgspec.Struct, frozen=True, gc=False):
    """What tells a line from all others of its file, and the Trial that it is of, where that can be read."""

    key: Hashable
    trial: OfTrial | None


class SealedTrial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What tells a Trial from every other of its run."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    prompt: str | None = None

    @classmethod
    def of(cls, trial: OfTrial) -> Self:
        """Take the names from a stored line."""
        return cls(**{name: getattr(trial, name) for name in cls.__struct_fields__})

    def __str__(self) -> str:
        prompt = "" if self.prompt is None else f", prompt {_shown(self.prompt)}"
        return (
            f"example {_shown(self.example_id)} of dataset {_shown(self.dataset)}, probe {_shown(self.probe)}, "
            f"model {_shown(self.model)}{prompt}, repeat {self.repeat}"
        )


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."


class ChangedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file of a run that is not as it was sealed; lines count from 1, None where there is none.

    `trial` is whose line it is, where it was altered, whose it was when it was sealed; None for what is no record.
    """

    file: str
    change: Change
    line: int | None
    sealed_line: int | None
    trial: SealedTrial | None

    def __str__(self) -> str:
        where = f"line {self.line or self.sealed_line}"
        if self.change == "moved":
            where += f", sealed as line {self.sealed_line}"
        return f"{self.file}: {self.change}: {where}: {self.trial or 'no record'}"


def changed_lines(file: str, sealed: Callable[[], Iterable[LineKey]], found: Iterable[LineKey]) -> list[ChangedLine]:
    """Return the differences in the order of the file; of files that have little in common, the first."""
    pairing = _Pairing()
    for at, (before, after) in enumerate(zip_longest(sealed(), found)):
        pairing.take(at, before, after)
        if pairing.open_lines > _MOST_OPEN:
            break
    changes = list(pairing.changes())
    nameless = {was for change, _, was, _ in changes if change == "moved"}
    names: dict[int, OfTrial | None] = (
        {place: line.trial for place, line in enumerate(sealed()) if place in nameless} if nameless else {}
    )
    named = [
        _changed(file, change, at, was, trial if was is None else names.get(was, trial))
        for change, at, was, trial in changes
    ]
    return sorted(named, key=lambda change: change.line or change.sealed_line or 0)


def _changed(
    file: str, change: Change, line: int | None, sealed_line: int | None, trial: OfTrial | None
) -> ChangedLine:
    at, was = (None if place is None else place + 1 for place in (line, sealed_line))
    name = None if trial is None else SealedTrial.of(trial)
    return ChangedLine(file=file, change=change, line=at, sealed_line=was, trial=name)


class _Pairing:
    """Pairs the lines that were sealed with those found, by their keys, wherever they stand."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._places = array("q")  # of each line found after the first difference: its sealed place, or -1
        self._missing: dict[Hashable, tuple[int, LineKey]] = {}
        self._extra: dict[Hashable, list[tuple[int, LineKey]]] = {}

    @property
    def open_lines(self) -> int:
        return len(self._missing) + len(self._extra)

    def take(self, at: int, before: LineKey | None, after: LineKey | None) -> None:
        """Take the next line of both; None past the end of one."""
        if before is not None and after is not None and before.key == after.key:
            if self._first is not None:
                self._places.append(at)
            return
        if self._first is None:
            self._first = at
        if before is not None:
            self._take_sealed(at, before)
        if after is not None:
            self._take_found(at, after)

    def _take_sealed(self, at: int, line: LineKey) -> None:
        found = self._extra.get(line.key)
        if not found:
            self._missing[line.key] = (at, line)
            return
        place, _ = found.pop(0)
        if not found:
            del self._extra[line.key]
        self._places[place - (self._first or 0)] = at

    def _take_found(self, at: int, line: LineKey) -> None:
        self._places.append(-1)
        if line.key in self._missing:
            self._places[-1], _ = self._missing.pop(line.key)
        else:
            self._extra.setdefault(line.key, []).append((at, line))

    def changes(self) -> Iterator[tuple[Change, int | None, int | None, OfTrial | None]]:
        """Yield what was done to each line that has no partner in its order: its place, the sealed one, its Trial."""
        first = self._first or 0
        moved = self._out_of_order(first)
        missing = dict(self._missing.values())
        extra = {place: line for lines in self._extra.values() for place, line in lines}
        last = first - 1
        for found, sealed in enumerate(self._places, start=first):
            if found in moved:
                yield "moved", found, sealed, None
            elif sealed >= 0:
                last = sealed
            elif last + 1 in missing:
                last += 1
                yield "altered", found, last, missing.pop(last).trial
            else:
                yield "added", found, None, extra[found].trial
        for place, line in missing.items():
            yield "removed", None, place, line.trial

    def _out_of_order(self, first: int) -> set[int]:
        """Return the fewest lines whose moves explain the order; of two that changed places, both."""
        placed = [(found, sealed) for found, sealed in enumerate(self._places, start=first) if sealed >= 0]
        kept = _longest_increasing([sealed for _, sealed in placed])
        moved = {found for position, (found, _) in enumerate(placed) if position not in kept}
        displaced = {found for found, sealed in placed if found != sealed}
        return displaced if moved and len(displaced) <= len(moved) + 1 else moved


def _longest_increasing(values: list[int]) -> set[int]:
    """Return the positions of a longest increasing subsequence (patience sorting)."""
    tails: list[int] = []
    positions: list[int] = []
    before = [-1] * len(values)
    for position, value in enumerate(values):
        pile = bisect_left(tails, value)
        if pile:
            before[position] = positions[pile - 1]
        tails[pile : pile + 1] = [value]
        positions[pile : pile + 1] = [position]
    kept: set[int] = set()
    at = positions[-1] if positions else -1
    while at >= 0:
        kept.add(at)
        at = before[at]
    return kept
