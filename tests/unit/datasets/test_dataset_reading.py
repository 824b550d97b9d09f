"""Datasets: what files become, and what is said of those that cannot be read."""

import bz2
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from backports import zstd

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import Message
from insideLLMs.datasets import formats, open_dataset
from insideLLMs.plugins import dataset_registry

ROWS = [
    {"id": "b", "prompt": "2+2?", "expected": "4", "level": 1},
    {"id": "a", "question": "Capital of France?", "answer": ["Paris", "paris"]},
    {"example_id": 7, "messages": [{"role": "user", "content": "hé"}], "ideal": {"n": 1}},
]


def spec(path, format="jsonl", **changes):
    return DatasetSpec(name="d", format=format, path=str(path), **changes)


def write(tmp_path, content, name="d.jsonl"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(described, **options):
    return list(open_dataset(described, **options).examples())


def failure(described, **options) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        read(described, **options)
    return caught.value


def test_rows_become_examples_ranked_by_id(tmp_path):
    dataset = open_dataset(spec(write(tmp_path, lines(ROWS))))
    ranked = list(dataset.examples())
    assert [(rank, example.id) for rank, example in ranked] == [(2, "b"), (1, "a"), (0, "7")]
    first, second, third = (example for _, example in ranked)
    assert (first.input, first.expected, first.fields) == ("2+2?", ("4",), {"level": 1})
    assert (second.input, second.expected, second.fields) == ("Capital of France?", ("Paris", "paris"), {})
    assert (third.input, third.expected) == ((Message(role="user", content="hé"),), ({"n": 1},))
    assert (dataset.index.count, dataset.index.total, dataset.index.skipped) == (3, 3, 0)
    assert dataset.index.sha256 == hashlib.sha256(Path(dataset.spec.path).read_bytes()).hexdigest()


def test_openai_evals_rows_are_read_as_they_are(tmp_path):
    row = {
        "input": [
            {"role": "system", "content": "Answer."},
            {"role": "system", "name": "example_user", "content": "1+1"},
            {"role": "system", "name": "example_assistant", "content": "2"},
            {"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2"}]},
        ],
        "ideal": "4",
    }
    [(_, example)] = read(spec(write(tmp_path, lines([row]))))
    assert [(m.role, m.content) for m in example.input] == [
        ("system", "Answer."),
        ("user", "1+1"),
        ("assistant", "2"),
        ("user", "2+2"),
    ]
    assert example.expected == ("4",)


def test_tool_calls_are_read_as_openai_writes_them(tmp_path):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    chat = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
    ]
    [(_, example)] = read(spec(write(tmp_path, lines([{"messages": chat}]))))
    assert example.input[0].tool_calls[0].name == "add"
    assert example.input[0].tool_calls[0].arguments == {"a": 1}
    assert example.input[1].tool_call_id == "c1"


def test_an_example_without_id_is_named_by_its_content(tmp_path):
    [(_, example)] = read(spec(write(tmp_path, '{"prompt": "x", "k": 1}')))
    [(_, spaced)] = read(spec(write(tmp_path, '{"k":1,"id":null,"prompt":"x"}\n')))
    assert example.id == spaced.id == example.digest()[:24]


def test_later_names_of_the_input_stay_in_the_fields(tmp_path):
    [(_, example)] = read(spec(write(tmp_path, '{"question": "q", "input": "i", "answer": "a", "reference": "r"}')))
    assert (example.input, example.expected, example.fields) == ("q", ("a",), {"input": "i", "reference": "r"})


def test_field_names_choose_the_columns(tmp_path):
    described = spec(
        write(tmp_path, '{"frage": "q", "input": "i", "nr": 3, "lösung": "a"}'),
        field_names={"input": "frage", "id": "nr", "expected": "lösung"},
    )
    [(_, example)] = read(described)
    assert (example.id, example.input, example.expected, example.fields) == ("3", "q", ("a",), {"input": "i"})
    assert "give it 'frage'" in str(failure(spec(write(tmp_path, '{"input": "i"}'), field_names={"input": "frage"})))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_mark_blank_lines_and_carriage_returns_are_tolerated(tmp_path, ending):
    text = "\ufeff" + ending.join(['{"id": "x", "prompt": "1"}', "", '{"id": "y", "prompt": "2"}', "  "])
    assert [example.id for _, example in read(spec(write(tmp_path, text)))] == ["x", "y"]


def test_compressed_files_give_the_same_examples(tmp_path):
    plain = lines(ROWS).encode()
    expected = read(spec(write(tmp_path, plain)))
    assert read(spec(write(tmp_path, gzip.compress(plain), "d.jsonl.gz"))) == expected
    assert read(spec(write(tmp_path, zstd.compress(plain), "d.jsonl.zst"))) == expected


def test_the_digest_of_a_compressed_file_is_that_of_its_stored_bytes(tmp_path):
    path = write(tmp_path, gzip.compress(lines(ROWS).encode()), "d.jsonl.gz")
    assert open_dataset(spec(path)).index.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "format", "text"),
    [
        ("d.json", "json", json.dumps(ROWS, indent=1)),
        ("d.json", "json", json.dumps({"name": "n", "examples": ROWS})),
        ("d.yaml", "yaml", "\n".join(f"- {json.dumps(row, ensure_ascii=False)}" for row in ROWS)),
        ("d.yaml", "yaml", "items:\n" + "\n".join(f"- {json.dumps(row, ensure_ascii=False)}" for row in ROWS)),
    ],
)
def test_json_and_yaml_give_the_same_examples_as_jsonl(tmp_path, name, format, text):
    assert read(spec(write(tmp_path, text, name), format)) == read(spec(write(tmp_path, lines(ROWS))))


