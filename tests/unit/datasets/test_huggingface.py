"""Sets of Hugging Face: saved and plain folders read alike, and what cannot be pinned or read refused in words."""

import datetime as dt
import json
import sys

import pytest

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.datasets.dataset import open_dataset
from insideLLMs.datasets.huggingface import read_huggingface
from support.command import insidellms, records_of, write_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"question": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(1, 6)]


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets", reason="needs the extra: pip install 'insidellms[datasets]'")


@pytest.fixture
def saved(datasets, tmp_path):
    """A folder that the library saved: two splits, one column that is no JSON."""
    with_times = [{**row, "asked": dt.datetime(2026, 1, 1)} for row in ROWS]  # noqa: DTZ001 - as Arrow has it
    splits = {"test": datasets.Dataset.from_list(with_times), "train": datasets.Dataset.from_list(with_times[:1])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def plain(datasets, tmp_path):
    """A folder of data files, one a split."""
    write_files(tmp_path / "plain", {"test.jsonl": ROWS, "train.jsonl": ROWS[:1]})
    return tmp_path / "plain"


def read(path, **args):
    return list(read_huggingface(str(path), **args))


def spec(path, **args):
    return DatasetSpec(
        name="sums",
        format="huggingface",
        path=str(path),
        field_names={"input": "question", "expected": "answer"},
        args=args,
    )


def test_a_saved_folder_and_one_of_data_files_give_the_same_rows_and_digest(saved, plain):
    assert read(plain, split="test") == ROWS
    assert read(saved, split="test", columns=["question", "answer"]) == ROWS
    first = open_dataset(spec(saved, split="test", columns=["question", "answer"]))
    second = open_dataset(spec(plain, split="test"))
    assert first.index.sha256 == second.index.sha256
    assert {example.expected for _, example in second.examples()} == {(row["answer"],) for row in ROWS}


def test_a_folder_of_one_split_needs_no_name_of_it(datasets, tmp_path):
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    assert read(tmp_path / "one") == ROWS


def test_a_changed_data_file_is_read_again(plain):
    before = open_dataset(spec(plain, split="test"))
    write_files(plain, {"test.jsonl": [*ROWS[:-1], {"question": "What is 5 plus 5?", "answer": "11"}]})
    assert open_dataset(spec(plain, split="test")).index.sha256 != before.index.sha256
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(before.examples())


def test_several_splits_and_an_unknown_one_are_told_with_those_there_are(saved, plain):
    for folder in (saved, plain):
        with pytest.raises(DatasetError, match="has several splits") as caught:
            read(folder)
        assert "test, train" in str(caught.value)
        with pytest.raises(DatasetError, match="has no split 'dev'"):
            read(folder, split="dev")


def test_a_column_that_is_no_json_is_refused_by_name(saved):
    with pytest.raises(DatasetError, match=r"asked.*datetime"):
        open_dataset(spec(saved, split="test"))


@pytest.mark.parametrize(
    ("files", "args", "words"),
    [
        ({"test.jsonl": '{"question": "x"}\n{"quest\n'}, {"split": "test"}, "cannot be read"),
        ({"sub/.keep": ""}, {"split": "test"}, "cannot be read"),
        ({"test.jsonl": ROWS}, {"split": "test", "columns": ["nowhere"]}, "nowhere"),
        ({"test.jsonl": ROWS}, {"revision": COMMIT}, "no revision"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told_by_its_name(datasets, tmp_path, files, args, words):
    write_files(tmp_path / "odd", files)
    with pytest.raises(DatasetError, match=words):
        read(tmp_path / "odd", **args)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"name": "some/set"}, "has no revision"),
        ({"name": "some/set", "revision": "main"}, "'main', which is not a commit"),
        ({"name": "some/set", "revision": COMMIT[:7]}, "is not a commit"),
        ({}, "name the Hugging Face dataset once"),
        ({"name": "some/set", "path": "folder", "revision": COMMIT}, "name the Hugging Face dataset once"),
    ],
)
def test_what_is_not_pinned_or_not_named_once_is_refused_before_the_library_loads(args, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError, match=words):
        list(read_huggingface(**args))


def test_a_name_that_is_also_a_folder_here_is_refused(tmp_path, monkeypatch):
    (tmp_path / "some" / "set").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match="also a folder"):
        list(read_huggingface(name="some/set", revision=COMMIT))


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DatasetError, match="not installed") as caught:
        list(read_huggingface(name="some/set", revision=COMMIT))
    assert "insidellms[datasets]" in str(caught.value)


def experiment(**dataset):
    return json.dumps(
        {"model": {"type": "dummy"}, "probe": {"type": "numeric"}, "dataset": {"format": "huggingface", **dataset}}
    )


def test_a_run_reads_a_saved_folder(saved, tmp_path):
    args = {"split": "test", "columns": ["question", "answer"]}
    fields = {"input": "question", "expected": "answer"}
    write_files(tmp_path, {"experiment.json": experiment(path="saved", args=args, field_names=fields)})
    done = insidellms("run", "experiment.json", "--run-dir", "out", cwd=tmp_path)
    assert done.code == 0, done.err
    assert len(records_of(tmp_path / "out")) == len(ROWS)


def test_a_hub_that_cannot_be_reached_stops_the_run_in_words(datasets, tmp_path):
    write_files(tmp_path, {"experiment.json": experiment(args={"name": "some/set", "revision": COMMIT})})
    done = insidellms("run", "experiment.json", cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"})
    assert done.code == 1
    assert "'some/set' cannot be read as a Hugging Face dataset" in done.err
    assert "Traceback" not in done.err
