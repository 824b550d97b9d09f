"""A folder in which experiment files are read."""

import pytest

from support.experiment_files import registered


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text('{"prompt": "x"}\n')
    with registered():
        yield tmp_path
