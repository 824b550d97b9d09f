"""What an eighth of mixed faults costs: wall time and requests of a faulty run, over those of a clean one.

    python benchmarks/faults.py [--trials 2000] [--latency-ms 50] [--concurrency 64]

Once with plain answers and once with streamed ones. Every trial must succeed, those of filtered prompts with that as
their reason to stop; and the requests beyond one a trial must be those that met a fault that is no answer.
"""

import argparse
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

from engine_throughput import timed
from stub_server import stub_server

EXPERIMENT = """
name: faults
model: {{type: openai, id: m, args: {{model_name: stub, base_url: 'http://127.0.0.1:{port}/v1', stream: {stream}}}}}
probe: {{type: contains, args: {{any: ["7"]}}}}
dataset: {{format: jsonl, path: data.jsonl}}
execution: {{concurrency: {concurrency}, attempt_timeout_s: 0.8, max_attempts: 8}}
"""
KINDS = (
    "429", "500", "hang", "reset", "drip", "garbage", "truncated", "short", "content_type", "redirect", "error_in_200",
    "filter", "odd_bytes", "cut_stream", "stream_without_done",
)  # fmt: skip
ANSWERED = ("filter", "odd_bytes", "stream_without_done")
"""Kinds that are answers all the same: nothing is to be asked again."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mixed = [{"kind": kind, "share": 0.01} for kind in KINDS]
        (folder / "none.json").write_text("[]")
        (folder / "mixed.json").write_text(json.dumps(mixed))
        for stream in ("false", "true"):
            clean = run(folder, "none", stream, options)
            faulty = run(folder, "mixed", stream, options)
            print(f"stream: {stream}, faulty over clean: {faulty / clean:.2f} of the wall time")


def run(folder: Path, faults: str, stream: str, options: argparse.Namespace) -> float:
    given = ("--latency-ms", str(options.latency_ms), "--faults", str(folder / f"{faults}.json"))
    with stub_server(*given) as port:
        rows = "".join(f'{{"id": "{n:05}", "prompt": "Question {n}"}}\n' for n in range(options.trials))
        (folder / "data.jsonl").write_text(rows)
        (folder / "e.yaml").write_text(EXPERIMENT.format(port=port, stream=stream, concurrency=options.concurrency))
        command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", faults, "--overwrite", "--quiet"]
        wall, _, _ = timed(command, folder)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
            stats = json.load(answer)
        statuses = json.loads((folder / faults / "manifest.json").read_bytes())["statuses"]
        met = sum(count for kind, count in stats["faults"].items() if kind not in ANSWERED)
        unexplained = stats["requests"] - options.trials - met
        filtered = (folder / faults / "records.jsonl").read_text().count('"finish_reason":"content_filter"')
        print(
            f"{faults:<6} {wall:.2f} s, {statuses['success']} of {options.trials} answered, "
            f"{filtered} of {stats['faults'].get('filter', 0)} filtered prompts kept as such, "
            f"{stats['requests']} requests, {met} faults, {unexplained} requests unexplained",
            *(f"{kind} {count}" for kind, count in sorted(stats["faults"].items())),
            sep=", ",
        )
        return wall


if __name__ == "__main__":
    main()
