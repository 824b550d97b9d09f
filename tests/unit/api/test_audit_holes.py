"""A sample of benchmarks/audit_holes.py: planted holes are found, none is invented, and no model is asked."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))
from audit_holes import find_equivalents, find_holes, rates_of, speed


def test_planted_holes_are_found_and_complete_suites_have_none(tmp_path):
    planted, found, guarded, invented = find_holes(tmp_path, suites=2, n=12)
    assert found == planted > 5
    assert (invented, guarded > 70) == (0, True)


def test_what_comes_to_the_same_for_a_probe_is_no_hole(tmp_path):
    excused, counted = find_equivalents(tmp_path, n=8)
    assert (excused, counted) == (16, 0)


def test_a_rate_is_that_of_fresh_candidates(tmp_path):
    seen = {share: (predicted, failed) for share, predicted, failed in rates_of(tmp_path, "regressions", 1, 1, 3)}
    assert seen[0.5] == (pytest.approx(1.0, abs=1e-4), 1.0)
    assert 0.5 < seen[0.1][0] < 1.0


def test_an_audit_makes_no_call(tmp_path):
    damaged, _, calls = speed(tmp_path, n=10)
    assert (damaged, calls) == (90, 0)
