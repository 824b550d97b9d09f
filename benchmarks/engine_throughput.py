"""How close a whole run comes to the ideal, next to a bare client of the same HTTP library.

One server process answers after a fixed latency. Against it, in turn: a bare aiohttp client that keeps
nothing, and `insidellms run` as a user runs it (start-up, journal, scoring, sealing and reports included).
Prints wall time against the ideal (trials x latency / concurrency) and CPU per trial on top of start-up.

    python benchmarks/engine_throughput.py [--trials 2000] [--latency-ms 50] [--concurrency 64] [--rounds 3]
        [--template 'Q: {{ question }}']
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stub_server import stub_server

EXPERIMENT = """
name: bench
model: {{type: openai, id: m, args: {{model_name: stub, base_url: 'http://127.0.0.1:{port}/v1'}}}}
probe: {{type: contains, args: {{any: ["7"]{template}}}}}
dataset: {{format: jsonl, path: {data}}}
execution: {{concurrency: {concurrency}}}
"""


def bare_client(url: str, trials: int, concurrency: int) -> None:
    """Ask as many questions with nothing around the HTTP library."""
    import aiohttp

    async def worker(session: aiohttp.ClientSession, numbers: "iter[int]") -> None:
        for number in numbers:
            body = json.dumps({"model": "stub", "messages": [{"role": "user", "content": f"Question {number}"}]})
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                json.loads(await answer.read())["choices"][0]["message"]["content"]

    async def main() -> None:
        numbers = iter(range(trials))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(worker(session, numbers) for _ in range(concurrency)))

    asyncio.run(main())


def timed(command: list[str], cwd: Path) -> tuple[float, float, int]:
    """Run a process; return wall seconds, CPU seconds and peak resident kilobytes."""
    # modules are compiled once, as an installation does, and not at every start
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--template", help="of the probe, as in 'Q: {{ question }}'")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare_client(options.bare, options.trials, options.concurrency)
        return
    with stub_server("--latency-ms", str(options.latency_ms)) as port, tempfile.TemporaryDirectory() as folder:
        compare(port, options, Path(folder))


def compare(port: int, options: argparse.Namespace, folder: Path) -> None:
    template = f", template: {json.dumps(options.template)}" if options.template else ""

    def experiment(name: str, trials: int) -> str:
        rows = (json.dumps({"id": f"{n:07}", "prompt": f"Question {n}"}) for n in range(trials))
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
        text = EXPERIMENT.format(port=port, data=f"{name}.jsonl", concurrency=options.concurrency, template=template)
        (folder / f"{name}.yaml").write_text(text)
        return f"{name}.yaml"

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    run = [sys.executable, "-m", "insideLLMs", "run"]
    bare = [sys.executable, str(Path(__file__).resolve()), "--bare", url, "--concurrency", str(options.concurrency)]
    full, one = experiment("full", options.trials), experiment("one", 1)
    ideal = options.trials * options.latency_ms / 1000 / options.concurrency
    print(f"{options.trials} trials, {options.latency_ms:g} ms, concurrency {options.concurrency}: ideal {ideal:.2f} s")
    best: dict[str, tuple[float, float, int]] = {}
    for number in range(options.rounds):
        measured = {
            "bare client": timed([*bare, "--trials", str(options.trials)], folder),
            "bare client, 1 call": timed([*bare, "--trials", "1"], folder),
            "insidellms run": timed([*run, full, "--run-dir", f"full{number}"], folder),
            "insidellms run, 1 trial": timed([*run, one, "--run-dir", f"one{number}"], folder),
        }
        for name, (wall, cpu, rss) in measured.items():
            kept = best.get(name, (wall, cpu, rss))
            best[name] = (min(wall, kept[0]), min(cpu, kept[1]), max(rss, kept[2]))
    for name, (wall, cpu, rss) in best.items():
        print(f"  {name:<24} wall {wall:5.2f} s   cpu {cpu:5.2f} s   peak {rss / 1024:4.0f} MB")
    for name, start in (("bare client", "bare client, 1 call"), ("insidellms run", "insidellms run, 1 trial")):
        wall, cpu, _ = best[name]
        per_trial = (cpu - best[start][1]) / options.trials * 1000
        print(f"{name}: {ideal / wall:.0%} of ideal, start-up included; {per_trial:.3f} ms of CPU a trial on top of it")


if __name__ == "__main__":
    main()
