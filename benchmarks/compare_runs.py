"""Time and memory of comparing two large runs: `python benchmarks/compare_runs.py [records] [--all-changed]`.

Writes two `records.jsonl` of about 0.5 KB a record to a temporary folder, compares them with statistics in the
same pass, and prints where the time went. By default every hundredth record differs.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from insideLLMs.compare.answers.levels import LEVELS
from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.observations import Watch
from insideLLMs.compare.sides import RunView
from insideLLMs.compare.statistics.assess import assess
from insideLLMs.core.subject import Subject


def write_records(path: Path, count: int, *, changed_every: int) -> None:
    """Write `count` records; of every `changed_every` one has another answer, and a third of those fail."""
    text = "What is the capital of the country with this number?"
    record = {
        "probe": "capitals", "dataset": "countries", "model": "m", "repeat": 0, "key": "0" * 64,
        "example_digest": "1" * 64, "status": "success", "request": None, "failure": None,
    }  # fmt: skip
    with path.open("wb") as out:
        for number in range(count):
            changed = changed_every > 0 and number % changed_every == 0
            answer = "The capital is Lyon, I think." if changed else "The capital of this country is Paris."
            passed = not (changed and number % 3 == 0)
            record["example_id"] = f"q-{number:08}"
            record["example"] = {"id": record["example_id"], "input": text, "expected": ["Paris"]}
            record["response"] = {"text": answer, "finish_reason": "stop", "model": "m-2026-01"}
            record["scores"] = {
                "values": {"correct": float(passed)}, "passed": passed, "label": None, "explanation": "", "details": {},
            }  # fmt: skip
            out.write(orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))


def view(path: Path) -> RunView:
    """Read a file as one side of a comparison."""
    return RunView(
        run_id=path.name,
        label=path.name,
        subjects=(Subject("m"),),
        datasets={"capitals": ("countries",)},
        records=lines_of(path),
    )


def lines_of(path: Path) -> Callable[[], Iterator[bytes]]:
    """Return a function that starts a pass over the lines."""

    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            for line in file:
                yield line[:-1]

    return read


def time_large(folder: str, records: int, *, all_changed: bool) -> None:
    """Compare two large runs, with statistics in the same pass."""
    before, after = Path(folder, "baseline.jsonl"), Path(folder, "candidate.jsonl")
    write_records(before, records, changed_every=0)
    write_records(after, records, changed_every=1 if all_changed else 100)
    size = before.stat().st_size / records
    started, cpu = time.perf_counter(), time.process_time()
    comparison, observed = compare_with([view(before)], [view(after)])
    joined = time.perf_counter()
    assessment = assess(observed.tally)
    ended = time.perf_counter()
    classes = {kind: count for kind, count in comparison.overall.classes.items() if count}
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{records:,} x {records:,} records of {size:.0f} bytes: {classes}, {assessment.verdict}")
    print(f"align, classify and count {joined - started:.2f} s, statistics {ended - joined:.2f} s")
    print(f"CPU {time.process_time() - cpu:.2f} s, peak memory {memory_mb:.0f} MB")


def time_small(folder: str, items: int = 2000, baselines: int = 3) -> None:
    """Compare a candidate with several baseline runs, every level of noise included."""
    paths = [Path(folder, f"run{number}.jsonl") for number in range(baselines + 1)]
    for number, path in enumerate(paths):
        write_records(path, items, changed_every=7 + number)
    views = [view(path) for path in paths]
    started = time.perf_counter()
    _, observed = compare_with(views[:-1], views[-1:], watch=Watch(churn="normalised", noise=LEVELS))
    assessment = assess(observed.tally)
    told = f"{items:,} items, {baselines} baseline runs, with churn and noise at {len(LEVELS)} levels"
    print(f"{told}: {time.perf_counter() - started:.2f} s, {assessment.verdict}")


def main() -> None:
    """Write, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--all-changed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        time_small(folder)
        time_large(folder, options.records, all_changed=options.all_changed)


if __name__ == "__main__":
    main()
