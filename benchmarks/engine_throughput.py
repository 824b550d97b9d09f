"""How close a whole run comes to the ideal, next to a bare client of the same HTTP library.

One server process answers after a fixed latency. Against it, in turn: a bare aiohttp client that keeps
nothing, and `insidellms run` as a user runs it (start-up, journal, scoring, sealing and reports included).
Prints wall time against the ideal (trials x latency / concurrency) and CPU per trial on top of start-up.

    python benchmarks/engine_throughput.py [--trials 2000] [--latency-ms 50] [--concurrency 64] [--rounds 3]
        [--template 'Q: {{ question }}'] [--beside SRC [--template-beside 'Q: {question}']]

With `--beside`, the sources of another version in the folder SRC run in turn with these, in the same environment, and
their ratio is printed.
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


def timed(command: list[str], cwd: Path, source: str | None = None) -> tuple[float, float, int]:
    """Run a process, of other sources if given; return wall seconds, CPU seconds and peak resident kilobytes."""
    # modules are compiled once, as an installation does, and not at every start
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if source is not None:
        environ["PYTHONPATH"] = source
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
    parser.add_argument("--beside", type=Path, metavar="SRC", help="sources of another version, to be measured in turn")
    parser.add_argument("--template-beside", help="the same template in the spelling of that version")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare_client(options.bare, options.trials, options.concurrency)
        return
    with stub_server("--latency-ms", str(options.latency_ms)) as port, tempfile.TemporaryDirectory() as folder:
        compare(port, options, Path(folder))


def compare(port: int, options: argparse.Namespace, folder: Path) -> None:
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    bare = [sys.executable, str(Path(__file__).resolve()), "--bare", url, "--concurrency", str(options.concurrency)]
    versions = {"insidellms run": (None, options.template)}
    if options.beside is not None:
        versions["the other version"] = (str(options.beside.resolve()), options.template_beside)
    ideal = options.trials * options.latency_ms / 1000 / options.concurrency
    print(f"{options.trials} trials, {options.latency_ms:g} ms, concurrency {options.concurrency}: ideal {ideal:.2f} s")
    best: dict[str, tuple[float, float, int]] = {}

    def measure(name: str, command: list[str], source: str | None = None) -> None:
        wall, cpu, rss = timed(command, folder, source)
        kept = best.get(name, (wall, cpu, rss))
        best[name] = (min(wall, kept[0]), min(cpu, kept[1]), max(rss, kept[2]))

    for number in range(options.rounds):
        for trials, what in ((options.trials, ""), (1, ", 1 trial")):
            measure(f"bare client{what}", [*bare, "--trials", str(trials)])
            for name, (source, template) in versions.items():
                file = experiment(folder, f"{name.split()[-1]}{trials}", trials, template, port, options.concurrency)
                run = [sys.executable, "-m", "insideLLMs", "run", file, "--run-dir", f"{file}-{number}"]
                measure(f"{name}{what}", run, source)
    for name, (wall, cpu, rss) in best.items():
        print(f"  {name:<26} wall {wall:5.2f} s   cpu {cpu:5.2f} s   peak {rss / 1024:4.0f} MB")
    per_trial = {
        name: (best[name][1] - best[f"{name}, 1 trial"][1]) / options.trials * 1000 for name in best if "," not in name
    }
    for name, cpu_ms in per_trial.items():
        wall = best[name][0]
        print(f"{name}: {ideal / wall:.0%} of ideal, start-up included; {cpu_ms:.3f} ms of CPU a trial on top of it")
    if options.beside is not None:
        ours, theirs = "insidellms run", "the other version"
        wall, cpu = best[ours][0] / best[theirs][0] - 1, per_trial[ours] / per_trial[theirs] - 1
        print(f"beside the other version: wall {wall:+.1%}, CPU a trial {cpu:+.1%}")


def experiment(folder: Path, name: str, trials: int, template: str | None, port: int, concurrency: int) -> str:
    """Write an experiment with as many trials, and return the name of its file."""
    rows = (json.dumps({"id": f"{n:07}", "prompt": f"Question {n}"}) for n in range(trials))
    (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    argument = f", template: {json.dumps(template)}" if template else ""
    text = EXPERIMENT.format(port=port, data=f"{name}.jsonl", concurrency=concurrency, template=argument)
    (folder / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"


if __name__ == "__main__":
    main()
