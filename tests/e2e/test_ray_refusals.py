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


def run(folder, text=EXPERIMENT, **env):
    write_files(folder, {"e.yaml": text, "data.jsonl": [{"id": "a", "question": "q", "answer": "a"}]})
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
