"""The answers that an unchanged model would give in another run: drawn from how its repeats vary."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple

import msgspec

from insideLLMs.core.types import Record, Scores

_MEANS, _CORRELATIONS = 100, 20
_Luck = list[tuple[bool | None, float]]
"""Of each repeat of an example, whether it passes, and which of those that came out so it is, from 0 to 1."""


class Chances(NamedTuple):
    """How the chances to pass are spread over the examples of a probe: a beta distribution."""

    passes: float
    failures: float

    def log_likelihood(self, passes: int, failures: int) -> float:
        """Return the logarithm of the chance of these repeats of one example, in one order."""
        a, b = self
        return _log_beta(a + passes, b + failures) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _chances_of(mean: int, correlation: int) -> Chances:
    """Return a point of the grid: the arcsine prior (Jeffreys) of the mean, a uniform one of the correlation."""
    share = math.sin(math.pi / 2.0 * (mean + 0.5) / _MEANS) ** 2
    size = _CORRELATIONS / (correlation + 0.5) - 1.0
    return Chances(share * size, (1.0 - share) * size)


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Beta distributions with their summed weights: how probable each is, given the repeats of all examples."""

    points: tuple[Chances, ...]
    weights: tuple[float, ...]

    def draw(self, number: int) -> Chances:
        """Return the one of draw `number`."""
        draw = random.Random(f"{number}|spread")  # noqa: S311 - draws, not secrets
        return draw.choices(self.points, cum_weights=self.weights)[0]


@dataclass(frozen=True, slots=True)
class _Example:
    """The places of an example's repeats, and how chances to pass may be spread over all examples of its kind."""

    places: tuple[int, ...]
    spread: _Posterior | None


class RedrawnAnswers:
    """The examples whose answers another run would draw: those of a probe and subject of which some repeats vary.

    The chance that an answer passes has the posterior of a beta distribution over the examples, so that an example that
    passed each time may still fail. One run tells only about which distribution that is: each draw takes another one,
    as probable as the repeats make it (Gelman et al., Bayesian Data Analysis, section 5.3). With the best fit alone,
    two runs of one model differ too little.
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
        chance = self._chance(example, number, random.Random(f"{seed}|chance"))  # noqa: S311
        pairs = [(draw.random(), draw.random()) for _ in example.places]
        return [(None if chance is None else luck < chance, turn) for luck, turn in pairs]

    def _chance(self, example: _Example, number: int, draw: random.Random) -> float | None:
        if example.spread is None:
            return None
        spread = example.spread.draw(number)
        passes = sum(_passed(self._records[place]) is True for place in example.places)
        failures = len(example.places) - passes
        return draw.betavariate(spread.passes + passes, spread.failures + failures)

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
            spread = _posterior([[_passed(records[place]) for place in places] for places in examples])
            yield from (_Example(places, spread) for places in examples if len(places) > 1)


def _posterior(examples: Sequence[Sequence[bool | None]]) -> _Posterior | None:
    """Weigh beta distributions by the examples; None where there are no verdicts, or none that tell of a spread."""
    if any(passed is None for passes in examples for passed in passes):
        return None
    counts = Counter((sum(map(bool, passes)), len(passes)) for passes in examples)
    if not 0 < sum(passes * n for (passes, _), n in counts.items()) < sum(map(len, examples)):
        return None
    points = tuple(_chances_of(mean, correlation) for mean in range(_MEANS) for correlation in range(_CORRELATIONS))
    logs = [
        math.fsum(n * point.log_likelihood(passes, size - passes) for (passes, size), n in counts.items())
        for point in points
    ]
    best = max(logs)
    return _Posterior(points, tuple(accumulate(math.exp(log - best) for log in logs)))


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
