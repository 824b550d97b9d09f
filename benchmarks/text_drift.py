"""How often does the policy `drift` cry wolf, and what does it see? Runs of a small model through the real gate.

    python benchmarks/text_drift.py [--trials 400] [--quick]

The "model" is a Markov chain of words over this interpreter's own docstrings, sampled at temperature 0.6 after prompts
of two words, 30 words an answer. Each trial makes two runs, compares them as `diff` does and judges them by the policy
`drift` at 5 %. Numbers are percentages of trials that fail, ± the half width of their 95% interval. Exits 1 if the
alarms without a change exceed 5 % by more than that.
"""

import argparse
import collections
import inspect
import itertools
import json
import logging
import math
import pathlib
import random
import sys
import time
import unittest

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.observations import Watch
from insideLLMs.compare.sides import RunView
from insideLLMs.core import canonical
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Example, Record, Response, ResultStatus, Scores

WORDS = 30
MODULES = (argparse, collections, inspect, json, logging, pathlib, random, unittest)
DESIGNS = ((20, 5), (60, 3))
CHANGES = ("none", "temperature x1.33", "temperature x1.17", "noise 0.3", "noise 0.6", "5% of prompts")
Counts = dict[str, dict[str, float]]


def learn() -> Counts:
    """Count which word follows which, in the docstrings of some modules."""
    found: Counts = {}
    for module in MODULES:
        for _, thing in sorted(inspect.getmembers(module), key=lambda member: member[0]):
            words = (inspect.getdoc(thing) or "").split()
            for one, two in itertools.pairwise(words):
                after = found.setdefault(one, {})
                after[two] = after.get(two, 0.0) + 1.0
    return found


def changed(model: Counts, change: str, source: random.Random) -> Counts:
    """Return the logits of a changed model: noise on each of them, or the same ones."""
    scale = float(change.split()[1]) if change.startswith("noise") else 0.0
    return {
        word: {after: math.log(count) + scale * source.gauss(0, 1) for after, count in follow.items()}
        for word, follow in model.items()
    }


def answer(logits: Counts, start: str, temperature: float, source: random.Random) -> str:
    words = [start]
    while len(words) < WORDS and words[-1] in logits:
        follow = logits[words[-1]]
        weights = [math.exp(logit / temperature) for logit in follow.values()]
        words += source.choices(list(follow), weights)
    return " ".join(words)


Asked = tuple[list[str], int]
"""The prompts, and how often each is asked."""


def run(name: str, logits: Counts, asked: Asked, temperature: float, source: random.Random) -> RunView:
    """Answer the prompts; the result is what `diff` reads."""
    lines: list[bytes] = []
    prompts, repeats = asked
    for number, prompt in enumerate(prompts):
        example = Example(id=f"e{number:04}", input=f"prompt {number}")
        lines += [
            canonical.line(
                Record(
                    probe="p",
                    dataset="d",
                    example_id=example.id,
                    model="m",
                    repeat=repeat,
                    key="0" * 64,
                    example_digest=example.digest(),
                    example=example,
                    status=ResultStatus.SUCCESS,
                    response=Response(text=answer(logits, prompt, temperature, source)),
                    scores=Scores.of(passed=True),
                )
            )
            for repeat in range(repeats)
        ]
    return RunView(
        run_id=name, label=name, subjects=(Subject("m"),), datasets={"p": ("d",)}, records=lambda: iter(lines)
    )


def alarm(model: Counts, change: str, items: int, repeats: int, kernel: str, number: int) -> bool:
    """Whether one comparison fails under the policy."""
    source = random.Random(f"{change}|{items}|{repeats}|{number}")
    starts = source.sample(sorted(word for word, follow in model.items() if len(follow) > 3), items)
    plain = changed(model, "none", source)
    after = changed(model, change, source)
    temperature = 0.6 * float(change.split("x")[1]) if change.startswith("temperature") else 0.6
    moved = [
        source.choice(starts) if change.endswith("of prompts") and at < items * 0.05 else start
        for at, start in enumerate(starts)
    ]
    before = run(f"a{number}", plain, (starts, repeats), 0.6, source)
    candidate = run(f"b{number}", after, (moved, repeats), temperature, source)
    comparison, observed = compare_with((before,), (candidate,), watch=Watch(drift=kernel))
    evidence = GateEvidence(observed=observed, baseline_runs=("a",), candidate_runs=("b",))
    return decide(comparison, GateSpec(fail_on="drift"), evidence).state == "failed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="Comparisons without a change, per cell.")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    model, worst = learn(), 0.0
    started = time.perf_counter()
    print(f"{'change':20}{'prompts x repeats':>18}{'3-gram':>14}{'hamming':>14}")
    for change in CHANGES:
        for items, repeats in DESIGNS[: 1 if options.quick else None]:
            trials = options.trials if change == "none" else max(20, options.trials // 8)
            cells = []
            for kernel in ("3-gram", "hamming"):
                hits = sum(alarm(model, change, items, repeats, kernel, number) for number in range(trials))
                share = hits / trials
                half = 1.96 * math.sqrt(max(share * (1 - share), 0.25 / trials) / trials)
                cells.append(f"{100 * share:.1f} ±{100 * half:.1f}")
                if change == "none":
                    worst = max(worst, share - half)
            print(f"{change:20}{f'{items} x {repeats}':>18}{cells[0]:>14}{cells[1]:>14}", flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    return int(worst > 0.05)


if __name__ == "__main__":
    sys.exit(main())
