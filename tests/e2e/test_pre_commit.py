"""The pre-commit hook: which files it takes, and what it says of them, run by the real pre-commit."""

import re
import subprocess
import sys

import pytest
import yaml

from support.command import environment, insidellms, write_files
from support.documents import ROOT

(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
GOOD = """
name: a
model: {type: openai, args: {model_name: m}}
probe: {type: contains, args: {any: [a]}}
dataset: {path: q.jsonl}
"""
FILES = {"evals/experiment.yaml": GOOD, "evals/q.jsonl": [{"id": "a", "prompt": "a?"}]}
FILES |= {"evals/support.experiment.yaml": GOOD.replace("probe", "prob"), "evals/experiment.schema.json": "{}"}


@pytest.mark.parametrize(
    ("path", "is_taken"),
    [
        ("experiment.yaml", True), ("evals/experiment.yml", True), ("a/support.experiment.json", True),
        ("my-experiment.toml", True), ("experiment.schema.json", False), ("config.resolved.yaml", False),
        ("experiments/q.jsonl", False), ("experiment.py", False), ("notanexperiment.yaml", False),
    ],
)  # fmt: skip
def test_the_hook_takes_experiment_files_alone(path, is_taken):
    assert bool(re.search(HOOK["files"], path)) is is_taken


def test_several_files_are_all_checked_and_one_bad_one_is_enough(tmp_path):
    write_files(tmp_path, FILES)
    done = insidellms("validate", "evals/support.experiment.yaml", "evals/experiment.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "did you mean 'probe'" in done.err
    assert "evals/experiment.yaml is valid" in done.out
    done = insidellms("validate", "evals/experiment.yaml", "evals/experiment.yaml", "--json", cwd=tmp_path)
    assert (done.code, "--json" in done.err) == (1, True)


def test_pre_commit_runs_the_hook_on_staged_files(tmp_path):
    pytest.importorskip("pre_commit")
    hook = {**HOOK, "language": "system", "entry": f"{sys.executable} -m insideLLMs validate"}  # not installed again
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    write_files(tmp_path, {**FILES, ".pre-commit-config.yaml": yaml.safe_dump(config)})
    env = environment(HOME=str(tmp_path), PRE_COMMIT_HOME=str(tmp_path / "cache"))
    for args in (["init", "-q"], ["add", "evals"]):
        subprocess.run(["git", *args], cwd=tmp_path, env=env, check=True, timeout=60)
    run = [sys.executable, "-m", "pre_commit", "run", HOOK["id"], "--all-files"]
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "did you mean 'probe'" in done.stdout
    subprocess.run(["git", "rm", "-qf", "evals/support.experiment.yaml"], cwd=tmp_path, env=env, check=True, timeout=60)
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "Passed" in done.stdout) == (0, True), done.stdout
