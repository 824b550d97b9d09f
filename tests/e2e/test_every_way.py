"""One experiment by every way that there is to run it: the canonical files are the same, byte for byte."""

import tempfile
from pathlib import Path

import pytest

from support.batch_server import BatchServer
from support.command import canonical_bytes, insidellms, records_of, write_files
from support.killed_batches import BASES
from support.ray_cluster import QUIET, RayCluster

pytest.importorskip("ray", reason="Ray is not installed: pip install 'insidellms[ray]'")
pytestmark = pytest.mark.timeout(1200)
"""A busy machine takes a minute to start a worker."""

EXPERIMENT = """
name: every way
model: {type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}}
probes: [{type: equals}, {type: contains, args: {any: ["3", "é"]}}]
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
gate: {min_pass_rate: 0.1}
"""
ROWS = [
    {"id": f"e{number}", "question": f"Käse {number % 17}", "answer": f"KÄSE {number % 5}", "kind": number % 3}
    for number in range(40)
]
WAYS = {
    "local": [()],
    "one at a time": [("--concurrency", "1")],
    "processes": [("--processes", "2")],
    "shards": [("--shard", f"{number}/4") for number in (3, 1, 4, 2)],
    "ray-2": [("--executor", "ray", "--ray-workers", "2", "--ray-address")],
    "ray-4": [("--executor", "ray", "--ray-workers", "4", "--ray-address")],
    "batch": [("--batch",)],
}


@pytest.fixture(scope="module")
def cluster():
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, RayCluster(Path(folder, "r")) as running:
        yield running


@pytest.mark.parametrize("provider", BASES)
def test_every_way_to_run_an_experiment_gives_the_same_canonical_files(tmp_path, cluster, provider):
    found, asked = {}, {}
    with BatchServer() as server:
        text = EXPERIMENT.replace("TYPE", provider).replace("URL", server.url + BASES[provider])
        write_files(tmp_path, {"e.yaml": text, "data.jsonl": ROWS})
        for way, commands in WAYS.items():
            before = len(server.single)
            for number, options in enumerate(commands):
                place = way if len(commands) == 1 else f"{way}-{number}"
                last = (cluster.address,) if "--ray-address" in options else ()
                done = insidellms(
                    "run", "e.yaml", "--run-dir", place, *options, *last, cwd=tmp_path, env=QUIET, timeout=600
                )
                assert done.code == 0, (way, done.err)
            if len(commands) > 1:
                parts = [f"{way}-{number}" for number in range(len(commands))]
                assert insidellms("merge", *parts, "--to", way, cwd=tmp_path).code == 0
            found[way], asked[way] = canonical_bytes(tmp_path / way), len(server.single) - before
        batched = sum(len(job.requests) for job in server.jobs)
    assert {way: files == found["local"] for way, files in found.items()} == dict.fromkeys(WAYS, True)
    assert len(records_of(tmp_path / "local")) == 2 * 2 * len(ROWS)
    assert {**asked, "batch": batched} == dict.fromkeys(WAYS, 2 * 17)
