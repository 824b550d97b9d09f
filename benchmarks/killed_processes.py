"""Does a run by several processes survive kills? It is killed at random moments, and resumed until it ends.

Each round runs an experiment of 200 trials by 3 processes against a local server (100 ms an answer), and kills the
command or one of its processes at random moments, then resumes. Prints, for every round, the kills, the calls beyond
one a trial, the most that may have been in flight, and whether the canonical files are those of an undisturbed run.
Exits with 1 if a byte differs, or if more was asked again than was in flight. 20 rounds take about four minutes::

    python benchmarks/killed_processes.py [--rounds 20] [--seed 1]
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from stub_server import stub_server

TRIALS, PROCESSES, IN_FLIGHT = 200, 3, 6
EXPERIMENT = f"""
name: p
models: [{{type: openai, args: {{model_name: x, base_url: 'http://127.0.0.1:PORT/v1'}}}}]
probes: [{{type: contains, args: {{any: [q1]}}}}]
dataset: {{format: jsonl, path: data.jsonl}}
execution: {{concurrency: {IN_FLIGHT}}}
"""
CANONICAL = ("records.jsonl", "manifest.json", "summary.json", "config.resolved.yaml", "report.html")


def command(run_dir: str, *options: str) -> list[str]:
    """Return the command line of a run."""
    return [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", run_dir, "--quiet", *options]


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def kill_some(process: subprocess.Popen[bytes], chance: random.Random) -> str | None:
    """Wait a moment, then kill the command or a process of it; return which, None if it had ended before."""
    time.sleep(chance.uniform(0.5, 4.0))
    if process.poll() is not None:
        return None
    own = children(process.pid)
    victim = chance.choice([process.pid, *own])
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return "command" if victim == process.pid else "process"


def killed_round(folder: Path, chance: random.Random) -> list[str]:
    """Run, kill and resume until the run is sealed; return what was killed."""
    kills: list[str] = []
    options = ["--processes", str(PROCESSES)]
    while True:
        process = subprocess.Popen(command("run", *options), cwd=folder, stdout=subprocess.DEVNULL)
        if len(kills) < chance.randint(1, 4) and (killed := kill_some(process, chance)):
            kills.append(killed)
        if process.wait() == 0:
            return kills
        options = ["--resume", "--processes", str(PROCESSES)]


def asked(port: int) -> int:
    """Return how many calls the server has had."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        counts = json.load(answer)
    return int(counts["requests"])


def main() -> int:
    """Print a line a round."""
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    chance, bad = random.Random(given.seed), 0
    with stub_server("--latency-ms", "100") as port, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "e.yaml").write_text(EXPERIMENT.replace("PORT", str(port)))
        (folder / "data.jsonl").write_text("".join(f'{{"id": "{n}", "prompt": "q{n}"}}\n' for n in range(TRIALS)))
        subprocess.run(command("whole"), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for number in range(1, given.rounds + 1):
            before = asked(port)
            kills = killed_round(folder, chance)
            extra = asked(port) - before - TRIALS
            same = all((folder / "run" / name).read_bytes() == (folder / "whole" / name).read_bytes()
                       for name in CANONICAL)  # fmt: skip
            most = len(kills) * IN_FLIGHT
            bad += not same or extra > most
            told = "same bytes" if same else "OTHER BYTES"
            killed = ", ".join(kills) or "nothing"
            print(f"round {number}: killed {killed}; {extra} calls more, at most {most} in flight; {told}", flush=True)
            subprocess.run(["rm", "-r", str(folder / "run")], check=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
