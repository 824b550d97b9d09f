"""Logs of other tools: imported, compared in both directions, and refused where they are not whole."""

import json
import shutil
from pathlib import Path

import pytest

from insideLLMs.plugins import IMPORTERS
from support.command import equal_run, insidellms, records_of, write_files
from support.foreign_logs import FOLDER, LOGS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "import_logs.md"
each_log = pytest.mark.parametrize("log", LOGS, ids=lambda log: log.file)


def test_every_importer_has_a_log_of_its_tool_and_a_row_in_the_docs():
    unscored = {"insidellms_record"}  # our own recordings of calls: tests/unit/importers/test_wire_calls.py
    assert {log.tool for log in LOGS} | unscored == set(IMPORTERS)
    page = DOCS.read_text(encoding="utf-8")
    assert not [name for name in IMPORTERS if f"| `{name}` |" not in page]


@each_log
def test_a_log_is_recognised_by_its_content_and_becomes_a_run(log, tmp_path):
    (tmp_path / "renamed").mkdir()
    for name in (log.file, *log.companions):
        shutil.copy(FOLDER / "baseline" / name, tmp_path / "renamed" / name)
    done = insidellms("import", f"renamed/{log.file}", "--to", "run", "--json", cwd=tmp_path)
    assert (done.code, done.json["from"]) == (0, log.tool), done.err
    assert insidellms("verify", "run", cwd=tmp_path).code == 0
    found = [record for record in records_of(tmp_path / "run") if record["probe"] == log.probe]
    assert len({record["example_id"] for record in found}) == log.examples
    assert {record["repeat"] for record in found} == set(range(log.repeats))
    assert sum(record["status"] == "error" for record in found) == log.failed * log.repeats * log.subjects
    answered = [record for record in found if record["status"] == "success"]
    assert all(record["scores"]["passed"] is not None and record["response"]["text"] for record in answered)


def changed(done, kind, probe):
    listed = done.json["comparison"]["changes"]["listed"]
    return {one["trial"]["example_id"] for one in listed if one["kind"] == kind and one["trial"]["probe"] == probe}


@each_log
@pytest.mark.parametrize(("before", "after", "kind"), [("baseline", "candidate", "regressed"),
                                                       ("candidate", "baseline", "fixed")])  # fmt: skip
def test_two_logs_are_compared_directly_and_exactly_the_known_examples_changed(log, before, after, kind):
    done = insidellms("diff", log.path(before), log.path(after), "--json", cwd=FOLDER)
    found = changed(done, kind, log.probe)
    assert len(found) == len(log.changed), (done.out, done.err)
    assert all(any(word in name for name in found) for word in log.changed)
    other = "regressed" if kind == "fixed" else "fixed"
    assert not changed(done, other, log.probe)


@each_log
def test_a_log_compared_with_an_equal_run_has_no_change_and_passes_where_all_was_answered(log, tmp_path):
    assert insidellms("import", log.path("baseline"), "--to", tmp_path / "run", cwd=FOLDER).code == 0
    same = equal_run(tmp_path / "run", "same")
    done = insidellms("diff", log.path("baseline"), same, "--fail-on", "changes", "--json", cwd=FOLDER)
    classes = done.json["comparison"]["overall"]["classes"]
    assert classes["unchanged"] + classes["errored"] == done.json["comparison"]["baseline"]["trials"]
    assert done.code == (4 if log.failed else 0)


def test_the_same_log_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        assert insidellms("import", LOGS[0].path("baseline"), "--to", name, cwd=tmp_path).code == 0
    for file in ("records.jsonl", "manifest.json", "summary.json", "report.html", "config.resolved.yaml"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_was_not_carried_is_counted_and_said(tmp_path):
    done = insidellms("import", LOGS[0].path("baseline"), "--to", "run", "--json", cwd=tmp_path)
    assert done.json["notes"] == ["not carried: sample.events (20)"]
    assert "sample.events (20)" in done.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert manifest["notes"]["imported"]["left_out"] == {"sample.events": 20}


def test_a_file_that_is_no_known_log_lists_what_is_known(tmp_path):
    write_files(tmp_path, {"notes.txt": "hello"})
    done = insidellms("import", "notes.txt", "--to", "run", cwd=tmp_path)
    assert done.code == 1
    assert all(name in done.err for name in IMPORTERS)
    assert not (tmp_path / "run").exists()


def test_a_tool_can_be_named_and_a_misspelt_one_is_refused(tmp_path):
    path = LOGS[0].path("baseline")
    assert insidellms("import", path, "--from", "inspect_ai", "--to", "run", cwd=tmp_path).code == 0
    done = insidellms("import", path, "--from", "inspct_ai", "--to", "other", cwd=tmp_path)
    assert (done.code, "did you mean 'inspect_ai'" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("import", "nothere.json", "--to", "x"), "relative to the folder that you are in"),
        (("import", "lgo.jsonl", "--to", "x"), "did you mean log.jsonl?"),
        (("import", ".", "--to", "x"), "name a file in it"),
        (("import", "run", "--to", "x"), "it is already a run"),
        (("import", "log.jsonl", "--to", "x.yaml"), "fix: --to FOLDER"),
        (("diff", "e.yaml", "run"), "insidellms run e.yaml"),
        (("diff", "run", "e.toml"), "insidellms run e.toml"),
        (("import", "cycle.yaml", "--to", "x"), "fix: if it is an experiment"),
        (("validate", "foreign.yaml"), "insidellms import FILE --to experiment.yaml"),
    ],
)
def test_what_is_no_log_is_refused_with_what_to_do_instead(command, says, tmp_path):
    write_files(
        tmp_path,
        {
            "e.yaml": "model: dummy\nprobe: record\ndataset: {examples: [{question: hi}]}\n",
            "e.toml": 'model = "dummy"\n',
        },
    )
    write_files(tmp_path, {"cycle.yaml": "a: &a [*a]\n", "foreign.yaml": "prompts: [a]\nproviders: [openai:b]\n"})
    write_files(tmp_path, {"log.jsonl": [{"id": "a", "output": "b", "score": 1}]})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    done = insidellms(*command, cwd=tmp_path)
    assert (done.code, says in done.err) == (1, True), done.err
    assert not [name for name in ("x", "x.yaml") if (tmp_path / name).exists()]
