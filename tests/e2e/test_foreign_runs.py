"""A run directory that somebody else made: links in it lead nowhere, and reading it never runs or calls anything."""

import hashlib
import json
import os
import shutil
import stat

import pytest

from support.command import insidellms, write_files
from support.foreign_runs import edit_experiment
from support.openai_server import OpenAIServer

EXPERIMENT = {
    "name": "e",
    "model": {"type": "dummy", "id": "m"},
    "probe": {"type": "contains", "id": "c", "args": {"any": ["x"]}},
    "dataset": {"examples": [{"id": "a", "prompt": "A"}, {"id": "b", "prompt": "B"}]},
}
FILES = ("records.jsonl", "manifest.json", "config.resolved.yaml", "summary.json", "telemetry.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_files(folder, {"e.json": json.dumps(EXPERIMENT)})
    for name in ("mine", "theirs"):
        done = insidellms("run", "e.json", "--run-dir", name, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "f")
    return tmp_path / "f"


READERS = [
    ("diff", "mine", "theirs"),
    ("report", "theirs", "--html", "page.html"),
    ("report", "theirs", "--telemetry"),
    ("verify", "theirs"),
    ("validate", "theirs"),
    ("info", "theirs"),
    ("export", "theirs"),
    ("trend", "mine", "theirs"),
    ("noise", "mine", "theirs"),
    ("rescore", "theirs", "--probe", "contains", "--to", "new"),
    ("baseline", "accept", "theirs", "--pool", "pool", "--why", "x"),
    ("list", "runs", "--run-root", "."),
    ("runs", "list", "."),
    ("runs", "gc", ".", "--keep-last", "9"),
]
NEEDS = {
    "records.jsonl": {"diff", "verify", "validate", "export", "noise", "rescore", "baseline"},
    "manifest.json": {
        "diff",
        "verify",
        "validate",
        "export",
        "noise",
        "rescore",
        "baseline",
        "report",
        "trend",
        "info",
    },
    "config.resolved.yaml": {"diff", "verify", "validate", "rescore", "baseline"},
    "summary.json": {"diff", "verify", "validate", "baseline", "report", "trend"},
    "telemetry.jsonl": set(),
}


@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize("name", FILES)
def test_a_link_to_the_very_same_bytes_is_refused_by_all_that_need_the_file(folder, command, name):
    (folder / "elsewhere").write_bytes((folder / "theirs" / name).read_bytes())
    (folder / "theirs" / name).unlink()
    (folder / "theirs" / name).symlink_to(folder / "elsewhere")
    done = insidellms(*command, cwd=folder)
    assert "Traceback" not in done.err
    if command[0] in NEEDS[name]:
        assert done.code == 1, done.out
    copies = folder.glob("pool/*/telemetry.jsonl")
    assert not list(copies)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_pipe_in_the_place_of_the_records_hangs_nobody(folder, command):
    (folder / "theirs" / "records.jsonl").unlink()
    os.mkfifo(folder / "theirs" / "records.jsonl")
    done = insidellms(*command, cwd=folder, timeout=30)
    assert done.code in {0, 1}
    assert stat.S_ISFIFO((folder / "theirs" / "records.jsonl").lstat().st_mode)


def make_hostile(run):
    """Let the stored experiment name code of the working folder, with the manifest's digest to match."""
    text = (run / "config.resolved.yaml").read_text()
    text = text.replace("type: dummy", "type: evil.py:Model").replace("type: contains", "type: evil.py:Probe")
    assert "evil" in text
    (run / "config.resolved.yaml").write_text(text)
    manifest = json.loads((run / "manifest.json").read_bytes())
    data = (run / "config.resolved.yaml").read_bytes()
    manifest["files"]["config.resolved.yaml"] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    for member in (*manifest["models"], *manifest["probes"]):
        member["type"] = "evil.py:Model"
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_reading_a_run_never_runs_the_code_that_it_names(folder, command):
    write_files(folder, {"evil.py": "open('ran', 'w').close()\nclass Model: pass\nclass Probe: pass\n"})
    make_hostile(folder / "theirs")
    done = insidellms(*command, cwd=folder)
    assert done.code in {0, 1, 3, 4}
    assert not (folder / "ran").exists()


ENV = {"OPENAI_API_KEY": "sk-own-key-of-the-user", "TEAM": "mine", "SECRET": "very-secret-word"}
LEAK = """
model:
  type: openai
  id: m
  args: {model_name: m, base_url: "URL", headers: {X-Team: "${TEAM}"}}
probe: {type: contains, id: c, args: {any: ["yes"]}}
dataset: {examples: [{id: a, prompt: A}, {id: b, prompt: B}]}
execution: {max_attempts: 1}
"""


@pytest.fixture
def servers():
    with OpenAIServer() as own, OpenAIServer() as foreign:
        yield own, foreign


@pytest.fixture
def asked(tmp_path, servers):
    """Runs of the user's own server: the candidate is worse in one example."""
    own, _ = servers
    write_files(tmp_path, {"own.yaml": LEAK.replace("URL", own.base_url)})
    for name, answer in (("base", "yes"), ("cand", "no")):
        own.answers = {"A": answer, "B": "yes"}
        done = insidellms("run", "own.yaml", "--run-dir", name, cwd=tmp_path, env=ENV)
        assert done.code == 0, done.err
    own.requests = 0
    return tmp_path


def diff(folder, *options):
    return insidellms("diff", "base", "cand", *options, cwd=folder, env=ENV)


@pytest.mark.parametrize("option", ["--confirm", "--retest"])
def test_nothing_is_asked_for_a_stored_run_unless_the_user_names_the_experiment(asked, servers, option):
    done = diff(asked, option)
    assert done.code == 1
    assert "--experiment FILE" in done.err
    assert "--trust-run" in done.err
    assert servers[0].requests == 0


def test_the_experiment_that_the_user_names_is_asked(asked, servers):
    own, foreign = servers
    done = diff(asked, "--confirm", "--experiment", "own.yaml")
    assert done.code in {0, 3}, done.err
    assert own.requests > 0
    assert foreign.requests == 0


HOSTILE = {
    "another address": lambda run, url: edit_experiment(run, 'base_url: "http://127', f'base_url: "{url}?'),
    "another variable": lambda run, _: edit_experiment(run, "${TEAM}", "${SECRET}"),
    "another header": lambda run, _: edit_experiment(run, "X-Team", "X-Other"),
    "a variable as a limit": lambda run, _: edit_experiment(
        run, "model_name: m", "model_name: m\n      stop: ${SECRET}"
    ),
    "code as the model": lambda run, _: edit_experiment(run, "type: openai", "type: evil.py:Model"),
    "code as the probe": lambda run, _: edit_experiment(run, "type: contains", "type: evil.py:Probe"),
}


@pytest.mark.parametrize("side", ["base", "cand"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_run_that_reaches_further_than_the_named_experiment_is_refused(asked, servers, side, hostile):
    own, foreign = servers
    HOSTILE[hostile](asked / side, foreign.base_url)
    write_files(asked, {"evil.py": "open('ran', 'w').close()\nclass Model: pass\nclass Probe: pass\n"})
    for option in ("--confirm", "--retest"):
        done = diff(asked, option, "--experiment", "own.yaml")
        assert done.code == 1, done.out
        assert "own.yaml" in done.err
    assert (own.requests, foreign.requests) == (0, 0)
    assert not (asked / "ran").exists()


def test_runs_of_two_experiments_need_both_files(asked, servers):
    text = (asked / "own.yaml").read_text()
    write_files(asked, {"other.yaml": text.replace("model_name: m", "model_name: other")})
    edit_experiment(asked / "cand", "model_name: m", "model_name: other")
    assert diff(asked, "--confirm", "--experiment", "own.yaml").code == 1
    assert servers[0].requests == 0
    assert diff(asked, "--confirm", "--experiment", "own.yaml", "--experiment", "other.yaml").code in {0, 3}
    assert servers[0].requests > 0


def test_sampling_and_system_prompts_may_differ_from_the_named_experiment(asked, servers):
    edit_experiment(asked / "base", "model_name: m", "model_name: m\n      temperature: 0.5")
    assert diff(asked, "--confirm", "--experiment", "own.yaml").code in {0, 3}
    assert servers[0].requests > 0


def test_trust_is_given_in_so_many_words_and_says_what_it_allows(asked, servers):
    own, foreign = servers
    edit_experiment(asked / "cand", own.base_url, foreign.base_url)
    edit_experiment(asked / "cand", "${TEAM}", "${SECRET}")
    done = diff(asked, "--confirm", "--trust-run")
    assert done.code in {0, 3}, done.err
    assert foreign.requests > 0
    said = next(line for line in done.err.splitlines() if "--trust-run: cand" in line)
    assert foreign.base_url in said
    assert "OPENAI_API_KEY, SECRET" in said


@pytest.mark.parametrize("text", ["one line without an end", ""])
@pytest.mark.parametrize("name", ["journal.jsonl", ".insidellms-run"])
@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
def test_a_file_with_another_name_in_a_run_directory_is_not_written_to(tmp_path, option, name, text):
    write_files(tmp_path, {"e.json": json.dumps(EXPERIMENT), "mine": text, "run/.insidellms-run": ""})
    (tmp_path / "run" / name).unlink(missing_ok=True)
    os.link(tmp_path / "mine", tmp_path / "run" / name)
    insidellms("run", "e.json", "--run-dir", "run", option, cwd=tmp_path)
    assert (tmp_path / "mine").read_text() == text
