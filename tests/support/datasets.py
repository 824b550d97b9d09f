"""Datasets in files, and reading them."""

import json

import pytest

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.datasets import open_dataset

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
