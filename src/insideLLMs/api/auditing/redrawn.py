"""The answers that an unchanged model would give in another run: drawn from how its repeats vary."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import msgspec

from insideLLMs.core.types import Record, Scores

_LEAST = 1e-3
_Luck = list[tuple[bool | None, float]]
"""Of each repeat of an example, whether it passes, and which of those that came out so it is, from 0 to 1."""


class Chances(NamedTuple):
    """How the chances to pass are spread over the examples of a probe: a beta distribution."""

    passes: float
    failures: float


@dataclass(frozen=True, slots=True)
class _Example:
    """The places of an example's repeats, and how chances to pass are spread over all examples of its kind."""

    places: tuple[int, ...]
    spread: Chances | None


class RedrawnAnswers:
    """The examples whose answers another run would draw: those of a probe and subject of which some repeats vary.

    The chance that an answer passes has the posterior of a beta distribution over the examples, whose mean and
    correlation are those of the repeats (method of moments), so that an example that passed each time may still fail.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._examples = list(_varying(records))
        self._luck: dict[int, list[_Luck]] = {}

    def __bool__(self) -> bool:
        return bool(self._examples)

    def draw(self, number: int, changed: Mapping[int, Record]) -> dict[int, Record]:
        """Return the records that are other ones in draw `number`; of examples in `changed`, damaged ones."""
        found: dict[int, Record] = {}
        for example, drawn in zip(self._examples, self._drawn(number), strict=True):
            for place, (passes, turn) in zip(example.places, drawn, strict=True):
                record = self._taken(example.places, passes, turn, changed)
                own = self._records[place]
                found[place] = msgspec.structs.replace(record, repeat=own.repeat, key=own.key)
        return {place: record for place, record in found.items() if record != self._records[place] or place in changed}

    def _drawn(self, number: int) -> list[_Luck]:
        """Return how the repeats of each example come out in draw `number`, whatever is damaged; drawn once."""
        if number not in self._luck:
            self._luck[number] = [self._luck_of(number, example) for example in self._examples]
        return self._luck[number]

    def _luck_of(self, number: int, example: _Example) -> _Luck:
        first = self._records[example.places[0]]
        seed = f"{number}|{first.dataset}|{first.example_id}|{first.subject.label}"
        draw = random.Random(seed)  # noqa: S311 - draws, not secrets; the same for all probes of an answer
        chance = self._chance(example, random.Random(f"{seed}|chance"))  # noqa: S311
        pairs = [(draw.random(), draw.random()) for _ in example.places]
        return [(None if chance is None else luck < chance, turn) for luck, turn in pairs]

    def _chance(self, example: _Example, draw: random.Random) -> float | None:
        if example.spread is None:
            return None
        passes = sum(_passed(self._records[place]) is True for place in example.places)
        failures = len(example.places) - passes
        return draw.betavariate(example.spread.passes + passes, example.spread.failures + failures)

    def _taken(self, places: Sequence[int], passes: bool | None, turn: float, changed: Mapping[int, Record]) -> Record:
        """Return a repeat that came out so, damaged where it is hit; where none did, one with the other verdict."""
        fitting = [place for place in places if passes is None or _passed(self._records[place]) is passes]
        place = (fitting or places)[int(turn * len(fitting or places))]
        if fitting or (place in changed and passes):
            return changed.get(place, self._records[place])
        return _with_verdict(self._records[place], passed=bool(passes))


def _varying(records: Sequence[Record]) -> Iterable[_Example]:
    groups: dict[tuple[object, ...], list[tuple[int, ...]]] = {}
    for key, repeats in groupby(range(len(records)), key=lambda place: records[place].sort_key[:-1]):
        groups.setdefault((key[0], *key[3:]), []).append(tuple(repeats))
    for examples in groups.values():
        if any(len({outcome_of(records[place]) for place in places}) > 1 for places in examples):
            spread = _spread([[_passed(records[place]) for place in places] for places in examples])
            yield from (_Example(places, spread) for places in examples if len(places) > 1)


def _spread(examples: Sequence[Sequence[bool | None]]) -> Chances | None:
    """Fit the beta distribution; None where there are no verdicts, or none that tell of a spread."""
    if any(passed is None for passes in examples for passed in passes):
        return None
    shares = [sum(map(bool, passes)) / len(passes) for passes in examples]
    mean, repeats = math.fsum(shares) / len(shares), max(map(len, examples))
    if not 0.0 < mean < 1.0 or repeats < 2:
        return None
    variance = math.fsum((share - mean) ** 2 for share in shares) / max(1, len(shares) - 1)
    correlation = (repeats * variance / (mean * (1.0 - mean)) - 1.0) / (repeats - 1)
    size = 1.0 / min(max(correlation, 0.01), 0.99) - 1.0
    return Chances(max(_LEAST, mean * size), max(_LEAST, (1.0 - mean) * size))


def _passed(record: Record) -> bool | None:
    return None if record.scores is None else record.scores.passed


def _with_verdict(record: Record, *, passed: bool) -> Record:
    scores = record.scores
    assert scores is not None
    flipped = Scores(
        values={name: float(passed) if name == "correct" else value for name, value in scores.values.items()},
        passed=passed,
    )
    return msgspec.structs.replace(record, scores=flipped)


def outcome_of(record: Record) -> tuple[object, ...]:
    """Return what a record's scores come to."""
    scores = record.scores
    return (None,) if scores is None else (scores.passed, *sorted(scores.values.items()))
