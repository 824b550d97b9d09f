"""The batch client killed at random moments: no batch is submitted twice, none is lost, and the bytes are a live run's.

    python benchmarks/batch_kills.py [--kills 100] [--seed 1] [--url]

With --url the run lies in an object store, and another machine goes on after each kill.

Takes the three APIs in turn, against a local server that needs a moment for everything. A client is started again and
killed again until it ends by itself. Prints kills, runs and batches for each API; fails if a run has more than one
batch, or other bytes.
"""

import argparse
import contextlib
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.batch_server import BatchServer  # noqa: E402 - from the tests' folder
from support.command import canonical_bytes, environment, insidellms, write_files  # noqa: E402
from support.killed_batches import BASES, KilledBatches  # noqa: E402
from support.object_store import ObjectStore  # noqa: E402

EXPERIMENT = """
name: killed
model: {type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}}
probe: equals
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"e{i:03}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(100)]


LONG_AGO_S = 600.0
"""So old does all seem that is at the URL: the machine that wrote it is taken for lost."""


def published(store: ObjectStore) -> dict[str, bytes]:
    """Return the canonical files of the run, as they lie in the store."""
    manifest = store.get("batch/manifest.json")
    place = f"batch/sealed-{hashlib.sha256(manifest).hexdigest()[:16]}"
    return {name: store.get(f"{place}/{name}") for name in (*json.loads(manifest)["files"], "manifest.json")}


def take_a_moment(*_: object) -> None:
    """Give every step a middle, to be killed in."""
    time.sleep(0.05)


def one_run(model: str, most: int, draw: random.Random, *, at_url: bool) -> int:
    """Kill a run's client up to so many times; return how often it was. Raises AssertionError."""
    with (
        tempfile.TemporaryDirectory() as name,
        BatchServer(looks=3, create_delay_s=0.1, on_event=take_a_moment) as server,
        ObjectStore(age_s=LONG_AGO_S) if at_url else contextlib.nullcontext() as store,
    ):
        folder = Path(name)
        written = EXPERIMENT.replace("TYPE", model).replace("URL", server.url + BASES[model])
        write_files(folder, {"e.yaml": written, "data.jsonl": ROWS})
        assert insidellms("run", "e.yaml", "--run-dir", "live", cwd=folder).code == 0
        killed = KilledBatches(folder, model=model, store=store)
        began = time.monotonic()
        assert subprocess.run([sys.executable, "-c", "import insideLLMs.api.run"], check=True, env=environment())
        start_s, kills = time.monotonic() - began, 0
        while True:
            killed.start(settle_s=2)
            try:
                code = killed.client.wait(start_s * draw.uniform(0.8, 3.0) if kills < most else 120)
            except subprocess.TimeoutExpired:
                killed.client.kill()
                killed.client.wait()
                kills += 1
                continue
            assert code == 0, f"the client failed with {code}"
            break
        assert len(server.jobs) == 1, f"{len(server.jobs)} batches"
        assert (published(store) if store else canonical_bytes(folder / "batch")) == canonical_bytes(folder / "live")
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", action="store_true")
    options = parser.parse_args()
    draw, killed, runs = random.Random(options.seed), dict.fromkeys(BASES, 0), 0
    while sum(killed.values()) < options.kills:
        model = list(BASES)[runs % len(BASES)]
        killed[model] += one_run(model, min(8, options.kills - sum(killed.values())), draw, at_url=options.url)
        runs += 1
        print(f"{runs} runs, kills: {killed}, one batch each, the bytes of a live run", flush=True)


if __name__ == "__main__":
    main()
