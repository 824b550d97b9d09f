"""When do several processes pay? One command by 1, 2 and 4 processes, alternately, in the same run of this script.

`scoring`: an instant model, and a probe that computes for 4 ms an answer. `instant`: the same without the probe's work.
`waiting`: a local server that answers after 200 ms, with 1,000 calls in flight. Prints the median wall seconds of each,
and how many times faster than one process that is. Takes about two minutes on two idle cores::

    python benchmarks/processes.py [--rounds 3] [--trials 2000] [--only scoring]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stub_server import stub_server

PROCESSES = (1, 2, 4)
CODE = """
from insideLLMs import PromptProbe, Scores

class Busy(PromptProbe):
    scores_in_place = True
    def __init__(self, rounds=0):
        super().__init__("busy")
        self.rounds = rounds
    def score(self, example, response):
        total = 0
        for number in range(self.rounds):
            total += number * number
        return Scores.of(total >= 0)
"""
DUMMY = "{type: dummy, args: {canned_response: yes}}"
SERVED = "{{type: openai, args: {{model_name: x, base_url: 'http://127.0.0.1:{port}/v1'}}}}"
ROUNDS = 80_000
"""Of the probe's loop: about 4 ms."""


def experiment(model: str, rounds: int, in_flight: int) -> str:
    """Return an experiment file."""
    return (
        f"name: p\nmodels: [{model}]\nprobes: [{{type: 'busy.py:Busy', args: {{rounds: {rounds}}}}}]\n"
        f"dataset: {{format: jsonl, path: data.jsonl}}\nexecution: {{concurrency: {in_flight}}}\n"
    )


def measure(folder: Path, processes: int) -> float:
    """Return the seconds of one run, in a new folder."""
    run_dir = folder / "run"
    shutil.rmtree(run_dir, ignore_errors=True)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--quiet",
         "--processes", str(processes)],
        cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - started


def table(name: str, text: str, trials: int, rounds: int) -> None:
    """Print the figures of one experiment."""
    seconds: dict[int, list[float]] = {count: [] for count in PROCESSES}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "e.yaml").write_text(text)
        (folder / "busy.py").write_text(CODE)
        (folder / "data.jsonl").write_text("".join(f'{{"id": "{n}", "prompt": "q{n}"}}\n' for n in range(trials)))
        for _ in range(rounds):
            for count in PROCESSES:
                seconds[count].append(measure(folder, count))
    one = statistics.median(seconds[1])
    for count, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:<10} {count} processes {median:8.2f} s  {one / median:5.2f} times as fast")


def main() -> None:
    """Print all tables."""
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--trials", type=int, default=2_000)
    options.add_argument("--only", choices=["scoring", "instant", "waiting"])
    given = options.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, {given.trials:,} trials, median of {given.rounds}")
    if given.only in {None, "scoring"}:
        table("scoring", experiment(DUMMY, ROUNDS, 16), given.trials, given.rounds)
    if given.only in {None, "instant"}:
        table("instant", experiment(DUMMY, 0, 16), given.trials, given.rounds)
    if given.only in {None, "waiting"}:
        with stub_server("--latency-ms", "200") as port:
            table("waiting", experiment(SERVED.format(port=port), 0, 1_000), given.trials, given.rounds)


if __name__ == "__main__":
    main()
