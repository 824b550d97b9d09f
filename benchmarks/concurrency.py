"""Throughput from 1 to 1,000 calls in flight: `insidellms run` against a bare client of the same HTTP library.

    python benchmarks/concurrency.py [--latency-ms 50] [--seconds 3]

Each size runs long enough to ask for about `--seconds` at its ideal (at most 8,000 trials). Start-up, measured by a
run of one trial, is taken off both. Prints the share of the ideal (trials x latency / concurrency) of either, and
the ratio.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from engine_throughput import EXPERIMENT, timed

ROOT = Path(__file__).resolve().parents[1]
SIZES = (1, 4, 16, 64, 256, 1000)
MOST_TRIALS = 8_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    command = [sys.executable, "tests/support/openai_server.py", "--port", "0", "--latency-ms", str(options.latency_ms)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            for size in SIZES:
                compare(port, size, options, Path(folder))
    finally:
        server.kill()


def compare(port: int, size: int, options: argparse.Namespace, folder: Path) -> None:
    latency_s = options.latency_ms / 1000
    trials = int(min(MOST_TRIALS, max(size, options.seconds / latency_s * size)))
    ideal = trials * latency_s / size
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    script = str(Path(__file__).with_name("engine_throughput.py"))
    bare = [sys.executable, script, "--bare", url, "--concurrency", str(size), "--trials"]
    shares = {}
    for name in ("bare", "ours"):
        walls = []
        for count in (1, trials):
            if name == "bare":
                walls.append(min(timed([*bare, str(count)], folder)[0] for _ in range(2)))
            else:
                walls.append(min(run(folder, port, size, count) for _ in range(2)))
        shares[name] = ideal / (walls[1] - walls[0] + latency_s)
    ratio = shares["ours"] / shares["bare"]
    print(
        f"concurrency {size:>4}: {trials:>5} trials, ideal {ideal:5.2f} s; bare client {shares['bare']:4.0%} of it, "
        f"insidellms {shares['ours']:4.0%}, ratio {ratio:.2f}"
    )


def run(folder: Path, port: int, size: int, trials: int) -> float:
    rows = "".join(f'{{"id": "{number:07}", "prompt": "Question {number}"}}\n' for number in range(trials))
    (folder / "data.jsonl").write_text(rows)
    (folder / "e.yaml").write_text(EXPERIMENT.format(port=port, data="data.jsonl", concurrency=size))
    command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--overwrite", "--quiet"]
    return timed(command, folder)[0]


if __name__ == "__main__":
    main()
