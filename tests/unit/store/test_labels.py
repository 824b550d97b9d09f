"""`labels.jsonl` is valid at every moment, whoever is killed, and merges the same in any order."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from insideLLMs.core.errors import RunDirectoryError, StorageError
from insideLLMs.store import labels as store
from insideLLMs.store.labels import LABELS, append_label, holds_labels, labels_at, latest, merge_labels, read_labels
from support.people import label

ANSWERS = ["a" * 64, "b" * 64, "c" * 64]


def test_of_one_person_on_one_answer_the_last_label_counts(tmp_path):
    for verdict in ("pass", "fail", "skip"):
        append_label(tmp_path, label(verdict=verdict))
    append_label(tmp_path, label(by="bob"))
    assert len(read_labels(tmp_path / LABELS)) == 4
    assert {one.by: one.verdict for one in latest(read_labels(tmp_path / LABELS)).values()} == {
        "ann": "skip",
        "bob": "pass",
    }


def test_a_label_is_later_than_the_one_it_replaces_also_when_the_clock_goes_back(tmp_path):
    append_label(tmp_path, label(at="2026-05-05T00:00:00.000000Z"))
    second = append_label(tmp_path, label(verdict="fail", at="2026-01-01T00:00:00.000000Z"))
    assert second.at == "2026-05-05T00:00:00.000001Z"
    (only,) = latest(read_labels(tmp_path / LABELS)).values()
    assert only == second


def test_two_labels_of_one_moment_are_in_the_order_in_which_they_were_given(tmp_path):
    for verdict in ("pass", "fail"):
        last = append_label(tmp_path, label(verdict=verdict, at="2026-05-05T00:00:00.000000Z"))
    assert list(latest(read_labels(tmp_path / LABELS)).values()) == [last]
    assert (last.verdict, last.at) == ("fail", "2026-05-05T00:00:00.000001Z")


def test_who_decides_a_dispute_keeps_the_own_verdict(tmp_path):
    append_label(tmp_path, label(verdict="fail"))
    append_label(tmp_path, label(verdict="pass", drawn="disputed"))
    assert len(latest(read_labels(tmp_path / LABELS))) == 2


def test_a_file_cut_anywhere_is_valid_and_the_next_label_takes_the_place_of_what_was_cut(tmp_path):
    first, second = (append_label(tmp_path, label(answer)) for answer in ANSWERS[:2])
    whole = (tmp_path / LABELS).read_bytes()
    end = whole.index(b"\n") + 1
    for size in range(end, len(whole)):
        (tmp_path / LABELS).write_bytes(whole[:size])
        kept = (first,) if size < len(whole) - 1 else (first, second)
        assert read_labels(tmp_path / LABELS) == kept
        third = append_label(tmp_path, label(ANSWERS[2]))
        assert read_labels(tmp_path / LABELS) == (*kept, third)


def test_what_editors_add_to_a_file_is_no_label_and_no_fault(tmp_path):
    first = append_label(tmp_path, label())
    whole = (tmp_path / LABELS).read_bytes()
    for edited in (b"\xef\xbb\xbf" + whole, whole.replace(b"\n", b"\r\n"), whole + b"\n \n", b"\n" + whole):
        (tmp_path / LABELS).write_bytes(edited)
        assert read_labels(tmp_path / LABELS) == (first,)
        second = append_label(tmp_path, label(ANSWERS[1]))
        assert read_labels(tmp_path / LABELS) == (first, second)


@pytest.mark.parametrize("line", [b"{}", b"null", b"\xff", b'{"answer":"zz"}', b"[" * 10_000])
def test_a_line_that_is_no_label_is_named_and_nothing_is_written_behind_it(tmp_path, line):
    append_label(tmp_path, label())
    with (tmp_path / LABELS).open("ab") as file:
        file.write(line + b"\n")
    before = (tmp_path / LABELS).read_bytes()
    for action in (lambda: read_labels(tmp_path / LABELS), lambda: append_label(tmp_path, label())):
        with pytest.raises(RunDirectoryError, match=r"labels\.jsonl, line 2: not a label"):
            action()
    assert (tmp_path / LABELS).read_bytes() == before


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_label_that_a_person_edited_is_not_taken_for_one_that_was_cut(tmp_path, end):
    append_label(tmp_path, label())
    whole = (tmp_path / LABELS).read_bytes()
    (tmp_path / LABELS).write_bytes(whole + whole[:-2] + b',"verdict":"fail"}' + end)
    for action in (lambda: read_labels(tmp_path / LABELS), lambda: append_label(tmp_path, label())):
        with pytest.raises(RunDirectoryError, match=r"line 2: not a label: it has the key 'verdict' twice"):
            action()
    assert (tmp_path / LABELS).read_bytes().startswith(whole + whole[:-2])


def test_a_file_that_is_too_long_for_labels_is_not_read(tmp_path):
    with (tmp_path / LABELS).open("wb") as file:
        file.truncate(1 << 40)  # of zeros, which take no room
    with pytest.raises(RunDirectoryError, match=r"labels\.jsonl has more than 268,435,456 bytes"):
        read_labels(tmp_path / LABELS)


def test_a_label_that_the_disk_takes_only_in_part_is_not_stored(tmp_path, monkeypatch):
    append_label(tmp_path, label())
    before = (tmp_path / LABELS).read_bytes()
    write = os.write
    monkeypatch.setattr(store.os, "write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(StorageError, match="the label is not saved"):
        append_label(tmp_path, label(by="bob"))
    assert (tmp_path / LABELS).read_bytes() == before


def test_labels_are_written_to_no_other_file(tmp_path):
    other = tmp_path / "other"
    other.write_text("")
    for name, make in (("link", os.symlink), ("second name", os.link)):
        folder = tmp_path / name
        folder.mkdir()
        make(other, folder / LABELS)
        with pytest.raises(StorageError):
            append_label(folder, label())
    os.mkfifo(tmp_path / LABELS)
    with pytest.raises(StorageError):
        append_label(tmp_path, label())
    with pytest.raises(RunDirectoryError, match="regular file"):
        read_labels(tmp_path / LABELS)
    assert other.read_text() == ""


def test_files_merge_to_the_same_bytes_in_any_order_and_again(tmp_path):
    people = [
        [label(answer, by, verdict) for answer, verdict in zip(ANSWERS, verdicts, strict=True)]
        for by, verdicts in (("ann", ("pass", "fail", "skip")), ("bob", ("fail", "fail", "pass")))
    ]
    people.append([label(ANSWERS[0], "ann", "fail", "2026-02-01T00:00:00.000000Z")])
    made = set()
    for number, order in enumerate(itertools.permutations(people)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert sum(merge_labels(folder, given) for given in order) == 7
        assert sum(merge_labels(folder, given) for given in order) == 0
        made.add((folder / LABELS).read_bytes())
    assert len(made) == 1
    merged = latest(read_labels(folder / LABELS))
    assert merged[ANSWERS[0], "ann", False].verdict == "fail"
    assert merged[ANSWERS[0], "bob", False].verdict == "fail"


def _append(folder, by, count):
    for number in range(count):
        append_label(folder, label(f"{number:064x}", by))


def test_people_who_label_at_the_same_time_lose_nothing_while_files_are_merged(tmp_path):
    with ThreadPoolExecutor() as pool:  # each holds the file by a descriptor of its own, as processes do
        writers = [pool.submit(_append, tmp_path, by, 40) for by in ("ann", "bob")]
        for number in range(40):
            merge_labels(tmp_path, [label(f"{number:064x}", "cy")])
        for writer in writers:
            writer.result()
    assert len(read_labels(tmp_path / LABELS)) == 120


def test_a_place_with_labels_is_a_folder_or_a_file_that_begins_with_one(tmp_path):
    append_label(tmp_path, label())
    (tmp_path / "table.csv").write_text("run,id,label\n")
    assert holds_labels(tmp_path)
    assert holds_labels(tmp_path / LABELS)
    assert not holds_labels(tmp_path / "table.csv")
    assert labels_at(tmp_path) == labels_at(tmp_path / LABELS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunDirectoryError, match="has no labels"):
        labels_at(tmp_path / "empty")


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": ""},
        {"at": "yesterday"},
        {"at": "2026-13-99T00:00:00.000000Z"},
        {"answer": "A" * 64},
        {"note": "x" * 10_001},
        {"verdict": "yes"},
        {"repeat": 10**22},
    ],
)
def test_a_stored_label_has_its_form(tmp_path, wrong):
    line = {**msgspec.to_builtins(label()), **wrong}
    (tmp_path / LABELS).write_bytes(msgspec.json.encode(line) + b"\n")
    with pytest.raises(RunDirectoryError, match="line 1"):
        read_labels(tmp_path / LABELS)


def test_a_file_that_is_not_there_is_not_one_without_labels(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"nowhere\.jsonl does not exist"):
        labels_at(tmp_path / "nowhere.jsonl")
