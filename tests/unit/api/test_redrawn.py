"""Answers drawn as another run would give them: they differ from a stored run's as two runs of one model do."""

import statistics
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from audit_holes import Shop, run, suite

from insideLLMs.api.auditing.redrawn import RedrawnAnswers
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import Record


def test_another_run_differs_from_the_stored_one_by_the_luck_of_both(tmp_path):
    n, repeats, chance = 60, 3, 0.1
    answers = {f"question {number}": "blue" for number in range(n)}
    examples = [
        {"id": question, "question": question, "checks": [{"type": "contains", "all": ["blue"]}]}
        for question in answers
    ]
    file = suite(tmp_path, examples, f"repeats: {repeats}\n")
    stored = run(file, Shop(answers, chance=dict.fromkeys(answers, chance)), "run")
    records = [read_record(line, Record) for line in stored.lines()]
    redrawn = RedrawnAnswers(records)
    failures = []
    for number in range(300):
        drawn = redrawn.draw(number, {})
        failures.append(sum(not drawn.get(place, own).scores.passed for place, own in enumerate(records)))
    rate = sum(not record.scores.passed for record in records) / len(records)
    one_run = len(records) * rate * (1.0 - rate)
    assert 1.5 * one_run < statistics.variance(failures) < 3.0 * one_run
