"""A sample of benchmarks/audit_holes.py: planted holes are found, none is invented, and no model is asked."""

import sys
from pathlib import Path

import pytest

from insideLLMs.core.steps import displayed

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from audit_holes import Shop, audited, find_equivalents, find_holes, prose, rates_of, run, speed, suite


def test_planted_holes_are_found_and_complete_suites_have_none(tmp_path):
    planted, found, guarded, invented = find_holes(tmp_path, suites=2, n=12)
    assert found == planted > 5
    assert (invented, guarded > 70) == (0, True)


def test_what_comes_to_the_same_for_a_probe_is_no_hole(tmp_path):
    excused, counted = find_equivalents(tmp_path, n=8)
    assert (excused, counted) == (16, 0)


def test_a_rate_is_that_of_fresh_candidates(tmp_path):
    cells = {cell.share: cell for cell in rates_of(tmp_path, "regressions", 1, 1, 3)}
    assert (cells[0.5].predicted, cells[0.5].seen) == (pytest.approx(1.0, abs=1e-4), 1.0)
    assert 0.5 < cells[0.1].predicted < 1.0


def test_an_audit_makes_no_call(tmp_path):
    damaged, _, calls = speed(tmp_path, n=10)
    assert (damaged, calls) == (90, 0)


def test_probes_that_share_answers_share_the_decisions_of_noisy_runs_and_show_how_far_they_are(tmp_path):
    examples, answers, chance = [], {}, {}
    for number in range(6):
        question, answers[question], checks = prose(number)
        chance[question] = 0.3
        examples.append({"id": f"e{number}", "question": question, "checks": list(checks.values())})
    file = suite(tmp_path, examples, "repeats: 3\ngate: {fail_on: regressions}\n")
    one = "probe: {type: checks}"
    asked = {}
    for name, probes in (("one", one), ("two", "probes: [{type: checks}, {type: checks, id: again}]")):
        file.write_text(file.read_text().replace(one, probes))
        sealed = run(file, Shop(answers, chance=chance), name)
        with displayed(lambda what, done, _, name=name: asked.setdefault(name, []).append((what, done))):
            report = audited(sealed, "number")
    rates = {probe.probe: [rate.caught for rate in probe.findings[0].rates] for probe in report.probes}
    assert rates["checks"] == rates["again"]
    step = "asking the gate: number"
    counts = {name: sum(what == step and done > 0 for what, done in told) for name, told in asked.items()}
    assert 0 < counts["two"] < 1.5 * counts["one"]
