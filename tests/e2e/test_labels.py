"""People's labels in a run's folder: shown, merged, exported, and measured against the probes' verdicts."""

import csv
import json

import pytest

from insideLLMs.store.labels import LABELS, append_label, read_labels
from support.command import equal_run, insidellms, write_files
from support.people import answers, label, label_of, label_run
from support.tables import imported, row

N = 80


@pytest.fixture
def folder(tmp_path):
    imported(tmp_path, "run", [row(f"e{n:03}", int(n % 4 > 0), output=f"answer {n}") for n in range(N)])
    return tmp_path


def test_what_people_said_is_shown_with_how_far_they_agree(folder):
    label_run(folder / "run", "ann", lambda name: int(name[1:]) % 4 > 0)
    label_run(folder / "run", "bob", lambda name: int(name[1:]) % 8 > 0)
    shown = insidellms("labels", "show", "run", cwd=folder)
    assert shown.code == 0, shown.err
    assert "60 answers of run labelled\n  ann: 60 verdicts\n  bob: 60 verdicts\n" in shown.out
    assert "ann and bob: agree on 88.3% of 60 answers, Cohen kappa 0.6" in shown.out
    assert "p / e004 / imported: ann fail, bob pass" in shown.out
    found = insidellms("labels", "show", "run", "--json", cwd=folder).json
    assert found["people"]["pairs"][0]["same"]["n"] == 60
    assert len(found["people"]["disputed"]) == found["undecided"] == 7
    (measured,) = found["verdicts"]
    assert (measured["probe"], measured["agreement"]["n"]) == ("p", 53)
    assert measured["agreement"]["kappa"]["value"] == 1.0


def test_labels_change_nothing_that_is_sealed_and_no_clean_up_takes_them(folder):
    label_run(folder / "run", "ann", lambda _: True)
    assert insidellms("verify", "run", cwd=folder).code == 0
    kept = insidellms("runs", "gc", ".", "--keep-last", 0, "--yes", cwd=folder)
    assert "holds labels.jsonl, which only you may remove" in kept.out
    assert len(read_labels(folder / "run" / LABELS)) == 60


def test_a_second_persons_labels_merge_in_any_order_and_again(folder):
    write_files(folder, {"copy/.keep": ""})
    label_run(folder / "run", "ann", lambda _: True)
    for name, said in (("bob.jsonl", False), ("cy.jsonl", True)):
        for record in answers(folder / "run")[:20]:
            append_label(folder / "copy", label_of(record, name[:-6], passed=said))
        (folder / "copy" / LABELS).rename(folder / name)
    before = (folder / "run" / LABELS).read_bytes()
    merged = insidellms("labels", "merge", "run", "bob.jsonl", "cy.jsonl", cwd=folder)
    assert merged.out == "added 40 labels to run\n"
    made = (folder / "run" / LABELS).read_bytes()
    assert insidellms("labels", "merge", "run", "cy.jsonl", "bob.jsonl", cwd=folder).out == "added 0 labels to run\n"
    (folder / "run" / LABELS).write_bytes(before)
    insidellms("labels", "merge", "run", "cy.jsonl", "bob.jsonl", cwd=folder)
    assert (folder / "run" / LABELS).read_bytes() == made
    assert "all of 3: agree on" in insidellms("labels", "show", "run", cwd=folder).out


def test_a_label_of_an_answer_that_has_changed_is_stale_and_is_not_used(folder):
    label_run(folder / "run", "ann", lambda _: True)
    imported(folder, "again", [row(f"e{n:03}", 1, output=f"answer {n}{'!' if n < 40 else ''}") for n in range(N)])
    insidellms("labels", "merge", "again", "run", cwd=folder)
    found = insidellms("labels", "show", "again", "--json", cwd=folder).json
    assert found["stale"] + found["labelled"] == 60
    assert found["stale"] == sum(int(one.example_id[1:]) < 40 for one in read_labels(folder / "run" / LABELS))
    equal_run(folder / "again", "same")
    told = insidellms("diff", "again", "same", "--labels", "run", "--limit", 0, cwd=folder)
    assert f"labels not used: {found['stale']} stale" in " ".join(told.out.split()), told.err


def test_labels_that_nobody_pointed_to_decide_nothing_and_are_named(folder):
    label_run(folder / "run", "ann", lambda _: False)
    equal_run(folder / "run", "same")
    done = insidellms("diff", "run", "same", cwd=folder)
    assert "people labelled answers; to use their labels: --labels run" in done.err
    assert done.code == 0
    assert "labelled answers" not in done.out


def test_answers_that_were_chosen_measure_nothing(folder):
    label_run(folder / "run", "ann", lambda _: True, drawn="failed")
    found = insidellms("labels", "show", "run", "--json", cwd=folder).json
    assert (found["chosen"], found["verdicts"]) == (60, [])
    equal_run(folder / "run", "same")
    told = insidellms("diff", "run", "same", "--labels", "run", cwd=folder)
    assert told.code == 1
    assert "no label is of a judged answer of these runs" in " ".join(told.err.split())


def test_labels_are_exported_as_a_table_without_formulas(folder):
    label_run(folder / "run", "=ann", lambda _: True, count=2, note="+1")
    append_label(folder / "run", label_of(answers(folder / "run")[0], "bob", passed=False))
    out = insidellms("labels", "export", "run", cwd=folder).out
    rows = list(csv.DictReader(out.splitlines()))
    assert {row["by"] for row in rows} == {"'=ann", "bob"}
    assert {row["note"] for row in rows} == {"'+1", ""}
    assert insidellms("labels", "export", "run", "-o", "table.csv", cwd=folder).code == 0
    assert (folder / "table.csv").read_text() == out


def test_names_and_notes_of_others_reach_no_terminal_as_they_are(folder):
    for by, said in (("\x1b[31mred", True), ("\u202eann", False)):
        label_run(folder / "run", by, lambda _, said=said: said, count=60, note="\x1b]0;title\x07")
    shown = insidellms("labels", "show", "run", cwd=folder).out
    assert "\\x1b[31mred" in shown
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "run"), "has no labels"),
        (("show", "nowhere"), "nowhere does not exist"),
        (("merge", "run", "table.csv"), "line 1: not a label"),
        (("merge", "run", "nowhere.jsonl"), "nowhere.jsonl does not exist"),
        (("export", "run"), "has no labels"),
    ],
)
def test_what_is_no_label_is_an_error_that_says_so(folder, arguments, said):
    write_files(folder, {"table.csv": "run,id,label\nbaseline,e1,true\n"})
    done = insidellms("labels", *arguments, cwd=folder)
    assert done.code == 1
    assert said in " ".join(done.err.split())
    assert not (folder / "run" / LABELS).exists()


def test_a_label_is_read_as_it_was_documented(folder):
    line = json.loads(append_label(folder, label()) and (folder / LABELS).read_text())
    assert line == {
        "answer": "a" * 64, "at": "2026-01-01T00:00:00.000000Z", "by": "ann", "dataset": "d", "example_id": "e",
        "model": "m", "probe": "p", "repeat": 0, "verdict": "pass",
    }  # fmt: skip
