"""The recipes of docs/scale.md are run as they stand there, under the variables that each scheduler sets."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.command import canonical_bytes, environment, insidellms, write_files
from support.documents import recipe

EXPERIMENT = """
models: [{type: dummy}]
probes: [{type: contains, args: {any: [e1]}}]
dataset: {format: jsonl, path: data.jsonl}
"""
COUNT = 4


def shell(script, folder, **variables):
    commands = environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin", **variables)
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=commands, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": f"e{number}", "prompt": f"q{number}"} for number in range(12)]
    write_files(tmp_path, {"experiment.yaml": EXPERIMENT, "data.jsonl": rows})
    assert insidellms("run", "experiment.yaml", "--run-dir", "whole", cwd=tmp_path).code == 0
    return tmp_path


def is_whole(folder):
    return canonical_bytes(folder / "run") == canonical_bytes(folder / "whole")


def test_slurm(folder):
    script, array = recipe("scale.md", "#SBATCH"), {"MIN": 1, "MAX": COUNT, "COUNT": COUNT, "STEP": 1}
    assert f"--array=1-{COUNT}\n" in script
    for task in range(1, COUNT + 1):
        numbers = {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in {**array, "ID": task}.items()}
        shell(script, folder, **numbers)
    submitted = 'sbatch() { case "$1" in --parsable) echo 1;; *) sh -c "$3";; esac; }\n'
    shell(submitted + recipe("scale.md", "sbatch --parsable"), folder)
    assert is_whole(folder)


def test_kubernetes(folder):
    job = yaml.safe_load(recipe("scale.md", "kind: Job"))
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    assert (job["apiVersion"], spec["completionMode"], spec["completions"]) == ("batch/v1", "Indexed", COUNT)
    assert given["JOB_COMPLETIONS"] == str(COUNT)
    assert [each["name"] for each in container["volumeMounts"]] == [each["name"] for each in pod["volumes"]]
    for index in (*range(COUNT), 0):  # a pod that is started again goes on
        shell(container["command"][2], folder, **{**given, "RUNS": "shards", "JOB_COMPLETION_INDEX": str(index)})
    shell("insidellms merge shards/* --to run", folder)
    assert is_whole(folder)


def test_github(folder):
    jobs = yaml.safe_load(recipe("scale.md", "workflow_dispatch"))["jobs"]
    shards, merging = jobs["shard"]["strategy"]["matrix"]["shard"], jobs["merge"]["steps"]
    assert shards == list(range(1, COUNT + 1))
    (command,) = [step["run"] for step in jobs["shard"]["steps"] if "insidellms run" in step.get("run", "")]
    (upload,) = [step["with"] for step in jobs["shard"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["include-hidden-files"] is True
    for shard in shards:
        typed = command.replace("${{ matrix.shard }}", str(shard)).replace("${{ strategy.job-total }}", str(COUNT))
        shell(typed, folder)
        uploaded = folder / "shards" / upload["name"].replace("${{ matrix.shard }}", str(shard))
        uploaded.parent.mkdir(exist_ok=True)
        (folder / upload["path"]).rename(uploaded)
    shell(merging[-1]["run"], folder)
    assert is_whole(folder)


def test_gitlab(folder):
    jobs = yaml.safe_load(recipe("scale.md", "parallel: 4\n  script"))
    assert jobs["shard"]["parallel"] == COUNT
    for index in range(1, COUNT + 1):
        shell(jobs["shard"]["script"][-1], folder, CI_NODE_INDEX=str(index), CI_NODE_TOTAL=str(COUNT))
    shell(jobs["merge"]["script"][-1], folder)
    assert is_whole(folder)


@pytest.mark.parametrize(
    ("part", "schema"),
    [("workflow_dispatch", "vendor.github-workflows"), ("parallel: 4\n  script", "vendor.gitlab-ci")],
)
def test_the_files_are_as_their_schemas_say(tmp_path, part, schema):
    (tmp_path / "file.yml").write_text(recipe("scale.md", part))
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(tmp_path / "file.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
