"""The default gate beside NeMo Evaluator's `nel compare` and evalproof's gate, on the same simulated runs.

    pip install 'nemo-evaluator[stats]>=0.3' evalproof     # NeMo Evaluator needs Python 3.12 or later
    python benchmarks/head_to_head.py                      # about an hour on one core; needs numpy
    python benchmarks/head_to_head.py --cells 'k=1' --draws 200

A peer that is not installed is left out. Each tool gets one baseline run and one candidate, and decides with its own
functions and defaults: NeMo Evaluator blocks where p < .05 and the effect is above .05 (`--max-drop`) in any probe;
evalproof fails where p < .05 and the drop is at least .02 in any probe. `--least 0.001` sets both of these to 0, as
ours is, so that the tests alone differ. evalproof has no repeats: it gets their mean, a graded score, which it
bootstraps. Every percentage is of simulated comparisons that fail, with the half width of its 95% interval; in
brackets those with another exit code than passed: inconclusive here, WARN or INCONCLUSIVE of NeMo Evaluator, "cannot
gate" of evalproof.
"""

import argparse
import functools
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from drawn_worlds import World, chances_of, counts_of, passes_of
from simulated_records import Row, view_of

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.statistics.assess import assess
from insideLLMs.core.gate_spec import GateSpec

Finding = Literal["failed", "no verdict", "passed"]
Run = dict[str, list[int]]
"""How many of the repeats each example passed, by its id, in the order of the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two runs of each probe; `world` says what was drawn, `inserted` whether the candidate has one item more."""

    world: World
    passes: Any
    baseline: list[Run]
    candidate: list[Run]
    inserted: bool


Tool = Callable[[Pair], Finding]


def draw(world: World, number: int, *, inserted: bool) -> Pair:
    """Draw both runs; an inserted item stands anywhere in the candidate's dataset."""
    source = world.source(number)
    passes = passes_of(world, source)
    baseline, candidate = [], []
    for start in range(0, len(passes), world.n):
        rows = passes[start : start + world.n].tolist()
        baseline.append({f"q{place}": row[0] for place, row in enumerate(rows)})
        after = [(f"q{place}", row[1]) for place, row in enumerate(rows)]
        if inserted:
            chance = float(chances_of(world.suite, 1, source)[0])
            after.insert(int(source.integers(len(after) + 1)), ("new", int(source.binomial(world.repeats, chance))))
        candidate.append(dict(after))
    return Pair(world=world, passes=passes, baseline=baseline, candidate=candidate, inserted=inserted)


def ours(pair: Pair) -> Finding:
    """Decide with the default gate; whole records are aligned where the datasets differ."""
    if not pair.inserted:
        state = assess(counts_of(pair.world, pair.passes)).verdict
    else:
        sides = [view_of(_rows(runs[0], pair.world.repeats)) for runs in (pair.baseline, pair.candidate)]
        comparison, observed = compare_with(sides[:1], sides[1:])
        state = decide(comparison, GateSpec(), GateEvidence(observed=observed)).state
    return "failed" if state == "failed" else "no verdict" if state == "inconclusive" else "passed"


def _rows(run: Run, repeats: int) -> Iterator[Row]:
    for name, right in run.items():
        for repeat in range(repeats):
            yield "p", name, repeat, repeat < right, ""


def nemo_evaluator(least: float | None) -> Tool:
    """Return what `nel compare` does with the runs: the gravest verdict of the benchmarks."""
    from nemo_evaluator.engine.comparison import compare_results

    threshold = 0.05 if least is None else least  # the default of the command, not of the function

    def judge(pair: Pair) -> Finding:
        verdicts = set()
        for sides in zip(pair.baseline, pair.candidate, strict=True):
            records = [
                {
                    (place, repeat): {"reward": float(repeat < right)}
                    for place, right in enumerate(run.values())
                    for repeat in range(pair.world.repeats)
                }
                for run in sides
            ]
            verdicts.add(compare_results(*records, min_effect=threshold)["verdict"])
        return "failed" if "BLOCK" in verdicts else "passed" if verdicts == {"PASS"} else "no verdict"

    return judge


