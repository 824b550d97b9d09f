"""Runs as tables: typed where the format has types, harmless where it has none."""

import csv
import io
import sys

import pytest
from pyarrow import parquet

from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Response, Usage
from insideLLMs.report.records_table import comparison_table, run_table, write_csv, write_parquet
from support.compared_runs import record, view
from support.hostile_texts import HOSTILE

RECORDS = [
    record("a", text="=1+1", response=Response(text="=1+1", usage=Usage(input_tokens=3, output_tokens=2))),
    record("b", values={"f1": 0.5, "=x": 1}),
    record("c", status="timeout"),
    record("d", passed=False, label="-1"),
]


def as_parquet(records):
    out = io.BytesIO()
    write_parquet(out, run_table(view(records)))
    return out.getvalue()


def read(data):
    return parquet.ParquetFile(io.BytesIO(data))


def test_parquet_columns_have_types_and_null_where_there_is_no_value():
    table = read(as_parquet(RECORDS)).read()
    types = {field.name: str(field.type) for field in table.schema}
    assert types["repeat"] == types["output_tokens"] == "int64"
    assert types["passed"] == "bool"
    assert types["expected"].startswith("list<")
    assert {kind for name, kind in types.items() if name.startswith("score_")} == {"double"}
    assert table.column("passed").to_pylist() == [True, None, None, False]
    assert table.column("score_f1").to_pylist() == [None, 0.5, None, None]
    assert table.column("output_tokens").to_pylist() == [2, None, None, None]
    assert table.column("output").to_pylist()[2] is None
    assert table.column("error").to_pylist() == [None, None, "ServerError: boom", None]
    assert table.column("expected").to_pylist()[0] == ["yes"]


def test_parquet_keeps_every_text_as_it_is():
    texts = [*HOSTILE, "=HYPERLINK(1)", "+1", "@x", "\x00", ""]
    records = [record(f"{number:03}", text=text, prompt=text) for number, text in enumerate(texts)]
    table = read(as_parquet(records)).read()
    assert table.column("output").to_pylist() == texts
    assert table.column("input").to_pylist() == texts


def test_parquet_is_the_same_each_time_and_written_in_groups():
    records = [record(f"{number:05}", text="x" * 20_000) for number in range(1000)]
    data = as_parquet(records)
    assert data == as_parquet(records)
    groups = [read(data).metadata.row_group(number).num_rows for number in range(read(data).num_row_groups)]
    assert sum(groups) == 1000
    assert max(groups) < 250
    many = read(as_parquet([record(f"{number:05}") for number in range(10_000)]))
    assert [many.metadata.row_group(number).num_rows for number in range(many.num_row_groups)] == [8192, 1808]


def test_a_run_without_records_is_a_table_without_rows():
    table = read(as_parquet([])).read()
    assert table.num_rows == 0
    assert "output" in table.column_names


def test_csv_holds_the_same_values_and_no_formula():
    out = io.BytesIO()
    write_csv(out, run_table(view(RECORDS)))
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert [row["passed"] for row in rows] == ["true", "", "", "false"]
    assert rows[0]["output"] == "'=1+1"
    assert rows[0]["output_tokens"] == "2"
    assert rows[3]["label"] == "'-1"
    assert rows[1]["score_f1"] == "0.5"


def test_a_comparison_has_each_trial_once_with_both_sides_and_its_class():
    before = [record("flip"), record("gone"), record("same", values={"f1": 0.5})]
    after = [record("flip", passed=False, text="no"), record("new"), record("same", values={"f1": 0.5})]
    out = io.BytesIO()
    write_parquet(out, comparison_table(view(before), view(after), CompareOptions()))
    rows = {row["example_id"]: row for row in read(out.getvalue()).read().to_pylist()}
    assert {name: row["class"] for name, row in rows.items()} == {
        "flip": "regressed", "gone": "removed", "new": "new", "same": "unchanged",
    }  # fmt: skip
    assert (rows["flip"]["passed_baseline"], rows["flip"]["passed_candidate"]) == (True, False)
    assert (rows["flip"]["output_baseline"], rows["flip"]["output_candidate"]) == ("yes", "no")
    assert rows["flip"]["differs"] == "pass -> fail"
    assert rows["gone"]["status_candidate"] is None
    assert rows["new"]["status_baseline"] is None
    assert rows["same"]["score_f1_candidate"] == 0.5
    assert rows["same"]["score_correct_baseline"] is None


def test_parquet_without_the_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InsideLLMsError, match="not installed") as caught:
        as_parquet(RECORDS)
    assert "insidellms[parquet]" in str(caught.value)
