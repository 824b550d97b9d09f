"""A disk that fails under the journal: the run ends with a clear error, and what was written is resumed."""

import errno
import io
import os

import pytest

from insideLLMs.core.errors import StorageError
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader
from support.engine import ScriptedModel, run_engine


class FailingFile(io.FileIO):
    """A file whose writes fail after so many."""

    def __init__(self, path, mode, *, good_writes, code):
        super().__init__(path, mode)
        self.good_writes = good_writes
        self.code = code

    def write(self, data):
        if self.good_writes <= 0:
            raise OSError(self.code, os.strerror(self.code))
        self.good_writes -= 1
        return super().write(data)


class FailingJournal(Journal):
    """A journal on a disk that breaks."""

    failing = True
    code = errno.EIO

    def _open(self, mode):
        if self.failing:
            self._file = FailingFile(self.path, mode, good_writes=8, code=self.code)
        else:
            super()._open(mode)

    def entries(self):
        self.close()
        for entry in super().entries():
            yield entry.index, entry.record, entry.telemetry


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_write_that_fails_ends_the_run_and_keeps_what_was_written(tmp_path, code):
    inputs = [str(number) for number in range(40)]
    journal = FailingJournal(tmp_path / "journal.jsonl", JournalHeader(run_id="r", trials=len(inputs)))
    journal.code = code
    journal.create()
    model = ScriptedModel(lambda *_: "yes")
    with pytest.raises(StorageError) as caught:
        run_engine(model, inputs, sink=journal, concurrency=4)
    assert os.strerror(code) in str(caught.value)
    assert "resumed" in str(caught.value)
    again = FailingJournal(tmp_path / "journal.jsonl", JournalHeader(run_id="r", trials=len(inputs)))
    again.failing = False
    again.resume()
    assert again.resumed > 0
    records, _ = run_engine(model, inputs, sink=again, concurrency=4)
    again.close()
    assert [record.status for record in records] == ["success"] * len(inputs)
    assert len(model.calls) <= len(inputs) + 4 + 1
