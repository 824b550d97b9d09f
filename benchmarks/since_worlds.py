"""How often does the gate fail an unchanged system in a run since another, and does it find what a whole run finds?

    python benchmarks/since_worlds.py             # 2,000 runs a row, about 20 minutes on two cores
    python benchmarks/since_worlds.py --quick     # 200 runs a row, two minutes

Every suite has 1,000 examples in 13 probes. What was edited is asked, a share of the rest is asked again, more of it
where the capital of `compare/statistics/canaries.py` says so, and the answers are judged by the function that `diff`
calls. Beside it stands the whole run, with the same new answers. Three tables, each with the claim that it holds:

1. Nothing changed: the gate fails at most 5 % of runs, whatever share was edited.
2. The edited probe (8 % of the suite) got worse: the gate finds that as often as the whole run's, less 3 points.
3. An edit of one probe: on average at most 10 % of the calls, and the verdict of the whole run in 99 % of pairs for a
   model that repeats itself. One that does not gives two whole runs other verdicts, too. There a drop that a whole run
   finds must not be missed more often than by another whole run.

Exits 1 if a claim does not hold, by more than the half width of a 95 % interval.
"""

import argparse
import math
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from simulated_world import Chances, suite

from insideLLMs.compare.statistics.assess import assess
from insideLLMs.compare.statistics.canaries import ALARM_AT, WIDEN_AT, WIDEN_BY, capital
from insideLLMs.compare.statistics.items import ItemCounts

ITEMS, PROBES = 1_000, 13
CANARY = 0.02
WORLDS = ("exact", "cold", "hot")
"""exact: every chance is 0 or 1; cold and hot: see simulated_world."""


class Pair(NamedTuple):
    """What a run since another came to, what the whole run did and another whole run, and the share of calls."""

    since: bool
    whole: bool
    again: bool
    calls: float


def chances_of(world: str, source: random.Random) -> Chances:
    if world == "exact":
        return [float(source.random() < 0.75) for _ in range(ITEMS)]
    return suite(world, ITEMS, source)


def worsened(chances: Chances, edited: range, drop: float, source: random.Random) -> Chances:
    """Let the edited items fail by so much more: each loses what it had with that chance, or gets it back below 0."""
    if drop < 0:
        return [1.0 if i in edited and source.random() < -drop else chance for i, chance in enumerate(chances)]
    return [0.0 if i in edited and source.random() < drop else chance for i, chance in enumerate(chances)]


def draw(chances: Chances, source: random.Random) -> list[int]:
    return [int(source.random() < chance) for chance in chances]


def fails(before: list[int], after: list[int], asked: "set[int] | None" = None) -> bool:
    """Whether the default gate fails; `asked` are the items with new answers, all where it is None."""
    counts = ItemCounts()
    for i in range(ITEMS) if asked is None else sorted(asked):
        counts.add_equal(f"p{i * PROBES // ITEMS:02}", ((float(before[i]),),), ((float(after[i]),),))
    return assess(counts).verdict == "failed"


def asked_again(before: list[int], after: list[int], rest: list[int], share: float, source: random.Random) -> set[int]:
    """Draw canaries, and more of them where they surprise, as a run does."""
    order = source.sample(rest, len(rest))
    taken = min(len(rest), max(1, round(share * len(rest)))) if share and rest else 0

    def won() -> float:
        moves = [after[i] - before[i] for i in order[:taken]]
        return capital(moves.count(-1), moves.count(1))

    if WIDEN_AT <= won() < ALARM_AT:
        taken = min(len(rest), taken * WIDEN_BY)
    return set(order if taken and won() >= ALARM_AT else order[:taken])


def one_pair(world: str, edited_share: float, drop: float, canary: float, number: int) -> Pair:
    source = random.Random(f"{world}|{edited_share}|{drop}|{canary}|{number}")
    chances = chances_of(world, source)
    edited = range(round(edited_share * ITEMS))
    after = worsened(chances, edited, drop, source)
    baseline, candidate, other = draw(chances, source), draw(after, source), draw(after, source)
    rest = [i for i in range(ITEMS) if i not in edited]
    asked = {*edited, *asked_again(baseline, candidate, rest, canary, source)}
    return Pair(
        fails(baseline, candidate, asked), fails(baseline, candidate), fails(baseline, other), len(asked) / ITEMS
    )


