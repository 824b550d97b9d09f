"""Rates at the edges of the gate: greedy models, one pool for many builds, and the drop that a report could see.

    python benchmarks/edge_rates.py            # a minute or two on one core; needs numpy
    python benchmarks/edge_rates.py --draws 100 --section 2

All through the product's own functions; percentages with the half width of their 95% interval.
"""

import argparse
import math
import statistics
from collections.abc import Iterator

import numpy as np
from drawn_worlds import World, chances_of, counts_of, judge
from simulated_records import Row, view_of

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.statistics.assess import assess
from insideLLMs.core.gate_spec import GateSpec

BUILDS = 20


def rate(hits: int, draws: int) -> str:
    share = hits / max(1, draws)
    return f"{100 * share:5.1f} ±{196 * math.sqrt(max(share * (1 - share), 0.25 / max(1, draws)) / max(1, draws)):.1f}"


def greedy(draws: int) -> Iterator[str]:
    """A greedy model whose texts change now and then, and always pass; at the worst rate for the policy `changes`."""
    yield "1. Unchanged greedy model, 44 examples, texts change and verdicts do not: default gate fails"
    yield f"{'baseline runs':>14}{'auto':>12}{'if equal baselines':>20}{'a policy of no change':>24}{'if equal':>12}"
    for runs in (2, 3, 5):
        failed = strict = alike = failed_alike = strict_alike = 0
        for number in range(draws):
            source = np.random.default_rng([runs, number])
            texts = source.random((runs + 1, 44)) < 1.0 - (runs / (runs + 1)) ** (1 / 44)
            red, changed = _gate_of_texts(texts), bool((texts[-1] != texts[-2]).any())
            equal = not texts[:-1].any()
            failed, strict, alike = failed + red, strict + (equal and changed), alike + equal
            failed_alike, strict_alike = failed_alike + (equal and red), strict_alike + (equal and changed)
        told = rate(failed, draws), rate(failed_alike, alike), rate(strict, draws), rate(strict_alike, alike)
        yield f"{runs:>14}{told[0]:>12}{told[1]:>20}{told[2]:>24}{told[3]:>12}"


def _gate_of_texts(texts: np.ndarray) -> bool:
    def rows(run: np.ndarray) -> Iterator[Row]:
        for place, other in enumerate(run):
            yield "p", f"q{place:02}", 0, True, "yes, certainly" if other else "yes"

    sides = [view_of(rows(run)) for run in texts]
    comparison, observed = compare_with(sides[:-1], sides[-1:])
    names = tuple(map(str, range(len(sides) - 1)))
    evidence = GateEvidence(observed=observed, baseline_runs=names, candidate_runs=("c",), greedy=True)
    return decide(comparison, GateSpec(), evidence).state == "failed"


def frozen(draws: int) -> Iterator[str]:
    """Twenty unchanged builds against one pool of baseline runs."""
    yield f"2. {BUILDS} unchanged builds against one frozen pool, 100 hot examples"
    yield f"{'baseline runs':>14}{'a build fails':>16}{'at least one of 20':>20}{'worst tenth of pools':>22}"
    for runs in (1, 3, 5):
        reds = []
        for number in range(max(20, draws // 4)):
            world, source = World(n=100, runs=runs), np.random.default_rng([runs, number, 20])
            passes = source.binomial(1, chances_of("hot", 100, source)[:, None], (100, runs + BUILDS))
            columns = [[*range(runs), runs + build] for build in range(BUILDS)]
            reds.append(sum(assess(counts_of(world, passes[:, own])).verdict == "failed" for own in columns))
        tenth = sorted(reds)[math.floor(0.9 * len(reds))]
        once = rate(sum(map(bool, reds)), len(reds))
        yield f"{runs:>14}{rate(sum(reds), BUILDS * len(reds)):>16}{once:>20}{100 * tenth / BUILDS:>15.0f} and up"


def printed(draws: int) -> Iterator[str]:
    """Is a drop of the printed size caught four times out of five?"""
    yield "3. The drop that reports on unchanged runs would have caught 4 times out of 5 (median), and how often it is"
    yield f"{'suite':6}{'n':>6}{'R':>3}{'printed, points':>17}{'caught, %':>14}"
    for suite in ("hot", "cold"):
        for n in (44, 100, 300):
            for runs in (1, 3):
                world = World(suite=suite, n=n, runs=runs)
                seen = [judge(world, number).overall.detectable or 1.0 for number in range(max(20, draws // 5))]
                drop = 100 * statistics.median(seen)
                fallen = World(suite=suite, n=n, runs=runs, change=f"drop {drop:.3g}")
                hits = sum(judge(fallen, number).verdict == "failed" for number in range(draws))
                yield f"{suite:6}{n:>6}{runs:>3}{drop:>17.1f}{rate(hits, draws):>14}"


SECTIONS = (greedy, frozen, printed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=600, help="comparisons for each cell")
    parser.add_argument("--section", type=int, choices=range(1, len(SECTIONS) + 1), help="only this section")
    options = parser.parse_args()
    for number, section in enumerate(SECTIONS, start=1):
        if options.section in (None, number):
            for line in section(options.draws):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
