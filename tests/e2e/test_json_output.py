"""What a command says in words, it says a script in JSON: alone on stdout, whatever else it tells a person."""

import json

import click
import pytest

from insideLLMs.cli.main import cli
from insideLLMs.store.labels import LABELS, append_label
from support.command import insidellms, write_files
from support.people import answers, label_of

WITHOUT = {
    "init": "writes files",
    "new probe": "writes files",
    "view": "serves pages",
    "mcp": "speaks a protocol",
    "record": "its output is the command's own",
    "comment": "acts on a pull request",
    "export": "prints data in a form that is asked for",
    "labels export": "prints data in a form that is asked for",
    "schema": "prints JSON",
    "completion": "prints a script",
}
EXPERIMENT = {
    "model": {"type": "dummy", "args": {"canned_response": "42"}},
    "probe": {"type": "contains", "args": {"any": ["42"]}},
    "dataset": {"examples": [{"id": "q", "prompt": "say 42"}]},
}


def commands(group=cli, names=()):
    """Yield each command with its name."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def test_every_command_takes_json_or_has_a_reason_not_to():
    without = {name for name, command in commands() if not any("--json" in each.opts for each in command.params)}
    assert without == set(WITHOUT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worse = {**EXPERIMENT, "model": {"type": "dummy", "args": {"canned_response": "No."}}}
    write_files(folder, {"a.json": json.dumps(EXPERIMENT), "b.json": json.dumps(worse)})
    for name in "ab":
        assert insidellms("run", f"{name}.json", "--run-dir", name, cwd=folder).code == 0
    return folder


def in_json(*args, cwd):
    done = insidellms(*args, "--json", cwd=cwd)
    assert done.code == 0, done.err
    return done.json


def test_embedded_models_are_listed_with_where_they_are(folder):
    rows = in_json("model", "list", cwd=folder)
    assert [row["name"] for row in rows] == ["smollm2", "wordllama"]
    assert rows[0].keys() == {"name", "about", "use", "size_bytes", "licence", "files"}
    assert rows[0]["size_bytes"] == 98_362_432


def test_a_pool_is_kept_by_a_script(folder):
    first = in_json("baseline", "accept", "a", "--pool", "pool", "--why", "first", cwd=folder)
    assert (first["accepted"], first["system_changes"]) == ("pool/a", [])
    again = in_json("baseline", "accept", "a", "--pool", "pool", "--why", "again", "--if-changed", cwd=folder)
    assert (again["accepted"], again["run_id"]) == (None, first["run_id"])
    second = in_json("baseline", "accept", "b", "--pool", "pool", "--why", "second", cwd=folder)
    assert "canned_response" in second["system_changes"][0]
    waived = in_json("baseline", "accept", "b", "--pool", "pool", "--why", "x", "--example", "q", cwd=folder)
    assert (waived["waived"], waived["probe"], waived["until"]) == (["q"], None, None)
    assert in_json("baseline", "prune", "--pool", "pool", "--keep", "1", cwd=folder)["removed"] == ["a"]


def test_labels_are_merged_by_a_script(folder):
    (answer,) = answers(folder / "a")
    (folder / "other").mkdir()
    append_label(folder / "other", label_of(answer, "ann", passed=True))
    for added in (1, 0):
        assert in_json("labels", "merge", "a", f"other/{LABELS}", cwd=folder) == {"run": "a", "added": added}


def test_a_run_is_signed_and_proved_by_a_script(folder):
    done = in_json("sign", "a", "--key", "k", "--new-key", "k", cwd=folder)
    assert (done["public_key"], done["run"], done["signatures"]) == ("k.pub", "a", 1)
    proof = in_json("prove", "a", "q", "-o", "proof.json", cwd=folder)
    assert (proof["records"], proof["trials"], proof["signed"]) == (1, 1, True)
    stored = json.loads((folder / "a" / "manifest.json").read_bytes())
    assert proof["records_root"] == stored["records_root"]


def test_a_script_learns_how_many_answers_it_removed(folder, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    assert insidellms("run", "a.json", "--run-dir", "cached", "--cache", "read", cwd=folder, env=env).code == 0
    done = insidellms("cache", "prune", "--all", "--json", cwd=folder, env=env)
    assert done.json == {"removed": 1}
