"""The retest: three fresh runs of each side, which alone decide."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from insideLLMs.api.again import Asker, Round, examples_of
from insideLLMs.api.compare import GateOverrides, Judged, compare_runs
from insideLLMs.compare import CompareOptions
from insideLLMs.store.sealed_run import SealedRun

RUNS = 3
"""How many fresh runs of each side a retest makes."""


def retest(judged: Judged, *, folder: Path, into: Path, say: Callable[[str], None]) -> Judged:
    """Run both sides afresh over the examples that both have, and judge these runs by themselves.

    Raises InsideLLMsError if a side cannot be asked again.
    """
    baseline, candidate = judged.baseline, judged.candidate
    theirs = examples_of(candidate, None)
    examples = {place: found for place, found in examples_of(baseline, None).items() if theirs.get(place) == found}
    fresh: dict[str, list[SealedRun]] = {}
    for side, run in (("baseline", baseline), ("candidate", candidate)):
        asker = Asker(run, folder=folder, into=into, examples=examples)
        for number in range(1, RUNS + 1):
            say(f"retest: {side}, run {number} of {RUNS}")
            asker.ask(Round(label=f"{side}-{number}", model=None, places=tuple(sorted(examples)), repeats=1))
        fresh[side] = [SealedRun.open(path) for path in asker.run_dirs]
    gate = GateOverrides(policy=judged.policy, settings={"fail_on": "significant"})
    pairs = {pair.baseline: pair.candidate for pair in judged.comparison.models if pair.baseline and pair.candidate}
    options = CompareOptions(pairs=pairs)
    found = compare_runs(fresh["baseline"], fresh["candidate"], options=options, gate=gate)
    first = judged.verdict.assessment
    told = f"decided by {RUNS} fresh runs of each side alone"
    if first is not None:
        told += f"; the first comparison had a gate p of {first.p_gate:.2g}"
    return replace(found, verdict=msgspec.structs.replace(found.verdict, remarks=(*found.verdict.remarks, told)))
