"""Memory and CPU of every stage of a large run, at several sizes, with the fit that says whether the cost is linear.

    python benchmarks/million_trials.py [--sizes 1000 10000] [--bytes 1000] [--stages run verify diff ...]
                                        [--before SRC] [--folder FOLDER] [--compress]

A trial is an example of so many bytes, asked of the dummy model. Each stage is a command in a process of its own, and
all of that process counts. `--before` names the `src` folder of another version: its `run` is measured too, in turn
with ours. 1,000,000 trials take 15 minutes and 12 GB of disk; the figures of docs/scale.md are those of
`--sizes 10000 100000 1000000`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

EXPERIMENT = """
name: million
model: {type: dummy, id: m, args: {responses: {"7": "yes"}, canned_response: "no"%s}}
probe: {type: contains, id: p, args: {any: ["yes"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 64, max_attempts: 1%s}
"""
CHANGED = ', drift: 0.01, failures: {"99 prime": error}'
STAGES = {
    "validate": "validate a.yaml",
    "run": "run a.yaml --run-dir a --quiet",
    "run, 1 % fail": "run b.yaml --run-dir b --quiet",
    "verify": "verify a",
    "diff": "diff a b --fail-on never",
    "diff --json": "diff a b --fail-on never --json",
    "diff, all reports": "diff a b --fail-on never --html d.html --junit d.xml --markdown d.md --sarif d.sarif",
    "report": "report a",
    "report --html": "report a --html a.html",
    "report, all reports": "report b --telemetry --junit b.xml --markdown b.md --sarif b.sarif",
    "export csv": "export a --format csv -o a.csv",
    "export jsonl": "export a --format jsonl -o a.jsonl",
    "export parquet": "export a --format parquet -o a.parquet",
    "export diff": "export a b --format csv -o d.csv",
    "import": "import a.csv --to imported",
    "rescore": 'rescore a --probe {"type":"contains","id":"q","args":{"any":["no"]}} --to rescored',
    "trend": "trend a b",
    "noise": "noise a a2",
    "resume": "run b.yaml --run-dir b --resume --quiet",
}
"""In an order in which each finds what it reads; some need what one before wrote."""
BEFORE = "run, before"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def write_input(folder: Path, trials: int, size: int, *, compress: bool) -> None:
    packed = ", compress: true" if compress else ""
    (folder / "a.yaml").write_text(EXPERIMENT % ("", packed))
    (folder / "b.yaml").write_text(EXPERIMENT % (CHANGED, packed))
    filler = ("the quick brown fox jumps over the lazy dog " * (size // 40 + 1))[: max(0, size - 50)]
    with (folder / "data.jsonl").open("w") as file:
        for number in range(trials):
            file.write(json.dumps({"id": f"ex-{number:07d}", "prompt": f"Is {number} prime? {filler}"}) + "\n")


def measure(folder: Path, words: str, *, source: Path | None = None) -> Cost:
    """Run one command to its end. A gate that fails is an end like any other."""
    command = [sys.executable, "-m", "insideLLMs", *words.split()]
    environment = os.environ if source is None else {**os.environ, "PYTHONPATH": str(source)}
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 3, 4}:
        sys.exit(f"{words} failed:\n{(folder / 'err.txt').read_text()[-2000:]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def stages(folder: Path, wanted: Sequence[str], before: Path | None) -> Iterator[tuple[str, Cost]]:
    """Yield the name and cost of each wanted stage."""
    for name in wanted:
        if name == "noise" and not (folder / "a2").exists():
            shutil.copytree(folder / "a", folder / "a2", copy_function=os.link)
        if name == "run" and before is not None:
            words = STAGES["run"].replace("--run-dir a", "--run-dir before")
            yield BEFORE, measure(folder, words, source=before)
            shutil.rmtree(folder / "before")
        yield name, measure(folder, STAGES[name])


def fit(points: Sequence[tuple[int, float]]) -> str:
    """Say how a cost grows, by least squares of the relative error, and how far the line is off at most."""
    weights = [1 / y**2 for _, y in points]
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / sum(weights)
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / sum(weights)
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True)) / spread
    start = mean_y - slope * mean_x
    worst = max(abs(start + slope * x - y) / y for x, y in points)
    return f"{start:.2f} s + {slope * 1e6:.0f} us a trial, off by {worst:.0%} at most"


def show(name: str, costs: dict[int, Cost]) -> None:
    """Print the row of one stage."""
    cells = "".join(f"{cost.wall_s:8.1f} s {cost.cpu_s:8.2f} s {cost.peak_mb:6.0f} MB |" for cost in costs.values())
    told = fit([(size, cost.cpu_s) for size, cost in costs.items()]) if len(costs) > 1 else ""
    print(f"{name:20} |{cells} {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--bytes", type=int, default=1_000)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--before", type=Path)
    parser.add_argument("--folder", type=Path, help="Work here, and keep it.")
    parser.add_argument("--compress", action="store_true")
    options = parser.parse_args()
    found: dict[str, dict[int, Cost]] = {}
    for size in options.sizes:
        folder = Path(tempfile.mkdtemp(prefix=f"{size}-", dir=options.folder))
        write_input(folder, size, options.bytes, compress=options.compress)
        for stage, cost in stages(folder, options.stages, options.before):
            found.setdefault(stage, {})[size] = cost
            print(f"{size:9,} {stage:20} {cost.wall_s:8.1f} s {cost.cpu_s:8.2f} s {cost.peak_mb:6.0f} MB", flush=True)
        if options.folder is None:
            shutil.rmtree(folder)
    print(f"\n{'wall, CPU, peak':20} |" + "".join(f"{size:28,} |" for size in options.sizes) + " CPU by trials")
    for stage, costs in found.items():
        show(stage, costs)
    if BEFORE in found:
        ratios = [found["run"][size].cpu_s / found[BEFORE][size].cpu_s for size in options.sizes]
        print(f"CPU of `run`, ours / before: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
