"""The shipped datasets: the index names every file, and says its size right."""

import re

from insideLLMs.datasets.shipped import FOLDER, shipped_datasets


def test_every_file_of_examples_is_in_the_index():
    assert {one.name for one in shipped_datasets()} == {path.stem for path in FOLDER.glob("*.jsonl")}


def test_a_size_that_the_index_tells_is_the_size():
    for one in shipped_datasets():
        told = re.match(r"(\d+) (?!ways|injections)", one.about)
        assert told is None or int(told[1]) == one.examples, one
