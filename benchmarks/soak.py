"""Many trials at no latency, watched from outside: memory, file descriptors and threads after warm-up.

    python benchmarks/soak.py [--trials 200000] [--concurrency 64]

Samples /proc of `insidellms run` while it asks a local server. Growth is the difference between the medians of the
second tenth of the samples and of the last tenth before sealing. Fails if memory grows by more than 64 bytes a
trial (the plan's own index takes 16), or if descriptors or threads grow at all. The engine remembers the last 50,000
requests (`execute/questions.py`), so with fewer than 200,000 trials that fixed amount counts as growth.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stub_server import stub_server

EXPERIMENT = """
name: soak
model: {{type: openai, id: m, args: {{model_name: stub, base_url: 'http://127.0.0.1:{port}/v1'}}}}
probe: {{type: contains, args: {{any: ["7"]}}}}
dataset: {{format: jsonl, path: data.jsonl}}
execution: {{concurrency: {concurrency}}}
"""
ALLOWED_BYTES = 64


def sample(pid: int) -> tuple[int, int, int] | None:
    """Return resident bytes, open descriptors and threads of a process, or None if it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        return int(fields["VmRSS"].split()[0]) * 1024, descriptors, int(fields["Threads"])
    except (OSError, KeyError):
        return None


def watch(process: subprocess.Popen[bytes], sealed: Path) -> list[tuple[int, int, int]]:
    samples = []
    while process.poll() is None:
        found = sample(process.pid)
        if found and not (sealed / "summary.json.tmp").exists():
            samples.append(found)
        time.sleep(0.25)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200_000)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    with stub_server() as port, tempfile.TemporaryDirectory() as folder:
        sys.exit(soak(Path(folder), port, options))


def soak(folder: Path, port: int, options: argparse.Namespace) -> int:
    (folder / "e.yaml").write_text(EXPERIMENT.format(port=port, concurrency=options.concurrency))
    with (folder / "data.jsonl").open("w") as data:
        for number in range(options.trials):
            data.write(json.dumps({"id": f"{number:07}", "prompt": f"Question {number}"}) + "\n")
    started = time.monotonic()
    command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--quiet"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    samples = watch(process, folder / "run")
    seconds = time.monotonic() - started
    if process.returncode != 0 or len(samples) < 20:
        print(f"failed: exit code {process.returncode}, {len(samples)} samples")
        return 1
    tenth = len(samples) // 10
    early, late = samples[tenth : 2 * tenth], samples[-tenth:]
    before, after = ([statistics.median(column) for column in zip(*part, strict=True)] for part in (early, late))
    grown = [b - a for a, b in zip(before, after, strict=True)]
    share = 0.8 * options.trials
    print(f"{options.trials:,} trials in {seconds:.0f} s ({options.trials / seconds:,.0f}/s), {len(samples)} samples")
    names = ("memory", "descriptors", "threads")
    for name, a, b in zip(names, before, after, strict=True):
        shown = (f"{a / 1e6:.1f} MB", f"{b / 1e6:.1f} MB") if name == "memory" else (f"{a:g}", f"{b:g}")
        print(f"  {name:<12} {shown[0]} after warm-up, {shown[1]} at the end")
    print(f"  {grown[0] / share:.1f} bytes a trial")
    return 0 if grown[0] <= ALLOWED_BYTES * share and grown[1] <= 2 and grown[2] <= 1 else 1


if __name__ == "__main__":
    main()
