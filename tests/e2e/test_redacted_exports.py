"""An export without personal data says which records it was made of, and can be checked without the run."""

import csv
import io
import json

import pytest
from pyarrow import parquet

from support.command import insidellms, write_files

EXPERIMENT = """
models:
  - {type: dummy, id: one, args: {responses: {Who: "Ask jane@example.com or Jim Beam", Card: "4111 1111 1111 1111"}}}
prompt: {id: p, system: "You are +44 20 7946 0958", template: "{{ question }}"}
probe: {type: contains, args: {any: ["jane@example.com"]}}
dataset:
  examples:
    - {id: jane@example.com, question: Who?, expected: jane@example.com, by: Jim Beam}
    - {id: b, question: "Card?", expected: "4111111111111111"}
    - {id: c, question: "Other?", expected: "x"}
"""
SECRET = ("jane@example.com", "4111 1111", "4111111111111111", "7946 0958", "Jim Beam")
SALT = {"SALT": "0123456789abcdef"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redacted")
    write_files(folder, {"e.yaml": EXPERIMENT, "words.txt": "Jim Beam\n"})
    for command in (
        ("run", "e.yaml", "--run-dir", "run"),
        ("sign", "--new-key", "key"),
        ("sign", "run", "--key", "key"),
        ("prove", "run", "-o", "proof.json"),
    ):
        done = insidellms(*command, cwd=folder)
        assert done.code == 0, done.err
    return folder


def export(folder, *arguments, runs=("run",)):
    words = ("--redact", "--redact-words", "words.txt", "--salt-env", "SALT")
    done = insidellms("export", *runs, *arguments, *words, cwd=folder, env=SALT)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.parametrize("arguments", [(), ("--format", "jsonl")])
def test_no_form_of_export_holds_what_was_found(folder, arguments):
    shown = export(folder, *arguments)
    assert not [secret for secret in SECRET if secret in shown]
    assert "[email-" in shown


def test_a_comparison_is_redacted_too(folder):
    assert not [secret for secret in SECRET if secret in export(folder, runs=("run", "run"))]


@pytest.mark.parametrize("runs", [("run",), ("run", "run")])
def test_a_redacted_parquet_table_has_the_cells_of_the_csv_and_nothing_of_what_was_found(folder, tmp_path, runs):
    export(folder, "--format", "parquet", "-o", str(tmp_path / "x.parquet"), runs=runs)
    rows = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    text = csv.DictReader(io.StringIO(export(folder, runs=runs)))
    shown = [(row["example_id"], row["input"], row.get("redacted_from")) for row in rows]
    assert shown == [(row["example_id"], row["input"], row.get("redacted_from")) for row in text]
    written = (tmp_path / "x.parquet").read_bytes() + repr(
        rows
    ).encode()  # the footer repeats the least and the greatest
    assert not [secret for secret in SECRET if secret.encode() in written]
    assert b"[email-" in written


def test_pseudonyms_are_the_same_with_one_salt_and_others_without(folder):
    assert export(folder) == export(folder)
    first, second = (insidellms("export", "run", "--redact", cwd=folder).out for _ in range(2))
    assert first != second


def test_each_row_names_the_record_that_it_was_made_of(folder):
    root = folder / "run" / "leaves.jsonl"
    hashes = [json.loads(line)[0] for line in root.read_text().splitlines()[:-1]]
    assert [row["redacted_from"] for row in csv.DictReader(io.StringIO(export(folder)))] == hashes
    lines = [json.loads(line) for line in export(folder, "--format", "jsonl").splitlines()]
    assert [line["redacted_from"] for line in lines] == hashes


def test_records_without_finds_stay_as_they_were(folder, tmp_path):
    plain = EXPERIMENT.replace("You are +44 20 7946 0958", "You are.").replace('any: ["jane@example.com"]', "any: [x]")
    write_files(tmp_path, {"e.yaml": plain})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    shown = insidellms("export", "run", "--redact", "--format", "jsonl", cwd=tmp_path).out.splitlines()
    stored = (tmp_path / "run" / "records.jsonl").read_text().splitlines()
    assert [one == other for one, other in zip(shown, stored, strict=True)] == [False, True, False]


def test_a_redacted_export_is_checked_without_the_run(folder, tmp_path):
    shown = export(folder, "--format", "jsonl")
    write_files(tmp_path, {"x.jsonl": shown, "key.pub": (folder / "key.pub").read_text()})
    proof = (folder / "proof.json").read_text()
    assert not [secret for secret in SECRET if secret in proof]
    write_files(tmp_path, {"proof.json": proof})
    check = ("verify-proof", "proof.json", "--redacted", "x.jsonl", "--key", "key.pub")
    done = insidellms(*check, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "0 records as they are in the run, 3 redacted" in done.out
    lines = shown.splitlines(keepends=True)
    for changed in (
        lines[1:],
        lines[::-1],
        [*lines, lines[0]],
        [lines[0].replace('"redacted_from":"', '"redacted_from":"0'), *lines[1:]],
        [lines[0].replace('"redacted_from":"', '"redacted_from":" '), *lines[1:]],
    ):
        write_files(tmp_path, {"x.jsonl": "".join(changed)})
        assert insidellms(*check, cwd=tmp_path).code == 1
    assert insidellms("verify-proof", "proof.json", "--key", "key.pub", cwd=tmp_path).code == 1


def test_a_salt_that_is_missing_or_short_is_refused(folder):
    for env in ({}, {"SALT": "short"}):
        done = insidellms("export", "run", "--redact", "--salt-env", "SALT", cwd=folder, env=env)
        assert done.code == 1
        assert "short" not in done.err
    assert insidellms("export", "run", "--salt-env", "SALT", cwd=folder).code == 2


def test_a_list_of_words_that_lists_none_is_refused(folder, tmp_path):
    (tmp_path / "names.txt").write_text("\ufeff\r\n  \r\n", encoding="utf-8")
    done = insidellms("export", "run", "--redact", "--redact-words", tmp_path / "names.txt", cwd=folder)
    assert (done.code, done.out) == (1, "")
    assert "lists no words to replace" in done.err
