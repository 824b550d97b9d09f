"""What `--executor ray` refuses before a run is begun, without a cluster."""

import os

import pytest

from support.command import insidellms, write_files

EXPERIMENT = """
name: e
model: {type: dummy, resources: {num_cpus: 1}}
probe: {type: equals}
dataset: {format: jsonl, path: data.jsonl}
"""


ROWS = [{"id": "a", "question": "q", "answer": "a"}]


def run(folder, text=EXPERIMENT, **env):
    write_files(folder, {"e.yaml": text, "data.jsonl": ROWS})
    return insidellms("run", "e.yaml", "--executor", "ray", "--run-dir", "run", cwd=folder, env=env)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("raise ModuleNotFoundError(name='ray')", "which is not installed"),
        ("import no_such_part", "which cannot be imported: No module named 'no_such_part'"),
    ],
)
def test_without_ray_nothing_is_begun(tmp_path, module, told):
    write_files(tmp_path, {"stand_in/ray.py": module})
    path = os.pathsep.join([str(tmp_path / "stand_in"), os.environ.get("PYTHONPATH", "")])
    done = run(tmp_path, PYTHONPATH=path)
    assert (done.code, told in done.err, "insidellms[ray]" in done.err) == (1, True, True), done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["CPU", "GPU", "memory", "object_store_memory", "''"])
def test_a_resource_of_ones_own_has_a_name_of_ones_own(tmp_path, name):
    done = run(tmp_path, EXPERIMENT.replace("num_cpus", f"custom: {{{name}: 1}}, num_cpus"))
    assert (done.code, "is no name for a resource of your own" in done.err) == (1, True), done.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_resource_is_answered_with_those_that_there_are(tmp_path):
    done = run(tmp_path, EXPERIMENT.replace("num_cpus", "gpu"))
    assert (done.code, "known: num_cpus, num_gpus, custom" in done.err) == (1, True), done.err


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_a_cluster_that_is_not_there_leaves_the_run_that_was_and_the_next_try_needs_no_more(tmp_path, address):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'insidellms[ray]'")
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "data.jsonl": ROWS})
    there = "run", "e.yaml", "--executor", "ray", "--ray-address", address
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    done = insidellms(*there, "--run-dir", "new/run", "--record", "other/c.jsonl", cwd=tmp_path)
    assert (done.code, f"cannot join the cluster {address}" in done.err, "--resume" in done.err) == (1, True, False)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before
    assert insidellms("run", "e.yaml", "--run-dir", "new/run", cwd=tmp_path).code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "new" / "run").iterdir()}
    assert insidellms(*there, "--run-dir", "new/run", "--overwrite", cwd=tmp_path).code == 1
    assert {path: path.read_bytes() for path in (tmp_path / "new" / "run").iterdir()} == before