def evalproof(least: float | None) -> Tool:
    """Return what `evalproof compare` does with a gate in each suite."""
    from evalproof.compare import compare_runs
    from evalproof.config import GateConfig
    from evalproof.dataset import dataset_hash
    from evalproof.gate import decide as decide_theirs
    from evalproof.models import Case, CaseResult, RunInfo, Score, SystemOutput
    from evalproof.models import Run as TheirRun

    gate = GateConfig(metric="correct") if least is None else GateConfig(metric="correct", max_drop=least)
    output = SystemOutput(output="")

    @functools.cache
    def info_of(names: tuple[str, ...]) -> RunInfo:
        return RunInfo(
            suite="s", system="m", dataset_path="d", dataset_hash=dataset_hash([Case(id=q, input="?") for q in names]),
            started_at="", finished_at="", wall_time_s=0.0, evalproof_version="", seed=0,
        )  # fmt: skip

    @functools.cache
    def scores_of(right: int, repeats: int) -> dict[str, Score]:
        return {"correct": Score(value=right / repeats, passed=bool(right) if repeats == 1 else None)}

    def run_of(run: Run, repeats: int) -> TheirRun:
        results = [  # all that validation would find are what it was given
            CaseResult.model_construct(case_id=name, tags=[], output=output, scores=scores_of(right, repeats))
            for name, right in run.items()
        ]
        return TheirRun.model_construct(info=info_of(tuple(run)), results=results)

    def judge(pair: Pair) -> Finding:
        repeats = pair.world.repeats
        draws = 1 if repeats == 1 else gate.n_boot  # for verdicts the bootstrap makes only the interval
        codes = set()
        for before, after in zip(pair.baseline, pair.candidate, strict=True):
            compared = compare_runs(run_of(before, repeats), run_of(after, repeats), alpha=gate.alpha, n_boot=draws)
            codes.add(decide_theirs(compared, gate).exit_code)
        return "failed" if 1 in codes else "passed" if codes == {0} else "no verdict"

    return judge


def tools(least: float | None) -> Iterator[tuple[str, Tool]]:
    """Yield the tools that are installed."""
    yield "insideLLMs", ours
    for name, package, make in (
        ("NeMo Evaluator", "nemo-evaluator[stats]>=0.3", nemo_evaluator),
        ("evalproof", "evalproof", evalproof),
    ):
        try:
            yield name, make(least)
        except ImportError as error:
            print(f"{name} is left out ({error}); to have it: pip install '{package}'")


def cells() -> Iterator[tuple[str, World, bool]]:
    """Yield every scenario with its world, and whether an item is inserted."""
    for repeats in (1, 3):
        for suite in ("hot", "cold"):
            for title, change, probes in (
                ("nothing changed, 8 probes", "none", 8),
                ("one item inserted", "none", 1),
                ("one item inserted, drop of 5 points", "drop 5", 1),
                ("drop of 5 points", "drop 5", 1),
                ("1 % broken hard", "break 1", 1),
            ):
                for n in (44, 100, 300, 1000):
                    world = World(suite=suite, n=n, repeats=repeats, change=change, probes=probes)
                    yield f"{title}, {suite}, n={n}, k={repeats}", world, "inserted" in title


def draws_for(world: World, draws: int) -> int:
    """Return how often a cell is drawn: the slow ones less often; three repeats are resampled by the peers."""
    cost = world.n * world.probes * (8 if world.repeats > 1 else 1)
    return min(draws, max(draws // 10, draws * 2500 // cost))


def shown(found: Counter[Finding], draws: int) -> str:
    share = found["failed"] / draws
    error = 196 * math.sqrt(max(share * (1 - share), 0.25 / draws) / draws)
    return f"{100 * share:.1f} ±{error:.1f} ({100 * found['no verdict'] / draws:.0f})"


def measure(world: World, judges: Sequence[Tool], draws: int, *, inserted: bool) -> list[Counter[Finding]]:
    """Let every tool judge the same draws."""
    found: list[Counter[Finding]] = [Counter() for _ in judges]
    for number in range(draws):
        pair = draw(world, number, inserted=inserted)
        for counter, judge in zip(found, judges, strict=True):
            counter[judge(pair)] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", metavar="REGEX", default="", help="only the cells whose names match")
    parser.add_argument("--draws", type=int, default=1000, help="comparisons for each cell")
    parser.add_argument("--least", type=float, help="the least drop that fails the peers' gates, 0.05 is five points")
    options = parser.parse_args()
    names, judges = zip(*tools(options.least), strict=True)
    print(f"{'failed, % (no verdict, %)':46}" + "".join(f"{name:>20}" for name in names) + f"{'draws':>7}")
    for title, world, inserted in cells():
        if re.search(options.cells, title):
            started, draws = time.process_time(), draws_for(world, options.draws)
            found = measure(world, judges, draws, inserted=inserted)
            row = "".join(f"{shown(counts, draws):>20}" for counts in found)
            print(f"{title:46}{row}{draws:>7}  ({time.process_time() - started:.0f} s of CPU)", flush=True)


if __name__ == "__main__":
    main()
