"""Models on a cluster of Ray that are placed by what they ask for: in the worker's process, and behind a server."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from support.command import canonical_bytes, command_line, environment, write_files
from support.own_server import __file__ as own_server
from support.processes import stop, wait_until_gone
from support.ray_cluster import QUIET, RayCluster
from support.tiny_model import build, needs_torch

pytest.importorskip("ray", reason="Ray is not installed: pip install 'insidellms[ray]'")
pytestmark = pytest.mark.timeout(1200)

SERVED = f"""
  - type: served
    id: NAME
    args: {{model_name: NAME, command: [{sys.executable}, {own_server}, --port, "{{{{ port }}}}", --folder, FOLDER]}}
"""
TAIL = """
probe: {type: contains, args: {any: ["7"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 2}
"""
ROWS = [{"id": f"e{number:03}", "prompt": f"Question {number}"} for number in range(2)]


@pytest.fixture(scope="module")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a socket's path has 107 letters at most
    with RayCluster(folder, gpus=2) as running:
        yield running
    shutil.rmtree(folder)


def served(folder, name, **resources):
    (folder / name).mkdir()
    entry = SERVED.replace("NAME", name).replace("FOLDER", str(folder / name))
    return f"{entry}    resources: {resources}\n"


def starts(folder, name):
    """Return the processes of each server of a model, and the GPUs that it was given."""
    lines = [line.split(" ") for line in (folder / name / "starts").read_text().splitlines()]
    return [(int(server), int(child), gpus) for server, child, gpus in lines]


def start(folder, name, *args):
    command, env = command_line("run", "e.yaml", "--run-dir", name, *args), environment(**QUIET)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=env, text=True, **pipes)


def finish(process, code=0):
    _, told = process.communicate()
    assert process.returncode == code, told
    return told


@needs_torch
def test_models_of_every_kind_are_placed_and_give_the_bytes_of_one_machine(tmp_path, cluster):
    """The last one takes both GPUs, so that it is asked once the others are done."""
    build(tmp_path / "tiny")
    models = f"""
models:
  - {{type: embedded, id: small, args: {{max_tokens: 2}}, resources: {{num_cpus: 2}}}}
  - type: transformers
    id: tiny
    args: {{model_name: tiny, path: {tmp_path / "tiny"}, max_tokens: 4}}
    resources: {{num_gpus: 1}}
"""
    models += served(tmp_path, "one", num_gpus=1, num_cpus=0) + served(tmp_path, "both", num_gpus=2, num_cpus=0)
    write_files(tmp_path, {"e.yaml": f"name: placed{models}{TAIL}", "data.jsonl": ROWS})
    finish(start(tmp_path, "alone"))
    alone = [starts(tmp_path, name) for name in ("one", "both")]
    assert [[gpus for _, _, gpus in each] for each in alone] == [[""], [""]]
    finish(start(tmp_path, "ray", "--executor", "ray", "--ray-address", cluster.address))
    assert canonical_bytes(tmp_path / "ray") == canonical_bytes(tmp_path / "alone")
    on_cluster = [starts(tmp_path, name)[1:] for name in ("one", "both")]
    assert [{gpus for _, _, gpus in each} for each in on_cluster] in ([{"0"}, {"0,1"}], [{"1"}, {"0,1"}])
    wait_until_gone(*(number for each in (*alone, *on_cluster) for *numbers, _ in each for number in numbers))


def test_each_worker_has_a_server_of_its_own_and_a_killed_one_takes_it_along(tmp_path, cluster):
    """No server is ready before the first ones were killed with their workers."""
    models = served(tmp_path, "own", num_gpus=1, num_cpus=0)
    (tmp_path / "own" / "closed").touch()
    write_files(tmp_path, {"e.yaml": f"name: served\nmodels:{models}{TAIL}", "data.jsonl": ROWS})
    process = start(tmp_path, "ray", "--executor", "ray", "--ray-address", cluster.address)
    while not (tmp_path / "own" / "starts").exists() and process.poll() is None:
        time.sleep(0.002)
    stop(process)  # without the driver nobody is hired meanwhile
    for worker in cluster.workers():
        os.kill(worker, signal.SIGKILL)
    (tmp_path / "own" / "closed").unlink()
    process.send_signal(signal.SIGCONT)
    finish(process)
    begun = starts(tmp_path, "own")
    assert len(begun) >= 2
    wait_until_gone(*(number for *numbers, _ in begun for number in numbers))
    finish(start(tmp_path, "alone"))
    assert canonical_bytes(tmp_path / "ray") == canonical_bytes(tmp_path / "alone")
