"""How often does a bound on latency fail an unchanged system, where whole runs are slower or faster (a busy hour)?

    python benchmarks/latency_growth.py            # about two minutes on one core

120 examples, log-normal times (0.5 between examples, 0.3 within), and a spread of whole runs. Percentages of simulated
comparisons that fail the bound, ± the half width of their 95% interval: unchanged systems, and one that grew by 60%.
The bound shares the gate's 5% with the test of the scores. `--trials 100` is quicker.
"""

import argparse
import math
import random

from insideLLMs.compare.gate.growth import decide_growth
from insideLLMs.compare.statistics.quantities import MeasuredItem, measure
from insideLLMs.core.gate_spec import GateSpec

ALLOWED, EXAMPLES = 0.2, 120
GATE = GateSpec(max_growth={"latency_ms": ALLOWED})


def times(spread: float, runs: int, grown: float, source: random.Random) -> list[MeasuredItem]:
    """Draw the times of `runs` baseline runs and a candidate that is slower by the factor `grown`."""
    levels = [source.gauss(6, 0.5) for _ in range(EXAMPLES)]
    loads = [source.gauss(0, spread) for _ in range(runs)]
    busy = source.gauss(0, spread) + math.log(grown)
    return [
        MeasuredItem(
            baseline=tuple(math.exp(level + load + source.gauss(0, 0.3)) for load in loads),
            candidate=(math.exp(level + busy + source.gauss(0, 0.3)),),
        )
        for level in levels
    ]


def failing(spread: float, runs: int, grown: float, trials: int) -> str:
    """Return the share of comparisons that fail."""
    hits = 0
    for number in range(trials):
        source = random.Random(f"{spread}|{runs}|{grown}|{number}")
        found = {"latency_ms": measure(times(spread, runs, grown, source), allowed=ALLOWED)}
        hits += decide_growth(found, GATE, parties=2)[0].state == "failed"
    share = hits / trials
    return f"{100 * share:5.1f} ±{196 * math.sqrt(max(share * (1 - share), 0.25 / trials) / trials):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="comparisons for each figure")
    trials = parser.parse_args().trials
    print(f"{'baseline runs':14}{'spread of runs':16}{'unchanged':>14}{'grown by 60%':>16}")
    for runs in (1, 2, 3, 5):
        for spread in (0.0, 0.1, 0.15, 0.25):
            figures = failing(spread, runs, 1.0, trials), failing(spread, runs, 1.6, trials)
            print(f"{runs:<14}{spread:<16}{figures[0]:>14}{figures[1]:>16}", flush=True)


if __name__ == "__main__":
    main()
