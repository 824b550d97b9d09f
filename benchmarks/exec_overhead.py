"""What a command of type `exec` costs beside a bare loop that starts the same program.

In turn, `--rounds` times: a loop over `asyncio.create_subprocess_exec`, one over `subprocess.run` on threads,
`CommandServer` by itself, and `insidellms run` as a user runs it (start-up, journal, scoring, sealing and reports
included). Prints the wall time of each trial; and of the run: its peak memory at a fifth of the trials and at all of
them, the most zombies (a process is one from its end until its parent looks) and open descriptors that it had at any
time, and what was left of it afterwards. CPU is not told: nobody counts that of processes which the kernel gathers.
Exits 1 where a process was left behind, memory grew with the trials, or a descriptor was left open for each.

    python benchmarks/exec_overhead.py [--trials 1000] [--concurrency 16] [--rounds 3]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM = "/bin/echo"
_END_S = 20.0
_MOST_GROWTH = 1.2
_DESCRIPTORS = 64
"""So many a run has open with nothing in flight, at the most."""
EXPERIMENT = {
    "name": "bench",
    "model": {"type": "exec", "args": {"command": [PROGRAM, "{{ question }}"]}},
    "probe": {"type": "contains", "args": {"any": ["7"]}},
    "dataset": {"path": "q.jsonl"},
}


async def bare_asyncio(trials: int, concurrency: int) -> None:
    """Ask as many questions with nothing around asyncio."""
    numbers = iter(range(trials))

    async def work() -> None:
        for number in numbers:
            process = await asyncio.create_subprocess_exec(
                PROGRAM, f"Question {number}",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            await process.communicate()

    await asyncio.gather(*(work() for _ in range(concurrency)))


def bare_threads(trials: int, concurrency: int) -> None:
    """Ask as many questions with nothing around the subprocess module."""

    def ask(number: int) -> None:
        command = [PROGRAM, f"Question {number}"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    with ThreadPoolExecutor(concurrency) as threads:
        list(threads.map(ask, range(trials)))


async def by_server(trials: int, concurrency: int) -> None:
    """Ask as many questions of the process that starts the commands of exec models."""
    from insideLLMs.sandbox.commands import Command, CommandServer

    server, numbers = CommandServer(), iter(range(trials))

    async def work() -> None:
        for number in numbers:
            await server.run(
                Command(
                    program=PROGRAM, arguments=(PROGRAM, f"Question {number}"), environment={}, folder="/",
                    stdin=None, output_bytes=1 << 20,
                )
            )  # fmt: skip

    await asyncio.gather(*(work() for _ in range(concurrency)))
    server.close()


class Watch:
    """What a process has at its worst: zombies below it, open descriptors."""

    def __init__(self, pid: int) -> None:
        self.zombies = self.descriptors = 0
        self.seen: set[tuple[int, str]] = set()
        self._pid, self._done = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.1):
            found = below(self._pid)
            self.seen |= {(pid, started) for pid, _, started in found}
            self.zombies = max(self.zombies, sum(state == "Z" for _, state, _ in found))
            try:
                self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{self._pid}/fd")))
            except OSError:  # it has ended
                return


def facts(pid: int) -> tuple[int, str, str] | None:
    """Return a process's parent, state and start; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0], fields[19]


def below(pid: int) -> list[tuple[int, str, str]]:
    """Return the processes below one, each with its state and when it started: numbers are used again."""
    known = {one: found for one in map(int, filter(str.isdigit, os.listdir("/proc"))) if (found := facts(one))}
    found, seen = [], {pid}
    while seen:
        seen = {one for one, (parent, _, _) in known.items() if parent in seen}
        found += [(one, *known[one][1:]) for one in seen]
    return found


def left_behind(watch: Watch) -> list[int]:
    """Return what still runs of what was seen, after the time that a busy machine may take to end it."""
    until = time.monotonic() + _END_S
    while left := [pid for pid, started in watch.seen if (facts(pid) or ("", "", ""))[2] == started]:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return left


def whole_run(folder: Path, trials: int, concurrency: int) -> tuple[int, Watch]:
    """Run the command; return its peak of resident bytes, and what else was seen of it."""
    rows = (json.dumps({"id": f"e{number}", "question": f"Question {number}"}) for number in range(trials))
    (folder / "q.jsonl").write_text("\n".join(rows))
    (folder / "e.json").write_text(json.dumps({**EXPERIMENT, "execution": {"concurrency": concurrency}}))
    command = [sys.executable, "-m", "insideLLMs", "run", "e.json", "--run-dir", "run", "--overwrite"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = Watch(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    watch.stop()
    if status:
        sys.exit("the run failed")
    return usage.ru_maxrss << 10, watch


def timed(name: str, trials: int, work: Callable[[], object]) -> float:
    """Print the wall time of a piece of work; return its seconds for each trial."""
    started = time.monotonic()
    work()
    wall = (time.monotonic() - started) / trials
    print(f"  {name:<28} {1000 * wall:7.2f} ms a trial")
    return wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("trials", 1000), ("concurrency", 16), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    size = given.trials, given.concurrency
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number in range(given.rounds):
            print(f"round {number + 1}: {given.trials:,} trials, {given.concurrency} in flight")
            bare = timed("bare asyncio", given.trials, lambda: asyncio.run(bare_asyncio(*size)))
            timed("bare subprocess on threads", given.trials, lambda: bare_threads(*size))
            served = timed("CommandServer", given.trials, lambda: asyncio.run(by_server(*size)))
            whole = timed("insidellms run", given.trials, lambda: whole_run(folder, *size))
            ratios.append((served / bare, whole / bare))
        few, _ = whole_run(folder, given.trials // 5, given.concurrency)
        many, watch = whole_run(folder, *size)
    left = left_behind(watch)
    served, whole = (sorted(column)[len(column) // 2] for column in zip(*ratios, strict=True))
    print(f"beside bare asyncio, wall, median of the rounds: CommandServer {served:.2f}, insidellms run {whole:.2f}")
    print(f"peak memory: {few >> 20} MB at {given.trials // 5:,} trials, {many >> 20} MB at {given.trials:,}")
    print(f"at the worst: {watch.zombies} zombies, {watch.descriptors} descriptors; left behind: {len(left)}")
    faults = {
        f"{len(left)} processes were left behind": bool(left),
        f"memory grew from {few >> 20} to {many >> 20} MB": many > few * _MOST_GROWTH,
        f"{watch.descriptors} descriptors were open": watch.descriptors > _DESCRIPTORS + 8 * given.concurrency,
    }
    sys.exit("; ".join(fault for fault, is_there in faults.items() if is_there) or 0)


if __name__ == "__main__":
    main()
