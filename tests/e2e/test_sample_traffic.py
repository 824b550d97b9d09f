"""`insidellms sample`: from traces to a reviewed set that runs."""

import json

import pytest

from insideLLMs.api.traffic.strata import STRATA
from insideLLMs.cli.commands.sample import command
from support.command import insidellms, records_of, write_files
from support.traces import write_traces

ASKED = [(f"Where is my {thing}?", "In May.") for thing in ("parcel", "invoice", "refund", "shoe")]
EXPERIMENT = "model: {type: dummy}\nprobe: record\ndataset: {path: examples.jsonl%s}\n"


@pytest.fixture
def folder(tmp_path):
    write_traces(tmp_path / "day.jsonl", ASKED)
    write_files(tmp_path, {"any.yaml": EXPERIMENT % "", "strict.yaml": EXPERIMENT % ", reviewed: true"})
    return tmp_path


def review(folder, *reviews):
    rows = [json.loads(line) for line in (folder / "examples.jsonl").read_text().splitlines()]
    given = [{**row, "review": said} for row, said in zip(rows, reviews, strict=True)]
    write_files(folder, {"examples.jsonl": given})


def test_a_sample_says_what_it_covers_and_runs_once_it_was_reviewed(folder):
    done = insidellms("sample", "day.jsonl", "-o", "examples.jsonl", cwd=folder)
    assert done.code == 0, done.err
    assert "4 examples of 4 requests written to examples.jsonl" in done.out
    assert "covers 100.0% of the traffic by a similar question" in done.out
    assert "personal data that was found is replaced" in done.err

    pending = insidellms("run", "any.yaml", "--run-dir", "any", cwd=folder)
    assert (pending.code, "4 of 4 examples are pending review" in pending.err) == (0, True), pending.err
    refused = insidellms("run", "strict.yaml", "--run-dir", "strict", cwd=folder)
    assert (refused.code, "examples.jsonl:1: is pending" in refused.err) == (1, True)

    review(folder, "accepted", "rejected", "accepted", "accepted")
    done = insidellms("run", "strict.yaml", "--run-dir", "strict", cwd=folder)
    assert (done.code, len(records_of(folder / "strict"))) == (0, 3), done.err
    assert "1 rejected examples are left out" in done.err
    same = insidellms("diff", "any", "strict", "--fail-on", "changes", "--json", cwd=folder)
    assert not same.json["comparison"]["overall"]["classes"].get("edited")


def test_a_review_that_is_none_is_a_bad_row(folder):
    insidellms("sample", "day.jsonl", "-o", "examples.jsonl", cwd=folder)
    review(folder, "acepted", "rejected", "accepted", "accepted")
    done = insidellms("run", "any.yaml", "--run-dir", "any", cwd=folder)
    assert (done.code, "its review is 'acepted'; it is one of pending, accepted, rejected" in done.err) == (1, True)


def test_a_column_called_review_of_any_other_dataset_is_a_field_like_any(tmp_path):
    rows = [{"question": "Good?", "review": "rejected"}, {"question": "Bad?", "review": "A fine film."}]
    write_files(tmp_path, {"examples.jsonl": rows, "any.yaml": EXPERIMENT % ", reviewed: true"})
    assert insidellms("run", "any.yaml", "--run-dir", "any", cwd=tmp_path).code == 0
    assert {record["example"]["fields"]["review"] for record in records_of(tmp_path / "any")} == {
        "rejected",
        "A fine film.",
    }


def test_reviews_are_never_written_over_unasked(folder):
    for options, code in (((), 0), ((), 1), (("--overwrite", "--json"), 0)):
        done = insidellms("sample", "day.jsonl", "-o", "examples.jsonl", *options, cwd=folder)
        assert done.code == code
    assert (done.json["examples"], done.json["coverage"]["similar"]) == (4, 1.0)


def test_what_has_no_traces_is_refused_with_what_to_do(folder):
    write_files(folder, {"rows.jsonl": [{"id": "a", "output": "b", "score": 1}]})
    done = insidellms("sample", "rows.jsonl", "-o", "examples.jsonl", cwd=folder)
    assert (done.code, "has no traces" in done.err) == (1, True), done.err
    assert not (folder / "examples.jsonl").exists()


def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(folder):
    done = insidellms("sample", "day.jsonl", "-o", "nowhere/examples.jsonl", cwd=folder)
    assert (done.code, "there is no folder nowhere" in done.err) == (1, True)


def test_hostile_names_reach_no_terminal_raw(folder):
    usual = [(f"Where is my parcel number {n}?", "A") for n in range(3)]
    write_traces(folder / "day.jsonl", [*usual, ("Clear \x1b[2J my screen", "B")])
    done = insidellms("sample", "day.jsonl", "-o", "examples.jsonl", "--examples", "1", cwd=folder)
    assert "not covered: " in done.out
    assert "\x1b" not in done.out + done.err


def test_what_a_sample_can_be_drawn_by_is_offered_by_the_command():
    [option] = [one for one in command.params if one.name == "by"]
    assert set(option.type.choices) == set(STRATA)
