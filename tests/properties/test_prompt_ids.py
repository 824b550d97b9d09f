"""Laws of the ids that prompts given from Python get."""

from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.runner.prompts import Prompts

items = st.lists(
    st.text(alphabet="ab", max_size=2)
    | st.fixed_dictionaries({"prompt": st.text(alphabet="ab", min_size=1, max_size=2), "expected": st.integers(0, 1)}),
    min_size=1,
    max_size=12,
)


def named(given):
    return [(rank, example) for rank, example in Prompts(given, any_json=False).examples()]


@given(items)
def test_every_example_has_its_own_id_and_rank_in_input_order(given):
    ranks, examples = zip(*named(given), strict=True)
    ids = [example.id for example in examples]
    assert len(set(ids)) == len(given)
    assert [sorted(ids)[rank] for rank in ranks] == ids
    assert [example.text for example in examples] == [one if isinstance(one, str) else one["prompt"] for one in given]


@given(items.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))))
def test_an_order_changes_neither_the_ids_nor_the_digest(pair):
    one, other = pair
    assert {example.id for _, example in named(one)} == {example.id for _, example in named(other)}
    assert Prompts(one, any_json=False).facts == Prompts(other, any_json=False).facts
