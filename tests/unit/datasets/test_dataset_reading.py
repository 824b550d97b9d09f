"""Datasets: what files become."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from backports import zstd

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import Message
from insideLLMs.datasets import open_dataset
from insideLLMs.plugins import dataset_registry
from support.datasets import ROWS, failure, lines, read, spec, write


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


LONG = {"prompt": "x" * 1_000_000}
KEPT = [{"prompt": "What?", "answer": "this", "level": 1}] * 3


@pytest.mark.parametrize(
    ("rows", "is_kept"),
    [
        (KEPT, True),
        ([*KEPT, {"prompt": "Which?", "answer": ["this", "that"]}], True),
        ([*KEPT, {"prompt": "Which?", "tags": ["a"]}], False),
        ([*KEPT, {"messages": [{"role": "user", "content": "hi"}]}], False),
        ([*KEPT, {"prompt": "Which?", "answer": {"n": 1}}], False),
        (KEPT[:1] * 10_001, False),
        ([LONG] * 9, False),
        ([{"prompt": "What?", "x" * 1_000_000: 1}] * 9, False),
    ],
    ids=["short", "several answers", "a list", "a chat", "an object", "many", "long", "long names"],
)
def test_a_short_file_of_plain_rows_is_read_once(tmp_path, monkeypatch, rows, is_kept):
    dataset = open_dataset(
        spec(write(tmp_path, lines([{"id": str(number), **row} for number, row in enumerate(rows)])))
    )
    first = list(dataset.examples())

    def refuse(_):
        raise OSError("it is read again")

    monkeypatch.setattr("insideLLMs.datasets.dataset.open_rows", refuse)
    if is_kept:
        assert list(dataset.examples()) == first
    else:
        with pytest.raises(OSError, match="read again"):
            list(dataset.examples())


def test_code_that_changes_an_example_changes_no_later_reading_of_it(tmp_path):
    dataset = open_dataset(spec(write(tmp_path, lines(KEPT[:1]))))
    for _, example in dataset.examples():
        example.fields["level"] = 2
        example.fields["more"] = True
    assert [example.fields for _, example in dataset.examples()] == [{"level": 1}]
