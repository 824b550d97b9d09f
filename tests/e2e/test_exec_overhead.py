"""A small sample of the benchmark of commands: nothing is left behind, and memory does not grow with the trials."""

import subprocess
import sys

from support.command import environment
from support.documents import ROOT


def test_commands_leave_no_process_and_no_descriptor_behind():
    script = ROOT / "benchmarks" / "exec_overhead.py"
    command = [sys.executable, str(script), "--trials", "80", "--rounds", "1"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "left behind: 0" in done.stdout
    assert "beside bare asyncio" in done.stdout
