"""A shard is named as I/N, or taken from what a scheduler says of its job."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.api.preparation.shard import divide
from insideLLMs.core.errors import OptionError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.shard import Shard, read_shard

ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(1, 50)


def slurm(task, first, last, count, step=1):
    names = ("TASK_ID", "TASK_MIN", "TASK_MAX", "TASK_COUNT", "TASK_STEP")
    return {
        f"SLURM_ARRAY_{name}": str(value) for name, value in zip(names, (task, first, last, count, step), strict=True)
    }


@given(ids, counts)
def test_every_example_is_in_exactly_one_shard(example, count):
    assert sum(shard.owns(example) for shard in Shard.all_of(count)) == 1


def test_the_split_is_fixed_for_ever():
    owners = [next(shard.index for shard in Shard.all_of(4) if shard.owns(f"e{n}")) for n in range(12)]
    assert owners == [1, 2, 3, 4, 1, 2, 1, 1, 2, 1, 2, 2]


@given(st.integers(0, 10_000), counts)
def test_shares_add_up_and_differ_by_one_at_most(amount, count):
    shares = [shard.whole_share(amount) for shard in Shard.all_of(count)]
    assert sum(shares) == amount
    assert max(shares) - min(shares) <= 1


@given(counts, st.integers(50, 1_000), st.floats(0.01, 1e6))
def test_the_limits_of_all_shards_add_up_to_those_of_the_run(count, whole, rate):
    spec = ExecutionSpec(
        concurrency=whole, max_tokens=whole, requests_per_minute=rate, tokens_per_minute=rate, max_cost_usd=rate
    )
    parts = [divide(spec, shard) for shard in Shard.all_of(count)]
    assert sum(part.concurrency for part in parts) == sum(part.max_tokens for part in parts) == whole
    for name in ("requests_per_minute", "tokens_per_minute", "max_cost_usd"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(rate)


def test_a_limit_that_is_not_set_stays_so_and_a_small_one_is_at_least_one():
    part = divide(ExecutionSpec(concurrency=1, max_tokens=1), Shard(3, 4))
    assert (part.concurrency, part.max_tokens, part.requests_per_minute, part.max_cost_usd) == (1, 1, None, None)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("2/4", {}, Shard(2, 4)),
        ("1/1", {"CI_NODE_INDEX": "9"}, Shard(1, 1)),
        ("auto", slurm(1, 1, 4, 4), Shard(1, 4)),
        ("auto", slurm(0, 0, 3, 4), Shard(1, 4)),
        ("auto", slurm(14, 10, 14, 3, 2), Shard(3, 3)),
        ("auto", slurm(4, 0, 5, 3, 2), Shard(3, 3)),
        ("auto", {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "3"}, Shard(1, 3)),
        ("auto", {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "3"}, Shard(3, 3)),
        ("auto", {"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "3"}, Shard(3, 3)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "", "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"}, Shard(1, 2)),
    ],
)
def test_a_shard_is_read(text, environ, expected):
    assert read_shard(text, environ) == expected


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("0/4", {}, "no shard 0/4"),
        ("5/4", {}, "no shard 5/4"),
        ("1/0", {}, "no shard 1/0"),
        ("1/20000", {}, "at most 10,000"),
        ("2", {}, "neither I/N nor auto"),
        ("-1/4", {}, "neither I/N nor auto"),
        ("1/4/2", {}, "neither I/N nor auto"),
        ("a/b", {}, "neither I/N nor auto"),
        ("auto", {"CI_NODE_INDEX": ""}, "none of"),
        ("", {}, "neither I/N nor auto"),
        ("Auto", {}, "neither I/N nor auto"),
        ("\u0661/\u0664", {}, "neither I/N nor auto"),
        ("auto", {}, "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, CI_NODE_INDEX is set"),
        ("auto", {"CI_NODE_TOTAL": "1"}, "is set"),
        (
            "auto",
            {**slurm(1, 1, 4, 4), "CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4"},
            "are set, and only one can be meant",
        ),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}, "JOB_COMPLETIONS is not set"),
        ("auto", slurm(7, 1, 7, 3), "has gaps"),
        ("auto", slurm(2, 1, 4, 3), "has gaps"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_COUNT is not set"),
        ("auto", {"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "3"}, "no shard 4/3"),
        ("auto", {"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "3"}, "no shard 0/3"),
        ("auto", {"CI_NODE_INDEX": "x", "CI_NODE_TOTAL": "3"}, "CI_NODE_INDEX is 'x'"),
    ],
)
def test_what_names_no_shard_is_refused_with_a_way_out(text, environ, said):
    with pytest.raises(OptionError) as refused:
        read_shard(text, environ)
    assert said in refused.value.message
    assert "--shard" in refused.value.fix
