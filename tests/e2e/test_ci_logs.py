"""A CI runner reads our output as its log, and obeys some of it: nothing that a model, a dataset or a server wrote."""

import csv
import io
import json
import os
import pty
import re
import subprocess

import pytest

from support.command import command_line, environment, insidellms, records_of, write_files

EVIL = (
    "##vso[task.prependpath]/evil ##[add-mask]x ##teamcity[buildStop] travis_fold:start:x section_start:1:y\r"
    "::set-env name=PATH::/evil\n  ::stop-commands::t\n##VSO[task.x]y"
)
OBEYED = re.compile(r"##[\w-]*\[|^\s*::|travis_fold:|section_start:", re.MULTILINE | re.IGNORECASE)
EXPERIMENT = {
    "model": {"type": "dummy", "args": {"canned_response": "42"}},
    "probe": {"type": "contains", "args": {"any": ["42"]}},
    "dataset": {"examples": [{"id": f"q {EVIL}", "prompt": f"say 42 {EVIL}"}]},
}


def obeyed(text):
    """Return what a runner would obey; lines also end at a bare carriage return."""
    return OBEYED.findall(text.replace("\r", "\n"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worse = {**EXPERIMENT, "model": {"type": "dummy", "args": {"canned_response": f"No. {EVIL}"}}}
    write_files(folder, {"a.json": json.dumps(EXPERIMENT), "d.json": json.dumps(worse)})
    for name in "ad":
        done = insidellms("run", f"{name}.json", "--run-dir", name, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("diff", "a", "d"),
        ("diff", "a", "d", "--json"),
        ("report", "d"),
        ("report", "d", "--json"),
        ("info", "d"),
        ("export", "d"),
        ("export", "a", "d"),
        ("export", "d", "--format", "jsonl"),
        ("trend", "a", "d"),
        ("trend", "a", "d", "--json"),
        ("list", "runs", "--run-root", ".", "--json"),
        ("verify", "d", "--json"),
        ("validate", "d.json"),
        ("run", "d.json", "--run-dir", "new", "--overwrite"),
        ("baseline", "accept", "d", "--pool", "p", "--why", "x", "--example", f"missing {EVIL}"),
        ("diff", "a", f"missing {EVIL}"),
        ("run", "d.json", "--model", EVIL),
    ],
    ids=lambda command: " ".join(command)[:40],
)
def test_no_output_has_a_command_of_somebody_else(folder, command):
    done = insidellms(*command, cwd=folder)
    assert not obeyed(done.out)
    assert not obeyed(done.err)


def test_annotations_are_the_only_commands_and_hold_none(folder):
    done = insidellms("diff", "a", "d", "--github", cwd=folder)
    ours = [line for line in done.err.splitlines() if line.startswith(("::error ", "::warning "))]
    assert ours
    assert not [found for line in ours for found in obeyed(line.removeprefix("::"))]
    assert not obeyed("\n".join(line for line in done.err.splitlines() if line not in ours))


def test_json_on_stdout_has_the_same_values(folder):
    done = insidellms("export", "d", "--format", "jsonl", cwd=folder)
    assert [json.loads(line) for line in done.out.splitlines()] == records_of(folder / "d")


def test_a_file_holds_the_records_as_they_are(folder):
    assert insidellms("export", "d", "--format", "jsonl", "--output", "o.jsonl", cwd=folder).code == 0
    assert (folder / "o.jsonl").read_bytes() == (folder / "d" / "records.jsonl").read_bytes()
    with (folder / "redirected").open("wb") as out:
        line = command_line("export", "d", "--format", "jsonl")
        subprocess.run(line, cwd=folder, env=environment(), stdout=out, check=True)
    assert (folder / "redirected").read_bytes() == (folder / "o.jsonl").read_bytes()


def test_a_person_at_a_terminal_sees_the_error_as_it_is(folder):
    ours, theirs = pty.openpty()
    line = command_line("diff", "a", "##[missing]")
    done = subprocess.run(line, cwd=folder, env=environment(), stderr=theirs, check=False)
    assert done.returncode == 1
    assert b"##[missing]" in os.read(ours, 10_000)


def test_a_bare_carriage_return_stays_within_its_cell(tmp_path):
    answers = {**EXPERIMENT, "model": {"type": "dummy", "args": {"canned_response": "ok\r=HYPERLINK(0)"}}}
    write_files(tmp_path, {"e.json": json.dumps(answers)})
    assert insidellms("run", "e.json", "--run-dir", "r", cwd=tmp_path).code == 0
    assert insidellms("export", "r", "--output", "o.csv", cwd=tmp_path).code == 0
    with io.StringIO((tmp_path / "o.csv").read_bytes().decode(), newline="") as text:
        head, *rows = csv.reader(text)
    assert len(rows) == 1
    assert rows[0][head.index("output")] == "ok\r=HYPERLINK(0)"
