"""A run on a cluster of Ray: the bytes of one machine, whoever is killed, and no key anywhere."""

import base64
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support.command import canonical_bytes, command_line, environment, write_files
from support.documents import recipe, typed
from support.object_store import ObjectStore
from support.openai_server import OpenAIServer
from support.processes import stop
from support.ray_cluster import QUIET, RayCluster

pytest.importorskip("ray", reason="Ray is not installed: pip install 'insidellms[ray]'")
pytestmark = pytest.mark.timeout(1200)
"""A busy machine takes a minute to start a worker."""

ON_THIS_MACHINE, ON_A_CLUSTER = (words[3:] for words in typed(recipe("scale.md", "--executor ray  ")))
"""The options that the page types behind `insidellms run experiment.yaml`."""
KEY = "sk-canary-5a17c0ffee5a17"
KILLS = int(os.environ.get("INSIDELLMS_TEST_RAY_KILLS", "3"))
"""How many workers are killed in one run; the acceptance figure is 20."""
CONCURRENCY, TRIALS = 4, 240

EXPERIMENT = """
name: cluster
models:
  - {type: openai, id: stub, args: {model_name: stub, base_url: 'http://127.0.0.1:PORT/v1',
       api_key_env: CANARY_KEY, headers: {X-Canary: '${CANARY_KEY}'}}}
  - {type: 'own/mine.py:Mine', id: own, resources: {num_cpus: 1, custom: {}}}
probes:
  - {type: 'own/probe.py:Short'}
  - {type: contains, args: {any: ["7"]}}
dataset: {path: data.jsonl}
execution: {concurrency: 4}
"""
MODEL = """
class Mine:
    def __init__(self, name="mine", model_id=None):
        self.name, self.model_id = name, model_id

    def generate(self, prompt, **options):
        return prompt.upper()
"""
PROBE = """
from insideLLMs import PromptProbe, Request, Scores

class Short(PromptProbe):
    def request(self, example):
        return Request.of(example.input)

    def score(self, example, response):
        return Scores.of(len(response.text) < 25)
"""
ROWS = [{"id": f"e{number:03}", "prompt": f"Question {number % 50}"} for number in range(TRIALS // 4)]


@pytest.fixture(scope="module")
def server():
    with OpenAIServer(latency_s=0.05, require_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a socket's path has 107 letters at most
    with RayCluster(folder, environment={"CANARY_KEY": KEY}) as running:
        yield running
        assert list(with_key(running.texts())) == []
    shutil.rmtree(folder)


def with_key(texts):
    """Yield the names of the files that hold the key, however it is written, of those that a cluster has made."""
    key = KEY.encode()
    spellings = [key, key.hex().encode(), KEY[::-1].encode(), KEY.encode("utf-16-le")]
    spellings += [base64.b64encode(b"x" * shift + key)[4:-4] for shift in range(3)]
    for path, text in texts:
        if any(spelling in text for spelling in spellings):
            yield path.name


@pytest.mark.parametrize("spell", [bytes, bytes.hex, base64.b64encode])
def test_a_key_in_a_log_would_be_found(spell):
    written = spell(b"export CANARY_KEY=" + KEY.encode() + b"; ")
    text = written if isinstance(written, bytes) else written.encode()
    assert list(with_key([(Path("raylet.out"), text)])) == ["raylet.out"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("cluster")
    text = EXPERIMENT.replace("PORT", str(server.port))
    write_files(folder, {"e.yaml": text, "data.jsonl": ROWS, "own/mine.py": MODEL, "own/probe.py": PROBE})
    return folder


@pytest.fixture(scope="module")
def whole(folder, server):
    """Return the canonical bytes of the run on one machine, and how many calls it took; it records `whole.jsonl`."""
    finish(start(folder, "--run-dir", "whole", "--record", "whole.jsonl"))
    return canonical_bytes(folder / "whole"), len(server.prompts)


def start(folder, *args, experiment="e.yaml", **variables):
    return subprocess.Popen(
        command_line("run", experiment, *args),
        cwd=folder,
        env=environment(**{**QUIET, "CANARY_KEY": KEY, "INSIDELLMS_CACHE": str(folder / "cache"), **variables}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process, code=0):
    """Wait for the end of a run; return what it told."""
    _, told = process.communicate()
    assert process.returncode == code, told
    return told


def on(cluster, workers=2):
    *typed_before, _ = ON_A_CLUSTER
    return (*typed_before, cluster.address, "--ray-workers", workers)


def was_killed(pid):
    """Kill a process; say whether it was still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def wait_for_calls(server, process, count):
    while len(server.prompts) < count and process.poll() is None:
        time.sleep(0.002)


def test_four_workers_on_a_cluster_of_the_runs_own_give_the_bytes_of_one_machine(folder, server, whole):
    """Its folder is that of the system's temporary files, as every user has it."""
    before = len(server.prompts)
    finish(start(folder, *ON_THIS_MACHINE, "--run-dir", "four", "--ray-workers", 4))
    assert canonical_bytes(folder / "four") == whole[0]
    assert len(server.prompts) - before == whole[1]


def test_workers_killed_at_random_change_no_byte_and_ask_almost_nothing_twice(folder, cluster, server, whole):
    """What they have asked is in the driver's cache, so that a second run asks nothing."""
    before, chance = len(server.prompts), random.Random(20261129)
    process = start(folder, "--run-dir", "killed", "--cache", "read", *on(cluster))
    killed = 0
    for number in range(KILLS):
        wait_for_calls(server, process, before + 1 + number * (whole[1] // (KILLS + 1)))
        with contextlib.suppress(ChildProcessError):  # it may have ended
            stop(process)  # without the driver nobody goes on, so no run ends while a worker is chosen
        victims = cluster.workers()
        chance.shuffle(victims)
        killed += any(was_killed(pid) for pid in victims)
        process.send_signal(signal.SIGCONT)
    finish(process)
    assert killed
    assert canonical_bytes(folder / "killed") == whole[0]
    assert len(server.prompts) - before <= whole[1] + killed * CONCURRENCY
    before = len(server.prompts)
    finish(start(folder, "--run-dir", "cached", "--cache", "read", *on(cluster)))
    assert canonical_bytes(folder / "cached") == whole[0]
    assert len(server.prompts) == before


def test_workers_that_are_lost_with_the_last_trials_are_replaced(folder, cluster, server, whole):
    before, usual = len(server.prompts), server.latency_s
    process = start(folder, "--run-dir", "last", *on(cluster))
    try:
        wait_for_calls(server, process, before + whole[1] - 2)
        server.latency_s = 3.0  # the last ones are in flight when their workers are killed
        wait_for_calls(server, process, before + whole[1])
        victims = cluster.workers()
        assert all(was_killed(pid) for pid in victims)
        assert victims
    finally:
        server.latency_s = usual
    assert "a worker was lost" in finish(process)
    assert canonical_bytes(folder / "last") == whole[0]
    assert whole[1] < len(server.prompts) - before <= whole[1] + len(victims) * CONCURRENCY


def test_a_killed_driver_loses_nothing_that_was_answered(folder, cluster, server, whole):
    """Its cassette has the bytes of one machine's, and stands in for the models on a cluster too."""
    before, recording = len(server.prompts), ("--record", "ray.jsonl", *on(cluster))
    process = start(folder, "--run-dir", "resumed", *recording)
    wait_for_calls(server, process, before + whole[1] // 3)
    process.kill()
    process.communicate()
    finish(start(folder, "--run-dir", "resumed", "--resume", *recording))
    assert canonical_bytes(folder / "resumed") == whole[0]
    assert len(server.prompts) - before <= whole[1] + 2 * CONCURRENCY * 2
    assert (folder / "ray.jsonl").read_bytes() == (folder / "whole.jsonl").read_bytes()
    before = len(server.prompts)
    finish(start(folder, "--run-dir", "replayed", "--replay", "ray.jsonl", *on(cluster)))
    assert canonical_bytes(folder / "replayed") == whole[0]
    assert len(server.prompts) == before


def test_an_interrupted_run_can_be_resumed_and_says_how(folder, cluster, server, whole):
    before = len(server.prompts)
    process = start(folder, "--run-dir", "stopped", *on(cluster))
    wait_for_calls(server, process, before + 10)
    os.killpg(process.pid, signal.SIGINT)
    told = finish(process, 130)
    assert f"--run-dir stopped --resume --executor ray --ray-address {cluster.address} --ray-workers 2" in told
    finish(start(folder, "--run-dir", "stopped", "--resume"))
    assert canonical_bytes(folder / "stopped") == whole[0]
    assert len(server.prompts) - before == whole[1]


def test_an_interrupted_run_at_a_url_is_resumed_on_another_machine(folder, cluster, server, whole, tmp_path):
    with ObjectStore() as store:
        before, at_url = len(server.prompts), ("--run-dir", store.at("run"), *on(cluster))
        process = start(folder, *at_url, **store.machine(tmp_path / "one"))
        wait_for_calls(server, process, before + 10)
        os.killpg(process.pid, signal.SIGINT)
        assert f"--run-dir {store.at('run')} --resume --executor ray" in finish(process, 130)
        assert "run/manifest.json" not in store.all_keys()
        finish(start(folder, *at_url, "--resume", **store.machine(tmp_path / "two")))
        assert store.get("run/manifest.json") == whole[0]["manifest.json"]
        assert len(server.prompts) - before == whole[1]


def test_a_model_that_no_node_has_room_for_is_named_before_anything_is_asked(folder, cluster, server):
    write_files(folder, {"huge.yaml": (folder / "e.yaml").read_text().replace("custom: {}", "custom: {slot: 100}")})
    before = len(server.prompts)
    told = finish(start(folder, "--run-dir", "huge", *on(cluster), experiment="huge.yaml"), 1)
    assert "no node of the cluster has room for model 'own': it asks for CPU 1, slot 100" in told
    assert len(server.prompts) == before
