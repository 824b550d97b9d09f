"""CPU and wall time of a run against the same calls through OpenAI's official client.

    python benchmarks/against_sdk.py [--trials 1000] [--concurrency 64]

The client is installed into an environment of its own in a temporary folder. Prints the ratio of CPU a trial, on top
of start-up, and of start-up itself. The client only asks; the run scores, journals and seals too.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from engine_throughput import EXPERIMENT, timed
from stub_server import stub_server

CLIENT = """
import asyncio, sys
from openai import AsyncOpenAI, __version__

async def main(url, trials, concurrency):
    numbers = iter(range(trials))
    async with AsyncOpenAI(base_url=url, api_key="none") as client:
        async def work():
            for number in numbers:
                await client.chat.completions.create(
                    model="stub", messages=[{"role": "user", "content": f"Question {number}"}]
                )
        await asyncio.gather(*(work() for _ in range(concurrency)))

print(__version__, flush=True)
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    with stub_server() as port, tempfile.TemporaryDirectory() as folder:
        compare(port, options, Path(folder))


def compare(port: int, options: argparse.Namespace, folder: Path) -> None:
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "openai"], check=True)
    (folder / "client.py").write_text(CLIENT)
    url = f"http://127.0.0.1:{port}/v1"
    cpu = {}
    for count in (1, options.trials):
        client = [python, "client.py", url, str(count), str(options.concurrency)]
        cpu["client", count] = min(timed(client, folder)[1] for _ in range(3))
        rows = "".join(f'{{"id": "{number:07}", "prompt": "Question {number}"}}\n' for number in range(count))
        (folder / "data.jsonl").write_text(rows)
        text = EXPERIMENT.format(port=port, data="data.jsonl", concurrency=options.concurrency)
        (folder / "e.yaml").write_text(text)
        run = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "run", "--overwrite", "--quiet"]
        cpu["run", count] = min(timed(run, folder)[1] for _ in range(3))
    each = {
        name: (cpu[name, options.trials] - cpu[name, 1]) / (options.trials - 1) * 1000 for name in ("client", "run")
    }
    version = subprocess.run([python, "-m", "pip", "show", "openai"], capture_output=True, text=True, check=True).stdout
    print(f"openai {version.splitlines()[1].partition(': ')[2]}, {options.trials} calls at no latency")
    print(f"  start-up     client {cpu['client', 1]:.2f} s, run {cpu['run', 1]:.2f} s of CPU")
    ratio = each["client"] / each["run"]
    print(f"  each call    client {each['client']:.3f} ms, run {each['run']:.3f} ms: ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
