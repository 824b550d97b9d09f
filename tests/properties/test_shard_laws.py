"""Laws of the split: each example in one shard, with all that shares an answer; nothing depends on the others."""

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec, PromptSpec
from insideLLMs.core.shard import Shard

kinds = st.sampled_from("abcdef")
rows = st.dictionaries(st.text("xyz0123", min_size=1, max_size=3), st.tuples(kinds, kinds), min_size=1, max_size=12)
counts = st.integers(1, 5)


def experiment(examples, shard):
    given = [{"id": name, "prompt": prompt, "kind": kind} for name, (prompt, kind) in examples]
    return Experiment(
        name="x",
        models=(ModelSpec(type="dummy", id="m"),),
        prompts=tuple(PromptSpec(id=name, template=f"{{{{ {name} }}}}") for name in ("input", "kind")),
        probes=(ProbeSpec(type="contains", id="c", args={"any": ["x"]}, datasets=("d",)),),
        datasets=(DatasetSpec(name="d", format="inline", examples=tuple(given)),),
        shard=shard,
    )


def split(examples, count):
    """Return the ids in each shard."""
    found = []
    for shard in Shard.all_of(count):
        prepared = prepare(experiment(examples, shard), folder=Path())
        ranked = dict(prepared.datasets["d"].examples())
        assert sorted(ranked) == list(range(len(ranked)))
        assert [ranked[rank].id for rank in range(len(ranked))] == sorted(each.id for each in ranked.values())
        assert prepared.plan.total == 2 * len(ranked)
        found.append({each.id for each in ranked.values()})
        asyncio.run(prepared.aclose())
    return found


@settings(max_examples=20)
@given(rows, counts)
def test_every_example_is_in_one_shard_with_those_that_ask_the_same(examples, count):
    shards = split(examples.items(), count)
    assert sum(map(len, shards)) == len(examples)
    assert set().union(*shards) == set(examples)
    for one, (prompt, kind) in examples.items():
        for other, (its_prompt, its_kind) in examples.items():
            if prompt == its_prompt or kind == its_kind:
                assert any({one, other} <= shard for shard in shards)


@settings(max_examples=20)
@given(rows, counts, st.randoms(use_true_random=False))
def test_order_and_other_examples_change_nothing(examples, count, chance):
    before = split(examples.items(), count)
    shuffled = list(examples.items())
    chance.shuffle(shuffled)
    assert split(shuffled, count) == before
    after = split([("new", ("another prompt", "another kind")), *shuffled], count)
    assert [shard - {"new"} for shard in after] == before
