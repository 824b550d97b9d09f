"""Does `insidellms audit` find the holes of a suite, invent none, and predict how often the gate fails?

    python benchmarks/audit_holes.py               # about ten minutes of CPU
    python benchmarks/audit_holes.py --suites 5 --candidates 200 --baselines 20

*Holes*: suites of prose answers whose checks, one for each damage, are written by hand; each check of each example is
deleted with a chance of 0.3. A hole is an example with a damage whose every guard was deleted. *Equivalents*: numeric
questions whose answers go on after the result; what follows it may be lost. *Rates*: what the audit says of a damage
at each share, beside fresh candidates of the same model that are compared as `diff` does, with the damage in as many
examples. Candidates are put together in memory from three runs: as said, damaged, and wrong. *Speed*: damaged answers
scored in a minute of CPU, with the calls that a counting model saw.

Exits 1 if fewer than 95 % of the holes are found, more than 5 % are invented in complete suites, a rate of any cell is
off by more than 5 points and two standard errors, or 10,000 damaged answers take more than 60 s of CPU or any call.
"""

import argparse
import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from insideLLMs.api.auditing.altered_run import AlteredRun
from insideLLMs.api.auditing.audit import audit
from insideLLMs.api.auditing.opened import AuditOptions
from insideLLMs.api.compare import compare_runs
from insideLLMs.api.preparation.prepared import Parts
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.compare.auditing.audit import AuditReport
from insideLLMs.config.load import load_experiment
from insideLLMs.core import canonical
from insideLLMs.core.protocols import Model
from insideLLMs.core.record_views import read_record
from insideLLMs.core.steps import displayed
from insideLLMs.core.types import Record, Response
from insideLLMs.scoring.damages import DAMAGES, IntactAnswer
from insideLLMs.store.sealed_run import SealedRun

GUARDS: Mapping[str, tuple[str, ...]] = {
    "negated": ("claim",),
    "number": ("days",),
    "shortened": ("last",),
    "truncated": ("last", "end"),
    "hedged": ("sure", "short"),
    "padded": ("short",),
}
"""Which checks of an example stand guard over which damage, by what each is about."""
_EXAMPLES, _RATED, _SHARES = 40, "number", (0.1, 0.25, 0.5)
"""Of the worlds whose rates are predicted: examples, the damage, and the shares of examples that have it."""
ITEMS = ("lamp", "chair", "kettle", "jacket", "radio", "carpet", "mirror", "candle")


class Shop(Model):
    """Answers from a script; with `chance` an answer to an example is the wrong one, by `seed`, as often as it says."""

    def __init__(self, answers: Mapping[str, str], *, chance: Mapping[str, float] | None = None, seed: int = 0) -> None:
        super().__init__("shop")
        self.answers, self.chance, self.seed, self.calls = answers, chance or {}, seed, 0

    def generate(self, prompt: str, **_: Any) -> str:
        """Answer a question of the suite."""
        self.calls += 1
        draw = random.Random(f"{self.seed}|{prompt}|{self.calls}").random()
        return "I do not know that." if draw < self.chance.get(prompt, 0.0) else self.answers[prompt]


def prose(number: int) -> tuple[str, str, dict[str, dict[str, Any]]]:
    """Return a question, its answer, and its checks by what they are about."""
    item, days = ITEMS[number % len(ITEMS)], 3 + number % 40
    question = f"How long may I return the {item} of order {number}?"
    answer = f"You can return the {item} within {days} days. Keep the receipt, then use the blue form from the parcel."
    return (
        question,
        answer,
        {
            "claim": {"type": "contains", "all": ["you can return"]},
            "days": {"type": "regex", "pattern": rf"\b{days} days"},
            "last": {"type": "contains", "all": ["blue form"]},
            "end": {"type": "regex", "pattern": r"[.!?]\s*$"},
            "sure": {"type": "contains", "not": True, "any": ["not sure", "might be wrong"]},
            "short": {"type": "usage", "max_characters": 160},
        },
    )


def suite(folder: Path, examples: Sequence[dict[str, Any]], more: str = "", probe: str = "checks") -> Path:
    """Write an experiment over `examples`."""
    data = b"".join(canonical.line(example) + b"\n" for example in examples)
    (folder / "data.jsonl").write_bytes(data)
    text = f"model: {{type: dummy, id: shop}}\nprobe: {{type: {probe}}}\ndataset: {{path: data.jsonl}}\n{more}"
    (folder / "e.yaml").write_text(text)
    return folder / "e.yaml"


