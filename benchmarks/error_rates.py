"""False alarms and power of the default gate over the whole table of suites, sizes, runs, repeats and noise.

    python benchmarks/error_rates.py --to rates.jsonl                     # about an hour on one core; needs numpy
    python benchmarks/error_rates.py --to rates.jsonl --cells 'none hot'  # only the cells whose names match
    python benchmarks/error_rates.py --to rates.jsonl --show              # print what is there, draw nothing
    python benchmarks/error_rates.py --to rates.jsonl --show --beside old.jsonl

Each cell is appended to the file when it is done, and cells in the file are not drawn again: a run can be stopped, and
goes on where it stopped. The rates are percentages of simulated comparisons that fail, ± the half width of their 95%
interval. `--beside` is the file of another version of the code (run this script with its `src` on PYTHONPATH): the
draws are the same, so the difference has an error of its own, and cells that lost more than 3 points are named.
Exits 1 if a cell in which nothing is shared by whole runs or unnamed clusters fails above 6% by more than its error.
"""

import argparse
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from drawn_worlds import World, judge

SIZES, RUNS, REPEATS = (10, 44, 100, 300, 1000), (1, 3, 5), (1, 3, 5)
POWER = ("drop 5", "drop 10", "break 2", "break 5")
LIMIT = 6.0
"""A default gate's false alarms, in percent, above which a cell is named."""
LOSS = 3.0
"""The points of power that a cell may lose."""


class Rate(NamedTuple):
    """What was seen in a cell: the draws that failed, as bits of a number, and how many were inconclusive.

    `notes` counts what the report said beside the verdict, over the draws that failed.
    """

    draws: int
    failed: int
    inconclusive: int
    notes: dict[str, int]

    @property
    def percent(self) -> float:
        return 100 * self.failed.bit_count() / self.draws

    @property
    def error(self) -> float:
        share = self.percent / 100
        return 196 * math.sqrt(max(share * (1 - share), 0.25 / self.draws) / self.draws)


def worlds() -> Iterator[tuple[str, World]]:
    """Yield every cell with its scenario, the quickest first."""
    for n in SIZES:
        for suite in ("hot", "cold"):
            for change in ("none", *POWER):
                for runs in RUNS:
                    for repeats in REPEATS:
                        scenario = "nothing changed" if change == "none" else change
                        yield scenario, World(suite=suite, n=n, runs=runs, repeats=repeats, change=change)
                    if change == "none":
                        yield "fade 3", World(suite=suite, n=n, runs=runs, change="fade 3")
        yield from _other_nulls(n)


def _other_nulls(n: int) -> Iterator[tuple[str, World]]:
    for runs in RUNS:
        for repeats in REPEATS:
            for suite in ("hot", "cold"):
                for shift in (0.1, 0.2):
                    yield (
                        f"whole runs shift, sd {shift}",
                        World(suite=suite, n=n, runs=runs, repeats=repeats, shift=shift),
                    )
        for repeats in (1, 3):
            yield "greedy, 1 % flips", World(suite="greedy", n=n, runs=runs, repeats=repeats)
            if n <= 100:
                for suite in ("hot", "cold"):
                    yield "8 probes", World(suite=suite, n=n, runs=runs, repeats=repeats, probes=8)
        for named in (True, False) if n >= 44 else ():
            for suite in ("hot", "cold"):
                yield (
                    f"clusters of 10, {'named' if named else 'not named'}",
                    World(suite=suite, n=n, runs=runs, cluster=10, is_named=named),
                )


def draws_for(world: World, draws: int) -> int:
    """Return how often a cell is drawn: power needs fewer draws, the slowest cells get fewer."""
    share = 1.0 if world.change == "none" else 0.4
    return round(draws * share * (0.4 if world.n == 1000 and world.runs * world.repeats >= 9 else 1.0))


def measure(world: World, draws: int) -> Rate:
    """Draw a cell."""
    failed = inconclusive = 0
    notes: Counter[str] = Counter()
    for number in range(draws):
        found = judge(world, number)
        inconclusive += found.verdict == "inconclusive"
        if found.verdict == "failed":
            failed |= 1 << number
            notes.update({note.code for note in found.notes})
    return Rate(draws, failed, inconclusive, dict(sorted(notes.items())))


