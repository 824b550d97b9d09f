"""A run directory that was cut or edited leads to an error, never to a verdict; and each of its files is read once."""

import json
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from support.command import environment, insidellms, write_files

EXPERIMENT = """
model: {type: dummy, args: {responses: {Q: "yes"}}}
probe: {type: equals}
dataset:
  examples:
    - {id: a, prompt: Q1, expected: "yes"}
    - {id: b, prompt: Q2, expected: "yes"}
    - {id: c, prompt: Q3, expected: "no"}
gate: {fail_on: changes}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_files(folder, {"e.yaml": EXPERIMENT})
    for name in ("base", "cand", "other"):
        done = insidellms("run", "e.yaml", "--run-dir", name, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def damaged(folder, tmp_path):
    for name in ("base", "cand", "other"):
        shutil.copytree(folder / name, tmp_path / name)
    shutil.copy(folder / "e.yaml", tmp_path)
    return tmp_path


def cut(run):
    lines = (run / "records.jsonl").read_bytes().splitlines(keepends=True)
    (run / "records.jsonl").write_bytes(b"".join(lines[:1]))


def double(run):
    lines = (run / "records.jsonl").read_bytes().splitlines(keepends=True)
    (run / "records.jsonl").write_bytes(b"".join([*lines[:-1], lines[0]]))


def edit_an_answer(run):
    text = (run / "records.jsonl").read_text()
    (run / "records.jsonl").write_text(text.replace('"passed":false', '"passed":true'))


def lower_the_gate(run):
    text = (run / "config.resolved.yaml").read_text()
    assert "changes" in text
    (run / "config.resolved.yaml").write_text(text.replace("changes", "never"))


def edit_the_summary(run):
    summary = json.loads((run / "summary.json").read_bytes())
    summary["results"][0]["passed"] = 3
    (run / "summary.json").write_text(json.dumps(summary))


def cut_and_count_again(run):
    """Cut the records and make the manifest's number fit, but not its digest."""
    cut(run)
    manifest = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**manifest, "trials": 1}))


@pytest.mark.parametrize("damage", [cut, double, edit_an_answer, lower_the_gate, edit_the_summary, cut_and_count_again])
def test_a_damaged_candidate_gives_no_verdict(damaged, damage):
    damage(damaged / "cand")
    done = insidellms("diff", "base", "cand", cwd=damaged)
    assert done.code == 1, done.out
    assert "cand" in done.err
    assert "fix:" in done.err
    assert "PASSED" not in done.out


@pytest.mark.parametrize("damage", [cut, double, edit_an_answer])
@pytest.mark.parametrize(
    "command",
    [
        ("diff", "cand", "base"),
        ("diff", "base", "cand", "--candidate", "other"),
        ("export", "cand"),
        ("export", "cand", "--format", "jsonl"),
        ("rescore", "cand", "--probe", "equals", "--to", "new"),
        ("noise", "base", "cand"),
        ("run", "e.yaml", "--run-dir", "cand", "--resume"),
        ("run", "e.yaml", "--run-dir", "new", "--early-stop", "--baseline", "cand"),
        ("report", "cand", "--html", "page.html"),
    ],
    ids=" ".join,
)
def test_every_reader_of_records_refuses_damaged_ones(damaged, damage, command):
    damage(damaged / "cand")
    done = insidellms(*command, cwd=damaged)
    assert done.code == 1, done.out
    assert "records.jsonl" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", [("trend", "cand"), ("report", "cand")], ids=" ".join)
def test_every_reader_of_the_summary_refuses_an_edited_one(damaged, command):
    edit_the_summary(damaged / "cand")
    done = insidellms(*command, cwd=damaged)
    assert done.code == 1, done.out
    assert "summary.json" in done.err


@pytest.mark.parametrize("command", [("report", "cand"), ("trend", "base", "cand")], ids=" ".join)
def test_a_summary_of_records_that_are_not_whole_is_not_shown(damaged, command):
    cut(damaged / "cand")
    done = insidellms(*command, cwd=damaged)
    assert done.code == 1, done.out
    assert "records.jsonl" in done.err


TELL_OPENED = """
import os, sys
def note(event, args):
    if event == "open" and str(args[0]).endswith((".json", ".yaml", ".jsonl")):
        os.write(2, f"opened {os.sep.join(str(args[0]).split(os.sep)[-2:])}\\n".encode())
sys.addaudithook(note)
from insideLLMs.cli.main import main
main(sys.argv[1:])
"""


def test_a_comparison_reads_each_file_of_both_runs_once(folder):
    done = subprocess.run(
        [sys.executable, "-c", TELL_OPENED, "diff", "base", "cand"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    opened = Counter(line.removeprefix("opened ") for line in done.stderr.splitlines())
    assert {name: count for name, count in opened.items() if name.startswith(("base/", "cand/"))} == dict.fromkeys(
        (
            "base/manifest.json",
            "cand/manifest.json",
            "base/records.jsonl",
            "cand/records.jsonl",
            "base/config.resolved.yaml",  # its gate: was it another one?
            "cand/config.resolved.yaml",
            "base/summary.json",
            "cand/summary.json",
            "base/telemetry.jsonl",  # their records are equal: were they asked at the same times?
            "cand/telemetry.jsonl",
        ),
        1,
    )
