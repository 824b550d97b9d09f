"""Laws of datasets: order and compression change nothing but the file."""

import gzip
import json

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.datasets import open_dataset

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
rows = st.lists(
    st.fixed_dictionaries(
        {"id": ids, "prompt": st.text(st.characters(exclude_categories=["Cs"]), min_size=1)},
        optional={"answer": st.lists(st.text(st.characters(exclude_categories=["Cs"]))), "n": st.integers(-9, 9)},
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row["id"],
)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


def dataset(folder, content, name="d.jsonl", **options):
    path = folder / name
    path.write_bytes(content)
    return open_dataset(DatasetSpec(name="d", format="jsonl", path=str(path)), **options)


def lines(items):
    return "".join(json.dumps(item) + "\n" for item in items).encode()


@in_one_folder
@given(rows, st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_shuffled_dataset_gives_the_same_examples_the_same_ranks(tmp_path, items, random, size):
    shuffled = random.sample(items, len(items))
    for limit in (None, size):
        one = sorted(dataset(tmp_path, lines(items), max_examples=limit).examples())
        two = sorted(dataset(tmp_path, lines(shuffled), max_examples=limit).examples())
        assert one == two
        assert [rank for rank, _ in one] == list(range(len(one)))
        assert [example.id for _, example in one] == sorted(example.id for _, example in one)


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
@in_one_folder
@given(items=rows)
def test_a_compressed_dataset_gives_the_same_examples(tmp_path, pack, suffix, items):
    plain = list(dataset(tmp_path, lines(items)).examples())
    packed = list(dataset(tmp_path, pack(lines(items)), f"d.jsonl{suffix}").examples())
    assert plain == packed
