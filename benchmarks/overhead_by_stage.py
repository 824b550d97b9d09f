"""Where a trial's CPU goes: each stage added to the one before, against the same server, in one process each.

    python benchmarks/overhead_by_stage.py [--trials 3000] [--concurrency 64 256 1000]

Stages: a bare aiohttp client; our transport and codec; the engine with everything in memory; with the journal;
with sealing (records, digests, summary, report). CPU is the process's own, imports excluded, the least of 3.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stub_server import stub_server

STAGES = ("bare client", "transport and codec", "engine in memory", "with journal", "with sealing")


def experiment(folder: Path, port: int, trials: int, concurrency: int) -> Path:
    rows = (json.dumps({"id": f"{n:07}", "prompt": f"Question {n}"}) for n in range(trials))
    (folder / "data.jsonl").write_text("\n".join(rows) + "\n")
    file = folder / "e.json"
    args = {"model_name": "stub", "base_url": f"http://127.0.0.1:{port}/v1"}
    model = {"type": "openai", "id": "m", "args": args}
    probe = {"type": "contains", "args": {"any": ["7"]}}
    data = {"name": "bench", "model": model, "probe": probe, "dataset": {"path": "data.jsonl"}}
    file.write_text(json.dumps({**data, "execution": {"concurrency": concurrency}}))
    return file


async def bare(port: int, trials: int, concurrency: int) -> None:
    import aiohttp

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    numbers = iter(range(trials))

    async def work(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            body = json.dumps({"model": "stub", "messages": [{"role": "user", "content": f"Question {number}"}]})
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                json.loads(await answer.read())["choices"][0]["message"]["content"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))


async def transport(port: int, trials: int, concurrency: int) -> None:
    from insideLLMs.core.protocols import CallFacts, current_call
    from insideLLMs.core.types import Request
    from insideLLMs.providers.apis.openai import OpenAIModel

    model = OpenAIModel("stub", base_url=f"http://127.0.0.1:{port}/v1")
    numbers = iter(range(trials))

    async def work() -> None:
        current_call.set(CallFacts(limit_s=60.0))  # as the engine bounds each call
        for number in numbers:
            await model.respond(Request.of(f"Question {number}"))

    await asyncio.gather(*(work() for _ in range(concurrency)))
    await model.aclose()


def measure(stage: str, port: int, trials: int, concurrency: int) -> float:
    """Return the CPU seconds of one stage, in this process."""
    from insideLLMs.api.preparation.prepare import prepare
    from insideLLMs.api.run import RunOptions, execute, run_prepared
    from insideLLMs.api.run_writer import MemorySink
    from insideLLMs.config.load import load_experiment
    from insideLLMs.execute.engine import EngineOptions
    from insideLLMs.store.journal import Journal
    from insideLLMs.store.journal_line import JournalHeader

    if stage in STAGES[:2]:
        started = time.process_time()
        asyncio.run((bare if stage == STAGES[0] else transport)(port, trials, concurrency))
        return time.process_time() - started
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare(load_experiment(experiment(folder, port, trials, concurrency)), folder=folder)
        journal = Journal(folder / "journal.jsonl", JournalHeader(run_id="r", trials=trials))
        journal.create()

        async def run() -> None:
            if stage == STAGES[4]:
                await run_prepared(prepared, RunOptions(run_dir=folder / "run"))
            else:
                await execute(prepared, MemorySink() if stage == STAGES[2] else journal, RunOptions(), EngineOptions())
            await prepared.aclose()

        started = time.process_time()
        asyncio.run(run())
        return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256, 1000])
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        print(measure(options.stage, options.port, options.trials, options.concurrency[0]))
        return
    with stub_server() as port:
        for concurrency in options.concurrency:
            compare(port, concurrency, options)


def compare(port: int, concurrency: int, options: argparse.Namespace) -> None:
    own = [sys.executable, str(Path(__file__).resolve()), "--port", str(port), "--trials", str(options.trials)]
    before = 0.0
    print(f"{options.trials} trials at no latency, {concurrency:,} in flight: ms of CPU a trial")
    for stage in STAGES:
        command = [*own, "--concurrency", str(concurrency), "--stage", stage]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
        least = min(float(text) for text in runs) / options.trials * 1000
        print(f"  {stage:<22} {least:.3f}   {least - before:+.3f}")
        before = least


if __name__ == "__main__":
    main()
