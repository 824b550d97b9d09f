"""Eight checks on one answer: does the gate keep its level, and what does it see?

    python benchmarks/shared_answers.py            # needs numpy; about five minutes on one core
    python benchmarks/shared_answers.py --draws 100

Eight probes check each example, in three worlds. *one verdict*: one answer, which all checks judge alike (perfectly
correlated). *own verdicts*: one answer, of which each check judges something else (independent). *own answers*: each
probe asks for itself. Whole records are aligned and judged by the default gate, so what the records say of a shared
answer counts. The figures are percentages of simulated comparisons that fail, ± the half width of their 95% interval;
the last column is one check alone. Exits 1 if the gate fails more than 6% of unchanged systems, beyond that error.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from drawn_worlds import World, chances_of, changed
from simulated_records import view_of

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.core.gate_spec import GateSpec

CHECKS, LIMIT = 8, 6.0
WORLDS = ("one verdict", "own verdicts", "own answers", "one check")


def runs_of(kind: str, world: World, source: np.random.Generator) -> list[Any]:
    """Draw a table of verdicts for each run, a row per example and a column per check; the candidate's is last."""
    checks = 1 if kind == "one check" else CHECKS
    own = kind.startswith("own")
    before = np.column_stack([chances_of(world.suite, world.n, source) for _ in range(checks if own else 1)])
    after = np.column_stack([changed(column, world.change, source) for column in before.T])
    drawn = [source.random(before.shape) < chances for chances in (*[before] * world.runs, after)]
    return [verdicts if own else np.repeat(verdicts, checks, axis=1) for verdicts in drawn]


def fails(kind: str, world: World, number: int) -> bool:
    """Draw a comparison, and let the gate decide."""
    sides = [
        view_of(
            (
                (f"check {check}", f"q{place:04}", 0, bool(passed), "")
                for place, row in enumerate(verdicts)
                for check, passed in enumerate(row)
            ),
            shared=kind in {"one verdict", "own verdicts"},
        )
        for verdicts in runs_of(kind, world, world.source(number))
    ]
    comparison, observed = compare_with(sides[:-1], sides[-1:])
    evidence = GateEvidence(observed=observed, baseline_runs=("b",) * world.runs, candidate_runs=("c",))
    return decide(comparison, GateSpec(), evidence).state == "failed"


def rate(kind: str, world: World, draws: int) -> tuple[float, float]:
    """Return the percentage that fails and its error."""
    share = sum(fails(kind, world, number) for number in range(draws)) / draws
    return 100 * share, 196 * math.sqrt(max(share * (1 - share), 0.25 / draws) / draws)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=500, help="comparisons for each cell")
    options = parser.parse_args(arguments)
    bad = False
    print(f"{'change':8}{'suite':6}{'examples':>9}{'baselines':>10}" + "".join(f"{kind:>16}" for kind in WORLDS))
    for change in ("none", "drop 5", "drop 10"):
        for suite, n, runs in (("hot", 44, 1), ("hot", 44, 3), ("cold", 44, 3), ("hot", 100, 1)):
            world = World(suite=suite, n=n, runs=runs, change=change)
            found = [rate(kind, world, options.draws) for kind in WORLDS]
            bad |= change == "none" and any(share - error > LIMIT for share, error in found)
            row = "".join(f"{share:10.1f} ±{error:4.1f}" for share, error in found)
            print(f"{change:8}{suite:6}{n:>9}{runs:>10}{row}", flush=True)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
