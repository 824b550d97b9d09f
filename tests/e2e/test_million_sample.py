"""A small sample of the benchmark of a million trials: its stages run, and its runs are found again."""

import subprocess
import sys

from support.command import environment
from support.documents import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from million_trials import BARE, Cost, claims


def measured(folder, *words):
    """Run the benchmark on 40 trials; where so few take no time, a ratio may be anything."""
    script = str(ROOT / "benchmarks" / "million_trials.py")
    command = [sys.executable, script, "--sizes", "40", "--folder", str(folder), *words]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout


def test_the_stages_are_measured_and_a_later_call_reads_the_runs_that_are_there(tmp_path):
    measured(tmp_path, "--stages", "run", "run, 1 % fail")
    manifest = tmp_path / "40" / "a" / "manifest.json"
    sealed = manifest.stat().st_ino
    told = measured(tmp_path, "--stages", "diff")
    assert manifest.stat().st_ino == sealed
    assert "CPU a trial, diff / bare reading of both" in told


def test_a_ratio_over_its_limit_is_no_claim_that_holds(capsys):
    costs = {10: Cost(1.0, 1.0, 30.0), 1000: Cost(2.0, 2.0, 30.0)}
    slow = {10: Cost(1.0, 1.0, 30.0), 1000: Cost(3.5, 3.5, 30.0)}
    assert list(claims({"diff": costs, BARE: costs})) == [True]
    assert list(claims({"diff": slow, BARE: costs})) == [False]
    assert "2.50 (at most 2.0)" in capsys.readouterr().out