def rate(values: list[bool]) -> tuple[float, float]:
    """Return the share in percent and the half width of its 95 % interval."""
    p = sum(values) / len(values)
    return 100.0 * p, 196.0 * math.sqrt(max(p * (1.0 - p), 1.0 / len(values)) / len(values))


def pairs(pool: ProcessPoolExecutor, runs: int, *row: object) -> list[Pair]:
    return list(pool.map(partial(one_pair, *row), range(runs), chunksize=25))


def table_of_false_alarms(pool: ProcessPoolExecutor, runs: int) -> bool:
    print("\n1. nothing changed: runs that fail, in %\n\nworld  edited  canary  since        whole        calls")
    held = True
    for world in ("cold", "hot"):
        for edited in (0.0, 0.08, 0.5, 0.9, 1.0):
            for canary in (0.02, 0.1):
                found = pairs(pool, runs, world, edited, 0.0, canary)
                (since, half), (whole, other) = rate([p.since for p in found]), rate([p.whole for p in found])
                calls = sum(p.calls for p in found) / runs
                rates = f"{since:4.1f} ± {half:3.1f}   {whole:4.1f} ± {other:3.1f}"
                print(f"{world:<6} {edited:6.0%} {canary:7.0%}  {rates}   {calls:6.1%}")
                held = held and since - half <= 5.0
    return held


def table_of_power(pool: ProcessPoolExecutor, runs: int) -> bool:
    print("\n2. the edited 8 % got worse: runs that fail, in %\n\nworld  drop  since        whole        difference")
    held = True
    for world in ("cold", "hot"):
        for drop in (0.05, 0.1, 0.2, 0.3, 0.5):
            found = pairs(pool, runs, world, 0.08, drop, CANARY)
            since, whole = rate([p.since for p in found]), rate([p.whole for p in found])
            spread = sum((p.since - p.whole) ** 2 for p in found) / runs
            half = 196.0 * math.sqrt(max(spread, 1.0 / runs) / runs)
            gained = since[0] - whole[0]
            rates = f"{since[0]:4.1f} ± {since[1]:3.1f}   {whole[0]:4.1f} ± {whole[1]:3.1f}"
            print(f"{world:<6} {drop:4.0%}  {rates}   {gained:+5.1f} ± {half:3.1f}")
            held = held and gained + half >= -3.0
    return held


def table_of_agreement(pool: ProcessPoolExecutor, runs: int) -> bool:
    print("\n3. one edit of 8 %: pairs, in %; missed: of the two only the whole run fails\n")
    print("world  drop  same verdict   missed       two whole runs: same  missed       calls")
    held, calls = True, []
    for world in WORLDS:
        for drop in (-0.1, 0.0, 0.02, 0.1, 0.3, 0.6):
            found = pairs(pool, runs, world, 0.08, drop, CANARY)
            same, half = rate([p.since == p.whole for p in found])
            twice, other = rate([p.again == p.whole for p in found])
            missed, spread = rate([p.whole and not p.since for p in found])
            lost, wide = rate([p.whole and not p.again for p in found])
            calls.append(sum(p.calls for p in found) / runs)
            print(
                f"{world:<6} {drop:4.0%}  {same:5.1f} ± {half:3.1f}    {missed:4.1f} ± {spread:3.1f}   "
                f"{twice:5.1f} ± {other:3.1f}           {lost:4.1f} ± {wide:3.1f}   {calls[-1]:6.1%}"
            )
            held = held and (same + half >= 99.0 if world == "exact" else missed - spread <= lost + wide)
    print(f"\ncalls on average: {sum(calls) / len(calls):.1%} of the whole run's")
    return held and sum(calls) / len(calls) <= 0.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 runs a row")
    parser.add_argument("--runs", type=int, default=None, help="runs a row")
    args = parser.parse_args()
    runs = args.runs or (200 if args.quick else 2_000)
    print(f"{ITEMS:,} examples, {PROBES} probes, {runs:,} runs a row")
    with ProcessPoolExecutor() as pool:
        tables = (table_of_false_alarms, table_of_power, table_of_agreement)
        held = [table(pool, runs) for table in tables]
    for number, is_held in enumerate(held, 1):
        print(f"claim {number}: {'holds' if is_held else 'DOES NOT HOLD'}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
