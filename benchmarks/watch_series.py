"""How often does `insidellms watch` alarm on an unchanged system, and how soon does it see a drop?

    python benchmarks/watch_series.py             # 1,000 years a row without a change, about 40 minutes on two cores
    python benchmarks/watch_series.py --quick     # 40 years a row, two minutes

Every year is 365 daily looks against a pool of five runs, through the product's own `watch_series`. Beside it stand
two rules that people use: a fixed threshold (the pass rate fell by 5 points or more below the pool's) and a test a
day at 5 % (the gate's permutation test of the day's run against the pool). Percentages come with the half width of
their 95 % interval; days to see a drop are medians over the years in which it was seen, from the day it began, with the
share of years in which it was seen within a year. Exits 1 if the alarms without a change exceed 5 % by more than that.
"""

import argparse
import math
import random
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor

from simulated_world import Chances, diffuse, logit_shift, suite

from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.permutation import Unit, permutation_test, unit_of_item
from insideLLMs.compare.statistics.series import watch_series

DAYS, POOL = 365, 5
RULES = ("watch", "5 points", "test a day")


def year(kind: str, n: int, drop: float, begins: int, drift: float, number: int) -> tuple[int | None, ...]:
    """Return the day on which each rule first alarms, from 0."""
    source = random.Random(f"{kind}|{n}|{drop}|{begins}|{drift}|{number}")
    before = suite(kind, n, source)
    after = diffuse(drop)(before, source)
    pool = [_run(before, drift, source) for _ in range(POOL)]
    days = [_run(after if day >= begins else before, drift, source) for day in range(DAYS)]
    counts = ItemCounts()
    for values in zip(*pool, *days, strict=True):
        counts.add_equal("p", tuple((v,) for v in values[:POOL]), tuple((v,) for v in values[POOL:]))
    found = watch_series(counts.counts, [f"{number}|{day}" for day in range(DAYS)])
    base = sum(map(sum, pool)) / POOL / n
    fixed = next((day for day, run in enumerate(days) if sum(run) / n <= base - 0.05), None)
    daily = next((day for day, run in enumerate(days) if _p(pool, run) <= 0.05), None)
    return found.alarm, fixed, daily


def _run(chances: Chances, drift: float, source: random.Random) -> list[float]:
    if drift:
        chances = logit_shift(chances, [source.gauss(0.0, drift)] * len(chances))
    return [float(source.random() < chance) for chance in chances]


def _p(pool: list[list[float]], run: list[float]) -> float:
    units: dict[Unit, int] = {}
    observed = 0
    for before, now in zip(zip(*pool, strict=True), run, strict=True):
        unit = unit_of_item([int(value) for value in before], [int(now)], 1)
        units[unit] = units.get(unit, 0) + 1
        observed += POOL * int(now) - int(sum(before))
    return permutation_test(units, {POOL: observed}).p_worse


def rate(hits: int, trials: int) -> tuple[float, float]:
    share = hits / trials
    return 100 * share, 196 * math.sqrt(max(share * (1 - share), 0.25 / trials) / trials)


def cell(pool: ProcessPoolExecutor, years: int, *setting: object) -> list[tuple[int | None, ...]]:
    columns = [[value] * years for value in setting]
    return list(pool.map(year, *columns, range(years), chunksize=5))


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    options.add_argument("--years", type=int)
    options.add_argument("--part", choices=["null", "drops"])
    given = options.parse_args()
    years = given.years or (40 if given.quick else 1000)
    failed = False
    with ProcessPoolExecutor(2) as workers:
        if given.part != "drops":
            print(f"years with an alarm although nothing changed, % of {years}")
            print(f"{'suite':6}{'items':>6}{'drift':>7}" + "".join(f"{name:>16}" for name in RULES))
            for kind, n, drift in (("hot", 50, 0.0), ("cold", 50, 0.0), ("hot", 50, 0.2), ("hot", 300, 0.2)):
                count = years if (kind, drift) == ("hot", 0.0) else max(20, years // 5)
                found = cell(workers, count, kind, n, 0.0, 0, drift)
                shares = [rate(sum(row[rule] is not None for row in found), count) for rule in range(3)]
                failed |= shares[0][0] > 5.0 + shares[0][1]
                row = "".join(f"{share:10.1f} ±{half:4.1f}" for share, half in shares)
                print(f"{kind:6}{n:>6}{drift:>7}{row}", flush=True)
        if given.part != "null":
            count = max(20, years // 10)
            print(f"\nmedian days to see a drop, and % of {count} years in which it was seen; hot suite")
            print(f"{'items':>6}{'points':>7}{'begins':>9}" + "".join(f"{name:>16}" for name in RULES))
            for n in (50, 100, 300):
                for drop in (0.03, 0.05, 0.10):
                    for begins in (0, 60):
                        print(_drop_row(cell(workers, count, "hot", n, drop, begins, 0.0), n, drop, begins), flush=True)
    return int(failed)


def _drop_row(found: list[tuple[int | None, ...]], n: int, drop: float, begins: int) -> str:
    row = f"{n:>6}{100 * drop:>7.0f}{'day ' + str(begins):>9}"
    for rule in range(3):
        days = [day[rule] for day in found]
        seen = [day - begins + 1 for day in days if day is not None and day >= begins]
        early = sum(day is not None and day < begins for day in days)
        middle = f"{statistics.median(seen):.0f}" if seen else "-"
        row += f"{middle:>8} ({100 * len(seen) / (len(days) - early):3.0f}%)" if len(days) > early else f"{'-':>15}"
    return row


if __name__ == "__main__":
    sys.exit(main())