def run(file: Path, model: Model, name: str) -> SealedRun:
    """Run an experiment with a model."""
    options = RunOptions(run_dir=file.parent / name, overwrite=True)
    made = asyncio.run(
        arun(load_experiment(file), folder=file.parent, options=options, parts=Parts(models={"shop": model}))
    )
    return SealedRun.open(made.path)


def audited(sealed: SealedRun, *damages: str) -> AuditReport:
    """Audit a run."""
    return asyncio.run(audit(sealed, AuditOptions(specs=sealed.experiment.probes, damages=damages)))


def holes(report: AuditReport) -> set[tuple[str, str]]:
    """Return the examples and damages that nothing noticed."""
    return {
        (each.example_id, found.damage)
        for probe in report.probes
        for found in probe.findings
        for each in found.unnoticed
    }


def find_holes(folder: Path, suites: int, n: int = 40) -> tuple[int, int, int, int]:
    """Return how many holes were planted and found, and of the guarded places of complete suites those invented."""
    planted = found = guarded = invented = 0
    for number in range(suites):
        draw = random.Random(f"suite {number}")
        kept: dict[str, set[str]] = {}
        examples, answers = [], {}
        for place in range(number * n, number * n + n):
            question, answer, checks = prose(place)
            is_whole = number % 2 == 0
            left = {about for about in checks if is_whole or draw.random() > 0.3} or {"end"}
            kept[f"e{place}"] = left
            answers[question] = answer
            examples.append(
                {"id": f"e{place}", "question": question, "checks": [checks[about] for about in sorted(left)]}
            )
        seen = holes(audited(run(suite(folder, examples), Shop(answers), "run"), *GUARDS))
        true = {
            (name, damage) for name, left in kept.items() for damage, guards in GUARDS.items() if not left & set(guards)
        }
        if number % 2 == 0:
            guarded, invented = guarded + n * len(GUARDS), invented + len(seen)
        else:
            planted, found = planted + len(true), found + len(true & seen)
            guarded, invented = guarded + n * len(GUARDS) - len(true), invented + len(seen - true)
    return planted, found, guarded, invented


def find_equivalents(folder: Path, n: int = 60) -> tuple[int, int]:
    """Return how many damages left the result as it was, and how many of those were counted as missed."""
    answers, examples = {}, []
    for number in range(n):
        count, price = 3 + number, 7 + number % 9
        question = f"What do the things on line {number} of the bill cost?"
        answers[question] = f"The answer is {count * price}. There are {count} of them, at {price} each."
        examples.append({"id": f"e{number}", "question": question})
        examples[-1]["answer"] = count * price
    report = audited(
        run(suite(folder, examples, probe="numeric"), Shop(answers), "run"), "number", "shortened", "truncated"
    )
    found = report.probes[0].findings
    return sum(each.harmless for each in found), len(holes(report))


class RateCell(NamedTuple):
    """What was predicted and seen of a share, the means over baselines, and the standard error of their difference."""

    share: float
    predicted: float
    seen: float
    error: float


def rates_of(folder: Path, gate: str, repeats: int, baselines: int, candidates: int) -> Iterator[RateCell]:
    """Yield the rates of each share, with so many candidates of each baseline.

    What one baseline says of its own model is off by its luck, so that only the mean of many can be right.
    """
    found: dict[float, list[tuple[float, float]]] = {share: [] for share in _SHARES}
    for number in range(baselines):
        world = World(folder, gate, repeats, number)
        for rate in audited(world.baseline, _RATED).probes[0].findings[0].rates:
            if rate.share in found:
                failed = sum(world.fails(rate.examples, f"{rate.share}|{one}") for one in range(candidates))
                found[rate.share].append((rate.caught, failed / candidates))
    for share, pairs in found.items():
        predicted, seen = (statistics.fmean(each) for each in zip(*pairs, strict=True))
        differences = [one - other for one, other in pairs]
        spread = statistics.variance(differences) if baselines > 1 else seen * (1.0 - seen) / candidates
        yield RateCell(share, predicted, seen, math.sqrt(spread / baselines))


