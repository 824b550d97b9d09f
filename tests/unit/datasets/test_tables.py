"""Tables: what spreadsheets and Parquet files become, whatever their delimiter, encoding and types."""

import csv
import datetime as dt
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets.tables import read_csv, read_parquet, usual_args


def rows(content: bytes, **args):
    return [row for _, row in read_csv(io.BytesIO(content), **args)]


def guessed(tmp_path, content: bytes, name="t.csv", **given_args):
    path = tmp_path / name
    path.write_bytes(content)
    return usual_args(path, "csv", given_args)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"id,question\n1,What; then?\n", {}),
        (b"id;question;answer\n1;One, two, three?;x\n2;a,b;y\n", {"delimiter": ";"}),
        (b"id\tquestion\n1\ta\n", {"delimiter": "\t"}),
        (b"id|question\n1|a\n", {"delimiter": "|"}),
        (b'id;"a,b";question\n1;"c;d";e\n', {"delimiter": ";"}),
        (b"question\nWhat, when; how?\n", {}),
        (b"\xef\xbb\xbfid;question\n1;a\n", {"delimiter": ";"}),
        ("id\tquestion\n1\tGrüße\n".encode("utf-16"), {"delimiter": "\t", "encoding": "utf-16"}),
        (b"", {}),
    ],
)
def test_the_first_lines_tell_delimiter_and_encoding(tmp_path, content, found):
    assert guessed(tmp_path, content) == found


def test_what_is_given_is_not_guessed(tmp_path):
    assert guessed(tmp_path, b"id;question\n1;a\n", delimiter=",") == {}
    assert guessed(tmp_path, b"id;question\n1;a\n", name="t.tsv") == {"delimiter": "\t"}


@given(
    st.sampled_from(";\t|"),
    st.lists(st.lists(st.text("ab ,'\"\n", max_size=8), min_size=3, max_size=3), min_size=1, max_size=12),
)
def test_a_table_that_python_writes_with_a_delimiter_is_read_with_it(tmp_path_factory, delimiter, cells):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([["id", "question", "answer"], *cells])
    args = guessed(tmp_path_factory.mktemp("csv"), text.getvalue().encode())
    assert args == {"delimiter": delimiter}
    read = rows(text.getvalue().encode(), **args)
    assert read == [dict(zip(("id", "question", "answer"), row, strict=True)) for row in cells if any(row)]


def test_other_encodings_are_read_on_request():
    assert rows("question\nGrüße\n".encode("cp1252"), encoding="windows-1252") == [{"question": "Grüße"}]


def test_an_encoding_that_does_not_fit_is_told():
    with pytest.raises(DatasetError, match="is not valid utf-16"):
        rows(b"question\nab", encoding="utf-16-le")
    with pytest.raises(DatasetError, match="'utf-99' is not known"):
        rows(b"question\nabc\n", encoding="utf-99")


def test_cells_hold_several_values_on_request():
    table = b'question,answer,tags\na,red | blue,"[1, ""x""]"\nb,,\n'
    assert rows(table, split={"answer": "|"}, json=["tags"]) == [
        {"question": "a", "answer": ["red", "blue"], "tags": [1, "x"]},
        {"question": "b", "answer": None, "tags": None},
    ]


def test_a_cell_with_a_key_twice_spoils_its_row():
    (bad,) = rows(b'question,tags\na,"{""x"": 1, ""x"": 2}"\n', json=["tags"])
    assert bad.message == "column 'tags' is not valid JSON: the key 'x' stands twice in one object"


def test_a_cell_that_is_not_json_spoils_its_row_only():
    bad, good = rows(b'question,tags\na,nope\nb,"[1]"\n', json=["tags"])
    assert "column 'tags' is not valid JSON" in bad.message
    assert good == {"question": "b", "tags": [1]}


def test_columns_that_are_not_there_are_named_with_the_nearest():
    with pytest.raises(DatasetError, match="has no column 'anwser'") as caught:
        rows(b"question,answer\na,b\n", split={"anwser": "|"})
    assert caught.value.fix == "did you mean 'answer'?"


def test_rows_of_blank_cells_are_passed_over():
    assert rows(b"question,answer\na,b\n,\n\nc,d\n") == [
        {"question": "a", "answer": "b"},
        {"question": "c", "answer": "d"},
    ]


def test_parquet_gives_dates_as_text_and_nan_as_missing(tmp_path):
    table = {
        "question": ["a"],
        "day": [dt.date(2026, 1, 2)],
        "at": [dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)],
        "score": [float("nan")],
        "many": [[1.0, float("nan")]],
    }
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    read = list(read_parquet(str(tmp_path / "t.parquet")))
    assert read == [
        {"question": "a", "day": "2026-01-02", "at": "2026-01-02T03:04:05+00:00", "score": None, "many": [1.0, None]}
    ]
    assert list(read_parquet(str(tmp_path / "t.parquet"), columns=["question"])) == [{"question": "a"}]
    with pytest.raises(DatasetError, match="has no column 'scor'") as caught:
        list(read_parquet(str(tmp_path / "t.parquet"), columns=["scor"]))
    assert caught.value.fix == "did you mean 'score'?"
