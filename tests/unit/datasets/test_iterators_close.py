"""A reader that is left early closes before its file does, and quietly."""

import gc
import io

import pytest

from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.datasets.dataset import find_lines, open_dataset
from insideLLMs.datasets.rows import open_rows
from insideLLMs.datasets.tables import read_csv

FILES = {
    "csv": "id,prompt\na,x\nb,y\nc,z\n",
    "jsonl": '{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": "y"}\n',
    "json": '[{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]',
    "yaml": "- {id: a, prompt: x}\n- {id: b, prompt: y}\n",
}


@pytest.fixture(params=FILES)
def spec(request, tmp_path):
    path = tmp_path / f"d.{request.param}"
    path.write_text(FILES[request.param])
    return DatasetSpec(name="d", format=request.param, path=str(path))


@pytest.fixture
def complaints(monkeypatch):
    found = []
    monkeypatch.setattr("sys.unraisablehook", found.append)
    return found


def test_looking_for_a_line_ends_quietly_once_it_is_found(spec, complaints):
    assert set(find_lines(spec, {"a"})) == {"a"}
    gc.collect()
    assert not complaints


def test_examples_that_nobody_wants_more_of_end_quietly(spec, complaints):
    examples = open_dataset(spec).examples()
    next(examples)
    del examples
    gc.collect()
    assert not complaints


def test_a_reader_is_closed_with_the_file(spec):
    with open_rows(spec) as rows:
        next(rows.numbered)
    assert next(rows.numbered, None) is None


def test_a_reader_whose_file_is_closed_first_ends_quietly():
    stream = io.BytesIO(FILES["csv"].encode())
    rows = read_csv(stream)
    next(rows)
    stream.close()
    rows.close()
    assert next(rows, None) is None


def test_a_plug_in_of_rows_is_closed_too(tmp_path, monkeypatch):
    (tmp_path / "rows.py").write_text(
        "closed = []\ndef read():\n    try:\n        yield {'id': 'a'}\n        yield {'id': 'b'}\n"
        "    finally:\n        closed.append(True)\n"
    )
    monkeypatch.chdir(tmp_path)
    with open_rows(DatasetSpec(name="d", format="rows.py:read")) as rows:
        next(rows.numbered)
        reader = rows.numbered
    assert next(reader, None) is None