class World:
    """A model whose chance of a wrong answer is known of each question, a suite, and a baseline of it."""

    def __init__(self, folder: Path, gate: str, repeats: int, number: int) -> None:
        draw = random.Random(f"{gate}|{number}")
        self._name = f"{gate}|{number}"
        answers, examples = {}, []
        self._chance: dict[str, float] = {}
        for place in range(_EXAMPLES):
            question, answer, checks = prose(place)
            left = {about for about in checks if draw.random() > 0.5} | {"end"}
            answers[question] = answer
            self._chance[question] = draw.choice([0.0, 0.0, 0.0, 0.1, 0.3]) if repeats > 1 else 0.0
            checks_left = [checks[about] for about in sorted(left)]
            examples.append({"id": f"e{place}", "question": question, "checks": checks_left})
        file = suite(folder, examples, f"repeats: {repeats}\ngate: {{fail_on: {gate}}}\n")
        damaged = {question: _damaged(_RATED, question, text) for question, text in answers.items()}
        said = [Shop(answers), Shop(damaged), Shop(answers, chance=dict.fromkeys(answers, 1.0))]
        runs = (list(run(file, model, "said").lines()) for model in said)
        self._lines = list(zip(*runs, strict=True))
        questions = {f"e{place}": question for place, question in enumerate(answers)}
        self.baseline = run(file, Shop(answers, chance=self._chance, seed=number), "baseline")
        self._questions = [questions[read_record(line, Record).example_id] for line in self.baseline.lines()]

    def fails(self, hit: int, seed: str) -> bool:
        """Return whether a fresh candidate fails in which `hit` examples have the damage."""
        draw = random.Random(f"{self._name}|{seed}")
        chosen = set(draw.sample(sorted(self._chance), hit))
        lines = [
            wrong if draw.random() < self._chance[question] else damaged if question in chosen else intact
            for question, (intact, damaged, wrong) in zip(self._questions, self._lines, strict=True)
        ]
        with displayed(lambda *_: None):
            verdict = compare_runs([self.baseline], [AlteredRun(self.baseline, lines, name="candidate")]).verdict
        return verdict.state == "failed"


def _damaged(name: str, question: str, answer: str) -> str:
    response = DAMAGES[name].apply(IntactAnswer(response=Response(text=answer), seed=question, question=question))
    return answer if response is None else response.text


def speed(folder: Path, n: int = 1200) -> tuple[int, float, int]:
    """Return how many answers were damaged, the seconds of CPU, and the calls of the model meanwhile."""
    made = [prose(place) for place in range(n)]
    examples = [
        {"id": f"e{place}", "question": question, "checks": list(checks.values())}
        for place, (question, _, checks) in enumerate(made)
    ]
    model = Shop({question: answer for question, answer, _ in made})
    sealed = run(suite(folder, examples), model, "run")
    calls, started = model.calls, time.process_time()
    report = audited(sealed)
    return report.damaged, time.process_time() - started, model.calls - calls


def main() -> int:
    """Print the figures. Returns 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=2000, help="of each cell")
    parser.add_argument("--baselines", type=int, default=200, help="of the model that varies")
    parser.add_argument("--examples", type=int, default=1200, help="of the suite whose audit is timed")
    given = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planted, found, guarded, invented = find_holes(folder, given.suites)
        print(f"holes: {found:,} of {planted:,} found; {invented:,} of {guarded:,} guarded places invented")
        holds &= found >= 0.95 * planted > 0 and invented <= 0.05 * guarded
        harmless, counted = find_equivalents(folder)
        print(f"answers that come to the same: {harmless:,} excused, {counted:,} counted as missed")
        holds &= harmless > 0 and counted <= 0.05 * harmless
        for gate, repeats in (("regressions", 1), ("significant", 1), ("significant", 3)):
            baselines = 1 if repeats == 1 else given.baselines
            for cell in rates_of(folder, gate, repeats, baselines, max(1, given.candidates // baselines)):
                is_close = abs(cell.predicted - cell.seen) <= 0.05 + 2.0 * cell.error
                print(
                    f"{gate}, {repeats} x, in {cell.share:.0%}: predicted {cell.predicted:.1%}, seen {cell.seen:.1%}, "
                    f"standard error {100 * cell.error:.1f} points{'' if is_close else ': off'}"
                )
                holds &= is_close
        damaged, seconds, calls = speed(folder, given.examples)
        print(f"speed: {damaged:,} damaged answers in {seconds:.1f} s of CPU, {calls} calls")
        holds &= calls == 0 and seconds <= 60 * max(1.0, damaged / 10_000)
    print("holds" if holds else "does not hold")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
