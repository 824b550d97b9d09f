"""Memory and speed of a very large run: dummy trials from the command to sealed files.

Prints the peak resident memory of the whole process, also as a ratio to the same run with a hundredth of the
trials, and the size of what it wrote.

    python benchmarks/million_trials.py [--trials 1000000]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXPERIMENT = """
name: million
model: {type: dummy, args: {responses: {"7": "yes"}, canned_response: "no"}}
probe: {type: contains, args: {any: ["yes"]}}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 64}
"""


def run(trials: int) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak megabytes of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "e.yaml").write_text(EXPERIMENT)
        with (folder / "data.jsonl").open("w") as file:
            for number in range(trials):
                file.write(json.dumps({"id": f"ex-{number:07d}", "prompt": f"Is {number} prime?"}) + "\n")
        command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--quiet"]
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit("the run failed")
        lines = sum(1 for _ in (folder / "run" / "records.jsonl").open("rb"))
        if lines != trials:
            sys.exit(f"{lines} records instead of {trials}")
        return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1_000_000)
    trials = parser.parse_args().trials
    small, large = run(max(1, trials // 100)), run(trials)
    print(f"{trials:,} trials: {large[0]:.0f} s wall, {large[1] / trials * 1e6:.0f} us of CPU a trial")
    print(f"peak memory {large[2]:.0f} MB, {large[2] / small[2]:.2f} times that of {trials // 100:,} trials")


if __name__ == "__main__":
    main()
