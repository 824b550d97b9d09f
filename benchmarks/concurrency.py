"""Throughput and CPU of `insidellms run` from 1 to 1,000 calls in flight, beside a bare client and the ideal.

    python benchmarks/concurrency.py [--sizes 64 256 1000] [--latency-ms 50] [--seconds 3] [--rounds 5]

The bare client is aiohttp with nothing around it. Each size asks for about `--seconds` at its ideal (at most 8,000
trials). Client and run take turns against one server, and of either the median round counts; start-up, the least of
runs of one trial, is taken off. Prints requests a second, their share of the ideal (concurrency / latency), CPU a
request, and the ratio of the two throughputs, with that of the best rounds beside it: one lucky round changes that.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from engine_throughput import EXPERIMENT, timed
from stub_server import stub_server

SIZES = (1, 4, 16, 64, 256, 1000)
MOST_TRIALS = 8_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Requests a second, and milliseconds of CPU for each."""

    per_s: float
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with stub_server("--latency-ms", str(options.latency_ms)) as port, tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            compare(port, size, options, Path(folder))


def compare(port: int, size: int, options: argparse.Namespace, folder: Path) -> None:
    latency_s = options.latency_ms / 1000
    trials = int(min(MOST_TRIALS, max(size, options.seconds / latency_s * size)))
    clients = {"bare client": bare(port, size), "insidellms": run(folder, port, size)}
    walls: dict[str, list[tuple[float, float, int]]] = {name: [] for name in clients}
    starts: dict[str, list[tuple[float, float, int]]] = {name: [] for name in clients}
    for _ in range(options.rounds):
        for name, command in clients.items():
            for count, found in ((1, starts), (trials, walls)):
                write_rows(folder, count)
                found[name].append(timed([*command, str(count)] if name == "bare client" else command, folder))
    speeds = {name: speed(statistics.median_low(walls[name]), min(starts[name]), trials, latency_s) for name in clients}
    best = {name: speed(min(walls[name]), min(starts[name]), trials, latency_s) for name in clients}
    ideal = size / latency_s
    told = "; ".join(
        f"{name} {one.per_s:6,.0f}/s ({one.per_s / ideal:4.0%}), {one.cpu_ms:.3f} ms of CPU"
        for name, one in speeds.items()
    )
    ratios = f"ratio {ratio(speeds):.2f} (best rounds {ratio(best):.2f})"
    print(f"{size:>5} in flight: ideal {ideal:7,.0f}/s; {told}; {ratios}", flush=True)


def ratio(speeds: dict[str, Speed]) -> float:
    return speeds["insidellms"].per_s / speeds["bare client"].per_s


def speed(whole: tuple[float, float, int], start: tuple[float, float, int], trials: int, latency_s: float) -> Speed:
    wall_s = whole[0] - start[0] + latency_s
    return Speed(per_s=trials / wall_s, cpu_ms=(whole[1] - start[1]) / trials * 1000)


def bare(port: int, size: int) -> list[str]:
    script = str(Path(__file__).with_name("engine_throughput.py"))
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return [sys.executable, script, "--bare", url, "--concurrency", str(size), "--trials"]


def run(folder: Path, port: int, size: int) -> list[str]:
    (folder / "e.yaml").write_text(EXPERIMENT.format(port=port, data="data.jsonl", concurrency=size, template=""))
    return [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--overwrite", "--quiet"]


def write_rows(folder: Path, trials: int) -> None:
    rows = "".join(f'{{"id": "{number:07}", "prompt": "Question {number}"}}\n' for number in range(trials))
    (folder / "data.jsonl").write_text(rows)


if __name__ == "__main__":
    main()
