"""The applications under examples/apps: green as they are, red with what was changed named, their code left alone."""

import json
import shutil
import socket
import subprocess
import sys

import pytest

from support.command import environment, insidellms, records_of
from support.documents import ROOT

APPS = ROOT / "examples" / "apps"


def copied(name, folder):
    return shutil.copytree(APPS / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def run_service(folder, run):
    """Run its experiment against the service, which gets a socket that the system chose and that listens already."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        command = [sys.executable, "-m", "uvicorn", "service:app", "--fd", str(door.fileno()), "--log-level", "error"]
        service = subprocess.Popen(command, cwd=folder, pass_fds=[door.fileno()], env=environment())
        try:
            url = f"http://127.0.0.1:{door.getsockname()[1]}/ask"
            return insidellms("run", "rag.yaml", "--run-dir", run, cwd=folder, env={"RAG_URL": url})
        finally:
            service.terminate()
            service.wait(20)


@pytest.fixture(scope="module")
def tested_service(tmp_path_factory):
    folder = copied("rag_service", tmp_path_factory.mktemp("service"))
    done = run_service(folder, "before")
    assert done.code == 0, done.err
    assert [one["scores"]["passed"] for one in records_of(folder / "before")] == [True] * 8
    return folder


@pytest.fixture
def service(tested_service, tmp_path):
    return shutil.copytree(tested_service, tmp_path / "service")


def test_the_service_unchanged_is_green_and_its_parts_and_costs_are_kept(service):
    assert run_service(service, "after").code == 0
    assert insidellms("diff", "before", "after", cwd=service).code == 0
    record = next(one for one in records_of(service / "before") if one["example_id"] == "norway")
    assert [one["id"] for one in record["response"]["kept"]["sources"]] == ["shipping", "warranty"]
    assert record["response"]["usage"]["cost_usd"] > 0


def test_another_prompt_of_the_service_is_red_and_named(service):
    edit(service / "prompt.md", ", and cite the source of each\nsentence by its number, as in [1]", "")
    assert run_service(service, "after").code == 0
    diff = insidellms("diff", "before", "after", cwd=service)
    assert diff.code == 3, diff.out
    assert "prompt changed" in diff.out
    assert "unused and in its box[- [1]-]." in diff.out
    assert any("cited: no source is given for" in one["scores"]["explanation"] for one in records_of(service / "after"))


def test_another_retrieval_of_the_service_is_red_and_named(service):
    edit(service / "service.py", "best[:MOST_SOURCES]", "best[1:MOST_SOURCES]")
    assert run_service(service, "after").code == 0
    diff = insidellms("diff", "before", "after", cwd=service)
    assert diff.code == 3, diff.out
    assert "sources changed" in diff.out
    assert "prompt changed" not in diff.out


@pytest.fixture(scope="module")
def tested_command(tmp_path_factory):
    if shutil.which("node") is None:
        pytest.skip("there is no node on this machine")
    folder = copied("node_cli", tmp_path_factory.mktemp("command"))
    done = insidellms("run", "triage.yaml", "--run-dir", "before", cwd=folder)
    assert done.code == 0, done.err
    assert all(one["scores"]["passed"] for one in records_of(folder / "before"))
    return folder


@pytest.fixture
def node(tested_command, tmp_path):
    return shutil.copytree(tested_command, tmp_path / "command")


def test_the_command_unchanged_is_green_and_its_two_arms_compare_as_prompts_do(node):
    assert insidellms("run", "triage.yaml", "--run-dir", "after", cwd=node).code == 0
    assert insidellms("diff", "before", "after", cwd=node).code == 0
    arms = insidellms("compare", "before", "--baseline", "full", "--candidate", "brief", "--json", cwd=node)
    assert arms.code == 0, arms.err
    comparison = json.loads(arms.out)["comparison"]
    assert "--brief" in comparison["experiment_changes"][0]
    assert comparison["overall"]["classes"]["changed"] == 4


def test_other_rules_of_the_command_are_red_and_named(node):
    edit(node / "rules.json", '"words": ["password", "hacked"]', '"words": ["password"]')
    assert insidellms("run", "triage.yaml", "--run-dir", "after", cwd=node).code == 0
    diff = insidellms("diff", "before", "after", cwd=node)
    assert diff.code == 3, diff.out
    assert "files.rules.json" in diff.out
    assert "route changed" in diff.out