def test_csv_cells_are_text_and_blank_ones_are_missing(tmp_path):
    text = 'id,question,answer,level\r\n1,"a\nb, c",4,007\r\n,second,,\r\n'
    (_, first), (_, second) = read(spec(write(tmp_path, text, "d.csv"), "csv"))
    assert (first.id, first.input, first.expected, first.fields) == ("1", "a\nb, c", ("4",), {"level": "007"})
    assert (second.input, second.expected, second.fields) == ("second", (), {"level": ""})
    assert len(second.id) == 24


def test_csv_takes_a_delimiter_and_long_cells(tmp_path):
    path = write(tmp_path, "prompt\tanswer\n" + "x" * 300_000 + "\ty\n", "d.tsv")
    [(_, example)] = read(spec(path, "csv", args={"delimiter": "\t"}))
    assert len(example.input) == 300_000


def test_inline_examples_are_hashed_by_their_canonical_lines():
    described = DatasetSpec(
        name="d", format="inline", examples=({"prompt": "x", "id": "1"}, {"id": "2", "prompt": "y"})
    )
    dataset = open_dataset(described)
    assert [example.id for _, example in dataset.examples()] == ["1", "2"]
    assert dataset.index.sha256 == hashlib.sha256(b'{"id":"1","prompt":"x"}\n{"id":"2","prompt":"y"}\n').hexdigest()


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
    ("d.json", "json", '{"prompt": "x"}\n{"prompt": "y"}', "d.json is not valid JSON"),
    ("d.json", "json", "3", "d.json is not a JSON array of objects"),
    ("d.yaml", "yaml", "a: 1\n", "d.yaml is not a list of examples"),
    ("d.yaml", "yaml", "- {a: 1, a: 2}\n", "1:10: [0].a: is given twice"),
    ("d.yaml", "yaml", "- [", "d.yaml is not valid YAML"),
    ("d.csv", "csv", "prompt,prompt\nx,y\n", "d.csv has two columns 'prompt'"),
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


def test_a_dataset_that_is_only_touched_is_still_the_same(tmp_path):
    path = write(tmp_path, lines(ROWS))
    dataset = open_dataset(spec(path))
    path.unlink()
    write(tmp_path, lines(ROWS))
    assert len(list(dataset.examples())) == 3


def test_a_subset_is_independent_of_order_and_nested(tmp_path):
    rows = [{"id": f"q{i}", "prompt": str(i)} for i in range(200)]

    def ids(rows, size):
        return {example.id for _, example in read(spec(write(tmp_path, lines(rows))), max_examples=size)}

    small, large = ids(rows, 10), ids(rows[::-1], 20)
    assert small == ids(rows[::-1], 10)
    assert len(small) == 10
    assert small < large
    by_hash = sorted(ids(rows, 500), key=lambda name: hashlib.sha256(f"insidellms/subset/1\n{name}".encode()).digest())
    assert small == set(by_hash[:10])


def test_a_plugin_yields_mappings_and_is_hashed_by_them():
    dataset_registry.register("counting", lambda upto: ({"prompt": str(n)} for n in range(upto)), upto=2)
    try:
        described = DatasetSpec(name="d", format="counting", args={"upto": 3})
        dataset = open_dataset(described)
        assert [example.input for _, example in dataset.examples()] == ["0", "1", "2"]
        rows = b"".join(b'{"prompt":"%d"}\n' % n for n in range(3))
        assert dataset.index.sha256 == hashlib.sha256(rows).hexdigest()
    finally:
        dataset_registry.unregister("counting")


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


def test_a_file_format_of_a_stranger_is_given_the_plain_bytes(tmp_path):
    def reading(stream, prefix):
        yield from ((number, {"prompt": prefix + line.decode().strip()}) for number, line in enumerate(stream, 1))

    dataset_registry.register("lines", reading)
    try:
        path = write(tmp_path, gzip.compress(b"a\nb\n"), "d.txt.gz")
        examples = read(spec(path, "lines", args={"prefix": "> "}))
        assert [example.input for _, example in examples] == ["> a", "> b"]
    finally:
        dataset_registry.unregister("lines")


def test_a_file_format_without_a_path_says_so():
    assert "dataset 'd' has no path" in str(failure(DatasetSpec(name="d", format="jsonl")))


def test_ids_rank_in_the_order_of_text_whatever_bytes_they_hold(tmp_path):
    names = ["a", "a\0", "a\0b", "\0", "\uffff", "\U0001f600", "é", "e", "aa", "a\1"]
    ranked = read(spec(write(tmp_path, lines([{"id": name, "prompt": "x"} for name in names]))))
    assert [example.id for _, example in sorted(ranked, key=lambda pair: pair[0])] == sorted(names)


def test_a_plugin_that_opens_its_file_itself_may_find_it_touched(tmp_path):
    def opening(path):
        return [{"prompt": line} for line in Path(path).read_text().splitlines()]

    dataset_registry.register("opening", opening)
    try:
        path = write(tmp_path, "a\nb\n", "d.txt")
        dataset = open_dataset(spec(path, "opening"))
        path.unlink()
        write(tmp_path, "a\nb\n\n"[:4], "d.txt")
        assert [example.input for _, example in dataset.examples()] == ["a", "b"]
        write(tmp_path, "a\nb\nc\n", "d.txt")
        with pytest.raises(DatasetError, match="changed"):
            next(dataset.examples())
    finally:
        dataset_registry.unregister("opening")


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
