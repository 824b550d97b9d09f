"""Memory and CPU of every stage of a large run, at several sizes, with the fit that says whether the cost is linear.

    python benchmarks/million_trials.py [--sizes 1000 10000] [--bytes 1000] [--stages run verify diff ...]
                                        [--before SRC] [--folder FOLDER] [--compress] [--rounds 1]

A trial is an example of so many bytes, asked of the dummy model. Each stage is a command in a process of its own, and
all of that process counts; of several rounds the one that took the least CPU. `--before` names the `src` folder of
another version: its `run` and `diff` are measured too, in turn with ours. `--folder` keeps the runs in FOLDER/SIZE, and
stages that only read find them there the next time.

The exit code is 1 where a claim does not hold: a trial takes `diff` at most twice the CPU of a bare loop that reads,
hashes and parses the records of both runs; it takes `run` at most 1.1 times, and `diff` not more than, what it took
the version before.

1,000,000 trials take 15 minutes and 12 GB of disk; the figures of docs/scale.md are those of
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
BEFORE = ", before"
BARE = "bare reading of both"
BARE_LOOP = """
import hashlib, orjson
for run in ("a", "b"):
    digest = hashlib.sha256()
    with open(f"{run}/records.jsonl", "rb") as file:
        for line in file:
            digest.update(line)
            orjson.loads(line)
"""
MOST = {("diff", BARE): 2.0, ("run", f"run{BEFORE}"): 1.1, ("diff", f"diff{BEFORE}"): 1.0}
"""At most how many times the CPU of the second stage the first may take."""


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


def measure(folder: Path, words: list[str], *, source: Path | None = None) -> Cost:
    """Run Python with these arguments to its end. A gate that fails is an end like any other."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # what is compiled at each start is no part of a stage
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, *words], cwd=folder, stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 3, 4}:
        sys.exit(f"{words} failed:\n{(folder / 'err.txt').read_text()[-2000:]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def stage(folder: Path, name: str, before: Path | None) -> Cost:
    """Measure one stage; one that writes a run does so in a new folder."""
    if name == BARE:
        return measure(folder, ["-c", BARE_LOOP])
    words = STAGES[name.removesuffix(BEFORE)].split()
    if name == "noise" and not (folder / "a2").exists():
        shutil.copytree(folder / "a", folder / "a2", copy_function=os.link)
    for option in ("--run-dir", "--to"):
        if option in words and "--resume" not in words:
            shutil.rmtree(folder / words[words.index(option) + 1], ignore_errors=True)
    source = before if name.endswith(BEFORE) else None
    return measure(folder, ["-m", "insideLLMs", *words], source=source)


def stages(wanted: Sequence[str], *, has_before: bool, compress: bool) -> Iterator[str]:
    """Yield the wanted stages with those that they are held against."""
    for name in wanted:
        if has_before and (name, f"{name}{BEFORE}") in MOST:
            yield f"{name}{BEFORE}"
        yield name
        if (name, BARE) in MOST and not compress:
            yield BARE


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


def claims(found: dict[str, dict[int, Cost]]) -> Iterator[bool]:
    """Print the ratios that have a limit, of what the trials of the largest size take beyond those of the smallest."""
    for (ours, theirs), most in MOST.items():
        if ours in found and theirs in found:
            ratio = growth_s(found[ours]) / growth_s(found[theirs])
            print(f"CPU a trial, {ours} / {theirs}: {ratio:.2f} (at most {most})")
            yield ratio <= most


def growth_s(costs: dict[int, Cost]) -> float:
    """Return how much more CPU the largest size takes than the smallest, without the start of the process."""
    start_s = costs[min(costs)].cpu_s if len(costs) > 1 else 0.0
    return costs[max(costs)].cpu_s - start_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--bytes", type=int, default=1_000)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--before", type=Path)
    parser.add_argument("--folder", type=Path, help="Work here, keep it, and read the runs that are there.")
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, dict[int, Cost]] = {}
    for size in options.sizes:
        folder = (options.folder or Path(tempfile.mkdtemp())) / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        write_input(folder, size, options.bytes, compress=options.compress)
        wanted = stages(options.stages, has_before=options.before is not None, compress=options.compress)
        for name in list(wanted) * options.rounds:
            cost = stage(folder, name, options.before)
            print(f"{size:9,} {name:20} {cost.wall_s:8.1f} s {cost.cpu_s:8.2f} s {cost.peak_mb:6.0f} MB", flush=True)
            costs = found.setdefault(name, {})
            costs[size] = min(cost, costs.get(size, cost), key=lambda one: one.cpu_s)
        if options.folder is None:
            shutil.rmtree(folder.parent)
    print(f"\n{'wall, CPU, peak':20} |" + "".join(f"{size:28,} |" for size in options.sizes) + " CPU by trials")
    for name, costs in found.items():
        show(name, costs)
    if not all(list(claims(found))):
        sys.exit(1)


if __name__ == "__main__":
    main()
