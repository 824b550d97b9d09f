"""How often does the interval of the true change hold the truth, and how often do labels show a drop?

    python benchmarks/labelled_drops.py          # about a minute on one core

Items pass with a chance of Beta(2, 0.4); the candidate keeps 7 of 10 verdicts, and loses a drop. A judge sees them with
a sensitivity and a specificity of its own on each side. People label as many answers of each run, drawn at random, of
the same items or of others. All through the product's own `labelled_drop` at one-sided 5%; ± is the half width of a 95%
interval. Exits 1 if labels show a drop of an unchanged system in more than 5% beyond that error.
"""

import math
import random
import sys

from insideLLMs.compare.statistics.labelled_drop import Label, LabelledItem, labelled_drop

ALPHA = 0.05
TRIALS = 600
JUDGES = {
    "good": ((0.95, 0.95), (0.95, 0.95)),
    "poor": ((0.8, 0.8), (0.8, 0.8)),
    "flatters the candidate": ((0.9, 0.9), (0.98, 0.5)),
    "perfect": ((1.0, 1.0), (1.0, 1.0)),
}


def items(n: int, labels: int, drop: float, judge: str, source: random.Random, *, paired: bool) -> list[LabelledItem]:
    chances = [source.betavariate(2.0, 0.4) for _ in range(n)]
    before = [source.random() < chance for chance in chances]
    kept = [
        old if source.random() < 0.7 else source.random() < chance for old, chance in zip(before, chances, strict=True)
    ]
    after = [said and source.random() >= drop for said in kept]
    ours = set(source.sample(range(n), labels))
    theirs = ours if paired else set(source.sample(range(n), labels))
    columns = []
    for person, (sensitivity, specificity), known in zip((before, after), JUDGES[judge], (ours, theirs), strict=True):
        seen = [source.random() < (sensitivity if said else 1.0 - specificity) for said in person]
        columns.append([(seen[at], Label(person[at], seen[at]) if at in known else None) for at in range(n)])
    return [LabelledItem(old, new, mine, its) for (old, mine), (new, its) in zip(*columns, strict=True)]


def rate(hits: int) -> str:
    share = hits / TRIALS
    return f"{100 * share:5.1f} ±{196 * math.sqrt(max(share * (1 - share), 0.25 / TRIALS) / TRIALS):.1f}"


def cell(n: int, labels: int, drop: float, judge: str, *, paired: bool) -> tuple[int, int]:
    """Count the intervals that hold the truth, and those that show a drop."""
    truth, holds, shows = -drop * 2.0 / 2.4, 0, 0
    for number in range(TRIALS):
        source = random.Random(f"{n}|{labels}|{judge}|{drop}|{paired}|{number}")
        found = labelled_drop("p", items(n, labels, drop, judge, source, paired=paired), alpha=ALPHA)
        holds += (found.low or 0.0) <= truth <= (found.high or 0.0)
        shows += found.finding == "dropped"
    return holds, shows


def main() -> int:
    print(f"{'items':>5} {'labels':>6} {'drop':>5}  {'judge':24}{'labelled':>9}{'holds':>13}{'shows a drop':>14}")
    worst = 0.0
    for n, labels in ((300, 50), (300, 100), (1000, 50)):
        for judge in JUDGES:
            for drop, paired in ((0.0, True), (0.0, False), (0.1, True)):
                holds, shows = cell(n, labels, drop, judge, paired=paired)
                row = f"{n:>5} {labels:>6} {drop:>5}  {judge:24}{'pairs' if paired else 'apart':>9}"
                print(f"{row}{rate(holds):>13}{rate(shows):>14}", flush=True)
                worst = max(worst, shows / TRIALS if drop == 0.0 else 0.0)
    return int(worst > ALPHA + 1.96 * math.sqrt(ALPHA * (1 - ALPHA) / TRIALS))


if __name__ == "__main__":
    sys.exit(main())
