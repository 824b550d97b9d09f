"""Does `insidellms blame` name the right changes, and no innocent one? 200 planted causes, then only noise.

    python benchmarks/blame_causes.py            # about a minute and a half on one core
    python benchmarks/blame_causes.py --worlds 40

Two experiments differ in eight things. One, two or three of them make examples fall: half of those with two or three
only together, so that a third of all worlds interact; otherwise each breaks examples of its own. Half of the worlds
answer exactly; in the others an example falls by chance as well (on average one answer in eight, some examples most of
the time), and a cause breaks its examples with a chance of 75 to 95 %. The suite has 1,000 examples, of which a cause
concerns 8 to 20 %. Which examples fell is drawn as two runs would draw it, so some of them fell by luck. The product's
own `search` does the rest; every question is answered by a scripted model, in memory.

Also: worlds in which nothing changed, and some in which only the provider did.

Exits 1 unless the set of causes is right in 90 % of the worlds, something innocent is blamed in at most 5 %, and the
median of the calls is at most 15 % of the suite's, over all and where answers vary; unless nothing is blamed in 95 % of
the worlds without a cause (beyond the error of the simulation); and unless a changed provider is found in 80 %.
"""

import argparse
import math
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from insideLLMs.compare.blame.answers import BudgetEnded, ItemQuestion
from insideLLMs.compare.blame.items import MOST_CALM, MOST_DRAWN, MOST_FALLEN
from insideLLMs.compare.blame.search import Panel, SearchOutcome, search

SUITE, CHANGES, MAX_CALLS = 1_000, tuple(range(8)), 400
Cause = frozenset[int]


