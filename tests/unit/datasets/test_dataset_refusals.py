"""What a dataset is refused for: bad rows with their lines, bad files by name, pins, changes while it is read."""

import bz2
import gzip
import hashlib

import pytest
from backports import zstd

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.datasets import formats, open_dataset
from insideLLMs.plugins import dataset_registry
from support.datasets import ROWS, failure, lines, read, spec, write

BAD = [
    ('{"prompt": "x"}\n{"prompt": \n', "d.jsonl:2: is not valid JSON"),
    ('{"prompt": "x"}\n[1]\n', "d.jsonl:2: is a list; an example is a JSON object"),
    ('"x"\n', "d.jsonl:1: is text; an example"),
    ('{"text": "x"}\n', "d.jsonl:1: has no input; give it 'prompt' or 'question' or 'input' or 'messages'"),
    ('{"prompt": null}\n', "d.jsonl:1: has no input"),
    ('{"prompt": ""}\n', "d.jsonl:1: its input is empty"),
    ('{"prompt": 3}\n', "d.jsonl:1: its input is a number"),
    ('{"messages": []}\n', "d.jsonl:1: its chat has no messages"),
    ('{"messages": ["x"]}\n', "d.jsonl:1: message 1 is text"),
    ('{"messages": [{"role": "robot", "content": "x"}]}\n', "message 1 has the role 'robot'; known are assistant"),
    ('{"messages": [{"role": ["x"], "content": "x"}]}\n', "message 1 has the role ['x']"),
    ('{"messages": [{"role": "user", "content": 3}]}\n', "message 1 has a content that is neither text nor"),
    ('{"messages": [{"role": "user", "content": "x", "nmae": "y"}]}\n', "message 1 has 'nmae'; known are content"),
    ('{"messages": [{"role": "user", "content": "x", "name": "y"}]}\n', "message 1 is named 'y'"),
    (
        '{"messages": [{"role": "user", "tool_calls": [{"name": 3}]}]}\n',
        "message 1 has a tool call that cannot be read",
    ),
    ('{"id": 1.5, "prompt": "x"}\n', "d.jsonl:1: its id is a number; an id is text or a whole number"),
    ('{"id": true, "prompt": "x"}\n', "its id is true or false"),
    ('{"id": "", "prompt": "x"}\n', "its id is empty"),
    ('{"prompt": "x", "n": NaN}\n', "d.jsonl:1: is not valid JSON"),
    ('{"prompt": "x", "n": 1e999}\n', "d.jsonl:1: "),
    ('{"prompt": "x", "n": 9007199254740993}\n', "row.n is 9007199254740993; integers must lie"),
    ('{"prompt": "x", "n": [18446744073709551616]}\n', "row.n[0] is 18446744073709551616; integers must lie"),
    ('{"prompt": "\\ud800"}\n', "d.jsonl:1: is not valid JSON"),
    ('{"prompt": "x", "n": ' + "[" * 200 + "]" * 200 + "}\n", "is nested deeper than 100 levels"),
    ('{"prompt": "x", "n": ' + "[" * 90000 + "]" * 90000 + "}\n", "is nested too deeply"),
    (b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "d.jsonl:2: is not valid UTF-8"),
    ('{"id": "x", "prompt": "1"}\n\n{"id": "x", "prompt": "2"}\n', "d.jsonl:3: has the id 'x', as has "),
    ('{"id": 1, "prompt": "1"}\n{"id": "1", "prompt": "2"}\n', "d.jsonl:2: has the id '1', as has "),
    ('{"prompt": "1"}\n{"prompt": "x", "prompt": "y"}\n', "d.jsonl:2: has the key 'prompt' twice in one object; keep"),
    ('\ufeff{"prompt": "x", "prompt": "y"}\n', "d.jsonl:1: has the key 'prompt' twice"),
    ('{"messages": [{"role": "user", "role": "system", "content": "x"}]}\n', "d.jsonl:1: has the key 'role' twice"),
    ("", "dataset 'd' has no examples: it is empty"),
    ("\n\n", "dataset 'd' has no examples: it is empty"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_row_is_refused_with_its_line(tmp_path, content, message):
    assert message in str(failure(spec(write(tmp_path, content))))


def test_duplicates_name_both_lines(tmp_path):
    error = failure(spec(write(tmp_path, lines([{"id": "x", "prompt": "1"}] * 3))))
    assert "d.jsonl:2: has the id 'x', as has " in error.message
    assert "d.jsonl:1\n" in error.message
    assert error.message.startswith("2 bad rows in dataset 'd':")


def test_up_to_twenty_bad_rows_are_reported_at_once_in_file_order(tmp_path):
    rows = [{"id": "x", "prompt": "1"}, *[{"id": "x"} if i % 2 else {"id": "x", "prompt": "1"} for i in range(48)]]
    error = failure(spec(write(tmp_path, lines(rows))))
    assert error.message.startswith("48 bad rows in dataset 'd':")
    numbers = [int(line.split("d.jsonl:")[1].split(":")[0]) for line in error.message.splitlines()[1:-1]]
    doubles, without_input = range(2, 22, 2), (3, 5)  # the same words are told twice at most
    assert numbers == sorted([*doubles, *without_input])
    assert error.message.endswith("and 36 more")
    assert "on_error: skip" in error.fix


def test_bad_rows_are_skipped_and_counted_on_request(tmp_path):
    content = '{"id": "b", "prompt": "1"}\nnonsense\n{"id": "b", "prompt": "2"}\n{"id": "a", "prompt": "3"}\n'
    dataset = open_dataset(spec(write(tmp_path, content), on_error="skip"))
    assert [(rank, example.id, example.input) for rank, example in dataset.examples()] == [(1, "b", "1"), (0, "a", "3")]
    assert (dataset.index.count, dataset.index.total, dataset.index.skipped) == (2, 4, 2)
    assert [problem.line for problem in dataset.index.problems] == [2, 3]


def test_a_dataset_of_bad_rows_alone_is_an_error_even_when_they_are_skipped(tmp_path):
    assert "all 2 rows are bad" in str(failure(spec(write(tmp_path, "x\ny\n"), on_error="skip")))


WHOLE = [
    ("d.json", "json", "{}", "d.json is an object; a JSON dataset is an array"),
    ("d.json", "json", "[1,", "d.json is not valid JSON"),
    (
        "d.json",
        "json",
        '[\n {"prompt": "x"},\n {"prompt": "y", "prompt": "z"}]',
        "d.json:3: has the key 'prompt' twice",
    ),
    (
        "d.json",
        "json",
        '{"data": [{"prompt": "x"}], "data": []}',
        "d.json has the key 'data' twice in its outermost object, at line 1",
    ),
    (
        "d.json",
        "json",
        '{"a": {"n": "}"}, "n": 1,\n"data": [],\n"\\u006e": 2}',
        "'n' twice in its outermost object, at line 1 and 3",
    ),
    ("d.json", "json", '{"prompt": "x"}\n{"prompt": "y"}', "d.json is not valid JSON"),
    ("d.json", "json", "3", "d.json is not a JSON array of objects"),
    ("d.yaml", "yaml", "a: 1\n", "d.yaml is not a list of examples"),
    ("d.yaml", "yaml", "- {a: 1, a: 2}\n", "1:10: [0].a: is given twice"),
    ("d.yaml", "yaml", "- [", "d.yaml is not valid YAML"),
    ("d.csv", "csv", "prompt,prompt\nx,y\n", "d.csv has two columns 'prompt': number 1 and 2"),
    ("d.csv", "csv", "prompt,answer\nx\n", "d.csv:2: has 1 cells; the first line names 2 columns"),
    ("d.csv", "csv", 'prompt\n"a"b\n', "d.csv:2: is not valid CSV"),
    ("d.csv", "csv", b'prompt\n"a\nb"\n\xff\n', "d.csv:4: is not valid UTF-8"),
    ("d.json", "json", '[\n {"prompt": "x"},\n\n {"prompt": 1}]', "d.json:4: its input is a number"),
    ("d.yaml", "yaml", "- prompt: x\n\n- promt: y\n", "d.yaml:3: has no input"),
    ("d.jsonl.gz", "jsonl", "plain", "d.jsonl.gz is damaged"),
    ("d.jsonl.gz", "jsonl", gzip.compress(b'{"prompt": "x"}\n' * 9)[:30], "d.jsonl.gz is damaged"),
    ("d.jsonl.zst", "jsonl", "plain", "d.jsonl.zst is damaged"),
    ("d.jsonl.zst", "jsonl", zstd.compress(b'{"prompt": "x"}\n' * 9)[:20], "d.jsonl.zst is damaged"),
    ("d.jsonl", "jsonl", bz2.compress(b"x"), "is not valid"),
]


@pytest.mark.parametrize(("name", "format", "content", "message"), WHOLE, ids=[case[3] for case in WHOLE])
def test_a_bad_file_is_refused_by_name(tmp_path, name, format, content, message):
    assert message in str(failure(spec(write(tmp_path, content, name), format)))


def test_a_missing_file_suggests_near_names(tmp_path):
    write(tmp_path, "x", "questions.jsonl")
    error = failure(spec(tmp_path / "question.jsonl"))
    assert "there is no dataset file" in error.message
    assert error.fix == "did you mean questions.jsonl?"
    assert "there is no folder" in failure(spec(tmp_path / "none" / "q.jsonl")).fix


def test_a_folder_is_no_dataset(tmp_path):
    assert "is a folder; a dataset is one file" in str(failure(spec(tmp_path)))


def test_a_pin_that_does_not_match_shows_both_digests(tmp_path):
    path = write(tmp_path, lines(ROWS))
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read(spec(path, sha256=actual.upper()))
    error = failure(spec(path, sha256="0" * 64))
    assert actual in error.message
    assert "0" * 64 in error.message


def test_a_dataset_that_changes_between_scan_and_use_is_refused_before_its_first_example(tmp_path):
    path = write(tmp_path, lines(ROWS))
    dataset = open_dataset(spec(path))
    write(tmp_path, lines([*ROWS, {"prompt": "new"}]))
    with pytest.raises(DatasetError, match="changed while it was in use"):
        next(dataset.examples())


def test_a_dataset_that_changes_while_its_examples_are_used_is_refused_at_their_end(tmp_path):
    examples = open_dataset(spec(write(tmp_path, lines(ROWS[:2])))).examples()
    next(examples)
    write(tmp_path, lines([*ROWS[:2], {"prompt": "new"}]))
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(examples)


def test_a_plugin_whose_rows_cannot_be_hashed_stops_the_run():
    dataset_registry.register("odd", lambda: [{"prompt": "x", "at": object()}])
    try:
        error = failure(DatasetSpec(name="d", format="odd", on_error="skip"))
        assert "dataset 'd', example 1: $.at is of type object" in error.message
        assert "cannot be hashed" in error.message
    finally:
        dataset_registry.unregister("odd")


def test_a_plugin_that_answers_differently_the_second_time_is_refused():
    calls = []

    def wavering():
        calls.append(1)
        return [{"prompt": f"x{len(calls)}"}]

    dataset_registry.register("wavering", wavering)
    try:
        dataset = open_dataset(DatasetSpec(name="d", format="wavering"))
        with pytest.raises(DatasetError, match="changed while it was in use"):
            list(dataset.examples())
    finally:
        dataset_registry.unregister("wavering")


@pytest.mark.parametrize(("name", "head"), [("d.jsonl.gz", b'{"prompt": "'), ("d.csv.gz", b"id,prompt\na,")])
def test_a_line_that_unpacks_to_more_than_memory_holds_is_refused(tmp_path, monkeypatch, name, head):
    monkeypatch.setattr(formats, "LONGEST_LINE", 1000)
    path = write(tmp_path, gzip.compress(head + b"x" * 5000), name)
    assert "is longer than 1,000 bytes" in str(failure(spec(path, name.split(".")[1])))


@pytest.mark.parametrize("name", ["d.json.gz", "d.yaml.gz"])
def test_a_document_that_unpacks_to_more_than_memory_holds_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(formats, "LARGEST_DOCUMENT", 1000)
    path = write(tmp_path, gzip.compress(b'[{"prompt": "' + b"x" * 5000 + b'"}]'), name)
    assert "is larger than 1,000 bytes" in str(failure(spec(path, name.split(".")[1])))
