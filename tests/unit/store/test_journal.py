"""What the journal keeps, drops and refuses."""

import os
from pathlib import Path

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import JournalError, PlanMismatchError, StorageError
from insideLLMs.core.record_views import RecordIdentity, read_record
from insideLLMs.core.types import Request, ResultStatus, Telemetry
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import Entry, JournalHeader, journal_lines
from support.stored_trials import RUN, record, unscored

OPENED = []


def open_journal(folder, *, run_id=RUN, total=5):
    OPENED.append(Journal(folder / "journal.jsonl", JournalHeader(run_id=run_id, trials=total)))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _close():
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def written(tmp_path):
    journal = open_journal(tmp_path)
    journal.create()
    for index in (3, 0, 1):
        journal.append_record(index, record(index), Telemetry(attempts=index))
    journal.close()
    return tmp_path


def test_entries_come_in_trial_order_with_the_very_bytes(written):
    journal = open_journal(written)
    journal.resume()
    assert [(entry.index, entry.record) for entry in journal.entries()] == [(i, record(i)) for i in (0, 1, 3)]
    assert journal.resumed == 3
    assert [journal.is_done(i) for i in range(5)] == [True, True, False, True, False]
    assert not journal.warnings


def test_an_unscored_answer_survives(tmp_path):
    journal = open_journal(tmp_path)
    journal.create()
    journal.append_answer(2, canonical.line(unscored(2, text="paid for")), Telemetry(attempts=1))
    journal.close()
    again = open_journal(tmp_path)
    again.resume()
    answer = again.pending_answer(2)
    assert not again.is_done(2)
    assert answer.response.text == "paid for"
    assert answer.request == Request.of("?")
    assert answer.telemetry == Telemetry(attempts=1)
    assert again.pending_answer(1) is None


@pytest.mark.parametrize(("is_answer", "kept"), [(True, ["said"]), (False, [])])
def test_other_probes_find_an_answer_in_a_record_that_is_one(tmp_path, is_answer, kept):
    line = canonical.line(unscored(2, text="said"))
    headers = [JournalHeader(run_id=run * 64, trials=5, answers_id="same") for run in "ab"]
    journals = [Journal(tmp_path / "journal.jsonl", header) for header in headers]
    OPENED.extend(journals)
    journals[0].create()
    journals[0].append_record(2, line, Telemetry(), is_answer=is_answer)
    journals[0].close()
    journals[1].resume()
    assert not journals[1].is_done(2)
    assert [answer.response.text for _, answer in journals[1].pending_answers()] == kept


@pytest.mark.parametrize("cut", [1, 2, 50, 400])
def test_a_torn_last_line_is_dropped_with_a_warning_and_overwritten(written, cut):
    path = written / "journal.jsonl"
    data = path.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    path.write_bytes(data[: max(last + 1, len(data) - cut)])
    journal = open_journal(written)
    journal.resume()
    assert "torn" in journal.warnings[0]
    assert not journal.is_done(1)
    journal.append_record(1, record(1), Telemetry())
    journal.close()
    third = open_journal(written)
    third.resume()
    assert third.count_done() == 3
    assert not third.warnings


def test_damage_elsewhere_is_refused_by_line_unless_salvaged(written):
    path = written / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"yes"', b'"no!"')
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="line 3"):
        open_journal(written).resume()
    salvaged = open_journal(written)
    salvaged.resume(salvage=True)
    assert [salvaged.is_done(i) for i in range(5)] == [False, True, False, True, False]
    assert "line 3" in salvaged.warnings[0]


def test_another_runs_journal_is_refused_before_anything_is_written(written):
    before = (written / "journal.jsonl").read_bytes()
    with pytest.raises(PlanMismatchError, match="aaaaaaaaaaaa"):
        open_journal(written, run_id="b" * 64).resume()
    assert (written / "journal.jsonl").read_bytes() == before


def test_an_empty_journal_starts_from_the_beginning(tmp_path):
    (tmp_path / "journal.jsonl").touch()
    journal = open_journal(tmp_path)
    journal.resume()
    assert "empty" in journal.warnings[0]
    assert journal.count_done() == 0


@pytest.mark.parametrize("status", [s for s in ResultStatus if s is not ResultStatus.SUCCESS])
def test_only_a_success_counts_as_done(tmp_path, status):
    journal = open_journal(tmp_path)
    journal.create()
    journal.append_record(0, record(0, status), Telemetry())
    journal.close()
    again = open_journal(tmp_path)
    again.resume()
    assert not again.is_done(0)
    again.append_record(0, record(0, text="at last"), Telemetry())
    again.close()
    assert [entry.record for entry in again.entries()] == [record(0, text="at last")]


def test_a_record_without_a_status_does_not_count_as_done(tmp_path):
    journal = open_journal(tmp_path)
    journal.create()
    journal.append_record(0, b"{}", Telemetry())
    journal.close()
    again = open_journal(tmp_path)
    again.resume()
    assert not again.is_done(0)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        Journal(tmp_path / "absent" / "journal.jsonl", JournalHeader(run_id=RUN, trials=1)).create()


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_written(tmp_path):
    full = Journal(
        Path("full"), JournalHeader(run_id=RUN, trials=1), opener=lambda *_: os.open("/dev/full", os.O_WRONLY)
    )
    with pytest.raises(StorageError, match="No space left"):
        full.create()


def test_a_reopened_run_keeps_the_answer_of_a_trial_that_failed(tmp_path):
    failed = Entry(index=1, record=record(1, ResultStatus.ERROR, "the first turn"), telemetry=b"{}")
    found = [(read_record(failed.record, RecordIdentity), failed)]
    lines = journal_lines(found, JournalHeader(run_id=RUN, trials=5))
    (tmp_path / "journal.jsonl").write_bytes(b"".join(lines))
    journal = open_journal(tmp_path)
    journal.resume()
    assert (journal.resumed, journal.is_done(1)) == (0, False)
    assert journal.pending_answer(1).response.text == "the first turn"


def test_seeding_writes_a_journal_that_resumes(tmp_path, written):
    source = open_journal(written)
    source.resume()
    target = tmp_path / "again"
    target.mkdir()
    found = [(read_record(entry.record, RecordIdentity), entry) for entry in source.entries()]
    lines = journal_lines(found, JournalHeader(run_id=RUN, trials=5))
    (target / "journal.jsonl").write_bytes(b"".join(lines))
    journal = open_journal(target)
    journal.resume()
    assert list(journal.entries()) == list(source.entries())