@dataclass
class World:
    """Examples with a chance to fall without any reason, and for some a cause that breaks them."""

    exact: bool
    seed: int
    causes: Sequence[Cause]
    share: float
    provider: float = 0.0
    calls: int = 0
    chances: list[float] = field(default_factory=list)
    concerned: list[Cause | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = random.Random(f"world/{self.seed}")
        self.strength = 1.0 if self.exact else self.source.uniform(0.75, 0.95)
        for _ in range(SUITE):
            self.chances.append(self._chance())
            self.concerned.append(self.source.choice(self.causes) if self.source.random() < self.share else None)
        self.moved = [self.source.random() < self.provider for _ in range(SUITE)]

    def _chance(self) -> float:
        if self.exact:
            return float(self.source.random() < 0.2)
        easy = self.source.random() < 0.85
        return self.source.betavariate(0.4, 4) if easy else self.source.betavariate(4, 0.5)

    def falls(self, example: int, applied: Cause, *, today: bool = True) -> bool:
        chance, cause = self.chances[example], self.concerned[example]
        if cause and cause <= applied:
            chance = max(chance, self.strength)
        if today and self.moved[example]:
            chance = max(chance, self.strength)
        return self.source.random() < chance

    def blame(self) -> SearchOutcome:
        """Draw two runs, take examples as the product does, and search."""
        before = [self.falls(example, frozenset(), today=False) for example in range(SUITE)]
        after = [self.falls(example, frozenset(CHANGES)) for example in range(SUITE)]
        kinds = {(False, True): [], (True, True): [], (False, False): [], (True, False): []}
        for example, kind in enumerate(zip(before, after, strict=True)):
            kinds[kind].append(example)
        fallen, stubborn, calm = kinds[False, True], kinds[True, True], kinds[False, False][:MOST_CALM]
        if not fallen:
            return SearchOutcome()
        drawn = fallen[:MOST_DRAWN]
        share = min(1, MOST_DRAWN / len(fallen), MOST_DRAWN / max(1, len(stubborn)))
        stayed = math.ceil(share * len(stubborn))
        examples = [*drawn, *stubborn[:stayed], *calm]
        panel = Panel(
            changes=[CHANGES] * len(examples),
            fallen=range(min(len(fallen), MOST_FALLEN)),
            balanced=range(math.floor(share * len(fallen))),
            stubborn=range(len(drawn), len(drawn) + stayed),
            calm=range(len(drawn) + stayed, len(examples)),
        )

        def ask(questions: Sequence[ItemQuestion]) -> list[bool]:
            if self.calls + len(questions) > MAX_CALLS:
                raise BudgetEnded
            self.calls += len(questions)
            return [self.falls(examples[question.item], question.applied) for question in questions]

        return search(panel, ask, exact=self.exact, say=lambda _: None)


def planted(number: int, *, exact: bool) -> World:
    """Return a world with one to three causes, or one of two or three changes together."""
    source = random.Random(f"planted/{number}")
    size = 1 + number % 3
    changes = source.sample(CHANGES, size)
    together = size > 1 and source.random() < 0.5
    causes = [frozenset(changes)] if together else [frozenset({change}) for change in changes]
    return World(exact=exact, seed=number, causes=causes, share=source.uniform(0.08, 0.2))


def measure(name: str, worlds: Sequence[World]) -> tuple[float, float, float]:
    """Print and return how often the causes are right, something innocent is blamed, and the median share of calls."""
    right = innocent = 0
    for world in worlds:
        outcome = world.blame()
        found = {frozenset(cause.changes) for cause in outcome.causes}
        guilty = frozenset(change for cause in world.causes for change in cause)
        right += found == set(world.causes)
        innocent += outcome.provider or any(not cause <= guilty for cause in found)
    calls = statistics.median(world.calls for world in worlds) / SUITE
    shares = right / len(worlds), innocent / len(worlds), calls
    print(f"{name:<34} {len(worlds):>4} worlds  right {shares[0]:6.1%}  innocent {shares[1]:5.1%}  calls {calls:6.1%}")
    return shares


def main() -> int:
    """Print all figures; return 1 where a claim fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=200)
    count = parser.parse_args().worlds
    exact = [planted(number, exact=True) for number in range(count // 2)]
    varying = [planted(number, exact=False) for number in range(count // 2, count)]
    measure("exact", exact)
    in_varying = measure("varying", varying)
    for name, worlds in (("exact", exact), ("varying", varying)):
        for size in (1, 2, 3):
            for together in (False, True):
                own = [w for w in worlds if sum(map(len, w.causes)) == size and (len(w.causes) < size) == together]
                if own and (size > 1 or not together):
                    fresh = [World(exact=w.exact, seed=w.seed, causes=w.causes, share=w.share) for w in own]
                    measure(f"  {name}, {size} {'together' if together else 'alone'}", fresh)
    whole = measure("all", [World(exact=w.exact, seed=w.seed, causes=w.causes, share=w.share) for w in exact + varying])
    nothing = [World(exact=False, seed=number, causes=[frozenset()], share=0.0) for number in range(count)]
    blamed = sum(bool(outcome.causes) or outcome.provider for outcome in (world.blame() for world in nothing)) / count
    moved = [
        World(exact=False, seed=number, causes=[frozenset()], share=0.0, provider=0.15) for number in range(count // 2)
    ]
    outcomes = [world.blame() for world in moved]
    found = sum(outcome.provider and not outcome.causes for outcome in outcomes) / len(moved)
    wronged = sum(bool(outcome.causes) for outcome in outcomes) / len(moved)
    print(f"nothing changed: {blamed:.1%} of {count} blame anything")
    print(f"the provider changed: {found:.1%} of {len(moved)} say so, {wronged:.1%} blame a change")
    error = 1.96 * (0.05 * 0.95 / count) ** 0.5
    holds = whole[0] >= 0.9 and in_varying[0] >= 0.9 and max(whole[1], in_varying[1]) <= 0.05 and whole[2] <= 0.15
    holds = holds and blamed <= 0.05 + error and wronged <= 0.05 + error and found >= 0.8
    print("the claims hold" if holds else "a claim does not hold")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
