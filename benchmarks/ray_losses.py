"""What a run on a cluster of Ray keeps when workers, drivers and a whole node are lost.

    python benchmarks/ray_losses.py workers last drivers node

`workers`: 20 workers of one run are killed at random. `last`: in 5 runs all workers are killed while the last trials
are asked. `drivers`: the command is killed at 10 random moments, and resumed. `node`: one of two nodes is in a network
namespace of its own and cut off for 30 s; that needs root and `ip`. Each prints the calls beyond those of a run on one
machine, beside the most that were in flight when something was lost, and whether the canonical files are the same.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.command import canonical_bytes, command_line, environment, write_files
from support.openai_server import Connection, OpenAIServer
from support.ray_cluster import QUIET, RayCluster

CONCURRENCY, EXAMPLES, LATENCY_S = 4, 1500, 0.25
WORKERS = 2
CUT_S = 30
SLOW_S = 3.0
FEW = 200
"""Examples of the runs whose last trials are lost."""
EXPERIMENT = """
name: losses
model: {type: openai, id: m, args: {model_name: stub, base_url: 'http://HOST:PORT/v1'}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 4}
"""
HOST, GUEST, SPACE = "10.77.0.1", "10.77.0.2", "insidellms-node"


class OpenToAll(OpenAIServer):
    """A server that other nodes reach, too."""

    async def start(self, port=0):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "0.0.0.0", port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]


class Trial:
    """A folder with an experiment, the server that it asks, and what one machine makes of it."""

    def __init__(self, folder, server, host, examples):
        self.folder, self.server = folder, server
        rows = [{"id": f"e{number:05}", "prompt": f"Question {number}"} for number in range(examples)]
        text = EXPERIMENT.replace("HOST", host).replace("PORT", str(server.port))
        write_files(folder, {"e.yaml": text, "data.jsonl": rows})
        self.examples = examples
        self.finish(self.start("--run-dir", "whole", "--concurrency", 64))
        self.whole = canonical_bytes(folder / "whole")

    @property
    def calls(self):
        return len(self.server.prompts)

    def start(self, *args):
        command, env = command_line("run", "e.yaml", "--quiet", *args), environment(**QUIET, OPENAI_API_KEY="none")
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=env, text=True, **pipes)

    def finish(self, process):
        _, told = process.communicate()
        assert process.returncode == 0, told
        return told

    def wait_for(self, calls, process):
        while self.calls < calls and process.poll() is None:
            time.sleep(0.005)

    def report(self, name, run, before, lost, seconds):
        extra, most = self.calls - before - self.examples, lost * CONCURRENCY
        same = canonical_bytes(self.folder / run) == self.whole
        print(f"{name}: {lost} lost, {extra} extra calls (at most {most}), same bytes: {same}, {seconds:.0f} s")
        return same and extra <= most


def on(address):
    return ("--executor", "ray", "--ray-address", address, "--ray-workers", WORKERS)


def kill_workers(trial, cluster, kills):
    """Kill workers that have begun, each after a random number of further calls."""
    before, started, chance, killed = trial.calls, time.time(), random.Random(20261129), 0
    process = trial.start("--run-dir", "workers", *on(cluster.address))
    while killed < kills and process.poll() is None:
        trial.wait_for(trial.calls + 1 + chance.randrange(trial.examples // (2 * kills)), process)
        victims = cluster.workers()
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
                killed += 1
    trial.finish(process)
    return trial.report("workers", "workers", before, killed, time.time() - started)


def kill_last(trial, cluster, runs):
    """Kill all workers of a run while its last trials are asked, in several runs."""
    results = []
    for number in range(runs):
        before, started, name = trial.calls, time.time(), f"last{number}"
        process = trial.start("--run-dir", name, *on(cluster.address))
        trial.wait_for(before + trial.examples - 1 - number, process)
        trial.server.latency_s = SLOW_S
        trial.wait_for(before + trial.examples, process)
        victims = cluster.workers()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        trial.server.latency_s = LATENCY_S
        trial.finish(process)
        results.append(trial.report(name, name, before, len(victims), time.time() - started) and bool(victims))
    return all(results)


def kill_drivers(trial, cluster, kills):
    """Kill the command at random moments, also while it starts, and resume it."""
    before, started, chance, killed = trial.calls, time.time(), random.Random(20261130), 0
    while True:
        resume = ["--resume"] if (trial.folder / "drivers").exists() else []
        process = trial.start("--run-dir", "drivers", *resume, *on(cluster.address))
        if killed < kills:
            trial.wait_for(trial.calls + chance.randrange(trial.examples // (2 * kills)), process)
            time.sleep(chance.random() * LATENCY_S)
            process.kill()
            killed += process.wait() == -signal.SIGKILL
        _, told = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told
    return trial.report("drivers", "drivers", before, killed, time.time() - started)


def ip(*words, check=True):
    subprocess.run(["ip", *words], check=check, capture_output=not check)


@contextlib.contextmanager
def namespace():
    """Make a network namespace that reaches this machine by one cable."""
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", "insidellms0", "type", "veth", "peer", "name", "insidellms1", "netns", SPACE)
        ip("addr", "add", f"{HOST}/24", "dev", "insidellms0")
        ip("link", "set", "insidellms0", "up")
        for words in (["addr", "add", f"{GUEST}/24", "dev", "insidellms1"], ["link", "set", "insidellms1", "up"],
                      ["link", "set", "lo", "up"]):  # fmt: skip
            ip("-n", SPACE, *words)
        yield
    finally:
        ip("netns", "del", SPACE)
        ip("link", "del", "insidellms0", check=False)


def cut_node(folder):
    """Cut one of two nodes off for CUT_S in the middle of a run."""
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    ray += ["--object-store-memory=80000000"]
    env = environment(**QUIET, OPENAI_API_KEY="none")
    head = [*ray, "--head", f"--node-ip-address={HOST}", "--port=6399", "--include-dashboard=false"]
    head += [f"--temp-dir={folder}/r"]
    node = ["ip", "netns", "exec", SPACE, *ray, f"--address={HOST}:6399", f"--node-ip-address={GUEST}"]
    with namespace(), OpenToAll(latency_s=LATENCY_S) as server:
        trial = Trial(folder / "t", server, HOST, 1500)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}
        with subprocess.Popen(head, **quiet) as first:
            time.sleep(15)  # until the node serves; without the dashboard nothing says so
            with subprocess.Popen(node, **quiet) as second:
                try:
                    time.sleep(15)  # likewise
                    before, started = trial.calls, time.time()
                    process = trial.start("--run-dir", "node", *on(f"{HOST}:6399"))
                    trial.wait_for(before + 300, process)
                    ip("link", "set", "insidellms0", "down")
                    time.sleep(CUT_S)
                    ip("link", "set", "insidellms0", "up")
                    lost = trial.finish(process).count("a worker was lost")
                    return trial.report("node", "node", before, lost, time.time() - started)
                finally:
                    second.terminate()
                    first.terminate()


def main():
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=["workers", "last", "drivers", "node"])
    parser.add_argument("--worker-kills", type=int, default=20)
    parser.add_argument("--driver-kills", type=int, default=10)
    parser.add_argument("--last-kills", type=int, default=5)
    options = parser.parse_args()
    results = []
    if {"workers", "last", "drivers"} & {*options.parts}:
        folder = Path(tempfile.mkdtemp(prefix="ray-"))
        with OpenAIServer(latency_s=LATENCY_S) as server, RayCluster(folder / "r") as cluster:
            trial = Trial(folder / "t", server, "127.0.0.1", EXAMPLES)
            if "workers" in options.parts:
                results.append(kill_workers(trial, cluster, options.worker_kills))
            if "last" in options.parts:
                results.append(kill_last(Trial(folder / "few", server, "127.0.0.1", FEW), cluster, options.last_kills))
            if "drivers" in options.parts:
                results.append(kill_drivers(trial, cluster, options.driver_kills))
        shutil.rmtree(folder, ignore_errors=True)
    if "node" in options.parts:
        folder = Path(tempfile.mkdtemp(prefix="ray-"))
        results.append(cut_node(folder))
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
