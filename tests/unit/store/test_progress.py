"""Progress is read from a journal that somebody else is writing."""

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.types import Telemetry
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader, record_line
from insideLLMs.store.progress import JournalWatch
from support.compared_runs import record


def write(journal, index, **given):
    journal.append_record(index, canonical.line(record(f"e{index}", **given)), Telemetry())
    journal.flush()


def test_each_look_tells_how_far_the_run_is(tmp_path):
    watch = JournalWatch(tmp_path)
    journal = Journal(tmp_path / "journal.jsonl", JournalHeader(run_id="ab" * 32, trials=5))
    journal.create()
    assert (watch.look().trials, watch.look().done) == (5, 0)
    write(journal, 0)
    write(journal, 3, status="timeout")
    assert watch.look().statuses == {"success": 1, "timeout": 1}
    write(journal, 1)
    assert watch.look().done == 3
    assert watch.look().run_id == "ab" * 32
    journal.close()


def test_a_line_that_is_still_being_written_waits_for_its_end(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, JournalHeader(run_id="ab" * 32, trials=2))
    journal.create()
    write(journal, 0)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    watch = JournalWatch(tmp_path)
    assert watch.look().done == 0
    path.write_bytes(whole)
    assert watch.look().done == 1


def test_damaged_lines_are_left_out_and_a_trial_counts_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, JournalHeader(run_id="ab" * 32, trials=2))
    journal.create()
    write(journal, 0)
    journal.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"crc": \xff}\n' + lines[1] + lines[1])
    assert JournalWatch(tmp_path).look().statuses == {"success": 1}


def test_a_record_without_a_status_is_left_out(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(record_line(0, b"{}", b"{}"))
    assert JournalWatch(tmp_path).look().done == 0


def test_a_run_without_a_journal_is_an_error_that_says_so(tmp_path):
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl"):
        JournalWatch(tmp_path).look()
