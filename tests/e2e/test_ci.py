"""The steps of the CI files that `init --ci` writes, run on the sample repository, without keys."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.ci_sample import GITLAB, SAMPLE, WORKFLOW, git
from support.command import insidellms
from support.comment_server import CommentServer
from support.github_actions import Runner, evaluate, github, runner_environment

MARKER = "<!-- insidellms:support -->"


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


COMMANDS = "$(touch hacked)`touch hacked`'; touch hacked; '\"; touch hacked; \""


@pytest.mark.parametrize("name", [COMMANDS, "a b", "", "../x", "-x\n::set-output"])
def test_a_name_never_becomes_a_command(run, repository, name, tmp_path):
    path = repository / WORKFLOW
    path.write_text(path.read_text().replace('name: "support"', f"name: {json.dumps(name)}"))
    job = run("gate")
    assert job.outcome == "failure"
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("field", ["experiment", "cassette", "pool"])
def test_a_path_never_becomes_a_command(run, repository, field, tmp_path):
    path = repository / WORKFLOW
    text = re.sub(rf'{field}: "[^"]*"', lambda _: f"{field}: {json.dumps(COMMANDS)}", path.read_text())
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a == 'x' && b", "yes"), ("!a", False), ("a != 'x' || b", "yes"), ("(a == 'y') && b", False), ("none.at", ""),
    ],
)  # fmt: skip
def test_the_runner_evaluates_conditions(text, value):
    assert evaluate(text, {"a": "x", "b": "yes", "status": {}}) == value