def read(path: Path) -> dict[str, Rate]:
    """Read the cells of a file."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        row = json.loads(line)
        found[row["cell"]] = Rate(row["draws"], int(row["failed"], 16), row["inconclusive"], row["notes"])
    return found


def draw_missing(path: Path, pattern: str, draws: int) -> None:
    """Draw the cells that the file lacks, and append each."""
    known = read(path)
    for _, world in worlds():
        if world.name in known or not re.search(pattern, world.name):
            continue
        started = time.process_time()
        rate = measure(world, draws_for(world, draws))
        row = rate._asdict() | {"cell": world.name, "failed": hex(rate.failed)}
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        seconds = time.process_time() - started
        print(f"{world.name:60}{rate.percent:6.1f} ±{rate.error:.1f}  ({seconds:.0f} s of CPU)", flush=True)


def show(found: dict[str, Rate], beside: dict[str, Rate]) -> bool:
    """Print every cell, then a summary by scenario; return whether a cell without shift or clusters is above LIMIT."""
    scenarios: dict[str, list[tuple[World, Rate]]] = {}
    for scenario, world in worlds():
        if world.name in found:
            scenarios.setdefault(scenario, []).append((world, found[world.name]))
    for scenario, cells in scenarios.items():
        print(f"\n{scenario}: failed, %")
        for world, rate in cells:
            notes = ", ".join(
                f"{code} {100 * n / max(1, rate.failed.bit_count()):.0f}%" for code, n in rate.notes.items()
            )
            other = beside.get(world.name)
            change = (
                "" if other is None else "  before {:5.1f}  {:+5.1f} ±{:.1f}".format(other.percent, *lost(rate, other))
            )
            quiet = f"  inconclusive {100 * rate.inconclusive / rate.draws:.1f}" if rate.inconclusive else ""
            print(f"  {world.name:58}{rate.percent:6.1f} ±{rate.error:.1f}{change}{quiet}  {notes}")
    return _summary(scenarios, beside)


def lost(rate: Rate, other: Rate) -> tuple[float, float]:
    """Return by how many points `rate` is above `other` on their common draws, and the error of that."""
    draws = min(rate.draws, other.draws)
    common = (1 << draws) - 1
    gained = (rate.failed & ~other.failed & common).bit_count()
    gone = (other.failed & ~rate.failed & common).bit_count()
    spread = gained + gone - (gained - gone) ** 2 / draws
    return 100 * (gained - gone) / draws, 196 * math.sqrt(max(spread, 0.25)) / draws


def _summary(scenarios: dict[str, list[tuple[World, Rate]]], beside: dict[str, Rate]) -> bool:
    bad = False
    columns = "".join(f"{f'{runs} baseline runs':>20}" for runs in RUNS)
    print(f"\n{'mean and highest, %':34}{'cells':>6}{columns}   highest")
    for scenario, cells in scenarios.items():
        worst, rate = max(cells, key=lambda cell: cell[1].percent)
        row = "".join(_mean_and_highest([rate for world, rate in cells if world.runs == runs]) for runs in RUNS)
        print(f"{scenario:34}{len(cells):>6}{row}   {worst.name} ±{rate.error:.1f}")
        if worst.change == "none" and not worst.shift and (worst.is_named or not worst.cluster):
            bad |= rate.percent - rate.error > LIMIT
    for cells in scenarios.values():
        for world, rate in cells:
            other = beside.get(world.name)
            if world.change == "none" and rate.percent > LIMIT:
                print(f"above {LIMIT:g} %: {world.name} {rate.percent:.1f} ±{rate.error:.1f}")
            elif world.change != "none" and other is not None and lost(rate, other)[0] < -LOSS:
                print(f"lost power: {world.name} {other.percent:.1f} -> {rate.percent:.1f} ±{lost(rate, other)[1]:.1f}")
    return bad


def _mean_and_highest(rates: list[Rate]) -> str:
    found = [rate.percent for rate in rates]
    return f"{sum(found) / len(found):>12.1f}{max(found):>8.1f}" if found else " " * 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", metavar="FILE", type=Path, required=True, help="where the cells are kept")
    parser.add_argument("--cells", metavar="REGEX", default="", help="only the cells whose names match")
    parser.add_argument("--draws", type=int, default=1000, help="comparisons for each cell without a change")
    parser.add_argument("--show", action="store_true", help="print what the file has, and draw nothing")
    parser.add_argument("--beside", metavar="FILE", type=Path, help="the cells of another version of the code")
    options = parser.parse_args()
    if not options.show:
        draw_missing(options.to, options.cells, options.draws)
    return int(show(read(options.to), read(options.beside) if options.beside else {}))


if __name__ == "__main__":
    sys.exit(main())
