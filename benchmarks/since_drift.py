"""A provider changes silently: after how many runs do the canaries say so, and how often do they say so without cause?

    python benchmarks/since_drift.py              # 1,000 chains a row, about three minutes
    python benchmarks/since_drift.py --quick      # 200 chains a row, under a minute

A chain is a run of 1,000 examples and then runs since one another, without an edit. Canaries are drawn by hash, among
the answers that were not asked again yet, and take the place of the stored ones. From the first of these runs on the
provider is 5 points worse, or the same. Printed are the share of chains that find it within so many runs, and the
median; without a change the share that is ever asked four times as much, and asked everything, within 60 runs.

Exits 1 if more than 5 % of unchanged chains ask everything again, or if with 5 % canaries fewer than 80 % of the drifts
of 5 points are found within 20 runs.
"""

import argparse
import math
import random
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from simulated_world import diffuse, suite

from insideLLMs.compare.statistics.canaries import ALARM_AT, WIDEN_AT, WIDEN_BY, capital

ITEMS, LONGEST, DROP = 1_000, 60, 0.05
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
WITHIN = (5, 10, 20, 40)
NEVER = math.inf


def chain(world: str, share: float, drop: float, number: int) -> tuple[float, float]:
    """Return the number of the run that first asks four times as much, and of the one that asks everything."""
    source = random.Random(f"{world}|{share}|{drop}|{number}")
    before = suite(world, ITEMS, source)
    after = diffuse(drop)(before, source)
    stored = [source.random() < chance for chance in before]
    worse = better = 0
    widened, due = NEVER, list(range(ITEMS))
    for run in range(1, LONGEST + 1):
        source.shuffle(due)
        for most in (round(share * ITEMS), round(WIDEN_BY * share * ITEMS) - round(share * ITEMS)):
            asked, due = due[:most], due[most:]
            for item in asked:
                answer = source.random() < after[item]
                worse += stored[item] and not answer
                better += answer and not stored[item]
                stored[item] = answer
            won = capital(worse, better)
            if won >= ALARM_AT:
                return min(widened, run), run
            if won < WIDEN_AT:
                break
            widened = min(widened, run)
        due = due or list(range(ITEMS))
    return widened, NEVER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 chains a row")
    parser.add_argument("--chains", type=int, default=None, help="chains a row")
    args = parser.parse_args()
    chains = args.chains or (200 if args.quick else 1_000)
    half = 1.96 * math.sqrt(0.05 * 0.95 / chains)
    held = True
    print(f"{ITEMS:,} examples, {chains:,} chains a row, {DROP:.0%} worse from the first run since the baseline on\n")
    within = "".join(f"  in {runs:2} runs" for runs in WITHIN)
    print(f"world  canary  {within}  median | unchanged: asks 4 times as much, everything, in {LONGEST} runs")
    with ProcessPoolExecutor() as pool:
        for world in ("cold", "hot"):
            for share in SHARES:
                found = [run for _, run in pool.map(partial(chain, world, share, DROP), range(chains), chunksize=20)]
                null = list(pool.map(partial(chain, world, share, 0.0), range(chains), chunksize=20))
                seen = [sum(run <= most for run in found) / chains for most in WITHIN]
                wider, alarms = (sum(each[place] < NEVER for each in null) / chains for place in (0, 1))
                middle = statistics.median(found)
                shares = "".join(f"  {rate:10.0%}" for rate in seen)
                print(f"{world:<6} {share:6.0%}  {shares}  {middle:6.0f} | {wider:6.1%}  {alarms:6.1%}", flush=True)
                held = held and alarms <= 0.05 + half
                held = held and (share != 0.05 or seen[WITHIN.index(20)] >= 0.8)
    print("the claims hold" if held else "A CLAIM DOES NOT HOLD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
