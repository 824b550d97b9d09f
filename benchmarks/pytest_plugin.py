"""What the pytest plug-in costs and saves: start-up with and without it, and 60 tests against one `run_probe` a test.

    python benchmarks/pytest_plugin.py [--tests 60] [--latency-ms 50] [--rounds 3]

A local server answers after the latency and counts calls and connections. Both ways are run in turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from stub_server import stub_server

HOOKS = "insideLLMs.pytest_plugin.hooks"
PLUGIN = """
import pytest
from insideLLMs.checks import contains

@pytest.mark.llm_dataset("cases.csv")
def test_it(case, answer):
    assert answer.passes(contains(any=case.expected))
"""
ONE_EACH = """
import csv, os, pytest
from insideLLMs import ContainsProbe, OpenAIModel, run_probe

CASES = list(csv.DictReader(open("cases.csv")))
MODEL = OpenAIModel("m", base_url=os.environ["BASE_URL"])

@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_it(case):
    (result,) = run_probe(MODEL, ContainsProbe(any=[case["answer"]]), [case["question"]])
    assert result.passed
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=60)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        with stub_server("--latency-ms", str(options.latency_ms)) as port:
            base_url = f"http://127.0.0.1:{port}/v1"
            write_project(project, options.tests, base_url)
            start_up(project, options.rounds)
            compare(project, base_url, options.rounds)


def write_project(project: Path, tests: int, base_url: str) -> None:
    rows = "".join(f"c{number},question {number}?,question {number}\n" for number in range(tests))
    (project / "cases.csv").write_text(f"id,question,answer\n{rows}")
    args = f'{{model_name = "m", base_url = "{base_url}"}}'
    (project / "pyproject.toml").write_text(f'[tool.insidellms.pytest]\nmodel = {{type = "openai", args = {args}}}\n')
    for name, code in (("plugin", PLUGIN), ("each", ONE_EACH), ("empty", "def test_it(): pass\n")):
        (project / f"test_{name}.py").write_text(code)


def start_up(project: Path, rounds: int) -> None:
    """Print what loading the plug-in costs a session that does not use it, in processor time."""
    seconds: dict[str, list[float]] = {"without the plug-in": [], "with it": []}
    for _ in range(max(5, rounds)):
        for name, found in seconds.items():
            plugins = ["-p", HOOKS] if name == "with it" else []
            found.append(run(project, [*plugins, "test_empty.py"])[1])
    for name, found in seconds.items():
        print(f"start-up {name}: {statistics.median(found):.3f} s of CPU (median of {len(found)})")


def compare(project: Path, base_url: str, rounds: int) -> None:
    """Print both ways in turns, with the calls and connections that each took."""
    ways = {
        "one run_probe a test": ["test_each.py"],
        "plug-in, live": ["-p", HOOKS, "test_plugin.py", "--llm=live"],
        "plug-in, live, 4 workers": ["-p", HOOKS, "-n", "4", "test_plugin.py", "--llm=live"],
        "plug-in, record": ["-p", HOOKS, "test_plugin.py", "--llm=record"],
        "plug-in, replay": ["-p", HOOKS, "test_plugin.py", "--llm=replay"],
        "plug-in, replay, 4 workers": ["-p", HOOKS, "-n", "4", "test_plugin.py", "--llm=replay"],
    }
    figures: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, arguments in ways.items():
            before = stats(base_url)
            wall, cpu = run(project, arguments, BASE_URL=base_url)
            after = stats(base_url)
            calls = after["requests"] - before["requests"]
            connections = after["connections"] - before["connections"] - 1  # one asked for the figures
            figures[name].append((wall, cpu, calls, connections))
    for name, found in figures.items():
        wall, cpu, calls, connections = map(statistics.median, zip(*found, strict=True))
        print(f"{name:28} {wall:6.2f} s  {cpu:6.2f} s of CPU  {calls:3.0f} calls  {connections:3.0f} connections")


def run(project: Path, arguments: list[str], **extra: str) -> tuple[float, float]:
    """Return the wall and processor seconds of a session, all of whose tests must pass."""
    environment = {**os.environ, "OPENAI_API_KEY": "none", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **extra}
    environment.pop("CI", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", *arguments]
    started, before = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - started, cpu


def stats(base_url: str) -> dict[str, int]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as answer:
        found: dict[str, int] = json.load(answer)
        return found


if __name__ == "__main__":
    main()
